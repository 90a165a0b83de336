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
//! `codec::records::decompressed_limit` is refused, where Kafka has no limit.

use std::ops::RangeInclusive;

use bytes::Bytes;
use codec::message_set::{MessageSet, is_message_set};
use codec::records::{
    BatchError, BatchHeader, Compression, RecordBatch, RecordFacts, TimestampType, validate_records,
};
use storage::AppendError;
use thiserror::Error;

use crate::config::{CompressionType, TimestampType as TopicTimestampType, TopicConfig};
use crate::topics::error::PartitionError;

/// The first Produce version that must bring batches (KIP-98).
const BATCHES_FROM_VERSION: i16 = 3;
/// The first Produce version whose consumers can be expected to know zstd (KIP-110).
const ZSTD_FROM_VERSION: i16 = 7;
/// More refused records than this are not listed: the answer must not outgrow the request.
const MAX_RECORD_ERRORS: usize = 100;
/// A record without a timestamp.
const NO_TIMESTAMP: i64 = -1;

/// Why one record of a batch was refused (KIP-467).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordError {
    /// Which record of the batch, from 0.
    pub(crate) index: i32,
    /// For people to read.
    pub(crate) message: String,
}

/// Why a batch was not appended.
#[derive(Debug, Clone, Error)]
pub(crate) enum ProduceError {
    /// Bytes that are not one sound batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The client's version is from before zstd.
    #[error("Produce requests with version {0} are not allowed to use ZStandard compression")]
    ZstdTooEarly(i16),
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
    /// Transactions are not served yet.
    #[error("Transactional writes are not supported")]
    Transactional,
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
    /// Storage failed; it has said so in the log.
    #[error("the storage engine failed")]
    Storage,
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

/// The rules of a topic for batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProduceRules {
    /// Of a whole batch, compressed as it may be.
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
    /// Of that codec; `None` is its default.
    pub(crate) compression_level: Option<i32>,
}

impl ProduceRules {
    /// The rules in a topic's configuration.
    pub(crate) fn of(config: &TopicConfig) -> Self {
        Self {
            max_message_bytes: usize::try_from(config.max_message_bytes).unwrap_or(0),
            log_append_time: config.message_timestamp_type == TopicTimestampType::LogAppendTime,
            timestamp_before_max_ms: config.message_timestamp_before_max_ms,
            timestamp_after_max_ms: config.message_timestamp_after_max_ms,
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
                CompressionType::Gzip => Some(config.compression_gzip_level).filter(|level| *level > 0),
                CompressionType::Zstd => Some(config.compression_zstd_level),
                _ => None,
            },
        }
    }
}

/// Checks what a client sends for one partition, at `version` of Produce, and returns the batch to append.
///
/// # Errors
/// See [`ProduceError`].
pub(crate) fn check(
    records: Option<Bytes>,
    rules: &ProduceRules,
    version: i16,
    now_ms: i64,
) -> Result<RecordBatch, ProduceError> {
    let mut bytes = records.unwrap_or_default();
    if version < BATCHES_FROM_VERSION && is_message_set(&bytes) {
        bytes = as_batch(&bytes, rules)?;
    }
    let header = BatchHeader::parse(&bytes)?;
    if header.attributes.compression()? == Compression::Zstd && version < ZSTD_FROM_VERSION {
        return Err(ProduceError::ZstdTooEarly(version));
    }
    if header.size_bytes() > rules.max_message_bytes {
        return Err(ProduceError::TooLarge { size: header.size_bytes(), max: rules.max_message_bytes });
    }
    let batch = RecordBatch::parse(bytes)?;
    if header.attributes.is_control() {
        return Err(ProduceError::ControlBatch);
    }
    if header.attributes.is_transactional() {
        return Err(ProduceError::Transactional);
    }
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
    Ok(batch.with_max_timestamp(TimestampType::CreateTime, max_timestamp))
}

/// The batch in the topic's codec, where producers need not choose it. As in Kafka the topic's limit holds for what is
/// kept, too.
fn recompressed(
    batch: &RecordBatch,
    compression: Compression,
    rules: &ProduceRules,
) -> Result<RecordBatch, ProduceError> {
    let bytes = batch.open()?.compressed_with(compression, rules.compression_level).map_err(|error| {
        tracing::error!(%error, %compression, "a batch could not be compressed");
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
        if self.compacted && !has_key {
            self.refuse(index, || "Compacted topic cannot accept message without key".to_owned());
            return;
        }
        match &self.timestamps {
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
            (_, true) => Err(ProduceError::InvalidTimestamp(shown)),
            (_, false) => Err(ProduceError::InvalidRecords { shown, total }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use codec::ErrorCode;
    use codec::records::{BatchBuilder, set_max_timestamp};

    use crate::config::BrokerConfig;

    const CODECS: [Compression; 4] =
        [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    const NOW_MS: i64 = 1_700_000_000_000;
    const HOUR_MS: i64 = 3_600_000;
    const RULES: ProduceRules = ProduceRules {
        max_message_bytes: 1000,
        log_append_time: false,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: HOUR_MS,
        compacted: false,
        compression: None,
        compression_level: None,
    };

    fn batch() -> BatchBuilder {
        BatchBuilder::new().record(NOW_MS, Some(b"key"), Some(b"value"))
    }

    fn check_with(batch: BatchBuilder, rules: &ProduceRules) -> Result<RecordBatch, ProduceError> {
        check(Some(batch.build()), rules, 9, NOW_MS)
    }

    #[test]
    fn a_sound_batch_passes_unchanged() {
        let bytes = batch().build();
        let checked = check(Some(bytes.clone()), &RULES, 3, NOW_MS).unwrap();
        assert_eq!(checked.bytes().as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn no_records_and_two_batches_are_invalid() {
        for records in [None, Some(Bytes::new()), Some([batch().build(), batch().build()].concat().into())] {
            let Err(ProduceError::Batch(error)) = check(records, &RULES, 9, NOW_MS) else { panic!() };
            assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
        }
    }

    #[test]
    fn a_flipped_bit_is_corruption() {
        let mut bytes = BytesMut::from(&batch().build()[..]);
        bytes[65] ^= 1;
        let error = check(Some(bytes.freeze()), &RULES, 9, NOW_MS).unwrap_err();
        assert!(matches!(error, ProduceError::Batch(BatchError::Crc { .. })), "{error}");
    }

    #[test]
    fn size_is_that_of_the_whole_batch() {
        let size = batch().build().len();
        let limit = |max_message_bytes| ProduceRules { max_message_bytes, ..RULES };
        assert!(check_with(batch(), &limit(size)).is_ok());
        let refused = check_with(batch(), &limit(size - 1));
        assert!(matches!(refused, Err(ProduceError::TooLarge { max, .. }) if max == size - 1));
    }

    #[test]
    fn batches_are_kept_in_the_topics_codec() {
        for from in Compression::ALL {
            for to in Compression::ALL {
                let rules = ProduceRules { compression: Some(to), ..RULES };
                let sent = BatchBuilder::new()
                    .producer(7, 1, 5)
                    .compression(from)
                    .record_with_headers(NOW_MS, Some(b"key"), None, &[("h", Some(b"1"))])
                    .record(NOW_MS - 5, None, Some(b"value"))
                    .build();
                let kept = check(Some(sent.clone()), &rules, 9, NOW_MS).unwrap();
                let before = RecordBatch::parse(sent.clone()).unwrap();
                assert_eq!(kept.header().attributes.compression().unwrap(), to);
                assert_eq!(kept.bytes() == &sent, from == to, "{from} to {to}");
                let records = |batch: &RecordBatch| batch.records().unwrap().collect::<Result<Vec<_>, _>>();
                assert_eq!(records(&kept).unwrap(), records(&before).unwrap());
                let facts = |header: &BatchHeader| {
                    let producer = (header.producer_id, header.producer_epoch, header.base_sequence);
                    (producer, header.base_timestamp, header.max_timestamp, header.last_offset_delta)
                };
                assert_eq!(facts(kept.header()), facts(before.header()));
            }
        }
    }

    #[test]
    fn batches_are_kept_at_the_topics_level() {
        let value: Vec<u8> = (0..30_000_u32).flat_map(|n| format!("{} ", n * n % 977).into_bytes()).collect();
        let size = |pairs: &[(&str, &str)]| {
            let set = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let config = TopicConfig::effective(&set, &BrokerConfig::from_pairs(&[]).unwrap());
            let batch = BatchBuilder::new().record(NOW_MS, None, Some(&value));
            let rules = ProduceRules { timestamp_after_max_ms: i64::MAX, ..ProduceRules::of(&config) };
            check_with(batch, &rules).unwrap().bytes().len()
        };
        for (codec, key, fast, best) in
            [("gzip", "compression.gzip.level", "1", "9"), ("zstd", "compression.zstd.level", "-7", "19")]
        {
            let at = |level| size(&[("compression.type", codec), (key, level)]);
            assert!(at(fast) > at(best), "{codec}: {} and {}", at(fast), at(best));
        }
        assert_eq!(
            size(&[("compression.type", "gzip")]),
            size(&[("compression.type", "gzip"), ("compression.gzip.level", "6")])
        );
    }

    #[test]
    fn what_is_kept_is_within_the_limit_too() {
        let value = vec![b'x'; 2000];
        let zipped = || BatchBuilder::new().compression(Compression::Gzip).record(NOW_MS, None, Some(&value));
        let rules = ProduceRules { compression: Some(Compression::None), ..RULES };
        assert!(check_with(zipped(), &RULES).is_ok());
        let refused = check_with(zipped(), &rules);
        assert!(matches!(refused, Err(ProduceError::TooLarge { size, max: 1000 }) if size > 2000));
    }

    #[test]
    fn zstd_needs_a_version_that_knows_it() {
        let zstd = || Some(batch().compression(Compression::Zstd).build());
        assert!(matches!(check(zstd(), &RULES, 6, NOW_MS), Err(ProduceError::ZstdTooEarly(6))));
        assert!(check(zstd(), &RULES, 7, NOW_MS).is_ok());
    }

    #[test]
    fn clients_write_no_control_and_as_yet_no_transactional_batches() {
        let control = batch().producer(1, 0, 0).control();
        assert!(matches!(check_with(control, &RULES), Err(ProduceError::ControlBatch)));
        let transactional = batch().producer(1, 0, 0).transactional();
        assert!(matches!(check_with(transactional, &RULES), Err(ProduceError::Transactional)));
    }

    #[test]
    fn compacted_topics_name_the_records_without_a_key() {
        let rules = ProduceRules { compacted: true, ..RULES };
        for compression in Compression::ALL {
            let keyless = batch().record(NOW_MS, None, None).record(NOW_MS, Some(b""), None);
            let error = check_with(keyless.compression(compression), &rules).unwrap_err();
            assert_eq!(error.records().iter().map(|record| record.index).collect::<Vec<_>>(), [1]);
            assert!(check_with(batch().compression(compression), &rules).is_ok());
        }
        assert!(check_with(BatchBuilder::new().record(NOW_MS, None, None), &RULES).is_ok());
    }

    #[test]
    fn only_the_first_of_many_refused_records_are_named_but_all_are_counted() {
        let rules = ProduceRules { compacted: true, max_message_bytes: 1 << 20, ..RULES };
        let mut keyless = batch();
        (0..1000).for_each(|_| keyless.push(NOW_MS, None, None, &[]));
        let error = check_with(keyless, &rules).unwrap_err();
        let named: Vec<i32> = error.records().iter().map(|record| record.index).collect();
        assert_eq!(named, (1..=MAX_RECORD_ERRORS as i32).collect::<Vec<_>>());
        assert!(error.to_string().contains("1000 record errors"), "{error}");
    }

    /// A producer that flipped a bit before it computed the checksum.
    fn with_flipped_bit(batch: BatchBuilder, at: usize) -> Bytes {
        let mut bytes = BytesMut::from(&batch.build()[..]);
        bytes[at] ^= 0xff;
        // Twice, so that the checksum is right and the timestamp as it was.
        let max_timestamp = BatchHeader::parse(&bytes).unwrap().max_timestamp;
        for timestamp in [max_timestamp + 1, max_timestamp] {
            set_max_timestamp(&mut bytes, TimestampType::CreateTime, timestamp);
        }
        bytes.freeze()
    }

    #[test]
    fn compressed_data_that_cannot_be_read_is_refused_in_every_codec() {
        for compression in CODECS {
            for at in [61, 62] {
                let broken = with_flipped_bit(batch().compression(compression), at);
                let Err(error) = check(Some(broken), &RULES, 9, NOW_MS) else { panic!("{compression} {at}") };
                assert_eq!(ErrorCode::from(&error), ErrorCode::InvalidRecord, "{compression}: {error}");
            }
        }
    }

    #[test]
    fn compressed_data_that_is_cut_off_is_refused_in_every_codec() {
        for compression in CODECS {
            let whole = batch().compression(compression).build();
            for cut in 1..whole.len() - BatchHeader::LEN {
                let mut bytes = BytesMut::from(&whole[..whole.len() - cut]);
                let length = (bytes.len() - 12) as i32;
                bytes[8..12].copy_from_slice(&length.to_be_bytes());
                for timestamp in [NOW_MS + 1, NOW_MS] {
                    set_max_timestamp(&mut bytes, TimestampType::CreateTime, timestamp);
                }
                let refused = check(Some(bytes.freeze()), &RULES, 9, NOW_MS);
                assert!(refused.is_err(), "{compression} without its last {cut} bytes");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let value = vec![0; 64 << 20];
        for compression in CODECS {
            let bomb = BatchBuilder::new().compression(compression).record(NOW_MS, None, Some(&value));
            let rules = ProduceRules { max_message_bytes: 100 << 20, ..RULES };
            let Err(error) = check_with(bomb, &rules) else { panic!("{compression}") };
            assert_eq!(ErrorCode::from(&error), ErrorCode::MessageTooLarge, "{compression}: {error}");
        }
    }

    #[test]
    fn timestamps_too_far_ahead_are_named() {
        let ahead = |by| batch().record(NOW_MS + by, None, None);
        assert!(check_with(ahead(HOUR_MS), &RULES).is_ok());
        let error = check_with(ahead(HOUR_MS + 1), &RULES).unwrap_err();
        assert!(matches!(error, ProduceError::InvalidTimestamp(_)));
        assert_eq!(error.records().iter().map(|record| record.index).collect::<Vec<_>>(), [1]);
        let compressed = ahead(HOUR_MS + 1).compression(Compression::Gzip);
        assert!(matches!(check_with(compressed, &RULES), Err(ProduceError::InvalidTimestamp(_))));
    }

    #[test]
    fn timestamps_too_far_back_are_named_where_there_is_a_bound() {
        let back = || batch().record(NOW_MS - HOUR_MS - 1, None, None);
        assert!(check_with(back(), &RULES).is_ok());
        let bounded = ProduceRules { timestamp_before_max_ms: HOUR_MS, ..RULES };
        let error = check_with(back(), &bounded).unwrap_err();
        assert_eq!(error.records().iter().map(|record| record.index).collect::<Vec<_>>(), [1]);
        assert!(check_with(BatchBuilder::new().record(NO_TIMESTAMP, None, None), &bounded).is_ok());
    }

    #[test]
    fn topics_with_log_append_time_take_any_timestamp_but_no_claim_to_be_the_log() {
        let rules = ProduceRules { log_append_time: true, ..RULES };
        assert!(check_with(batch().record(i64::MAX / 2, None, None), &rules).is_ok());
        let claim = batch().timestamp_type(TimestampType::LogAppendTime);
        assert!(matches!(check_with(claim, &rules), Err(ProduceError::InvalidTimestamp(_))));
    }

    #[test]
    fn a_header_that_lies_about_its_largest_timestamp_is_corrected() {
        for compression in Compression::ALL {
            let sent = batch().record(NOW_MS + 2000, None, None).record(NOW_MS + 1000, None, None);
            let sent = sent.compression(compression).build();
            for wrong in [-1, 0, NOW_MS, NOW_MS + 3000, NOW_MS + 2 * HOUR_MS] {
                let mut bytes = BytesMut::from(&sent[..]);
                set_max_timestamp(&mut bytes, TimestampType::CreateTime, wrong);
                let checked = check(Some(bytes.freeze()), &RULES, 9, NOW_MS).unwrap();
                assert_eq!(checked.header().max_timestamp, NOW_MS + 2000, "{compression} says {wrong}");
                // All else is as it was sent, and the checksum is right again.
                assert_eq!(RecordBatch::parse(checked.bytes().clone()).unwrap(), checked);
                assert_eq!(checked.bytes(), &sent);
            }
        }
    }

    #[test]
    fn a_batch_that_claims_the_brokers_time_gets_its_own_back() {
        let claim = batch().record(NOW_MS - 5, None, None).timestamp_type(TimestampType::LogAppendTime);
        let mut bytes = BytesMut::from(&claim.build()[..]);
        set_max_timestamp(&mut bytes, TimestampType::LogAppendTime, NOW_MS + 500);
        let checked = check(Some(bytes.freeze()), &RULES, 9, NOW_MS).unwrap();
        assert_eq!(checked.header().attributes.timestamp_type(), TimestampType::CreateTime);
        assert_eq!(checked.header().max_timestamp, NOW_MS);
        assert_eq!(checked.bytes(), &batch().record(NOW_MS - 5, None, None).build());
    }

    /// The header of one batch over the payload of another, its checksum renewed.
    fn header_over(header: BatchBuilder, payload: BatchBuilder) -> Bytes {
        let mut bytes = BytesMut::from(&payload.build()[..]);
        bytes[21..61].copy_from_slice(&header.build()[21..61]);
        set_max_timestamp(&mut bytes, TimestampType::CreateTime, NOW_MS + 1);
        bytes.freeze()
    }

    #[test]
    fn counts_that_lie_are_refused_with_the_record_at_fault() {
        for compression in Compression::ALL {
            let one = || batch().compression(compression);
            let two = || one().record(NOW_MS, None, None);
            for (lie, index) in [(header_over(two(), one()), 1), (header_over(one(), two()), 0)] {
                let error = check(Some(lie), &RULES, 9, NOW_MS).unwrap_err();
                assert!(
                    matches!(error, ProduceError::InvalidRecords { total: 1, .. }),
                    "{compression}: {error}"
                );
                assert_eq!(error.records()[0].index, index, "{compression}: {error}");
            }
        }
    }
}
