//! The settled family and the files that it points into.

use std::{
    collections::{BTreeSet, HashSet},
    sync::atomic::Ordering,
};

use super::{Engine, Family};
use crate::{
    PartitionNumber, StorageError,
    engine::{
        fault::Operation,
        file_name::SettledNumber,
        keys::{self, Tag},
        pointer::Pointer,
    },
    log::BatchFamily,
};

/// Keys of batches are below it.
const AFTER_ALL: [u8; 17] = [0xff; 17];

/// A value of the settled family.
pub(crate) struct SettledValue<'v> {
    pub(crate) partition: PartitionNumber,
    pub(crate) value: &'v [u8],
    /// `None`: the value is the batch.
    pub(crate) pointer: Option<Result<Pointer, StorageError>>,
}

impl Engine {
    pub(super) fn settled(&self) -> Result<Family<'_>, StorageError> {
        let family = self.family(BatchFamily::Settled);
        family.ok_or_else(|| StorageError::corrupt("database", "no settled family"))
    }

    /// Rewrites the settled family without the deleted batches. RocksDB flushes first: `hold` returns once the writer
    /// holds still in [`Self::await_compaction`].
    pub(crate) fn compact_settled(
        &self,
        hold: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let family = self.settled()?;
        self.faults.pass(Operation::Compact, || {
            self.compacting.store(true, Ordering::SeqCst);
            let held = hold();
            if held.is_ok() {
                self.db.compact_range_cf(&family, None::<&[u8]>, None::<&[u8]>);
            }
            // Also if it returned without a flush: the writer must not wait for one that never comes.
            self.compacting.store(false, Ordering::SeqCst);
            held
        })
    }

    /// Bytes that the settled family holds without its files.
    pub(crate) fn settled_inline_bytes(&self) -> Result<u64, StorageError> {
        self.family_bytes(&self.settled()?)
    }

    /// Calls `each` for every value of the settled family, in the order of the keys.
    ///
    /// # Errors
    /// RocksDB cannot read it, or `each` failed.
    pub(crate) fn scan_settled(
        &self,
        mut each: impl FnMut(SettledValue<'_>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut cursor = self.cursor(&self.settled()?, &[0], &AFTER_ALL);
        cursor.seek_to_first();
        while let Some((key, value)) = cursor.item() {
            each(SettledValue { partition: partition_of(key)?, value, pointer: Pointer::decode(value) })?;
            cursor.next();
        }
        Ok(cursor.status()?)
    }

    /// The partitions of which the settled family has batches: one seek for each.
    ///
    /// # Errors
    /// RocksDB cannot read a block on the way.
    pub(crate) fn settled_partitions(&self) -> Result<HashSet<PartitionNumber>, StorageError> {
        let mut found = HashSet::new();
        let mut cursor = self.cursor(&self.settled()?, &[0], &AFTER_ALL);
        cursor.seek_to_first();
        while let Some(key) = cursor.key() {
            let partition = partition_of(key)?;
            found.insert(partition);
            let Some(next) = partition.0.checked_add(1) else { break };
            cursor.seek(keys::batch(PartitionNumber(next), 0));
        }
        cursor.status()?;
        Ok(found)
    }

    /// The settled files that the state names.
    pub(crate) fn named_settled_files(&self) -> Result<BTreeSet<SettledNumber>, StorageError> {
        let mut named = BTreeSet::new();
        self.scan_state(&[Tag::SettledFile as u8], |key, _| {
            named.insert(SettledNumber(keys::parse_number("settled file key", key)?));
            Ok(())
        })?;
        Ok(named)
    }

    /// At a start, once all that was replayed is on the disk.
    pub(crate) fn start_settled_files(&self) -> Result<(), StorageError> {
        self.settled_files.start(&self.named_settled_files()?)
    }
}

fn partition_of(key: &[u8]) -> Result<PartitionNumber, StorageError> {
    let number = key.first_chunk().map(|number| PartitionNumber(u64::from_be_bytes(*number)));
    number.ok_or_else(|| StorageError::corrupt("batch", "its key is cut"))
}
