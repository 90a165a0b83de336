//! `producer.id.expiration.ms`, changed while the broker runs (KIP-854), through a socket.

use std::time::Duration;

use bytes::Bytes;
use codec::messages::alter_configs_request::{
    AlterConfigsResource as OlderResource, AlterableConfig as OlderConfig,
};
use codec::messages::describe_producers_request::TopicRequest;
use codec::messages::{AlterConfigsRequest, DescribeProducersRequest, StrBytes, TopicName};
use codec::records::BatchBuilder;
use tokio::net::TcpStream;

use super::super::produce::tests::{broker_with, produce};
use super::broker_tests::alter_one;
use crate::testing::{Client, Running};

const BROKER: i8 = 4;
const KEY: &str = "producer.id.expiration.ms";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The producers of which partition 0 of `t` remembers sequences.
async fn remembered(client: &mut Client<TcpStream>) -> Vec<i64> {
    let topic = TopicRequest::default().with_name(TopicName(text("t"))).with_partition_indexes(vec![0]);
    let answer = client.call(0, &DescribeProducersRequest::default().with_topics(vec![topic])).await;
    let producers = &answer.topics[0].partitions[0].active_producers;
    producers.iter().map(|producer| producer.producer_id.0).collect()
}

async fn write_as(client: &mut Client<TcpStream>, producer_id: i64) {
    let batch: Bytes =
        BatchBuilder::new().producer(producer_id, 0, 0).record(1, Some(b"k"), Some(b"v")).build();
    assert_eq!(produce(client, 9, &[("t", 0, batch)]).await[0].error_code, 0);
}

/// Waits until no producer is remembered.
async fn forgotten(client: &mut Client<TcpStream>) {
    let until_none = async {
        while !remembered(client).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), until_none).await.expect("its time is over");
}

#[tokio::test]
async fn producers_expire_by_the_time_of_now() {
    let running = broker_with(&[("t", &[])]).await;
    let running: Running = running.restart(&[("producer.id.expiration.check.interval.ms", "10")]).await;
    let mut client = running.client().await;
    write_as(&mut client, 7).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(remembered(&mut client).await, [7], "a day, unless it is changed");
    assert_eq!(alter_one(&mut client, (BROKER, ""), (KEY, Some("1"))).await.0, 0);
    forgotten(&mut client).await;

    assert_eq!(alter_one(&mut client, (BROKER, ""), (KEY, None)).await.0, 0);
    write_as(&mut client, 8).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(remembered(&mut client).await, [8], "a day again");
    let config = OlderConfig::default().with_name(text(KEY)).with_value(Some(text("1")));
    let resource = OlderResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text("1"))
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(1, &request).await.responses[0].error_code, 0);
    forgotten(&mut client).await;
    assert_eq!(alter_one(&mut client, (BROKER, ""), (KEY, Some("0"))).await.0, 42, "outside its range");
}
