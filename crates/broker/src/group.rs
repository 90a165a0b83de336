//! Consumer groups: who is a member, which generation holds, which offsets are committed.
//!
//! ```text
//! api/join_group … delete_groups ──► service (async shell) ──► machine (one group, pure)
//!                                     locks, timers,            ├─ classic   members and rebalances (KIP-62, 345, 394, 814)
//!                                     oneshots, persistence     ├─ consumer  epochs and reconciliation (KIP-848)
//!                                                               │    └ assignor  who should own what
//!                                                               ├─ migration from one protocol to the other and back
//!                                                               └─ offsets   committed offsets and their expiry
//!                                                                  records   bytes that make a group survive a restart
//! ```
//!
//! Everything below `machine` is a state machine without I/O: time comes in as [`Now`], records, answers and the next
//! wake-up come out as an [`Outcome`], and the random part of a member id is handed in. So a rebalance, a zombie or a
//! restart in the middle of either is a plain unit test.
//!
//! The reference is Kafka 4.3: `GroupMetadataManager`, `ClassicGroup`, `ConsumerGroup` and `OffsetMetadataManager`.

pub(crate) mod assignor;
pub(crate) mod classic;
pub(crate) mod consumer;
pub(crate) mod consumer_protocol;
pub(crate) mod error;
pub(crate) mod ids;
pub(crate) mod machine;
pub(crate) mod member;
mod migration;
pub(crate) mod offsets;
pub(crate) mod outcome;
pub(crate) mod records;
pub(crate) mod service;
pub(crate) mod topics;

#[cfg(test)]
mod consumer_history_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod wire_tests;

pub(crate) use error::{GroupError, Refused};
pub(crate) use ids::{GenerationId, GroupId, GroupInstanceId, MemberId};
pub(crate) use outcome::{Now, Outcome, Reply, Waiter};
pub(crate) use topics::Env;

use assignor::Assignor;

/// What the coordinator may be told about groups; the names are Kafka's broker keys.
#[derive(Clone, Debug)]
pub(crate) struct GroupConfig {
    /// `group.min.session.timeout.ms`: a JoinGroup asking for less is refused.
    pub(crate) min_session_timeout_ms: u32,
    /// `group.max.session.timeout.ms`: a JoinGroup asking for more is refused.
    pub(crate) max_session_timeout_ms: u32,
    /// `group.max.size`: members of one group.
    pub(crate) max_size: usize,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for further members before its first generation.
    pub(crate) initial_rebalance_delay_ms: u32,
    /// How long a new member may wait in its first JoinGroup; a constant in Kafka (5 minutes).
    pub(crate) new_member_join_timeout_ms: u32,
    /// `offset.metadata.max.bytes`: the note a client may attach to a committed offset.
    pub(crate) offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub(crate) offsets_retention_ms: u64,
    /// `offsets.retention.check.interval.ms`.
    pub(crate) offsets_retention_check_interval_ms: u64,
    pub(crate) consumer: ConsumerGroupConfig,
}

impl GroupConfig {
    /// Whether a member of the classic protocol may have such a session.
    pub(crate) fn allows_session_of(&self, timeout_ms: u32) -> bool {
        (self.min_session_timeout_ms..=self.max_session_timeout_ms).contains(&timeout_ms)
    }
}

/// What the coordinator may be told about groups of the consumer protocol: the `group.consumer.…` keys.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerGroupConfig {
    /// How often members are told to send heartbeats.
    pub(crate) heartbeat_interval_ms: u32,
    /// When a member that is not heard is removed.
    pub(crate) session_timeout_ms: u32,
    /// Members of one group.
    pub(crate) max_size: usize,
    /// What members can choose from. The first is the default.
    pub(crate) assignors: Vec<Assignor>,
    pub(crate) migration: MigrationPolicy,
}

/// `group.consumer.migration.policy`: which ways a group with members may change its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MigrationPolicy {
    Disabled,
    Downgrade,
    Upgrade,
    Bidirectional,
}

impl MigrationPolicy {
    /// The policy of that name, in any case.
    pub(crate) fn named(name: &str) -> Option<MigrationPolicy> {
        let all = [
            ("disabled", MigrationPolicy::Disabled),
            ("downgrade", MigrationPolicy::Downgrade),
            ("upgrade", MigrationPolicy::Upgrade),
            ("bidirectional", MigrationPolicy::Bidirectional),
        ];
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, policy)| policy)
    }

    pub(crate) fn upgrades(self) -> bool {
        matches!(self, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional)
    }

    pub(crate) fn downgrades(self) -> bool {
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
