//! `incremental_alter_configs.rs` through a socket.

use codec::messages::DescribeConfigsRequest;
use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::incremental_alter_configs_request::AlterableConfig;
use codec::records::BatchBuilder;
use tokio::net::TcpStream;

use super::super::produce::tests::{batch, broker_with, produce};
use super::*;
use crate::testing::{Client, Running};

pub(in crate::kafka::api) const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A topic and the changes of its keys: key, operation, value.
fn resource(name: &str, changes: &[(&str, i8, Option<&str>)]) -> AlterConfigsResource {
    let configs = changes.iter().map(|(key, operation, value)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(name))
        .with_configs(configs.collect())
}

fn request(resources: Vec<AlterConfigsResource>) -> IncrementalAlterConfigsRequest {
    IncrementalAlterConfigsRequest::default().with_resources(resources)
}

async fn alter(
    client: &mut Client<TcpStream>,
    name: &str,
    changes: &[(&str, i8, Option<&str>)],
) -> AlterConfigsResourceResponse {
    client.call(1, &request(vec![resource(name, changes)])).await.responses.remove(0)
}

/// Returns the keys that the topic sets itself, with their values, in the order of the keys.
pub(in crate::kafka::api) async fn own(client: &mut Client<TcpStream>, name: &str) -> Vec<(String, String)> {
    let asked = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
    let described = client.call(4, &request).await.results.remove(0);
    let set = described.configs.into_iter().filter(|config| config.config_source == 1);
    set.map(|config| (config.name.to_string(), config.value.unwrap().to_string())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn keys_change_one_by_one_at_every_version_and_survive_a_restart() {
    let running = broker_with(&[("t", &[("segment.ms", "77")])]).await;
    let mut client = running.client().await;
    for version in 0..=1 {
        let changes = [
            ("retention.ms", SET, Some("5000")),
            ("cleanup.policy", APPEND, Some("compact")),
            ("segment.ms", DELETE, None),
        ];
        let response =
            client.call(version, &request(vec![resource("t", &changes)])).await.responses.remove(0);
        assert_eq!((response.error_code, response.error_message), (0, None));
        assert_eq!((response.resource_type, response.resource_name.as_str()), (TOPIC, "t"));
        let expected = pairs(&[("cleanup.policy", "delete,compact"), ("retention.ms", "5000")]);
        assert_eq!(own(&mut client, "t").await, expected);
    }
    let less = [("cleanup.policy", SUBTRACT, Some("delete")), ("retention.ms", DELETE, None)];
    assert_eq!(alter(&mut client, "t", &less).await.error_code, 0);
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(own(&mut client, "t").await, pairs(&[("cleanup.policy", "compact")]));
}

#[tokio::test]
async fn producers_meet_the_new_rules_at_once() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let keyless = || BatchBuilder::new().record(1, None, Some(b"v")).build();
    let code = async |client: &mut Client<TcpStream>, records| {
        produce(client, 9, &[("t", 0, records)]).await[0].error_code
    };
    assert_eq!(code(&mut client, keyless()).await, 0);
    alter(&mut client, "t", &[("cleanup.policy", SET, Some("compact"))]).await;
    assert_eq!(code(&mut client, keyless()).await, 87);
    assert_eq!(code(&mut client, batch("v")).await, 0);
    alter(&mut client, "t", &[("max.message.bytes", SET, Some("10")), ("cleanup.policy", DELETE, None)])
        .await;
    assert_eq!(code(&mut client, batch("v")).await, 10);
    alter(&mut client, "t", &[("max.message.bytes", DELETE, None)]).await;
    assert_eq!(code(&mut client, keyless()).await, 0);
}

#[tokio::test]
async fn each_resource_has_an_answer_of_its_own_and_changes_as_a_whole_or_not_at_all() {
    let running = broker_with(&[("good", &[]), ("bad", &[]), ("odd", &[]), ("twice", &[])]).await;
    let mut client = running.client().await;
    let set = ("retention.ms", SET, Some("1"));
    let broker = |name: &str| resource(name, &[("message.max.bytes", SET, Some("1"))]).with_resource_type(4);
    let cases = [
        (resource("good", &[set]), 0),
        (resource("absent", &[set]), 3),
        (resource("bad", &[set, ("segment.ms", SET, Some("x"))]), 40),
        (resource("bad-too", &[set, ("no.such.key", SET, Some("x"))]), 3),
        (resource("odd", &[set, ("segment.ms", SET, None)]), 42),
        (resource("twice", &[set]), 42),
        (resource("twice", &[]), 42),
        (broker(""), 0),
        (broker("1"), 0),
        (broker("77"), 42),
        (resource("", &[set]), 42),
        (resource("a b", &[set]), 17),
        (resource("root", &[set]).with_resource_type(8), 42),
    ];
    let asked = cases.iter().map(|(resource, _)| resource.clone()).collect();
    let responses = client.call(1, &request(asked)).await.responses;
    assert_eq!(responses.len(), cases.len());
    for (response, (resource, code)) in responses.iter().zip(&cases) {
        assert_eq!(response.error_code, *code, "{response:?}");
        assert_eq!(response.error_message.is_some(), *code != 0, "{response:?}");
        assert_eq!(
            (response.resource_type, &response.resource_name),
            (resource.resource_type, &resource.resource_name)
        );
    }
    assert_eq!(own(&mut client, "good").await, pairs(&[("retention.ms", "1")]));
    for name in ["bad", "odd", "twice"] {
        assert_eq!(own(&mut client, name).await, [], "{name}");
    }
    let refused = alter(&mut client, "bad", &[("retention.ms", APPEND, Some("1"))]).await;
    assert_eq!(refused.error_code, 40);
}

#[tokio::test]
async fn validation_alone_changes_nothing() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    for (value, code) in [("1", 0), ("x", 40)] {
        let only =
            request(vec![resource("t", &[("retention.ms", SET, Some(value))])]).with_validate_only(true);
        assert_eq!(client.call(1, &only).await.responses[0].error_code, code);
        assert_eq!(own(&mut client, "t").await, []);
    }
}

/// Each client changes keys that only it changes: all of them must be there in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_change_the_same_topic_do_not_undo_each_other() {
    let keys = ["retention.ms", "segment.ms", "flush.ms", "delete.retention.ms", "max.compaction.lag.ms"];
    let running: Running = broker_with(&[("t", &[])]).await;
    let mut clients = tokio::task::JoinSet::new();
    for key in keys {
        let mut client = running.client().await;
        clients.spawn(async move {
            for value in 1..=20 {
                let value = value.to_string();
                assert_eq!(alter(&mut client, "t", &[(key, SET, Some(value.as_str()))]).await.error_code, 0);
            }
        });
    }
    clients.join_all().await;
    let mut expected = keys.map(|key| (key.to_owned(), "20".to_owned()));
    expected.sort();
    assert_eq!(own(&mut running.client().await, "t").await, expected);
}

#[tokio::test]
async fn a_list_does_not_grow_beyond_what_is_kept() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let name = "leader.replication.throttled.replicas";
    let list = |from: usize| (from..from + 3_500).map(|at| format!("{at}:0")).collect::<Vec<_>>().join(",");
    assert_eq!(alter(&mut client, "t", &[(name, SET, Some(&list(10_000)))]).await.error_code, 0);
    let longer = alter(&mut client, "t", &[(name, APPEND, Some(&list(20_000)))]).await;
    assert_eq!(longer.error_code, 40);
    let running = running.restart(&[]).await;
    let kept = own(&mut running.client().await, "t").await;
    assert_eq!(kept[0].1.split(',').count(), 3_500);
}
