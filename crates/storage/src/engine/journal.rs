//! The journal: one file a generation, one record a write group. It holds the large record batches, written once, and the
//! operations that RocksDB keeps in memory until it flushes them. It is the log from which both are rebuilt.
//!
//! Only the writer appends. Order: a file is created, and its name synced, before a record in it counts as durable; a
//! record counts as durable once every file up to its end was synced; a file is deleted once nothing lives in it and RocksDB
//! has flushed everything before the next one.
//!
//! Locks are held for short steps, except `syncing` during a sync and `end` during a write: `end` or
//! `syncing` first, then `progress`. So a sync never waits for a write, nor a write for a sync.

pub(crate) mod record;
pub(crate) mod replay;

use std::{collections::BTreeSet, io::IoSlice, path::Path, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    StorageError,
    engine::{
        batch_file::{Access, BatchFile},
        fault::EngineFaults,
        file_name::{self, FileName},
        open_files::OpenFiles,
    },
    log::GenerationNumber,
    random,
};
use record::{FILE_HEADER_LEN, JournalPosition, RECORD_HEADER_LEN, RecordHeader, Salt};

/// The journal of an open folder.
pub(crate) struct Journal {
    files: OpenFiles,
    /// Locked by the writer for each record. `None` before the first file.
    end: Mutex<Option<End>>,
    progress: Mutex<Progress>,
    /// Held while files are synced: what one caller syncs, the next must not call durable before.
    syncing: Mutex<()>,
    /// Files in which nothing lives, that a replay might still read.
    retired: Mutex<BTreeSet<GenerationNumber>>,
}

/// The end of the journal, where the next record goes.
struct End {
    generation: GenerationNumber,
    file: Arc<BatchFile>,
    salt: Salt,
    /// The next record begins here.
    offset: u64,
    /// Number of the next record.
    group: u64,
}

struct Progress {
    /// End of the last record that the operating system has.
    written: JournalPosition,
    /// End of what was synced. Each record is written with it, for a replay to know.
    durable: JournalPosition,
    /// Files with records that are not durable, in order.
    unsynced: Vec<Arc<BatchFile>>,
    /// Bytes of records between the two.
    unsynced_bytes: u64,
    /// The first sync that failed. The system reports it once only, so no later sync proves anything.
    failed: Option<StorageError>,
}

impl Journal {
    /// The journal of a folder that is only looked at.
    pub(crate) fn read_only(folder: &Path, max_open: usize) -> Self {
        Self::of(OpenFiles::new(folder, Access::ReadOnly, max_open, EngineFaults::default()))
    }

    /// The journal of `folder`; [`Self::start_at`] makes it ready for appends. At most `max_open` files are kept open for reads.
    pub(crate) fn new(folder: &Path, max_open: usize, faults: EngineFaults) -> Self {
        Self::of(OpenFiles::new(folder, Access::ReadWrite, max_open, faults))
    }

    fn of(files: OpenFiles) -> Self {
        let nowhere = JournalPosition::START;
        Self {
            files,
            end: Mutex::default(),
            progress: Mutex::new(Progress {
                written: nowhere,
                durable: nowhere,
                unsynced: Vec::new(),
                unsynced_bytes: 0,
                failed: None,
            }),
            syncing: Mutex::default(),
            retired: Mutex::default(),
        }
    }

    /// The generations that have a file.
    pub(crate) fn found(&self) -> Result<BTreeSet<GenerationNumber>, StorageError> {
        Self::generations(&self.files.folder)
    }

    /// The files of `folder` by generation.
    pub(crate) fn generations(folder: &Path) -> Result<BTreeSet<GenerationNumber>, StorageError> {
        file_name::listed(folder, file_name::generation_of)
    }

    /// Cuts off what follows `end` in its file. Appends go there from now on, numbered from `group`; everything before is on the disk.
    pub(crate) fn start_at(&self, end: JournalPosition, group: u64) -> Result<(), StorageError> {
        let file = self.file(end.generation)?.ok_or_else(|| missing(end.generation))?;
        let salt = record::salt(&file)?.ok_or_else(|| damaged(end.generation))?;
        file.set_len(end.offset)?;
        // The caller syncs what lies before `end`, before anything is appended (`Engine::end_journal_at`).
        *self.progress.lock() =
            Progress { written: end, durable: end, unsynced: Vec::new(), unsynced_bytes: 0, failed: None };
        *self.end.lock() = Some(End { generation: end.generation, file, salt, offset: end.offset, group });
        Ok(())
    }

    /// Creates the file of a generation; nothing goes there before [`Self::roll`].
    pub(crate) fn create(&self, generation: GenerationNumber) -> Result<(), StorageError> {
        // The number may be that of a generation which never took a record, and was retired by this start.
        self.retired.lock().remove(&generation);
        let header = record::file_header(generation, random::secret());
        self.files.create(FileName::Journal(generation), &header).map(|_| ())
    }

    /// Appends go to the file of `generation` from now on.
    pub(crate) fn roll(&self, generation: GenerationNumber) -> Result<(), StorageError> {
        let file = self.file(generation)?.ok_or_else(|| missing(generation))?;
        let salt = record::salt(&file)?.ok_or_else(|| damaged(generation))?;
        let mut end = self.end.lock();
        // The numbers go on over all files; the first record of a folder is 1.
        let group = end.as_ref().map_or(1, |end| end.group);
        *end = Some(End { generation, file, salt, offset: FILE_HEADER_LEN, group });
        Ok(())
    }

    /// Position of the next record, in which the first body comes [`RECORD_HEADER_LEN`] bytes later.
    pub(crate) fn next_record(&self) -> Result<JournalPosition, StorageError> {
        let end = self.end.lock();
        let end = end.as_ref().ok_or_else(|| StorageError::corrupt("journal", "it is not open"))?;
        Ok(JournalPosition { generation: end.generation, offset: end.offset })
    }

    /// Appends a record and returns its length. The operating system has it afterwards.
    ///
    /// # Errors
    /// The write failed, or a part is longer than its `u32` length in the layout can say.
    pub(crate) fn append(&self, bodies: &[Bytes], operations: &[u8]) -> Result<u64, StorageError> {
        let mut end = self.end.lock();
        let end = end.as_mut().ok_or_else(|| StorageError::corrupt("journal", "it is not open"))?;
        let (header, table) = self.describe(end.group, bodies, operations)?;
        let encoded = header.encode(end.salt);
        let mut pieces = Vec::with_capacity(bodies.len() + 3);
        pieces.push(IoSlice::new(&encoded));
        pieces.extend(bodies.iter().map(|body| IoSlice::new(body)));
        pieces.extend([IoSlice::new(&table), IoSlice::new(operations)]);
        // A failed write leaves the end where it was. The process ends, and the next start cuts off what was
        // written.
        end.file.write(&mut pieces, end.offset)?;
        let length = header.record_len();
        end.offset += length;
        end.group += 1;
        let mut progress = self.progress.lock();
        progress.unsynced_bytes += length;
        progress.written = JournalPosition { generation: end.generation, offset: end.offset };
        if !progress.unsynced.last().is_some_and(|last| Arc::ptr_eq(last, &end.file)) {
            progress.unsynced.push(Arc::clone(&end.file));
        }
        Ok(length)
    }

    /// Header and table of a record with these bodies.
    fn describe(
        &self,
        group: u64,
        bodies: &[Bytes],
        operations: &[u8],
    ) -> Result<(RecordHeader, Vec<u8>), StorageError> {
        let fits = |length: usize| {
            u32::try_from(length).map_err(|_| StorageError::corrupt("write group", "it is larger than 4 GiB"))
        };
        let mut table = Vec::new();
        for body in bodies {
            record::push_table(&mut table, fits(body.len())?, record::head_checksum(body));
        }
        let header = RecordHeader {
            trailer_crc: record::checksum(&table, operations),
            group,
            // Perhaps less than is durable by the time of the write: a mark may be too low, never too high.
            durable: self.progress.lock().durable,
            bodies: fits(bodies.len())?,
            body_bytes: fits(bodies.iter().map(Bytes::len).sum())?,
            operations: fits(operations.len())?,
        };
        Ok((header, table))
    }

    /// The end of the last record.
    pub(crate) fn written(&self) -> JournalPosition {
        self.progress.lock().written
    }

    /// Puts every record onto the disk that was appended before the call.
    ///
    /// # Errors
    /// A sync failed, now or before: the system reports an error only once, so later syncs of the same file
    /// prove nothing.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let _alone = self.syncing.lock();
        let (files, upto, bytes) = {
            let mut progress = self.progress.lock();
            if let Some(error) = &progress.failed {
                return Err(error.clone());
            }
            // A record that is appended from now on puts its file on the new list: this sync may not cover
            // it.
            (std::mem::take(&mut progress.unsynced), progress.written, progress.unsynced_bytes)
        };
        for file in files {
            if let Err(error) = file.sync() {
                self.progress.lock().failed = Some(error.clone());
                return Err(error);
            }
        }
        let mut progress = self.progress.lock();
        // As noted before the sync: what was appended meanwhile is not promised.
        progress.durable = upto;
        progress.unsynced_bytes -= bytes;
        Ok(())
    }

    /// Bytes that were appended and are not on the disk yet.
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        self.progress.lock().unsynced_bytes
    }

    /// The file of a generation, which stays readable for as long as it is held; `None` if it was deleted.
    pub(crate) fn file(&self, generation: GenerationNumber) -> Result<Option<Arc<BatchFile>>, StorageError> {
        self.files.file(FileName::Journal(generation))
    }

    /// Bytes of a generation's file; 0 if it was deleted.
    pub(crate) fn bytes(&self, generation: GenerationNumber) -> Result<u64, StorageError> {
        self.file(generation)?.map_or(Ok(0), |file| file.len())
    }

    /// Nothing lives in this generation any more.
    pub(crate) fn retire(&self, generation: GenerationNumber) {
        self.retired.lock().insert(generation);
    }

    /// There are retired files that a replay from `flushed` does not read.
    pub(crate) fn has_retired(&self, flushed: JournalPosition) -> bool {
        self.retired.lock().first().is_some_and(|first| *first < flushed.generation)
    }

    /// Deletes them.
    pub(crate) fn delete_retired(&self, flushed: JournalPosition) -> Result<(), StorageError> {
        // The lock is not held while files are deleted, as the writer takes it for each group.
        let before: Vec<_> = self.retired.lock().range(..flushed.generation).copied().collect();
        for generation in before {
            self.files.remove(FileName::Journal(generation))?;
            self.retired.lock().remove(&generation);
        }
        Ok(())
    }
}

fn damaged(generation: GenerationNumber) -> StorageError {
    StorageError::corrupt("journal", format_args!("{} has no header", file_name::journal(generation)))
}

fn missing(generation: GenerationNumber) -> StorageError {
    StorageError::corrupt("journal", format_args!("{} is missing", file_name::journal(generation)))
}

/// Position of the first body of a record.
pub(crate) fn first_body(record: JournalPosition) -> u64 {
    record.offset + RECORD_HEADER_LEN as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_file_stays_until_a_replay_does_not_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path(), 8, EngineFaults::default());
        for generation in [1, 2] {
            journal.create(GenerationNumber(generation)).unwrap();
        }
        journal.retire(GenerationNumber(1));
        let files = || Journal::generations(folder.path()).unwrap().len();
        let flushed = |generation| JournalPosition { generation: GenerationNumber(generation), offset: 99 };
        assert!(!journal.has_retired(flushed(1)));
        journal.delete_retired(flushed(1)).unwrap();
        assert_eq!(files(), 2);
        let read = journal.file(GenerationNumber(1)).unwrap().unwrap();
        assert!(journal.has_retired(flushed(2)));
        journal.delete_retired(flushed(2)).unwrap();
        assert_eq!(files(), 1);
        assert!(record::salt(&read).unwrap().is_some(), "a reader that holds it goes on");
        assert!(journal.file(GenerationNumber(1)).unwrap().is_none());
    }

    /// The operating system reports a failed sync once: what the next one says is no proof.
    #[test]
    fn after_a_failed_sync_nothing_is_durable_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path(), 8, EngineFaults::default());
        journal.create(GenerationNumber(1)).unwrap();
        journal.roll(GenerationNumber(1)).unwrap();
        let batch = codec::records::BatchBuilder::new().record(1, None, Some(b"value")).build();
        journal.append(&[batch], b"operations").unwrap();
        let failed = StorageError::Stopped;
        journal.progress.lock().failed = Some(failed);
        assert!(journal.sync().is_err());
        assert!(journal.unsynced_bytes() > 0 && journal.progress.lock().durable == JournalPosition::START);
    }
}
