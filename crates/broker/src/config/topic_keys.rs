//! The keys of a topic: one entry defines a key entirely, as in `broker_keys.rs`.
//!
//! An entry gives the field, its type, the key, the broker keys that it falls back to (the first that is set counts),
//! the fallback's value, the allowed values and the effect. [`TopicConfig`] is what a topic's own settings and the
//! broker's make together; nobody else should combine them. Names, types, ranges and fallbacks are those of
//! Kafka 4.3's `TopicConfig`, `LogConfig` and `ServerTopicConfigSynonyms`.

use std::collections::{BTreeMap, HashSet};

use storage::{Compaction, LogPolicy, Retention};

use super::BrokerConfig;
use super::key::Check::{Any, AtLeast, Between, BetweenOr, EachOf, OneOf, ThrottledReplicas};
use super::key::Effect::{Enforced, Inert, NotYet};
use super::key::{Key, Kind, Units};
use super::value::{CleanupPolicy, CompressionType, TimestampType, Value};

/// A topic's key and the broker keys behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TopicKey {
    pub key: Key,
    /// Kafka's synonyms, the strongest first.
    pub broker_keys: &'static [&'static str],
    /// What the key is worth where the topic does not set it.
    pub(super) fallback: fn(&BrokerConfig) -> Option<String>,
}

/// Longest value of a key, as in Kafka's `ConfigurationControlManager`.
pub(super) const MAX_VALUE_BYTES: usize = 32_767;

/// A change of one key (Kafka's `AlterConfigOp.OpType`, KIP-339).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOp<'a> {
    Set(&'a str),
    /// Back to what the broker's configuration says.
    Delete,
    /// Adds to a list what it does not have.
    Append(&'a str),
    /// Takes from a list what it has.
    Subtract(&'a str),
}

/// A topic's own settings, normalised: key → value.
pub type Overrides = BTreeMap<String, String>;

/// Why a topic cannot have a configuration: Kafka's INVALID_CONFIG, with Kafka's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTopicConfig(String);

macro_rules! topic_keys {
    ($($(#[doc = $doc:literal])+
       $field:ident: $type:ty = $name:literal, $broker_keys:expr, $fallback:expr, $check:expr, $effect:expr;)+) => {
        /// A topic's effective configuration.
        #[derive(Clone, Debug, PartialEq)]
        pub struct TopicConfig {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        /// The table itself, in the order of the documentation.
        pub(super) static TOPIC_KEYS: &[TopicKey] = &[
            $(TopicKey {
                key: Key {
                    name: $name,
                    kind: <$type as Value>::KIND,
                    default: None,
                    check: $check,
                    effect: $effect,
                    dynamic: true,
                    doc: concat!($($doc),+),
                },
                broker_keys: &$broker_keys,
                fallback: |broker| {
                    let typed: fn(&BrokerConfig) -> $type = $fallback;
                    Value::show(&typed(broker))
                },
            },)+
        ];

        impl TopicConfig {
            /// What `set` and the broker's configuration make together. A setting that cannot be read, which
            /// [`validate`](Self::validate) does not let in, counts as not set.
            pub fn effective(set: &Overrides, broker: &BrokerConfig) -> Self {
                $(let $field: $type = match set.get($name).and_then(|text| Value::read(text)) {
                    Some(value) => value,
                    None => {
                        let typed: fn(&BrokerConfig) -> $type = $fallback;
                        typed(broker)
                    }
                };)+
                Self { $($field,)+ }
            }
        }
    };
}

topic_keys! {
    /// What becomes of old records: dropped (`delete`), reduced to the newest of each key (`compact`), or both.
    cleanup_policy: CleanupPolicy = "cleanup.policy", ["log.cleanup.policy"],
        |broker| broker.log_cleanup_policy, EachOf(CleanupPolicy::NAMES), Enforced;
    /// The codec that batches are kept in; `producer` keeps them as they came.
    compression_type: CompressionType = "compression.type", ["compression.type"],
        |broker| broker.compression_type, OneOf(CompressionType::NAMES), Enforced;
    /// The level for `compression.type=gzip`; -1 is the codec's default.
    compression_gzip_level: i32 = "compression.gzip.level", ["compression.gzip.level"],
        |broker| broker.compression_gzip_level, BetweenOr(1, 9, -1), Enforced;
    /// The level for `compression.type=lz4` in Kafka. Ottla writes LZ4 at one level, the fast one.
    compression_lz4_level: i32 = "compression.lz4.level", ["compression.lz4.level"],
        |broker| broker.compression_lz4_level, Between(1, 17), Inert;
    /// The level for `compression.type=zstd`.
    compression_zstd_level: i32 = "compression.zstd.level", ["compression.zstd.level"],
        |broker| broker.compression_zstd_level, Between(-131_072, 22), Enforced;
    /// How long a tombstone of a compacted topic is kept for consumers to see.
    delete_retention_ms: i64 = "delete.retention.ms", ["log.cleaner.delete.retention.ms"],
        |broker| broker.log_cleaner_delete_retention_ms, AtLeast(0), Enforced;
    /// How long Kafka keeps a deleted segment file. Ottla has no segment files.
    file_delete_delay_ms: i64 = "file.delete.delay.ms", ["log.segment.delete.delay.ms"],
        |broker| broker.log_segment_delete_delay_ms, AtLeast(0), Inert;
    /// The records after which the partition is synced.
    flush_messages: i64 = "flush.messages", ["log.flush.interval.messages"],
        |broker| broker.log_flush_interval_messages, AtLeast(1), NotYet;
    /// The longest that records stay without being synced. The broker's interval holds for all topics.
    flush_ms: i64 = "flush.ms", ["log.flush.interval.ms"],
        |broker| broker.log_flush_interval_ms, AtLeast(0), NotYet;
    /// For throttling replication in Kafka. There is one node.
    follower_replication_throttled_replicas: Vec<String> = "follower.replication.throttled.replicas", [],
        |_| Vec::new(), ThrottledReplicas, Inert;
    /// The bytes between two index entries in Kafka. Ottla's index has its own spacing.
    index_interval_bytes: i32 = "index.interval.bytes", ["log.index.interval.bytes"],
        |broker| broker.log_index_interval_bytes, AtLeast(0), Inert;
    /// For throttling replication in Kafka. There is one node.
    leader_replication_throttled_replicas: Vec<String> = "leader.replication.throttled.replicas", [],
        |_| Vec::new(), ThrottledReplicas, Inert;
    /// The bytes that Kafka keeps locally of a partition in tiered storage. Ottla has no tiered storage.
    local_retention_bytes: i64 = "local.retention.bytes", ["log.local.retention.bytes"],
        |broker| broker.log_local_retention_bytes, AtLeast(-2), Inert;
    /// How long Kafka keeps records of tiered storage locally. Ottla has no tiered storage.
    local_retention_ms: i64 = "local.retention.ms", ["log.local.retention.ms"],
        |broker| broker.log_local_retention_ms, AtLeast(-2), Inert;
    /// The longest that a record may wait for compaction.
    max_compaction_lag_ms: i64 = "max.compaction.lag.ms", ["log.cleaner.max.compaction.lag.ms"],
        |broker| broker.log_cleaner_max_compaction_lag_ms, AtLeast(1), Enforced;
    /// The largest record batch that is accepted, as it stands compressed.
    max_message_bytes: i32 = "max.message.bytes", ["message.max.bytes"],
        |broker| broker.message_max_bytes, AtLeast(0), Enforced;
    /// How far a producer's timestamp may lie in the future; ignored for LogAppendTime.
    message_timestamp_after_max_ms: i64 = "message.timestamp.after.max.ms", ["log.message.timestamp.after.max.ms"],
        |broker| broker.log_message_timestamp_after_max_ms, AtLeast(0), Enforced;
    /// How far a producer's timestamp may lie in the past; ignored for LogAppendTime.
    message_timestamp_before_max_ms: i64 = "message.timestamp.before.max.ms",
        ["log.message.timestamp.before.max.ms"],
        |broker| broker.log_message_timestamp_before_max_ms, AtLeast(0), Enforced;
    /// Whose time records carry: CreateTime is the producer's, LogAppendTime the broker's.
    message_timestamp_type: TimestampType = "message.timestamp.type", ["log.message.timestamp.type"],
        |broker| broker.log_message_timestamp_type, OneOf(TimestampType::NAMES), Enforced;
    /// The part of a compacted log that must be uncleaned before it is cleaned.
    min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio", ["log.cleaner.min.cleanable.ratio"],
        |broker| broker.log_cleaner_min_cleanable_ratio, Between(0, 1), Enforced;
    /// How long a record is left as it is before it may be compacted away.
    min_compaction_lag_ms: i64 = "min.compaction.lag.ms", ["log.cleaner.min.compaction.lag.ms"],
        |broker| broker.log_cleaner_min_compaction_lag_ms, AtLeast(0), Enforced;
    /// The replicas that must have an acks=all record before it is acknowledged. As in Kafka no more
    /// count than a partition has, and here it has one.
    min_insync_replicas: i32 = "min.insync.replicas", ["min.insync.replicas"],
        |broker| broker.min_insync_replicas, AtLeast(1), Enforced;
    /// Whether Kafka allocates segment files in advance. Ottla has no segment files.
    preallocate: bool = "preallocate", ["log.preallocate"], |broker| broker.log_preallocate, Any, Inert;
    /// For tiered storage, which Ottla does not have.
    remote_log_copy_disable: bool = "remote.log.copy.disable", [], |_| false, Any, Inert;
    /// For tiered storage, which Ottla does not have.
    remote_log_delete_on_disable: bool = "remote.log.delete.on.disable", [], |_| false, Any, Inert;
    /// For tiered storage, which Ottla does not have: `true` is refused.
    remote_storage_enable: bool = "remote.storage.enable", [], |_| false, Any, Enforced;
    /// The bytes that a partition keeps; -1 is without a limit.
    retention_bytes: i64 = "retention.bytes", ["log.retention.bytes"],
        |broker| broker.log_retention_bytes, Any, Enforced;
    /// How long records are kept; -1 is for ever.
    retention_ms: i64 = "retention.ms", ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        |broker| broker.retention_ms(), AtLeast(-1), Enforced;
    /// The size of a segment file in Kafka. Ottla has no segment files.
    segment_bytes: i32 = "segment.bytes", ["log.segment.bytes"],
        |broker| broker.log_segment_bytes, AtLeast(1_048_576), Inert;
    /// The size of an index file in Kafka. Ottla has no index files.
    segment_index_bytes: i32 = "segment.index.bytes", ["log.index.size.max.bytes"],
        |broker| broker.log_index_size_max_bytes, AtLeast(4), Inert;
    /// The random part of the age at which Kafka rolls a segment file. Ottla has no segment files.
    segment_jitter_ms: i64 = "segment.jitter.ms", ["log.roll.jitter.ms", "log.roll.jitter.hours"],
        |broker| broker.roll_jitter_ms(), AtLeast(0), Inert;
    /// The age at which Kafka rolls a segment file. Ottla has no segment files.
    segment_ms: i64 = "segment.ms", ["log.roll.ms", "log.roll.hours"],
        |broker| broker.roll_ms(), AtLeast(1), Inert;
    /// Whether a replica that lags may lead a partition in Kafka. There is one replica.
    unclean_leader_election_enable: bool = "unclean.leader.election.enable", ["unclean.leader.election.enable"],
        |broker| broker.unclean_leader_election_enable, Any, Inert;
}

impl TopicConfig {
    /// What may happen to old records.
    pub fn log_policy(&self, broker: &BrokerConfig) -> LogPolicy {
        let limit = |value: i64| u64::try_from(value).ok();
        let retention = Retention { ms: limit(self.retention_ms), bytes: limit(self.retention_bytes) };
        let compaction = Compaction {
            min_cleanable_dirty_ratio: self.min_cleanable_dirty_ratio,
            min_compaction_lag_ms: self.min_compaction_lag_ms,
            max_compaction_lag_ms: self.max_compaction_lag_ms,
            delete_retention_ms: self.delete_retention_ms,
        };
        LogPolicy {
            retention: self.cleanup_policy.delete.then_some(retention),
            compaction: (self.cleanup_policy.compact && broker.log_cleaner_enable).then_some(compaction),
        }
    }

    /// Checks what a client wants to set, as Kafka's `LogConfig.validate` does, and gives it back normalised.
    ///
    /// # Errors
    /// The first thing that is wrong, in Kafka's words.
    pub fn validate<'a>(
        wanted: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        broker: &BrokerConfig,
    ) -> Result<Overrides, InvalidTopicConfig> {
        let mut set = Overrides::new();
        for (name, value) in wanted {
            let value = value.ok_or_else(|| {
                InvalidTopicConfig(format!("Null value not supported for topic configs: {name}"))
            })?;
            set.insert(name.to_owned(), normalise(name, value)?);
        }
        Self::effective(&set, broker).check_together()?;
        Ok(set)
    }

    /// What a topic's own settings become by these changes, as Kafka's `ConfigurationControlManager` works it out. What
    /// is not changed is not judged again.
    ///
    /// # Errors
    /// The first thing that is wrong, in Kafka's words.
    pub fn changed<'a>(
        current: &Overrides,
        changes: impl IntoIterator<Item = (&'a str, ConfigOp<'a>)>,
        broker: &BrokerConfig,
    ) -> Result<Overrides, InvalidTopicConfig> {
        let mut set = current.clone();
        for (name, change) in changes {
            let value = match change {
                ConfigOp::Set(value) => Some(value.to_owned()),
                ConfigOp::Delete => None,
                ConfigOp::Append(value) => Some(appended(&list(name, "APPEND", &set, broker)?, value)),
                ConfigOp::Subtract(value) => Some(subtracted(&list(name, "SUBTRACT", &set, broker)?, value)),
            };
            match value {
                Some(value) => set.insert(name.to_owned(), normalise(name, &value)?),
                None => set.remove(name),
            };
        }
        Self::effective(&set, broker).check_together()?;
        Ok(set)
    }

    /// Rules that join several keys (`LogConfig.validateValues`, `validateRemoteStorageOnlyIfSystemEnabled`).
    fn check_together(&self) -> Result<(), InvalidTopicConfig> {
        let (min, max) = (self.min_compaction_lag_ms, self.max_compaction_lag_ms);
        if min > max {
            return Err(InvalidTopicConfig(format!(
                "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
            )));
        }
        if self.remote_storage_enable {
            return Err(InvalidTopicConfig(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log \
                 storage."
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// The value as it is kept, if the key may have it.
fn normalise(name: &str, value: &str) -> Result<String, InvalidTopicConfig> {
    let topic =
        topic_key(name).ok_or_else(|| InvalidTopicConfig(format!("Unknown topic config name: {name}")))?;
    // Also what a topic's record on the disk has room for.
    if value.len() > MAX_VALUE_BYTES {
        return Err(InvalidTopicConfig(format!(
            "The configuration value for {name} cannot be added because it exceeds the maximum value size of \
             {MAX_VALUE_BYTES} bytes."
        )));
    }
    topic.key.normalise(value, Units::Refused).map_err(|reason| {
        InvalidTopicConfig(format!("Invalid value {value} for configuration {name}: {reason}"))
    })
}

/// What a list is worth at present, be it the broker's.
fn list(
    name: &str,
    operation: &str,
    set: &Overrides,
    broker: &BrokerConfig,
) -> Result<String, InvalidTopicConfig> {
    let topic = topic_key(name).filter(|topic| topic.key.kind == Kind::List).ok_or_else(|| {
        InvalidTopicConfig(format!("Can't {operation} to key {name} because its type is not LIST."))
    })?;
    Ok(set.get(name).cloned().or_else(|| (topic.fallback)(broker)).unwrap_or_default())
}

/// What a list becomes by a change; `None` if it goes.
pub fn edited_list(before: &str, change: ConfigOp<'_>) -> Option<String> {
    match change {
        ConfigOp::Set(value) => Some(value.to_owned()),
        ConfigOp::Delete => None,
        ConfigOp::Append(more) => Some(appended(before, more)),
        ConfigOp::Subtract(less) => Some(subtracted(before, less)),
    }
}

/// The list with what it does not have yet of `more`.
pub(super) fn appended(before: &str, more: &str) -> String {
    let mut known: HashSet<&str> = split(before).collect();
    let more = split(more).filter(|element| known.insert(element));
    split(before).chain(more).collect::<Vec<_>>().join(",")
}

/// The list without what is in `less`.
pub(super) fn subtracted(before: &str, less: &str) -> String {
    let gone: HashSet<&str> = split(less).collect();
    split(before).filter(|element| !gone.contains(element)).collect::<Vec<_>>().join(",")
}

fn split(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|element| !element.is_empty())
}

/// The topic key called `name`.
pub(super) fn topic_key(name: &str) -> Option<&'static TopicKey> {
    TOPIC_KEYS.iter().find(|topic| topic.key.name == name)
}

#[cfg(test)]
mod tests;
