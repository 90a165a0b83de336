//! Requests of members: JoinGroup, SyncGroup, Heartbeat and LeaveGroup of the classic protocol, ConsumerGroupHeartbeat. Those of
//! streams groups are in `group/streams/machine.rs`.

use super::super::{
    Env, GenerationId, GroupError, GroupId, GroupInstanceId, MemberId, Outcome, Refused, Reply,
    consumer::{HeartbeatReply, HeartbeatRequest},
    reply::{JoinReply, JoinWaiter, LeaveReply, SyncWaiter},
    requests::{JoinRequest, LeavingMember, SyncRequest},
};
use super::{GroupMachine, Members};
use crate::state_machine::{StateMachine as _, TooLong};

impl GroupMachine {
    /// Handles JoinGroup. The answer to `waiter` comes with this outcome or a later one.
    pub fn join(&mut self, env: Env<'_>, request: JoinRequest, waiter: JoinWaiter, out: &mut Outcome) {
        // Before anything changes: with such a member the record of its group could never be written.
        if let Err(too_long) = request.check_lengths() {
            let error = refuse_length(self.id(), too_long);
            out.replies.push(Reply::Join(waiter, JoinReply::refused(MemberId::none(), error)));
            return;
        }
        // In JoinGroup alone: an empty group has no members that could send the other requests.
        self.become_classic_if_empty(env, out);
        match &mut self.members {
            Members::Classic(group) => group.join(env.now, env.config, request, waiter, out),
            Members::Consumer(group) => group.classic_join(env, request, waiter, out),
            Members::Streams(_) => {
                let reply = JoinReply::refused(MemberId::none(), GroupError::InconsistentGroupProtocol);
                out.replies.push(Reply::Join(waiter, reply));
            }
        }
        self.settle(env, out);
    }

    /// Handles SyncGroup. The answer to `waiter` comes with this outcome or a later one.
    pub fn sync(&mut self, env: Env<'_>, request: SyncRequest, waiter: SyncWaiter, out: &mut Outcome) {
        if let Err(too_long) = request.check_lengths() {
            // Taken over, such an assignment could not be written, and the shell would refuse the whole group
            // until the next start.
            let error = refuse_length(self.id(), too_long);
            out.replies.push(Reply::Sync(waiter, Err(error)));
            return;
        }
        match &mut self.members {
            Members::Classic(group) => group.sync(env.now, request, waiter, out),
            Members::Consumer(group) => group.classic_sync(env, &request, waiter, out),
            Members::Streams(_) => {
                out.replies.push(Reply::Sync(waiter, Err(GroupError::UnknownMemberId)));
            }
        }
        self.settle(env, out);
    }

    /// Handles Heartbeat. The ids are as they came: nothing of them is kept.
    ///
    /// # Errors
    /// REBALANCE_IN_PROGRESS asks the member to join again; its session has begun anew all the same.
    /// Otherwise the sender is unknown, fenced or of another generation.
    pub fn heartbeat(
        &mut self,
        env: Env<'_>,
        id: &str,
        instance_id: Option<&str>,
        generation: GenerationId,
        out: &mut Outcome,
    ) -> Result<(), GroupError> {
        // No lengths to check: nothing that a Heartbeat brings is stored.
        let result = match &mut self.members {
            Members::Classic(group) => group.heartbeat(env.now, id, instance_id, generation, out),
            Members::Consumer(group) => {
                let (id, instance_id) = (MemberId::from(id), instance_id.map(GroupInstanceId::from));
                group.classic_heartbeat(env, &id, instance_id.as_ref(), generation, out)
            }
            Members::Streams(_) => Err(GroupError::UnknownMemberId),
        };
        self.settle(env, out);
        result
    }

    /// Handles LeaveGroup.
    /// One rebalance, or one new group epoch, for all of them together.
    ///
    /// # Errors
    /// Only of a group that is deleted; each member has its own result.
    pub fn leave(
        &mut self,
        env: Env<'_>,
        leaving: &[LeavingMember],
        out: &mut Outcome,
    ) -> Result<LeaveReply, GroupError> {
        let result = match &mut self.members {
            Members::Classic(group) => group.leave(env.now, env.config, leaving, out),
            Members::Consumer(group) => Ok(group.classic_leave(env, leaving)),
            Members::Streams(_) => Err(GroupError::UnknownMemberId),
        };
        self.settle(env, out);
        result
    }

    /// Handles ConsumerGroupHeartbeat, which may turn a classic group into one of the consumer protocol.
    ///
    /// # Errors
    /// Those of `heartbeat` and `leave` of a consumer group; or the group is classic and cannot be
    /// upgraded. The group may have changed its protocol all the same.
    pub fn consumer_heartbeat(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        out: &mut Outcome,
    ) -> Result<HeartbeatReply, Refused> {
        if let Err(too_long) = request.check_lengths() {
            return Err(Refused::new(refuse_length(self.id(), too_long), format!("{too_long}.")));
        }
        // Only a member that joins may convert a group, as only such a heartbeat creates one in Kafka.
        if request.member_epoch == 0 {
            self.become_consumer(env, request, out)?;
        }
        let result = match &mut self.members {
            Members::Consumer(group) if request.is_leaving() => group.leave(env, request),
            Members::Consumer(group) => group.heartbeat(env, request, out),
            // With an epoch other than 0 the member was in a consumer group that is gone.
            Members::Classic(group) => Err(not_a_consumer_group(group.id())),
            Members::Streams(group) => Err(not_a_consumer_group(group.id())),
        };
        // Also after a refusal: the group may have been converted, and its state must not be ahead of its
        // records (ADR 5).
        self.settle(env, out);
        result
    }
}

/// The refusal of a request of which a record could not hold a part.
pub(in crate::group) fn refuse_length(group: &GroupId, too_long: TooLong) -> GroupError {
    tracing::info!(%group, %too_long, "a request is refused");
    GroupError::InvalidRequest
}

/// Kafka's answer to requests of the consumer protocol for a group of another kind.
pub fn not_a_consumer_group(id: &GroupId) -> Refused {
    Refused::new(GroupError::GroupIdNotFound, format!("Group {id} is not a consumer group."))
}
