//! The life of a log as clients see it: old records go, by age, by size and on request, and their space comes back.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use codec::messages::{DeleteRecordsRequest, DeleteTopicsRequest, DescribeLogDirsRequest, TopicName};
use codec::records::BatchBuilder;
use ottla_tests::admin::{create_topic_with, list_offset, topic_name};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::consumer::{Ask, fetch};
use ottla_tests::eventually;
use ottla_tests::producer::produce;

const EARLIEST: i64 = -2;
const LATEST: i64 = -1;
const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const POLICY_VIOLATION: i16 = 44;

fn broker() -> Result<TestBroker> {
    Options::default().set("log.retention.check.interval.ms", 100).start()
}

/// Appends `count` batches of one record of `bytes`.
fn append(client: &mut Client, topic: &str, count: usize, bytes: usize) -> Result<()> {
    let value = vec![7; bytes];
    for _ in 0..count {
        let batch: Bytes = BatchBuilder::new().record(1, None, Some(&value)).build();
        produce(client, topic, 0, -1, batch)?;
    }
    Ok(())
}

fn span(client: &mut Client, topic: &str) -> Result<(i64, i64)> {
    Ok((list_offset(client, topic, 0, EARLIEST)?, list_offset(client, topic, 0, LATEST)?))
}

#[test]
fn records_are_deleted_by_age_whatever_their_timestamps_say() -> Result<()> {
    let broker = broker()?;
    let mut client = Client::connect(broker.address())?;
    create_topic_with(&mut client, "short", 1, &[("retention.ms", "400")])?;
    create_topic_with(&mut client, "kept", 1, &[("retention.ms", "-1")])?;
    create_topic_with(&mut client, "compacted", 1, &[("retention.ms", "1"), ("cleanup.policy", "compact")])?;
    for topic in ["short", "kept", "compacted"] {
        let batch: Bytes = BatchBuilder::new().record(1, Some(b"key"), Some(b"value")).build();
        produce(&mut client, topic, 0, -1, batch)?;
    }
    let appended = Instant::now();
    ensure!(span(&mut client, "short")? == (0, 1), "its timestamp is of 1970, yet it was appended just now");
    eventually!(10, span(&mut client, "short")? == (1, 1), "it is old");
    ensure!(appended.elapsed() >= Duration::from_millis(300), "it went too early");
    let below = fetch(&mut client, &Ask { topic: "short", partition: 0, offset: 0, max_wait_ms: 0 })?;
    ensure!(below.error_code == OFFSET_OUT_OF_RANGE, "an offset that is gone: {}", below.error_code);
    ensure!(span(&mut client, "kept")? == (0, 1) && span(&mut client, "compacted")? == (0, 1));
    append(&mut client, "short", 1, 10)?;
    eventually!(10, span(&mut client, "short")? == (2, 2), "offsets go on");
    Ok(())
}

#[test]
fn a_partition_keeps_as_many_bytes_as_it_may() -> Result<()> {
    let mut broker = broker()?;
    let mut client = Client::connect(broker.address())?;
    create_topic_with(&mut client, "small", 1, &[("retention.bytes", "300000")])?;
    append(&mut client, "small", 100, 10_000)?;
    eventually!(10, size(&mut client, "small")? < 300_000 + 140_000, "{} bytes", size(&mut client, "small")?);
    ensure!(size(&mut client, "small")? >= 300_000, "too much went");
    let before = (span(&mut client, "small")?, size(&mut client, "small")?);
    broker.kill_9()?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    ensure!((span(&mut client, "small")?, size(&mut client, "small")?) == before, "a kill changed it");
    Ok(())
}

/// Size of the topic's first partition in DescribeLogDirs.
fn size(client: &mut Client, name: &str) -> Result<i64> {
    let answer = client.call(4, &DescribeLogDirsRequest::default().with_topics(None))?;
    let result = answer.results.first().context("no log dir")?;
    ensure!(result.total_bytes > result.usable_bytes && result.usable_bytes > 0, "{result:?}");
    let topic = result.topics.iter().find(|topic| topic.name.as_str() == name).context("no such topic")?;
    Ok(topic.partitions.first().context("no partition")?.partition_size)
}

/// Deletes records below each offset of partition 0; returns the answers' error codes and log starts.
fn delete_records(client: &mut Client, asked: &[(&str, i64)]) -> Result<Vec<(i16, i64)>> {
    let topic = |(name, offset): &(&str, i64)| {
        let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(*offset);
        DeleteRecordsTopic::default().with_name(topic_name(name)).with_partitions(vec![partition])
    };
    let topics = asked.iter().map(topic).collect();
    let answer =
        client.call(2, &DeleteRecordsRequest::default().with_topics(topics).with_timeout_ms(1000))?;
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    Ok(partitions.map(|partition| (partition.error_code, partition.low_watermark)).collect())
}

#[test]
fn records_deleted_on_request_stay_deleted() -> Result<()> {
    let mut broker = broker()?;
    let mut client = Client::connect(broker.address())?;
    create_topic_with(&mut client, "a", 1, &[])?;
    create_topic_with(&mut client, "b", 1, &[])?;
    create_topic_with(&mut client, "compacted", 1, &[("cleanup.policy", "compact")])?;
    for topic in ["a", "b"] {
        append(&mut client, topic, 10, 100)?;
    }
    let answers = delete_records(&mut client, &[("a", 4), ("b", -1), ("compacted", 0), ("nowhere", 0)])?;
    ensure!(
        answers == [(0, 4), (0, 10), (POLICY_VIOLATION, -1), (UNKNOWN_TOPIC_OR_PARTITION, -1)],
        "{answers:?}"
    );
    let answers = delete_records(&mut client, &[("a", 2), ("b", 11)])?;
    ensure!(answers == [(0, 4), (OFFSET_OUT_OF_RANGE, -1)], "{answers:?}");
    broker.kill_9()?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    ensure!(span(&mut client, "a")? == (4, 10) && span(&mut client, "b")? == (10, 10));
    append(&mut client, "b", 1, 100)?;
    ensure!(span(&mut client, "b")? == (10, 11));
    Ok(())
}

/// Bytes of the table files and journals in the folder.
fn stored_bytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".sst") || name.starts_with("journal-") {
            // It may have been removed meanwhile.
            sum += entry.metadata().map_or(0, |metadata| metadata.len());
        }
    }
    Ok(sum)
}

#[test]
fn a_deleted_topics_space_is_back_within_a_minute() -> Result<()> {
    // With every default: space does not wait for the next check of retention, which is minutes away.
    let broker = Options::default().start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic_with(&mut client, "large", 1, &[])?;
    create_topic_with(&mut client, "small", 1, &[])?;
    for _ in 0..20 {
        append(&mut client, "large", 12, 900_000)?;
        append(&mut client, "small", 1, 100_000)?;
    }
    eventually!(
        10,
        stored_bytes(broker.data())? > 100 << 20,
        "{} bytes in files",
        stored_bytes(broker.data())?
    );
    let started = Instant::now();
    let names: Vec<TopicName> = vec![topic_name("large")];
    client.call(5, &DeleteTopicsRequest::default().with_topic_names(names).with_timeout_ms(1000))?;
    eventually!(60, stored_bytes(broker.data())? < 20 << 20, "{} bytes left", stored_bytes(broker.data())?);
    eprintln!("back after {:.1?}", started.elapsed());
    ensure!(span(&mut client, "small")? == (0, 20), "its neighbour stays");
    let found = fetch(&mut client, &Ask { topic: "small", partition: 0, offset: 0, max_wait_ms: 0 })?;
    ensure!(found.error_code == 0 && found.records.is_some_and(|records| records.len() > 100_000));
    Ok(())
}
