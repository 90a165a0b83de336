//! Settling: the living batches of a generation that is mostly dead move to the settled family, and the generation is dropped.
//!
//! Batches are copied in small groups between those of producers; an extent changes its family in the group after its last
//! copy. A reader that holds the old family can still read it.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Partition, ReadError, StorageError,
    engine::{BatchCursor, Engine},
    log::{BatchFamily, Extent, GenerationNumber},
    write::WriteGroup,
};

/// Bytes copied in one write group, which appends wait for.
const COPY_BYTES: usize = 1 << 20;

/// One step, for the writer.
pub(crate) enum Settlement {
    /// These batches, with their base offsets, lived in the generation.
    Copy(Arc<Partition>, Vec<(i64, Bytes)>),
    /// All of the extent that lives was copied.
    Move(Arc<Partition>, Extent),
}

impl Settlement {
    pub(crate) fn apply(self, group: &mut WriteGroup<'_>) {
        match self {
            Self::Copy(partition, batches) => {
                // A deletion that came first has removed its range of the settled family: these would stay
                // there for ever.
                for (base_offset, bytes) in batches.iter().filter(|_| !partition.is_deleted()) {
                    group.put_settled(partition.number(), *base_offset, bytes);
                }
            }
            Self::Move(partition, old) => move_extent(group, partition, old),
        }
    }
}

fn move_extent(group: &mut WriteGroup<'_>, partition: Arc<Partition>, old: Extent) {
    // A move of the log start or a deletion may have come first: then the extent is dead, and there is nothing to move.
    let state = partition.append.lock();
    let dead = partition.extents_below(state.log_start.offset, state.next_offset());
    if partition.is_deleted() || dead.contains(&old) || !partition.has_extent(old) {
        return;
    }
    drop(state);
    let new = Extent { family: BatchFamily::Settled, ..old };
    group.put_extent(&partition, new);
    group.extents_removed.push((partition.number(), old));
    // No sync is awaited: the old family is dropped only after the sync of the group that gives it up.
    group.after_write.push(Box::new(move |written| {
        if written.is_ok() {
            partition.replace_extent(new);
        }
    }));
}

/// Settles what the partition has in `generation`, which takes no more appends. `damaged` is told of each batch that is; `write`
/// returns once a step is written.
///
/// # Errors
/// The partition was deleted, or the disk failed: then the extent stays, and with it the generation.
/// Copies that were made are written over by the next try.
pub(crate) fn settle(
    engine: &Arc<Engine>,
    partition: &Arc<Partition>,
    generation: GenerationNumber,
    damaged: &dyn Fn(&StorageError),
    write: &mut dyn FnMut(Settlement) -> Result<(), StorageError>,
) -> Result<(), ReadError> {
    for (extent, end) in partition.extents_with_ends(partition.log_end_offset()) {
        if extent.family == BatchFamily::Generation(generation) {
            copy(engine, partition, extent, end, damaged, write)?;
            // After the last copy: from this group on a start looks for the batches in the settled family.
            write(Settlement::Move(Arc::clone(partition), extent))?;
        }
    }
    Ok(())
}

fn copy(
    engine: &Arc<Engine>,
    partition: &Arc<Partition>,
    extent: Extent,
    end: i64,
    damaged: &dyn Fn(&StorageError),
    write: &mut dyn FnMut(Settlement) -> Result<(), StorageError>,
) -> Result<(), ReadError> {
    // Batches below the log start are dead.
    let from = extent.base_offset.max(partition.log_start_offset());
    let mut cursor = BatchCursor::in_extent(engine, partition, from, extent, end);
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = cursor.next_kept()? {
        // It is copied as it is: its readers are told, and its neighbours' space comes back.
        batch.damage.iter().for_each(damaged);
        bytes += batch.bytes.len();
        batches.push((batch.base_offset, batch.bytes));
        if bytes >= COPY_BYTES {
            write(Settlement::Copy(Arc::clone(partition), std::mem::take(&mut batches)))?;
            bytes = 0;
        }
    }
    match batches.is_empty() {
        true => Ok(()),
        false => Ok(write(Settlement::Copy(Arc::clone(partition), batches))?),
    }
}
