//! The index of aborted transactions: which of them a read of the disk needs to be told of.
//!
//! A look-up walks over the entries of each class of spans that the partition has (`log/aborted.rs`), and over those that were written
//! before there were classes.

mod window;

use std::collections::HashMap;

use rocksdb::ErrorKind;

use super::{
    keys::{self, Tag},
    rocks::{Cursor, Engine},
};
use crate::{
    AbortedTransaction, Partition, PartitionNumber, StorageError,
    log::{AbortedEntry, AbortedScan, SpanClass, SpanClasses},
};

pub(crate) use window::AbortedWindow;

/// Most entries that a look-up without waiting walks over.
const ENTRIES_NOW: usize = 1_000;

/// Offsets of a read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    /// The first.
    pub(crate) from: i64,
    /// The offset after the last batch.
    pub(crate) until: i64,
    /// The last stable offset when the read began.
    pub(crate) end: i64,
}

/// The aborted transactions that overlap the offsets of a read, by first offset. All of these offsets are below the last stable one, so that
/// the index has every transaction that was aborted among them. They come from the window if it has them; else there is a new one
/// afterwards, or none where too many are near.
///
/// # Errors
/// RocksDB cannot read the state, or an entry is damaged.
pub(crate) fn aborted(
    engine: &Engine,
    partition: &Partition,
    window: &mut Option<AbortedWindow>,
    offsets: Offsets,
) -> Result<Vec<AbortedTransaction>, StorageError> {
    // The next read of this consumer, or of another one, finds them in memory.
    let open = |(first, to): &KeyRange| Ok(engine.caching_cursor(&engine.state()?, first, to));
    Ok(from_window(partition, window, offsets, usize::MAX, open)?.unwrap_or_default())
}

/// The same without waiting for the disk. `None`: it must be asked, or there are too many entries for the caller's thread.
///
/// # Errors
/// As [`aborted`].
pub(crate) fn aborted_now(
    engine: &Engine,
    partition: &Partition,
    window: &mut Option<AbortedWindow>,
    offsets: Offsets,
) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
    let open = |(first, to): &KeyRange| Ok(engine.cursor_in_memory(&engine.state()?, first, to));
    match from_window(partition, window, offsets, ENTRIES_NOW, open) {
        // It has met a block that is not in memory.
        Err(Walk::Disk(error)) if error.kind() == ErrorKind::Incomplete => Ok(None),
        found => Ok(found?),
    }
}

/// See [`aborted`]. `None`: there are more than `most`.
fn from_window<'e>(
    partition: &Partition,
    window: &mut Option<AbortedWindow>,
    Offsets { from, until, end }: Offsets,
    most: usize,
    open: impl Fn(&KeyRange) -> Result<Cursor<'e>, StorageError>,
) -> Result<Option<Vec<AbortedTransaction>>, Walk> {
    if !partition.has_aborted() || from >= until {
        return Ok(Some(Vec::new()));
    }
    // Before the index is read: entries that are removed while it is make the window useless.
    let forgotten = partition.aborted_forgotten();
    if let Some(known) = window.as_ref().and_then(|window| window.overlapping(from, until, forgotten)) {
        return Ok(Some(known));
    }
    let window_end = AbortedWindow::end(from, until, end);
    let mut scan = AbortedScan::new(window_end);
    scan_all(partition, from, &mut scan, window::ENTRIES, &open)?;
    *window = (scan.met() <= window::ENTRIES).then(|| AbortedWindow::new(from, window_end, scan, forgotten));
    if let Some(window) = window {
        return Ok(window.overlapping(from, until, forgotten));
    }
    let mut scan = AbortedScan::new(until);
    scan_all(partition, from, &mut scan, most, &open)?;
    Ok((scan.met() <= most).then(|| scan.finish()))
}

/// Those that overlap the offsets from `from` to before `until`, as the index has them.
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
        let open = |(first, to): &KeyRange| Ok(engine.caching_cursor(&engine.state()?, first, to));
        scan_all(partition, from, &mut scan, usize::MAX, open)?;
    }
    Ok(scan)
}

/// First key, and the key after the last.
type KeyRange = (Vec<u8>, Vec<u8>);

/// The reason for which a walk over entries ended early.
#[derive(Debug)]
enum Walk {
    Disk(rocksdb::Error),
    Damaged(StorageError),
}

impl From<Walk> for StorageError {
    fn from(error: Walk) -> Self {
        match error {
            Walk::Disk(error) => error.into(),
            Walk::Damaged(error) => error,
        }
    }
}

impl From<StorageError> for Walk {
    fn from(error: StorageError) -> Self {
        Self::Damaged(error)
    }
}

/// Gives the scan the entries of all classes whose markers are at or above `from`, as far as it needs them; ends after one more than
/// `most`.
fn scan_all<'e>(
    partition: &Partition,
    from: i64,
    scan: &mut AbortedScan,
    most: usize,
    open: impl Fn(&KeyRange) -> Result<Cursor<'e>, StorageError>,
) -> Result<(), Walk> {
    let (number, classes) = (partition.number(), partition.aborted_classes());
    let take = |range: KeyRange, scan: &mut AbortedScan| {
        walk(&mut open(&range)?, |entry| scan.add(entry) || scan.met() > most)
    };
    for class in classes.iter() {
        let end = keys::aborted_by_span(number, class, scan.markers_end(class));
        take((keys::aborted_by_span(number, class, from).to_vec(), end.to_vec()), scan)?;
    }
    match classes.has_unclassed() {
        true => take(unclassed(number, from), scan),
        false => Ok(()),
    }
}

/// Calls `each` with every entry, class by class in the order of the markers.
///
/// # Errors
/// As [`aborted`].
pub(crate) fn each(
    engine: &Engine,
    partition: PartitionNumber,
    mut each: impl FnMut(&AbortedEntry),
) -> Result<(), StorageError> {
    let prefix = keys::prefix(Tag::AbortedBySpan, partition);
    let by_span = (prefix.to_vec(), keys::after_prefix(&prefix));
    for (first, to) in [by_span, unclassed(partition, 0)] {
        let mut each = |entry: &AbortedEntry| {
            each(entry);
            false
        };
        walk(&mut engine.cursor(&engine.state()?, &first, &to), &mut each)?;
    }
    Ok(())
}

/// The keys of the entries without class whose marker is at or above `from`.
fn unclassed(partition: PartitionNumber, from: i64) -> KeyRange {
    let end = keys::after_prefix(&keys::prefix(Tag::Aborted, partition));
    (keys::aborted(partition, from).to_vec(), end)
}

/// The keys of all entries whose markers are below an offset, as ranges.
pub(crate) fn below(partition: &Partition, offset: i64) -> Vec<KeyRange> {
    let (number, classes) = (partition.number(), partition.aborted_classes());
    let of_class = |class: SpanClass| {
        let end = keys::aborted_by_span(number, class, offset);
        (keys::aborted_class(number, class).to_vec(), end.to_vec())
    };
    let unclassed = (keys::prefix(Tag::Aborted, number).to_vec(), keys::aborted(number, offset).to_vec());
    classes.iter().map(of_class).chain(classes.has_unclassed().then_some(unclassed)).collect()
}

/// An iterator that met an error looks like one at its end: it is asked.
fn walk(cursor: &mut Cursor<'_>, mut until: impl FnMut(&AbortedEntry) -> bool) -> Result<(), Walk> {
    cursor.seek_to_first();
    while let Some((key, value)) = cursor.item() {
        if until(&entry(key, value)?) {
            break;
        }
        cursor.next();
    }
    cursor.status().map_err(Walk::Disk)
}

fn entry(key: &[u8], value: &[u8]) -> Result<AbortedEntry, StorageError> {
    let marker_offset = match key.first() {
        Some(tag) if *tag == Tag::AbortedBySpan as u8 => keys::parse_aborted_by_span(key)?.2,
        _ => keys::parse_of_partition("aborted transaction key", key)?.1,
    };
    AbortedEntry::decode(marker_offset, value)
}

/// The partitions of which the index has entries, with their classes. Costs one look-up for each class of each of them, however many
/// entries there are.
///
/// # Errors
/// RocksDB cannot read the state.
pub(crate) fn partitions(engine: &Engine) -> Result<HashMap<PartitionNumber, SpanClasses>, StorageError> {
    let mut found = HashMap::<_, SpanClasses>::new();
    let mut note = |partition, classes: SpanClasses| {
        let known = found.entry(partition).or_default();
        *known = known.with(classes);
    };
    skip_through(engine, Tag::Aborted, |key| {
        let (partition, _) = keys::parse_of_partition("aborted transaction key", key)?;
        note(partition, SpanClasses::UNCLASSED);
        Ok(keys::prefix(Tag::Aborted, partition).to_vec())
    })?;
    skip_through(engine, Tag::AbortedBySpan, |key| {
        let (partition, class, _) = keys::parse_aborted_by_span(key)?;
        note(partition, class.into());
        Ok(keys::aborted_class(partition, class).to_vec())
    })?;
    Ok(found)
}

/// Calls `group` with the first key of the tag, and with the first key after all that begin with what it returned last.
fn skip_through(
    engine: &Engine,
    tag: Tag,
    mut group: impl FnMut(&[u8]) -> Result<Vec<u8>, StorageError>,
) -> Result<(), StorageError> {
    let prefix = [tag as u8];
    let mut cursor = engine.cursor(&engine.state()?, &prefix, &keys::after_prefix(&prefix));
    cursor.seek_to_first();
    while let Some(key) = cursor.key() {
        let prefix = group(key)?;
        cursor.seek(keys::after_prefix(&prefix));
    }
    Ok(cursor.status()?)
}

#[cfg(test)]
mod tests;
