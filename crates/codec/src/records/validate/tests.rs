//! Batches whose counts and lengths lie, under every codec.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::super::{BatchBuilder, TimestampType, compress, set_max_timestamp};
use super::*;
use crate::error_code::ErrorCode;
use crate::varint::put_varlong;

/// A batch whose header is honest about its length and CRC, around any `records` at all.
fn batch_of(codec: Compression, count: i32, records: &[u8]) -> RecordBatch {
    with_payload(codec, count, &compress(codec, records).unwrap())
}

/// As [`batch_of`], with what is compressed already.
fn with_payload(codec: Compression, count: i32, payload: &[u8]) -> RecordBatch {
    let mut builder = BatchBuilder::new().compression(codec);
    for _ in 0..count {
        builder.push(1000, None, None, &[]);
    }
    let mut bytes = BytesMut::from(&builder.build()[..61]);
    bytes.extend_from_slice(payload);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    RecordBatch::parse(bytes.freeze()).unwrap()
}

/// length 7, attributes, timestamp delta, offset delta, key of one byte, null value, no headers
const FIRST: &[u8] = &[14, 0, 0, 0, 2, b'k', 1, 0];
const SECOND: &[u8] = &[14, 0, 0, 2, 2, b'k', 1, 0];

/// The verdict of validation and of reading, which must agree for all codecs.
fn verdict(count: i32, records: &[u8]) -> Result<(), &'static str> {
    let verdicts = Compression::ALL.map(|codec| {
        let batch = batch_of(codec, count, records);
        match validate_records(&batch, |_| ()) {
            Ok(_) => {
                assert_eq!(batch.records().unwrap().filter(Result::is_ok).count() as i32, count);
                Ok(())
            }
            Err(error @ BatchError::Record { problem, .. }) => {
                assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
                Err(problem)
            }
            Err(other) => panic!("{other}"),
        }
    });
    assert!(verdicts.iter().all(|v| *v == verdicts[0]), "{verdicts:?}");
    verdicts[0]
}

#[test]
fn honest_batches_pass() {
    assert_eq!(verdict(1, FIRST), Ok(()));
    assert_eq!(verdict(2, &[FIRST, SECOND].concat()), Ok(()));
}

#[test]
fn counts_that_lie_are_refused() {
    assert_eq!(verdict(2, FIRST), Err("cut off"));
    assert_eq!(verdict(1_000_000, FIRST), Err("cut off"));
    assert_eq!(
        verdict(1, &[FIRST, SECOND].concat()),
        Err("followed by more bytes than the header's records")
    );
    assert_eq!(verdict(1, &[]), Err("cut off"));
}

#[test]
fn offsets_must_count_up() {
    assert_eq!(verdict(2, &[FIRST, FIRST].concat()), Err("its offset is not the next one"));
    assert_eq!(verdict(1, SECOND), Err("its offset is not the next one"));
}

#[test]
fn lengths_that_lie_are_refused() {
    let with = |at: usize, value: u8| {
        let mut record = FIRST.to_vec();
        record[at] = value;
        verdict(1, &record)
    };
    assert_eq!(with(0, 16), Err("longer than its content"));
    assert_eq!(with(0, 12), Err("shorter than its content"));
    assert_eq!(with(0, 1), Err("negative length"));
    assert_eq!(with(0, 0), Err("shorter than its content"));
    assert_eq!(with(4, 100), Err("a length exceeds the record"));
    assert_eq!(with(4, 3), Err("a length exceeds the record"), "a length of -2");
    assert_eq!(with(7, 2), Err("header count exceeds the record"));
    assert_eq!(with(7, 1), Err("negative header count"));
    // One header: a null name, and a value of -1.
    assert_eq!(verdict(1, &[16, 0, 0, 0, 1, 1, 2, 1, 1]), Err("null header name"));
    assert_eq!(verdict(1, &[16, 0, 0, 0, 1, 1, 2, 0, 1]), Ok(()));
}

#[test]
fn numbers_that_are_too_long_are_refused() {
    let mut endless = vec![0xff; 20];
    endless[0] = 0x80;
    assert_eq!(verdict(1, &endless), Err("a number is too long"));
    assert_eq!(verdict(1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err("a number is too large"));
}

#[test]
fn broken_compression_is_corrupt() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let batch = with_payload(codec, 1, &[0x99; 40]);
        let error = validate_records(&batch, |_| ()).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::InvalidRecord, "{codec}");
    }
}

/// One record whose value is this many times 16 MiB of zeros, in as many zstd frames: batches as large as this need no memory
/// to be made.
fn zeros(times: usize) -> RecordBatch {
    const FRAME: usize = 16 * 1024 * 1024;
    let len = times * FRAME;
    let mut front = BytesMut::new();
    front.extend_from_slice(&[0, 0, 0, 1]);
    put_varlong(&mut front, len as i64);
    let mut record = BytesMut::new();
    // Its last byte is the number of headers.
    put_varlong(&mut record, (front.len() + len + 1) as i64);
    record.extend_from_slice(&front);
    let frame = |data: &[u8]| compress(Compression::Zstd, data).unwrap();
    let payload = [frame(&record), frame(&vec![0; FRAME]).repeat(times), frame(&[0])].concat();
    with_payload(Compression::Zstd, 1, &payload)
}

/// Users saw MESSAGE_TOO_LARGE for records that Kafka takes, such as sparse matrices: zeros shrink ten thousandfold.
#[test]
fn a_batch_is_taken_however_far_it_was_compressed() {
    for times in [2, 5, 20] {
        let batch = zeros(times);
        assert!(batch.size_bytes() < 20 * 1024 * times, "{}", batch.size_bytes());
        assert_eq!(validate_records(&batch, |_| ()), Ok(1000), "{times}");
    }
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let error = validate_records(&zeros(65), |_| ()).unwrap_err();
    assert_eq!(error, BatchError::TooExpansive { limit: 1 << 30 });
    assert_eq!(error.error_code(), ErrorCode::MessageTooLarge);
}

#[test]
fn the_largest_timestamp_is_found_whatever_the_header_says() {
    let mut bytes = BatchBuilder::new()
        .record(1000, None, None)
        .record(1500, None, None)
        .record(1500, None, None)
        .record(1200, None, None)
        .build()
        .to_vec();
    set_max_timestamp(&mut bytes, TimestampType::CreateTime, 99_999);
    let batch = RecordBatch::parse(bytes.into()).unwrap();
    let mut seen = Vec::new();
    assert_eq!(validate_records(&batch, |record| seen.push(record)), Ok(1500));
    let facts = |index, timestamp| RecordFacts { index, timestamp, has_key: false };
    assert_eq!(seen, [facts(0, 1000), facts(1, 1500), facts(2, 1500), facts(3, 1200)]);
}

type Headers = Vec<(String, Option<Vec<u8>>)>;

fn record() -> impl Strategy<Value = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Headers)> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    (0i64..2_000_000_000_000, bytes(), bytes(), proptest::collection::vec(("[a-z]{0,8}", bytes()), 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_built_is_valid_and_reads_back(
        records in proptest::collection::vec(record(), 1..20),
        codec in 0u8..5,
    ) {
        let mut builder = BatchBuilder::new().compression(Compression::from_id(codec).unwrap());
        for (timestamp, key, value, headers) in &records {
            let headers: Vec<(&str, Option<&[u8]>)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            builder.push(*timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let batch = RecordBatch::parse(builder.build()).unwrap();
        let mut keys = Vec::new();
        let max_timestamp = validate_records(&batch, |record| keys.push(record.has_key)).unwrap();
        prop_assert_eq!(max_timestamp, batch.header().max_timestamp);
        prop_assert_eq!(keys, records.iter().map(|(_, key, ..)| key.is_some()).collect::<Vec<_>>());
        for (read, (timestamp, key, value, headers)) in batch.records().unwrap().zip(&records) {
            let read = read.unwrap();
            prop_assert_eq!(read.timestamp, *timestamp);
            prop_assert_eq!(read.key.as_deref(), key.as_deref());
            prop_assert_eq!(read.value.as_deref(), value.as_deref());
            prop_assert_eq!(read.headers.len(), headers.len());
            for (header, (name, value)) in read.headers.iter().zip(headers) {
                prop_assert_eq!(&header.key[..], name.as_bytes());
                prop_assert_eq!(header.value.as_deref(), value.as_deref());
            }
        }
    }

    #[test]
    fn arbitrary_records_never_panic(count in 1i32..10, codec in 0u8..5, noise: Vec<u8>) {
        let batch = batch_of(Compression::from_id(codec).unwrap(), count, &noise);
        let valid = validate_records(&batch, |_| ()).is_ok();
        let readable = batch.records().is_ok_and(|mut records| records.all(|record| record.is_ok()));
        prop_assert!(readable || !valid);
    }

    #[test]
    fn arbitrary_bytes_never_panic(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(noise);
        let _either = RecordBatch::parse(bytes.clone());
        let _count = super::super::batches(&bytes).count();
    }
}
