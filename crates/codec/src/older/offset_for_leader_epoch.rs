//! OffsetForLeaderEpoch 0–1, by hand because kafka-protocol begins with version 2.
//!
//! - 0: no current leader epoch; the answer has the end offset without its epoch.
//! - 1: the leader epoch in the answer.
//! - 2 (KIP-320): the current leader epoch, a throttle time in the answer. kafka-protocol's, as all that follow.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use crate::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use crate::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, TopicName};

/// Request and answer change at the same version.
fn layout(version: i16) -> Layout {
    if version < 2 { Layout::Own } else { Layout::KafkaProtocol(version) }
}

impl Extended for OffsetForLeaderEpochRequest {
    const NAME: &'static str = "OffsetForLeaderEpochRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 4;

    fn layout(version: i16) -> Layout {
        layout(version)
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        // The current leader epoch is -1, its default: it is then not compared with the broker's.
        let topics = from.array(6, "Topics", |from| {
            let topic = OffsetForLeaderTopic::default().with_topic(TopicName(from.string("Topic")?));
            let partitions = from.array(8, "Partitions", |from| {
                Ok(OffsetForLeaderPartition::default()
                    .with_partition(from.i32("Partition")?)
                    .with_leader_epoch(from.i32("LeaderEpoch")?))
            })?;
            Ok(topic.with_partitions(partitions))
        })?;
        Ok(OffsetForLeaderEpochRequest::default().with_topics(topics))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.topics, |to, topic| {
            to.string(&topic.topic)?;
            to.array(&topic.partitions, |to, partition| {
                to.out.put_i32(partition.partition);
                to.out.put_i32(partition.leader_epoch);
                Ok(())
            })
        })
    }
}

impl Extended for OffsetForLeaderEpochResponse {
    const NAME: &'static str = "OffsetForLeaderEpochResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 4;

    fn layout(version: i16) -> Layout {
        layout(version)
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let topics = from.array(6, "Topics", |from| {
            let topic = OffsetForLeaderTopicResult::default().with_topic(TopicName(from.string("Topic")?));
            // Code, number and end offset; version 1 adds four bytes between the latter two.
            let partitions = from.array(14, "Partitions", |from| {
                let mut partition = EpochEndOffset::default()
                    .with_error_code(from.i16("ErrorCode")?)
                    .with_partition(from.i32("Partition")?);
                if version >= 1 {
                    partition.leader_epoch = from.i32("LeaderEpoch")?;
                }
                Ok(partition.with_end_offset(from.i64("EndOffset")?))
            })?;
            Ok(topic.with_partitions(partitions))
        })?;
        Ok(OffsetForLeaderEpochResponse::default().with_topics(topics))
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.array(&self.topics, |to, topic| {
            to.string(&topic.topic)?;
            to.array(&topic.partitions, |to, partition| {
                to.out.put_i16(partition.error_code);
                to.out.put_i32(partition.partition);
                if version >= 1 {
                    to.out.put_i32(partition.leader_epoch);
                }
                to.out.put_i64(partition.end_offset);
                Ok(())
            })
        })
    }
}
