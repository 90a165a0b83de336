//! The 61 bytes at the start of every batch.
//!
//! [`BatchHeader::parse`] believes nothing but needs no more than the header, so it serves stored data, whose CRC was checked
//! on arrival. Written headers are in `patch.rs`.
//!
//! The layout is that of `DefaultRecordBatch`, all numbers big-endian. Magic, at byte 16, has the
//! same place in every format.

use super::compression::Compression;
use super::error::BatchError;

/// Positions of the fields. The CRC covers everything from the attributes on.
/// The base offset is at 0. Records follow at [`BatchHeader::LEN`].
pub(super) mod at {
    pub(in crate::records) const BATCH_LENGTH: usize = 8;
    pub(in crate::records) const PARTITION_LEADER_EPOCH: usize = 12;
    pub(in crate::records) const MAGIC: usize = 16;
    pub(in crate::records) const CRC: usize = 17;
    pub(in crate::records) const ATTRIBUTES: usize = 21;
    pub(in crate::records) const LAST_OFFSET_DELTA: usize = 23;
    pub(in crate::records) const BASE_TIMESTAMP: usize = 27;
    pub(in crate::records) const MAX_TIMESTAMP: usize = 35;
    pub(in crate::records) const PRODUCER_ID: usize = 43;
    pub(in crate::records) const PRODUCER_EPOCH: usize = 51;
    pub(in crate::records) const BASE_SEQUENCE: usize = 53;
    pub(in crate::records) const RECORDS_COUNT: usize = 57;
}

/// `batch_length` counts the bytes after itself.
pub(super) const LENGTH_BASE: usize = 12;
/// The format of Kafka 0.11 and later (KIP-98).
pub(super) const MAGIC_V2: i8 = 2;

/// The origin of the timestamps of a batch.
/// Kafka's `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, at the time of the append; all records share the batch's `max_timestamp`.
    LogAppendTime,
}

/// The attribute bits of a batch.
///
/// 0 to 2: the codec; 3: timestamp type; 4: part of a transaction; 5: control batch; 6: delete
/// horizon. Others are unused and kept as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    pub(super) const COMPRESSION: i16 = 0x07;
    pub(super) const LOG_APPEND_TIME: i16 = 0x08;
    pub(super) const TRANSACTIONAL: i16 = 0x10;
    pub(super) const CONTROL: i16 = 0x20;
    pub(super) const DELETE_HORIZON: i16 = 0x40;

    /// The codec of the records, or its number if there is none of that number.
    ///
    /// # Errors
    /// [`BatchError::UnknownCompression`] for numbers 5 to 7.
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
    pub(super) fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// Part of a transaction.
    /// Readers of committed records see it only after the marker of its transaction.
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
///
/// A plain copy of its fields: changing one changes no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 when it comes from a producer.
    pub base_offset: i64,
    /// Bytes that follow this field.
    /// At least 49 in a parsed header.
    pub batch_length: i32,
    /// Leader epoch in which the batch was appended; -1 when it comes from a producer.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    /// So the two fields that a broker sets on every append lie outside.
    pub crc: u32,
    /// Compression, timestamp type, transactional, control.
    pub attributes: Attributes,
    /// Offset of the last record, from `base_offset`.
    /// From 0 on. Compaction leaves it, also when the last record goes.
    pub last_offset_delta: i32,
    /// Timestamp that those of the records are relative to, in ms.
    /// With a delete horizon it is that time.
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
    /// Never negative.
    pub records_count: i32,
}

impl BatchHeader {
    /// The header of bytes that are one batch and nothing else, with the right CRC-32C.
    ///
    /// # Errors
    /// [`BatchError::Truncated`], [`BatchError::Leftover`] or [`BatchError::Crc`]; else as
    /// [`BatchHeader::parse`].
    pub fn parse_whole(bytes: &[u8]) -> Result<Self, BatchError> {
        let header = Self::parse(bytes)?;
        let needed = header.size_bytes();
        if bytes.len() < needed {
            return Err(BatchError::Truncated { needed, have: bytes.len() });
        }
        if bytes.len() > needed {
            return Err(BatchError::Leftover(bytes.len() - needed));
        }
        // Length first: a batch that is cut off has a wrong checksum as well, and "cut off" says more.
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
        // An array of known length: no field below can lie outside of it.
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

    /// The rules that hold for stored batches too.
    fn check(&self) -> Result<(), BatchError> {
        if self.batch_length < (BatchHeader::LEN - LENGTH_BASE) as i32 {
            // Below this the next batch would begin inside of this header.
            return Err(BatchError::Length(self.batch_length));
        }
        ensure(self.last_offset_delta >= 0, "last_offset_delta", self.last_offset_delta, "at least 0")?;
        // Zero too: a batch that compaction has emptied keeps its offsets and its producer's sequence.
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
    /// Saturates: the numbers of a stored batch are right, those of an arriving one may be anything.
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
    ///
    /// A compacted batch keeps it, as it follows from the offsets and not from the number of records.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (sum % (i64::from(i32::MAX) + 1)) as i32
    }
}

/// An error about a field unless the rule holds.
pub(super) fn ensure<T: Into<i64>>(
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
