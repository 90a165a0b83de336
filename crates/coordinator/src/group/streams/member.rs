//! One member of a streams group: what it said of itself, and which tasks it has been given so far.

use std::{collections::BTreeMap, sync::Arc};

use super::super::Outcome;
pub use super::super::current::MemberState;
use super::tasks::{HeldTasks, TaskId, each, each_with_epoch};
use crate::state_machine::Now;

/// The address at which a process answers interactive queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: Arc<str>,
    pub port: u16,
}

/// The member's description of itself. Persisted whenever it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// For descriptions only.
    pub rack_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// The time that the member may take to give up tasks, milliseconds.
    pub rebalance_timeout_ms: u32,
    /// The epoch of the topology that the member runs. Below the group's, it is told so.
    pub topology_epoch: i32,
    /// The process of the member. Members of one process share its disk: a task is in a process once.
    pub process_id: Arc<str>,
    pub user_endpoint: Option<Endpoint>,
    /// For descriptions only.
    pub client_tags: BTreeMap<Arc<str>, Arc<str>>,
}

/// The tasks that a member holds now, and those that it gives up.
pub type Current = super::super::current::Current<HeldTasks>;

/// A member. The deadlines live in memory only, and start anew after a restart.
#[derive(Clone, Debug, Default)]
pub struct StreamsMember {
    pub metadata: Metadata,
    pub current: Current,
    /// The time at which the member is removed, unless it sends something before.
    /// On the monotonic clock, as the other.
    pub session_deadline: Option<u64>,
    /// The time at which the member is removed, unless it has given up its tasks before.
    pub revocation_deadline: Option<u64>,
}

impl StreamsMember {
    /// Has all that the target of `epoch` gives it.
    pub fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == epoch
    }

    /// Every active task that the member may be running.
    pub fn held_active(&self) -> impl Iterator<Item = TaskId> + '_ {
        [&self.current.assigned, &self.current.revoking]
            .into_iter()
            .flat_map(|held| each_with_epoch(&held.active))
    }

    /// Every standby task that the member may be running.
    pub fn held_standby(&self) -> impl Iterator<Item = TaskId> + '_ {
        [&self.current.assigned, &self.current.revoking].into_iter().flat_map(|held| each(&held.standby))
    }

    /// The epoch in which the member got an active task that it holds.
    /// `None`: it does not hold the task.
    pub fn assignment_epoch(&self, subtopology: &str, partition: i32) -> Option<i32> {
        let of = |held: &HeldTasks| held.active.get(subtopology)?.get(&partition).copied();
        of(&self.current.assigned).or_else(|| of(&self.current.revoking))
    }

    /// The member has just been heard.
    pub fn restart_session(&mut self, now: Now, timeout_ms: u32, out: &mut Outcome) {
        self.session_deadline = Some(wake(now, timeout_ms, out));
    }

    /// Starts the clock for giving up tasks, from now, or stops it: after the current assignment changed, and
    /// after a restart. Called again while the same tasks are due, it would prolong the time.
    pub fn watch_revocation(&mut self, now: Now, out: &mut Outcome) {
        self.revocation_deadline = (self.current.state == MemberState::Unrevoked)
            .then(|| wake(now, self.metadata.rebalance_timeout_ms, out));
    }

    /// The earliest deadline. `None` only for a member whose clocks have not been started.
    pub fn next_deadline(&self) -> Option<u64> {
        [self.session_deadline, self.revocation_deadline].into_iter().flatten().min()
    }
}

/// A deadline, and the wake-up for it.
pub fn wake(now: Now, after_ms: u32, out: &mut Outcome) -> u64 {
    let deadline = now.deadline(after_ms);
    out.wake(deadline);
    deadline
}
