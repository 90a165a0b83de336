//! The handle to an open folder: its threads, its end, and the handles to what belongs to the cluster and to the shard in it.

mod cluster;
mod folder;
mod shard;

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread,
};

use crossbeam_channel::bounded;
use parking_lot::Mutex;

use self::folder::Folder;
pub use self::{cluster::Cluster, shard::Shard};
use crate::{
    DiskSpace, Done, OpenError, Recovery, StorageError, StorageMetrics, StorageOptions,
    engine::{Opened, recovery},
    failure::Failure,
    log::BatchFamily,
    space::Lifecycle,
    write::{FoundLog, Maintenance, Shared, SyncQueue, WriteCommand, Writer, sync, writer},
};

/// Tasks that may wait for the maintenance thread. The writer never waits for room: the places at which it
/// asks say what it does instead.
const QUEUED_TASKS: usize = 64;

/// An open data folder: a cluster of one broker with one shard. Clones share it; [`Storage::close`] ends it.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: Cluster,
    shard: Shard,
    recovery: Recovery,
    /// Empty once [`Storage::close`] was called.
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
    folder: Arc<Folder>,
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
        let folder = Arc::new(Folder::new(shared, writer, guard));
        let inner = Inner {
            cluster: Cluster::new(cluster_id, Arc::clone(&folder)),
            shard: Shard::new(lifecycle, Arc::clone(&folder)),
            recovery,
            threads: Mutex::new(threads),
            folder,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The cluster to which the folder belongs.
    pub fn cluster(&self) -> &Cluster {
        &self.inner.cluster
    }

    /// The shard that lies in the folder.
    pub fn shard(&self) -> &Shard {
        &self.inner.shard
    }

    /// State in which the folder was found.
    pub fn recovery(&self) -> Recovery {
        self.inner.recovery
    }

    /// Does now what a thread does from time to time: deletes old records by retention and compaction, and frees dead space.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed, or holds damaged data.
    pub fn tend_logs(&self) -> Result<(), StorageError> {
        self.inner.shard.tend_logs()
    }

    /// Space of the file system that holds the folder; `None` if the system does not tell. One quick system call.
    pub fn disk_space(&self) -> Option<DiskSpace> {
        let options = &self.inner.folder.shared.options;
        (options.disk_space)(&options.path)
    }

    /// Bytes in memory only, apart from the journal, which a flush writes to the disk.
    pub fn unflushed_bytes(&self) -> u64 {
        self.inner.folder.shared.engine.to_replay().operations
    }

    /// Work since the folder was opened, and present sizes. Asks RocksDB for the size of each generation.
    pub fn metrics(&self) -> StorageMetrics {
        let Shared { engine, options, counters, commands, .. } = &self.inner.folder.shared;
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
        self.inner.folder.send(WriteCommand::Close(done));
        // The clean mark is written and synced after all that was queued before.
        let outcome = closed.recv().unwrap_or(Err(StorageError::Stopped));
        // All of them, before the memtables are flushed: no thread may write after that.
        for thread in threads {
            if thread.join().is_err() {
                return Err(StorageError::Stopped);
            }
        }
        outcome?;
        let Shared { engine, resumable, failure, .. } = &self.inner.folder.shared;
        // Each of them keeps RocksDB open.
        resumable.clear();
        // Nothing is written any more, and all is synced: so RocksDB does not get ahead of the journal.
        engine.flush()?;
        engine.stop_background_work();
        failure.get().map_or(Ok(()), Err)
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
