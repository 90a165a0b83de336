//! The start of a broker: sockets, the data folder, the services on it.

mod credentials;
mod delegation_tokens;
mod exposure;
mod quotas;
mod warnings;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use codec::ErrorCode;
use security::Principal;
use storage::{Recovery, Storage, StorageOptions};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::runtime::RuntimeConfigs;
use crate::config::{AuditLog, BrokerConfig, Bytes, FlushPolicy, StartConfig, TopicConfig};
use crate::http::{self, Encryption, Endpoints, Readiness, ScramUsers};
use crate::io::Io;
use crate::kafka::api;
use crate::net::descriptors::Descriptors;
use crate::net::listener::{BindError, Endpoint, Listener, SocketOptions};
use crate::services::acls;
use crate::services::append::Appender;
use crate::services::certificates::Certificates;
use crate::services::client_metrics::ClientMetrics;
use crate::services::configs::kind::ConfigResources;
use crate::services::configs::{client_metrics as client_metrics_configs, group as group_configs};
use crate::services::coordinator::transaction;
use crate::services::disk_reserve::DiskReserve;
use crate::services::fetch::{Fetcher, FetcherOptions};
use crate::services::issuer_keys::IssuerKeys;
use crate::services::{self, Services, Shutdown};
use crate::session::advertised::AdvertisedAddresses;
use crate::session::authorizer::Authorizer;
use crate::session::logins::{CurrentTls, Logins, Stored};
use crate::session::quotas::ClientQuotas;
use crate::session::turns::Turns;
use crate::tasks::Tasks;
use crate::telemetry::audit::{Audit, AuditError, AuditTarget};
use crate::telemetry::loggers::Loggers;
use crate::telemetry::metrics::{DEFAULT_MAX_SERIES, Metrics, MetricsOptions};
use crate::topics::Topics;
use crate::{Broker, CERTIFICATES, Fatal, ISSUER_KEYS, LISTENERS, STORAGE, StartError, StartOptions};

/// Everything that is there before the data folder is open.
pub(crate) struct Early {
    clock: Clock,
    pub(crate) tasks: Tasks,
    metrics: Metrics,
    readiness: Readiness,
    /// Users of SCRAM as clients of HTTP, once the data folder is open.
    scram_users: ScramUsers,
    audit: Audit,
    shutdown: Shutdown,
    /// `None`: HTTP is not encrypted.
    http_tls: Option<CurrentTls>,
    turns: Arc<Turns>,
}

impl Early {
    /// # Errors
    /// The audit log cannot be opened; nothing is left running then.
    pub(crate) fn new(config: &StartConfig) -> Result<Self, StartError> {
        let (clock, tasks, metrics) = (Clock::system(), Tasks::new(), metrics());
        let readiness = Readiness::new(&[STORAGE, LISTENERS]);
        readiness.fail(STORAGE, "the data folder is being opened");
        let shutdown = Shutdown::default();
        let audit = audit(config, &metrics, &clock, (shutdown.waiting.clone(), &tasks))
            .map_err(|error| StartError::Audit(error.into()))?;
        let http_tls = config.http_tls().map(|tls| Arc::new(ArcSwap::new(Arc::clone(tls))));
        let scram_users = ScramUsers::default();
        let turns = Turns::new(Handle::current().metrics().num_workers());
        Ok(Self { clock, tasks, metrics, readiness, scram_users, audit, shutdown, http_tls, turns })
    }

    /// Serves HTTP from now on; returns its addresses, none if it is turned off. `/readyz` says no, and `/metrics` shows
    /// only what is counted here, until the broker is complete.
    pub(crate) fn serve_http(
        &self,
        http: Option<Listener>,
        config: &StartConfig,
        connections: usize,
    ) -> Vec<SocketAddr> {
        let addresses = http.iter().flat_map(Listener::addresses).copied().collect();
        let endpoints = Endpoints {
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            access: config.http_access().clone(),
            scram_users: self.scram_users.clone(),
            audit: self.audit.clone(),
        };
        // Not among the connections, which are drained first: `/readyz` has to say no for as long as they
        // are.
        http::serve(
            &self.tasks,
            http.map(Listener::into_sockets).unwrap_or_default(),
            connections,
            endpoints,
            self.http_tls.clone().map(|current| {
                let (clock, turns) = (self.clock.clone(), Arc::clone(&self.turns));
                Encryption { current, clock, turns }
            }),
        );
        addresses
    }
}

impl Broker {
    /// Opens the data folder and serves Kafka on `listeners`; HTTP is served already, on the addresses `http`.
    pub(crate) async fn open(
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
        exposure::tell(config.start(), &early.metrics, &readiness);
        // Off the runtime: opening replays the log and may take long.
        let opening = tasks.blocking("open-storage", move || Storage::open(storage_options));
        let storage = opening.await.ok_or(StartError::Interrupted)??;
        let cluster = storage.cluster().clone();
        // Before anything is served: limits, topics and groups take their values from these.
        let kept = tasks.blocking("load-configs", move || cluster.configs()).await;
        configs
            .load(kept.ok_or(StartError::Interrupted)?.map_err(|error| StartError::Configs(error.into()))?);
        // Before any client is served: what an entry denies is denied from the first request on.
        let authorizer = match config.authorizer() {
            None => None,
            Some(policy) => {
                let cluster = storage.cluster().clone();
                let rules = tasks.blocking("load-acls", move || acls::load(&cluster)).await;
                let rules =
                    rules.ok_or(StartError::Interrupted)?.map_err(|error| StartError::Acls(error.into()))?;
                tracing::info!(acls = rules.len(), "clients may do what ACLs allow");
                let mut policy = policy.clone();
                if let Some(user) = &options.bootstrap_user {
                    policy.super_users.insert(Principal::user(&user.name).to_string());
                    tracing::warn!(
                        user = user.name,
                        "OTTLA_BOOTSTRAP_USER may do everything while it is set"
                    );
                }
                Some(Arc::new(Authorizer::new(policy, rules)))
            }
        };
        let quotas = quotas::load(&config, storage.cluster(), (&tasks, &early.clock)).await?;
        let StartOptions { new_users, bootstrap_user, loggers, .. } = options;
        let new_users = new_users.into_iter().chain(bootstrap_user).collect();
        let credentials = credentials::load(&config, storage.cluster(), new_users, &tasks).await?;
        early.scram_users.are(Arc::clone(&credentials));
        let tokens = delegation_tokens::load(&config, storage.cluster(), &tasks).await?;
        let stored = Stored { credentials, tokens };
        let (Recovery { new, unclean }, catalog) = (storage.recovery(), storage.cluster().catalog());
        let topics = catalog.len();
        let partitions: u32 = catalog.topics().map(|topic| topic.partition_count()).sum();
        let path = config.data_dir().display();
        tracing::info!(%path, new, unclean, topics, partitions, "data folder is open");
        let advertised = advertised(&config, &listeners);
        let io = Io::new(storage);
        // Only the keys that are fixed. Limits that clients had given were once read off the values of the
        // start: after a restart they held only from the next change on.
        let config = Arc::new(config.start().clone());
        let services =
            services(config, configs, loggers, io, early, (advertised, authorizer, stored, quotas)).await?;
        warnings::follow(&services, &readiness, CERTIFICATES, services.certificates.problems());
        warnings::follow(&services, &readiness, ISSUER_KEYS, services.issuer_keys.failing());
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
}

/// The parts that know clients, before the first one comes.
type Session = (AdvertisedAddresses, Option<Arc<Authorizer>>, Stored, Arc<ClientQuotas>);

/// Everything between the sockets and the storage.
async fn services(
    config: Arc<StartConfig>,
    configs: Arc<RuntimeConfigs>,
    loggers: Loggers,
    io: Io,
    early: Early,
    (advertised, authorizer, stored, quotas): Session,
) -> Result<Arc<Services>, StartError> {
    let Early { clock, tasks, metrics, audit, shutdown, http_tls, turns, .. } = early;
    let topics = Arc::new(Topics::new(io.storage().cluster().clone(), Arc::clone(&configs), metrics.clone()));
    let options = FetcherOptions::of(&config);
    let disk = Arc::new(DiskReserve::of(io.storage().clone()));
    let appender = Appender::new(io.shard().clone(), Arc::clone(&topics), clock.clone(), Arc::clone(&disk));
    let fetcher = Fetcher::new(io.shard().clone(), Arc::clone(&topics), clock.clone(), options);
    // Before any client is served: after a short restart members go on with their generation and offsets,
    // without a rebalance.
    let groups = services::coordinator::group::open(
        &configs.broker(),
        &clock,
        &tasks,
        &shutdown.waiting,
        (io.storage(), authorizer.as_ref()),
        &disk,
        group_configs::all(&configs),
    )
    .await
    .map_err(|error| StartError::Groups(error.into()))?;
    // After the groups: a transaction whose time is over ends in them.
    let surroundings = transaction::Surroundings {
        config: &config,
        clock: &clock,
        tasks: &tasks,
        stop_waiting: &shutdown.waiting,
        storage: io.storage(),
        cluster: io.cluster(),
        topics: &topics,
        disk: &disk,
    };
    let transactions =
        transaction::open(surroundings, &groups).await.map_err(|error| StartError::Groups(error.into()))?;
    transaction::follow(&groups, &transactions, io.storage());
    let logins = Logins::new(&config, &stored, &clock);
    let certificates = Certificates::new(
        &configs.broker(),
        (&logins, http_tls),
        (clock.clone(), audit.clone()),
        tasks.clone(),
    );
    let client_metrics = Arc::<ClientMetrics>::default();
    client_metrics.subscribe(client_metrics_configs::all(&configs));
    let resources = Arc::new(ConfigResources {
        configs: Arc::clone(&configs),
        cluster: io.cluster().clone(),
        topics: Arc::clone(&topics),
        loggers,
        client_metrics: Arc::clone(&client_metrics),
        groups: Arc::clone(&groups),
        disk: Arc::clone(&disk),
        certificates: Arc::clone(&certificates),
        tasks: tasks.clone(),
    });
    let services = Services {
        audit,
        issuer_keys: IssuerKeys::new(logins.bearer_keys()),
        logins,
        turns,
        certificates,
        credentials: stored.credentials,
        tokens: stored.tokens,
        quotas,
        disk,
        appender,
        fetcher,
        topics,
        authorizer,
        advertised,
        config,
        configs,
        resources,
        client_metrics,
        io,
        groups,
        transactions,
        metrics,
        clock,
        tasks,
        shutdown,
    };
    Ok(begin_own_work(services))
}

/// Begins the work that no client asks for: renewals, ends of tokens, and figures for scrapes.
fn begin_own_work(services: Services) -> Arc<Services> {
    let services = Arc::new(services);
    services.certificates.keep();
    if let Some(reach) = services.token_reach() {
        services::delegation_tokens::end_in_time(reach);
    }
    services.issuer_keys.keep(&services.tasks);
    // The services hold the metrics: a strong reference from there would keep both for ever.
    let weak = Arc::downgrade(&services);
    // A scrape during the end of the broker finds nothing to show.
    let source = move || weak.upgrade().map(|services| services.snapshot()).unwrap_or_default();
    services.metrics.set_source(Arc::new(source));
    services
}

/// The audit log, open for writing; one that does nothing if none is asked for.
fn audit(
    config: &StartConfig,
    metrics: &Metrics,
    clock: &Clock,
    stop: (CancellationToken, &Tasks),
) -> Result<Audit, AuditError> {
    let target = match config.audit_log() {
        None => return Ok(Audit::default()),
        Some(AuditLog::Stdout) => AuditTarget::Stdout,
        Some(AuditLog::File(path)) => {
            let files = u32::try_from(config.audit_log_max_files).expect("from 0 to 1 000");
            AuditTarget::file(path, config.audit_log_max_bytes.as_u64(), files)?
        }
    };
    let dropped = metrics.audit_dropped();
    Ok(Audit::new(target, config.audit_log_accepted_logins, dropped, clock.clone(), stop))
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
    let defaults = StorageOptions::new(config.data_dir());
    StorageOptions {
        disk_space: options.disk_space.clone().unwrap_or_else(|| Arc::clone(&defaults.disk_space)),
        flush_policy: match config.flush_policy {
            FlushPolicy::Sync => storage::FlushPolicy::Sync,
            FlushPolicy::Os => storage::FlushPolicy::Os,
        },
        flush_interval: config.log_flush_interval_ms.into(),
        producer_id_expiration: {
            let configs = Arc::clone(configs);
            Arc::new(move || configs.broker().producer_id_expiration_ms.into())
        },
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
        ..defaults
    }
}

/// Metrics that know the names of all APIs and error codes, and count from zero.
fn metrics() -> Metrics {
    Metrics::new(MetricsOptions {
        api_names: api::REGISTRY.iter().map(|entry| entry.name).collect(),
        error_name: |code| ErrorCode::from_code(code).map_or("UNKNOWN", ErrorCode::name),
        max_series: DEFAULT_MAX_SERIES,
    })
}

/// Every listener of the configuration, and HTTP's, bound and not yet serving.
pub(crate) async fn bind(config: &BrokerConfig) -> Result<(Vec<Listener>, Option<Listener>), BindError> {
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
            let host = http.host.clone().unwrap_or_default(); // as above
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
