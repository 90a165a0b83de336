//! `alter_configs.rs` through a socket; what it shares with IncrementalAlterConfigs is tested there.

use codec::messages::alter_configs_request::AlterableConfig;

use super::super::incremental_alter_configs::tests::{TOPIC, own};
use super::super::produce::tests::broker_with;
use super::*;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn resource(name: &str, configs: &[(&str, Option<&str>)]) -> AlterConfigsResource {
    let configs = configs
        .iter()
        .map(|(key, value)| AlterableConfig::default().with_name(text(key)).with_value(value.map(text)));
    AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(name))
        .with_configs(configs.collect())
}

fn request(resources: Vec<AlterConfigsResource>) -> AlterConfigsRequest {
    AlterConfigsRequest::default().with_resources(resources)
}

#[tokio::test]
async fn what_is_not_named_goes_back_to_its_default_at_every_version() {
    let running = broker_with(&[("t", &[("segment.ms", "77")])]).await;
    let mut client = running.client().await;
    for version in 0..=2 {
        let value = format!("{}", 100 + version);
        let key = ["retention.ms", "flush.ms", "segment.ms"][version as usize];
        let asked = request(vec![resource("t", &[(key, Some(value.as_str()))])]);
        let before = own(&mut client, "t").await;
        let checked = client.call(version, &asked.clone().with_validate_only(true)).await.responses.remove(0);
        assert_eq!((checked.error_code, own(&mut client, "t").await), (0, before));
        let response = client.call(version, &asked).await.responses.remove(0);
        assert_eq!((response.error_code, response.error_message), (0, None));
        assert_eq!((response.resource_type, response.resource_name.as_str()), (TOPIC, "t"));
        assert_eq!(own(&mut client, "t").await, [(key.to_owned(), value)]);
    }
    assert_eq!(client.call(2, &request(vec![resource("t", &[])])).await.responses[0].error_code, 0);
    let running = running.restart(&[]).await;
    assert_eq!(own(&mut running.client().await, "t").await, []);
}

#[tokio::test]
async fn refusals_have_kafkas_codes() {
    let running = broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let cases = [
        (resource("absent", &[]), 3),
        (resource("t", &[("retention.ms", None)]), 42),
        (resource("0", &[("message.max.bytes", Some("1"))]).with_resource_type(4), 42),
        (resource("1", &[]).with_resource_type(8), 42),
        (resource("", &[]).with_resource_type(32), 42),
    ];
    let asked = cases.iter().map(|(resource, _)| resource.clone()).collect();
    let codes: Vec<i16> =
        client.call(2, &request(asked)).await.responses.iter().map(|response| response.error_code).collect();
    assert_eq!(codes, cases.map(|(_, code)| code));
    let invalid = request(vec![resource("t", &[("retention.ms", Some("x")), ("flush.ms", Some("1"))])]);
    assert_eq!(client.call(2, &invalid).await.responses[0].error_code, 40);
    assert_eq!(own(&mut client, "t").await, []);
}
