//! The records inside a batch: offset, timestamp, key, value, headers.
//!
//! [`Records`] reads one record at a time out of the batch's bytes (decompressed whole, under the
//! limit, if need be); keys and values are slices. Every length is checked against the record it
//! stands in, and that against the batch.
//!
//! Layout of a record: its length, attributes (1 byte), timestamp delta, offset delta, key, value,
//! number of headers, headers; all numbers but the attributes are zigzag varints (`DefaultRecord`).

use std::ops::Range;

use bytes::Bytes;

use super::compression::{Compression, decompress};
use super::error::BatchError;
use super::header::{BatchHeader, TimestampType};
use crate::cursor::{Cursor, Prefix, ReadError};

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
    /// Its name: UTF-8 by convention, which is not checked.
    pub key: Bytes,
    /// Its value, or null.
    pub value: Option<Bytes>,
}

/// The records of a batch, read one by one. After an error it ends.
/// It yields as many records as the header says; bytes after them are not looked at.
#[derive(Debug, Clone)]
pub struct Records {
    header: BatchHeader,
    /// The uncompressed records, held as long as the iterator or any key or value of theirs.
    bytes: Bytes,
    /// The start of the next record in `bytes`.
    at: usize,
    /// Its number in the batch; `records_count` after the end or an error.
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

    /// Reads the next record, without checking that its offset is one of the batch's.
    fn read(&mut self) -> Result<Record, BatchError> {
        // Grows with the headers that are read, not by their count.
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

/// The records of a batch without its header, decompressed if need be. They are held, so some batches that may be stored are
/// too expansive here.
pub(super) fn uncompressed(header: &BatchHeader, batch: &Bytes) -> Result<Bytes, BatchError> {
    // The header may come from elsewhere (`Records::new`): bytes that are shorter have no records.
    let payload = batch.slice(BatchHeader::LEN.min(batch.len())..);
    match header.attributes.compression()? {
        Compression::None => Ok(payload),
        codec => decompress(codec, &payload),
    }
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.header.records_count {
            return None;
        }
        let record = self.read();
        // After an error nothing says where the next record starts.
        self.index = if record.is_ok() { self.index + 1 } else { self.header.records_count };
        Some(record)
    }
}

/// The positions of the parts of one record in the uncompressed records of its batch.
pub(super) struct Layout {
    /// All of it, with its length.
    pub(super) whole: Range<usize>,
    /// The start of its offset delta; before it are length, attributes and timestamp delta.
    pub(super) after_timestamp: usize,
    pub(super) attributes: u8,
    /// From `base_timestamp`, in ms.
    timestamp_delta: i64,
    /// From `base_offset`.
    offset_delta: i32,
    pub(super) key: Option<Range<usize>>,
    pub(super) value: Option<Range<usize>>,
}

impl Layout {
    /// Reads the record at `at`, number `index` of its batch; `header` takes the name and value of each header.
    /// Nothing is allocated here.
    ///
    /// # Errors
    /// [`BatchError::Layout`] if the record does not fit into `bytes`, or does not fill its own length.
    #[inline]
    pub(super) fn read(
        bytes: &[u8],
        at: usize,
        index: i32,
        header: impl FnMut(Range<usize>, Option<Range<usize>>),
    ) -> Result<Layout, BatchError> {
        Layout::of(bytes, at, header).map_err(|error| BatchError::Layout { index, error })
    }

    fn of(
        bytes: &[u8],
        at: usize,
        mut header: impl FnMut(Range<usize>, Option<Range<usize>>),
    ) -> Result<Layout, ReadError> {
        let mut batch = Cursor::starting_at(bytes, at, "record")?;
        let len = batch.count(Prefix::Zigzag, 1, "record")?;
        // No length inside of the record can reach into the next one.
        let mut from = batch.part(len, "record")?;
        let attributes = from.u8("attributes")?;
        let timestamp_delta = from.varlong("timestamp delta")?;
        let after_timestamp = from.position();
        // Wider ones have no meaning: the header's own delta has 32 bits.
        let offset_delta = i32::try_from(from.varlong("offset delta")?)
            .map_err(|_| ReadError::Invalid { expected: "offset delta", at: after_timestamp })?;
        let key = nullable_range(&mut from, "key")?;
        let value = nullable_range(&mut from, "value")?;
        // A header takes at least two bytes.
        for _ in 0..from.count(Prefix::Zigzag, 2, "headers")? {
            let len = from.bytes(Prefix::Zigzag, "name of a header")?.len();
            let name = from.position() - len..from.position();
            header(name, nullable_range(&mut from, "value of a header")?);
        }
        // A record that is longer than its content would hide bytes.
        from.end()?;
        let whole = at..from.position();
        Ok(Layout { whole, after_timestamp, attributes, timestamp_delta, offset_delta, key, value })
    }

    /// Its offset in the partition. Saturates, as [`BatchHeader::last_offset`] does.
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

/// Consumes bytes after their length and returns their range; `None` is null.
fn nullable_range(from: &mut Cursor<'_>, expected: &'static str) -> Result<Option<Range<usize>>, ReadError> {
    let bytes = from.nullable_bytes(Prefix::Zigzag, expected)?;
    Ok(bytes.map(|bytes| from.position() - bytes.len()..from.position()))
}
