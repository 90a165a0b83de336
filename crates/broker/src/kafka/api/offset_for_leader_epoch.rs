//! OffsetForLeaderEpoch, key 23: where a leader epoch ended, so that a client can tell whether the records it
//! has are still in the log (KIP-320).
//!
//! Versions 0–4:
//! - v1: the epoch in the answer.
//! - v2: the client's current epoch (KIP-320).
//! - v3: the replica id, which is not looked at.
//! - v4: flexible.
//!
//! An epoch ends with an unclean start of the broker, and with nothing else: there is no other leader. No
//! gaps.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use codec::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use codec::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::{Answer, Api, Reply};
use crate::kafka::access::{Access, CLUSTER, Operation, TOPIC, each};
use crate::kafka::context::Context;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;
use crate::topics::position::{EpochEnd, check_leader_epoch, epoch_from_wire};

/// See the file's header.
pub(super) struct OffsetForLeaderEpoch;

impl Api for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const ACCESS: Access =
        Access::Needs(&[each(TOPIC, Operation::Describe).or(CLUSTER, Operation::ClusterAction)]);

    async fn handle(cx: &Context, request: OffsetForLeaderEpochRequest) -> Answer<Self> {
        let topics = request.topics.into_iter().map(|topic| {
            let key = TopicRef::named(&topic.topic);
            let partitions = topic.partitions.iter().map(|asked| {
                let answer = EpochEndOffset::default().with_partition(asked.partition);
                match look_up(cx, &key, asked) {
                    Ok(end) => answer.with_leader_epoch(end.leader_epoch).with_end_offset(end.end_offset),
                    Err(error) => answer.with_error_code(ErrorCode::from(&error).code()),
                }
            });
            let partitions = partitions.collect();
            OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
        });
        Ok(Reply::Response(OffsetForLeaderEpochResponse::default().with_topics(topics.collect())))
    }

    fn first_error(response: &OffsetForLeaderEpochResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// The end of the epoch that is asked for, from memory.
///
/// # Errors
/// The client may not describe the topic, there is no such partition, or its leader epoch is not the one that the client believes
/// (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH).
fn look_up(
    cx: &Context,
    topic: &TopicRef,
    asked: &OffsetForLeaderPartition,
) -> Result<EpochEnd, PartitionError> {
    let cluster = cx.may_cluster(Operation::ClusterAction);
    let permit = cluster.or_else(|_| cx.authorize_topic(Operation::Describe, topic))?;
    let partition = cx.topics(&permit).find(topic, asked.partition)?.partition;
    check_leader_epoch(partition.leader_epoch(), epoch_from_wire(asked.current_leader_epoch))?;
    // An epoch that the log does not know has the end of the last one before it, so that the client can step back (KIP-320).
    let end = partition.epoch_end_offset(asked.leader_epoch);
    Ok(EpochEnd { leader_epoch: end.leader_epoch, end_offset: end.end_offset })
}

#[cfg(test)]
mod tests;
