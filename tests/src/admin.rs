//! The calls every test needs: topics, metadata, offsets, committed offsets. One fixed version
//! each; the registry test covers the other versions.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::metadata_response::MetadataResponseTopic;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use codec::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, FindCoordinatorRequest, GroupId,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    StrBytes, TopicName,
};

use crate::client::Client;

/// A string in the messages' type.
pub fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// A topic's name in the messages' type.
pub fn topic_name(value: &str) -> TopicName {
    TopicName(text(value))
}

/// A group's name in the messages' type.
pub fn group_id(value: &str) -> GroupId {
    GroupId(text(value))
}

/// The answer to ApiVersions.
///
/// # Errors
/// If it answers with an error.
pub fn api_versions(client: &mut Client) -> Result<ApiVersionsResponse> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("ottla-tests"))
        .with_client_software_version(text("1"));
    let response = client.call(3, &request)?;
    ensure!(response.error_code == 0, "ApiVersions: error {}", response.error_code);
    Ok(response)
}

/// Creates a topic.
///
/// # Errors
/// If it is refused.
pub fn create_topic(client: &mut Client, name: &str, partitions: i32) -> Result<()> {
    create_topic_with(client, name, partitions, &[])
}

/// Creates a topic with configs.
///
/// # Errors
/// If it is refused.
pub fn create_topic_with(
    client: &mut Client,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<()> {
    let config = |(name, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    };
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.iter().map(config).collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let response = client.call(5, &request)?;
    let result = response.topics.first().context("CreateTopics: no answer")?;
    ensure!(
        result.error_code == 0,
        "CreateTopics {name}: error {}: {:?}",
        result.error_code,
        result.error_message
    );
    Ok(())
}

/// Metadata of one topic; the request does not create it.
///
/// # Errors
/// If there is no such topic.
pub fn topic(client: &mut Client, name: &str) -> Result<MetadataResponseTopic> {
    let asked = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let request =
        MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(false);
    let response = client.call(12, &request)?;
    let topic = response.topics.into_iter().next().context("Metadata: no answer")?;
    ensure!(topic.error_code == 0, "Metadata {name}: error {}", topic.error_code);
    Ok(topic)
}

/// The leader epoch of each partition of a topic, in their order.
///
/// # Errors
/// If there is no such topic.
pub fn leader_epochs(client: &mut Client, name: &str) -> Result<Vec<i32>> {
    let mut partitions = topic(client, name)?.partitions;
    partitions.sort_by_key(|partition| partition.partition_index);
    Ok(partitions.iter().map(|partition| partition.leader_epoch).collect())
}

/// The next offset of a partition (`-1`), its first (`-2`), or the first at or after a time.
///
/// # Errors
/// If it is refused.
pub fn list_offset(client: &mut Client, name: &str, partition: i32, timestamp: i64) -> Result<i64> {
    listed_offset(client, name, partition, timestamp, 0)
}

/// The last stable offset of a partition.
///
/// # Errors
/// If it is refused.
pub fn last_stable_offset(client: &mut Client, name: &str, partition: i32) -> Result<i64> {
    listed_offset(client, name, partition, -1, 1)
}

fn listed_offset(
    client: &mut Client,
    name: &str,
    partition: i32,
    timestamp: i64,
    isolation_level: i8,
) -> Result<i64> {
    let asked = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_timestamp(timestamp)
        .with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation_level)
        .with_topics(vec![topic]);
    let response = client.call(6, &request)?;
    let answer = response
        .topics
        .first()
        .and_then(|topic| topic.partitions.first())
        .context("ListOffsets: no answer")?;
    ensure!(answer.error_code == 0, "ListOffsets {name}-{partition}: error {}", answer.error_code);
    Ok(answer.offset)
}

/// A producer id and epoch for an idempotent producer.
///
/// # Errors
/// If it is refused.
pub fn init_producer_id(client: &mut Client) -> Result<(i64, i16)> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let response = client.call(4, &request)?;
    ensure!(response.error_code == 0, "InitProducerId: error {}", response.error_code);
    Ok((response.producer_id.0, response.producer_epoch))
}

/// Connects to a group's coordinator, as a client does before its other requests about the group.
///
/// # Errors
/// If no process listens there, or the coordinator is not ready.
pub fn connect_to_coordinator(address: SocketAddr, group: &str) -> Result<Client> {
    let mut client = Client::connect(address)?;
    let response = client.call(2, &FindCoordinatorRequest::default().with_key(text(group)))?;
    ensure!(response.error_code == 0, "FindCoordinator: error {}", response.error_code);
    Ok(client)
}

/// Commits an offset without being a member.
///
/// # Errors
/// If it is refused.
pub fn commit(
    client: &mut Client,
    group: &str,
    name: &str,
    partition: i32,
    offset: i64,
    metadata: &str,
) -> Result<()> {
    let request = commit_request(group, name, partition, offset, metadata);
    let response = client.call(8, &request)?;
    let answer = response
        .topics
        .first()
        .and_then(|topic| topic.partitions.first())
        .context("OffsetCommit: no answer")?;
    ensure!(answer.error_code == 0, "OffsetCommit: error {}", answer.error_code);
    Ok(())
}

fn commit_request(
    group: &str,
    name: &str,
    partition: i32,
    offset: i64,
    metadata: &str,
) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text(metadata)));
    let topic =
        OffsetCommitRequestTopic::default().with_name(topic_name(name)).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

/// The committed offset (-1 if none) and its metadata.
///
/// # Errors
/// If it is refused.
pub fn committed(client: &mut Client, group: &str, name: &str, partition: i32) -> Result<(i64, String)> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(name))
        .with_partition_indexes(vec![partition]);
    let group =
        OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(Some(vec![topic]));
    let response = client.call(8, &OffsetFetchRequest::default().with_groups(vec![group]))?;
    let group = response.groups.first().context("OffsetFetch: no answer")?;
    ensure!(group.error_code == 0, "OffsetFetch: error {}", group.error_code);
    let answer = group
        .topics
        .first()
        .and_then(|topic| topic.partitions.first())
        .context("OffsetFetch: no partition")?;
    ensure!(answer.error_code == 0, "OffsetFetch: partition error {}", answer.error_code);
    Ok((answer.committed_offset, answer.metadata.as_deref().unwrap_or_default().to_owned()))
}
