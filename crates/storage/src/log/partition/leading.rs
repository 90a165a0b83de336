//! If a partition is served here, and the readers that wait for it: they hear when it grows, and when it is not served any more.

use std::sync::{Arc, atomic::Ordering};

use super::Partition;
use crate::{
    ReadError,
    log::{index::EpochStart, leadership::LeaderState},
};

/// A reader that waits for a partition to grow.
pub trait Watcher: Send + Sync {
    /// `visible` bytes more are below the high watermark, and `stable` bytes more below the last stable offset; one of them may be
    /// 0. Both are `u64::MAX` when the partition was deleted, or is not led here any more. Runs on a storage thread: must not block.
    fn advanced(&self, visible: u64, stable: u64);
}

impl Partition {
    /// The partition is served here.
    ///
    /// # Errors
    /// `Deleted`: it is never read or written again. `NotLeader`: it may be, after a take-over. `Unavailable`: the take-over has begun.
    pub fn ensure_led(&self) -> Result<(), ReadError> {
        match self.leadership.state() {
            LeaderState::Led => Ok(()),
            LeaderState::Resigned => Err(ReadError::NotLeader),
            LeaderState::TakingOver => Err(ReadError::Unavailable),
            LeaderState::Deleted => Err(ReadError::Deleted),
        }
    }

    /// The topic was deleted: the partition is never read or written again.
    pub(crate) fn is_deleted(&self) -> bool {
        self.leadership.state() == LeaderState::Deleted
    }

    /// Calls `watcher` at every advance from now on.
    /// A caller that waits for an offset must look at the watermarks after this: an advance before it is
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

    /// Refuses all reads and appends from now on, and wakes all watchers. There is no way back.
    pub(crate) fn delete(&self) {
        self.leadership.delete();
        self.wake(u64::MAX, u64::MAX);
    }

    /// Nothing is served from now on; watchers are told.
    pub(crate) fn resign(&self) {
        self.leadership.resign();
        self.wake(u64::MAX, u64::MAX);
    }

    /// It will be led here, once a new epoch is durable.
    pub(crate) fn begin_take_over(&self) {
        self.leadership.begin_take_over();
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
    pub(super) fn wake(&self, visible: u64, stable: u64) {
        // After the store of the watermarks: either this sees the watcher, or the watcher saw the new
        // watermarks.
        if self.watched.load(Ordering::SeqCst) {
            for watcher in self.watchers.lock().iter() {
                watcher.advanced(visible, stable);
            }
        }
    }
}
