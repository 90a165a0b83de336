//! `create_topics.rs` through a socket.

use codec::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopicConfig};
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::{BrokerId, MetadataRequest};

use super::*;
use crate::testing::Running;

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

fn topic(text: &str) -> CreatableTopic {
    CreatableTopic::default().with_name(name(text)).with_num_partitions(2).with_replication_factor(1)
}

fn creating(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(1000)
}

fn metadata(text: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_name(Some(name(text)));
    MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false)
}

#[tokio::test]
async fn topics_are_created_at_every_version() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for version in 0..=7 {
        let text = format!("at-{version}");
        let setting = CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str("retention.ms"))
            .with_value(Some(StrBytes::from_static_str("1234")));
        let response = client.call(version, &creating(vec![topic(&text).with_configs(vec![setting])])).await;
        let result = &response.topics[0];
        assert_eq!(
            (result.name.as_str(), result.error_code),
            (text.as_str(), 0),
            "{:?}",
            result.error_message
        );
        let found = client.call(12, &metadata(&text)).await;
        assert_eq!(found.topics[0].partitions.len(), 2);
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (2, 1));
            let configs = result.configs.as_ref().unwrap();
            let retention = configs.iter().find(|config| config.name.as_str() == "retention.ms").unwrap();
            assert_eq!((retention.value.as_deref(), retention.config_source), (Some("1234"), 1));
            assert!(configs.len() > 20, "{}", configs.len());
        }
        assert_eq!(result.topic_id, if version >= 7 { found.topics[0].topic_id } else { uuid::Uuid::nil() });
    }
}

#[tokio::test]
async fn validating_creates_nothing() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let only_checking = creating(vec![topic("t")]).with_validate_only(true);
    for _ in 0..2 {
        let response = client.call(7, &only_checking).await;
        assert_eq!((response.topics[0].error_code, response.topics[0].num_partitions), (0, 2));
    }
    assert_eq!(client.call(12, &metadata("t")).await.topics[0].error_code, 3);
}

#[tokio::test]
async fn each_topic_is_refused_for_itself_with_a_text() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    client.call(7, &creating(vec![topic("here"), topic("a.b")])).await;
    let misplaced = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(5)]);
    let bad_config = CreatableTopicConfig::default().with_name(StrBytes::from_static_str("no.such.key"));
    let cases = [
        (topic("here"), 36),
        (topic("a_b"), 17),
        (topic("no good"), 17),
        (topic("__consumer_offsets"), 17),
        (topic("p").with_num_partitions(0), 37),
        (topic("r").with_replication_factor(3), 38),
        (topic("c").with_configs(vec![bad_config]), 40),
        (
            topic("m").with_num_partitions(-1).with_replication_factor(-1).with_assignments(vec![misplaced]),
            39,
        ),
        (topic("huge").with_num_partitions(i32::MAX), 44),
        (topic("fine"), 0),
    ];
    let response = client.call(7, &creating(cases.iter().map(|(topic, _)| topic.clone()).collect())).await;
    for (result, (topic, code)) in response.topics.iter().zip(&cases) {
        assert_eq!((&result.name, result.error_code), (&topic.name, *code), "{:?}", result.error_message);
        assert_eq!(result.error_message.is_some(), *code != 0);
        assert_eq!(result.configs.as_ref().map(Vec::is_empty), Some(*code != 0), "never null");
    }
    assert_eq!(response.topics.len(), cases.len());
}

#[tokio::test]
async fn name_given_twice_is_refused_once() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let response = client.call(5, &creating(vec![topic("twice"), topic("once"), topic("twice")])).await;
    let results: Vec<_> =
        response.topics.iter().map(|topic| (topic.name.as_str(), topic.error_code)).collect();
    assert_eq!(results, [("once", 0), ("twice", 42)]);
    assert_eq!(client.call(12, &metadata("twice")).await.topics[0].error_code, 3);
}
