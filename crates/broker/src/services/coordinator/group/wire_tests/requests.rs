//! Requests of groups, as a client sends them, and the parts of their answers that tests look at.

use super::*;

pub(crate) type Client = crate::testing::Client<TcpStream>;

pub(super) const MEMBER_ID_REQUIRED: i16 = 79;
pub(super) const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

pub(super) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(crate) async fn start() -> (Running, Client) {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    create_topic(&mut client).await;
    (running, client)
}

pub(super) async fn create_topic(client: &mut Client) {
    let wanted =
        CreatableTopic::default().with_name(topic("t")).with_num_partitions(3).with_replication_factor(1);
    let response = client.call(7, &CreateTopicsRequest::default().with_topics(vec![wanted])).await;
    assert_eq!(response.topics[0].error_code, 0);
}

pub(crate) fn join_request(version: i16, group_id: &str, member_id: StrBytes) -> JoinGroupRequest {
    let range = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"wants t"));
    let request = JoinGroupRequest::default()
        .with_group_id(group(group_id))
        .with_session_timeout_ms(10_000)
        .with_member_id(member_id)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![range]);
    let request = if version >= 1 { request.with_rebalance_timeout_ms(60_000) } else { request };
    if version >= 8 { request.with_reason(Some(text("test"))) } else { request }
}

/// Joins as a dynamic member, asking for an id first where the version demands it.
pub(crate) async fn join(client: &mut Client, version: i16, group_id: &str) -> JoinGroupResponse {
    let response = client.call(version, &join_request(version, group_id, StrBytes::default())).await;
    if version < 4 {
        return response;
    }
    assert_eq!((response.error_code, response.generation_id), (MEMBER_ID_REQUIRED, -1));
    client.call(version, &join_request(version, group_id, response.member_id)).await
}

pub(crate) async fn sync(
    client: &mut Client,
    version: i16,
    group_id: &str,
    member_id: &StrBytes,
    generation: i32,
) -> Bytes {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member_id.clone())
        .with_assignment(Bytes::from_static(b"gets t"));
    let request = SyncGroupRequest::default()
        .with_group_id(group(group_id))
        .with_generation_id(generation)
        .with_member_id(member_id.clone())
        .with_assignments(vec![assignment]);
    let request = if version >= 5 {
        request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")))
    } else {
        request
    };
    let response = client.call(version, &request).await;
    assert_eq!(response.error_code, 0);
    assert_eq!(response.protocol_name.as_deref(), (version >= 5).then_some("range"));
    response.assignment
}

pub(crate) async fn heartbeat(
    client: &mut Client,
    version: i16,
    group_id: &str,
    member_id: &StrBytes,
    generation: i32,
) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(group(group_id))
        .with_generation_id(generation)
        .with_member_id(member_id.clone());
    client.call(version, &request).await.error_code
}

pub(crate) fn commit_request(
    group_id: &str,
    member_id: &StrBytes,
    generation: i32,
    offset: i64,
) -> OffsetCommitRequest {
    let partition = |index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text("note")))
    };
    let topics = [
        ("t", vec![partition(0), partition(2), partition(3), partition(-1)]),
        ("absent", vec![partition(0)]),
    ];
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default().with_name(topic(name)).with_partitions(partitions)
    });
    OffsetCommitRequest::default()
        .with_group_id(group(group_id))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member_id.clone())
        .with_topics(topics.collect())
}

pub(crate) async fn commit(client: &mut Client, version: i16, request: OffsetCommitRequest) -> Vec<i16> {
    let response = client.call(version, &request).await;
    response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).collect()
}

/// The committed offsets: topic, partition, offset, metadata.
pub(crate) type Committed = Vec<(String, i32, i64, String)>;

pub(crate) async fn fetch(
    client: &mut Client,
    version: i16,
    group_id: &str,
    asked: Option<&[(&str, &[i32])]>,
) -> Committed {
    let request = OffsetFetchRequest::default();
    let request = if version >= 8 {
        let topics = asked.map(|topics| {
            let asked = |(name, indexes): &(&str, &[i32])| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic(name))
                    .with_partition_indexes(indexes.to_vec())
            };
            topics.iter().map(asked).collect()
        });
        let asked = OffsetFetchRequestGroup::default().with_group_id(group(group_id)).with_topics(topics);
        request.with_groups(vec![asked])
    } else {
        let topics = asked.map(|topics| {
            let asked = |(name, indexes): &(&str, &[i32])| {
                OffsetFetchRequestTopic::default()
                    .with_name(topic(name))
                    .with_partition_indexes(indexes.to_vec())
            };
            topics.iter().map(asked).collect()
        });
        request.with_group_id(group(group_id)).with_topics(topics)
    };
    committed(&client.call(version, &request).await)
}

pub(super) fn committed(response: &OffsetFetchResponse) -> Committed {
    let mut all = Vec::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            assert_eq!(partition.error_code, 0);
            let metadata = partition.metadata.as_ref().unwrap().to_string();
            all.push((
                topic.name.to_string(),
                partition.partition_index,
                partition.committed_offset,
                metadata,
            ));
        }
    }
    for topic in response.groups.iter().flat_map(|group| &group.topics) {
        for partition in &topic.partitions {
            let metadata = partition.metadata.as_ref().unwrap().to_string();
            all.push((
                topic.name.to_string(),
                partition.partition_index,
                partition.committed_offset,
                metadata,
            ));
        }
    }
    all
}

pub(super) fn at(name: &str, partition: i32, offset: i64, metadata: &str) -> (String, i32, i64, String) {
    (name.to_owned(), partition, offset, metadata.to_owned())
}
