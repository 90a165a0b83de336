//! Everything that a handler may touch: the services of the broker, the connection it was called on, and the request's header.
//!
//! A service that gives out or changes something is reached with a [`Permit`] only, which a decision about the client makes: a handler
//! that forgets to ask does not compile. Guarantees that a clone is cheap (two reference counts) and that a handler needs nothing global. Sockets, tasks
//! and RocksDB are out of a handler's reach on purpose.

use std::sync::Arc;

use codec::ErrorCode;
use codec::frame::RequestHeader;
use security::acl::{ANY, CLUSTER_NAME, Operation, ResourceType};
use security::sasl::Mechanism;
use storage::Catalog;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::runtime::RuntimeConfigs;
use crate::config::{BrokerConfig, StartConfig};
use crate::io::Io;
use crate::kafka::access::{CLUSTER, TOPIC, failed};
use crate::kafka::mute::Mute;
use crate::kafka::reauthentication::Reauthentication;
use crate::kafka::request_quota::{RequestQuota, Throttle};
use crate::services::Services;
use crate::services::append::Appender;
use crate::services::client_metrics::ClientMetrics;
use crate::services::configs::kind::ConfigResources;
use crate::services::coordinator::group::GroupService;
use crate::services::coordinator::transaction::TransactionService;
use crate::services::delegation_tokens;
use crate::services::disk_reserve::DiskReserve;
use crate::services::features::Features;
use crate::services::fetch::Fetcher;
use crate::session::authorizer::{Authorizer, Permit, Questions, all_operations};
use crate::session::credentials::Credentials;
use crate::session::peer::Peer;
use crate::session::quotas::{Client, ClientQuotas};
use crate::tasks::Tasks;
use crate::telemetry::audit::{self, Audit, Change};
use crate::telemetry::metrics::Metrics;
use crate::topics::Topics;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

/// The codes of refusals by the authorizer.
const DENIALS: [ErrorCode; 5] = [
    ErrorCode::TopicAuthorizationFailed,
    ErrorCode::GroupAuthorizationFailed,
    ErrorCode::ClusterAuthorizationFailed,
    ErrorCode::TransactionalIdAuthorizationFailed,
    ErrorCode::DelegationTokenAuthorizationFailed,
];

/// The surroundings of all requests of one connection.
pub(crate) struct Connected {
    pub(crate) services: Arc<Services>,
    pub(crate) peer: Arc<Peer>,
    /// Logins after the first one.
    pub(crate) reauthentication: Reauthentication,
    /// The time for which it is not read.
    pub(crate) mute: Mute,
}

/// The surroundings of one request.
#[derive(Clone)]
pub(crate) struct Context {
    // One reference for both: that of the services is counted in memory that all connections share, which is too dear for
    // each request.
    connected: Arc<Connected>,
    request: RequestHeader,
    /// `None` without an authorizer: every client may do everything, and nothing is asked.
    questions: Option<Arc<Questions>>,
    /// Bytes of the request, header included.
    request_bytes: usize,
    throttle: Throttle,
}

impl Context {
    /// The context of the request with this header.
    pub(crate) fn new(connected: Arc<Connected>, header: RequestHeader, request_bytes: usize) -> Self {
        let Connected { services, peer, .. } = &*connected;
        let questions = services.authorizer.as_ref().map(|one| Arc::new(one.questions(peer)));
        Self { connected, request: header, questions, request_bytes, throttle: Throttle::default() }
    }

    /// The request's quotas.
    pub(crate) fn quota(&self) -> RequestQuota<'_> {
        let Connected { services, peer, mute, .. } = &*self.connected;
        let client = Client { user: peer.principal().name(), client_id: self.client_id() };
        let (throttle, request_bytes) = (&self.throttle, self.request_bytes);
        RequestQuota { quotas: &services.quotas, client, mute, throttle, request_bytes }
    }

    /// The connection the request came on.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.connected.peer
    }

    /// Logins on this connection after the first one.
    pub(crate) fn reauthentication(&self) -> &Reauthentication {
        &self.connected.reauthentication
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
        // An IPv4 client on a socket of both families is shown as IPv4.
        format!("/{}", self.connected.peer.address.ip().to_canonical())
    }

    /// Asks whether the client may do an operation to a resource.
    ///
    /// # Errors
    /// It may not: the code of the refusal.
    pub(crate) fn authorize(
        &self,
        resource: ResourceType,
        operation: Operation,
        name: &str,
    ) -> Result<Permit, ErrorCode> {
        self.may(resource, operation, name).inspect_err(|_| self.log_denial(resource, operation, name))
    }

    /// As [`Self::authorize`], without a line in the log: for what is left out silently, and where another permission is enough.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn may(
        &self,
        resource: ResourceType,
        operation: Operation,
        name: &str,
    ) -> Result<Permit, ErrorCode> {
        let permit = Permit::of(self.questions.as_deref(), |ask| ask.allows(resource, operation, name));
        permit.ok_or(failed(resource))
    }

    fn log_denial(&self, resource: ResourceType, operation: Operation, name: &str) {
        if let Some(questions) = &self.questions {
            let api = codec::shape::api_name(self.request.api_key).unwrap_or_default();
            questions.log_denial(api, self.client_id(), (resource, operation, name));
            let principal = self.peer().principal_text();
            let client = self.audit_client(&principal);
            self.audit().denied(&client, api, operation.name(), (resource.name(), name));
        }
    }

    /// The audit log.
    pub(crate) fn audit(&self) -> &Audit {
        &self.connected.services.audit
    }

    /// The tasks of the broker.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.connected.services.tasks
    }

    /// Tells the audit log what the request changed. Waits while that is slow.
    pub(crate) async fn tell_changes(&self, api: &'static str, changes: Vec<Change>) {
        let principal = self.peer().principal_text();
        let client = self.audit_client(&principal);
        // Denials are told already, and unlike changes they may be dropped: else a client without any permission could fill the log.
        let is_denial = |change: &Change| {
            let code = ErrorCode::from_code(change.error_code);
            code.is_some_and(|code| DENIALS.contains(&code))
        };
        let changes = changes.into_iter().filter(|change| !is_denial(change)).collect();
        let result = |code| ErrorCode::from_code(code).map_or("UNKNOWN", ErrorCode::name);
        self.audit().changed(&client, api, changes, result).await;
    }

    /// Tells the audit log that another login on this connection failed.
    pub(crate) fn tell_refused_login(&self, reason: &str) {
        let principal = self.peer().principal_text();
        let mechanism = self.peer().mechanism().map(Mechanism::name);
        self.audit().login_refused(&self.audit_client(&principal), mechanism, reason);
    }

    fn audit_client<'a>(&'a self, principal: &'a str) -> audit::Client<'a> {
        let client_id = self.request.client_id.as_deref();
        let peer = self.peer();
        audit::Client {
            principal: Some(principal),
            address: peer.address,
            listener: &peer.listener,
            client_id,
        }
    }

    /// As [`Self::authorize`], by the rules as of now: for a request that waited, before it is answered.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn authorize_again(
        &self,
        resource: ResourceType,
        operation: Operation,
        name: &str,
    ) -> Result<Permit, ErrorCode> {
        let permit = Permit::of(self.questions.as_deref(), |ask| ask.allows_now(resource, operation, name));
        permit.ok_or(failed(resource))
    }

    /// As [`Self::authorize`], for the cluster.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED.
    pub(crate) fn authorize_cluster(&self, operation: Operation) -> Result<Permit, ErrorCode> {
        self.authorize(CLUSTER, operation, CLUSTER_NAME)
    }

    /// As [`Self::may`], for the cluster.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED.
    pub(crate) fn may_cluster(&self, operation: Operation) -> Result<Permit, ErrorCode> {
        self.may(CLUSTER, operation, CLUSTER_NAME)
    }

    /// Asks whether the client may do an operation to some resource of a type.
    ///
    /// # Errors
    /// As [`Self::authorize`].
    pub(crate) fn authorize_some(
        &self,
        resource: ResourceType,
        operation: Operation,
    ) -> Result<Permit, ErrorCode> {
        let permit = Permit::of(self.questions.as_deref(), |ask| ask.allows_some(resource, operation));
        permit.ok_or_else(|| {
            self.log_denial(resource, operation, ANY);
            failed(resource)
        })
    }

    /// Asks about a topic that is named by name or by id.
    ///
    /// # Errors
    /// `NotAuthorized`; `UnknownTopicId` for an id without a topic, which has no name to ask about.
    pub(crate) fn authorize_topic(
        &self,
        operation: Operation,
        topic: &TopicRef,
    ) -> Result<Permit, PartitionError> {
        let catalog;
        let name = match topic {
            TopicRef::Name(name) => &**name,
            // Without an authorizer the look-up is left to the service.
            TopicRef::Id(_) if self.questions.is_none() => "",
            TopicRef::Id(id) => {
                catalog = self.connected.services.topics.catalog();
                catalog.topic_by_id(*id).map(|topic| &*topic.name).ok_or(PartitionError::UnknownTopicId)?
            }
        };
        self.authorize(TOPIC, operation, name).map_err(|_| PartitionError::NotAuthorized)
    }

    /// A permit where nothing is asked, as there is no authorizer.
    pub(crate) fn unrestricted(&self) -> Option<Permit> {
        if self.questions.is_none() { Permit::of(None, |_| false) } else { None }
    }

    /// The client and its rules, for services that ask by themselves; `None` without an authorizer.
    pub(crate) fn questions(&self) -> Option<&Arc<Questions>> {
        self.questions.as_ref()
    }

    /// The operations that the client may do to a resource, as the bit field of KIP-430.
    pub(crate) fn authorized_operations(&self, resource: ResourceType, name: &str) -> i32 {
        match &self.questions {
            None => all_operations(resource),
            Some(questions) => questions.operations(resource, name),
        }
    }

    /// The bit field for the cluster: empty for a client that may not describe it.
    pub(crate) fn authorized_cluster_operations(&self) -> i32 {
        match self.may_cluster(Operation::Describe) {
            Ok(_) => self.authorized_operations(CLUSTER, CLUSTER_NAME),
            Err(_) => 0,
        }
    }

    /// The rules of the authorizer; `None` if there is none.
    pub(crate) fn authorizer(&self, _: &Permit) -> Option<&Arc<Authorizer>> {
        self.connected.services.authorizer.as_ref()
    }

    /// The credentials of users.
    pub(crate) fn credentials(&self, _: &Permit) -> &Arc<Credentials> {
        &self.connected.services.credentials
    }

    /// The parts that a change of delegation tokens reaches; `None` if there are no tokens. Without a permit: owners and renewers
    /// need none, and are told from others by the service and the API.
    pub(crate) fn token_reach(&self) -> Option<delegation_tokens::Reach> {
        self.connected.services.token_reach()
    }

    /// The quotas of all clients.
    pub(crate) fn quotas(&self, _: &Permit) -> &Arc<ClientQuotas> {
        &self.connected.services.quotas
    }

    /// All topics, also those that the client may not see.
    /// A snapshot, which never changes: a handler that must see its own change asks anew.
    pub(crate) fn catalog(&self, _: &Permit) -> Arc<Catalog> {
        self.connected.services.topics.catalog()
    }

    /// Topics and partitions as clients name them.
    pub(crate) fn topics(&self, _: &Permit) -> &Topics {
        &self.connected.services.topics
    }

    /// Admits writes of clients while the disk has space.
    pub(crate) fn disk(&self) -> &DiskReserve {
        &self.connected.services.disk
    }

    /// Appends for clients.
    pub(crate) fn appender(&self, _: &Permit) -> &Appender {
        &self.connected.services.appender
    }

    /// Reads for clients.
    pub(crate) fn fetcher(&self, _: &Permit) -> &Fetcher {
        &self.connected.services.fetcher
    }

    /// The configuration that is fixed at start.
    pub(crate) fn config(&self) -> &Arc<StartConfig> {
        &self.connected.services.config
    }

    /// The configuration as of now.
    /// A snapshot: a handler that asks twice may get two configurations.
    pub(crate) fn broker_config(&self) -> Arc<BrokerConfig> {
        self.connected.services.configs.broker()
    }

    /// The features of the cluster as of now.
    pub(crate) fn features(&self) -> Features {
        Features::now(&self.connected.services.configs)
    }

    /// Every key's value as of now, and the way to change what is kept.
    pub(crate) fn configs(&self, _: &Permit) -> &Arc<RuntimeConfigs> {
        &self.connected.services.configs
    }

    /// The resources whose configuration clients can ask for and change.
    pub(crate) fn resources(&self, _: &Permit) -> &Arc<ConfigResources> {
        &self.connected.services.resources
    }

    /// The metrics that clients push.
    pub(crate) fn client_metrics(&self) -> &ClientMetrics {
        &self.connected.services.client_metrics
    }

    /// The metrics of the broker.
    /// Counters of requests are not for handlers: `connection.rs` counts each once its answer is written.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.connected.services.metrics
    }

    /// The cluster's id, which every client may know.
    pub(crate) fn cluster_id(&self) -> &str {
        self.connected.services.io.cluster().id()
    }

    /// The way to the storage.
    pub(crate) fn io(&self, _: &Permit) -> &Io {
        &self.connected.services.io
    }

    /// The coordinator of all groups.
    pub(crate) fn groups(&self, _: &Permit) -> &Arc<GroupService> {
        &self.connected.services.groups
    }

    /// The coordinator of all transactional ids.
    pub(crate) fn transactions(&self, _: &Permit) -> &Arc<TransactionService> {
        &self.connected.services.transactions
    }

    /// `node.id`: this broker's, and that of every partition's leader.
    pub(crate) fn node_id(&self) -> i32 {
        self.connected.services.config.node_id
    }

    /// The address of this broker for this client: host and port for Metadata, FindCoordinator and DescribeCluster.
    pub(crate) fn advertised_address(&self) -> (String, u16) {
        // By the connection: one address may be right inside of a container and wrong outside.
        self.connected.services.advertised.to(&self.connected.peer)
    }

    /// The only source of time.
    pub(crate) fn clock(&self) -> &Clock {
        &self.connected.services.clock
    }

    /// Cancelled when waiting must end because the broker stops: a long poll then answers with what it has.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.connected.services.shutdown.waiting
    }
}
