//! Iterators kept between reads: a consumer that catches up reads again from the end of its last read, with the same iterator.
//! To open one costs a look into every file of its generation.
//!
//! An iterator keeps alive what it was opened over: files that are deleted meanwhile, and memtables, which count as memory.
//! So it is dropped soon after it was opened, used or not, and their number is small.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    PartitionNumber, clock,
    engine::{aborted::AbortedWindow, batch_file::BatchFile, rocks::BatchIterator},
    log::Extent,
};

/// Age up to which an iterator is used again. It keeps in memory what is written in this time, at most.
const USED_FOR: Duration = Duration::from_millis(100);
/// Iterators that are kept, over all partitions; beyond them the oldest goes.
const CAPACITY: usize = 32;

/// An open iterator that stands on the batch at an offset.
pub(crate) struct ResumableRead {
    partition: PartitionNumber,
    /// Only a read from this offset can go on with it.
    next_offset: i64,
    pub(crate) extent: Extent,
    /// The file in which the last batch lies that lies in one, which stays readable.
    pub(crate) file: Option<Arc<BatchFile>>,
    pub(crate) iterator: BatchIterator,
    /// [`Partition::aborted_forgotten`](crate::Partition::aborted_forgotten) before the iterator was opened.
    pub(crate) forgotten: u64,
    /// Aborted transactions from there on, if they were looked up.
    pub(crate) aborted: Option<AbortedWindow>,
    opened: Instant,
}

impl ResumableRead {
    pub(crate) fn new(
        partition: PartitionNumber,
        extent: Extent,
        file: Option<Arc<BatchFile>>,
        iterator: BatchIterator,
        forgotten: u64,
    ) -> Self {
        let (next_offset, opened) = (extent.base_offset, clock::now());
        Self { partition, next_offset, extent, file, iterator, forgotten, aborted: None, opened }
    }

    /// The same, standing at this offset, with aborted transactions from there on.
    pub(crate) fn at(self, next_offset: i64, aborted: Option<AbortedWindow>) -> Self {
        Self { next_offset, aborted, ..self }
    }

    fn is_old(&self) -> bool {
        clock::since(self.opened) >= USED_FOR
    }
}

/// All iterators that are kept, oldest first.
#[derive(Default)]
pub(crate) struct ResumableReads {
    kept: Mutex<Vec<ResumableRead>>,
    /// Partitions with batches that the system was asked to read ahead, and the offset after them; oldest first.
    read_ahead: Mutex<Vec<(PartitionNumber, i64)>>,
}

impl ResumableReads {
    /// The iterator that stands at this offset of the partition.
    pub(crate) fn take(&self, partition: PartitionNumber, offset: i64) -> Option<ResumableRead> {
        let mut kept = self.kept.lock();
        let found = kept.iter().position(|it| (it.partition, it.next_offset) == (partition, offset))?;
        let found = kept.remove(found);
        // The lock first: to close an old iterator frees memtables and files.
        drop(kept);
        (!found.is_old()).then_some(found)
    }

    /// Keeps an iterator for the next read, unless it is too old for one.
    pub(crate) fn keep(&self, read: Option<ResumableRead>) {
        // The next read opens an iterator of its own.
        let Some(read) = read.filter(|read| !read.is_old()) else { return };
        let mut kept = self.kept.lock();
        let oldest = (kept.len() >= CAPACITY).then(|| kept.remove(0));
        kept.push(read);
        // The iterator is closed after the lock is released.
        drop((kept, oldest));
    }

    /// The system was asked for the batches of the partition up to this offset.
    pub(crate) fn keep_read_ahead(&self, partition: PartitionNumber, until: i64) {
        let mut read_ahead = self.read_ahead.lock();
        if read_ahead.len() >= CAPACITY {
            read_ahead.remove(0);
        }
        read_ahead.push((partition, until));
    }

    /// True, once, if the system was asked for the batch at this offset.
    pub(crate) fn take_read_ahead(&self, partition: PartitionNumber, offset: i64) -> bool {
        let mut read_ahead = self.read_ahead.lock();
        let found = read_ahead.iter().position(|(number, until)| *number == partition && offset < *until);
        found.map(|place| read_ahead.remove(place)).is_some()
    }

    /// Drops iterators that are too old to be used.
    pub(crate) fn expire(&self) {
        // They are closed after the lock is released.
        let old: Vec<ResumableRead> = self.kept.lock().extract_if(.., |read| read.is_old()).collect();
        drop(old);
    }

    /// Drops all iterators.
    pub(crate) fn clear(&self) {
        drop(std::mem::take(&mut *self.kept.lock()));
    }
}
