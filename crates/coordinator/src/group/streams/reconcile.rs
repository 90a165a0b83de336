//! The reconciliation of one member: from the tasks that it has to those that the target gives it, in steps
//! that never let two members run a task at the same time. Kafka's `CurrentAssignmentBuilder` of streams
//! groups.
//!
//! ```text
//!              target moved on, must give something up                 says it has given it up
//!   Stable ─────────────────────────────────► Unrevoked ───────────────────────────────┐
//!     ▲  │                                                                             ▼
//!     │  └── target moved on, nothing to give up ─────► (assigned whatever is free, in the target's epoch)
//!     │                                                          │ all of it          │ some is still in use
//!     └──────────────────────────────────────────────────────────┘                    ▼
//!     ▲                                 others have released it               Unreleased
//!     └───────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! An active task is free when no other member holds it as an active one, and no other member of the same
//! process as a standby one: both would write to one state directory. A standby task is free when no other
//! member of the process has the task at all. Kafka counts what the member itself has just given up as in use
//! until its next heartbeat; here a standby task that becomes an active one of the same member does not wait
//! for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::member::{Current, MemberState};
use super::tasks::{HeldTasks, TaskLists, contains};

/// The target of one member, and the tasks that it says it has.
pub(super) struct Reconciler<'a, A, S>
where
    A: Fn(&Arc<str>, i32) -> bool,
    S: Fn(&Arc<str>, i32) -> bool,
{
    /// The epoch that the member has once it has given up what it must.
    pub(super) target_epoch: i32,
    /// Of the last target assignment; empty for a member that came after it.
    pub(super) target: &'a TaskLists,
    /// `None`: the member did not say, so it may still run anything.
    pub(super) owned: Option<&'a TaskLists>,
    /// True for an active task that the member may be given now.
    pub(super) is_free_active: A,
    /// True for a standby task that the member may be given now.
    pub(super) is_free_standby: S,
}

impl<A, S> Reconciler<'_, A, S>
where
    A: Fn(&Arc<str>, i32) -> bool,
    S: Fn(&Arc<str>, i32) -> bool,
{
    /// The next step. Equal to `current` when the member can go nowhere yet.
    pub(super) fn next(&self, current: &Current) -> Current {
        match current.state {
            MemberState::Stable if current.epoch == self.target_epoch => current.clone(),
            MemberState::Unrevoked if self.may_run_any(&current.revoking) => current.clone(),
            // It has answered the revocation: one epoch more, so that no heartbeat from before passes for an
            // answer to the next one. Never above the target's, which has moved on since the member's last
            // epoch.
            MemberState::Unrevoked => self.advance(current, current.epoch.saturating_add(1)),
            MemberState::Stable | MemberState::Unreleased => self.advance(current, current.epoch),
        }
    }

    /// True if the member still has one of `tasks`, or did not say what it has.
    fn may_run_any(&self, tasks: &HeldTasks) -> bool {
        !tasks.is_empty() && self.owned.is_none_or(|owned| tasks.is_any_in(owned))
    }

    /// Towards the target: give up what is not in it, else take what is free of it.
    fn advance(&self, current: &Current, epoch: i32) -> Current {
        let (kept, revoking) = self.split(&current.assigned);
        if self.may_run_any(&revoking) {
            // An answer to an earlier epoch can no longer count: it could pass for the revocation.
            let previous_epoch = current.epoch;
            return Current {
                state: MemberState::Unrevoked,
                epoch,
                previous_epoch,
                assigned: kept,
                revoking,
            };
        }
        let mut next = Current { assigned: kept, ..Current::default() };
        // At once, even if others are awaited: no task waits for the slowest member.
        if self.take_free(&mut next.assigned) {
            next.state = MemberState::Unreleased;
        }
        next.epoch = self.target_epoch;
        let moved_on = current.epoch != self.target_epoch;
        next.previous_epoch = if moved_on { current.epoch } else { current.previous_epoch };
        next
    }

    /// The tasks that the target lets the member keep, and those that it must give up.
    fn split(&self, assigned: &HeldTasks) -> (HeldTasks, HeldTasks) {
        let (mut kept, mut revoking) = (HeldTasks::default(), HeldTasks::default());
        for (subtopology, tasks) in &assigned.active {
            for (&partition, &epoch) in tasks {
                let goes_on = contains(&self.target.active, subtopology, partition);
                // The epoch stays with the task: commits from before are judged by it.
                let to = if goes_on { &mut kept.active } else { &mut revoking.active };
                to.entry(Arc::clone(subtopology)).or_default().insert(partition, epoch);
            }
        }
        for (subtopology, tasks) in &assigned.standby {
            for &partition in tasks {
                let goes_on = contains(&self.target.standby, subtopology, partition);
                let to = if goes_on { &mut kept.standby } else { &mut revoking.standby };
                to.entry(Arc::clone(subtopology)).or_default().insert(partition);
            }
        }
        (kept, revoking)
    }

    /// Adds to `assigned` what is free of the target. True: something is not.
    fn take_free(&self, assigned: &mut HeldTasks) -> bool {
        let mut awaits = false;
        for (subtopology, tasks) in &self.target.active {
            for &partition in tasks {
                let has = assigned
                    .active
                    .get(subtopology)
                    .is_some_and(|mine: &BTreeMap<i32, i32>| mine.contains_key(&partition));
                if has {
                    continue;
                }
                if (self.is_free_active)(subtopology, partition) {
                    let mine = assigned.active.entry(Arc::clone(subtopology)).or_default();
                    mine.insert(partition, self.target_epoch);
                } else {
                    awaits = true;
                }
            }
        }
        for (subtopology, tasks) in &self.target.standby {
            for &partition in tasks {
                if contains(&assigned.standby, subtopology, partition) {
                    continue;
                }
                if (self.is_free_standby)(subtopology, partition) {
                    assigned.standby.entry(Arc::clone(subtopology)).or_default().insert(partition);
                } else {
                    awaits = true;
                }
            }
        }
        awaits
    }
}

#[cfg(test)]
mod tests;
