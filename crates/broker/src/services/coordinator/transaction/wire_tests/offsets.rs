//! Offsets that are committed in transactions.

use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use codec::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::testing::frame;
use crate::topics::names::TopicRef;

/// The code of AddOffsetsToTxn.
async fn add(client: &mut Client, producer: &Producer, group: &str) -> i16 {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional_id(producer.name))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_group_id(GroupId(text(group)));
    client.call(3, &request).await.error_code
}

/// The code of a TxnOffsetCommit of `t` 0 by a sender that is no member.
pub(super) async fn stage(
    client: &mut Client,
    version: i16,
    producer: &Producer,
    group: &str,
    offset: i64,
) -> i16 {
    stage_as(client, version, producer, group, offset, -1).await
}

async fn stage_as(
    client: &mut Client,
    version: i16,
    producer: &Producer,
    group: &str,
    offset: i64,
    generation: i32,
) -> i16 {
    let request = staging(producer, group, offset).with_generation_id_or_member_epoch(generation);
    client.call(version, &request).await.topics[0].partitions[0].error_code
}

/// The request of a sender that is no member.
fn staging(producer: &Producer, group: &str, offset: i64) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic =
        TxnOffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id(producer.name))
        .with_group_id(GroupId(text(group)))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

/// The code of a TxnOffsetCommit 6 of `t` 0, which names topics by id.
async fn stage_with_epoch(
    running: &Running,
    client: &mut Client,
    producer: &Producer,
    group: &str,
    member_epoch: i32,
) -> i16 {
    let topic = running.broker.services.topics.topic(&TopicRef::named("t")).unwrap();
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_topic_id(topic.topic.id)
        .with_partitions(vec![TxnOffsetCommitRequestPartition::default()]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id(producer.name))
        .with_group_id(GroupId(text(group)))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_member_id(text("m"))
        .with_generation_id_or_member_epoch(member_epoch)
        .with_topics(vec![topic]);
    client.call(6, &request).await.topics[0].partitions[0].error_code
}

/// The code of an OffsetCommit of `t` 0 by a sender that is no member.
pub(super) async fn commit_plainly(client: &mut Client, group: &str, offset: i64) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic =
        OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default().with_group_id(GroupId(text(group))).with_topics(vec![topic]);
    client.call(8, &request).await.topics[0].partitions[0].error_code
}

/// The code and the offset of `t` 0 by OffsetFetch.
pub(super) async fn fetch(client: &mut Client, group: &str, stable: bool) -> (i16, i64) {
    let topic =
        OffsetFetchRequestTopics::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
    let group =
        OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(stable);
    let partition = client.call(8, &request).await.groups[0].topics[0].partitions[0].clone();
    (partition.error_code, partition.committed_offset)
}

#[tokio::test]
async fn offsets_count_when_their_transaction_commits_and_never_if_it_aborts() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    for (v2, group) in [(true, "g"), (false, "h")] {
        let version = if v2 { 5 } else { 3 };
        let mut producer = init(&mut client, if v2 { "new" } else { "old" }, v2).await;
        for (commit, offset, seen) in [(true, 10, 10), (false, 20, 10), (true, 30, 30)] {
            let before = fetch(&mut client, group, false).await;
            if !v2 {
                assert_eq!(add(&mut client, &producer, group).await, 0);
            }
            assert_eq!(stage(&mut client, version, &producer, group, offset).await, 0);
            assert_eq!(fetch(&mut client, group, false).await, before, "pending");
            assert_eq!(fetch(&mut client, group, true).await, (88, -1), "unstable");
            assert_eq!(producer.end(&mut client, commit).await, 0);
            assert_eq!(fetch(&mut client, group, true).await, (0, seen));
        }
    }
}

#[tokio::test]
async fn records_and_offsets_of_a_transaction_come_together() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "copy", true).await;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(stage(&mut client, 5, &producer, "g", 1).await, 0);
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(
        (committed(&mut client, "t").await, fetch(&mut client, "g", true).await),
        (vec!["a".to_owned()], (0, 1))
    );
}

/// As Java's client sends them: the offsets while the batch is on its way, the end once both are answered.
#[tokio::test]
async fn offsets_that_do_not_wait_for_their_batch_are_answered_after_it() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "copy", true).await;
    for number in 0..20 {
        let produce = producer.produce(("t", 0), producer.batch(0, &number.to_string()));
        let mut frames = frame(&produce, 12, 2 * number);
        frames.extend_from_slice(&frame(&staging(&producer, "g", number.into()), 5, 2 * number + 1));
        client.stream.write_all(&frames).await.unwrap();
        let (correlation_id, answer) = client.receive::<ProduceRequest>(12).await;
        assert_eq!((correlation_id, answer.responses[0].partition_responses[0].error_code), (2 * number, 0));
        let (correlation_id, answer) = client.receive::<TxnOffsetCommitRequest>(5).await;
        assert_eq!((correlation_id, answer.topics[0].partitions[0].error_code), (2 * number + 1, 0));
        assert_eq!(producer.end(&mut client, true).await, 0);
    }
    assert_eq!(committed(&mut client, "t").await.len(), 20);
    assert_eq!(fetch(&mut client, "g", true).await, (0, 19));
}

#[tokio::test]
async fn groups_have_to_be_announced_before_version_5() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    assert_eq!(stage(&mut client, 3, &producer, "g", 1).await, 48);
    assert_eq!(stage(&mut client, 4, &producer, "g", 1).await, 120);
    // AddOffsetsToTxn has no check of the group's id, as in Kafka.
    assert_eq!(add(&mut client, &Producer { id: producer.id + 1, ..producer }, "").await, 49);
    assert_eq!(add(&mut client, &producer, "").await, 0);
    assert_eq!(stage(&mut client, 3, &producer, "", 1).await, 24);
    assert_eq!(add(&mut client, &producer, "g").await, 0);
    assert_eq!(stage(&mut client, 3, &producer, "g", 1).await, 0);
    let stale = Producer { epoch: producer.epoch - 1, ..producer };
    assert_eq!(stage(&mut client, 3, &stale, "g", 1).await, 47);
    let other = Producer { id: producer.id + 1, ..producer };
    assert_eq!(stage(&mut client, 3, &other, "g", 1).await, 49);
    assert_eq!(producer.end(&mut client, true).await, 0);
}

#[tokio::test]
async fn what_the_group_refuses_has_begun_the_transaction() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "new", true).await;
    assert_eq!(stage_as(&mut client, 5, &producer, "g", 1, 7).await, 22, "no group with generations");
    assert_eq!(stage_with_epoch(&running, &mut client, &producer, "g", 7).await, 69, "nor with epochs");
    assert_eq!(producer.end(&mut client, true).await, 0, "an end of nothing would be 48");
    assert_eq!(fetch(&mut client, "g", true).await, (0, -1));
}

#[tokio::test]
async fn a_later_plain_commit_wins_over_an_earlier_pending_one() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "new", true).await;
    assert_eq!(stage(&mut client, 5, &producer, "g", 10).await, 0);
    assert_eq!(commit_plainly(&mut client, "g", 20).await, 0);
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(fetch(&mut client, "g", true).await, (0, 20));
}
