//! CreatePartitions, key 37: gives topics more partitions.
//!
//! Versions 0–3:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: THROTTLING_QUOTA_EXCEEDED (KIP-599); before, the partitions are created and the client is throttled.
//!
//! Counts are totals, not what is added. New partitions are on the disk when they are answered. Rules and
//! texts are in `services/admin/partitions.rs`.
//!
//! Gaps: `timeout_ms` is not looked at, as nothing is waited for except the sync of the journal.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use codec::messages::create_partitions_request::CreatePartitionsTopic;
use codec::messages::create_partitions_response::CreatePartitionsTopicResult;
use codec::messages::{CreatePartitionsRequest, CreatePartitionsResponse, StrBytes, TopicName};

use crate::kafka::access::{Access, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::code_and_text;
use crate::kafka::request_quota::Mutations;
use crate::services::admin::error::TopicError;
use crate::services::admin::partitions;
use crate::services::admin::wanted::WantedPartitions;

/// From here on clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const REFUSED_FROM: i16 = 3;

/// See the file's header.
pub(crate) struct CreatePartitions;

impl Api for CreatePartitions {
    type Request = CreatePartitionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Needs(&[each(TOPIC, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let mut times: HashMap<TopicName, usize> = HashMap::new();
        for topic in &request.topics {
            // As `ControllerApis.createPartitions`: a topic that is named twice is not changed at all.
            *times.entry(topic.name.clone()).or_default() += 1;
        }
        let (once, repeated): (Vec<_>, Vec<_>) =
            request.topics.into_iter().partition(|topic| times.get(&topic.name) == Some(&1));
        let ask = |topic: &CreatePartitionsTopic| cx.authorize(TOPIC, Operation::Alter, &topic.name);
        let (allowed, denied): (Vec<_>, Vec<_>) =
            once.into_iter().map(|topic| (ask(&topic), topic)).partition(|(permit, _)| permit.is_ok());
        let permit = allowed.first().and_then(|(permit, _)| permit.ok());
        let wanted: Vec<WantedPartitions> = allowed.into_iter().map(|(_, topic)| wanted(topic)).collect();
        let mut results: Vec<CreatePartitionsTopicResult> = Vec::new();
        // None of them without a permit: then nothing grows.
        if let Some(permit) = permit {
            let (cluster, node_id) = (cx.io(&permit).cluster(), cx.node_id());
            let mutations = Mutations::of(cx.api_version(), REFUSED_FROM);
            let pay = &mut |partitions| cx.quota().pay(mutations, partitions);
            let validate_only = request.validate_only;
            let outcomes = partitions::create(cluster, cx.disk(), node_id, &wanted, validate_only, pay).await;
            let each = wanted.into_iter().zip(outcomes);
            results.extend(each.map(|(wanted, outcome)| result(wanted.name, outcome)));
        }
        // One result for all mentions of a topic, as of Kafka's set of duplicates.
        let mut told = HashSet::new();
        for topic in repeated.into_iter().filter(|topic| told.insert(topic.name.clone())) {
            let error = TopicError::InvalidRequest("Duplicate topic name.".to_owned());
            results.push(result(topic.name.to_string(), Err(error)));
        }
        let refused = |(_, topic): (_, CreatePartitionsTopic)| {
            result(topic.name.to_string(), Err(TopicError::NotAuthorized))
        };
        results.extend(denied.into_iter().map(refused));
        Ok(Reply::Response(CreatePartitionsResponse::default().with_results(results)))
    }

    fn first_error(response: &CreatePartitionsResponse) -> i16 {
        super::first_code(response.results.iter().map(|topic| topic.error_code))
    }
}

/// The growth of one topic. Null assignments leave the choice of brokers to this one; an empty list of them
/// does not fit any growth and is refused.
fn wanted(topic: CreatePartitionsTopic) -> WantedPartitions {
    let assignments = topic.assignments.map(|assignments| {
        assignments.into_iter().map(|one| one.broker_ids.into_iter().map(|id| id.0).collect()).collect()
    });
    WantedPartitions { name: topic.name.to_string(), count: topic.count, assignments }
}

/// The result of one topic, with a text for a refusal.
fn result(name: String, outcome: Result<(), TopicError>) -> CreatePartitionsTopicResult {
    let (code, text) = code_and_text(outcome);
    CreatePartitionsTopicResult::default()
        .with_name(TopicName(StrBytes::from_string(name)))
        .with_error_code(code)
        .with_error_message(text)
}

#[cfg(test)]
mod tests;
