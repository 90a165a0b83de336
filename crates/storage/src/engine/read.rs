//! Reads from the disk: whole batches, those that lie side by side in the journal in one read.

use std::sync::Arc;

use bytes::Bytes;
use codec::records::BatchHeader;

use super::{
    cursor::{BatchCursor, Stored, StoredBatch, check_body},
    journal::file::JournalFile,
    resumable::ResumableReads,
    rocks::Engine,
};
use crate::{
    Partition, ReadBatches, ReadError, ReadLimits, StorageError,
    log::{Room, checked_range, found, read_tail},
};

/// Reads from memory or the disk.
pub(crate) fn read(
    engine: &Arc<Engine>,
    kept: &ResumableReads,
    partition: &Partition,
    from: i64,
    limits: ReadLimits,
) -> Result<ReadBatches, ReadError> {
    if let Some(answer) = read_tail(partition, from, limits) {
        return answer;
    }
    let (_, end) = checked_range(partition, from, limits.isolation)?;
    let mut room = Room::new(limits);
    let mut batches = Vec::new();
    let mut cursor = BatchCursor::new(engine, partition, from, end);
    if let Some(found) = kept.take(partition.number(), from) {
        cursor.resume(found);
    }
    loop {
        let batch = match cursor.next() {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            // What comes before it; the next read begins with it and tells of the error.
            Err(_) if !batches.is_empty() => break,
            Err(error) => return Err(error),
        };
        if !room.admits(batch.size_bytes()) {
            let next_offset = batch.header.base_offset;
            kept.keep(cursor.into_resumable(next_offset));
            break;
        }
        batches.push(locate(&batch));
    }
    let batches = load_all(batches)?;
    // Again, after the read: retention or a deletion may have come in between.
    checked_range(partition, from, limits.isolation)?;
    Ok(found(partition, batches))
}

fn locate(batch: &StoredBatch<'_>) -> Located {
    match batch.stored {
        Stored::Inline(value) => Located::Read(Bytes::copy_from_slice(value)),
        Stored::Journal(file, offset) => {
            Located::Journal(JournalBatch { file: Arc::clone(file), offset, header: batch.header })
        }
    }
}

/// A batch of a read, before the journal is read.
enum Located {
    Read(Bytes),
    Journal(JournalBatch),
}

struct JournalBatch {
    file: Arc<JournalFile>,
    offset: u64,
    header: BatchHeader,
}

impl JournalBatch {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.header.size_bytes() as u64)
    }

    /// It lies directly after `other`.
    fn follows(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.offset == other.end()
    }
}

/// Reads what is in the journal, batches that lie side by side in one read. Ends before the first that is damaged, unless it is the
/// first of all.
fn load_all(located: Vec<Located>) -> Result<Vec<Bytes>, StorageError> {
    let mut batches = Vec::with_capacity(located.len());
    let mut located = located.into_iter().peekable();
    while let Some(next) = located.next() {
        let first = match next {
            Located::Read(bytes) => {
                batches.push(bytes);
                continue;
            }
            Located::Journal(first) => first,
        };
        let mut run = vec![first];
        let follows = |next: &Located, run: &[JournalBatch]| match (next, run.last()) {
            (Located::Journal(next), Some(last)) => next.follows(last),
            _ => false,
        };
        while let Some(Located::Journal(next)) = located.next_if(|next| follows(next, &run)) {
            run.push(next);
        }
        match load_run(&run, &mut batches) {
            Err(error) if batches.is_empty() => return Err(error),
            Err(_) => break,
            Ok(()) => {}
        }
    }
    Ok(batches)
}

fn load_run(run: &[JournalBatch], batches: &mut Vec<Bytes>) -> Result<(), StorageError> {
    let Some(first) = run.first() else { return Ok(()) };
    let length = run.iter().map(|batch| batch.header.size_bytes()).sum();
    let mut bytes = first.file.read(first.offset, length)?;
    for batch in run {
        let body = bytes.split_to(batch.header.size_bytes().min(bytes.len()));
        check_body(&body, &batch.header)?;
        batches.push(body);
    }
    Ok(())
}
