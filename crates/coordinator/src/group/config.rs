//! The configuration of groups, by Kafka's broker keys.

use super::assignor::Assignor;

/// The configuration of all groups. The names are Kafka's broker keys.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`: a JoinGroup asking for less is refused.
    pub min_session_timeout_ms: u32,
    /// `group.max.session.timeout.ms`: a JoinGroup asking for more is refused.
    pub max_session_timeout_ms: u32,
    /// `group.max.size`: members of one group.
    /// Of the classic protocol. It also bounds what may be downgraded.
    pub max_size: usize,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for further members before its first generation.
    pub initial_rebalance_delay_ms: u32,
    /// The time that a new member may wait in its first JoinGroup; a constant in Kafka (5 minutes).
    pub new_member_join_timeout_ms: u32,
    /// `offset.metadata.max.bytes`: the note a client may attach to a committed offset.
    /// Counted in UTF-16 units in spite of the name, as Kafka's `String.length`.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    /// Counts from the commit, or from when the group became empty (KIP-211).
    pub offsets_retention_ms: u64,
    /// `offsets.retention.check.interval.ms`.
    /// The pause between two looks at all groups for offsets that have expired.
    pub offsets_retention_check_interval_ms: u64,
    /// The `group.consumer.…` keys.
    pub consumer: ConsumerGroupConfig,
    /// The `group.streams.…` keys.
    pub streams: StreamsGroupConfig,
}

impl GroupConfig {
    /// True if a member of the classic protocol may have such a session.
    pub fn allows_session_of(&self, timeout_ms: u32) -> bool {
        (self.min_session_timeout_ms..=self.max_session_timeout_ms).contains(&timeout_ms)
    }
}

/// The configuration of groups of the consumer protocol: the `group.consumer.…` keys.
#[derive(Clone, Debug)]
pub struct ConsumerGroupConfig {
    /// The interval at which members are told to send heartbeats.
    /// `group.consumer.heartbeat.interval.ms`; a group may have its own.
    pub heartbeat_interval_ms: u32,
    /// A member that is silent for this long is removed.
    /// `group.consumer.session.timeout.ms`; a group may have its own. Members of the classic protocol bring
    /// theirs.
    pub session_timeout_ms: u32,
    /// Members of one group.
    /// `group.consumer.max.size`, members of either protocol.
    pub max_size: usize,
    /// The assignors that members can choose. The first is the default.
    /// `group.consumer.assignors`. Votes for others are refused before they reach the group.
    pub assignors: Vec<Assignor>,
    /// `group.consumer.migration.policy`.
    pub migration: MigrationPolicy,
}

/// The configuration of streams groups: the `group.streams.…` keys. A group may have its own of each but the size.
#[derive(Clone, Debug)]
pub struct StreamsGroupConfig {
    /// The interval at which members are told to send heartbeats.
    /// `group.streams.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u32,
    /// A member that is silent for this long is removed.
    /// `group.streams.session.timeout.ms`.
    pub session_timeout_ms: u32,
    /// Members of one group.
    /// `group.streams.max.size`.
    pub max_size: usize,
    /// Standby tasks for each task with state.
    /// `group.streams.num.standby.replicas`. A change computes a new target with the next heartbeat.
    pub num_standby_replicas: u32,
    /// The time that the first member of an empty group waits for others.
    /// `group.streams.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: u32,
    /// The least time between two targets; 0: none.
    /// `group.streams.assignment.interval.ms`.
    pub assignment_interval_ms: u32,
}

/// `group.consumer.migration.policy`: which ways a group with members may change its protocol.
/// A group without members changes whatever this says. Kafka's `ConsumerGroupMigrationPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Neither way: the protocol changes only while the group is empty.
    Disabled,
    /// From the consumer protocol to the classic one.
    Downgrade,
    /// From the classic protocol to the consumer protocol.
    Upgrade,
    /// Both ways; Kafka's default.
    Bidirectional,
}

impl MigrationPolicy {
    /// The policy of that name, in any case.
    pub fn named(name: &str) -> Option<MigrationPolicy> {
        let all = [
            ("disabled", MigrationPolicy::Disabled),
            ("downgrade", MigrationPolicy::Downgrade),
            ("upgrade", MigrationPolicy::Upgrade),
            ("bidirectional", MigrationPolicy::Bidirectional),
        ];
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, policy)| policy)
    }

    /// True if a member of the consumer protocol may turn a classic group that has members.
    pub fn upgrades(self) -> bool {
        matches!(self, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional)
    }

    /// True if a group becomes classic again when its last member of the consumer protocol is gone.
    pub fn downgrades(self) -> bool {
        matches!(self, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional)
    }
}

impl Default for ConsumerGroupConfig {
    fn default() -> ConsumerGroupConfig {
        // Kafka's defaults.
        ConsumerGroupConfig {
            heartbeat_interval_ms: 5_000,
            session_timeout_ms: 45_000,
            max_size: i32::MAX as usize,
            assignors: vec![Assignor::Uniform, Assignor::Range],
            migration: MigrationPolicy::Bidirectional,
        }
    }
}

impl Default for StreamsGroupConfig {
    fn default() -> StreamsGroupConfig {
        // Kafka's defaults.
        StreamsGroupConfig {
            heartbeat_interval_ms: 5_000,
            session_timeout_ms: 45_000,
            max_size: i32::MAX as usize,
            num_standby_replicas: 0,
            initial_rebalance_delay_ms: 3_000,
            assignment_interval_ms: 1_000,
        }
    }
}

impl Default for GroupConfig {
    fn default() -> GroupConfig {
        // Kafka's defaults.
        GroupConfig {
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            max_size: i32::MAX as usize,
            initial_rebalance_delay_ms: 3_000,
            new_member_join_timeout_ms: 300_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 10_080 * 60_000,
            offsets_retention_check_interval_ms: 600_000,
            consumer: ConsumerGroupConfig::default(),
            streams: StreamsGroupConfig::default(),
        }
    }
}
