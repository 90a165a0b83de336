//! Leader epochs as clients use them to notice lost records (KIP-320): they rise when the broker was killed, older ones
//! are fenced, and the end of each epoch can be looked up. It needs a process to kill, so it is not with the other tests of the APIs.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::fetch_response::PartitionData;
use codec::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::{OffsetForLeaderEpochRequest, ProduceRequest};
use codec::records::{BatchBuilder, batches};
use ottla_tests::admin::{create_topic, leader_epochs, topic_name};
use ottla_tests::broker::TestBroker;
use ottla_tests::client::Client;
use ottla_tests::consumer::{Ask, fetch_request};

const TOPIC: &str = "orders";
const FENCED_LEADER_EPOCH: i16 = 74;
const UNKNOWN_LEADER_EPOCH: i16 = 75;

/// Appends `count` batches of one record, synced.
fn append(client: &mut Client, count: usize) -> Result<()> {
    for _ in 0..count {
        let batch: Bytes = BatchBuilder::new().record(1, None, Some(b"value")).build();
        let data = PartitionProduceData::default().with_index(0).with_records(Some(batch));
        let topic = TopicProduceData::default().with_name(topic_name(TOPIC)).with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(None)
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        let response = client.call(9, &request)?;
        let answer = response.responses.first().and_then(|topic| topic.partition_responses.first());
        ensure!(answer.is_some_and(|answer| answer.error_code == 0), "Produce: {answer:?}");
    }
    Ok(())
}

/// A fetch at `offset` by a client that believes in `current_leader_epoch` and has records of `last_fetched_epoch`.
fn fetch(
    client: &mut Client,
    offset: i64,
    current_leader_epoch: i32,
    last_fetched_epoch: i32,
) -> Result<PartitionData> {
    let mut request = fetch_request(&Ask { topic: TOPIC, partition: 0, offset, max_wait_ms: 0 });
    for partition in request.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.current_leader_epoch = current_leader_epoch;
        partition.last_fetched_epoch = last_fetched_epoch;
    }
    let response = client.call(12, &request)?.message;
    response.responses.into_iter().flat_map(|topic| topic.partitions).next().context("Fetch: no answer")
}

/// Epoch and end offset that the broker has for `epoch`.
fn end_of(client: &mut Client, epoch: i32) -> Result<(i32, i64)> {
    let asked = OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default().with_topic(topic_name(TOPIC)).with_partitions(vec![asked]);
    let response = client.call(4, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic]))?;
    let answer = response.topics.first().and_then(|topic| topic.partitions.first()).context("no answer")?;
    ensure!(answer.error_code == 0, "OffsetForLeaderEpoch: error {}", answer.error_code);
    Ok((answer.leader_epoch, answer.end_offset))
}

fn epoch(client: &mut Client) -> Result<i32> {
    leader_epochs(client, TOPIC)?.first().copied().context("no partition")
}

#[test]
fn a_killed_brokers_epoch_is_over() -> Result<()> {
    let mut broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 1)?;
    append(&mut client, 3)?;
    let before = epoch(&mut client)?;

    broker.kill_9()?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    let after = epoch(&mut client)?;
    ensure!(after > before, "epoch {after} after {before}");
    append(&mut client, 2)?;

    // A client with an older leader epoch is fenced, and one with a newer epoch is refused too.
    assert_eq!(fetch(&mut client, 0, before, -1)?.error_code, FENCED_LEADER_EPOCH);
    assert_eq!(fetch(&mut client, 0, after + 1, -1)?.error_code, UNKNOWN_LEADER_EPOCH);
    assert_eq!(fetch(&mut client, 0, after, -1)?.error_code, 0);
    // The end of each epoch.
    assert_eq!(end_of(&mut client, before)?, (before, 3));
    assert_eq!(end_of(&mut client, after)?, (after, 5));
    assert_eq!(end_of(&mut client, after + 1)?, (-1, -1));
    // A client with records that the old leader lost has to go back to the end of its epoch.
    let diverging = fetch(&mut client, 4, after, before)?;
    assert_eq!((diverging.error_code, diverging.diverging_epoch.epoch), (0, before));
    assert_eq!(diverging.diverging_epoch.end_offset, 3);
    ensure!(diverging.records.is_none_or(|records| records.is_empty()), "records in spite of divergence");
    let in_line = fetch(&mut client, 3, after, before)?;
    let records = in_line.records.context("no records")?;
    let epochs: Result<Vec<i32>, _> =
        batches(&records).map(|batch| batch.map(|(header, _)| header.partition_leader_epoch)).collect();
    assert_eq!(epochs?, [after, after], "batches carry the epoch in which they were appended");
    Ok(())
}

#[test]
fn a_clean_restart_keeps_the_epoch_valid_for_old_offsets() -> Result<()> {
    let mut broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 1)?;
    append(&mut client, 3)?;
    let before = epoch(&mut client)?;
    broker.terminate()?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    let now = epoch(&mut client)?;
    ensure!(now >= before, "epoch {now} after {before}");
    assert_eq!(end_of(&mut client, before)?, (before, 3));
    assert_eq!(fetch(&mut client, 3, now, before)?.error_code, 0);
    Ok(())
}
