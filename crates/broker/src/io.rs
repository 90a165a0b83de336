//! The only bridge between async tasks and the storage's threads.
//!
//! A write takes its place in the order when the method is *called*; the future it returns only waits. Small writes may be
//! done by the call itself (ADR 4). A read is answered
//! from memory on the spot if it can be, else on a bounded pool of blocking threads.
//!
//! After the first failed write or sync every write is refused (`StorageError`), and a read that panicked
//! counts as one of a storage that has stopped. A future of a write may be dropped: the write is done all the
//! same. That of a read gives its permit back when the disk has answered.

use std::{future::Future, sync::Arc};

use storage::{
    AppendRequest, AppendResult, Catalog, CatalogError, ConfigsChange, DeleteBelow, Done, Isolation,
    NewTopic, Partition, ReadBatches, ReadError, ReadLimits, ResourceConfigs, Storage, StorageError,
    TimestampedOffset, TooLarge, Topic,
};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

/// Disk reads at the same time; more would only queue up in the disk.
const DISK_READS: usize = 8;
/// Bytes after whose reading the thread's other tasks have their turn.
const MUCH_BYTES: usize = 256 << 10;

/// The bridge to the storage, as services use it. Clones share the storage.
#[derive(Clone, Debug)]
pub struct Io {
    storage: Storage,
    /// A permit for each thread that may block on the disk.
    disk_reads: Arc<Semaphore>,
}

impl Io {
    /// The bridge to an open folder.
    pub fn new(storage: Storage) -> Self {
        Self { storage, disk_reads: Arc::new(Semaphore::new(DISK_READS)) }
    }

    /// The storage itself, for what neither waits nor blocks.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// All topics as of now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.storage.catalog()
    }

    /// Appends batches; see [`Storage::append`].
    /// Resolves when the batches are as safe as `acks` asks. The outer error concerns all of them; each
    /// result one batch.
    pub fn append(
        &self,
        request: AppendRequest,
    ) -> impl Future<Output = Result<Vec<AppendResult>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.storage.append(request, done);
        answer
    }

    /// Creates topics, each or not at all.
    /// Durable when it resolves.
    pub fn create_topics(
        &self,
        topics: Vec<NewTopic>,
    ) -> impl Future<Output = Result<Vec<Result<Arc<Topic>, CatalogError>>, StorageError>> + Send + use<>
    {
        let (done, answer) = answer();
        self.storage.create_topics(topics, done);
        answer
    }

    /// Deletes topics with all that they hold.
    /// Durable when it resolves; space is freed later.
    pub fn delete_topics(
        &self,
        ids: Vec<Uuid>,
    ) -> impl Future<Output = Result<Vec<Result<(), CatalogError>>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.storage.delete_topics(ids, done);
        answer
    }

    /// Gives topics more partitions; the counts are totals.
    /// Durable when it resolves.
    pub fn create_partitions(
        &self,
        counts: Vec<(Uuid, u32)>,
    ) -> impl Future<Output = Result<Vec<Result<Arc<Topic>, CatalogError>>, StorageError>> + Send + use<>
    {
        let (done, answer) = answer();
        self.storage.create_partitions(counts, done);
        answer
    }

    /// Changes topics' configs, each or not at all.
    /// Durable when it resolves. A change that does not start from the present configs is refused
    /// (`CatalogError::ConfigsChanged`).
    pub fn alter_topic_configs(
        &self,
        changes: Vec<ConfigsChange>,
    ) -> impl Future<Output = Result<Vec<Result<Arc<Topic>, CatalogError>>, StorageError>> + Send + use<>
    {
        let (done, answer) = answer();
        self.storage.alter_topic_configs(changes, done);
        answer
    }

    /// Gives a resource that is no topic all of its configuration, durable before the answer; refused if it is too large.
    pub(crate) fn write_configs(
        &self,
        configs: ResourceConfigs,
    ) -> impl Future<Output = Result<Result<(), TooLarge>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.storage.write_configs(configs, done);
        answer
    }

    /// A producer id that was never given before.
    /// Not even by a process that crashed.
    pub fn allocate_producer_id(&self) -> impl Future<Output = Result<i64, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.storage.allocate_producer_id(done);
        answer
    }

    /// Reads whole batches from the one that holds `from`.
    ///
    /// # Errors
    /// The offset is outside the log, the partition is deleted, or the disk failed.
    pub async fn read(
        &self,
        partition: &Arc<Partition>,
        from: i64,
        limits: ReadLimits,
    ) -> Result<ReadBatches, ReadError> {
        match self.storage.read_now(partition, from, limits) {
            // Without leaving the thread: consumers that keep up, or catch up from the page cache, never wait for the disk's pool.
            Some(answer) => {
                // A fetch may read many partitions in this way, and a megabyte takes a quarter of a millisecond.
                if answer.as_ref().is_ok_and(|found| found.bytes >= MUCH_BYTES) {
                    tokio::task::yield_now().await;
                }
                answer
            }
            None => {
                self.on_disk(partition, move |storage, partition| storage.read(partition, from, limits)).await
            }
        }
    }

    /// The first visible record whose timestamp is at or above `timestamp_ms`.
    /// `None` if there is none. Asks the disk in any case.
    pub async fn offset_for_timestamp(
        &self,
        partition: &Arc<Partition>,
        timestamp_ms: i64,
        isolation: Isolation,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let look_up = move |storage: &Storage, partition: &Partition| {
            storage.offset_for_timestamp(partition, timestamp_ms, isolation)
        };
        // The time index lies in RocksDB (ADR 8), so this may block even where memory has the records.
        self.on_disk(partition, look_up).await
    }

    /// The first visible record with the greatest timestamp.
    /// `None` if no record is visible. Asks the disk in any case.
    pub async fn max_timestamp(
        &self,
        partition: &Arc<Partition>,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        self.on_disk(partition, |storage, partition| storage.max_timestamp(partition)).await
    }

    /// Deletes the records of each partition below an offset; answers in the same order with where each log begins then.
    pub(crate) async fn delete_records(
        &self,
        below: Vec<(Arc<Partition>, DeleteBelow)>,
    ) -> Result<Vec<Result<i64, ReadError>>, ReadError> {
        // Blocks until the writer has synced the new log starts: no reader may see one that a crash takes
        // back (ADR 3).
        self.blocking(move |storage| Ok(storage.delete_records(&below)?)).await
    }

    /// Runs `read` where blocking does no harm.
    async fn on_disk<T: Send + 'static>(
        &self,
        partition: &Arc<Partition>,
        read: impl FnOnce(&Storage, &Partition) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let partition = Arc::clone(partition);
        self.blocking(move |storage| read(storage, &partition)).await
    }

    /// Runs `call` on a thread that may block, once one of the [`DISK_READS`] permits is free.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Storage) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // Taken before the thread, so that waiting reads hold none.
        let permit = Arc::clone(&self.disk_reads).acquire_owned().await.map_err(|_| StorageError::Stopped)?;
        let storage = self.storage.clone();
        #[allow(clippy::disallowed_methods, reason = "the bridge to the disk: the permit bounds the threads")]
        // The permit ends with the read and not with its caller: clients that leave must not let further
        // reads in.
        let running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            call(&storage)
        });
        // The read panicked, or the runtime ends.
        running.await.map_err(|_| StorageError::Stopped)?
    }
}

/// Returns the receiver of a write's outcome, and the future that waits for it. If no caller waits any more, the write is done all
/// the same.
fn answer<T: Send + 'static>() -> (Done<T>, impl Future<Output = Result<T, StorageError>> + Send + use<T>) {
    let (sender, receiver) = oneshot::channel();
    let done: Done<T> = Box::new(move |outcome| drop(sender.send(outcome)));
    // A command is dropped without an answer only by a storage that has stopped.
    (done, async move { receiver.await.unwrap_or(Err(StorageError::Stopped)) })
}
