//! The living batches of settled files: how many bytes of each file live, and their move out of files that are mostly
//! dead.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use codec::records::BatchHeader;

use crate::{
    Partition, PartitionNumber, StorageError,
    engine::{BodyPlace, Engine, Pointer, SettledNumber, SettledValue, kept_settled},
    space::edits::Edits,
};

/// Partitions by their number on the disk.
pub(crate) type ByNumber = HashMap<PartitionNumber, Arc<Partition>>;

/// The contents of the settled family.
#[derive(Default)]
pub(crate) struct Living {
    /// Bytes of RocksDB's keys and values.
    pub(crate) inline_bytes: u64,
    /// Bytes of living bodies in each file; a file without any is missing.
    pub(crate) bytes: BTreeMap<SettledNumber, u64>,
    /// Files with batches of which it is not known if they live, or how long they are.
    pub(crate) untouchable: BTreeSet<SettledNumber>,
    /// Batches that are deleted, with their keys still there.
    pub(crate) dead: u64,
}

/// Counts what lives, by the keys. `partitions`: all that existed before; those that were deleted since are dead.
///
/// # Errors
/// RocksDB cannot read the family.
pub(crate) fn living(engine: &Engine, partitions: &ByNumber) -> Result<Living, StorageError> {
    let mut living = Living::default();
    engine.scan_settled(|SettledValue { partition, value, pointer }| {
        living.inline_bytes += (value.len() + size_of::<[u64; 2]>()) as u64;
        let (file, header) = match pointer {
            None => (None, BatchHeader::parse(value).ok()),
            Some(Ok(Pointer { header, .. })) => (Pointer::settled_file_of(value), Some(header)),
            // A damaged one still has the number of its file, perhaps.
            Some(Err(_)) => (Pointer::settled_file_of(value), None),
        };
        match (partitions.get(&partition), header) {
            (Some(partition), Some(header)) if is_dead(partition, header.next_offset()) => living.dead += 1,
            (Some(_), Some(header)) => {
                let file = file.map(|file| living.bytes.entry(file).or_default());
                file.into_iter().for_each(|bytes| *bytes += header.size_bytes() as u64);
            }
            _ => living.untouchable.extend(file),
        }
        Ok(())
    })?;
    Ok(living)
}

/// It is below the log start, or deleted: the record that removes its pointer is written, or is being written.
fn is_dead(partition: &Partition, next_offset: i64) -> bool {
    partition.is_deleted() || next_offset <= partition.log_start_offset()
}

/// Moves what lives in these files to others; returns those from which all was moved. `damaged` is told of each batch that is; `write` returns once a step is
/// written.
///
/// # Errors
/// RocksDB or a file cannot be read, or a step was not written.
pub(crate) fn resettle(
    engine: &Engine,
    partitions: &ByNumber,
    files: &BTreeSet<SettledNumber>,
    inline_bytes: usize,
    damaged: &dyn Fn(&Partition, &StorageError),
    write: &mut dyn FnMut(Edits) -> Result<(), StorageError>,
) -> Result<BTreeSet<SettledNumber>, StorageError> {
    let mut edits = Edits::new(inline_bytes);
    let mut left = files.clone();
    engine.scan_settled(|SettledValue { partition, value, pointer }| {
        let Some(Ok(pointer @ Pointer { place: BodyPlace::Settled { file, .. }, header })) = pointer else {
            return Ok(());
        };
        let Some(partition) = partitions.get(&partition).filter(|_| files.contains(&file)) else {
            return Ok(());
        };
        if is_dead(partition, header.next_offset()) {
            return Ok(());
        }
        let batch = match kept_settled(engine, &pointer, value) {
            Ok(batch) => batch,
            // It lies in a bad sector, and is not copied without its bytes: its file stays.
            Err(error) if error.is_damaged_batch() => {
                damaged(partition, &error);
                left.remove(&file);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        batch.damage.iter().for_each(|damage| damaged(partition, damage));
        edits.keep(partition, batch);
        if edits.is_full() { write(edits.take()) } else { Ok(()) }
    })?;
    write(edits)?;
    Ok(left)
}
