//! Metadata, key 3: where this broker is, which topics exist, and who leads their partitions.
//!
//! Versions 0–13:
//! - v0: an empty list asks for all topics; since v1 null does.
//! - v1: controller, rack, internal topics.
//! - v2: cluster id.
//! - v3: throttle time.
//! - v4: the client says whether unknown topics may be created.
//! - v5: offline replicas.
//! - v6: as v5 (KIP-219).
//! - v7: leader epoch.
//! - v8: authorized operations (KIP-430).
//! - v9: flexible.
//! - v10: topic ids (KIP-516).
//! - v11: no cluster operations, which DescribeCluster has since (KIP-700).
//! - v12: topics asked for by id.
//! - v13: top-level error (KIP-1102).
//!
//! A topic that is created because a client asked for it has its leader in the same answer: the client need
//! not come back. Every client gets the address that works for its connection (`session/advertised.rs`).
//!
//! Gaps: topics that Kafka keeps its own state in (`__consumer_offsets`) do not exist here and are not
//! listed.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use codec::messages::{BrokerId, MetadataRequest, MetadataResponse, StrBytes, TopicName};
use storage::{Located, Topic};
use uuid::Uuid;

use crate::kafka::access::{Access, CLUSTER, Operation, TOPIC, each, each_or_left_out, field};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::not_created;
use crate::kafka::request_quota::Mutations;
use crate::services::admin::topics;
use crate::services::admin::wanted::WantedTopic;
use crate::session::authorizer::{Internal, Permit};
use crate::topics::names::{is_internal, is_reserved};

/// See the file's header.
pub(crate) struct Metadata;

impl Api for Metadata {
    type Request = MetadataRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    const ACCESS: Access = Access::Needs(&[
        each_or_left_out(TOPIC, Operation::Describe),
        each(TOPIC, Operation::Create)
            .or(CLUSTER, Operation::Create)
            .when("a missing topic is to be created"),
        field(CLUSTER, Operation::Describe).when("the cluster's authorized operations are asked for"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let topics = match Asked::of(&request, cx.api_version()) {
            Asked::All => {
                let catalog = cx.catalog(&Permit::internal(Internal::Names));
                let visible = |topic: &&Arc<Topic>| cx.may(TOPIC, Operation::Describe, &topic.name).is_ok();
                catalog.topics().filter(visible).map(|topic| describe(topic, cx.node_id())).collect()
            }
            Asked::Ids(ids) => by_id(cx, &ids),
            Asked::Names { names, has_nameless } => {
                let mut topics = by_name(cx, names, may_create(&request, cx)).await;
                topics.extend(has_nameless.then(nameless));
                topics
            }
            // Topic by topic: Kafka refuses the whole request, and then names no broker either.
            Asked::Contradiction => request.topics.iter().flatten().map(contradiction).collect(),
        };
        Ok(Reply::Response(response(cx, topics, &request)))
    }

    fn first_error(response: &MetadataResponse) -> i16 {
        super::first_code(response.topics.iter().map(|topic| topic.error_code))
    }
}

/// The topics that a client asks for.
enum Asked {
    /// Every topic of the catalog.
    All,
    /// These ids, each once.
    Ids(Vec<Uuid>),
    /// These names, each once; none at all for a client that wants only the broker. There may be topics without a name
    /// among them.
    Names { names: Vec<TopicName>, has_nameless: bool },
    /// Fields that this version does not have are set.
    Contradiction,
}

impl Asked {
    /// Reads the list of topics as the version means it. Ids win where some topics have an id and others a
    /// name.
    fn of(request: &MetadataRequest, version: i16) -> Self {
        let Some(topics) = &request.topics else { return Self::All };
        // Version 0 has no null list: its empty one asks for all topics.
        if topics.is_empty() && version == 0 {
            return Self::All;
        }
        // As Kafka: ids came with version 10, but may be used since version 12.
        if version < 12 && topics.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_nil()) {
            return Self::Contradiction;
        }
        // As `KafkaApis`: names count only if no topic of the request has an id.
        let ids: Vec<Uuid> = distinct(topics.iter().map(|topic| topic.topic_id).filter(|id| !id.is_nil()));
        if ids.is_empty() {
            let names = distinct(topics.iter().filter_map(|topic| topic.name.clone()));
            return Self::Names { names, has_nameless: topics.iter().any(|topic| topic.name.is_none()) };
        }
        Self::Ids(ids)
    }
}

/// The values without repetitions, in their order: a topic that is named twice is described once.
fn distinct<T: Clone + Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    all.filter(|one| seen.insert(one.clone())).collect()
}

/// The refusal of a topic of a request that names topics in a way its version does not allow.
fn contradiction(topic: &MetadataRequestTopic) -> MetadataResponseTopic {
    // Before version 12 a name cannot be null in an answer.
    let name = topic.name.clone().unwrap_or_default();
    MetadataResponseTopic::default().with_error_code(ErrorCode::InvalidRequest.code()).with_name(Some(name))
}

/// The refusal of the topics that have neither a name nor an id, one for all of them.
fn nameless() -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_error_code(ErrorCode::InvalidRequest.code()).with_name(None)
}

/// Before version 4 a client cannot say that it wants nothing created.
fn may_create(request: &MetadataRequest, cx: &Context) -> bool {
    // Java consumers say it by `allow.auto.create.topics` (KIP-361), admin clients never want one created.
    (cx.api_version() < 4 || request.allow_auto_topic_creation) && cx.config().auto_create_topics_enable
}

/// Topics by id, in the order asked; nothing is created for an id that is unknown.
fn by_id(cx: &Context, ids: &[Uuid]) -> Vec<MetadataResponseTopic> {
    let catalog = cx.catalog(&Permit::internal(Internal::Names));
    // Since version 12 a name in an answer may be null: the id alone tells the topic.
    let refused = |id, code: ErrorCode| {
        MetadataResponseTopic::default().with_error_code(code.code()).with_name(None).with_topic_id(id)
    };
    let one = |id: &Uuid| match catalog.topic_by_id(*id) {
        Some(topic) => match cx.authorize(TOPIC, Operation::Describe, &topic.name) {
            Ok(_) => describe(topic, cx.node_id()),
            // Without the name: the client has only the id.
            Err(code) => refused(*id, code),
        },
        None => refused(*id, ErrorCode::UnknownTopicId),
    };
    ids.iter().map(one).collect()
}

/// Topics by name, in the order asked, created before if `create` allows it. Waits for the sync of what it
/// creates.
async fn by_name(cx: &Context, names: Vec<TopicName>, create: bool) -> Vec<MetadataResponseTopic> {
    let permit = Permit::internal(Internal::Names);
    let known = cx.catalog(&permit);
    // Before any look at existence: a topic that is refused is answered as a missing one.
    let denied: HashSet<TopicName> = names
        .iter()
        .filter(|name| cx.authorize(TOPIC, Operation::Describe, name).is_err())
        .cloned()
        .collect();
    let is_missing = |name: &&TopicName| !denied.contains(*name) && known.topic(name).is_none();
    let missing: Vec<&TopicName> = names.iter().filter(is_missing).collect();
    let refusals = if create { create_missing(cx, &missing).await } else { Vec::new() };
    // Looked up anew: what counts is that the topic exists, even if another client was the one to create it.
    let now = cx.catalog(&permit);
    let one = |name: TopicName| match now.topic(&name) {
        _ if denied.contains(&name) => {
            let code = ErrorCode::TopicAuthorizationFailed.code();
            MetadataResponseTopic::default().with_error_code(code).with_name(Some(name))
        }
        Some(topic) => describe(topic, cx.node_id()),
        None => {
            let refused =
                refusals.iter().find(|(refused, _)| refused.as_str() == name.as_str()).map(|(_, code)| *code);
            let code = refused.unwrap_or_else(|| absent(&name));
            MetadataResponseTopic::default().with_error_code(code.code()).with_name(Some(name))
        }
    };
    names.into_iter().map(one).collect()
}

/// Creates what does not exist, with the broker's defaults; returns the topics that could not be created.
async fn create_missing(cx: &Context, missing: &[&TopicName]) -> Vec<(String, ErrorCode)> {
    if missing.is_empty() {
        return Vec::new();
    }
    let (mut permits, mut wanted, mut denied) = (Vec::new(), Vec::new(), Vec::new());
    // Asked once: it is enough for all topics.
    let cluster = cx.may_cluster(Operation::Create);
    for name in missing {
        match cluster.or_else(|_| cx.authorize(TOPIC, Operation::Create, name)) {
            // A reserved name is not tried: as for any missing topic, the answer is UNKNOWN_TOPIC_OR_PARTITION.
            Ok(_) if is_reserved(name) => {}
            Ok(permit) => {
                permits.push(permit);
                wanted.push(WantedTopic::with_defaults(name.to_string()));
            }
            Err(code) => denied.push((name.to_string(), code)),
        }
    }
    let Some(permit) = permits.first() else { return denied };
    let cluster = cx.io(permit).cluster();
    let pay = &mut |partitions| cx.quota().pay(Mutations::Refused, partitions);
    let outcomes = topics::create(cluster, cx.disk(), &cx.broker_config(), &wanted, false, pay).await;
    let refused = |(wanted, outcome): (WantedTopic, Result<_, _>)| match outcome {
        Ok(_) => None,
        Err(error) => Some((wanted.name, not_created(&error))),
    };
    denied.extend(wanted.into_iter().zip(outcomes).filter_map(refused));
    denied
}

/// The code for a missing topic: a name that no topic can have is INVALID_TOPIC_EXCEPTION.
fn absent(name: &str) -> ErrorCode {
    match topics::check_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(error) => ErrorCode::from(&error),
    }
}

/// Wire value for no leader.
const NO_LEADER: BrokerId = BrokerId(-1);

/// One topic; a partition is led here, by the only replica, or by none.
fn describe(topic: &Arc<Topic>, node_id: i32) -> MetadataResponseTopic {
    let partition = |index: i32| {
        let here = || vec![BrokerId(node_id)];
        let answer = MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_replica_nodes(here())
            .with_isr_nodes(here());
        match topic.partition(index) {
            Some(Located::Here(partition)) => {
                answer.with_leader_id(BrokerId(node_id)).with_leader_epoch(partition.leader_epoch())
            }
            // Retriable; the leader's epoch keeps its default, -1.
            _ => answer.with_error_code(ErrorCode::LeaderNotAvailable.code()).with_leader_id(NO_LEADER),
        }
    };
    let indexes = 0..topic.partition_count().cast_signed();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.id)
        .with_is_internal(is_internal(&topic.name))
        .with_partitions(indexes.map(partition).collect())
}

/// The whole answer: this broker at the address for this client, which is the controller as well. Authorized
/// operations only where asked for.
fn response(
    cx: &Context,
    mut topics: Vec<MetadataResponseTopic>,
    request: &MetadataRequest,
) -> MetadataResponse {
    // KIP-430: where they are not asked for, and on a topic that is refused, the field keeps its default.
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == 0) {
            let name = topic.name.as_deref().map_or("", |name| name.as_str());
            topic.topic_authorized_operations = cx.authorized_operations(TOPIC, name);
        }
    }
    let (host, port) = cx.advertised_address();
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(cx.node_id()))
        .with_host(StrBytes::from_string(host))
        .with_port(i32::from(port));
    let mut response = MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(StrBytes::from_string(cx.cluster_id().to_owned())))
        .with_controller_id(BrokerId(cx.node_id()))
        .with_topics(topics);
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = cx.authorized_cluster_operations();
    }
    response
}

#[cfg(test)]
mod tests;
