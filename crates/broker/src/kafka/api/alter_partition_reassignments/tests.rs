//! `alter_partition_reassignments.rs` and `list_partition_reassignments.rs` through a socket.

use codec::messages::ListPartitionReassignmentsRequest;
use codec::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;

use super::super::produce::tests::{broker_with, topic_name};
use super::*;

fn moving(name: &str, index: i32, to: Option<&[i32]>) -> ReassignableTopic {
    let replicas = to.map(|to| to.iter().map(|id| BrokerId(*id)).collect());
    let partition = ReassignablePartition::default().with_partition_index(index).with_replicas(replicas);
    ReassignableTopic::default().with_name(topic_name(name)).with_partitions(vec![partition])
}

#[tokio::test]
async fn partitions_stay_where_they_are() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let cases: [(_, i16, &str); 8] = [
        (moving("t", 1, Some(&[1])), 0, ""),
        (moving("t", 1, Some(&[2])), 39, "includes broker 2, but no such broker is registered"),
        (moving("t", 1, Some(&[1, 2])), 39, "includes broker 2"),
        (moving("t", 1, Some(&[1, 1])), 39, "more than once"),
        (moving("t", 1, Some(&[])), 39, "empty replica list"),
        (moving("t", 1, None), 85, "No partition reassignment is in progress."),
        (moving("t", 2, Some(&[1])), 3, "Unable to find partition t:2."),
        (moving("absent", 0, None), 3, "Unable to find a topic named absent."),
    ];
    for version in 0..=1 {
        let topics = cases.iter().map(|(topic, ..)| topic.clone()).collect();
        let request = AlterPartitionReassignmentsRequest::default()
            .with_allow_replication_factor_change(version == 0)
            .with_topics(topics);
        let response = client.call(version, &request).await;
        assert_eq!((response.error_code, response.error_message), (0, None));
        assert_eq!(response.responses.len(), cases.len());
        for (answer, (_, code, text)) in response.responses.iter().zip(&cases) {
            let partition = &answer.partitions[0];
            assert_eq!(partition.error_code, *code, "{answer:?}");
            let message = partition.error_message.as_deref().unwrap_or_default();
            assert!(message.contains(text) && message.is_empty() == text.is_empty(), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn without_topics_the_answer_is_the_empty_one() {
    let running = broker_with(&[]).await;
    let request = AlterPartitionReassignmentsRequest::default().with_allow_replication_factor_change(false);
    let response = running.client().await.call(1, &request).await;
    assert_eq!(response, AlterPartitionReassignmentsResponse::default());
    assert!(response.allow_replication_factor_change);
}

#[tokio::test]
async fn nothing_is_ever_moving() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let named = ListPartitionReassignmentsTopics::default()
        .with_name(topic_name("t"))
        .with_partition_indexes(vec![0]);
    for topics in [None, Some(Vec::new()), Some(vec![named])] {
        let request = ListPartitionReassignmentsRequest::default().with_topics(topics);
        let response = client.call(0, &request).await;
        assert_eq!((response.error_code, response.error_message), (0, None));
        assert!(response.topics.is_empty());
    }
}
