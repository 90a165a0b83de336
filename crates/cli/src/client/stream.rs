//! A socket, with or without TLS on it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Address;
use super::error::ClientError;
use super::settings::{TlsSettings, provider};

/// A server that is up accepts within this time.
const CONNECT: Duration = Duration::from_secs(10);

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// The addresses of a host, at least one.
///
/// # Errors
/// It has none.
pub(crate) fn resolve(address: &Address) -> Result<Vec<SocketAddr>, ClientError> {
    let failed = |reason: String| ClientError::Resolve { host: address.host.clone(), reason };
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| failed(error.to_string()))?.collect();
    if found.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(found) }
}

/// Connects to the first of a host's addresses that answers.
///
/// # Errors
/// None does; the text is of the last.
pub(crate) fn connect(address: &Address, timeout: Duration) -> Result<TcpStream, ClientError> {
    let mut last = None;
    for socket in resolve(address)? {
        match TcpStream::connect_timeout(&socket, CONNECT.min(timeout)) {
            Ok(stream) => {
                let prepared = stream
                    .set_nodelay(true)
                    .and_then(|()| stream.set_read_timeout(Some(timeout)))
                    .and_then(|()| stream.set_write_timeout(Some(timeout)));
                match prepared {
                    Ok(()) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(error) => last = Some(error),
        }
    }
    let reason = last.map_or_else(String::new, |error| match error.kind() {
        ErrorKind::ConnectionRefused => {
            "no process listens on that port; start the broker, or correct the port".to_owned()
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            "no answer; check the address, and firewalls on the way".to_owned()
        }
        _ => error.to_string(),
    });
    Err(ClientError::Connect { address: address.clone(), reason })
}

impl Stream {
    /// Completes a TLS handshake. `timeout` is that of the socket.
    ///
    /// # Errors
    /// The server is not trusted, refuses the client, or does not speak TLS.
    pub(crate) fn encrypt(
        mut socket: TcpStream,
        address: &Address,
        tls: &TlsSettings,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let failed = |error: rustls::Error, chain: Vec<Vec<u8>>| ClientError::Tls {
            address: address.clone(),
            error,
            chain,
        };
        let name = ServerName::try_from(address.host.clone()).map_err(|_| {
            ClientError::Other(format!("{:?} is no name that a certificate can have", address.host))
        })?;
        let (config, seen) = tls.config().map_err(|error| {
            ClientError::Other(format!(
                "TLS cannot be set up: {error}; see ssl.keystore.location and ssl.truststore.location"
            ))
        })?;
        let mut session = ClientConnection::new(config, name).map_err(|error| failed(error, Vec::new()))?;
        while session.is_handshaking() {
            let Err(error) = session.complete_io(&mut socket) else { continue };
            let chain = seen.get().cloned().unwrap_or_default();
            return Err(match of_tls(&error) {
                Some(error) => failed(error, chain),
                None if is_late(&error) => ClientError::TooLate {
                    address: address.clone(),
                    at: "the TLS handshake",
                    seconds: timeout.as_secs(),
                },
                None => ClientError::TlsClosed { address: address.clone() },
            });
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    /// The certificate of the server, as DER; `None` without TLS.
    pub(crate) fn certificate(&self) -> Option<Vec<u8>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// False if the server has closed the stream, or sent something without being asked. The stream must have nothing under way.
    pub(super) fn is_idle(&mut self) -> bool {
        if self.socket().set_nonblocking(true).is_err() {
            return false;
        }
        // With TLS this also takes what a server sends after a handshake.
        let read = self.read(&mut [0]);
        let is_restored = self.socket().set_nonblocking(false).is_ok();
        is_restored && read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

/// The first bytes of a handshake, for a probe that goes no further.
///
/// # Errors
/// The host can have no certificate.
pub(crate) fn client_hello(host: &str) -> std::io::Result<Vec<u8>> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config
        .map_err(std::io::Error::other)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let mut session = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes)?;
    Ok(bytes)
}

/// The error of TLS in one of the socket.
pub(super) fn of_tls(error: &std::io::Error) -> Option<rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned()
}

pub(super) fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
