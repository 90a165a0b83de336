//! Commit, abort and timeout, as readers of both isolation levels see them.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_commit_shows_the_records_of_all_partitions_and_an_abort_none() {
    let running = broker_with(&["t", "u"], &[]).await;
    let mut client = running.client().await;
    for (v2, topics) in [(true, ["t", "t"]), (false, ["u", "u"])] {
        let topic = topics[0];
        let mut producer = init(&mut client, if v2 { "new" } else { "old" }, v2).await;
        producer.write(&mut client, topic, 0, "a").await;
        let seen = read(&mut client, topic, true).await;
        assert_eq!(seen, Seen { values: vec![], last_stable_offset: 0, high_watermark: 1 });
        assert_eq!(read(&mut client, topic, false).await.values, ["a"]);
        assert_eq!((latest(&mut client, topic, true).await, latest(&mut client, topic, false).await), (0, 1));
        assert_eq!(producer.end(&mut client, true).await, 0);
        let seen = read(&mut client, topic, true).await;
        assert_eq!(seen, Seen { values: vec!["a".into()], last_stable_offset: 2, high_watermark: 2 });
        // Version 12 raises the epoch, and with it the sequence begins anew.
        producer.write(&mut client, topic, if v2 { 0 } else { 1 }, "b").await;
        assert_eq!(producer.end(&mut client, false).await, 0);
        let seen = read(&mut client, topic, true).await;
        assert_eq!(seen, Seen { values: vec!["a".into()], last_stable_offset: 4, high_watermark: 4 });
    }
}

#[tokio::test]
async fn the_newer_protocol_raises_the_epoch_with_each_end_and_the_older_one_does_not() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut new = init(&mut client, "new", true).await;
    for round in 0..3 {
        assert_eq!(new.epoch, round);
        new.write(&mut client, "t", 0, "v").await;
        let before = new;
        assert_eq!(new.end(&mut client, round != 1).await, 0);
        // Sent again: the same answer, and nothing happens.
        assert_eq!(before.end_at(&mut client, 5, round != 1).await, (0, new.id, new.epoch));
        assert_eq!(latest(&mut client, "t", true).await, 2 * i64::from(round) + 2);
    }
    let mut old = init(&mut client, "old", false).await;
    old.write(&mut client, "t", 0, "v").await;
    assert_eq!((old.end(&mut client, true).await, old.epoch), (0, 0));
    assert_eq!(old.end_at(&mut client, 3, true).await.0, 0, "again");
    assert_eq!(old.end_at(&mut client, 3, false).await.0, 48, "the other way round");
    assert_eq!(old.end_at(&mut client, 5, true).await, (48, -1, -1));
}

#[tokio::test]
async fn partitions_have_to_be_announced_in_the_older_protocol() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "old", false).await;
    for (version, code) in [(9, 48), (11, 120)] {
        let batch = producer.batch(0, "v");
        assert_eq!(producer.send_batch(&mut client, version, ("t", 0), batch).await.0, code, "{version}");
    }
    assert_eq!(producer.add(&mut client, "t", &[0, 7]).await, [55, 3]);
    assert_eq!(producer.send(&mut client, ("t", 0), 0, "v").await.0, 48, "none was added");
    assert_eq!(producer.add(&mut client, "t", &[0]).await, [0]);
    assert_eq!(producer.send(&mut client, ("t", 0), 0, "v").await, (0, 0));
    assert_eq!(producer.send(&mut client, ("t", 1), 0, "v").await.0, 48, "another partition");
}

/// AddPartitionsToTxn that only verifies is a broker's question; the codes are those of a running Kafka 4.3.
#[tokio::test]
async fn a_partition_that_is_verified_and_takes_no_part_is_abortable() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "old", false).await;
    assert_eq!(producer.add(&mut client, "t", &[0]).await, [0]);
    for version in [4, 5] {
        let topic = AddPartitionsToTxnTopic::default().with_name(topic_name("t")).with_partitions(vec![0, 1]);
        let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
            .with_transactional_id(transactional_id("old"))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_verify_only(true)
            .with_topics(vec![topic]);
        let request = AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
        let answer = client.call(version, &request).await;
        let topic = &answer.results_by_transaction[0].topic_results[0];
        let codes: Vec<i16> = topic.results_by_partition.iter().map(|one| one.partition_error_code).collect();
        assert_eq!(codes, [0, 120], "{version}");
    }
}

#[tokio::test]
async fn without_verification_an_unannounced_partition_is_taken_as_in_kafka() {
    let pairs = [("transaction.partition.verification.enable", "false")];
    let running = broker_with(&["t"], &pairs).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    assert_eq!(producer.send(&mut client, ("t", 0), 0, "v").await, (0, 0));
    assert_eq!(producer.end(&mut client, true).await, 48, "the coordinator knows of none");
    assert_eq!(latest(&mut client, "t", true).await, 0, "it hangs");
}

#[tokio::test]
async fn a_produce_that_the_log_refuses_has_begun_the_transaction() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "new", true).await;
    assert_eq!(producer.send(&mut client, ("t", 0), 5, "gap").await.0, 45, "it must begin at 0");
    assert_eq!(producer.end(&mut client, true).await, 0);
    let seen = read(&mut client, "t", true).await;
    assert_eq!(seen, Seen { values: vec![], last_stable_offset: 1, high_watermark: 1 }, "a marker alone");
}

#[tokio::test]
async fn both_protocols_mix_inside_one_transaction() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "flink", true).await;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(producer.end_at(&mut client, 4, true).await.0, 0);
    // The epoch stays, so the sequence goes on.
    producer.write(&mut client, "t", 1, "b").await;
    assert_eq!(producer.end_at(&mut client, 5, true).await, (0, producer.id, 1));
    assert_eq!(committed(&mut client, "t").await, ["a", "b"]);
}

#[tokio::test]
async fn a_batch_without_transaction_does_not_join_an_open_one() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "new", true).await;
    producer.write(&mut client, "t", 0, "a").await;
    let plain = BatchBuilder::new().producer(producer.id, 0, 1).record(1, None, Some(b"v")).build();
    assert_eq!(producer.send_batch(&mut client, 12, ("t", 0), plain).await.0, 48);
    let mut two = init(&mut client, "other", true).await;
    two.id = producer.id;
    assert_eq!(two.send(&mut client, ("t", 0), 0, "v").await.0, 49, "the producer of another id");
}

#[tokio::test]
async fn a_transaction_is_aborted_when_its_timeout_is_over() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let (code, id, epoch) = init_as(&mut client, "slow", 300, (-1, -1)).await;
    assert_eq!(code, 0);
    let mut producer = Producer { name: "slow", id, epoch, v2: true };
    producer.write(&mut client, "t", 0, "v").await;
    let ended = async {
        while latest(&mut client, "t", true).await < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_millis(1300), ended).await.expect("the last stable offset moves");
    assert_eq!(committed(&mut client, "t").await, Vec::<String>::new());
    let stale = producer;
    assert_eq!(stale.end_at(&mut client, 5, true).await.0, 48, "a commit fails");
    assert_eq!(producer.end(&mut client, false).await, 0, "an abort is a repeat");
    assert_eq!(producer.epoch, 1, "the producer goes on");
    producer.write(&mut client, "t", 0, "again").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["again"]);
}

#[tokio::test]
async fn a_topic_that_is_deleted_does_not_hold_up_the_end() {
    let running = broker_with(&["t", "gone"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "new", true).await;
    producer.write(&mut client, "t", 0, "v").await;
    producer.write(&mut client, "gone", 0, "v").await;
    let request =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name("gone")]).with_timeout_ms(10_000);
    assert_eq!(client.call(4, &request).await.responses[0].error_code, 0);
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["v"]);
}

#[tokio::test]
async fn an_id_has_one_alarm_however_often_it_begins() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "new", true).await;
    for _ in 0..3 {
        producer.write(&mut client, "t", 0, "v").await;
        assert_eq!(producer.end(&mut client, true).await, 0);
    }
    assert_eq!(running.broker.services.transactions.shell.alarms.len(), 1);
}

/// A copier of confluent-kafka lost ten records: after an abort without an answer librdkafka gives the sequences of what it had sent to
/// other records.
#[tokio::test]
async fn sequences_of_an_aborted_batch_acknowledge_no_other() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut producer = init(&mut client, "old", false).await;
    producer.write(&mut client, "t", 0, "aborted").await;
    assert_eq!(
        producer.send(&mut client, ("t", 0), 0, "aborted").await,
        (0, 0),
        "a repeat in its transaction"
    );
    assert_eq!(producer.end(&mut client, false).await, 0);
    assert_eq!(producer.add(&mut client, "t", &[0]).await, [0]);
    assert_eq!(producer.send(&mut client, ("t", 0), 0, "new").await, (59, -1));
    // As librdkafka goes on: it aborts, raises its epoch, and counts from 0.
    assert_eq!(producer.end(&mut client, false).await, 0);
    let raised = init_as(&mut client, "old", 60_000, (producer.id, producer.epoch)).await;
    assert_eq!(raised, (0, producer.id, producer.epoch + 1));
    producer.epoch += 1;
    producer.write(&mut client, "t", 0, "new").await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["new"]);
}
