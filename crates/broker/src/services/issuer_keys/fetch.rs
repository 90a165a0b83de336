//! One fetch of a key set over HTTP.
//!
//! Guarantees that it ends within 5 seconds, takes at most 256 KiB, follows no redirect, that an address which does not answer leaves time
//! for the others, and that `http` reaches this machine alone, whatever a name resolves to.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use security::bearer::{KeySet, NoKeys};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::{JwksUrl, MAX_KEY_SET_BYTES};
use crate::tasks::Tasks;

/// From the look-up of the name to the last byte.
const DEADLINE: Duration = Duration::from_secs(5);
/// The next address of a host is tried beside those before it when they have not answered for this long (as RFC 8305).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(500);
/// Addresses of a host that are tried: all that have a turn before the deadline.
const MAX_ADDRESSES: usize = 8;

/// Why there are no keys.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("the host cannot be reached: {0}")]
    Connect(io::Error),
    #[error("http is for this machine alone, and the host is another one; use https")]
    Elsewhere,
    #[error("no TLS with the host: {0}")]
    Tls(io::Error),
    #[error("the system's authorities cannot be used: {0}")]
    Authorities(String),
    #[error("the answer is no HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is {0}; redirects are not followed")]
    Status(StatusCode),
    #[error("the answer has more than {MAX_KEY_SET_BYTES} bytes")]
    TooLong,
    #[error("no answer within {DEADLINE:?}")]
    TooLate,
    #[error("the answer cannot be used: {0}")]
    Keys(#[from] NoKeys),
}

/// Fetches the keys of an issuer.
///
/// # Errors
/// It has none that can be used, or cannot be reached.
pub(super) async fn fetch(url: &JwksUrl, tasks: &Tasks) -> Result<KeySet, FetchError> {
    let bytes = timeout(DEADLINE, found(url, tasks)).await.map_err(|_| FetchError::TooLate)??;
    Ok(KeySet::parse(&bytes)?)
}

async fn found(url: &JwksUrl, tasks: &Tasks) -> Result<Vec<u8>, FetchError> {
    let addresses = lookup_host((url.host.as_str(), url.port)).await.map_err(FetchError::Connect)?;
    let is_allowed = |address: &SocketAddr| url.is_encrypted || address.ip().to_canonical().is_loopback();
    let addresses: Vec<SocketAddr> = addresses.filter(is_allowed).collect();
    if addresses.is_empty() {
        return Err(FetchError::Elsewhere);
    }
    let config = if url.is_encrypted {
        let roots = tasks.blocking("system-authorities", system_authorities).await;
        let roots = roots.unwrap_or_else(|| Err("they were not read".to_owned()));
        Some(roots.and_then(client_config).map_err(FetchError::Authorities)?)
    } else {
        None
    };
    first_of(addresses.iter().take(MAX_ADDRESSES).map(|address| answer(url, *address, config.clone()))).await
}

/// The first success. Each attempt begins when all before it have failed, or have taken [`NEXT_ADDRESS_AFTER`].
///
/// # Errors
/// The last failure.
pub(super) async fn first_of<A>(attempts: impl Iterator<Item = A>) -> Result<Vec<u8>, FetchError>
where
    A: Future<Output = Result<Vec<u8>, FetchError>>,
{
    let mut attempts = attempts.fuse();
    let (mut running, mut failure) = (Vec::new(), FetchError::TooLate);
    loop {
        running.extend(attempts.next().map(Box::pin));
        if running.is_empty() {
            return Err(failure);
        }
        let ended = std::future::poll_fn(|cx| {
            let ready =
                running.iter_mut().enumerate().find_map(|(at, attempt)| match attempt.as_mut().poll(cx) {
                    Poll::Ready(outcome) => Some((at, outcome)),
                    Poll::Pending => None,
                });
            ready.map_or(Poll::Pending, Poll::Ready)
        });
        match timeout(NEXT_ADDRESS_AFTER, ended).await {
            Ok((_, Ok(bytes))) => return Ok(bytes),
            Ok((at, Err(error))) => {
                drop(running.swap_remove(at));
                failure = error;
            }
            // The next one joins them.
            Err(_) => {}
        }
    }
}

/// The answer of one address, over TLS if there is a configuration for it.
pub(super) async fn answer(
    url: &JwksUrl,
    address: SocketAddr,
    config: Option<Arc<ClientConfig>>,
) -> Result<Vec<u8>, FetchError> {
    let stream = TcpStream::connect(address).await.map_err(FetchError::Connect)?;
    let Some(config) = config else { return ask(url, stream).await };
    let name = ServerName::try_from(url.host.clone());
    let name = name.map_err(|error| FetchError::Tls(io::Error::other(error)))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(FetchError::Tls)?;
    ask(url, stream).await
}

/// The system's authorities, or those of the file that `SSL_CERT_FILE` names. Read for each fetch, so that a new one counts.
fn system_authorities() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!("there are none; SSL_CERT_FILE names a file of them. {}", reasons.join("; ")));
    }
    Ok(roots)
}

/// A client that trusts these authorities.
pub(super) fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn ask<S>(url: &JwksUrl, stream: S) -> Result<Vec<u8>, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host.clone() };
    let request = Request::get(&url.path)
        .header(header::HOST, format!("{host}:{}", url.port))
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "ottla");
    let request = request.body(String::new()).expect("path and host came out of a URL");
    let asking = async {
        let response = sender.send_request(request).await?;
        match response.status() {
            StatusCode::OK => read(response.into_body()).await,
            other => Err(FetchError::Status(other)),
        }
    };
    // The connection may end before its answer was read.
    let driving = async {
        let _ended = connection.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        answer = asking => answer,
        never = driving => match never {},
    }
}

async fn read(body: Incoming) -> Result<Vec<u8>, FetchError> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Some(data) = frame?.data_ref() {
            if bytes.len() + data.len() > MAX_KEY_SET_BYTES {
                return Err(FetchError::TooLong);
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}
