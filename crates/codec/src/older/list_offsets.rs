//! ListOffsets, by hand at all versions because kafka-protocol's structs have no room for the fields of version 0.
//!
//! - 0: asks for a number of offsets, the answer has a list of them.
//! - 1 (KIP-79): one timestamp and offset instead of the list.
//! - 2 (KIP-98): isolation level; a throttle time in the answer. 3 is laid out alike.
//! - 4 (KIP-320): leader epochs. 5 is laid out alike.
//! - 6: flexible. 7 to 9 are laid out alike; they added special timestamps.
//! - 10 (KIP-1075): a timeout.
//! - 11 (KIP-1023): laid out as 10; one more special timestamp.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout, never_by_kafka_protocol};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, ListOffsetsTopicResponse,
};
use crate::messages::{BrokerId, TopicName};

const ISOLATION_LEVEL_FROM: i16 = 2;
const LEADER_EPOCH_FROM: i16 = 4;
const FLEXIBLE_FROM: i16 = 6;
/// Of the request; the answer did not change.
const TIMEOUT_FROM: i16 = 10;
/// Of the answer.
const THROTTLE_TIME_FROM: i16 = 2;

never_by_kafka_protocol!(ListOffsetsRequest, ListOffsetsResponse);

impl Extended for ListOffsetsRequest {
    const NAME: &'static str = "ListOffsetsRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=11;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = ListOffsetsRequest::default().with_replica_id(BrokerId(from.i32("ReplicaId")?));
        // Before, a consumer reads uncommitted records too, which is the default.
        if version >= ISOLATION_LEVEL_FROM {
            request.isolation_level = from.i8("IsolationLevel")?;
        }
        // An empty name and no partitions take two bytes in flexible versions, six before.
        request.topics = from.array(2, "Topics", |from| {
            let topic = ListOffsetsTopic::default().with_name(TopicName(from.string("Name")?));
            // Number and timestamp; each version adds to them, none takes one away.
            let partitions = from.array(12, "Partitions", |from| read_partition(from, version))?;
            from.tags()?;
            Ok(topic.with_partitions(partitions))
        })?;
        if version >= TIMEOUT_FROM {
            request.timeout_ms = from.i32("TimeoutMs")?;
        }
        from.tags()?;
        Ok(request)
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(*self.replica_id);
        if version >= ISOLATION_LEVEL_FROM {
            to.out.put_i8(self.isolation_level);
        }
        to.array(&self.topics, |to, topic| {
            to.string(&topic.name)?;
            to.array(&topic.partitions, |to, partition| {
                to.out.put_i32(partition.partition_index);
                if version >= LEADER_EPOCH_FROM {
                    to.out.put_i32(partition.current_leader_epoch);
                }
                to.out.put_i64(partition.timestamp);
                if version == 0 {
                    to.out.put_i32(partition.max_num_offsets);
                }
                to.tags();
                Ok(())
            })?;
            to.tags();
            Ok(())
        })?;
        if version >= TIMEOUT_FROM {
            to.out.put_i32(self.timeout_ms);
        }
        to.tags();
        Ok(())
    }
}

/// The look-up in one partition.
fn read_partition(from: &mut FieldReader<'_>, version: i16) -> Result<ListOffsetsPartition, DecodeError> {
    let mut partition = ListOffsetsPartition::default().with_partition_index(from.i32("PartitionIndex")?);
    if version >= LEADER_EPOCH_FROM {
        partition.current_leader_epoch = from.i32("CurrentLeaderEpoch")?;
    }
    partition.timestamp = from.i64("Timestamp")?;
    if version == 0 {
        partition.max_num_offsets = from.i32("MaxNumOffsets")?;
    }
    from.tags()?;
    Ok(partition)
}

impl Extended for ListOffsetsResponse {
    const NAME: &'static str = "ListOffsetsResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=11;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut response = ListOffsetsResponse::default();
        if version >= THROTTLE_TIME_FROM {
            response.throttle_time_ms = from.i32("ThrottleTimeMs")?;
        }
        response.topics = from.array(2, "Topics", |from| {
            let topic = ListOffsetsTopicResponse::default().with_name(TopicName(from.string("Name")?));
            // Version 0: number, code, no offsets. All later ones take more.
            let partitions = from.array(10, "Partitions", |from| read_answer(from, version))?;
            from.tags()?;
            Ok(topic.with_partitions(partitions))
        })?;
        from.tags()?;
        Ok(response)
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        if version >= THROTTLE_TIME_FROM {
            to.out.put_i32(self.throttle_time_ms);
        }
        to.array(&self.topics, |to, topic| {
            to.string(&topic.name)?;
            to.array(&topic.partitions, |to, partition| write_answer(to, partition, version))?;
            to.tags();
            Ok(())
        })?;
        to.tags();
        Ok(())
    }
}

/// The answer for one partition.
fn read_answer(
    from: &mut FieldReader<'_>,
    version: i16,
) -> Result<ListOffsetsPartitionResponse, DecodeError> {
    let mut answer = ListOffsetsPartitionResponse::default()
        .with_partition_index(from.i32("PartitionIndex")?)
        .with_error_code(from.i16("ErrorCode")?);
    if version == 0 {
        answer.old_style_offsets = from.array(8, "OldStyleOffsets", |from| from.i64("OldStyleOffset"))?;
    } else {
        answer.timestamp = from.i64("Timestamp")?;
        answer.offset = from.i64("Offset")?;
    }
    if version >= LEADER_EPOCH_FROM {
        answer.leader_epoch = from.i32("LeaderEpoch")?;
    }
    from.tags()?;
    Ok(answer)
}

/// As [`read_answer`], for writing. Of list and single offset only what the version has is written.
fn write_answer(
    to: &mut FieldWriter<'_>,
    answer: &ListOffsetsPartitionResponse,
    version: i16,
) -> Result<(), EncodeError> {
    to.out.put_i32(answer.partition_index);
    to.out.put_i16(answer.error_code);
    if version == 0 {
        // In the place of timestamp and offset, which this version does not have.
        to.array(&answer.old_style_offsets, |to, offset| {
            to.out.put_i64(*offset);
            Ok(())
        })?;
    } else {
        to.out.put_i64(answer.timestamp);
        to.out.put_i64(answer.offset);
    }
    if version >= LEADER_EPOCH_FROM {
        to.out.put_i32(answer.leader_epoch);
    }
    to.tags();
    Ok(())
}
