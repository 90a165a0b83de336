//! Reads from the disk: whole batches, gathered in one buffer; those that lie side by side in the journal in one read.
//!
//! A consumer that catches up mostly finds its batches in the system's page cache. Where it does not, the system is told of every
//! batch of the read, and of those that the next read will want, before the first is awaited: so one consumer keeps the disk busy.

use std::sync::Arc;

use bytes::Bytes;
use codec::records::BatchHeader;

use super::{
    buffers::{BUFFER_BYTES, ReadBuffer},
    cursor::{BatchCursor, Stored, check_body},
    journal::file::JournalFile,
    resumable::ResumableReads,
    rocks::Engine,
};
use crate::{
    Partition, ReadBatches, ReadError, ReadLimits, StorageError,
    log::{Room, checked_range, found, read_tail},
};

/// Bytes of batches after a cold read that the system is told of, for the next one.
const READ_AHEAD_BYTES: usize = 2 << 20;

/// Reads from memory or the disk.
/// At most [`ReadLimits::max_bytes`], except for a first batch that must be returned; without a copy where
/// the tail has it.
///
/// # Errors
/// The offset is out of range, the partition is deleted or not led here, or the first batch cannot be read.
/// A later batch that cannot be read ends the answer before it.
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
    // The tail lacks the offset: its batches were evicted, purged, or written by an earlier process.
    let mut cursor = BatchCursor::new(engine, partition, from, end);
    if let Some(found) = kept.take(partition.number(), from) {
        cursor.resume(found);
    }
    // A client may ask for any size: memory follows the batches that are found.
    let buffer = engine.read_buffers.take(limits.max_bytes.min(BUFFER_BYTES));
    let mut gathered = Gathered { buffer, runs: Vec::new() };
    let next_offset = gathered.locate(&mut cursor, Room::new(limits))?;
    let is_cold = gathered.load()?;
    match next_offset {
        // It does not stand there any more after that; a read that waits for the disk can do without it.
        Some(next_offset) if is_cold => read_ahead(&mut cursor, next_offset),
        Some(next_offset) => kept.keep(cursor.into_resumable(next_offset)),
        None => {}
    }
    // Again, after the read: retention or a deletion may have come in between.
    checked_range(partition, from, limits.isolation)?;
    Ok(found(partition, gathered.finish()))
}

/// The batches of a read.
struct Gathered {
    /// Batches of RocksDB, and room for those of the journal.
    buffer: ReadBuffer,
    /// In the order of the buffer.
    runs: Vec<Run>,
}

/// Batches that lie side by side in a journal, and will in the buffer.
struct Run {
    file: Arc<JournalFile>,
    offset: u64,
    length: usize,
    /// Place of the first in the buffer.
    start: usize,
    headers: Vec<BatchHeader>,
}

impl Gathered {
    /// Finds the batches for which there is room, and copies those of RocksDB. Returns the offset of the first for which there is
    /// none: the cursor stands on it.
    fn locate(&mut self, cursor: &mut BatchCursor<'_>, mut room: Room) -> Result<Option<i64>, ReadError> {
        loop {
            let batch = match cursor.next() {
                Ok(Some(batch)) => batch,
                Ok(None) => return Ok(None),
                // What comes before it; the next read begins with it and tells of the error.
                Err(_) if self.buffer.len() > 0 => return Ok(None),
                Err(error) => return Err(error),
            };
            if !room.admits(batch.size_bytes()) {
                return Ok(Some(batch.header.base_offset));
            }
            let start = self.buffer.len();
            let place = self.buffer.extend(batch.size_bytes());
            match batch.stored {
                Stored::Inline(value) => place.copy_from_slice(value),
                Stored::Journal(file, offset) => self.add_to_run(file, offset, start, batch.header),
            }
        }
    }

    /// Adds a batch of the journal to the last run, if it follows it both there and in the buffer.
    fn add_to_run(&mut self, file: &Arc<JournalFile>, offset: u64, start: usize, header: BatchHeader) {
        let length = header.size_bytes();
        match self.runs.last_mut() {
            Some(run) if run.is_followed_by(file, offset, start) => {
                run.length += length;
                run.headers.push(header);
            }
            _ => self.runs.push(Run { file: Arc::clone(file), offset, length, start, headers: vec![header] }),
        }
    }

    /// Reads the batches that lie in the journal; true if the disk was waited for. What follows a damaged batch is left out, unless it
    /// is the first of all.
    fn load(&mut self) -> Result<bool, StorageError> {
        let mut is_cold = false;
        for (index, run) in self.runs.iter().enumerate() {
            let place = self.buffer.part(run.start, run.length);
            let cached = if is_cold { 0 } else { run.file.read_cached(place, run.offset) };
            if cached < run.length {
                if !is_cold {
                    self.runs[index..].iter().for_each(|run| run.file.will_need(run.offset, run.length));
                }
                is_cold = true;
                // Its end may be missing, as after damage: the checksum tells.
                run.file.read_into(&mut place[cached..], run.offset + cached as u64)?;
            }
            let (mut at, mut rest) = (run.start, &*place);
            for header in &run.headers {
                let (body, after) = rest.split_at(header.size_bytes());
                match check_body(body, header) {
                    Ok(()) => {}
                    Err(error) if at == 0 => return Err(error),
                    Err(_) => {
                        self.buffer.truncate(at);
                        return Ok(is_cold);
                    }
                }
                (at, rest) = (at + body.len(), after);
            }
        }
        Ok(is_cold)
    }

    fn finish(self) -> Vec<Bytes> {
        match self.buffer.len() {
            0 => Vec::new(),
            _ => vec![self.buffer.freeze()],
        }
    }
}

impl Run {
    fn is_followed_by(&self, file: &Arc<JournalFile>, offset: u64, start: usize) -> bool {
        let length = self.length as u64;
        Arc::ptr_eq(&self.file, file) && self.offset + length == offset && self.start + self.length == start
    }
}

/// Tells the system of the batches that the next read will want.
fn read_ahead(cursor: &mut BatchCursor<'_>, next_offset: i64) {
    let mut bytes = 0;
    cursor.again(next_offset);
    // An error is told to the read that wants the batch.
    while let Ok(Some(batch)) = cursor.next() {
        if let Stored::Journal(file, offset) = batch.stored {
            file.will_need(offset, batch.size_bytes());
        }
        bytes += batch.size_bytes();
        if bytes >= READ_AHEAD_BYTES {
            return;
        }
    }
}
