//! Batches that pass, batches that are corrected, and batches that are refused, under every codec.

use super::*;
use bytes::BytesMut;
use codec::ErrorCode;
use codec::records::{BatchBuilder, set_max_timestamp};

use crate::config::BrokerConfig;

const CODECS: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
const NEWEST: ProducerFormats = ProducerFormats::NEWEST;
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
    check(Some(batch.build()), rules, NEWEST, NOW_MS)
}

#[test]
fn a_sound_batch_passes_unchanged() {
    let bytes = batch().build();
    let checked = check(Some(bytes.clone()), &RULES, NEWEST, NOW_MS).unwrap();
    assert_eq!(checked.bytes().as_ptr(), bytes.as_ptr());
}

#[test]
fn only_compressed_batches_are_long_work() {
    for compression in Compression::ALL {
        let bytes = batch().compression(compression).build();
        let expected = if compression == Compression::None { 0 } else { bytes.len() };
        let mut facts = RequestFacts::default();
        facts.add(&bytes);
        assert_eq!(facts.compressed_bytes, expected, "{compression}");
        facts.add(&Bytes::new());
        assert_eq!((facts.compressed_bytes, facts.producers), (expected, vec![]), "{compression}");
    }
}

#[test]
fn the_producers_of_transactional_batches_are_known_before_the_checks() {
    let mut facts = RequestFacts::default();
    let producer = |id, epoch| ProducerIdAndEpoch { id: ProducerId(id), epoch };
    for (id, epoch) in [(1, 0), (1, 0), (1, 1)] {
        facts.add(&batch().producer(id, epoch, 0).transactional().build());
        facts.add(&batch().producer(7, 0, 0).build());
    }
    assert_eq!(facts.producers, [producer(1, 0), producer(1, 1)]);
}

#[test]
fn no_more_producers_are_remembered_than_tell_one_from_several() {
    let mut facts = RequestFacts::default();
    (0..5).for_each(|id| facts.add(&batch().producer(id, 0, 0).transactional().build()));
    assert_eq!(facts.producers.len(), 2);
}

#[test]
fn no_records_and_two_batches_are_invalid() {
    for records in [None, Some(Bytes::new()), Some([batch().build(), batch().build()].concat().into())] {
        let Err(ProduceError::Batch(error)) = check(records, &RULES, NEWEST, NOW_MS) else { panic!() };
        assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
    }
}

#[test]
fn a_flipped_bit_is_corruption() {
    let mut bytes = BytesMut::from(&batch().build()[..]);
    bytes[65] ^= 1;
    let error = check(Some(bytes.freeze()), &RULES, NEWEST, NOW_MS).unwrap_err();
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
            let kept = check(Some(sent.clone()), &rules, NEWEST, NOW_MS).unwrap();
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
fn zstd_needs_a_producer_that_knows_it() {
    let zstd = || Some(batch().compression(Compression::Zstd).build());
    let before_zstd = ProducerFormats { zstd: false, ..NEWEST };
    assert!(matches!(check(zstd(), &RULES, before_zstd, NOW_MS), Err(ProduceError::ZstdTooEarly)));
    assert!(check(zstd(), &RULES, NEWEST, NOW_MS).is_ok());
}

#[test]
fn clients_write_no_control_batches() {
    let control = batch().producer(1, 0, 0).control();
    assert!(matches!(check_with(control, &RULES), Err(ProduceError::ControlBatch)));
    let transactional = batch().producer(1, 0, 0).transactional();
    assert!(check_with(transactional.record(NOW_MS, None, Some(b"v")), &RULES).is_ok());
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
            let Err(error) = check(Some(broken), &RULES, NEWEST, NOW_MS) else {
                panic!("{compression} {at}")
            };
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
            let refused = check(Some(bytes.freeze()), &RULES, NEWEST, NOW_MS);
            assert!(refused.is_err(), "{compression} without its last {cut} bytes");
        }
    }
}

/// Users saw MESSAGE_TOO_LARGE for records that shrink a thousandfold, such as sparse matrices.
#[test]
fn a_batch_is_taken_however_far_it_was_compressed() {
    let value = vec![0; 17 << 20];
    for compression in CODECS {
        let sparse = BatchBuilder::new().compression(compression).record(NOW_MS, None, Some(&value));
        assert!(
            check_with(sparse, &ProduceRules { max_message_bytes: 1 << 20, ..RULES }).is_ok(),
            "{compression}"
        );
    }
}

#[test]
fn a_batch_is_bounded_in_the_codec_of_the_topic_too() {
    let value = vec![0; 17 << 20];
    let sparse = BatchBuilder::new().compression(Compression::Zstd).record(NOW_MS, None, Some(&value));
    let rules = ProduceRules { compression: Some(Compression::None), max_message_bytes: 1 << 20, ..RULES };
    let Err(error) = check_with(sparse, &rules) else { panic!("17 MiB are above the limit") };
    assert_eq!(ErrorCode::from(&error), ErrorCode::MessageTooLarge, "{error}");
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
            let checked = check(Some(bytes.freeze()), &RULES, NEWEST, NOW_MS).unwrap();
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
    let checked = check(Some(bytes.freeze()), &RULES, NEWEST, NOW_MS).unwrap();
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
            let error = check(Some(lie), &RULES, NEWEST, NOW_MS).unwrap_err();
            assert!(matches!(error, ProduceError::InvalidRecords { total: 1, .. }), "{compression}: {error}");
            assert_eq!(error.records()[0].index, index, "{compression}: {error}");
        }
    }
}
