//! The table of configuration resources: whose configuration can be asked for and changed, and by which rules.
//!
//! An entry says everything that the config APIs need to know of a kind: its number, the check of a name, its keys with
//! their values, and where a change is kept and what follows from it. AlterConfigs, IncrementalAlterConfigs,
//! DescribeConfigs and ListConfigResources know no kind by name, so that a new kind is an entry here, its file beside this
//! one, and its keys in `config/resources/`.

mod broker;
pub(crate) mod changes;
pub(crate) mod client_metrics;
pub(crate) mod group;
mod logger;
mod topic;

use thiserror::Error;

use crate::config::{BrokerConfig, Change, ConfigEntry, ConfigRefusal, Overrides};
use crate::services::Services;
use crate::services::admin::error::TopicError;

/// One kind of configuration resource.
pub(crate) struct ResourceKind {
    /// Kafka's `ConfigResource.Type`.
    pub(crate) code: i8,
    /// Checks the name of a resource that is to be changed.
    check_name: fn(&BrokerConfig, &str) -> Result<(), ConfigsError>,
    /// Every key of a resource, by name.
    describe: fn(&Services, &str) -> Result<Vec<ConfigEntry>, ConfigsError>,
    /// The names of all resources that have a configuration.
    names: fn(&Services) -> Vec<String>,
    /// The place of its configuration, and how it changes.
    kept: Kept,
}

/// The place where the configuration of a resource is kept, and how it changes.
enum Kept {
    /// With the topic, in the catalog. Several topics are changed together.
    Catalog,
    /// In a record of its own (`config/runtime.rs`).
    Record(Record),
    /// In this process, until it ends. The changes are made, or only checked.
    Process(fn(&Services, &[Change<'_>], bool) -> Result<(), ConfigsError>),
}

/// How a configuration that is kept in a record of its own changes.
struct Record {
    /// Returns the configuration after some changes.
    changed: fn(&BrokerConfig, &Overrides, &[Change<'_>]) -> Result<Overrides, ConfigRefusal>,
    /// The most resources of the kind that may have a configuration.
    most: usize,
    /// Puts a change into effect that is on the disk.
    after: fn(&Services, &str),
}

/// Every kind, by code.
static KINDS: [&ResourceKind; 5] =
    [&topic::KIND, &broker::KIND, &logger::KIND, &client_metrics::KIND, &group::KIND];

/// Why a configuration cannot be shown or changed. The text is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConfigsError {
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

/// Every kind of resource, by code.
pub(crate) fn kinds() -> impl Iterator<Item = &'static ResourceKind> {
    KINDS.into_iter()
}

/// The kind with that code.
pub(crate) fn kind(code: i8) -> Option<&'static ResourceKind> {
    kinds().find(|kind| kind.code == code)
}

/// Every key of a resource, by name.
///
/// # Errors
/// There is no such resource.
pub(crate) fn describe(services: &Services, code: i8, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    let kind = kind(code).ok_or_else(|| unknown_kind(name))?;
    (kind.describe)(services, name)
}

impl ResourceKind {
    /// The names of all resources of this kind that have a configuration.
    pub(crate) fn names(&self, services: &Services) -> Vec<String> {
        (self.names)(services)
    }
}

/// The refusal of a resource of a kind that does not exist.
fn unknown_kind(name: &str) -> ConfigsError {
    ConfigsError::InvalidRequest(format!("Unexpected resource type UNKNOWN for resource {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_the_order_of_their_codes_each_once() {
        let codes: Vec<i8> = kinds().map(|kind| kind.code).collect();
        assert!(codes.is_sorted_by(|one, other| one < other), "{codes:?}");
        assert_eq!(kind(16).map(|kind| kind.code), Some(16));
        assert!(kind(3).is_none());
    }
}
