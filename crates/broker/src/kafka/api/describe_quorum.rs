//! DescribeQuorum, key 55: who votes on the cluster's metadata (KIP-595). This node alone does.
//!
//! Versions 0–2:
//! - v1: when each voter last fetched (KIP-836).
//! - v2: directories and the voters' endpoints (KIP-853).
//!
//! There is no topic `__cluster_metadata`: the positions told are RocksDB's sequence numbers, which rise with
//! every write, and the epoch is the one that every unclean start raises. The only voter is always caught up.
//!
//! Gaps: a voter's directory id is zero, as Kafka's is without dynamic voters; the endpoint is the one that
//! clients use.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_quorum_request::TopicData as AskedTopic;
use codec::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use codec::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse, StrBytes};

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct DescribeQuorum;

/// The only topic that may be asked for (`Topic.CLUSTER_METADATA_TOPIC_NAME`).
const METADATA_TOPIC: &str = "__cluster_metadata";

impl Api for DescribeQuorum {
    type Request = DescribeQuorumRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let response = DescribeQuorumResponse::default();
        let permit = match cx.authorize_cluster(Operation::Describe) {
            Ok(permit) => permit,
            Err(code) => return Ok(Reply::Response(response.with_error_code(code.code()))),
        };
        if !is_the_one_partition(&request.topics) {
            let topics = request.topics.into_iter().map(unknown).collect();
            return Ok(Reply::Response(response.with_topics(topics)));
        }
        let topics = request.topics.into_iter().map(|topic| {
            TopicData::default()
                .with_topic_name(topic.topic_name)
                .with_partitions(vec![partition(cx, &permit)])
        });
        let response = response.with_topics(topics.collect());
        Ok(Reply::Response(if cx.api_version() >= 2 {
            response.with_nodes(vec![node(cx)])
        } else {
            response
        }))
    }

    fn first_error(response: &DescribeQuorumResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        partitions
            .map(|partition| partition.error_code)
            .find(|code| *code != 0)
            .unwrap_or(response.error_code)
    }
}

/// Kafka's `RaftUtil.hasValidTopicPartition`: one topic with one partition, `__cluster_metadata-0`. Any other
/// request is answered UNKNOWN_TOPIC_OR_PARTITION for each partition of it.
fn is_the_one_partition(topics: &[AskedTopic]) -> bool {
    let [topic] = topics else { return false };
    let [partition] = topic.partitions.as_slice() else { return false };
    topic.topic_name.as_str() == METADATA_TOPIC && partition.partition_index == 0
}

/// The refusal of every partition of a topic that has no quorum.
fn unknown(topic: AskedTopic) -> TopicData {
    let code = ErrorCode::UnknownTopicOrPartition;
    let partitions = topic.partitions.iter().map(|partition| {
        PartitionData::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_static_str(code.message())))
    });
    TopicData::default().with_topic_name(topic.topic_name).with_partitions(partitions.collect())
}

/// The quorum: this node leads, votes, and has everything. Sequence number and clock are read once, so that
/// the high watermark is the end of the log.
fn partition(cx: &Context, permit: &Permit) -> PartitionData {
    let (shard, now_ms) = (cx.io(permit).storage().shard(), cx.clock().now_ms());
    // A number of writes: an i64 has room for more than any disk survives.
    let (epoch, position) = shard.log_position();
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    let voter = ReplicaState::default()
        .with_replica_id(BrokerId(cx.node_id()))
        .with_log_end_offset(position)
        // A leader never fetches: for itself Kafka's `LeaderState.describeReplicaState` tells the present.
        .with_last_fetch_timestamp(now_ms)
        .with_last_caught_up_timestamp(now_ms);
    PartitionData::default()
        .with_leader_id(BrokerId(cx.node_id()))
        // A count of unclean starts and take-overs.
        .with_leader_epoch(i32::try_from(epoch).unwrap_or(i32::MAX))
        .with_high_watermark(position)
        .with_current_voters(vec![voter])
}

/// The endpoint of the only voter: the address that works for this client, by the name of its listener.
fn node(cx: &Context) -> Node {
    let (host, port) = cx.advertised_address();
    let listener = Listener::default()
        .with_name(StrBytes::from_string(cx.peer().listener.to_string()))
        .with_host(StrBytes::from_string(host))
        .with_port(port);
    Node::default().with_node_id(BrokerId(cx.node_id())).with_listeners(vec![listener])
}

#[cfg(test)]
mod tests;
