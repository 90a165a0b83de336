//! Bytes that Kafka's own Java classes wrote (`tools/Golden.java`), read here and written again.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not covered by allow-unwrap-in-tests")]

use bytes::{Bytes, BytesMut};
use codec::frame::RequestHeader;
use codec::messages::*;
use codec::records::{
    Attributes, BatchBuilder, Compression, ControlType, EndTransactionMarker, Record, RecordBatch,
    validate_records,
};
use codec::{DecodeError, Request};

const GOLDEN: &str = include_str!("golden/java.txt");

fn unhex(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into()
}

/// All lines whose name starts with `prefix`, as (rest of the name, bytes).
fn golden(prefix: &str) -> Vec<(&'static str, Bytes)> {
    let lines = GOLDEN.lines().filter_map(|line| line.strip_prefix(prefix)?.split_once(' '));
    let found: Vec<_> = lines.map(|(name, hex)| (name, unhex(hex))).collect();
    assert!(!found.is_empty(), "no golden bytes of {prefix}");
    found
}

/// Reads all golden requests of an API, expects to write the same bytes, and shows each to `look`.
fn requests<R: Request>(look: impl Fn(i16, R)) {
    for (version, frame) in golden(&format!("request.{}.", R::NAME)) {
        let version: i16 = version.parse().unwrap();
        let mut body = frame.clone();
        let header = RequestHeader::parse(&mut body).unwrap();
        assert_eq!((header.api_key, header.api_version, header.correlation_id), (R::KEY, version, 42));
        assert_eq!(header.client_id.as_deref(), Some("golden"));
        let request = R::decode(body.clone(), version).unwrap();
        let mut again = BytesMut::new();
        header.encode(&mut again).unwrap();
        request.encode(version, &mut again).unwrap();
        assert_eq!(again.freeze(), frame, "{} {version}", R::NAME);
        for cut in 0..body.len() {
            let error = R::decode(body.slice(..cut), version).unwrap_err();
            assert!(!matches!(error, DecodeError::Message { .. }), "{} {version} cut at {cut}", R::NAME);
        }
        look(version, request);
    }
}

#[test]
fn api_versions() {
    requests::<ApiVersionsRequest>(|version, request| {
        assert_eq!(&*request.client_software_name, if version >= 3 { "golden" } else { "" });
    });
}

#[test]
fn metadata() {
    requests::<MetadataRequest>(|version, request| {
        let topics = request.topics.unwrap();
        assert_eq!(topics[0].name.as_deref().map(|name| &**name), Some("orders"));
        assert!(request.allow_auto_topic_creation, "version {version}");
    });
}

#[test]
fn produce() {
    requests::<ProduceRequest>(|version, request| {
        assert_eq!((request.acks, request.timeout_ms), (-1, 30_000));
        let topic = &request.topic_data[0];
        assert_eq!(&**topic.name, if version >= 13 { "" } else { "orders" });
        assert_eq!(topic.topic_id.is_nil(), version < 13);
        assert_eq!(topic.partition_data[0].index, 2);
        let batch = RecordBatch::parse(topic.partition_data[0].records.clone().unwrap()).unwrap();
        validate_records(&batch, |_| ()).unwrap();
    });
}

#[test]
fn fetch() {
    requests::<FetchRequest>(|_, request| {
        assert_eq!((request.max_wait_ms, request.max_bytes), (500, 52_428_800));
        assert_eq!(request.topics[0].partitions[0].fetch_offset, 77);
    });
}

#[test]
fn join_group() {
    requests::<JoinGroupRequest>(|version, request| {
        assert_eq!(request.protocols[0].metadata, Bytes::from_static(&[0, 1, 2]));
        assert_eq!(request.group_instance_id.is_some(), version >= 5);
    });
}

#[test]
fn offset_commit() {
    requests::<OffsetCommitRequest>(|_, request| {
        assert_eq!(request.generation_id_or_member_epoch, 3);
        assert_eq!(request.topics[0].partitions[0].committed_offset, 78);
    });
}

fn expect_the_three_records(records: &[Record]) {
    let value = |at: usize| records[at].value.as_deref();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0].key.as_deref(), Some(&b"key"[..]));
    assert_eq!(value(0), Some(&b"first value, first value, first value"[..]));
    assert_eq!((records[1].key.as_deref(), value(1)), (None, Some(&b"second"[..])));
    assert_eq!((records[1].offset, records[1].timestamp), (1, 1_700_000_000_500));
    assert_eq!(&records[1].headers[0].key[..], b"trace");
    assert_eq!(records[1].headers[0].value.as_deref(), Some(&b"abc"[..]));
    assert_eq!(records[1].headers[1].value, None);
    assert_eq!(value(2), None);
}

#[test]
fn batches_of_every_codec() {
    for (codec, bytes) in golden("batch.") {
        let batch = RecordBatch::parse(bytes).unwrap();
        assert_eq!(batch.header().attributes.compression().unwrap().name(), codec);
        let max_timestamp = validate_records(&batch, |_| ()).unwrap();
        assert_eq!((max_timestamp, batch.header().max_timestamp), (1_700_000_000_500, 1_700_000_000_500));
        let records: Vec<Record> = batch.records().unwrap().collect::<Result<_, _>>().unwrap();
        expect_the_three_records(&records);
    }
}

#[test]
fn a_batch_is_built_as_java_builds_it() {
    let built = BatchBuilder::new()
        .record(1_700_000_000_000, Some(b"key"), Some(b"first value, first value, first value"))
        .record_with_headers(
            1_700_000_000_500,
            None,
            Some(b"second"),
            &[("trace", Some(b"abc")), ("empty", None)],
        )
        .record(1_700_000_000_200, Some(b"key"), None);
    let (_, java) = golden("batch.none").remove(0);
    assert_eq!(built.clone().build(), java);
    for codec in Compression::ALL {
        let batch = RecordBatch::parse(built.clone().compression(codec).build()).unwrap();
        assert_eq!(batch.header().attributes, Attributes(codec as i16));
        expect_the_three_records(&batch.records().unwrap().collect::<Result<Vec<_>, _>>().unwrap());
    }
}

#[test]
fn markers_that_end_transactions() {
    for (control_type, name) in [(ControlType::Commit, "marker.commit"), (ControlType::Abort, "marker.abort")]
    {
        let (_, java) = golden(name).remove(0);
        let marker = EndTransactionMarker { control_type, coordinator_epoch: 7 };
        assert_eq!(marker.batch(9000, 4, 1_700_000_000_000), java);
        let batch = RecordBatch::parse_stored(java).unwrap();
        assert!(batch.header().attributes.is_control() && batch.header().attributes.is_transactional());
        let record = batch.records().unwrap().next().unwrap().unwrap();
        assert_eq!(EndTransactionMarker::parse(&record), Some(marker));
    }
}
