//! Reading one partition: a fetch, and all of it.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::FetchRequest;
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::fetch_response::PartitionData;

use crate::admin::{list_offset, topic_name};
use crate::client::Client;
use crate::history::{Seen, Watermarks};
use crate::records;

/// Fetch by topic name, without a session.
pub const FETCH_VERSION: i16 = 12;

/// A fetch of one partition.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub offset: i64,
    /// How long to wait for a byte.
    pub max_wait_ms: i32,
}

/// The request.
pub fn fetch_request(ask: &Ask<'_>) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(ask.partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(ask.offset)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(ask.topic)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(ask.max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// One fetch. Refusals are returned, in `error_code`.
///
/// # Errors
/// If the connection breaks or the answer is not about that partition.
pub fn fetch(client: &mut Client, ask: &Ask<'_>) -> Result<PartitionData> {
    let response = client.call(FETCH_VERSION, &fetch_request(ask))?.message;
    ensure!(response.error_code == 0, "Fetch: error {}", response.error_code);
    let mut partitions = response.responses.into_iter().flat_map(|topic| topic.partitions);
    let partition = partitions.next().context("Fetch: no answer")?;
    ensure!(partition.partition_index == ask.partition, "Fetch: another partition");
    Ok(partition)
}

/// Records of a fetch at or after an offset: the broker sends whole batches, and clients drop older records in
/// the first.
///
/// # Errors
/// If the batches are not sound.
pub fn seen(records: Option<Bytes>, from: i64) -> Result<Vec<Seen>> {
    let read = records::read(records.unwrap_or_default())?;
    let new = read.into_iter().filter(|record| record.offset >= from);
    Ok(new
        .map(|record| Seen {
            offset: record.offset,
            leader_epoch: record.leader_epoch,
            id: record.content.id(),
        })
        .collect())
}

/// The watermarks in a fetch's answer.
pub fn watermarks(data: &PartitionData, asked: Instant, answered: Instant) -> Watermarks {
    Watermarks {
        partition: data.partition_index,
        asked,
        answered,
        log_start_offset: data.log_start_offset,
        last_stable_offset: data.last_stable_offset,
        high_watermark: data.high_watermark,
    }
}

/// Everything in a partition, from its first offset to its high watermark.
///
/// # Errors
/// If a fetch is refused, returns nothing although it began below the high watermark, or the batches are not sound.
pub fn read_all(client: &mut Client, topic: &str, partition: i32) -> Result<Vec<Seen>> {
    let end = list_offset(client, topic, partition, -1)?;
    let mut next = list_offset(client, topic, partition, -2)?;
    let mut all = Vec::new();
    while next < end {
        let data = fetch(client, &Ask { topic, partition, offset: next, max_wait_ms: 1000 })?;
        ensure!(data.error_code == 0, "Fetch {topic}-{partition} at {next}: error {}", data.error_code);
        let new = seen(data.records, next)?;
        let last = new
            .last()
            .with_context(|| format!("nothing at {topic}-{partition}:{next}, which ends at {end}"))?;
        next = last.offset + 1;
        all.extend(new);
    }
    Ok(all)
}
