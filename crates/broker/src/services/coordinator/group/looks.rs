//! Groups as others see them: lists, descriptions and metrics. Nothing here changes a group.

use std::sync::Arc;

use coordinator::group::{
    GroupError, GroupId, Refused,
    classic::GroupDescription,
    consumer::ConsumerGroupDescription,
    consumer_protocol,
    machine::{GroupMachine, Members, not_a_consumer_group},
    offsets::CommittedOffset,
};
use coordinator::state_machine::StateMachine;

use super::super::shell::Missing;
use super::GroupService;
use super::requests::refusal;
use crate::telemetry::metrics::{GroupOffset, GroupSnapshot};

/// A group in a list of groups.
#[derive(Clone, Debug)]
pub(crate) struct GroupOverview {
    pub(crate) group_id: GroupId,
    /// `classic` or `consumer`.
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

    /// ListGroups: all groups that could be read, in the order of their ids.
    /// Each in the state that it is in when its turn comes. None of those that this broker does not coordinate (any more).
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS.
    pub(crate) fn list(&self) -> Result<Vec<GroupOverview>, GroupError> {
        match self.shell.ensure_loaded() {
            Err(Missing::Loading) => return Err(GroupError::CoordinatorLoadInProgress),
            // As `GroupCoordinatorService.listGroups`.
            Err(_) => return Ok(Vec::new()),
            Ok(()) => {}
        }
        let mut list = self.shell.view_all(|machine| {
            let (group_type, protocol_type, state) = match machine.members() {
                Members::Classic(group) => {
                    ("classic", group.protocol_type().cloned().unwrap_or_default(), group.state().as_str())
                }
                Members::Consumer(group) => {
                    ("consumer", consumer_protocol::PROTOCOL_TYPE.into(), group.state().as_str())
                }
            };
            GroupOverview { group_id: machine.id().clone(), group_type, protocol_type, state }
        });
        list.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(list)
    }

    /// DescribeGroups.
    ///
    /// # Errors
    /// If there is no such group, or it is of another kind.
    pub(crate) fn describe(&self, group_id: &GroupId) -> Result<GroupDescription, Refused> {
        self.view(group_id, |machine| match machine.members() {
            Members::Classic(group) => Ok(group.describe()),
            Members::Consumer(_) => {
                let message = format!("Group {group_id} is not a classic group.");
                Err(Refused::new(GroupError::GroupIdNotFound, message))
            }
        })
    }

    /// ConsumerGroupDescribe, one group.
    ///
    /// # Errors
    /// If there is no such group, or it is of another kind.
    pub(crate) fn describe_consumer(&self, group_id: &GroupId) -> Result<ConsumerGroupDescription, Refused> {
        if group_id.as_str().is_empty() {
            return Err(Refused::new(GroupError::InvalidGroupId, "The group id must not be empty."));
        }
        self.view(group_id, |machine| match machine.members() {
            Members::Consumer(group) => Ok(group.describe(&self.shell.kind().config)),
            Members::Classic(_) => Err(not_a_consumer_group(group_id)),
        })
    }

    /// Looks at a group for an answer that need not wait for the disk.
    fn view<T>(
        &self,
        group_id: &GroupId,
        look: impl FnOnce(&GroupMachine) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        match self.shell.view(group_id, look) {
            Ok((viewed, _)) => viewed,
            Err(Missing::Absent) => {
                Err(Refused::new(GroupError::GroupIdNotFound, format!("Group {group_id} not found.")))
            }
            Err(missing) => Err(Refused::from(refusal(missing, GroupError::GroupIdNotFound))),
        }
    }

    /// The groups as a scrape of the metrics shows them.
    /// Copies the offsets of every group: not for a request.
    pub(crate) fn snapshot(&self) -> Vec<GroupSnapshot> {
        self.shell.view_all(|machine| {
            let offset = |(topic, partition, committed): (&Arc<str>, i32, &CommittedOffset)| GroupOffset {
                topic: topic.to_string(),
                partition,
                committed_offset: committed.offset,
            };
            GroupSnapshot {
                group_id: machine.id().to_string(),
                members: machine.member_count(),
                offsets: machine.offsets().iter().map(offset).collect(),
            }
        })
    }
}
