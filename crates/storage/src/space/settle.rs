//! Settling: the living batches of a generation that is mostly dead move to the settled family, and the generation is dropped.
//!
//! Batches of all partitions are copied in steps, between the groups of producers; an extent changes its family in
//! the group of its last copy. A reader that holds the old family can still read it.

use std::sync::Arc;

use crate::{
    Partition, ReadError, StorageError,
    engine::{BatchCursor, Engine},
    log::{BatchFamily, Extent, GenerationNumber},
    space::edits::Edits,
    write::WriteGroup,
};

/// Extents moved in one write group.
const MOVES: usize = 1000;

/// One step: these copies, then these moves.
pub(crate) struct Settlement {
    pub(crate) copies: Edits,
    pub(crate) moves: Moves,
}

/// Extents of which everything that lives was copied.
#[derive(Default)]
pub(crate) struct Moves(Vec<(Arc<Partition>, Extent)>);

impl Moves {
    pub(crate) fn apply(self, group: &mut WriteGroup<'_>) {
        for (partition, extent) in self.0 {
            move_extent(group, partition, extent);
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

/// A batch that cannot be read: the first from this offset on.
pub(crate) struct Unread {
    pub(crate) from: i64,
    pub(crate) error: ReadError,
}

/// Reads the batch that a settling could not read, the first from `from` on; true if it is deleted by now.
pub(crate) fn can_read(
    engine: &Arc<Engine>,
    partition: &Partition,
    generation: GenerationNumber,
    from: i64,
) -> bool {
    let from = from.max(partition.log_start_offset());
    let Some((extent, end)) = extents_in(partition, generation).find(|(_, end)| from < *end) else {
        return true;
    };
    let from = from.max(extent.base_offset);
    let found = BatchCursor::in_extent(engine, partition, from, extent, end).next_kept();
    !matches!(found, Err(ReadError::Storage(_)))
}

/// A partition's extents in a generation, each with its end.
fn extents_in(partition: &Partition, generation: GenerationNumber) -> impl Iterator<Item = (Extent, i64)> {
    let extents = partition.extents_with_ends(partition.log_end_offset()).into_iter();
    extents.filter(move |(extent, _)| extent.family == BatchFamily::Generation(generation))
}

/// Settles a generation, which takes no more appends, partition by partition.
pub(crate) struct Settling<'a> {
    engine: &'a Arc<Engine>,
    generation: GenerationNumber,
    step: Settlement,
}

impl<'a> Settling<'a> {
    pub(crate) fn new(engine: &'a Arc<Engine>, generation: GenerationNumber, inline_bytes: usize) -> Self {
        let step = Settlement { copies: Edits::new(inline_bytes), moves: Moves::default() };
        Self { engine, generation, step }
    }

    /// Copies what the partition has in the generation. `damaged` is told of each batch that is; `write` returns once
    /// a step is written, which may be that of a later call.
    ///
    /// # Errors
    /// The outer one: a step was not written. The inner one: the partition was deleted, or cannot be read; then its
    /// extent stays, and with it the generation. The next try copies its batches again, and so should wait until it
    /// [can be read](can_read): copies that no extent leads to take space until their file is settled again.
    pub(crate) fn add(
        &mut self,
        partition: &Arc<Partition>,
        damaged: &dyn Fn(&StorageError),
        write: &mut dyn FnMut(Settlement) -> Result<(), StorageError>,
    ) -> Result<Result<(), Unread>, StorageError> {
        for (extent, end) in extents_in(partition, self.generation) {
            // Batches below the log start are dead.
            let mut from = extent.base_offset.max(partition.log_start_offset());
            let mut cursor = BatchCursor::in_extent(self.engine, partition, from, extent, end);
            loop {
                let batch = match cursor.next_kept() {
                    Ok(Some(batch)) => batch,
                    Ok(None) => break,
                    Err(error) => return Ok(Err(Unread { from, error })),
                };
                from =
                    batch.header.map_or(batch.base_offset.saturating_add(1), |header| header.next_offset());
                // It is copied as it is: its readers are told, and its neighbours' space comes back.
                batch.damage.iter().for_each(damaged);
                self.step.copies.keep(partition, batch);
                if self.step.copies.is_full() {
                    write(self.take())?;
                }
            }
            // With or after the last copy: from that group on a start looks for the batches in the settled family.
            self.step.moves.0.push((Arc::clone(partition), extent));
            if self.step.moves.0.len() >= MOVES {
                write(self.take())?;
            }
        }
        Ok(Ok(()))
    }

    /// Writes what is left.
    pub(crate) fn finish(
        mut self,
        write: &mut dyn FnMut(Settlement) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        write(self.take())
    }

    fn take(&mut self) -> Settlement {
        Settlement { copies: self.step.copies.take(), moves: std::mem::take(&mut self.step.moves) }
    }
}
