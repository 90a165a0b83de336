//! The syncing thread: one fdatasync covers everything written since the last one, while the writer goes on.
//!
//! After it, in the order of the write groups: high watermarks rise, then callers that asked for durability are answered.
//!
//! It holds no lock during the sync: groups that are written meanwhile wait for the next one.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

use crate::{Done, Partition, clock, engine::Fence, write::shared::Shared};

/// Work to do once a write group is on the disk.
pub(crate) struct SyncGroup {
    /// The writer's number of the group; it rises from group to group.
    pub(crate) number: u64,
    /// Partitions with batches that are invisible until then.
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// Called after the sync, in this order, with its error if it failed.
    pub(crate) after: Vec<Done<()>>,
}

#[derive(Default)]
struct Queue {
    /// In the order in which they were written.
    groups: Vec<SyncGroup>,
    /// Something was written since the last sync.
    dirty: bool,
    /// So much of it that the next sync must not wait.
    urgent: bool,
    /// No group comes after those that are queued.
    closing: bool,
}

/// Hands write groups from the writer to the syncer. Its length is bounded by the requests in flight.
#[derive(Default)]
pub(crate) struct SyncQueue {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl SyncQueue {
    /// A group that no caller waits for was written. If `urgent`, it is synced at once.
    pub(crate) fn mark_dirty(&self, urgent: bool) {
        let mut queue = self.queue.lock();
        // The writer calls this for every group: the syncer is woken only by a change.
        if !queue.dirty || (urgent && !queue.urgent) {
            queue.dirty = true;
            queue.urgent |= urgent;
            self.changed.notify_one();
        }
    }

    /// Hands over a group that was written; the syncer begins at once, or after the sync under way.
    pub(crate) fn push(&self, group: SyncGroup) {
        let mut queue = self.queue.lock();
        queue.dirty = true;
        queue.groups.push(group);
        self.changed.notify_one();
    }

    /// Everything pushed so far is synced, then the syncer ends.
    pub(crate) fn close(&self) {
        self.queue.lock().closing = true;
        self.changed.notify_one();
    }

    /// Waits for groups, or for the interval to pass if data was written that no caller waits for. `None`: closed and empty.
    fn next(&self, interval: Duration) -> Option<Vec<SyncGroup>> {
        let mut queue = self.queue.lock();
        loop {
            if !queue.groups.is_empty() || queue.urgent {
                break;
            }
            if queue.closing {
                return None;
            }
            if !queue.dirty {
                self.changed.wait(&mut queue);
            } else if self.changed.wait_for(&mut queue, interval).timed_out() {
                break;
            }
        }
        // Before the sync: what is written during it makes the queue dirty again, as the sync may not cover
        // it.
        (queue.dirty, queue.urgent) = (false, false);
        Some(std::mem::take(&mut queue.groups))
    }
}

/// Runs on its own thread until the queue is closed.
///
/// After a failure it syncs nothing more, but still takes groups and answers their callers with the error, so
/// that none waits for ever.
pub(crate) fn run(shared: &Shared, queue: &SyncQueue, mut fence: Fence) {
    let Shared { engine, resumable, failure, counters, options, .. } = shared;
    while let Some(groups) = queue.next(options.flush_interval) {
        // They keep memtables in memory.
        resumable.expire();
        let synced = match failure.get() {
            // No later sync proves that the bytes of a failed one are on the disk (see `Journal::sync`).
            Some(error) => Err(error),
            None => {
                let started = clock::now();
                let synced = engine.sync().inspect_err(|error| failure.set(error));
                counters.syncs.observe(clock::since(started));
                synced
            }
        };
        if let (Ok(_), Some(last)) = (&synced, groups.last().map(|group| group.number)) {
            for partition in groups.iter().flat_map(|group| &group.partitions) {
                partition.synced(last);
            }
        }
        // After the high watermarks: a producer that was answered finds its records visible.
        for after in groups.into_iter().flat_map(|group| group.after) {
            after(synced.clone().map(|_| ()));
        }
        // Last: writing the fence is a sync of its own, for which no caller should wait.
        if let Ok(position) = synced
            && let Err(error) = fence.advance(position, &engine.faults)
        {
            failure.set(&error);
        }
    }
}
