//! Everything that one WriteBatch brings about, collected while it is built.
//!
//! Who collects what is in the writer and in the rooms whose changes it writes; writing it, and publishing what follows
//! from it, are the writer's.

use std::{collections::HashMap, sync::Arc};

use rocksdb::WriteBatch;

use crate::{
    Partition, PartitionNumber, Purpose, StorageError,
    engine::{Engine, Family},
    generation::Extent,
    index::CompleteStretch,
    keys::{self, ExtentRecord, GenerationNumber, Home},
    metrics::BytesByPurpose,
    partition::Written,
    sync::AfterSync,
};

/// See the module.
pub(crate) struct WriteGroup<'e> {
    pub(crate) batch: WriteBatch,
    generation: Family<'e>,
    settled: Family<'e>,
    state: Family<'e>,
    /// Where its batches go.
    pub(crate) current: GenerationNumber,
    pub(crate) now_ms: i64,
    /// For how long the folder was open: what retention goes by.
    pub(crate) open_ms: u64,
    pub(crate) written: Vec<(Arc<Partition>, Written)>,
    /// Producers whose state changed: written once a group.
    pub(crate) producers: HashMap<(PartitionNumber, i64), Arc<Partition>>,
    /// Of batches.
    pub(crate) appended_bytes: usize,
    /// Records that producers appended.
    pub(crate) records: u64,
    pub(crate) bytes: BytesByPurpose,
    /// Length of the WriteBatch that is part of `bytes`.
    counted: usize,
    pub(crate) extents_added: Vec<(PartitionNumber, Extent)>,
    pub(crate) extents_removed: Vec<(PartitionNumber, Extent)>,
    /// Partitions whose stretch was completed by its age.
    pub(crate) stretches: Vec<Arc<Partition>>,
    pub(crate) catalog_changed: bool,
    pub(crate) after_write: Vec<AfterSync>,
    pub(crate) after_sync: Vec<AfterSync>,
}

impl<'e> WriteGroup<'e> {
    pub(crate) fn new(
        engine: &'e Engine,
        current: GenerationNumber,
        now_ms: i64,
        open_ms: u64,
        capacity: usize,
    ) -> Result<Self, StorageError> {
        let missing = || StorageError::corrupt("database", "a family is gone");
        let batch = WriteBatch::with_capacity_bytes(capacity);
        Ok(Self {
            counted: batch.size_in_bytes(),
            batch,
            generation: engine.family(Home::Generation(current)).ok_or_else(missing)?,
            settled: engine.family(Home::Settled).ok_or_else(missing)?,
            state: engine.state()?,
            current,
            now_ms,
            open_ms,
            written: Vec::new(),
            producers: HashMap::new(),
            appended_bytes: 0,
            records: 0,
            bytes: BytesByPurpose::default(),
            extents_added: Vec::new(),
            extents_removed: Vec::new(),
            stretches: Vec::new(),
            catalog_changed: false,
            after_write: Vec::new(),
            after_sync: Vec::new(),
        })
    }

    /// What was added since the last call was for this purpose.
    pub(crate) fn count_bytes(&mut self, purpose: Purpose) {
        let length = self.batch.size_in_bytes();
        self.bytes[purpose as usize] += (length - self.counted) as u64;
        self.counted = length;
    }

    pub(crate) fn put_batch(
        &mut self,
        home: Home,
        partition: PartitionNumber,
        base_offset: i64,
        bytes: &[u8],
    ) {
        let family = match home {
            Home::Settled => &self.settled,
            Home::Generation(_) => &self.generation,
        };
        self.batch.put_cf(family, keys::batch(partition, base_offset), bytes);
        self.appended_bytes += bytes.len();
    }

    /// Deletes a batch from the settled family.
    pub(crate) fn delete_batch(&mut self, partition: PartitionNumber, base_offset: i64) {
        self.batch.delete_cf(&self.settled, keys::batch(partition, base_offset));
    }

    /// Frees what the settled family holds of the partition below `offset`.
    pub(crate) fn delete_settled(&mut self, partition: PartitionNumber, offset: i64) {
        // RocksDB keeps nothing of an empty range, not even its sequence number: were it the last thing that was synced, the
        // next start could miss it.
        if offset > 0 {
            self.batch.delete_range_cf(
                &self.settled,
                keys::batch(partition, 0),
                keys::batch(partition, offset),
            );
        }
    }

    pub(crate) fn put_extent(&mut self, partition: &Partition, extent: Extent) {
        let record = ExtentRecord { home: extent.home, position: extent.position };
        self.put_state(keys::extent(partition.number(), extent.base_offset), record.encode());
        self.extents_added.push((partition.number(), extent));
    }

    pub(crate) fn put_stretch(&mut self, partition: PartitionNumber, complete: CompleteStretch) {
        let ((max_timestamp, start_offset), record) = complete;
        self.put_state(keys::time_index(partition, max_timestamp, start_offset), record.encode());
    }

    pub(crate) fn put_state(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.batch.put_cf(&self.state, key, value);
    }

    pub(crate) fn delete_state(&mut self, key: impl AsRef<[u8]>) {
        self.batch.delete_cf(&self.state, key);
    }

    /// The partition is gone: what this group was to remember of its producers goes with it.
    pub(crate) fn forget_producers(&mut self, partition: PartitionNumber) {
        self.producers.retain(|(number, _), _| *number != partition);
    }

    pub(crate) fn delete_state_prefix(&mut self, prefix: &[u8]) {
        self.delete_state_range(prefix, &keys::behind(prefix));
    }

    /// Deletes the keys that are ≥ `from` and < `to`.
    pub(crate) fn delete_state_range(&mut self, from: &[u8], to: &[u8]) {
        self.batch.delete_range_cf(&self.state, from, to);
    }
}
