//! Classic groups, also those of Kafka Connect (DescribeGroups, API 15).

use codec::messages::DescribeGroupsRequest;
use codec::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};

use super::{Group, Member, ask, assignment, ids};
use crate::client::Coordinators;
use crate::failure::Failure;

/// # Errors
/// The coordinator does not answer, or refuses.
pub(super) fn describe(cluster: &mut Coordinators, name: &str) -> Result<Option<Group>, Failure> {
    let request = DescribeGroupsRequest::default().with_groups(ids(name));
    let error = |group: &DescribedGroup| (group.error_code, group.error_message.clone());
    let group = ask(cluster, name, 0..=6, &request, |answer| &answer.groups, error)?;
    Ok(group.filter(|group| &*group.group_state != "Dead").map(group_of))
}

fn group_of(group: DescribedGroup) -> Group {
    let protocol = group.protocol_type.to_string();
    // Groups that never had a member have no protocol type.
    let is_of_consumers = matches!(protocol.as_str(), "consumer" | "");
    let member = |member: DescribedGroupMember| Member {
        id: member.member_id.to_string(),
        instance: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: if is_of_consumers { assignment::read(&member.member_assignment) } else { None },
        ..Member::default()
    };
    Group {
        name: group.group_id.to_string(),
        kind: "classic",
        state: group.group_state.to_string(),
        protocol,
        assignor: group.protocol_data.to_string(),
        members: group.members.into_iter().map(member).collect(),
        ..Group::default()
    }
}
