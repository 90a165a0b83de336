//! ListOffsets, key 2: the first, the last, or the first offset at a time, of partitions.
//!
//! Versions 0–11:
//! - v1: one offset with its timestamp in place of a list of offsets (KIP-79).
//! - v2: the isolation level (KIP-98).
//! - v3: as v2 (KIP-219).
//! - v4: leader epochs (KIP-320).
//! - v5: as v4; OFFSET_NOT_AVAILABLE, which does not occur here.
//! - v6: flexible.
//! - v7: the offset of the largest timestamp (KIP-734).
//! - v8: the first local offset with tiered storage (KIP-405).
//! - v9: the last offset in tiered storage (KIP-1005).
//! - v10: a timeout for reads from tiered storage (KIP-1075).
//! - v11: the first offset that is yet to go there (KIP-1023).
//!
//! Without tiered storage the first local offset is the first, and there is none in tiered storage or on its
//! way there, as in Kafka. Version 0 asks for the first offsets of log segments last changed before a time.
//! Here a partition is one segment, changed at the greatest timestamp in it; as in Kafka the end of the log
//! counts as one more.
//!
//! A negative timestamp that the version does not define is answered UNSUPPORTED_VERSION, a partition that is
//! named twice INVALID_REQUEST. Replica ids are not looked at.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::list_offsets_request::ListOffsetsPartition;
use codec::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use codec::messages::{ListOffsetsRequest, ListOffsetsResponse};
use storage::{Isolation, Partition, TimestampedOffset};

use super::{Answer, Api, Reply};
use crate::kafka::access::{Access, Operation, TOPIC, each};
use crate::kafka::context::Context;
use crate::session::authorizer::Permit;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;
use crate::topics::position::{check_leader_epoch, epoch_from_wire};

/// From this version on an answer has the leader epoch of its offset (KIP-320).
const LEADER_EPOCH_FROM: i16 = 4;
/// Wire value of `isolation.level=read_committed`.
const READ_COMMITTED: i8 = 1;
/// Timestamps with a meaning of their own (`ListOffsetsRequest`).
const LATEST: i64 = -1;
/// The log start offset; see `LATEST`.
const EARLIEST: i64 = -2;
/// Wire value for no offset, no timestamp and no epoch.
const NONE: i64 = -1;

/// See the file's header.
pub(super) struct ListOffsets;

impl Api for ListOffsets {
    type Request = ListOffsetsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=11;
    const ACCESS: Access = Access::Needs(&[each(TOPIC, Operation::Describe)]);

    async fn handle(cx: &Context, request: ListOffsetsRequest) -> Answer<Self> {
        let isolation = match request.isolation_level {
            READ_COMMITTED => Isolation::ReadCommitted,
            // Kafka fails at a level that does not exist; here it is the one that shows most.
            _ => Isolation::ReadUncommitted,
        };
        // `ReplicaManager.fetchOffset` refuses every mention, not only the later ones.
        let twice = named_twice(&request);
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let key = TopicRef::named(&topic.name);
            let permit = cx.authorize_topic(Operation::Describe, &key);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in &topic.partitions {
                let is_repeated = twice.contains(&(key.clone(), asked.partition_index));
                partitions.push(if cx.api_version() == 0 {
                    let found = match &permit {
                        Ok(permit) => segments(cx, permit, &key, asked).await,
                        Err(error) => Err(*error),
                    };
                    segments_response(asked.partition_index, found)
                } else if is_repeated && permit.is_ok() {
                    let refused = Err(PartitionError::InvalidRequest);
                    partition_response(asked.partition_index, &refused, cx.api_version())
                } else {
                    let found = match &permit {
                        Ok(permit) => look_up(cx, permit, &key, asked, isolation).await,
                        Err(error) => Err(*error),
                    };
                    partition_response(asked.partition_index, &found, cx.api_version())
                });
            }
            topics
                .push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
        }
        Ok(Reply::Response(ListOffsetsResponse::default().with_topics(topics)))
    }

    fn first_error(response: &ListOffsetsResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// The meaning of a timestamp of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The offset after the last visible record.
    Latest,
    /// The log start offset.
    Earliest,
    /// The first record with the greatest timestamp (KIP-734).
    MaxTimestamp,
    /// Something of tiered storage: there is none, so the answer is no offset.
    Tiered,
    /// The first record whose timestamp, in Unix milliseconds, is at least this.
    AtOrAfter(i64),
}

impl Asked {
    /// Kafka: `ReplicaManager.isListOffsetsTimestampUnsupported`.
    ///
    /// # Errors
    /// The timestamp means nothing, or not yet in this version.
    fn of(timestamp: i64, version: i16) -> Result<Self, PartitionError> {
        let (asked, since) = match timestamp {
            LATEST => (Self::Latest, 1),
            EARLIEST => (Self::Earliest, 1),
            // KIP-734: the record with the greatest timestamp, which need not be the last one.
            -3 => (Self::MaxTimestamp, 7),
            // Without tiered storage all that there is, is local.
            -4 => (Self::Earliest, 8),
            // KIP-1005: the last offset that lies in tiered storage.
            -5 => (Self::Tiered, 9),
            // KIP-1023: the first offset that is still to be moved to tiered storage.
            -6 => (Self::Tiered, 11),
            0.. => (Self::AtOrAfter(timestamp), 0),
            _ => return Err(PartitionError::UnsupportedVersion),
        };
        if version < since { Err(PartitionError::UnsupportedVersion) } else { Ok(asked) }
    }
}

/// An answer for one partition.
#[derive(Debug, PartialEq, Eq)]
struct Offset {
    offset: i64,
    timestamp: i64,
    leader_epoch: i32,
}

/// There is no such record: an answer without an error, as in Kafka.
const NOTHING: Offset = Offset { offset: NONE, timestamp: NONE, leader_epoch: -1 };

/// The partitions that the request names more than once.
fn named_twice(request: &ListOffsetsRequest) -> HashSet<(TopicRef, i32)> {
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for topic in &request.topics {
        let key = TopicRef::named(&topic.name);
        for partition in &topic.partitions {
            let named = (key.clone(), partition.partition_index);
            if !seen.insert(named.clone()) {
                twice.insert(named);
            }
        }
    }
    twice
}

/// Answers one partition. A look-up by timestamp, or of the greatest one, may wait for the disk; the others
/// answer from memory.
///
/// # Errors
/// There is no such partition, its leader epoch is not the one that the client believes, the version lacks
/// what is asked for, or the disk failed.
async fn look_up(
    cx: &Context,
    permit: &Permit,
    topic: &TopicRef,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Offset, PartitionError> {
    let what = Asked::of(asked.timestamp, cx.api_version())?;
    let partition = cx.topics(permit).find(topic, asked.partition_index)?.partition;
    check_leader_epoch(partition.leader_epoch(), epoch_from_wire(asked.current_leader_epoch))?;
    let visible_end = match isolation {
        Isolation::ReadUncommitted => partition.high_watermark(),
        Isolation::ReadCommitted => partition.last_stable_offset(),
    };
    let without_time =
        |offset| Offset { offset, timestamp: NONE, leader_epoch: epoch_at(&partition, offset) };
    let found = match what {
        Asked::Earliest => return Ok(without_time(partition.log_start_offset())),
        Asked::Latest => {
            // The present epoch: the record at that offset is still to be written.
            return Ok(Offset { leader_epoch: partition.leader_epoch(), ..without_time(visible_end) });
        }
        // Nothing was ever moved away, nor is about to be.
        Asked::Tiered => return Ok(NOTHING),
        Asked::MaxTimestamp => cx.io(permit).shard().max_timestamp(&partition).await,
        Asked::AtOrAfter(timestamp) => {
            cx.io(permit).shard().offset_for_timestamp(&partition, timestamp, isolation).await
        }
    };
    let found = found?;
    // Not beyond what the client may see, such as a record of a transaction that is still open.
    let visible = found.filter(|found| found.offset < visible_end);
    Ok(visible.map_or(NOTHING, |TimestampedOffset { offset, timestamp_ms, leader_epoch }| Offset {
        offset,
        timestamp: timestamp_ms,
        leader_epoch,
    }))
}

/// The answer of version 0 (Kafka's `UnifiedLog.legacyFetchOffsetsBefore` with one segment): falling offsets, as many as
/// asked for.
async fn segments(
    cx: &Context,
    permit: &Permit,
    topic: &TopicRef,
    asked: &ListOffsetsPartition,
) -> Result<Vec<i64>, PartitionError> {
    let partition = cx.topics(permit).find(topic, asked.partition_index)?.partition;
    let (start, end) = (partition.log_start_offset(), partition.high_watermark());
    let is_empty = start == end;
    let mut offsets = match asked.timestamp {
        LATEST | EARLIEST if is_empty => vec![start],
        LATEST => vec![end, start],
        EARLIEST => vec![start],
        // The segment that is being written counts as changed now.
        time if time >= cx.clock().now_ms() && !is_empty => vec![end, start],
        time => {
            let newest = cx.io(permit).shard().max_timestamp(&partition).await?;
            let changed_before = newest.is_none_or(|newest| newest.timestamp_ms <= time);
            if changed_before && time >= 0 { vec![start] } else { Vec::new() }
        }
    };
    // A negative count asks for none.
    offsets.truncate(usize::try_from(asked.max_num_offsets).unwrap_or(0));
    Ok(offsets)
}

/// The answer of version 0 for one partition: offsets, or a code.
fn segments_response(index: i32, found: Result<Vec<i64>, PartitionError>) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(index);
    match found {
        Ok(offsets) => response.with_old_style_offsets(offsets),
        Err(error) => response.with_error_code(ErrorCode::from(&error).code()),
    }
}

/// The leader epoch in which the record at `offset` was written: the last one that ends after it.
fn epoch_at(partition: &Partition, offset: i64) -> i32 {
    let mut epoch = partition.leader_epoch();
    // Epochs only rise with an unclean start, so there are few of them.
    while let Some(before) = epoch.checked_sub(1) {
        let end = partition.epoch_end_offset(before);
        if end.leader_epoch < 0 || end.end_offset <= offset {
            break;
        }
        epoch = end.leader_epoch;
    }
    epoch
}

/// The answer of version 1 and later for one partition. A refusal has no offset and no timestamp (-1).
fn partition_response(
    index: i32,
    found: &Result<Offset, PartitionError>,
    version: i16,
) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(index);
    match found {
        Ok(found) => {
            let response = response.with_offset(found.offset).with_timestamp(found.timestamp);
            if version >= LEADER_EPOCH_FROM {
                response.with_leader_epoch(found.leader_epoch)
            } else {
                response
            }
        }
        Err(error) => {
            response.with_error_code(ErrorCode::from(error).code()).with_offset(NONE).with_timestamp(NONE)
        }
    }
}

#[cfg(test)]
mod tests;
