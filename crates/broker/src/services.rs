//! The services of the broker: all that it does for clients, in domain types.
//!
//! ```text
//! acls            access control lists: changed, kept
//! append          look-up, checks and counters of an append
//! fetch           sessions, limits, reading, waiting without polling
//! certificates    certificates of listeners, read again
//! credentials     credentials of SCRAM: changed, kept
//! delegation_tokens  tokens for logins without a password: made, renewed, ended, kept
//! issuer_keys     public keys of the issuers of bearer tokens, kept up to date
//! coordinator     one shell for the state machines of coordinators; groups, transactions
//! configs         configurations of topics, brokers, groups, loggers and client metrics
//! quotas          client quotas: changed, kept
//! admin           topics and partitions: created, grown, deleted
//! features        levels of the cluster's features
//! disk_reserve    space of the disk that clients' writes may not take
//! client_metrics  metrics that clients push (KIP-714)
//! snapshot        topics and partitions, for the metrics
//! ```
//! Messages are left to `kafka/`, bytes on the disk to storage.
//!
//! [`Services`] owns them all, and is handed to none of them: an operation that concerns several (a deleted topic takes its
//! groups' offsets with it) is given those that it reaches.

pub(crate) mod acls;
pub(crate) mod admin;
pub(crate) mod append;
pub(crate) mod certificates;
pub(crate) mod client_metrics;
pub(crate) mod configs;
pub(crate) mod coordinator;
pub(crate) mod credentials;
pub(crate) mod delegation_tokens;
pub(crate) mod disk_reserve;
pub(crate) mod features;
pub(crate) mod fetch;
pub(crate) mod issuer_keys;
pub(crate) mod quotas;
mod snapshot;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::append::Appender;
use self::certificates::Certificates;
use self::client_metrics::ClientMetrics;
use self::configs::kind::ConfigResources;
use self::coordinator::group::GroupService;
use self::coordinator::transaction::TransactionService;
use self::disk_reserve::DiskReserve;
use self::fetch::Fetcher;
use self::issuer_keys::IssuerKeys;
use crate::clock::{self, Clock};
use crate::config::StartConfig;
use crate::config::runtime::RuntimeConfigs;
use crate::io::Io;
use crate::session::advertised::AdvertisedAddresses;
use crate::session::authorizer::Authorizer;
use crate::session::credentials::Credentials;
use crate::session::delegation_tokens::DelegationTokens;
use crate::session::logins::Logins;
use crate::session::quotas::ClientQuotas;
use crate::session::turns::Turns;
use crate::tasks::Tasks;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::{BrokerSnapshot, BrokerState, Metrics, Snapshot};
use crate::topics::Topics;

/// Everything that the whole broker shares. Made once at start.
pub(crate) struct Services {
    /// The configuration that is fixed at start.
    pub(crate) config: Arc<StartConfig>,
    /// Every key's value as of now, and what other resources were given.
    pub(crate) configs: Arc<RuntimeConfigs>,
    /// The resources whose configuration clients can ask for and change.
    pub(crate) resources: Arc<ConfigResources>,
    /// The metrics that clients push.
    pub(crate) client_metrics: Arc<ClientMetrics>,
    /// The way to the storage.
    pub(crate) io: Io,
    /// Topics and partitions as clients name them.
    pub(crate) topics: Arc<Topics>,
    /// Admits writes of clients while the disk has space.
    pub(crate) disk: Arc<DiskReserve>,
    /// Appends for clients.
    pub(crate) appender: Appender,
    /// Reads for clients.
    pub(crate) fetcher: Fetcher,
    /// The coordinator of all groups.
    pub(crate) groups: Arc<GroupService>,
    /// The coordinator of all transactional ids.
    pub(crate) transactions: Arc<TransactionService>,
    /// Decides what clients may do; `None`: every client may do everything.
    pub(crate) authorizer: Option<Arc<Authorizer>>,
    /// The credentials of users.
    pub(crate) credentials: Arc<Credentials>,
    /// Delegation tokens; `None`: the configuration has no secret for them.
    pub(crate) tokens: Option<Arc<DelegationTokens>>,
    /// The quotas of clients, and what each has used.
    pub(crate) quotas: Arc<ClientQuotas>,
    /// How clients come in on each listener.
    pub(crate) logins: Logins,
    /// The order of handshakes and logins, those of HTTP included.
    pub(crate) turns: Arc<Turns>,
    /// The certificates of the listeners of TLS.
    pub(crate) certificates: Arc<Certificates>,
    /// The keys of the issuers of bearer tokens.
    pub(crate) issuer_keys: Arc<IssuerKeys>,
    /// The addresses that clients are given for this broker.
    pub(crate) advertised: AdvertisedAddresses,
    /// The audit log.
    pub(crate) audit: Audit,
    /// The metrics.
    pub(crate) metrics: Metrics,
    /// The only source of time.
    pub(crate) clock: Clock,
    /// The only way to run something in the background.
    pub(crate) tasks: Tasks,
    /// The stages of a shutdown.
    pub(crate) shutdown: Shutdown,
}

/// A transaction that is open for the longest timeout and this is late: no coordinator ends it any more
/// (`ReplicaManager.LateTransactionBufferMs`).
const LATE_TRANSACTION_MS: i64 = 300_000;

impl Services {
    /// The parts that a change of delegation tokens reaches; `None` if there are no tokens.
    pub(crate) fn token_reach(&self) -> Option<delegation_tokens::Reach> {
        Some(delegation_tokens::Reach {
            tokens: Arc::clone(self.tokens.as_ref()?),
            cluster: self.io.cluster().clone(),
            tasks: self.tasks.clone(),
            clock: self.clock.clone(),
        })
    }

    /// The broker's state as a scrape of its metrics sees it. Takes no lock that a request waits for, except for a copy of at most 4 000 accounts of quotas, and time in proportion
    /// to topics, partitions and groups.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let longest_ms = i64::from(self.config.transaction_max_timeout_ms.as_u32());
        let late_ms = self.clock.now_ms().saturating_sub(longest_ms + LATE_TRANSACTION_MS);
        Snapshot {
            broker: BrokerSnapshot {
                node_id: self.config.node_id,
                cluster_id: self.io.cluster().id().to_owned(),
                address: self.advertised.outside(),
                state: if self.shutdown.accepting.is_cancelled() {
                    BrokerState::PendingControlledShutdown
                } else {
                    BrokerState::Running
                },
                // One node is always the controller as well.
                active_controller: true,
                task_panics: self.tasks.panics(),
            },
            storage: Some(self.io.storage().metrics()),
            topics: snapshot::topics(&self.io.cluster().catalog(), self.config.node_id, late_ms),
            extra: [
                self.disk.families(clock::now()),
                self.certificates.families(),
                self.issuer_keys.families(),
                self.fetcher.families(),
                self.client_metrics.families(self.clock.now_ms()),
                self.quotas.families(),
            ]
            .concat(),
            groups: self.groups.snapshot(),
            transactions: self.transactions.snapshot(),
        }
    }
}

/// The stages of a shutdown, as tokens that are cancelled in this order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shutdown {
    /// Listeners close.
    pub(crate) accepting: CancellationToken,
    /// Connections read no further request.
    /// Those that were read are answered.
    pub(crate) reading: CancellationToken,
    /// Requests that wait for something to happen (long polls) answer with what they have.
    pub(crate) waiting: CancellationToken,
}
