//! This broker, and all brokers, as config resources (KIP-226). What may change is in `config/resources/broker.rs`.

use super::kind::{ConfigResources, ConfigsError, Kept, Record, ResourceKind};
use crate::config::resources::resource_type::BROKER;
use crate::config::{BrokerConfig, ConfigEntry, describe_broker, describe_brokers};

/// Two resources: this broker, by its id, and all brokers, by the empty name.
pub(super) static KIND: ResourceKind = ResourceKind {
    code: BROKER,
    check_name,
    describe,
    names: |resources| vec![resources.configs.broker().node_id.to_string()],
    kept: Kept::Record(Record {
        changed: BrokerConfig::changed,
        // This broker, and all of them.
        most: 2,
        // Topics inherit from the broker's keys.
        after: |resources, _| resources.topics.forget_configs(),
    }),
};

/// This broker's id, or empty: that stands for what all brokers were given.
fn check_name(config: &BrokerConfig, name: &str) -> Result<(), ConfigsError> {
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

fn describe(resources: &ConfigResources, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    let config = resources.configs.broker();
    check_name(&config, name)?;
    Ok(if name.is_empty() { describe_brokers(&config) } else { describe_broker(&config) })
}
