//! What a caller sets when it opens a folder. Defaults suit a laptop.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use crate::StorageError;

/// When an append that asked for `acks=all`, and every coordinator or catalog record, is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FlushPolicy {
    /// After the write-ahead log is on the disk: survives power loss.
    #[default]
    Sync,
    /// After the operating system has it, as Kafka does: survives `kill -9` only.
    Os,
}

/// Everything [`Storage::open`](crate::Storage::open) needs to know.
#[derive(Clone)]
pub struct StorageOptions {
    /// The data folder; created if absent.
    pub path: PathBuf,
    /// When `acks=all` is answered.
    pub flush_policy: FlushPolicy,
    /// Data that nobody waits for is synced at least this often.
    pub flush_interval: Duration,
    /// Bytes of newest batches kept in memory, over all partitions.
    pub tail_bytes: usize,
    /// A generation takes no more appends once it holds about this many bytes …
    pub generation_bytes: u64,
    /// … or is this old.
    pub generation_age: Duration,
    /// Upper bound of the write-ahead log, hence of what a restart replays.
    pub max_total_wal_bytes: u64,
    /// A producer that has not written for so long is forgotten (`producer.id.expiration.ms`).
    pub producer_id_expiration: Duration,
    /// How often expired producers are looked for (`producer.id.expiration.check.interval.ms`).
    pub producer_id_expiration_check_interval: Duration,
    /// Start although records that were synced are missing.
    pub accept_data_loss: bool,
    /// Wall clock, Unix milliseconds.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Called once, on a storage thread, when a write or sync has failed: nothing is acknowledged any more and the
    /// process must end.
    pub on_fatal: Arc<dyn Fn(&StorageError) + Send + Sync>,
}

impl StorageOptions {
    /// Defaults for the data folder `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            flush_policy: FlushPolicy::Sync,
            flush_interval: Duration::from_secs(1),
            tail_bytes: 32 << 20,
            generation_bytes: 1 << 30,
            generation_age: Duration::from_secs(3600),
            max_total_wal_bytes: 256 << 20,
            producer_id_expiration: Duration::from_secs(86_400),
            producer_id_expiration_check_interval: Duration::from_secs(600),
            accept_data_loss: false,
            clock: Arc::new(system_clock),
            on_fatal: Arc::new(|_| {}),
        }
    }
}

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageOptions").field("path", &self.path).finish_non_exhaustive()
    }
}

#[allow(clippy::disallowed_methods, reason = "the default of the injected clock")]
fn system_clock() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
