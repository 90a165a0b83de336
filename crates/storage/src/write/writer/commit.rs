//! A group's write, and its effects in their order: log ends, the syncer, answers.

use std::sync::Arc;

use super::Writer;
use crate::{
    FlushPolicy, Partition, StorageError, clock,
    engine::{Engine, NodeKey, keys},
    log::{TransactionStep, Written},
    metrics::Purpose,
    write::{
        group::WriteGroup,
        maintenance::{self, MaintenanceTask},
        shared::Shared,
        sync::SyncGroup,
        writer::SYNC_BYTES,
    },
};

impl Writer {
    /// Writes the group and makes it known.
    ///
    /// In this order: the clock, states of producers, generations that are given up, the write, log ends, the syncer,
    /// answers. An error is final: every caller of the group gets it.
    pub(super) fn commit(&mut self, engine: &Engine, mut group: WriteGroup<'_>) -> Result<(), StorageError> {
        if group.has_coordinator_records {
            // The deadlines of transactions are counted by this clock: it does not go back behind what a record says.
            group.put_state(keys::node(NodeKey::OpenFor), group.open_ms.to_be_bytes());
            group.count_bytes(Purpose::Coordinator);
            if self.shared.time_keeping.is_held() {
                self.keep_time();
            }
        }
        // Once for each producer, however many of its batches are in the group.
        for ((number, producer_id), partition) in std::mem::take(&mut group.producers) {
            if let Some(state) = partition.append.lock().producer(producer_id) {
                group.put_state(keys::producer(number, producer_id), state.encode());
            }
        }
        group.count_bytes(Purpose::Produce);
        self.give_up_empty_generations(&mut group);
        group.count_bytes(Purpose::Maintenance);
        if group.catalog_changed {
            let (published, catalog) =
                (Arc::clone(&self.shared.catalog), Arc::new(self.catalog.catalog.clone()));
            let publish =
                move |durable: Result<(), StorageError>| durable.map_or((), |()| published.store(catalog));
            // First of all: a caller that is told of its topic must find it in the catalog.
            match self.shared.options.flush_policy {
                FlushPolicy::Sync => group.after_sync.insert(0, Box::new(publish)),
                FlushPolicy::Os => group.after_write.insert(0, Box::new(publish)),
            }
        }
        let WriteGroup { batch, bodies, written, intervals, records, bytes, after_write, after_sync, .. } =
            group;
        let (wrote, started) = (!batch.is_empty(), clock::now());
        if wrote && let Err(error) = engine.write(batch, &bodies) {
            // Before the callers are told: one that goes on finds that nothing can be written any more.
            self.shared.failure.set(&error);
            // No log end has moved, so no reader has seen a batch of it.
            for after in after_write.into_iter().chain(after_sync) {
                after(Err(error.clone()));
            }
            return Err(error);
        }
        if wrote {
            self.shared.counters.group_written(records, &bytes, clock::since(started));
        }
        // Log ends move before the syncer hears of the group: it raises the high watermarks up to them.
        let partitions = self.publish(written);
        // Only now: a look-up that sees the new open interval must find the completed one in the index.
        for partition in intervals {
            let interval = partition.append.lock().interval;
            partition.set_interval(interval);
        }
        // A group that no caller waits for is synced when the flush interval ends.
        if !partitions.is_empty() || !after_sync.is_empty() {
            self.syncs.push(SyncGroup { number: self.group, partitions, after: after_sync });
        } else if wrote {
            self.syncs.mark_dirty(engine.journal.unsynced_bytes() >= SYNC_BYTES);
        }
        for after in after_write {
            after(Ok(()));
        }
        Ok(())
    }

    /// Moves log ends; returns the partitions with batches that await the group's sync.
    /// Batches that await none are visible after this, unless an earlier one of their partition does.
    fn publish(&mut self, written: Vec<(Arc<Partition>, Written)>) -> Vec<Arc<Partition>> {
        let mut awaiting: Vec<Arc<Partition>> = Vec::new();
        for (partition, written) in written {
            // Batches of a partition mostly follow each other, so that this finds most repetitions; others do no harm.
            if written.awaits.is_some() && !awaiting.last().is_some_and(|last| Arc::ptr_eq(last, &partition))
            {
                awaiting.push(Arc::clone(&partition));
            }
            let bytes = written.bytes.len();
            let begins = written.step == TransactionStep::Begins;
            partition.publish(written);
            // After it: a look of the maintenance in between would find no open transaction, and end the keeping of the time.
            if begins {
                self.keep_time();
            }
            // After the batch joined the tail: the budget may evict it at once, if it is larger than the
            // budget.
            self.tail.added(&partition, bytes);
        }
        self.shared.counters.set_tail_bytes(self.tail.held());
        awaiting
    }

    /// A transaction is open: its timeout is counted by the folder's clock, which is stored from now on while one is open.
    pub(super) fn keep_time(&self) {
        let Shared { time_keeping, engine, .. } = &self.shared;
        if !time_keeping.set(true) && !maintenance::ask(&self.tasks, engine, MaintenanceTask::KeepTime) {
            // The next one asks again.
            time_keeping.set(false);
        }
    }

    /// Generations in which nothing lives go first from the state, then, once that is on the disk, as families.
    fn give_up_empty_generations(&mut self, group: &mut WriteGroup<'_>) {
        self.generations.appended(group.length());
        // Those that were added first: a cleaning replaces an extent by the rest of it, in the same
        // generation.
        for (partition, extent) in &group.extents_added {
            self.generations.extent_added(*partition, *extent);
        }
        for number in self.generations.extents_removed(&group.extents_removed) {
            group.delete_state(keys::generation(number));
            let (tasks, shared) = (self.tasks.clone(), self.shared.clone());
            let drop_it = move |durable: Result<(), StorageError>| {
                // Left undone, the next start does it.
                if durable.is_ok() && !maintenance::ask(&tasks, &shared.engine, MaintenanceTask::Drop(number))
                {
                    shared.drops.lock().push(number);
                }
            };
            group.after_sync.push(Box::new(drop_it));
        }
        if let Some(created_ms) = self.generations.oldest_created_ms() {
            self.shared.counters.set_oldest_generation(created_ms);
        }
    }
}
