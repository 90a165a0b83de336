//! `metadata.rs` through a socket.

use codec::messages::DescribeClusterRequest;

use super::*;
use crate::testing::Running;

fn asking(names: &[&str]) -> MetadataRequest {
    let topic = |name: &&str| {
        let name = TopicName(StrBytes::from_string((*name).to_owned()));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    MetadataRequest::default()
        .with_topics(Some(names.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(true)
}

fn asking_id(id: Uuid) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    MetadataRequest::default().with_topics(Some(vec![topic]))
}

fn codes(response: &MetadataResponse) -> Vec<(String, i16)> {
    let one = |topic: &MetadataResponseTopic| {
        (topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default(), topic.error_code)
    };
    response.topics.iter().map(one).collect()
}

#[tokio::test]
async fn created_topic_has_its_leader_in_the_same_answer_at_every_version() {
    let running = Running::start(&[("num.partitions", "3"), ("node.id", "7")]).await.unwrap();
    let mut client = running.client().await;
    for version in 0..=13 {
        let name = format!("new-at-{version}");
        let first = client.call(version, &asking(&[&name])).await;
        assert_eq!(codes(&first), [(name.clone(), 0)], "version {version}");
        let topic = &first.topics[0];
        assert_eq!(topic.partitions.len(), 3);
        for (index, partition) in (0..).zip(&topic.partitions) {
            assert_eq!(
                (partition.partition_index, partition.leader_id, partition.error_code),
                (index, BrokerId(7), 0)
            );
            assert_eq!(
                (&partition.replica_nodes, &partition.isr_nodes),
                (&vec![BrokerId(7)], &vec![BrokerId(7)])
            );
            assert!(version < 7 || partition.leader_epoch >= 0);
        }
        assert_eq!(topic.topic_id.is_nil(), version < 10);
        assert_eq!(client.call(version, &asking(&[&name])).await.topics, first.topics);
        let broker = &first.brokers[0];
        assert_eq!(
            (broker.node_id, broker.host.as_str(), broker.port),
            (BrokerId(7), "localhost", i32::from(running.address.port()))
        );
    }
}

#[tokio::test]
async fn topics_and_ids_survive_a_restart() {
    let running = Running::start(&[]).await.unwrap();
    let before = running.client().await.call(12, &asking(&["kept"])).await;
    let running = running.restart(&[]).await;
    let after = running.client().await.call(12, &asking(&["kept"])).await;
    assert_eq!((before.topics[0].topic_id, before.cluster_id), (after.topics[0].topic_id, after.cluster_id));
}

#[tokio::test]
async fn nothing_is_created_where_it_is_not_wanted() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let unwilling = asking(&["a"]).with_allow_auto_topic_creation(false);
    assert_eq!(codes(&client.call(4, &unwilling).await), [("a".to_owned(), 3)]);
    assert_eq!(codes(&client.call(1, &MetadataRequest::default().with_topics(None)).await), []);

    let strict = Running::start(&[("auto.create.topics.enable", "false")]).await.unwrap();
    assert_eq!(codes(&strict.client().await.call(13, &asking(&["a"])).await), [("a".to_owned(), 3)]);
}

#[tokio::test]
async fn all_topics_are_asked_for_differently_at_version_0() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    client.call(1, &asking(&["b", "a"])).await;
    let both = [("a".to_owned(), 0), ("b".to_owned(), 0)];
    assert_eq!(codes(&client.call(0, &asking(&[])).await), both);
    assert_eq!(codes(&client.call(1, &asking(&[])).await), []);
    for version in 1..=13 {
        assert_eq!(codes(&client.call(version, &MetadataRequest::default().with_topics(None)).await), both);
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_each_for_itself() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let found = client.call(9, &asking(&["fine", "not fine", "fine", "__consumer_offsets", "", "a.b"])).await;
    let expected = [("fine", 0), ("not fine", 17), ("__consumer_offsets", 3), ("", 17), ("a.b", 0)];
    assert_eq!(codes(&found), expected.map(|(name, code)| (name.to_owned(), code)));
    assert_eq!(codes(&client.call(9, &asking(&["a_b"])).await), [("a_b".to_owned(), 17)]);
}

#[tokio::test]
async fn topics_are_found_by_id_since_version_12() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let id = client.call(12, &asking(&["t"])).await.topics[0].topic_id;
    for version in 12..=13 {
        assert_eq!(codes(&client.call(version, &asking_id(id)).await), [("t".to_owned(), 0)]);
        let unknown = Uuid::from_u128(1);
        let response = client.call(version, &asking_id(unknown)).await;
        assert_eq!((response.topics[0].error_code, response.topics[0].topic_id), (100, unknown));
        assert_eq!(response.topics[0].name, None);
    }
    let mut early = asking(&["t"]);
    early.topics.as_mut().unwrap()[0].topic_id = id;
    for version in 10..=11 {
        assert_eq!(codes(&client.call(version, &early).await), [("t".to_owned(), 42)]);
    }
}

/// It had no entry at all, so that a client found fewer topics than it had asked for.
#[tokio::test]
async fn a_topic_with_neither_name_nor_id_is_refused_and_the_others_are_answered() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let id = client.call(12, &asking(&["t"])).await.topics[0].topic_id;
    let nothing = || MetadataRequestTopic::default().with_name(None);
    for version in 12..=13 {
        let mut request = asking(&["t"]);
        request.topics.as_mut().unwrap().insert(0, nothing());
        let response = client.call(version, &request).await;
        assert_eq!(codes(&response), [("t".to_owned(), 0), (String::new(), 42)]);
        assert_eq!((&response.topics[1].name, response.brokers.len()), (&None, 1));
        // As in Kafka, where names do not count beside an id.
        let mut request = asking_id(id);
        request.topics.as_mut().unwrap().insert(0, nothing());
        assert_eq!(codes(&client.call(version, &request).await), [("t".to_owned(), 0)]);
    }
}

#[tokio::test]
async fn authorized_operations_are_told_on_demand() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let plain = client.call(9, &asking(&["t"])).await;
    assert_eq!(
        (plain.cluster_authorized_operations, plain.topics[0].topic_authorized_operations),
        (i32::MIN, i32::MIN)
    );
    let asking = asking(&["t"]).with_include_topic_authorized_operations(true);
    let told = client.call(9, &asking.with_include_cluster_authorized_operations(true)).await;
    assert_eq!(
        (told.cluster_authorized_operations, told.topics[0].topic_authorized_operations),
        (8096, 3576)
    );
}

#[tokio::test]
async fn configured_address_is_the_one_that_is_told() {
    let running =
        Running::start(&[("advertised.listeners", "PLAINTEXT://kafka.example:19092")]).await.unwrap();
    let mut client = running.client().await;
    let told = client.call(9, &asking(&[])).await;
    assert_eq!((told.brokers[0].host.as_str(), told.brokers[0].port), ("kafka.example", 19092));
    let request = DescribeClusterRequest::default();
    let told = client.call(0, &request).await;
    assert_eq!((told.brokers[0].host.as_str(), told.brokers[0].port), ("kafka.example", 19092));
}
