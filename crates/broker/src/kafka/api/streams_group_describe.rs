//! StreamsGroupDescribe, key 89: topology, epochs, members and tasks of streams groups (KIP-1071).
//!
//! Version 0.
//!
//! A group that does not exist, or is of another kind, is GROUP_ID_NOT_FOUND with a message. Counts of internal
//! topics are those that were decided, if the group is ready; else as the members sent them, 0 for most.
//! Tasks that a member is giving up are not among its assigned ones. Every group is UNSUPPORTED_VERSION while
//! `streams.version` is 0.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::streams_group_describe_response::{
    Assignment, DescribedGroup, Endpoint, KeyValue, Member, Subtopology, TopicInfo, Topology,
};
use codec::messages::{StrBytes, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, TopicName};
use coordinator::group::GroupId;
use coordinator::group::streams::{
    InternalTopic, StreamsGroupDescription, StreamsMemberDescription, SubtopologyDescription, TaskLists,
};

use super::streams_group_heartbeat::task_ids;
use crate::kafka::access::{Access, GROUP, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::group_description::{self, Described};
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct StreamsGroupDescribe;

impl Api for StreamsGroupDescribe {
    type Request = StreamsGroupDescribeRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[
        each(GROUP, Operation::Describe),
        each(TOPIC, Operation::Describe).when("a topic of the group; the group is refused"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        if !cx.features().have_streams_groups() {
            let code = ErrorCode::UnsupportedVersion.code();
            let refused = |name| DescribedGroup::default().with_group_id(name).with_error_code(code);
            let groups = super::each_once(request.group_ids).map(refused).collect();
            return Ok(Reply::Response(StreamsGroupDescribeResponse::default().with_groups(groups)));
        }
        let find = |permit: Permit, id: GroupId| async move {
            cx.groups(&permit).describe_streams(&id).await.map(described)
        };
        let with_operations = request.include_authorized_operations;
        let names = super::each_once(request.group_ids);
        let groups = group_description::describe(cx, names, with_operations, find).await;
        Ok(Reply::Response(StreamsGroupDescribeResponse::default().with_groups(groups)))
    }

    fn first_error(response: &StreamsGroupDescribeResponse) -> i16 {
        super::first_code(response.groups.iter().map(|group| group.error_code))
    }
}

impl Described for DescribedGroup {
    const HAS_HIDDEN_TOPICS: &'static str =
        "The described group uses topics that the client is not authorized to describe.";

    fn topics(&self) -> HashSet<TopicName> {
        let subtopologies = self.topology.iter().flat_map(|topology| &topology.subtopologies).flatten();
        let names = |parts: &Subtopology| {
            let internal = parts.state_changelog_topics.iter().chain(&parts.repartition_source_topics);
            let internal = internal.map(|topic| topic.name.clone());
            let mut names: Vec<TopicName> = parts.source_topics.clone();
            names.extend(parts.repartition_sink_topics.iter().cloned().chain(internal));
            names
        };
        subtopologies.flat_map(names).collect()
    }

    fn of(self, id: codec::messages::GroupId) -> Self {
        self.with_group_id(id)
    }

    fn with_operations(self, operations: i32) -> Self {
        self.with_authorized_operations(operations)
    }

    fn refused(code: ErrorCode, text: StrBytes) -> Self {
        Self::default().with_error_code(code.code()).with_error_message(Some(text))
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn described(group: StreamsGroupDescription) -> DescribedGroup {
    let topology = Topology::default()
        .with_epoch(group.topology_epoch)
        .with_subtopologies(Some(group.subtopologies.iter().map(subtopology).collect()));
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state.as_str()))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.assignment_epoch)
        .with_topology(Some(topology))
        .with_members(group.members.into_iter().map(member).collect())
}

fn subtopology(parts: &SubtopologyDescription) -> Subtopology {
    let names = |names: &[Arc<str>]| names.iter().map(|name| TopicName(text(name))).collect();
    let topics = |topics: &[InternalTopic]| topics.iter().map(topic_info).collect();
    Subtopology::default()
        .with_subtopology_id(text(&parts.id))
        .with_source_topics(names(&parts.source_topics))
        .with_repartition_sink_topics(names(&parts.repartition_sink_topics))
        .with_state_changelog_topics(topics(&parts.state_changelog_topics))
        .with_repartition_source_topics(topics(&parts.repartition_source_topics))
}

fn topic_info(topic: &InternalTopic) -> TopicInfo {
    let configs = topic.configs.iter().map(|(key, value)| pair(key, value));
    TopicInfo::default()
        .with_name(TopicName(text(&topic.name)))
        .with_partitions(topic.partitions)
        .with_replication_factor(topic.replication_factor)
        .with_topic_configs(configs.collect())
}

fn pair(key: &str, value: &str) -> KeyValue {
    KeyValue::default().with_key(text(key)).with_value(text(value))
}

fn member(member: StreamsMemberDescription) -> Member {
    let said = &member.metadata;
    let endpoint = said.user_endpoint.as_ref();
    Member::default()
        .with_member_id(text(member.member_id.as_str()))
        .with_member_epoch(member.member_epoch)
        .with_rack_id(said.rack_id.as_deref().map(text))
        .with_client_id(text(&said.client_id))
        .with_client_host(text(&said.client_host))
        .with_topology_epoch(said.topology_epoch)
        .with_process_id(text(&said.process_id))
        .with_user_endpoint(
            endpoint
                .map(|endpoint| Endpoint::default().with_host(text(&endpoint.host)).with_port(endpoint.port)),
        )
        .with_client_tags(said.client_tags.iter().map(|(key, value)| pair(key, value)).collect())
        .with_assignment(assignment(member.assigned))
        .with_target_assignment(assignment(member.target))
}

fn assignment(tasks: TaskLists) -> Assignment {
    Assignment::default()
        .with_active_tasks(task_ids(tasks.active))
        .with_standby_tasks(task_ids(tasks.standby))
}
