//! A streams group (KIP-1071): the coordinator knows the topology of an application and computes which member
//! should run which task. Each member moves to that assignment on its own, with its heartbeats.
//!
//! ```text
//!   members, topology, topics ──► group epoch ──► target assignment (assignment epoch) ──► members, each at its own epoch
//!      heartbeat, leave,            +1 whenever      assignor, whenever the group             reconcile: revoke first,
//!      expiry, configure            any changes      epoch is ahead and no delay holds        then take what is free
//! ```
//!
//! Guarantees: one member at a time runs an active task, over all restarts; no two members of a process have the same task;
//! an assignment is stored before a member is told; an epoch never decreases.
//!
//! - `topology`: the members' description of the application; `configure`: partition counts and missing topics
//! - `heartbeat`, `leave`: the requests
//! - `target`, `assignor`: the assignment of the whole group; `reconcile`: the steps of one member towards it
//! - `endpoints`: addresses for interactive queries; `timers`: the deadlines; `persist`, `records`: the stored form
//!
//! Kafka's `StreamsGroup` and the streams part of `GroupMetadataManager`.
//!
//! As Kafka 4.3, it refuses static members, patterns of source topics, warm-up tasks and changes of the
//! topology.
//!
//! The files of the folder are methods of the one type [`StreamsGroup`], so they use this file, and this file
//! uses them.

pub mod assignor;
pub mod configure;
mod endpoints;
mod heartbeat;
mod leave;
mod machine;
pub mod member;
mod offsets;
mod persist;
mod reconcile;
pub mod records;
pub mod request;
pub mod status;
mod target;
pub mod tasks;
mod timers;
pub mod topology;
mod view;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{GroupId, MemberId};
use crate::state_machine::Now;

pub use endpoints::{EndpointPartitions, TopicPartitions};
pub use machine::not_a_streams_group;
pub use member::{Current, Endpoint, MemberState, Metadata, StreamsMember};
pub use offsets::TasksHeldSince;
pub use request::{HeartbeatReply, HeartbeatRequest};
pub use status::{Status, StatusCode};
pub use tasks::{HeldTasks, TaskLists, Tasks};
pub use topology::{Configs, CopartitionGroup, InternalTopic, SentTopology, Subtopology, Topology};
pub use view::{StreamsGroupDescription, StreamsMemberDescription, SubtopologyDescription};

use super::changes::Changes;
use configure::ConfiguredTopology;
use tasks::TaskId;

/// `protocol_type` of streams groups.
pub const PROTOCOL_TYPE: &str = "streams";

/// The group epoch before the first member. The empty target has the same epoch.
const FIRST_EPOCH: i32 = 1;
/// No topology has been found valid.
const NOT_VALIDATED: i32 = -1;

/// Kafka's `StreamsGroupState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamsState {
    /// No members. Committed offsets and the topology may remain.
    Empty,
    /// Topics are missing or have wrong counts.
    NotReady,
    /// The target assignment is older than the group.
    Assigning,
    /// Some members do not have their target assignment yet.
    Reconciling,
    /// Every member has its target assignment.
    Stable,
    /// Deleted.
    Dead,
}

impl StreamsState {
    /// As ListGroups and StreamsGroupDescribe spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            StreamsState::Empty => "Empty",
            StreamsState::NotReady => "NotReady",
            StreamsState::Assigning => "Assigning",
            StreamsState::Reconciling => "Reconciling",
            StreamsState::Stable => "Stable",
            StreamsState::Dead => "Dead",
        }
    }
}

/// The members, topology, epochs and assignments of one group.
#[derive(Debug)]
pub struct StreamsGroup {
    id: GroupId,
    /// The group epoch: [`FIRST_EPOCH`] before the first member. Every change that needs a new target raises it
    /// by one.
    epoch: i32,
    /// The epoch of the group for which the target was computed.
    /// Never above the group epoch.
    assignment_epoch: i32,
    /// Wall clock, milliseconds: when the target was computed. 0: never.
    assigned_at_ms: i64,
    /// A hash of the topology's topics. A change of it raises the group epoch.
    metadata_hash: u64,
    /// The epoch of the topology whose topics were found to be right; [`NOT_VALIDATED`] while they are not.
    validated_topology_epoch: i32,
    /// The number of standby tasks at the time of the group epoch. A change of the configured number raises the epoch.
    standby_replicas: Option<u32>,
    /// Wall clock, milliseconds: the time at which the group lost its last member.
    empty_since_ms: i64,
    /// `None` only before the first member.
    topology: Option<Topology>,
    /// In the order of their ids, by which the assignor breaks ties.
    members: BTreeMap<MemberId, StreamsMember>,
    /// The target assignment by member. A member that joined after the target was computed has none yet.
    target: BTreeMap<MemberId, TaskLists>,
    /// True once every record of the group has its tombstone.
    is_dead: bool,

    // Derived from the above.
    /// The member that holds each active task, assigned or being revoked.
    active_holders: BTreeMap<TaskId, MemberId>,
    /// The members that hold each standby task.
    standby_holders: BTreeMap<TaskId, BTreeSet<MemberId>>,
    changes: Changes,
    /// True if the step set the topology, whose record is then written with the changes.
    has_new_topology: bool,

    // Not stored: a restart loses it, as in Kafka.
    /// The version of the topics, and the topology with the partition counts computed from them.
    configured: Option<(u64, Arc<ConfiguredTopology>)>,
    /// No target is computed before this time, so that a starting group does not rebalance with every member.
    /// On the monotonic clock.
    initial_delay_until: Option<u64>,
    /// Raised when the tasks of a member with an endpoint change.
    endpoint_epoch: i32,
    /// The member that asked all others to shut down.
    shutdown_by: Option<MemberId>,
}

impl StreamsGroup {
    /// A group without members. It is not stored until a step changes it.
    pub fn new(id: GroupId, now: Now) -> StreamsGroup {
        StreamsGroup {
            id,
            epoch: FIRST_EPOCH,
            assignment_epoch: FIRST_EPOCH,
            assigned_at_ms: 0,
            metadata_hash: 0,
            validated_topology_epoch: NOT_VALIDATED,
            standby_replicas: None,
            empty_since_ms: now.unix_ms,
            topology: None,
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            is_dead: false,
            active_holders: BTreeMap::new(),
            standby_holders: BTreeMap::new(),
            changes: Changes::default(),
            has_new_topology: false,
            configured: None,
            initial_delay_until: None,
            endpoint_epoch: 0,
            shutdown_by: None,
        }
    }

    pub fn id(&self) -> &GroupId {
        &self.id
    }

    /// The group epoch. A member at a lower epoch is not up to date.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    pub fn members(&self) -> &BTreeMap<MemberId, StreamsMember> {
        &self.members
    }

    /// The group's state, computed from every member.
    pub fn state(&self) -> StreamsState {
        let is_valid =
            self.topology.as_ref().is_some_and(|known| known.epoch == self.validated_topology_epoch);
        if self.is_dead {
            StreamsState::Dead
        } else if self.members.is_empty() {
            StreamsState::Empty
        } else if !is_valid {
            StreamsState::NotReady
        } else if self.epoch > self.assignment_epoch {
            StreamsState::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.assignment_epoch)) {
            StreamsState::Stable
        } else {
            StreamsState::Reconciling
        }
    }

    /// True if no other member has the task as an active one, and no other member of the same process has it as
    /// a standby one.
    fn is_free_active(&self, id: &MemberId, task: &TaskId) -> bool {
        let is_active = self.active_holders.get(task).is_some_and(|holder| holder != id);
        !is_active && !self.has_standby_in_process_of(id, task)
    }

    /// True if no other member of the same process has the task.
    fn is_free_standby(&self, id: &MemberId, task: &TaskId) -> bool {
        let active = self.active_holders.get(task).filter(|holder| *holder != id);
        let is_active = active.is_some_and(|holder| self.is_same_process(id, holder));
        !is_active && !self.has_standby_in_process_of(id, task)
    }

    /// True if another member of the process has the task as a standby one.
    fn has_standby_in_process_of(&self, id: &MemberId, task: &TaskId) -> bool {
        let mut holders = self.standby_holders.get(task).into_iter().flatten();
        holders.any(|holder| holder != id && self.is_same_process(id, holder))
    }

    fn is_same_process(&self, one: &MemberId, other: &MemberId) -> bool {
        let process = |id| self.members.get(id).map(|member| &member.metadata.process_id);
        process(one) == process(other)
    }

    /// Adds a member, or replaces its state. Only here, and in `take_out`, the holders change.
    fn put(&mut self, id: &MemberId, member: StreamsMember) {
        // First, so that tasks that the member no longer has become free for others.
        self.release(id);
        for task in member.held_active() {
            self.active_holders.insert(task, id.clone());
        }
        for task in member.held_standby() {
            self.standby_holders.entry(task).or_default().insert(id.clone());
        }
        self.members.insert(id.clone(), member);
    }

    /// Removes a member from the holders of its tasks.
    /// Only `put` and `take_out` call it: until they end, its tasks have no holder.
    fn release(&mut self, id: &MemberId) {
        let Some(member) = self.members.get(id) else { return };
        for task in member.held_active() {
            if self.active_holders.get(&task) == Some(id) {
                self.active_holders.remove(&task);
            }
        }
        for task in member.held_standby() {
            if let Some(holders) = self.standby_holders.get_mut(&task) {
                holders.remove(id);
                if holders.is_empty() {
                    self.standby_holders.remove(&task);
                }
            }
        }
    }

    /// Removes a member with its target and records. The caller raises the group epoch.
    /// False: it is no member. Its tasks are free from now on.
    fn take_out(&mut self, id: &MemberId) -> bool {
        self.release(id);
        if self.members.remove(id).is_none() {
            return false;
        }
        self.target.remove(id);
        self.changes.removed(id);
        true
    }

    /// The target of a member; empty for a member that joined after it was computed.
    fn target_of(&self, id: &MemberId) -> TaskLists {
        self.target.get(id).cloned().unwrap_or_default()
    }

    /// True if the id is a member's.
    pub fn knows(&self, id: &MemberId) -> bool {
        self.members.contains_key(id)
    }
}
