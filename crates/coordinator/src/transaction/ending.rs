//! The end of a transaction in one shard, as it is to be written.

use super::ids::{GroupRef, ProducerId, ShardId, TopicPartitionRef, TransactionalId};

/// The part of the end of a transaction that lies in one shard: written there as one group.
///
/// That of the coordinator's own shard is written with the records of the step, and there is always one, perhaps
/// without partitions and groups. Those of other shards are sent once these records are durable. They may be handed out
/// more than once: [`participant`](super::participant) tells a repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The id whose transaction it is.
    pub transactional_id: TransactionalId,
    /// The shard that writes it.
    pub shard: ShardId,
    /// Greater than that of every earlier end of the id which went to another shard: the time of the decision on the
    /// open clock, or one more than the begin. [`applied`](super::TransactionMachine::applied) asks for it.
    pub number: u64,
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

impl EndCause {
    /// Every cause.
    pub const ALL: [EndCause; 4] = [EndCause::Producer, EndCause::Timeout, EndCause::Fenced, EndCause::Admin];

    /// The number of the cause in records.
    pub(super) fn number(self) -> u8 {
        match self {
            EndCause::Producer => 0,
            EndCause::Timeout => 1,
            EndCause::Fenced => 2,
            EndCause::Admin => 3,
        }
    }

    /// The cause of that number.
    pub(super) fn numbered(number: u8) -> Option<EndCause> {
        EndCause::ALL.into_iter().find(|cause| cause.number() == number)
    }
}
