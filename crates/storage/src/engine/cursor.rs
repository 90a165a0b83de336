//! Walks the stored batches of a partition.

use std::{sync::Arc, vec::IntoIter};

use bytes::Bytes;
use codec::records::BatchHeader;

use super::{
    file_name,
    journal::{file::JournalFile, record::Pointer},
    keys,
    resumable::ResumableRead,
    rocks::{BatchIterator, Engine},
};
use crate::{
    DamagedBatch, Partition, ReadError, StorageError,
    log::{BatchFamily, Extent},
};

/// A batch on the disk, valid until the cursor moves. In RocksDB its checksum holds; in the journal only its header is known.
pub(crate) struct StoredBatch<'c> {
    pub(crate) header: BatchHeader,
    pub(super) stored: Stored<'c>,
}

pub(super) enum Stored<'c> {
    /// The batch, which lies in RocksDB.
    Inline(&'c [u8]),
    /// The file in which it lies, and the offset of its first byte there.
    Journal(&'c Arc<JournalFile>, u64),
}

impl StoredBatch<'_> {
    pub(crate) fn size_bytes(&self) -> usize {
        self.header.size_bytes()
    }

    /// The batch, with a checksum that holds.
    ///
    /// # Errors
    /// The journal cannot be read, or its bytes at that place are not this batch.
    pub(crate) fn load(&self) -> Result<Bytes, StorageError> {
        match self.stored {
            Stored::Inline(value) => Ok(Bytes::copy_from_slice(value)),
            Stored::Journal(file, offset) => read_body(file, offset, &self.header),
        }
    }
}

/// A body is whole, and the one that its pointer knows. `file` holds it at `offset`.
pub(super) fn check_body(
    bytes: &[u8],
    header: &BatchHeader,
    file: &JournalFile,
    offset: u64,
) -> Result<(), StorageError> {
    let detail = match BatchHeader::parse_whole(bytes) {
        // Its checksum alone would also hold for another batch that lies in this place.
        Ok(found) if found == *header => return Ok(()),
        Ok(_) => "it is not the one that its pointer names".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(damaged_body(header, file, offset, detail))
}

/// Reads a body and checks it.
fn read_body(file: &JournalFile, offset: u64, header: &BatchHeader) -> Result<Bytes, StorageError> {
    let bytes = file.read(offset, header.size_bytes());
    let bytes = bytes.map_err(|error| unreadable_body(error, header, file, offset))?;
    check_body(&bytes, header, file, offset)?;
    Ok(bytes)
}

/// The error of a read of a body: a bad sector damages the batches that lie there, and no others.
pub(super) fn unreadable_body(
    error: StorageError,
    header: &BatchHeader,
    file: &JournalFile,
    offset: u64,
) -> StorageError {
    if error.is_bad_sector() { damaged_body(header, file, offset, error.to_string()) } else { error }
}

fn damaged_body(header: &BatchHeader, file: &JournalFile, offset: u64, detail: String) -> StorageError {
    let (file, position) = (file_name::journal(file.generation), Some(offset));
    let damage = DamagedBatch { base_offset: header.base_offset, file, position, detail };
    StorageError::DamagedBatch(damage.into())
}

/// A batch for a copy, with its damage, if it has any.
pub(crate) struct KeptBatch {
    pub(crate) base_offset: i64,
    /// As it is; where the journal has it damaged, with the header that its pointer has.
    pub(crate) bytes: Bytes,
    pub(crate) damage: Option<StorageError>,
}

/// A batch that may be damaged.
pub(crate) struct StoredEntry {
    /// As its key has it.
    pub(crate) base_offset: i64,
    /// Its length; 0 if it lies in the journal and its pointer is damaged.
    pub(crate) size_bytes: usize,
    /// Its header, if that can be read, and its checksum holds where it lies in RocksDB.
    pub(crate) header: Result<BatchHeader, StorageError>,
    /// Place of its first byte in the journal of its extent's generation; `None` if it lies in RocksDB, or its pointer is damaged.
    pub(crate) in_journal: Option<u64>,
}

impl StoredEntry {
    /// Reads the batch where it lies and checks it: its header, all of it right.
    pub(crate) fn check(&self, engine: &Engine, family: BatchFamily) -> Result<BatchHeader, StorageError> {
        let header = self.header.clone()?;
        let Some(offset) = self.in_journal else { return Ok(header) };
        let file = match family {
            BatchFamily::Generation(generation) => engine.journal.file(generation)?,
            BatchFamily::Settled => None,
        };
        let file =
            file.ok_or_else(|| StorageError::corrupt("batch", "the file that it lies in is missing"))?;
        read_body(&file, offset, &header)?;
        Ok(header)
    }
}

/// Walks a partition's batches on the disk, across its extents, from the batch that holds an offset up to an end.
pub(crate) struct BatchCursor<'a> {
    engine: &'a Arc<Engine>,
    partition: &'a Partition,
    /// The offset after the last batch that it returned.
    from: i64,
    end: i64,
    /// Extents that are still to be opened, with the end of each.
    extents: IntoIter<(Extent, i64)>,
    current: Option<OpenExtent>,
}

/// The extent that is being read.
struct OpenExtent {
    read: ResumableRead,
    end: i64,
    /// It stands on a batch that was not returned yet.
    fresh: bool,
    /// It was opened for an earlier read, so it does not see what was appended since.
    resumed: bool,
}

impl<'a> BatchCursor<'a> {
    /// From the batch that holds `from` to before `end`, in the partition's extents as they are now. Nothing
    /// is read before the first call of `next`.
    pub(crate) fn new(engine: &'a Arc<Engine>, partition: &'a Partition, from: i64, end: i64) -> Self {
        let extents = bounded(partition.extents_from(from), end);
        Self { engine, partition, from, end, extents, current: None }
    }

    /// The same, over one extent only.
    pub(crate) fn in_extent(
        engine: &'a Arc<Engine>,
        partition: &'a Partition,
        from: i64,
        extent: Extent,
        end: i64,
    ) -> Self {
        let extents = vec![(extent, end)].into_iter();
        Self { engine, partition, from, end, extents, current: None }
    }

    /// Continues with the iterator of an earlier read, if the partition still lies in its extent.
    pub(super) fn resume(&mut self, read: ResumableRead) {
        if let Some((extent, end)) = self.extents.as_slice().first().copied()
            && extent == read.extent
        {
            self.extents.next();
            self.current = Some(OpenExtent { read, end, fresh: true, resumed: true });
        }
    }

    /// The walk ends where the open iterator does.
    pub(super) fn end_with_the_open_extent(&mut self) {
        self.extents = Vec::new().into_iter();
        if let Some(open) = self.current.as_mut() {
            open.resumed = false;
        }
    }

    /// Goes on from `next_offset`, which is the offset of the batch that was returned last, and returns that one again.
    pub(super) fn again(&mut self, next_offset: i64) {
        self.from = next_offset;
        if let Some(open) = self.current.as_mut() {
            open.fresh = true;
        }
    }

    /// The open iterator, for the next read from `next_offset`: the offset of the batch that it stands on.
    pub(super) fn into_resumable(self, next_offset: i64) -> Option<ResumableRead> {
        self.current.map(|open| open.read.at(next_offset))
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// The partition was deleted, the disk failed, or the batch is damaged as far as it lies in RocksDB.
    pub(crate) fn next(&mut self) -> Result<Option<StoredBatch<'_>>, ReadError> {
        if !self.advance()? {
            return Ok(None);
        }
        let Some(open) = self.current.as_ref() else { return Ok(None) };
        let Some((key, value)) = open.read.iterator.item() else { return Ok(None) };
        // Also in place of RocksDB's own checksum of the block around it, which would cost more.
        let header = checked(self.partition, key, value)
            .map_err(|error| damaged(self.partition, open.read.extent, key, value, error))?;
        self.from = header.next_offset();
        let stored = match (Pointer::decode(value).transpose()?, &open.read.journal) {
            (None, _) => Stored::Inline(value),
            (Some(pointer), Some(file)) => Stored::Journal(file, pointer.offset),
            (Some(_), None) => {
                return Err(StorageError::corrupt("batch", "a pointer in the settled family").into());
            }
        };
        Ok(Some(StoredBatch { header, stored }))
    }

    /// The next batch, for a copy. One that is damaged stays so, and costs no other. One that lies in a bad sector is an error: a later
    /// read of it may succeed.
    pub(crate) fn next_kept(&mut self) -> Result<Option<KeptBatch>, ReadError> {
        if !self.advance()? {
            return Ok(None);
        }
        let Some(open) = self.current.as_ref() else { return Ok(None) };
        let Some((key, value)) = open.read.iterator.item() else { return Ok(None) };
        let base_offset = keys::batch_offset(self.partition.number(), key)
            .ok_or_else(|| StorageError::corrupt("batch", "its key is not one of its partition"))?;
        let header = match checked(self.partition, key, value) {
            Ok(header) => header,
            Err(error) => {
                self.from = base_offset.saturating_add(1);
                let damage = Some(damaged(self.partition, open.read.extent, key, value, error));
                return Ok(Some(KeptBatch { base_offset, bytes: Bytes::copy_from_slice(value), damage }));
            }
        };
        self.from = header.next_offset();
        let (Some(pointer), Some(file)) = (Pointer::decode(value).transpose()?, &open.read.journal) else {
            return Ok(Some(KeptBatch { base_offset, bytes: Bytes::copy_from_slice(value), damage: None }));
        };
        let bytes = file.read(pointer.offset, header.size_bytes());
        let bytes = bytes.map_err(|error| unreadable_body(error, &header, file, pointer.offset))?;
        let damage = check_body(&bytes, &header, file, pointer.offset).err();
        let bytes = if damage.is_some() { mended(&bytes, header, value) } else { bytes };
        Ok(Some(KeptBatch { base_offset, bytes, damage }))
    }

    /// The next batch, which may be damaged.
    pub(crate) fn next_stored(&mut self) -> Result<Option<StoredEntry>, ReadError> {
        if !self.advance()? {
            return Ok(None);
        }
        let Some(open) = self.current.as_ref() else { return Ok(None) };
        let Some((key, value)) = open.read.iterator.item() else { return Ok(None) };
        let base_offset = keys::batch_offset(self.partition.number(), key)
            .ok_or_else(|| StorageError::corrupt("batch", "its key is not one of its partition"))?;
        // Of a damaged batch the last offset is not known: the walk goes on with whatever key comes next.
        self.from = base_offset.saturating_add(1);
        let header = checked(self.partition, key, value);
        let pointer = Pointer::decode(value);
        let size_bytes = match (&header, &pointer) {
            (Ok(header), _) => header.size_bytes(),
            (Err(_), None) => value.len(),
            // Its length is lost.
            (Err(_), Some(_)) => 0,
        };
        let in_journal = pointer.and_then(Result::ok).map(|pointer| pointer.offset);
        Ok(Some(StoredEntry { base_offset, size_bytes, header, in_journal }))
    }

    /// Moves to the next batch, into the next extent if need be; false at the end.
    fn advance(&mut self) -> Result<bool, ReadError> {
        while !self.step()? {
            if !self.open_next()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves to the next batch below the end; false if this extent has none.
    fn step(&mut self) -> Result<bool, StorageError> {
        let Some(open) = self.current.as_mut() else { return Ok(false) };
        let iterator = &mut open.read.iterator;
        if !std::mem::take(&mut open.fresh) {
            iterator.next();
        }
        // An iterator that met an error looks like one at its end.
        let Some(key) = iterator.key() else {
            iterator.status()?;
            return Ok(false);
        };
        let end = keys::batch(self.partition.number(), open.end);
        Ok(key < end.as_slice())
    }

    /// Opens what follows; false if nothing does.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        let next = match self.current.take() {
            // Batches that were appended since it was opened are not in it: the same extent is opened anew.
            Some(open) if open.resumed && self.from < open.end => Some((open.read.extent, open.end)),
            _ => self.extents.next(),
        };
        let Some((extent, end)) = next else { return Ok(false) };
        self.open(extent, end)?;
        Ok(true)
    }

    /// Opens an extent and stands on the batch that holds the offset wanted, or on the first after it.
    fn open(&mut self, extent: Extent, end: i64) -> Result<(), ReadError> {
        let number = self.partition.number();
        let Some(family) = self.engine.family(extent.family) else { return self.reopen(extent) };
        let journal = match extent.family {
            BatchFamily::Settled => None,
            BatchFamily::Generation(generation) => match self.engine.journal.file(generation)? {
                Some(file) => Some(file),
                None => return self.reopen(extent),
            },
        };
        let lower = keys::batch(number, extent.base_offset);
        // Not bounded by the end: a later read with the same iterator may go further.
        let mut cursor = BatchIterator::open(self.engine, &family, &lower, &keys::batch(number, i64::MAX));
        let wanted = keys::batch(number, self.from);
        cursor.seek(wanted);
        // Consumers continue where a batch ended, so the second seek, which reads a block of every file, is rare.
        if self.from > extent.base_offset && cursor.key() != Some(wanted.as_slice()) {
            cursor.status()?;
            cursor.seek_for_prev(wanted);
            let holds = |value| header_of(value).is_ok_and(|header| header.next_offset() > self.from);
            if !cursor.value().is_some_and(holds) {
                cursor.status()?;
                cursor.seek(wanted);
            }
        }
        let read = ResumableRead::new(number, extent, journal, cursor);
        self.current = Some(OpenExtent { read, end, fresh: true, resumed: false });
        Ok(())
    }

    /// The extent's family was dropped after the extents were read: its living batches were moved, or it is dead.
    fn reopen(&mut self, gone: Extent) -> Result<(), ReadError> {
        if self.partition.is_deleted() {
            return Err(ReadError::Deleted);
        }
        // If the log start has moved, the reader is told by its second look at the range.
        let from = self.from.max(gone.base_offset).max(self.partition.log_start_offset());
        let extents = self.partition.extents_from(from);
        // The partition still counts on it, so no settling or deletion explains that it is gone.
        if extents.contains(&gone) {
            return Err(StorageError::corrupt("extent", "its generation is gone").into());
        }
        self.from = from;
        self.current = None;
        self.extents = bounded(extents, self.end);
        Ok(())
    }
}

/// Each extent with its end: the start of the next one, or `end`.
fn bounded(extents: Vec<Extent>, end: i64) -> IntoIter<(Extent, i64)> {
    let next: Vec<i64> = extents.iter().skip(1).map(|next| next.base_offset.min(end)).chain([end]).collect();
    extents.into_iter().zip(next).collect::<Vec<_>>().into_iter()
}

/// The header of the batch that a value is or points to; no checksum is looked at.
fn header_of(value: &[u8]) -> Result<BatchHeader, StorageError> {
    match Pointer::decode(value) {
        Some(pointer) => Ok(pointer?.header),
        None => BatchHeader::parse(value).map_err(|error| StorageError::corrupt("batch", error)),
    }
}

/// The header of a stored batch which lies under its own key, and whose checksum holds unless it is in the journal.
fn checked(partition: &Partition, key: &[u8], value: &[u8]) -> Result<BatchHeader, StorageError> {
    let header = match Pointer::decode(value) {
        Some(pointer) => pointer?.header,
        None => BatchHeader::parse_whole(value).map_err(|error| StorageError::corrupt("batch", error))?,
    };
    match keys::batch_offset(partition.number(), key) == Some(header.base_offset) {
        true => Ok(header),
        false => Err(StorageError::corrupt("batch", "its offset is not its key's")),
    }
}

/// The error of a batch of which `checked` says that.
fn damaged(
    partition: &Partition,
    extent: Extent,
    key: &[u8],
    value: &[u8],
    error: StorageError,
) -> StorageError {
    let Some(base_offset) = keys::batch_offset(partition.number(), key) else { return error };
    let detail = match error {
        StorageError::Corrupt { detail, .. } => detail.to_string(),
        other => return other,
    };
    let in_journal = Pointer::decode(value).and_then(Result::ok);
    let (file, position) = match (in_journal, extent.family) {
        (Some(pointer), BatchFamily::Generation(number)) => {
            (file_name::journal(number), Some(pointer.offset))
        }
        _ => (format!("RocksDB's family {}", extent.family.family()), None),
    };
    StorageError::DamagedBatch(DamagedBatch { base_offset, file, position, detail }.into())
}

/// A damaged body, as long as it was, with the header of its pointer: the log's end is found by it.
fn mended(body: &[u8], header: BatchHeader, pointer: &[u8]) -> Bytes {
    let mut bytes = body.to_vec();
    bytes.resize(header.size_bytes(), 0);
    if let (Some(head), Some(known)) =
        (bytes.get_mut(..BatchHeader::LEN), pointer.last_chunk::<{ BatchHeader::LEN }>())
    {
        head.copy_from_slice(known);
    }
    bytes.into()
}

/// The offset that follows the last batch on the disk, if there is one. After a damaged batch it may be too high, never too
/// low: no offset is given twice.
pub(crate) fn end_offset(engine: &Arc<Engine>, partition: &Partition) -> Result<Option<i64>, ReadError> {
    let Some(extent) = partition.extents_from(i64::MAX).pop() else { return Ok(None) };
    // Only opens the extent; it is placed by its last key.
    let mut cursor = BatchCursor::new(engine, partition, i64::MAX - 1, i64::MAX);
    cursor.open(extent, i64::MAX)?;
    let Some(raw) = cursor.current.as_mut().map(|open| &mut open.read.iterator) else { return Ok(None) };
    raw.seek_to_last();
    raw.status()?;
    let Some((key, value)) = raw.item() else { return Ok(None) };
    if let Ok(header) = checked(partition, key, value) {
        return Ok(Some(header.next_offset()));
    }
    let base_offset = keys::batch_offset(partition.number(), key)
        .ok_or_else(|| StorageError::corrupt("batch", "its key is not one of its partition"))?;
    Ok(Some(base_offset.saturating_add(most_records(base_offset, value))))
}

/// The most records that a damaged batch can have had. Its header has their number twice; if both are the same, that is it.
fn most_records(base_offset: i64, value: &[u8]) -> i64 {
    let header = header_of(value).ok().filter(|header| header.base_offset == base_offset);
    let agreed =
        header.map(|header| (i64::from(header.last_offset_delta) + 1, i64::from(header.records_count)));
    match agreed {
        Some((by_offset, count)) if by_offset == count && count > 0 => count,
        // The last offset delta is an `i32`: no batch has more offsets.
        _ => i64::from(i32::MAX) + 1,
    }
}

#[cfg(test)]
mod tests {
    use codec::records::BatchBuilder;

    use super::*;

    #[test]
    fn a_damaged_batch_takes_no_fewer_offsets_than_it_had() {
        let mut builder = BatchBuilder::new();
        (0..3).for_each(|_| builder.push(1, None, Some(b"value"), &[]));
        let sound = builder.build().to_vec();
        let damaged = |at: usize| {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            most_records(0, &bytes)
        };
        assert_eq!(damaged(sound.len() - 1), 3, "the header is sound");
        // Base offset, magic, last offset delta, number of records.
        for at in [7, 16, 26, 60] {
            assert_eq!(damaged(at), 1 << 31, "byte {at}");
        }
        assert_eq!(most_records(0, &[]), 1 << 31);
    }
}
