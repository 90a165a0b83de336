//! Reads put aside: a consumer that catches up asks again where its last read ended, and goes on with the same iterator.
//! Opening one looks into every file of its generation.
//!
//! An iterator keeps alive what it was opened over: files that are deleted meanwhile, and memtables, which count as memory.
//! So it is let go soon after it was opened, read or not, and there are few.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::{PartitionNumber, engine::BatchIterator, generation::Extent};

/// How long an iterator is used again. What is written in this time is what it may hold in memory.
const USED_FOR: Duration = Duration::from_millis(100);
const CAPACITY: usize = 32;

/// An open iterator that stands on the batch at an offset.
pub(crate) struct Parked {
    partition: PartitionNumber,
    next_offset: i64,
    pub(crate) extent: Extent,
    pub(crate) iterator: BatchIterator,
    opened: Instant,
}

impl Parked {
    pub(crate) fn new(partition: PartitionNumber, extent: Extent, iterator: BatchIterator) -> Self {
        Self { partition, next_offset: extent.base_offset, extent, iterator, opened: Instant::now() }
    }

    /// The same, standing at this offset.
    pub(crate) fn at(self, next_offset: i64) -> Self {
        Self { next_offset, ..self }
    }

    fn is_old(&self) -> bool {
        self.opened.elapsed() >= USED_FOR
    }
}

/// All that are put aside, oldest first.
#[derive(Default)]
pub(crate) struct ParkedReads {
    parked: Mutex<Vec<Parked>>,
}

impl ParkedReads {
    /// The iterator that stands at this offset of the partition.
    pub(crate) fn take(&self, partition: PartitionNumber, offset: i64) -> Option<Parked> {
        let mut parked = self.parked.lock();
        let found = parked.iter().position(|it| (it.partition, it.next_offset) == (partition, offset))?;
        let found = parked.remove(found);
        drop(parked);
        (!found.is_old()).then_some(found)
    }

    pub(crate) fn park(&self, read: Option<Parked>) {
        let Some(read) = read.filter(|read| !read.is_old()) else { return };
        let mut parked = self.parked.lock();
        let crowded_out = (parked.len() >= CAPACITY).then(|| parked.remove(0));
        parked.push(read);
        drop((parked, crowded_out));
    }

    /// Lets go of what is too old to be used.
    pub(crate) fn expire(&self) {
        let old: Vec<Parked> = self.parked.lock().extract_if(.., |read| read.is_old()).collect();
        drop(old);
    }

    /// Lets go of everything.
    pub(crate) fn clear(&self) {
        drop(std::mem::take(&mut *self.parked.lock()));
    }
}
