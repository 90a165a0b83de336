//! AlterPartitionReassignments, key 45: moves partitions to other brokers (KIP-455). There is one broker.
//!
//! Versions 0–1:
//! - v1: the number of replicas may be held as it is (KIP-860).
//!
//! To where a partition is already it is moved at once; other brokers are refused, as they are not
//! registered; and nothing is under way that could be cancelled. Texts are those of Kafka's
//! `ReplicationControlManager`. More than 10 000 partitions in one request close the connection
//! (`services/admin/per_partition.rs`).

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use codec::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use codec::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId, StrBytes,
};
use storage::Catalog;

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Disconnect, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::services::admin::partitions;
use crate::services::admin::per_partition::{self, shown};

/// See the file's header.
pub(crate) struct AlterPartitionReassignments;

impl Api for AlterPartitionReassignments {
    type Request = AlterPartitionReassignmentsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize_cluster(Operation::Alter) {
            Ok(permit) => permit,
            Err(code) => {
                let response = AlterPartitionReassignmentsResponse::default().with_error_code(code.code());
                let text = StrBytes::from_static_str(code.message());
                return Ok(Reply::Response(response.with_error_message(Some(text))));
            }
        };
        // As `QuorumController`, which does not look further; hence no echo and no null.
        if request.topics.is_empty() {
            return Ok(Reply::Response(AlterPartitionReassignmentsResponse::default()));
        }
        // Each partition is answered with a text of its own: an answer is far longer than its request.
        per_partition::check_count(request.topics.iter().map(|topic| topic.partitions.len()))
            .map_err(Disconnect::Refused)?;
        let (catalog, node_id) = (cx.catalog(&permit), cx.node_id());
        let responses = request.topics.into_iter().map(|topic| move_topic(&catalog, node_id, topic));
        let response = AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(request.allow_replication_factor_change)
            .with_error_message(None)
            .with_responses(responses.collect());
        Ok(Reply::Response(response))
    }

    fn first_error(response: &AlterPartitionReassignmentsResponse) -> i16 {
        if response.error_code != ErrorCode::None.code() {
            return response.error_code;
        }
        let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// Answers every partition of one topic by itself: a partition that is refused does not hold up the others.
fn move_topic(catalog: &Catalog, node_id: i32, topic: ReassignableTopic) -> ReassignableTopicResponse {
    let ReassignableTopic { name, partitions, .. } = topic;
    let one = |partition: ReassignablePartition| {
        let answer = ReassignablePartitionResponse::default().with_partition_index(partition.partition_index);
        match outcome(catalog, node_id, &name, &partition) {
            Ok(()) => answer.with_error_message(None),
            Err((code, text)) => {
                answer.with_error_code(code.code()).with_error_message(Some(error_text(text)))
            }
        }
    };
    let responses = partitions.into_iter().map(one).collect();
    ReassignableTopicResponse::default().with_name(name.clone()).with_partitions(responses)
}

/// Judges one partition.
///
/// # Errors
/// The topic or partition does not exist, no reassignment could be cancelled (null replicas), or the replicas
/// are not this node alone.
fn outcome(
    catalog: &Catalog,
    node_id: i32,
    name: &str,
    asked: &ReassignablePartition,
) -> Result<(), (ErrorCode, String)> {
    let unknown = |text: String| (ErrorCode::UnknownTopicOrPartition, text);
    let index = asked.partition_index;
    let topic = catalog
        .topic(name)
        .ok_or_else(|| unknown(format!("Unable to find a topic named {}.", shown(name))))?;
    if topic.partition(index).is_none() {
        // Not cut: the topic exists, so its name is short.
        return Err(unknown(format!("Unable to find partition {name}:{index}.")));
    }
    // Null cancels a reassignment.
    let Some(replicas) = &asked.replicas else {
        let text = "No partition reassignment is in progress.".to_owned();
        return Err((ErrorCode::NoReassignmentInProgress, text));
    };
    // To where the partition is already: nothing has to be moved, so it is done at once.
    let nodes: Vec<i32> = replicas.iter().map(|BrokerId(id)| *id).collect();
    partitions::check_assignment(&nodes, node_id)
        .map_err(|error| (ErrorCode::from(&error), error.to_string()))
}

#[cfg(test)]
mod tests;
