//! The messages of StreamsGroupHeartbeat (KIP-1071), which kafka-protocol lacks.

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::define::message;
use super::streams_group::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};

message! {
    /// Keeps a member of a streams group alive, or makes it join or leave.
    StreamsGroupHeartbeatRequest {
        /// The group.
        group_id, with_group_id: GroupId = GroupId::default();
        /// The member, by an id of its own making.
        member_id, with_member_id: StrBytes = StrBytes::default();
        /// 0 joins, -1 leaves; else the epoch that the member was told last.
        member_epoch, with_member_epoch: i32 = 0;
        /// The epoch of the endpoints that the member knows.
        endpoint_information_epoch, with_endpoint_information_epoch: i32 = 0;
        /// The name of a static member.
        instance_id, with_instance_id: Option<StrBytes> = None;
        /// The rack of the member. `None`: unchanged, here and in the fields below.
        rack_id, with_rack_id: Option<StrBytes> = None;
        /// The time that the member may take to give up tasks, in ms; -1: unchanged.
        rebalance_timeout_ms, with_rebalance_timeout_ms: i32 = -1;
        /// The topology of the application. Only with epoch 0.
        topology, with_topology: Option<Topology> = None;
        /// The active tasks that the member has.
        active_tasks, with_active_tasks: Option<Vec<TaskIds>> = None;
        /// The standby tasks that the member has.
        standby_tasks, with_standby_tasks: Option<Vec<TaskIds>> = None;
        /// The warm-up tasks that the member has.
        warmup_tasks, with_warmup_tasks: Option<Vec<TaskIds>> = None;
        /// The process of the member, which may have several members.
        process_id, with_process_id: Option<StrBytes> = None;
        /// The address at which the process answers interactive queries.
        user_endpoint, with_user_endpoint: Option<Endpoint> = None;
        /// Tags for rack-aware assignment.
        client_tags, with_client_tags: Option<Vec<KeyValue>> = None;
        /// How far changelogs were read.
        task_offsets, with_task_offsets: Option<Vec<TaskOffset>> = None;
        /// How far they go.
        task_end_offsets, with_task_end_offsets: Option<Vec<TaskOffset>> = None;
        /// Asks all members of the group to shut down.
        shutdown_application, with_shutdown_application: bool = false;
    }
}

message! {
    /// The topology of an application.
    Topology {
        /// Rises when the application changes it.
        epoch, with_epoch: i32 = 0;
        /// Its parts.
        subtopologies, with_subtopologies: Vec<Subtopology> = Vec::new();
    }
}

message! {
    /// A part of a topology of which each task has one partition.
    Subtopology {
        /// Unique in the topology.
        subtopology_id, with_subtopology_id: StrBytes = StrBytes::default();
        /// Topics of the user that it reads.
        source_topics, with_source_topics: Vec<TopicName> = Vec::new();
        /// Patterns of such topics.
        source_topic_regex, with_source_topic_regex: Vec<StrBytes> = Vec::new();
        /// The changelogs of its state.
        state_changelog_topics, with_state_changelog_topics: Vec<TopicInfo> = Vec::new();
        /// Repartition topics that it writes.
        repartition_sink_topics, with_repartition_sink_topics: Vec<TopicName> = Vec::new();
        /// Repartition topics that it reads.
        repartition_source_topics, with_repartition_source_topics: Vec<TopicInfo> = Vec::new();
        /// Topics that must have the same number of partitions.
        copartition_groups, with_copartition_groups: Vec<CopartitionGroup> = Vec::new();
    }
}

message! {
    /// Topics of a subtopology that must have the same number of partitions, by their places in its lists.
    CopartitionGroup {
        /// Places in `source_topics`.
        source_topics, with_source_topics: Vec<i16> = Vec::new();
        /// Places in `source_topic_regex`.
        source_topic_regex, with_source_topic_regex: Vec<i16> = Vec::new();
        /// Places in `repartition_source_topics`.
        repartition_source_topics, with_repartition_source_topics: Vec<i16> = Vec::new();
    }
}

message! {
    /// The answer.
    StreamsGroupHeartbeatResponse {
        /// How long the client was held back, in ms.
        throttle_time_ms, with_throttle_time_ms: i32 = 0;
        /// 0, or why the request is refused.
        error_code, with_error_code: i16 = 0;
        /// The reason in words.
        error_message, with_error_message: Option<StrBytes> = None;
        /// The member.
        member_id, with_member_id: StrBytes = StrBytes::default();
        /// The epoch for its next heartbeat.
        member_epoch, with_member_epoch: i32 = 0;
        /// The interval of its heartbeats, in ms.
        heartbeat_interval_ms, with_heartbeat_interval_ms: i32 = 0;
        /// The lag up to which a warm-up task counts as ready.
        acceptable_recovery_lag, with_acceptable_recovery_lag: i32 = 0;
        /// The interval at which offsets of tasks are sent, in ms.
        task_offset_interval_ms, with_task_offset_interval_ms: i32 = 0;
        /// Faults of the group, and other news of it.
        status, with_status: Option<Vec<Status>> = Some(Vec::new());
        /// The active tasks that the member is to have; `None`: unchanged.
        active_tasks, with_active_tasks: Option<Vec<TaskIds>> = None;
        /// Its standby tasks.
        standby_tasks, with_standby_tasks: Option<Vec<TaskIds>> = None;
        /// Its warm-up tasks.
        warmup_tasks, with_warmup_tasks: Option<Vec<TaskIds>> = None;
        /// The epoch of the endpoints.
        endpoint_information_epoch, with_endpoint_information_epoch: i32 = 0;
        /// The partitions for which each process answers interactive queries; `None`: unchanged.
        partitions_by_user_endpoint, with_partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>> = None;
    }
}

message! {
    /// Something that the application has to know of its group.
    Status {
        /// Its number.
        status_code, with_status_code: i8 = 0;
        /// The details in words.
        status_detail, with_status_detail: StrBytes = StrBytes::default();
    }
}

message! {
    /// The partitions for which a process answers.
    EndpointToPartitions {
        /// The address of the process.
        user_endpoint, with_user_endpoint: Endpoint = Endpoint::default();
        /// Those of its active tasks.
        active_partitions, with_active_partitions: Vec<TopicPartition> = Vec::new();
        /// Those of its standby tasks.
        standby_partitions, with_standby_partitions: Vec<TopicPartition> = Vec::new();
    }
}

message! {
    /// Partitions of a topic.
    TopicPartition {
        /// The topic.
        topic, with_topic: TopicName = TopicName::default();
        /// Its partitions.
        partitions, with_partitions: Vec<i32> = Vec::new();
    }
}
