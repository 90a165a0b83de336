//! This broker, and all brokers, as config resources (KIP-226). What may change is in `config/resources/broker.rs`.

use super::group;
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
        // Topics and groups inherit from the broker's keys.
        after: |resources, _| {
            resources.topics.forget_configs();
            resources.groups.reconfigure(&resources.configs.broker(), group::all(&resources.configs));
        },
    }),
};

/// This broker's id, or empty, which stands for all brokers. Kafka has other texts for a change (`ConfigAdminManager`)
/// than for a description (`ConfigHelper`).
fn check_name(config: &BrokerConfig, name: &str) -> Result<(), ConfigsError> {
    let own = config.node_id;
    match name.parse::<i32>() {
        _ if name.is_empty() => Ok(()),
        Ok(id) if id == own => Ok(()),
        Ok(_) => Err(ConfigsError::InvalidRequest(format!(
            "Unexpected broker id, expected {own}, but received {name}"
        ))),
        Err(_) => Err(ConfigsError::InvalidRequest(format!("Node id must be an integer, but it is: {name}"))),
    }
}

/// Refuses to describe another broker than `own`; `expected` says which there are. Also for its loggers.
pub(super) fn check_described(own: i32, name: &str, expected: &str) -> Result<(), ConfigsError> {
    let text = match name.parse::<i32>() {
        Ok(id) if id == own => return Ok(()),
        Ok(_) => format!("Unexpected broker id, expected {expected} but received {name}"),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err(ConfigsError::InvalidRequest(text))
}

fn describe(resources: &ConfigResources, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    let config = resources.configs.broker();
    if name.is_empty() {
        return Ok(describe_brokers(&config));
    }
    check_described(config.node_id, name, &format!("{} or empty string,", config.node_id))?;
    Ok(describe_broker(&config))
}
