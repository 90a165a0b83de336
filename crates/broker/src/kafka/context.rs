//! What a handler may touch: the services of the broker, the connection it was called on, and the request's header.
//!
//! Guarantees that a clone is cheap (three reference counts) and that a handler needs nothing global. Sockets, tasks
//! and RocksDB are out of a handler's reach on purpose.

use std::sync::Arc;

use codec::frame::RequestHeader;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::config::runtime::RuntimeConfigs;
use crate::group::service::GroupService;
use crate::io::Io;
use crate::services::client_metrics::ClientMetrics;
use crate::services::fetch::Fetcher;
use crate::session::advertised::AdvertisedAddresses;
use crate::session::peer::Peer;
use crate::tasks::Tasks;
use crate::telemetry::loggers::Loggers;
use crate::telemetry::metrics::Metrics;
use crate::topics::PartitionManager;

/// What the whole broker shares. Made once at start.
pub(crate) struct Services {
    /// Every key's value as the broker was started.
    pub(crate) config: Arc<BrokerConfig>,
    /// Every key's value as of now, and what other resources were given.
    pub(crate) configs: Arc<RuntimeConfigs>,
    /// How the process logs.
    pub(crate) loggers: Loggers,
    /// What clients push of their own metrics.
    pub(crate) client_metrics: ClientMetrics,
    /// The way to the storage.
    pub(crate) io: Io,
    /// Topics and partitions as clients name them.
    pub(crate) partitions: Arc<PartitionManager>,
    /// Reads for clients.
    pub(crate) fetcher: Fetcher,
    /// The coordinator of all groups.
    pub(crate) groups: Arc<GroupService>,
    /// Where clients are told to find this broker.
    pub(crate) advertised: AdvertisedAddresses,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// The only source of time.
    pub(crate) clock: Clock,
    /// The only way to run something in the background.
    pub(crate) tasks: Tasks,
    /// The stages of a shutdown.
    pub(crate) shutdown: Shutdown,
}

/// The stages of a shutdown, as tokens that are cancelled in this order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shutdown {
    /// Listeners close.
    pub(crate) accepting: CancellationToken,
    /// Connections read no further request.
    pub(crate) reading: CancellationToken,
    /// Whatever waits for something to happen (a long poll) answers with what it has.
    pub(crate) waiting: CancellationToken,
}

/// The surroundings of one request.
#[derive(Clone)]
pub(crate) struct Context {
    services: Arc<Services>,
    peer: Arc<Peer>,
    request: Arc<RequestHeader>,
}

impl Context {
    /// The context of the request with this header.
    pub(crate) fn new(services: Arc<Services>, peer: Arc<Peer>, header: RequestHeader) -> Self {
        Self { services, peer, request: Arc::new(header) }
    }

    /// What the whole broker shares.
    pub(crate) fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The connection the request came on.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The request's header.
    pub(crate) fn header(&self) -> &RequestHeader {
        &self.request
    }

    /// The version the request was written at, and the response will be.
    pub(crate) fn api_version(&self) -> i16 {
        self.request.api_version
    }

    /// The client's name for itself, empty if it gave none.
    pub(crate) fn client_id(&self) -> &str {
        self.request.client_id.as_deref().unwrap_or_default()
    }

    /// The client's address as Kafka shows it (`/127.0.0.1`): what Java's `InetAddress.toString` gives without a name.
    pub(crate) fn client_host(&self) -> String {
        format!("/{}", self.peer.address.ip().to_canonical())
    }

    /// Topics and partitions as clients name them.
    pub(crate) fn partitions(&self) -> &PartitionManager {
        &self.services.partitions
    }

    /// Reads for clients.
    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.services.fetcher
    }

    /// Every key's value as the broker was started: for keys that do not change while it runs.
    pub(crate) fn config(&self) -> &Arc<BrokerConfig> {
        &self.services.config
    }

    /// The way to the storage.
    pub(crate) fn io(&self) -> &Io {
        &self.services.io
    }

    /// The coordinator of all groups.
    pub(crate) fn groups(&self) -> &GroupService {
        &self.services.groups
    }

    /// `node.id`: this broker's, and that of every partition's leader.
    pub(crate) fn node_id(&self) -> i32 {
        self.services.config.node_id
    }

    /// Where this client finds this broker: host and port for Metadata, FindCoordinator and DescribeCluster.
    pub(crate) fn advertised_address(&self) -> (String, u16) {
        self.services.advertised.to(&self.peer)
    }

    /// The only source of time.
    pub(crate) fn clock(&self) -> &Clock {
        &self.services.clock
    }

    /// Cancelled when waiting must end because the broker stops: a long poll then answers with what it has.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.services.shutdown.waiting
    }
}
