//! One transactional id as a whole: its producer and the state of its transaction.
//!
//! Pure. The shell calls one method per request, deadline or stored record, and carries out the [`Outcome`].
//! The methods are in the files beside this one: `init.rs`, `join.rs`, `end.rs`, `decision.rs` and `view.rs`.

use std::convert::Infallible;

use bytes::Bytes;

use super::{
    Ending, Env, Outcome, ProducerIdAndEpoch, TransactionError, TransactionalId,
    connections::Connections,
    decision::Decision,
    identity::ProducerIdentity,
    participants::Participants,
    records::{self, KINDS, Key},
    requests::Sender,
    resting,
    state::TransactionState,
};
use crate::record_kinds::RecordKind;
use crate::state_machine::{Now, Record, RecordError, StateMachine, TooLong};

/// The state machine of one transactional id.
#[derive(Debug)]
pub struct TransactionMachine {
    id: TransactionalId,
    /// `None` before the first InitProducerId, and once the id has expired.
    pub(super) transaction: Option<Transaction>,
    pub(super) connections: Connections,
    /// The time at which a decided end is handed out again to the shards that have not answered, on the monotonic clock.
    pub(super) again_at_ms: u64,
}

/// The part of a transactional id that is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) identity: ProducerIdentity,
    pub(super) state: TransactionState,
    pub(super) timeout_ms: u32,
    /// The end that is decided and not complete: while the state is a prepared one.
    pub(super) decision: Option<Decision>,
    /// The time on the open clock at which the transaction that is open began or, outside one, the id changed last.
    pub(super) since_open_ms: u64,
    /// The time on the wall clock at which the last transaction began, for descriptions; -1: none since the
    /// last InitProducerId.
    pub(super) started_at_ms: i64,
    pub(super) participants: Participants,
}

impl Transaction {
    pub(super) fn is_ongoing(&self) -> bool {
        self.state == TransactionState::Ongoing
    }

    /// Its end is decided, and other shards have not written their part of it yet.
    pub(super) fn is_prepared(&self) -> bool {
        self.state.is_prepared()
    }

    /// The producer whose batches and offsets wait for an end. `None`: all have ended.
    pub(super) fn open_producer(&self) -> Option<ProducerIdAndEpoch> {
        match &self.decision {
            Some(decision) => Some(decision.producer),
            None => self.is_ongoing().then_some(self.identity.current),
        }
    }

    /// The time on the open clock at which a transaction is aborted or, outside one, the id is forgotten. `None`: what
    /// is decided is not given up.
    pub(super) fn deadline_open_ms(&self, env: Env<'_>) -> Option<u64> {
        let after_ms = match self.state {
            TransactionState::Ongoing => u64::from(self.timeout_ms),
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => return None,
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                env.config.id_expiration_ms
            }
        };
        Some(self.since_open_ms.saturating_add(after_ms))
    }

    /// The record of the id itself; those of partitions and groups are apart.
    pub(super) fn record(&self, id: &TransactionalId) -> Result<Record, TooLong> {
        records::value(&Key::Transaction { id: id.clone() }, records::encode_transaction(self))
    }
}

impl StateMachine for TransactionMachine {
    type Id = TransactionalId;
    type Env<'a> = Env<'a>;
    type Reply = Infallible;
    type Effect = Ending;

    const RECORDS: &'static [RecordKind] = KINDS;
    const RESTS: bool = true;

    /// An id that no producer has asked for yet.
    fn new(id: TransactionalId, _now: Now) -> TransactionMachine {
        TransactionMachine { id, transaction: None, connections: Connections::default(), again_at_ms: 0 }
    }

    fn id(&self) -> &TransactionalId {
        &self.id
    }

    fn owner(key: &[u8]) -> Result<TransactionalId, RecordError> {
        Key::owner(key)
    }

    fn replay(&mut self, _: Now, key: &[u8], value: &[u8], _: &mut Outcome) -> Result<(), RecordError> {
        let key = Key::decode(key)?;
        if let Key::Transaction { .. } = key {
            self.transaction = Some(records::decode_transaction(value)?);
            return Ok(());
        }
        // Written after the record of an open transaction, and removed by its end.
        let takes_part = |transaction: &&mut Transaction| transaction.open_producer().is_some();
        let transaction = self.transaction.as_mut().filter(takes_part);
        let transaction = transaction.ok_or(RecordError::Damaged("belongs to no open transaction"))?;
        match key {
            Key::Partition { topic_id, partition, .. } => {
                let partition = records::decode_partition(topic_id, partition, value)?;
                transaction.participants.add_partition(partition);
            }
            Key::Group { group, .. } => {
                transaction.participants.add_group(records::decode_group(group, value)?);
            }
            Key::Transaction { .. } => {}
        }
        Ok(())
    }

    /// Deadlines go on from where they were: the open clock is stored. So does a decided end.
    fn start(&mut self, env: Env<'_>, out: &mut Outcome) {
        self.resume(env, out);
        self.wake(env, out);
    }

    fn tick(&mut self, env: Env<'_>, out: &mut Outcome) {
        let is_over = |transaction: &Transaction| {
            transaction.deadline_open_ms(env).is_some_and(|deadline| deadline <= env.now.open_ms)
        };
        match &self.transaction {
            Some(transaction) if transaction.is_prepared() && self.again_at_ms <= env.now.monotonic_ms => {
                self.hand_out(env, out);
            }
            Some(transaction) if is_over(transaction) && transaction.is_ongoing() => self.time_out(env, out),
            Some(transaction) if is_over(transaction) => self.forget(out),
            _ => {}
        }
        self.wake(env, out);
    }

    fn is_forgettable(&self) -> bool {
        self.transaction.is_none()
    }

    fn rests_after_ms(&self) -> Option<u32> {
        resting::after_ms(self)
    }

    fn keys(id: &TransactionalId) -> Vec<Bytes> {
        records::keys(id)
    }
}

impl TransactionMachine {
    /// The transaction of the current owner, for what joins it or is part of it.
    ///
    /// # Errors
    /// As [`TransactionMachine::checked`]; CONCURRENT_TRANSACTIONS while the end of the last one is under way.
    pub(super) fn joinable(&self, sender: Sender) -> Result<&Transaction, TransactionError> {
        let transaction = self.checked(sender)?;
        if transaction.is_prepared() {
            return Err(TransactionError::ConcurrentTransactions);
        }
        Ok(transaction)
    }

    /// The transaction of the current owner.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING, also if nothing is known of the id; or PRODUCER_FENCED.
    pub(super) fn checked(&self, sender: Sender) -> Result<&Transaction, TransactionError> {
        let transaction = self.transaction.as_ref().ok_or(TransactionError::InvalidProducerIdMapping)?;
        transaction.identity.check(sender.producer)?;
        Ok(transaction)
    }

    /// Writes the record of the id after a change, and sets the alarm for its deadline.
    pub(super) fn write(&self, env: Env<'_>, out: &mut Outcome) {
        if let Some(transaction) = &self.transaction {
            out.write(transaction.record(&self.id));
        }
        self.wake(env, out);
    }

    /// Asks to be woken at the deadline.
    fn wake(&self, env: Env<'_>, out: &mut Outcome) {
        if let Some(transaction) = &self.transaction {
            let deadline = transaction.deadline_open_ms(env);
            out.wake(deadline.map_or(self.again_at_ms, |open_ms| env.now.deadline_of_open(open_ms)));
        }
    }

    /// Forgets an id that is in no transaction.
    fn forget(&mut self, out: &mut Outcome) {
        out.write(records::tombstone(&Key::Transaction { id: self.id.clone() }));
        self.transaction = None;
    }
}

#[cfg(test)]
mod tests;
