//! Waiting for records without polling.
//!
//! An [`Arrivals`] is the one listener of a fetch or of a fetch session: every partition it watches reports into it, and
//! it remembers which have changed. Guarantees that no wake-up is lost: the waiting side first says so ([`Arrivals::expect`]),
//! then looks at the logs, then waits; an append in between ends the wait. An append that leaves too few bytes wakes
//! no fetch. What to read, and when a fetch has enough, is decided in `fetch.rs`; here nothing touches a log.
//!
//! Kafka has a purgatory for this (`DelayedFetch`), which looks at every waiting fetch of a partition on each append.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;
use storage::{Isolation, Partition, Watcher};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::set::SlotId;

/// More than any fetch waits for, and far from overflow: no one is waiting, or a partition was deleted.
const UNREACHED_BYTES: i64 = 1 << 50;

/// The arrivals that a fetch waits for.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    woken: Notify,
    /// Bytes still missing for the fetch that waits; only its sign matters once it is reached.
    missing_bytes: AtomicI64,
    /// Partitions that changed since they were last looked at, each once.
    changed: Mutex<Vec<SlotId>>,
}

impl Arrivals {
    /// Announces a wait for `bytes` and starts listening. Only then may the caller look at the logs.
    pub(crate) fn expect(&self, bytes: usize) -> Notified<'_> {
        // Before the count is set: an arrival that reaches the count would else find no listener. A
        // `Notified` hears `notify_waiters` from its creation on, without a poll.
        let listening = self.woken.notified();
        // SeqCst, as the high watermark: of an append and a look at the same time, one sees the other.
        self.missing_bytes.store(clamp(bytes as u64), Ordering::SeqCst);
        listening
    }

    /// Takes `bytes`, found by looking at the logs, off what is missing. False if that is enough, together with what
    /// arrived meanwhile: then it is time to look again rather than to wait.
    pub(crate) fn still_missing(&self, bytes: usize) -> bool {
        let bytes = clamp(bytes as u64);
        self.missing_bytes.fetch_sub(bytes, Ordering::SeqCst) > bytes
    }

    /// No fetch waits any more: arrivals are remembered but wake no one.
    pub(crate) fn relax(&self) {
        self.missing_bytes.store(UNREACHED_BYTES, Ordering::SeqCst);
    }

    /// The partitions that changed. The caller must clear the mark of each ([`Subscription::clear`]) before
    /// looking at it.
    pub(crate) fn take_changed(&self) -> Vec<SlotId> {
        std::mem::take(&mut *self.changed.lock())
    }

    fn arrived(&self, bytes: u64) {
        let bytes = clamp(bytes);
        let missing = self.missing_bytes.fetch_sub(bytes, Ordering::SeqCst);
        // Only the arrival that reaches the bound wakes the fetch, not those after it.
        if missing > 0 && missing <= bytes {
            self.woken.notify_waiters();
        } else if missing < -UNREACHED_BYTES {
            // An idle session's counter must not wrap round after petabytes.
            self.missing_bytes.store(0, Ordering::SeqCst);
        }
    }
}

fn clamp(bytes: u64) -> i64 {
    i64::try_from(bytes).map_or(UNREACHED_BYTES, |bytes| bytes.min(UNREACHED_BYTES))
}

/// The watch over one partition.
struct PartitionWatch {
    arrivals: Arc<Arrivals>,
    slot: SlotId,
    /// The slot is in `changed`, so that it is there once however much is appended.
    marked: AtomicBool,
    /// Only bytes below the last stable offset count.
    committed: AtomicBool,
}

impl Watcher for PartitionWatch {
    fn advanced(&self, visible: u64, stable: u64) {
        // Before the bytes are counted: the look that they bring about has to find the partition in the list. Also where none
        // count: the next answer of a session tells of the high watermark.
        if !self.marked.swap(true, Ordering::SeqCst) {
            self.arrivals.changed.lock().push(self.slot);
        }
        let bytes = if self.committed.load(Ordering::SeqCst) { stable } else { visible };
        if bytes > 0 {
            self.arrivals.arrived(bytes);
        }
    }
}

/// Keeps an [`Arrivals`] informed of a partition until it is dropped.
pub(crate) struct Subscription {
    partition: Arc<Partition>,
    watch: Arc<PartitionWatch>,
    watcher: Arc<dyn Watcher>,
}

impl Subscription {
    /// Reports every advance of `partition` to `arrivals`, as a change of `slot`.
    pub(crate) fn new(partition: &Arc<Partition>, arrivals: &Arc<Arrivals>, slot: SlotId) -> Self {
        // It keeps the arrivals alive, not the session: else the partition would hold closed sessions.
        let watch = Arc::new(PartitionWatch {
            arrivals: Arc::clone(arrivals),
            slot,
            marked: AtomicBool::new(false),
            committed: AtomicBool::new(false),
        });
        let watcher: Arc<dyn Watcher> = Arc::clone(&watch) as Arc<dyn Watcher>;
        partition.subscribe(&watcher);
        Self { partition: Arc::clone(partition), watch, watcher }
    }

    /// Counts the bytes that readers of this isolation see. Each fetch of a session may have another; it says so before it looks.
    pub(crate) fn count_for(&self, isolation: Isolation) {
        let committed = isolation == Isolation::ReadCommitted;
        if self.watch.committed.load(Ordering::SeqCst) != committed {
            self.watch.committed.store(committed, Ordering::SeqCst);
        }
    }

    /// From now on the next advance is a change again.
    pub(crate) fn clear(&self) {
        self.watch.marked.store(false, Ordering::SeqCst);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.partition.unsubscribe(&self.watcher);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("slot", &self.watch.slot).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fetch::set::tests::slot_ids;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn watch(arrivals: &Arc<Arrivals>, slot: SlotId) -> PartitionWatch {
        let (marked, committed) = (AtomicBool::new(false), AtomicBool::new(false));
        PartitionWatch { arrivals: Arc::clone(arrivals), slot, marked, committed }
    }

    fn is_woken(listening: std::pin::Pin<&mut Notified<'_>>) -> bool {
        listening.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn woken_once_enough_has_arrived() {
        let arrivals = Arc::new(Arrivals::default());
        let partition = watch(&arrivals, slot_ids()[0]);
        let mut listening = pin!(arrivals.expect(100));
        assert!(arrivals.still_missing(0));
        partition.advanced(99, 0);
        assert!(!is_woken(listening.as_mut()));
        partition.advanced(1, 0);
        assert!(is_woken(listening.as_mut()));
    }

    #[test]
    fn what_was_there_already_counts() {
        let arrivals = Arc::new(Arrivals::default());
        let partition = watch(&arrivals, slot_ids()[0]);
        let mut listening = pin!(arrivals.expect(100));
        assert!(arrivals.still_missing(60));
        partition.advanced(40, 0);
        assert!(is_woken(listening.as_mut()));
    }

    #[test]
    fn an_append_between_looking_and_waiting_is_not_lost() {
        let arrivals = Arc::new(Arrivals::default());
        let partition = watch(&arrivals, slot_ids()[0]);
        // Enough at once: the listener, though not yet polled, is woken.
        let mut listening = pin!(arrivals.expect(1));
        partition.advanced(10, 0);
        assert!(!arrivals.still_missing(0));
        assert!(is_woken(listening.as_mut()));
        // Enough only with what was found: the caller is told to look again.
        let _listening = arrivals.expect(100);
        partition.advanced(50, 0);
        assert!(!arrivals.still_missing(50));
    }

    #[test]
    fn all_who_wait_are_woken() {
        let arrivals = Arc::new(Arrivals::default());
        let partition = watch(&arrivals, slot_ids()[0]);
        let mut first = pin!(arrivals.expect(10));
        let mut second = pin!(arrivals.expect(10));
        partition.advanced(10, 0);
        assert!(is_woken(first.as_mut()) && is_woken(second.as_mut()));
    }

    #[test]
    fn a_deleted_partition_ends_any_wait() {
        let arrivals = Arc::new(Arrivals::default());
        let partition = watch(&arrivals, slot_ids()[0]);
        let mut listening = pin!(arrivals.expect(usize::MAX));
        assert!(arrivals.still_missing(0));
        partition.advanced(u64::MAX, u64::MAX);
        assert!(is_woken(listening.as_mut()));
    }

    #[test]
    fn an_idle_session_remembers_changes_once_each() {
        let arrivals = Arc::new(Arrivals::default());
        arrivals.relax();
        let ids = slot_ids();
        let (first, second) = (watch(&arrivals, ids[0]), watch(&arrivals, ids[1]));
        for _ in 0..1000 {
            first.advanced(u64::MAX, u64::MAX);
            second.advanced(1, 0);
        }
        assert_eq!(arrivals.take_changed(), [ids[0], ids[1]]);
        assert!(arrivals.take_changed().is_empty());
        first.advanced(1, 0);
        assert!(arrivals.take_changed().is_empty(), "not looked at yet");
        first.marked.store(false, Ordering::SeqCst);
        first.advanced(1, 0);
        assert_eq!(arrivals.take_changed(), [ids[0]]);
    }

    #[test]
    fn a_reader_of_committed_records_is_woken_by_stable_bytes() {
        let arrivals = Arc::new(Arrivals::default());
        let partition = watch(&arrivals, slot_ids()[0]);
        partition.committed.store(true, Ordering::SeqCst);
        let mut listening = pin!(arrivals.expect(100));
        assert!(arrivals.still_missing(0));
        // An open transaction grows.
        (0..1000).for_each(|_| partition.advanced(1000, 0));
        assert!(!is_woken(listening.as_mut()));
        assert_eq!(arrivals.take_changed().len(), 1, "its high watermark is news all the same");
        // A marker of 78 bytes frees it.
        partition.advanced(78, 1_000_078);
        assert!(is_woken(listening.as_mut()));
    }
}
