//! Accepts connections and bounds what each costs: their number, the size of a request's head and the time for it, and
//! a connection's life. Which connection gives way when there are too many is left to `slots.rs`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::authentication::{Certificate, Peer};
use super::router::Routes;
use super::slots::{Slot, Slots};
use super::{Encryption, HTTP};
use crate::clock;
use crate::config::ClientAuth;
use crate::session::tls::{self, NoTls};
use crate::tasks::Tasks;
use crate::telemetry::audit::{self, Audit};
use crate::telemetry::line_limit::LineLimit;

/// Time for a request's head to arrive, for which an idle connection is kept too: longer than scrapers pause (15 s).
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Header lines of a request.
const MAX_HEADERS: usize = 64;
/// Life of a connection, after which the request in progress is its last.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);
/// Time for that last request.
const LAST_REQUEST: Duration = Duration::from_secs(30);
/// Time for a client to take the rest of an answer, where no request is in progress any more.
const UNSENT: Duration = Duration::from_secs(1);
/// Pause after a failed accept (no file descriptors left, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits that depend on the machine, or that tests lower.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Of all sockets together.
    pub(super) connections: usize,
    /// Time for a request's head; see [`HEAD_TIMEOUT`].
    pub(super) head_timeout: Duration,
}

/// Serves the routes on all `sockets` until the token of `tasks` is cancelled.
pub(super) fn serve(
    limits: Limits,
    tasks: &Tasks,
    sockets: Vec<TcpListener>,
    routes: Routes,
    tls: Option<Encryption>,
    audit: Audit,
) {
    let server = Arc::new(Server {
        routes,
        tls,
        audit,
        tasks: tasks.clone(),
        slots: Slots::new(limits.connections),
        head_timeout: limits.head_timeout,
        lines: LineLimit::new(),
    });
    for socket in sockets {
        let server = Arc::clone(&server);
        tasks.spawn("http-accept", async move { server.accept(socket).await });
    }
}

/// The state that all sockets and connections of HTTP share.
struct Server {
    routes: Routes,
    /// `None`: nothing is encrypted.
    tls: Option<Encryption>,
    audit: Audit,
    tasks: Tasks,
    slots: Slots,
    head_timeout: Duration,
    /// Lines that clients can cause: accepting, refusing, giving way.
    lines: LineLimit,
}

impl Server {
    /// Accepts from one socket until the token is cancelled. Never ends by an error of a connection.
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let token = self.tasks.token().clone();
        loop {
            let Some(accepted) = token.run_until_cancelled(listener.accept()).await else { return };
            let (stream, peer) = match accepted {
                // An IPv4 client of a socket for both families is shown by its IPv4 address.
                Ok((stream, peer)) => (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
                Err(error) => {
                    // The connection stays in the backlog, and the next accept would fail at once.
                    if let Some(suppressed) = self.lines.take("accept") {
                        tracing::warn!(%error, suppressed, "accepting HTTP connections is held up");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            // After accepting: a client that is refused must not wait in the backlog for the others to end.
            // A short wait: the connection that gives way is dropped by its task below as soon as it is told.
            let Some(slot) = token.run_until_cancelled(self.slots.take()).await else { return };
            let Some(slot) = slot else {
                if let Some(suppressed) = self.lines.take("full") {
                    tracing::warn!(%peer, suppressed, "HTTP connection refused: as many as may be are in use");
                }
                continue;
            };
            let server = Arc::clone(&self);
            self.tasks.spawn("http-connection", async move {
                tokio::select! {
                    () = server.client(stream, peer, &slot) => {}
                    () = slot.gives_way() => {
                        if let Some(suppressed) = server.lines.take("gives way") {
                            let reason = "it asks nothing, and another client needs its place";
                            tracing::warn!(%peer, suppressed, reason, "HTTP connection closed");
                        }
                    }
                }
            });
        }
    }

    /// Serves one client, after its handshake where there is TLS.
    async fn client(&self, socket: TcpStream, address: SocketAddr, slot: &Slot) {
        let Some(tls) = &self.tls else {
            let peer = Peer { address, certificate: Certificate::NotDemanded };
            return self.connection(socket, peer, slot).await;
        };
        let settings = tls.current.load_full();
        let accept = tls::accept(socket, &settings, clock::timer_now() + tls::DEADLINE);
        // In turn: strangers' handshakes take no time from clients of other addresses, here or on Kafka's listeners.
        let accept = tls.turns.run(address.ip(), accept);
        // A client that does not end its handshake would hold up the stop.
        let Some(accepted) = self.tasks.token().run_until_cancelled(accept).await else { return };
        let known = accepted.and_then(|stream| {
            stream.judge_again(&settings, &tls.current.load_full(), tls.clock.now_ms())?;
            let certificate = match settings.client_auth {
                ClientAuth::Required => {
                    stream.principal(&settings)?.map_or(Certificate::Missing, Certificate::Of)
                }
                ClientAuth::Requested | ClientAuth::None => Certificate::NotDemanded,
            };
            Ok((stream, certificate))
        });
        match known {
            Ok((stream, certificate)) => self.connection(stream, Peer { address, certificate }, slot).await,
            Err(reason) => self.no_tls(address, &reason),
        }
    }

    fn no_tls(&self, peer: SocketAddr, reason: &NoTls) {
        if reason.is_of_certificate() {
            let client = audit::Client { principal: None, address: peer, listener: HTTP, client_id: None };
            self.audit.login_refused(&client, Some(tls::MECHANISM), &reason.to_string());
        }
        match reason.kind() {
            None => tracing::debug!(%peer, %reason, "HTTP connection ended within its handshake"),
            Some(kind) => {
                if let Some(suppressed) = self.lines.take(kind) {
                    let reason = match reason {
                        NoTls::Foreign(what) => {
                            format!("it speaks TLS, and the client began {what}; ask https://")
                        }
                        other => other.to_string(),
                    };
                    tracing::warn!(%peer, %reason, suppressed, "HTTP connection closed");
                }
            }
        }
    }

    /// Serves one connection until it ends, its life is over, or the server stops; then the request in
    /// progress is still answered.
    async fn connection<S>(&self, stream: S, peer: Peer, slot: &Slot)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Of one task alone, so relaxed loads and stores suffice. The service can be given a shared reference
        // only.
        let is_answering = AtomicBool::new(false);
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            is_answering.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(slot.asked().clone());
            let is_answering = &is_answering;
            async move {
                let answer = self.routes.answer(request).await;
                is_answering.store(false, Ordering::Relaxed);
                slot.asked().answered();
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            // hyper's own limits are about 400 KiB and 100 lines.
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.last_request() => {
                connection.as_mut().graceful_shutdown();
                // hyper waits for the rest of a head that was begun: a client that never sends it would force the stop.
                let rest = if is_answering.load(Ordering::Relaxed) { LAST_REQUEST } else { UNSENT };
                // Cut off after that, as far as the client is concerned: an answer that it does not take.
                tokio::time::timeout(rest, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %peer.address, %error, "http connection ended");
        }
    }

    /// Until the connection has lived long enough, or the server stops.
    async fn last_request(&self) {
        tokio::select! {
            () = self.tasks.token().cancelled() => {}
            () = tokio::time::sleep(CONNECTION_LIFE) => {}
        }
    }
}
