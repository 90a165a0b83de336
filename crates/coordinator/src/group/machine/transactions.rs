//! Offsets in transactions: TxnOffsetCommit, and what the end of a transaction does to a group (KIP-98,
//! KIP-447).
//!
//! Producer ids, epochs and what is announced are the transaction's to check. The caller ends a transaction
//! in the groups that it knows to be in it, in the write that ends it everywhere else.

use std::sync::Arc;

use super::super::{
    Env, GroupError, GroupId, Outcome,
    consumer::CommitRule,
    offsets::{OffsetCommit, Offsets, pending::PendingOffset},
    records::Key,
    requests::CommitIdentity,
};
use super::offsets::{committed, judged, welcome};
use super::{GroupMachine, Members};
use crate::state_machine::{Record, StateMachine as _};

impl GroupMachine {
    /// Handles TxnOffsetCommit (`commitTransactionalOffset`): all partitions are refused, or each gets its
    /// own result. The offsets are pending until [`end_transaction`](Self::end_transaction); a producer's
    /// newest one for a partition counts. `knows_member_epochs` is true for version 6 and later.
    ///
    /// # Errors
    /// If the sender may not commit at all: its instance is fenced, it is unknown, or it is of another generation.
    /// Also if it got one of the partitions after the member epoch that it names.
    pub fn txn_offset_commit(
        &mut self,
        env: Env<'_>,
        producer_id: i64,
        who: &CommitIdentity,
        knows_member_epochs: bool,
        commits: Vec<OffsetCommit>,
        out: &mut Outcome,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        // Older clients know no STALE_MEMBER_EPOCH (`validateTransactionalOffsetCommit`).
        let told = |error| match error {
            GroupError::StaleMemberEpoch if !knows_member_epochs => GroupError::IllegalGeneration,
            error => error,
        };
        let group_id = self.id().clone();
        let rule = match &self.members {
            Members::Classic(group) => {
                group.validate_txn_offset_commit(who)?;
                CommitRule::All
            }
            Members::Consumer(group) => group.validate_txn_offset_commit(who).map_err(told)?,
            Members::Streams(group) => group.validate_txn_offset_commit(who).map_err(told)?,
        };
        let results = judged(env, rule, &commits, told)?;
        for commit in welcome(commits, &results) {
            let (topic, partition) = (Arc::clone(&commit.topic), commit.partition);
            // KIP-211: the broker's retention, which begins at the TxnOffsetCommit.
            let offset = committed(env, commit, None);
            let pending = self.offsets.pending.stage(producer_id, &topic, partition, offset);
            out.write(pending.record(&group_id, producer_id, &topic, partition));
        }
        Ok(results)
    }

    /// Ends the transaction of a producer (`replayEndTransactionMarker`): its pending offsets become
    /// committed ones, except for those that a later one has overtaken, or (`commit` is false) are forgotten.
    /// Does nothing if there are none, so that a repeat is harmless.
    ///
    /// The group may be forgettable after it.
    pub fn end_transaction(&mut self, producer_id: i64, commit: bool, out: &mut Outcome) {
        let group_id = self.id().clone();
        for (topic, partition, pending) in self.offsets.pending.take(producer_id) {
            self.write_pending_tombstone(producer_id, &topic, partition, out);
            if !commit || pending.overtaken {
                continue;
            }
            out.write(pending.offset.record(&group_id, &topic, partition));
            overtake(&mut self.offsets, &group_id, (&topic, partition), pending.order, out);
            self.offsets.commit(topic, partition, pending.offset);
        }
    }

    /// Forgets the pending offsets that `is_gone` names.
    pub(super) fn drop_pending(&mut self, is_gone: impl Fn(&str, &PendingOffset) -> bool, out: &mut Outcome) {
        let gone: Vec<(i64, Arc<str>, i32)> = self
            .offsets
            .pending
            .iter()
            .filter(|(topic, _, _, pending)| is_gone(topic, pending))
            .map(|(topic, partition, producer_id, _)| (producer_id, Arc::clone(topic), partition))
            .collect();
        for (producer_id, topic, partition) in gone {
            self.offsets.pending.remove(producer_id, &topic, partition);
            self.write_pending_tombstone(producer_id, &topic, partition, out);
        }
    }

    /// Forgets all pending offsets of a partition.
    pub(super) fn drop_pending_of(&mut self, topic: &Arc<str>, partition: i32, out: &mut Outcome) {
        for producer_id in self.offsets.pending.producers_of(topic, partition) {
            self.offsets.pending.remove(producer_id, topic, partition);
            self.write_pending_tombstone(producer_id, topic, partition, out);
        }
    }

    fn write_pending_tombstone(&self, producer_id: i64, topic: &Arc<str>, partition: i32, out: &mut Outcome) {
        let (group, topic) = (self.id().clone(), Arc::clone(topic));
        out.write(Record::tombstone(&Key::PendingOffset { group, producer_id, topic, partition }));
    }
}

/// Marks the pending offsets of a partition that came before `order`: an offset that came later is committed
/// now.
pub(super) fn overtake(
    offsets: &mut Offsets,
    group_id: &GroupId,
    (topic, partition): (&Arc<str>, i32),
    order: u64,
    out: &mut Outcome,
) {
    for (producer_id, pending) in offsets.pending.overtake(topic, partition, order) {
        out.write(pending.record(group_id, producer_id, topic, partition));
    }
}

#[cfg(test)]
mod tests;
