//! The rules for a producer's batch: Kafka's `ProduceRequest.validateRecords` and `LogValidator`.
//!
//! Pure: the topic's rules and the time are arguments. Guarantees that what passes is one whole batch of format v2 with
//! the right checksum and counts, whose records were all walked, compressed ones too, and that the largest timestamp in
//! its header is true. A batch is walked once, as a stream: nothing of it is held decompressed, and its bytes stay as
//! they came unless the header has to be corrected or the topic's `compression.type` asks for another codec.
//! The message sets of old producers become batches first and then pass the same checks.
//! Deliberate differences from Kafka: a message set that ends within a message, or is empty, is refused, where Kafka
//! stores what is whole; offsets inside a batch that do not count up from 0 are refused, where Kafka stores them
//! (uncompressed) or fails with UNKNOWN_SERVER_ERROR (compressed); compressed data that expands beyond
//! `codec::records::MAX_CONTENT` (1 GiB), or `held_limit` (64 MiB) where it has to become another codec or comes in a
//! message set, is refused, where Kafka has no limit.

use std::ops::RangeInclusive;

use bytes::Bytes;
use codec::message_set::{MessageSet, is_message_set};
use codec::records::{
    BatchError, BatchHeader, Compression, RecordBatch, RecordFacts, TimestampType, validate_records,
};
use coordinator::transaction::{ProducerId, ProducerIdAndEpoch, TransactionError};
use storage::AppendError;
use thiserror::Error;

use crate::config::{CompressionType, TimestampType as TopicTimestampType, TopicConfig};
use crate::telemetry::line_limit::FAULTS;
use crate::topics::error::PartitionError;

/// More refused records than this are not listed: the answer must not outgrow the request.
const MAX_RECORD_ERRORS: usize = 100;
/// A record without a timestamp.
const NO_TIMESTAMP: i64 = -1;

/// Why one record of a batch was refused (KIP-467).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordError {
    /// Which record of the batch, from 0.
    pub(crate) index: i32,
    /// The reason, as text for the operator of the client.
    pub(crate) message: String,
}

/// Why a batch was not appended.
#[derive(Debug, Clone, Error)]
pub(crate) enum ProduceError {
    /// Bytes that are not one sound batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The producer is from before zstd.
    #[error("Produce requests of this version are not allowed to use ZStandard compression")]
    ZstdTooEarly,
    /// Larger than `max.message.bytes`.
    #[error(
        "The record batch size in the append is {size} bytes which exceeds the maximum configured value of {max}"
    )]
    TooLarge {
        /// Of the batch, in bytes.
        size: usize,
        /// The topic's limit.
        max: usize,
    },
    /// Only coordinators write control batches.
    #[error("Clients are not allowed to write control records")]
    ControlBatch,
    /// The transaction does not take the batch.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// Transactional batches in a request without a transactional id.
    #[error("the request has transactional records and names no transactional id")]
    NoTransactionalId,
    /// Some timestamps are too far from the broker's time, or not the producer's to set.
    #[error("One or more records have been rejected due to invalid timestamp")]
    InvalidTimestamp(Vec<RecordError>),
    /// Some records break a rule of the topic.
    #[error("One or more records have been rejected due to {total} record errors in total{}", first(shown))]
    InvalidRecords {
        /// The first of them.
        shown: Vec<RecordError>,
        /// How many there are.
        total: usize,
    },
    /// The partition is missing, or not for clients to write to.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// Storage refused it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Storage failed; its own log line has the cause.
    #[error("the storage engine failed")]
    Storage,
    /// There is no space but what the broker itself needs.
    #[error("the broker's disk is almost full: records are refused until there is space")]
    DiskFull,
    /// Not -1, 0 or 1.
    #[error("acks must be -1, 0 or 1, not {0}")]
    RequiredAcks(i16),
}

/// The first refused record, for clients that print no more than the message of the whole batch.
fn first(shown: &[RecordError]) -> String {
    shown.first().map_or_else(String::new, |record| {
        format!(", the first is record {}: {}", record.index, record.message)
    })
}

impl ProduceError {
    /// The records at fault, if the fault is in single records.
    pub(crate) fn records(&self) -> &[RecordError] {
        match self {
            Self::InvalidTimestamp(records) | Self::InvalidRecords { shown: records, .. } => records,
            _ => &[],
        }
    }
}

/// The formats that a producer may send, by its age: consumers of the same age have to read what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerFormats {
    /// Message sets, the format before batches (KIP-98).
    pub(crate) message_sets: bool,
    /// Batches compressed with zstd (KIP-110).
    pub(crate) zstd: bool,
}

impl ProducerFormats {
    /// The formats of every producer that is not older than zstd.
    #[cfg(test)]
    pub(crate) const NEWEST: Self = Self { message_sets: false, zstd: true };
}

/// The rules of a topic for batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProduceRules {
    /// Size of a whole batch, as it is sent.
    pub(crate) max_message_bytes: usize,
    /// The broker sets the time.
    pub(crate) log_append_time: bool,
    /// How far a timestamp may lie in the past, in ms.
    pub(crate) timestamp_before_max_ms: i64,
    /// How far a timestamp may lie in the future, in ms.
    pub(crate) timestamp_after_max_ms: i64,
    /// Every record needs a key.
    pub(crate) compacted: bool,
    /// The codec that batches are kept in; `None` for the producer's.
    pub(crate) compression: Option<Compression>,
    /// The level of that codec; `None` is its default.
    pub(crate) compression_level: Option<i32>,
}

impl ProduceRules {
    /// The rules in a topic's configuration.
    pub(crate) fn of(config: &TopicConfig) -> Self {
        Self {
            max_message_bytes: config.max_message_bytes.as_usize(),
            log_append_time: config.message_timestamp_type == TopicTimestampType::LogAppendTime,
            timestamp_before_max_ms: config.message_timestamp_before_max_ms.as_i64(),
            timestamp_after_max_ms: config.message_timestamp_after_max_ms.as_i64(),
            compacted: config.cleanup_policy.compact,
            compression: match config.compression_type {
                CompressionType::Producer => None,
                CompressionType::Uncompressed => Some(Compression::None),
                CompressionType::Gzip => Some(Compression::Gzip),
                CompressionType::Snappy => Some(Compression::Snappy),
                CompressionType::Lz4 => Some(Compression::Lz4),
                CompressionType::Zstd => Some(Compression::Zstd),
            },
            compression_level: match config.compression_type {
                CompressionType::Gzip => config.compression_gzip_level,
                CompressionType::Zstd => Some(config.compression_zstd_level),
                _ => None,
            },
        }
    }
}

/// Checks what a client sends for one partition, and returns the batch to append.
///
/// # Errors
/// See [`ProduceError`].
pub(crate) fn check(
    records: Option<Bytes>,
    rules: &ProduceRules,
    formats: ProducerFormats,
    now_ms: i64,
) -> Result<RecordBatch, ProduceError> {
    // No records are no batch: the header's check refuses them, as Kafka does.
    let mut bytes = records.unwrap_or_default();
    if formats.message_sets && is_message_set(&bytes) {
        bytes = as_batch(&bytes, rules)?;
    }
    let header = BatchHeader::parse(&bytes)?;
    if header.attributes.compression()? == Compression::Zstd && !formats.zstd {
        // Before the topic's rules: Kafka checks it as it reads the request (`validateRecords`).
        return Err(ProduceError::ZstdTooEarly);
    }
    if header.size_bytes() > rules.max_message_bytes {
        return Err(ProduceError::TooLarge { size: header.size_bytes(), max: rules.max_message_bytes });
    }
    // Size before checksum: a batch that is too large is not walked.
    let batch = RecordBatch::parse(bytes)?;
    // As `LogValidator.validateBatch`: only the broker itself writes markers.
    if header.attributes.is_control() {
        return Err(ProduceError::ControlBatch);
    }
    // Only now the records: nothing is decompressed for a batch that its header refuses.
    let max_timestamp = check_records(&batch, rules, now_ms)?;
    let batch = match rules.compression {
        Some(compression) if compression != header.attributes.compression()? => {
            recompressed(&batch, compression, rules)?
        }
        _ => batch,
    };
    // Storage stamps the batch itself where the topic wants its own time.
    if rules.log_append_time {
        return Ok(batch);
    }
    // What the header claims is not kept: Sarama before 1.45.2 leaves -1 in compressed batches, and a look-up
    // by time would not find them.
    Ok(batch.with_max_timestamp(TimestampType::CreateTime, max_timestamp))
}

/// The facts in the headers of a request's batches, before the batches are checked.
#[derive(Debug, Default)]
pub(super) struct RequestFacts {
    /// The bytes that [`check`] will decompress; 0 for most clients.
    pub(super) compressed_bytes: usize,
    /// The first two producers of transactional batches: a request may have one only.
    pub(super) producers: Vec<ProducerIdAndEpoch>,
}

impl RequestFacts {
    /// Takes in the batch of one partition. One that cannot be read is left to [`check`].
    pub(super) fn add(&mut self, records: &Bytes) {
        let Ok(header) = BatchHeader::parse(records) else { return };
        if header.attributes.compression().is_ok_and(|codec| codec != Compression::None) {
            self.compressed_bytes += records.len();
        }
        // No more: a request may have more than a million batches, and is refused with two producers as with all.
        if self.producers.len() < 2 {
            let producer = transactional_producer(&header);
            self.producers.extend(producer.filter(|producer| !self.producers.contains(producer)));
        }
    }
}

/// The producer of a transactional batch.
pub(super) fn transactional_producer(header: &BatchHeader) -> Option<ProducerIdAndEpoch> {
    (header.attributes.is_transactional() && header.producer_id >= 0)
        .then_some(ProducerIdAndEpoch { id: ProducerId(header.producer_id), epoch: header.producer_epoch })
}

/// The batch in the topic's codec, where producers need not choose it. As in Kafka the topic's limit holds for what is
/// kept, too.
fn recompressed(
    batch: &RecordBatch,
    compression: Compression,
    rules: &ProduceRules,
) -> Result<RecordBatch, ProduceError> {
    let bytes = batch.open()?.compressed_with(compression, rules.compression_level).map_err(|error| {
        if let Some(suppressed) = FAULTS.take("compression") {
            tracing::error!(%error, %compression, suppressed, "a batch could not be compressed");
        }
        ProduceError::Storage
    })?;
    if bytes.len() > rules.max_message_bytes {
        return Err(ProduceError::TooLarge { size: bytes.len(), max: rules.max_message_bytes });
    }
    Ok(RecordBatch::parse(bytes)?)
}

/// The batch that a message set becomes. Kafka bounds the size of its messages, and of the batch.
fn as_batch(set: &Bytes, rules: &ProduceRules) -> Result<Bytes, ProduceError> {
    let set = MessageSet::parse(set)?;
    let (size, max) = (set.largest_message_bytes(), rules.max_message_bytes);
    if size > max {
        return Err(ProduceError::TooLarge { size, max });
    }
    Ok(set.to_batch()?)
}

/// Walks the records and judges each by the topic's rules (Kafka's `LogValidator.validateRecord`); returns the largest
/// timestamp among them.
fn check_records(batch: &RecordBatch, rules: &ProduceRules, now_ms: i64) -> Result<i64, ProduceError> {
    let mut judge = RecordJudge::new(rules, batch.header(), now_ms);
    let max_timestamp = match validate_records(batch, |record| judge.judge(record)) {
        // As for a broken rule of the topic, the client learns which record it is.
        Err(BatchError::Record { index, problem }) => {
            judge.refuse(index, || problem.to_owned());
            return Err(ProduceError::InvalidRecords { total: judge.total, shown: judge.shown });
        }
        walked => walked?,
    };
    judge.verdict()?;
    Ok(max_timestamp)
}

/// Collects the records of a batch that break a rule of their topic.
struct RecordJudge {
    compacted: bool,
    /// The timestamps that are allowed; `None` where the broker sets the time.
    timestamps: Option<RangeInclusive<i64>>,
    /// The producer claims that the broker set its timestamps.
    claims_log_append_time: bool,
    /// The first refused records.
    shown: Vec<RecordError>,
    /// All refused records.
    total: usize,
    /// One of them has a wrong timestamp, which gives the whole batch another error code.
    is_timestamp: bool,
}

impl RecordJudge {
    fn new(rules: &ProduceRules, header: &BatchHeader, now_ms: i64) -> Self {
        let earliest = now_ms.saturating_sub(rules.timestamp_before_max_ms);
        // Both limits may be as large as a LONG can be, which is the default of the first.
        let latest = now_ms.saturating_add(rules.timestamp_after_max_ms);
        Self {
            compacted: rules.compacted,
            timestamps: (!rules.log_append_time).then_some(earliest..=latest),
            claims_log_append_time: header.attributes.timestamp_type() == TimestampType::LogAppendTime,
            shown: Vec::new(),
            total: 0,
            is_timestamp: false,
        }
    }

    #[inline]
    fn judge(&mut self, record: RecordFacts) {
        let RecordFacts { index, timestamp, has_key } = record;
        // One fault for a record, the missing key before the timestamp (`LogValidator.validateRecord`).
        if self.compacted && !has_key {
            self.refuse(index, || "Compacted topic cannot accept message without key".to_owned());
            return;
        }
        match &self.timestamps {
            // A record without a timestamp is never out of range (`LogValidator.validateTimestamp`).
            Some(allowed) if timestamp != NO_TIMESTAMP && !allowed.contains(&timestamp) => {
                let (earliest, latest) = (*allowed.start(), *allowed.end());
                self.is_timestamp = true;
                self.refuse(index, || {
                    format!(
                        "Timestamp {timestamp} is out of range. The timestamp should be within [{earliest}, {latest}]"
                    )
                });
            }
            None if self.claims_log_append_time => {
                self.is_timestamp = true;
                self.refuse(index, || "Producer should not set timestamp type to LogAppendTime.".to_owned());
            }
            _ => {}
        }
    }

    /// Only the first are kept with their message: a batch may hold a million records.
    #[cold]
    fn refuse(&mut self, index: i32, message: impl FnOnce() -> String) {
        self.total += 1;
        if self.shown.len() < MAX_RECORD_ERRORS {
            self.shown.push(RecordError { index, message: message() });
        }
    }

    fn verdict(self) -> Result<(), ProduceError> {
        let Self { shown, total, is_timestamp, .. } = self;
        match (total, is_timestamp) {
            (0, _) => Ok(()),
            // One wrong timestamp decides the code of the whole batch (`LogValidator.processRecordErrors`).
            (_, true) => Err(ProduceError::InvalidTimestamp(shown)),
            (_, false) => Err(ProduceError::InvalidRecords { shown, total }),
        }
    }
}

#[cfg(test)]
mod tests;
