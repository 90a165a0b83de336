//! Offsets of open transactions, as clients of groups see them through a socket. The transactions are put
//! into the group directly: what is tested is what the other requests make of them.

use codec::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use codec::messages::{
    DeleteGroupsRequest, DeleteTopicsRequest, OffsetDeleteRequest, OffsetFetchRequest, StrBytes, TopicName,
};
use coordinator::group::offsets::OffsetCommit;
use coordinator::group::requests::CommitIdentity;
use coordinator::group::{GenerationId, GroupId, MemberId};

use super::wire_tests::{Client, commit, commit_request, group, start, text};
use crate::testing::Running;

const PID: i64 = 1_000;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;

fn id() -> GroupId {
    GroupId::from("g")
}

/// An offset of `t` in the transaction of [`PID`].
async fn stage(running: &Running, partition: i32, offset: i64) {
    let who = CommitIdentity {
        member_id: MemberId::none(),
        group_instance_id: None,
        generation: GenerationId::NONE,
    };
    let topic_id = running.broker.services.io.storage().cluster().catalog().topic("t").unwrap().id;
    let commit = OffsetCommit {
        topic: "t".into(),
        topic_id,
        partition,
        offset,
        leader_epoch: -1,
        metadata: "txn".into(),
    };
    let step = running.broker.services.groups.shell.step(&id(), true, |machine, env, out| {
        machine.txn_offset_commit(env, PID, &who, false, vec![commit], out)
    });
    let (result, ticket) = step.unwrap();
    assert_eq!(result, Ok(vec![Ok(())]));
    ticket.durable().await.unwrap();
}

/// Commits the transaction of [`PID`].
async fn end(running: &Running) {
    let step = running
        .broker
        .services
        .groups
        .shell
        .step(&id(), true, |machine, _, out| machine.end_transaction(PID, true, out));
    step.unwrap().1.durable().await.unwrap();
}

fn plain(offset: i64) -> codec::messages::OffsetCommitRequest {
    commit_request("g", &StrBytes::default(), -1, offset)
}

/// Partition, offset and error of what OffsetFetch answers. `None` asks for all.
async fn fetch(
    client: &mut Client,
    version: i16,
    stable: bool,
    partitions: Option<&[i32]>,
) -> Vec<(i32, i64, i16)> {
    let request = OffsetFetchRequest::default().with_require_stable(stable);
    let name = TopicName(text("t"));
    if version < 8 {
        let topic = |indexes: &[i32]| {
            OffsetFetchRequestTopic::default()
                .with_name(name.clone())
                .with_partition_indexes(indexes.to_vec())
        };
        let topics = partitions.map(|indexes| vec![topic(indexes)]);
        let response = client.call(version, &request.with_group_id(group("g")).with_topics(topics)).await;
        assert_eq!(response.error_code, 0);
        let partitions = response.topics.into_iter().flat_map(|topic| topic.partitions);
        return partitions.map(|one| (one.partition_index, one.committed_offset, one.error_code)).collect();
    }
    let topic = |indexes: &[i32]| {
        OffsetFetchRequestTopics::default().with_name(name.clone()).with_partition_indexes(indexes.to_vec())
    };
    let topics = partitions.map(|indexes| vec![topic(indexes)]);
    let asked = OffsetFetchRequestGroup::default().with_group_id(group("g")).with_topics(topics);
    let mut response = client.call(version, &request.with_groups(vec![asked])).await;
    let group = response.groups.remove(0);
    assert_eq!(group.error_code, 0);
    let partitions = group.topics.into_iter().flat_map(|topic| topic.partitions);
    partitions
        .map(|one| {
            assert!(one.committed_offset >= 0 || one.metadata.as_deref() == Some(""), "{one:?}");
            (one.partition_index, one.committed_offset, one.error_code)
        })
        .collect()
}

#[tokio::test]
async fn a_reader_that_asks_for_stable_offsets_is_told_of_open_transactions() {
    let (running, mut client) = start().await;
    commit(&mut client, 7, plain(5)).await;
    stage(&running, 0, 8).await;
    stage(&running, 1, 9).await;
    for version in [7, 8, 9] {
        let chosen = [0, 1, 2];
        assert_eq!(
            fetch(&mut client, version, true, Some(&chosen)).await,
            [(0, -1, UNSTABLE_OFFSET_COMMIT), (1, -1, UNSTABLE_OFFSET_COMMIT), (2, 5, 0)]
        );
        assert_eq!(
            fetch(&mut client, version, false, Some(&chosen)).await,
            [(0, 5, 0), (1, -1, 0), (2, 5, 0)]
        );
        // Nothing is committed for partition 1: it is not among all.
        assert_eq!(
            fetch(&mut client, version, true, None).await,
            [(0, -1, UNSTABLE_OFFSET_COMMIT), (2, 5, 0)]
        );
        assert_eq!(fetch(&mut client, version, false, None).await, [(0, 5, 0), (2, 5, 0)]);
    }
    end(&running).await;
    assert_eq!(fetch(&mut client, 7, true, Some(&[0, 1])).await, [(0, 8, 0), (1, 9, 0)]);
}

#[tokio::test]
async fn a_group_of_which_a_transaction_alone_has_offsets_is_unstable_too() {
    let (running, mut client) = start().await;
    stage(&running, 0, 8).await;
    assert_eq!(fetch(&mut client, 7, true, Some(&[0])).await, [(0, -1, UNSTABLE_OFFSET_COMMIT)]);
    assert_eq!(running.broker.services.groups.snapshot()[0].pending_offsets, 1);
    end(&running).await;
    assert_eq!(fetch(&mut client, 7, true, Some(&[0])).await, [(0, 8, 0)]);
    assert_eq!(running.broker.services.groups.snapshot()[0].pending_offsets, 0);
}

#[tokio::test]
async fn offset_delete_takes_pending_offsets_with_it() {
    let (running, mut client) = start().await;
    stage(&running, 0, 8).await;
    stage(&running, 1, 9).await;
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic =
        OffsetDeleteRequestTopic::default().with_name(TopicName(text("t"))).with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default().with_group_id(group("g")).with_topics(vec![topic]);
    let response = client.call(0, &request).await;
    assert_eq!((response.error_code, response.topics[0].partitions[0].error_code), (0, 0));
    end(&running).await;
    assert_eq!(fetch(&mut client, 7, true, Some(&[0, 1])).await, [(0, -1, 0), (1, 9, 0)]);
}

#[tokio::test]
async fn a_deleted_group_forgets_open_transactions() {
    let (running, mut client) = start().await;
    commit(&mut client, 7, plain(5)).await;
    stage(&running, 0, 8).await;
    let response = client.call(2, &DeleteGroupsRequest::default().with_groups_names(vec![group("g")])).await;
    assert_eq!(response.results[0].error_code, 0);
    end(&running).await;
    assert_eq!(fetch(&mut client, 7, true, Some(&[0])).await, [(0, -1, 0)]);
}

#[tokio::test]
async fn a_deleted_topic_takes_its_pending_offsets_with_it() {
    let (running, mut client) = start().await;
    stage(&running, 0, 8).await;
    let request = DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text("t"))]);
    assert_eq!(client.call(3, &request).await.responses[0].error_code, 0);
    // With its last offset the group is gone.
    assert!(running.broker.services.groups.snapshot().is_empty());
}
