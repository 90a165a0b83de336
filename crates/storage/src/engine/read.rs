//! Reads from the disk: whole batches, gathered in one buffer; those that lie side by side in a file of our own in
//! one read.
//!
//! A consumer that catches up mostly finds its batches in the system's page cache. Where it does not, the system is told of every
//! batch of the read, and of those that the next read will want, before the first is awaited: so one consumer keeps the disk busy.

use std::sync::Arc;

use codec::records::BatchHeader;

use super::{
    aborted::{Offsets, aborted, aborted_now},
    batch_file::BatchFile,
    buffers::{BUFFER_BYTES, ReadBuffer},
    cursor::BatchCursor,
    resumable::ResumableReads,
    rocks::Engine,
    stored_batch::{Stored, check_body, unreadable_body},
};
use crate::{
    AbortedTransaction, Isolation, Partition, ReadBatches, ReadError, ReadLimits, StorageError,
    log::{Room, checked_range, found, read_tail},
};

/// Bytes of batches after a cold read that the system is told of, for the next one.
const READ_AHEAD_BYTES: usize = 2 << 20;

/// Reads without waiting for the disk: from the tail, or from the page cache for a consumer whose last read left an iterator, which
/// stands where this one begins. `None`: the disk must be asked.
pub(crate) fn read_now(
    engine: &Arc<Engine>,
    kept: &ResumableReads,
    partition: &Partition,
    from: i64,
    limits: ReadLimits,
) -> Option<Result<ReadBatches, ReadError>> {
    if let Some(answer) = read_tail(partition, from, limits) {
        return Some(answer);
    }
    // More would keep the caller's thread for too long.
    if limits.max_bytes > BUFFER_BYTES {
        return None;
    }
    let forgotten = partition.aborted_forgotten();
    let mut resumed = kept.take(partition.number(), from)?;
    let mut window = resumed.aborted.take();
    let end = match checked_range(partition, from, limits.isolation) {
        Ok((_, end)) => end,
        Err(error) => return Some(Err(error)),
    };
    let mut cursor = BatchCursor::new(engine, partition, from, end);
    cursor.resume(resumed);
    // To open another one looks into files.
    cursor.end_with_the_open_extent();
    let mut gathered = Gathered::new(engine, limits);
    let next_offset = match gathered.locate(&mut cursor, Room::new(limits)) {
        Ok(next_offset) if gathered.buffer.len() > 0 => next_offset,
        Ok(_) => return None,
        Err(error) => return Some(Err(error)),
    };
    // Before the batches are read: without it they would be read in vain.
    let look = |until| aborted_now(engine, partition, &mut window, Offsets { from, until, end });
    let aborted = match gathered.aborted(limits, look) {
        Ok(aborted) => aborted?,
        Err(error) => return Some(Err(error.into())),
    };
    match gathered.load(OnMiss::Leave) {
        Ok(Loaded::FromPageCache) => {}
        // The system was told of them by now.
        Ok(_) => return None,
        Err(error) => return Some(Err(error.into())),
    }
    if let Some(next_offset) = next_offset {
        kept.keep(cursor.into_resumable(next_offset, window));
    }
    gathered.answer(partition, from, limits, aborted, forgotten).transpose()
}

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
    loop {
        if let Some(answer) = read_tail(partition, from, limits) {
            return answer;
        }
        if let Some(answer) = read_stored(engine, kept, partition, from, limits)? {
            return Ok(answer);
        }
    }
}

/// Reads from the disk. `None`: entries of the aborted index were removed meanwhile, so that it says nothing of batches that were
/// found before.
fn read_stored(
    engine: &Arc<Engine>,
    kept: &ResumableReads,
    partition: &Partition,
    from: i64,
    limits: ReadLimits,
) -> Result<Option<ReadBatches>, ReadError> {
    let forgotten = partition.aborted_forgotten();
    let (_, end) = checked_range(partition, from, limits.isolation)?;
    // The tail lacks the offset: its batches were evicted, purged, or written by an earlier process.
    let mut cursor = BatchCursor::new(engine, partition, from, end);
    let mut window = None;
    if let Some(mut resumed) = kept.take(partition.number(), from) {
        window = resumed.aborted.take();
        cursor.resume(resumed);
    }
    let was_asked_for = kept.take_read_ahead(partition.number(), from);
    let mut gathered = Gathered::new(engine, limits);
    let next_offset = gathered.locate(&mut cursor, Room::new(limits))?;
    let loaded = gathered.load(OnMiss::Wait)?;
    let look = |until| aborted(engine, partition, &mut window, Offsets { from, until, end }).map(Some);
    let aborted = gathered.aborted(limits, look)?;
    match next_offset {
        // The iterator does not stand there any more after that; a read that waits for the disk can do without it.
        Some(next_offset) if loaded == Loaded::FromDisk || was_asked_for => {
            if let Some(until) = read_ahead(&mut cursor, next_offset) {
                kept.keep_read_ahead(partition.number(), until);
            }
        }
        Some(next_offset) => kept.keep(cursor.into_resumable(next_offset, window)),
        None => {}
    }
    gathered.answer(partition, from, limits, aborted.unwrap_or_default(), forgotten)
}

/// Treatment of a batch that the page cache lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnMiss {
    Wait,
    Leave,
}

/// Source of the batches of a read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loaded {
    FromPageCache,
    FromDisk,
    /// One is missing from the page cache, and was left ([`OnMiss::Leave`]).
    Left,
}

/// The batches of a read.
struct Gathered {
    /// Batches of RocksDB, and room for the others.
    buffer: ReadBuffer,
    /// In the order of the buffer.
    runs: Vec<Run>,
    /// The offset after the last batch.
    until: i64,
}

/// Batches that lie side by side in a file, and will in the buffer.
struct Run {
    file: Arc<BatchFile>,
    offset: u64,
    length: usize,
    /// Place of the first in the buffer.
    start: usize,
    headers: Vec<BatchHeader>,
}

impl Gathered {
    fn new(engine: &Engine, limits: ReadLimits) -> Self {
        // A client may ask for any size: memory follows the batches that are found.
        let buffer = engine.read_buffers.take(limits.max_bytes.min(BUFFER_BYTES));
        Self { buffer, runs: Vec::new(), until: 0 }
    }

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
            self.until = batch.header.next_offset();
            let place = self.buffer.extend(batch.size_bytes());
            match batch.stored {
                Stored::Inline(value) => place.copy_from_slice(value),
                Stored::File(file, offset) => self.add_to_run(file, offset, start, batch.header),
            }
        }
    }

    /// Adds a batch that lies in a file to the last run, if it follows it both there and in the buffer.
    fn add_to_run(&mut self, file: &Arc<BatchFile>, offset: u64, start: usize, header: BatchHeader) {
        let length = header.size_bytes();
        match self.runs.last_mut() {
            Some(run) if run.is_followed_by(file, offset, start) => {
                run.length += length;
                run.headers.push(header);
            }
            _ => self.runs.push(Run { file: Arc::clone(file), offset, length, start, headers: vec![header] }),
        }
    }

    /// Reads the batches that lie in files. One that is damaged, and what follows it, is left out, unless it is the first
    /// of all.
    fn load(&mut self, on_miss: OnMiss) -> Result<Loaded, StorageError> {
        let mut loaded = Loaded::FromPageCache;
        for (index, run) in self.runs.iter().enumerate() {
            let place = self.buffer.part(run.start, run.length);
            let is_cold = loaded == Loaded::FromDisk;
            let cached = if is_cold { 0 } else { run.file.read_cached(place, run.offset) };
            let mut read = Ok(());
            if cached < run.length {
                if !is_cold {
                    self.runs[index..].iter().for_each(|run| run.file.will_need(run.offset, run.length));
                }
                if on_miss == OnMiss::Leave {
                    return Ok(Loaded::Left);
                }
                loaded = Loaded::FromDisk;
                read = run.read_rest(place, cached);
            }
            if let Err((at, error)) = read.and_then(|()| run.check(place)) {
                if at == 0 {
                    return Err(error);
                }
                self.buffer.truncate(at);
                break;
            }
        }
        Ok(loaded)
    }

    /// The aborted transactions among the batches, from `look`, which gets the offset after the last batch: more than the answer needs where
    /// a damaged one was left out.
    fn aborted(
        &self,
        limits: ReadLimits,
        look: impl FnOnce(i64) -> Result<Option<Vec<AbortedTransaction>>, StorageError>,
    ) -> Result<Option<Vec<AbortedTransaction>>, StorageError> {
        match limits.isolation {
            Isolation::ReadUncommitted => Ok(Some(Vec::new())),
            Isolation::ReadCommitted => look(self.until),
        }
    }

    /// The answer. `None` if entries of the aborted index were removed since there were `forgotten` of such removals, so that `aborted`
    /// may lack some.
    fn answer(
        self,
        partition: &Partition,
        from: i64,
        limits: ReadLimits,
        aborted: Vec<AbortedTransaction>,
        forgotten: u64,
    ) -> Result<Option<ReadBatches>, ReadError> {
        if limits.isolation == Isolation::ReadCommitted && partition.aborted_forgotten() != forgotten {
            return Ok(None);
        }
        // Again, after the read and the look into the index: retention or a deletion may have come in between.
        checked_range(partition, from, limits.isolation)?;
        let batches = match self.buffer.len() {
            0 => Vec::new(),
            _ => vec![self.buffer.freeze()],
        };
        Ok(Some(found(partition, batches, aborted)))
    }
}

impl Run {
    fn is_followed_by(&self, file: &Arc<BatchFile>, offset: u64, start: usize) -> bool {
        let length = self.length as u64;
        Arc::ptr_eq(&self.file, file) && self.offset + length == offset && self.start + self.length == start
    }

    /// Reads what the page cache lacks; an error with the place of the first batch that cannot be read,
    /// or is damaged before it.
    fn read_rest(&self, place: &mut [u8], cached: usize) -> Result<(), (usize, StorageError)> {
        // Its end may be missing, as after damage: the checksum tells.
        if self.file.read_into(&mut place[cached..], self.offset + cached as u64).is_ok() {
            return Ok(());
        }
        // One by one: a bad sector costs only the batches that lie there. Each is checked before the next is read,
        // as one that is damaged ends the answer as well.
        let mut at = 0;
        for header in &self.headers {
            let (offset, body) = (self.offset + at as u64, &mut place[at..at + header.size_bytes()]);
            self.read_one(body, header, offset).map_err(|error| (self.start + at, error))?;
            at += header.size_bytes();
        }
        Ok(())
    }

    fn read_one(&self, body: &mut [u8], header: &BatchHeader, offset: u64) -> Result<(), StorageError> {
        let read = self.file.read_into(body, offset);
        read.map_err(|error| unreadable_body(error, header, &self.file, offset))?;
        // Also where the file ends before.
        check_body(body, header, &self.file, offset)
    }

    /// Checks its batches; an error with the place of the first that is damaged.
    fn check(&self, mut rest: &[u8]) -> Result<(), (usize, StorageError)> {
        let mut at = self.start;
        for header in &self.headers {
            let (body, after) = rest.split_at(header.size_bytes());
            let offset = self.offset + (at - self.start) as u64;
            check_body(body, header, &self.file, offset).map_err(|error| (at, error))?;
            (at, rest) = (at + body.len(), after);
        }
        Ok(())
    }
}

/// Asks the system for the batches that the next reads will want. Returns the offset after them, unless the last of them is in memory
/// already: then the consumer has left the part of the log that is not.
fn read_ahead(cursor: &mut BatchCursor<'_>, next_offset: i64) -> Option<i64> {
    let (mut wanted, mut bytes, mut until) = (Vec::new(), 0, next_offset);
    cursor.again(next_offset);
    // An error is told to the read that wants the batch.
    while bytes < READ_AHEAD_BYTES
        && let Ok(Some(batch)) = cursor.next()
    {
        (bytes, until) = (bytes + batch.size_bytes(), batch.header.next_offset());
        if let Stored::File(file, offset) = batch.stored {
            wanted.push((Arc::clone(file), offset, batch.size_bytes()));
        }
    }
    let (file, offset, length) = wanted.last()?;
    if file.read_cached(&mut [0], offset + *length as u64 - 1) == 1 {
        return None;
    }
    wanted.iter().for_each(|(file, offset, length)| file.will_need(*offset, *length));
    Some(until)
}
