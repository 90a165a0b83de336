//! The HTTP listener: `/metrics`, `/livez`, `/readyz`.
//!
//! Guarantees that a request, whatever its bytes, costs a bounded time and memory and harms no other client: connections, header
//! size and number, the time to send a header, a body and a connection's life are limited; one scrape runs at a time, off
//! the async threads. Each part owns its routes; `router.rs` merges them. Who may reach the listener is left to where it
//! is bound.

mod answer;
mod health;
mod metrics;
mod router;
mod server;
mod slots;

use tokio::net::TcpListener;

pub use health::Readiness;
use router::Routes;

use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// The state that the endpoints show.
#[derive(Clone)]
pub struct Endpoints {
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/readyz`.
    pub readiness: Readiness,
}

/// Serves the endpoints on all `sockets`, with at most that many connections, until the token of `tasks` is cancelled.
/// Give it a set that is drained late, so that `/readyz` can say no while the broker stops.
pub fn serve(tasks: &Tasks, sockets: Vec<TcpListener>, connections: usize, endpoints: Endpoints) {
    let limits = server::Limits { connections, head_timeout: server::HEAD_TIMEOUT };
    server::serve(limits, tasks, sockets, Routes::new(endpoints, tasks));
}

#[cfg(test)]
mod tests;
