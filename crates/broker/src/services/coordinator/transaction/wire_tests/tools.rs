//! The requests of `kafka-transactions.sh`: lists, descriptions, markers by hand.

use codec::messages::describe_producers_request::TopicRequest;
use codec::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use codec::messages::write_txn_markers_response::WritableTxnMarkerResult;

use super::*;

async fn list(client: &mut Client, request: ListTransactionsRequest) -> (i16, Vec<(String, String)>) {
    let answer = client.call(2, &request).await;
    let listed = answer.transaction_states.iter();
    let listed =
        listed.map(|state| (state.transactional_id.to_string(), state.transaction_state.to_string()));
    (answer.error_code, listed.collect())
}

fn marker(topic: &str, partitions: &[i32], producer: (i64, i16), commit: bool) -> WritableTxnMarker {
    let topic = WritableTxnMarkerTopic::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(partitions.to_vec());
    WritableTxnMarker::default()
        .with_producer_id(ProducerId(producer.0))
        .with_producer_epoch(producer.1)
        .with_transaction_result(commit)
        .with_topics(vec![topic])
}

/// The code of each marker by hand that is in the answer, with its producer id; each marker has one partition at most.
async fn mark_all(client: &mut Client, markers: Vec<WritableTxnMarker>) -> Vec<(i64, i16)> {
    let answer = client.call(1, &WriteTxnMarkersRequest::default().with_markers(markers)).await;
    let one =
        |marker: &WritableTxnMarkerResult| (marker.producer_id.0, marker.topics[0].partitions[0].error_code);
    answer.markers.iter().map(one).collect()
}

/// The code of a marker by hand for partition 0.
pub(super) async fn mark(client: &mut Client, topic: &str, producer: (i64, i16), commit: bool) -> i16 {
    mark_all(client, vec![marker(topic, &[0], producer, commit)]).await[0].1
}

/// The codes of a marker by hand for partition 0 of each topic, by a coordinator of that epoch.
async fn mark_as(
    client: &mut Client,
    coordinator_epoch: i32,
    topics: &[&str],
    producer: (i64, i16),
    commit: bool,
) -> Vec<i16> {
    let one = |topic: &&str| marker(topic, &[0], producer, commit).topics.remove(0);
    let marker = marker("", &[], producer, commit)
        .with_coordinator_epoch(coordinator_epoch)
        .with_topics(topics.iter().map(one).collect());
    let answer = client.call(1, &WriteTxnMarkersRequest::default().with_markers(vec![marker])).await;
    answer.markers[0].topics.iter().map(|topic| topic.partitions[0].error_code).collect()
}

/// The code of an abort by hand for partition 0 that has to raise the producer's epoch, by a coordinator of that epoch.
async fn abort_raising(
    client: &mut Client,
    topic: &str,
    coordinator_epoch: i32,
    producer: (i64, i16),
) -> i16 {
    let marker = marker(topic, &[0], producer, false)
        .with_coordinator_epoch(coordinator_epoch)
        .with_transaction_version(2);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    client.call(2, &request).await.markers[0].topics[0].partitions[0].error_code
}

#[tokio::test]
async fn transactions_are_listed_and_described() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let open = init(&mut client, "open", true).await;
    open.write(&mut client, "t", 0, "v").await;
    let mut ended = init(&mut client, "ended", false).await;
    ended.write(&mut client, "t", 0, "v").await;
    assert_eq!(ended.end(&mut client, true).await, 0);
    let row = |id: &str, state: &str| (id.to_owned(), state.to_owned());
    let both = vec![row("ended", "CompleteCommit"), row("open", "Ongoing")];
    let all = ListTransactionsRequest::default();
    assert_eq!(list(&mut client, all.clone()).await, (0, both.clone()));
    let ongoing = all.clone().with_state_filters(vec![text("Ongoing"), text("Nonsense")]);
    assert_eq!(client.call(2, &ongoing).await.unknown_state_filters, [text("Nonsense")]);
    assert_eq!(list(&mut client, ongoing).await.1, both[1..]);
    let by_id = all.clone().with_producer_id_filters(vec![ProducerId(ended.id)]);
    assert_eq!(list(&mut client, by_id).await.1, both[..1]);
    let matching = |pattern: &str| all.clone().with_transactional_id_pattern(Some(text(pattern)));
    assert_eq!(list(&mut client, matching("o.*")).await.1, both[1..]);
    assert_eq!(list(&mut client, matching("pen")).await.1, []);
    assert_eq!(list(&mut client, matching("(")).await, (128, vec![]));

    let ids = ["open", "nobody", "open", "", "nobody"].map(transactional_id);
    let described =
        client.call(0, &DescribeTransactionsRequest::default().with_transactional_ids(ids.into())).await;
    let codes: Vec<i16> = described.transaction_states.iter().map(|state| state.error_code).collect();
    assert_eq!(codes, [0, 105, 42], "each once");
    let missing = &described.transaction_states[1];
    let filled = (missing.producer_id.0, missing.producer_epoch, missing.transaction_start_time_ms);
    assert_eq!(filled, (0, 0, 0));
    let state = &described.transaction_states[0];
    assert_eq!((&*state.transaction_state, state.transaction_timeout_ms), ("Ongoing", 60_000));
    assert_eq!((state.producer_id.0, state.producer_epoch), (open.id, open.epoch));
    assert_eq!((&**state.topics[0].topic, &*state.topics[0].partitions), ("t", &[0][..]));

    let topic = TopicRequest::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
    let producers = client.call(0, &DescribeProducersRequest::default().with_topics(vec![topic])).await;
    let mut producers: Vec<_> = producers.topics[0].partitions[0]
        .active_producers
        .iter()
        .map(|one| (one.producer_id.0, one.current_txn_start_offset, one.coordinator_epoch >= 0))
        .collect();
    producers.sort_unstable();
    assert_eq!(producers, [(open.id, 0, false), (ended.id, -1, true)]);
}

#[tokio::test]
async fn an_abort_by_hand_ends_all_of_an_open_transaction() {
    let running = broker_with(&["t", "u"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "open", true).await;
    producer.write(&mut client, "t", 0, "v").await;
    producer.write(&mut client, "u", 0, "v").await;
    let named = (producer.id, producer.epoch);
    assert_eq!(mark(&mut client, "missing", named, true).await, 3);
    assert_eq!(mark(&mut client, "t", named, true).await, 48, "a commit would tear it");
    // The producer's transaction is found among those that were loaded, too.
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(mark(&mut client, "t", named, true).await, 48);
    assert_eq!(mark(&mut client, "t", named, false).await, 0);
    for topic in ["t", "u"] {
        assert_eq!(
            (committed(&mut client, topic).await, latest(&mut client, topic, true).await),
            (vec![], 2)
        );
    }
    assert_eq!(producer.send(&mut client, ("t", 0), 1, "late").await.0, 47);
}

/// As in Kafka: the marker may be a late one, of the end before (KIP-1228).
#[tokio::test]
async fn an_abort_by_hand_that_has_to_raise_the_epoch_and_does_not_ends_nothing() {
    let running = broker_with(&["t", "u"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "open", true).await;
    producer.write(&mut client, "t", 0, "v").await;
    producer.write(&mut client, "u", 0, "v").await;
    assert_eq!(abort_raising(&mut client, "t", 0, (producer.id, producer.epoch)).await, 47);
    assert_eq!(producer.end(&mut client, true).await, 0, "it is still open");
    producer.write(&mut client, "t", 0, "w").await;
    producer.write(&mut client, "u", 0, "w").await;
    assert_eq!(abort_raising(&mut client, "t", 0, (producer.id, producer.epoch + 1)).await, 0);
    for topic in ["t", "u"] {
        assert_eq!(committed(&mut client, topic).await, ["v"]);
        assert_eq!(latest(&mut client, topic, true).await, latest(&mut client, topic, false).await);
    }
}

#[tokio::test]
async fn a_hanging_transaction_is_ended_by_hand() {
    let pairs = [("transaction.partition.verification.enable", "false")];
    let running = broker_with(&["t"], &pairs).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "hanging", false).await;
    assert_eq!(producer.send(&mut client, ("t", 0), 0, "v").await.0, 0);
    assert_eq!(latest(&mut client, "t", true).await, 0);
    assert_eq!(mark(&mut client, "t", (producer.id, producer.epoch), false).await, 0);
    assert_eq!((committed(&mut client, "t").await, latest(&mut client, "t", true).await), (vec![], 2));
    // One that no batch can hold fails the request as a whole, unless its partition is missing.
    assert_eq!(mark(&mut client, "t", (producer.id, -1), false).await, -1);
    assert_eq!(mark(&mut client, "t", (-1, 0), false).await, -1);
    assert_eq!(mark(&mut client, "missing", (producer.id, -1), false).await, 3);
    let both = vec![marker("t", &[0], (77, 0), false), marker("t", &[0], (78, -1), false)];
    assert_eq!(mark_all(&mut client, both).await, [(77, -1), (78, -1)]);
    // One of no level of transaction.version fails where it would be written, one of a level to come is of the newest.
    let leveled = |topic, level| marker(topic, &[0], (77, 0), false).with_transaction_version(level);
    let markers = vec![leveled("t", -1), leveled("missing", -1)];
    let answer = client.call(2, &WriteTxnMarkersRequest::default().with_markers(markers)).await;
    let codes = answer.markers.iter().map(|marker| marker.topics[0].partitions[0].error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [-1, 3]);
    assert_eq!(latest(&mut client, "t", true).await, 2, "nothing is written");
    let answer = client.call(2, &WriteTxnMarkersRequest::default().with_markers(vec![leveled("t", 5)])).await;
    assert_eq!(answer.markers[0].topics[0].partitions[0].error_code, 0);
    // One without partitions is not in the answer.
    let mixed = vec![marker("t", &[], (78, 0), false), marker("missing", &[0], (77, 0), false)];
    assert_eq!(mark_all(&mut client, mixed).await, [(77, 3)]);
}

#[tokio::test]
async fn a_marker_by_hand_does_not_fence_the_coordinator() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    let named = (producer.id, producer.epoch);
    assert_eq!(mark_as(&mut client, 1000, &["t"], named, false).await, [0]);
    assert_eq!(mark_as(&mut client, 999, &["t"], named, false).await, [52], "another hand is fenced");
    producer.write(&mut client, "t", 1, "b").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(latest(&mut client, "t", true).await, latest(&mut client, "t", false).await);
    assert_eq!(committed(&mut client, "t").await, ["a", "b"]);
    assert_eq!(mark_as(&mut client, 999, &["t"], named, false).await, [52], "the greater epoch stays");
}

#[tokio::test]
async fn a_marker_by_hand_ends_an_open_transaction_only_where_that_takes_part() {
    let pairs = [("transaction.partition.verification.enable", "false")];
    let running = broker_with(&["t", "u"], &pairs).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    assert_eq!(producer.send(&mut client, ("u", 0), 0, "hangs").await.0, 0);
    producer.write(&mut client, "t", 0, "v").await;
    let named = (producer.id, producer.epoch);
    assert_eq!(mark_as(&mut client, 0, &["u", "missing"], named, false).await, [0, 3]);
    assert_eq!((committed(&mut client, "u").await, latest(&mut client, "u", true).await), (vec![], 2));
    assert_eq!(latest(&mut client, "t", true).await, 0, "still open");
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["v"]);

    producer.write(&mut client, "t", 1, "w").await;
    assert_eq!(producer.send(&mut client, ("u", 0), 1, "hangs").await.0, 0);
    assert_eq!(mark_as(&mut client, 0, &["t"], named, true).await, [48], "a commit would tear it");
    assert_eq!(mark_as(&mut client, 0, &["u", "t"], named, false).await, [0, 0]);
    for (topic, values, end) in [("t", vec!["v".to_owned()], 4), ("u", vec![], 4)] {
        let seen = (committed(&mut client, topic).await, latest(&mut client, topic, true).await);
        assert_eq!(seen, (values, end), "{topic}");
    }
}

/// The partition that takes part stays as it is; the other one gets its marker.
#[tokio::test]
async fn a_commit_by_hand_of_a_participant_and_another_is_refused_for_the_participant_alone() {
    let pairs = [("transaction.partition.verification.enable", "false")];
    let running = broker_with(&["t", "u"], &pairs).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    assert_eq!(producer.send(&mut client, ("u", 0), 0, "hangs").await.0, 0);
    producer.write(&mut client, "t", 0, "v").await;
    let named = (producer.id, producer.epoch);
    assert_eq!(mark_as(&mut client, 0, &["u", "t", "missing"], named, true).await, [0, 48, 3]);
    assert_eq!(committed(&mut client, "u").await, ["hangs"]);
    assert_eq!(
        (latest(&mut client, "t", true).await, latest(&mut client, "t", false).await),
        (0, 1),
        "still open"
    );
    assert_eq!(producer.end(&mut client, false).await, 0);
    assert_eq!((committed(&mut client, "t").await, latest(&mut client, "t", true).await), (vec![], 2));
}

/// 32767 is the greatest epoch that a marker can have: nothing raises it, and it fences every producer of that id in its partition alone.
#[tokio::test]
async fn a_marker_by_hand_of_the_last_epoch_fences_its_partition() {
    let pairs = [("transaction.partition.verification.enable", "false")];
    let running = broker_with(&["t", "u"], &pairs).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    let last = (producer.id, i16::MAX);
    let raising = async |client: &mut Client| abort_raising(client, "t", 1000, last).await;
    assert_eq!(raising(&mut client).await, 0);
    assert_eq!(raising(&mut client).await, 0, "a repeat, as nothing is open");
    assert_eq!(producer.add(&mut client, "t", &[0]).await, [0]);
    assert_eq!(producer.send(&mut client, ("t", 0), 1, "b").await.0, 47);
    producer.write(&mut client, "u", 0, "b").await;
    assert_eq!(
        producer.end(&mut client, true).await,
        0,
        "the marker that its partition refuses undoes no other"
    );
    assert_eq!(
        (committed(&mut client, "t").await, committed(&mut client, "u").await),
        (vec!["a".into()], vec!["b".into()])
    );
    assert_eq!(
        latest(&mut client, "t", true).await,
        latest(&mut client, "t", false).await,
        "nothing is open"
    );

    // A batch of that epoch, which no coordinator has given out: a marker that has to raise it cannot.
    let zombie = Producer { epoch: i16::MAX, ..producer };
    assert_eq!(zombie.send(&mut client, ("t", 0), 0, "hangs").await.0, 0);
    assert_eq!(raising(&mut client).await, 47);
    assert_eq!(mark_as(&mut client, 1000, &["t"], last, false).await, [0]);
    assert_eq!(committed(&mut client, "t").await, ["a"]);
    assert_eq!(init(&mut client, "old", false).await.epoch, producer.epoch + 1, "the id goes on");
}

/// The rig saw the partition that is unknown answered by its own code.
#[tokio::test]
async fn a_marker_that_no_batch_can_hold_fails_the_request_at_any_level() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let marker = marker("t", &[9, 0], (-1, -1), false).with_transaction_version(-1);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let answer = client.call(2, &request).await;
    let codes = answer.markers[0].topics[0].partitions.iter().map(|partition| partition.error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [-1, -1]);
}
