//! Topics as config resources. What the keys mean is in `config/resources/topic.rs`.

use super::kind::{ConfigResources, ConfigsError, Kept, ResourceKind};
use crate::config::resources::resource_type::TOPIC;
use crate::config::{ConfigEntry, describe_topic};
use crate::services::admin::error::TopicError;
use crate::services::admin::topics;

/// Every topic is a resource, with settings of its own or without.
pub(super) static KIND: ResourceKind = ResourceKind {
    code: TOPIC,
    check_name: |_, name| check_name(name),
    describe,
    names: |resources| resources.cluster.catalog().topics().map(|topic| topic.name.clone()).collect(),
    kept: Kept::Catalog,
};

/// For a change. Topics have no default resource: they inherit from the broker.
fn check_name(name: &str) -> Result<(), ConfigsError> {
    match name {
        "" => Err(ConfigsError::InvalidRequest("Default topic resources are not allowed.".to_owned())),
        name => Ok(topics::check_name(name)?),
    }
}

/// Every key with the value that holds for the topic.
fn describe(resources: &ConfigResources, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    topics::check_name(name)?;
    let catalog = resources.cluster.catalog();
    let topic = catalog.topic(name).ok_or(TopicError::UnknownTopic)?;
    Ok(describe_topic(&topic.configs, &resources.configs.broker()))
}
