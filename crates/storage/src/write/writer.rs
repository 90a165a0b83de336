//! The writer: one place through which every change goes, in the order it was asked for. It has a thread of its own; a small
//! append that finds it free is written by the caller's thread (ADR 4).
//!
//! It drains its queue, gives offsets, checks sequences, builds one write group over all partitions and records, writes it to the journal,
//! publishes the new log ends, and leaves the syncing to the syncer. So the cost of a write is shared by all commands that were
//! queued meanwhile, and a slow sync only holds up callers that asked for it.

use std::{
    convert::Infallible,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use crate::{
    Acks, AppendResult, Catalog, CoordinatorRecord, Done, FlushPolicy, Partition, StorageError,
    StorageOptions, clock,
    engine::{Due, Engine, FoundGenerations, GenerationRecord, NodeKey, keys},
    log::{OwnedRequest, TailBudget, Written, leader_epoch},
    metrics::Purpose,
    write::{
        append,
        catalog::{CatalogChange, CatalogWriter},
        command::{Answer, WriteCommand, refuse},
        generations::Generations,
        group::WriteGroup,
        maintenance::{self, MaintenanceTask},
        queue::CommandQueue,
        shared::Shared,
        sync::{SyncGroup, SyncQueue},
    },
};

/// Bytes of batches after which a group is written even if more is queued: they should still be in the core's cache.
const GROUP_BYTES: usize = 448 << 10;
/// Unsynced bytes after which a sync begins although no caller waits for it: many small syncs hold up writes less than the kernel
/// does when it has to write back a lot at once.
const SYNC_BYTES: u64 = 8 << 20;
/// Unsynced bytes with which a flush may begin, as the writer must wait for their sync.
const FLUSH_UNSYNCED_BYTES: u64 = 2 * SYNC_BYTES;
/// Commands after which a group is written.
const GROUP_COMMANDS: usize = 1024;
/// A caller writes only if nothing was written for this time: commands that arrive faster share a group, which costs less.
const QUIET: Duration = Duration::from_micros(100);
/// How often an idle writer looks at its generation's age.
const IDLE: Duration = Duration::from_secs(60);
/// Producer ids taken from the disk at a time; what is left of a block is lost at a stop.
const PRODUCER_ID_BLOCK: i64 = 1000;

/// The log as a start found it.
pub(crate) struct FoundLog {
    pub(crate) catalog: Catalog,
    /// Number that the next partition gets: greater than every one that a record mentions.
    pub(crate) next_partition: u64,
    /// Raised by unclean starts and take-overs; new topics take it as their created epoch.
    pub(crate) node_epoch: u32,
    pub(crate) generations: FoundGenerations,
    /// The first id that no earlier process reserved.
    pub(crate) next_producer_id: i64,
}

/// Writes all groups.
pub(crate) struct Writer {
    shared: Shared,
    /// To the syncer, in the order of the groups.
    syncs: Arc<SyncQueue>,
    /// To the maintenance thread; never waited for.
    tasks: Sender<MaintenanceTask>,
    catalog: CatalogWriter,
    generations: Generations,
    /// The id that is given next; the end of the block: another block is reserved first.
    next_producer_id: i64,
    /// The first id after the reserved block, as the state has it.
    producer_ids_end: i64,
    tail: TailBudget,
    /// Its end tells the cleaner that the writer has ended.
    _alive: Sender<Infallible>,
    /// Number of the last group, from 1 in each process. The numbers in the journal are others: they go on.
    group: u64,
    /// When the last group was written.
    last_write: Instant,
}

/// The writer: the thread that holds the lock writes. `None` after the storage is closed.
pub(crate) type SharedWriter = Mutex<Option<Writer>>;

/// The loop of the writer. Holds the lock of `shared` while it writes, and releases it between two groups
/// unless a command was taken that must begin the next one.
/// Runs on the writer's own thread; ends on [`WriteCommand::Close`].
pub(crate) fn run(shared: &SharedWriter, commands: &CommandQueue) {
    loop {
        // The command stays in the queue until the lock is held: a caller that writes itself must not overtake it.
        let idle = !commands.wait(IDLE);
        // A caller that writes here holds it for one small group, or for as long as RocksDB holds up that
        // group.
        let mut owned = shared.lock();
        // The storage is closed.
        let Some(writer) = owned.as_mut() else { return };
        if idle {
            writer.ask_for_successor();
        }
        // A roll changes the family that a group writes to: a command that was taken and is not part of a group begins the
        // next one.
        let mut next = commands.take();
        while let Some(command) = next {
            let closing = matches!(command, WriteCommand::Close(_));
            next = writer.write(command, Some(commands));
            if closing {
                // The syncer still answers the groups that were pushed; then the writer goes, and with it the channels of the
                // other threads; commands that arrive now are refused.
                writer.syncs.close();
                *owned = None;
                drop(owned);
                return commands.close();
            }
        }
    }
}

/// Writes on the caller's thread, which saves two switches between threads, if the writer is free, its queue is empty, and
/// commands are few. Otherwise returns the command.
///
/// Never waits for the lock, but the write itself may wait for a flush (ADR 4). On a closed storage the
/// command is refused here.
pub(crate) fn write_here(
    shared: &SharedWriter,
    commands: &CommandQueue,
    command: WriteCommand,
) -> Result<(), WriteCommand> {
    let Some(mut owned) = shared.try_lock() else { return Err(command) };
    let Some(writer) = owned.as_mut() else {
        refuse(command);
        return Ok(());
    };
    // With the lock held: a command leaves the queue only under it, so none that came first is overtaken.
    if !commands.is_empty() || clock::since(writer.last_write) < QUIET {
        return Err(command);
    }
    // A panic must not end the caller's thread alone: the writer's state is unknown after it.
    let failure = Arc::clone(&writer.shared.failure);
    if panic::catch_unwind(AssertUnwindSafe(|| writer.write(command, None))).is_err() {
        failure.set(&StorageError::Panicked { thread: "storage-writer" });
    }
    Ok(())
}

impl Writer {
    /// `alive` is dropped when the writer ends.
    pub(crate) fn new(
        shared: Shared,
        found: FoundLog,
        syncs: Arc<SyncQueue>,
        tasks: Sender<MaintenanceTask>,
        alive: Sender<Infallible>,
    ) -> Self {
        let FoundLog { catalog, next_partition, node_epoch, generations, next_producer_id } = found;
        Self {
            tail: TailBudget::new(shared.options.tail_bytes),
            shared,
            syncs,
            tasks,
            catalog: CatalogWriter { catalog, next_partition, node_epoch, led: true },
            generations: Generations::new(generations),
            next_producer_id,
            producer_ids_end: next_producer_id,
            _alive: alive,
            group: 0,
            last_write: clock::now(),
        }
    }

    /// Writes `first` and what else is in the queue; returns a command that must start a group of its own.
    fn write(&mut self, first: WriteCommand, others: Option<&CommandQueue>) -> Option<WriteCommand> {
        // Final: what is on the disk after a failed write or sync is unknown.
        if self.shared.failure.get().is_some() {
            refuse(first);
            return None;
        }
        let closing = matches!(first, WriteCommand::Close(_));
        let put_back = self.write_group(first, others).unwrap_or_else(|error| {
            self.shared.failure.set(&error);
            None
        });
        self.last_write = clock::now();
        // The group with the clean mark is the last; `Storage::close` flushes once the threads have ended.
        if !closing {
            self.ask_for_successor();
            self.flush_if_due().unwrap_or_else(|error| self.shared.failure.set(&error));
        }
        put_back
    }

    /// Begins a flush between two groups. It is awaited on another thread.
    ///
    /// Between two groups everything that RocksDB has in memory is in the journal as well, so that one sync
    /// makes a flush safe (ADR 10).
    ///
    /// # Errors
    /// The sync before the flush failed, or RocksDB could not begin it. Both are final.
    fn flush_if_due(&self) -> Result<(), StorageError> {
        let Some(due) = self.shared.engine.flush_is_due()?.filter(|_| self.shared.failure.get().is_none())
        else {
            return Ok(());
        };
        if due == Due::Soon && self.shared.engine.journal.unsynced_bytes() > FLUSH_UNSYNCED_BYTES {
            // The syncer is at it: another group's turn is better.
            self.syncs.mark_dirty(true);
        } else {
            self.shared.engine.begin_flush()?;
            if !maintenance::ask(&self.tasks, &self.shared.engine, MaintenanceTask::FinishFlush) {
                // Too many tasks wait: the writer waits for the flush itself, which is rare.
                self.shared.engine.finish_flush()?;
            }
        }
        Ok(())
    }

    /// Builds a group of `first` and what follows it in the queue, at most [`GROUP_COMMANDS`] or about
    /// [`GROUP_BYTES`], and commits it. Returns a command that was taken and must begin the next group.
    ///
    /// # Errors
    /// Nothing was written: a family is missing, or the journal cannot go on in a new file. A failed commit
    /// is no error here: it is set as the storage's failure.
    fn write_group(
        &mut self,
        first: WriteCommand,
        others: Option<&CommandQueue>,
    ) -> Result<Option<WriteCommand>, StorageError> {
        let take = || others.and_then(CommandQueue::take);
        let engine = Arc::clone(&self.shared.engine);
        // Read once: all batches of a group have the same log append time.
        let now_ms = (self.shared.options.clock)();
        // Before the group takes its family: the record that names the generation and the first batches in it are one group.
        if let WriteCommand::GenerationReady(number) = first {
            tracing::debug!(generation = number.0, "appends go to a new generation");
            self.shared.engine.journal.roll(number)?;
            self.generations.roll(number, now_ms);
            // The cleaner settles generations below this number only: they get no more batches.
            self.shared.current.store(number.0, Ordering::Release);
        }
        let open_ms = self.shared.open_clock.now_ms();
        let inline_bytes = self.shared.options.inline_bytes;
        let current = self.generations.current();
        let mut group = match WriteGroup::new(&engine, current, now_ms, open_ms, inline_bytes) {
            Ok(group) => group,
            Err(error) => {
                refuse(first);
                return Err(error);
            }
        };
        // Before commands are applied: batches that await a sync remember this number.
        self.group += 1;
        let mut next = Some(first);
        for _ in 0..GROUP_COMMANDS {
            let Some(command) = next.take() else { break };
            let (is_last, purpose) = (command.ends_its_group(), command.purpose());
            self.apply(&mut group, command);
            group.count_bytes(purpose);
            if is_last || group.appended_bytes >= GROUP_BYTES {
                break;
            }
            // Both begin a group: the first changes the family, the second must come after all others.
            next = take();
            if matches!(next, Some(WriteCommand::GenerationReady(_) | WriteCommand::Close(_))) {
                break;
            }
        }
        // A command that was taken and is not part of this group begins the next one, also after a failure: it must be
        // answered.
        self.commit(&engine, group).unwrap_or_else(|error| self.shared.failure.set(&error));
        Ok(next)
    }

    /// Writes the group and makes it known.
    ///
    /// In this order: states of producers, generations that are given up, the write, log ends, the syncer,
    /// answers. An error is final: every caller of the group gets it.
    fn commit(&mut self, engine: &Engine, mut group: WriteGroup<'_>) -> Result<(), StorageError> {
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
            partition.publish(written);
            // After the batch joined the tail: the budget may evict it at once, if it is larger than the
            // budget.
            self.tail.added(&partition, bytes);
        }
        self.shared.counters.set_tail_bytes(self.tail.held());
        awaiting
    }

    /// Adds the changes of one command to the group, and its answer to those that are due after the write or
    /// after the sync.
    fn apply(&mut self, group: &mut WriteGroup<'_>, command: WriteCommand) {
        match command {
            WriteCommand::Append(request, done) => self.append(group, request, done),
            WriteCommand::Coordinator(records, done) => {
                for CoordinatorRecord { key, value } in records {
                    match value {
                        Some(value) => group.put_state(keys::coordinator(&key), value),
                        None => group.delete_state(keys::coordinator(&key)),
                    }
                }
                self.after_durable(group, done);
            }
            WriteCommand::Configs((key, value), done) => {
                match value {
                    Some(value) => group.put_state(key, value),
                    None => group.delete_state(key),
                }
                self.after_durable(group, done);
            }
            WriteCommand::Catalog(change) => self.change_catalog(group, change),
            WriteCommand::ProducerId(done) => {
                let id = self.take_producer_id(group);
                self.after_durable(group, Box::new(move |durable| done(durable.map(|()| id))));
            }
            WriteCommand::Lead(lead, done) => self.lead(group, lead, done),
            WriteCommand::ExpireProducers { .. } if !self.shared.leadership.is_led() => {}
            WriteCommand::ExpireProducers { before_ms } => self.expire_producers(group, before_ms),
            // As a whole: what it leaves undone is done again after a take-over.
            WriteCommand::Change(_, done) if !self.shared.leadership.is_led() => {
                done(Err(StorageError::NotLeader));
            }
            WriteCommand::Change(change, done) => {
                (change.apply)(group);
                match change.answer {
                    Answer::Written => group.after_write.push(done),
                    Answer::Synced => group.after_sync.push(done),
                }
            }
            // After the group, as after every group.
            WriteCommand::Flush => {}
            WriteCommand::SealSoon(number) => self.generations.seal_soon(number),
            WriteCommand::CompactSettled(begin, done) => self.hold_for_compaction(group, begin, done),
            WriteCommand::GenerationReady(number) => {
                let record = GenerationRecord { created_ms: group.now_ms };
                group.put_state(keys::generation(number), record.encode());
            }
            WriteCommand::Close(done) => {
                // The next start takes its absence for an unclean stop (`Node::load`).
                group.put_state(keys::node(NodeKey::Clean), [1]);
                // The clock of retention goes on from here. A crash loses the time since the last search (ADR
                // 3).
                group.put_state(keys::node(NodeKey::OpenFor), group.open_ms.to_be_bytes());
                // Under every flush policy: a clean stop leaves nothing to the operating system.
                group.after_sync.push(done);
            }
        }
    }

    /// Leads every partition in a new epoch, or none. Both take effect after the group's sync, in the order of the commands: an
    /// epoch that a client has seen must not be given again after a crash.
    fn lead(&mut self, group: &mut WriteGroup<'_>, lead: bool, done: Done<()>) {
        self.catalog.led = lead;
        if lead {
            self.catalog.node_epoch = self.catalog.node_epoch.saturating_add(1);
            group.put_state(keys::node(NodeKey::Epoch), u64::from(self.catalog.node_epoch).to_be_bytes());
        }
        let (catalog, node_epoch) = (self.catalog.catalog.clone(), self.catalog.node_epoch);
        let shard = Arc::clone(&self.shared.leadership);
        group.after_sync.push(Box::new(move |durable| {
            if durable.is_ok() && lead {
                shard.take_over(node_epoch);
                for topic in catalog.topics() {
                    let epoch = leader_epoch(node_epoch, topic.created_epoch);
                    topic.partitions.iter().for_each(|partition| partition.take_over(epoch));
                }
            } else {
                catalog.resign(&shard);
            }
            done(durable);
        }));
    }

    /// After the group: syncs all that is written, lets a compaction of the settled family begin, and waits for its flush to take
    /// all memtables. Nothing is written meanwhile, so the flush takes nothing that is not synced.
    fn hold_for_compaction(&self, group: &mut WriteGroup<'_>, begin: Sender<()>, done: Done<()>) {
        // An empty memtable would not be flushed, and its flush could not be seen.
        group.touch_settled();
        let (engine, failure) = (Arc::clone(&self.shared.engine), Arc::clone(&self.shared.failure));
        group.after_write.push(Box::new(move |written| {
            let begun = written.and_then(|()| {
                engine.sync()?;
                // The receiver waits for it; where it has gone, nothing is compacted.
                match begin.send(()) {
                    Ok(()) => engine.await_compaction(),
                    Err(_) => Ok(()),
                }
            });
            done(begun.inspect_err(|error| failure.set(error)));
        }));
    }

    /// Appends the batches of a request, in their order. One that is refused does not affect the others.
    /// `acks=0` and `acks=1` are answered after the write, as is `acks=all` under [`FlushPolicy::Os`].
    fn append(&mut self, group: &mut WriteGroup<'_>, request: OwnedRequest, done: Done<Vec<AppendResult>>) {
        let syncs = request.acks == Acks::All && self.shared.options.flush_policy == FlushPolicy::Sync;
        let awaits = syncs.then_some(self.group);
        let results: Vec<AppendResult> =
            request.entries.into_iter().map(|entry| append::append(group, entry, awaits)).collect();
        let after: Done<()> = Box::new(move |written| done(written.map(|()| results)));
        match syncs {
            // A repeated batch waits too: its first copy may not be on the disk yet.
            true => group.after_sync.push(after),
            false => group.after_write.push(after),
        }
    }

    /// Answers when the group has what the flush policy calls durable.
    fn after_durable(&self, group: &mut WriteGroup<'_>, after: Done<()>) {
        match self.shared.options.flush_policy {
            FlushPolicy::Sync => group.after_sync.push(after),
            FlushPolicy::Os => group.after_write.push(after),
        }
    }

    /// Applies a change of topics to the writer's own catalog. Callers see it once the group is as durable as
    /// the flush policy says.
    fn change_catalog(&mut self, group: &mut WriteGroup<'_>, change: CatalogChange) {
        group.catalog_changed = true;
        let answer: Done<()> = match change {
            CatalogChange::Create(topics, done) => {
                let results: Vec<_> = topics.into_iter().map(|new| self.catalog.create(group, new)).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::CreatePartitions(counts, done) => {
                let mut create = |(id, wanted)| self.catalog.create_partitions(group, id, wanted);
                let results: Vec<_> = counts.into_iter().map(&mut create).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::AlterConfigs(changes, done) => {
                let mut alter = |change| self.catalog.alter_configs(group, change);
                let results: Vec<_> = changes.into_iter().map(&mut alter).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::Delete(ids, done) => {
                let mut results = Vec::with_capacity(ids.len());
                for id in ids {
                    let removed = self.catalog.delete(group, id);
                    results.push(removed.map(|extents| group.extents_removed.extend(extents)));
                }
                Box::new(move |durable| done(durable.map(|()| results)))
            }
        };
        self.after_durable(group, answer);
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

    /// The next producer id. Reserves a block of [`PRODUCER_ID_BLOCK`] in this group if the last one is used
    /// up.
    fn take_producer_id(&mut self, group: &mut WriteGroup<'_>) -> i64 {
        // The block is synced with the first id of it: an id is not given twice, whatever crashes.
        if self.next_producer_id == self.producer_ids_end {
            self.producer_ids_end += PRODUCER_ID_BLOCK;
            group.put_state(keys::node(NodeKey::NextProducerId), self.producer_ids_end.to_be_bytes());
        }
        self.next_producer_id += 1;
        self.next_producer_id - 1
    }

    /// Forgets the producers that last wrote before this time, Unix ms, in memory and on the disk. Looks at
    /// those of all partitions.
    fn expire_producers(&self, group: &mut WriteGroup<'_>, before_ms: i64) {
        for partition in self.catalog.catalog.topics().flat_map(|topic| &topic.partitions) {
            // A batch of the same group may have changed the state: it must not be written after it was removed.
            for producer_id in partition.append.lock().expire(before_ms) {
                group.producers.remove(&(partition.number(), producer_id));
                group.delete_state(keys::producer(partition.number(), producer_id));
            }
        }
    }

    /// Asks for the next generation if the current one is full, old or mostly dead. Another thread creates
    /// it, as that takes syncs; appends go to the current one until then.
    fn ask_for_successor(&mut self) {
        let StorageOptions { clock, generation_bytes, generation_age, .. } = &self.shared.options;
        if let Some(number) = self.generations.wanted(clock(), *generation_bytes, *generation_age)
            && !maintenance::ask(&self.tasks, &self.shared.engine, MaintenanceTask::Prepare(number))
        {
            tracing::debug!("no successor for the current generation yet");
            self.generations.successor_refused();
        }
    }
}
