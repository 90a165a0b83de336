//! From the broker's configuration to that of its groups.

use coordinator::group::{ConsumerGroupConfig, GroupConfig};

use crate::config::{GroupTimeouts, StartConfig};

impl From<&StartConfig> for GroupConfig {
    fn from(config: &StartConfig) -> GroupConfig {
        GroupConfig {
            min_session_timeout_ms: config.group_min_session_timeout_ms.as_u32(),
            max_session_timeout_ms: config.group_max_session_timeout_ms.as_u32(),
            max_size: config.group_max_size,
            initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms.as_u32(),
            offset_metadata_max_bytes: config.offset_metadata_max_bytes.as_usize(),
            offsets_retention_ms: config.offsets_retention_minutes.as_u64(),
            offsets_retention_check_interval_ms: config.offsets_retention_check_interval_ms.as_u64(),
            consumer: consumer(config),
            ..GroupConfig::default()
        }
    }
}

fn consumer(config: &StartConfig) -> ConsumerGroupConfig {
    ConsumerGroupConfig {
        heartbeat_interval_ms: config.group_consumer_heartbeat_interval_ms.as_u32(),
        session_timeout_ms: config.group_consumer_session_timeout_ms.as_u32(),
        max_size: config.group_consumer_max_size,
        assignors: config.group_consumer_assignors.clone(),
        migration: config.group_consumer_migration_policy,
    }
}

/// The same configuration with these timeouts for the consumer protocol.
pub(super) fn with_timeouts(config: &GroupConfig, timeouts: GroupTimeouts) -> GroupConfig {
    let consumer = ConsumerGroupConfig {
        heartbeat_interval_ms: timeouts.heartbeat_interval_ms.as_u32(),
        session_timeout_ms: timeouts.session_timeout_ms.as_u32(),
        ..config.consumer.clone()
    };
    GroupConfig { consumer, ..config.clone() }
}
