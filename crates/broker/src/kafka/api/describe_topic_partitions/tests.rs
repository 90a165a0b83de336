//! `describe_topic_partitions.rs` through a socket.

use codec::messages::CreateTopicsRequest;
use codec::messages::create_topics_request::CreatableTopic;
use tokio::net::TcpStream;

use super::super::produce::tests::topic_name;
use super::*;
use crate::testing::{Client, Running};

/// A broker that has topics of three partitions each.
async fn broker(pairs: &[(&str, &str)], topics: &[&str]) -> (Running, Client<TcpStream>) {
    let running = Running::start(pairs).await.unwrap();
    let mut client = running.client().await;
    let topic = |name: &&str| {
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(3)
            .with_replication_factor(1)
    };
    let request = CreateTopicsRequest::default().with_topics(topics.iter().map(topic).collect());
    let created = client.call(5, &request.with_timeout_ms(10_000)).await;
    assert!(created.topics.iter().all(|topic| topic.error_code == 0), "{created:?}");
    (running, client)
}

fn asking(names: &[&str], limit: i32) -> DescribeTopicPartitionsRequest {
    let topics = names.iter().map(|name| TopicRequest::default().with_name(topic_name(name)));
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
        .with_cursor(None)
}

/// Topic, error, indexes of its partitions.
type Described = Vec<(String, i16, Vec<i32>)>;

fn told(response: &DescribeTopicPartitionsResponse) -> Described {
    let indexes = |topic: &DescribeTopicPartitionsResponseTopic| {
        topic.partitions.iter().map(|partition| partition.partition_index).collect()
    };
    let topics = response.topics.iter();
    topics.map(|topic| (topic.name.clone().unwrap().to_string(), topic.error_code, indexes(topic))).collect()
}

/// Every page, until there is no cursor.
async fn pages(
    client: &mut Client<TcpStream>,
    mut request: DescribeTopicPartitionsRequest,
) -> Vec<Described> {
    let mut pages = Vec::new();
    loop {
        let response = client.call(0, &request).await;
        pages.push(told(&response));
        let Some(next) = response.next_cursor else { return pages };
        assert!(pages.len() < 20, "{pages:?}");
        let cursor = AskedCursor::default()
            .with_topic_name(next.topic_name)
            .with_partition_index(next.partition_index);
        request.cursor = Some(cursor);
    }
}

fn topic(name: &str, code: i16, partitions: &[i32]) -> (String, i16, Vec<i32>) {
    (name.to_owned(), code, partitions.to_vec())
}

#[tokio::test]
async fn the_only_broker_leads_every_partition() {
    let (_running, mut client) = broker(&[("node.id", "7")], &["t"]).await;
    let response = client.call(0, &asking(&["t"], 2000)).await;
    assert!(response.next_cursor.is_none());
    let topic = &response.topics[0];
    assert!(!topic.topic_id.is_nil() && !topic.is_internal);
    assert_eq!(topic.topic_authorized_operations, 3576);
    let (partition, here) = (&topic.partitions[2], vec![BrokerId(7)]);
    assert_eq!((partition.partition_index, partition.leader_id, partition.leader_epoch), (2, BrokerId(7), 0));
    assert_eq!((&partition.replica_nodes, &partition.isr_nodes), (&here, &here));
    assert_eq!(
        (&partition.eligible_leader_replicas, &partition.last_known_elr),
        (&Some(vec![]), &Some(vec![]))
    );
    assert!(partition.offline_replicas.is_empty());
}

#[tokio::test]
async fn pages_go_through_all_topics_by_name() {
    let (_running, mut client) = broker(&[], &["c", "a", "b"]).await;
    let expected = vec![
        vec![topic("a", 0, &[0, 1])],
        vec![topic("a", 0, &[2]), topic("b", 0, &[0])],
        vec![topic("b", 0, &[1, 2])],
        vec![topic("c", 0, &[0, 1])],
        vec![topic("c", 0, &[2])],
    ];
    assert_eq!(pages(&mut client, asking(&[], 2)).await, expected);
    assert_eq!(pages(&mut client, asking(&["c", "b", "a", "a"], 2)).await, expected);
    // At least one, whatever is asked for.
    assert_eq!(pages(&mut client, asking(&["b"], 0)).await.len(), 3);
    assert_eq!(pages(&mut client, asking(&["b"], -5)).await.len(), 3);
}

#[tokio::test]
async fn the_brokers_own_limit_holds_too() {
    let (_running, mut client) = broker(&[("max.request.partition.size.limit", "1")], &["a"]).await;
    assert_eq!(pages(&mut client, asking(&[], 2000)).await.len(), 3);
}

#[tokio::test]
async fn what_does_not_exist_is_told_of_where_it_is_named() {
    let (_running, mut client) = broker(&[], &["b"]).await;
    let asked = asking(&["a b", "absent", "b", "z"], 2000);
    let expected =
        [topic("a b", 17, &[]), topic("absent", 3, &[]), topic("b", 0, &[0, 1, 2]), topic("z", 3, &[])];
    assert_eq!(pages(&mut client, asked.clone()).await, [expected.to_vec()]);
    // A cursor skips what comes before it, and a partition beyond the last one is no error.
    let cursor = AskedCursor::default().with_topic_name(topic_name("b")).with_partition_index(9);
    let rest = told(&client.call(0, &asked.clone().with_cursor(Some(cursor.clone()))).await);
    assert_eq!(rest, [topic("b", 0, &[]), topic("z", 3, &[])]);
    let gone = cursor.clone().with_topic_name(topic_name("aa"));
    let rest = told(&client.call(0, &asking(&[], 2000).with_cursor(Some(gone))).await);
    assert_eq!(rest, [topic("b", 0, &[0, 1, 2])]);
    let unnamed = cursor.clone().with_topic_name(topic_name("c"));
    for cursor in [cursor.with_partition_index(-1), unnamed] {
        let refused = client.call(0, &asked.clone().with_cursor(Some(cursor))).await;
        assert_eq!(refused.topics.len(), 4);
        for topic in &refused.topics {
            assert_eq!((topic.error_code, topic.partitions.len()), (42, 0), "{refused:?}");
            assert!(topic.topic_id.is_nil() && topic.topic_authorized_operations == i32::MIN);
        }
    }
}
