//! One partition as readers see it: its offsets, its tail, and its watchers. Only the writer and the syncer change it.
//!
//! Offsets satisfy `log_start_offset ≤ last_stable_offset ≤ high_watermark ≤ log_end_offset` and never go back. A batch is
//! below the high watermark once the promise its producer asked for is kept, in offset order.
//!
//! Offsets are atomics, which readers load without a lock. Locks are held for short steps only, and where two
//! are needed `append` is taken first. No lock is held while the disk is read or written.
//!
//! `leading.rs` says if it is served here, `watermarks.rs` moves the log end, the high watermark and the last stable offset, which
//! `unstable.rs` works out, `extents.rs` knows where the batches lie, `producers.rs` tells of who writes.

mod extents;
mod leading;
mod producers;
mod unstable;
mod watermarks;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::{
    EpochEndOffset,
    log::{
        aborted::SpanClasses,
        append::AppendState,
        extent::Extent,
        index::{self, CleanedRecord, EpochStart, IndexInterval, IntervalRecord, LogStart},
        leadership::Leadership,
        producers::Producers,
        tail::Tail,
    },
};

pub use leading::Watcher;
use watermarks::Progress;
pub(crate) use watermarks::Written;

/// Names a partition on the disk; never used again, so that a topic created anew never shows old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionNumber(pub u64);

/// A partition. Cheap to read from any thread.
pub struct Partition {
    number: PartitionNumber,
    topic_id: Uuid,
    /// Within the topic, from 0.
    index: i32,
    /// State and leader epoch.
    leadership: Leadership,
    /// Moves once its new value is on the disk.
    log_start_offset: AtomicI64,
    /// Bytes that it had taken before the batch that holds the log start.
    log_start_position: AtomicU64,
    /// Moves once the journal has a batch.
    log_end_offset: AtomicI64,
    /// Moves with the log end, or after a sync: see [`Partition::publish`] and [`Partition::synced`].
    high_watermark: AtomicI64,
    /// Moves after the high watermark, under the same lock, and with the log start.
    last_stable_offset: AtomicI64,
    /// Taken by the writer for each batch and by the syncer after each sync.
    progress: Mutex<Progress>,
    /// Batches in memory: none, or the newest without a gap.
    tail: Mutex<Tail>,
    /// By base offset. The first may begin below the log start.
    extents: RwLock<Vec<Extent>>,
    /// Batches of it may lie in the settled family, also such that no extent leads to yet.
    settled: AtomicBool,
    /// Classes of which the index of aborted transactions may have entries of it: [`SpanClasses`].
    aborted: AtomicU64,
    /// How often entries of that index were removed because their batches were cleaned away.
    forgotten: AtomicU64,
    /// The end of the part that was compacted.
    cleaned: Mutex<CleanedRecord>,
    /// They rise; the last is the current one, even if nothing was written in it.
    epochs: RwLock<Vec<EpochStart>>,
    /// Tells if `watchers` holds any, so that an append without waiting readers takes no lock for them.
    watched: AtomicBool,
    watchers: Mutex<Vec<Arc<dyn Watcher>>>,
    /// Producers that `append` remembers, for metrics, which must not wait for its lock.
    producer_count: AtomicUsize,
    /// The time at which the oldest open transaction began, Unix ms; [`NO_TRANSACTION`]: none is open. Also for metrics.
    oldest_transaction_ms: AtomicI64,
    /// Changed by the writer only.
    pub(crate) append: Mutex<AppendState>,
}

/// No transaction is open.
const NO_TRANSACTION: i64 = i64::MAX;

/// State of a partition as recovery found it.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) log_start: LogStart,
    pub(crate) extents: Vec<Extent>,
    pub(crate) epochs: Vec<EpochStart>,
    pub(crate) cleaned: CleanedRecord,
    /// The settled family has batches of it.
    pub(crate) settled: bool,
    /// The classes of which the index of aborted transactions has entries of it.
    pub(crate) aborted: SpanClasses,
}

impl Default for Recovered {
    fn default() -> Self {
        let (extents, epochs) = (Vec::new(), Vec::new());
        Self {
            log_start: LogStart::default(),
            extents,
            epochs,
            cleaned: CleanedRecord::NOTHING,
            settled: false,
            aborted: SpanClasses::default(),
        }
    }
}

impl Partition {
    pub(crate) fn new(
        number: PartitionNumber,
        topic_id: Uuid,
        index: i32,
        leader_epoch: i32,
        found: Recovered,
    ) -> Self {
        let LogStart { offset: start, position } = found.log_start;
        let end = IntervalRecord { end_offset: start, end_position: position, appended_ms: 0 };
        // A cleaning may have removed what had the greatest timestamp. It must not fall all the same: a later cleaning looks for what
        // was appended since by it.
        let interval = IndexInterval::new(end, found.cleaned.max_timestamp.max(-1));
        let mut epochs = found.epochs;
        let epoch_recorded = epochs.last().is_some_and(|last| last.leader_epoch >= leader_epoch);
        if !epoch_recorded {
            // Its true start is the log end, which `recover_end` knows.
            epochs.push(EpochStart { leader_epoch, start_offset: start });
        }
        let family = found.extents.last().map(|extent| extent.family);
        Self {
            number,
            topic_id,
            index,
            leadership: Leadership::new(leader_epoch.cast_unsigned()),
            log_start_offset: start.into(),
            log_start_position: position.into(),
            log_end_offset: start.into(),
            high_watermark: start.into(),
            last_stable_offset: start.into(),
            progress: Mutex::new(Progress::new(interval)),
            tail: Mutex::default(),
            extents: RwLock::new(found.extents),
            settled: found.settled.into(),
            aborted: found.aborted.0.into(),
            forgotten: 0.into(),
            cleaned: Mutex::new(found.cleaned),
            epochs: RwLock::new(epochs),
            watched: false.into(),
            watchers: Mutex::default(),
            producer_count: 0.into(),
            oldest_transaction_ms: NO_TRANSACTION.into(),
            append: Mutex::new(AppendState::new(found.log_start, interval, family, epoch_recorded)),
        }
    }

    /// Its number on the disk.
    pub fn number(&self) -> PartitionNumber {
        self.number
    }

    /// Its index within the topic, from 0.
    pub fn index(&self) -> i32 {
        self.index
    }

    /// The topic's id.
    pub fn topic_id(&self) -> Uuid {
        self.topic_id
    }

    /// The current leader epoch, ≥ 0; rises with every unclean start (KIP-320) and every take-over.
    pub fn leader_epoch(&self) -> i32 {
        self.leadership.epoch().cast_signed()
    }

    /// The first readable offset.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset.load(Ordering::Acquire)
    }

    /// Bytes of the batches from the one that holds the log start to the log's end, as their producers sent them.
    pub fn size_bytes(&self) -> u64 {
        let end = self.interval().end.end_position;
        end.saturating_sub(self.log_start_position.load(Ordering::Acquire))
    }

    /// The offset of the next record to be written.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset.load(Ordering::Acquire)
    }

    /// The first offset that is not visible.
    pub fn high_watermark(&self) -> i64 {
        // In one order with `watched`: a reader that subscribes and then looks misses no advance (see
        // `wake`).
        self.high_watermark.load(Ordering::SeqCst)
    }

    /// The first offset that `read_committed` does not see: the least of the high watermark, of the first offset of each open
    /// transaction, and of that of each ended one whose marker is not below the high watermark; never below the log start.
    pub fn last_stable_offset(&self) -> i64 {
        self.last_stable_offset.load(Ordering::SeqCst)
    }

    /// A transaction is open, or its marker is not visible yet.
    pub(crate) fn is_unstable(&self) -> bool {
        self.last_stable_offset() < self.log_end_offset()
    }

    /// The end of `epoch`.
    pub fn epoch_end_offset(&self, epoch: i32) -> EpochEndOffset {
        index::epoch_end_offset(&self.epochs.read(), self.log_end_offset(), epoch)
    }

    /// Makes the log end here; recovery only, before anyone else sees the partition.
    pub(crate) fn recover_end(&self, log_end_offset: i64, producers: Producers) {
        self.log_end_offset.store(log_end_offset, Ordering::Release);
        self.high_watermark.store(log_end_offset, Ordering::Release);
        let mut append = self.append.lock();
        append.recover(log_end_offset, producers);
        self.recover_stable(append.open_transactions());
        self.note_producers(&append);
        if !append.epoch_recorded
            && let Some(current) = self.epochs.write().last_mut()
        {
            current.start_offset = log_end_offset;
        }
    }

    pub(crate) fn pop_tail(&self) {
        self.tail.lock().pop();
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("number", &self.number)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
