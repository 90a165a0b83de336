//! OffsetFetch 10, by hand because kafka-protocol ends with version 9.
//!
//! - 0: laid out as 1, with which kafka-protocol begins.
//! - 10 (KIP-848): topics by their ids. The answer is laid out by kafka-protocol, which knows it.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse};

/// The only version that is laid out here, and flexible.
const TOPIC_IDS_FROM: i16 = 10;

impl Extended for OffsetFetchRequest {
    const NAME: &'static str = "OffsetFetchRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=10;
    const FLEXIBLE_FROM: i16 = 6;

    fn layout(version: i16) -> Layout {
        if version >= TOPIC_IDS_FROM { Layout::Own } else { Layout::KafkaProtocol(version.max(1)) }
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let groups = from.array(8, "Groups", |from| {
            let group = OffsetFetchRequestGroup::default()
                .with_group_id(GroupId(from.string("GroupId")?))
                .with_member_id(from.nullable_string("MemberId")?)
                .with_member_epoch(from.i32("MemberEpoch")?);
            // Null asks for every topic with an offset of the group; an empty array for none.
            let topics = from.nullable_array(18, "Topics", |from| {
                let topic = OffsetFetchRequestTopics::default().with_topic_id(from.uuid("TopicId")?);
                let indexes = from.array(4, "PartitionIndexes", |from| from.i32("PartitionIndex"))?;
                from.tags()?;
                Ok(topic.with_partition_indexes(indexes))
            })?;
            from.tags()?;
            Ok(group.with_topics(topics))
        })?;
        let require_stable = from.bool("RequireStable")?;
        from.tags()?;
        Ok(OffsetFetchRequest::default().with_groups(groups).with_require_stable(require_stable))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.groups, |to, group| {
            to.string(&group.group_id)?;
            to.nullable_string(group.member_id.as_deref())?;
            to.out.put_i32(group.member_epoch);
            to.nullable_array(group.topics.as_deref(), |to, topic| {
                to.uuid(topic.topic_id);
                to.array(&topic.partition_indexes, |to, index| {
                    to.out.put_i32(*index);
                    Ok(())
                })?;
                to.tags();
                Ok(())
            })?;
            to.tags();
            Ok(())
        })?;
        to.bool(self.require_stable);
        to.tags();
        Ok(())
    }
}

impl Extended for OffsetFetchResponse {
    const NAME: &'static str = "OffsetFetchResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=10;
    const FLEXIBLE_FROM: i16 = 6;

    fn layout(version: i16) -> Layout {
        Layout::KafkaProtocol(version.max(1))
    }
}
