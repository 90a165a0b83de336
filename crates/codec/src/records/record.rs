//! The records inside a batch: offset, timestamp, key, value, headers.
//!
//! [`Records`] reads one record at a time out of the batch's bytes (decompressed whole, under the
//! limit, if need be); keys and values are slices. Every length is checked against the record it
//! stands in, and that against the batch.

use bytes::Bytes;

use super::batch::{BatchHeader, TimestampType};
use super::compression::{Compression, decompress};
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
        let payload = bytes.slice(BatchHeader::LEN.min(bytes.len())..);
        let bytes = match header.attributes.compression()? {
            Compression::None => payload,
            codec => decompress(codec, &payload)?,
        };
        Ok(Records { header, bytes, at: 0, index: 0 })
    }

    fn read(&mut self) -> Result<Record, BatchError> {
        let index = self.index;
        let mut cursor = Cursor { bytes: &self.bytes, at: self.at, end: self.bytes.len(), index };
        let len = cursor.len()?.ok_or_else(|| cursor.error("negative length"))?;
        cursor.end = cursor.at + len;
        self.at = cursor.end;
        cursor.byte()?;
        let timestamp_delta = cursor.varlong()?;
        let offset_delta = cursor.varint()?;
        let key = cursor.bytes()?;
        let value = cursor.bytes()?;
        let headers = cursor.headers()?;
        if cursor.at != cursor.end {
            return Err(cursor.error("longer than its content"));
        }
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => self.header.base_timestamp.saturating_add(timestamp_delta),
            TimestampType::LogAppendTime => self.header.max_timestamp,
        };
        let offset = self.header.base_offset.saturating_add(offset_delta.into());
        Ok(Record { offset, timestamp, key, value, headers })
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

/// Reads within one record.
struct Cursor<'a> {
    bytes: &'a Bytes,
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

    fn bytes(&mut self) -> Result<Option<Bytes>, BatchError> {
        let Some(len) = self.len()? else { return Ok(None) };
        let start = self.at;
        self.at += len;
        Ok(Some(self.bytes.slice(start..self.at)))
    }

    fn headers(&mut self) -> Result<Vec<RecordHeader>, BatchError> {
        // A header takes at least two bytes, so the count is checked like a length.
        let count = self.varint()?;
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= (self.end - self.at) / 2)
            .ok_or_else(|| self.error("header count exceeds the record"))?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let key = self.bytes()?.ok_or_else(|| self.error("null header name"))?;
            headers.push(RecordHeader { key, value: self.bytes()? });
        }
        Ok(headers)
    }
}
