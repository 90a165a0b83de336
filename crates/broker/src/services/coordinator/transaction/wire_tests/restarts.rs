//! Transactions over restarts of the broker.

use std::time::Duration;

use coordinator::transaction::{ProducerId as OwnerId, ProducerIdAndEpoch, Protocol, Sender};

use super::offsets::{fetch, stage};
use super::*;
use crate::testing::SOON;

#[tokio::test]
async fn an_open_transaction_goes_on_after_a_restart() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut new = init(&mut client, "new", true).await;
    let mut old = init(&mut client, "old", false).await;
    new.write(&mut client, "t", 0, "a").await;
    old.write(&mut client, "t", 0, "b").await;
    assert_eq!(stage(&mut client, 5, &new, "g", 5).await, 0);
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    let seen = read(&mut client, "t", true).await;
    assert_eq!(seen, Seen { values: vec![], last_stable_offset: 0, high_watermark: 2 });
    assert_eq!(fetch(&mut client, "g", true).await, (88, -1));
    assert_eq!(new.send(&mut client, ("t", 0), 1, "c").await.0, 0);
    assert_eq!(new.end(&mut client, true).await, 0);
    assert_eq!(fetch(&mut client, "g", true).await, (0, 5));
    assert_eq!(old.end(&mut client, false).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["a", "c"]);
}

#[tokio::test]
async fn an_end_is_answered_the_same_after_a_restart() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let before = init(&mut client, "new", true).await;
    let mut producer = before;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(before.end_at(&mut client, 5, true).await, (0, producer.id, producer.epoch));
    assert_eq!(before.end_at(&mut client, 5, false).await.0, 48);
    assert_eq!(before.send(&mut client, ("t", 0), 1, "late").await.0, 47);
    producer.write(&mut client, "t", 0, "b").await;
    assert_eq!(producer.end(&mut client, false).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["a"]);
    let next = init(&mut client, "new", true).await;
    assert_eq!((next.id, next.epoch), (producer.id, producer.epoch + 1));
}

#[tokio::test]
async fn a_timeout_counts_on_after_a_restart() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let (_, id, epoch) = init_as(&mut client, "slow", 1_000, (-1, -1)).await;
    let producer = Producer { name: "slow", id, epoch, v2: true };
    producer.write(&mut client, "t", 0, "v").await;
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    let ended = async {
        while latest(&mut client, "t", true).await < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), ended).await.expect("the last stable offset moves");
    assert_eq!(committed(&mut client, "t").await, Vec::<String>::new());
}

/// State and begin of a transactional id, as DescribeTransactions tells them.
async fn described(client: &mut Client, name: &str) -> (String, i64) {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional_id(name)]);
    let state = client.call(0, &request).await.transaction_states.remove(0);
    assert_eq!(state.error_code, 0);
    (state.transaction_state.to_string(), state.transaction_start_time_ms)
}

/// AddPartitionsToTxn may name no partition. As in Kafka 4.3 it begins the transaction all the same, which has no record of a part.
#[tokio::test]
async fn a_transaction_without_parts_goes_on_after_a_restart() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    let (_, id, epoch) = init_as(&mut client, "slow", 1_000, (-1, -1)).await;
    let slow = Producer { name: "slow", id, epoch, v2: false };
    for producer in [producer, slow] {
        let answer = client.call(0, &producer.announcement("t", &[])).await;
        let [topic] = answer.results_by_topic_v3_and_below.as_slice() else { panic!("{answer:?}") };
        assert_eq!((&**topic.name, topic.results_by_partition.len()), ("t", 0));
    }
    let before = described(&mut client, "old").await;
    assert_eq!((&*before.0, before.1 > 0), ("Ongoing", true));
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(described(&mut client, "old").await, before);
    let ended = async {
        while described(&mut client, "slow").await.0 != "CompleteAbort" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("its timeout aborts it");
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(described(&mut client, "old").await.0, "CompleteCommit");
    assert_eq!(latest(&mut client, "t", false).await, 0, "a marker nowhere");
    producer.write(&mut client, "t", 0, "v").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["v"]);
}

/// Syncs of the disk so far.
fn syncs(running: &Running) -> f64 {
    let metrics = running.broker.services.metrics.scrape().unwrap();
    let name = "ottla_storage_sync_duration_seconds_count ";
    metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

/// Users saw: clients before KIP-890 needed three syncs for a transaction.
#[tokio::test]
async fn an_announcement_waits_for_no_sync_and_is_there_after_a_restart() {
    let running = broker_with(&["t"], &[("log.flush.interval.ms", "3600000")]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    let before = syncs(&running);
    assert_eq!(producer.add(&mut client, "t", &[0, 1]).await, [0, 0]);
    assert_eq!(producer.add(&mut client, "t", &[0]).await, [0]);
    // A sync that had begun would be over by then.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(syncs(&running), before);
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(producer.send(&mut client, ("t", 1), 0, "b").await.0, 0);
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(latest(&mut client, "t", true).await, 3, "a, its marker, and one of the second transaction");
}

/// A batch of a transaction that is open already has no records of the coordinator with it. After a take-over between the decision and
/// the append it was in a log that knew of no announcement: nothing ended it.
#[tokio::test]
async fn a_batch_is_appended_only_in_the_term_of_its_coordinator() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "old", false).await;
    assert_eq!(producer.add(&mut client, "t", &[0]).await, [0]);
    let producer = ProducerIdAndEpoch { id: OwnerId(producer.id), epoch: producer.epoch };
    let sender = Sender { producer, connection: u64::MAX };
    let services = &running.broker.services;
    let decided = services.transactions.produce(&"old".into(), sender, &[], Protocol::V1, |_, part| part);
    let (write, _) = decided.unwrap().into_parts();
    let write = write.expect("with the term, if without records");
    let term = services.io.storage().shard().led_epoch().unwrap();
    assert_eq!((write.epoch, write.records), (term, vec![]));
}
