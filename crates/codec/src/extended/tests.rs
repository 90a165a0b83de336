//! Messages that are laid out here against kafka-protocol's, at the versions that both know.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Encodable, StrBytes};

use crate::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use crate::messages::*;
use crate::{Chain, Request, Response};

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn by_kafka_protocol<M: Encodable>(message: &M, version: i16) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out, version).unwrap();
    out.freeze()
}

/// Writes it, expects those bytes, reads them, and expects the same message.
fn request_is<R: Request + PartialEq>(request: &R, version: i16, expected: &Bytes) {
    let mut out = BytesMut::new();
    request.encode(version, &mut out).unwrap();
    assert_eq!(out.freeze(), expected, "{} {version}", R::NAME);
    assert_eq!(&R::decode(expected.clone(), version).unwrap(), request, "{} {version}", R::NAME);
}

fn response_is<R: Response + PartialEq>(response: &R, version: i16, expected: &Bytes) {
    let mut out = Chain::new();
    response.encode(version, &mut out).unwrap();
    assert_eq!(out.into_bytes(), expected, "version {version}");
    assert_eq!(&R::decode(expected.clone(), version).unwrap(), response, "version {version}");
    for cut in 0..expected.len() {
        assert!(R::decode(expected.slice(..cut), version).is_err(), "version {version} cut at {cut}");
    }
    let longer = Bytes::from([&expected[..], &[0]].concat());
    assert!(R::decode(longer, version).is_err(), "version {version} with a byte more");
}

#[test]
fn list_offsets_requests_are_those_of_kafka_protocol() {
    for version in 1..=10 {
        let epoch = if version >= 4 { 7 } else { -1 };
        let partition = ListOffsetsPartition::default().with_partition_index(3).with_timestamp(-2);
        let topic = ListOffsetsTopic::default()
            .with_name(TopicName(text("orders")))
            .with_partitions(vec![partition.with_current_leader_epoch(epoch); 2]);
        let ours = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(i8::from(version >= 2))
            .with_timeout_ms(if version >= 10 { 500 } else { 0 })
            .with_topics(vec![topic]);
        let partition = theirs::list_offsets_request::ListOffsetsPartition::default()
            .with_partition_index(3)
            .with_current_leader_epoch(epoch)
            .with_timestamp(-2);
        let topic = theirs::list_offsets_request::ListOffsetsTopic::default()
            .with_name(TopicName(text("orders")))
            .with_partitions(vec![partition.clone(), partition]);
        let theirs = theirs::ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(ours.isolation_level)
            .with_timeout_ms(ours.timeout_ms)
            .with_topics(vec![topic]);
        let expected = by_kafka_protocol(&theirs, version);
        request_is(&ours, version, &expected);
        if version == 10 {
            request_is(&ours, 11, &expected);
        }
    }
}

#[test]
fn list_offsets_responses_are_those_of_kafka_protocol() {
    for version in 1..=10 {
        let epoch = if version >= 4 { 7 } else { -1 };
        let partition = ListOffsetsPartitionResponse::default()
            .with_partition_index(3)
            .with_error_code(1)
            .with_timestamp(1_700_000_000_000)
            .with_offset(77)
            .with_leader_epoch(epoch);
        let topic = ListOffsetsTopicResponse::default()
            .with_name(TopicName(text("orders")))
            .with_partitions(vec![partition]);
        let ours = ListOffsetsResponse::default()
            .with_throttle_time_ms(if version >= 2 { 5 } else { 0 })
            .with_topics(vec![topic]);
        let partition = theirs::list_offsets_response::ListOffsetsPartitionResponse::default()
            .with_partition_index(3)
            .with_error_code(1)
            .with_timestamp(1_700_000_000_000)
            .with_offset(77)
            .with_leader_epoch(epoch);
        let topic = theirs::list_offsets_response::ListOffsetsTopicResponse::default()
            .with_name(TopicName(text("orders")))
            .with_partitions(vec![partition]);
        let theirs = theirs::ListOffsetsResponse::default()
            .with_throttle_time_ms(ours.throttle_time_ms)
            .with_topics(vec![topic]);
        let expected = by_kafka_protocol(&theirs, version);
        response_is(&ours, version, &expected);
        if version == 10 {
            response_is(&ours, 11, &expected);
        }
    }
}

#[test]
fn api_versions_requests_are_those_of_kafka_protocol() {
    for version in 0..=4 {
        let (name, software) = if version >= 3 { (text("golden"), text("1.0")) } else { Default::default() };
        let ours = ApiVersionsRequest::default()
            .with_client_software_name(name.clone())
            .with_client_software_version(software.clone());
        let theirs = theirs::ApiVersionsRequest::default()
            .with_client_software_name(name)
            .with_client_software_version(software);
        request_is(&ours, version, &by_kafka_protocol(&theirs, version));
    }
}

#[test]
fn strings_that_are_not_utf_8_are_refused() {
    // OffsetCommit 0 of the group 0xff, no topics.
    let body = Bytes::from_static(&[0, 1, 0xff, 0, 0, 0, 0]);
    assert!(OffsetCommitRequest::decode(body, 0).is_err());
}
