//! The messages of StreamsGroupDescribe (KIP-1071), which kafka-protocol lacks.

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::define::message;
use super::streams_group::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};

message! {
    /// Asks for descriptions of streams groups.
    StreamsGroupDescribeRequest {
        /// The groups.
        group_ids, with_group_ids: Vec<GroupId> = Vec::new();
        /// Asks for what the caller may do with them, too.
        include_authorized_operations, with_include_authorized_operations: bool = false;
    }
}

message! {
    /// The answer.
    StreamsGroupDescribeResponse {
        /// How long the client was held back, in ms.
        throttle_time_ms, with_throttle_time_ms: i32 = 0;
        /// One description for each group.
        groups, with_groups: Vec<DescribedGroup> = Vec::new();
    }
}

message! {
    /// A group, or why it cannot be described.
    DescribedGroup {
        /// 0, or why there is no description.
        error_code, with_error_code: i16 = 0;
        /// The reason in words.
        error_message, with_error_message: Option<StrBytes> = None;
        /// The group.
        group_id, with_group_id: GroupId = GroupId::default();
        /// The name of its state.
        group_state, with_group_state: StrBytes = StrBytes::default();
        /// The group epoch.
        group_epoch, with_group_epoch: i32 = 0;
        /// The group epoch for which the target was computed.
        assignment_epoch, with_assignment_epoch: i32 = 0;
        /// The topology; `None` with an error.
        topology, with_topology: Option<Topology> = None;
        /// The members.
        members, with_members: Vec<Member> = Vec::new();
        /// A bit for each operation that the caller may do; the default if it did not ask.
        authorized_operations, with_authorized_operations: i32 = i32::MIN;
    }
}

message! {
    /// The topology of the group.
    Topology {
        /// Its epoch.
        epoch, with_epoch: i32 = 0;
        /// Its parts.
        subtopologies, with_subtopologies: Option<Vec<Subtopology>> = None;
    }
}

message! {
    /// A part of the topology, with the counts of partitions that were decided.
    Subtopology {
        /// Its id.
        subtopology_id, with_subtopology_id: StrBytes = StrBytes::default();
        /// Topics of the user that it reads.
        source_topics, with_source_topics: Vec<TopicName> = Vec::new();
        /// Repartition topics that it writes.
        repartition_sink_topics, with_repartition_sink_topics: Vec<TopicName> = Vec::new();
        /// The changelogs of its state.
        state_changelog_topics, with_state_changelog_topics: Vec<TopicInfo> = Vec::new();
        /// Repartition topics that it reads.
        repartition_source_topics, with_repartition_source_topics: Vec<TopicInfo> = Vec::new();
    }
}

message! {
    /// A member.
    Member {
        /// Its id.
        member_id, with_member_id: StrBytes = StrBytes::default();
        /// Its epoch.
        member_epoch, with_member_epoch: i32 = 0;
        /// Its name if it is static.
        instance_id, with_instance_id: Option<StrBytes> = None;
        /// Its rack.
        rack_id, with_rack_id: Option<StrBytes> = None;
        /// `client.id`.
        client_id, with_client_id: StrBytes = StrBytes::default();
        /// The address that it connects from.
        client_host, with_client_host: StrBytes = StrBytes::default();
        /// The epoch of the topology that it runs.
        topology_epoch, with_topology_epoch: i32 = 0;
        /// Its process.
        process_id, with_process_id: StrBytes = StrBytes::default();
        /// The address at which its process answers interactive queries.
        user_endpoint, with_user_endpoint: Option<Endpoint> = None;
        /// Tags for rack-aware assignment.
        client_tags, with_client_tags: Vec<KeyValue> = Vec::new();
        /// How far changelogs were read.
        task_offsets, with_task_offsets: Vec<TaskOffset> = Vec::new();
        /// How far they go.
        task_end_offsets, with_task_end_offsets: Vec<TaskOffset> = Vec::new();
        /// The tasks that it has.
        assignment, with_assignment: Assignment = Assignment::default();
        /// The tasks that it is to have.
        target_assignment, with_target_assignment: Assignment = Assignment::default();
        /// True for a member that still speaks the classic protocol.
        is_classic, with_is_classic: bool = false;
    }
}

message! {
    /// Tasks of a member.
    Assignment {
        /// Those that it runs.
        active_tasks, with_active_tasks: Vec<TaskIds> = Vec::new();
        /// Those whose state it keeps ready.
        standby_tasks, with_standby_tasks: Vec<TaskIds> = Vec::new();
        /// Those whose state it restores in order to take them over.
        warmup_tasks, with_warmup_tasks: Vec<TaskIds> = Vec::new();
    }
}
