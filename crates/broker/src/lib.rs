//! The broker: sockets, the request path, the Kafka APIs and the services that answer them.
//!
//! ```text
//! socket ─► frame ────► header, decode ─► handler ────────► service ────────────► storage
//! kafka/connection.rs   kafka/dispatch.rs kafka/api/<name>  services/             io.rs
//! socket ◄─ frame ◄──── encode ◄───────── typed response ◄─ domain result
//! ```
//!
//! The folders are layers; each uses those above it in this list, never those below (`tests/layers.rs` checks it):
//! ```text
//! clock.rs random.rs             the time, random ids
//! tasks.rs io.rs                 background tasks, the only hand-off to the storage's threads
//! config/                        every key, and (`runtime.rs`) what is in force now
//! telemetry/                     metrics and logs
//! session/                       who asks, and the address at which that client finds this broker
//! topics/                        topics and partitions by name or id, their refusals and positions
//! services/                      append, fetch, coordinators, configs, admin, client metrics
//! kafka/                         frames, connections, dispatch, one file per Kafka API
//! http/                          `/metrics`, `/livez`, `/readyz`
//! net/                           listeners, admission
//! start.rs lib.rs                start; shutdown
//! ```
//!
//! Requests of a connection start in arrival order and answers leave in arrival order; several are in flight.
//! `kafka/api.rs` lists what is served; `kafka/context.rs` is all that a handler may touch; `kafka/error.rs` turns domain
//! errors into Kafka's codes; `tasks.rs`, `clock.rs` and `random.rs` are the only ways to run something in the background,
//! to know the time and to draw at random.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod clock;
pub mod config;
pub mod healthcheck;
pub mod http;
mod io;
mod kafka;
mod net;
mod random;
mod report;
mod services;
mod session;
mod start;
pub mod tasks;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod topics;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use storage::OpenError;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::config::BrokerConfig;
use crate::http::Readiness;
use crate::kafka::limits::Limits;
use crate::net::acceptor::Acceptor;
use crate::net::descriptors::Descriptors;
pub use crate::net::descriptors::TooFewDescriptors;
pub use crate::net::listener::BindError;
use crate::net::listener::Listener;
use crate::services::Services;
use crate::start::Early;
use crate::tasks::{Drained, Tasks};
use crate::telemetry::loggers::Loggers;
pub use security::sasl::scram::new_user::{NewUser, NewUserError};

/// Time for background tasks to end once no client is left.
const BACKGROUND_DEADLINE: Duration = Duration::from_secs(5);

/// Names of the checks of `/readyz`. This one passes when the data folder is open.
const STORAGE: &str = "storage";
/// Passes when clients are accepted; fails at the first stage of a shutdown.
const LISTENERS: &str = "listeners";

/// Passes with a warning while new files of TLS cannot be used.
const CERTIFICATES: &str = "certificates";

/// Passes with a warning while the keys of an issuer of bearer tokens cannot be read.
const ISSUER_KEYS: &str = "issuer keys";

/// A running broker. Dropping it does not stop it; [`Broker::shutdown`] does.
pub struct Broker {
    services: Arc<Services>,
    /// Connections and their acceptors: drained before everything else.
    connections: Tasks,
    /// The checks of `/readyz`.
    readiness: Readiness,
    /// See [`Broker::addresses`].
    addresses: Vec<SocketAddr>,
    /// See [`Broker::http_addresses`].
    http: Vec<SocketAddr>,
    fatal: Arc<Fatal>,
}

/// Decisions of a single start, which are no configuration.
#[derive(Clone, Default)]
pub struct StartOptions {
    /// Start although records that were on the disk are missing.
    pub accept_data_loss: bool,
    /// How the process logs.
    pub loggers: Loggers,
    /// Users to be made, where they do not exist.
    pub new_users: Vec<NewUser>,
    /// As `new_users`; besides, a super user as long as it is given.
    pub bootstrap_user: Option<NewUser>,
    /// Space of the disk, where it is not what the system tells.
    pub disk_space: Option<storage::DiskProbe>,
}

impl std::fmt::Debug for StartOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartOptions")
            .field("accept_data_loss", &self.accept_data_loss)
            .finish_non_exhaustive()
    }
}

/// Why the broker does not start. Each names its cause and the remedy.
#[derive(Debug, Error)]
pub enum StartError {
    /// The process may have too few files open.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// A listener cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The data folder cannot be opened.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The groups and offsets in the data folder cannot be read.
    #[error("the groups in the data folder cannot be read: {0}")]
    Groups(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The access control lists in the data folder cannot be read.
    #[error(
        "the ACLs in the data folder cannot be read: {0}; restore the folder, or start the version that wrote it"
    )]
    Acls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The credentials in the data folder cannot be read or kept.
    #[error(
        "the credentials in the data folder cannot be used: {0}; restore the folder, or start the version that wrote it"
    )]
    Credentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The audit log cannot be written.
    #[error("{0}")]
    Audit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The quotas in the data folder cannot be read.
    #[error(
        "the quotas in the data folder cannot be read: {0}; restore the folder, or start the version that wrote it"
    )]
    Quotas(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The configurations in the data folder cannot be read.
    #[error(
        "the configurations in the data folder cannot be read: {0}; restore the folder, or start the version that wrote it"
    )]
    Configs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The runtime stopped, or opening the data folder panicked; the log has it.
    #[error("starting was cut short; the log says why")]
    Interrupted,
}

/// How a broker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every request that was begun was answered, and all data is on the disk.
    Clean,
    /// The deadline cut some off, or the storage failed.
    Forced,
}

/// The storage's last word, if it failed.
#[derive(Default)]
struct Fatal {
    /// The first failure; later ones follow from it.
    reason: OnceLock<String>,
    /// Cancelled after the reason is set.
    happened: CancellationToken,
}

impl Broker {
    /// Binds every listener, serves HTTP, opens the data folder, then serves Kafka. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// If a listener cannot be bound or the data folder cannot be opened; nothing is left running then.
    pub async fn start(config: BrokerConfig, options: StartOptions) -> Result<Self, StartError> {
        // First of all: sockets and table files are opened within the limit that this sets.
        let descriptors = Descriptors::raise()?;
        // Sockets first: a port that is taken is found before anything on the disk is touched.
        let (listeners, http) = start::bind(&config).await?;
        let early = Early::new(config.start())?;
        // Before the data folder: a supervisor that gets no answer from `/livez` would kill a broker whose recovery
        // takes long, and the next one after it.
        let http = early.serve_http(http, config.start(), descriptors.http());
        let tasks = early.tasks.clone();
        let started = Self::open(config, options, early, listeners, http, descriptors).await;
        if started.is_err() {
            tasks.drain(BACKGROUND_DEADLINE).await;
        }
        started
    }

    /// Starts the listeners, then lets `/readyz` pass. Waits for nothing.
    fn serve(&self, listeners: Vec<Listener>, descriptors: Descriptors) {
        // As of now: what clients gave before this start counts as well.
        let limits = Limits::new(&self.services.configs.broker());
        let acceptor = Acceptor::new(
            Arc::clone(&self.services),
            self.connections.clone(),
            limits,
            descriptors.connections(),
        );
        for listener in listeners {
            tracing::info!(listener = %listener.name(), addresses = joined(listener.addresses()), "listening");
            listener.start(&acceptor);
        }
        // Last: a client that sees `/readyz` may connect at once.
        self.readiness.pass(STORAGE);
        self.readiness.pass(LISTENERS);
    }

    /// The addresses for Kafka clients: every bound one, with the ports that the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses of HTTP; empty if it is turned off.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Waits until the storage fails; gives the reason. Nothing is acknowledged from then on: the process must end, with an
    /// exit code that says so, and be started anew.
    pub async fn failed(&self) -> String {
        self.fatal.happened.cancelled().await;
        self.fatal.reason.get().cloned().expect("the reason is set before the token is cancelled")
    }

    /// Has the files of TLS read again soon, if there are any.
    pub fn read_certificates_again(&self) {
        tracing::info!("reading the files of TLS again");
        self.services.certificates.ask();
    }

    /// Stops in stages, each logged: accept no more, read no more, end long polls, answer what was begun (until
    /// `deadline` has passed), end background tasks, close the data folder.
    pub async fn shutdown(self, deadline: Duration) -> Outcome {
        let Services { tasks, shutdown, io, .. } = &*self.services;
        // First, so that load balancers send no more clients while the rest takes its time.
        self.readiness.fail(LISTENERS, "shutting down");
        tracing::info!("shutdown: no further connections");
        shutdown.accepting.cancel();
        tracing::info!("shutdown: no further requests");
        shutdown.reading.cancel();
        tracing::info!("shutdown: ending long polls");
        shutdown.waiting.cancel();
        let running = counted(&self.connections.running());
        let deadline_s = deadline.as_secs();
        tracing::info!(deadline_s, running, "shutdown: answering what was begun");
        let mut outcome = Outcome::Clean;
        // Connections first: a request that is being answered may need a coordinator's timers, which are
        // among the others.
        for (set, deadline) in [(&self.connections, deadline), (tasks, BACKGROUND_DEADLINE)] {
            if let Drained::Forced { left } = set.drain(deadline).await {
                let left = counted(&left);
                tracing::warn!(left, "shutdown: forced, what was left is cut off");
                outcome = Outcome::Forced;
            }
        }
        tracing::info!("shutdown: closing the data folder");
        // Last: the answers that were waited for include those of acks=all, which need a sync.
        let storage = io.storage().clone();
        match Tasks::new().blocking("close-storage", move || storage.close()).await {
            Some(Ok(())) => outcome,
            Some(Err(error)) => {
                tracing::error!(%error, "shutdown: the data folder was not closed cleanly");
                Outcome::Forced
            }
            None => Outcome::Forced,
        }
    }
}

/// Addresses as a field of a log line.
fn joined(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Tasks by name as a field of a log line, such as `acceptor 2, connection 17`.
fn counted(tasks: &[(&str, usize)]) -> String {
    tasks.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}
