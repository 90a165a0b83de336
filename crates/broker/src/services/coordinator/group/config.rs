//! From the broker's configuration to that of its groups: what holds for all of them, and what single ones were given.

use std::{collections::HashMap, sync::Arc};

use coordinator::group::{ConsumerGroupConfig, GroupConfig, GroupId, StreamsGroupConfig};

use crate::config::{BrokerConfig, GroupTimeouts};

/// The configuration of all groups, as of one moment.
#[derive(Clone, Debug)]
pub(super) struct GroupConfigs {
    /// That of every group without one of its own.
    pub(super) common: Arc<GroupConfig>,
    /// Those of the groups that were given one of their own.
    own: HashMap<GroupId, Arc<GroupConfig>>,
}

impl GroupConfigs {
    /// `given` are the groups with timeouts of their own.
    pub(super) fn new(
        common: GroupConfig,
        given: impl IntoIterator<Item = (GroupId, GroupTimeouts)>,
    ) -> GroupConfigs {
        let own = given.into_iter().map(|(id, timeouts)| (id, Arc::new(with_timeouts(&common, timeouts))));
        let own = own.collect();
        GroupConfigs { common: Arc::new(common), own }
    }

    /// That of one group.
    pub(super) fn of(&self, id: &GroupId) -> &GroupConfig {
        self.own.get(id).unwrap_or(&self.common)
    }

    /// Gives a group timeouts of its own, or takes them back.
    pub(super) fn set(&mut self, id: &GroupId, timeouts: Option<GroupTimeouts>) {
        match timeouts {
            Some(timeouts) => {
                self.own.insert(id.clone(), Arc::new(with_timeouts(&self.common, timeouts)));
            }
            None => drop(self.own.remove(id)),
        }
    }
}

impl From<&BrokerConfig> for GroupConfig {
    fn from(config: &BrokerConfig) -> GroupConfig {
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

fn consumer(config: &BrokerConfig) -> ConsumerGroupConfig {
    ConsumerGroupConfig {
        heartbeat_interval_ms: config.group_consumer_heartbeat_interval_ms.as_u32(),
        session_timeout_ms: config.group_consumer_session_timeout_ms.as_u32(),
        max_size: config.group_consumer_max_size,
        assignors: config.group_consumer_assignors.clone(),
        migration: config.group_consumer_migration_policy,
    }
}

fn streams(config: &BrokerConfig) -> StreamsGroupConfig {
    StreamsGroupConfig {
        heartbeat_interval_ms: config.group_streams_heartbeat_interval_ms.as_u32(),
        session_timeout_ms: config.group_streams_session_timeout_ms.as_u32(),
        max_size: config.group_streams_max_size,
        num_standby_replicas: u32::try_from(config.group_streams_num_standby_replicas).unwrap_or(u32::MAX),
        initial_rebalance_delay_ms: config.group_streams_initial_rebalance_delay_ms.as_u32(),
        assignment_interval_ms: config.group_streams_assignment_interval_ms.as_u32(),
    }
}

/// The same configuration with these timeouts for the consumer and the streams protocol.
fn with_timeouts(config: &GroupConfig, timeouts: GroupTimeouts) -> GroupConfig {
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
        assignment_interval_ms: timeouts.streams.assignment_interval_ms,
        ..config.streams.clone()
    };
    GroupConfig { consumer, streams, ..config.clone() }
}
