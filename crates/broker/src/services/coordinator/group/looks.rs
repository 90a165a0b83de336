//! Groups as others see them: lists, descriptions and metrics. Nothing here changes a group.

use std::sync::Arc;

use coordinator::group::{
    GroupError, GroupId, Refused,
    classic::GroupDescription,
    consumer::ConsumerGroupDescription,
    consumer_protocol,
    machine::{GroupMachine, Members, not_a_consumer_group},
    offsets::CommittedOffset,
    streams::{self, StreamsGroupDescription, not_a_streams_group},
};
use coordinator::state_machine::StateMachine;

use super::super::log::NotWritten;
use super::super::shell::Missing;
use super::GroupService;
use super::requests::refusal;
use crate::telemetry::metrics::{GroupOffset, GroupSnapshot};

/// A group in a list of groups.
#[derive(Clone, Debug)]
pub(crate) struct GroupOverview {
    pub(crate) group_id: GroupId,
    /// `classic`, `consumer` or `streams`.
    pub(crate) group_type: &'static str,
    /// Empty for a group that only stores offsets.
    pub(crate) protocol_type: Arc<str>,
    /// As Kafka spells it.
    pub(crate) state: &'static str,
}

impl GroupService {
    /// This broker coordinates groups, now or once they are loaded.
    pub(crate) fn is_here(&self) -> bool {
        self.shell.ensure_loaded() != Err(Missing::NotCoordinator)
    }

    /// ListGroups: all groups that could be read, in the order of their ids. Each in the state that it is in when its
    /// turn comes, told once that is durable. None of those that this broker does not coordinate (any more).
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS, or COORDINATOR_NOT_AVAILABLE if a state could not be made durable.
    pub(crate) async fn list(&self) -> Result<Vec<GroupOverview>, GroupError> {
        match self.shell.ensure_loaded() {
            Err(Missing::Loading) => return Err(GroupError::CoordinatorLoadInProgress),
            // As `GroupCoordinatorService.listGroups`.
            Err(_) => return Ok(Vec::new()),
            Ok(()) => {}
        }
        let viewed = self.shell.view_all(|machine| {
            let (group_type, protocol_type, state) = match machine.members() {
                Members::Classic(group) => {
                    ("classic", group.protocol_type().cloned().unwrap_or_default(), group.state().as_str())
                }
                Members::Consumer(group) => {
                    ("consumer", consumer_protocol::PROTOCOL_TYPE.into(), group.state().as_str())
                }
                Members::Streams(group) => ("streams", streams::PROTOCOL_TYPE.into(), group.state().as_str()),
            };
            GroupOverview { group_id: machine.id().clone(), group_type, protocol_type, state }
        });
        let mut list = Vec::with_capacity(viewed.len());
        for (overview, ticket) in viewed {
            match ticket.durable().await {
                Ok(()) => list.push(overview),
                Err(NotWritten::NotLed) => return Ok(Vec::new()),
                Err(failed) => return Err(failed.into()),
            }
        }
        list.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(list)
    }

    /// DescribeGroups.
    ///
    /// # Errors
    /// If there is no such group, or it is of another kind.
    pub(crate) async fn describe(&self, group_id: &GroupId) -> Result<GroupDescription, Refused> {
        let look = |machine: &GroupMachine| match machine.members() {
            Members::Classic(group) => Ok(group.describe()),
            Members::Consumer(_) | Members::Streams(_) => {
                let message = format!("Group {group_id} is not a classic group.");
                Err(Refused::new(GroupError::GroupIdNotFound, message))
            }
        };
        self.view(group_id, look).await
    }

    /// ConsumerGroupDescribe, one group.
    ///
    /// # Errors
    /// If there is no such group, or it is of another kind.
    pub(crate) async fn describe_consumer(
        &self,
        group_id: &GroupId,
    ) -> Result<ConsumerGroupDescription, Refused> {
        if group_id.as_str().is_empty() {
            return Err(Refused::new(GroupError::InvalidGroupId, "The group id must not be empty."));
        }
        let look = |machine: &GroupMachine| match machine.members() {
            Members::Consumer(group) => Ok(group.describe(&self.shell.kind().config())),
            Members::Classic(_) | Members::Streams(_) => Err(not_a_consumer_group(group_id)),
        };
        self.view(group_id, look).await
    }

    /// StreamsGroupDescribe, one group.
    ///
    /// # Errors
    /// If there is no such group, or it is of another kind.
    pub(crate) async fn describe_streams(
        &self,
        group_id: &GroupId,
    ) -> Result<StreamsGroupDescription, Refused> {
        if group_id.as_str().is_empty() {
            return Err(Refused::new(GroupError::InvalidGroupId, "The group id must not be empty."));
        }
        let look = |machine: &GroupMachine| match machine.members() {
            Members::Streams(group) => Ok(group.describe()),
            Members::Classic(_) | Members::Consumer(_) => Err(not_a_streams_group(group_id)),
        };
        self.view(group_id, look).await
    }

    /// Looks at a group, and tells what it saw once that is durable, as Kafka describes groups as of the committed
    /// offset.
    async fn view<T>(
        &self,
        group_id: &GroupId,
        look: impl FnOnce(&GroupMachine) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        match self.shell.view(group_id, look) {
            Ok((viewed, ticket)) => {
                ticket.durable().await.map_err(GroupError::from)?;
                viewed
            }
            Err(Missing::Absent) => {
                Err(Refused::new(GroupError::GroupIdNotFound, format!("Group {group_id} not found.")))
            }
            Err(missing) => Err(Refused::from(refusal(missing, GroupError::GroupIdNotFound))),
        }
    }

    /// The groups as a scrape of the metrics shows them, which waits for no disk: an offset may be shown shortly
    /// before it is durable. Copies the offsets of every group: not for a request.
    pub(crate) fn snapshot(&self) -> Vec<GroupSnapshot> {
        let viewed = self.shell.view_all(snapshot_of);
        viewed.into_iter().map(|(snapshot, _)| snapshot).collect()
    }
}

/// A group as a scrape of the metrics shows it.
fn snapshot_of(machine: &GroupMachine) -> GroupSnapshot {
    let offset = |(topic, partition, committed): (&Arc<str>, i32, &CommittedOffset)| GroupOffset {
        topic: topic.to_string(),
        partition,
        committed_offset: committed.offset,
    };
    GroupSnapshot {
        group_id: machine.id().to_string(),
        members: machine.member_count(),
        offsets: machine.offsets().iter().map(offset).collect(),
        pending_offsets: machine.offsets().pending().len(),
    }
}
