//! DeleteRecords, key 21: lets the logs of partitions begin later; what is below is never served again.
//!
//! Versions 0–2:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//!
//! An offset of -1 is the high watermark. A topic that is only compacted refuses (POLICY_VIOLATION), as in
//! Kafka; a partition that is named twice gets INVALID_REQUEST. All partitions of a request go to storage as
//! one call, whose new log starts are synced before the answer.
//!
//! Gaps: `timeout_ms` is not looked at, as nothing is waited for except the sync of the journal.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::delete_records_request::DeleteRecordsPartition;
use codec::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use codec::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use storage::{DeleteBelow, Partition};

use super::{Answer, Api, Reply};
use crate::kafka::access::{Access, Operation, TOPIC, each};
use crate::kafka::context::Context;
use crate::session::authorizer::Permit;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

/// The offset that stands for the high watermark, and for no log start in an answer.
const HIGH_WATERMARK: i64 = -1;

/// See the file's header.
pub(super) struct DeleteRecords;

/// A partition that was asked for, by its place in the request.
type Found = Result<(Arc<Partition>, DeleteBelow, Permit), PartitionError>;

impl Api for DeleteRecords {
    type Request = DeleteRecordsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[each(TOPIC, Operation::Delete)]);

    async fn handle(cx: &Context, request: DeleteRecordsRequest) -> Answer<Self> {
        let mut times: HashMap<(TopicName, i32), usize> = HashMap::new();
        for (name, asked) in all(&request) {
            *times.entry((name.clone(), asked.partition_index)).or_default() += 1;
        }
        let found: Vec<Found> = all(&request)
            .map(|(name, asked)| match times.get(&(name.clone(), asked.partition_index)) {
                Some(1) => find(cx, name, asked),
                _ => Err(PartitionError::InvalidRequest),
            })
            .collect();
        let permit = found.iter().flatten().map(|(_, _, permit)| *permit).next();
        let wanted = found.iter().flatten().map(|(partition, below, _)| (Arc::clone(partition), *below));
        let deleted = match &permit {
            Some(permit) => cx.io(permit).shard().delete_records(wanted.collect()).await,
            // Nothing was found, or nothing may be deleted.
            None => Ok(Vec::new()),
        };
        let mut starts = deleted.map(Vec::into_iter).map_err(PartitionError::from);
        let mut outcomes = found.into_iter().map(|found| match (found, &mut starts) {
            (Err(refused), _) => Err(refused),
            (Ok(_), Err(failed)) => Err(*failed),
            // Storage was asked only for what was found, in this order.
            (Ok(_), Ok(starts)) => Ok(starts.next().ok_or(PartitionError::Storage)??),
        });
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().zip(&mut outcomes);
            let results = partitions.map(|(asked, outcome)| result(asked.partition_index, outcome)).collect();
            DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(results)
        });
        Ok(Reply::Response(DeleteRecordsResponse::default().with_topics(topics.collect())))
    }

    fn first_error(response: &DeleteRecordsResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// Every partition of the request with the name of its topic, in the order of the request.
fn all(request: &DeleteRecordsRequest) -> impl Iterator<Item = (&TopicName, &DeleteRecordsPartition)> {
    request.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |asked| (&topic.name, asked)))
}

/// Finds a partition and what to delete of it.
///
/// # Errors
/// The client may not delete its records, there is no such partition, or its topic's policy is only compaction.
fn find(cx: &Context, name: &TopicName, asked: &DeleteRecordsPartition) -> Found {
    let topic = TopicRef::named(name);
    let permit = cx.authorize_topic(Operation::Delete, &topic)?;
    let found = cx.topics(&permit).find(&topic, asked.partition_index)?;
    // As `Partition.deleteRecordsOnLeader`: compaction alone promises to keep the newest record of each key.
    let policy = found.topic.config.cleanup_policy;
    if policy.compact && !policy.delete {
        return Err(PartitionError::OnlyCompacted);
    }
    let below = match asked.offset {
        HIGH_WATERMARK => DeleteBelow::HighWatermark,
        offset => DeleteBelow::Offset(offset),
    };
    Ok((found.partition, below, permit))
}

/// The answer of one partition: the first offset that is still served, -1 with an error.
fn result(index: i32, outcome: Result<i64, PartitionError>) -> DeleteRecordsPartitionResult {
    let code = outcome.as_ref().err().map_or(ErrorCode::None, ErrorCode::from);
    DeleteRecordsPartitionResult::default()
        .with_partition_index(index)
        .with_low_watermark(outcome.unwrap_or(HIGH_WATERMARK))
        .with_error_code(code.code())
}
