//! Groups of Kafka Streams (StreamsGroupDescribe, API 89, KIP-1071). Their members have tasks: these are shown as the partitions that they read.

use codec::messages::StreamsGroupDescribeRequest;
use codec::messages::streams_group_describe_response::{
    Assignment as Assigned, DescribedGroup, Member as Described, Topology,
};

use super::{Assignment, Group, Member, ask, ids};
use crate::client::Coordinators;
use crate::failure::Failure;

/// # Errors
/// The coordinator does not answer, or refuses.
pub(super) fn describe(cluster: &mut Coordinators, name: &str) -> Result<Option<Group>, Failure> {
    let request = StreamsGroupDescribeRequest::default().with_group_ids(ids(name));
    let error = |group: &DescribedGroup| (group.error_code, group.error_message.clone());
    let group = ask(cluster, name, 0..=0, &request, |answer| &answer.groups, error)?;
    Ok(group.map(group_of))
}

fn group_of(group: DescribedGroup) -> Group {
    let topology = group.topology.unwrap_or_default();
    let member = |member: Described| Member {
        id: member.member_id.to_string(),
        instance: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: Some(assignment_of(&member.assignment, &topology)),
        ..Member::default()
    };
    Group {
        name: group.group_id.to_string(),
        kind: "streams",
        state: group.group_state.to_string(),
        protocol: "streams".to_owned(),
        assignor: String::new(),
        members: group.members.into_iter().map(member).collect(),
        ..Group::default()
    }
}

/// The partitions of active tasks: task n of a subtopology reads partition n of each of its topics.
fn assignment_of(assigned: &Assigned, topology: &Topology) -> Assignment {
    let mut assignment = Assignment::new();
    for task in &assigned.active_tasks {
        let parts = topology.subtopologies.iter().flatten();
        for part in parts.filter(|part| part.subtopology_id == task.subtopology_id) {
            let sources = part.source_topics.iter().map(|topic| topic.to_string());
            let repartition = part.repartition_source_topics.iter().map(|topic| topic.name.to_string());
            for topic in sources.chain(repartition) {
                assignment.entry(topic).or_default().extend(&task.partitions);
            }
        }
    }
    assignment
}
