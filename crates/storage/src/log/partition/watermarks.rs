//! Batches that the journal has taken; the high watermark, which moves over each once the promise to its producer is kept; and the
//! last stable offset, which also waits for the end of each transaction. Both move under one lock.

use std::{collections::VecDeque, sync::atomic::Ordering};

use bytes::Bytes;

use super::{Partition, unstable::Unstable};
use crate::log::{index::IndexInterval, transaction::TransactionStep};

/// How far the batches of a partition have come.
#[derive(Debug)]
pub(super) struct Progress {
    /// Batches that are in the log but not visible, because they or one before them await a sync.
    pending: VecDeque<Pending>,
    /// Bytes of the batches published by this process.
    appended_bytes: u64,
    /// Those of them that are below the high watermark.
    visible_bytes: u64,
    /// Those of them that are below the last stable offset.
    stable_bytes: u64,
    unstable: Unstable,
    /// The log end when it was recovered: bytes below it are of earlier processes, and are not counted.
    recovered_end: i64,
    /// The open end of the time index, as readers see it.
    interval: IndexInterval,
}

impl Progress {
    pub(super) fn new(interval: IndexInterval) -> Self {
        Self {
            pending: VecDeque::new(),
            appended_bytes: 0,
            visible_bytes: 0,
            stable_bytes: 0,
            unstable: Unstable::default(),
            recovered_end: 0,
            interval,
        }
    }
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
    /// The transaction that it begins or ends.
    pub(crate) step: TransactionStep,
}

impl Partition {
    /// The open end of the time index, as the log has it now.
    pub(crate) fn set_interval(&self, interval: IndexInterval) {
        self.progress.lock().interval = interval;
    }

    pub(crate) fn interval(&self) -> IndexInterval {
        self.progress.lock().interval
    }

    /// The journal has taken a batch.
    /// Called by the writer in order of offsets. The batch is visible afterwards unless it, or one before it,
    /// awaits a sync.
    pub(crate) fn publish(&self, written: Written) {
        let Written { base_offset, next_offset, bytes, interval, awaits, step } = written;
        let size = bytes.len() as u64;
        {
            // Before the log end: a reader that sees the new end must find the batch. Before the last stable offset: one that sees
            // an aborted batch must be told that it is.
            let mut tail = self.tail.lock();
            tail.push(base_offset, next_offset, bytes);
            if let TransactionStep::Ends { aborted: Some(entry), .. } = step {
                tail.push_aborted(entry);
            }
        }
        let mut progress = self.progress.lock();
        progress.interval = interval;
        let before = progress.appended_bytes;
        match step {
            TransactionStep::None => {}
            TransactionStep::Begins => progress.unstable.begins(base_offset, before),
            TransactionStep::Ends { first_offset, .. } => progress.unstable.ends(base_offset, first_offset),
        }
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

    /// A start found these transactions open, in a log that ends at the high watermark.
    pub(super) fn recover_stable(&self, first_offsets: impl Iterator<Item = i64>) {
        let mut progress = self.progress.lock();
        progress.unstable = Unstable::recovered(first_offsets);
        progress.recovered_end = self.log_end_offset();
        self.advance(&mut progress);
    }

    /// The log is about to start here: the last stable offset is not below.
    pub(super) fn start_stable_at(&self, log_start_offset: i64) {
        let _progress = self.progress.lock();
        self.last_stable_offset.fetch_max(log_start_offset, Ordering::SeqCst);
    }

    /// Raises both watermarks as far as nothing awaits a sync or the end of a transaction, and wakes watchers. `progress` stays
    /// locked, so that two advances cannot overtake each other.
    fn advance(&self, progress: &mut Progress) {
        let visible = match progress.pending.front() {
            // A later batch of `acks=1` waits too: what is visible has no gaps.
            Some(pending) => (pending.base_offset, pending.bytes_before),
            None => (self.log_end_offset(), progress.appended_bytes),
        };
        let (stable_offset, stable_bytes) = progress.unstable.stable(visible);
        let gained = visible.1 - progress.visible_bytes;
        let freed = stable_bytes.saturating_sub(progress.stable_bytes);
        if gained > 0 {
            self.high_watermark.store(visible.0, Ordering::SeqCst);
        }
        // After it, as it is never above. A log start may have passed a transaction that is open.
        let before = self.last_stable_offset.fetch_max(stable_offset, Ordering::SeqCst);
        // How many of the bytes that a start found are stable now is not known: enough for every reader.
        let frees_recovered = before < progress.recovered_end && stable_offset > before;
        // Watchers are woken after the watermarks have moved, else they would look and find nothing.
        if gained > 0 || freed > 0 || frees_recovered {
            progress.visible_bytes = visible.1;
            progress.stable_bytes += freed;
            self.wake(gained, if frees_recovered { u64::MAX } else { freed });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU64};

    use uuid::Uuid;

    use super::*;
    use crate::{
        PartitionNumber, Watcher,
        log::{index::IntervalRecord, partition::Recovered, read::found},
    };

    /// Visible and stable bytes.
    #[derive(Default)]
    struct Counter(AtomicU64, AtomicU64);

    impl Watcher for Counter {
        fn advanced(&self, visible: u64, stable: u64) {
            self.0.fetch_add(visible, Ordering::SeqCst);
            self.1.fetch_add(stable, Ordering::SeqCst);
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
            step: TransactionStep::None,
        }
    }

    fn marker(base_offset: i64, first_offset: i64, awaits: Option<u64>) -> Written {
        Written {
            step: TransactionStep::Ends { first_offset, aborted: None },
            ..written(base_offset, awaits)
        }
    }

    fn opening(base_offset: i64, awaits: Option<u64>) -> Written {
        Written { step: TransactionStep::Begins, ..written(base_offset, awaits) }
    }

    #[test]
    fn the_last_stable_offset_waits_for_the_sync_of_the_marker() {
        let partition = partition();
        let counter = Arc::new(Counter::default());
        partition.subscribe(&(Arc::clone(&counter) as _));
        let stable_bytes = || counter.1.load(Ordering::SeqCst);
        partition.publish(written(0, None));
        partition.publish(opening(1, None));
        partition.publish(written(2, None));
        assert_eq!((partition.last_stable_offset(), partition.high_watermark()), (1, 3));
        assert_eq!(stable_bytes(), 4, "bytes of an open transaction wake no reader of committed records");
        partition.publish(marker(3, 1, Some(7)));
        assert_eq!(partition.last_stable_offset(), 1, "a power cut may take the marker back");
        partition.synced(7);
        assert_eq!((partition.last_stable_offset(), partition.high_watermark()), (4, 4));
        assert_eq!(stable_bytes(), 16, "all that the marker has freed, not the marker alone");
    }

    /// A consumer saw a last stable offset above the high watermark: the one rose between two looks.
    #[test]
    fn no_watermark_of_an_answer_is_above_the_next_while_all_of_them_rise() {
        let partition = partition();
        std::thread::scope(|scope| {
            let appends =
                scope.spawn(|| (0..20_000).for_each(|offset| partition.publish(written(offset, None))));
            while !appends.is_finished() {
                let read = found(&partition, Vec::new(), Vec::new());
                let seen = (read.log_start_offset, read.last_stable_offset, read.high_watermark);
                assert!(seen.0 <= seen.1 && seen.1 <= seen.2, "{seen:?}");
            }
        });
    }

    #[test]
    fn the_end_of_a_recovered_transaction_wakes_readers_though_no_byte_is_counted() {
        let partition = partition();
        partition.log_end_offset.store(9, Ordering::SeqCst);
        partition.high_watermark.store(9, Ordering::SeqCst);
        partition.recover_stable([3, 7].into_iter());
        let counter = Arc::new(Counter::default());
        partition.subscribe(&(Arc::clone(&counter) as _));
        let stable_bytes = || counter.1.swap(0, Ordering::SeqCst);
        partition.publish(marker(9, 3, Some(1)));
        assert_eq!((partition.last_stable_offset(), stable_bytes()), (3, 0));
        partition.synced(1);
        assert_eq!((partition.last_stable_offset(), stable_bytes()), (7, u64::MAX));
        partition.publish(marker(10, 7, None));
        assert_eq!((partition.last_stable_offset(), stable_bytes()), (11, u64::MAX));
        partition.publish(written(11, None));
        assert_eq!(stable_bytes(), 4, "from here on they are counted");
    }

    #[test]
    fn the_last_stable_offset_is_never_below_the_log_start() {
        let partition = partition();
        (0..4).for_each(|offset| partition.publish(opening(offset, None)));
        let start = crate::log::LogStart { offset: 2, position: 0 };
        partition.start_at(start, &[]);
        assert_eq!(partition.last_stable_offset(), 2);
        partition.publish(marker(4, 0, None));
        assert_eq!(partition.last_stable_offset(), 2);
        (1..4).for_each(|offset| partition.publish(marker(4 + offset, offset, None)));
        assert_eq!(partition.last_stable_offset(), 8);
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
