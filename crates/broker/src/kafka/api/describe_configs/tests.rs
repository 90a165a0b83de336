//! `describe_configs.rs` through a socket.

use codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use codec::messages::{CreateTopicsRequest, TopicName};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::*;
use crate::testing::{Client, Running, frame};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()))
}

async fn describe(
    client: &mut Client<TcpStream>,
    version: i16,
    resources: Vec<DescribeConfigsResource>,
) -> Vec<DescribeConfigsResult> {
    let request = DescribeConfigsRequest::default().with_resources(resources).with_include_synonyms(true);
    let request = if version >= 3 { request.with_include_documentation(true) } else { request };
    client.call(version, &request).await.results
}

/// A broker whose topic `t` has its own `max.message.bytes`, and a client of it.
async fn with_a_topic() -> (Running, Client<TcpStream>) {
    let running = Running::start(&[("log.retention.hours", "1"), ("node.id", "7")]).await.unwrap();
    let mut client = running.client().await;
    let own =
        CreatableTopicConfig::default().with_name(text("max.message.bytes")).with_value(Some(text("500")));
    let topic = CreatableTopic::default().with_name(TopicName(text("t"))).with_num_partitions(1);
    let topic = topic.with_replication_factor(1).with_configs(vec![own]);
    let created =
        client.call(5, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000)).await;
    assert_eq!(created.topics[0].error_code, 0);
    (running, client)
}

#[tokio::test]
async fn every_key_is_described_at_every_version() {
    let (_running, mut client) = with_a_topic().await;
    for version in 0..=4 {
        let all = vec![resource(TOPIC, "t", None), resource(BROKER, "7", Some(&[]))];
        let results = describe(&mut client, version, all).await;
        assert_eq!(results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [0, 0]);
        assert_eq!(results[0].configs.len(), 33);
        assert!(results[1].configs.len() > 300, "{}", results[1].configs.len());
        for config in results.iter().flat_map(|result| &result.configs) {
            assert_eq!(config.config_type != 0, version >= 3, "{}", config.name);
            let documented = config.documentation.as_deref().is_some_and(|text| !text.is_empty());
            assert_eq!(documented, version >= 3, "{}", config.name);
        }
    }
}

#[tokio::test]
async fn values_come_with_their_source() {
    let (running, mut client) = with_a_topic().await;
    let keys = ["max.message.bytes", "retention.ms", "min.insync.replicas", "absent"];
    for client in [&mut client, &mut running.client().await] {
        let results = describe(client, 4, vec![resource(TOPIC, "t", Some(&keys))]).await;
        // As Kafka: empty where all is well, though it could be null.
        assert_eq!(results[0].error_message.as_deref(), Some(""));
        let seen: Vec<_> = results[0]
            .configs
            .iter()
            .map(|config| {
                (config.name.as_str(), config.value.as_deref(), config.config_source, config.read_only)
            })
            .collect();
        let expected = [
            ("max.message.bytes", Some("500"), 1, false),
            ("min.insync.replicas", Some("1"), 5, false),
            ("retention.ms", Some("3600000"), 4, false),
        ];
        assert_eq!(seen, expected);
        let synonyms: Vec<_> = results[0].configs[0]
            .synonyms
            .iter()
            .map(|synonym| (synonym.name.as_str(), synonym.source))
            .collect();
        assert_eq!(synonyms, [("max.message.bytes", 1), ("message.max.bytes", 5)]);
    }
}

#[tokio::test]
async fn synonyms_and_documentation_only_on_demand() {
    let (_running, mut client) = with_a_topic().await;
    let request = DescribeConfigsRequest::default().with_resources(vec![resource(TOPIC, "t", None)]);
    let response = client.call(4, &request).await;
    let bare =
        |config: &DescribeConfigsResourceResult| config.synonyms.is_empty() && config.documentation.is_none();
    assert!(response.results[0].configs.iter().all(bare));
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_kafkas_words() {
    let (_running, mut client) = with_a_topic().await;
    let cases = [
        (TOPIC, "absent", 3, "This server does not host this topic-partition."),
        (TOPIC, "", 17, "Topic name is invalid: the empty string is not allowed"),
        (BROKER, "1", 42, "Unexpected broker id, expected 7 or empty string, but received 1"),
        (BROKER, "x", 42, "Broker id must be an integer, but it is: x"),
        (32, "", 42, "Group name must not be empty"),
        (8, "", 42, "Broker id must not be empty"),
        (8, "1", 42, "Unexpected broker id, expected 7 but received 1"),
        (8, "x", 42, "Broker id must be an integer, but it is: x"),
        (16, "", 42, "Client metrics subscription name must not be empty"),
        (0, "x", 42, "Unexpected resource type UNKNOWN for resource x"),
    ];
    let asked = cases.iter().map(|(kind, name, ..)| resource(*kind, name, None)).collect();
    let results = describe(&mut client, 4, asked).await;
    for ((kind, name, code, message), result) in cases.iter().zip(&results) {
        assert_eq!((result.resource_type, result.resource_name.as_str()), (*kind, *name));
        assert_eq!((result.error_code, result.error_message.as_deref()), (*code, Some(*message)));
        assert!(result.configs.is_empty());
    }
    let defaults = describe(&mut client, 4, vec![resource(BROKER, "", None)]).await;
    assert_eq!((defaults[0].error_code, defaults[0].configs.len()), (0, 0), "nothing was set at run time");
}

#[tokio::test]
async fn what_exists_bounds_an_answer() {
    let (_running, mut client) = with_a_topic().await;
    let results = describe(&mut client, 4, vec![resource(BROKER, "7", None); 3]).await;
    let seen: Vec<_> = results.iter().map(|result| (result.error_code, result.configs.is_empty())).collect();
    assert_eq!(seen, [(0, false), (42, true), (42, true)]);
    let resources = vec![resource(BROKER, "7", None); MAX_RESOURCES + 1];
    let request = DescribeConfigsRequest::default().with_resources(resources);
    client.stream.write_all(&frame(&request, 4, 99)).await.unwrap();
    assert!(client.receive_frame().await.is_none(), "the connection is closed");
}
