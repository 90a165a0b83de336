//! The end of a transaction as callers ask for it, and aborted transactions as readers are told of them.

use std::sync::Arc;

use thiserror::Error;

use super::coordinator::CoordinatorWrite;
use crate::{AbortedTransaction, Partition};

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

/// An aborted transaction of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedEntry {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of the marker that ended it.
    pub(crate) marker_offset: i64,
    /// The first offset of the oldest transaction that was open right after the marker, or the offset after the marker:
    /// transactions that end later begin at or above it.
    pub(crate) last_stable_offset: i64,
}

/// Collects the aborted transactions of a read. It is given entries in the order of their markers, from the first whose marker
/// is at or above the offset at which the read begins.
pub(crate) struct AbortedScan {
    /// The offset after the read.
    until: i64,
    found: Vec<AbortedEntry>,
}

impl AbortedScan {
    /// Of a read that ends before `until`.
    pub(crate) fn new(until: i64) -> Self {
        Self { until, found: Vec::new() }
    }

    /// Takes the next entry; true if no later one can belong to the read.
    pub(crate) fn add(&mut self, entry: &AbortedEntry) -> bool {
        if entry.first_offset < self.until {
            self.found.push(*entry);
        }
        entry.last_stable_offset >= self.until
    }

    /// All of them, by first offset: clients take them up in this order.
    pub(crate) fn finish(self) -> Vec<AbortedTransaction> {
        let transaction = |entry: AbortedEntry| AbortedTransaction {
            producer_id: entry.producer_id,
            first_offset: entry.first_offset,
        };
        self.entries().into_iter().map(transaction).collect()
    }

    /// The same as the index has them.
    pub(crate) fn entries(mut self) -> Vec<AbortedEntry> {
        self.found.sort_unstable_by_key(|entry| entry.first_offset);
        self.found
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64, first_offset: i64, last_stable_offset: i64) -> AbortedEntry {
        AbortedEntry { producer_id, first_offset, marker_offset: 0, last_stable_offset }
    }

    #[test]
    fn a_scan_ends_where_no_later_transaction_can_begin_before_the_end_of_the_read() {
        let mut scan = AbortedScan::new(50);
        // The one of producer 3 was open until the last marker.
        assert!(!scan.add(&entry(1, 40, 10)));
        assert!(!scan.add(&entry(2, 60, 10)));
        assert!(scan.add(&entry(3, 10, 90)));
        let found: Vec<_> =
            scan.finish().iter().map(|found| (found.producer_id, found.first_offset)).collect();
        assert_eq!(found, [(3, 10), (1, 40)], "by first offset");
    }
}
