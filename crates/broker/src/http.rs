//! The HTTP listener: `/metrics`, `/livez`, `/readyz`.
//!
//! Guarantees that a request, whatever its bytes, costs a bounded time and memory and harms nobody: connections, header
//! size and number, the time to send a header and a connection's life are limited; one scrape runs at a time, off the
//! async threads. `/livez` (and its alias `/healthz`) says that the process answers; `/readyz` that it serves Kafka
//! clients, see [`Readiness`]; `?verbose` names each check. Who may reach the listener is left to where it is bound.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::tasks::{TaskHandle, Tasks};
use crate::telemetry::metrics::{self, Metrics};

/// Connections served at once, and the time for a request's head to arrive, for which an idle connection is kept too. More
/// connections wait in the listener's backlog.
const LIMITS: Limits = Limits { connections: 64, head_timeout: Duration::from_secs(20) };
/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Header lines of a request.
const MAX_HEADERS: usize = 64;
/// Life of a connection, after which the request in progress is its last.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// Time for that last request.
const LAST_REQUEST: Duration = Duration::from_secs(30);
/// Pause after a failed accept (no file descriptors left, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Named checks, all of which must pass for `/readyz` to say yes. Cheap to clone; clones are the same checks.
///
/// The broker fails them at the first stage of shutdown, so that balancers turn away while connections are drained.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<RwLock<Vec<Check>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    name: &'static str,
    /// Why the check fails; none if it passes.
    reason: Option<String>,
}

impl Readiness {
    /// Checks that all fail until they are passed.
    pub fn new(names: &[&'static str]) -> Self {
        let check = |name: &&'static str| Check { name, reason: Some("not started".to_owned()) };
        Self(Arc::new(RwLock::new(names.iter().map(check).collect())))
    }

    /// The check passes from now on; one that did not exist is added.
    pub fn pass(&self, name: &'static str) {
        self.put(name, None);
    }

    /// The check fails from now on, for a reason an operator understands; one that did not exist is added.
    pub fn fail(&self, name: &'static str, reason: impl Into<String>) {
        self.put(name, Some(reason.into()));
    }

    /// Whether every check passes.
    pub fn is_ready(&self) -> bool {
        self.0.read().iter().all(|check| check.reason.is_none())
    }

    fn put(&self, name: &'static str, reason: Option<String>) {
        let mut checks = self.0.write();
        match checks.iter_mut().find(|check| check.name == name) {
            Some(check) => check.reason = reason,
            None => checks.push(Check { name, reason }),
        }
    }

    /// Whether every check passes, and a line per check.
    fn report(&self) -> (bool, String) {
        let checks = self.0.read();
        let mut text = String::new();
        for Check { name, reason } in checks.iter() {
            // Writing to a String cannot fail.
            let _ = match reason {
                None => writeln!(text, "[+] {name} ok"),
                Some(reason) => writeln!(text, "[-] {name} failed: {reason}"),
            };
        }
        (checks.iter().all(|check| check.reason.is_none()), text)
    }
}

/// What the endpoints show.
#[derive(Clone)]
pub struct Endpoints {
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/readyz`.
    pub readiness: Readiness,
}

/// Serves the endpoints on `listener` until the token of `tasks` is cancelled. Give it a set that is drained late, so that
/// `/readyz` can say no while the broker stops.
pub fn serve(tasks: &Tasks, listener: TcpListener, endpoints: Endpoints) -> TaskHandle {
    serve_within(LIMITS, tasks, listener, endpoints)
}

#[derive(Clone, Copy)]
struct Limits {
    connections: usize,
    head_timeout: Duration,
}

fn serve_within(limits: Limits, tasks: &Tasks, listener: TcpListener, endpoints: Endpoints) -> TaskHandle {
    let server = Arc::new(Server {
        endpoints,
        tasks: tasks.clone(),
        connections: Arc::new(Semaphore::new(limits.connections)),
        head_timeout: limits.head_timeout,
        scrapes: Semaphore::new(1),
    });
    tasks.spawn("http-accept", async move { server.accept(listener).await })
}

struct Server {
    endpoints: Endpoints,
    tasks: Tasks,
    connections: Arc<Semaphore>,
    head_timeout: Duration,
    scrapes: Semaphore,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let token = self.tasks.token().clone();
        loop {
            let next = async {
                let permit = Arc::clone(&self.connections).acquire_owned().await;
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = token.cancelled() => return,
                next = next => next,
            };
            let (Ok(permit), Ok((stream, peer))) = (permit, accepted) else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let server = Arc::clone(&self);
            self.tasks.spawn("http-connection", async move {
                let _permit = permit;
                server.connection(stream, peer).await;
            });
        }
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        let service = service_fn(|request| async move { Ok::<_, Infallible>(self.answer(&request).await) });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.last_request() => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(LAST_REQUEST, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "http connection ended");
        }
    }

    /// Until the connection has lived long enough, or the server stops.
    async fn last_request(&self) {
        tokio::select! {
            () = self.tasks.token().cancelled() => {}
            () = tokio::time::sleep(CONNECTION_LIFE) => {}
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(accepts_gzip(request.headers())).await,
            "/livez" | "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => self.readyz(request.uri().query()),
            "/" => text(StatusCode::OK, "Ottla: /metrics /livez /readyz?verbose\n".to_owned()),
            _ => text(StatusCode::NOT_FOUND, "no such page; try /metrics, /livez, /readyz\n".to_owned()),
        }
    }

    async fn metrics(&self, compress: bool) -> Response<Full<Bytes>> {
        // Never closed; should it be, scrapes are merely not serialised.
        let _one_at_a_time = self.scrapes.acquire().await;
        let metrics = self.endpoints.metrics.clone();
        match self.tasks.blocking("metrics-scrape", move || scrape(&metrics, compress)).await {
            Some(Ok(body)) => {
                let mut scraped = answer(StatusCode::OK, body);
                let headers = scraped.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
                headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
                if compress {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                scraped
            }
            failed => {
                if let Some(Err(error)) = failed {
                    tracing::error!(%error, "scrape failed");
                }
                text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the scrape failed; see the broker's log\n".to_owned(),
                )
            }
        }
    }

    fn readyz(&self, query: Option<&str>) -> Response<Full<Bytes>> {
        let (ready, checks) = self.endpoints.readiness.report();
        let (status, verdict) = if ready {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        };
        let key = |pair: &str| pair.split('=').next() == Some("verbose");
        let verbose = query.is_some_and(|query| query.split('&').any(key));
        // Not ready always says why: that is what whoever asks by hand needs.
        text(status, if verbose || !ready { checks + verdict } else { verdict.to_owned() })
    }
}

/// Why there is no scrape.
#[derive(Debug, thiserror::Error)]
enum ScrapeFailure {
    #[error(transparent)]
    Scrape(#[from] metrics::ScrapeError),
    #[error("compressing it failed: {0}")]
    Compress(#[from] std::io::Error),
}

/// The metrics, compressed if that is wanted: names repeat so much that a tenth remains.
fn scrape(metrics: &Metrics, compress: bool) -> Result<Bytes, ScrapeFailure> {
    let text = metrics.scrape()?;
    if !compress {
        return Ok(text.into());
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?.into())
}

/// Whether the client takes answers in gzip (RFC 9110, 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let mut offers = values.flat_map(|value| value.split(','));
    offers.any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0))
    })
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    answer(status, body.into())
}

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, PLAIN);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
