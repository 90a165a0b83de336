//! One member of a consumer group: what it said of itself, and what it has been assigned so far.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use super::super::current::MemberState;
use super::super::{GroupInstanceId, MemberId, Outcome, requests::Protocol, topics::Viewer};
use crate::state_machine::Now;
use uuid::Uuid;

/// Partitions by topic id, each with the member epoch in which it was assigned (KIP-1251).
pub type EpochPartitions = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// The partitions that a member holds now, and those that it gives up.
pub type Current = super::super::current::Current<EpochPartitions>;

/// The classic part of a member that still speaks the classic protocol while the group migrates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicMember {
    /// Its own, from JoinGroup, in place of the configured one.
    pub session_timeout_ms: u32,
    /// In the member's order of preference; never empty.
    pub protocols: Vec<Protocol>,
}

/// The member's description of itself. Persisted whenever it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// `None`: a dynamic member.
    pub group_instance_id: Option<GroupInstanceId>,
    /// For descriptions only.
    pub rack_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// The time that the member may take to give up partitions.
    /// Milliseconds. A classic member must also join and sync in this time.
    pub rebalance_timeout_ms: u32,
    /// Also of topics that do not exist.
    pub topic_names: BTreeSet<Arc<str>>,
    /// `None` for classic members, whose clients resolve patterns themselves.
    pub topic_regex: Option<Arc<str>>,
    /// The assignor that it votes for; `None` for classic members.
    pub server_assignor: Option<Arc<str>>,
    /// `None`: the member speaks the consumer protocol.
    pub classic: Option<ClassicMember>,
}

/// A member. The deadlines live in memory only. After a restart those of the session and of a revocation start anew; those of a
/// join and of a sync start when the member is told to do so again.
#[derive(Clone, Debug, Default)]
pub struct ConsumerMember {
    pub subscription: Subscription,
    pub current: Current,
    /// The time at which the member is removed, unless it sends something before.
    /// On the monotonic clock, as the others.
    pub session_deadline: Option<u64>,
    /// The time at which the member is removed, unless it has given up its partitions before.
    pub revocation_deadline: Option<u64>,
    /// A classic member that was told to join again, or to sync, has until then to do it.
    pub join_deadline: Option<u64>,
    /// Set when its JoinGroup is answered.
    pub sync_deadline: Option<u64>,
    /// Decides about the topics that its regular expression finds. In memory only: `None` without an authorizer, and after a
    /// restart until its next heartbeat.
    pub viewer: Option<Arc<dyn Viewer>>,
}

impl ConsumerMember {
    /// Has all that the target of `epoch` gives it.
    pub fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == epoch
    }

    /// True while the group migrates and this member has not.
    pub fn uses_classic_protocol(&self) -> bool {
        self.subscription.classic.is_some()
    }

    /// Every partition that the member may be using.
    /// Each partition once: none is in both.
    pub fn held(&self) -> impl Iterator<Item = (Uuid, i32)> + '_ {
        let all = [&self.current.assigned, &self.current.revoking].into_iter().flatten();
        all.flat_map(|(topic, partitions)| partitions.keys().map(|partition| (*topic, *partition)))
    }

    /// The epoch in which the member got a partition that it holds.
    /// `None`: it does not hold the partition.
    pub fn assignment_epoch(&self, topic: Uuid, partition: i32) -> Option<i32> {
        let of = |held: &EpochPartitions| held.get(&topic)?.get(&partition).copied();
        of(&self.current.assigned).or_else(|| of(&self.current.revoking))
    }

    /// The member has just been heard.
    /// Classic members have their own timeout, others `consumer_timeout_ms`.
    pub fn restart_session(&mut self, now: Now, consumer_timeout_ms: u32, out: &mut Outcome) {
        let classic = self.subscription.classic.as_ref();
        let timeout_ms = classic.map_or(consumer_timeout_ms, |classic| classic.session_timeout_ms);
        self.session_deadline = Some(wake(now, timeout_ms, out));
    }

    /// Starts the clock for giving up partitions, from now, or stops it: after the current assignment
    /// changed, and after a restart. Called again while the same partitions are due, it would prolong the
    /// time.
    pub fn watch_revocation(&mut self, now: Now, out: &mut Outcome) {
        self.revocation_deadline = (self.current.state == MemberState::Unrevoked)
            .then(|| wake(now, self.subscription.rebalance_timeout_ms, out));
    }

    /// The earliest deadline.
    /// On the monotonic clock; `None` only for a member whose clocks have not been started.
    pub fn next_deadline(&self) -> Option<u64> {
        let all = [self.session_deadline, self.revocation_deadline, self.join_deadline, self.sync_deadline];
        all.into_iter().flatten().min()
    }
}

/// A deadline, and the wake-up for it.
pub fn wake(now: Now, after_ms: u32, out: &mut Outcome) -> u64 {
    let deadline = now.deadline(after_ms);
    out.wake(deadline);
    deadline
}

/// Ids are shared strings: cheap to copy.
pub type StaticMembers = BTreeMap<GroupInstanceId, MemberId>;
