//! Changes of the settled family, from the batches that are to lie there to the operations of the writer.
//!
//! Large batches go to a settled file first, on the thread of the cleaner; the writer only gets pointers. Small ones
//! go through the writer into RocksDB.

use std::sync::Arc;

use bytes::Bytes;
use codec::records::BatchHeader;

use crate::{
    Partition, StorageError,
    engine::{BodyPlace, KeptBatch, Pointer, SettledFiles},
    write::WriteGroup,
};

/// Bytes of bodies that are written and synced together.
const BODY_BYTES: usize = 8 << 20;
/// Bytes of operations in one write group, which appends wait for.
const GROUP_BYTES: usize = 1 << 20;
/// Of an operation, without its value.
const KEY_BYTES: usize = 20;

/// A change of the settled family at one offset.
struct Edit {
    partition: Arc<Partition>,
    base_offset: i64,
    /// The offset after the batch.
    next_offset: i64,
    /// `None`: nothing.
    batch: Option<NewBatch>,
}

enum NewBatch {
    /// For the settled family itself: a small one, or one that is damaged where it lay in RocksDB.
    Inline(Bytes),
    /// For a settled file.
    Body(Bytes),
}

/// Edits that go to the disk together.
pub(crate) struct Edits {
    edits: Vec<Edit>,
    /// Batches of at least this size are bodies.
    inline_bytes: usize,
    /// Bytes of operations, about.
    group_bytes: usize,
    body_bytes: usize,
}

impl Edits {
    pub(crate) fn new(inline_bytes: usize) -> Self {
        Self { edits: Vec::new(), inline_bytes, group_bytes: 0, body_bytes: 0 }
    }

    /// All of them; none is left.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.inline_bytes))
    }

    /// The batch as it was found, with its damage.
    pub(crate) fn keep(&mut self, partition: &Arc<Partition>, batch: KeptBatch) {
        let KeptBatch { base_offset, bytes, header, .. } = batch;
        self.put(partition, base_offset, header, bytes);
    }

    /// A new batch. `header`: its header, unless it is damaged where it lay in RocksDB.
    pub(crate) fn put(
        &mut self,
        partition: &Arc<Partition>,
        base_offset: i64,
        header: Option<BatchHeader>,
        bytes: Bytes,
    ) {
        let next_offset = header.map_or(base_offset.saturating_add(1), |header| header.next_offset());
        // A pointer stands for a batch that is what its header says.
        let is_known = header.is_some_and(|header| header.size_bytes() == bytes.len());
        self.group_bytes += KEY_BYTES;
        let batch = if is_known && bytes.len() >= self.inline_bytes {
            self.body_bytes += bytes.len();
            self.group_bytes += BatchHeader::LEN;
            NewBatch::Body(bytes)
        } else {
            self.group_bytes += bytes.len();
            NewBatch::Inline(bytes)
        };
        self.edits.push(Edit {
            partition: Arc::clone(partition),
            base_offset,
            next_offset,
            batch: Some(batch),
        });
    }

    /// No batch.
    pub(crate) fn remove(&mut self, partition: &Arc<Partition>, base_offset: i64) {
        self.group_bytes += KEY_BYTES;
        // Where it ends does not matter.
        let next_offset = base_offset;
        self.edits.push(Edit { partition: Arc::clone(partition), base_offset, next_offset, batch: None });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// As many as should be written at once.
    pub(crate) fn is_full(&self) -> bool {
        self.body_bytes >= BODY_BYTES || self.group_bytes >= GROUP_BYTES
    }

    /// Writes the bodies, in one write, and puts them onto the disk.
    ///
    /// # Errors
    /// That failed: nothing was changed.
    pub(crate) fn place(self, files: &SettledFiles) -> Result<PlacedEdits, StorageError> {
        let body = |edit: &Edit| match &edit.batch {
            Some(NewBatch::Body(bytes)) => Some(bytes.clone()),
            _ => None,
        };
        let bodies: Vec<Bytes> = self.edits.iter().filter_map(body).collect();
        // Before the writer is given a pointer: one that is on the disk must not be ahead of its body.
        let places = if bodies.is_empty() { Vec::new() } else { files.append(&bodies)? };
        let mut places = places.into_iter();
        let mut edits = Vec::with_capacity(self.edits.len());
        for Edit { partition, base_offset, next_offset, batch } in self.edits {
            let value = match batch {
                Some(NewBatch::Body(bytes)) => {
                    // Each has a place and a whole header. Passed over, one would be lost with its generation.
                    let (place, head) = places.next().zip(bytes.first_chunk()).ok_or_else(|| {
                        StorageError::corrupt("settled file", "a body has no place or no header")
                    })?;
                    Some((Bytes::from(Pointer::encode(place, head)), Some(place)))
                }
                Some(NewBatch::Inline(bytes)) => Some((bytes, None)),
                None => None,
            };
            edits.push(PlacedEdit { partition, base_offset, next_offset, value });
        }
        Ok(PlacedEdits { edits, body_bytes: self.body_bytes as u64 })
    }
}

struct PlacedEdit {
    partition: Arc<Partition>,
    base_offset: i64,
    next_offset: i64,
    /// The value for RocksDB, and the place of the body if it is a pointer.
    value: Option<(Bytes, Option<BodyPlace>)>,
}

/// Edits whose bodies are on the disk.
pub(crate) struct PlacedEdits {
    edits: Vec<PlacedEdit>,
    /// Bytes that were written for them to a settled file.
    pub(crate) body_bytes: u64,
}

impl PlacedEdits {
    /// Adds the operations to a group of the writer.
    pub(crate) fn apply(self, group: &mut WriteGroup<'_>) {
        for PlacedEdit { partition, base_offset, next_offset, value } in self.edits {
            let Some((value, place)) = value else {
                group.delete_batch(partition.number(), base_offset);
                continue;
            };
            // A deletion or a move of the log start that came first has removed its range of the settled family: a copy
            // would stay there for ever.
            if partition.is_deleted() || next_offset <= partition.append.lock().log_start.offset {
                continue;
            }
            partition.note_settled();
            group.put_settled(partition.number(), base_offset, &value);
            if let Some(BodyPlace::Settled { file, .. }) = place {
                group.name_settled_file(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use codec::records::{self, BatchBuilder};
    use uuid::Uuid;

    use super::*;
    use crate::{
        PartitionNumber, StorageOptions,
        engine::Engine,
        log::{GenerationNumber, LogStart, Recovered},
    };

    fn engine(folder: &Path) -> Engine {
        let engine = Engine::open(folder, &StorageOptions::new(folder)).unwrap();
        engine.create_generation(GenerationNumber(1)).unwrap();
        engine.journal.roll(GenerationNumber(1)).unwrap();
        engine
    }

    fn partition() -> Arc<Partition> {
        Arc::new(Partition::new(PartitionNumber(7), Uuid::nil(), 0, 0, Recovered::default()))
    }

    /// A batch of two records at this offset, of more than 100 bytes.
    fn batch(base_offset: i64) -> (BatchHeader, Bytes) {
        let mut builder = BatchBuilder::new();
        (0..2).for_each(|_| builder.push(1, None, Some(&[7; 40]), &[]));
        let mut bytes = bytes::BytesMut::from(&builder.build()[..]);
        records::set_base_offset(&mut bytes, base_offset);
        (BatchHeader::parse(&bytes).unwrap(), bytes.freeze())
    }

    fn edits(partition: &Arc<Partition>, inline_bytes: usize) -> Edits {
        let mut edits = Edits::new(inline_bytes);
        for base_offset in [0, 2, 4] {
            let (header, bytes) = batch(base_offset);
            edits.put(partition, base_offset, Some(header), bytes);
        }
        edits.remove(partition, 6);
        edits
    }

    /// Number of operations that a step becomes.
    fn applied(engine: &Engine, edits: PlacedEdits) -> usize {
        let mut group = WriteGroup::new(engine, GenerationNumber(1), 0, 0, 0).unwrap();
        edits.apply(&mut group);
        group.batch.len()
    }

    #[test]
    fn large_batches_go_to_a_file_and_small_or_damaged_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, partition) = (engine(folder.path()), partition());
        assert_eq!(applied(&engine, edits(&partition, usize::MAX).place(&engine.settled_files).unwrap()), 4);
        assert!(engine.settled_files.bytes().is_empty() && partition.has_settled());
        let mut edits = edits(&partition, 1);
        edits.put(&partition, 8, None, batch(8).1);
        let placed = edits.place(&engine.settled_files).unwrap();
        assert_eq!(placed.body_bytes, 3 * batch(0).1.len() as u64);
        assert_eq!(engine.settled_files.bytes().into_values().sum::<u64>(), 12 + placed.body_bytes);
        // With the name of the file.
        assert_eq!(applied(&engine, placed), 6);
    }

    /// A deletion comes to the writer while bodies are written: the pointers that follow must not bring back what it
    /// removed.
    #[test]
    fn what_was_deleted_meanwhile_is_not_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, partition) = (engine(folder.path()), partition());
        for inline_bytes in [1, usize::MAX] {
            let placed = edits(&partition, inline_bytes).place(&engine.settled_files).unwrap();
            // In the middle of the second batch, which stays; what is removed is removed.
            partition.append.lock().log_start = LogStart { offset: 3, position: 0 };
            assert_eq!(applied(&engine, placed), 3 + usize::from(inline_bytes == 1));
            partition.append.lock().log_start = LogStart::default();
        }
        let placed = edits(&partition, 1).place(&engine.settled_files).unwrap();
        partition.delete();
        assert_eq!(applied(&engine, placed), 1, "that removes a batch");
    }
}
