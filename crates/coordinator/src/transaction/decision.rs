//! The way from a decided end to a complete one.
//!
//! ```text
//! Ongoing ── decide ──► PrepareCommit, PrepareAbort ── applied, shard by shard ──► CompleteCommit, CompleteAbort
//! ```
//!
//! The part of the coordinator's own shard is applied by the write that decides. So a transaction of which nothing lies
//! in another shard is complete in that write, and its prepared state is never stored: the general way with its steps
//! folded into one write group (ADR 15).
//!
//! The parts of other shards are handed out after the decision is durable, again after a while, and again by a start. A
//! participant has its record until its shard has answered, so that a restart finds what is left. The last answer
//! completes the transaction; until then its id takes no other.

use super::{
    EndCause, Ending, Env, Outcome, ProducerIdAndEpoch, TransactionMachine, TransactionalId,
    identity::ProducerIdentity,
    ids::ShardId,
    machine::Transaction,
    records::{self, Key},
    state::TransactionState,
};
use crate::state_machine::StateMachine;

/// The time after which an end is handed out again to a shard that has not answered, ms: some of its take-overs.
pub const AGAIN_AFTER_MS: u32 = 500;

/// An end that is to be decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) commit: bool,
    /// That of the markers.
    pub(super) marker_epoch: i16,
    pub(super) cause: EndCause,
}

/// An end that is decided, and not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The owner of the transaction: that of its batches.
    pub(super) producer: ProducerIdAndEpoch,
    pub(super) marker_epoch: i16,
    pub(super) cause: EndCause,
    /// How long the transaction was open, by the open clock.
    pub(super) duration_ms: u64,
}

impl TransactionMachine {
    /// Decides the end of what is open. `next`: the owner after it. The caller writes the record of the id.
    ///
    /// The transaction is complete after it unless something takes part in another shard.
    pub(super) fn decide(
        &mut self,
        env: Env<'_>,
        decided: Decided,
        next: ProducerIdentity,
        out: &mut Outcome,
    ) {
        let Some(transaction) = &mut self.transaction else { return };
        let Decided { commit, marker_epoch, cause } = decided;
        let begun_open_ms = transaction.since_open_ms;
        transaction.decision = Some(Decision {
            producer: transaction.identity.current,
            marker_epoch,
            cause,
            duration_ms: env.now.open_ms.saturating_sub(begun_open_ms),
        });
        transaction.identity = next;
        transaction.state = TransactionState::prepare(commit);
        // Its number: greater than that of any earlier end, also of one in the same millisecond.
        transaction.since_open_ms = env.now.open_ms.max(begun_open_ms.saturating_add(1));
        self.end_in(env.shard, out);
        // Not before the begin, which may be the number of the end before: times of an id never fall.
        self.complete_if_applied(env.now.open_ms.max(begun_open_ms));
        self.hand_out(env, out);
    }

    /// Takes in that a shard has written its part of the end with this [number](Ending::number), durably. Does nothing
    /// for the answer to an earlier end, or for another answer to the same.
    pub fn applied(&mut self, env: Env<'_>, shard: ShardId, number: u64, out: &mut Outcome) {
        let is_awaited = |transaction: &Transaction| {
            transaction.is_prepared()
                && transaction.since_open_ms == number
                && transaction.participants.shards().contains(&shard)
        };
        if !self.transaction.as_ref().is_some_and(is_awaited) {
            return;
        }
        self.leave(shard, out);
        // Nor before the decision.
        if self.complete_if_applied(env.now.open_ms.max(number)) {
            self.write(env, out);
        }
    }

    /// Goes on with a decided end after a restart: hands out what is left of it.
    pub(super) fn resume(&mut self, env: Env<'_>, out: &mut Outcome) {
        let Some(transaction) = self.transaction.as_ref().filter(|transaction| transaction.is_prepared())
        else {
            return;
        };
        let at_open_ms = env.now.open_ms.max(transaction.since_open_ms);
        // No write leaves it without a participant. If one did, nothing else would ever complete it.
        if self.complete_if_applied(at_open_ms) {
            self.write(env, out);
        }
        self.hand_out(env, out);
    }

    /// Hands out the parts of an end that other shards have not answered yet, and sets the time for the next try.
    pub(super) fn hand_out(&mut self, env: Env<'_>, out: &mut Outcome) {
        let Some(transaction) = self.transaction.as_ref().filter(|transaction| transaction.is_prepared())
        else {
            return;
        };
        let shards = transaction.participants.shards();
        out.effects.extend(shards.into_iter().filter_map(|shard| transaction.ending(self.id(), shard)));
        self.again_at_ms = env.now.deadline(AGAIN_AFTER_MS);
    }

    /// Writes the part of a decided end that lies in the coordinator's own shard.
    fn end_in(&mut self, own: ShardId, out: &mut Outcome) {
        let ending = self.transaction.as_ref().and_then(|transaction| transaction.ending(self.id(), own));
        self.leave(own, out);
        out.effects.extend(ending);
    }

    /// The participants of a shard take part no more: the end is written there.
    fn leave(&mut self, shard: ShardId, out: &mut Outcome) {
        let id = self.id().clone();
        let Some(transaction) = &mut self.transaction else { return };
        for partition in transaction.participants.partitions_in(shard) {
            out.write(records::tombstone(&Key::partition(&id, &partition)));
        }
        for group in transaction.participants.groups_in(shard) {
            out.write(records::tombstone(&Key::Group { id: id.clone(), group: group.group }));
        }
        transaction.participants.remove(shard);
    }

    /// Completes a decided end, at a time on the open clock, if every shard has written its part.
    fn complete_if_applied(&mut self, at_open_ms: u64) -> bool {
        let Some(transaction) = &mut self.transaction else { return false };
        if !transaction.is_prepared() || !transaction.participants.is_empty() {
            return false;
        }
        let commit = transaction.state == TransactionState::PrepareCommit;
        transaction.complete(at_open_ms, commit);
        true
    }
}

impl Transaction {
    /// The part of a decided end that lies in a shard. `None`: none is decided.
    fn ending(&self, id: &TransactionalId, shard: ShardId) -> Option<Ending> {
        let Decision { producer, marker_epoch, cause, duration_ms } = self.decision?;
        Some(Ending {
            transactional_id: id.clone(),
            shard,
            number: self.since_open_ms,
            producer_id: producer.id,
            marker_epoch,
            raises_epoch: marker_epoch > producer.epoch,
            commit: self.state == TransactionState::PrepareCommit,
            partitions: self.participants.partitions_in(shard).collect(),
            groups: self.participants.groups_in(shard).collect(),
            cause,
            duration_ms,
        })
    }

    /// The last transaction has ended, at a time on the open clock.
    pub(super) fn complete(&mut self, at_open_ms: u64, commit: bool) {
        self.state = TransactionState::complete(commit);
        self.decision = None;
        self.since_open_ms = at_open_ms;
    }
}

#[cfg(test)]
mod tests;
