//! Calls to the shard: appends, reads, deletions of records.

use std::{future::Future, pin::Pin, sync::Arc};

use storage::{
    AppendRequest, AppendResult, DeleteBelow, Isolation, Partition, ReadBatches, ReadError, ReadLimits,
    Shard, StorageError, TimestampedOffset,
};
use tokio::sync::Semaphore;

use super::answer;

/// The outcome of an append.
type Outcome = Result<Vec<AppendResult>, StorageError>;
/// Hears of the outcome of an append.
pub(crate) type Tell = Box<dyn FnOnce(&Outcome) + Send>;
/// An append under way.
pub(crate) type Appending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Disk reads at the same time; more would only queue up in the disk.
const DISK_READS: usize = 8;
/// Bytes after whose reading the thread's other tasks have their turn.
const MUCH_BYTES: usize = 256 << 10;

/// The bridge to the shard. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ShardIo {
    shard: Shard,
    /// A permit for each thread that may block on the disk.
    disk_reads: Arc<Semaphore>,
}

impl ShardIo {
    pub(super) fn new(shard: Shard) -> Self {
        Self { shard, disk_reads: Arc::new(Semaphore::new(DISK_READS)) }
    }

    /// Appends batches; see [`Shard::append`].
    /// Resolves when the batches are as safe as `acks` asks. The outer error concerns all of them; each
    /// result one batch.
    pub(crate) fn append(
        &self,
        request: AppendRequest,
    ) -> impl Future<Output = Result<Vec<AppendResult>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.shard.append(request, done);
        answer
    }

    /// As [`Self::append`]. `tell` hears of the outcome on the storage's thread, also if the future is dropped.
    pub(crate) fn append_and_tell(&self, request: AppendRequest, tell: Tell) -> Appending {
        let (done, answer) = answer();
        let told = move |outcome| {
            tell(&outcome);
            done(outcome);
        };
        self.shard.append(request, Box::new(told));
        Box::pin(answer)
    }

    /// Reads whole batches from the one that holds `from`.
    ///
    /// # Errors
    /// The offset is outside the log, the partition is deleted, or the disk failed.
    pub(crate) async fn read(
        &self,
        partition: &Arc<Partition>,
        from: i64,
        limits: ReadLimits,
    ) -> Result<ReadBatches, ReadError> {
        match self.shard.read_now(partition, from, limits) {
            // Without leaving the thread: consumers that keep up, or catch up from the page cache, never wait for the disk's pool.
            Some(answer) => {
                // A fetch may read many partitions in this way, and a megabyte takes a quarter of a millisecond.
                if answer.as_ref().is_ok_and(|found| found.bytes >= MUCH_BYTES) {
                    tokio::task::yield_now().await;
                }
                answer
            }
            None => {
                self.on_disk(partition, move |shard, partition| shard.read(partition, from, limits)).await
            }
        }
    }

    /// The first visible record whose timestamp is at or above `timestamp_ms`.
    /// `None` if there is none. Asks the disk in any case.
    pub(crate) async fn offset_for_timestamp(
        &self,
        partition: &Arc<Partition>,
        timestamp_ms: i64,
        isolation: Isolation,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let look_up = move |shard: &Shard, partition: &Partition| {
            shard.offset_for_timestamp(partition, timestamp_ms, isolation)
        };
        // The time index lies in RocksDB (ADR 8), so this may block even where memory has the records.
        self.on_disk(partition, look_up).await
    }

    /// The first visible record with the greatest timestamp.
    /// `None` if no record is visible. Asks the disk in any case.
    pub(crate) async fn max_timestamp(
        &self,
        partition: &Arc<Partition>,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        self.on_disk(partition, |shard, partition| shard.max_timestamp(partition)).await
    }

    /// Deletes the records of each partition below an offset; answers in the same order with where each log begins then.
    pub(crate) async fn delete_records(
        &self,
        below: Vec<(Arc<Partition>, DeleteBelow)>,
    ) -> Result<Vec<Result<i64, ReadError>>, ReadError> {
        // Blocks until the writer has synced the new log starts: no reader may see one that a crash takes
        // back (ADR 3).
        self.blocking(move |shard| Ok(shard.delete_records(&below)?)).await
    }

    /// Runs `read` where blocking does no harm.
    async fn on_disk<T: Send + 'static>(
        &self,
        partition: &Arc<Partition>,
        read: impl FnOnce(&Shard, &Partition) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let partition = Arc::clone(partition);
        self.blocking(move |shard| read(shard, &partition)).await
    }

    /// Runs `call` on a thread that may block, once one of the [`DISK_READS`] permits is free.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Shard) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // Taken before the thread, so that waiting reads hold none.
        let permit = Arc::clone(&self.disk_reads).acquire_owned().await.map_err(|_| StorageError::Stopped)?;
        let shard = self.shard.clone();
        #[allow(clippy::disallowed_methods, reason = "the bridge to the disk: the permit bounds the threads")]
        // The permit ends with the read and not with its caller: clients that leave must not let further
        // reads in.
        let running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            call(&shard)
        });
        // The read panicked, or the runtime ends.
        running.await.map_err(|_| StorageError::Stopped)?
    }
}
