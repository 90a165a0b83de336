//! The oldest and the newest versions of `offset_commit.rs` and `offset_fetch.rs` through a socket; those between are
//! in `group/wire_tests.rs`.

use codec::messages::offset_commit_request::OffsetCommitRequestTopic;
use codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use codec::messages::{self, OffsetFetchRequest, StrBytes};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::*;
use crate::kafka::api::produce::tests::{broker_with, topic_id, topic_name};
use crate::testing::Client;

fn group(name: &str) -> messages::GroupId {
    messages::GroupId(StrBytes::from_string(name.to_owned()))
}

/// Offsets for the partitions 0 and 7 of a topic, by name or by id.
async fn commit(client: &mut Client<TcpStream>, version: i16, topic: (&str, Uuid), offset: i64) -> Vec<i16> {
    let partition = |index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(StrBytes::from_static_str("note")))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic.0))
        .with_topic_id(topic.1)
        .with_partitions(vec![partition(0), partition(7)]);
    let request = OffsetCommitRequest::default().with_group_id(group("g")).with_topics(vec![topic.clone()]);
    let response = client.call(version, &request).await;
    let answer = &response.topics[0];
    assert_eq!(answer.topic_id, if version >= 10 { topic.topic_id } else { Uuid::nil() });
    assert_eq!(answer.name.as_str(), if version >= 10 { "" } else { topic.name.as_str() });
    answer.partitions.iter().map(|partition| partition.error_code).collect()
}

/// Fetches partitions of a topic in version 0: offset and error of each.
async fn fetch_v0(client: &mut Client<TcpStream>, name: &str, indexes: &[i32]) -> Vec<(i64, i16)> {
    let topic = OffsetFetchRequestTopic::default().with_name(topic_name(name));
    let topics = Some(vec![topic.with_partition_indexes(indexes.to_vec())]);
    let request = OffsetFetchRequest::default().with_group_id(group("g")).with_topics(topics);
    let response = client.call(0, &request).await;
    let partitions = response.topics[0].partitions.iter();
    partitions.map(|partition| (partition.committed_offset, partition.error_code)).collect()
}

/// Fetches in version 10: topic, offset and error of each partition. `None` asks for all.
async fn fetch_v10(client: &mut Client<TcpStream>, asked: Option<Uuid>) -> Vec<(Uuid, i64, i16)> {
    let topics = asked.map(|id| {
        vec![OffsetFetchRequestTopics::default().with_topic_id(id).with_partition_indexes(vec![0, 1])]
    });
    let asked = OffsetFetchRequestGroup::default().with_group_id(group("g")).with_topics(topics);
    let response = client.call(10, &OffsetFetchRequest::default().with_groups(vec![asked])).await;
    let topics = response.groups[0].topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(move |one| (topic, one)))
        .map(|(topic, one)| (topic.topic_id, one.committed_offset, one.error_code))
        .collect()
}

#[tokio::test]
async fn offsets_of_clients_without_groups_come_back() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    for version in [0, 1] {
        let offset = 40 + i64::from(version);
        assert_eq!(commit(&mut client, version, ("orders", Uuid::nil()), offset).await, [0, 3]);
        assert_eq!(commit(&mut client, version, ("absent", Uuid::nil()), offset).await, [3, 3]);
        // What was never committed is unknown, as it was in ZooKeeper.
        assert_eq!(fetch_v0(&mut client, "orders", &[0, 1]).await, [(offset, 0), (-1, 3)]);
        assert_eq!(fetch_v0(&mut client, "absent", &[0]).await, [(-1, 3)]);
    }
}

#[tokio::test]
async fn the_newest_version_names_topics_by_id() {
    let running = broker_with(&[("orders", &[]), ("other", &[])]).await;
    let mut client = running.client().await;
    let id = topic_id(&mut client, "orders").await;
    let other = topic_id(&mut client, "other").await;
    let unknown = Uuid::from_u128(7);
    assert_eq!(commit(&mut client, 10, ("", id), 42).await, [0, 3]);
    assert_eq!(commit(&mut client, 10, ("", unknown), 42).await, [100, 100]);
    assert_eq!(commit(&mut client, 10, ("", Uuid::nil()), 42).await, [100, 100]);
    assert_eq!(fetch_v10(&mut client, Some(id)).await, [(id, 42, 0), (id, -1, 0)]);
    assert_eq!(fetch_v10(&mut client, Some(other)).await, [(other, -1, 0), (other, -1, 0)]);
    assert_eq!(fetch_v10(&mut client, Some(unknown)).await, [(unknown, -1, 100), (unknown, -1, 100)]);
    assert_eq!(fetch_v10(&mut client, None).await, [(id, 42, 0)]);
}
