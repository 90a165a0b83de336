//! A consumer group (KIP-848): the coordinator computes who should own what, and every member walks there by itself.
//!
//! ```text
//!   subscriptions, topics ──► group epoch ──► target assignment (assignment epoch) ──► members, each at its own epoch
//!      heartbeat, leave,       +1 whenever        assignor/, whenever the group           reconcile: revoke first,
//!      expiry, metadata        any changes        epoch is ahead of it                    then take what is free
//! ```
//!
//! Guarantees: a partition is held by one member at a time, over all restarts; what a member is told is recorded before
//! it is told; an epoch never goes back. `heartbeat` and `leave` are the requests, `subscription` and `target` what
//! follows from them, `reconcile` the walk of one member, `timers` the deadlines, `persist` the records,
//! `classic_members` those who still speak the classic protocol while the group migrates.
//! Kafka's `ConsumerGroup` and the consumer half of `GroupMetadataManager`.
//!
//! The files of the folder are methods of the one type [`ConsumerGroup`], so they use this file, and this file uses them.

mod classic_members;
mod heartbeat;
mod leave;
pub mod member;
mod migration;
mod offsets;
mod persist;
mod reconcile;
pub mod records;
mod subscription;
mod target;
mod timers;
mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Env, GroupId, GroupInstanceId, MemberId, assignor::TopicPartitions};
use crate::state_machine::Now;

pub(super) use heartbeat::wrong_epoch;
pub use heartbeat::{HeartbeatReply, HeartbeatRequest};
pub use member::{ClassicMember, ConsumerMember, Current, EpochPartitions, MemberState, Subscription};
pub use offsets::CommitRule;
pub(super) use subscription::metadata_hash;
pub use view::{ConsumerGroupDescription, ConsumerMemberDescription};

use super::changes::Changes;
use member::StaticMembers;
use subscription::Resolved;

/// The epoch of a heartbeat that leaves the group.
pub const LEAVE_EPOCH: i32 = -1;
/// The epoch of a heartbeat by which a static member leaves for a while (KIP-848).
pub const LEAVE_STATIC_EPOCH: i32 = -2;

/// The group epoch before anybody subscribes. The first subscription makes it 2, as in Kafka 4.3; a first member
/// without one is at this epoch, since 0 is what members say who join.
const FIRST_EPOCH: i32 = 1;

/// Kafka's `ConsumerGroupState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerState {
    /// No members. Committed offsets may remain.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Members are on their way to the target assignment.
    Reconciling,
    /// Everybody has what the target gives.
    Stable,
    /// Deleted.
    Dead,
}

impl ConsumerState {
    /// As ListGroups and ConsumerGroupDescribe spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            ConsumerState::Empty => "Empty",
            ConsumerState::Assigning => "Assigning",
            ConsumerState::Reconciling => "Reconciling",
            ConsumerState::Stable => "Stable",
            ConsumerState::Dead => "Dead",
        }
    }
}

/// The members, epochs and assignments of one group.
#[derive(Debug)]
pub struct ConsumerGroup {
    id: GroupId,
    /// The group epoch: [`FIRST_EPOCH`] before the first member, one more with every change that asks for a new target.
    epoch: i32,
    /// A hash of the topics from which the target was computed.
    /// Compared with that of the topics as they are now; a difference raises the group epoch.
    metadata_hash: u64,
    /// The epoch of the group for which the target was computed.
    /// Never above the group epoch.
    assignment_epoch: i32,
    /// Wall clock, milliseconds: since when the group has no members.
    empty_since_ms: i64,
    /// In the order of their ids, by which assignors break ties.
    members: BTreeMap<MemberId, ConsumerMember>,
    /// The target assignment by member. A member that came later than the target has none yet.
    target: BTreeMap<MemberId, TopicPartitions>,
    /// True once every record of the group has its tombstone.
    is_dead: bool,

    // What follows from the above.
    static_members: StaticMembers,
    /// The holder of each partition, be it assigned or being revoked.
    holders: BTreeMap<(Uuid, i32), MemberId>,
    /// The topics that the regular expressions of the members match.
    resolved: Resolved,
    changes: Changes,
}

impl ConsumerGroup {
    /// A group without members, of which nothing is stored before the first step that changes it.
    pub fn new(id: GroupId, now: Now) -> ConsumerGroup {
        ConsumerGroup {
            id,
            epoch: FIRST_EPOCH,
            // So that a first member without a subscription changes nothing.
            metadata_hash: subscription::HASH_OF_NONE,
            // Below the group epoch: the first member gets a target even if it subscribes to nothing.
            assignment_epoch: 0,
            empty_since_ms: now.unix_ms,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            is_dead: false,
            static_members: StaticMembers::new(),
            holders: BTreeMap::new(),
            resolved: Resolved::default(),
            changes: Changes::default(),
        }
    }

    pub fn id(&self) -> &GroupId {
        &self.id
    }

    /// The group epoch. A member at a lower one has a step to take.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Wall clock, milliseconds. Says nothing while there are members.
    pub fn empty_since_ms(&self) -> i64 {
        self.empty_since_ms
    }

    /// With the static ones that are away.
    pub fn members(&self) -> &BTreeMap<MemberId, ConsumerMember> {
        &self.members
    }

    /// The group's state, which no field holds: looks at every member.
    pub fn state(&self) -> ConsumerState {
        if self.is_dead {
            ConsumerState::Dead
        } else if self.members.is_empty() {
            ConsumerState::Empty
        } else if self.epoch > self.assignment_epoch {
            // Before the members are looked at: they may have all of a target that is out of date.
            ConsumerState::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.assignment_epoch)) {
            ConsumerState::Stable
        } else {
            ConsumerState::Reconciling
        }
    }

    /// There are members, and all of them speak the classic protocol.
    pub fn is_all_classic(&self) -> bool {
        // An empty group is not downgraded: the next JoinGroup makes it a classic one.
        !self.members.is_empty() && self.members.values().all(ConsumerMember::uses_classic_protocol)
    }

    /// True if no member except `id` holds the partition.
    /// A partition that another member is still giving up is not free.
    fn is_free_for(&self, id: &MemberId, topic: Uuid, partition: i32) -> bool {
        self.holders.get(&(topic, partition)).is_none_or(|holder| holder == id)
    }

    /// Puts a member in, or another state of it: the only way in which what it holds changes.
    fn put(&mut self, id: &MemberId, member: ConsumerMember) {
        // First, so that partitions which the member no longer holds become free for others.
        self.release(id);
        for held in member.held() {
            self.holders.insert(held, id.clone());
        }
        let instance_id = member.subscription.group_instance_id.as_ref();
        let before = self.members.get(id).and_then(|member| member.subscription.group_instance_id.as_ref());
        // One that the member no longer has is free. In Kafka only once its coordinator is loaded anew, as its
        // records do not have it.
        if let Some(before) = before.filter(|before| Some(*before) != instance_id)
            && self.static_members.get(before) == Some(id)
        {
            self.static_members.remove(before);
        }
        if let Some(instance_id) = instance_id {
            self.static_members.insert(instance_id.clone(), id.clone());
        }
        self.members.insert(id.clone(), member);
    }

    /// Forgets what a member holds.
    /// Only `put` and `take_out` call it: between the two halves of a change nothing holds the partitions.
    fn release(&mut self, id: &MemberId) {
        let Some(member) = self.members.get(id) else { return };
        for held in member.held() {
            if self.holders.get(&held) == Some(id) {
                self.holders.remove(&held);
            }
        }
    }

    /// Takes a member out with all that belongs to it. The caller sees to the group epoch.
    /// `None`: it is no member. Partitions that it held are free from here on.
    fn take_out(&mut self, id: &MemberId) -> Option<ConsumerMember> {
        self.release(id);
        let member = self.members.remove(id)?;
        self.static_members.retain(|_, holder| holder != id);
        self.target.remove(id);
        self.changes.removed(id);
        Some(member)
    }

    /// The target of a member. Nothing for one that came after it was computed.
    /// A copy, at the cost of its partitions.
    fn target_of(&self, id: &MemberId) -> TopicPartitions {
        self.target.get(id).cloned().unwrap_or_default()
    }

    /// True if the id or the instance id is a member's.
    pub fn knows(&self, id: &MemberId, instance_id: Option<&GroupInstanceId>) -> bool {
        self.members.contains_key(id)
            || instance_id.is_some_and(|instance_id| self.static_member(instance_id).is_some())
    }

    /// The holder of an instance id.
    fn static_member(&self, instance_id: &GroupInstanceId) -> Option<&MemberId> {
        self.static_members.get(instance_id)
    }

    /// Topics by id of what a member subscribes to, as far as they exist.
    fn ids(&self, env: Env<'_>, id: &MemberId) -> BTreeSet<Uuid> {
        let names = self.subscribed_names(env, id);
        names.iter().filter_map(|name| env.topics.image.topic(name)).map(|(id, _)| id).collect()
    }
}
