//! State that callers and the threads of an open folder share.

use std::sync::{Arc, atomic::AtomicU32};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::queue::CommandQueue;
use super::time::TimeKeeping;
use crate::{
    Catalog, DamagedBatch, Partition, StorageError, StorageOptions,
    engine::{Engine, Opened, ResumableReads},
    failure::Failure,
    log::GenerationNumber,
    log::ShardLeadership,
    metrics::Counters,
    options::OpenClock,
};

/// Shared by callers and the storage's threads. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared {
    /// RocksDB and the journal. Any thread reads; the writer writes.
    pub(crate) engine: Arc<Engine>,
    pub(crate) options: StorageOptions,
    /// Iterators that reads leave for the next read at the same place.
    pub(crate) resumable: Arc<ResumableReads>,
    /// To the writer: the only way to change what is on the disk.
    pub(crate) commands: CommandQueue,
    /// As callers see it: behind the writer's own until the sync.
    pub(crate) catalog: Arc<ArcSwap<Catalog>>,
    /// Of the shard; its epoch is the node's.
    pub(crate) shard: Arc<ShardLeadership>,
    /// The first failed write or sync.
    pub(crate) failure: Arc<Failure>,
    pub(crate) counters: Arc<Counters>,
    /// The clock of retention (ADR 3).
    pub(crate) open_clock: Arc<OpenClock>,
    /// Why the maintenance thread stores that clock again and again: a transaction is open.
    pub(crate) time_keeping: Arc<TimeKeeping>,
    /// The generation that takes appends; those below it take no more.
    pub(crate) current: Arc<AtomicU32>,
    /// Generations to drop for which the maintenance thread had no room: it drops them after its next task.
    pub(crate) drops: Arc<Mutex<Vec<GenerationNumber>>>,
}

impl Shared {
    /// Logs and counts a damaged batch, once; other errors are their caller's.
    pub(crate) fn note_damage(&self, partition: &Partition, error: &StorageError) {
        let StorageError::DamagedBatch(batch) = error else { return };
        if !self.counters.batch_damaged(partition.number(), batch.base_offset) {
            return;
        }
        let catalog = self.catalog.load();
        let topic = catalog.topic_by_id(partition.topic_id()).map_or("a deleted topic", |topic| &topic.name);
        let DamagedBatch { base_offset, file, position, detail } = &**batch;
        tracing::error!(
            topic,
            partition = partition.index(),
            offset = base_offset,
            file,
            position,
            detail,
            "a stored batch is damaged: its readers get CORRUPT_MESSAGE, all others are served"
        );
    }

    pub(crate) fn new(options: StorageOptions, opened: &Opened) -> Self {
        let counters = Arc::new(Counters::default());
        Self {
            engine: Arc::clone(&opened.engine),
            resumable: Arc::default(),
            commands: CommandQueue::new(Arc::clone(&counters)),
            catalog: Arc::new(ArcSwap::from_pointee(opened.catalog.clone())),
            shard: Arc::new(ShardLeadership::new(opened.node_epoch)),
            failure: Arc::new(Failure::new(Arc::clone(&options.on_fatal))),
            counters,
            open_clock: Arc::new(OpenClock::new(opened.open_ms, &options)),
            time_keeping: Arc::default(),
            current: Arc::new(AtomicU32::new(opened.generations.current.0)),
            drops: Arc::default(),
            options,
        }
    }
}
