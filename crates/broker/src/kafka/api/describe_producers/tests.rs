//! `describe_producers.rs` through a socket.

use codec::records::BatchBuilder;

use super::super::produce::tests::{broker_with, produce, topic_name};
use super::*;

fn asking(topics: &[(&str, &[i32])]) -> DescribeProducersRequest {
    let topic = |(name, indexes): &(&str, &[i32])| {
        TopicRequest::default().with_name(topic_name(name)).with_partition_indexes(indexes.to_vec())
    };
    DescribeProducersRequest::default().with_topics(topics.iter().map(topic).collect())
}

#[tokio::test]
async fn idempotent_producers_are_told_of_with_their_last_sequence() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    for (id, epoch, sequence) in [(70, 3, 0), (70, 3, 2), (9, 0, 0)] {
        let records = BatchBuilder::new()
            .producer(id, epoch, sequence)
            .record(1, Some(b"k"), Some(b"v"))
            .record(1, Some(b"k"), Some(b"v"))
            .build();
        assert_eq!(produce(&mut client, 9, &[("t", 1, records)]).await[0].error_code, 0);
    }
    let anonymous = BatchBuilder::new().record(1, Some(b"k"), Some(b"v")).build();
    produce(&mut client, 9, &[("t", 1, anonymous)]).await;
    let response = client.call(0, &asking(&[("t", &[0, 1])])).await;
    let partitions = &response.topics[0].partitions;
    assert_eq!((partitions[0].error_code, partitions[0].active_producers.len()), (0, 0));
    let told = partitions[1].active_producers.iter();
    let told: Vec<_> = told.map(|one| (one.producer_id.0, one.producer_epoch, one.last_sequence)).collect();
    assert_eq!(told, [(9, 0, 1), (70, 3, 3)]);
    let first = &partitions[1].active_producers[0];
    assert!(first.last_timestamp > 1_600_000_000_000);
    assert_eq!((first.coordinator_epoch, first.current_txn_start_offset), (-1, -1));
}

#[tokio::test]
async fn what_does_not_exist_and_what_is_repeated_is_refused() {
    let running = broker_with(&[("t", &[])]).await;
    let asked = asking(&[("t", &[0, 2, -1, 0]), ("absent", &[0]), ("a b", &[0]), ("t", &[0, 1])]);
    let response = running.client().await.call(0, &asked).await;
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    assert!(partitions.clone().all(|one| one.error_message.is_some() == (one.error_code != 0)));
    let codes: Vec<_> = partitions.map(|one| (one.partition_index, one.error_code)).collect();
    assert_eq!(codes, [(0, 0), (2, 3), (-1, 3), (0, 42), (0, 3), (0, 17), (0, 42), (1, 0)]);
}
