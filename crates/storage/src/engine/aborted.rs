//! The index of aborted transactions: which of them a read of the disk needs to be told of.

use rocksdb::ErrorKind;

use super::{
    keys::{self, Tag},
    rocks::{Cursor, Engine},
};
use crate::{
    AbortedTransaction, Partition, PartitionNumber, StorageError,
    log::{AbortedEntry, AbortedScan},
};

/// Most entries that a look-up without waiting walks over.
const ENTRIES_NOW: usize = 1_000;

/// The aborted transactions that overlap the offsets from `from` to before `until`, by first offset. All of these offsets are below the last
/// stable one, so that the index has every transaction that was aborted among them.
///
/// # Errors
/// RocksDB cannot read the state, or an entry is damaged.
pub(crate) fn aborted(
    engine: &Engine,
    partition: &Partition,
    from: i64,
    until: i64,
) -> Result<Vec<AbortedTransaction>, StorageError> {
    Ok(scanned(engine, partition, from, until)?.finish())
}

/// The same as the index has them.
///
/// # Errors
/// As [`aborted`].
pub(crate) fn entries(
    engine: &Engine,
    partition: &Partition,
    from: i64,
    until: i64,
) -> Result<Vec<AbortedEntry>, StorageError> {
    Ok(scanned(engine, partition, from, until)?.entries())
}

fn scanned(
    engine: &Engine,
    partition: &Partition,
    from: i64,
    until: i64,
) -> Result<AbortedScan, StorageError> {
    let mut scan = AbortedScan::new(until);
    if partition.has_aborted() && from < until {
        each(engine, partition.number(), from, |entry| scan.add(entry))?;
    }
    Ok(scan)
}

/// The same without waiting for the disk. `None`: it must be asked, or there are too many entries for the caller's thread.
///
/// # Errors
/// As [`aborted`].
pub(crate) fn aborted_now(
    engine: &Engine,
    partition: &Partition,
    from: i64,
    until: i64,
) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
    if !partition.has_aborted() || from >= until {
        return Ok(Some(Vec::new()));
    }
    let (mut scan, mut left, mut complete) = (AbortedScan::new(until), ENTRIES_NOW, true);
    let (first, to) = range(partition.number(), from);
    let mut cursor = engine.cursor_in_memory(&engine.state()?, &first, &to);
    walk(&mut cursor, |entry| {
        complete = left > 0;
        left = left.saturating_sub(1);
        !complete || scan.add(entry)
    })?;
    match cursor.status() {
        Ok(()) => Ok(complete.then(|| scan.finish())),
        // It has met a block that is not in memory.
        Err(error) if error.kind() == ErrorKind::Incomplete => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Calls `until` with each entry whose marker is at or above `from`, in the order of the markers, until it returns true.
///
/// # Errors
/// As [`aborted`].
pub(crate) fn each(
    engine: &Engine,
    partition: PartitionNumber,
    from: i64,
    until: impl FnMut(&AbortedEntry) -> bool,
) -> Result<(), StorageError> {
    let (first, to) = range(partition, from);
    // The next read of this consumer, or of another one, finds them in memory.
    let mut cursor = engine.caching_cursor(&engine.state()?, &first, &to);
    walk(&mut cursor, until)?;
    Ok(cursor.status()?)
}

/// The keys of the entries whose marker is at or above `from`.
fn range(partition: PartitionNumber, from: i64) -> ([u8; 17], Vec<u8>) {
    (keys::aborted(partition, from), keys::after_prefix(&keys::prefix(Tag::Aborted, partition)))
}

/// An iterator that met an error looks like one at its end: the caller asks.
fn walk(cursor: &mut Cursor<'_>, mut until: impl FnMut(&AbortedEntry) -> bool) -> Result<(), StorageError> {
    cursor.seek_to_first();
    while let Some((key, value)) = cursor.item() {
        let (_, marker_offset) = keys::parse_of_partition("aborted transaction key", key)?;
        if until(&AbortedEntry::decode(marker_offset, value)?) {
            break;
        }
        cursor.next();
    }
    Ok(())
}

/// The partitions of which the index has entries. Costs one look-up for each, however many entries there are.
///
/// # Errors
/// RocksDB cannot read the state.
pub(crate) fn partitions(engine: &Engine) -> Result<Vec<PartitionNumber>, StorageError> {
    let prefix = [Tag::Aborted as u8];
    let mut cursor = engine.cursor(&engine.state()?, &prefix, &keys::after_prefix(&prefix));
    cursor.seek_to_first();
    let mut found = Vec::new();
    while let Some(key) = cursor.key() {
        let (partition, _) = keys::parse_of_partition("aborted transaction key", key)?;
        found.push(partition);
        cursor.seek(keys::after_prefix(&keys::prefix(Tag::Aborted, partition)));
    }
    cursor.status()?;
    Ok(found)
}
