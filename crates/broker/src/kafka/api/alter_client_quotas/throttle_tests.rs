//! Clients above their quotas, through the sockets of a broker.

use std::time::Duration;

use codec::FetchResponse;
use codec::messages::create_partitions_request::CreatePartitionsTopic;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::delete_topics_request::DeleteTopicState;
use codec::messages::{
    ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest,
    MetadataRequest, ProduceRequest, TopicName,
};
use security::quota::{Change, Entity, Key};
use tokio::net::TcpStream;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock::timer_now;
use crate::kafka::api::fetch::tests::{in_session, request as fetch_request};
use crate::kafka::api::produce::tests::{batch, request as produce_request};
use crate::services::admin::wanted::WantedTopic;
use crate::testing::{Client, Running, SOON};

/// The client id of the test's client.
const CLIENT: Part = ("client-id", Some("test"));

type Part = (&'static str, Option<&'static str>);

/// Sets the quota of an entity, or removes it.
fn set(running: &Running, part: Part, key: Key, value: Option<f64>) {
    let entity = Entity::of([part]).unwrap();
    running.broker.services.quotas.change(vec![Change { entity, key, value }]);
}

async fn broker() -> Running {
    let running = Running::start(&[]).await.unwrap();
    running.create_topic(WantedTopic::with_defaults("t".into())).await;
    running
}

/// A batch of about that many bytes.
fn produce_of(bytes: usize) -> ProduceRequest {
    produce_request(1, &[("t", 0, batch(&"x".repeat(bytes)))])
}

fn fetch() -> FetchRequest {
    fetch_request("t", Uuid::nil(), 12, &[(0, 0)])
}

/// Bytes of the records in an answer.
fn records_in(response: &FetchResponse) -> usize {
    let partitions = response.message.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|one| one.records.as_ref().map_or(0, bytes::Bytes::len)).sum()
}

/// Sends a batch of about that many bytes; the throttle time in the answer.
async fn produce(client: &mut Client<TcpStream>, bytes: usize) -> i32 {
    let answer = client.call(8, &produce_of(bytes)).await;
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    answer.throttle_time_ms
}

fn since(begin: Instant) -> Duration {
    timer_now() - begin
}

/// The time until a request is answered.
async fn answered_after(client: &mut Client<TcpStream>) -> Duration {
    let begin = timer_now();
    client.call(0, &ApiVersionsRequest::default()).await;
    since(begin)
}

#[tokio::test]
async fn a_producer_above_its_quota_is_answered_at_once_and_not_read_for_a_while() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, CLIENT, key, Some(10_000.0));
    let mut client = running.client().await;
    assert_eq!(produce(&mut client, 50_000).await, 0, "a burst of ten windows");
    let begin = timer_now();
    let throttle_ms = produce(&mut client, 55_000).await;
    assert!((400..=700).contains(&throttle_ms), "{throttle_ms}");
    let throttle = Duration::from_millis(throttle_ms.unsigned_abs().into());
    assert!(since(begin) < throttle, "the answer does not wait");
    answered_after(&mut client).await;
    assert!(since(begin) >= throttle, "the next request does: {:?}", since(begin));
    // Not muted any more, and no other client was.
    assert!(answered_after(&mut client).await < throttle);
}

#[tokio::test]
async fn a_neighbour_is_not_throttled() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, ("client-id", Some("other")), key, Some(1.0));
    let mut client = running.client().await;
    assert_eq!(produce(&mut client, 50_000).await, 0);
    set(&running, ("user", Some("alice")), key, Some(1.0));
    assert_eq!(produce(&mut client, 50_000).await, 0);
    set(&running, ("user", Some("ANONYMOUS")), key, Some(1.0));
    assert!(produce(&mut client, 50_000).await > 0);
}

#[tokio::test]
async fn the_removal_of_the_quota_ends_the_mute_at_once() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, CLIENT, key, Some(1.0));
    let mut client = running.client().await;
    assert!(produce(&mut client, 50_000).await > 1_000_000);
    let removal = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Another quota says nothing about this one.
        set(&running, ("user", Some("alice")), key, Some(5.0));
        tokio::time::sleep(Duration::from_millis(100)).await;
        set(&running, CLIENT, key, None);
    };
    let (waited, ()) = tokio::join!(answered_after(&mut client), removal);
    assert!(waited >= Duration::from_millis(250) && waited < SOON, "{waited:?}");
}

/// A quota that was too small by mistake must not hold clients for hours after it was mended.
#[tokio::test]
async fn another_value_of_the_quota_ends_the_mute_at_once() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, CLIENT, key, Some(1.0));
    let mut client = running.client().await;
    assert!(produce(&mut client, 50_000).await > 1_000_000);
    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        set(&running, CLIENT, key, Some(1_000_000.0));
    };
    let (waited, ()) = tokio::join!(answered_after(&mut client), change);
    assert!(waited < SOON, "{waited:?}");
}

/// A producer without acknowledgements writes and closes: a short throttle must not cost its records.
#[tokio::test]
async fn what_a_client_sent_before_it_left_is_served_after_a_short_mute() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, CLIENT, key, Some(50_000.0));
    let mut client = running.client().await;
    assert!(produce(&mut client, 600_000).await >= 1_000);
    client.send(8, &produce_of(1000).with_acks(0)).await;
    drop(client);
    let appended = || running.broker.services.metrics.topic("t").messages_in.value();
    let served = async {
        while appended() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, served).await.expect("the last record is appended");
}

#[tokio::test]
async fn a_muted_client_that_leaves_is_noticed_and_gives_its_place_back() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, CLIENT, key, Some(1.0));
    let mut client = running.client().await;
    assert!(produce(&mut client, 50_000).await > 1_000_000);
    // Bytes that are not read: the end of the client's side is after them.
    client.send(0, &ApiVersionsRequest::default()).await;
    drop(client);
    let open = || running.broker.services.metrics.listener("PLAINTEXT").open.value();
    let gone = async {
        while open() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the connection ends");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_muted_clients() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, CLIENT, key, Some(1.0));
    let mut client = running.client().await;
    assert!(produce(&mut client, 50_000).await > 1_000_000);
    let begin = timer_now();
    running.broker.shutdown(SOON).await;
    assert!(since(begin) < SOON / 2);
    assert!(client.receive_frame().await.is_none());
}

#[tokio::test]
async fn a_muted_connection_is_not_idle() {
    let running = Running::start(&[("connections.max.idle.ms", "300")]).await.unwrap();
    running.create_topic(WantedTopic::with_defaults("t".into())).await;
    set(&running, CLIENT, Key::ProducerByteRate, Some(50_000.0));
    let mut client = running.client().await;
    let throttle_ms = produce(&mut client, 550_000).await;
    assert!(throttle_ms >= 900, "{throttle_ms}");
    assert!(answered_after(&mut client).await >= Duration::from_millis(600));
}

#[tokio::test]
async fn requests_that_are_sent_together_do_not_pass_by_the_throttle() {
    let (running, key) = (broker().await, Key::ProducerByteRate);
    set(&running, CLIENT, key, Some(100_000.0));
    let mut client = running.client().await;
    assert_eq!(produce(&mut client, 980_000).await, 0);
    let begin = timer_now();
    for _ in 0..5 {
        client.send(8, &produce_of(50_000)).await;
    }
    for _ in 0..5 {
        let (_, answer) = client.receive::<ProduceRequest>(8).await;
        assert!(answer.throttle_time_ms > 0);
    }
    // 230 KB above the burst at 100 KB/s; the last one is answered before its own throttle.
    assert!(since(begin) >= Duration::from_millis(1500), "{:?}", since(begin));
}

#[tokio::test]
async fn a_throttled_fetch_is_answered_empty_and_keeps_its_session() {
    let (running, key) = (broker().await, Key::ConsumerByteRate);
    let mut client = running.client().await;
    for _ in 0..3 {
        assert_eq!(produce(&mut client, 5000).await, 0);
    }
    let full = client.call(12, &in_session(fetch(), 0, 0)).await;
    assert!(full.message.session_id > 0 && records_in(&full) > 15_000);
    let id = full.message.session_id;
    set(&running, CLIENT, key, Some(1000.0));
    // Ten windows of the quota at most, so that it can be answered; then the account is empty.
    let first = client.call(12, &in_session(fetch(), id, 1)).await;
    assert!((5000..=10_000).contains(&records_in(&first)), "{}", records_in(&first));
    assert_eq!((first.message.throttle_time_ms, first.message.session_id), (0, id));
    let begin = timer_now();
    let empty = client.call(12, &in_session(fetch(), id, 2)).await;
    let throttle_ms = empty.message.throttle_time_ms;
    assert!(throttle_ms > 0 && records_in(&empty) == 0 && empty.message.responses.is_empty());
    assert_eq!((empty.message.session_id, empty.message.error_code), (id, 0));
    set(&running, CLIENT, key, None);
    // Nothing of it counts as sent, and the epoch has moved on.
    let next = FetchRequest::default().with_session_id(id).with_session_epoch(3).with_max_bytes(i32::MAX);
    let again = client.call(12, &next).await;
    assert_eq!(again.message.error_code, 0);
    assert!(records_in(&again) > 15_000 && since(begin) < SOON);
}

/// Its throttle comes when the connection waits for the next request already.
#[tokio::test]
async fn a_fetch_that_waited_is_throttled_before_the_next_request() {
    let (running, key) = (broker().await, Key::ConsumerByteRate);
    let (mut client, mut producer) = (running.client().await, running.client().await);
    assert_eq!(produce(&mut producer, 5000).await, 0);
    // 9000 bytes at once.
    set(&running, CLIENT, key, Some(900.0));
    assert!(records_in(&client.call(12, &fetch()).await) > 5000);
    let waiting = fetch_request("t", Uuid::nil(), 12, &[(0, 1)]).with_max_wait_ms(30_000).with_min_bytes(1);
    client.send(12, &waiting).await;
    // So that it waits; one that did not would be throttled as well.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(produce(&mut producer, 5000).await, 0);
    let (_, answer) = client.receive::<FetchRequest>(12).await;
    assert!(answer.message.throttle_time_ms >= 500, "{}", answer.message.throttle_time_ms);
    assert!(answered_after(&mut client).await >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_throttled_fetch_makes_no_session() {
    let (running, key) = (broker().await, Key::ConsumerByteRate);
    let mut client = running.client().await;
    for _ in 0..3 {
        assert_eq!(produce(&mut client, 5000).await, 0);
    }
    set(&running, CLIENT, key, Some(800.0));
    assert!(records_in(&client.call(12, &fetch()).await) > 0);
    let empty = client.call(12, &in_session(fetch(), 0, 0)).await;
    assert!(empty.message.throttle_time_ms > 0 && empty.message.responses.is_empty());
    assert_eq!((empty.message.session_id, empty.message.error_code), (0, 0));
}

#[tokio::test]
async fn time_of_threads_throttles_any_request_but_no_login() {
    let (running, key) = (broker().await, Key::RequestPercentage);
    set(&running, CLIENT, key, Some(1e-6));
    let mut client = running.client().await;
    assert_eq!(client.call(1, &ApiVersionsRequest::default()).await.throttle_time_ms, 0);
    let begin = timer_now();
    let answer = client.call(4, &MetadataRequest::default()).await;
    assert_eq!(answer.throttle_time_ms, 1000, "one window at most");
    answered_after(&mut client).await;
    assert!(since(begin) >= Duration::from_millis(900));
}

fn name(text: &'static str) -> TopicName {
    TopicName(text.into())
}

#[tokio::test]
async fn changes_of_topics_are_refused_to_newer_clients() {
    let (running, key) = (broker().await, Key::ControllerMutationRate);
    set(&running, CLIENT, key, Some(1.0));
    let mut client = running.client().await;
    let topic = |text, partitions| {
        CreatableTopic::default()
            .with_name(name(text))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
    };
    let create = |topics| CreateTopicsRequest::default().with_topics(topics);
    // Only validated, it costs nothing.
    let validated = create(vec![topic("z", 100)]).with_validate_only(true);
    assert_eq!(client.call(7, &validated).await.topics[0].error_code, 0);
    let answer = client.call(7, &create(vec![topic("a", 12), topic("b", 1)])).await;
    let codes: Vec<i16> = answer.topics.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [0, 89], "11 tokens, of which one request may take more");
    assert!((800..=1000).contains(&answer.throttle_time_ms), "{}", answer.throttle_time_ms);
    set(&running, CLIENT, key, Some(0.001));
    // Muted until the debt would have been paid: another connection of the client has the same account.
    let mut other = running.client().await;
    let grow = CreatePartitionsTopic::default().with_name(name("a")).with_count(13).with_assignments(None);
    let grow = CreatePartitionsRequest::default().with_topics(vec![grow]);
    assert_eq!(other.call(3, &grow).await.results[0].error_code, 89);
    let mut third = running.client().await;
    let delete = DeleteTopicState::default().with_name(Some(name("a")));
    let delete = DeleteTopicsRequest::default().with_topics(vec![delete]);
    assert_eq!(third.call(6, &delete).await.responses[0].error_code, 89);
}

#[tokio::test]
async fn changes_of_topics_by_older_clients_are_carried_out_and_followed_by_a_throttle() {
    let (running, key) = (broker().await, Key::ControllerMutationRate);
    set(&running, CLIENT, key, Some(1.0));
    let mut client = running.client().await;
    let topic =
        CreatableTopic::default().with_name(name("a")).with_num_partitions(12).with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![topic]);
    let answer = client.call(5, &create).await;
    assert_eq!((answer.topics[0].error_code, answer.throttle_time_ms), (0, 1000));
    set(&running, CLIENT, key, Some(100.0));
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![name("a")]);
    let answer = client.call(4, &delete).await;
    assert_eq!(answer.responses[0].error_code, 0);
}

#[tokio::test]
async fn connections_above_the_quota_of_their_address_are_held_and_closed_unread() {
    let (running, key) = (broker().await, Key::ConnectionCreationRate);
    set(&running, ("ip", Some("127.0.0.7")), key, Some(1.0));
    for _ in 0..10 {
        answered_after(&mut running.client_from([127, 0, 0, 7]).await).await;
    }
    let begin = timer_now();
    let mut refused = running.client_from([127, 0, 0, 7]).await;
    refused.send(0, &ApiVersionsRequest::default()).await;
    assert!(refused.receive_frame().await.is_none());
    assert!(since(begin) >= Duration::from_millis(900), "{:?}", since(begin));
    answered_after(&mut running.client_from([127, 0, 0, 8]).await).await;
}
