//! A classic consumer group: members who agree, generation by generation, on who owns what.
//!
//! ```text
//!            first member joins            all joined, or time is up           leader's SyncGroup
//!   Empty ──────────────────────► PreparingRebalance ────────────────► CompletingRebalance ────► Stable
//!     ▲                             │   ▲  ▲                              │                       │
//!     └──── none joined ───────────┘   │  └── member joins, leaves, ─────┘                       │
//!                                       │      expires, did not sync                              │
//!                                       └──────── member joins, leaves, expires ──────────────────┘
//!   Empty ──► Dead: deleted.
//! ```
//!
//! Guarantees: the members of a generation are fixed when it begins; exactly one of them is its leader; an assignment
//! is handed out only within its generation, and only once its record is written. What is written is the beginning of a
//! generation, its assignment, an empty group and its deletion, so a restart finds the last assignment and goes on with it.
//!
//! `join` and `sync` hold the requests that may wait, `rebalance` the transitions, `timers` the deadlines.
//! Kafka's `ClassicGroup` and the classic half of `GroupMetadataManager` are the reference.
//!
//! The files of the folder are methods of the one type [`ClassicGroup`], so they use this file, and this file uses them.

mod join;
pub mod member;
mod migration;
mod rebalance;
pub mod records;
mod requests;
mod sync;
mod timers;
mod view;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use indexmap::IndexMap;

use super::reply::JoinReply;
use super::{GenerationId, GroupError, GroupId, GroupInstanceId, MemberId, Outcome};
use crate::state_machine::Now;
use member::Member;

pub use view::{GroupDescription, MemberDescription};

/// Kafka's `ClassicGroupState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No members. Committed offsets may remain.
    Empty,
    /// Waiting for members to join the next generation.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// Members have their assignments.
    Stable,
    /// Deleted.
    Dead,
}

impl State {
    /// As ListGroups and DescribeGroups spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

/// The end of the joining phase.
#[derive(Clone, Copy, Debug)]
enum JoinPhase {
    /// The group was empty: wait `delay_ms` at a time for more members, `remaining_ms` in all after this delay.
    /// `deadline` is the end of the delay, on the monotonic clock; `member_added` asks for one more delay.
    Initial { deadline: u64, delay_ms: u32, remaining_ms: u32, member_added: bool },
    /// Ends when all members have joined, or at the deadline without those that have not.
    /// The deadline is on the monotonic clock: the members' longest rebalance timeout after the phase began.
    Rejoining { deadline: u64 },
}

/// The members, the generation and the phase of one group.
#[derive(Debug)]
pub struct ClassicGroup {
    id: GroupId,
    state: State,
    /// Wall clock, milliseconds: since when the group is in this state. Offsets of an empty group expire counting from here.
    state_since_ms: i64,
    generation: GenerationId,
    /// `None` until a first member joins; kept when the last one leaves.
    protocol_type: Option<Arc<str>>,
    /// Of the current generation. `None` before the first one, and in a generation without members.
    protocol: Option<Arc<str>>,
    /// `None` only without members.
    leader: Option<MemberId>,
    /// In the order in which they joined.
    members: IndexMap<MemberId, Member>,
    /// The holder of each instance id (KIP-345), always a member.
    static_members: BTreeMap<GroupInstanceId, MemberId>,
    /// Ids given out with MEMBER_ID_REQUIRED (KIP-394) and not used yet, with the time until which they hold.
    pending_members: BTreeMap<MemberId, u64>,
    /// Set exactly in PreparingRebalance.
    join_phase: Option<JoinPhase>,
    /// The time at which members that have not sent SyncGroup are removed.
    /// On the monotonic clock. `None` once all members of the generation have sent it.
    sync_deadline: Option<u64>,
    /// True if a record of this group exists, so that deleting it takes a tombstone.
    persisted: bool,
}

impl ClassicGroup {
    /// An empty group in generation 0. Nothing of it is stored until its first generation begins.
    pub fn new(id: GroupId, now: Now) -> ClassicGroup {
        ClassicGroup {
            id,
            state: State::Empty,
            state_since_ms: now.unix_ms,
            generation: GenerationId(0),
            protocol_type: None,
            protocol: None,
            leader: None,
            members: IndexMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeMap::new(),
            join_phase: None,
            sync_deadline: None,
            persisted: false,
        }
    }

    pub fn id(&self) -> &GroupId {
        &self.id
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Wall clock, milliseconds; kept over restarts.
    pub fn state_since_ms(&self) -> i64 {
        self.state_since_ms
    }

    /// Pending members are none.
    pub fn has_member(&self, id: &MemberId) -> bool {
        self.members.contains_key(id)
    }

    /// Without the pending ones, and with static members that are away.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// `None`: a "simple" group, which only stores offsets.
    pub fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    /// True if storage has a record of the group. Offsets alone do not make one.
    pub fn is_persisted(&self) -> bool {
        self.persisted
    }

    /// Nothing would be lost by forgetting this group.
    pub fn is_vacant(&self) -> bool {
        self.state == State::Empty && self.pending_members.is_empty() && !self.persisted
    }

    /// True while clients that were given an id (KIP-394) may still join with it.
    pub fn has_pending_members(&self) -> bool {
        !self.pending_members.is_empty()
    }

    /// Enters a state and notes the time. A joining phase ends with PreparingRebalance.
    fn transition(&mut self, to: State, now: Now) {
        self.state = to;
        self.state_since_ms = now.unix_ms;
        if to != State::PreparingRebalance {
            self.join_phase = None;
        }
    }

    /// Makes this the deleted group: it answers no request any more and holds nothing.
    /// The caller writes the tombstones.
    pub fn bury(&mut self, now: Now) {
        self.members.clear();
        self.static_members.clear();
        self.pending_members.clear();
        self.leader = None;
        self.sync_deadline = None;
        self.transition(State::Dead, now);
    }

    /// True if the id or the instance id is a member's. An id that was given out and not joined with is none.
    pub fn knows(&self, id: &MemberId, instance_id: Option<&GroupInstanceId>) -> bool {
        self.has_member(id)
            || instance_id.is_some_and(|instance_id| self.static_members.contains_key(instance_id))
    }

    /// True if the member assigns for the others.
    fn is_leader(&self, id: &MemberId) -> bool {
        self.leader.as_ref() == Some(id)
    }

    /// That `id` is a member, and that it is the one who holds the instance id, if it names one (KIP-345).
    ///
    /// # Errors
    /// FENCED_INSTANCE_ID if another member holds the instance id, UNKNOWN_MEMBER_ID if no member has the
    /// id.
    fn validate_member(&self, id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        // First, because a fenced id is no longer in `members`: UNKNOWN_MEMBER_ID would make its client join
        // again and fence its successor in turn; FENCED_INSTANCE_ID stops it.
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(holder) if holder.as_str() != id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }

    /// The rebalance timeout of the group: the longest that a member asks for.
    fn rebalance_timeout_ms(&self) -> u32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// True if the joining phase need wait for no member and for no id that was given out.
    fn all_members_joined(&self) -> bool {
        // As Kafka's `hasAllMembersJoined`: clients that were just told their id are about to join.
        self.pending_members.is_empty() && self.members.values().all(|member| member.awaiting_join.is_some())
    }

    /// Puts a member in, making it the leader if there is none.
    fn add_member(&mut self, member: Member, protocol_type: &Arc<str>) {
        if self.members.is_empty() {
            // It stays when the last member leaves: without a type `retention` takes the group for one that
            // only stores offsets.
            self.protocol_type = Some(Arc::clone(protocol_type));
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        self.pending_members.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member (or a pending one) out, after telling its waiting requests that it is unknown now: a client
    /// that is still there joins again.
    fn remove_member(&mut self, id: &MemberId, out: &mut Outcome) {
        self.pending_members.remove(id);
        // A pending member has an id and nothing else: no request waits, and it leads nothing.
        // `shift_remove` keeps the order of the others, which decides equal votes for a protocol.
        let Some(mut member) = self.members.shift_remove(id) else { return };
        refuse_join(&mut member, MemberId::none(), GroupError::UnknownMemberId, out);
        refuse_sync(&mut member, GroupError::UnknownMemberId, out);
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(id) {
            // It may not have joined; `elect_joined_leader` looks again when the joining phase ends.
            self.leader = self.members.keys().next().cloned();
        }
    }
}

/// Answers a waiting JoinGroup with an error.
fn refuse_join(member: &mut Member, member_id: MemberId, error: GroupError, out: &mut Outcome) {
    if let Some(waiter) = member.awaiting_join.take() {
        out.replies.push(super::Reply::Join(waiter, JoinReply::refused(member_id, error)));
    }
}

/// Answers a waiting SyncGroup with an error.
fn refuse_sync(member: &mut Member, error: GroupError, out: &mut Outcome) {
    if let Some(waiter) = member.awaiting_sync.take() {
        out.replies.push(super::Reply::Sync(waiter, Err(error)));
    }
}
