//! A shard is given up and taken over, as clients see it through a socket.

use std::time::Duration;

use codec::ErrorCode;
use codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use codec::messages::describe_producers_request::TopicRequest as AskedProducers;
use codec::messages::describe_topic_partitions_request::TopicRequest;
use codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use codec::messages::{
    DeleteRecordsRequest, DescribeProducersRequest, DescribeTopicPartitionsRequest, ListOffsetsRequest,
    MetadataRequest, OffsetForLeaderEpochRequest,
};
use tokio::net::TcpStream;

use super::tests::{in_session, partitions, request, values};
use crate::kafka::api::produce::tests::{batch, broker_with, produce, topic_id, topic_name};
use crate::testing::{Client, Running};

const NOT_LEADER: i16 = ErrorCode::NotLeaderOrFollower as i16;

async fn lead(running: &Running, lead: bool) {
    let (sender, done) = tokio::sync::oneshot::channel();
    let shard = running.broker.services.io.storage().shard();
    shard.lead(lead, Box::new(move |outcome| drop(sender.send(outcome))));
    done.await.unwrap().unwrap();
}

/// The codes of Produce, Fetch, ListOffsets (by time and not), OffsetForLeaderEpoch and DeleteRecords.
async fn codes(client: &mut Client<TcpStream>) -> Vec<i16> {
    let produced = produce(client, 9, &[("orders", 0, batch("v"))]).await;
    let id = topic_id(client, "orders").await;
    let fetched = client.call(13, &request("orders", id, 13, &[(0, 0)])).await;
    let mut codes = vec![produced[0].error_code, partitions(&fetched)[0].error_code];
    for timestamp in [-1, 5, -3] {
        let asked = ListOffsetsPartition::default().with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(topic_name("orders")).with_partitions(vec![asked]);
        let listed = client.call(8, &ListOffsetsRequest::default().with_topics(vec![topic])).await;
        codes.push(listed.topics[0].partitions[0].error_code);
    }
    let asked = OffsetForLeaderPartition::default().with_current_leader_epoch(-1);
    let topic = OffsetForLeaderTopic::default().with_topic(topic_name("orders")).with_partitions(vec![asked]);
    let ended = client.call(4, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic])).await;
    codes.push(ended.topics[0].partitions[0].error_code);
    let topic = DeleteRecordsTopic::default()
        .with_name(topic_name("orders"))
        .with_partitions(vec![DeleteRecordsPartition::default().with_offset(0)]);
    let deleted = client.call(2, &DeleteRecordsRequest::default().with_topics(vec![topic])).await;
    codes.push(deleted.topics[0].partitions[0].error_code);
    codes
}

#[tokio::test]
async fn requests_for_a_partition_that_was_given_up_are_sent_to_its_leader() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    assert_eq!(codes(&mut client).await, [0; 7]);
    lead(&running, false).await;
    assert_eq!(codes(&mut client).await, [NOT_LEADER; 7]);
    lead(&running, true).await;
    assert_eq!(codes(&mut client).await, [0; 7]);
}

/// The partition's code, leader and leader's epoch in Metadata and in DescribeTopicPartitions, and its code in DescribeProducers.
async fn described(client: &mut Client<TcpStream>) -> ([(i16, i32, i32); 2], i16) {
    let named = MetadataRequestTopic::default().with_name(Some(topic_name("orders")));
    let metadata = client.call(12, &MetadataRequest::default().with_topics(Some(vec![named]))).await;
    let known = &metadata.topics[0].partitions[0];
    let topic = TopicRequest::default().with_name(topic_name("orders"));
    let request =
        DescribeTopicPartitionsRequest::default().with_topics(vec![topic]).with_response_partition_limit(9);
    let described = client.call(0, &request).await;
    let same = &described.topics[0].partitions[0];
    let topic = AskedProducers::default().with_name(topic_name("orders")).with_partition_indexes(vec![0]);
    let producers = client.call(0, &DescribeProducersRequest::default().with_topics(vec![topic])).await;
    let leaders = [
        (known.error_code, *known.leader_id, known.leader_epoch),
        (same.error_code, *same.leader_id, same.leader_epoch),
    ];
    (leaders, producers.topics[0].partitions[0].error_code)
}

#[tokio::test]
async fn a_partition_that_was_given_up_has_no_leader_and_still_counts() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let node_id = running.broker.services.config.node_id;
    assert_eq!(described(&mut client).await, ([(0, node_id, 0); 2], 0));
    lead(&running, false).await;
    let code = ErrorCode::LeaderNotAvailable.code();
    assert_eq!(described(&mut client).await, ([(code, -1, -1); 2], NOT_LEADER));
    lead(&running, true).await;
    assert_eq!(described(&mut client).await, ([(0, node_id, 1); 2], 0));
}

#[tokio::test]
async fn a_waiting_fetch_is_answered_when_its_partition_is_given_up() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let id = topic_id(&mut client, "orders").await;
    let waiting = request("orders", id, 13, &[(0, 0)]).with_min_bytes(1).with_max_wait_ms(20_000);
    // With and without a session. The first look of a session's later fetch is of a partition that was given up already.
    for session in [(0, -1), (0, 0)] {
        let fetch = in_session(waiting.clone(), session.0, session.1);
        let give_up = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            lead(&running, false).await;
        };
        // Half of the time for which the fetch would wait.
        let answered = async { tokio::join!(client.call(13, &fetch), give_up) };
        let (answer, ()) = tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap();
        assert_eq!(partitions(&answer)[0].error_code, NOT_LEADER, "{session:?}");
        lead(&running, true).await;
    }
}

#[tokio::test]
async fn a_session_reads_on_after_a_take_over() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let id = topic_id(&mut client, "orders").await;
    let fetch = request("orders", id, 13, &[(0, 0)]);
    let session = client.call(13, &in_session(fetch.clone(), 0, 0)).await.message.session_id;
    let mut next = in_session(fetch, session, 1);
    next.topics.clear();
    lead(&running, false).await;
    let refused = client.call(13, &next.clone()).await;
    assert_eq!(partitions(&refused)[0].error_code, NOT_LEADER);
    lead(&running, true).await;
    produce(&mut client, 9, &[("orders", 0, batch("v"))]).await;
    let read = client.call(13, &next.with_session_epoch(2)).await;
    assert_eq!(values(partitions(&read)[0]), [(0, "v".into())]);
}
