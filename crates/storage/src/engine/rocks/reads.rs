//! Reads of RocksDB that are not walks over batches.

use std::collections::BTreeMap;

use rocksdb::ReadTier;

use super::{Cursor, Engine, Family, options::range};
use crate::{StorageError, engine::keys};

impl Engine {
    /// Number and bytes of the files of each family.
    pub(crate) fn files(&self) -> Result<BTreeMap<String, (u64, u64)>, StorageError> {
        let mut found = BTreeMap::<String, (u64, u64)>::new();
        for file in self.db.live_files()? {
            let (files, bytes) = found.entry(file.column_family_name).or_default();
            (*files, *bytes) = (*files + 1, *bytes + file.size as u64);
        }
        Ok(found)
    }

    /// Rises with every record written.
    pub(crate) fn sequence(&self) -> u64 {
        self.db.latest_sequence_number()
    }

    /// The value of one state record, from memory or the disk.
    pub(crate) fn state_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.db.get_cf(&self.state()?, key)?)
    }

    /// A cursor over the keys of `family` that are ≥ `from` and < `to`, for reading many values once.
    pub(crate) fn cursor<'a>(&'a self, family: &Family<'_>, from: &[u8], to: &[u8]) -> Cursor<'a> {
        self.db.raw_iterator_cf_opt(family, range(from, to))
    }

    /// The same for values that many read: the blocks stay in memory.
    pub(crate) fn caching_cursor<'a>(&'a self, family: &Family<'_>, from: &[u8], to: &[u8]) -> Cursor<'a> {
        let mut options = range(from, to);
        options.fill_cache(true);
        self.db.raw_iterator_cf_opt(family, options)
    }

    /// The same over what memory has. It ends with an error of the kind `Incomplete` where the disk would have to be read.
    pub(crate) fn cursor_in_memory<'a>(&'a self, family: &Family<'_>, from: &[u8], to: &[u8]) -> Cursor<'a> {
        let mut options = range(from, to);
        options.set_read_tier(ReadTier::BlockCache);
        self.db.raw_iterator_cf_opt(family, options)
    }

    /// Calls `each` for every state record whose key starts with `prefix`, in key order.
    pub(crate) fn scan_state(
        &self,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut cursor = self.cursor(&self.state()?, prefix, &keys::after_prefix(prefix));
        cursor.seek_to_first();
        while let Some((key, value)) = cursor.item() {
            each(key, value)?;
            cursor.next();
        }
        // An iterator that met an error looks like one at its end.
        Ok(cursor.status()?)
    }
}
