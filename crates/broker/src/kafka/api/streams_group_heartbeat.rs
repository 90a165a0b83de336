//! StreamsGroupHeartbeat, key 88: a member of a Kafka Streams application joins, stays, gives up and takes
//! tasks, and leaves (KIP-1071).
//!
//! Version 0.
//!
//! The answer is sent when what it says is durable. Internal topics that are missing are created before it is
//! sent; members get their tasks with the next heartbeat. If one cannot be created, the status says why, with
//! each heartbeat that tries again.
//!
//! UNSUPPORTED_VERSION while `streams.version` is 0.
//!
//! Gaps, as in Kafka 4.3: static members, patterns of source topics, warm-up tasks, offsets of tasks and changes
//! of the topology are refused. A member that sends everything again, since it has not got an answer, is told
//! its tasks again; Kafka 4.3 tells them once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::streams_group_heartbeat_request::{
    CopartitionGroup, KeyValue, Subtopology, TaskIds, TopicInfo, Topology,
};
use codec::messages::streams_group_heartbeat_response::{
    Endpoint, EndpointToPartitions, Status, TopicPartition,
};
use codec::messages::{StrBytes, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, TopicName};
use coordinator::group::streams::{
    self, EndpointPartitions, HeartbeatReply, HeartbeatRequest, InternalTopic, SentTopology, StatusCode,
    TopicPartitions,
};
use coordinator::group::{GroupId, MemberId};

use crate::kafka::access::{Access, CLUSTER, GROUP, Operation, TOPIC, each, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{error_text, group_error_code};
use crate::kafka::request_quota::Mutations;
use crate::services::admin::error::TopicError;
use crate::services::admin::topics;
use crate::services::admin::wanted::WantedTopic;
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct StreamsGroupHeartbeat;

impl Api for StreamsGroupHeartbeat {
    type Request = StreamsGroupHeartbeatRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[
        whole(GROUP, Operation::Read),
        whole(TOPIC, Operation::Describe).when("topics of the topology"),
        each(TOPIC, Operation::Create)
            .or(CLUSTER, Operation::Create)
            .when("an internal topic is missing; the answer's status says so"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        // As `KafkaApis`: without a text.
        if !cx.features().have_streams_groups() {
            let code = ErrorCode::UnsupportedVersion.code();
            return Ok(Reply::Response(StreamsGroupHeartbeatResponse::default().with_error_code(code)));
        }
        let permit = match permitted(cx, &request) {
            Ok(permit) => permit,
            Err(code) => {
                let response = StreamsGroupHeartbeatResponse::default().with_error_code(code.code());
                let text = StrBytes::from_static_str(code.message());
                return Ok(Reply::Response(response.with_error_message(Some(text))));
            }
        };
        let group_id = GroupId::from(request.group_id.as_str());
        let wanted = wanted(cx, &request);
        let result = cx.groups(&permit).streams_heartbeat(&group_id, &wanted).await;
        Ok(Reply::Response(match result {
            Ok((mut reply, interval_ms)) => {
                create_missing(cx, &mut reply).await;
                told(reply, interval_ms)
            }
            Err(refused) => StreamsGroupHeartbeatResponse::default()
                .with_error_code(group_error_code(refused.error).code())
                .with_error_message(Some(error_text(refused.message))),
        }))
    }

    fn first_error(response: &StreamsGroupHeartbeatResponse) -> i16 {
        response.error_code
    }
}

/// Asks about the group, then about each topic that the topology names.
///
/// # Errors
/// The code for the whole request.
fn permitted(cx: &Context, request: &StreamsGroupHeartbeatRequest) -> Result<Permit, ErrorCode> {
    let permit = cx.authorize(GROUP, Operation::Read, &request.group_id)?;
    for parts in request.topology.iter().flat_map(|topology| &topology.subtopologies) {
        let internal = parts.repartition_source_topics.iter().chain(&parts.state_changelog_topics);
        let internal = internal.map(|topic| &topic.name);
        for name in parts.source_topics.iter().chain(&parts.repartition_sink_topics).chain(internal) {
            cx.authorize(TOPIC, Operation::Describe, name)?;
        }
    }
    Ok(permit)
}

/// The request, owned: a member lives longer than the frame it came in should.
fn wanted(cx: &Context, request: &StreamsGroupHeartbeatRequest) -> HeartbeatRequest {
    // Null is "as before" (KIP-1071), here and for lists.
    let text = |text: &Option<StrBytes>| text.as_deref().map(Arc::from);
    HeartbeatRequest {
        member_id: MemberId::from(request.member_id.as_str()),
        member_epoch: request.member_epoch,
        endpoint_epoch: request.endpoint_information_epoch,
        group_instance_id: text(&request.instance_id),
        rack_id: text(&request.rack_id),
        client_id: Arc::from(cx.client_id()),
        client_host: Arc::from(cx.client_host()),
        // -1 when it did not change.
        rebalance_timeout_ms: u32::try_from(request.rebalance_timeout_ms).ok(),
        topology: request.topology.as_ref().map(topology),
        active: request.active_tasks.as_deref().map(tasks),
        standby: request.standby_tasks.as_deref().map(tasks),
        warmup: request.warmup_tasks.as_deref().map(tasks),
        process_id: text(&request.process_id),
        user_endpoint: request.user_endpoint.as_ref().map(|endpoint| streams::Endpoint {
            host: Arc::from(endpoint.host.as_str()),
            port: endpoint.port,
        }),
        client_tags: request.client_tags.as_deref().map(|tags| pairs(tags).into_iter().collect()),
        has_task_offsets: request.task_offsets.is_some(),
        has_task_end_offsets: request.task_end_offsets.is_some(),
        shutdown_application: request.shutdown_application,
    }
}

/// Tasks by subtopology; one that is named twice counts once, with all its partitions.
fn tasks(ids: &[TaskIds]) -> streams::Tasks {
    let mut all = streams::Tasks::new();
    for ids in ids.iter().filter(|ids| !ids.partitions.is_empty()) {
        all.entry(Arc::from(ids.subtopology_id.as_str())).or_default().extend(&ids.partitions);
    }
    all
}

fn pairs(pairs: &[KeyValue]) -> streams::Configs {
    pairs.iter().map(|pair| (Arc::from(pair.key.as_str()), Arc::from(pair.value.as_str()))).collect()
}

fn topology(sent: &Topology) -> SentTopology {
    SentTopology {
        epoch: sent.epoch,
        subtopologies: sent.subtopologies.iter().map(subtopology).collect(),
        has_source_patterns: sent.subtopologies.iter().any(|parts| !parts.source_topic_regex.is_empty()),
    }
}

fn subtopology(sent: &Subtopology) -> (Arc<str>, streams::Subtopology) {
    let names = |names: &[TopicName]| names.iter().map(|name| Arc::from(name.as_str())).collect();
    let group = |group: &CopartitionGroup| streams::CopartitionGroup {
        source_topics: group.source_topics.clone(),
        repartition_source_topics: group.repartition_source_topics.clone(),
    };
    let parts = streams::Subtopology {
        source_topics: names(&sent.source_topics),
        repartition_source_topics: sent.repartition_source_topics.iter().map(internal_topic).collect(),
        repartition_sink_topics: names(&sent.repartition_sink_topics),
        state_changelog_topics: sent.state_changelog_topics.iter().map(internal_topic).collect(),
        copartition_groups: sent.copartition_groups.iter().map(group).collect(),
    };
    (Arc::from(sent.subtopology_id.as_str()), parts)
}

fn internal_topic(sent: &TopicInfo) -> InternalTopic {
    InternalTopic {
        name: Arc::from(sent.name.as_str()),
        partitions: sent.partitions,
        replication_factor: sent.replication_factor,
        configs: pairs(&sent.topic_configs),
    }
}

/// Creates the internal topics that the group lacks. What fails is added to the status that says so.
async fn create_missing(cx: &Context, reply: &mut HeartbeatReply) {
    let missing = std::mem::take(&mut reply.missing_topics);
    if missing.is_empty() {
        return;
    }
    // All of them or none, as in `KafkaApis`: an application without one of its topics does not run.
    let permit = match creation(cx, &missing) {
        Ok(permit) => permit,
        Err(names) => {
            add_to_missing(reply, &format!("; Unauthorized to CREATE on topics {}.", names.join(", ")));
            return;
        }
    };
    let wanted: Vec<WantedTopic> = missing.iter().map(wanted_topic).collect();
    let cluster = cx.io(&permit).cluster();
    let pay = &mut |partitions| cx.quota().pay(Mutations::Refused, partitions);
    let outcomes = topics::create(cluster, cx.disk(), &cx.broker_config(), &wanted, false, pay).await;
    let failures: Vec<String> = wanted
        .iter()
        .zip(outcomes)
        .filter_map(|(wanted, outcome)| match outcome {
            // Another member of the group may have been faster.
            Ok(_) | Err(TopicError::AlreadyExists(_)) => None,
            Err(error) => Some(format!("{} ({error})", wanted.name)),
        })
        .collect();
    if !failures.is_empty() {
        add_to_missing(reply, &format!("; Creation failed: {}.", failures.join(", ")));
    }
}

/// Adds to the status that says which internal topics are missing.
fn add_to_missing(reply: &mut HeartbeatReply, text: &str) {
    let status = reply.statuses.iter_mut().find(|status| status.code == StatusCode::MissingInternalTopics);
    if let Some(status) = status {
        status.detail += text;
    }
}

/// Asks whether the client may create these topics.
///
/// # Errors
/// The names of those that it may not create.
fn creation(cx: &Context, topics: &[InternalTopic]) -> Result<Permit, Vec<String>> {
    if let Ok(permit) = cx.may_cluster(Operation::Create) {
        return Ok(permit);
    }
    let asked = topics.iter().map(|topic| (topic, cx.authorize(TOPIC, Operation::Create, &topic.name)));
    let (allowed, denied): (Vec<_>, Vec<_>) = asked.partition(|(_, permit)| permit.is_ok());
    let permit = allowed.first().and_then(|(_, permit)| permit.ok());
    permit
        .filter(|_| denied.is_empty())
        .ok_or_else(|| denied.iter().map(|(topic, _)| topic.name.to_string()).collect())
}

fn wanted_topic(topic: &InternalTopic) -> WantedTopic {
    WantedTopic {
        name: topic.name.to_string(),
        partitions: topic.partitions,
        // 0 leaves it to the broker (KIP-1071), as -1 does for all other topics.
        replication_factor: if topic.replication_factor == 0 { -1 } else { topic.replication_factor },
        assignments: Vec::new(),
        configs: topic
            .configs
            .iter()
            .map(|(key, value)| (key.to_string(), Some(value.to_string())))
            .collect(),
    }
}

/// The answer to a member: its epoch, and its tasks if they changed (`None` is null, which means as before).
/// `interval_ms` is how long it may wait until its next heartbeat.
fn told(reply: HeartbeatReply, interval_ms: u32) -> StreamsGroupHeartbeatResponse {
    let (active, standby) = reply.tasks.map(|tasks| (tasks.active, tasks.standby)).unzip();
    // Kafka 4.3 gives out no warm-up tasks; the three lists come together.
    let warmup = active.as_ref().map(|_| Vec::new());
    // A member that has left has no interval.
    let interval_ms = if reply.member_epoch < 0 { 0 } else { interval_ms };
    let status = |status: streams::Status| {
        Status::default()
            .with_status_code(status.code.number())
            .with_status_detail(StrBytes::from_string(status.detail))
    };
    StreamsGroupHeartbeatResponse::default()
        .with_member_id(StrBytes::from_string(reply.member_id.to_string()))
        .with_member_epoch(reply.member_epoch)
        // The key is an `int` of Kafka's, so this cuts nothing.
        .with_heartbeat_interval_ms(i32::try_from(interval_ms).unwrap_or(i32::MAX))
        .with_status(Some(reply.statuses.into_iter().map(status).collect()))
        .with_active_tasks(active.map(task_ids))
        .with_standby_tasks(standby.map(task_ids))
        .with_warmup_tasks(warmup)
        .with_endpoint_information_epoch(reply.endpoint_epoch)
        .with_partitions_by_user_endpoint(
            reply.endpoints.map(|all| all.into_iter().map(endpoint_to_partitions).collect()),
        )
}

/// Tasks as messages have them.
pub(super) fn task_ids(tasks: streams::Tasks) -> Vec<TaskIds> {
    let ids = |(subtopology, partitions): (Arc<str>, BTreeSet<i32>)| {
        TaskIds::default()
            .with_subtopology_id(StrBytes::from_string(subtopology.to_string()))
            .with_partitions(partitions.into_iter().collect())
    };
    tasks.into_iter().map(ids).collect()
}

fn endpoint_to_partitions(answers: EndpointPartitions) -> EndpointToPartitions {
    EndpointToPartitions::default()
        .with_user_endpoint(
            Endpoint::default()
                .with_host(StrBytes::from_string(answers.endpoint.host.to_string()))
                .with_port(answers.endpoint.port),
        )
        .with_active_partitions(partitions(answers.active))
        .with_standby_partitions(partitions(answers.standby))
}

fn partitions(topics: TopicPartitions) -> Vec<TopicPartition> {
    let topic = |(name, partitions): (Arc<str>, BTreeSet<i32>)| {
        TopicPartition::default()
            .with_topic(TopicName(StrBytes::from_string(name.to_string())))
            .with_partitions(partitions.into_iter().collect())
    };
    BTreeMap::into_iter(topics).map(topic).collect()
}

#[cfg(test)]
mod tests;
