//! The end of a transaction, as it is to be written.

use super::ids::{GroupRef, ProducerId, TopicPartitionRef, TransactionalId};

/// The effect of a step that ends a transaction: written in one group with the step's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The id whose transaction it is.
    pub transactional_id: TransactionalId,
    pub producer_id: ProducerId,
    /// The epoch of the markers, and of the producer in each partition after them.
    pub marker_epoch: i16,
    /// The epoch of the markers is above that of the batches (KIP-1228): always, except where a client of the
    /// older protocol ends its transaction itself.
    pub raises_epoch: bool,
    pub commit: bool,
    /// A marker goes into each of them, in the order of topic id and number.
    pub partitions: Vec<TopicPartitionRef>,
    /// Their offsets of this producer become committed, or go. In the order of the ids.
    pub groups: Vec<GroupRef>,
    pub cause: EndCause,
    /// How long the transaction was open, by the open clock.
    pub duration_ms: u64,
}

/// The reason for which a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndCause {
    /// Its producer has asked for it.
    Producer,
    /// It was open for as long as its timeout allows.
    Timeout,
    /// An InitProducerId: another producer has taken the id, or its own begins anew.
    Fenced,
    /// An administrator has asked for it.
    Admin,
}
