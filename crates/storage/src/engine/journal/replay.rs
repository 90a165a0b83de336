//! Finds the end of the journal that a crash left.
//!
//! Records are read from the one that RocksDB had last. The first that is cut, damaged or out of sequence ends the journal: no
//! record after it was promised to be on the disk, unless it lies below the durable mark. Then it was lost, and the start is
//! refused. The mark is the greatest of those in the fence file and in the records, also in those after the end.
//!
//! Bodies below the mark are not read: what the disk damaged there costs one batch, when it is read. Above the mark a record
//! counts only if all its bodies are as they were sent.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use codec::records::BatchHeader;

use super::record::{
    self, FILE_HEADER_LEN, JournalPosition, RECORD_HEADER_LEN, RECORD_MAGIC, RecordHeader, Salt,
};
use crate::{StorageError, engine::batch_file::BatchFile, log::GenerationNumber};

/// Files of the journal by generation.
pub(crate) type Files = BTreeMap<GenerationNumber, Arc<BatchFile>>;

/// Bytes read at a time in search for records after the end.
const SEARCH_BYTES: usize = 1 << 20;

/// A record that was found whole, except for its bodies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundRecord {
    /// Of its first byte.
    pub(crate) position: JournalPosition,
    pub(crate) header: RecordHeader,
}

/// The records on the disk from some position on.
#[derive(Debug)]
pub(crate) struct Scan {
    /// In their order, without a gap.
    pub(crate) records: Vec<FoundRecord>,
    /// The place of the next record.
    pub(crate) end: JournalPosition,
    /// Everything below it was on the disk.
    pub(crate) mark: JournalPosition,
}

impl FoundRecord {
    /// The position after it.
    pub(crate) fn end(&self) -> JournalPosition {
        let JournalPosition { generation, offset } = self.position;
        JournalPosition { generation, offset: offset + self.header.record_len() }
    }

    /// Its operations.
    pub(crate) fn operations(&self, files: &Files) -> Result<Bytes, StorageError> {
        let trailer = self.trailer(files)?;
        let (table, _) = self.header.split_trailer(&trailer).ok_or_else(|| self.changed())?;
        Ok(trailer.slice(table.len()..))
    }

    /// Returns true if each of its bodies is whole and the one that was written.
    /// Reads all of them.
    ///
    /// # Errors
    /// The file cannot be read, or the record changed since it was found.
    pub(crate) fn has_its_bodies(&self, files: &Files) -> Result<bool, StorageError> {
        let file = files.get(&self.position.generation).ok_or_else(|| self.changed())?;
        let trailer = self.trailer(files)?;
        let (table, _) = self.header.split_trailer(&trailer).ok_or_else(|| self.changed())?;
        let mut offset = super::first_body(self.position);
        for (length, crc) in record::table_entries(table) {
            let body = file.read(offset, length as usize)?;
            if record::head_checksum(&body) != crc || BatchHeader::parse_whole(&body).is_err() {
                return Ok(false);
            }
            offset += u64::from(length);
        }
        Ok(true)
    }

    /// Table and operations, which were checked when the record was found.
    fn trailer(&self, files: &Files) -> Result<Bytes, StorageError> {
        let file = files.get(&self.position.generation).ok_or_else(|| self.changed())?;
        let at = self.position.offset + self.header.record_len() - self.header.trailer_len();
        file.read(at, self.header.trailer_len() as usize)
    }

    fn changed(&self) -> StorageError {
        StorageError::corrupt(
            "journal",
            format_args!("the record at {} changed while it was read", self.position),
        )
    }
}

/// Reads the records from `from` on. `fence`: everything below it was on the disk.
/// Reads headers, tables and operations, and searches all that follows the end; bodies are passed over.
pub(crate) fn scan(
    files: &Files,
    from: JournalPosition,
    fence: JournalPosition,
) -> Result<Scan, StorageError> {
    let mut scan = Scan { records: Vec::new(), end: from, mark: fence };
    for (generation, file) in files.range(from.generation..) {
        let offset = if *generation == from.generation { from.offset } else { FILE_HEADER_LEN };
        let start = JournalPosition { generation: *generation, offset };
        // A file whose first record does not follow has none yet, or none that counts.
        let Some(salt) = record::salt(file)? else { break };
        if !scan.follow(file, salt, start)? {
            break;
        }
    }
    scan.look_after_the_end(files)?;
    Ok(scan)
}

impl Scan {
    /// Adds the records of one file; true if they reach its end.
    fn follow(
        &mut self,
        file: &BatchFile,
        salt: Salt,
        mut position: JournalPosition,
    ) -> Result<bool, StorageError> {
        let length = file.len()?;
        while position.offset < length {
            let Ok(found) = record_at(file, salt, position, length)? else { return Ok(false) };
            // The first one lies at the beginning of the scan: what follows a gap would be applied without what lay in it.
            if self.records.is_empty() && position != self.end {
                return Ok(false);
            }
            // A record in between is lost, or a whole file.
            if self.records.last().is_some_and(|last| last.header.group + 1 != found.header.group) {
                return Ok(false);
            }
            position = found.end();
            self.end = position;
            self.mark = self.mark.max(found.header.durable);
            self.records.push(found);
        }
        Ok(true)
    }

    /// Records after the end do not count, but they know what was on the disk when they were written.
    fn look_after_the_end(&mut self, files: &Files) -> Result<(), StorageError> {
        for (generation, file) in files.range(self.end.generation..) {
            // Without its salt no record of it can be told from what a client sent.
            let Some(salt) = record::salt(file)? else { continue };
            let length = file.len()?;
            let offset = if *generation == self.end.generation { self.end.offset } else { 0 };
            let mut from = JournalPosition { generation: *generation, offset };
            while let Some(found) = next_record(file, salt, from, length)? {
                self.mark = self.mark.max(found.header.durable);
                from = found.end();
            }
        }
        Ok(())
    }
}

/// The first whole record at or after `from` of a file that is `length` bytes long.
pub(crate) fn next_record(
    file: &BatchFile,
    salt: Salt,
    from: JournalPosition,
    length: u64,
) -> Result<Option<FoundRecord>, StorageError> {
    let record_at = |offset| record_at(file, salt, JournalPosition { offset, ..from }, length);
    let mut from = from.offset;
    // Most records follow one another: no search is needed.
    if let Ok(found) = record_at(from)? {
        return Ok(Some(found));
    }
    while from < length {
        let bytes = file.read(from, SEARCH_BYTES)?;
        let begins = |at: &usize| bytes.get(*at..).is_some_and(|rest| rest.starts_with(RECORD_MAGIC));
        for at in (0..bytes.len()).filter(begins) {
            // A client may have sent the magic number many times: what is no header is seen without another read.
            let header = bytes.get(at..).and_then(|rest| rest.first_chunk());
            if header.is_some_and(|header| RecordHeader::decode(header, salt).is_none()) {
                continue;
            }
            if let Ok(found) = record_at(from + at as u64)? {
                return Ok(Some(found));
            }
        }
        // A magic number may lie over the border.
        let searched = bytes.len().saturating_sub(RECORD_MAGIC.len() - 1).max(1);
        from = from.saturating_add(searched as u64);
    }
    Ok(None)
}

/// Reason for which the bytes at a position are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordFault {
    #[error("the file ends within the header of a record: {left} bytes of it are left")]
    CutHeader { left: u64 },
    #[error("the bytes are no header of a record, or were changed")]
    NoHeader,
    #[error("the file ends within a record: {missing} bytes of it are missing")]
    Cut { missing: u64 },
    #[error("the record calls more durable than was written before it")]
    Durable,
    #[error("the operations of the record were changed: their checksum does not hold")]
    Trailer,
}

/// The record at a position of a file that is `length` bytes long, if there is a whole one; its bodies are not looked at.
pub(crate) fn record_at(
    file: &BatchFile,
    salt: Salt,
    position: JournalPosition,
    length: u64,
) -> Result<Result<FoundRecord, RecordFault>, StorageError> {
    let mut bytes = [0; RECORD_HEADER_LEN];
    if !file.read_into(&mut bytes, position.offset)? {
        return Ok(Err(RecordFault::CutHeader { left: length.saturating_sub(position.offset) }));
    }
    let Some(header) = RecordHeader::decode(&bytes, salt) else { return Ok(Err(RecordFault::NoHeader)) };
    let found = FoundRecord { position, header };
    let end = found.end().offset;
    if end > length {
        return Ok(Err(RecordFault::Cut { missing: end - length }));
    }
    // None was written before what it calls durable.
    if header.durable > position {
        return Ok(Err(RecordFault::Durable));
    }
    let trailer = file.read(end - header.trailer_len(), header.trailer_len() as usize)?;
    Ok(if header.split_trailer(&trailer).is_some() { Ok(found) } else { Err(RecordFault::Trailer) })
}

#[cfg(test)]
mod tests {
    use codec::records::BatchBuilder;

    use super::*;
    use crate::engine::{EngineFaults, journal::Journal};

    const FIRST: GenerationNumber = GenerationNumber(1);

    fn body(fill: u8) -> Bytes {
        let mut builder = BatchBuilder::new();
        builder.push(1, None, Some(&[fill; 600]), &[]);
        builder.build()
    }

    /// A journal with some records, and where each begins.
    struct Written {
        folder: tempfile::TempDir,
        journal: Journal,
        starts: Vec<JournalPosition>,
    }

    impl Written {
        fn new(records: u8) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let journal = Journal::new(folder.path(), 8, EngineFaults::default());
            journal.create(FIRST).unwrap();
            journal.roll(FIRST).unwrap();
            let mut written = Self { folder, journal, starts: Vec::new() };
            (0..records).for_each(|fill| written.append(fill));
            written
        }

        fn append(&mut self, fill: u8) {
            self.starts.push(self.journal.next_record().unwrap());
            self.journal.append(&[body(fill), body(fill)], &[fill; 30]).unwrap();
        }

        fn files(&self) -> Files {
            let generations = Journal::generations(self.folder.path()).unwrap();
            generations.into_iter().map(|each| (each, self.journal.file(each).unwrap().unwrap())).collect()
        }

        fn scan(&self) -> Scan {
            let from = JournalPosition { generation: FIRST, offset: FILE_HEADER_LEN };
            scan(&self.files(), from, JournalPosition::START).unwrap()
        }

        fn damage(&self, at: JournalPosition, shift: u64) {
            let file = &self.files()[&at.generation];
            let mut byte = [0];
            assert!(file.read_into(&mut byte, at.offset + shift).unwrap());
            byte[0] ^= 1;
            file.write(&mut [std::io::IoSlice::new(&byte)], at.offset + shift).unwrap();
        }
    }

    fn groups(scan: &Scan) -> Vec<u64> {
        scan.records.iter().map(|found| found.header.group).collect()
    }

    #[test]
    fn records_are_found_in_order_over_all_files() {
        let mut written = Written::new(3);
        written.journal.create(GenerationNumber(2)).unwrap();
        written.journal.roll(GenerationNumber(2)).unwrap();
        written.append(3);
        let scan = written.scan();
        assert_eq!(groups(&scan), [1, 2, 3, 4]);
        assert_eq!(scan.end, written.journal.next_record().unwrap());
        let files = written.files();
        for (found, fill) in scan.records.iter().zip(0..) {
            assert!(found.has_its_bodies(&files).unwrap());
            assert_eq!(found.operations(&files).unwrap(), [fill; 30].as_slice());
        }
        // A file was lost: the next one does not follow.
        let mut files = files;
        files.remove(&FIRST);
        let from = JournalPosition { generation: FIRST, offset: FILE_HEADER_LEN };
        let scan = super::scan(&files, written.starts[1], from).unwrap();
        assert_eq!(
            (groups(&scan), scan.end),
            (vec![], written.starts[1]),
            "what follows a gap does not count"
        );
    }

    #[test]
    fn what_follows_a_lost_record_or_file_does_not_count() {
        let mut written = Written::new(3);
        for generation in [2, 3] {
            written.journal.create(GenerationNumber(generation)).unwrap();
            written.journal.roll(GenerationNumber(generation)).unwrap();
            written.append(generation as u8);
        }
        let mut files = written.files();
        files.remove(&GenerationNumber(2));
        let from = JournalPosition { generation: FIRST, offset: FILE_HEADER_LEN };
        assert_eq!(groups(&scan(&files, from, JournalPosition::START).unwrap()), [1, 2, 3]);
        written.files()[&FIRST].set_len(written.starts[2].offset).unwrap();
        assert_eq!(groups(&written.scan()), [1, 2], "the next file begins with group 4");
    }

    #[test]
    fn a_damaged_header_or_trailer_ends_the_journal_and_a_damaged_body_is_noticed() {
        let length = Written::new(1).journal.next_record().unwrap().offset - FILE_HEADER_LEN;
        for (shift, ends) in [(0, true), (20, true), (length - 1, true), (54, false), (300, false)] {
            let written = Written::new(3);
            written.damage(written.starts[1], shift);
            let scan = written.scan();
            let files = written.files();
            let whole = |found: &FoundRecord| found.has_its_bodies(&files).unwrap();
            if ends {
                assert_eq!((groups(&scan), scan.end), (vec![1], written.starts[1]), "byte {shift}");
            } else {
                assert_eq!(scan.records.iter().map(whole).collect::<Vec<_>>(), [true, false, true]);
            }
        }
    }

    #[test]
    fn a_file_that_ends_within_a_record_ends_the_journal_before_it() {
        let written = Written::new(2);
        let end = written.journal.next_record().unwrap().offset;
        for cut in written.starts[1].offset..end {
            written.files()[&FIRST].set_len(cut).unwrap();
            assert_eq!(written.scan().end, written.starts[1], "{cut} bytes");
        }
    }

    #[test]
    fn records_after_the_end_tell_what_was_on_the_disk() {
        let mut written = Written::new(2);
        written.journal.sync().unwrap();
        let synced = written.journal.written();
        written.append(2);
        written.append(3);
        assert_eq!(written.scan().mark, synced);
        written.damage(written.starts[1], 0);
        let scan = written.scan();
        assert_eq!((groups(&scan), scan.end, scan.mark), (vec![1], written.starts[1], synced), "it is lost");
    }

    /// A client can send any bytes, also those of a record that claims that more was on the disk.
    #[test]
    fn a_batch_that_looks_like_records_is_not_taken_for_one() {
        let mut other = Written::new(2);
        other.journal.sync().unwrap();
        other.append(2);
        let forged = other.files()[&FIRST].read(0, 1 << 20).unwrap();
        let mut builder = BatchBuilder::new();
        builder.push(1, None, Some(&forged), &[]);
        let written = Written::new(1);
        let start = written.journal.next_record().unwrap();
        written.journal.append(&[builder.build()], b"operations").unwrap();
        written.damage(start, 0);
        let scan = written.scan();
        assert_eq!((scan.end, scan.mark), (start, JournalPosition::START));
    }
}
