//! Why a partition refuses: domain errors, turned into Kafka's codes in `crate::kafka::error` and nowhere else.

use crate::telemetry::line_limit::FAULTS;
use storage::{ReadError, StorageError};
use thiserror::Error;

/// A refusal of one partition, reading or being found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum PartitionError {
    /// No topic of that name, or no such partition in it.
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// No topic with that id.
    #[error("unknown topic id")]
    UnknownTopicId,
    /// The topic was deleted and one of the same name exists under another id.
    #[error("the topic's name now belongs to another topic id")]
    InconsistentTopicId,
    /// The client may not do this to the topic.
    #[error("not authorized for the topic")]
    NotAuthorized,
    /// The name is one that only the broker may write to.
    #[error("the topic is internal")]
    InternalTopic,
    /// The client's leader epoch is older than the leader's.
    #[error("the leader epoch is older than the current one")]
    FencedLeaderEpoch,
    /// The client's leader epoch is newer than the leader's.
    #[error("the leader epoch is newer than the current one")]
    UnknownLeaderEpoch,
    /// The offset is outside the log.
    #[error("offset out of range")]
    OffsetOutOfRange,
    /// Records of a topic that is only compacted are not deleted by offset.
    #[error("the topic's cleanup.policy is compact")]
    OnlyCompacted,
    /// The same partition twice in a request that allows it once, or a field that cannot be.
    #[error("invalid request")]
    InvalidRequest,
    /// The request's version does not have what it asks for.
    #[error("not in this version of the request")]
    UnsupportedVersion,
    /// The client's version knows no such compression.
    #[error("the records are compressed in a way that the request's version does not know")]
    UnsupportedCompressionType,
    /// The records cannot be read: the disk damaged them, or they cannot be converted.
    #[error("the records are corrupt")]
    CorruptRecords,
    /// This broker does not lead the partition.
    #[error("this broker does not lead the partition")]
    NotLeader,
    /// This broker is taking the partition over.
    #[error("this broker is taking the partition over, and does not serve it yet")]
    Unavailable,
    /// The storage engine failed; it has said so in the log.
    #[error("storage failed")]
    Storage,
}

impl From<ReadError> for PartitionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OffsetOutOfRange { .. } => Self::OffsetOutOfRange,
            // Deleted between look-up and read: the client hears what it would have heard a moment later.
            ReadError::Deleted => Self::UnknownTopicOrPartition,
            ReadError::NotLeader | ReadError::Storage(StorageError::NotLeader) => Self::NotLeader,
            ReadError::Unavailable | ReadError::Storage(StorageError::Unavailable) => Self::Unavailable,
            // The storage has logged which.
            ReadError::Storage(StorageError::DamagedBatch(_)) => Self::CorruptRecords,
            ReadError::Storage(error) => {
                if let Some(suppressed) = FAULTS.take("disk") {
                    tracing::error!(%error, suppressed, "the disk could not be read");
                }
                Self::Storage
            }
        }
    }
}
