//! ElectLeaders, key 43: elects partitions' leaders. The only replica leads already.
//!
//! Versions 0–2:
//! - v1: unclean elections (KIP-460), a top-level error.
//! - v2: flexible.
//!
//! As Kafka's `ReplicationControlManager.electLeaders`: who names partitions hears ELECTION_NOT_NEEDED of
//! each; who asks for all of them hears of all topics, but only of partitions that needed an election, which
//! is none. More than 10 000 partitions in one request close the connection
//! (`services/admin/per_partition.rs`).

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::elect_leaders_request::TopicPartitions;
use codec::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use codec::messages::{ElectLeadersRequest, ElectLeadersResponse, StrBytes, TopicName};
use storage::Topic;

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Disconnect, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::services::admin::per_partition::{self, shown};

/// See the file's header.
pub(crate) struct ElectLeaders;

/// Kafka's `ElectionType`: 0 is preferred, 1 is unclean.
const ELECTION_TYPES: RangeInclusive<i8> = 0..=1;

impl Api for ElectLeaders {
    type Request = ElectLeadersRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let response = ElectLeadersResponse::default();
        let permit = match cx.authorize_cluster(Operation::Alter) {
            Ok(permit) => permit,
            Err(code) => {
                let refused = |_: &str, _| (code, code.message().to_owned());
                let asked = request.topic_partitions.unwrap_or_default();
                let results = asked.into_iter().map(|topic| result(topic, refused)).collect();
                // Version 0 has the code on each partition only.
                let whole = if cx.api_version() >= 1 { code } else { ErrorCode::None };
                let response = response.with_error_code(whole.code());
                return Ok(Reply::Response(response.with_replica_election_results(results)));
            }
        };
        let catalog = cx.catalog(&permit);
        let known_type = ELECTION_TYPES.contains(&request.election_type);
        let all = || catalog.topics().map(|topic| asked_for_none(&topic.name)).collect();
        let asked: Vec<TopicPartitions> = match request.topic_partitions {
            Some(asked) => asked,
            None if known_type => all(),
            None => return Ok(Reply::Response(response.with_error_code(ErrorCode::InvalidRequest.code()))),
        };
        // Each partition is answered with a text of its own: an answer is far longer than its request.
        per_partition::check_count(asked.iter().map(|topic| topic.partitions.len()))
            .map_err(Disconnect::Refused)?;
        let elect = |name: &str, partition| outcome(catalog.topic(name).map(AsRef::as_ref), name, partition);
        // Where no topic is named nothing is looked at, not even the type.
        let (code, results) = if known_type || asked.is_empty() {
            (ErrorCode::None, asked.into_iter().map(|topic| result(topic, elect)).collect())
        } else {
            let results = asked.into_iter().map(|topic| result(topic, |_, _| unknown_type()));
            (ErrorCode::InvalidRequest, results.collect())
        };
        Ok(Reply::Response(response.with_error_code(code.code()).with_replica_election_results(results)))
    }

    fn first_error(response: &ElectLeadersResponse) -> i16 {
        response.error_code
    }
}

/// A topic as a request for all partitions names it: none of its partitions needs an election.
fn asked_for_none(topic: &str) -> TopicPartitions {
    TopicPartitions::default().with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
}

/// The refusal of each partition where the type of election is neither preferred nor unclean.
fn unknown_type() -> (ErrorCode, String) {
    (ErrorCode::InvalidRequest, "Unknown election type: 0 is preferred, 1 is unclean.".to_owned())
}

/// Answers each partition of a topic with the code and text that `outcome` returns for it.
fn result(
    asked: TopicPartitions,
    outcome: impl Fn(&str, i32) -> (ErrorCode, String),
) -> ReplicaElectionResult {
    let one = |partition: i32| {
        let (code, text) = outcome(&asked.topic, partition);
        PartitionResult::default()
            .with_partition_id(partition)
            .with_error_code(code.code())
            .with_error_message(Some(error_text(text)))
    };
    let partitions = asked.partitions.iter().map(|partition| one(*partition)).collect();
    ReplicaElectionResult::default().with_topic(asked.topic.clone()).with_partition_result(partitions)
}

/// Code and text for one partition. There is no success: the leader never changes.
fn outcome(topic: Option<&Topic>, name: &str, partition: i32) -> (ErrorCode, String) {
    // The text of an answer is repeated for each partition that a client names.
    let name = shown(name);
    let Some(topic) = topic else {
        return (ErrorCode::UnknownTopicOrPartition, format!("No such topic as {name}"));
    };
    let exists = topic.partition(partition).is_some();
    if !exists {
        return (ErrorCode::UnknownTopicOrPartition, format!("No such partition as {name}-{partition}"));
    }
    let text = "Leader election not needed for topic partition.";
    (ErrorCode::ElectionNotNeeded, text.to_owned())
}

#[cfg(test)]
mod tests;
