//! `elect_leaders.rs` through a socket.

use super::super::produce::tests::{broker_with, topic_name};
use super::*;

fn partitions(name: TopicName, partitions: &[i32]) -> TopicPartitions {
    TopicPartitions::default().with_topic(name).with_partitions(partitions.to_vec())
}

#[tokio::test]
async fn the_leader_leads_already() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    for (version, kind) in [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)] {
        let asked = vec![partitions(topic_name("t"), &[0, 1, 2, -1]), partitions(topic_name("absent"), &[0])];
        let request =
            ElectLeadersRequest::default().with_election_type(kind).with_topic_partitions(Some(asked));
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, 0);
        let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
        let results: Vec<_> = results.map(|one| (one.partition_id, one.error_code)).collect();
        assert_eq!(results, [(0, 84), (1, 84), (2, 3), (-1, 3), (0, 3)], "version {version}");
        let all = request.with_topic_partitions(None);
        let results = client.call(version, &all).await.replica_election_results;
        let [topic] = results.as_slice() else { panic!("{results:?}") };
        assert!(topic.topic == topic_name("t") && topic.partition_result.is_empty());
    }
}

#[tokio::test]
async fn a_kind_of_election_that_does_not_exist_is_refused() {
    let running = broker_with(&[("t", &[])]).await;
    let asked = vec![partitions(topic_name("t"), &[0, 7])];
    let request = ElectLeadersRequest::default().with_election_type(2).with_topic_partitions(Some(asked));
    let mut client = running.client().await;
    for (topics, code) in [(None, 42), (Some(Vec::new()), 0)] {
        let response = client.call(2, &request.clone().with_topic_partitions(topics)).await;
        assert_eq!((response.error_code, response.replica_election_results.len()), (code, 0));
    }
    let response = client.call(2, &request).await;
    let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    let results: Vec<_> =
        results.map(|one| (one.partition_id, one.error_code, one.error_message.is_some())).collect();
    assert_eq!((response.error_code, results), (42, vec![(0, 42, true), (7, 42, true)]));
}

#[tokio::test]
async fn an_answer_has_its_bounds() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let long = topic_name(&"x".repeat(30_000));
    let request = |count: usize| {
        let asked = vec![partitions(long.clone(), &vec![0; count])];
        ElectLeadersRequest::default().with_topic_partitions(Some(asked))
    };
    let response = client.call(2, &request(10_000)).await;
    let text = response.replica_election_results[0].partition_result[0].error_message.clone().unwrap();
    assert!(text.len() < 300, "{}", text.len());
    use tokio::io::AsyncWriteExt;
    client.stream.write_all(&crate::testing::frame(&request(10_001), 2, 1)).await.unwrap();
    assert!(client.receive_frame().await.is_none());
}
