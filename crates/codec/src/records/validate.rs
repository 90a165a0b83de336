//! The walk over a producer's records that catches a batch whose counts lie.
//!
//! Kafka's `LogValidator` does the same. Nothing is allocated for uncompressed batches; compressed
//! ones stream through one small buffer, so a batch costs no more memory than its codec's window.
//!
//! It has a varint reader of its own beside [`Cursor`](crate::cursor::Cursor), as that reads slices
//! and this reads a stream of pieces too. Both forms of the walk are compiled apart, so that neither
//! asks at every byte which one it is.

use super::batch::RecordBatch;
use super::compression::{Compression, Decompressed, MAX_CONTENT};
use super::error::BatchError;

/// The facts about one record that the rules of a topic judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFacts {
    /// Its number in the batch, from 0.
    pub index: i32,
    /// Its own timestamp in ms, whatever timestamp type the batch claims.
    pub timestamp: i64,
    /// It has a key; compacted topics accept no record without one.
    pub has_key: bool,
}

/// The largest timestamp of a batch without any, as in Kafka.
const NO_TIMESTAMP: i64 = -1;

/// Walks the records of a producer's batch: as many as the header says, offsets counting up from
/// zero without gaps, every length within its record, every record as long as it claims, and
/// nothing after the last. `each` sees every record that passed.
///
/// Returns the largest timestamp of the records in ms, which indexes need in the header whatever the producer wrote
/// there: see [`RecordBatch::with_max_timestamp`].
///
/// # Errors
/// `INVALID_RECORD` for records that break a rule and for compressed data that is broken, `MESSAGE_TOO_LARGE` for
/// compressed data that expands beyond [`MAX_CONTENT`].
pub fn validate_records(batch: &RecordBatch, mut each: impl FnMut(RecordFacts)) -> Result<i64, BatchError> {
    let payload = batch.payload();
    match batch.header().attributes.compression()? {
        Compression::None => walk(batch, Walk::new(Slice(payload)), &mut each),
        codec => walk(batch, Walk::new(Decompressed::new(codec, payload, MAX_CONTENT)), &mut each),
    }
}

/// Walks all records of one source; see [`validate_records`].
fn walk<S: Source>(
    batch: &RecordBatch,
    mut walk: Walk<S>,
    each: &mut impl FnMut(RecordFacts),
) -> Result<i64, BatchError> {
    let header = batch.header();
    let mut max_timestamp = NO_TIMESTAMP;
    for index in 0..header.records_count {
        // Also for errors: the client learns which record it is (KIP-467).
        walk.index = index;
        let (timestamp_delta, has_key) = walk.record()?;
        // Wraps like Java's sum; see `Layout::timestamp`.
        let timestamp = header.base_timestamp.wrapping_add(timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        each(RecordFacts { index, timestamp, has_key });
    }
    // Kafka's `DefaultRecordBatch` refuses leftovers as well: `ensureNoneRemaining`.
    if !walk.source.at_end()? {
        return Err(walk.error("followed by more bytes than the header's records"));
    }
    Ok(max_timestamp)
}

/// Bytes that are read once, front to back. `None` means that they ended.
trait Source {
    /// The next byte.
    fn byte(&mut self) -> Result<Option<u8>, BatchError>;
    /// Moves past that many bytes.
    fn skip(&mut self, count: usize) -> Result<Option<()>, BatchError>;
    /// True if no byte follows; also a compressed stream must end properly then.
    fn at_end(&mut self) -> Result<bool, BatchError>;
}

/// Uncompressed records.
struct Slice<'a>(&'a [u8]);

impl Source for Slice<'_> {
    #[inline]
    fn byte(&mut self) -> Result<Option<u8>, BatchError> {
        Ok(self.0.split_first().map(|(first, rest)| {
            self.0 = rest;
            *first
        }))
    }

    #[inline]
    fn skip(&mut self, count: usize) -> Result<Option<()>, BatchError> {
        Ok(self.0.get(count..).map(|rest| self.0 = rest))
    }

    fn at_end(&mut self) -> Result<bool, BatchError> {
        Ok(self.0.is_empty())
    }
}

impl Source for Decompressed<'_> {
    #[inline]
    fn byte(&mut self) -> Result<Option<u8>, BatchError> {
        let mut byte = self.rest().first().copied();
        if byte.is_none() {
            self.fill()?;
            byte = self.rest().first().copied();
        }
        // At the end of the stream it has nothing to consume.
        self.consume(1);
        Ok(byte)
    }

    #[inline]
    fn skip(&mut self, mut count: usize) -> Result<Option<()>, BatchError> {
        loop {
            // A value may be longer than a piece, and a piece may hold many values.
            let step = count.min(self.rest().len());
            self.consume(step);
            count -= step;
            if count == 0 {
                return Ok(Some(()));
            }
            self.fill()?;
            if self.rest().is_empty() {
                return Ok(None);
            }
        }
    }

    fn at_end(&mut self) -> Result<bool, BatchError> {
        // An end mark or a checksum that is missing may show only here.
        self.fill()?;
        Ok(self.rest().is_empty())
    }
}

/// A walk over the records of a batch.
struct Walk<S> {
    source: S,
    /// The number of the current record.
    index: i32,
    /// Bytes left in the current record, by its own length.
    left: usize,
}

impl<S: Source> Walk<S> {
    fn new(source: S) -> Self {
        Walk { source, index: 0, left: 0 }
    }

    #[cold]
    fn error(&self, problem: &'static str) -> BatchError {
        BatchError::Record { index: self.index, problem }
    }

    /// Walks one record and returns its timestamp delta and whether it has a key.
    fn record(&mut self) -> Result<(i64, bool), BatchError> {
        // The length itself stands outside of the record.
        self.left = usize::MAX;
        let len = self.varint()?;
        self.left = usize::try_from(len).map_err(|_| self.error("negative length"))?;
        // The attributes, of which no bit has a meaning.
        self.byte()?;
        let timestamp_delta = self.varlong()?;
        // Consumers compute an offset from the batch's and this delta: a wrong one would show a record twice, or none.
        if self.varint()? != self.index {
            return Err(self.error("its offset is not the next one"));
        }
        // Keys and values are not looked at: in a stream they may lie in several pieces.
        let has_key = self.skip_nullable()?;
        self.skip_nullable()?;
        self.skip_headers()?;
        if self.left != 0 {
            return Err(self.error("longer than its content"));
        }
        Ok((timestamp_delta, has_key))
    }

    /// Skips the headers of a record; their names may not be null.
    fn skip_headers(&mut self) -> Result<(), BatchError> {
        let count = usize::try_from(self.varint()?).map_err(|_| self.error("negative header count"))?;
        // Each takes two lengths at least.
        if count > self.left / 2 {
            return Err(self.error("header count exceeds the record"));
        }
        for _ in 0..count {
            if !self.skip_nullable()? {
                // As `DefaultRecord`: "Invalid negative header key size".
                return Err(self.error("null header name"));
            }
            self.skip_nullable()?;
        }
        Ok(())
    }

    /// Skips bytes after their length; false if they are null.
    #[inline]
    fn skip_nullable(&mut self) -> Result<bool, BatchError> {
        let len = self.varint()?;
        // Kafka takes every negative length for null here (`Utils.readBytes`), but writes no other than -1.
        if len == -1 {
            return Ok(false);
        }
        match usize::try_from(len) {
            Ok(len) if len <= self.left => {
                self.left -= len;
                self.source.skip(len)?.ok_or_else(|| self.error("cut off"))?;
                Ok(true)
            }
            _ => Err(self.error("a length exceeds the record")),
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, BatchError> {
        if self.left == 0 {
            return Err(self.error("shorter than its content"));
        }
        self.left -= 1;
        self.source.byte()?.ok_or_else(|| self.error("cut off"))
    }

    #[inline]
    fn varint(&mut self) -> Result<i32, BatchError> {
        i32::try_from(self.varlong()?).map_err(|_| self.error("a number is too large"))
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, BatchError> {
        // Small deltas and lengths take one byte and need no loop.
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(i64::from(first >> 1) ^ -i64::from(first & 1));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..70).step_by(7) {
            let byte = self.byte()?;
            // The tenth byte has room for the last of 64 bits only.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(self.error("a number is too long"))
    }
}

#[cfg(test)]
mod tests;
