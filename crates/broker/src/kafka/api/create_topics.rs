//! CreateTopics, key 19: creates topics with partitions and configs.
//!
//! Versions 0–7:
//! - v1: validate only, and a message with an error.
//! - v2: throttle time.
//! - v3: as v2 (KIP-219); KAFKA_STORAGE_ERROR (KIP-112); before, REQUEST_TIMED_OUT in its place.
//! - v4: partitions and replication factor of -1 ask for the broker's defaults (KIP-464). They do so here
//!   before version 4, too.
//! - v5: flexible; partitions, replication factor and configs in the answer (KIP-525).
//! - v6: THROTTLING_QUOTA_EXCEEDED (KIP-599); before, the topics are created and the client is throttled.
//! - v7: topic id (KIP-516).
//!
//! A topic is on the disk when it is answered. Rules and texts are in `services/admin/topics.rs`: one node,
//! so the replication factor is 1.
//!
//! Gaps: `timeout_ms` is not looked at, as nothing is waited for except the sync of the journal.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use codec::messages::{CreateTopicsRequest, CreateTopicsResponse, StrBytes, TopicName};

use crate::config::{Overrides, describe_topic};
use crate::kafka::access::{Access, CLUSTER, Operation, TOPIC, each, field};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{error_text, known_to_admin};
use crate::kafka::request_quota::Mutations;
use crate::services::admin::error::TopicError;
use crate::services::admin::topics::{self, CreatedTopic};
use crate::services::admin::wanted::WantedTopic;
use crate::session::authorizer::Permit;

/// From here on clients know KAFKA_STORAGE_ERROR (KIP-112): the first version after Kafka 1.0.
const STORAGE_ERROR_FROM: i16 = 3;
/// From here on clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const REFUSED_FROM: i16 = 6;

/// See the file's header.
pub(crate) struct CreateTopics;

impl Api for CreateTopics {
    type Request = CreateTopicsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=7;
    const ACCESS: Access = Access::Needs(&[
        each(TOPIC, Operation::Create).or(CLUSTER, Operation::Create),
        field(TOPIC, Operation::DescribeConfigs).when("the answer has the topic's configuration"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let mut times: HashMap<TopicName, usize> = HashMap::new();
        for topic in &request.topics {
            // A topic that is named twice is not created at all (`ControllerApis.createTopics`): which of the two was meant?
            *times.entry(topic.name.clone()).or_default() += 1;
        }
        let (once, repeated): (Vec<_>, Vec<_>) =
            request.topics.into_iter().partition(|topic| times.get(&topic.name) == Some(&1));
        let (permits, wanted, denied) = permitted(cx, once);
        let mut results: Vec<CreatableTopicResult> = Vec::new();
        // None of them without a permit: then nothing is created.
        if let Some(permit) = permits.first() {
            let (cluster, config) = (cx.io(permit).cluster(), cx.broker_config());
            let mutations = Mutations::of(cx.api_version(), REFUSED_FROM);
            let pay = &mut |partitions| cx.quota().pay(mutations, partitions);
            let validate_only = request.validate_only;
            let outcomes = topics::create(cluster, cx.disk(), &config, &wanted, validate_only, pay).await;
            let each = wanted.iter().zip(outcomes);
            results.extend(each.map(|(wanted, outcome)| result(cx, &wanted.name, outcome)));
        }
        // One result for all mentions of a topic, as of Kafka's set of duplicates.
        let mut told = std::collections::HashSet::new();
        for topic in repeated.into_iter().filter(|topic| told.insert(topic.name.clone())) {
            let error = TopicError::InvalidRequest("Duplicate topic name.".to_owned());
            results.push(result(cx, &topic.name, Err(error)));
        }
        results.extend(denied);
        Ok(Reply::Response(CreateTopicsResponse::default().with_topics(results)))
    }

    fn first_error(response: &CreateTopicsResponse) -> i16 {
        super::first_code(response.topics.iter().map(|topic| topic.error_code))
    }
}

/// The topics that the client may create, with their permits, and the refusals of the others.
fn permitted(
    cx: &Context,
    topics: Vec<CreatableTopic>,
) -> (Vec<Permit>, Vec<WantedTopic>, Vec<CreatableTopicResult>) {
    let (mut permits, mut allowed, mut denied) = (Vec::new(), Vec::new(), Vec::new());
    // Asked once: it is enough for all topics.
    let cluster = cx.may_cluster(Operation::Create);
    for topic in topics {
        match cluster.or_else(|_| cx.authorize(TOPIC, Operation::Create, &topic.name)) {
            Ok(permit) => {
                permits.push(permit);
                allowed.push(wanted(topic));
            }
            Err(code) => denied.push(
                CreatableTopicResult::default()
                    .with_name(topic.name)
                    .with_error_code(code.code())
                    .with_error_message(Some(StrBytes::from_static_str(code.message()))),
            ),
        }
    }
    (permits, allowed, denied)
}

/// A topic of the request in the terms of the service; nothing is judged yet. A config with a null value is
/// passed on as such.
fn wanted(topic: CreatableTopic) -> WantedTopic {
    let nodes = |ids: Vec<codec::messages::BrokerId>| ids.into_iter().map(|id| id.0).collect();
    WantedTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .into_iter()
            .map(|one| (one.partition_index, nodes(one.broker_ids)))
            .collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|config| (config.name.to_string(), config.value.map(|value| value.to_string())))
            .collect(),
    }
}

/// The result of one topic. With `validate_only` its id is nil, as no topic has it.
fn result(cx: &Context, name: &str, outcome: Result<CreatedTopic, TopicError>) -> CreatableTopicResult {
    let wire_name = TopicName(StrBytes::from_string(name.to_owned()));
    let result = CreatableTopicResult::default().with_name(wire_name).with_error_message(None);
    match outcome {
        Ok(created) if cx.may(TOPIC, Operation::DescribeConfigs, name).is_err() => {
            // As `ReplicationControlManager`: partitions and replicas keep their default, -1.
            let code = ErrorCode::TopicAuthorizationFailed.code();
            result.with_topic_id(created.id).with_topic_config_error_code(code)
        }
        Ok(created) => result
            // Nil where it was only validated; Kafka invents an id there, which no topic ever has.
            .with_topic_id(created.id)
            .with_num_partitions(created.partitions)
            // The only one that there can be, whatever the default says.
            .with_replication_factor(1)
            .with_configs(Some(configs(cx, &created.configs))),
        Err(error) => result
            .with_error_code(
                known_to_admin(ErrorCode::from(&error), cx.api_version(), STORAGE_ERROR_FROM).code(),
            )
            .with_error_message(Some(error_text(error.to_string()))),
    }
}

/// Every key of the new topic with the value in effect, also those that come from the broker (KIP-525).
fn configs(cx: &Context, set: &Overrides) -> Vec<CreatableTopicConfigs> {
    let text = |text: String| StrBytes::from_string(text);
    describe_topic(set, &cx.broker_config())
        .into_iter()
        .map(|entry| {
            CreatableTopicConfigs::default()
                .with_name(text(entry.name))
                .with_value(entry.value.map(text))
                .with_read_only(entry.is_read_only)
                .with_config_source(entry.source.code())
                .with_is_sensitive(entry.is_sensitive)
        })
        .collect()
}

#[cfg(test)]
mod tests;
