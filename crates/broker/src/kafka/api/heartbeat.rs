//! Heartbeat, key 12: a member of a classic group is alive, and learns whether a rebalance has begun.
//!
//! Versions 0–4:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: static members (KIP-345).
//! - v4: flexible.
//!
//! A heartbeat starts the member's session timeout anew. Its answer never waits for other members.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{HeartbeatRequest, HeartbeatResponse};
use coordinator::group::GenerationId;

use crate::kafka::access::{Access, GROUP, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;

/// See the file's header.
pub(crate) struct Heartbeat;

impl Api for Heartbeat {
    type Request = HeartbeatRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const ACCESS: Access = Access::Needs(&[whole(GROUP, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize(GROUP, Operation::Read, &request.group_id) {
            Ok(permit) => permit,
            Err(code) => {
                return Ok(Reply::Response(HeartbeatResponse::default().with_error_code(code.code())));
            }
        };
        let (group_id, member_id) = (request.group_id.as_str(), request.member_id.as_str());
        let instance_id = request.group_instance_id.as_deref();
        let generation = GenerationId(request.generation_id);
        let result = cx.groups(&permit).heartbeat(group_id, member_id, instance_id, generation).await;
        // REBALANCE_IN_PROGRESS is how members hear of a rebalance: a heartbeat has no other way to say it.
        let code = result.err().map_or(ErrorCode::None, group_error_code);
        Ok(Reply::Response(HeartbeatResponse::default().with_error_code(code.code())))
    }

    fn first_error(response: &HeartbeatResponse) -> i16 {
        response.error_code
    }
}
