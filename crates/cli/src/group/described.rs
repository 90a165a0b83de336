//! A group as its coordinator describes it. Each type of group has an API of its own: the coordinator is asked by one after the other until it
//! knows the group, since its list has no types before Kafka 3.7.

mod assignment;
mod classic;
mod consumer;
mod share;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use codec::messages::{GroupId, StrBytes, TopicName};
use codec::{ErrorCode, Request};

use crate::client::{Coordinators, refused};
use crate::failure::Failure;
use crate::output::escaped;

/// Partitions by topic.
pub(crate) type Assignment = BTreeMap<String, BTreeSet<i32>>;

/// A group and its members.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// `classic`, `consumer`, `share` or `streams`.
    pub(crate) kind: &'static str,
    pub(crate) state: String,
    /// Such as `consumer` or `connect`.
    pub(crate) protocol: String,
    /// Empty while there is none.
    pub(crate) assignor: String,
    /// Epochs of the group and of its target assignment, of the consumer protocol.
    pub(crate) epoch: Option<i32>,
    pub(crate) assignment_epoch: Option<i32>,
    pub(crate) members: Vec<Member>,
}

/// A member of a group.
#[derive(Debug, Default)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// `group.instance.id` of a static member.
    pub(crate) instance: Option<String>,
    pub(crate) client_id: String,
    pub(crate) host: String,
    /// `None` where its form is not that of consumers.
    pub(crate) assignment: Option<Assignment>,
    /// The epoch that it has reached, and the assignment that it is to reach, of the consumer protocol.
    pub(crate) epoch: Option<i32>,
    pub(crate) target: Assignment,
    /// True for a member of the consumer protocol, false for one of the classic protocol in such a group; `None` if the broker does not tell.
    pub(crate) is_upgraded: Option<bool>,
}

/// Describes a group; `None` if no group has this name.
///
/// # Errors
/// The coordinator does not answer, or refuses.
pub(crate) fn describe(cluster: &mut Coordinators, name: &str) -> Result<Option<Group>, Failure> {
    for ask in [consumer::describe, classic::describe, share::describe, streams::describe] {
        if let Some(group) = ask(cluster, name)? {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

/// Partitions by topic, out of an answer's list of topics.
fn assigned<'a>(topics: impl Iterator<Item = (&'a TopicName, &'a Vec<i32>)>) -> Assignment {
    topics.map(|(topic, partitions)| (topic.to_string(), partitions.iter().copied().collect())).collect()
}

/// The name of a group in a request for descriptions.
fn ids(name: &str) -> Vec<GroupId> {
    vec![GroupId(StrBytes::from_string(name.to_owned()))]
}

/// Asks the coordinator of a group for its description by the API of one type; `None` where it does not serve the API, or has no group of
/// this name and type. `groups` are those of an answer, `error` the error of one.
fn ask<R: Request, T: Clone>(
    cluster: &mut Coordinators,
    name: &str,
    versions: RangeInclusive<i16>,
    request: &R,
    groups: impl Fn(&R::Response) -> &[T],
    error: impl Fn(&T) -> (i16, Option<StrBytes>),
) -> Result<Option<T>, Failure> {
    if !cluster.serves::<R>(name, *versions.start())? {
        return Ok(None);
    }
    let codes = |answer: &R::Response| groups(answer).iter().map(|group| error(group).0).collect();
    let answer = cluster.call(name, versions, request, codes)?;
    let Some(group) = groups(&answer).first() else { return Ok(None) };
    match error(group) {
        (0, _) => Ok(Some(group.clone())),
        (code, _) if is_of_another_type(code) => Ok(None),
        (code, message) => {
            let message = message.filter(|text| !text.is_empty());
            Err(refused(&format!("describe group {}", escaped(name)), code, message.as_deref()))
        }
    }
}

fn is_of_another_type(code: i16) -> bool {
    [ErrorCode::GroupIdNotFound, ErrorCode::UnsupportedVersion].map(i16::from).contains(&code)
}

impl Group {
    /// The member that has a partition.
    pub(crate) fn owner(&self, topic: &str, partition: i32) -> Option<&Member> {
        let has = |member: &&Member| {
            let assignment = member.assignment.as_ref();
            assignment.and_then(|of| of.get(topic)).is_some_and(|of| of.contains(&partition))
        };
        self.members.iter().find(has)
    }

    /// All partitions that a member has.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = (String, i32)> {
        let assignments = self.members.iter().filter_map(|member| member.assignment.as_ref()).flatten();
        assignments.flat_map(|(topic, of)| of.iter().map(|partition| (topic.clone(), *partition)))
    }
}

impl Member {
    /// The assignment in one cell: `orders:0,1 bills:2`.
    pub(crate) fn assignment_text(&self) -> String {
        let Some(assignment) = &self.assignment else { return "(unknown form)".to_owned() };
        let topic = |(topic, partitions): (&String, &BTreeSet<i32>)| {
            let numbers: Vec<String> = partitions.iter().map(ToString::to_string).collect();
            format!("{topic}:{}", numbers.join(","))
        };
        match assignment.is_empty() {
            true => "-".to_owned(),
            false => assignment.iter().map(topic).collect::<Vec<_>>().join(" "),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A member's id, and its partitions by topic.
    type Assigned<'a> = (&'a str, &'a [(&'a str, &'a [i32])]);

    pub(in crate::group) fn group(members: &[Assigned<'_>]) -> Group {
        let member = |(id, assignment): &Assigned<'_>| Member {
            id: (*id).to_owned(),
            instance: None,
            client_id: "app".to_owned(),
            host: "/127.0.0.1".to_owned(),
            assignment: Some(
                assignment
                    .iter()
                    .map(|(topic, of)| ((*topic).to_owned(), of.iter().copied().collect()))
                    .collect(),
            ),
            ..Member::default()
        };
        Group {
            name: "billing".to_owned(),
            kind: "classic",
            state: "Stable".to_owned(),
            protocol: "consumer".to_owned(),
            assignor: "range".to_owned(),
            members: members.iter().map(member).collect(),
            ..Group::default()
        }
    }

    #[test]
    fn a_partition_has_the_member_that_it_is_assigned_to() {
        let group = group(&[("one", &[("a", &[0, 1])]), ("two", &[("a", &[2]), ("b", &[0])]), ("idle", &[])]);
        assert_eq!(group.owner("a", 2).map(|member| member.id.as_str()), Some("two"));
        assert!(group.owner("b", 1).is_none());
        assert_eq!(group.assigned().count(), 4);
        let texts: Vec<String> = group.members.iter().map(Member::assignment_text).collect();
        assert_eq!(texts, ["a:0,1", "a:2 b:0", "-"]);
    }
}
