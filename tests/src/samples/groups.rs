//! Requests of groups.

use codec::messages::join_group_request::JoinGroupRequestProtocol;
use codec::messages::leave_group_request::MemberIdentity;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use codec::messages::streams_group_heartbeat_request::{Subtopology, Topology};
use codec::messages::sync_group_request::SyncGroupRequestAssignment;

use super::*;

pub(super) fn consumer_group_heartbeat(version: i16) -> ConsumerGroupHeartbeatRequest {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id("modern"))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(1_000)
        .with_topic_partitions(Some(Vec::new()))
        .with_subscribed_topic_names(Some(vec![topic_name(TOPIC)]));
    if version >= 1 { request.with_subscribed_topic_regex(Some(text("s.*"))) } else { request }
}

pub(super) fn streams_group_heartbeat() -> StreamsGroupHeartbeatRequest {
    let parts =
        Subtopology::default().with_subtopology_id(text("0")).with_source_topics(vec![topic_name(TOPIC)]);
    StreamsGroupHeartbeatRequest::default()
        .with_group_id(group_id("streams"))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(1_000)
        .with_topology(Some(Topology::default().with_subtopologies(vec![parts])))
        .with_active_tasks(Some(Vec::new()))
        .with_standby_tasks(Some(Vec::new()))
        .with_warmup_tasks(Some(Vec::new()))
        .with_process_id(Some(text("p")))
}

pub(super) fn offset_commit(version: i16) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(1)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("m")));
    let topic = OffsetCommitRequestTopic::default().with_partitions(vec![partition]);
    let topic =
        if version >= 10 { topic.with_topic_id(TOPIC_ID) } else { topic.with_name(topic_name(TOPIC)) };
    OffsetCommitRequest::default()
        .with_group_id(group_id("g"))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

pub(super) fn offset_fetch(version: i16) -> OffsetFetchRequest {
    if version >= 8 {
        let topic = OffsetFetchRequestTopics::default().with_partition_indexes(vec![0]);
        let topic =
            if version >= 10 { topic.with_topic_id(TOPIC_ID) } else { topic.with_name(topic_name(TOPIC)) };
        let group =
            OffsetFetchRequestGroup::default().with_group_id(group_id("g")).with_topics(Some(vec![topic]));
        return OffsetFetchRequest::default().with_groups(vec![group]);
    }
    let topic =
        OffsetFetchRequestTopic::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0]);
    OffsetFetchRequest::default().with_group_id(group_id("g")).with_topics(Some(vec![topic]))
}

pub(super) fn find_coordinator(version: i16) -> FindCoordinatorRequest {
    if version >= 4 {
        return FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    }
    FindCoordinatorRequest::default().with_key(text("g"))
}

/// A group of its own for each version, so that no request waits for another member.
pub(super) fn join_group(version: i16) -> JoinGroupRequest {
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"m"));
    JoinGroupRequest::default()
        .with_group_id(group_id(&format!("join-{version}")))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(if version >= 1 { 100 } else { -1 })
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

pub(super) fn heartbeat(_: i16) -> HeartbeatRequest {
    HeartbeatRequest::default().with_group_id(group_id("g")).with_generation_id(1).with_member_id(text("m"))
}

pub(super) fn leave_group(version: i16) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group_id("g"));
    if version >= 3 {
        return request.with_members(vec![MemberIdentity::default().with_member_id(text("m"))]);
    }
    request.with_member_id(text("m"))
}

pub(super) fn sync_group(version: i16) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text("m"))
        .with_assignment(Bytes::from_static(b"a"));
    let request = SyncGroupRequest::default()
        .with_group_id(group_id("g"))
        .with_generation_id(1)
        .with_member_id(text("m"))
        .with_assignments(vec![assignment]);
    if version >= 5 {
        return request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")));
    }
    request
}

pub(super) fn list_groups(version: i16) -> ListGroupsRequest {
    let request = ListGroupsRequest::default();
    let request = if version >= 4 { request.with_states_filter(vec![text("Stable")]) } else { request };
    if version >= 5 { request.with_types_filter(vec![text("classic")]) } else { request }
}
