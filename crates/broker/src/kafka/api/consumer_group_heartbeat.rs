//! ConsumerGroupHeartbeat, key 68: a member of a consumer group joins, stays, gives up and takes partitions,
//! and leaves (KIP-848).
//!
//! Versions 0–1:
//! - v1: subscription by regular expression; the member makes its own id (KIP-1082).
//!
//! The answer is sent when what it says is durable. An error has a text besides its code.
//!
//! Deliberate differences from Kafka 4.3: a regular expression is resolved in the heartbeat that brings it,
//! and a new target is computed at once, without `group.consumer.assignment.interval.ms`. Regular expressions
//! are those of Rust's `regex`, which like RE2J takes linear time and has neither look-around nor
//! back-references. An expression finds the topics that the client of its member may describe by the ACLs as of now; Kafka
//! resolves all expressions of a group by the permissions of one member, and notices changed ACLs after
//! `group.consumer.regex.refresh.interval.ms`, 10 minutes.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::consumer_group_heartbeat_request::TopicPartitions as Owned;
use codec::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use codec::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, StrBytes};
use coordinator::group::consumer::{HeartbeatReply, HeartbeatRequest};
use coordinator::group::{GroupId, GroupInstanceId, MemberId, assignor};
use uuid::Uuid;

use crate::kafka::access::{Access, GROUP, Operation, TOPIC, left_out, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{error_text, group_error_code};
use crate::random;
use crate::services::coordinator::group::viewer;
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct ConsumerGroupHeartbeat;

impl Api for ConsumerGroupHeartbeat {
    type Request = ConsumerGroupHeartbeatRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Needs(&[
        whole(GROUP, Operation::Read),
        whole(TOPIC, Operation::Describe).when("topics are subscribed by name"),
        left_out(TOPIC, Operation::Describe).when("the regular expression finds the topic"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match permitted(cx, &request) {
            Ok(permit) => permit,
            Err(code) => {
                let response = ConsumerGroupHeartbeatResponse::default().with_error_code(code.code());
                let text = StrBytes::from_static_str(code.message());
                return Ok(Reply::Response(response.with_error_message(Some(text))));
            }
        };
        let group_id = GroupId::from(request.group_id.as_str());
        // Who is a member has an id in any version.
        let needs_member_id = cx.api_version() >= 1 || request.member_epoch != 0;
        let wanted = wanted(cx, &request);
        let result = cx.groups(&permit).consumer_heartbeat(&group_id, &wanted, needs_member_id).await;
        Ok(Reply::Response(match result {
            Ok((reply, interval_ms)) => told(reply, interval_ms),
            Err(refused) => ConsumerGroupHeartbeatResponse::default()
                .with_error_code(group_error_code(refused.error).code())
                .with_error_message(Some(error_text(refused.message))),
        }))
    }

    fn first_error(response: &ConsumerGroupHeartbeatResponse) -> i16 {
        response.error_code
    }
}

/// Asks about the group, then about each topic that is subscribed by its name.
///
/// # Errors
/// The code for the whole request.
fn permitted(cx: &Context, request: &ConsumerGroupHeartbeatRequest) -> Result<Permit, ErrorCode> {
    let permit = cx.authorize(GROUP, Operation::Read, &request.group_id)?;
    for name in request.subscribed_topic_names.iter().flatten() {
        cx.authorize(TOPIC, Operation::Describe, name)?;
    }
    Ok(permit)
}

/// The request, owned: a member lives longer than the frame it came in should.
fn wanted(cx: &Context, request: &ConsumerGroupHeartbeatRequest) -> HeartbeatRequest {
    let text = |text: &Option<StrBytes>| text.as_deref().map(Arc::from);
    // Null is "as before" (KIP-848): clients send a field when it changes, and all of them when they join.
    let names = request.subscribed_topic_names.as_ref();
    HeartbeatRequest {
        member_id: MemberId::from(request.member_id.as_str()),
        member_epoch: request.member_epoch,
        group_instance_id: request.instance_id.as_deref().map(GroupInstanceId::from),
        rack_id: text(&request.rack_id),
        client_id: Arc::from(cx.client_id()),
        client_host: Arc::from(cx.client_host()),
        // -1 when it did not change.
        rebalance_timeout_ms: u32::try_from(request.rebalance_timeout_ms).ok(),
        topic_names: names.map(|names| names.iter().map(|name| Arc::from(name.as_str())).collect()),
        topic_regex: text(&request.subscribed_topic_regex),
        server_assignor: text(&request.server_assignor),
        // An empty list differs from null: the member has given up everything.
        owned: request.topic_partitions.as_deref().map(owned),
        fresh: random::id(),
        viewer: cx.questions().map(|questions| viewer(questions.describes())),
    }
}

/// The partitions that the member says it holds. A topic that is named twice counts as one, with all its
/// partitions.
fn owned(topics: &[Owned]) -> assignor::TopicPartitions {
    let mut all = assignor::TopicPartitions::new();
    for topic in topics {
        all.entry(topic.topic_id).or_default().extend(&topic.partitions);
    }
    all
}

/// The answer to a member: its id and epoch, and its assignment if that changed (`None` is null, which means
/// as before). `interval_ms` is how long it may wait until its next heartbeat.
fn told(reply: HeartbeatReply, interval_ms: u32) -> ConsumerGroupHeartbeatResponse {
    let topic = |(id, partitions): (Uuid, BTreeSet<i32>)| {
        TopicPartitions::default().with_topic_id(id).with_partitions(partitions.into_iter().collect())
    };
    let assignment = reply
        .assignment
        .map(|topics| Assignment::default().with_topic_partitions(topics.into_iter().map(topic).collect()));
    // A member that has left has no interval.
    let interval_ms = if reply.member_epoch < 0 { 0 } else { interval_ms };
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(StrBytes::from_string(reply.member_id.to_string())))
        .with_member_epoch(reply.member_epoch)
        // The key is an `int` of Kafka's, so this cuts nothing.
        .with_heartbeat_interval_ms(i32::try_from(interval_ms).unwrap_or(i32::MAX))
        .with_assignment(assignment)
}
