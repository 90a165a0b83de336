//! `delete_topics.rs` through a socket.

use std::time::Duration;

use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::{GroupId, MetadataRequest, OffsetCommitRequest, TopicName as Name};
use uuid::Uuid;

use super::*;
use crate::testing::{Client, Running, SOON};

fn name(text: &str) -> Name {
    Name(StrBytes::from_string(text.to_owned()))
}

async fn create(client: &mut Client<tokio::net::TcpStream>, text: &str) -> Uuid {
    let topic = MetadataRequestTopic::default().with_name(Some(name(text)));
    let request =
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    let response = client.call(12, &request).await;
    assert_eq!(response.topics[0].error_code, 0);
    response.topics[0].topic_id
}

async fn names(client: &mut Client<tokio::net::TcpStream>) -> Vec<String> {
    let response = client.call(12, &MetadataRequest::default().with_topics(None)).await;
    response.topics.iter().map(|topic| topic.name.as_ref().unwrap().to_string()).collect()
}

fn by_name(version: i16, texts: &[&str]) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default();
    if version >= 6 {
        let state = |text: &&str| DeleteTopicState::default().with_name(Some(name(text)));
        return request.with_topics(texts.iter().map(state).collect());
    }
    request.with_topic_names(texts.iter().map(|text| name(text)).collect())
}

#[tokio::test]
async fn topics_are_deleted_by_name_at_every_version() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for version in 0..=6 {
        let id = create(&mut client, "gone").await;
        let response = client.call(version, &by_name(version, &["gone", "never"])).await;
        let codes: Vec<_> = response.responses.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, 3]);
        assert_eq!(response.responses[0].topic_id, if version >= 6 { id } else { Uuid::nil() });
        assert_eq!(response.responses[1].error_message.is_some(), version >= 5);
        assert!(names(&mut client).await.is_empty());
        assert_ne!(create(&mut client, "gone").await, id, "a new topic has a new id");
        client.call(version, &by_name(version, &["gone"])).await;
    }
}

#[tokio::test]
async fn topics_are_deleted_by_id() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let id = create(&mut client, "t").await;
    let state = |id| DeleteTopicState::default().with_name(None).with_topic_id(id);
    let request = DeleteTopicsRequest::default().with_topics(vec![state(id), state(Uuid::from_u128(1))]);
    let response = client.call(6, &request).await;
    assert_eq!(
        (response.responses[0].name.as_ref(), response.responses[0].error_code),
        (Some(&name("t")), 0)
    );
    assert_eq!((response.responses[1].name.as_ref(), response.responses[1].error_code), (None, 100));
    assert!(names(&mut client).await.is_empty());
}

#[tokio::test]
async fn contradictions_delete_nothing() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let id = create(&mut client, "t").await;
    let both = DeleteTopicState::default().with_name(Some(name("t"))).with_topic_id(id);
    let neither = DeleteTopicState::default().with_name(None);
    let named = DeleteTopicState::default().with_name(Some(name("t")));
    let identified = DeleteTopicState::default().with_name(None).with_topic_id(id);
    // One result for all mentions of a name or an id, with Kafka's texts (`ControllerApis.deleteTopics`).
    let (no_name, no_id) = (None, Uuid::nil());
    let both_ways = "The provided topic name maps to an ID that was already supplied.";
    for (states, name, told_id, text) in [
        (vec![&both], Some("t"), id, "You may not specify both topic name and topic id."),
        (vec![&neither], no_name, no_id, "Neither topic name nor id were specified."),
        (vec![&named, &named, &named], Some("t"), no_id, "Duplicate topic name."),
        (vec![&identified, &identified], no_name, id, "Duplicate topic id."),
        (vec![&named, &identified], Some("t"), id, both_ways),
        (vec![&identified, &named], Some("t"), id, both_ways),
    ] {
        let states = states.into_iter().cloned().collect();
        let response = client.call(6, &DeleteTopicsRequest::default().with_topics(states)).await;
        let [told] = &response.responses[..] else { panic!("{:?}", response.responses) };
        let told_name = told.name.as_ref().map(|name| name.as_str());
        let told_text = told.error_message.as_deref();
        assert_eq!((told.error_code, told_name, told.topic_id, told_text), (42, name, told_id, Some(text)));
    }
    assert_eq!(names(&mut client).await, ["t"]);
}

/// A topic that is mentioned once is deleted, also if another one is refused.
#[tokio::test]
async fn a_topic_that_is_named_once_is_deleted_beside_one_that_is_named_twice() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for text in ["once", "twice"] {
        create(&mut client, text).await;
    }
    for version in [1, 6] {
        let response = client.call(version, &by_name(version, &["twice", "once", "twice"])).await;
        let told: Vec<_> =
            response.responses.iter().map(|one| (one.name.clone().unwrap(), one.error_code)).collect();
        let gone = if version == 1 { 0 } else { 3 };
        assert_eq!(told, [(name("twice"), 42), (name("once"), gone)]);
    }
    assert_eq!(names(&mut client).await, ["twice"]);
}

#[tokio::test]
async fn deletion_can_be_switched_off() {
    let running = Running::start(&[("delete.topic.enable", "false")]).await.unwrap();
    let mut client = running.client().await;
    create(&mut client, "t").await;
    for (version, code) in [(2, 42), (3, 73), (6, 73)] {
        let response = client.call(version, &by_name(version, &["t"])).await;
        assert_eq!(response.responses[0].error_code, code);
    }
    assert_eq!(names(&mut client).await, ["t"]);
}

/// Users saw the committed offsets of a deleted topic until the next start, if the client that deleted it had left.
#[tokio::test]
async fn a_deletion_whose_client_leaves_is_completed() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    create(&mut client, "t").await;
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(5);
    let topic = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let group = StrBytes::from_static_str("g");
    let commit = OffsetCommitRequest::default()
        .with_group_id(GroupId(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let committed = client.call(7, &commit).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    let services = &running.broker.services;
    let reach = Reach {
        cluster: services.io.cluster().clone(),
        groups: Arc::clone(&services.groups),
        metrics: services.metrics.clone(),
        tasks: services.tasks.clone(),
        is_enabled: true,
    };
    let free = &mut |_| Ok(());
    let left = deletion::delete(reach, vec![TopicRef::named("t")], free);
    tokio::select! { biased; _ = left => {}, () = std::future::ready(()) => {} }
    // A group of which nothing is left is forgotten.
    let forgotten = async {
        while !services.groups.list().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, forgotten).await.expect("the offsets go with the topic");
}
