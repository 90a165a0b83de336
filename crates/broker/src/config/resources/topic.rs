//! The keys of a topic: one entry defines a key entirely, as in `broker_keys.rs`.
//!
//! An entry gives the field, its type, the key, the broker keys that it falls back to (the first that is set counts),
//! the fallback's value, the allowed values and the effect. [`TopicConfig`] is what a topic's own settings and the
//! broker's make together; no other code should combine them. Names, types, ranges and fallbacks are those of
//! Kafka 4.3's `TopicConfig`, `LogConfig` and `ServerTopicConfigSynonyms`.

use storage::{Compaction, LogPolicy, Retention};

use super::super::broker_config::BrokerConfig;
use super::super::changes::{Change, ConfigOp, KeyRules, apply};
use super::super::key::Check::{Any, AtLeast, Between, BetweenOr, EachOf, OneOf, ThrottledReplicas};
use super::super::key::Effect::{Enforced, Inert, NotYet};
use super::super::key::{ConfigType, Key, Units};
use super::super::overrides::{ConfigRefusal, Overrides};
use super::super::quantity::{Bytes, Millis, OrNone};
use super::super::value::{CleanupPolicy, CompressionType, TimestampType, Value as ConfigValue};

/// A topic's key and the broker keys that it falls back to.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct TopicConfigKey {
    pub(in crate::config) key: Key,
    /// Kafka's synonyms, the strongest first.
    pub(in crate::config) broker_keys: &'static [&'static str],
    /// The key's value if the topic does not set it.
    pub(in crate::config) fallback: fn(&BrokerConfig) -> Option<String>,
}

macro_rules! topic_keys {
    ($($(#[doc = $doc:literal])+
       $field:ident: $type:ty = $name:literal, $broker_keys:expr, $fallback:expr, $check:expr, $effect:expr;)+) => {
        /// A topic's effective configuration.
        #[derive(Clone, Debug, PartialEq)]
        pub struct TopicConfig {
            $($(#[doc = $doc])+ pub $field: <$type as ConfigValue>::Held,)+
        }

        /// The table itself, in the order of the documentation.
        pub(in crate::config) static TOPIC_KEYS: &[TopicConfigKey] = &[
            $(TopicConfigKey {
                key: Key {
                    name: $name,
                    kind: <$type as ConfigValue>::KIND,
                    // A topic without a value of its own goes by the broker's (`fallback`).
                    default: None,
                    check: $check,
                    effect: $effect,
                    dynamic: true,
                    doc: concat!($($doc),+),
                },
                broker_keys: &$broker_keys,
                fallback: |broker| {
                    let typed: fn(&BrokerConfig) -> <$type as ConfigValue>::Held = $fallback;
                    <$type as ConfigValue>::show(&typed(broker))
                },
            },)+
        ];

        impl TopicConfig {
            /// Combines `set` with the broker's configuration. A setting that cannot be read, which
            /// [`validate`](Self::validate) does not let in, counts as not set.
            pub fn effective(set: &Overrides, broker: &BrokerConfig) -> Self {
                $(let $field = match set.get($name).and_then(|text| <$type as ConfigValue>::read(text)) {
                    Some(value) => value,
                    None => {
                        let typed: fn(&BrokerConfig) -> <$type as ConfigValue>::Held = $fallback;
                        typed(broker)
                    }
                };)+
                Self { $($field,)+ }
            }
        }
    };
}

topic_keys! {
    /// The treatment of old records: dropped (`delete`), reduced to the newest of each key (`compact`), or both.
    cleanup_policy: CleanupPolicy = "cleanup.policy", ["log.cleanup.policy"],
        |broker| broker.log_cleanup_policy, EachOf(CleanupPolicy::NAMES), Enforced;
    /// The codec that batches are kept in; `producer` keeps them as they came.
    compression_type: CompressionType = "compression.type", ["compression.type"],
        |broker| broker.compression_type, OneOf(CompressionType::NAMES), Enforced;
    /// The level for `compression.type=gzip`; -1 is the codec's default.
    compression_gzip_level: OrNone<i32> = "compression.gzip.level", ["compression.gzip.level"],
        |broker| broker.compression_gzip_level, BetweenOr(1, 9, -1), Enforced;
    /// The level for `compression.type=lz4` in Kafka. Ottla writes LZ4 at one level, the fast one.
    compression_lz4_level: i32 = "compression.lz4.level", ["compression.lz4.level"],
        |broker| broker.compression_lz4_level, Between(1, 17), Inert;
    /// The level for `compression.type=zstd`.
    compression_zstd_level: i32 = "compression.zstd.level", ["compression.zstd.level"],
        |broker| broker.compression_zstd_level, Between(-131_072, 22), Enforced;
    /// How long a tombstone of a compacted topic is kept for consumers to see.
    delete_retention_ms: Millis<i64> = "delete.retention.ms", ["log.cleaner.delete.retention.ms"],
        |broker| broker.log_cleaner_delete_retention_ms, AtLeast(0), Enforced;
    /// How long Kafka keeps a deleted segment file. Ottla has no segment files.
    file_delete_delay_ms: i64 = "file.delete.delay.ms", ["log.segment.delete.delay.ms"],
        |broker| broker.log_segment_delete_delay_ms, AtLeast(0), Inert;
    /// The records after which the partition is synced.
    flush_messages: i64 = "flush.messages", ["log.flush.interval.messages"],
        |broker| broker.log_flush_interval_messages, AtLeast(1), NotYet;
    /// The longest that records stay without being synced. The broker's interval holds for all topics.
    flush_ms: Millis<i64> = "flush.ms", ["log.flush.interval.ms"],
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
    max_compaction_lag_ms: Millis<i64> = "max.compaction.lag.ms", ["log.cleaner.max.compaction.lag.ms"],
        |broker| broker.log_cleaner_max_compaction_lag_ms, AtLeast(1), Enforced;
    /// The largest record batch that is accepted, as it stands compressed.
    max_message_bytes: Bytes<i32> = "max.message.bytes", ["message.max.bytes"],
        |broker| broker.message_max_bytes, AtLeast(0), Enforced;
    /// How far a producer's timestamp may lie in the future; ignored for LogAppendTime.
    message_timestamp_after_max_ms: Millis<i64> = "message.timestamp.after.max.ms", ["log.message.timestamp.after.max.ms"],
        |broker| broker.log_message_timestamp_after_max_ms, AtLeast(0), Enforced;
    /// How far a producer's timestamp may lie in the past; ignored for LogAppendTime.
    message_timestamp_before_max_ms: Millis<i64> = "message.timestamp.before.max.ms",
        ["log.message.timestamp.before.max.ms"],
        |broker| broker.log_message_timestamp_before_max_ms, AtLeast(0), Enforced;
    /// The timestamp of records: CreateTime is the producer's, LogAppendTime the broker's.
    message_timestamp_type: TimestampType = "message.timestamp.type", ["log.message.timestamp.type"],
        |broker| broker.log_message_timestamp_type, OneOf(TimestampType::NAMES), Enforced;
    /// The part of a compacted log that must be uncleaned before it is cleaned.
    min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio", ["log.cleaner.min.cleanable.ratio"],
        |broker| broker.log_cleaner_min_cleanable_ratio, Between(0, 1), Enforced;
    /// How long a record is left as it is before it may be compacted away.
    min_compaction_lag_ms: Millis<i64> = "min.compaction.lag.ms", ["log.cleaner.min.compaction.lag.ms"],
        |broker| broker.log_cleaner_min_compaction_lag_ms, AtLeast(0), Enforced;
    /// The replicas that must have an acks=all record before it is acknowledged. As in Kafka no more
    /// count than a partition has, and here it has one.
    min_insync_replicas: i32 = "min.insync.replicas", ["min.insync.replicas"],
        |broker| broker.min_insync_replicas, AtLeast(1), Enforced;
    /// If true, Kafka allocates segment files in advance. Ottla has no segment files.
    preallocate: bool = "preallocate", ["log.preallocate"], |broker| broker.log_preallocate, Any, Inert;
    /// For tiered storage, which Ottla does not have.
    remote_log_copy_disable: bool = "remote.log.copy.disable", [], |_| false, Any, Inert;
    /// For tiered storage, which Ottla does not have.
    remote_log_delete_on_disable: bool = "remote.log.delete.on.disable", [], |_| false, Any, Inert;
    /// For tiered storage, which Ottla does not have: `true` is refused.
    remote_storage_enable: bool = "remote.storage.enable", [], |_| false, Any, Enforced;
    /// The bytes that a partition keeps; -1 is without a limit.
    retention_bytes: OrNone<Bytes<i64>> = "retention.bytes", ["log.retention.bytes"],
        |broker| broker.log_retention_bytes, Any, Enforced;
    /// How long records are kept; -1 is for ever.
    retention_ms: OrNone<Millis<i64>> = "retention.ms", ["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
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
    /// If true, a replica that lags may lead a partition in Kafka. There is one replica.
    unclean_leader_election_enable: bool = "unclean.leader.election.enable", ["unclean.leader.election.enable"],
        |broker| broker.unclean_leader_election_enable, Any, Inert;
}

impl TopicConfig {
    /// The rules for old records.
    pub fn log_policy(&self, broker: &BrokerConfig) -> LogPolicy {
        let retention = Retention {
            ms: self.retention_ms.map(Millis::as_u64),
            bytes: self.retention_bytes.map(Bytes::as_u64),
        };
        let compaction = Compaction {
            min_cleanable_dirty_ratio: self.min_cleanable_dirty_ratio,
            min_compaction_lag_ms: self.min_compaction_lag_ms.as_i64(),
            max_compaction_lag_ms: self.max_compaction_lag_ms.as_i64(),
            delete_retention_ms: self.delete_retention_ms.as_i64(),
        };
        LogPolicy {
            // With `compact` alone nothing is deleted by age or size, whatever retention.ms says.
            retention: self.cleanup_policy.delete.then_some(retention),
            compaction: (self.cleanup_policy.compact && broker.log_cleaner_enable).then_some(compaction),
        }
    }

    /// Checks what a client wants to set on a topic that it creates, as Kafka's `LogConfig.validate` does, and returns it
    /// normalised.
    ///
    /// # Errors
    /// The first thing that is wrong, in Kafka's words.
    pub fn validate<'a>(
        wanted: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        broker: &BrokerConfig,
    ) -> Result<Overrides, ConfigRefusal> {
        let mut changes = Vec::new();
        for (name, value) in wanted {
            let null = || format!("Null value not supported for topic configs: {name}");
            let value = value.ok_or_else(|| ConfigRefusal::InvalidConfig(null()))?;
            changes.push((name, ConfigOp::Set(value)));
        }
        Self::changed(&Overrides::new(), changes, broker)
    }

    /// Applies changes to a topic's own settings, as Kafka's `ConfigurationControlManager` does. What
    /// is not changed is not judged again.
    ///
    /// # Errors
    /// The first thing that is wrong, in Kafka's words.
    pub fn changed<'a>(
        current: &Overrides,
        changes: impl IntoIterator<Item = Change<'a>>,
        broker: &BrokerConfig,
    ) -> Result<Overrides, ConfigRefusal> {
        apply(&TopicRules { broker }, current, changes)
    }

    /// Rules that join several keys (`LogConfig.validateValues`, `validateRemoteStorageOnlyIfSystemEnabled`).
    fn check_together(&self) -> Result<(), ConfigRefusal> {
        let (min, max) = (self.min_compaction_lag_ms, self.max_compaction_lag_ms);
        if min > max {
            return Err(ConfigRefusal::InvalidConfig(format!(
                "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
            )));
        }
        if self.remote_storage_enable {
            return Err(ConfigRefusal::InvalidConfig(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log \
                 storage."
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// See [`KeyRules`].
struct TopicRules<'a> {
    broker: &'a BrokerConfig,
}

impl KeyRules for TopicRules<'_> {
    fn list(&self, name: &str, set: &Overrides) -> Option<String> {
        let topic = topic_key(name).filter(|topic| topic.key.kind == ConfigType::List)?;
        // A list that is not set begins with what the topic inherits: an APPEND must not lose that.
        let own = set.get(name).cloned();
        Some(own.or_else(|| (topic.fallback)(self.broker)).expect("no list of a topic falls back to null"))
    }

    fn normalise(&self, name: &str, value: &str) -> Result<String, ConfigRefusal> {
        let unknown = || ConfigRefusal::InvalidConfig(format!("Unknown topic config name: {name}"));
        let topic = topic_key(name).ok_or_else(unknown)?;
        topic.key.normalise(value, Units::Refused).map_err(|reason| {
            ConfigRefusal::InvalidConfig(format!("Invalid value {value} for configuration {name}: {reason}"))
        })
    }

    fn check_together(&self, set: &Overrides) -> Result<(), ConfigRefusal> {
        TopicConfig::effective(set, self.broker).check_together()
    }
}

/// The topic key called `name`.
pub(in crate::config) fn topic_key(name: &str) -> Option<&'static TopicConfigKey> {
    TOPIC_KEYS.iter().find(|topic| topic.key.name == name)
}

#[cfg(test)]
mod tests;
