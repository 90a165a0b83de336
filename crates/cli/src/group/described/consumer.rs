//! Groups of the consumer protocol (ConsumerGroupDescribe, API 69, KIP-848).

use codec::messages::ConsumerGroupDescribeRequest;
use codec::messages::consumer_group_describe_response::{Assignment, DescribedGroup, Member as Described};

use super::{Group, Member, ask, assigned, ids};
use crate::client::Coordinators;
use crate::failure::Failure;

/// # Errors
/// The coordinator does not answer, or refuses.
pub(super) fn describe(cluster: &mut Coordinators, name: &str) -> Result<Option<Group>, Failure> {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(ids(name));
    let error = |group: &DescribedGroup| (group.error_code, group.error_message.clone());
    let group = ask(cluster, name, 0..=1, &request, |answer| &answer.groups, error)?;
    Ok(group.map(group_of))
}

fn group_of(group: DescribedGroup) -> Group {
    Group {
        name: group.group_id.to_string(),
        kind: "consumer",
        state: group.group_state.to_string(),
        protocol: "consumer".to_owned(),
        assignor: group.assignor_name.to_string(),
        epoch: Some(group.group_epoch),
        assignment_epoch: Some(group.assignment_epoch),
        members: group.members.into_iter().map(member_of).collect(),
    }
}

fn member_of(member: Described) -> Member {
    let topics = |assignment: &Assignment| {
        assigned(assignment.topic_partitions.iter().map(|topic| (&topic.topic_name, &topic.partitions)))
    };
    Member {
        id: member.member_id.to_string(),
        instance: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: Some(topics(&member.assignment)),
        epoch: Some(member.member_epoch),
        target: topics(&member.target_assignment),
        // 0 and 1; -1 of brokers before Kafka 4.0.
        is_upgraded: matches!(member.member_type, 0 | 1).then_some(member.member_type == 1),
    }
}
