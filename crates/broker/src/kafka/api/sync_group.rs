//! SyncGroup, key 14: the leader of a classic group hands in the assignment, every member takes its own.
//!
//! Versions 0–5:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: static members (KIP-345).
//! - v4: flexible.
//! - v5: protocol type and name are checked, and named in the answer (KIP-559).
//!
//! The answer comes when the assignment is on the disk. A waiting request ends with NOT_COORDINATOR when the
//! broker stops.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use codec::messages::{StrBytes, SyncGroupRequest, SyncGroupResponse};
use coordinator::group::reply::SyncedMember;
use coordinator::group::requests::SyncRequest;
use coordinator::group::{GenerationId, GroupError, GroupId, GroupInstanceId, MemberId};

use crate::kafka::access::{Access, GROUP, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct SyncGroup;

impl Api for SyncGroup {
    type Request = SyncGroupRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access = Access::Needs(&[whole(GROUP, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize(GROUP, Operation::Read, &request.group_id) {
            Ok(permit) => permit,
            Err(code) => {
                return Ok(Reply::Response(SyncGroupResponse::default().with_error_code(code.code())));
            }
        };
        let reply = sync(cx, &permit, &request).await;
        // It may have waited for minutes.
        if let Err(code) = cx.authorize_again(GROUP, Operation::Read, &request.group_id) {
            return Ok(Reply::Response(SyncGroupResponse::default().with_error_code(code.code())));
        }
        let response = match reply {
            Ok(synced) => assigned(synced, cx.api_version()),
            Err(error) => SyncGroupResponse::default().with_error_code(group_error_code(error).code()),
        };
        Ok(Reply::Response(response))
    }

    fn first_error(response: &SyncGroupResponse) -> i16 {
        response.error_code
    }
}

/// Hands the request to the group and waits until the leader has assigned.
///
/// # Errors
/// The group refuses the member or its generation, or v5 lacks the protocol's type or name.
async fn sync(cx: &Context, permit: &Permit, request: &SyncGroupRequest) -> Result<SyncedMember, GroupError> {
    // The version promises both; Kafka refuses a request that breaks the promise.
    if cx.api_version() >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return Err(GroupError::InconsistentGroupProtocol);
    }
    // Copies: a group keeps an assignment for much longer than the frame should live.
    let assignments = request.assignments.iter().map(|assigned| {
        (MemberId::from(assigned.member_id.as_str()), Bytes::copy_from_slice(&assigned.assignment))
    });
    let wanted = SyncRequest {
        member_id: MemberId::from(request.member_id.as_str()),
        group_instance_id: request.group_instance_id.as_deref().map(GroupInstanceId::from),
        generation: GenerationId(request.generation_id),
        protocol_type: request.protocol_type.as_deref().map(Arc::from),
        protocol: request.protocol_name.as_deref().map(Arc::from),
        assignments: assignments.collect(),
    };
    cx.groups(permit).sync(&GroupId::from(request.group_id.as_str()), wanted).await
}

/// A member's own assignment, the bytes of the leader. Type and name of the protocol came with version 5.
fn assigned(synced: SyncedMember, version: i16) -> SyncGroupResponse {
    let text = |text: Arc<str>| StrBytes::from_string(text.to_string());
    let named = version >= 5;
    SyncGroupResponse::default()
        .with_protocol_type(synced.protocol_type.filter(|_| named).map(text))
        .with_protocol_name(synced.protocol.filter(|_| named).map(text))
        .with_assignment(synced.assignment)
}
