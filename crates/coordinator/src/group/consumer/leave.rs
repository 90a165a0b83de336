//! Members that go: for good, for a while (static ones), or without a word.

use std::collections::BTreeSet;

use super::super::{Env, GroupError, MemberId, Refused};
use super::heartbeat::{HeartbeatReply, HeartbeatRequest};
use super::member::MemberState;
use super::{ConsumerGroup, LEAVE_STATIC_EPOCH};

impl ConsumerGroup {
    /// Handles a heartbeat that leaves (`consumerGroupLeave`).
    /// Epoch -1 removes the member; -2 keeps a static one until its session ends, for its next process.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID if another member holds the instance id. The epoch is not
    /// checked: any member may leave.
    pub fn leave(&mut self, env: Env<'_>, request: &HeartbeatRequest) -> Result<HeartbeatReply, Refused> {
        let id = &request.member_id;
        if let Some(instance_id) = &request.group_instance_id {
            let holder = self.static_member(instance_id).ok_or_else(|| self.unknown_instance(request))?;
            if holder != id {
                let message = format!(
                    "Static member {id} with instance id {instance_id} was fenced by member {holder}."
                );
                return Err(Refused::new(GroupError::FencedInstanceId, message));
            }
        }
        if !self.members.contains_key(id) {
            return Err(self.not_a_member(id));
        }
        if request.member_epoch == LEAVE_STATIC_EPOCH {
            self.step_away(id);
        } else {
            tracing::info!(group = %self.id, member = %id, "member leaves");
            self.remove(env, &BTreeSet::from([id.clone()]));
        }
        let (member_id, member_epoch) = (id.clone(), request.member_epoch);
        Ok(HeartbeatReply { member_id, member_epoch, assignment: None })
    }

    /// A static member leaves for a while: it keeps its assignment until its session ends. What it was giving up is free.
    fn step_away(&mut self, id: &MemberId) {
        let Some(mut member) = self.members.get(id).cloned() else { return };
        tracing::info!(group = %self.id, member = %id, "static member leaves for a while");
        member.current.revoking.clear();
        member.current.state = MemberState::Stable;
        member.current.previous_epoch = member.current.epoch;
        member.current.epoch = LEAVE_STATIC_EPOCH;
        // Its session goes on, and ends its membership if it does not come back.
        member.revocation_deadline = None;
        // No `refresh`: the group epoch stays, so a process that restarts in time causes no new target.
        self.put(id, member);
        self.changes.current(id);
    }

    /// Takes members out and raises the group epoch, so that others get what they had (`consumerGroupFenceMembers`).
    /// One epoch for all of `ids`. Ids that are no members' are passed over.
    pub(super) fn remove(&mut self, env: Env<'_>, ids: &BTreeSet<MemberId>) {
        let mut removed = false;
        for id in ids {
            removed |= self.take_out(id).is_some();
        }
        if removed {
            if self.members.is_empty() {
                // From here on the retention of its offsets counts (KIP-211).
                self.empty_since_ms = env.now.unix_ms;
            }
            self.refresh(env, true);
        }
    }
}
