//! The records inside a batch: offset, timestamp, key, value, headers.
//!
//! [`Records`] reads one record at a time out of the batch's bytes (decompressed whole, under the
//! limit, if need be); keys and values are slices. Every length is checked against the record it
//! stands in, and that against the batch.

use std::ops::Range;

use bytes::Bytes;

use super::batch::{BatchHeader, TimestampType};
use super::compression::{Compression, MAX_DECOMPRESSED, decompress_within};
use super::error::BatchError;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp in ms; that of the batch's append if the batch says so.
    pub timestamp: i64,
    /// Its key, or null.
    pub key: Option<Bytes>,
    /// Its value, or null: a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Its headers, in order, names may repeat.
    pub headers: Vec<RecordHeader>,
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Its name: UTF-8 by convention, which nobody checks.
    pub key: Bytes,
    /// Its value, or null.
    pub value: Option<Bytes>,
}

/// The records of a batch, read one by one. After an error it ends.
#[derive(Debug, Clone)]
pub struct Records {
    header: BatchHeader,
    bytes: Bytes,
    at: usize,
    index: i32,
}

impl Records {
    /// The records of the batch in `bytes`, whose header is `header`.
    ///
    /// # Errors
    /// If the codec is unknown, the compressed data broken or too expansive.
    pub fn new(header: BatchHeader, bytes: &Bytes) -> Result<Records, BatchError> {
        let bytes = uncompressed(&header, bytes)?;
        Ok(Records { header, bytes, at: 0, index: 0 })
    }

    fn read(&mut self) -> Result<Record, BatchError> {
        let mut headers = Vec::new();
        let slice = |range: Range<usize>| self.bytes.slice(range);
        let layout = Layout::read(&self.bytes, self.at, self.index, |key, value| {
            headers.push(RecordHeader { key: slice(key), value: value.map(slice) });
        })?;
        self.at = layout.whole.end;
        Ok(Record {
            offset: layout.offset(&self.header),
            timestamp: layout.timestamp(&self.header),
            key: layout.key.map(slice),
            value: layout.value.map(slice),
            headers,
        })
    }
}

/// The records of a batch without its header, decompressed if need be. Under the limit of all batches, not under the
/// one of this batch's size: what was accepted may have lost records since, and compress better than before.
pub(super) fn uncompressed(header: &BatchHeader, batch: &Bytes) -> Result<Bytes, BatchError> {
    let payload = batch.slice(BatchHeader::LEN.min(batch.len())..);
    match header.attributes.compression()? {
        Compression::None => Ok(payload),
        codec => decompress_within(codec, &payload, MAX_DECOMPRESSED),
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.header.records_count {
            return None;
        }
        let record = self.read();
        self.index = if record.is_ok() { self.index + 1 } else { self.header.records_count };
        Some(record)
    }
}

/// Where the parts of one record stand in the uncompressed records of its batch.
pub(super) struct Layout {
    /// All of it, with its length.
    pub(super) whole: Range<usize>,
    /// Where its offset delta starts; before it are length, attributes and timestamp delta.
    pub(super) behind_timestamp: usize,
    pub(super) attributes: u8,
    timestamp_delta: i64,
    offset_delta: i32,
    pub(super) key: Option<Range<usize>>,
    pub(super) value: Option<Range<usize>>,
}

impl Layout {
    /// Reads the record at `at`, number `index` of its batch; `header` takes the name and value of each header.
    #[inline]
    pub(super) fn read(
        bytes: &[u8],
        at: usize,
        index: i32,
        header: impl FnMut(Range<usize>, Option<Range<usize>>),
    ) -> Result<Layout, BatchError> {
        let mut cursor = Cursor { bytes, at, end: bytes.len(), index };
        let len = cursor.len()?.ok_or_else(|| cursor.error("negative length"))?;
        cursor.end = cursor.at + len;
        let attributes = cursor.byte()?;
        let timestamp_delta = cursor.varlong()?;
        let behind_timestamp = cursor.at;
        let offset_delta = cursor.varint()?;
        let key = cursor.nullable()?;
        let value = cursor.nullable()?;
        cursor.headers(header)?;
        if cursor.at != cursor.end {
            return Err(cursor.error("longer than its content"));
        }
        let whole = at..cursor.end;
        Ok(Layout { whole, behind_timestamp, attributes, timestamp_delta, offset_delta, key, value })
    }

    pub(super) fn offset(&self, header: &BatchHeader) -> i64 {
        header.base_offset.saturating_add(self.offset_delta.into())
    }

    /// Sums wrap around, as Java's do: so a timestamp outlives a change of the base, whatever it is.
    pub(super) fn timestamp(&self, header: &BatchHeader) -> i64 {
        match header.attributes.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.wrapping_add(self.timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        }
    }
}

/// Reads within one record.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    index: i32,
}

impl Cursor<'_> {
    fn error(&self, problem: &'static str) -> BatchError {
        BatchError::Record { index: self.index, problem }
    }

    fn byte(&mut self) -> Result<u8, BatchError> {
        match self.bytes.get(self.at) {
            Some(byte) if self.at < self.end => {
                self.at += 1;
                Ok(*byte)
            }
            _ => Err(self.error("cut off")),
        }
    }

    fn varlong(&mut self) -> Result<i64, BatchError> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
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

    fn varint(&mut self) -> Result<i32, BatchError> {
        i32::try_from(self.varlong()?).map_err(|_| self.error("a number is too large"))
    }

    /// A length that fits into the rest of the record; -1 is null.
    fn len(&mut self) -> Result<Option<usize>, BatchError> {
        match self.varint()? {
            -1 => Ok(None),
            len => match usize::try_from(len) {
                Ok(len) if len <= self.end - self.at => Ok(Some(len)),
                _ => Err(self.error("a length exceeds the record")),
            },
        }
    }

    fn nullable(&mut self) -> Result<Option<Range<usize>>, BatchError> {
        let Some(len) = self.len()? else { return Ok(None) };
        let start = self.at;
        self.at += len;
        Ok(Some(start..self.at))
    }

    fn headers(
        &mut self,
        mut each: impl FnMut(Range<usize>, Option<Range<usize>>),
    ) -> Result<(), BatchError> {
        // A header takes at least two bytes, so the count is checked like a length.
        let count = self.varint()?;
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= (self.end - self.at) / 2)
            .ok_or_else(|| self.error("header count exceeds the record"))?;
        for _ in 0..count {
            let key = self.nullable()?.ok_or_else(|| self.error("null header name"))?;
            each(key, self.nullable()?);
        }
        Ok(())
    }
}
