//! Consumer groups: who is a member, which generation holds, which offsets are committed.
//!
//! ```text
//! machine (one group)
//!   ├─ classic   members and rebalances (KIP-62, 345, 394, 814)
//!   ├─ consumer  epochs and reconciliation (KIP-848)
//!   │    └ assignor  computes which member should own which partition
//!   ├─ migration from one protocol to the other and back
//!   └─ offsets   committed offsets and their expiry
//!      records   bytes that make a group survive a restart
//! ```
//!
//! Time comes in as [`Now`]; records, replies and the next wake-up come out as an [`Outcome`]; the random part of a
//! member id is an argument.
//!
//! The reference is Kafka 4.3: `GroupMetadataManager`, `ClassicGroup`, `ConsumerGroup` and `OffsetMetadataManager`.

pub mod assignor;
pub mod classic;
pub mod consumer;
pub mod consumer_protocol;
pub mod error;
pub mod ids;
pub mod machine;
pub mod member;
mod migration;
pub mod offsets;
pub mod outcome;
pub mod records;
pub mod topics;

#[cfg(test)]
mod consumer_history_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod testing;

pub use error::{GroupError, Refused};
pub use ids::{GenerationId, GroupId, GroupInstanceId, MemberId};
pub use outcome::{Now, Outcome, Reply, Waiter};
pub use topics::Env;

use assignor::Assignor;

/// What the coordinator may be told about groups; the names are Kafka's broker keys.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`: a JoinGroup asking for less is refused.
    pub min_session_timeout_ms: u32,
    /// `group.max.session.timeout.ms`: a JoinGroup asking for more is refused.
    pub max_session_timeout_ms: u32,
    /// `group.max.size`: members of one group.
    pub max_size: usize,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for further members before its first generation.
    pub initial_rebalance_delay_ms: u32,
    /// How long a new member may wait in its first JoinGroup; a constant in Kafka (5 minutes).
    pub new_member_join_timeout_ms: u32,
    /// `offset.metadata.max.bytes`: the note a client may attach to a committed offset.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: u64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: u64,
    pub consumer: ConsumerGroupConfig,
}

impl GroupConfig {
    /// Whether a member of the classic protocol may have such a session.
    pub fn allows_session_of(&self, timeout_ms: u32) -> bool {
        (self.min_session_timeout_ms..=self.max_session_timeout_ms).contains(&timeout_ms)
    }
}

/// What the coordinator may be told about groups of the consumer protocol: the `group.consumer.…` keys.
#[derive(Clone, Debug)]
pub struct ConsumerGroupConfig {
    /// How often members are told to send heartbeats.
    pub heartbeat_interval_ms: u32,
    /// When a member that is not heard is removed.
    pub session_timeout_ms: u32,
    /// Members of one group.
    pub max_size: usize,
    /// What members can choose from. The first is the default.
    pub assignors: Vec<Assignor>,
    pub migration: MigrationPolicy,
}

/// `group.consumer.migration.policy`: which ways a group with members may change its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    Disabled,
    Downgrade,
    Upgrade,
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

    pub fn upgrades(self) -> bool {
        matches!(self, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional)
    }

    pub fn downgrades(self) -> bool {
        matches!(self, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional)
    }
}

impl Default for ConsumerGroupConfig {
    fn default() -> ConsumerGroupConfig {
        ConsumerGroupConfig {
            heartbeat_interval_ms: 5_000,
            session_timeout_ms: 45_000,
            max_size: i32::MAX as usize,
            assignors: vec![Assignor::Uniform, Assignor::Range],
            migration: MigrationPolicy::Bidirectional,
        }
    }
}

impl Default for GroupConfig {
    fn default() -> GroupConfig {
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
        }
    }
}
