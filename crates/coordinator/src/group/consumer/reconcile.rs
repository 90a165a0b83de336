//! The reconciliation of one member: from what it has to what the target gives it, in steps that never let two
//! members have a partition at the same time. Kafka's `CurrentAssignmentBuilder`.
//!
//! ```text
//!              target moved on, must give something up                 says it has given it up
//!   Stable ─────────────────────────────────► Unrevoked ───────────────────────────────┐
//!     ▲  │                                                                             ▼
//!     │  └── target moved on, nothing to give up ─────► (assigned whatever is free, in the target's epoch)
//!     │                                                          │ all of it          │ some is still in use
//!     └──────────────────────────────────────────────────────────┘                    ▼
//!     ▲                                 others have released it            Unreleased
//!     └───────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A member moves to the target's epoch only after it has given up what it must. A partition is handed out only when
//! no other member holds it, be it assigned or still to be given up.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::super::assignor::TopicPartitions;
use super::member::{Current, EpochPartitions, MemberState};

/// The target of one member, and the partitions that it says it owns.
pub(super) struct Reconciler<'a, F: Fn(Uuid, i32) -> bool> {
    /// The epoch that the member has once it has given up what it must.
    pub(super) target_epoch: i32,
    /// Of the last target assignment; empty for a member that came after it.
    pub(super) target: &'a TopicPartitions,
    /// The existing topics to which the member subscribes now: what it does not subscribe to is not its target.
    pub(super) subscribed: &'a BTreeSet<Uuid>,
    /// `None`: the member did not say, so it may still own anything.
    pub(super) owned: Option<&'a TopicPartitions>,
    /// True for a partition that no other member holds.
    pub(super) is_free: F,
}

impl<F: Fn(Uuid, i32) -> bool> Reconciler<'_, F> {
    /// The next step. Equal to `current` when the member can go nowhere yet.
    pub(super) fn next(&self, current: &Current) -> Current {
        match current.state {
            MemberState::Stable if current.epoch == self.target_epoch => self.drop_unsubscribed(current),
            MemberState::Unrevoked if self.owns_any(&current.revoking) => self.drop_unsubscribed(current),
            MemberState::Stable | MemberState::Unrevoked | MemberState::Unreleased => self.advance(current),
        }
    }

    /// True for a partition that the target gives to the member, of a topic that it still subscribes to.
    fn is_target(&self, topic: Uuid, partition: i32) -> bool {
        self.subscribed.contains(&topic)
            && self.target.get(&topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// True if the member still has one of `partitions`, or did not say what it has.
    fn owns_any(&self, partitions: &EpochPartitions) -> bool {
        let Some(owned) = self.owned else { return !partitions.is_empty() };
        partitions.iter().any(|(topic, partitions)| {
            owned.get(topic).is_some_and(|owned| owned.iter().any(|index| partitions.contains_key(index)))
        })
    }

    /// Asks the member to give up topics that it has just unsubscribed from, without waiting for its turn.
    fn drop_unsubscribed(&self, current: &Current) -> Current {
        if current.assigned.keys().all(|topic| self.subscribed.contains(topic)) {
            return current.clone();
        }
        let mut next = current.clone();
        next.assigned.retain(|topic, _| self.subscribed.contains(topic));
        for (topic, partitions) in &current.assigned {
            if !self.subscribed.contains(topic) {
                next.revoking.entry(*topic).or_default().extend(partitions);
            }
        }
        if self.owns_any(&next.revoking) {
            next.state = MemberState::Unrevoked;
            // As in `advance`: no heartbeat of an earlier epoch may pass for the revocation.
            next.previous_epoch = next.epoch;
        } else {
            next.revoking.clear();
        }
        next
    }

    /// Towards the target: give up what is not in it, else take what is free of it.
    fn advance(&self, current: &Current) -> Current {
        let mut next = Current { state: MemberState::Stable, ..Current::default() };
        for (&topic, partitions) in &current.assigned {
            for (&partition, &epoch) in partitions {
                let goes_on = self.is_target(topic, partition);
                // The epoch stays with the partition: commits from before are judged by it (KIP-1251).
                let to = if goes_on { &mut next.assigned } else { &mut next.revoking };
                to.entry(topic).or_default().insert(partition, epoch);
            }
        }
        if !next.revoking.is_empty() && self.owns_any(&next.revoking) {
            next.state = MemberState::Unrevoked;
            // An answer to an earlier epoch can no longer count: it could pass for the revocation.
            (next.epoch, next.previous_epoch) = (current.epoch, current.epoch);
            return next;
        }
        next.revoking.clear();
        for (&topic, partitions) in self.target {
            for &partition in partitions.iter().filter(|partition| self.is_target(topic, **partition)) {
                let has = next.assigned.get(&topic).is_some_and(|mine| mine.contains_key(&partition));
                if has {
                    continue;
                }
                // At once, even if others are awaited: no partition waits for the slowest member.
                if (self.is_free)(topic, partition) {
                    next.assigned.entry(topic).or_default().insert(partition, self.target_epoch);
                } else {
                    next.state = MemberState::Unreleased;
                }
            }
        }
        // Even if partitions are missing, as in Kafka's `CurrentAssignmentBuilder`: all that it has is in
        // this target.
        next.epoch = self.target_epoch;
        let moved_on = current.epoch != self.target_epoch;
        next.previous_epoch = if moved_on { current.epoch } else { current.previous_epoch };
        next
    }
}

#[cfg(test)]
mod tests;
