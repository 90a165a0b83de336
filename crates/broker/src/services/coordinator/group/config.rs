//! From the broker's configuration to that of its groups.

use coordinator::group::{ConsumerGroupConfig, GroupConfig, StreamsGroupConfig};

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
            streams: streams(config),
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

fn streams(config: &StartConfig) -> StreamsGroupConfig {
    StreamsGroupConfig {
        heartbeat_interval_ms: config.group_streams_heartbeat_interval_ms.as_u32(),
        session_timeout_ms: config.group_streams_session_timeout_ms.as_u32(),
        max_size: config.group_streams_max_size,
        num_standby_replicas: u32::try_from(config.group_streams_num_standby_replicas).unwrap_or(u32::MAX),
        initial_rebalance_delay_ms: config.group_streams_initial_rebalance_delay_ms.as_u32(),
        ..StreamsGroupConfig::default()
    }
}

/// The same configuration with these timeouts for the consumer and the streams protocol.
pub(super) fn with_timeouts(config: &GroupConfig, timeouts: GroupTimeouts) -> GroupConfig {
    let consumer = ConsumerGroupConfig {
        heartbeat_interval_ms: timeouts.heartbeat_interval_ms,
        session_timeout_ms: timeouts.session_timeout_ms,
        ..config.consumer.clone()
    };
    let streams = StreamsGroupConfig {
        heartbeat_interval_ms: timeouts.streams.heartbeat_interval_ms,
        session_timeout_ms: timeouts.streams.session_timeout_ms,
        initial_rebalance_delay_ms: timeouts.streams.initial_rebalance_delay_ms,
        num_standby_replicas: timeouts.streams.num_standby_replicas,
        ..config.streams.clone()
    };
    GroupConfig { consumer, streams, ..config.clone() }
}
