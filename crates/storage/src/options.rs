//! Options of an open folder. Defaults suit a laptop.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{DiskSpace, LogPolicy, StorageError, Topic, clock};

/// When an append that asked for `acks=all`, and every coordinator or catalog record, is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FlushPolicy {
    /// After the journal is on the disk: survives power loss.
    #[default]
    Sync,
    /// After the operating system has it, as Kafka does: survives `kill -9` only.
    Os,
}

/// Counts the time for which a folder was open, over all processes that had it open.
pub(crate) struct OpenClock {
    /// Before this process.
    before_ms: u64,
    /// As [`StorageOptions::uptime`]: a clock that cannot be set.
    uptime: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// The value of `uptime` when this process opened the folder.
    started: Duration,
}

impl OpenClock {
    /// Starts to count. `before_ms`: what earlier processes stored.
    pub(crate) fn new(before_ms: u64, options: &StorageOptions) -> Self {
        let uptime = Arc::clone(&options.uptime);
        Self { before_ms, started: uptime(), uptime }
    }

    /// ms for which the folder was open, until now. After a crash it goes on from what was stored last (ADR
    /// 3): records then stay for longer, never for less time.
    pub(crate) fn now_ms(&self) -> u64 {
        let here = (self.uptime)().saturating_sub(self.started);
        self.before_ms.saturating_add(saturating_ms(here).cast_unsigned())
    }
}

/// Returns the space of the file system that holds a folder.
pub type DiskProbe = Arc<dyn Fn(&Path) -> Option<DiskSpace> + Send + Sync>;

/// Everything [`Storage::open`](crate::Storage::open) needs to know.
#[derive(Clone)]
pub struct StorageOptions {
    /// The data folder; created if absent.
    pub path: PathBuf,
    /// When `acks=all` is answered.
    pub flush_policy: FlushPolicy,
    /// Data that no caller waits for is synced at least this often.
    /// A power failure can take back `acks=1` for that long.
    pub flush_interval: Duration,
    /// Bytes of newest batches kept in memory, over all partitions.
    /// One larger batch is not kept.
    pub tail_bytes: usize,
    /// A generation takes no more appends once its journal holds about this many bytes …
    pub generation_bytes: u64,
    /// … or is this old, by the wall clock. One in which nothing was written does not age.
    pub generation_age: Duration,
    /// Bytes of operations in the journal after which RocksDB flushes its memtables. A restart applies at most four times that many,
    /// and those of two more write groups: the writer waits for a flush that is slower …
    pub replay_operations_bytes: u64,
    /// … and bytes of bodies, with the same bound, which a restart passes over.
    pub replay_body_bytes: u64,
    /// Batches of at least this size go to the journal only; smaller ones are kept in RocksDB, sorted by partition.
    pub inline_bytes: usize,
    /// A settled file takes no more batches once it holds this many bytes.
    pub settled_file_bytes: u64,
    /// Table files, journals and settled files kept open; the process needs descriptors for a hundred files besides.
    /// A quarter of them is for journals and settled files.
    pub max_open_files: i32,
    /// A producer that has not written for this time, by the folder's clock (ADR 3), and has no transaction open is forgotten
    /// (`producer.id.expiration.ms`). Asked each time that they are looked for.
    pub producer_id_expiration: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// How often expired producers are looked for (`producer.id.expiration.check.interval.ms`).
    /// At least 10 ms.
    pub producer_id_expiration_check_interval: Duration,
    /// Rules for a topic's old records; called each time they are applied.
    pub log_policy: Arc<dyn Fn(&Topic) -> LogPolicy + Send + Sync>,
    /// How often records that may be deleted are looked for (`log.retention.check.interval.ms`).
    /// At least 10 ms. The space of deleted topics is looked for every ten seconds, whatever this is.
    pub retention_check_interval: Duration,
    /// A generation that is half dead is kept while less than this would be freed.
    pub settle_bytes: u64,
    /// Room on the disk under a folder; `None` if unknown. Where it is short, a generation is settled that is a fifth dead.
    pub disk_space: DiskProbe,
    /// Start although records that were synced are missing.
    pub accept_data_loss: bool,
    /// Wall clock, Unix milliseconds.
    /// Stamps batches, producers and generations; retention does not go by it.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Time since some moment before the opening, from a clock that cannot be set.
    pub uptime: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Called once, on a storage thread, when a write or sync has failed: nothing is acknowledged any more and the
    /// process must end.
    pub on_fatal: Arc<dyn Fn(&StorageError) + Send + Sync>,
    /// Injected faults.
    #[cfg(feature = "fault")]
    pub faults: crate::Faults,
}

impl StorageOptions {
    /// Defaults for the data folder `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let started = clock::now();
        Self {
            path: path.into(),
            flush_policy: FlushPolicy::Sync,
            flush_interval: Duration::from_secs(1),
            tail_bytes: 32 << 20,
            generation_bytes: 1 << 30,
            generation_age: Duration::from_secs(3600),
            replay_operations_bytes: 32 << 20,
            replay_body_bytes: 1 << 30,
            inline_bytes: 4 << 10,
            settled_file_bytes: 256 << 20,
            max_open_files: 1000,
            producer_id_expiration: Arc::new(|| Duration::from_secs(86_400)),
            producer_id_expiration_check_interval: Duration::from_secs(600),
            log_policy: Arc::new(|_| LogPolicy::default()),
            retention_check_interval: Duration::from_secs(300),
            settle_bytes: 16 << 20,
            disk_space: Arc::new(|path| DiskSpace::of(path).ok()),
            accept_data_loss: false,
            clock: Arc::new(|| saturating_ms(clock::since_epoch())),
            uptime: Arc::new(move || clock::since(started)),
            on_fatal: Arc::new(|_| {}),
            #[cfg(feature = "fault")]
            faults: crate::Faults::of_the_process(),
        }
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageOptions").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Milliseconds, at most those that an `i64` holds: 292 million years.
pub(crate) fn saturating_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
