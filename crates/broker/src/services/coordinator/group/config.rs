//! From the broker's configuration to that of its groups.

use coordinator::group::{ConsumerGroupConfig, GroupConfig, MigrationPolicy, assignor::Assignor};

use crate::config::{GroupTimeouts, StartConfig};

const NOT_NEGATIVE: &str = "the key's range excludes negative numbers";

fn ms(value: i32) -> u32 {
    u32::try_from(value).expect(NOT_NEGATIVE)
}

fn long_ms(value: i64) -> u64 {
    u64::try_from(value).expect(NOT_NEGATIVE)
}

fn count(value: i32) -> usize {
    usize::try_from(value).expect(NOT_NEGATIVE)
}

impl From<&StartConfig> for GroupConfig {
    fn from(config: &StartConfig) -> GroupConfig {
        GroupConfig {
            min_session_timeout_ms: ms(config.group_min_session_timeout_ms),
            max_session_timeout_ms: ms(config.group_max_session_timeout_ms),
            max_size: count(config.group_max_size),
            initial_rebalance_delay_ms: ms(config.group_initial_rebalance_delay_ms),
            offset_metadata_max_bytes: count(config.offset_metadata_max_bytes),
            offsets_retention_ms: long_ms(i64::from(config.offsets_retention_minutes)) * 60_000,
            offsets_retention_check_interval_ms: long_ms(config.offsets_retention_check_interval_ms),
            consumer: consumer(config),
            ..GroupConfig::default()
        }
    }
}

fn consumer(config: &StartConfig) -> ConsumerGroupConfig {
    let assignors = config.group_consumer_assignors.iter();
    let known = |name: &String| Assignor::named(name).expect("the key allows only known assignors");
    ConsumerGroupConfig {
        heartbeat_interval_ms: ms(config.group_consumer_heartbeat_interval_ms),
        session_timeout_ms: ms(config.group_consumer_session_timeout_ms),
        max_size: count(config.group_consumer_max_size),
        assignors: assignors.map(known).collect(),
        migration: MigrationPolicy::named(&config.group_consumer_migration_policy)
            .expect("the key allows only known policies"),
    }
}

/// The same configuration with these timeouts for the consumer protocol.
pub(super) fn with_timeouts(config: &GroupConfig, timeouts: GroupTimeouts) -> GroupConfig {
    let consumer = ConsumerGroupConfig {
        heartbeat_interval_ms: ms(timeouts.heartbeat_interval_ms),
        session_timeout_ms: ms(timeouts.session_timeout_ms),
        ..config.consumer.clone()
    };
    GroupConfig { consumer, ..config.clone() }
}
