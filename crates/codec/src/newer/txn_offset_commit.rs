//! TxnOffsetCommit, by hand at all versions because kafka-protocol's structs have no room for the fields of version 6.
//!
//! - 0: 1 is laid out alike.
//! - 2 (KIP-320): leader epochs.
//! - 3 (KIP-447): the consumer of the group; flexible. 4 and 5 are laid out alike.
//! - 6 (KIP-1319): topics by their ids.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout, never_by_kafka_protocol};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use crate::messages::{
    GroupId, ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

const LEADER_EPOCH_FROM: i16 = 2;
const FLEXIBLE_FROM: i16 = 3;
/// The version that is flexible also tells of the consumer.
const MEMBER_FROM: i16 = FLEXIBLE_FROM;
const TOPIC_IDS_FROM: i16 = 6;

never_by_kafka_protocol!(TxnOffsetCommitRequest, TxnOffsetCommitResponse);

impl Extended for TxnOffsetCommitRequest {
    const NAME: &'static str = "TxnOffsetCommitRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(from.string("TransactionalId")?))
            .with_group_id(GroupId(from.string("GroupId")?))
            .with_producer_id(ProducerId(from.i64("ProducerId")?))
            .with_producer_epoch(from.i16("ProducerEpoch")?);
        if version >= MEMBER_FROM {
            request.generation_id_or_member_epoch = from.i32("GenerationIdOrMemberEpoch")?;
            request.member_id = from.string("MemberId")?;
            request.group_instance_id = from.nullable_string("GroupInstanceId")?;
        }
        // An empty name and no partitions take two bytes in flexible versions, six before.
        request.topics = from.array(2, "Topics", |from| {
            let topic = TxnOffsetCommitRequestTopic::default();
            let topic = if version >= TOPIC_IDS_FROM {
                topic.with_topic_id(from.uuid("TopicId")?)
            } else {
                topic.with_name(TopicName(from.string("Name")?))
            };
            // Number, offset and null metadata.
            let partitions = from.array(13, "Partitions", |from| read_partition(from, version))?;
            from.tags()?;
            Ok(topic.with_partitions(partitions))
        })?;
        from.tags()?;
        Ok(request)
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.string(&self.transactional_id)?;
        to.string(&self.group_id)?;
        to.out.put_i64(*self.producer_id);
        to.out.put_i16(self.producer_epoch);
        if version >= MEMBER_FROM {
            to.out.put_i32(self.generation_id_or_member_epoch);
            to.string(&self.member_id)?;
            to.nullable_string(self.group_instance_id.as_deref())?;
        }
        to.array(&self.topics, |to, topic| {
            if version >= TOPIC_IDS_FROM {
                to.uuid(topic.topic_id);
            } else {
                to.string(&topic.name)?;
            }
            to.array(&topic.partitions, |to, partition| {
                to.out.put_i32(partition.partition_index);
                to.out.put_i64(partition.committed_offset);
                if version >= LEADER_EPOCH_FROM {
                    to.out.put_i32(partition.committed_leader_epoch);
                }
                to.nullable_string(partition.committed_metadata.as_deref())?;
                to.tags();
                Ok(())
            })?;
            to.tags();
            Ok(())
        })?;
        to.tags();
        Ok(())
    }
}

/// The offset of a partition in a request.
fn read_partition(
    from: &mut FieldReader<'_>,
    version: i16,
) -> Result<TxnOffsetCommitRequestPartition, DecodeError> {
    let mut partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(from.i32("PartitionIndex")?)
        .with_committed_offset(from.i64("CommittedOffset")?);
    if version >= LEADER_EPOCH_FROM {
        partition.committed_leader_epoch = from.i32("CommittedLeaderEpoch")?;
    }
    partition.committed_metadata = from.nullable_string("CommittedMetadata")?;
    from.tags()?;
    Ok(partition)
}

impl Extended for TxnOffsetCommitResponse {
    const NAME: &'static str = "TxnOffsetCommitResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let response = TxnOffsetCommitResponse::default().with_throttle_time_ms(from.i32("ThrottleTimeMs")?);
        let topics = from.array(2, "Topics", |from| {
            let topic = TxnOffsetCommitResponseTopic::default();
            let topic = if version >= TOPIC_IDS_FROM {
                topic.with_topic_id(from.uuid("TopicId")?)
            } else {
                topic.with_name(TopicName(from.string("Name")?))
            };
            let partitions = from.array(6, "Partitions", |from| {
                let partition = TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(from.i32("PartitionIndex")?)
                    .with_error_code(from.i16("ErrorCode")?);
                from.tags()?;
                Ok(partition)
            })?;
            from.tags()?;
            Ok(topic.with_partitions(partitions))
        })?;
        from.tags()?;
        Ok(response.with_topics(topics))
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(self.throttle_time_ms);
        to.array(&self.topics, |to, topic| {
            if version >= TOPIC_IDS_FROM {
                to.uuid(topic.topic_id);
            } else {
                to.string(&topic.name)?;
            }
            to.array(&topic.partitions, |to, partition| {
                to.out.put_i32(partition.partition_index);
                to.out.put_i16(partition.error_code);
                to.tags();
                Ok(())
            })?;
            to.tags();
            Ok(())
        })?;
        to.tags();
        Ok(())
    }
}
