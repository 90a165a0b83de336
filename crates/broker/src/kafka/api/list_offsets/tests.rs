//! `list_offsets.rs`, alone and through a socket.

use super::*;
use crate::kafka::api::produce::tests::{at, broker_with, produce, topic_name};
use crate::testing::Client;
use bytes::BytesMut;
use codec::messages::list_offsets_request::ListOffsetsTopic;
use codec::records::{BatchBuilder, Compression, TimestampType, set_max_timestamp};
use tokio::net::TcpStream;

#[test]
fn negative_timestamps_have_meanings_from_certain_versions_on() {
    for (timestamp, since, asked) in [
        (-1, 1, Asked::Latest),
        (-2, 1, Asked::Earliest),
        (-3, 7, Asked::MaxTimestamp),
        (-4, 8, Asked::Earliest),
        (-5, 9, Asked::Tiered),
        (-6, 11, Asked::Tiered),
    ] {
        assert_eq!(Asked::of(timestamp, since), Ok(asked));
        assert_eq!(Asked::of(timestamp, since - 1), Err(PartitionError::UnsupportedVersion), "{timestamp}");
    }
    assert_eq!(Asked::of(-7, 11), Err(PartitionError::UnsupportedVersion));
    assert_eq!(Asked::of(i64::MIN, 11), Err(PartitionError::UnsupportedVersion));
    assert_eq!(Asked::of(0, 1), Ok(Asked::AtOrAfter(0)));
}

#[test]
fn only_partitions_named_twice_are_refused() {
    let topic = |name, indexes: &[i32]| {
        let partitions =
            indexes.iter().map(|index| ListOffsetsPartition::default().with_partition_index(*index));
        ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(partitions.collect())
    };
    let topics = vec![topic("a", &[0, 1, 0]), topic("b", &[1]), topic("b", &[2, 1])];
    let twice = named_twice(&ListOffsetsRequest::default().with_topics(topics));
    let named = |name: &str, index| (TopicRef::named(name), index);
    assert_eq!(twice, HashSet::from([named("a", 0), named("b", 1)]));
}

async fn list(
    client: &mut Client<TcpStream>,
    version: i16,
    (index, timestamp): (i32, i64),
) -> ListOffsetsPartitionResponse {
    let partition = ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(topic_name("orders")).with_partitions(vec![partition]);
    let mut response = client.call(version, &ListOffsetsRequest::default().with_topics(vec![topic])).await;
    response.topics.remove(0).partitions.remove(0)
}

#[tokio::test]
async fn first_last_and_those_at_a_time_are_found_at_every_version() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    for timestamp in [1000, 3000, 2000, 4000, 3500] {
        produce(&mut client, 9, &[("orders", 0, at(timestamp, "v"))]).await;
    }
    for version in 1..=11 {
        for (timestamp, offset, found) in [
            (-2, 0, -1),
            (-1, 5, -1),
            (0, 0, 1000),
            (1001, 1, 3000),
            (3000, 1, 3000),
            (3001, 3, 4000),
            (4001, -1, -1),
        ] {
            let answer = list(&mut client, version, (0, timestamp)).await;
            assert_eq!(
                (answer.error_code, answer.offset, answer.timestamp),
                (0, offset, found),
                "{timestamp} at version {version}"
            );
            assert_eq!(answer.leader_epoch >= 0, version >= LEADER_EPOCH_FROM && offset >= 0);
        }
        let newest = list(&mut client, version, (0, -3)).await;
        let expected = if version >= 7 { (0, 3, 4000) } else { (35, -1, -1) };
        assert_eq!((newest.error_code, newest.offset, newest.timestamp), expected);
        let local = list(&mut client, version, (0, -4)).await;
        assert_eq!((local.error_code, local.offset), if version >= 8 { (0, 0) } else { (35, -1) });
        let tiered = list(&mut client, version, (0, -5)).await;
        assert_eq!((tiered.error_code, tiered.offset), if version >= 9 { (0, -1) } else { (35, -1) });
    }
}

/// The offsets that version 0 answers.
/// Sarama before 1.45.2 compresses batches and leaves their largest timestamp at -1: nothing in them was found by time.
#[tokio::test]
async fn records_are_found_by_time_whatever_the_header_of_their_batch_says() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let mut base_offset = 0;
    for compression in Compression::ALL {
        for wrong in [-1, 0, 1000, 9999] {
            let mut batch = BatchBuilder::new().compression(compression);
            for timestamp in [1000, 2000, 3000] {
                // Later than all before.
                batch.push(base_offset * 10_000 + timestamp, None, Some(b"v"), &[]);
            }
            let mut bytes = BytesMut::from(&batch.build()[..]);
            set_max_timestamp(&mut bytes, TimestampType::CreateTime, wrong);
            let produced = produce(&mut client, 9, &[("orders", 0, bytes.freeze())]).await;
            assert_eq!((produced[0].error_code, produced[0].base_offset), (0, base_offset));
            let found = list(&mut client, 9, (0, base_offset * 10_000 + 1001)).await;
            let expected = (base_offset + 1, base_offset * 10_000 + 2000);
            assert_eq!((found.offset, found.timestamp), expected, "{compression}, header {wrong}");
            base_offset += 3;
        }
    }
}

async fn list_v0(client: &mut Client<TcpStream>, index: i32, timestamp: i64, most: i32) -> (i16, Vec<i64>) {
    let partition = ListOffsetsPartition::default().with_partition_index(index).with_timestamp(timestamp);
    let partitions = vec![partition.with_max_num_offsets(most)];
    let topic = ListOffsetsTopic::default().with_name(topic_name("orders")).with_partitions(partitions);
    let mut response = client.call(0, &ListOffsetsRequest::default().with_topics(vec![topic])).await;
    let answer = response.topics.remove(0).partitions.remove(0);
    (answer.error_code, answer.old_style_offsets)
}

#[tokio::test]
async fn version_0_lists_the_one_segment_and_the_end() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    for timestamp in [1000, 3000, 2000] {
        produce(&mut client, 9, &[("orders", 0, at(timestamp, "v"))]).await;
    }
    for (timestamp, most, expected) in [
        (-1, 10, &[3, 0][..]),
        (-1, 1, &[3]),
        (-2, 10, &[0]),
        (i64::MAX, 10, &[3, 0]),
        (3000, 10, &[0]),
        (2999, 10, &[]),
        (-3, 10, &[]),
        (-1, 0, &[]),
        (-1, i32::MIN, &[]),
    ] {
        let answer = list_v0(&mut client, 0, timestamp, most).await;
        assert_eq!(answer, (0, expected.to_vec()), "{timestamp}, {most}");
    }
    for timestamp in [-1, -2, 5] {
        assert_eq!(list_v0(&mut client, 1, timestamp, 10).await, (0, vec![0]), "empty, {timestamp}");
    }
    assert_eq!(list_v0(&mut client, 2, -1, 1).await, (3, vec![]));
}

#[tokio::test]
async fn an_empty_partition_has_a_first_and_last_offset_but_none_at_a_time() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    for (timestamp, offset) in [(-2, 0), (-1, 0), (-3, -1), (5, -1)] {
        let answer = list(&mut client, 7, (1, timestamp)).await;
        assert_eq!((answer.error_code, answer.offset), (0, offset), "{timestamp}");
    }
    assert_eq!(list(&mut client, 7, (2, -1)).await.error_code, 3);
}
