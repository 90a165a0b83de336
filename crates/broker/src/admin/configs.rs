//! Whose configuration can be asked for, and what it is: rules that the config APIs share (Kafka's `ConfigHelper`).

use thiserror::Error;

use crate::admin::topics::{self, TopicError};
use crate::config::{BrokerConfig, ConfigEntry, describe_broker, describe_topic};
use crate::context::Services;

/// Kafka's `ConfigResource.Type`s that are served here.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// The names of the others, for error messages.
const OTHERS: &[(i8, &str)] = &[(8, "BROKER_LOGGER"), (16, "CLIENT_METRICS"), (32, "GROUP")];

/// Why a configuration cannot be given. The text is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConfigsError {
    /// There is no such topic.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// Not this broker, or no resource of a type that has a configuration here.
    #[error("{0}")]
    InvalidRequest(String),
}

/// Every key of a resource, by name.
///
/// # Errors
/// There is no such resource.
pub(crate) fn describe(
    services: &Services,
    resource_type: i8,
    name: &str,
) -> Result<Vec<ConfigEntry>, ConfigsError> {
    match resource_type {
        TOPIC => {
            topics::check_name(name)?;
            let catalog = services.io.catalog();
            let topic = catalog.topic(name).ok_or(TopicError::UnknownTopic)?;
            Ok(describe_topic(&topic.configs, &services.config))
        }
        BROKER => broker(&services.config, name),
        other => {
            let known = OTHERS.iter().find(|(number, _)| *number == other);
            Err(ConfigsError::InvalidRequest(match known {
                Some((_, kind)) => format!("Unsupported resource type: {kind}"),
                None => format!("Unexpected resource type UNKNOWN for resource {name}"),
            }))
        }
    }
}

/// The empty name stands for what all brokers were given at run time, which is nothing.
fn broker(config: &BrokerConfig, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let own = config.node_id;
    match name.parse::<i32>() {
        Ok(id) if id == own => Ok(describe_broker(config)),
        Ok(_) => Err(ConfigsError::InvalidRequest(format!(
            "Unexpected broker id, expected {own} or empty string, but received {name}"
        ))),
        Err(_) => {
            Err(ConfigsError::InvalidRequest(format!("Broker id must be an integer, but it is: {name}")))
        }
    }
}
