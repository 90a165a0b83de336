//! StreamsGroupDescribe 0 (KIP-1071), by hand because kafka-protocol has no such API.

use std::ops::RangeInclusive;

use bytes::BufMut;
use kafka_protocol::messages::GroupId;

use super::streams_group::{
    KEY_VALUE_BYTES, TASK_IDS_BYTES, TASK_OFFSET_BYTES, TOPIC_INFO_BYTES, read_endpoint, read_key_value,
    read_nullable, read_task_ids, read_task_offset, read_topic_info, read_topics, write_endpoint,
    write_key_value, write_nullable, write_task_ids, write_task_offset, write_topic_info, write_topics,
};
use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout, never_by_kafka_protocol};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::streams_group_describe::{
    Assignment, DescribedGroup, Member, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse,
    Subtopology, Topology,
};

never_by_kafka_protocol!(StreamsGroupDescribeRequest, StreamsGroupDescribeResponse);

impl Extended for StreamsGroupDescribeRequest {
    const NAME: &'static str = "StreamsGroupDescribeRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let request = StreamsGroupDescribeRequest::default()
            .with_group_ids(from.array(1, "GroupIds", |from| Ok(GroupId(from.string("GroupIds")?)))?)
            .with_include_authorized_operations(from.bool("IncludeAuthorizedOperations")?);
        from.tags()?;
        Ok(request)
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.group_ids, |to, id| to.string(id))?;
        to.bool(self.include_authorized_operations);
        to.tags();
        Ok(())
    }
}

impl Extended for StreamsGroupDescribeResponse {
    const NAME: &'static str = "StreamsGroupDescribeResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = StreamsGroupDescribeResponse::default()
            .with_throttle_time_ms(from.i32("ThrottleTimeMs")?)
            // Code, null message, two empty strings, two epochs, null topology, no members, operations.
            .with_groups(from.array(20, "Groups", read_group)?);
        from.tags()?;
        Ok(response)
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(self.throttle_time_ms);
        to.array(&self.groups, write_group)?;
        to.tags();
        Ok(())
    }
}

fn read_group(from: &mut FieldReader<'_>) -> Result<DescribedGroup, DecodeError> {
    let group = DescribedGroup::default()
        .with_error_code(from.i16("ErrorCode")?)
        .with_error_message(from.nullable_string("ErrorMessage")?)
        .with_group_id(GroupId(from.string("GroupId")?))
        .with_group_state(from.string("GroupState")?)
        .with_group_epoch(from.i32("GroupEpoch")?)
        .with_assignment_epoch(from.i32("AssignmentEpoch")?)
        .with_topology(read_nullable(from, "Topology", read_topology)?)
        // Two epochs, five empty strings, two of them null, and so on: a bound that is low, but above
        // nothing.
        .with_members(from.array(20, "Members", read_member)?)
        .with_authorized_operations(from.i32("AuthorizedOperations")?);
    from.tags()?;
    Ok(group)
}

fn write_group(to: &mut FieldWriter<'_>, group: &DescribedGroup) -> Result<(), EncodeError> {
    to.out.put_i16(group.error_code);
    to.nullable_string(group.error_message.as_deref())?;
    to.string(&group.group_id)?;
    to.string(&group.group_state)?;
    to.out.put_i32(group.group_epoch);
    to.out.put_i32(group.assignment_epoch);
    write_nullable(to, group.topology.as_ref(), |to, topology| {
        to.out.put_i32(topology.epoch);
        to.nullable_array(topology.subtopologies.as_deref(), write_subtopology)?;
        to.tags();
        Ok(())
    })?;
    to.array(&group.members, write_member)?;
    to.out.put_i32(group.authorized_operations);
    to.tags();
    Ok(())
}

fn read_topology(from: &mut FieldReader<'_>) -> Result<Topology, DecodeError> {
    let topology = Topology::default()
        .with_epoch(from.i32("Epoch")?)
        .with_subtopologies(from.nullable_array(6, "Subtopologies", read_subtopology)?);
    from.tags()?;
    Ok(topology)
}

fn read_subtopology(from: &mut FieldReader<'_>) -> Result<Subtopology, DecodeError> {
    let subtopology = Subtopology::default()
        .with_subtopology_id(from.string("SubtopologyId")?)
        .with_source_topics(read_topics(from, "SourceTopics")?)
        .with_repartition_sink_topics(read_topics(from, "RepartitionSinkTopics")?)
        .with_state_changelog_topics(from.array(TOPIC_INFO_BYTES, "StateChangelogTopics", read_topic_info)?)
        .with_repartition_source_topics(from.array(
            TOPIC_INFO_BYTES,
            "RepartitionSourceTopics",
            read_topic_info,
        )?);
    from.tags()?;
    Ok(subtopology)
}

fn write_subtopology(to: &mut FieldWriter<'_>, subtopology: &Subtopology) -> Result<(), EncodeError> {
    to.string(&subtopology.subtopology_id)?;
    write_topics(to, &subtopology.source_topics)?;
    write_topics(to, &subtopology.repartition_sink_topics)?;
    to.array(&subtopology.state_changelog_topics, write_topic_info)?;
    to.array(&subtopology.repartition_source_topics, write_topic_info)?;
    to.tags();
    Ok(())
}

fn read_member(from: &mut FieldReader<'_>) -> Result<Member, DecodeError> {
    let member = Member::default()
        .with_member_id(from.string("MemberId")?)
        .with_member_epoch(from.i32("MemberEpoch")?)
        .with_instance_id(from.nullable_string("InstanceId")?)
        .with_rack_id(from.nullable_string("RackId")?)
        .with_client_id(from.string("ClientId")?)
        .with_client_host(from.string("ClientHost")?)
        .with_topology_epoch(from.i32("TopologyEpoch")?)
        .with_process_id(from.string("ProcessId")?)
        .with_user_endpoint(read_nullable(from, "UserEndpoint", read_endpoint)?)
        .with_client_tags(from.array(KEY_VALUE_BYTES, "ClientTags", read_key_value)?)
        .with_task_offsets(from.array(TASK_OFFSET_BYTES, "TaskOffsets", read_task_offset)?)
        .with_task_end_offsets(from.array(TASK_OFFSET_BYTES, "TaskEndOffsets", read_task_offset)?)
        .with_assignment(read_assignment(from)?)
        .with_target_assignment(read_assignment(from)?)
        .with_is_classic(from.bool("IsClassic")?);
    from.tags()?;
    Ok(member)
}

fn write_member(to: &mut FieldWriter<'_>, member: &Member) -> Result<(), EncodeError> {
    to.string(&member.member_id)?;
    to.out.put_i32(member.member_epoch);
    to.nullable_string(member.instance_id.as_deref())?;
    to.nullable_string(member.rack_id.as_deref())?;
    to.string(&member.client_id)?;
    to.string(&member.client_host)?;
    to.out.put_i32(member.topology_epoch);
    to.string(&member.process_id)?;
    write_nullable(to, member.user_endpoint.as_ref(), write_endpoint)?;
    to.array(&member.client_tags, write_key_value)?;
    to.array(&member.task_offsets, write_task_offset)?;
    to.array(&member.task_end_offsets, write_task_offset)?;
    write_assignment(to, &member.assignment)?;
    write_assignment(to, &member.target_assignment)?;
    to.bool(member.is_classic);
    to.tags();
    Ok(())
}

fn read_assignment(from: &mut FieldReader<'_>) -> Result<Assignment, DecodeError> {
    let assignment = Assignment::default()
        .with_active_tasks(from.array(TASK_IDS_BYTES, "ActiveTasks", read_task_ids)?)
        .with_standby_tasks(from.array(TASK_IDS_BYTES, "StandbyTasks", read_task_ids)?)
        .with_warmup_tasks(from.array(TASK_IDS_BYTES, "WarmupTasks", read_task_ids)?);
    from.tags()?;
    Ok(assignment)
}

fn write_assignment(to: &mut FieldWriter<'_>, assignment: &Assignment) -> Result<(), EncodeError> {
    for list in [&assignment.active_tasks, &assignment.standby_tasks, &assignment.warmup_tasks] {
        to.array(list, write_task_ids)?;
    }
    to.tags();
    Ok(())
}
