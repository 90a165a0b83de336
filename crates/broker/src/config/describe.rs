//! Every key as DescribeConfigs shows it: value, source, synonyms, type, documentation.
//!
//! Follows Kafka's `ConfigHelper.createTopicConfigEntry`, `createBrokerConfigEntry` and
//! `DynamicBrokerConfig.brokerConfigSynonyms`. Filtering by names and the wire format are the API's.

use super::broker_config::BrokerConfig;
use super::entry::{ConfigEntry, ConfigSource, ConfigSynonym};
use super::inert_keys::THROTTLE_KEYS;
use super::key::{ConfigType, Key};
use super::listener_keys::{LISTENER_PREFIX, listener_key};
use super::overrides::Overrides;
use super::resources::broker::is_dynamic;
use super::resources::group::{GROUP_KEYS, GroupConfigKey};
use super::resources::topic::{TOPIC_KEYS, TopicConfigKey};
use super::setting::Setting;
use super::tables::{broker_key, described_keys};

/// The broker keys that stand in for one another, the strongest first (Kafka's `brokerConfigSynonyms`).
const SYNONYMS: &[&[&str]] = &[
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
];

/// Every key of the broker, by name. Of the throttles only those that were given, as in Kafka; keys that no
/// table has, such as those of plug-ins, where they were set.
pub fn describe_broker(config: &BrokerConfig) -> Vec<ConfigEntry> {
    let given =
        |key: &&Key| config.dynamic.value(key.name).is_some() || config.settings.contains_key(key.name);
    let known = described_keys().chain(THROTTLE_KEYS.iter().filter(given));
    let known = known.map(|key| broker_entry(key, config));
    let others = config.settings().filter(|(name, _)| broker_key(name).is_none());
    let others = others.map(|(name, setting)| other_entry(name, &setting.value));
    let mut entries: Vec<ConfigEntry> = known.chain(others).collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    entries
}

/// The values that all brokers were given while they run, by name (Kafka's entity-default resource).
/// Keys that this version does not have are left out.
pub fn describe_brokers(config: &BrokerConfig) -> Vec<ConfigEntry> {
    let source = ConfigSource::DynamicDefaultBrokerConfig;
    // Only synonyms of this source, as Kafka answers where no single broker is asked for
    // (`ConfigHelper.createBrokerConfigEntry`).
    let entries = config.dynamic.default.iter().filter_map(|(name, value)| {
        let synonyms = vec![ConfigSynonym { name: name.clone(), value: Some(value.clone()), source }];
        let entry = broker_entry(broker_key(name)?, config);
        Some(ConfigEntry { value: Some(value.clone()), source, synonyms, ..entry })
    });
    entries.collect()
}

/// Every key of a topic whose own settings are `set`, by name, with the value that holds for it.
pub fn describe_topic(set: &Overrides, config: &BrokerConfig) -> Vec<ConfigEntry> {
    let mut entries: Vec<ConfigEntry> =
        TOPIC_KEYS.iter().map(|topic| topic_entry(topic, set, config)).collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    entries
}

/// Every key of a group whose own settings are `set`, by name.
pub fn describe_group(set: &Overrides, config: &BrokerConfig) -> Vec<ConfigEntry> {
    let entry = |GroupConfigKey { key, broker_key, fallback, .. }: &GroupConfigKey| {
        let fallback = Some(fallback(config).to_string());
        let names = std::slice::from_ref(broker_key);
        overridable_entry(key, names, set, ConfigSource::DynamicGroupConfig, fallback, config)
    };
    GROUP_KEYS.iter().map(entry).collect()
}

/// The entry of a key that a table has: a client's value comes before one that was set, and that before the
/// default.
fn broker_entry(key: &'static Key, config: &BrokerConfig) -> ConfigEntry {
    let synonyms = broker_synonyms(names_from(key), config);
    let given = config.dynamic.value(key.name);
    let set = config.settings.get(key.name).map(|setting| setting.value.as_str());
    let value = given.or(set).or(key.default);
    ConfigEntry {
        name: key.name.to_owned(),
        value: value.filter(|_| !key.sensitive()).map(str::to_owned),
        source: synonyms.first().map_or(ConfigSource::DefaultConfig, |first| first.source),
        kind: key.kind,
        is_sensitive: key.sensitive(),
        is_read_only: !is_dynamic(key.name),
        synonyms,
        documentation: Some(key.documentation()),
    }
}

/// The key's name and the weaker ones that stand in for it: `ConfigHelper.configSynonyms` drops the stronger ones.
fn names_from(key: &'static Key) -> &'static [&'static str] {
    let alone = std::slice::from_ref(&key.name);
    let family = SYNONYMS
        .iter()
        .find_map(|names| names.iter().position(|name| *name == key.name).map(|at| &names[at..]));
    family.unwrap_or(alone)
}

/// A key that was set and that no table has: one of a listener, which is of the type of the broker's key at its end, or any other.
/// As in Kafka, the value of any other is hidden: it may be a plug-in's password.
fn other_entry(name: &str, value: &str) -> ConfigEntry {
    let source = ConfigSource::StaticBrokerConfig;
    let key = name.strip_prefix(LISTENER_PREFIX).and_then(listener_key);
    let is_sensitive = key.is_none_or(Key::sensitive);
    let value = (!is_sensitive).then(|| value.to_owned());
    ConfigEntry {
        name: name.to_owned(),
        value: value.clone(),
        source,
        kind: key.map_or(ConfigType::Unknown, |key| key.kind),
        is_sensitive,
        is_read_only: true,
        synonyms: vec![ConfigSynonym { name: name.to_owned(), value, source }],
        documentation: None,
    }
}

fn topic_entry(topic: &TopicConfigKey, set: &Overrides, config: &BrokerConfig) -> ConfigEntry {
    let TopicConfigKey { key, broker_keys, fallback } = topic;
    overridable_entry(key, broker_keys, set, ConfigSource::DynamicTopicConfig, fallback(config), config)
}

/// A key of something that may be given a value of its own, and goes by the broker's keys otherwise.
fn overridable_entry(
    key: &Key,
    broker_keys: &[&str],
    set: &Overrides,
    source: ConfigSource,
    fallback: Option<String>,
    config: &BrokerConfig,
) -> ConfigEntry {
    let own = set.get(key.name).map(|value| ConfigSynonym {
        name: key.name.to_owned(),
        value: Some(value.clone()),
        source,
    });
    let value = own.as_ref().and_then(|own| own.value.clone()).or(fallback);
    let synonyms: Vec<ConfigSynonym> = own.into_iter().chain(broker_synonyms(broker_keys, config)).collect();
    ConfigEntry {
        name: key.name.to_owned(),
        value,
        source: synonyms.first().map_or(ConfigSource::DefaultConfig, |first| first.source),
        kind: key.kind,
        // No key of a topic or of a group is a password.
        is_sensitive: false,
        is_read_only: false,
        synonyms,
        documentation: Some(key.documentation()),
    }
}

/// First what was set under any of the names, in their order, then the defaults.
fn broker_synonyms(names: &[&str], config: &BrokerConfig) -> Vec<ConfigSynonym> {
    let hidden = |name: &str, value: &str| {
        // A key without a type may hold a password (`KafkaConfig.maybeSensitive`).
        let sensitive = broker_key(name).is_none_or(Key::sensitive);
        (!sensitive).then(|| value.to_owned())
    };
    // In Kafka's order (`ConfigHelper.configSynonyms`): this broker, all brokers, the file, the defaults.
    let given = [
        (ConfigSource::DynamicBrokerConfig, &config.dynamic.own),
        (ConfigSource::DynamicDefaultBrokerConfig, &config.dynamic.default),
    ];
    let given = given.into_iter().flat_map(|(source, given)| {
        names.iter().filter_map(move |name| {
            let value = given.get(*name)?;
            Some(ConfigSynonym { name: (*name).to_owned(), value: hidden(name, value), source })
        })
    });
    let set = names.iter().filter_map(|name| {
        let Setting { value, .. } = config.settings.get(*name)?;
        let source = ConfigSource::StaticBrokerConfig;
        Some(ConfigSynonym { name: (*name).to_owned(), value: hidden(name, value), source })
    });
    let defaults = names.iter().filter_map(|name| {
        let default = broker_key(name)?.default?;
        let source = ConfigSource::DefaultConfig;
        Some(ConfigSynonym { name: (*name).to_owned(), value: hidden(name, default), source })
    });
    let mut synonyms: Vec<ConfigSynonym> = given.chain(set).chain(defaults).collect();
    // A default in other units alone is no synonym (`ConfigHelper.configSynonyms` drops what comes before the key's own).
    // What was set in other units stays, with its source. Kafka drops that too and calls the value a default.
    if synonyms.first().is_some_and(|one| {
        one.source == ConfigSource::DefaultConfig && names.first() != Some(&one.name.as_str())
    }) {
        synonyms.clear();
    }
    synonyms
}

#[cfg(test)]
mod tests;
