//! The 61 bytes in front of every batch, and whole batches checked against them.
//!
//! [`BatchHeader::parse`] believes nothing but needs no more than the header, so it serves stored
//! data, whose CRC was checked on arrival. [`RecordBatch`] is a whole batch that was checked. The
//! broker may change three things in a batch: base offset and leader epoch (outside the CRC), and
//! the timestamp type with the largest timestamp (inside it).

use std::{fmt, io};

use bytes::{BufMut, Bytes, BytesMut};

use super::compression::Compression;
use super::error::BatchError;
use super::filter::OpenedBatch;
use super::record::Records;

/// Positions of the fields. The CRC covers everything from the attributes on.
mod at {
    pub(super) const BATCH_LENGTH: usize = 8;
    pub(super) const PARTITION_LEADER_EPOCH: usize = 12;
    pub(super) const MAGIC: usize = 16;
    pub(super) const CRC: usize = 17;
    pub(super) const ATTRIBUTES: usize = 21;
    pub(super) const LAST_OFFSET_DELTA: usize = 23;
    pub(super) const BASE_TIMESTAMP: usize = 27;
    pub(super) const MAX_TIMESTAMP: usize = 35;
    pub(super) const PRODUCER_ID: usize = 43;
    pub(super) const PRODUCER_EPOCH: usize = 51;
    pub(super) const BASE_SEQUENCE: usize = 53;
    pub(super) const RECORDS_COUNT: usize = 57;
}

/// `batch_length` counts the bytes after itself.
const LENGTH_BASE: usize = 12;
const MAGIC_V2: i8 = 2;

/// The origin of the timestamps of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, at the time of the append; all records share the batch's `max_timestamp`.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    pub(super) const COMPRESSION: i16 = 0x07;
    pub(super) const LOG_APPEND_TIME: i16 = 0x08;
    pub(super) const TRANSACTIONAL: i16 = 0x10;
    pub(super) const CONTROL: i16 = 0x20;
    pub(super) const DELETE_HORIZON: i16 = 0x40;

    /// The codec of the records, or its number if there is none of that number.
    pub fn compression(self) -> Result<Compression, BatchError> {
        let id = (self.0 & 0x07) as u8;
        Compression::from_id(id).ok_or(BatchError::UnknownCompression(id))
    }

    /// The origin of the timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// The same with another timestamp type.
    fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// Part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Written by a coordinator, e.g. the end of a transaction; clients may not write these.
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// `base_timestamp` is the time from which compaction may drop the tombstones (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }
}

/// The header of a record batch, format v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 when it comes from a producer.
    pub base_offset: i64,
    /// Bytes that follow this field.
    pub batch_length: i32,
    /// Leader epoch in which the batch was appended; -1 when it comes from a producer.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression, timestamp type, transactional, control.
    pub attributes: Attributes,
    /// Offset of the last record, from `base_offset`.
    pub last_offset_delta: i32,
    /// Timestamp that those of the records are relative to, in ms.
    pub base_timestamp: i64,
    /// Largest timestamp of the records in ms, or the time of the append.
    pub max_timestamp: i64,
    /// Id of an idempotent producer, else -1.
    pub producer_id: i64,
    /// Its epoch, else -1.
    pub producer_epoch: i16,
    /// Its sequence number of the first record, else -1.
    pub base_sequence: i32,
    /// Records in the batch. Fewer than the offsets span if it was compacted, down to none.
    pub records_count: i32,
}

impl BatchHeader {
    /// The header of bytes that are one batch and nothing else, with the right CRC-32C.
    ///
    /// # Errors
    /// If they are not.
    pub fn parse_whole(bytes: &[u8]) -> Result<Self, BatchError> {
        let header = Self::parse(bytes)?;
        let needed = header.size_bytes();
        if bytes.len() < needed {
            return Err(BatchError::Truncated { needed, have: bytes.len() });
        }
        if bytes.len() > needed {
            return Err(BatchError::Leftover(bytes.len() - needed));
        }
        let covered = bytes.get(at::ATTRIBUTES..).expect("its header was parsed");
        let computed = crc_fast::crc32_iscsi(covered);
        if computed != header.crc {
            return Err(BatchError::Crc { stored: header.crc, computed });
        }
        Ok(header)
    }

    /// Bytes of the header.
    pub const LEN: usize = 61;

    /// Reads the header at the start of `bytes`; the CRC is not checked.
    ///
    /// # Errors
    /// Unless there is a whole header of format v2 whose length, counts and deltas can be true.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        // The magic byte stands at the same place in all formats, so it comes first: an old
        // message may be shorter than this header.
        if let Some(magic) = bytes.get(at::MAGIC).map(|b| b.cast_signed())
            && magic != MAGIC_V2
        {
            return Err(BatchError::Magic(magic));
        }
        let Some(bytes) = bytes.first_chunk::<{ BatchHeader::LEN }>() else {
            return Err(BatchError::Truncated { needed: BatchHeader::LEN, have: bytes.len() });
        };
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            batch_length: i32::from_be_bytes(field(bytes, at::BATCH_LENGTH)),
            partition_leader_epoch: i32::from_be_bytes(field(bytes, at::PARTITION_LEADER_EPOCH)),
            crc: u32::from_be_bytes(field(bytes, at::CRC)),
            attributes: Attributes(i16::from_be_bytes(field(bytes, at::ATTRIBUTES))),
            last_offset_delta: i32::from_be_bytes(field(bytes, at::LAST_OFFSET_DELTA)),
            base_timestamp: i64::from_be_bytes(field(bytes, at::BASE_TIMESTAMP)),
            max_timestamp: i64::from_be_bytes(field(bytes, at::MAX_TIMESTAMP)),
            producer_id: i64::from_be_bytes(field(bytes, at::PRODUCER_ID)),
            producer_epoch: i16::from_be_bytes(field(bytes, at::PRODUCER_EPOCH)),
            base_sequence: i32::from_be_bytes(field(bytes, at::BASE_SEQUENCE)),
            records_count: i32::from_be_bytes(field(bytes, at::RECORDS_COUNT)),
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), BatchError> {
        if self.batch_length < (BatchHeader::LEN - LENGTH_BASE) as i32 {
            return Err(BatchError::Length(self.batch_length));
        }
        ensure(self.last_offset_delta >= 0, "last_offset_delta", self.last_offset_delta, "at least 0")?;
        ensure(self.records_count >= 0, "records_count", self.records_count, "at least 0")?;
        // Before adding one: both may be i32::MAX.
        let spans = i64::from(self.last_offset_delta) + 1;
        ensure(
            i64::from(self.records_count) <= spans,
            "records_count",
            self.records_count,
            "no more than the offsets span",
        )
    }

    /// Size of the whole batch in bytes, header included.
    pub fn size_bytes(&self) -> usize {
        // `parse` refuses negative lengths; a header that is put together may have one before it is assembled.
        LENGTH_BASE.saturating_add(usize::try_from(self.batch_length).unwrap_or(0))
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta.into())
    }

    /// Offset that follows this batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// The time in ms from which compaction may drop the tombstones and markers in it, if it has one (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// True if an idempotent or transactional producer wrote it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// Sequence number of the last record, or -1 without sequences. After `i32::MAX` comes 0
    /// (`DefaultRecordBatch.incrementSequence`).
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (sum % (i64::from(i32::MAX) + 1)) as i32
    }
}

/// The batch of this header and these records, compressed as the header says; length and CRC are put in.
///
/// # Errors
/// If it exceeds 2 GiB.
pub(super) fn assemble(header: &BatchHeader, payload: &[u8]) -> io::Result<Bytes> {
    let length = i32::try_from(BatchHeader::LEN - LENGTH_BASE + payload.len())
        .map_err(|_| io::Error::other("a batch cannot exceed 2 GiB"))?;
    let mut batch = BytesMut::with_capacity(BatchHeader::LEN + payload.len());
    batch.put_i64(header.base_offset);
    batch.put_i32(length);
    batch.put_i32(header.partition_leader_epoch);
    batch.put_i8(MAGIC_V2);
    batch.put_u32(0);
    batch.put_i16(header.attributes.0);
    batch.put_i32(header.last_offset_delta);
    batch.put_i64(header.base_timestamp);
    batch.put_i64(header.max_timestamp);
    batch.put_i64(header.producer_id);
    batch.put_i16(header.producer_epoch);
    batch.put_i32(header.base_sequence);
    batch.put_i32(header.records_count);
    batch.put_slice(payload);
    let covered = batch.get(at::ATTRIBUTES..).expect("the header was just written");
    let crc = crc_fast::crc32_iscsi(covered);
    put(&mut batch, at::CRC, crc.to_be_bytes());
    Ok(batch.freeze())
}

fn ensure<T: Into<i64>>(
    holds: bool,
    field: &'static str,
    value: T,
    expected: &'static str,
) -> Result<(), BatchError> {
    if holds { Ok(()) } else { Err(BatchError::Header { field, value: value.into(), expected }) }
}

/// `N` bytes of the header from `at` on. The offsets are the constants above, all in range.
fn field<const N: usize>(bytes: &[u8; BatchHeader::LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// One whole batch: its length, magic, CRC-32C, compression and header were checked.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBatch {
    header: BatchHeader,
    bytes: Bytes,
}

impl RecordBatch {
    /// Takes the one batch that a producer sends for a partition.
    ///
    /// Beyond [`RecordBatch::parse_stored`] it must hold at least one record, its offsets must
    /// start at 0 and have no gaps, and its producer id, epoch and sequence must belong together.
    /// The caller checks that it is no control batch, which clients may not write, and calls
    /// [`validate_records`](super::validate_records).
    pub fn parse(bytes: Bytes) -> Result<RecordBatch, BatchError> {
        let batch = RecordBatch::parse_stored(bytes)?;
        let header = &batch.header;
        ensure(header.base_offset == 0, "base_offset", header.base_offset, "0 from a producer")?;
        ensure(header.records_count >= 1, "records_count", header.records_count, "at least 1")?;
        ensure(
            header.last_offset_delta == header.records_count - 1,
            "last_offset_delta",
            header.last_offset_delta,
            "one less than records_count",
        )?;
        if header.has_producer_id() {
            ensure(header.base_sequence >= 0, "base_sequence", header.base_sequence, "at least 0")?;
            ensure(header.producer_epoch >= 0, "producer_epoch", header.producer_epoch, "at least 0")?;
        } else {
            let transactional = header.attributes.is_transactional();
            ensure(!transactional, "producer_id", header.producer_id, "at least 0 in a transaction")?;
        }
        Ok(batch)
    }

    /// Takes a batch as a log holds it: one batch and nothing else, of format v2, with the right
    /// CRC-32C and a known compression. It may have lost records to compaction.
    pub fn parse_stored(bytes: Bytes) -> Result<RecordBatch, BatchError> {
        let header = BatchHeader::parse_whole(&bytes)?;
        header.attributes.compression()?;
        Ok(RecordBatch { header, bytes })
    }

    /// Its header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole batch.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Size of the whole batch in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch with this timestamp type and largest timestamp in its header and the CRC renewed
    /// (`DefaultRecordBatch.setMaxTimestamp`); untouched if both are right already.
    pub fn with_max_timestamp(self, timestamp_type: TimestampType, timestamp_ms: i64) -> RecordBatch {
        let RecordBatch { mut header, bytes } = self;
        if header.max_timestamp == timestamp_ms && header.attributes.timestamp_type() == timestamp_type {
            return RecordBatch { header, bytes };
        }
        // A copy, unless the request's frame holds this batch alone: only such batches pay for it.
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        set_max_timestamp(&mut bytes, timestamp_type, timestamp_ms);
        header.attributes = header.attributes.with_timestamp_type(timestamp_type);
        header.max_timestamp = timestamp_ms;
        header.crc = bytes
            .get(at::CRC..)
            .and_then(|rest| rest.first_chunk())
            .map_or(header.crc, |crc| u32::from_be_bytes(*crc));
        RecordBatch { header, bytes: bytes.freeze() }
    }

    /// The records, decompressed if need be.
    ///
    /// # Errors
    /// If the compressed data is broken or expands beyond [`held_limit`](super::held_limit).
    pub fn records(&self) -> Result<Records, BatchError> {
        Records::new(self.header, &self.bytes)
    }

    /// The records as one piece to be looked through and thinned out, decompressed if need be.
    ///
    /// # Errors
    /// If the compressed data is broken or expands beyond [`held_limit`](super::held_limit), or the records do not have the layout, the
    /// number or the offsets that the header claims.
    pub fn open(&self) -> Result<OpenedBatch, BatchError> {
        OpenedBatch::new(self.header, &self.bytes)
    }

    /// The records, compressed or not.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(BatchHeader::LEN..).expect("its header was parsed")
    }
}

/// Payloads are not logged.
impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatch").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Cuts a stored or fetched sequence into its batches, by their headers alone.
///
/// A batch that is cut off at the end ends the sequence, as a Fetch response may end in the middle
/// of one. Anything else that is wrong is returned once, and then the sequence ends.
pub fn batches(bytes: &Bytes) -> impl Iterator<Item = Result<(BatchHeader, Bytes), BatchError>> {
    let mut rest = bytes.clone();
    std::iter::from_fn(move || {
        let header = match BatchHeader::parse(&rest) {
            Ok(header) => header,
            Err(BatchError::Truncated { .. }) => return None,
            Err(error) => {
                rest.clear();
                return Some(Err(error));
            }
        };
        if rest.len() < header.size_bytes() {
            return None;
        }
        Some(Ok((header, rest.split_to(header.size_bytes()))))
    })
}

fn put<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = batch.get_mut(at..at + N) {
        field.copy_from_slice(&value);
    }
}

/// Writes the base offset into a batch; the CRC does not cover it. `batch` must be a whole batch:
/// anything shorter than the header is left alone, here and in the functions below.
pub fn set_base_offset(batch: &mut [u8], offset: i64) {
    put(batch, 0, offset.to_be_bytes());
}

/// Writes the leader epoch into a batch; the CRC does not cover it.
pub fn set_partition_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    put(batch, at::PARTITION_LEADER_EPOCH, leader_epoch.to_be_bytes());
}

/// Stamps a batch with the time of its append, which its records then all have, and renews the
/// CRC.
pub fn set_log_append_time(batch: &mut [u8], timestamp_ms: i64) {
    set_max_timestamp(batch, TimestampType::LogAppendTime, timestamp_ms);
}

/// Writes timestamp type and largest timestamp, and renews the CRC
/// (`DefaultRecordBatch.setMaxTimestamp`). Nothing is done if both are right already.
pub fn set_max_timestamp(batch: &mut [u8], timestamp_type: TimestampType, timestamp_ms: i64) {
    // Left alone, as promised above: it has no header in which a field could be set.
    let Ok(header) = BatchHeader::parse(batch) else { return };
    let attributes = header.attributes.with_timestamp_type(timestamp_type);
    if attributes == header.attributes && header.max_timestamp == timestamp_ms {
        return;
    }
    put(batch, at::ATTRIBUTES, attributes.0.to_be_bytes());
    put(batch, at::MAX_TIMESTAMP, timestamp_ms.to_be_bytes());
    let covered = batch.get(at::ATTRIBUTES..).expect("its header was parsed");
    let crc = crc_fast::crc32_iscsi(covered);
    put(batch, at::CRC, crc.to_be_bytes());
}

#[cfg(test)]
mod tests;
