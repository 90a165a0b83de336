//! One WriteBatch and its effects, collected while it is built.
//!
//! The writer and the modules whose changes it writes add to it; the writer writes it and publishes the effects.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use codec::records::BatchHeader;
use rocksdb::WriteBatch;

use crate::{
    Done, Partition, PartitionNumber, Purpose, StorageError,
    engine::{BodyPlace, Engine, ExtentRecord, Family, Pointer, SettledNumber, journal, keys},
    log::{BatchFamily, CompleteInterval, Extent, GenerationNumber, Written},
    metrics::BytesByPurpose,
};

/// A WriteBatch with its effects.
pub(crate) struct WriteGroup<'e> {
    /// The operations. The journal stores these very bytes, with the position of their record added.
    pub(crate) batch: WriteBatch,
    /// Batches for the journal, in the order of their offsets in it.
    pub(crate) bodies: Vec<Bytes>,
    /// Their lengths, added up.
    body_bytes: u64,
    /// Place of the first body in the journal.
    first_body: u64,
    /// Batches of at least this size are bodies.
    inline_bytes: usize,
    generation: Family<'e>,
    settled: Family<'e>,
    state: Family<'e>,
    /// The generation that takes its batches.
    pub(crate) current: GenerationNumber,
    /// Wall clock, Unix ms: the same for the whole group.
    pub(crate) now_ms: i64,
    /// Time for which the folder was open: the clock of retention.
    pub(crate) open_ms: u64,
    /// Batches in their order: published once the journal has them.
    pub(crate) written: Vec<(Arc<Partition>, Written)>,
    /// Producers whose state changed: written once a group.
    pub(crate) producers: HashMap<(PartitionNumber, i64), Arc<Partition>>,
    /// Records that producers appended.
    pub(crate) records: u64,
    /// Operations and bodies, by the purpose of the command that added them.
    pub(crate) bytes: BytesByPurpose,
    /// Length of WriteBatch and bodies that is part of `bytes`.
    counted: u64,
    pub(crate) extents_added: Vec<(PartitionNumber, Extent)>,
    pub(crate) extents_removed: Vec<(PartitionNumber, Extent)>,
    /// The settled file that it names.
    named_file: Option<SettledNumber>,
    /// Partitions whose interval was completed by its age.
    pub(crate) intervals: Vec<Arc<Partition>>,
    /// It has records of coordinators, or may have: the folder's clock is stored with them.
    pub(crate) has_coordinator_records: bool,
    /// The writer's catalog is to be published.
    pub(crate) catalog_changed: bool,
    /// Called in this order once the operating system has the group, or with the error of the write.
    pub(crate) after_write: Vec<Done<()>>,
    /// Called in this order once the group is on the disk, or with the error of the write or of the sync.
    pub(crate) after_sync: Vec<Done<()>>,
}

impl<'e> WriteGroup<'e> {
    /// An empty group at the end of the journal. The writer builds one at a time.
    ///
    /// # Errors
    /// A family that it may write to is missing, or the journal is not open for appends.
    pub(crate) fn new(
        engine: &'e Engine,
        current: GenerationNumber,
        now_ms: i64,
        open_ms: u64,
        inline_bytes: usize,
    ) -> Result<Self, StorageError> {
        let missing = || StorageError::corrupt("database", "a family is gone");
        let batch = WriteBatch::default();
        Ok(Self {
            counted: batch.size_in_bytes() as u64,
            batch,
            bodies: Vec::new(),
            body_bytes: 0,
            // Still true when the group is written: no other record is appended meanwhile, so pointers can be
            // made now.
            first_body: journal::first_body(engine.journal.next_record()?),
            inline_bytes,
            generation: engine.family(BatchFamily::Generation(current)).ok_or_else(missing)?,
            settled: engine.family(BatchFamily::Settled).ok_or_else(missing)?,
            state: engine.state()?,
            current,
            now_ms,
            open_ms,
            written: Vec::new(),
            producers: HashMap::new(),
            records: 0,
            bytes: BytesByPurpose::default(),
            extents_added: Vec::new(),
            extents_removed: Vec::new(),
            named_file: None,
            intervals: Vec::new(),
            has_coordinator_records: false,
            catalog_changed: false,
            after_write: Vec::new(),
            after_sync: Vec::new(),
        })
    }

    /// Counts the bytes added since the last call for this purpose.
    pub(crate) fn count_bytes(&mut self, purpose: Purpose) {
        let length = self.length();
        // The order of `Purpose` is that of its array.
        self.bytes[purpose as usize] += length - self.counted;
        self.counted = length;
    }

    /// Bytes of operations and bodies so far: about as many as its record in the journal will have.
    pub(crate) fn length(&self) -> u64 {
        self.batch.size_in_bytes() as u64 + self.body_bytes
    }

    /// Appends a batch to the current generation: a large one to its journal, with a pointer in RocksDB, a small one to RocksDB, where
    /// those of a partition lie side by side.
    pub(crate) fn append_batch(&mut self, partition: PartitionNumber, base_offset: i64, bytes: &Bytes) {
        let key = keys::batch(partition, base_offset);
        match bytes.first_chunk::<{ BatchHeader::LEN }>() {
            Some(head) if bytes.len() >= self.inline_bytes => {
                // With the header: look-ups by offset and by time need not read the journal.
                let place = BodyPlace::Journal { offset: self.first_body + self.body_bytes };
                self.batch.put_cf(&self.generation, key, Pointer::encode(place, head));
                self.body_bytes += bytes.len() as u64;
                self.bodies.push(bytes.clone());
            }
            _ => self.batch.put_cf(&self.generation, key, bytes),
        }
    }

    /// Puts a batch, or a pointer to one, into the settled family.
    pub(crate) fn put_settled(&mut self, partition: PartitionNumber, base_offset: i64, value: &[u8]) {
        self.batch.put_cf(&self.settled, keys::batch(partition, base_offset), value);
    }

    /// Names a settled file to which the group has pointers, so that the next start keeps it.
    pub(crate) fn name_settled_file(&mut self, file: SettledNumber) {
        // With the first pointers of each group: which is the first to be written is not known before.
        if self.named_file != Some(file) {
            self.named_file = Some(file);
            self.put_state(keys::settled_file(file), [1]);
        }
    }

    /// Removes the name of a settled file into which nothing points.
    pub(crate) fn forget_settled_file(&mut self, file: SettledNumber) {
        self.delete_state(keys::settled_file(file));
    }

    /// Deletes a batch that never was, so that the settled family has something in memory.
    pub(crate) fn touch_settled(&mut self) {
        self.delete_batch(PartitionNumber(0), 0);
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

    /// Writes the record of an extent. The partition's own list, which readers use, is left to the caller.
    pub(crate) fn put_extent(&mut self, partition: &Partition, extent: Extent) {
        let record = ExtentRecord { family: extent.family, position: extent.position };
        self.put_state(keys::extent(partition.number(), extent.base_offset), record.encode());
        self.extents_added.push((partition.number(), extent));
    }

    /// Adds a complete interval to the time index.
    pub(crate) fn put_interval(&mut self, partition: PartitionNumber, complete: CompleteInterval) {
        let ((max_timestamp, start_offset), record) = complete;
        self.put_state(keys::time_index(partition, max_timestamp, start_offset), record.encode());
    }

    pub(crate) fn put_state(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.batch.put_cf(&self.state, key, value);
    }

    pub(crate) fn delete_state(&mut self, key: impl AsRef<[u8]>) {
        self.batch.delete_cf(&self.state, key);
    }

    /// The partition is deleted: the states of its producers are not written.
    pub(crate) fn forget_producers(&mut self, partition: PartitionNumber) {
        self.producers.retain(|(number, _), _| *number != partition);
    }

    /// Deletes all state records whose key begins with `prefix`, by one operation.
    pub(crate) fn delete_state_prefix(&mut self, prefix: &[u8]) {
        self.delete_state_range(prefix, &keys::after_prefix(prefix));
    }

    /// Deletes the keys that are ≥ `from` and < `to`.
    pub(crate) fn delete_state_range(&mut self, from: &[u8], to: &[u8]) {
        self.batch.delete_range_cf(&self.state, from, to);
    }
}
