//! The handle to an open folder: its calls, its threads, its end.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread,
};

use crossbeam_channel::bounded;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::{
    AppendRequest, AppendResult, Catalog, CatalogError, ConfigsChange, CoordinatorRecord, DeleteBelow,
    DiskSpace, Done, Isolation, NewTopic, OpenError, Partition, ReadBatches, ReadError, ReadLimits, Recovery,
    ResourceConfigs, StorageError, StorageMetrics, StorageOptions, StoredConfigs, TimestampedOffset,
    TooLarge, Topic,
    engine::{self, Guard, Opened, config_log, coordinator_log, index, recovery},
    failure::Failure,
    log::BatchFamily,
    space::Lifecycle,
    write::{
        CatalogChange, FoundLog, Maintenance, Shared, SharedWriter, SyncQueue, WriteCommand, Writer, sync,
        writer,
    },
};

/// Tasks that may wait for the maintenance thread. The writer never waits for room: the places at which it
/// asks say what it does instead.
const QUEUED_TASKS: usize = 64;

/// An open data folder. Clones share it; [`Storage::close`] ends it.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    cluster_id: String,
    recovery: Recovery,
    /// State of the cleaner thread, with which callers can do its work themselves.
    lifecycle: Arc<Lifecycle>,
    /// Locked by the writer's thread for each group, and by callers of small appends if it is free.
    writer: Arc<SharedWriter>,
    /// Empty once [`Storage::close`] was called.
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    /// Keeps other processes from the folder until the last clone is dropped.
    _guard: Guard,
}

impl Storage {
    /// Opens or creates the folder, replaying what a crash left.
    /// Blocks on the disk: for longer, the more operations RocksDB had not flushed and the more partitions
    /// there are; the size of the data does not matter.
    ///
    /// # Errors
    /// See [`OpenError`]: the folder is in use, not writable, newer, foreign, or has lost records.
    pub fn open(options: StorageOptions) -> Result<Self, OpenError> {
        let opened = recovery::open(&options)?;
        let path = options.path.clone();
        Self::start(options, opened)
            .map_err(StorageError::io("start a thread"))
            .map_err(|source| OpenError::Storage { path, source })
    }

    /// Starts the threads of an open folder.
    fn start(options: StorageOptions, opened: Opened) -> std::io::Result<Self> {
        let shared = Shared::new(options, &opened);
        let syncs = Arc::new(SyncQueue::default());
        let (task_sender, tasks) = bounded(QUEUED_TASKS);
        // Nothing is ever sent: the channel closes when the writer ends.
        let (alive, ended) = bounded(0);
        let Opened { guard, fence, cluster_id, recovery, untouchable, node_epoch, .. } = opened;
        let found = FoundLog {
            catalog: opened.catalog,
            next_partition: opened.next_partition,
            node_epoch,
            generations: opened.generations,
            next_producer_id: opened.next_producer_id,
        };
        let writer = Writer::new(shared.clone(), found, Arc::clone(&syncs), task_sender, alive);
        let writer = Arc::new(Mutex::new(Some(writer)));
        let lifecycle = Arc::new(Lifecycle::new(shared.clone(), untouchable));
        let maintenance = Maintenance::new(shared.clone(), tasks);
        let (writing, queue) = (Arc::clone(&writer), shared.commands.clone());
        let (syncing, cleaning, failure) = (shared.clone(), Arc::clone(&lifecycle), &shared.failure);
        let threads = vec![
            spawn("storage-writer", failure, move || writer::run(&writing, &queue))?,
            spawn("storage-syncer", failure, move || sync::run(&syncing, &syncs, fence))?,
            spawn("storage-tasks", failure, move || maintenance.run())?,
            spawn("storage-cleaner", failure, move || cleaning.run(&ended))?,
        ];
        let threads = Mutex::new(threads);
        let inner = Inner { shared, cluster_id, recovery, lifecycle, writer, threads, _guard: guard };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The cluster's id: 22 characters, the same for the folder's whole life.
    pub fn cluster_id(&self) -> &str {
        &self.inner.cluster_id
    }

    /// Epoch and end of the log of everything. The first is raised by every unclean start and every take-over, and partitions' leader
    /// epochs follow it. The second is the number of records that RocksDB ever took, of any kind, and rises with every write.
    pub fn log_position(&self) -> (u32, u64) {
        (self.inner.shared.shard.epoch(), self.inner.shared.engine.sequence())
    }

    /// Takes over the shard of this folder, in a new leader epoch that is durable before `done`, or resigns from it. After it has
    /// resigned, nothing is read from its partitions or its coordinators' records, or written to them, what was queued included;
    /// watchers are told before this returns, and what was written is on the disk before `done`. A shard that is resigned is
    /// `Unavailable` from this call to the end of the take-over. One that a later call resigns is not taken over any more:
    /// `NotLeader`.
    pub fn lead(&self, lead: bool, done: Done<()>) {
        let send = |call| self.send(WriteCommand::Lead { lead, call, done });
        self.inner.shared.shard.begin(lead, &self.catalog(), send);
    }

    /// The epoch in which the shard is led here: [`Self::write_coordinator`] asks for it. No later term has it again.
    ///
    /// # Errors
    /// `NotLeader`, or `Unavailable` while the shard is being taken over.
    pub fn led_epoch(&self) -> Result<u32, StorageError> {
        self.inner.shared.shard.led_epoch()
    }

    /// Calls `watcher` after every change of [`Self::led_epoch`], on the thread that made it: it must not block.
    pub fn watch_lead(&self, watcher: Arc<dyn Fn() + Send + Sync>) {
        self.inner.shared.shard.watch(watcher);
    }

    /// State in which the folder was found.
    pub fn recovery(&self) -> Recovery {
        self.inner.recovery
    }

    /// All topics as of now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.shared.catalog.load_full()
    }

    /// Creates topics, each or not at all; durable before `done`.
    pub fn create_topics(&self, topics: Vec<NewTopic>, done: Done<Vec<Result<Arc<Topic>, CatalogError>>>) {
        self.send(WriteCommand::Catalog(CatalogChange::Create(topics, done)));
    }

    /// Deletes topics with all that they hold; durable before `done`.
    /// Reads and appends of their partitions are refused as soon as the writer has taken the change, which is
    /// before `done`.
    pub fn delete_topics(&self, ids: Vec<Uuid>, done: Done<Vec<Result<(), CatalogError>>>) {
        self.send(WriteCommand::Catalog(CatalogChange::Delete(ids, done)));
    }

    /// Gives topics more partitions; the counts are totals. Durable before `done`.
    pub fn create_partitions(
        &self,
        counts: Vec<(Uuid, u32)>,
        done: Done<Vec<Result<Arc<Topic>, CatalogError>>>,
    ) {
        self.send(WriteCommand::Catalog(CatalogChange::CreatePartitions(counts, done)));
    }

    /// Changes topics' configs, each or not at all; durable before `done`. A change worked out from configs that are not
    /// the topic's any more is refused: no change is lost to another.
    pub fn alter_topic_configs(
        &self,
        changes: Vec<ConfigsChange>,
        done: Done<Vec<Result<Arc<Topic>, CatalogError>>>,
    ) {
        self.send(WriteCommand::Catalog(CatalogChange::AlterConfigs(changes, done)));
    }

    /// Appends batches in the order of the calls; `done` is called once they are as safe as [`AppendRequest::acks`]
    /// asks. A small request that
    /// finds the writer free is handed to the operating system before this returns (ADR 4), which may take as long as a
    /// flush holds up writes.
    ///
    /// `done` gets one result for each entry, in their order. An error in their place: a write or a sync has
    /// failed, or the storage is closed.
    pub fn append(&self, request: AppendRequest, done: Done<Vec<AppendResult>>) {
        self.send(WriteCommand::Append(request.into(), done));
    }

    /// A producer id that was never given before, not even by a process that crashed.
    /// Ids are reserved in blocks of 1 000; what is left of a block is lost at a stop.
    pub fn allocate_producer_id(&self, done: Done<i64>) {
        self.send(WriteCommand::ProducerId(done));
    }

    /// Writes coordinator records: all or none, in the order of the calls, durable before `done`. `epoch` is the one in which
    /// the coordinator was loaded: in any other the records are refused with `NotLeader`, as they follow from a state that may
    /// be older than the disk's.
    pub fn write_coordinator(&self, epoch: u32, records: Vec<CoordinatorRecord>, done: Done<()>) {
        self.send(WriteCommand::Coordinator { epoch, records, done });
    }

    /// Calls `each` with the key and the value of every coordinator record whose key begins with `prefix`, in key order.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// The shard is not led here, the disk failed, or it holds damaged data.
    pub fn scan_coordinator(
        &self,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StorageError> {
        self.led_epoch()?;
        coordinator_log::scan(&self.inner.shared.engine, prefix, each)
    }

    /// Gives a resource all of its configuration, durable before `done`; in the order of the calls. What is too large to be
    /// stored is refused before anything is written.
    pub fn write_configs(&self, configs: ResourceConfigs, done: Done<Result<(), TooLarge>>) {
        match config_log::record(configs) {
            Ok(record) => {
                self.send(WriteCommand::Configs(record, Box::new(|durable| done(durable.map(Ok)))));
            }
            Err(too_large) => done(Ok(Err(too_large))),
        }
    }

    /// All that was written by [`Self::write_configs`]. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed. A record that cannot be read is part of the answer.
    pub fn configs(&self) -> Result<StoredConfigs, StorageError> {
        config_log::all(&self.inner.shared.engine)
    }

    /// Reads without waiting for the disk: from memory, or what the page cache has for a consumer that catches up. `None` if the disk must
    /// be asked. At most 1 MiB is read from the page cache.
    pub fn read_now(
        &self,
        partition: &Partition,
        from: i64,
        limits: ReadLimits,
    ) -> Option<Result<ReadBatches, ReadError>> {
        let Shared { engine, resumable, .. } = &self.inner.shared;
        let answer = engine::read_now(engine, resumable, partition, from, limits)?;
        Some(self.noted(partition, answer))
    }

    /// Reads whole batches from the one that holds `from`. May block on the disk.
    /// A read between the high watermark and the log end finds nothing, which is no error.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(
        &self,
        partition: &Partition,
        from: i64,
        limits: ReadLimits,
    ) -> Result<ReadBatches, ReadError> {
        let Shared { engine, resumable, .. } = &self.inner.shared;
        self.noted(partition, engine::read(engine, resumable, partition, from, limits))
    }

    /// The first visible record whose timestamp is at or above `timestamp_ms`. May block on the disk.
    /// Reads one entry of the time index and about 64 KiB of batches.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_for_timestamp(
        &self,
        partition: &Partition,
        timestamp_ms: i64,
        isolation: Isolation,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        partition.ensure_led()?;
        let engine = &self.inner.shared.engine;
        self.noted(partition, index::offset_for_timestamp(engine, partition, timestamp_ms, isolation))
    }

    /// The first visible record with the greatest timestamp. May block on the disk.
    /// Reads the headers of all batches if the record that carried that timestamp was deleted.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn max_timestamp(&self, partition: &Partition) -> Result<Option<TimestampedOffset>, ReadError> {
        partition.ensure_led()?;
        self.noted(partition, index::max_timestamp(&self.inner.shared.engine, partition))
    }

    /// Deletes the records of each partition below an offset (DeleteRecords), or all visible ones; answers with where each
    /// log begins then. Durable before it returns; blocks on the disk.
    ///
    /// # Errors
    /// The outer one: the disk failed. The inner ones: see [`ReadError`].
    pub fn delete_records(
        &self,
        below: &[(Arc<Partition>, DeleteBelow)],
    ) -> Result<Vec<Result<i64, ReadError>>, StorageError> {
        self.inner.lifecycle.delete_records(below)
    }

    /// Does now what a thread does from time to time: deletes old records by retention and compaction, and frees dead space.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed, or holds damaged data.
    pub fn tend_logs(&self) -> Result<(), StorageError> {
        self.inner.lifecycle.tend(true)
    }

    /// Space of the file system that holds the folder; `None` if the system does not tell. One quick system call.
    pub fn disk_space(&self) -> Option<DiskSpace> {
        let options = &self.inner.shared.options;
        (options.disk_space)(&options.path)
    }

    /// Work since the folder was opened, and present sizes. Asks RocksDB for the size of each generation.
    pub fn metrics(&self) -> StorageMetrics {
        let Shared { engine, options, counters, commands, .. } = &self.inner.shared;
        let generations = engine.generations();
        let replay = engine.to_replay();
        let held = generations.iter().map(|number| engine.held_bytes(BatchFamily::Generation(*number)));
        StorageMetrics {
            queue_depth: commands.len() as u64,
            generations: generations.len() as u64,
            replay_operations_bytes: replay.operations,
            replay_body_bytes: replay.bodies,
            // A size that RocksDB does not tell is left out.
            generation_bytes: held.sum::<Result<u64, StorageError>>().ok(),
            settled_bytes: engine.held_bytes(BatchFamily::Settled).ok(),
            ..counters.snapshot((options.clock)())
        }
    }

    /// Finishes what was asked for, syncs and flushes it, marks the folder clean and ends the threads. Later calls are
    /// refused; a second close does nothing.
    ///
    /// # Errors
    /// A write or sync failed, now or before: the next start will count this stop as unclean.
    pub fn close(&self) -> Result<(), StorageError> {
        let threads = std::mem::take(&mut *self.inner.threads.lock());
        // Another call of close has them, or had.
        if threads.is_empty() {
            return Ok(());
        }
        let (sender, closed) = bounded(1);
        // The receiver below lives until the answer is there.
        let done: Done<()> = Box::new(move |outcome| drop(sender.send(outcome)));
        self.send(WriteCommand::Close(done));
        // The clean mark is written and synced after all that was queued before.
        let outcome = closed.recv().unwrap_or(Err(StorageError::Stopped));
        // All of them, before the memtables are flushed: no thread may write after that.
        for thread in threads {
            if thread.join().is_err() {
                return Err(StorageError::Stopped);
            }
        }
        outcome?;
        // Each of them keeps RocksDB open.
        self.inner.shared.resumable.clear();
        // Nothing is written any more, and all is synced: so RocksDB does not get ahead of the journal.
        self.inner.shared.engine.flush()?;
        self.inner.shared.engine.stop_background_work();
        self.inner.shared.failure.get().map_or(Ok(()), Err)
    }

    /// Notes a damaged batch that a read met.
    fn noted<T>(&self, partition: &Partition, read: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(ReadError::Storage(error)) = &read {
            self.inner.shared.note_damage(partition, error);
        }
        read
    }

    /// Writes a small command on this thread if the writer is free, else queues it; waits while the queue is
    /// full.
    fn send(&self, command: WriteCommand) {
        let left = match command.is_small() {
            // Not written here: the lock was taken, others came first, or commands are many.
            true => writer::write_here(&self.inner.writer, &self.inner.shared.commands, command).err(),
            false => Some(command),
        };
        if let Some(command) = left {
            self.inner.shared.commands.send(command);
        }
    }
}

/// Starts one of the storage's own threads; [`Storage::close`] joins it. Without any of them nothing can be promised, so
/// a panic counts as a failure.
fn spawn(
    name: &'static str,
    failure: &Arc<Failure>,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    let failure = Arc::clone(failure);
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place in this crate that starts threads; close joins them"
    )]
    thread::Builder::new().name(name.into()).spawn(move || {
        if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
            failure.set(&StorageError::Panicked { thread: name });
        }
    })
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("recovery", &self.inner.recovery).finish_non_exhaustive()
    }
}
