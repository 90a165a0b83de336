//! Client metrics subscriptions as config resources: what can be asked of them, changed and described.
//!
//! A resource exists while it has a key of its own. What the keys mean is left to `services/client_metrics/subscription.rs`.

use crate::config::runtime::RuntimeConfigs;
use crate::config::{ConfigEntry, ConfigOp, ConfigSource, ConfigSynonym, Kind, Overrides, edited_list};
use crate::services::client_metrics::subscription::{
    KEYS, Subscription, SubscriptionError, SubscriptionKey, is_list,
};
use crate::services::configs::{CLIENT_METRICS, ConfigsError};

/// Subscriptions that there may be: each is compared with every client.
const MAX_SUBSCRIPTIONS: usize = 1_000;
const MAX_NAME_LENGTH: usize = 249;

/// Whether a subscription may be called so.
pub(super) fn check_name(name: &str) -> Result<(), ConfigsError> {
    if name.is_empty() {
        return Err(ConfigsError::InvalidRequest("Subscription name can't be empty".to_owned()));
    }
    if name.len() > MAX_NAME_LENGTH {
        let text = format!("The subscription's name is longer than {MAX_NAME_LENGTH} bytes");
        return Err(ConfigsError::InvalidRequest(text));
    }
    Ok(())
}

/// What a subscription's configuration becomes by these changes.
pub(super) fn changed(
    configs: &RuntimeConfigs,
    name: &str,
    current: &Overrides,
    changes: &[(&str, ConfigOp<'_>)],
) -> Result<Overrides, ConfigsError> {
    let mut set = current.clone();
    for (key, change) in changes {
        let before = set.get(*key).map(String::as_str);
        let value = match change {
            ConfigOp::Append(_) | ConfigOp::Subtract(_) if !is_list(key) => {
                let text = format!("Can't change the elements of {key} because its type is not LIST.");
                return Err(ConfigsError::InvalidRequest(text));
            }
            change => edited_list(before.unwrap_or_default(), *change),
        };
        match value {
            Some(value) => set.insert((*key).to_owned(), value),
            None => set.remove(*key),
        };
    }
    Subscription::read(&set)?;
    if !set.is_empty() {
        configs
            .has_room_for(CLIENT_METRICS, name, MAX_SUBSCRIPTIONS)
            .map_err(ConfigsError::InvalidRequest)?;
    }
    Ok(set)
}

/// Every key of a subscription, whether it exists or not, as in Kafka.
pub(super) fn describe(configs: &RuntimeConfigs, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    check_name(name)?;
    let given = configs.given(CLIENT_METRICS, name);
    // As Kafka's `createClientMetricsConfigEntry`: a default is a value, and no synonym.
    let entry = |key: &SubscriptionKey| {
        let own = given.get(key.name).map(|value| ConfigSynonym {
            name: key.name.to_owned(),
            value: Some(value.clone()),
            source: ConfigSource::ClientMetricsConfig,
        });
        let value = own.as_ref().and_then(|own| own.value.clone());
        ConfigEntry {
            name: key.name.to_owned(),
            value: value.or_else(|| Some(key.default.to_owned())),
            source: own.as_ref().map_or(ConfigSource::DefaultConfig, |own| own.source),
            kind: if is_list(key.name) { Kind::List } else { Kind::Int },
            is_sensitive: false,
            is_read_only: false,
            synonyms: own.into_iter().collect(),
            documentation: Some(key.documentation),
        }
    };
    Ok(KEYS.iter().map(entry).collect())
}

/// All subscriptions. One that this version cannot read is left aside, with a line in the log.
pub(crate) fn subscriptions(configs: &RuntimeConfigs) -> Vec<Subscription> {
    let read = |name: String| match Subscription::read(&configs.given(CLIENT_METRICS, &name)) {
        Ok(subscription) => Some(subscription),
        Err(error) => {
            tracing::error!(%name, %error, "a client metrics subscription is left aside");
            None
        }
    };
    configs.names(CLIENT_METRICS).into_iter().filter_map(read).collect()
}

impl From<SubscriptionError> for ConfigsError {
    fn from(error: SubscriptionError) -> Self {
        match error {
            SubscriptionError::InvalidRequest(text) => Self::InvalidRequest(text),
            SubscriptionError::InvalidConfig(text) => Self::InvalidConfig(text),
        }
    }
}
