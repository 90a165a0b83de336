//! Walks the stored batches of a partition.

mod log_end;

use std::{sync::Arc, vec::IntoIter};

use bytes::Bytes;
use codec::records::BatchHeader;

use super::{
    aborted::AbortedWindow,
    keys,
    pointer::{BodyPlace, Pointer},
    resumable::ResumableRead,
    rocks::{BatchIterator, Engine, Family},
    stored_batch::{
        KeptBatch, Stored, StoredBatch, StoredEntry, checked, damaged, header_of, kept_body, missing_file,
    },
};
use crate::{
    Partition, PartitionNumber, ReadError, StorageError,
    log::{BatchFamily, Extent},
};
pub(crate) use log_end::end_offset;

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

/// The batch on which a cursor stands.
struct AtBatch {
    base_offset: i64,
    /// Its header, if `checked` finds it sound.
    header: Result<BatchHeader, StorageError>,
    /// `None`: it lies in RocksDB, or its pointer cannot be read.
    pointer: Option<Pointer>,
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

    /// Continues with the iterator of an earlier read, if the partition still lies in its extent, and the aborted index has all that
    /// the iterator has batches of.
    pub(super) fn resume(&mut self, read: ResumableRead) {
        if let Some((extent, end)) = self.extents.as_slice().first().copied()
            && extent == read.extent
            && read.forgotten == self.partition.aborted_forgotten()
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
    pub(super) fn into_resumable(
        self,
        next_offset: i64,
        aborted: Option<AbortedWindow>,
    ) -> Option<ResumableRead> {
        self.current.map(|open| open.read.at(next_offset, aborted))
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// The partition was deleted, the disk failed, or the batch is damaged as far as it lies in RocksDB, or its file
    /// is missing.
    pub(crate) fn next(&mut self) -> Result<Option<StoredBatch<'_>>, ReadError> {
        let Some(AtBatch { base_offset, header, pointer }) = self.stand_by_its_file()? else {
            return Ok(None);
        };
        let Some(open) = self.current.as_ref() else { return Ok(None) };
        let Some(value) = open.read.iterator.value() else { return Ok(None) };
        let header = header.map_err(|error| damaged(open.read.extent, base_offset, value, error))?;
        self.from = header.next_offset();
        let stored = match (pointer, &open.read.file) {
            (None, _) => Stored::Inline(value),
            (Some(Pointer { place, .. }), Some(file)) => Stored::File(file, place.offset()),
            (Some(Pointer { place, .. }), None) => return Err(missing_file(place, base_offset).into()),
        };
        Ok(Some(StoredBatch { header, stored }))
    }

    /// The next batch, for a copy. One that is damaged stays so, and costs no other. One that lies in a bad sector is an
    /// error: a later read of it may succeed.
    pub(crate) fn next_kept(&mut self) -> Result<Option<KeptBatch>, ReadError> {
        let Some(AtBatch { base_offset, header, pointer }) = self.stand_by_its_file()? else {
            return Ok(None);
        };
        let Some(open) = self.current.as_ref() else { return Ok(None) };
        let Some(value) = open.read.iterator.value() else { return Ok(None) };
        self.from = header.as_ref().map_or(base_offset.saturating_add(1), BatchHeader::next_offset);
        let inline = |header, damage| {
            let bytes = Bytes::copy_from_slice(value);
            Ok(Some(KeptBatch { base_offset, bytes, header, damage }))
        };
        match (header, pointer) {
            (Ok(_), Some(pointer)) => Ok(kept_body(open.read.file.as_deref(), &pointer, value).map(Some)?),
            (Ok(header), None) => inline(Some(header), None),
            (Err(error), _) => inline(None, Some(damaged(open.read.extent, base_offset, value, error))),
        }
    }

    /// The next batch, which may be damaged. Its file is not looked for.
    pub(crate) fn next_stored(&mut self) -> Result<Option<StoredEntry>, ReadError> {
        let Some(AtBatch { base_offset, header, pointer }) = self.stand()? else { return Ok(None) };
        let Some(value) = self.current.as_ref().and_then(|open| open.read.iterator.value()) else {
            return Ok(None);
        };
        let size_bytes = match &header {
            Ok(header) => header.size_bytes(),
            // The length is lost with a pointer.
            Err(_) if Pointer::decode(value).is_some() => 0,
            Err(_) => value.len(),
        };
        // Of a damaged batch the last offset is not known: the walk goes on with whatever key comes next.
        self.from = base_offset.saturating_add(1);
        Ok(Some(StoredEntry { base_offset, size_bytes, header, body: pointer.map(|pointer| pointer.place) }))
    }

    /// Moves to the next batch, and opens the file in which it lies. Where that is missing, none is open.
    fn stand_by_its_file(&mut self) -> Result<Option<AtBatch>, ReadError> {
        let mut missing = None;
        loop {
            let Some(standing) = self.stand()? else { return Ok(None) };
            let Some(pointer) = standing.pointer.filter(|_| standing.header.is_ok()) else {
                return Ok(Some(standing));
            };
            // An old iterator has an old pointer, whose file may have been deleted after the batch was moved. A new
            // one that has the same pointer says that the file is lost.
            if self.open_file(pointer.place)? || missing == Some(pointer.place) {
                return Ok(Some(standing));
            }
            missing = Some(pointer.place);
            self.look_again()?;
        }
    }

    /// Moves to the next batch.
    fn stand(&mut self) -> Result<Option<AtBatch>, ReadError> {
        if !self.advance()? {
            return Ok(None);
        }
        let item = self.current.as_ref().and_then(|open| open.read.iterator.item());
        let Some((key, value)) = item else { return Ok(None) };
        let base_offset = keys::batch_offset(self.partition.number(), key)
            .ok_or_else(|| StorageError::corrupt("batch", "its key is not one of its partition"))?;
        // Also in place of RocksDB's own checksum of the block around it, which would cost more.
        let header = checked(self.partition, key, value);
        let pointer = Pointer::decode(value).and_then(Result::ok);
        Ok(Some(AtBatch { base_offset, header, pointer }))
    }

    /// Keeps the file at hand in which a body lies; false if it is missing.
    fn open_file(&mut self, place: BodyPlace) -> Result<bool, StorageError> {
        let Some(open) = self.current.as_mut() else { return Ok(false) };
        let name = place.file(open.read.extent.family)?;
        // Batches that were written together mostly lie in one file.
        if open.read.file.as_ref().is_none_or(|file| file.name != name) {
            open.read.file = self.engine.batch_file(name)?;
        }
        Ok(open.read.file.is_some())
    }

    /// Opens the iterator anew where it stands: it sees what was changed since.
    fn look_again(&mut self) -> Result<(), ReadError> {
        let number = self.partition.number();
        let Some(open) = self.current.as_mut() else { return Ok(()) };
        let extent = open.read.extent;
        let Some(family) = self.engine.family(extent.family) else { return self.reopen(extent) };
        let Some(key) = open.read.iterator.key() else { return Ok(()) };
        let forgotten = self.partition.aborted_forgotten();
        let mut iterator = iterator(self.engine, number, &family, extent);
        iterator.seek(key);
        open.read = ResumableRead::new(number, extent, None, iterator, forgotten);
        open.fresh = true;
        Ok(())
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
        let file = match extent.family {
            // Its batches lie in many files: each is opened for the first batch in it.
            BatchFamily::Settled => None,
            BatchFamily::Generation(generation) => match self.engine.journal.file(generation)? {
                Some(file) => Some(file),
                None => return self.reopen(extent),
            },
        };
        let forgotten = self.partition.aborted_forgotten();
        let mut cursor = iterator(self.engine, number, &family, extent);
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
        let read = ResumableRead::new(number, extent, file, cursor, forgotten);
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

/// An iterator over the keys of a partition in an extent's family.
fn iterator(
    engine: &Arc<Engine>,
    partition: PartitionNumber,
    family: &Family<'_>,
    extent: Extent,
) -> BatchIterator {
    let from = keys::batch(partition, extent.base_offset);
    // Not bounded by the end: a later read with the same iterator may go further.
    BatchIterator::open(engine, family, &from, &keys::batch(partition, i64::MAX))
}

/// Each extent with its end: the start of the next one, or `end`.
fn bounded(extents: Vec<Extent>, end: i64) -> IntoIter<(Extent, i64)> {
    let next: Vec<i64> = extents.iter().skip(1).map(|next| next.base_offset.min(end)).chain([end]).collect();
    extents.into_iter().zip(next).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests;
