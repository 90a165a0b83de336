//! Whole batches, checked against their headers.
//!
//! A [`RecordBatch`] was checked from its first byte to its last, except for the records in it: [`RecordBatch::open`] and
//! [`RecordBatch::records`] read those.
//!
//! Cloning one clones a reference to its bytes. It never owns decompressed records.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::error::BatchError;
use super::filter::OpenedBatch;
use super::header::{BatchHeader, TimestampType, at, ensure};
use super::patch::set_max_timestamp;
use super::record::Records;

/// One whole batch: its length, magic, CRC-32C, compression and header were checked.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// As read from `bytes`.
    header: BatchHeader,
    /// From the base offset to the last record, as they came.
    bytes: Bytes,
}

impl RecordBatch {
    /// Takes the one batch that a producer sends for a partition.
    ///
    /// Beyond [`RecordBatch::parse_stored`] it must hold at least one record, its offsets must
    /// start at 0 and have no gaps, and its producer id, epoch and sequence must belong together.
    /// The caller checks that it is no control batch, which clients may not write, and calls
    /// [`validate_records`](super::validate_records).
    ///
    /// # Errors
    /// As [`RecordBatch::parse_stored`]; [`BatchError::Header`] for a rule of producers, with field
    /// and value.
    pub fn parse(bytes: Bytes) -> Result<RecordBatch, BatchError> {
        let batch = RecordBatch::parse_stored(bytes)?;
        let header = &batch.header;
        // As Kafka: `UnifiedLog.analyzeAndValidateRecords` and `LogValidator.validateBatch`.
        // Offsets are the broker's to give: `UnifiedLog` refuses others, too.
        ensure(header.base_offset == 0, "base_offset", header.base_offset, "0 from a producer")?;
        ensure(header.records_count >= 1, "records_count", header.records_count, "at least 1")?;
        ensure(
            header.last_offset_delta == header.records_count - 1,
            "last_offset_delta",
            header.last_offset_delta,
            "one less than records_count",
        )?;
        if header.has_producer_id() {
            // Without a sequence a repeated batch could not be told from a new one (KIP-98).
            ensure(header.base_sequence >= 0, "base_sequence", header.base_sequence, "at least 0")?;
            ensure(header.producer_epoch >= 0, "producer_epoch", header.producer_epoch, "at least 0")?;
        } else {
            // No marker could ever end a transaction without a producer id.
            let transactional = header.attributes.is_transactional();
            ensure(!transactional, "producer_id", header.producer_id, "at least 0 in a transaction")?;
        }
        Ok(batch)
    }

    /// Takes a batch as a log holds it: one batch and nothing else, of format v2, with the right
    /// CRC-32C and a known compression. It may have lost records to compaction.
    /// Walks all of its bytes once, for the checksum.
    ///
    /// # Errors
    /// [`BatchError::Truncated`] and [`BatchError::Leftover`] for other lengths, [`BatchError::Magic`],
    /// [`BatchError::Crc`], [`BatchError::UnknownCompression`], or a header that contradicts itself.
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
    /// `max.message.bytes` bounds it.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The batch with this timestamp type and largest timestamp in its header and the CRC renewed
    /// (`DefaultRecordBatch.setMaxTimestamp`); untouched if both are right already.
    ///
    /// For headers that are wrong: Go's Sarama before 1.45.2 leaves the largest timestamp of
    /// compressed batches at -1, and a look-up by time then finds nothing.
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
        // `set_max_timestamp` computed it: the header here has to say the same as the bytes.
        header.crc = bytes
            .get(at::CRC..)
            .and_then(|rest| rest.first_chunk())
            .map_or(header.crc, |crc| u32::from_be_bytes(*crc));
        RecordBatch { header, bytes: bytes.freeze() }
    }

    /// The records, decompressed if need be.
    /// Uncompressed ones are slices of the batch. They are read one by one: later ones may still be broken.
    ///
    /// # Errors
    /// If the compressed data is broken or expands beyond [`held_limit`](super::held_limit).
    pub fn records(&self) -> Result<Records, BatchError> {
        Records::new(self.header, &self.bytes)
    }

    /// The records as one piece to be looked through and thinned out, decompressed if need be.
    /// All of them are walked before it returns.
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
/// CRCs are not checked, and every batch is a slice of `bytes`.
pub fn batches(bytes: &Bytes) -> impl Iterator<Item = Result<(BatchHeader, Bytes), BatchError>> {
    let mut rest = bytes.clone();
    std::iter::from_fn(move || {
        let header = match BatchHeader::parse(&rest) {
            Ok(header) => header,
            // As Kafka's consumers: they ask again from the first offset that they did not get.
            Err(BatchError::Truncated { .. }) => return None,
            Err(error) => {
                // Its length cannot be trusted, so no later batch can be found.
                rest.clear();
                return Some(Err(error));
            }
        };
        // Its header is whole, its records are not.
        if rest.len() < header.size_bytes() {
            return None;
        }
        Some(Ok((header, rest.split_to(header.size_bytes()))))
    })
}

#[cfg(test)]
mod tests;
