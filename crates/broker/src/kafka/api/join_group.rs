//! JoinGroup, key 11: a client becomes a member of a classic group, or takes part in its next generation.
//!
//! Versions 0–9:
//! - v1: a rebalance timeout of its own (KIP-62).
//! - v2: throttle time.
//! - v3: as v2 (KIP-219).
//! - v4: a new member is given its id first, with MEMBER_ID_REQUIRED (KIP-394).
//! - v5: static members (KIP-345).
//! - v6: flexible.
//! - v7: the answer names the protocol type (KIP-559).
//! - v8: the client's reason (KIP-800).
//! - v9: a returning static leader may skip the assignment (KIP-814).
//!
//! The answer comes when the generation begins, which may be as late as the longest rebalance timeout of the
//! members. Other requests of the connection wait meanwhile, as in Kafka. A waiting request ends with
//! NOT_COORDINATOR when the broker stops.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use codec::ErrorCode;
use codec::messages::join_group_response::JoinGroupResponseMember;
use codec::messages::{JoinGroupRequest, JoinGroupResponse, StrBytes};
use coordinator::group::reply::{JoinReply, JoinedGroup};
use coordinator::group::requests::JoinRequest;
use coordinator::group::requests::Protocol;
use coordinator::group::{GenerationId, GroupId, GroupInstanceId, MemberId};

use crate::kafka::access::{Access, GROUP, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;
use crate::random;

/// See the file's header.
pub(crate) struct JoinGroup;

impl Api for JoinGroup {
    type Request = JoinGroupRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=9;
    const ACCESS: Access = Access::Needs(&[whole(GROUP, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize(GROUP, Operation::Read, &request.group_id) {
            Ok(permit) => permit,
            Err(code) => return Ok(Reply::Response(refused(code, cx.api_version()))),
        };
        let group_id = GroupId::from(request.group_id.as_str());
        let reply = cx.groups(&permit).join(&group_id, wanted(cx, &request)).await;
        // It may have waited for minutes, and a leader is told of all members.
        if let Err(code) = cx.authorize_again(GROUP, Operation::Read, &request.group_id) {
            return Ok(Reply::Response(refused(code, cx.api_version())));
        }
        Ok(Reply::Response(response(reply, cx.api_version())))
    }

    fn first_error(response: &JoinGroupResponse) -> i16 {
        response.error_code
    }
}

/// The request in the terms of the group, with copies of all that a member keeps. An empty member id is a new
/// member. `fresh` is the random part of the id that such a member gets.
fn wanted(cx: &Context, request: &JoinGroupRequest) -> JoinRequest {
    let version = cx.api_version();
    // Not a timeout: the bounds refuse it.
    let session_timeout_ms = u32::try_from(request.session_timeout_ms).unwrap_or(0);
    // Before version 1 there was one timeout for both.
    let rebalance_timeout_ms = match version {
        0 => session_timeout_ms,
        // Negative is no time at all, as for the timers of Kafka.
        _ => u32::try_from(request.rebalance_timeout_ms).unwrap_or(0),
    };
    // Copies: a member lives longer than the frame it came in should.
    let protocol = |protocol: &codec::messages::join_group_request::JoinGroupRequestProtocol| Protocol {
        name: Arc::from(protocol.name.as_str()),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    };
    JoinRequest {
        member_id: MemberId::from(request.member_id.as_str()),
        group_instance_id: request.group_instance_id.as_deref().map(GroupInstanceId::from),
        client_id: Arc::from(cx.client_id()),
        client_host: Arc::from(cx.client_host()),
        session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: Arc::from(request.protocol_type.as_str()),
        protocols: request.protocols.iter().map(protocol).collect(),
        // KIP-394: a member that is only made once its client knows its id leaves nothing behind when the client goes away.
        requires_known_member_id: version >= 4,
        // KIP-814: an older client that hears that it leads always computes an assignment, so it must not hear so.
        supports_skipping_assignment: version >= 9,
        reason: request.reason.as_deref().map(str::to_owned),
        fresh: random::id(),
    }
}

/// The answer to a client that may not use the group.
fn refused(code: ErrorCode, version: i16) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_generation_id(GenerationId::NONE.0)
        .with_protocol_name((version < 7).then(StrBytes::default))
}

/// The answer, with the member id also where it is a refusal: MEMBER_ID_REQUIRED carries the id to join with.
fn response(reply: JoinReply, version: i16) -> JoinGroupResponse {
    let member_id = StrBytes::from_string(reply.member_id.to_string());
    // Null only where the version has a null.
    let empty = (version < 7).then(StrBytes::default);
    match reply.result {
        Err(error) => JoinGroupResponse::default()
            .with_error_code(group_error_code(error).code())
            .with_generation_id(GenerationId::NONE.0)
            .with_protocol_name(empty)
            .with_member_id(member_id),
        Ok(joined) => joined_response(joined, version).with_member_id(member_id),
    }
}

/// The answer to a member of the new generation. Only the leader gets the list of members, by which it
/// assigns.
fn joined_response(joined: JoinedGroup, version: i16) -> JoinGroupResponse {
    let text = |text: Arc<str>| StrBytes::from_string(text.to_string());
    let instance = |id: GroupInstanceId| StrBytes::from_string(id.to_string());
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(member.member_id.to_string()))
            .with_group_instance_id(member.group_instance_id.map(instance).filter(|_| version >= 5))
            .with_metadata(member.metadata)
    });
    // As Kafka's `JoinGroupResponse`: where the version has a null, an empty name is one.
    let name = joined.protocol.map(text).unwrap_or_default();
    JoinGroupResponse::default()
        .with_generation_id(joined.generation.0)
        .with_protocol_type(joined.protocol_type.map(text).filter(|_| version >= 7))
        .with_protocol_name((version < 7 || !name.is_empty()).then_some(name))
        .with_leader(StrBytes::from_string(joined.leader.to_string()))
        // KIP-814: never true before version 9, which `supports_skipping_assignment` sees to.
        .with_skip_assignment(joined.skip_assignment)
        .with_members(members.collect())
}
