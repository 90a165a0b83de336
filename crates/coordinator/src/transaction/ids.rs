//! Names that must not be confused: transactional ids, producer ids and epochs, and what a transaction
//! touches.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use super::TransactionError;
use crate::group::GroupId;
use crate::string_id::string_id;

string_id!(
    /// `transactional.id`.
    TransactionalId
);

/// The number of a producer, never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerId(pub i64);

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One incarnation of a producer: of two with the same id the one with the greater epoch fences the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerIdAndEpoch {
    pub id: ProducerId,
    /// From 0; -1 on the wire means "none".
    pub epoch: i16,
}

impl ProducerIdAndEpoch {
    /// The producer that an InitProducerId names, if it names one.
    ///
    /// # Errors
    /// INVALID_REQUEST if only one of both numbers is given, or one is below -1.
    pub fn expected(producer_id: i64, epoch: i16) -> Result<Option<ProducerIdAndEpoch>, TransactionError> {
        match (producer_id, epoch) {
            (-1, -1) => Ok(None),
            (0.., 0..) => Ok(Some(ProducerIdAndEpoch { id: ProducerId(producer_id), epoch })),
            _ => Err(TransactionError::InvalidRequest),
        }
    }
}

/// The number of a shard: one writer with its log and everything in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u32);

/// A partition that takes part in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitionRef {
    /// The shard in which its log lies.
    pub shard: ShardId,
    /// A topic that was deleted and created again under its name is another one.
    pub topic_id: Uuid,
    /// For descriptions.
    pub topic: Arc<str>,
    pub partition: i32,
}

/// A group whose offsets take part in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRef {
    /// The shard in which its offsets lie.
    pub shard: ShardId,
    pub group: GroupId,
}
