//! One kind of configuration resource, what changing one can reach, and why a change is refused.

use std::sync::Arc;

use security::acl::ResourceType;
use thiserror::Error;

use crate::config::runtime::RuntimeConfigs;
use crate::config::{BrokerConfig, Change, ConfigEntry, ConfigRefusal, Overrides};
use crate::io::ClusterIo;
use crate::services::admin::error::TopicError;
use crate::services::certificates::Certificates;
use crate::services::client_metrics::ClientMetrics;
use crate::services::coordinator::group::GroupService;
use crate::services::disk_reserve::DiskReserve;
use crate::tasks::Tasks;
use crate::telemetry::loggers::Loggers;
use crate::topics::Topics;

/// The parts of the broker that have a configuration which clients can ask for and change. One per broker.
pub(crate) struct ConfigResources {
    /// Every key's value as of now, and what resources were given.
    pub(crate) configs: Arc<RuntimeConfigs>,
    /// Topics, whose configurations are in the catalog.
    pub(crate) cluster: ClusterIo,
    /// Topics with their effective configurations, which a change makes stale.
    pub(crate) topics: Arc<Topics>,
    /// How the process logs.
    pub(crate) loggers: Loggers,
    /// The subscriptions of client metrics.
    pub(crate) client_metrics: Arc<ClientMetrics>,
    /// Groups, whose timeouts can be set.
    pub(crate) groups: Arc<GroupService>,
    /// Admits changes while the disk has space.
    pub(crate) disk: Arc<DiskReserve>,
    /// The certificates of listeners, which clients can have read again.
    pub(crate) certificates: Arc<Certificates>,
    /// Runs changes, so that each is completed.
    pub(crate) tasks: Tasks,
}

/// One kind of configuration resource.
pub(crate) struct ResourceKind {
    /// Kafka's `ConfigResource.Type`.
    pub(crate) code: i8,
    /// Checks the name of a resource that is to be changed.
    pub(super) check_name: fn(&BrokerConfig, &str) -> Result<(), ConfigsError>,
    /// Every key of a resource, by name.
    pub(super) describe: fn(&ConfigResources, &str) -> Result<Vec<ConfigEntry>, ConfigsError>,
    /// The names of all resources that have a configuration.
    pub(super) names: fn(&ConfigResources) -> Vec<String>,
    /// The place of its configuration, and how it changes.
    pub(super) kept: Kept,
}

/// The place where the configuration of a resource is kept, and how it changes.
pub(super) enum Kept {
    /// With the topic, in the catalog. Several topics are changed together.
    Catalog,
    /// In a record of its own (`config/runtime.rs`).
    Record(Record),
    /// In this process, until it ends. The changes are made, or only checked.
    Process(fn(&ConfigResources, &[Change<'_>], bool) -> Result<(), ConfigsError>),
}

/// How a configuration that is kept in a record of its own changes.
pub(super) struct Record {
    /// Returns the configuration after some changes, all of them or an error. Writes nothing.
    pub(super) changed: fn(&BrokerConfig, &Overrides, &[Change<'_>]) -> Result<Overrides, ConfigRefusal>,
    /// The most resources of the kind that may have a configuration.
    pub(super) most: usize,
    /// Puts a change into effect that is on the disk. Called for one change after another, in their order.
    pub(super) after: fn(&ConfigResources, &str),
}

/// Why a configuration cannot be shown or changed. The text is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConfigsError {
    /// The client may not do this to a resource of this type.
    #[error("not authorized for a resource of the type {}", .0.name())]
    NotAuthorized(ResourceType),
    /// There is no such topic.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// There is no such topic whose configuration could change.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    /// A value or a size that is not allowed.
    #[error("{0}")]
    InvalidConfig(String),
    /// Not this broker, or a kind of resource that does not exist.
    #[error("{0}")]
    InvalidRequest(String),
}

impl From<ConfigRefusal> for ConfigsError {
    fn from(refusal: ConfigRefusal) -> Self {
        match refusal {
            ConfigRefusal::InvalidConfig(text) => Self::InvalidConfig(text),
            ConfigRefusal::InvalidRequest(text) => Self::InvalidRequest(text),
        }
    }
}
