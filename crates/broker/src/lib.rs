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
//! lib.rs                         start and shutdown
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
pub mod io;
mod kafka;
mod net;
mod random;
mod report;
mod services;
mod session;
pub mod tasks;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod topics;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use codec::ErrorCode;
use storage::{OpenError, Recovery, Storage, StorageOptions};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::runtime::RuntimeConfigs;
use crate::config::{BrokerConfig, Bytes, FlushPolicy, StartConfig, TopicConfig};
use crate::http::{Endpoints, Readiness};
use crate::io::Io;
use crate::kafka::api;
use crate::kafka::limits::Limits;
use crate::net::acceptor::Acceptor;
use crate::net::descriptors::Descriptors;
pub use crate::net::descriptors::TooFewDescriptors;
pub use crate::net::listener::BindError;
use crate::net::listener::{Endpoint, Listener, SocketOptions};
use crate::services::append::Appender;
use crate::services::client_metrics::ClientMetrics;
use crate::services::configs::kind::ConfigResources;
use crate::services::configs::{client_metrics as client_metrics_configs, group as group_configs};
use crate::services::fetch::{Fetcher, FetcherOptions};
use crate::services::{Services, Shutdown};
use crate::session::advertised::AdvertisedAddresses;
use crate::tasks::{Drained, Tasks};
use crate::telemetry::loggers::Loggers;
use crate::telemetry::metrics::{DEFAULT_MAX_SERIES, Metrics, MetricsOptions};
use crate::topics::Topics;

/// Time for background tasks to end once no client is left.
const BACKGROUND_DEADLINE: Duration = Duration::from_secs(5);

/// Names of the checks of `/readyz`. This one passes when the data folder is open.
const STORAGE: &str = "storage";
/// Passes when clients are accepted; fails at the first stage of a shutdown.
const LISTENERS: &str = "listeners";

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
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// Start although records that were on the disk are missing.
    pub accept_data_loss: bool,
    /// How the process logs.
    pub loggers: Loggers,
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

/// Everything that is there before the data folder is open.
struct Early {
    clock: Clock,
    tasks: Tasks,
    metrics: Metrics,
    readiness: Readiness,
}

impl Early {
    fn new() -> Self {
        let clock = Clock::system();
        let metrics = metrics(&clock);
        let readiness = Readiness::new(&[STORAGE, LISTENERS]);
        readiness.fail(STORAGE, "the data folder is being opened");
        Self { clock, tasks: Tasks::new(), metrics, readiness }
    }

    /// Serves HTTP from now on; returns its addresses, none if it is turned off. `/readyz` says no, and `/metrics` shows
    /// only what is counted here, until the broker is complete.
    fn serve_http(&self, http: Option<Listener>, connections: usize) -> Vec<SocketAddr> {
        let addresses = http.iter().flat_map(Listener::addresses).copied().collect();
        let endpoints = Endpoints { metrics: self.metrics.clone(), readiness: self.readiness.clone() };
        // Not among the connections, which are drained first: `/readyz` has to say no for as long as they
        // are.
        http::serve(
            &self.tasks,
            http.map(Listener::into_sockets).unwrap_or_default(),
            connections,
            endpoints,
        );
        addresses
    }
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
        let (listeners, http) = bind(&config).await?;
        let early = Early::new();
        // Before the data folder: a supervisor that gets no answer from `/livez` would kill a broker whose recovery
        // takes long, and the next one after it.
        let http = early.serve_http(http, descriptors.http());
        let tasks = early.tasks.clone();
        let started = Self::open(config, options, early, listeners, http, descriptors).await;
        if started.is_err() {
            tasks.drain(BACKGROUND_DEADLINE).await;
        }
        started
    }

    /// Opens the data folder and serves Kafka on `listeners`; HTTP is served already, on the addresses `http`.
    async fn open(
        config: BrokerConfig,
        options: StartOptions,
        early: Early,
        listeners: Vec<Listener>,
        http: Vec<SocketAddr>,
        descriptors: Descriptors,
    ) -> Result<Self, StartError> {
        let (tasks, readiness, fatal) =
            (early.tasks.clone(), early.readiness.clone(), Arc::<Fatal>::default());
        let config = Arc::new(config);
        let configs = Arc::new(RuntimeConfigs::new(Arc::clone(&config)));
        let storage_options = StorageOptions {
            max_open_files: i32::try_from(descriptors.tables()).expect("at most 1 000"),
            ..storage_options(&config, &configs, &options, &early.clock, &fatal)
        };
        descriptors.log(&config);
        // Off the runtime: opening replays the log and may take long.
        let opening = tasks.blocking("open-storage", move || Storage::open(storage_options));
        let storage = opening.await.ok_or(StartError::Interrupted)??;
        let reader = storage.clone();
        // Before anything is served: limits, topics and groups take their values from these.
        let kept = tasks.blocking("load-configs", move || reader.configs()).await;
        configs
            .load(kept.ok_or(StartError::Interrupted)?.map_err(|error| StartError::Configs(error.into()))?);
        let (Recovery { new, unclean }, catalog) = (storage.recovery(), storage.catalog());
        let topics = catalog.len();
        let partitions: u32 = catalog.topics().map(|topic| topic.partition_count()).sum();
        let path = config.data_dir().display();
        tracing::info!(%path, new, unclean, topics, partitions, "data folder is open");
        let advertised = advertised(&config, &listeners);
        let io = Io::new(storage);
        // Only the keys that are fixed. Limits that clients had given were once read off the values of the
        // start: after a restart they held only from the next change on.
        let config = Arc::new(config.start().clone());
        let services = services(config, configs, options.loggers, io, early, advertised).await?;
        let broker = Self {
            connections: services.tasks.child(),
            readiness,
            addresses: listeners.iter().flat_map(Listener::addresses).copied().collect(),
            http,
            services,
            fatal,
        };
        broker.serve(listeners, descriptors);
        Ok(broker)
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

/// Everything between the sockets and the storage.
async fn services(
    config: Arc<StartConfig>,
    configs: Arc<RuntimeConfigs>,
    loggers: Loggers,
    io: Io,
    early: Early,
    advertised: AdvertisedAddresses,
) -> Result<Arc<Services>, StartError> {
    let (Early { clock, tasks, metrics, readiness: _ }, shutdown) = (early, Shutdown::default());
    let topics = Arc::new(Topics::new(io.storage().clone(), Arc::clone(&configs), metrics.clone()));
    let options = FetcherOptions::of(&config);
    let appender = Appender::new(io.clone(), Arc::clone(&topics), clock.clone());
    let fetcher = Fetcher::new(io.clone(), Arc::clone(&topics), clock.clone(), options);
    // Before any client is served: after a short restart members go on with their generation and offsets,
    // without a rebalance.
    let groups = services::coordinator::group::open(
        &config,
        &clock,
        &tasks,
        &shutdown.waiting,
        &io,
        group_configs::all(&configs),
    )
    .await
    .map_err(|error| StartError::Groups(error.into()))?;
    let client_metrics = Arc::<ClientMetrics>::default();
    client_metrics.subscribe(client_metrics_configs::all(&configs));
    let resources = Arc::new(ConfigResources {
        configs: Arc::clone(&configs),
        io: io.clone(),
        topics: Arc::clone(&topics),
        loggers,
        client_metrics: Arc::clone(&client_metrics),
        groups: Arc::clone(&groups),
        tasks: tasks.clone(),
    });
    let services = Services {
        appender,
        fetcher,
        topics,
        advertised,
        config,
        configs,
        resources,
        client_metrics,
        io,
        groups,
        metrics,
        clock,
        tasks,
        shutdown,
    };
    let services = Arc::new(services);
    // The services hold the metrics: a strong reference from there would keep both for ever.
    let weak = Arc::downgrade(&services);
    // A scrape during the end of the broker finds nothing to show.
    let source = move || weak.upgrade().map(|services| services.snapshot()).unwrap_or_default();
    services.metrics.set_source(Arc::new(source));
    Ok(services)
}

/// The storage's options, as far as they are configured.
fn storage_options(
    config: &BrokerConfig,
    configs: &Arc<RuntimeConfigs>,
    options: &StartOptions,
    clock: &Clock,
    fatal: &Arc<Fatal>,
) -> StorageOptions {
    let (clock, fatal) = (clock.clone(), Arc::clone(fatal));
    StorageOptions {
        flush_policy: match config.flush_policy {
            FlushPolicy::Sync => storage::FlushPolicy::Sync,
            FlushPolicy::Os => storage::FlushPolicy::Os,
        },
        flush_interval: config.log_flush_interval_ms.into(),
        producer_id_expiration: config.producer_id_expiration_ms.into(),
        producer_id_expiration_check_interval: config.producer_id_expiration_check_interval_ms.into(),
        retention_check_interval: config.log_retention_check_interval_ms.into(),
        log_policy: {
            // Asked for anew each time: a client may change the broker's keys, from which a topic inherits.
            let configs = Arc::clone(configs);
            Arc::new(move |topic| {
                let config = configs.broker();
                TopicConfig::effective(&topic.configs, &config).log_policy(&config)
            })
        },
        accept_data_loss: options.accept_data_loss,
        clock: Arc::new(move || clock.now_ms()),
        on_fatal: Arc::new(move |error| {
            // The reason before the token: `failed` reads it as soon as the token is cancelled.
            let _first = fatal.reason.set(error.to_string());
            fatal.happened.cancel();
        }),
        ..StorageOptions::new(config.data_dir())
    }
}

/// Metrics that know the names of all APIs and error codes, and count from zero.
fn metrics(clock: &Clock) -> Metrics {
    Metrics::new(MetricsOptions {
        api_names: api::REGISTRY.iter().map(|entry| entry.name).collect(),
        error_name: |code| ErrorCode::from_code(code).map_or("UNKNOWN", ErrorCode::name),
        clock: clock.clone(),
        max_series: DEFAULT_MAX_SERIES,
    })
}

/// Every listener of the configuration, and HTTP's, bound and not yet serving.
async fn bind(config: &BrokerConfig) -> Result<(Vec<Listener>, Option<Listener>), BindError> {
    let options = SocketOptions {
        backlog: config.socket_listen_backlog_size,
        receive_buffer_bytes: config.socket_receive_buffer_bytes.map(Bytes::as_usize),
        send_buffer_bytes: config.socket_send_buffer_bytes.map(Bytes::as_usize),
    };
    let mut listeners = Vec::new();
    for listener in config.listeners() {
        let host = listener.host.clone().unwrap_or_default(); // empty: every interface
        let endpoint =
            Endpoint { name: listener.name.as_str().into(), host, port: listener.port, flag: "--listen" };
        listeners.push(Listener::bind(endpoint, options).await?);
    }
    let http = match config.http_listener() {
        Some(http) => {
            let host = http.host.clone().unwrap_or_default();
            let endpoint = Endpoint { name: "HTTP".into(), host, port: http.port, flag: "--http" };
            // The keys of buffers are Kafka's, for Kafka clients.
            let options = SocketOptions { receive_buffer_bytes: None, send_buffer_bytes: None, ..options };
            match Listener::bind(endpoint, options).await {
                // Another program may have port 8080, and the operator did not ask for it: that is no reason not to serve Kafka.
                Err(error @ BindError::InUse { .. }) if !config.is_set("http.listener") => {
                    tracing::warn!("HTTP is not served (metrics, livez, readyz): {error}");
                    None
                }
                bound => Some(bound?),
            }
        }
        None => None,
    };
    Ok((listeners, http))
}

/// The addresses that clients are told, with the ports that were bound.
fn advertised(config: &BrokerConfig, listeners: &[Listener]) -> AdvertisedAddresses {
    let mut advertised = AdvertisedAddresses::new();
    for (configured, bound) in config.listeners().iter().zip(listeners) {
        // All sockets of a listener have one port. With port 0 it is the system's choice.
        let port = bound.addresses().first().map_or(configured.port, SocketAddr::port);
        advertised.add(Arc::clone(bound.name()), configured.advertised.clone(), port);
    }
    advertised
}
