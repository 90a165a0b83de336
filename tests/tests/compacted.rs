//! Topics with `cleanup.policy=compact`: what they refuse of a producer (KIP-467), as a client sees it.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::ProduceRequest;
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::produce_response::PartitionProduceResponse;
use codec::records::{BatchBuilder, Compression};
use ottla_tests::admin::{create_topic, create_topic_with, init_producer_id, list_offset, topic_name};
use ottla_tests::broker::TestBroker;
use ottla_tests::client::Client;

const INVALID_RECORD: i16 = 87;
/// Of a timestamp: the end of the log.
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
