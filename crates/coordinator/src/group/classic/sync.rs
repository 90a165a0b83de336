//! SyncGroup: the leader hands in the assignment, every member takes its own.
//!
//! Kafka's `classicGroupSync`. The assignment is recorded before anybody is told.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::super::reply::{SyncWaiter, SyncedMember};
use super::super::requests::SyncRequest;
use super::super::{GroupError, GroupInstanceId, MemberId, Outcome, Reply};
use super::{ClassicGroup, State, refuse_sync};
use crate::state_machine::Now;

impl ClassicGroup {
    /// Handles SyncGroup. The answer to `waiter` comes with this outcome or a later one.
    pub fn sync(&mut self, now: Now, request: SyncRequest, waiter: SyncWaiter, out: &mut Outcome) {
        if let Err(error) = self.validate_sync(&request) {
            out.replies.push(Reply::Sync(waiter, Err(error)));
            return;
        }
        let id = request.member_id;
        let member = self.members.get_mut(&id).expect("it was validated");
        member.pending_sync = false;
        // The leader was faster, or the answer to an earlier SyncGroup was lost: the assignment stands.
        if self.state == State::Stable {
            // As in Kafka's `classicGroupSync` this does not restart the session.
            let synced = self.synced_member(&id);
            out.replies.push(Reply::Sync(waiter, Ok(synced)));
        } else {
            // As with JoinGroup: of two waiting requests of one member only the later counts.
            refuse_sync(member, GroupError::RebalanceInProgress, out);
            member.awaiting_sync = Some(waiter);
            if self.is_leader(&id) {
                self.assign(now, request.assignments, out);
            }
        }
        self.settle_sync_deadline();
    }

    /// Kafka's `validateSyncGroup`, and the states in which no assignment can come.
    fn validate_sync(&self, request: &SyncRequest) -> Result<(), GroupError> {
        match self.state {
            State::Dead => return Err(GroupError::CoordinatorNotAvailable),
            State::Empty => return Err(GroupError::UnknownMemberId),
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {}
        }
        let instance_id = request.group_instance_id.as_ref().map(GroupInstanceId::as_str);
        self.validate_member(request.member_id.as_str(), instance_id)?;
        // Requests before version 5 name neither (KIP-559), and before its first generation a group has no protocol
        // to differ from.
        let differs = |given: &Option<Arc<str>>, ours: &Option<Arc<str>>| {
            given.as_ref().zip(ours.as_ref()).is_some_and(|(given, ours)| given != ours)
        };
        // Before REBALANCE_IN_PROGRESS: a member that is behind must learn that its generation is over.
        if request.generation != self.generation {
            Err(GroupError::IllegalGeneration)
        } else if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            Err(GroupError::InconsistentGroupProtocol)
        } else if self.state == State::PreparingRebalance {
            Err(GroupError::RebalanceInProgress)
        } else {
            Ok(())
        }
    }

    /// The generation is stable: members that the leader forgot get an empty assignment, everybody waiting is told.
    /// The answers go out once the record is durable.
    fn assign(&mut self, now: Now, mut assignments: HashMap<MemberId, Bytes>, out: &mut Outcome) {
        self.transition(State::Stable, now);
        for member in self.members.values_mut() {
            // Ids that are left over are an error of the leader: had they left, a rebalance would have begun.
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
        }
        out.write(self.record());
        self.persisted = true;
        tracing::info!(group = %self.id, generation = self.generation.0, members = self.members.len(), "stable");
        let waiting: Vec<MemberId> = self
            .members
            .values()
            .filter(|member| member.awaiting_sync.is_some())
            .map(|member| member.id.clone())
            .collect();
        for id in waiting {
            let synced = self.synced_member(&id);
            let member = self.members.get_mut(&id).expect("an id of a member");
            if let Some(waiter) = member.awaiting_sync.take() {
                out.replies.push(Reply::Sync(waiter, Ok(synced)));
            }
            // A session that ran out while the member waited has no deadline any more.
            member.restart_session(now, out);
        }
    }

    /// The member's part of the assignment that stands.
    fn synced_member(&self, id: &MemberId) -> SyncedMember {
        SyncedMember {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }

    /// Clears the deadline for SyncGroups once none is missing.
    pub(super) fn settle_sync_deadline(&mut self) {
        if !self.members.values().any(|member| member.pending_sync) {
            self.sync_deadline = None;
        }
    }
}
