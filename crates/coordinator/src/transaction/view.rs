//! Descriptions of a transactional id: DescribeTransactions and ListTransactions.

use regex::Regex;
use uuid::Uuid;

use super::{
    TransactionError, TransactionMachine, TransactionalId,
    ids::{GroupRef, ProducerId, ProducerIdAndEpoch, TopicPartitionRef},
    machine::Transaction,
    state::TransactionState,
};
use crate::regular_expressions::whole_match;
use crate::state_machine::StateMachine;

/// A transactional id, as DescribeTransactions tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    pub state: TransactionState,
    /// The owner. Its epoch may be 32767: fenced, and the producer id that follows is not drawn yet.
    pub producer: ProducerIdAndEpoch,
    pub timeout_ms: u32,
    /// The begin of the last transaction, wall clock; -1: none since the last InitProducerId.
    pub started_at_ms: i64,
    /// In the order of topic id and number. None outside a transaction; of one that is prepared those that have no
    /// marker yet.
    pub partitions: Vec<TopicPartitionRef>,
    /// Kafka lists the partitions of `__consumer_offsets` in which they lie.
    pub groups: Vec<GroupRef>,
}

/// A transactional id, as ListTransactions tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    pub id: TransactionalId,
    pub state: TransactionState,
    pub producer_id: ProducerId,
    /// As in [`Description`].
    pub started_at_ms: i64,
}

/// An open transaction, as metrics tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// No other open transaction has it.
    pub producer_id: ProducerId,
    /// Its begin, by the open clock.
    pub since_open_ms: u64,
    /// The time at which it is aborted, by the open clock.
    pub deadline_open_ms: u64,
}

impl TransactionMachine {
    /// The id as it is now.
    ///
    /// # Errors
    /// TRANSACTIONAL_ID_NOT_FOUND if no producer has it.
    pub fn describe(&self) -> Result<Description, TransactionError> {
        let transaction = self.transaction.as_ref().ok_or(TransactionError::TransactionalIdNotFound)?;
        Ok(Description {
            state: transaction.state,
            producer: transaction.identity.current,
            timeout_ms: transaction.timeout_ms,
            started_at_ms: transaction.started_at_ms,
            partitions: transaction.participants.partitions().collect(),
            groups: transaction.participants.groups().collect(),
        })
    }

    /// The id in a list. `None` if no producer has it.
    pub fn overview(&self) -> Option<Overview> {
        let transaction = self.transaction.as_ref()?;
        Some(Overview {
            id: self.id().clone(),
            state: transaction.state,
            producer_id: transaction.identity.current.id,
            started_at_ms: transaction.started_at_ms,
        })
    }
}

impl TransactionMachine {
    /// The producer of the transaction that is open, or whose end has not reached every shard yet; `None`: none is.
    pub fn open_producer(&self) -> Option<ProducerIdAndEpoch> {
        self.transaction.as_ref().and_then(Transaction::open_producer)
    }

    /// The transaction that is open, as metrics tell of it. One whose end is decided is not.
    pub fn open(&self) -> Option<OpenTransaction> {
        let open = self.transaction.as_ref().filter(|transaction| transaction.is_ongoing())?;
        let deadline_open_ms = open.since_open_ms.saturating_add(open.timeout_ms.into());
        let producer_id = open.identity.current.id;
        Some(OpenTransaction { producer_id, since_open_ms: open.since_open_ms, deadline_open_ms })
    }

    /// A producer has the id.
    pub fn is_known(&self) -> bool {
        self.transaction.is_some()
    }

    /// The partitions of the transaction that is open, in the order of topic id and number.
    pub fn partitions(&self) -> impl Iterator<Item = TopicPartitionRef> {
        self.transaction.iter().flat_map(|transaction| transaction.participants.partitions())
    }

    /// The groups whose offsets are part of the transaction that is open, in their order.
    pub fn groups(&self) -> impl Iterator<Item = GroupRef> {
        self.transaction.iter().flat_map(|transaction| transaction.participants.groups())
    }

    /// True if the partition takes part in the transaction that is open.
    pub fn takes_part(&self, topic_id: Uuid, partition: i32) -> bool {
        let transaction = self.transaction.as_ref();
        transaction.is_some_and(|transaction| transaction.participants.has_partition(topic_id, partition))
    }
}

/// The transactional ids that a ListTransactions asks for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those in one of these states; `None`: in any. Names that Kafka does not know leave an empty list.
    pub states: Option<Vec<TransactionState>>,
    /// Those of one of these producers; none given: of any.
    pub producer_ids: Vec<ProducerId>,
    /// Those whose last transaction began longer ago (KIP-994).
    pub older_than_ms: Option<i64>,
    /// Those whose whole id matches (KIP-1152); see [`pattern`].
    pub pattern: Option<Regex>,
}

impl Filter {
    /// True if the list is to have it; `now_ms` is the wall clock.
    pub fn admits(&self, overview: &Overview, now_ms: i64) -> bool {
        let has_state = self.states.as_ref().is_none_or(|states| states.contains(&overview.state));
        let has_producer = self.producer_ids.is_empty() || self.producer_ids.contains(&overview.producer_id);
        // As in Kafka, one that never began counts as very old.
        let age_ms = now_ms.saturating_sub(overview.started_at_ms);
        let is_old = self.older_than_ms.is_none_or(|older_than_ms| age_ms > older_than_ms);
        let matches = self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(overview.id.as_str()));
        has_state && has_producer && is_old && matches
    }
}

/// The expression that a whole transactional id must match.
///
/// # Errors
/// If it is not valid (INVALID_REGULAR_EXPRESSION).
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    whole_match(text)
}

#[cfg(test)]
mod tests;
