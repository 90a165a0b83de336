//! LeaveGroup, key 13: members of the classic protocol leave, or an administrator removes members of either protocol, by
//! their ids or instance ids.
//!
//! Versions 0–5:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: several members, each with its own result (KIP-345).
//! - v4: flexible.
//! - v5: a reason (KIP-800).
//!
//! Members are gone when it is answered; those that stay rebalance.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::leave_group_request::MemberIdentity;
use codec::messages::leave_group_response::MemberResponse;
use codec::messages::{LeaveGroupRequest, LeaveGroupResponse};
use coordinator::group::requests::LeavingMember;
use coordinator::group::{GroupError, GroupId, GroupInstanceId, MemberId};

use crate::kafka::access::{Access, GROUP, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;

/// See the file's header.
pub(crate) struct LeaveGroup;

impl Api for LeaveGroup {
    type Request = LeaveGroupRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access = Access::Needs(&[whole(GROUP, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize(GROUP, Operation::Read, &request.group_id) {
            Ok(permit) => permit,
            Err(code) => {
                return Ok(Reply::Response(LeaveGroupResponse::default().with_error_code(code.code())));
            }
        };
        let group_id = GroupId::from(request.group_id.as_str());
        let named = match cx.api_version() {
            // One member alone, whose result is the answer's own.
            0..=2 => vec![MemberIdentity::default().with_member_id(request.member_id)],
            _ => request.members,
        };
        let leaving: Vec<LeavingMember> = named.iter().map(leaving).collect();
        let response = match cx.groups(&permit).leave(&group_id, &leaving).await {
            // Since version 3 members fail one by one, also where there is no group (Kafka's `GroupCoordinatorService`).
            Err(GroupError::UnknownMemberId) if cx.api_version() > 2 => {
                let unknown = |member| answer(member, Err(GroupError::UnknownMemberId));
                LeaveGroupResponse::default().with_members(named.into_iter().map(unknown).collect())
            }
            Err(error) => LeaveGroupResponse::default().with_error_code(group_error_code(error).code()),
            Ok(results) if cx.api_version() <= 2 => {
                let code = results.into_iter().next().map_or(ErrorCode::None, code);
                LeaveGroupResponse::default().with_error_code(code.code())
            }
            Ok(results) => {
                let members = named.into_iter().zip(results).map(|(member, result)| answer(member, result));
                LeaveGroupResponse::default().with_members(members.collect())
            }
        };
        Ok(Reply::Response(response))
    }

    fn first_error(response: &LeaveGroupResponse) -> i16 {
        let members = response.members.iter().map(|member| member.error_code);
        super::first_code([response.error_code].into_iter().chain(members))
    }
}

/// One member to remove: by its id, or by its instance id where that is given and the id is empty.
fn leaving(member: &MemberIdentity) -> LeavingMember {
    LeavingMember {
        member_id: MemberId::from(member.member_id.as_str()),
        group_instance_id: member.group_instance_id.as_deref().map(GroupInstanceId::from),
        reason: member.reason.as_deref().map(str::to_owned),
    }
}

/// The result of one member, since version 3.
fn answer(member: MemberIdentity, result: Result<(), GroupError>) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(member.member_id)
        .with_group_instance_id(member.group_instance_id)
        .with_error_code(code(result).code())
}

/// The code of a result, 0 for a member that has left.
fn code(result: Result<(), GroupError>) -> ErrorCode {
    result.err().map_or(ErrorCode::None, group_error_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Running;
    use codec::messages::{ConsumerGroupHeartbeatRequest, StrBytes};

    #[tokio::test]
    async fn members_of_a_group_that_is_not_there_are_unknown_one_by_one() {
        let running = Running::start(&[]).await.unwrap();
        let mut client = running.client().await;
        let member = |id| MemberIdentity::default().with_member_id(StrBytes::from_static_str(id));
        for version in 0..=5 {
            let request =
                LeaveGroupRequest::default().with_group_id(StrBytes::from_static_str("absent").into());
            let request = if version > 2 {
                request.with_members(vec![member("a"), member("b")])
            } else {
                request.with_member_id(StrBytes::from_static_str("a"))
            };
            let response = client.call(version, &request).await;
            let codes: Vec<i16> = response.members.iter().map(|member| member.error_code).collect();
            let unknown = ErrorCode::UnknownMemberId.code();
            if version > 2 {
                assert_eq!((response.error_code, codes), (0, vec![unknown, unknown]));
            } else {
                assert_eq!((response.error_code, codes), (unknown, vec![]));
            }
        }
    }

    /// `kafka-consumer-groups.sh --remove-members`, at every version of the request.
    #[tokio::test]
    async fn members_of_the_consumer_protocol_are_removed_at_every_version() {
        let running = Running::start(&[]).await.unwrap();
        let mut client = running.client().await;
        let text = StrBytes::from_static_str;
        let beat = |epoch| {
            ConsumerGroupHeartbeatRequest::default()
                .with_group_id(text("g").into())
                .with_member_id(text("m"))
                .with_instance_id(Some(text("i")))
                .with_member_epoch(epoch)
                .with_rebalance_timeout_ms(60_000)
                .with_subscribed_topic_names(Some(vec![text("t").into()]))
                .with_topic_partitions(Some(Vec::new()))
        };
        let unknown = ErrorCode::UnknownMemberId.code();
        for version in 0..=5 {
            let joined = client.call(1, &beat(0)).await;
            assert_eq!(joined.error_code, 0, "{:?}", joined.error_message);
            let request = LeaveGroupRequest::default().with_group_id(text("g").into());
            let member = MemberIdentity::default();
            let request = match version {
                0..=2 => request.with_member_id(text("m")),
                3 => request.with_members(vec![member.with_member_id(text("m"))]),
                // An administrator knows the instance id alone.
                _ => request.with_members(vec![member.with_group_instance_id(Some(text("i")))]),
            };
            for code in [0, unknown] {
                let left = client.call(version, &request).await;
                let codes = left.members.iter().map(|member| member.error_code);
                assert_eq!(codes.chain([left.error_code]).max(), Some(code), "version {version}: {left:?}");
            }
            assert_eq!(client.call(1, &beat(joined.member_epoch)).await.error_code, unknown);
        }
    }
}
