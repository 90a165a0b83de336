//! The HTTP listener: `/metrics`, `/livez`, `/readyz`.
//!
//! Guarantees that a request, whatever its bytes, costs a bounded time and memory and harms no other client: connections, header
//! size and number, the time to send a header, a body and a connection's life are limited; one scrape runs at a time, off
//! the async threads. Each part owns its routes; `router.rs` merges them behind `authentication.rs`, which decides who may ask. The handshake of TLS
//! is that of Kafka's listeners (`session/tls.rs`).

mod answer;
mod authentication;
mod health;
mod metrics;
mod router;
mod server;
mod slots;

use std::sync::Arc;

use tokio::net::TcpListener;

pub use authentication::ScramUsers;
pub use health::Readiness;
use router::Routes;

use crate::clock::Clock;
use crate::config::HttpAccess;
use crate::session::logins::CurrentTls;
use crate::session::turns::Turns;
use crate::tasks::Tasks;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::Metrics;

/// The listener's name in the audit log.
const HTTP: &str = "HTTP";

/// The state that the endpoints show.
#[derive(Clone)]
pub struct Endpoints {
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/readyz`.
    pub readiness: Readiness,
    /// The clients that may ask.
    pub access: HttpAccess,
    /// The users of [`HttpAccess::ScramUsers`].
    pub scram_users: ScramUsers,
    /// Is told of logins.
    pub(crate) audit: Audit,
}

/// TLS of the listener.
pub(crate) struct Encryption {
    /// For each new connection that of now.
    pub(crate) current: CurrentTls,
    /// For the dates of certificates.
    pub(crate) clock: Clock,
    /// The order of handshakes, with those of Kafka's listeners.
    pub(crate) turns: Arc<Turns>,
}

/// Serves the endpoints on all `sockets`, with at most that many connections, until the token of `tasks` is cancelled; within TLS if there
/// is one. Give it a set that is drained late, so that `/readyz` can say no while the broker stops.
pub(crate) fn serve(
    tasks: &Tasks,
    sockets: Vec<TcpListener>,
    connections: usize,
    endpoints: Endpoints,
    tls: Option<Encryption>,
) {
    let limits = server::Limits { connections, head_timeout: server::HEAD_TIMEOUT };
    let audit = endpoints.audit.clone();
    server::serve(limits, tasks, sockets, Routes::new(endpoints, tasks), tls, audit);
}

#[cfg(test)]
mod tests;
