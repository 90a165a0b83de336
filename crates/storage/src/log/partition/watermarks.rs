//! Batches that the journal has taken, and the high watermark, which moves over each once the promise to its producer is kept.

use std::{collections::VecDeque, sync::atomic::Ordering};

use bytes::Bytes;

use super::Partition;
use crate::log::index::IndexInterval;

/// How far the batches of a partition have come.
#[derive(Debug)]
pub(super) struct Progress {
    /// Batches that are in the log but not visible, because they or one before them await a sync.
    pending: VecDeque<Pending>,
    /// Bytes of the batches published by this process.
    appended_bytes: u64,
    /// Those of them that are below the high watermark.
    visible_bytes: u64,
    /// The open end of the time index, as readers see it.
    interval: IndexInterval,
}

impl Progress {
    pub(super) fn new(interval: IndexInterval) -> Self {
        Self { pending: VecDeque::new(), appended_bytes: 0, visible_bytes: 0, interval }
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
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU64};

    use uuid::Uuid;

    use super::*;
    use crate::{
        PartitionNumber, Watcher,
        log::{index::IntervalRecord, partition::Recovered},
    };

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
