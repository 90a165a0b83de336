//! The newest batches of each partition, kept in memory so that a consumer that keeps up never touches the disk.
//!
//! One budget bounds all partitions together; what was appended first leaves first. A tail has no holes: it starts at some
//! batch and ends at the log's end.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use crate::{
    AbortedTransaction, Isolation, Partition, ReadLimits,
    log::aborted::{AbortedEntry, RecentAborted},
};

/// A batch in memory: its offsets are `base_offset..next_offset`.
#[derive(Debug)]
struct TailBatch {
    base_offset: i64,
    next_offset: i64,
    bytes: Bytes,
}

/// The tail of one partition: its newest batches without a gap, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    batches: VecDeque<TailBatch>,
    /// The aborted transactions whose markers are among the batches.
    aborted: RecentAborted,
    /// Batches that were purged and are still to be popped.
    purged: usize,
}

/// Batches of a tail, and the aborted transactions among them by first offset.
pub(crate) struct TailRead {
    pub(crate) batches: Vec<Bytes>,
    pub(crate) aborted: Vec<AbortedTransaction>,
}

impl Tail {
    /// Adds the newest batch, before the log end moves.
    pub(crate) fn push(&mut self, base_offset: i64, next_offset: i64, bytes: Bytes) {
        self.batches.push_back(TailBatch { base_offset, next_offset, bytes });
    }

    /// The newest batch is the marker of this aborted transaction.
    pub(crate) fn push_aborted(&mut self, entry: AbortedEntry) {
        self.aborted.push(entry);
    }

    /// Removes the oldest batch. Called once for each that was added, in their order, also for those that
    /// were purged.
    pub(crate) fn pop(&mut self) {
        // The budget does not hear of purges: it names each batch when its turn comes.
        match self.purged {
            0 => drop(self.batches.pop_front()),
            purged => self.purged = purged - 1,
        }
        // Thousands of idle partitions would keep the memory of their longest tail.
        if self.batches.is_empty() {
            self.batches = VecDeque::new();
        }
        self.forget_aborted();
    }

    /// Forgets the aborted transactions of which the tail has no batch any more.
    fn forget_aborted(&mut self) {
        let Some(first) = self.batches.front().map(|batch| batch.base_offset) else {
            self.aborted = RecentAborted::default();
            return;
        };
        self.aborted.forget_below(first);
    }

    /// Drops the batches that lie wholly below `offset`: they were deleted or rewritten.
    pub(crate) fn purge(&mut self, offset: i64) {
        let purged = self.batches.partition_point(|batch| batch.next_offset <= offset);
        self.batches.drain(..purged);
        self.purged += purged;
        self.forget_aborted();
    }

    /// Whole batches from the one that holds `from`, all below `end`; `None` if the tail starts after `from`.
    pub(crate) fn read(&self, from: i64, end: i64, limits: ReadLimits) -> Option<TailRead> {
        if self.batches.front()?.base_offset > from {
            return None;
        }
        // `from` may lie within the batch: clients pass over the records before it, as with Kafka.
        let first = self.batches.partition_point(|batch| batch.next_offset <= from);
        let mut room = Room::new(limits);
        let visible = self.batches.range(first..).take_while(|batch| batch.base_offset < end);
        let (mut batches, mut until) = (Vec::new(), from);
        for batch in visible.take_while(|batch| room.admits(batch.bytes.len())) {
            batches.push(batch.bytes.clone());
            until = batch.next_offset;
        }
        let aborted = match limits.isolation {
            Isolation::ReadUncommitted => Vec::new(),
            Isolation::ReadCommitted => self.aborted.overlapping(from, until).finish(),
        };
        Some(TailRead { batches, aborted })
    }
}

/// Room that a read has left.
pub(crate) struct Room {
    left: usize,
    first_is_free: bool,
}

impl Room {
    pub(crate) fn new(limits: ReadLimits) -> Self {
        Self { left: limits.max_bytes, first_is_free: limits.at_least_one }
    }

    /// Takes `bytes` if they fit, or if they are the first and one batch was asked for whatever its size.
    pub(crate) fn admits(&mut self, bytes: usize) -> bool {
        let admitted = bytes <= self.left || self.first_is_free;
        self.first_is_free = false;
        // Nothing after a refusal, however small: an answer has no gaps.
        self.left = if admitted { self.left.saturating_sub(bytes) } else { 0 };
        admitted
    }
}

/// The order in which batches leave memory. Owned by the writer.
#[derive(Debug)]
pub(crate) struct TailBudget {
    /// Bytes of batches, over all partitions.
    limit: usize,
    held: usize,
    /// Partition and size of each batch in a tail, oldest first; of purged ones too.
    order: VecDeque<(Arc<Partition>, usize)>,
}

impl TailBudget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, held: 0, order: VecDeque::new() }
    }

    /// Bytes in the tails of all partitions.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Notes that `bytes` joined the partition's tail, and evicts the oldest of all tails beyond the budget.
    pub(crate) fn added(&mut self, partition: &Arc<Partition>, bytes: usize) {
        self.order.push_back((Arc::clone(partition), bytes));
        self.held += bytes;
        // A batch that is larger than the budget goes at once; its readers find it on the disk.
        while self.held > self.limit {
            let Some((partition, bytes)) = self.order.pop_front() else { break };
            partition.pop_tail();
            self.held -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_bytes: usize, at_least_one: bool) -> ReadLimits {
        ReadLimits { max_bytes, at_least_one, isolation: Isolation::ReadUncommitted }
    }

    fn tail() -> Tail {
        let mut tail = Tail::default();
        for base in [10, 13, 16] {
            tail.push(base, base + 3, Bytes::from_static(b"0123456789"));
        }
        tail
    }

    #[test]
    fn starts_with_the_batch_that_holds_the_offset() {
        assert_eq!(tail().read(14, 100, limits(100, false)).unwrap().batches.len(), 2);
        assert_eq!(tail().read(10, 100, limits(100, false)).unwrap().batches.len(), 3);
    }

    #[test]
    fn what_was_purged_is_popped_but_once() {
        let mut tail = tail();
        tail.purge(15);
        assert_eq!(tail.batches.len(), 2, "the batch that holds the offset before it stays");
        assert!(tail.read(12, 100, limits(100, false)).is_none());
        tail.pop();
        assert_eq!(tail.batches.len(), 2);
        tail.pop();
        assert_eq!(tail.batches.len(), 1);
    }

    #[test]
    fn knows_what_it_does_not_hold() {
        assert!(tail().read(9, 100, limits(100, false)).is_none());
        assert!(Tail::default().read(0, 100, limits(100, false)).is_none());
    }

    #[test]
    fn shows_nothing_at_or_after_the_end() {
        assert_eq!(tail().read(10, 16, limits(100, false)).unwrap().batches.len(), 2);
        assert_eq!(tail().read(19, 19, limits(100, false)).unwrap().batches.len(), 0);
    }

    #[test]
    fn stops_at_the_byte_limit_except_for_a_first_batch_that_must_be_returned() {
        assert_eq!(tail().read(10, 100, limits(25, false)).unwrap().batches.len(), 2);
        assert_eq!(tail().read(10, 100, limits(5, false)).unwrap().batches.len(), 0);
        assert_eq!(tail().read(10, 100, limits(5, true)).unwrap().batches.len(), 1);
    }

    #[test]
    fn aborted_transactions_come_with_the_batches_by_first_offset() {
        let mut tail = Tail::default();
        let entry = |producer_id, first_offset, marker_offset, last_stable_offset| AbortedEntry {
            producer_id,
            first_offset,
            marker_offset,
            last_stable_offset,
        };
        for offset in 10..20 {
            tail.push(offset, offset + 1, Bytes::from_static(b"0123456789"));
            match offset {
                14 => tail.push_aborted(entry(1, 12, 14, 5)),
                // It began before the tail did.
                16 => tail.push_aborted(entry(2, 5, 16, 17)),
                19 => tail.push_aborted(entry(3, 18, 19, 20)),
                _ => {}
            }
        }
        let aborted = |tail: &Tail, from, max_bytes, isolation| {
            let limits = ReadLimits { isolation, ..limits(max_bytes, false) };
            let found = tail.read(from, 100, limits).unwrap().aborted;
            found.into_iter().map(|one| one.producer_id).collect::<Vec<_>>()
        };
        let committed = Isolation::ReadCommitted;
        assert_eq!(aborted(&tail, 10, 1000, committed), [2, 1, 3]);
        assert_eq!(aborted(&tail, 10, 20, committed), [2], "the read ends before the others begin");
        assert_eq!(aborted(&tail, 15, 1000, committed), [2, 3], "the marker of the first lies before it");
        assert!(aborted(&tail, 10, 1000, Isolation::ReadUncommitted).is_empty());
        (0..5).for_each(|_| tail.pop());
        assert_eq!(tail.aborted.len(), 2, "the marker at 14 has left the tail");
        tail.purge(100);
        assert_eq!(tail.aborted.len(), 0);
    }
}
