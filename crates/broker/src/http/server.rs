//! Accepts connections and bounds what each costs: their number, the size of a request's head and the time for it, and
//! a connection's life.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::router::Routes;
use crate::tasks::{TaskHandle, Tasks};

/// Connections served at once, and the time for a request's head to arrive, for which an idle connection is kept too. More
/// connections wait in the listener's backlog.
pub(super) const LIMITS: Limits = Limits { connections: 64, head_timeout: Duration::from_secs(20) };
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

/// Limits that tests lower.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) head_timeout: Duration,
}

/// Serves the routes on `listener` until the token of `tasks` is cancelled.
pub(super) fn serve(limits: Limits, tasks: &Tasks, listener: TcpListener, routes: Routes) -> TaskHandle {
    let server = Arc::new(Server {
        routes,
        tasks: tasks.clone(),
        connections: Arc::new(Semaphore::new(limits.connections)),
        head_timeout: limits.head_timeout,
    });
    tasks.spawn("http-accept", async move { server.accept(listener).await })
}

struct Server {
    routes: Routes,
    tasks: Tasks,
    connections: Arc<Semaphore>,
    head_timeout: Duration,
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
        let service =
            service_fn(|request| async move { Ok::<_, Infallible>(self.routes.answer(request).await) });
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
}
