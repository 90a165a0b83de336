//! DescribeGroups, key 15: state, members and assignments of classic groups.
//!
//! Versions 0–6:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: authorized operations (KIP-430).
//! - v4: instance ids (KIP-345).
//! - v5: flexible.
//! - v6: a group that does not exist, or is not classic, is GROUP_ID_NOT_FOUND with a message (KIP-1043);
//!   before, it is a group in state Dead.
//!
//! Subscriptions and assignments are the members' own bytes, shown while the group is stable. A group that is named
//! twice is described once.

use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use codec::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId, StrBytes};
use coordinator::group::classic::{GroupDescription, MemberDescription, State};
use coordinator::group::{self, GroupError, Refused};
use futures_util::future::join_all;

use crate::kafka::access::{Access, GROUP, Operation, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{error_text, group_error_code};

/// See the file's header.
pub(crate) struct DescribeGroups;

impl Api for DescribeGroups {
    type Request = DescribeGroupsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const ACCESS: Access = Access::Needs(&[each(GROUP, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let version = cx.api_version();
        let describe = |name: GroupId| async move {
            let permit = match cx.authorize(GROUP, Operation::Describe, &name) {
                Ok(permit) => permit,
                Err(code) => {
                    return DescribedGroup::default().with_group_id(name).with_error_code(code.code());
                }
            };
            let found = cx.groups(&permit).describe(&group::GroupId::from(name.as_str())).await;
            let described = match found {
                Ok(found) => described(found, version),
                Err(refused) => absent(refused, version),
            };
            // Before version 6 a missing group has operations too: it is described as dead, without an error.
            let tells =
                request.include_authorized_operations && described.error_code == ErrorCode::None.code();
            let described = match tells {
                true => described.with_authorized_operations(cx.authorized_operations(GROUP, &name)),
                false => described,
            };
            described.with_group_id(name)
        };
        // Together, as each may wait for a sync.
        let groups = join_all(super::each_once(request.groups).map(describe)).await;
        Ok(Reply::Response(DescribeGroupsResponse::default().with_groups(groups)))
    }

    fn first_error(response: &DescribeGroupsResponse) -> i16 {
        super::first_code(response.groups.iter().map(|group| group.error_code))
    }
}

/// A group that cannot be described. Clients before version 6 take the state Dead for a missing group,
/// without an error.
fn absent(refused: Refused, version: i16) -> DescribedGroup {
    let dead = DescribedGroup::default().with_group_state(StrBytes::from_static_str(State::Dead.as_str()));
    if version < 6 && refused.error == GroupError::GroupIdNotFound {
        return dead;
    }
    let dead = dead.with_error_code(group_error_code(refused.error).code());
    if version < 6 { dead } else { dead.with_error_message(Some(error_text(refused.message))) }
}

/// A group that was found, in the fields that the version has.
fn described(group: GroupDescription, version: i16) -> DescribedGroup {
    let members = group.members.into_iter().map(|member| described_member(member, version));
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state.as_str()))
        .with_protocol_type(text(&group.protocol_type))
        .with_protocol_data(text(&group.protocol))
        .with_members(members.collect())
}

/// One member. Its bytes are shared with the group, not copied.
fn described_member(member: MemberDescription, version: i16) -> DescribedGroupMember {
    let instance_id = member.group_instance_id.filter(|_| version >= 4);
    DescribedGroupMember::default()
        .with_member_id(StrBytes::from_string(member.member_id.to_string()))
        .with_group_instance_id(instance_id.map(|id| StrBytes::from_string(id.to_string())))
        .with_client_id(text(&member.client_id))
        .with_client_host(text(&member.client_host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}

fn text(text: &Arc<str>) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

#[cfg(test)]
mod tests {
    use codec::messages::{ConsumerGroupDescribeRequest, StreamsGroupDescribeRequest};

    use super::*;
    use crate::testing::Running;

    #[tokio::test]
    async fn a_group_that_is_named_twice_is_described_once() {
        let running = Running::start(&[]).await.unwrap();
        let mut client = running.client().await;
        let names = ["a", "b", "a"].map(|name| GroupId(StrBytes::from_static_str(name))).to_vec();
        let expected = &names[..2];
        let classic = DescribeGroupsRequest::default().with_groups(names.clone());
        let told = client.call(6, &classic).await.groups;
        assert_eq!(told.into_iter().map(|group| group.group_id).collect::<Vec<_>>(), expected);
        let consumer = ConsumerGroupDescribeRequest::default().with_group_ids(names.clone());
        let told = client.call(1, &consumer).await.groups;
        assert_eq!(told.into_iter().map(|group| group.group_id).collect::<Vec<_>>(), expected);
        let streams = StreamsGroupDescribeRequest::default().with_group_ids(names.clone());
        let told = client.call(0, &streams).await.groups;
        assert_eq!(told.into_iter().map(|group| group.group_id).collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn operations_are_told_of_a_dead_group_and_not_of_an_error() {
        let running = Running::start(&[]).await.unwrap();
        let mut client = running.client().await;
        for version in 3..=6 {
            let groups = vec![GroupId(StrBytes::from_static_str("absent"))];
            let request =
                DescribeGroupsRequest::default().with_groups(groups).with_include_authorized_operations(true);
            let response = client.call(version, &request).await;
            let expected = if version < 6 { 3400 } else { i32::MIN };
            assert_eq!(response.groups[0].authorized_operations, expected, "version {version}");
        }
    }
}
