//! Sizes of what resources are given, through a socket: nothing that is acknowledged keeps the broker from starting.

use codec::messages::incremental_alter_configs_request::AlterableConfig;
use tokio::net::TcpStream;

use super::broker_tests::describe;
use super::*;
use crate::config::resources::resource_type::{BROKER, CLIENT_METRICS, TOPIC};
use crate::testing::Client;

const APPEND: i8 = 2;
const INVALID_CONFIG: i16 = 40;

/// Adds elements to a list of a resource; the error code, and the text.
async fn append(
    client: &mut Client<TcpStream>,
    (kind, name): (i8, &str),
    (key, elements): (&str, &str),
) -> (i16, String) {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(APPEND)
        .with_value(Some(text(elements)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = client.call(1, &request).await.responses.remove(0);
    (response.error_code, response.error_message.map_or_else(String::new, |text| text.to_string()))
}

/// 1 200 names of metrics, 32 KB together.
fn names(part: u32) -> String {
    let names: Vec<String> = (0..1_200).map(|index| format!("org.apache.kafka.{part}.{index:05}.")).collect();
    names.join(",")
}

/// A broker that was given three lists of 32 KB once refused its folder at the next start: the length of a value was cut
/// to 16 bits on its way to the disk.
#[tokio::test]
async fn lists_that_grow_beyond_their_record_are_refused_and_the_broker_starts_again() {
    let running = super::super::produce::tests::broker_with(&[("t", &[])]).await;
    let mut client = running.client().await;
    let replicas =
        |from: u32| (from..from + 4_000).map(|index| format!("{index}:1")).collect::<Vec<_>>().join(",");
    for (kind, name, key, parts) in [
        (CLIENT_METRICS, "all", "metrics", [0, 1, 2, 3].map(names)),
        (BROKER, "", "metric.reporters", [0, 1, 2, 3].map(names)),
        (TOPIC, "t", "leader.replication.throttled.replicas", [1_000, 5_000, 10_000, 15_000].map(replicas)),
    ] {
        for (index, part) in parts.iter().enumerate() {
            let (code, text) = append(&mut client, (kind, name), (key, part)).await;
            let told = (code, text.contains("exceeds the maximum value size of 32767 bytes"));
            assert_eq!(told, if index == 0 { (0, false) } else { (INVALID_CONFIG, true) }, "{key}: {text}");
        }
    }

    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    let kept = describe(&mut client, CLIENT_METRICS, "all", "metrics").await.unwrap();
    assert_eq!(kept.value.unwrap().as_str(), names(0));
}
