//! The end of the journal as a start finds it, from what RocksDB has flushed, the fence and the files.

use super::journal::{
    Journal,
    record::{FILE_HEADER_LEN, JournalPosition},
    replay::{self, Files, FoundRecord, Scan},
};
use crate::StorageError;

/// Records that were on the disk are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The journal ends here.
    pub(crate) recovered: JournalPosition,
    /// It was on the disk up to here.
    pub(crate) synced: JournalPosition,
}

/// The journal as a start finds it.
pub(crate) struct JournalEnd {
    pub(crate) files: Files,
    /// The record of the last write group that RocksDB has flushed.
    pub(super) flushed: Option<JournalPosition>,
    /// The first record of a replay lies here.
    pub(crate) from: JournalPosition,
    /// The records that a replay applies, in their order.
    pub(crate) records: Vec<FoundRecord>,
    /// Appends go on here.
    pub(crate) end: JournalPosition,
    /// Number of the next write group.
    pub(crate) group: u64,
    /// Everything below it was on the disk.
    pub(crate) mark: JournalPosition,
}

impl JournalEnd {
    /// Finds what a replay applies, and where the journal ends; changes nothing. `flushed`: the record of the last write group that
    /// RocksDB has flushed. `fence`: everything below it was on the disk. `None`: the folder is new.
    pub(crate) fn find(
        journal: &Journal,
        flushed: Option<JournalPosition>,
        fence: JournalPosition,
    ) -> Result<Option<Self>, StorageError> {
        let generations = journal.found()?;
        let first =
            generations.first().map(|first| JournalPosition { generation: *first, offset: FILE_HEADER_LEN });
        // Neither: the folder is new.
        let Some(from) = flushed.or(first) else { return Ok(None) };
        let mut files = Files::new();
        for generation in generations.range(from.generation..) {
            files.extend(journal.file(*generation)?.map(|file| (*generation, file)));
        }
        let Scan { mut records, mut mark, .. } = replay::scan(&files, from, fence)?;
        if flushed.is_some() {
            // RocksDB flushed the operations of that record, so all of it was on the disk.
            let missing = JournalPosition { offset: from.offset.saturating_add(1), ..from };
            mark = mark.max(records.first().map_or(missing, FoundRecord::end));
        }
        let mut whole = 0;
        // Below the mark bodies were synced: one that is damaged costs one batch, when that is read.
        for found in &records {
            if found.end() > mark && !found.has_its_bodies(&files)? {
                break;
            }
            whole += 1;
        }
        records.truncate(whole);
        // Without a record nothing tells the last number; the one that is flushed is always among them,
        // unless it is lost.
        let (end, group) = records.last().map_or((from, 1), |last| (last.end(), last.header.group + 1));
        Ok(Some(Self { files, flushed, from, records, end, group, mark }))
    }

    /// Records are missing that were on the disk.
    pub(crate) fn lost(&self) -> Option<Lost> {
        (self.end < self.mark).then_some(Lost { recovered: self.end, synced: self.mark })
    }
}
