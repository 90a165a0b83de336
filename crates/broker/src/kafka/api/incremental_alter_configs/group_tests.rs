//! Configurations of groups, through a socket: what members of the consumer protocol notice of them.

use std::time::Duration;

use codec::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, GroupId, StrBytes, TopicName,
};
use tokio::net::TcpStream;

use super::broker_tests::{alter_one, describe, told};
use crate::services::configs::changes::{KeyChange, WantedConfigs, alter};
use crate::testing::{Client, Running, SOON};

const GROUP: i8 = 32;
const SESSION: &str = "consumer.session.timeout.ms";
const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";

fn group(name: &str) -> GroupId {
    GroupId(StrBytes::from_string(name.to_owned()))
}

/// A member joins; how often it is to send heartbeats, in milliseconds.
async fn join(client: &mut Client<TcpStream>, name: &str) -> i32 {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(name))
        .with_member_id(StrBytes::from_static_str("member"))
        .with_rebalance_timeout_ms(30_000)
        .with_subscribed_topic_names(Some(vec![TopicName(StrBytes::from_static_str("t"))]))
        .with_topic_partitions(Some(Vec::new()));
    let told = client.call(1, &request).await;
    assert_eq!(told.error_code, 0, "{told:?}");
    told.heartbeat_interval_ms
}

async fn members(client: &mut Client<TcpStream>, name: &str) -> usize {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group(name)]);
    let described = client.call(1, &request).await.groups.remove(0);
    assert_eq!(described.error_code, 0, "{described:?}");
    described.members.len()
}

async fn wait_until_empty(client: &mut Client<TcpStream>, name: &str) {
    let empty = async {
        while members(client, name).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, empty).await.expect("the session of the member ends");
}

#[tokio::test]
async fn a_group_has_timeouts_of_its_own_at_once_and_after_a_restart() {
    let pairs = [
        ("group.consumer.min.session.timeout.ms", "100"),
        ("group.consumer.min.heartbeat.interval.ms", "10"),
    ];
    let running = Running::start(&pairs).await.unwrap();
    let mut client = running.client().await;
    assert_eq!(alter_one(&mut client, (GROUP, "quick"), (HEARTBEAT, Some("50"))).await.0, 0);
    assert_eq!(alter_one(&mut client, (GROUP, "quick"), (SESSION, Some("300"))).await.0, 0);
    assert_eq!((join(&mut client, "quick").await, join(&mut client, "usual").await), (50, 5_000));
    assert_eq!(told(describe(&mut client, GROUP, "quick", SESSION).await), ("300".to_owned(), 8, vec![8, 5]));
    wait_until_empty(&mut client, "quick").await;
    assert_eq!(members(&mut client, "usual").await, 1);

    let running = running.restart(&pairs).await;
    let mut client = running.client().await;
    assert_eq!(join(&mut client, "quick").await, 50);
    wait_until_empty(&mut client, "quick").await;
    for key in [SESSION, HEARTBEAT] {
        assert_eq!(alter_one(&mut client, (GROUP, "quick"), (key, None)).await.0, 0);
    }
    assert_eq!(join(&mut client, "quick").await, 5_000);
    assert_eq!(told(describe(&mut client, GROUP, "quick", SESSION).await), ("45000".to_owned(), 5, vec![5]));
}

#[tokio::test]
async fn what_a_group_cannot_have_is_refused() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for (name, key, code) in [
        ("", SESSION, 42),
        ("g", SESSION, 40),
        ("g", "no.such.key", 40),
        ("g", "share.session.timeout.ms", 40),
    ] {
        assert_eq!(alter_one(&mut client, (GROUP, name), (key, Some("1"))).await.0, code, "{name} {key}");
    }
}

/// Users saw a change that was on the disk but not in effect until the next start, if its client had left meanwhile.
#[tokio::test]
async fn a_change_whose_client_leaves_takes_effect() {
    let running = Running::start(&[]).await.unwrap();
    let resources = &running.broker.services.resources;
    let change =
        KeyChange { name: HEARTBEAT.to_owned(), operation: KeyChange::SET, value: Some("6000".to_owned()) };
    let wanted =
        [WantedConfigs { resource_type: GROUP, name: "g".to_owned(), replace: false, changes: vec![change] }];
    let left = alter(resources, &wanted, false);
    tokio::select! { biased; _ = left => {}, () = std::future::ready(()) => {} }
    let in_effect = async {
        while resources.configs.given(GROUP, "g").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, in_effect).await.expect("what is written is in effect");
    assert_eq!(join(&mut running.client().await, "g").await, 6_000);
}
