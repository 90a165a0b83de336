//! OffsetCommit 0–1 and 10, by hand because kafka-protocol has versions 2 to 9. The old ones are in the file of the new
//! one because a message has one reader and one writer.
//!
//! - 0: the group alone, no members; the answers of 0 and 1 are laid out as that of 2.
//! - 1: member and generation; per partition the time of the commit.
//! - 2 to 9: kafka-protocol's.
//! - 10 (KIP-848): topics by their ids.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse, TopicName};

/// Also the only flexible version that is laid out here.
const TOPIC_IDS_FROM: i16 = 10;
/// `OffsetCommitRequest.DEFAULT_TIMESTAMP`: the time of arrival.
const ON_ARRIVAL: i64 = -1;

impl Extended for OffsetCommitRequest {
    const NAME: &'static str = "OffsetCommitRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=10;
    const FLEXIBLE_FROM: i16 = 8;

    fn layout(version: i16) -> Layout {
        if (2..TOPIC_IDS_FROM).contains(&version) { Layout::KafkaProtocol(version) } else { Layout::Own }
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = OffsetCommitRequest::default().with_group_id(GroupId(from.string("GroupId")?));
        if version >= 1 {
            // Without them the defaults are -1 and an empty id: a consumer that is no member.
            request.generation_id_or_member_epoch = from.i32("GenerationIdOrMemberEpoch")?;
            request.member_id = from.string("MemberId")?;
        }
        if version >= TOPIC_IDS_FROM {
            request.group_instance_id = from.nullable_string("GroupInstanceId")?;
        }
        // Version 0 and 1: an empty name and no partitions. With an id it is more.
        let topics = from.array(6, "Topics", |from| read_topic(from, version))?;
        from.tags()?;
        Ok(request.with_topics(topics))
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.string(&self.group_id)?;
        if version >= 1 {
            to.out.put_i32(self.generation_id_or_member_epoch);
            to.string(&self.member_id)?;
        }
        if version >= TOPIC_IDS_FROM {
            to.nullable_string(self.group_instance_id.as_deref())?;
        }
        to.array(&self.topics, |to, topic| write_topic(to, topic, version))?;
        to.tags();
        Ok(())
    }
}

/// A topic at a version of this file.
fn read_topic(from: &mut FieldReader<'_>, version: i16) -> Result<OffsetCommitRequestTopic, DecodeError> {
    let topic = OffsetCommitRequestTopic::default();
    let topic = if version >= TOPIC_IDS_FROM {
        topic.with_topic_id(from.uuid("TopicId")?)
    } else {
        topic.with_name(TopicName(from.string("Name")?))
    };
    // A lower bound: number, offset and null metadata take 14 bytes in version 0.
    let partitions = from.array(13, "Partitions", |from| {
        let mut partition = OffsetCommitRequestPartition::default()
            .with_partition_index(from.i32("PartitionIndex")?)
            .with_committed_offset(from.i64("CommittedOffset")?);
        if version == 1 {
            // Kafka counts the retention from it. Here that begins with the arrival, as since version 2.
            let _commit_timestamp = from.i64("CommitTimestamp")?;
        }
        if version >= TOPIC_IDS_FROM {
            partition.committed_leader_epoch = from.i32("CommittedLeaderEpoch")?;
        }
        partition.committed_metadata = from.nullable_string("CommittedMetadata")?;
        from.tags()?;
        Ok(partition)
    })?;
    from.tags()?;
    Ok(topic.with_partitions(partitions))
}

/// As [`read_topic`], for writing.
fn write_topic(
    to: &mut FieldWriter<'_>,
    topic: &OffsetCommitRequestTopic,
    version: i16,
) -> Result<(), EncodeError> {
    if version >= TOPIC_IDS_FROM {
        to.uuid(topic.topic_id);
    } else {
        to.string(&topic.name)?;
    }
    to.array(&topic.partitions, |to, partition| {
        to.out.put_i32(partition.partition_index);
        to.out.put_i64(partition.committed_offset);
        if version == 1 {
            to.out.put_i64(ON_ARRIVAL);
        }
        if version >= TOPIC_IDS_FROM {
            to.out.put_i32(partition.committed_leader_epoch);
        }
        to.nullable_string(partition.committed_metadata.as_deref())?;
        to.tags();
        Ok(())
    })?;
    to.tags();
    Ok(())
}

impl Extended for OffsetCommitResponse {
    const NAME: &'static str = "OffsetCommitResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=10;
    const FLEXIBLE_FROM: i16 = 8;

    fn layout(version: i16) -> Layout {
        Layout::KafkaProtocol(version.max(2))
    }
}
