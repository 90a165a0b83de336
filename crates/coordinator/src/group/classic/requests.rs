//! The requests that are answered at once: Heartbeat, LeaveGroup, and who may commit offsets.

use super::super::reply::LeaveReply;
use super::super::requests::{CommitIdentity, LeavingMember};
use super::super::{GenerationId, GroupConfig, GroupError, GroupInstanceId, Outcome};
use super::{ClassicGroup, State};
use crate::state_machine::Now;

impl ClassicGroup {
    /// Handles Heartbeat (`classicGroupHeartbeat`): the member is alive, and learns of a rebalance.
    ///
    /// # Errors
    /// REBALANCE_IN_PROGRESS while members join: the session has been restarted all the same.
    /// COORDINATOR_NOT_AVAILABLE after the group was deleted; UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or
    /// ILLEGAL_GENERATION for a sender that is not of the generation.
    pub fn heartbeat(
        &mut self,
        now: Now,
        member_id: &str,
        instance_id: Option<&str>,
        generation: GenerationId,
        out: &mut Outcome,
    ) -> Result<(), GroupError> {
        if self.state == State::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        self.validate_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.restart_session(now, member_id, out);
        // Not in CompletingRebalance: consumers send heartbeats once JoinGroup is answered, and an error
        // would send them back to join before they have synced.
        if self.state == State::PreparingRebalance { Err(GroupError::RebalanceInProgress) } else { Ok(()) }
    }

    /// Handles LeaveGroup (`classicGroupLeave`), which may name several members (KIP-345).
    /// The results are in the order of `leaving`.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE after the group was deleted.
    pub fn leave(
        &mut self,
        now: Now,
        config: &GroupConfig,
        leaving: &[LeavingMember],
        out: &mut Outcome,
    ) -> Result<LeaveReply, GroupError> {
        if self.state == State::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let results: LeaveReply = leaving.iter().map(|member| self.leave_one(member, out)).collect();
        // After all of them, so that one LeaveGroup starts one rebalance.
        if results.iter().any(Result::is_ok) {
            match self.state {
                State::Stable | State::CompletingRebalance => {
                    self.rebalance_or_complete_join(now, config, "members have left", out);
                }
                // The members that left may have been all that the others waited for.
                State::PreparingRebalance => self.maybe_complete_join(now, out),
                // Only pending members can leave an empty group.
                State::Empty | State::Dead => {}
            }
        }
        Ok(results)
    }

    /// Takes one member out. The caller starts the rebalance.
    fn leave_one(&mut self, leaving: &LeavingMember, out: &mut Outcome) -> Result<(), GroupError> {
        let instance_id = leaving.group_instance_id.as_ref();
        // An administrator knows the instance id alone (Admin's `removeMembersFromConsumerGroup`).
        let id = if leaving.member_id.is_none() {
            let holder = instance_id.and_then(|instance_id| self.static_members.get(instance_id));
            holder.cloned().ok_or(GroupError::UnknownMemberId)?
        } else {
            // Pending members are dynamic: they have no instance id that could be checked.
            if !self.pending_members.contains_key(&leaving.member_id) {
                self.validate_member(leaving.member_id.as_str(), instance_id.map(GroupInstanceId::as_str))?;
            }
            leaving.member_id.clone()
        };
        let reason = leaving.reason.as_deref().unwrap_or("not provided");
        tracing::info!(group = %self.id, member = %id, reason, "member leaves");
        self.remove_member(&id, out);
        Ok(())
    }

    /// Checks that offsets may be committed under this identity (`ClassicGroup.validateOffsetCommit`). A commit by a
    /// member counts as a sign of life.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID also for a sender without a generation while there are members;
    /// REBALANCE_IN_PROGRESS while the group waits for its assignment.
    pub fn validate_offset_commit(
        &mut self,
        now: Now,
        who: &CommitIdentity,
        out: &mut Outcome,
    ) -> Result<(), GroupError> {
        if self.state == State::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        // Generation -1: an admin client, or a consumer that assigns itself its partitions. Among members its
        // commits would overwrite theirs.
        if who.generation.0 < 0 && self.state == State::Empty {
            return Ok(());
        }
        if who.generation.0 >= 0 || !who.member_id.is_none() || who.group_instance_id.is_some() {
            let instance_id = who.group_instance_id.as_ref().map(GroupInstanceId::as_str);
            self.validate_member(who.member_id.as_str(), instance_id)?;
            if who.generation != self.generation {
                return Err(GroupError::IllegalGeneration);
            }
        } else {
            // Not a member: only while there are none.
            return Err(GroupError::UnknownMemberId);
        }
        // Not in PreparingRebalance: as in Kafka's `validateOffsetCommit` a commit is still taken, and the
        // next heartbeat tells the member of the rebalance.
        if self.state == State::CompletingRebalance {
            // The member has been told the new generation but nothing that it could have consumed in it.
            return Err(GroupError::RebalanceInProgress);
        }
        self.restart_session(now, who.member_id.as_str(), out);
        Ok(())
    }

    /// Checks that offsets may be committed in a transaction under this identity (`validateOffsetCommit` with
    /// `isTransactional`). The session goes on as it was, and a sender that names neither generation nor
    /// member nor instance is welcome at any time, since clients before KIP-447 name none of them. So is a
    /// member that waits for its assignment.
    ///
    /// # Errors
    /// FENCED_INSTANCE_ID, UNKNOWN_MEMBER_ID or ILLEGAL_GENERATION, in this order; COORDINATOR_NOT_AVAILABLE
    /// after the group was deleted.
    pub fn validate_txn_offset_commit(&self, who: &CommitIdentity) -> Result<(), GroupError> {
        if self.state == State::Dead {
            return Err(GroupError::CoordinatorNotAvailable);
        }
        let is_anonymous = who.member_id.is_none() && who.group_instance_id.is_none();
        if who.generation.0 < 0 && (is_anonymous || self.state == State::Empty) {
            return Ok(());
        }
        let instance_id = who.group_instance_id.as_ref().map(GroupInstanceId::as_str);
        self.validate_member(who.member_id.as_str(), instance_id)?;
        if who.generation == self.generation { Ok(()) } else { Err(GroupError::IllegalGeneration) }
    }

    /// Checks that the group may be deleted (`ClassicGroup.validateDeleteGroup`).
    ///
    /// # Errors
    /// NON_EMPTY_GROUP, or GROUP_ID_NOT_FOUND if it is deleted already.
    pub fn validate_delete(&self) -> Result<(), GroupError> {
        match self.state {
            State::Empty => Ok(()),
            State::Dead => Err(GroupError::GroupIdNotFound),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                Err(GroupError::NonEmptyGroup)
            }
        }
    }

    /// The member has just been heard.
    fn restart_session(&mut self, now: Now, id: &str, out: &mut Outcome) {
        if let Some(member) = self.members.get_mut(id) {
            member.restart_session(now, out);
        }
    }
}
