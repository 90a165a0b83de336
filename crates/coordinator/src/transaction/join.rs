//! Joining a transaction: partitions and groups, announced before they are written, or by the write
//! itself.
//!
//! The first to join begins the transaction. Each participant has a record of its own, so that joining never
//! writes what joined before.

use super::{
    Env, GroupRef, Outcome, Protocol, Sender, TopicPartitionRef, TransactionError, TransactionMachine,
    connections::RequestKind,
    machine::Transaction,
    records::{self, Key},
    state::TransactionState,
};
use crate::limits::check_string;
use crate::state_machine::StateMachine;

/// The groups of one transaction. Each may have many offsets, and all are written with its end.
pub(super) const MAX_GROUPS: usize = 1_000;
/// The part of an end that its partitions make, bytes. The whole end is one group of the journal, which holds 4 GiB: far more
/// than a transaction needs, and this is far from it.
pub(super) const MAX_END_BYTES: usize = 256 << 20;
/// About the bytes of one partition in an end, beside the transactional id: the rest of its key, the marker, the producer's
/// state and the entry of the aborted index.
pub(super) const END_BYTES: usize = 512;

/// The result for each partition of a request, in its order.
pub type PartitionResults = Vec<Result<(), TransactionError>>;

impl TransactionMachine {
    /// Handles AddPartitionsToTxn of a client.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, or INVALID_REQUEST for a transaction that would become
    /// too large; for all partitions.
    pub fn add_partitions(
        &mut self,
        env: Env<'_>,
        sender: Sender,
        partitions: &[TopicPartitionRef],
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        self.joinable(sender)?;
        self.connections.admit(RequestKind::Coordinator, sender)?;
        self.join_partitions(env, partitions, out)
    }

    /// Handles AddPartitionsToTxn with `verifyOnly`: nothing changes.
    ///
    /// # Errors
    /// As [`TransactionMachine::add_partitions`]; each partition has its own result.
    pub fn verify_partitions(
        &self,
        sender: Sender,
        partitions: &[TopicPartitionRef],
    ) -> Result<PartitionResults, TransactionError> {
        let transaction = self.joinable(sender)?;
        let verify = |partition: &TopicPartitionRef| {
            let takes_part = transaction.participants.has_partition(partition.topic_id, partition.partition);
            if takes_part { Ok(()) } else { Err(TransactionError::NotInTransaction) }
        };
        Ok(partitions.iter().map(verify).collect())
    }

    /// Handles AddOffsetsToTxn.
    ///
    /// # Errors
    /// As [`TransactionMachine::add_partitions`]; INVALID_REQUEST for a group id that no record can hold,
    /// and for one group more than a transaction can have.
    pub fn add_offsets(
        &mut self,
        env: Env<'_>,
        sender: Sender,
        group: &GroupRef,
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        self.joinable(sender)?;
        self.connections.admit(RequestKind::Coordinator, sender)?;
        self.join_group(env, group, out)
    }

    /// Handles the transactional batches of a Produce, before they are appended: in the newer protocol their
    /// partitions join, in the older one they must have been announced. They have joined whatever the log
    /// then says.
    ///
    /// # Errors
    /// As [`TransactionMachine::add_partitions`], for all partitions; each has its own result.
    pub fn produce(
        &mut self,
        env: Env<'_>,
        sender: Sender,
        partitions: &[TopicPartitionRef],
        protocol: Protocol,
        out: &mut Outcome,
    ) -> Result<PartitionResults, TransactionError> {
        match protocol {
            Protocol::V1 => {
                let results = self.verify_partitions(sender, partitions)?;
                self.connections.admit(RequestKind::Produce, sender)?;
                Ok(results)
            }
            Protocol::V2 => {
                self.joinable(sender)?;
                self.join_partitions(env, partitions, out)?;
                Ok(vec![Ok(()); partitions.len()])
            }
        }
    }

    /// Handles TxnOffsetCommit, before the group takes the offsets: in the newer protocol the group joins, in
    /// the older one it must have been announced. It has joined whatever the group then says.
    ///
    /// # Errors
    /// As [`TransactionMachine::add_offsets`], or the group was not announced.
    pub fn txn_offset_commit(
        &mut self,
        env: Env<'_>,
        sender: Sender,
        group: &GroupRef,
        protocol: Protocol,
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        let transaction = self.joinable(sender)?;
        match protocol {
            Protocol::V1 if !transaction.participants.has_group(&group.group) => {
                Err(TransactionError::NotInTransaction)
            }
            Protocol::V1 => self.connections.admit(RequestKind::Offsets, sender),
            Protocol::V2 => self.join_group(env, group, out),
        }
    }

    fn join_partitions(
        &mut self,
        env: Env<'_>,
        partitions: &[TopicPartitionRef],
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        if !self.has_room_for(partitions) {
            return Err(TransactionError::InvalidRequest);
        }
        self.begin(env, out);
        let id = self.id().clone();
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        for partition in partitions {
            if !transaction.participants.has_partition(partition.topic_id, partition.partition) {
                let key = Key::partition(&id, partition);
                out.write(records::value(&key, records::encode_partition(partition)));
                transaction.participants.add_partition(partition.clone());
            }
        }
        Ok(())
    }

    /// True if the end of the transaction can be written with these partitions, too.
    fn has_room_for(&self, partitions: &[TopicPartitionRef]) -> bool {
        let Some(transaction) = &self.transaction else { return true };
        let participants = &transaction.participants;
        let is_new = |partition: &&TopicPartitionRef| {
            !participants.has_partition(partition.topic_id, partition.partition)
        };
        let joining = partitions.iter().filter(is_new).count();
        let at_end = participants.partition_count().saturating_add(joining);
        // What takes part already may go on, also where it joined under another limit.
        joining == 0 || at_end.saturating_mul(self.id().as_str().len() + END_BYTES) <= MAX_END_BYTES
    }

    fn join_group(
        &mut self,
        env: Env<'_>,
        group: &GroupRef,
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        if check_string("the group id", group.group.as_str()).is_err() {
            return Err(TransactionError::InvalidRequest);
        }
        let is_full = |transaction: &Transaction| {
            let participants = &transaction.participants;
            participants.group_count() >= MAX_GROUPS && !participants.has_group(&group.group)
        };
        if self.transaction.as_ref().is_some_and(is_full) {
            return Err(TransactionError::InvalidRequest);
        }
        self.begin(env, out);
        let id = self.id().clone();
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        if !transaction.participants.has_group(&group.group) {
            let key = Key::Group { id, group: group.group.clone() };
            out.write(records::value(&key, records::encode_group(group)));
            transaction.participants.add_group(group.clone());
        }
        Ok(())
    }

    /// Begins a transaction, unless one is open.
    fn begin(&mut self, env: Env<'_>, out: &mut Outcome) {
        let Some(transaction) = self.transaction.as_mut().filter(|transaction| !transaction.is_ongoing())
        else {
            return;
        };
        transaction.state = TransactionState::Ongoing;
        // Not before the number of the last end, which may be ahead of the clock.
        transaction.since_open_ms = env.now.open_ms.max(transaction.since_open_ms);
        transaction.started_at_ms = env.now.unix_ms;
        self.write(env, out);
    }
}
