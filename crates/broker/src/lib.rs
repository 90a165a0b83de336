//! The broker: sockets, the request path, the Kafka APIs and the coordinators behind them.
//!
//! ```text
//! socket ─► frame ────► header, decode ─► handler ────────► coordinator, partition ─► storage
//! net/connection.rs     dispatch.rs       api/<name>.rs     group/ partition/ admin/  io.rs
//! socket ◄─ frame ◄──── encode ◄───────── typed response ◄─ domain result
//! ```
//!
//! Requests of a connection start in arrival order and answers leave in arrival order; several are in flight. One
//! hand-off lies between a socket and the disk, at `io.rs`. `api.rs` lists what is served; `context.rs` is all that a
//! handler may touch; `error.rs` turns domain errors into Kafka's codes; `tasks.rs` and `clock.rs` are the only ways to
//! run something in the background and to know the time.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod api;
pub mod clock;
pub mod config;
mod context;
mod dispatch;
#[allow(dead_code, unused_imports, reason = "no API calls the coordinator yet")]
mod group;
pub mod healthcheck;
pub mod io;
mod net;
pub mod tasks;
pub mod telemetry;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Clock;
use crate::context::{Services, Shutdown};
use crate::net::Limits;
pub use crate::net::listener::{BindError, Endpoint};
use crate::net::listener::{Door, Listener};
use crate::tasks::{Drained, Tasks};

/// A running broker. Dropping it does not stop it; [`Broker::shutdown`] does.
pub struct Broker {
    services: Arc<Services>,
    addresses: Vec<SocketAddr>,
}

/// Why the broker does not start. Each names its cause and the remedy.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// How a broker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every request that was begun was answered.
    Clean,
    /// The deadline cut some off.
    Forced,
}

impl Broker {
    /// Binds every listener, then serves.
    ///
    /// # Errors
    /// If a listener cannot be bound; nothing is left running then.
    pub async fn start(endpoints: Vec<Endpoint>) -> Result<Self, StartError> {
        let services =
            Arc::new(Services { clock: Clock::system(), tasks: Tasks::new(), shutdown: Shutdown::default() });
        let mut listeners = Vec::new();
        for endpoint in endpoints {
            listeners.push(Listener::bind(endpoint).await?);
        }
        let addresses = listeners.iter().flat_map(Listener::addresses).copied().collect();
        let door = Door::new(Arc::clone(&services), Limits::default());
        for listener in listeners {
            tracing::info!(listener = %listener.name(), addresses = ?listener.addresses(), "listening");
            listener.start(&door);
        }
        Ok(Self { services, addresses })
    }

    /// Where clients can connect: every bound address, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops in stages, each logged: accept no more, read no more, end long polls, answer what was begun (until
    /// `deadline` has passed).
    pub async fn shutdown(self, deadline: Duration) -> Outcome {
        let Services { tasks, shutdown, .. } = &*self.services;
        tracing::info!("shutdown: no further connections");
        shutdown.accepting.cancel();
        tracing::info!("shutdown: no further requests");
        shutdown.reading.cancel();
        tracing::info!("shutdown: ending long polls");
        shutdown.waiting.cancel();
        tracing::info!(deadline_ms = deadline.as_millis(), running = ?tasks.running(), "shutdown: draining");
        match tasks.drain(deadline).await {
            Drained::Clean => Outcome::Clean,
            Drained::Forced { left } => {
                tracing::warn!(?left, "shutdown: forced, some requests were cut off");
                Outcome::Forced
            }
        }
    }
}
