//! Takes records out of a batch, as log compaction does, and leaves all else as it was.
//!
//! The records that stay are copied byte for byte: offsets, timestamps, headers and the order do not change, nor do base offset,
//! last offset, producer id, epoch and sequence, from which readers and producers know what the batch was. Follows
//! Kafka's `MemoryRecords.filterTo` and KIP-534; which records stay is the caller's decision.
//!
//! Everything is held decompressed, so this is under [`held_limit`](super::held_limit).

use std::io;

use bytes::{BufMut, Bytes, BytesMut};

use super::compression::{Compression, compress, compress_at};
use super::error::BatchError;
use super::header::{Attributes, BatchHeader, TimestampType};
use super::patch::assemble;
use super::record::{Layout, uncompressed};
use crate::varint::put_varlong;

/// Wire value for no timestamp.
const NO_TIMESTAMP: i64 = -1;

/// A batch whose records were decompressed, if need be, and walked once: they have the layout and the number that the
/// header claims, and their offsets rise within its range.
#[derive(Debug, Clone)]
pub struct OpenedBatch {
    header: BatchHeader,
    /// Uncompressed, without the header. A slice of the batch if that was not compressed.
    records: Bytes,
}

/// One record, borrowed from its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp in ms; that of the batch's append if the batch says so.
    pub timestamp: i64,
    /// Its key, or null.
    pub key: Option<&'a [u8]>,
    /// Its value, or null: a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// All of it.
    whole: &'a [u8],
    /// No bit of it has a meaning, but it is kept.
    attributes: u8,
    /// From its offset delta on.
    after_timestamp: &'a [u8],
}

impl OpenedBatch {
    /// Decompresses, if need be, and walks all records once.
    ///
    /// # Errors
    /// See [`RecordBatch::open`](super::RecordBatch::open).
    pub(super) fn new(header: BatchHeader, batch: &Bytes) -> Result<OpenedBatch, BatchError> {
        let records = uncompressed(&header, batch)?;
        // One below the base: the first record may have that offset.
        let (mut at, mut before) = (0, header.base_offset.saturating_sub(1));
        for index in 0..header.records_count {
            let layout = Layout::read(&records, at, index, |_, _| {})?;
            let offset = layout.offset(&header);
            // Compaction leaves gaps: offsets only have to rise.
            if offset <= before || offset > header.last_offset() {
                return Err(BatchError::Record {
                    index,
                    problem: "its offset is not one of the batch's next",
                });
            }
            (at, before) = (layout.whole.end, offset);
        }
        if at != records.len() {
            let index = header.records_count;
            return Err(BatchError::Record { index, problem: "more bytes than the header's records" });
        }
        Ok(OpenedBatch { header, records })
    }

    /// The header of the batch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its records, in order.
    /// As many as the header says: they were walked before.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        views(&self.header, &self.records)
    }

    /// The same batch with its records under another codec, at a level of it if it has levels: 1 to 9 for gzip, up to
    /// 22 for zstd. `None` is the codec's default.
    ///
    /// All else stays: offsets, timestamps, the producer. Levels out of gzip's range are moved into it.
    ///
    /// # Errors
    /// If the codec fails, which on valid input means that it ran out of memory.
    pub fn compressed_with(&self, compression: Compression, level: Option<i32>) -> io::Result<Bytes> {
        let mut header = self.header;
        // Timestamp type, transaction and control stay.
        header.attributes.0 = header.attributes.0 & !Attributes::COMPRESSION | compression as i16;
        match compression {
            Compression::None => assemble(&header, &self.records),
            codec => assemble(&header, &compress_at(codec, level, &self.records)?),
        }
    }

    /// Keeps the records that `retain` says. Nothing is copied before the first that does not stay.
    ///
    /// `retain` is called once for each record, in order. Removed records leave gaps in the offsets,
    /// which consumers of compacted topics expect.
    pub fn filter(self, mut retain: impl FnMut(&RecordView<'_>) -> bool) -> Retained {
        let (mut kept, mut count, mut seen) = (None, 0, 0);
        let mut max_timestamp = NO_TIMESTAMP;
        for view in views(&self.header, &self.records) {
            if retain(&view) {
                count += 1;
                max_timestamp = max_timestamp.max(view.timestamp);
                if let Some(kept) = &mut kept {
                    BytesMut::extend_from_slice(kept, view.whole);
                }
            } else if kept.is_none() {
                // The first that goes: only from here on the records have to be copied.
                kept = Some(BytesMut::from(self.records.get(..seen).expect("the sum of records seen")));
            }
            seen += view.whole.len();
        }
        let OpenedBatch { mut header, records } = self;
        // The time of an append stays, whichever records do.
        if kept.is_some() && header.attributes.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = max_timestamp;
        }
        // `last_offset_delta` stays: a batch keeps its range of offsets, whichever records are left.
        header.records_count = count;
        let changed = kept.is_some();
        Retained { header, records: kept.map_or(records, BytesMut::freeze), changed }
    }
}

/// The records that stay of a batch, not yet a batch again.
#[derive(Debug, Clone)]
pub struct Retained {
    header: BatchHeader,
    records: Bytes,
    /// The bytes of [`Retained::build`] will differ from those of the batch.
    changed: bool,
}

impl Retained {
    /// True if no record stays.
    pub fn is_empty(&self) -> bool {
        self.header.records_count == 0
    }

    /// True if the batch was changed: a record was taken out, or a delete horizon set.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Writes into the batch from when on its tombstones and markers may go, Unix ms (KIP-534). It takes the place of
    /// the base timestamp; the records keep theirs, as what they are relative to it is rewritten.
    ///
    /// Every record is written again, as its distance to the base may take more bytes or fewer.
    pub fn set_delete_horizon(&mut self, horizon_ms: i64) {
        // Deltas to the horizon may take more bytes than before. If the guess is too low the buffer grows.
        let mut records = BytesMut::with_capacity(self.records.len().saturating_add(self.records.len() / 8));
        let mut front = BytesMut::new();
        for view in views(&self.header, &self.records) {
            front.clear();
            front.put_u8(view.attributes);
            // Wraps like Java's sum; see `Layout::timestamp`.
            put_varlong(&mut front, view.timestamp.wrapping_sub(horizon_ms));
            put_varlong(&mut records, (front.len() + view.after_timestamp.len()) as i64);
            records.extend_from_slice(&front);
            records.extend_from_slice(view.after_timestamp);
        }
        self.records = records.freeze();
        self.header.attributes.0 |= Attributes::DELETE_HORIZON;
        self.header.base_timestamp = horizon_ms;
        self.changed = true;
    }

    /// The batch, compressed as before. Without records it is [`emptied`].
    /// An uncompressed batch needs a copy too: its length and CRC are new.
    ///
    /// # Errors
    /// If the codec fails, which on valid input means that it ran out of memory.
    pub fn build(&self) -> io::Result<Bytes> {
        if self.is_empty() {
            return Ok(emptied(&self.header));
        }
        // An unknown codec cannot occur: the batch was decompressed by it.
        match self.header.attributes.compression().map_err(io::Error::other)? {
            Compression::None => assemble(&self.header, &self.records),
            codec => assemble(&self.header, &compress(codec, &self.records)?),
        }
    }
}

/// The batch of this header after it lost its records: a trace that keeps its offsets and its producer's sequence
/// (Kafka's `DefaultRecordBatch.writeEmptyHeader`).
/// 61 bytes. Compaction leaves it in the place of the last batch of a log, and removes others.
pub fn emptied(header: &BatchHeader) -> Bytes {
    // Without records nothing is compressed, and no tombstone waits for a horizon.
    let kept = Attributes::LOG_APPEND_TIME | Attributes::TRANSACTIONAL | Attributes::CONTROL;
    let header = BatchHeader {
        attributes: Attributes(header.attributes.0 & kept),
        base_timestamp: NO_TIMESTAMP,
        records_count: 0,
        ..*header
    };
    assemble(&header, &[]).expect("a header alone is below 2 GiB")
}

/// The records in `records`, which were walked before: it ends where they do.
fn views<'a>(header: &'a BatchHeader, records: &'a [u8]) -> impl Iterator<Item = RecordView<'a>> {
    let mut at = 0;
    (0..header.records_count).map_while(move |index| {
        let layout = Layout::read(records, at, index, |_, _| {}).ok()?;
        at = layout.whole.end;
        let slice = |range: std::ops::Range<usize>| records.get(range).expect("read from these bytes");
        Some(RecordView {
            offset: layout.offset(header),
            timestamp: layout.timestamp(header),
            key: layout.key.clone().map(slice),
            value: layout.value.clone().map(slice),
            after_timestamp: slice(layout.after_timestamp..layout.whole.end),
            attributes: layout.attributes,
            whole: slice(layout.whole.clone()),
        })
    })
}

#[cfg(test)]
mod tests;
