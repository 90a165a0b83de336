//! ConsumerGroupDescribe, key 69: epochs, members and assignments of groups of the consumer protocol
//! (KIP-848).
//!
//! Versions 0–1:
//! - v1: the protocol that each member speaks (KIP-1099).
//!
//! A group that does not exist, or is a classic one, is GROUP_ID_NOT_FOUND with a message, on which admin
//! clients ask DescribeGroups. A member's assignment shows what it holds, partitions included that it is
//! giving up; topics that are gone are left out.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use codec::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, StrBytes, TopicName};
use coordinator::group::consumer::{ConsumerGroupDescription, ConsumerMemberDescription};
use coordinator::group::{GroupId, assignor};
use storage::Catalog;

use crate::kafka::access::{Access, GROUP, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::group_description::{self, Described};
use crate::session::authorizer::{Internal, Permit};

/// See the file's header.
pub(crate) struct ConsumerGroupDescribe;

/// `MemberType` on the wire (KIP-1099): a member that still speaks the classic protocol.
const CLASSIC: i8 = 0;
/// A member that speaks the consumer protocol.
const CONSUMER: i8 = 1;

impl Api for ConsumerGroupDescribe {
    type Request = ConsumerGroupDescribeRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Needs(&[
        each(GROUP, Operation::Describe),
        each(TOPIC, Operation::Describe).when("a topic of the group; the group is refused"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let catalog = &cx.catalog(&Permit::internal(Internal::Names));
        let version = cx.api_version();
        let find = |permit: Permit, id: GroupId| async move {
            let group = cx.groups(&permit).describe_consumer(&id).await?;
            Ok(described(group, catalog, version))
        };
        let with_operations = request.include_authorized_operations;
        let names = super::each_once(request.group_ids);
        let groups = group_description::describe(cx, names, with_operations, find).await;
        Ok(Reply::Response(ConsumerGroupDescribeResponse::default().with_groups(groups)))
    }

    fn first_error(response: &ConsumerGroupDescribeResponse) -> i16 {
        super::first_code(response.groups.iter().map(|group| group.error_code))
    }
}

impl Described for DescribedGroup {
    const HAS_HIDDEN_TOPICS: &'static str =
        "The group has described topic(s) that the client is not authorized to describe.";

    fn topics(&self) -> HashSet<TopicName> {
        let assigned = |assignment: &Assignment| {
            assignment.topic_partitions.iter().map(|topic| topic.topic_name.clone()).collect::<Vec<_>>()
        };
        let of_member = |member: &Member| {
            let mut names = member.subscribed_topic_names.clone();
            names.extend(assigned(&member.assignment));
            names.extend(assigned(&member.target_assignment));
            names
        };
        self.members.iter().flat_map(of_member).collect()
    }

    fn of(self, id: codec::messages::GroupId) -> Self {
        self.with_group_id(id)
    }

    fn with_operations(self, operations: i32) -> Self {
        self.with_authorized_operations(operations)
    }

    fn refused(code: ErrorCode, text: StrBytes) -> Self {
        Self::default().with_error_code(code.code()).with_error_message(Some(text))
    }
}

/// A group that was found. `catalog` is the one of the request, so that all groups of an answer show the same
/// topics.
fn described(group: ConsumerGroupDescription, catalog: &Catalog, version: i16) -> DescribedGroup {
    let members = group.members.into_iter().map(|member| described_member(member, catalog, version));
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state.as_str()))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.assignment_epoch)
        .with_assignor_name(StrBytes::from_static_str(group.assignor))
        .with_members(members.collect())
}

/// One member: what it subscribes to, what it is to use now (`assignment`) and what it is to hold
/// (`target_assignment`). The two are equal once the member has moved over.
fn described_member(member: ConsumerMemberDescription, catalog: &Catalog, version: i16) -> Member {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let said = &member.subscription;
    let names = said.topic_names.iter().map(|name| TopicName(text(name)));
    let described = Member::default()
        .with_member_id(text(member.member_id.as_str()))
        .with_instance_id(said.group_instance_id.as_ref().map(|id| text(id.as_str())))
        .with_rack_id(said.rack_id.as_deref().map(text))
        .with_member_epoch(member.member_epoch)
        .with_client_id(text(&said.client_id))
        .with_client_host(text(&said.client_host))
        .with_subscribed_topic_names(names.collect())
        .with_subscribed_topic_regex(said.topic_regex.as_deref().map(text))
        .with_assignment(assignment(&member.assigned, catalog))
        .with_target_assignment(assignment(&member.target, catalog));
    if version < 1 {
        return described;
    }
    // A classic member is a client that has not been rolled yet in a group that is moving over.
    described.with_member_type(if said.classic.is_some() { CLASSIC } else { CONSUMER })
}

/// Topics by id, with their names; the partitions of each ascend.
fn assignment(topics: &assignor::TopicPartitions, catalog: &Catalog) -> Assignment {
    // A topic that is gone has no name to show.
    let named = topics.iter().filter_map(|(id, partitions)| Some((catalog.topic_by_id(*id)?, partitions)));
    let topics = named.map(|(topic, partitions)| {
        TopicPartitions::default()
            .with_topic_id(topic.id)
            .with_topic_name(TopicName(StrBytes::from_string(topic.name.clone())))
            .with_partitions(partitions.iter().copied().collect())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}
