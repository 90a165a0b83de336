//! `create_partitions.rs` through a socket.

use codec::messages::create_partitions_request::CreatePartitionsAssignment;
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::{BrokerId, MetadataRequest};

use super::*;
use crate::testing::{Client, Running};

fn topic(text: &str, count: i32) -> CreatePartitionsTopic {
    let name = TopicName(StrBytes::from_string(text.to_owned()));
    CreatePartitionsTopic::default().with_name(name).with_count(count).with_assignments(None)
}

fn creating(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(1000)
}

async fn partitions(client: &mut Client<tokio::net::TcpStream>, text: &str) -> usize {
    let name = TopicName(StrBytes::from_string(text.to_owned()));
    let topic = MetadataRequestTopic::default().with_name(Some(name));
    let request =
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    client.call(4, &request).await.topics[0].partitions.len()
}

#[tokio::test]
async fn partitions_are_added_at_every_version() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    assert_eq!(partitions(&mut client, "t").await, 1);
    for version in 0..=3 {
        let count = 2 + i32::from(version);
        let only_checking = creating(vec![topic("t", count)]).with_validate_only(true);
        assert_eq!(client.call(version, &only_checking).await.results[0].error_code, 0);
        assert_eq!(partitions(&mut client, "t").await, count as usize - 1);
        assert_eq!(client.call(version, &creating(vec![topic("t", count)])).await.results[0].error_code, 0);
        assert_eq!(partitions(&mut client, "t").await, count as usize);
    }
    let running = running.restart(&[]).await;
    assert_eq!(partitions(&mut running.client().await, "t").await, 5);
}

#[tokio::test]
async fn each_topic_has_a_result_of_its_own() {
    let running = Running::start(&[("num.partitions", "3")]).await.unwrap();
    let mut client = running.client().await;
    for name in ["same", "less", "grown", "elsewhere", "twice"] {
        partitions(&mut client, name).await;
    }
    let elsewhere = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(9)]);
    let cases = [
        (topic("same", 3), 37),
        (topic("less", 2), 37),
        (topic("absent", 9), 3),
        (topic("grown", 4), 0),
        (topic("elsewhere", 4).with_assignments(Some(vec![elsewhere])), 39),
        (topic("twice", 4), 42),
    ];
    let mut asked: Vec<_> = cases.iter().map(|(topic, _)| topic.clone()).collect();
    asked.push(topic("twice", 5));
    let response = client.call(3, &creating(asked)).await;
    assert_eq!(response.results.len(), cases.len());
    for (result, (topic, code)) in response.results.iter().zip(&cases) {
        assert_eq!((&result.name, result.error_code), (&topic.name, *code), "{:?}", result.error_message);
        assert_eq!(result.error_message.is_some(), *code != 0);
    }
    assert_eq!((partitions(&mut client, "grown").await, partitions(&mut client, "twice").await), (4, 3));
}
