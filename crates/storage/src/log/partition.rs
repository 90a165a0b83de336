//! One partition as readers see it: its offsets, its tail, and its watchers. Only the writer and the syncer change it.
//!
//! Offsets satisfy `log_start_offset ≤ last_stable_offset ≤ high_watermark ≤ log_end_offset` and never go back. A batch is
//! below the high watermark once the promise its producer asked for is kept, in offset order.
//!
//! Offsets are atomics, which readers load without a lock. Locks are held for short steps only, and where two
//! are needed `append` is taken first. No lock is held while the disk is read or written.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::{
    EpochEndOffset, ProducerState, ReadError, ReadLimits,
    log::{
        append::AppendState,
        extent::{BatchFamily, Extent},
        index::{self, CleanedRecord, EpochStart, IndexInterval, IntervalRecord, LogStart},
        leadership::{LeaderState, Leadership},
        tail::Tail,
    },
};

/// Names a partition on the disk; never used again, so that a topic created anew never shows old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionNumber(pub u64);

/// A reader that waits for a partition to grow.
pub trait Watcher: Send + Sync {
    /// `bytes` more became visible; `u64::MAX` when the partition was deleted, or is not led here any more. Runs on a storage thread: must not block.
    fn advanced(&self, bytes: u64);
}

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
    /// Taken by the writer for each batch and by the syncer after each sync.
    progress: Mutex<Progress>,
    /// Batches in memory: none, or the newest without a gap.
    tail: Mutex<Tail>,
    /// By base offset. The first may begin below the log start.
    extents: RwLock<Vec<Extent>>,
    /// The end of the part that was compacted.
    cleaned: Mutex<CleanedRecord>,
    /// They rise; the last is the current one, even if nothing was written in it.
    epochs: RwLock<Vec<EpochStart>>,
    /// Tells if `watchers` holds any, so that an append without waiting readers takes no lock for them.
    watched: AtomicBool,
    watchers: Mutex<Vec<Arc<dyn Watcher>>>,
    /// Changed by the writer only.
    pub(crate) append: Mutex<AppendState>,
}

/// State of a partition as recovery found it.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) log_start: LogStart,
    pub(crate) extents: Vec<Extent>,
    pub(crate) epochs: Vec<EpochStart>,
    pub(crate) cleaned: CleanedRecord,
}

impl Default for Recovered {
    fn default() -> Self {
        let (extents, epochs) = (Vec::new(), Vec::new());
        Self { log_start: LogStart::default(), extents, epochs, cleaned: CleanedRecord::NOTHING }
    }
}

#[derive(Debug)]
struct Progress {
    /// Batches that are in the log but not visible, because they or one before them await a sync.
    pending: VecDeque<Pending>,
    /// Bytes of the batches published by this process.
    appended_bytes: u64,
    /// Those of them that are below the high watermark.
    visible_bytes: u64,
    /// The open end of the time index, as readers see it.
    interval: IndexInterval,
}

/// A batch that awaits a sync.
#[derive(Debug)]
struct Pending {
    /// The group whose sync ends the wait, by the writer's number.
    group: u64,
    /// The high watermark is at most this until then.
    base_offset: i64,
    /// `appended_bytes` before this batch.
    bytes_before: u64,
}

/// A batch that the journal has taken.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) base_offset: i64,
    pub(crate) next_offset: i64,
    pub(crate) bytes: Bytes,
    /// The open end of the time index after this batch.
    pub(crate) interval: IndexInterval,
    /// The write group whose sync makes it visible; `None` if it need not wait for one.
    pub(crate) awaits: Option<u64>,
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
        let interval = IndexInterval::new(end, -1);
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
            progress: Mutex::new(Progress {
                pending: VecDeque::new(),
                appended_bytes: 0,
                visible_bytes: 0,
                interval,
            }),
            tail: Mutex::default(),
            extents: RwLock::new(found.extents),
            cleaned: Mutex::new(found.cleaned),
            epochs: RwLock::new(epochs),
            watched: false.into(),
            watchers: Mutex::default(),
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

    /// The first offset that `read_committed` does not see: the high watermark, as no transaction is ever open yet.
    pub fn last_stable_offset(&self) -> i64 {
        self.high_watermark()
    }

    /// The partition is served here.
    ///
    /// # Errors
    /// `Deleted`: it is never read or written again. `NotLeader`: it may be, after a take-over.
    pub fn ensure_led(&self) -> Result<(), ReadError> {
        match self.leadership.state() {
            LeaderState::Led => Ok(()),
            LeaderState::Resigned => Err(ReadError::NotLeader),
            LeaderState::Deleted => Err(ReadError::Deleted),
        }
    }

    /// The topic was deleted: the partition is never read or written again.
    pub(crate) fn is_deleted(&self) -> bool {
        self.leadership.state() == LeaderState::Deleted
    }

    /// The end of `epoch`.
    pub fn epoch_end_offset(&self, epoch: i32) -> EpochEndOffset {
        index::epoch_end_offset(&self.epochs.read(), self.log_end_offset(), epoch)
    }

    /// The producers that are remembered, by id.
    pub fn producers(&self) -> Vec<(i64, ProducerState)> {
        let mut producers: Vec<_> =
            self.append.lock().producers().map(|(id, state)| (*id, state.clone())).collect();
        producers.sort_by_key(|(id, _)| *id);
        producers
    }

    /// Calls `watcher` at every advance from now on.
    /// A caller that waits for an offset must look at the high watermark after this: an advance before it is
    /// not told.
    pub fn subscribe(&self, watcher: &Arc<dyn Watcher>) {
        // Under the lock, as in `unsubscribe`: the flag says if the list is empty.
        let mut watchers = self.watchers.lock();
        watchers.push(Arc::clone(watcher));
        self.watched.store(true, Ordering::SeqCst);
    }

    /// Ends a subscription.
    /// The watcher is not called any more once this has returned.
    pub fn unsubscribe(&self, watcher: &Arc<dyn Watcher>) {
        let mut watchers = self.watchers.lock();
        if let Some(position) = watchers.iter().position(|other| Arc::ptr_eq(other, watcher)) {
            watchers.swap_remove(position);
        }
        self.watched.store(!watchers.is_empty(), Ordering::SeqCst);
    }

    /// Makes the log end here; recovery only, before anyone else sees the partition.
    pub(crate) fn recover_end(&self, log_end_offset: i64, producers: Vec<(i64, ProducerState)>) {
        self.log_end_offset.store(log_end_offset, Ordering::Release);
        self.high_watermark.store(log_end_offset, Ordering::Release);
        let mut append = self.append.lock();
        append.recover(log_end_offset, producers);
        if !append.epoch_recorded
            && let Some(current) = self.epochs.write().last_mut()
        {
            current.start_offset = log_end_offset;
        }
    }

    /// The open end of the time index, as the log has it now.
    pub(crate) fn set_interval(&self, interval: IndexInterval) {
        self.progress.lock().interval = interval;
    }

    pub(crate) fn interval(&self) -> IndexInterval {
        self.progress.lock().interval
    }

    /// The extents that may hold offsets from `from` on, in order.
    pub(crate) fn extents_from(&self, from: i64) -> Vec<Extent> {
        let extents = self.extents.read();
        let after = extents.partition_point(|extent| extent.base_offset <= from);
        // The last one that begins at or below `from` holds it.
        extents.iter().skip(after.saturating_sub(1)).copied().collect()
    }

    /// Every extent with the bytes that live in it, in order.
    /// Bytes below the log start are dead; those that compaction removed are not counted, as positions have
    /// moved.
    pub(crate) fn live_extents(&self) -> Vec<(Extent, u64)> {
        let log_start = self.log_start_position.load(Ordering::Acquire);
        let end = self.interval().end.end_position;
        let extents = self.extents.read();
        let ends = extents.iter().skip(1).map(|next| next.position).chain([end]);
        let live =
            |(extent, end): (&Extent, u64)| (*extent, end.saturating_sub(extent.position.max(log_start)));
        extents.iter().zip(ends).map(live).collect()
    }

    /// The extents in which nothing is at or above `offset`, in order.
    pub(crate) fn extents_below(&self, offset: i64, log_end_offset: i64) -> Vec<Extent> {
        let all = self.extents_with_ends(log_end_offset).into_iter();
        all.take_while(|(_, end)| *end <= offset).map(|(extent, _)| extent).collect()
    }

    /// Every extent with the first offset after it, in order.
    pub(crate) fn extents_with_ends(&self, log_end_offset: i64) -> Vec<(Extent, i64)> {
        let extents = self.extents.read();
        let ends = extents.iter().skip(1).map(|next| next.base_offset).chain([log_end_offset]);
        extents.iter().copied().zip(ends).collect()
    }

    pub(crate) fn last_extent(&self) -> Option<Extent> {
        self.extents.read().last().copied()
    }

    pub(crate) fn has_extent(&self, extent: Extent) -> bool {
        self.extents.read().contains(&extent)
    }

    /// An extent of it lies in the settled family.
    pub(crate) fn has_settled(&self) -> bool {
        self.extents.read().iter().any(|extent| extent.family == BatchFamily::Settled)
    }

    /// Adds an extent after all others; its base offset is the end of the log.
    pub(crate) fn add_extent(&self, extent: Extent) {
        self.extents.write().push(extent);
    }

    /// Puts `extent` in the place of the one with its base offset; false if there is none any more.
    pub(crate) fn replace_extent(&self, extent: Extent) -> bool {
        let mut extents = self.extents.write();
        // Base offsets do not change when batches move to another family.
        let found = extents.iter_mut().find(|other| other.base_offset == extent.base_offset);
        found.map(|other| *other = extent).is_some()
    }

    /// Nothing below `start` is served from now on. `dead` are the extents that lie wholly below it.
    pub(crate) fn start_at(&self, start: LogStart, dead: &[Extent]) {
        if start.offset > self.log_start_offset() {
            // Before its batches are removed: a reader looks at the log start again after it has read.
            self.log_start_offset.store(start.offset, Ordering::Release);
            self.log_start_position.store(start.position, Ordering::Release);
            self.tail.lock().purge(start.offset);
        }
        self.extents.write().retain(|extent| !dead.iter().any(|dead| dead.base_offset == extent.base_offset));
    }

    /// The part of the log that is compacted.
    pub(crate) fn cleaned(&self) -> CleanedRecord {
        *self.cleaned.lock()
    }

    /// After a cleaning: the remaining batches lie in these extents, and the log is smaller.
    pub(crate) fn set_cleaned(&self, cleaned: CleanedRecord, start: LogStart, extents: &[Extent]) {
        *self.cleaned.lock() = cleaned;
        // The tail has these batches as they were before.
        self.tail.lock().purge(cleaned.offset);
        self.log_start_position.store(start.position, Ordering::Release);
        let mut all = self.extents.write();
        let after = all.partition_point(|extent| extent.base_offset <= cleaned.offset);
        // With the one that begins just at the first dirty offset: `extents` has it again.
        all.splice(..after, extents.iter().copied());
    }

    /// Offset and position, each as of now: a move may come between the two.
    pub(crate) fn log_start(&self) -> LogStart {
        let position = self.log_start_position.load(Ordering::Acquire);
        LogStart { offset: self.log_start_offset(), position }
    }

    pub(crate) fn read_from_tail(&self, from: i64, end: i64, limits: ReadLimits) -> Option<Vec<Bytes>> {
        self.tail.lock().read(from, end, limits)
    }

    pub(crate) fn pop_tail(&self) {
        self.tail.lock().pop();
    }

    /// The journal has taken a batch.
    /// Called by the writer in order of offsets. The batch is visible afterwards unless it, or one before it,
    /// awaits a sync.
    pub(crate) fn publish(&self, written: Written) {
        let Written { base_offset, next_offset, bytes, interval, awaits } = written;
        let size = bytes.len() as u64;
        // Before the log end: a reader that sees the new end must find the batch.
        self.tail.lock().push(base_offset, next_offset, bytes);
        let mut progress = self.progress.lock();
        progress.interval = interval;
        if let Some(group) = awaits {
            let bytes_before = progress.appended_bytes;
            progress.pending.push_back(Pending { group, base_offset, bytes_before });
        }
        progress.appended_bytes += size;
        self.log_end_offset.store(next_offset, Ordering::Release);
        self.advance(&mut progress);
    }

    /// All groups up to `group` are on the disk.
    /// Called by the syncer, with rising numbers.
    pub(crate) fn synced(&self, group: u64) {
        let mut progress = self.progress.lock();
        while progress.pending.front().is_some_and(|pending| pending.group <= group) {
            progress.pending.pop_front();
        }
        self.advance(&mut progress);
    }

    /// Raises the high watermark as far as nothing awaits a sync, and wakes watchers. `progress` stays
    /// locked, so that two advances cannot overtake each other.
    fn advance(&self, progress: &mut Progress) {
        let (offset, bytes) = match progress.pending.front() {
            // A later batch of `acks=1` waits too: what is visible has no gaps.
            Some(pending) => (pending.base_offset, pending.bytes_before),
            None => (self.log_end_offset(), progress.appended_bytes),
        };
        let gained = bytes - progress.visible_bytes;
        // Watchers are woken after the watermark has moved, else they would look and find nothing.
        if gained > 0 {
            progress.visible_bytes = bytes;
            self.high_watermark.store(offset, Ordering::SeqCst);
            self.wake(gained);
        }
    }

    /// Refuses all reads and appends from now on, and wakes all watchers. There is no way back.
    pub(crate) fn delete(&self) {
        self.leadership.delete();
        self.wake(u64::MAX);
    }

    /// Nothing is served from now on; watchers are told.
    pub(crate) fn resign(&self) {
        self.leadership.resign();
        self.wake(u64::MAX);
    }

    /// Led here from now on, in `epoch`, whose first offset is the next one to be written. Called while nothing is appended.
    pub(crate) fn take_over(&self, epoch: i32) {
        let mut append = self.append.lock();
        if epoch > self.leader_epoch() {
            let mut epochs = self.epochs.write();
            // Nothing was written in the last one: no client has heard of a record of it, and the disk does not name it.
            if !append.epoch_recorded {
                epochs.pop();
            }
            epochs.push(EpochStart { leader_epoch: epoch, start_offset: append.next_offset() });
            append.epoch_recorded = false;
        }
        // Last, and before the lock is free: the first append writes the epoch and its start.
        self.leadership.take_over(epoch.cast_unsigned());
    }

    /// Calls the watchers, under their lock: [`Partition::unsubscribe`] waits for that.
    fn wake(&self, bytes: u64) {
        // After the store of the watermark: either this sees the watcher, or the watcher saw the new
        // watermark.
        if self.watched.load(Ordering::SeqCst) {
            for watcher in self.watchers.lock().iter() {
                watcher.advanced(bytes);
            }
        }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicU64);

    impl Watcher for Counter {
        fn advanced(&self, bytes: u64) {
            self.0.fetch_add(bytes, Ordering::SeqCst);
        }
    }

    fn partition() -> Partition {
        Partition::new(PartitionNumber(1), Uuid::nil(), 0, 0, Recovered::default())
    }

    fn written(base_offset: i64, awaits: Option<u64>) -> Written {
        let end = IntervalRecord { end_offset: base_offset + 1, end_position: 4, appended_ms: 0 };
        let interval = IndexInterval::new(end, -1);
        Written {
            base_offset,
            next_offset: base_offset + 1,
            bytes: Bytes::from_static(b"0123"),
            interval,
            awaits,
        }
    }

    #[test]
    fn a_record_is_seen_once_its_own_promise_is_kept() {
        let partition = partition();
        partition.publish(written(0, None));
        assert_eq!(partition.high_watermark(), 1, "acks=1 is visible in the log");
        partition.publish(written(1, Some(7)));
        assert_eq!(
            (partition.high_watermark(), partition.log_end_offset()),
            (1, 2),
            "acks=all awaits the sync"
        );
        partition.synced(6);
        assert_eq!(partition.high_watermark(), 1, "an earlier sync does not cover it");
        partition.synced(7);
        assert_eq!(partition.high_watermark(), 2);
    }

    #[test]
    fn records_after_an_unsynced_record_wait_with_it() {
        let partition = partition();
        partition.publish(written(0, Some(1)));
        partition.publish(written(1, None));
        assert_eq!(partition.high_watermark(), 0);
        partition.publish(written(2, Some(2)));
        partition.synced(1);
        assert_eq!(partition.high_watermark(), 2);
    }

    #[test]
    fn watchers_hear_of_visible_bytes_only() {
        let partition = partition();
        let counter = Arc::new(Counter::default());
        let watcher: Arc<dyn Watcher> = Arc::clone(&counter) as _;
        partition.subscribe(&watcher);
        partition.publish(written(0, Some(1)));
        assert_eq!(counter.0.load(Ordering::SeqCst), 0);
        partition.publish(written(1, None));
        partition.synced(1);
        assert_eq!(counter.0.load(Ordering::SeqCst), 8);
        partition.unsubscribe(&watcher);
        partition.publish(written(2, None));
        assert_eq!(counter.0.load(Ordering::SeqCst), 8);
    }

    #[test]
    fn watchers_hear_of_deletion() {
        let partition = partition();
        let counter = Arc::new(Counter::default());
        partition.subscribe(&(Arc::clone(&counter) as _));
        partition.delete();
        assert_eq!(counter.0.load(Ordering::SeqCst), u64::MAX);
    }
}
