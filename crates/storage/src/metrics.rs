//! Counters and histograms of the storage, for its caller to show.
//!
//! Counting costs an atomic addition for each write group or sync, none for a record. Values that RocksDB or the queue
//! know are not counted but read by [`crate::Storage::metrics`].

use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use crate::PartitionNumber;

/// Purpose of written bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Batches of producers, with their index entries and the states of their producers.
    Produce,
    /// Records of coordinators.
    Coordinator,
    /// Topics, and the configurations of other resources.
    Configs,
    /// Batches that outlived their generation.
    Settle,
    /// Batches that compaction kept or shortened.
    Compaction,
    /// Log starts, generations, blocks of producer ids, clean marks.
    Maintenance,
}

impl Purpose {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 6] =
        [Self::Produce, Self::Coordinator, Self::Configs, Self::Settle, Self::Compaction, Self::Maintenance];

    /// Its name, for a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Coordinator => "coordinator",
            Self::Configs => "configs",
            Self::Settle => "settle",
            Self::Compaction => "compaction",
            Self::Maintenance => "maintenance",
        }
    }
}

/// Bytes by [`Purpose`], in its order.
pub(crate) type BytesByPurpose = [u64; Purpose::ALL.len()];

/// Upper bounds of the buckets of a duration, in microseconds.
const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];
/// A write, or a wait for the queue, of at least this duration is a stall.
const STALL: Duration = Duration::from_millis(50);

/// Durations of a repeated step.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    /// One for each bound; longer ones are only part of `count`.
    /// Each counts those above the bound before it.
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Durations {
    pub(crate) fn observe(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < took_us);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn histogram(&self) -> DurationHistogram {
        let bucket = |(bound_us, count): (u64, &AtomicU64)| {
            (Duration::from_micros(bound_us).as_secs_f64(), count.load(Ordering::Relaxed))
        };
        let buckets: Vec<_> = BOUNDS_US.into_iter().zip(&self.buckets).map(bucket).collect();
        // Counters are independent: one that is observed just now may be in its bucket and not in the count
        // yet.
        let count = self.count.load(Ordering::Relaxed);
        let sum = Duration::from_micros(self.sum_us.load(Ordering::Relaxed));
        DurationHistogram { buckets, count, sum_seconds: sum.as_secs_f64() }
    }
}

/// Durations in buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DurationHistogram {
    /// Upper bound in seconds (inclusive), and the number of durations in this bucket alone.
    pub buckets: Vec<(f64, u64)>,
    /// Number of all durations, those beyond the last bound (10 s) included.
    pub count: u64,
    /// Sum of all durations, in seconds.
    pub sum_seconds: f64,
}

/// Waits that were long enough to hold up clients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stalls {
    /// Their number.
    pub count: u64,
    /// Duration of all together, in seconds.
    pub sum_seconds: f64,
}

#[derive(Debug, Default)]
struct StallCounter {
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl StallCounter {
    fn observe(&self, took: Duration) {
        if took >= STALL {
            self.count.fetch_add(1, Ordering::Relaxed);
            let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.sum_us.fetch_add(took_us, Ordering::Relaxed);
        }
    }

    fn stalls(&self) -> Stalls {
        let sum = Duration::from_micros(self.sum_us.load(Ordering::Relaxed));
        Stalls { count: self.count.load(Ordering::Relaxed), sum_seconds: sum.as_secs_f64() }
    }
}

/// Damaged batches that are remembered: a disk with more of them has lost its data.
const MOST_DAMAGED: usize = 10_000;

/// The counters of one open folder.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    groups: AtomicU64,
    records: AtomicU64,
    bytes: [AtomicU64; Purpose::ALL.len()],
    writes: Durations,
    pub(crate) syncs: Durations,
    write_stalls: StallCounter,
    queue_stalls: StallCounter,
    tail_bytes: AtomicU64,
    oldest_generation_ms: AtomicI64,
    /// Damaged batches that were found.
    damaged: Mutex<HashSet<(PartitionNumber, i64)>>,
}

impl Counters {
    /// A write group was handed to the operating system.
    pub(crate) fn group_written(&self, records: u64, bytes: &BytesByPurpose, took: Duration) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        for (counter, bytes) in self.bytes.iter().zip(bytes).filter(|(_, bytes)| **bytes > 0) {
            counter.fetch_add(*bytes, Ordering::Relaxed);
        }
        self.writes.observe(took);
        self.write_stalls.observe(took);
    }

    /// Bytes were written beside the write groups.
    pub(crate) fn add_bytes(&self, purpose: Purpose, bytes: u64) {
        // The order of `Purpose` is that of its array.
        if let Some(counter) = self.bytes.get(purpose as usize) {
            counter.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A caller waited because the queue was full.
    pub(crate) fn waited_for_queue(&self, took: Duration) {
        self.queue_stalls.observe(took);
    }

    /// The tails of all partitions hold this much memory.
    pub(crate) fn set_tail_bytes(&self, bytes: usize) {
        self.tail_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// The oldest generation was created at this time, Unix ms.
    pub(crate) fn set_oldest_generation(&self, created_ms: i64) {
        self.oldest_generation_ms.store(created_ms, Ordering::Relaxed);
    }

    /// Notes that the batch at this offset is damaged; false if that was known, or too many are.
    pub(crate) fn batch_damaged(&self, partition: PartitionNumber, base_offset: i64) -> bool {
        let mut damaged = self.damaged.lock();
        damaged.len() < MOST_DAMAGED && damaged.insert((partition, base_offset))
    }

    /// Everything counted here; the caller adds what it can look up.
    pub(crate) fn snapshot(&self, now_ms: i64) -> StorageMetrics {
        let bytes = Purpose::ALL.into_iter().zip(&self.bytes);
        let age_ms = now_ms.saturating_sub(self.oldest_generation_ms.load(Ordering::Relaxed));
        StorageMetrics {
            write_groups: self.groups.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            bytes: bytes.map(|(purpose, bytes)| (purpose, bytes.load(Ordering::Relaxed))).collect(),
            writes: self.writes.histogram(),
            // Failed syncs are among them.
            syncs: self.syncs.histogram(),
            write_stalls: self.write_stalls.stalls(),
            queue_stalls: self.queue_stalls.stalls(),
            tail_bytes: self.tail_bytes.load(Ordering::Relaxed),
            // A wall clock that was set back makes it 0, not negative.
            oldest_generation_seconds: age_ms.max(0) as f64 / 1e3,
            damaged_batches: self.damaged.lock().len() as u64,
            ..StorageMetrics::default()
        }
    }
}

/// Work of the storage since it was opened, and its present sizes.
#[derive(Clone, Debug, Default)]
pub struct StorageMetrics {
    /// Write groups handed to the operating system.
    pub write_groups: u64,
    /// Records appended by producers.
    pub records: u64,
    /// Bytes of write groups, and of batches that went to a settled file.
    pub bytes: Vec<(Purpose, u64)>,
    /// Duration of each write.
    pub writes: DurationHistogram,
    /// Duration of each sync.
    pub syncs: DurationHistogram,
    /// Write groups that RocksDB or the operating system held up.
    pub write_stalls: Stalls,
    /// Callers that waited because the writer's queue was full.
    pub queue_stalls: Stalls,
    /// Commands that wait for the writer.
    pub queue_depth: u64,
    /// Generations that exist.
    pub generations: u64,
    /// Bytes that they hold in files and memory; `None` if RocksDB does not say.
    pub generation_bytes: Option<u64>,
    /// Bytes that the settled family holds.
    pub settled_bytes: Option<u64>,
    /// Age of the oldest generation.
    pub oldest_generation_seconds: f64,
    /// Memory of the newest batches.
    pub tail_bytes: u64,
    /// Bytes of operations that a start would apply if the process ended now …
    pub replay_operations_bytes: u64,
    /// … and of bodies that it would pass over.
    pub replay_body_bytes: u64,
    /// Damaged batches that reads, compaction and settling have found, each counted once; at most 10 000.
    pub damaged_batches: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_that_bounds_them() {
        let durations = Durations::default();
        for took_us in [1, 50, 51, 20_000_000] {
            durations.observe(Duration::from_micros(took_us));
        }
        let found = durations.histogram();
        assert_eq!(found.buckets[..3], [(50e-6, 2), (100e-6, 1), (250e-6, 0)]);
        assert_eq!(found.buckets.iter().map(|(_, count)| count).sum::<u64>(), 3, "one is beyond all bounds");
        assert_eq!((found.count, found.sum_seconds), (4, 20.000_102));
    }

    #[test]
    fn only_long_writes_are_stalls() {
        let counters = Counters::default();
        let bytes = [1, 2, 0, 0, 0, 3];
        counters.group_written(5, &bytes, STALL - Duration::from_micros(1));
        counters.group_written(2, &bytes, STALL);
        counters.waited_for_queue(2 * STALL);
        let found = counters.snapshot(0);
        assert_eq!(found.write_stalls, Stalls { count: 1, sum_seconds: 0.05 });
        assert_eq!(found.queue_stalls, Stalls { count: 1, sum_seconds: 0.1 });
        assert_eq!((found.write_groups, found.records, found.writes.count), (2, 7, 2));
        assert_eq!(found.bytes[..2], [(Purpose::Produce, 2), (Purpose::Coordinator, 4)]);
        assert_eq!(found.bytes[5], (Purpose::Maintenance, 6));
    }

    #[test]
    fn the_age_of_a_generation_is_never_negative() {
        let counters = Counters::default();
        counters.set_oldest_generation(5_000);
        assert_eq!(counters.snapshot(7_500).oldest_generation_seconds, 2.5);
        assert_eq!(counters.snapshot(4_000).oldest_generation_seconds, 0.0);
    }
}
