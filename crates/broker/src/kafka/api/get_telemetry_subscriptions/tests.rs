//! `get_telemetry_subscriptions.rs`, `push_telemetry.rs` and the subscriptions' configs through a socket.

use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use codec::messages::{
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest, PushTelemetryRequest,
};
use tokio::net::TcpStream;

use super::*;
use crate::testing::{Client, Running};

const CLIENT_METRICS: i8 = 16;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Sets keys of a subscription, or deletes those without a value; the error code.
async fn alter(client: &mut Client<TcpStream>, name: &str, changes: &[(&str, Option<&str>)]) -> i16 {
    let configs = changes.iter().map(|(key, value)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(i8::from(value.is_none()))
            .with_value(value.map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(CLIENT_METRICS)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    client.call(1, &request).await.responses[0].error_code
}

async fn listed(client: &mut Client<TcpStream>) -> Vec<String> {
    let response = client.call(0, &ListConfigResourcesRequest::default()).await;
    response.config_resources.iter().map(|one| one.resource_name.to_string()).collect()
}

async fn asked(client: &mut Client<TcpStream>) -> GetTelemetrySubscriptionsResponse {
    client.call(0, &GetTelemetrySubscriptionsRequest::default()).await
}

#[tokio::test]
async fn subscriptions_are_configured_asked_for_and_kept() {
    let running = Running::start(&[("telemetry.max.bytes", "5000")]).await.unwrap();
    let mut client = running.client().await;
    let before = asked(&mut client).await;
    assert_eq!((before.error_code, before.requested_metrics.len(), before.push_interval_ms), (0, 0, 300_000));
    assert_eq!((before.telemetry_max_bytes, before.delta_temporality), (5000, true));
    let set = [("metrics", Some("a,b")), ("interval.ms", Some("1000")), ("match", Some("client_id=te.*"))];
    assert_eq!(alter(&mut client, "mine", &set).await, 0);
    for wrong in [("interval.ms", Some("1")), ("match", Some("client_id=(")), ("x", Some("1"))] {
        assert_ne!(alter(&mut client, "mine", &[wrong]).await, 0, "{wrong:?}");
    }
    assert_eq!(alter(&mut client, "", &set).await, 42);
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    let after = asked(&mut client).await;
    assert_eq!((after.requested_metrics, after.push_interval_ms), (vec![text("a"), text("b")], 1000));
    assert_eq!(listed(&mut client).await, ["mine"]);
    let described = DescribeConfigsResource::default()
        .with_resource_type(CLIENT_METRICS)
        .with_resource_name(text("mine"))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![described])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let told = client.call(4, &request).await.results.remove(0).configs;
    for config in &told {
        assert_eq!(config.synonyms.len(), 1, "{}: the default is none", config.name);
        assert!(config.documentation.as_deref().is_some_and(|text| !text.is_empty()), "{}", config.name);
    }
    let told: Vec<_> =
        told.iter().map(|one| (&*one.name, one.value.as_deref().unwrap(), one.config_source)).collect();
    assert_eq!(told, [("interval.ms", "1000", 7), ("match", "client_id=te.*", 7), ("metrics", "a,b", 7)]);
    let gone = [("metrics", None), ("interval.ms", None), ("match", None)];
    assert_eq!(alter(&mut client, "mine", &gone).await, 0);
    assert!(listed(&mut client).await.is_empty());
    assert!(asked(&mut client).await.requested_metrics.is_empty());
}

#[tokio::test]
async fn errors_have_kafkas_codes() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let to = asked(&mut client).await;
    let push = PushTelemetryRequest::default()
        .with_client_instance_id(to.client_instance_id)
        .with_subscription_id(to.subscription_id);
    assert_eq!(client.call(0, &push).await.error_code, 0);
    assert_eq!(client.call(0, &push).await.error_code, 89);
    let again = GetTelemetrySubscriptionsRequest::default().with_client_instance_id(to.client_instance_id);
    assert_eq!(client.call(0, &again).await.error_code, 89);
    assert_eq!(client.call(0, &PushTelemetryRequest::default()).await.error_code, 42);
}
