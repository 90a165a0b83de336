//! The shard: one log with one writer, its partitions, and the records of its coordinators. All of it is led
//! together, or not at all.

use std::{fmt, sync::Arc};

use super::folder::Folder;
use crate::{
    AppendRequest, AppendResult, CoordinatorRecord, DeleteBelow, Done, Isolation, MarkerError, Partition,
    ReadBatches, ReadError, ReadLimits, StorageError, TimestampedOffset, TransactionEnd,
    engine::{self, coordinator_log, index},
    space::Lifecycle,
    write::{Answer, KeptTime, ShardCommand, Shared, WriteCommand},
};

/// The shard of an open folder. Clones share it, and hold the folder against other processes as [`crate::Storage`] does.
#[derive(Clone)]
pub struct Shard {
    /// State of the cleaner thread, with which callers can do its work themselves.
    lifecycle: Arc<Lifecycle>,
    folder: Arc<Folder>,
}

impl Shard {
    pub(super) fn new(lifecycle: Arc<Lifecycle>, folder: Arc<Folder>) -> Self {
        Self { lifecycle, folder }
    }

    /// Appends batches in the order of the calls; `done` is called once they are as safe as [`AppendRequest::acks`]
    /// asks. A small request that
    /// finds the writer free is handed to the operating system before this returns (ADR 4), which may take as long as a
    /// flush holds up writes.
    ///
    /// `done` gets one result for each entry, in their order. An error in their place: a write or a sync has
    /// failed, the storage is closed, or the shard is not led in the epoch of the request's [`AppendRequest::coordinator`].
    pub fn append(&self, request: AppendRequest, done: Done<Vec<AppendResult>>) {
        self.folder.send(ShardCommand::Append(request.into(), done));
    }

    /// Reads without waiting for the disk: from memory, or what the page cache has for a consumer that catches up. `None` if the disk must
    /// be asked. At most 1 MiB is read from the page cache.
    pub fn read_now(
        &self,
        partition: &Partition,
        from: i64,
        limits: ReadLimits,
    ) -> Option<Result<ReadBatches, ReadError>> {
        let Shared { engine, resumable, .. } = &self.folder.shared;
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
        let Shared { engine, resumable, .. } = &self.folder.shared;
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
        let engine = &self.folder.shared.engine;
        self.noted(partition, index::offset_for_timestamp(engine, partition, timestamp_ms, isolation))
    }

    /// The first visible record with the greatest timestamp. May block on the disk.
    /// Reads the headers of all batches if the record that carried that timestamp was deleted.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn max_timestamp(&self, partition: &Partition) -> Result<Option<TimestampedOffset>, ReadError> {
        partition.ensure_led()?;
        self.noted(partition, index::max_timestamp(&self.folder.shared.engine, partition))
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
        self.lifecycle.delete_records(below)
    }

    /// Writes coordinator records: all or none, in the order of the calls, durable before `done`. `epoch` is the one in which
    /// the coordinator was loaded: in any other the records are refused with `NotLeader`, as they follow from a state that may
    /// be older than the disk's.
    pub fn write_coordinator(&self, epoch: u32, records: Vec<CoordinatorRecord>, done: Done<()>) {
        self.folder.send(ShardCommand::Coordinator { epoch, records, answer: Answer::Synced, done });
    }

    /// As [`Shard::write_coordinator`], for records that mean nothing until something else is written after them: `done` once the operating
    /// system has them. `kill -9` takes nothing of them back, a power cut may. They are on the disk before anything that is
    /// written later is answered as durable, and at the latest after the flush interval.
    pub fn announce_coordinator(&self, epoch: u32, records: Vec<CoordinatorRecord>, done: Done<()>) {
        self.folder.send(ShardCommand::Coordinator { epoch, records, answer: Answer::Written, done });
    }

    /// Ends a transaction: a marker in each of its partitions and the coordinators' records, all or nothing. Durable before `done`, and
    /// visible: by then the last stable offsets have moved. A small end that finds the writer free is handed to the operating system
    /// before this returns (ADR 4).
    ///
    /// `done` gets the offset of each marker, in their order. A marker that is refused does not affect the rest. An error in their place:
    /// nothing was written, as the shard is not led in the epoch of the records, or the storage is stopped.
    pub fn end_transaction(&self, end: TransactionEnd, done: Done<Vec<Result<i64, MarkerError>>>) {
        self.folder.send(ShardCommand::EndTransaction(end, done));
    }

    /// The time for which the folder was open, in ms, over all processes (ADR 3). It stands still while no process has the folder open.
    /// After a crash it goes on at or above the time at which coordinators' records were last written: it never goes back behind what
    /// one of them can say. While a transaction is open in a partition, or a [`KeptTime`] exists, a crash loses a quarter of a second of it.
    pub fn open_ms(&self) -> u64 {
        self.folder.shared.open_clock.now_ms()
    }

    /// Has the folder's clock stored four times a second while the answer lives: a coordinator counts a deadline by it. Cheap where
    /// it is stored already.
    pub fn keep_time(&self) -> KeptTime {
        let Shared { time_keeping, .. } = &self.folder.shared;
        let kept = KeptTime::new(Arc::clone(time_keeping));
        if !time_keeping.is_on() {
            self.folder.send(WriteCommand::KeepTime);
        }
        kept
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
        coordinator_log::scan(&self.folder.shared.engine, prefix, each)
    }

    /// As [`Self::scan_coordinator`], from the first key that is not below `from`, until `each` returns false.
    ///
    /// # Errors
    /// As [`Self::scan_coordinator`].
    pub fn scan_coordinator_from(
        &self,
        prefix: &[u8],
        from: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StorageError> {
        self.led_epoch()?;
        coordinator_log::scan_from(&self.folder.shared.engine, prefix, from, each)
    }

    /// The value of one coordinator record; `None`: there is none. Reads one block of RocksDB from memory, the page cache or the disk.
    ///
    /// # Errors
    /// As [`Self::scan_coordinator`].
    pub fn coordinator_record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.led_epoch()?;
        coordinator_log::value(&self.folder.shared.engine, key)
    }

    /// Takes over the shard in a new leader epoch that is durable before `done`, or resigns from it. After it has
    /// resigned, nothing is read from its partitions or its coordinators' records, or written to them, what was queued included;
    /// watchers are told before this returns, and what was written is on the disk before `done`. A shard that is resigned is
    /// `Unavailable` from this call to the end of the take-over. One that a later call resigns is not taken over any more:
    /// `NotLeader`.
    pub fn lead(&self, lead: bool, done: Done<()>) {
        let send = |call| self.folder.send(ShardCommand::Lead { lead, call, done });
        self.folder.shared.shard.begin(lead, &self.folder.shared.catalog.load_full(), send);
    }

    /// The epoch in which the shard is led here: [`Self::write_coordinator`] asks for it. No later term has it again.
    ///
    /// # Errors
    /// `NotLeader`, or `Unavailable` while the shard is being taken over.
    pub fn led_epoch(&self) -> Result<u32, StorageError> {
        self.folder.shared.shard.led_epoch()
    }

    /// Calls `watcher` after every change of [`Self::led_epoch`], on the thread that made it: it must not block.
    pub fn watch_lead(&self, watcher: Arc<dyn Fn() + Send + Sync>) {
        self.folder.shared.shard.watch(watcher);
    }

    /// Epoch and end of the log of everything. The first is raised by every unclean start and every take-over, and partitions' leader
    /// epochs follow it. The second is the number of records that RocksDB ever took, of any kind, and rises with every write.
    pub fn log_position(&self) -> (u32, u64) {
        (self.folder.shared.shard.epoch(), self.folder.shared.engine.sequence())
    }

    /// See [`crate::Storage::tend_logs`].
    pub(super) fn tend_logs(&self) -> Result<(), StorageError> {
        self.lifecycle.tend(true)
    }

    /// Notes a damaged batch that a read met.
    fn noted<T>(&self, partition: &Partition, read: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(ReadError::Storage(error)) = &read {
            self.folder.shared.note_damage(partition, error);
        }
        read
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("led_epoch", &self.led_epoch()).finish_non_exhaustive()
    }
}
