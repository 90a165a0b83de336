//! Topics with `cleanup.policy=compact`, as a client sees them: the records that they refuse (KIP-467), and the records that remain.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::ProduceRequest;
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::produce_response::PartitionProduceResponse;
use codec::records::{BatchBuilder, Compression, RecordBatch, batches};
use ottla_tests::admin::{create_topic, create_topic_with, init_producer_id, list_offset, topic_name};
use ottla_tests::broker::TestBroker;
use ottla_tests::client::Client;
use ottla_tests::consumer::{Ask, fetch};
use ottla_tests::eventually;

const INVALID_RECORD: i16 = 87;
/// ListOffsets' timestamp for the end of the log.
const LATEST: i64 = -1;

/// A broker with a topic of every policy, two partitions each.
fn broker() -> Result<(TestBroker, Client)> {
    let broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    for (topic, policy) in [("compacted", "compact"), ("both", "compact,delete")] {
        create_topic_with(&mut client, topic, 2, &[("cleanup.policy", policy)])?;
    }
    create_topic(&mut client, "plain", 2)?;
    Ok((broker, client))
}

/// Produces with acks=all, one batch for each `(topic, partition)`; their answers in order.
fn produce(
    client: &mut Client,
    version: i16,
    batches: &[(&str, i32, Bytes)],
) -> Result<Vec<PartitionProduceResponse>> {
    let topics = batches.iter().map(|(topic, partition, batch)| {
        let data = PartitionProduceData::default().with_index(*partition).with_records(Some(batch.clone()));
        TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data])
    });
    let request = ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(topics.collect());
    let response = client.call(version, &request)?;
    Ok(response.responses.into_iter().flat_map(|topic| topic.partition_responses).collect())
}

/// Records with these keys.
fn batch(compression: Compression, keys: &[Option<&str>]) -> BatchBuilder {
    let empty = BatchBuilder::new().compression(compression);
    keys.iter().fold(empty, |batch, key| batch.record(1, key.map(str::as_bytes), Some(b"value")))
}

#[test]
fn a_batch_with_records_without_a_key_is_refused_as_a_whole_and_names_them() -> Result<()> {
    let (_broker, mut client) = broker()?;
    for compression in Compression::ALL {
        let mixed = batch(compression, &[None, Some("a"), Some(""), None]).build();
        for topic in ["compacted", "both"] {
            let answer = produce(&mut client, 9, &[(topic, 0, mixed.clone())])?.remove(0);
            ensure!(answer.error_code == INVALID_RECORD, "{compression} into {topic}: {answer:?}");
            let named: Vec<i32> = answer.record_errors.iter().map(|record| record.batch_index).collect();
            ensure!(named == [0, 3], "{compression} into {topic}: {answer:?}");
            let told = |text: &Option<codec::messages::StrBytes>, word: &str| {
                text.as_ref().is_some_and(|text| text.contains(word))
            };
            ensure!(told(&answer.error_message, "2 record errors"), "{answer:?}");
            ensure!(told(&answer.record_errors[0].batch_index_error_message, "without key"), "{answer:?}");
            ensure!(answer.base_offset == -1 && list_offset(&mut client, topic, 0, LATEST)? == 0);
        }
        let answer = produce(&mut client, 9, &[("plain", 0, mixed)])?.remove(0);
        ensure!(answer.error_code == 0, "{compression} into plain: {answer:?}");
    }
    // Older versions have no room for the records' errors.
    let answer = produce(&mut client, 7, &[("compacted", 0, batch(Compression::None, &[None]).build())])?;
    ensure!(answer[0].error_code == INVALID_RECORD && answer[0].record_errors.is_empty(), "{answer:?}");
    Ok(())
}

#[test]
fn other_partitions_of_the_request_are_not_refused_with_it() -> Result<()> {
    let (_broker, mut client) = broker()?;
    let keyed = batch(Compression::Lz4, &[Some("a"), Some("b")]).build();
    let keyless = batch(Compression::Lz4, &[None]).build();
    let parts = [
        ("compacted", 0, keyed.clone()),
        ("compacted", 1, keyless.clone()),
        ("both", 0, keyless.clone()),
        ("plain", 1, keyless),
        ("both", 1, keyed),
    ];
    let codes: Vec<i16> = produce(&mut client, 8, &parts)?.iter().map(|answer| answer.error_code).collect();
    ensure!(codes == [0, INVALID_RECORD, INVALID_RECORD, 0, 0], "{codes:?}");
    for ((topic, partition, _), code) in parts.iter().zip(codes) {
        let end = list_offset(&mut client, topic, *partition, LATEST)?;
        ensure!((end > 0) == (code == 0), "{topic}-{partition} ends at {end}");
    }
    Ok(())
}

#[test]
fn a_refused_batch_takes_no_sequence() -> Result<()> {
    let (_broker, mut client) = broker()?;
    let (id, epoch) = init_producer_id(&mut client)?;
    let mut send = |keys: &[Option<&str>], sequence| -> Result<(i16, i64)> {
        let batch = batch(Compression::Zstd, keys).producer(id, epoch, sequence).build();
        let answers = produce(&mut client, 9, &[("compacted", 0, batch)])?;
        let answer = answers.first().context("no answer")?;
        Ok((answer.error_code, answer.base_offset))
    };
    ensure!(send(&[Some("a"), Some("b")], 0)? == (0, 0));
    ensure!(send(&[Some("a"), None], 2)? == (INVALID_RECORD, -1));
    ensure!(send(&[Some("a")], 2)? == (0, 2));
    Ok(())
}

#[test]
fn a_tombstone_is_taken() -> Result<()> {
    let (_broker, mut client) = broker()?;
    let tombstone = BatchBuilder::new().record(1, Some(b"a"), None).build();
    let answer = produce(&mut client, 9, &[("compacted", 0, tombstone)])?.remove(0);
    ensure!(answer.error_code == 0, "{answer:?}");
    Ok(())
}

/// Offset, key and value of every record that a fetch from the log's start finds, all in one answer.
fn left(client: &mut Client, topic: &str) -> Result<Vec<(i64, String, Option<String>)>> {
    let end = list_offset(client, topic, 0, LATEST)?;
    let (mut next, mut left) = (0, Vec::new());
    while next < end {
        let data = fetch(client, &Ask { topic, partition: 0, offset: next, max_wait_ms: 0 })?;
        ensure!(data.error_code == 0, "Fetch at {next}: error {}", data.error_code);
        let found = batches(&data.records.unwrap_or_default()).collect::<Result<Vec<_>, _>>()?;
        ensure!(!found.is_empty(), "nothing at {next}, which ends at {end}");
        for batch in found {
            let (header, bytes) = batch;
            next = header.next_offset();
            for record in RecordBatch::parse_stored(bytes)?.records()? {
                let record = record?;
                let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
                left.push((record.offset, record.key.map(text).unwrap_or_default(), record.value.map(text)));
            }
        }
    }
    Ok(left)
}

#[test]
fn of_each_key_the_newest_record_is_left_also_after_a_kill() -> Result<()> {
    let (mut broker, mut client) = broker()?;
    let settings =
        [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01"), ("delete.retention.ms", "0")];
    create_topic_with(&mut client, "states", 1, &settings)?;
    let mut newest: BTreeMap<String, (i64, String)> = BTreeMap::new();
    let mut offset = 0;
    for round in 0..40 {
        let compression = Compression::ALL[round % Compression::ALL.len()];
        let mut builder = BatchBuilder::new().compression(compression);
        for step in 0..50 {
            let (key, value) = (format!("key-{}", (round * 7 + step) % 60), format!("value {round} {step}"));
            builder.push(1, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
            newest.insert(key, (offset, value));
            offset += 1;
        }
        let answer = produce(&mut client, 9, &[("states", 0, builder.build())])?.remove(0);
        ensure!(answer.error_code == 0, "{answer:?}");
    }
    let tombstone = BatchBuilder::new().record(1, Some(b"key-0"), None).build();
    produce(&mut client, 9, &[("states", 0, tombstone)])?;
    newest.remove("key-0");
    let expected: BTreeSet<_> =
        newest.into_iter().map(|(key, (offset, value))| (offset, key, Some(value))).collect();
    // A tombstone may be visible for a while, the record that it deletes may not.
    let is_clean = |client: &mut Client| -> Result<bool> {
        let left: BTreeSet<_> =
            left(client, "states")?.into_iter().filter(|(.., value)| value.is_some()).collect();
        Ok(left == expected)
    };
    eventually!(
        60,
        is_clean(&mut client)?,
        "{} records left, {} expected",
        left(&mut client, "states")?.len(),
        expected.len()
    );
    broker.kill_9()?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    ensure!(is_clean(&mut client)?, "a kill changed what is left");
    ensure!(list_offset(&mut client, "states", 0, LATEST)? == offset + 1, "offsets go on where they were");
    Ok(())
}
