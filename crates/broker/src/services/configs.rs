//! Whose configuration can be asked for, and what it is: rules that the config APIs share (Kafka's `ConfigHelper`).

pub(crate) mod changes;
pub(crate) mod client_metrics;
pub(crate) mod group;
pub(crate) mod logger;

use thiserror::Error;

use self::{client_metrics as client_metrics_configs, group as group_configs, logger as logger_configs};
use crate::config::{
    BrokerConfig, ConfigEntry, InvalidBrokerConfig, describe_broker, describe_brokers, describe_topic,
};
use crate::services::Services;
use crate::services::admin::topics::{self, TopicError};

pub(crate) use crate::config::runtime::BROKER;

/// Kafka's other `ConfigResource.Type`s that are served here.
pub(crate) const TOPIC: i8 = 2;
pub(crate) const CLIENT_METRICS: i8 = 16;
pub(crate) const BROKER_LOGGER: i8 = 8;
pub(crate) const GROUP: i8 = 32;

/// Why a configuration cannot be given. The text is shown to the user.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConfigsError {
    /// There is no such topic.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// There is no such topic whose configuration could change.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    /// The broker cannot have these values.
    #[error(transparent)]
    Broker(#[from] InvalidBrokerConfig),
    /// A value that cannot be.
    #[error("{0}")]
    InvalidConfig(String),
    /// Not this broker, or no type of a resource.
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
            Ok(describe_topic(&topic.configs, &services.configs.broker()))
        }
        BROKER => broker(&services.configs.broker(), name),
        CLIENT_METRICS => client_metrics_configs::describe(&services.configs, name),
        GROUP => group_configs::describe(&services.configs, name),
        BROKER_LOGGER => {
            logger_configs::check_name(services.config.node_id, name)?;
            Ok(logger_configs::describe(&services.loggers))
        }
        _ => Err(unknown_type(name)),
    }
}

/// The refusal of a resource of a type that does not exist.
pub(super) fn unknown_type(name: &str) -> ConfigsError {
    ConfigsError::InvalidRequest(format!("Unexpected resource type UNKNOWN for resource {name}"))
}

fn broker(config: &BrokerConfig, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    check_broker(config, name)?;
    Ok(if name.is_empty() { describe_brokers(config) } else { describe_broker(config) })
}

/// Whether `name` is this broker, or empty: that stands for what all brokers were given at run time.
pub(super) fn check_broker(config: &BrokerConfig, name: &str) -> Result<(), ConfigsError> {
    let own = config.node_id;
    match name.parse::<i32>() {
        _ if name.is_empty() => Ok(()),
        Ok(id) if id == own => Ok(()),
        Ok(_) => Err(ConfigsError::InvalidRequest(format!(
            "Unexpected broker id, expected {own} or empty string, but received {name}"
        ))),
        Err(_) => {
            Err(ConfigsError::InvalidRequest(format!("Broker id must be an integer, but it is: {name}")))
        }
    }
}
