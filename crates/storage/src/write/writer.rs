//! The writer: one place through which every change goes, in the order it was asked for. It has a thread of its own; a small
//! append that finds it free is written by the caller's thread (ADR 4).
//!
//! It drains its queue, gives offsets, checks sequences, builds one write group over all partitions and records, writes it to the journal,
//! publishes the new log ends, and leaves the syncing to the syncer. So the cost of a write is shared by all commands that were
//! queued meanwhile, and a slow sync only holds up callers that asked for it.
//!
//! `apply.rs` adds commands to a group, for the cluster, for the shard and for the folder; `commit.rs` writes the group and makes
//! it known.

mod apply;
mod commit;

use std::{
    convert::Infallible,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use crate::{
    Catalog, StorageError, StorageOptions, clock,
    engine::{Due, FoundGenerations},
    log::{ShardTerm, TailBudget},
    write::{
        catalog::CatalogWriter,
        command::{WriteCommand, refuse},
        generations::Generations,
        group::WriteGroup,
        maintenance::{self, MaintenanceTask},
        queue::CommandQueue,
        shared::Shared,
        sync::SyncQueue,
    },
};

/// Bytes of batches and operations after which a group is written even if more is queued: they should still be in the core's cache.
const GROUP_BYTES: u64 = 448 << 10;
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
    /// Of the cluster: its topics.
    catalog: CatalogWriter,
    /// Of the cluster: the producer id that is given next; at the end of the block another one is reserved first.
    next_producer_id: i64,
    /// The first id after the reserved block, as the state has it.
    producer_ids_end: i64,
    /// Of the shard: epoch and leadership.
    term: ShardTerm,
    generations: Generations,
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
            catalog: CatalogWriter { catalog, next_partition },
            next_producer_id,
            producer_ids_end: next_producer_id,
            term: ShardTerm { epoch: node_epoch, led: true },
            generations: Generations::new(generations),
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
        let engine = &self.shared.engine;
        if self.shared.failure.get().is_some() {
            return Ok(());
        }
        match engine.flush_is_due() {
            None => {}
            Some(Due::Soon) if engine.journal.unsynced_bytes() > FLUSH_UNSYNCED_BYTES => {
                // The syncer is at it: another group's turn is better.
                self.syncs.mark_dirty(true);
            }
            Some(_) => {
                engine.begin_flush()?;
                if !maintenance::ask(&self.tasks, engine, MaintenanceTask::FinishFlush) {
                    // Too many tasks wait: the writer waits for the flush itself, which is rare.
                    engine.finish_flush()?;
                }
            }
        }
        // Last: a flush that began late may leave no room.
        engine.await_room()
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
            if is_last || group.length() >= GROUP_BYTES {
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
