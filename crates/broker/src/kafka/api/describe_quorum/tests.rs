//! `describe_quorum.rs` through a socket.

use codec::messages::describe_quorum_request::PartitionData as AskedPartition;

use super::super::produce::tests::{batch, broker_with, produce, topic_name};
use super::*;

fn asking(topics: &[(&str, &[i32])]) -> DescribeQuorumRequest {
    let partition = |index: &i32| AskedPartition::default().with_partition_index(*index);
    let topic = |(name, indexes): &(&str, &[i32])| {
        AskedTopic::default()
            .with_topic_name(topic_name(name))
            .with_partitions(indexes.iter().map(partition).collect())
    };
    DescribeQuorumRequest::default().with_topics(topics.iter().map(topic).collect())
}

#[tokio::test]
async fn the_only_voter_leads_and_has_everything() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let request = asking(&[(METADATA_TOPIC, &[0])]);
    let mut before = 0;
    for version in 0..=2 {
        let response = client.call(version, &request).await;
        assert_eq!((response.error_code, response.topics.len()), (0, 1));
        let partition = &response.topics[0].partitions[0];
        assert_eq!((partition.error_code, partition.leader_id), (0, BrokerId(1)));
        assert!(partition.high_watermark > before && partition.observers.is_empty());
        before = partition.high_watermark;
        let [voter] = partition.current_voters.as_slice() else { panic!("{partition:?}") };
        assert_eq!((voter.replica_id, voter.log_end_offset), (BrokerId(1), partition.high_watermark));
        assert_eq!(voter.last_caught_up_timestamp > 1_600_000_000_000, version >= 1);
        let nodes: Vec<_> = response.nodes.iter().map(|node| (node.node_id, node.listeners.len())).collect();
        assert_eq!(nodes, if version >= 2 { vec![(BrokerId(1), 1)] } else { vec![] });
        produce(&mut client, 9, &[("t", 0, batch("v"))]).await;
    }
    let listener = &client.call(2, &request).await.nodes[0].listeners[0];
    assert_eq!((listener.host.as_str(), listener.port), ("localhost", running.address.port()));
}

#[tokio::test]
async fn there_is_no_other_quorum() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let cases: [&[(&str, &[i32])]; 4] = [
        &[("t", &[0])],
        &[(METADATA_TOPIC, &[1])],
        &[(METADATA_TOPIC, &[0, 0])],
        &[(METADATA_TOPIC, &[0]), ("t", &[0])],
    ];
    for case in cases {
        let response = client.call(2, &asking(case)).await;
        let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let refused = |one: &PartitionData| one.error_code == 3 && one.error_message.is_some();
        assert!(partitions.all(refused), "{response:?}");
        assert_eq!(response.topics.len(), case.len());
    }
}
