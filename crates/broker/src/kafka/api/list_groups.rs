//! ListGroups, key 16: the groups of this broker.
//!
//! Versions 0–5:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: flexible.
//! - v4: state, and a filter by it (KIP-518).
//! - v5: type, and a filter by it (KIP-848).
//!
//! Filters do not mind upper and lower case, as in Kafka. Groups come in the order of their ids; a group
//! whose records could not be read is left out.

use std::ops::RangeInclusive;

use codec::messages::list_groups_response::ListedGroup;
use codec::messages::{GroupId, ListGroupsRequest, ListGroupsResponse, StrBytes};

use crate::kafka::access::{Access, CLUSTER, GROUP, Operation, left_out};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;
use crate::services::coordinator::group::GroupOverview;
use crate::session::authorizer::{Internal, Permit};

/// See the file's header.
pub(crate) struct ListGroups;

impl Api for ListGroups {
    type Request = ListGroupsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access =
        Access::Needs(&[left_out(GROUP, Operation::Describe).or(CLUSTER, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let wanted = |group: &GroupOverview| {
            let types = |one: &StrBytes| one.eq_ignore_ascii_case(group.group_type);
            // As `GroupMetadataManager.listGroups`: states are trimmed, types are not.
            let states = |one: &StrBytes| one.trim().eq_ignore_ascii_case(group.state);
            passes(&request.states_filter, states) && passes(&request.types_filter, types)
        };
        let version = cx.api_version();
        let permit = Permit::internal(Internal::Names);
        // Asked once: it is enough for all of them.
        let all = cx.may_cluster(Operation::Describe).is_ok();
        let visible = |group: &GroupOverview| {
            all || cx.may(GROUP, Operation::Describe, group.group_id.as_str()).is_ok()
        };
        let response = match cx.groups(&permit).list().await {
            Ok(groups) => {
                let groups =
                    groups.into_iter().filter(wanted).filter(visible).map(|group| listed(&group, version));
                ListGroupsResponse::default().with_groups(groups.collect())
            }
            Err(error) => ListGroupsResponse::default().with_error_code(group_error_code(error).code()),
        };
        Ok(Reply::Response(response))
    }

    fn first_error(response: &ListGroupsResponse) -> i16 {
        response.error_code
    }
}

/// An empty filter lets everything pass.
fn passes(filter: &[StrBytes], fits: impl Fn(&StrBytes) -> bool) -> bool {
    filter.is_empty() || filter.iter().any(fits)
}

/// One group. Its protocol type is empty if it only stores offsets.
fn listed(group: &GroupOverview, version: i16) -> ListedGroup {
    let listed = ListedGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.group_id.to_string())))
        .with_protocol_type(StrBytes::from_string(group.protocol_type.to_string()));
    let listed =
        if version >= 4 { listed.with_group_state(StrBytes::from_static_str(group.state)) } else { listed };
    if version >= 5 { listed.with_group_type(StrBytes::from_static_str(group.group_type)) } else { listed }
}
