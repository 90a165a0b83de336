//! The producers of a partition, and the index of the transactions that they aborted.

use std::sync::atomic::Ordering;

use super::{NO_TRANSACTION, Partition};
use crate::{
    ProducerState, ReadLimits,
    log::{
        aborted::{SpanClass, SpanClasses},
        append::AppendState,
        tail::TailRead,
    },
};

/// Producers that are looked at while appends wait.
const AT_ONCE: usize = 500;

impl Partition {
    /// The producers that are remembered, by id. Appends go on meanwhile: the states are not all of one moment.
    pub fn producers(&self) -> Vec<(i64, ProducerState)> {
        let mut producers = Vec::new();
        self.each_producer(|id, state| producers.push((id, state)));
        producers
    }

    /// The epoch of a producer, also of batches whose write is under way; `None`: it is not remembered. An append waits
    /// meanwhile.
    pub fn producer_epoch(&self, producer_id: i64) -> Option<i16> {
        self.append.lock().producer(producer_id).map(|state| state.producer_epoch)
    }

    /// How many are remembered. Takes no lock.
    pub fn producer_count(&self) -> usize {
        self.producer_count.load(Ordering::Relaxed)
    }

    /// The time at which the oldest open transaction began, Unix ms by the broker's clock; after a start, the time of its last append
    /// before it. `None`: none is open. Takes no lock.
    pub fn oldest_transaction_ms(&self) -> Option<i64> {
        Some(self.oldest_transaction_ms.load(Ordering::Relaxed))
            .filter(|began_ms| *began_ms != NO_TRANSACTION)
    }

    /// The writer has changed them.
    pub(crate) fn note_producers(&self, append: &AppendState) {
        // Relaxed: numbers for people to look at.
        self.producer_count.store(append.producer_count(), Ordering::Relaxed);
        let oldest_ms = append.oldest_transaction_ms().unwrap_or(NO_TRANSACTION);
        self.oldest_transaction_ms.store(oldest_ms, Ordering::Relaxed);
    }

    /// Those that last wrote before this time of the folder's clock and have no transaction open.
    pub(crate) fn expired_producers(&self, before_open_ms: u64) -> Vec<i64> {
        let mut expired = Vec::new();
        self.each_producer(|id, state| expired.extend(state.is_expired(before_open_ms).then_some(id)));
        expired
    }

    /// Calls `each` with every producer, by id; appends wait for a few of the calls at a time.
    fn each_producer(&self, mut each: impl FnMut(i64, ProducerState)) {
        let mut last = None;
        loop {
            let (append, before) = (self.append.lock(), last);
            for (id, state) in append.producers_after(before, AT_ONCE) {
                each(id, state);
                last = Some(id);
            }
            if last == before {
                return;
            }
        }
    }

    /// The index of aborted transactions may have entries of it.
    pub(crate) fn has_aborted(&self) -> bool {
        !self.aborted_classes().is_empty()
    }

    /// The classes of which it may have some.
    pub(crate) fn aborted_classes(&self) -> SpanClasses {
        SpanClasses(self.aborted.load(Ordering::Acquire))
    }

    /// The writer adds an entry of the class to that index.
    pub(crate) fn note_aborted(&self, class: SpanClass) {
        self.aborted.fetch_or(SpanClasses::from(class).0, Ordering::Release);
    }

    /// How often entries were removed because their batches were cleaned away. A reader that has batches from before such a removal,
    /// and looks into the index after it, is not told that they were aborted.
    pub(crate) fn aborted_forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Entries are about to be removed; readers find the new extents by now.
    pub(crate) fn forget_aborted(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn read_from_tail(&self, from: i64, end: i64, limits: ReadLimits) -> Option<TailRead> {
        self.tail.lock().read(from, end, limits)
    }
}
