//! The checks of commits and fetches of a streams group's offsets (`StreamsGroup.validateOffsetCommit`,
//! `…OffsetFetch`).

use super::super::{
    Env, GroupError, MemberId, consumer::CommitRule, offsets::Retention, requests::CommitIdentity,
};
use super::{StreamsGroup, StreamsMember, StreamsState, Topology};

/// A member that has moved on from `epoch`: it commits only for tasks that it got by then and still holds.
#[derive(Clone, Copy, Debug)]
pub struct TasksHeldSince<'a> {
    topology: &'a Topology,
    member: &'a StreamsMember,
    epoch: i32,
}

impl TasksHeldSince<'_> {
    /// STALE_MEMBER_EPOCH for a partition that is no task's, or of a task that the member got later or does
    /// not hold.
    pub fn judge(&self, topic: &str, partition: i32) -> Result<(), GroupError> {
        let subtopology = self.topology.reader_of(topic).ok_or(GroupError::StaleMemberEpoch)?;
        match self.member.assignment_epoch(subtopology, partition) {
            Some(since) if since <= self.epoch => Ok(()),
            _ => Err(GroupError::StaleMemberEpoch),
        }
    }
}

impl StreamsGroup {
    /// The rule by which offsets expire now: as those of a consumer group. `None`: nothing may expire.
    pub(crate) fn retention(&self, env: Env<'_>) -> Option<Retention> {
        let empty_since_ms = match self.state() {
            StreamsState::Dead => return None,
            StreamsState::Empty => Some(self.empty_since_ms),
            StreamsState::NotReady
            | StreamsState::Assigning
            | StreamsState::Reconciling
            | StreamsState::Stable => None,
        };
        let retention_ms = env.config.offsets_retention_ms;
        Some(Retention { retention_ms, empty_since_ms, subscribed: self.subscribed_topics() })
    }

    /// The topics whose offsets stay: what the members read. Nothing without members.
    pub(crate) fn subscribed_topics(&self) -> std::collections::BTreeSet<String> {
        let topology = self.topology.as_ref().filter(|_| !self.members.is_empty());
        topology.map(Topology::input).unwrap_or_default()
    }

    /// Checks that the group may be deleted.
    pub(crate) fn validate_delete(&self) -> Result<(), GroupError> {
        match self.state() {
            StreamsState::Empty => Ok(()),
            StreamsState::Dead => Err(GroupError::GroupIdNotFound),
            StreamsState::NotReady
            | StreamsState::Assigning
            | StreamsState::Reconciling
            | StreamsState::Stable => Err(GroupError::NonEmptyGroup),
        }
    }

    /// Checks that offsets may be committed under this identity. `knows_member_epochs`: OffsetCommit 9 and
    /// later.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID also for a sender without an epoch while there are members; STALE_MEMBER_EPOCH for
    /// an epoch that the member has not been given yet, UNSUPPORTED_VERSION before version 9.
    pub fn validate_offset_commit(
        &self,
        who: &CommitIdentity,
        knows_member_epochs: bool,
    ) -> Result<CommitRule<'_>, GroupError> {
        let received = who.generation.0;
        // An admin client.
        if received < 0 && self.members.is_empty() {
            return Ok(CommitRule::All);
        }
        let member = self.members.get(&who.member_id).ok_or(GroupError::UnknownMemberId)?;
        if !knows_member_epochs {
            return Err(GroupError::UnsupportedVersion);
        }
        let topology = self.topology.as_ref();
        match (received.cmp(&member.current.epoch), topology) {
            (std::cmp::Ordering::Equal, _) => Ok(CommitRule::All),
            (std::cmp::Ordering::Less, Some(topology)) => {
                Ok(CommitRule::TasksHeldSince(TasksHeldSince { topology, member, epoch: received }))
            }
            _ => Err(GroupError::StaleMemberEpoch),
        }
    }

    /// Checks that offsets may be committed in a transaction under this identity: as those of a consumer group.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, or STALE_MEMBER_EPOCH for an epoch that the member has not been given yet.
    pub fn validate_txn_offset_commit(&self, who: &CommitIdentity) -> Result<CommitRule<'_>, GroupError> {
        if who.is_anonymous() {
            return Ok(CommitRule::All);
        }
        self.validate_offset_commit(who, true)
    }

    /// Checks that a member may fetch offsets. `None`: not a member, such as an admin tool.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, or STALE_MEMBER_EPOCH for another epoch.
    pub fn validate_offset_fetch(&self, member_id: Option<&MemberId>, epoch: i32) -> Result<(), GroupError> {
        let Some(member_id) = member_id else { return Ok(()) };
        let member = self.members.get(member_id).ok_or(GroupError::UnknownMemberId)?;
        if member.current.epoch == epoch { Ok(()) } else { Err(GroupError::StaleMemberEpoch) }
    }
}
