//! The checks of commits and fetches of a consumer group's offsets (`ConsumerGroup.validateOffsetCommit`, `…OffsetFetch`).

use uuid::Uuid;

use super::super::{
    Env, GroupError, MemberId, offsets::Retention, requests::CommitIdentity, streams::TasksHeldSince,
};
use super::{ConsumerGroup, ConsumerMember, ConsumerState};

/// By what each partition of a commit is to be judged.
#[derive(Clone, Copy, Debug)]
pub enum CommitRule<'a> {
    /// The whole commit is welcome.
    All,
    /// The member has moved on from `epoch`: only what it got by then and still holds (KIP-1251).
    HeldSince { member: &'a ConsumerMember, epoch: i32 },
    /// As that, of a streams group: by the tasks that the member has.
    TasksHeldSince(TasksHeldSince<'a>),
}

impl CommitRule<'_> {
    /// STALE_MEMBER_EPOCH for a partition that the member got later than `epoch`, or does not hold.
    /// `name` and `topic` are of the same topic.
    pub fn judge(&self, name: &str, topic: Uuid, partition: i32) -> Result<(), GroupError> {
        match self {
            CommitRule::All => Ok(()),
            CommitRule::HeldSince { member, epoch } => match member.assignment_epoch(topic, partition) {
                Some(since) if since <= *epoch => Ok(()),
                _ => Err(GroupError::StaleMemberEpoch),
            },
            CommitRule::TasksHeldSince(tasks) => tasks.judge(name, partition),
        }
    }
}

impl ConsumerGroup {
    /// The rule by which offsets expire now: nothing of what members subscribe to; otherwise from the commit on, and for an
    /// empty group not before it is empty. Kafka counts from the commit there too, so that a group which read an idle
    /// topic until a moment ago loses its place; KIP-211 was made to end that. `None`: nothing may expire.
    pub(crate) fn retention(&mut self, env: Env<'_>) -> Option<Retention> {
        let empty_since_ms = match self.state() {
            ConsumerState::Dead => return None,
            ConsumerState::Empty => Some(self.empty_since_ms()),
            ConsumerState::Assigning | ConsumerState::Reconciling | ConsumerState::Stable => None,
        };
        let subscribed = self.all_subscribed_names(env).iter().map(ToString::to_string).collect();
        Some(Retention { retention_ms: env.config.offsets_retention_ms, empty_since_ms, subscribed })
    }

    /// Checks that offsets may be committed under this identity. `knows_member_epochs`: OffsetCommit 9 and later.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID also for a sender without an epoch while there are members; ILLEGAL_GENERATION for
    /// a classic member, STALE_MEMBER_EPOCH for an epoch that the group has not given yet,
    /// UNSUPPORTED_VERSION before version 9.
    pub fn validate_offset_commit(
        &self,
        who: &CommitIdentity,
        knows_member_epochs: bool,
    ) -> Result<CommitRule<'_>, GroupError> {
        let received = who.generation.0;
        // An admin client, or a consumer that assigns itself its partitions, as in a classic group.
        if received < 0 && self.members.is_empty() {
            return Ok(CommitRule::All);
        }
        let member = self.members.get(&who.member_id).ok_or(GroupError::UnknownMemberId)?;
        // Classic clients know ILLEGAL_GENERATION, not the errors of KIP-848.
        if member.uses_classic_protocol() {
            let is_current = received == member.current.epoch;
            return if is_current { Ok(CommitRule::All) } else { Err(GroupError::IllegalGeneration) };
        }
        // Older versions have no STALE_MEMBER_EPOCH that a client could act on.
        if !knows_member_epochs {
            return Err(GroupError::UnsupportedVersion);
        }
        match received.cmp(&member.current.epoch) {
            std::cmp::Ordering::Equal => Ok(CommitRule::All),
            std::cmp::Ordering::Greater => Err(GroupError::StaleMemberEpoch),
            std::cmp::Ordering::Less => Ok(CommitRule::HeldSince { member, epoch: received }),
        }
    }

    /// Checks that offsets may be committed in a transaction under this identity. A sender that names neither
    /// epoch nor member nor instance is welcome, since clients before KIP-447 name none of them.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH for an epoch that the group has not given yet,
    /// ILLEGAL_GENERATION for a classic member of another epoch.
    pub fn validate_txn_offset_commit(&self, who: &CommitIdentity) -> Result<CommitRule<'_>, GroupError> {
        if who.is_anonymous() {
            return Ok(CommitRule::All);
        }
        // Members of the consumer protocol may use any version of TxnOffsetCommit.
        self.validate_offset_commit(who, true)
    }

    /// Checks that a member may fetch offsets. `None`: not a member, such as an admin tool.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, or for another epoch ILLEGAL_GENERATION (classic members) or STALE_MEMBER_EPOCH.
    pub fn validate_offset_fetch(&self, member_id: Option<&MemberId>, epoch: i32) -> Result<(), GroupError> {
        let Some(member_id) = member_id else { return Ok(()) };
        let member = self.members.get(member_id).ok_or(GroupError::UnknownMemberId)?;
        match (member.current.epoch == epoch, member.uses_classic_protocol()) {
            (true, _) => Ok(()),
            (false, true) => Err(GroupError::IllegalGeneration),
            (false, false) => Err(GroupError::StaleMemberEpoch),
        }
    }
}
