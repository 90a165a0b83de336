//! Share groups (ShareGroupDescribe, API 77, KIP-932), whose members share partitions.

use codec::messages::ShareGroupDescribeRequest;
use codec::messages::share_group_describe_response::{DescribedGroup, Member as Described};

use super::{Group, Member, ask, assigned, ids};
use crate::client::Coordinators;
use crate::failure::Failure;

/// # Errors
/// The coordinator does not answer, or refuses.
pub(super) fn describe(cluster: &mut Coordinators, name: &str) -> Result<Option<Group>, Failure> {
    let request = ShareGroupDescribeRequest::default().with_group_ids(ids(name));
    let error = |group: &DescribedGroup| (group.error_code, group.error_message.clone());
    let group = ask(cluster, name, 1..=1, &request, |answer| &answer.groups, error)?;
    Ok(group.map(group_of))
}

fn group_of(group: DescribedGroup) -> Group {
    Group {
        name: group.group_id.to_string(),
        kind: "share",
        state: group.group_state.to_string(),
        protocol: "share".to_owned(),
        assignor: group.assignor_name.to_string(),
        members: group.members.into_iter().map(member_of).collect(),
        ..Group::default()
    }
}

fn member_of(member: Described) -> Member {
    Member {
        id: member.member_id.to_string(),
        instance: None,
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: Some(assigned(
            member.assignment.topic_partitions.iter().map(|topic| (&topic.topic_name, &topic.partitions)),
        )),
        ..Member::default()
    }
}
