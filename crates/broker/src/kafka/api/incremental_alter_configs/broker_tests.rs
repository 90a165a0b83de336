//! The broker's own keys, changed while it runs, through a socket.

use codec::messages::DescribeConfigsRequest;
use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::describe_configs_response::DescribeConfigsResourceResult;
use codec::messages::incremental_alter_configs_request::AlterableConfig;
use tokio::net::TcpStream;

use super::super::produce::tests::{batch, broker_with, produce};
use super::*;
use crate::testing::{Client, Running};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Changes one key of a broker, or of all; the error code, and the text.
async fn alter(client: &mut Client<TcpStream>, broker: &str, change: (&str, Option<&str>)) -> (i16, String) {
    alter_one(client, (BROKER, broker), change).await
}

/// Sets one key of a resource, or deletes it; the error code, and the text.
pub(in crate::kafka::api) async fn alter_one(
    client: &mut Client<TcpStream>,
    (kind, name): (i8, &str),
    (key, value): (&str, Option<&str>),
) -> (i16, String) {
    let operation = if value.is_some() { SET } else { DELETE };
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(operation)
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = client.call(1, &request).await.responses.remove(0);
    (response.error_code, response.error_message.map_or_else(String::new, |text| text.to_string()))
}

pub(super) async fn describe(
    client: &mut Client<TcpStream>,
    kind: i8,
    name: &str,
    key: &str,
) -> Option<DescribeConfigsResourceResult> {
    let asked = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![asked]).with_include_synonyms(true);
    let mut described = client.call(4, &request).await.results.remove(0);
    assert_eq!(described.error_code, 0, "{described:?}");
    described.configs.pop()
}

/// Value, source, and the sources of the synonyms.
pub(super) fn told(config: Option<DescribeConfigsResourceResult>) -> (String, i8, Vec<i8>) {
    let config = config.unwrap();
    let sources = config.synonyms.iter().map(|synonym| synonym.source).collect();
    (config.value.unwrap().to_string(), config.config_source, sources)
}

async fn produced(client: &mut Client<TcpStream>) -> i16 {
    produce(client, 9, &[("t", 0, batch("v"))]).await[0].error_code
}

#[tokio::test]
async fn what_a_broker_was_given_is_in_effect_at_once_and_after_a_restart() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let key = "message.max.bytes";
    assert_eq!(produced(&mut client).await, 0);
    assert_eq!(alter(&mut client, "", (key, Some("10"))).await.0, 0);
    assert_eq!(produced(&mut client).await, 10);
    assert_eq!(told(describe(&mut client, BROKER, "1", key).await), ("10".to_owned(), 3, vec![3, 5]));
    assert_eq!(told(describe(&mut client, BROKER, "", key).await), ("10".to_owned(), 3, vec![3]));
    assert_eq!(alter(&mut client, "1", (key, Some("2000"))).await.0, 0);
    assert_eq!(produced(&mut client).await, 0);
    assert_eq!(told(describe(&mut client, BROKER, "1", key).await), ("2000".to_owned(), 2, vec![2, 3, 5]));
    let topic = told(describe(&mut client, TOPIC, "t", "max.message.bytes").await);
    assert_eq!(topic, ("2000".to_owned(), 2, vec![2, 3, 5]));

    let running = running.restart(&[(key, "3000")]).await;
    let mut client = running.client().await;
    assert_eq!(told(describe(&mut client, BROKER, "1", key).await), ("2000".to_owned(), 2, vec![2, 3, 4, 5]));
    assert_eq!(alter(&mut client, "1", (key, None)).await.0, 0);
    assert_eq!(produced(&mut client).await, 10);
    assert_eq!(alter(&mut client, "", (key, None)).await.0, 0);
    assert_eq!(produced(&mut client).await, 0);
    assert_eq!(told(describe(&mut client, BROKER, "1", key).await), ("3000".to_owned(), 4, vec![4, 5]));
    assert!(describe(&mut client, BROKER, "", key).await.is_none());
}

#[tokio::test]
async fn what_cannot_change_is_told_apart_and_refused() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for (key, is_read_only) in [
        ("log.retention.ms", false),
        ("log.retention.hours", true),
        ("node.id", true),
        ("max.connections", false),
    ] {
        let config = describe(&mut client, BROKER, "1", key).await.unwrap();
        assert_eq!(config.read_only, is_read_only, "{key}");
        let (code, text) = alter(&mut client, "1", (key, Some("77"))).await;
        assert_eq!(code, if is_read_only { 42 } else { 0 }, "{key}: {text}");
        assert_eq!(text.contains("Cannot update these configs dynamically"), is_read_only, "{key}: {text}");
    }
    for (key, value) in [("log.retention.ms", "0"), ("log.retention.ms", "x"), ("no.such.key", "1")] {
        assert_eq!(alter(&mut client, "1", (key, Some(value))).await.0, 42, "{key}={value}");
    }
    let kept = told(describe(&mut client, BROKER, "1", "log.retention.ms").await);
    assert_eq!(kept.0, "77");
}

#[tokio::test]
async fn fewer_connections_from_one_address_are_let_in() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    assert_eq!(alter(&mut client, "", ("max.connections.per.ip", Some("1"))).await.0, 0);
    let request = codec::messages::ApiVersionsRequest::default();
    let refused = async || {
        use tokio::io::AsyncWriteExt;
        let mut other = running.client().await;
        let asked = crate::testing::frame(&request, 0, 1);
        other.stream.write_all(&asked).await.is_err() || other.receive_frame().await.is_none()
    };
    for _ in 0..1000 {
        if refused().await {
            assert_eq!(alter(&mut client, "", ("max.connections.per.ip", None)).await.0, 0);
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the limit did not come into effect");
}

/// Limits were once read off what the broker was started with, and what a client had given was in effect only after the
/// next change.
#[tokio::test]
async fn limits_that_clients_gave_hold_after_a_restart() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    assert_eq!(alter(&mut client, "", ("max.connections.per.ip", Some("1"))).await.0, 0);
    drop(client);
    let running = running.restart(&[]).await;
    let mut first = running.client().await;
    let request = codec::messages::ApiVersionsRequest::default();
    first.call(0, &request).await;
    let mut second = running.client().await;
    let asked = crate::testing::frame(&request, 0, 1);
    let sent = tokio::io::AsyncWriteExt::write_all(&mut second.stream, &asked).await;
    assert!(sent.is_err() || second.receive_frame().await.is_none(), "a second connection is served");
}

#[tokio::test]
async fn levels_of_loggers_change_one_by_one() {
    const BROKER_LOGGER: i8 = 8;
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let own = (BROKER_LOGGER, "1");
    let level = async |client: &mut _, name| told(describe(client, BROKER_LOGGER, "1", name).await);
    assert_eq!(level(&mut client, "broker.net").await, ("INFO".to_owned(), 6, vec![]));
    assert_eq!(alter_one(&mut client, own, ("broker", Some("DEBUG"))).await.0, 0);
    assert_eq!(level(&mut client, "broker.net").await.0, "DEBUG");
    assert_eq!(level(&mut client, "storage").await.0, "INFO");
    for (name, value, code, words) in [
        ("broker", Some("LOUD"), 40, "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"),
        ("nobody", Some("INFO"), 40, "Logger nobody does not exist!"),
        ("root", None, 42, "root logger is not allowed"),
    ] {
        let (refused, text) = alter_one(&mut client, own, (name, value)).await;
        assert!(refused == code && text.contains(words), "{name}: {refused} {text}");
    }
    assert_eq!(alter_one(&mut client, own, ("broker", None)).await.0, 0);
    assert_eq!(level(&mut client, "broker.net").await.0, "INFO");
}
