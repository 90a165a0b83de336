//! StreamsGroupHeartbeat 0 (KIP-1071), by hand because kafka-protocol has no such API.

use std::ops::RangeInclusive;

use bytes::BufMut;
use kafka_protocol::messages::{GroupId, TopicName};

use super::streams_group::{
    KEY_VALUE_BYTES, TASK_IDS_BYTES, TASK_OFFSET_BYTES, TOPIC_INFO_BYTES, read_endpoint, read_key_value,
    read_nullable, read_task_ids, read_task_offset, read_topic_info, read_topics, write_endpoint, write_i32s,
    write_key_value, write_nullable, write_task_ids, write_task_offset, write_topic_info, write_topics,
};
use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout, never_by_kafka_protocol};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::streams_group::TaskIds;
use crate::messages::streams_group_heartbeat::{
    CopartitionGroup, EndpointToPartitions, Status, StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse, Subtopology, TopicPartition, Topology,
};

never_by_kafka_protocol!(StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse);

impl Extended for StreamsGroupHeartbeatRequest {
    const NAME: &'static str = "StreamsGroupHeartbeatRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let request = StreamsGroupHeartbeatRequest::default()
            .with_group_id(GroupId(from.string("GroupId")?))
            .with_member_id(from.string("MemberId")?)
            .with_member_epoch(from.i32("MemberEpoch")?)
            .with_endpoint_information_epoch(from.i32("EndpointInformationEpoch")?)
            .with_instance_id(from.nullable_string("InstanceId")?)
            .with_rack_id(from.nullable_string("RackId")?)
            .with_rebalance_timeout_ms(from.i32("RebalanceTimeoutMs")?)
            .with_topology(read_nullable(from, "Topology", read_topology)?)
            .with_active_tasks(from.nullable_array(TASK_IDS_BYTES, "ActiveTasks", read_task_ids)?)
            .with_standby_tasks(from.nullable_array(TASK_IDS_BYTES, "StandbyTasks", read_task_ids)?)
            .with_warmup_tasks(from.nullable_array(TASK_IDS_BYTES, "WarmupTasks", read_task_ids)?)
            .with_process_id(from.nullable_string("ProcessId")?)
            .with_user_endpoint(read_nullable(from, "UserEndpoint", read_endpoint)?)
            .with_client_tags(from.nullable_array(KEY_VALUE_BYTES, "ClientTags", read_key_value)?)
            .with_task_offsets(from.nullable_array(TASK_OFFSET_BYTES, "TaskOffsets", read_task_offset)?)
            .with_task_end_offsets(from.nullable_array(
                TASK_OFFSET_BYTES,
                "TaskEndOffsets",
                read_task_offset,
            )?)
            .with_shutdown_application(from.bool("ShutdownApplication")?);
        from.tags()?;
        Ok(request)
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.string(&self.group_id)?;
        to.string(&self.member_id)?;
        to.out.put_i32(self.member_epoch);
        to.out.put_i32(self.endpoint_information_epoch);
        to.nullable_string(self.instance_id.as_deref())?;
        to.nullable_string(self.rack_id.as_deref())?;
        to.out.put_i32(self.rebalance_timeout_ms);
        write_nullable(to, self.topology.as_ref(), write_topology)?;
        write_tasks(to, [&self.active_tasks, &self.standby_tasks, &self.warmup_tasks])?;
        to.nullable_string(self.process_id.as_deref())?;
        write_nullable(to, self.user_endpoint.as_ref(), write_endpoint)?;
        to.nullable_array(self.client_tags.as_deref(), write_key_value)?;
        to.nullable_array(self.task_offsets.as_deref(), write_task_offset)?;
        to.nullable_array(self.task_end_offsets.as_deref(), write_task_offset)?;
        to.bool(self.shutdown_application);
        to.tags();
        Ok(())
    }
}

/// The three lists of tasks that stand side by side in request and response.
fn write_tasks(to: &mut FieldWriter<'_>, lists: [&Option<Vec<TaskIds>>; 3]) -> Result<(), EncodeError> {
    lists.into_iter().try_for_each(|list| to.nullable_array(list.as_deref(), write_task_ids))
}

fn read_topology(from: &mut FieldReader<'_>) -> Result<Topology, DecodeError> {
    let topology = Topology::default().with_epoch(from.i32("Epoch")?).with_subtopologies(from.array(
        8,
        "Subtopologies",
        read_subtopology,
    )?);
    from.tags()?;
    Ok(topology)
}

fn write_topology(to: &mut FieldWriter<'_>, topology: &Topology) -> Result<(), EncodeError> {
    to.out.put_i32(topology.epoch);
    to.array(&topology.subtopologies, write_subtopology)?;
    to.tags();
    Ok(())
}

fn read_subtopology(from: &mut FieldReader<'_>) -> Result<Subtopology, DecodeError> {
    let subtopology = Subtopology::default()
        .with_subtopology_id(from.string("SubtopologyId")?)
        .with_source_topics(read_topics(from, "SourceTopics")?)
        .with_source_topic_regex(from.array(1, "SourceTopicRegex", |from| from.string("SourceTopicRegex"))?)
        .with_state_changelog_topics(from.array(TOPIC_INFO_BYTES, "StateChangelogTopics", read_topic_info)?)
        .with_repartition_sink_topics(read_topics(from, "RepartitionSinkTopics")?)
        .with_repartition_source_topics(from.array(
            TOPIC_INFO_BYTES,
            "RepartitionSourceTopics",
            read_topic_info,
        )?)
        .with_copartition_groups(from.array(4, "CopartitionGroups", read_copartition_group)?);
    from.tags()?;
    Ok(subtopology)
}

fn write_subtopology(to: &mut FieldWriter<'_>, subtopology: &Subtopology) -> Result<(), EncodeError> {
    to.string(&subtopology.subtopology_id)?;
    write_topics(to, &subtopology.source_topics)?;
    to.array(&subtopology.source_topic_regex, |to, regex| to.string(regex))?;
    to.array(&subtopology.state_changelog_topics, write_topic_info)?;
    write_topics(to, &subtopology.repartition_sink_topics)?;
    to.array(&subtopology.repartition_source_topics, write_topic_info)?;
    to.array(&subtopology.copartition_groups, |to, group| {
        for places in [&group.source_topics, &group.source_topic_regex, &group.repartition_source_topics] {
            to.array(places, |to, place| {
                to.out.put_i16(*place);
                Ok(())
            })?;
        }
        to.tags();
        Ok(())
    })?;
    to.tags();
    Ok(())
}

fn read_copartition_group(from: &mut FieldReader<'_>) -> Result<CopartitionGroup, DecodeError> {
    let mut places = |expected| from.array(2, expected, |from| from.i16(expected));
    let group = CopartitionGroup::default()
        .with_source_topics(places("SourceTopics")?)
        .with_source_topic_regex(places("SourceTopicRegex")?)
        .with_repartition_source_topics(places("RepartitionSourceTopics")?);
    from.tags()?;
    Ok(group)
}

impl Extended for StreamsGroupHeartbeatResponse {
    const NAME: &'static str = "StreamsGroupHeartbeatResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE_FROM: i16 = 0;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = StreamsGroupHeartbeatResponse::default()
            .with_throttle_time_ms(from.i32("ThrottleTimeMs")?)
            .with_error_code(from.i16("ErrorCode")?)
            .with_error_message(from.nullable_string("ErrorMessage")?)
            .with_member_id(from.string("MemberId")?)
            .with_member_epoch(from.i32("MemberEpoch")?)
            .with_heartbeat_interval_ms(from.i32("HeartbeatIntervalMs")?)
            .with_acceptable_recovery_lag(from.i32("AcceptableRecoveryLag")?)
            .with_task_offset_interval_ms(from.i32("TaskOffsetIntervalMs")?)
            .with_status(from.nullable_array(3, "Status", read_status)?)
            .with_active_tasks(from.nullable_array(TASK_IDS_BYTES, "ActiveTasks", read_task_ids)?)
            .with_standby_tasks(from.nullable_array(TASK_IDS_BYTES, "StandbyTasks", read_task_ids)?)
            .with_warmup_tasks(from.nullable_array(TASK_IDS_BYTES, "WarmupTasks", read_task_ids)?)
            .with_endpoint_information_epoch(from.i32("EndpointInformationEpoch")?)
            .with_partitions_by_user_endpoint(from.nullable_array(
                7,
                "PartitionsByUserEndpoint",
                read_endpoint_to_partitions,
            )?);
        from.tags()?;
        Ok(response)
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(self.throttle_time_ms);
        to.out.put_i16(self.error_code);
        to.nullable_string(self.error_message.as_deref())?;
        to.string(&self.member_id)?;
        to.out.put_i32(self.member_epoch);
        to.out.put_i32(self.heartbeat_interval_ms);
        to.out.put_i32(self.acceptable_recovery_lag);
        to.out.put_i32(self.task_offset_interval_ms);
        to.nullable_array(self.status.as_deref(), |to, status| {
            to.out.put_i8(status.status_code);
            to.string(&status.status_detail)?;
            to.tags();
            Ok(())
        })?;
        write_tasks(to, [&self.active_tasks, &self.standby_tasks, &self.warmup_tasks])?;
        to.out.put_i32(self.endpoint_information_epoch);
        to.nullable_array(self.partitions_by_user_endpoint.as_deref(), |to, answers| {
            write_endpoint(to, &answers.user_endpoint)?;
            to.array(&answers.active_partitions, write_topic_partition)?;
            to.array(&answers.standby_partitions, write_topic_partition)?;
            to.tags();
            Ok(())
        })?;
        to.tags();
        Ok(())
    }
}

fn read_status(from: &mut FieldReader<'_>) -> Result<Status, DecodeError> {
    let status = Status::default()
        .with_status_code(from.i8("StatusCode")?)
        .with_status_detail(from.string("StatusDetail")?);
    from.tags()?;
    Ok(status)
}

fn read_endpoint_to_partitions(from: &mut FieldReader<'_>) -> Result<EndpointToPartitions, DecodeError> {
    let answers = EndpointToPartitions::default()
        .with_user_endpoint(read_endpoint(from)?)
        .with_active_partitions(from.array(3, "ActivePartitions", read_topic_partition)?)
        .with_standby_partitions(from.array(3, "StandbyPartitions", read_topic_partition)?);
    from.tags()?;
    Ok(answers)
}

fn read_topic_partition(from: &mut FieldReader<'_>) -> Result<TopicPartition, DecodeError> {
    let partitions = TopicPartition::default()
        .with_topic(TopicName(from.string("Topic")?))
        .with_partitions(from.array(4, "Partitions", |from| from.i32("Partitions"))?);
    from.tags()?;
    Ok(partitions)
}

fn write_topic_partition(to: &mut FieldWriter<'_>, partitions: &TopicPartition) -> Result<(), EncodeError> {
    to.string(&partitions.topic)?;
    write_i32s(to, &partitions.partitions)?;
    to.tags();
    Ok(())
}
