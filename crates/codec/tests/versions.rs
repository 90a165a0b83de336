//! Bytes that Kafka's own Java classes wrote at versions that kafka-protocol lacks (`tools/GoldenLegacy.java`,
//! `tools/GoldenNewest.java`), read here and written again.
#![allow(clippy::unwrap_used, reason = "helpers of tests are not covered by allow-unwrap-in-tests")]

use bytes::{Bytes, BytesMut};
use codec::frame::RequestHeader;
use codec::message_set::{MessageFormat, MessageSet, downgrade, is_message_set};
use codec::messages::*;
use codec::records::{BatchBuilder, Compression, decompress};
use codec::{Chain, DecodeError, Request, Response};

const GOLDEN: &str =
    concat!(include_str!("golden/java_legacy.txt"), "\n", include_str!("golden/java_newest.txt"));

/// `PatternType.LITERAL`, which all resources are that have no pattern type.
const LITERAL: i8 = 3;

fn unhex(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into()
}

/// All lines whose name starts with `prefix`, as (rest of the name, bytes).
fn golden(prefix: &str) -> Vec<(&'static str, Bytes)> {
    let lines = GOLDEN.lines().filter_map(|line| line.strip_prefix(prefix)?.split_once(' '));
    lines.map(|(name, hex)| (name, unhex(hex))).collect()
}

/// Reads all golden messages of an API, expects to write the same bytes, and shows each to `look`.
fn exchanged<R: Request>(
    versions: &[i16],
    look: impl Fn(i16, &R),
    look_at_response: impl Fn(i16, &R::Response),
) {
    let mut seen = Vec::new();
    for (version, frame) in golden(&format!("request.{}.", R::NAME)) {
        let version: i16 = version.parse().unwrap();
        let mut body = frame.clone();
        let header = RequestHeader::parse(&mut body).unwrap();
        assert_eq!((header.api_key, header.api_version, header.correlation_id), (R::KEY, version, 42));
        let request = R::decode(body.clone(), version).unwrap();
        let mut again = BytesMut::new();
        header.encode(&mut again).unwrap();
        request.encode(version, &mut again).unwrap();
        assert_eq!(again.freeze(), frame, "{} {version}", R::NAME);
        for cut in 0..body.len() {
            let error = R::decode(body.slice(..cut), version).unwrap_err();
            assert!(!matches!(error, DecodeError::Message { .. }), "{} {version} cut at {cut}", R::NAME);
        }
        look(version, &request);
        seen.push(version);
    }
    for (version, body) in golden(&format!("response.{}.", R::NAME)) {
        let version: i16 = version.parse().unwrap();
        let response = R::Response::decode(body.clone(), version).unwrap();
        let mut again = Chain::new();
        response.encode(version, &mut again).unwrap();
        assert_eq!(again.into_bytes(), body, "{} {version}", R::NAME);
        for cut in 0..body.len() {
            assert!(R::Response::decode(body.slice(..cut), version).is_err(), "{} {version}", R::NAME);
        }
        look_at_response(version, &response);
        seen.push(version);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, versions, "{}", R::NAME);
}

#[test]
fn produce() {
    exchanged::<ProduceRequest>(
        &[0, 1, 2],
        |version, request| {
            assert_eq!((request.acks, request.timeout_ms), (-1, 30_000));
            let partition = &request.topic_data[0].partition_data[0];
            assert_eq!((&**request.topic_data[0].name, partition.index), ("orders", 2));
            let magic = partition.records.as_ref().unwrap()[16];
            assert_eq!(magic, u8::from(version == 2));
        },
        |version, response| {
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!((partition.index, partition.base_offset), (2, 77));
            assert_eq!(partition.log_append_time_ms, if version >= 2 { 1_700_000_000_000 } else { -1 });
            assert_eq!(response.throttle_time_ms, if version >= 1 { 5 } else { 0 });
        },
    );
}

#[test]
fn fetch() {
    exchanged::<FetchRequest>(
        &[0, 1, 2, 3],
        |version, request| {
            assert_eq!((request.max_wait_ms, request.session_epoch), (500, -1));
            assert_eq!(request.max_bytes, if version >= 3 { 52_428_800 } else { i32::MAX });
            let partition = &request.topics[0].partitions[0];
            assert_eq!((partition.fetch_offset, partition.current_leader_epoch), (77, -1));
        },
        |_, response| {
            let partition = &response.message.responses[0].partitions[0];
            assert_eq!((partition.error_code, partition.high_watermark), (1, 99));
            assert_eq!(partition.records, Some(Bytes::from_static(&[1, 2, 3])));
        },
    );
}

#[test]
fn list_offsets() {
    exchanged::<ListOffsetsRequest>(
        &[0, 11],
        |version, request| {
            let partition = &request.topics[0].partitions[0];
            let expected = if version == 0 { (-1, 7) } else { (-6, 1) };
            assert_eq!((partition.timestamp, partition.max_num_offsets), expected);
        },
        |_, response| assert_eq!(response.topics[0].partitions[0].old_style_offsets, [77, 0]),
    );
}

#[test]
fn offset_commit() {
    exchanged::<OffsetCommitRequest>(
        &[0, 1, 10],
        |version, request| {
            let member = (request.generation_id_or_member_epoch, request.member_id.as_str());
            assert_eq!(member, if version == 0 { (-1, "") } else { (3, "member") });
            let topic = &request.topics[0];
            assert_eq!(topic.topic_id.is_nil(), version < 10);
            let partition = &topic.partitions[0];
            assert_eq!((partition.partition_index, partition.committed_offset), (2, 78));
            assert_eq!(partition.committed_metadata.as_deref(), Some("note"));
            assert_eq!(request.retention_time_ms, -1);
        },
        |_, response| assert_eq!(response.topics[0].partitions[0].error_code, 3),
    );
}

#[test]
fn txn_offset_commit() {
    exchanged::<TxnOffsetCommitRequest>(
        &[0, 2, 5, 6],
        |version, request| {
            assert_eq!((&**request.transactional_id, &**request.group_id), ("payments", "group"));
            assert_eq!((*request.producer_id, request.producer_epoch), (1000, 7));
            let member = (request.generation_id_or_member_epoch, request.member_id.as_str());
            assert_eq!(member, if version >= 3 { (3, "member") } else { (-1, "") });
            let topic = &request.topics[0];
            assert_eq!((topic.name.is_empty(), topic.topic_id.is_nil()), (version >= 6, version < 6));
            let partition = &topic.partitions[0];
            assert_eq!((partition.partition_index, partition.committed_offset), (2, 78));
            assert_eq!(partition.committed_leader_epoch, if version >= 2 { 4 } else { -1 });
            assert_eq!(partition.committed_metadata.as_deref(), Some("note"));
        },
        |version, response| {
            let topic = &response.topics[0];
            assert_eq!((response.throttle_time_ms, topic.topic_id.is_nil()), (5, version < 6));
            assert_eq!((topic.partitions[0].partition_index, topic.partitions[0].error_code), (2, 3));
        },
    );
}

#[test]
fn write_txn_markers() {
    exchanged::<WriteTxnMarkersRequest>(
        &[1, 2],
        |version, request| {
            let marker = &request.markers[0];
            assert_eq!(
                (*marker.producer_id, marker.producer_epoch, marker.transaction_result),
                (1000, 7, true)
            );
            assert_eq!(
                (marker.coordinator_epoch, marker.transaction_version),
                (4, if version >= 2 { 2 } else { 0 })
            );
            assert_eq!(marker.topics[0].partition_indexes, [2, 3]);
        },
        |_, response| assert_eq!(response.markers[0].topics[0].partitions[0].error_code, 47),
    );
}

#[test]
fn offset_fetch() {
    exchanged::<OffsetFetchRequest>(
        &[0, 10],
        |version, request| {
            if version == 0 {
                assert_eq!(request.topics.as_ref().unwrap()[0].partition_indexes, [2]);
                return;
            }
            let group = &request.groups[0];
            assert_eq!((group.member_id.as_deref(), group.member_epoch), (Some("member"), 3));
            let topic = &group.topics.as_ref().unwrap()[0];
            assert_eq!((topic.topic_id.is_nil(), &topic.partition_indexes[..]), (false, &[2][..]));
            assert!(request.require_stable);
        },
        |_, response| assert_eq!(response.topics[0].partitions[0].committed_offset, 78),
    );
}

#[test]
fn api_versions() {
    exchanged::<ApiVersionsRequest>(
        &[5],
        |_, request| assert_eq!((request.cluster_id.as_deref(), request.node_id), (Some("cluster"), 3)),
        |_, _| {},
    );
}

#[test]
fn topics() {
    exchanged::<CreateTopicsRequest>(
        &[0, 1],
        |version, request| {
            assert_eq!((request.timeout_ms, request.validate_only), (30_000, version >= 1));
            let topic = &request.topics[0];
            assert_eq!((topic.num_partitions, topic.assignments[0].broker_ids[0]), (-1, BrokerId(1)));
            assert_eq!(topic.configs[0].value.as_deref(), Some("compact"));
        },
        |version, response| {
            let message = response.topics[0].error_message.as_deref();
            assert_eq!((response.topics[0].error_code, message), (36, (version >= 1).then_some("it exists")));
        },
    );
    exchanged::<DeleteTopicsRequest>(
        &[0],
        |_, request| assert_eq!(&*request.topic_names[0].0, "orders"),
        |_, response| assert_eq!(response.responses[0].error_code, 3),
    );
}

#[test]
fn acls() {
    exchanged::<DescribeAclsRequest>(
        &[0],
        |_, request| {
            let names = (request.resource_name_filter.as_deref(), request.principal_filter.as_deref());
            assert_eq!((names, request.pattern_type_filter), ((Some("orders"), None), LITERAL));
            assert_eq!((request.host_filter.as_deref(), request.operation), (Some("*"), 3));
        },
        |_, response| {
            let resource = &response.resources[0];
            assert_eq!((&*resource.resource_name, resource.pattern_type), ("orders", LITERAL));
            assert_eq!((&*resource.acls[0].principal, resource.acls[0].permission_type), ("User:me", 3));
        },
    );
    exchanged::<CreateAclsRequest>(
        &[0],
        |_, request| {
            let creation = &request.creations[0];
            assert_eq!((&*creation.resource_name, creation.resource_pattern_type), ("orders", LITERAL));
            assert_eq!((&*creation.principal, &*creation.host), ("User:me", "*"));
        },
        |_, response| assert_eq!(response.results[0].error_code, 54),
    );
    exchanged::<DeleteAclsRequest>(
        &[0],
        |_, request| {
            let filter = &request.filters[0];
            let names = (filter.principal_filter.as_deref(), filter.host_filter.as_deref());
            assert_eq!((names, filter.pattern_type_filter), ((Some("User:me"), None), LITERAL));
        },
        |_, response| {
            let acl = &response.filter_results[0].matching_acls[0];
            assert_eq!(
                (&*acl.resource_name, &*acl.principal, acl.pattern_type),
                ("orders", "User:me", LITERAL)
            );
        },
    );
}

#[test]
fn delegation_tokens() {
    exchanged::<CreateDelegationTokenRequest>(
        &[0],
        |_, request| assert_eq!(&*request.renewers[0].principal_name, "me"),
        |_, response| assert_eq!((&*response.token_id, response.throttle_time_ms), ("id", 5)),
    );
    exchanged::<RenewDelegationTokenRequest>(
        &[0],
        |_, request| assert_eq!((&*request.hmac, request.renew_period_ms), (&[7][..], 60_000)),
        |_, response| assert_eq!((response.error_code, response.expiry_timestamp_ms), (64, -1)),
    );
    exchanged::<ExpireDelegationTokenRequest>(
        &[0],
        |_, request| assert_eq!((&*request.hmac, request.expiry_time_period_ms), (&[7][..], 60_000)),
        |_, response| assert_eq!((response.error_code, response.expiry_timestamp_ms), (64, -1)),
    );
    exchanged::<DescribeDelegationTokenRequest>(
        &[0],
        |_, request| assert_eq!(&*request.owners.as_ref().unwrap()[0].principal_name, "me"),
        |_, response| assert_eq!((response.error_code, response.throttle_time_ms), (64, 5)),
    );
}

#[test]
fn log_dirs_of_replicas() {
    exchanged::<AlterReplicaLogDirsRequest>(
        &[0],
        |_, request| {
            assert_eq!((&*request.dirs[0].path, &*request.dirs[0].topics[0].partitions), ("/data", &[2][..]));
        },
        |_, response| assert_eq!(response.results[0].partitions[0].error_code, 57),
    );
}

#[test]
fn leader_epochs() {
    exchanged::<OffsetForLeaderEpochRequest>(
        &[0, 1],
        |_, request| {
            let partition = &request.topics[0].partitions[0];
            assert_eq!((partition.leader_epoch, partition.current_leader_epoch), (4, -1));
        },
        |version, response| {
            let end = &response.topics[0].partitions[0];
            assert_eq!((end.end_offset, end.leader_epoch), (77, if version >= 1 { 4 } else { -1 }));
        },
    );
}

#[test]
fn describing() {
    exchanged::<DescribeConfigsRequest>(
        &[0],
        |_, request| assert_eq!(request.resources[0].configuration_keys.as_ref().unwrap().len(), 1),
        |_, response| {
            let config = &response.results[0].configs[0];
            assert_eq!((config.config_source, config.read_only, config.is_sensitive), (5, true, false));
        },
    );
    exchanged::<DescribeLogDirsRequest>(
        &[0, 5],
        |_, request| assert_eq!(request.topics, None),
        |_, response| assert_eq!(&*response.results[0].log_dir, "/data"),
    );
}

#[test]
fn streams_groups() {
    exchanged::<StreamsGroupHeartbeatRequest>(
        &[0],
        |_, request| {
            let parts = &request.topology.as_ref().unwrap().subtopologies[0];
            assert_eq!(
                (&*parts.state_changelog_topics[0].name.0, &*parts.source_topic_regex[0]),
                ("log", "a.*")
            );
            assert_eq!(parts.repartition_source_topics[0].partitions, 4);
            assert_eq!(parts.copartition_groups[0].repartition_source_topics, [0]);
            assert_eq!(request.active_tasks.as_ref().unwrap()[0].partitions, [1, 2]);
            assert_eq!(request.user_endpoint.as_ref().unwrap().port, 65_535);
            assert_eq!((request.rebalance_timeout_ms, request.shutdown_application), (300_000, true));
        },
        |_, response| {
            assert_eq!((response.member_epoch, response.endpoint_information_epoch), (4, 8));
            assert_eq!(response.status.as_ref().unwrap()[0].status_code, 3);
            let endpoint = &response.partitions_by_user_endpoint.as_ref().unwrap()[0];
            assert_eq!(endpoint.active_partitions[0].partitions, [1, 2]);
        },
    );
    exchanged::<StreamsGroupDescribeRequest>(
        &[0],
        |_, request| {
            assert_eq!((&**request.group_ids[0], request.include_authorized_operations), ("group", true))
        },
        |_, response| {
            let [group, other] = &response.groups[..] else { panic!("two groups") };
            assert_eq!((group.authorized_operations, other.error_code, &other.topology), (8, 69, &None));
            let parts = &group.topology.as_ref().unwrap().subtopologies.as_ref().unwrap()[0];
            assert_eq!(parts.repartition_source_topics[0].topic_configs.len(), 1);
            let member = &group.members[0];
            assert_eq!((&*member.process_id, &member.instance_id), ("process", &None));
            assert_eq!(member.target_assignment.active_tasks[0].partitions, [1, 2]);
        },
    );
}

/// The records of `tools/GoldenLegacy.java`, as a batch of this codec.
fn the_three_records(codec: Compression, with_timestamps: bool) -> BatchBuilder {
    let time = |ms: i64| if with_timestamps { 1_700_000_000_000 + ms } else { -1 };
    BatchBuilder::new()
        .record(time(0), Some(b"key"), Some(b"first value, first value, first value"))
        .record(time(500), None, Some(b"second"))
        .record(time(200), Some(b"key"), None)
        .compression(codec)
}

fn codec_named(name: &str) -> Compression {
    Compression::ALL.into_iter().find(|codec| codec.name() == name).unwrap()
}

#[test]
fn message_sets_of_every_codec_become_the_batch_that_a_newer_producer_sends() {
    let sets = golden("set.v");
    assert_eq!(sets.len(), 8);
    for (name, set) in sets {
        let (format, codec) = name.split_once('.').unwrap();
        assert!(is_message_set(&set));
        let upgraded = MessageSet::parse(&set).unwrap().to_batch().unwrap();
        let expected = the_three_records(codec_named(codec), format == "1").build();
        assert_eq!(upgraded, expected, "{name}");
    }
}

/// Compressors differ, so what is compressed is compared after it was opened; what is not, byte by byte.
#[test]
fn batches_become_the_message_sets_that_kafka_made_of_them() {
    let batches = golden("down.batch.");
    assert_eq!(batches.len(), 4);
    for (name, batch) in batches {
        for (version, format) in [(0, MessageFormat::V0), (1, MessageFormat::V1)] {
            let (_, expected) = golden(&format!("down.v{version}.{name}")).remove(0);
            let mut ours = BytesMut::new();
            downgrade(&batch, format, 101, &mut ours).unwrap();
            let ours = ours.freeze();
            if name == "none" {
                assert_eq!(ours, expected, "v{version}");
                continue;
            }
            // Offset; magic, attributes and, in v1, the timestamp.
            let header_end = if version == 1 { 26 } else { 18 };
            assert_eq!(ours[..8], expected[..8], "{name} v{version}");
            assert_eq!(ours[16..header_end], expected[16..header_end], "{name} v{version}");
            let opened = |set: &Bytes| MessageSet::parse(set).unwrap().to_batch().unwrap();
            assert_eq!(opened(&ours), opened(&expected), "{name} v{version}");
            assert_eq!(
                inner(&ours, header_end, name),
                inner(&expected, header_end, name),
                "{name} v{version}"
            );
        }
    }
}

/// The set inside a wrapper without a key: with the offsets that consumers see. LZ4 in v0 has a checksum that only
/// old consumers like, so there it is enough that both frames have the same header.
fn inner(wrapper: &Bytes, header_end: usize, codec: &str) -> Bytes {
    let data = wrapper.slice(header_end + 8..);
    if codec == "lz4" && header_end == 18 {
        return data.slice(..7);
    }
    decompress(codec_named(codec), &data).unwrap()
}
