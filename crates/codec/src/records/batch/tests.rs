//! Batch headers and whole batches: golden bytes, hostile fields, what the broker writes.

use super::super::{
    Attributes, BatchBuilder, Compression, Record, set_base_offset, set_log_append_time,
    set_partition_leader_epoch,
};
use super::*;
use crate::error_code::ErrorCode;

fn batch() -> Bytes {
    BatchBuilder::new()
        .producer(9, 2, 5)
        .record(1000, Some(b"k"), Some(b"v"))
        .record_with_headers(1010, None, Some(b""), &[("h", Some(b"1")), ("h", None)])
        .record(1005, Some(b""), None)
        .build()
}

/// The batch with `bytes` at `at`, and a CRC that fits if `at` lies in what it covers.
fn altered(at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = batch().to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc_fast::crc32_iscsi(&batch[at::ATTRIBUTES..]);
    batch[at::CRC..at::CRC + 4].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

fn header_fault(bytes: Bytes) -> &'static str {
    match RecordBatch::parse(bytes) {
        Err(BatchError::Header { field, .. }) => field,
        other => panic!("expected a header fault, got {other:?}"),
    }
}

#[test]
fn header_fields_are_where_kafka_puts_them() {
    // One record, key "k", value "v", written by Kafka's Java producer (timestamp 1700000000000).
    let golden: [u8; 70] = [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x02,
        0xe9, 0x9b, 0x8d, 0xd8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68,
        0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x10, 0x00, 0x00, 0x00, 0x02, 0x6b, 0x02,
        0x76, 0x00,
    ];
    let built = BatchBuilder::new().record(1_700_000_000_000, Some(b"k"), Some(b"v")).build();
    assert_eq!(&built[..], &golden[..]);
    let batch = RecordBatch::parse(Bytes::copy_from_slice(&golden)).unwrap();
    let header = batch.header();
    assert_eq!((header.base_offset, header.batch_length, header.partition_leader_epoch), (0, 58, -1));
    assert_eq!((header.base_timestamp, header.max_timestamp), (1_700_000_000_000, 1_700_000_000_000));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (-1, -1, -1));
    assert_eq!((header.last_offset_delta, header.records_count), (0, 1));
    assert_eq!(header.size_bytes(), 70);
    assert!(!header.has_producer_id());
}

#[test]
fn records_come_back_with_every_codec() {
    for codec in Compression::ALL {
        let bytes = BatchBuilder::new()
            .compression(codec)
            .base_offset(0)
            .record(1000, Some(b"k"), Some(&[7; 3000]))
            .record_with_headers(1010, None, Some(b""), &[("h", Some(b"1")), ("h", None)])
            .record(1005, Some(b""), None)
            .build();
        let batch = RecordBatch::parse(bytes).unwrap();
        assert_eq!(batch.header().attributes.compression(), Ok(codec));
        let records: Vec<Record> = batch.records().unwrap().map(Result::unwrap).collect();
        assert_eq!(records.len(), 3);
        assert_eq!((records[1].offset, records[1].timestamp), (1, 1010));
        assert_eq!(records[0].value.as_deref(), Some(&[7; 3000][..]));
        assert_eq!((records[1].key.as_deref(), records[1].value.as_deref()), (None, Some(&b""[..])));
        assert_eq!((records[2].key.as_deref(), records[2].value.as_deref()), (Some(&b""[..]), None));
        assert_eq!(records[1].headers.len(), 2);
        assert_eq!(&records[1].headers[0].key[..], b"h");
        assert_eq!(records[1].headers[1].value, None);
    }
}

#[test]
fn any_truncation_is_an_error() {
    let whole = batch();
    for cut in 0..whole.len() {
        let error = RecordBatch::parse(whole.slice(..cut)).unwrap_err();
        assert!(matches!(error, BatchError::Truncated { .. }), "cut at {cut}: {error}");
    }
}

#[test]
fn any_flipped_bit_under_the_crc_is_noticed() {
    let whole = batch();
    for at in at::CRC..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        assert!(RecordBatch::parse(bytes.into()).is_err(), "byte {at}");
    }
    let mut bytes = whole.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let error = RecordBatch::parse(bytes.into()).unwrap_err();
    assert!(matches!(error, BatchError::Crc { .. }));
    assert_eq!(error.error_code(), ErrorCode::CorruptMessage);
}

#[test]
fn lengths_and_magic_are_claims() {
    for length in [-1, 0, 48, i32::MIN] {
        let error = RecordBatch::parse(altered(at::BATCH_LENGTH, &length.to_be_bytes())).unwrap_err();
        assert_eq!(error, BatchError::Length(length));
    }
    let error = RecordBatch::parse(altered(at::BATCH_LENGTH, &i32::MAX.to_be_bytes())).unwrap_err();
    assert!(matches!(error, BatchError::Truncated { .. }));
    for magic in [0u8, 1, 3, 0xff] {
        let error = RecordBatch::parse(altered(at::MAGIC, &[magic])).unwrap_err();
        assert_eq!(error, BatchError::Magic(magic.cast_signed()));
        assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
    }
    let mut two = batch().to_vec();
    two.extend_from_slice(&batch());
    assert_eq!(RecordBatch::parse(two.into()), Err(BatchError::Leftover(batch().len())));
    let error = RecordBatch::parse(altered(at::ATTRIBUTES, &[0, 5])).unwrap_err();
    assert_eq!(error, BatchError::UnknownCompression(5));
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    assert_eq!(header_fault(altered(0, &7i64.to_be_bytes())), "base_offset");
    assert_eq!(header_fault(altered(at::RECORDS_COUNT, &0i32.to_be_bytes())), "records_count");
    assert_eq!(header_fault(altered(at::RECORDS_COUNT, &(-1i32).to_be_bytes())), "records_count");
    assert_eq!(header_fault(altered(at::RECORDS_COUNT, &i32::MAX.to_be_bytes())), "records_count");
    assert_eq!(header_fault(altered(at::RECORDS_COUNT, &2i32.to_be_bytes())), "last_offset_delta");
    assert_eq!(header_fault(altered(at::LAST_OFFSET_DELTA, &(-1i32).to_be_bytes())), "last_offset_delta");
    assert_eq!(header_fault(altered(at::LAST_OFFSET_DELTA, &i32::MAX.to_be_bytes())), "last_offset_delta");
    assert_eq!(header_fault(altered(at::BASE_SEQUENCE, &(-1i32).to_be_bytes())), "base_sequence");
    assert_eq!(header_fault(altered(at::PRODUCER_EPOCH, &(-1i16).to_be_bytes())), "producer_epoch");
    let transactional = BatchBuilder::new().transactional().record(0, None, None).build();
    assert_eq!(header_fault(transactional), "producer_id");
}

#[test]
fn a_compacted_batch_is_only_accepted_from_the_log() {
    let gaps = altered(at::LAST_OFFSET_DELTA, &10i32.to_be_bytes());
    assert_eq!(RecordBatch::parse_stored(gaps.clone()).unwrap().header().next_offset(), 11);
    assert_eq!(header_fault(gaps), "last_offset_delta");
    assert!(RecordBatch::parse_stored(BatchBuilder::new().build()).is_ok());
}

#[test]
fn sequences_wrap_to_zero() {
    let header = |base_sequence, count| {
        let mut builder = BatchBuilder::new().producer(1, 0, base_sequence);
        for _ in 0..count {
            builder.push(0, None, None, &[]);
        }
        BatchHeader::parse(&builder.build()).unwrap()
    };
    assert_eq!(header(5, 3).last_sequence(), 7);
    assert_eq!(header(i32::MAX, 1).last_sequence(), i32::MAX);
    assert_eq!(header(i32::MAX, 2).last_sequence(), 0);
    assert_eq!(header(i32::MAX - 1, 4).last_sequence(), 1);
    assert_eq!(header(-1, 3).last_sequence(), -1);
}

#[test]
fn offsets_do_not_overflow() {
    let header = BatchHeader::parse(&altered(0, &i64::MAX.to_be_bytes())).unwrap();
    assert_eq!(header.next_offset(), i64::MAX);
}

#[test]
fn what_the_broker_writes_keeps_the_batch_valid() {
    let mut bytes = batch().to_vec();
    set_base_offset(&mut bytes, 1234);
    set_partition_leader_epoch(&mut bytes, 8);
    let stored = RecordBatch::parse_stored(bytes.clone().into()).unwrap();
    assert_eq!(stored.header().last_offset(), 1236);
    assert_eq!(stored.header().partition_leader_epoch, 8);
    assert_eq!(stored.records().unwrap().last().unwrap().unwrap().offset, 1236);

    set_log_append_time(&mut bytes, 5555);
    let stored = RecordBatch::parse_stored(bytes.clone().into()).unwrap();
    assert_eq!(stored.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(stored.header().max_timestamp, 5555);
    assert!(stored.records().unwrap().all(|record| record.unwrap().timestamp == 5555));

    set_max_timestamp(&mut bytes, TimestampType::CreateTime, 1010);
    let stored = RecordBatch::parse_stored(bytes.into()).unwrap();
    assert_eq!(stored.records().unwrap().next().unwrap().unwrap().timestamp, 1000);
}

#[test]
fn writing_into_less_than_a_header_does_nothing() {
    for len in 0..BatchHeader::LEN {
        let mut bytes = vec![0; len];
        set_log_append_time(&mut bytes, 1);
        assert_eq!(bytes, vec![0; len]);
    }
}

#[test]
fn a_sequence_is_cut_by_its_headers() {
    let mut log = Vec::new();
    for offset in [0, 3, 6] {
        let mut bytes = batch().to_vec();
        set_base_offset(&mut bytes, offset);
        log.extend_from_slice(&bytes);
    }
    let whole = Bytes::from(log);
    let offsets =
        |bytes: &Bytes| -> Vec<i64> { batches(bytes).map(|batch| batch.unwrap().0.base_offset).collect() };
    assert_eq!(offsets(&whole), [0, 3, 6]);
    assert_eq!(offsets(&Bytes::new()), [0i64; 0]);
    let one = whole.len() / 3;
    for cut in 0..whole.len() {
        assert_eq!(offsets(&whole.slice(..cut)).len(), cut / one);
    }
    let mut broken = whole.to_vec();
    broken[one + at::MAGIC] = 1;
    let results: Vec<_> = batches(&broken.into()).collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1], Err(BatchError::Magic(1)));
}

#[test]
fn attributes_are_told_apart() {
    let attributes = Attributes(0x40 | 0x20 | 0x10 | 0x08 | 4);
    assert_eq!(attributes.compression(), Ok(Compression::Zstd));
    assert_eq!(attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert!(attributes.is_transactional() && attributes.is_control() && attributes.has_delete_horizon());
    let none = Attributes(0);
    assert!(!none.is_transactional() && !none.is_control() && !none.has_delete_horizon());
}
