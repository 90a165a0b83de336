//! Client metrics subscriptions as config resources (KIP-714). What the keys mean is in
//! `config/resources/client_metrics.rs`; asking clients is left to `services/client_metrics.rs`.
//!
//! A resource exists while it has a key of its own.

use super::kind::{ConfigResources, ConfigsError, Kept, Record, ResourceKind};
use crate::config::ConfigEntry;
use crate::config::resources::client_metrics::ClientMetricsConfig;
use crate::config::resources::resource_type::CLIENT_METRICS;
use crate::config::runtime::RuntimeConfigs;

/// Most subscriptions: each is compared with every client.
const MAX_SUBSCRIPTIONS: usize = 1_000;
const MAX_NAME_BYTES: usize = 249;

pub(super) static KIND: ResourceKind = ResourceKind {
    code: CLIENT_METRICS,
    check_name: |_, name| check_name(name),
    describe,
    names: |resources| resources.configs.names(CLIENT_METRICS),
    kept: Kept::Record(Record {
        changed: |_, current, changes| ClientMetricsConfig::changed(current, changes.iter().copied()),
        most: MAX_SUBSCRIPTIONS,
        // A subscription without keys has no name any more, and is left out by that.
        after: |resources, _| resources.client_metrics.subscribe(all(&resources.configs)),
    }),
};

/// All subscriptions. One that this version cannot read is left out, with a line in the log.
pub(crate) fn all(configs: &RuntimeConfigs) -> Vec<ClientMetricsConfig> {
    let read = |name: String| match ClientMetricsConfig::read(&configs.given(CLIENT_METRICS, &name)) {
        Ok(subscription) => Some(subscription),
        Err(error) => {
            tracing::error!(%name, %error, "a client metrics subscription is left out");
            None
        }
    };
    configs.names(CLIENT_METRICS).into_iter().filter_map(read).collect()
}

fn check_name(name: &str) -> Result<(), ConfigsError> {
    if name.is_empty() {
        return Err(ConfigsError::InvalidRequest("Subscription name can't be empty".to_owned()));
    }
    if name.len() > MAX_NAME_BYTES {
        let text = format!("The subscription's name is longer than {MAX_NAME_BYTES} bytes");
        return Err(ConfigsError::InvalidRequest(text));
    }
    Ok(())
}

/// Answers for subscriptions that do not exist, too, as Kafka does.
fn describe(resources: &ConfigResources, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    // Kafka's text here (`ConfigHelper`); for a change it has another (`ClientMetricsConfigs.validate`).
    if name.is_empty() {
        let text = "Client metrics subscription name must not be empty".to_owned();
        return Err(ConfigsError::InvalidRequest(text));
    }
    check_name(name)?;
    Ok(ClientMetricsConfig::describe(&resources.configs.given(CLIENT_METRICS, name)))
}
