//! `offset_for_leader_epoch.rs` through a socket.

use codec::messages::offset_for_leader_epoch_request::OffsetForLeaderTopic;

use super::*;
use crate::kafka::api::produce::tests::{batch, broker_with, produce, topic_name};

#[tokio::test]
async fn the_current_epoch_ends_at_the_log_end_and_strangers_are_told_so() {
    let running = broker_with(&[("orders", &[])]).await;
    let mut client = running.client().await;
    let key = TopicRef::named("orders");
    let epoch = running.broker.services.topics.find(&key, 0).unwrap().partition.leader_epoch();
    for _ in 0..3 {
        produce(&mut client, 9, &[("orders", 0, batch("v"))]).await;
    }
    for version in 0..=4 {
        for (partition, believed, asked, expected) in [
            (0, -1, epoch, (0, epoch, 3)),
            (0, epoch, epoch, (0, epoch, 3)),
            (0, epoch + 1, epoch, (75, -1, -1)),
            (0, -1, epoch + 5, (0, -1, -1)),
            (9, -1, epoch, (3, -1, -1)),
        ] {
            let asked = OffsetForLeaderPartition::default()
                .with_partition(partition)
                .with_current_leader_epoch(believed)
                .with_leader_epoch(asked);
            let topic =
                OffsetForLeaderTopic::default().with_topic(topic_name("orders")).with_partitions(vec![asked]);
            let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
            let response = client.call(version, &request).await;
            let answer = &response.topics[0].partitions[0];
            // Before version 2 a request does not carry the client's leader epoch, and version 0 does not answer the epoch.
            let expected = if version < 2 && believed > epoch { (0, epoch, 3) } else { expected };
            let expected = if version < 1 { (expected.0, -1, expected.2) } else { expected };
            assert_eq!((answer.error_code, answer.leader_epoch, answer.end_offset), expected, "{version}");
        }
    }
}
