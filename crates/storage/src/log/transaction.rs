//! The end of a transaction as callers ask for it, and its effect on the last stable offset.

use std::sync::Arc;

use thiserror::Error;

use super::coordinator::CoordinatorWrite;
use crate::{Partition, log::AbortedEntry};

/// A marker that ends the transaction of a producer in one partition.
#[derive(Clone, Debug)]
pub struct TransactionMarker {
    /// The partition.
    pub partition: Arc<Partition>,
    /// The producer.
    pub producer_id: i64,
    /// The epoch of the marker, and of the producer's state after it.
    pub producer_epoch: i16,
    /// The epoch of the coordinator that decided.
    pub coordinator_epoch: i32,
    /// The coordinator of this folder has decided, and no one by hand: no greater epoch in the partition refuses the marker. It is
    /// written with the greater of the two.
    pub by_coordinator: bool,
    /// Commit, or abort.
    pub commit: bool,
    /// The marker has to raise the producer's epoch (KIP-890, KIP-1228). An equal one is then accepted only where no
    /// transaction is open, as a repeat.
    pub raises_epoch: bool,
    /// Put the broker's time into the marker as the topic asks (`message.timestamp.type=LogAppendTime`).
    pub log_append_time: bool,
}

/// The end of a transaction in all its partitions, and what its coordinators write for it: one write group.
#[derive(Clone, Debug)]
pub struct TransactionEnd {
    /// The coordinators' records.
    pub coordinator: CoordinatorWrite,
    /// One marker for each partition. There may be none: a transaction of offsets only.
    pub markers: Vec<TransactionMarker>,
}

/// Refusal of one marker; the others of its end are not affected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MarkerError {
    /// The producer has written with a newer epoch, or the marker had to raise it and does not.
    #[error("the marker's producer epoch {found} does not follow {current}")]
    InvalidProducerEpoch {
        /// The producer's epoch in the partition.
        current: i16,
        /// The one of the marker.
        found: i16,
    },
    /// A coordinator with a greater epoch has written a marker for this producer.
    #[error("coordinator epoch {found} is older than {current}")]
    TransactionCoordinatorFenced {
        /// The greater one.
        current: i32,
        /// The one of the marker.
        found: i32,
    },
    /// The topic was deleted: there is nothing to end.
    #[error("the partition is deleted")]
    PartitionDeleted,
    /// The partition has no offsets left.
    #[error("offsets are used up")]
    OffsetsExhausted,
}

/// The effect of a batch on the last stable offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TransactionStep {
    /// None.
    #[default]
    None,
    /// It opens a transaction: its base offset is the first one of it.
    Begins,
    /// It is the marker of the transaction that began at `first_offset`.
    Ends { first_offset: i64, aborted: Option<AbortedEntry> },
}
