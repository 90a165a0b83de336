//! JoinGroup: getting an id, getting in, and joining again.
//!
//! Kafka's `classicGroupJoin…` methods. Dynamic members get their id first (KIP-394), static members take over the
//! place of their instance id (KIP-345), and a static member that comes back to a stable group gets its place
//! without a rebalance (KIP-814 from version 9 on lets the leader do so too).

use std::sync::Arc;

use bytes::Bytes;

use super::super::reply::{JoinReply, JoinWaiter, JoinedGroup, JoinedMember};
use super::super::requests::JoinRequest;
use super::super::{GroupConfig, GroupError, GroupInstanceId, MemberId, Outcome, Reply};
use super::member::Member;
use super::{ClassicGroup, JoinPhase, State, refuse_join, refuse_sync};
use crate::state_machine::Now;

/// Ids that one group keeps for clients which asked for one and have not come back. More are refused, so that asking for
/// ids cannot fill the memory.
const MAX_PENDING_MEMBERS: usize = 10_000;

/// The time, the rules and the outcome of one JoinGroup, passed along beside the request.
struct JoinStep<'a> {
    now: Now,
    config: &'a GroupConfig,
    waiter: JoinWaiter,
    out: &'a mut Outcome,
}

impl ClassicGroup {
    /// Handles JoinGroup. The answer to `waiter` comes with this outcome or a later one.
    pub fn join(
        &mut self,
        now: Now,
        config: &GroupConfig,
        request: JoinRequest,
        waiter: JoinWaiter,
        out: &mut Outcome,
    ) {
        let refusal = self.join_or_refuse(request, JoinStep { now, config, waiter, out: &mut *out });
        if let Err(reply) = refusal {
            out.replies.push(Reply::Join(waiter, reply));
        }
    }

    /// Lets the request wait or answers it through `step.out`; a refusal is the reply to send.
    fn join_or_refuse(&mut self, request: JoinRequest, step: JoinStep<'_>) -> Result<(), JoinReply> {
        let member_id = request.member_id.clone();
        let refuse = |error| Err(JoinReply::refused(member_id.clone(), error));
        if self.state == State::Dead {
            // Retriable: the client looks up the coordinator again, and joins.
            return refuse(GroupError::CoordinatorNotAvailable);
        }
        if !self.has_room_for(&member_id, step.config) {
            // A member that is turned away has left: the join of the others must not wait for it.
            self.remove_member(&member_id, step.out);
            self.maybe_complete_join(step.now, step.out);
            return Err(JoinReply::refused(MemberId::none(), GroupError::GroupMaxSizeReached));
        }
        if !self.supports_protocols(&request) {
            return refuse(GroupError::InconsistentGroupProtocol);
        }
        if member_id.is_none() {
            self.join_new(request, step)
        } else if self.pending_members.contains_key(&member_id) {
            if request.group_instance_id.is_some() {
                // Only dynamic members are ever pending.
                return refuse(GroupError::UnknownMemberId);
            }
            self.admit(member_id, request, step);
            Ok(())
        } else {
            let instance_id = request.group_instance_id.as_ref().map(GroupInstanceId::as_str);
            self.validate_member(member_id.as_str(), instance_id).or_else(refuse)?;
            self.rejoin(request, step);
            Ok(())
        }
    }

    /// Kafka's `acceptJoiningMember`: while members join, those who wait count, so that the last to come back of a
    /// group that is too large are turned away.
    fn has_room_for(&self, id: &MemberId, config: &GroupConfig) -> bool {
        match self.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                self.members.get(id).is_some_and(|member| member.awaiting_join.is_some())
                    || self.members.len() < config.max_size
                    || self.members.values().filter(|member| member.awaiting_join.is_some()).count()
                        < config.max_size
            }
            State::CompletingRebalance | State::Stable => {
                self.members.contains_key(id) || self.members.len() < config.max_size
            }
        }
    }

    /// True if the request has the group's type and offers a protocol that all members support.
    fn supports_protocols(&self, request: &JoinRequest) -> bool {
        if self.state == State::Empty {
            // The type of earlier members no longer counts: the first member to join sets it.
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|offered| self.is_common(&offered.name))
    }

    /// True if all members support the protocol.
    pub(super) fn is_common(&self, protocol: &str) -> bool {
        self.members.values().all(|member| member.supports(protocol))
    }

    /// A client without an id: it gets one, or takes the place of its instance id.
    fn join_new(&mut self, request: JoinRequest, step: JoinStep<'_>) -> Result<(), JoinReply> {
        let new_id = request.new_member_id();
        // Static members need no MEMBER_ID_REQUIRED (KIP-394): a retry finds its member by the instance id.
        if let Some(instance_id) = &request.group_instance_id {
            match self.static_members.get(instance_id).cloned() {
                Some(old_id) => self.replace_static(&old_id, new_id, request, step),
                None => self.admit(new_id, request, step),
            }
            return Ok(());
        }
        if !request.requires_known_member_id {
            self.admit(new_id, request, step);
            return Ok(());
        }
        if self.pending_members.len() >= MAX_PENDING_MEMBERS {
            return Err(JoinReply::refused(MemberId::none(), GroupError::GroupMaxSizeReached));
        }
        // A rebalance waits for pending members too: those that never come back must not hold it up.
        let deadline = step.now.deadline(request.session_timeout_ms);
        step.out.wake(deadline);
        self.pending_members.insert(new_id.clone(), deadline);
        Err(JoinReply::refused(new_id, GroupError::MemberIdRequired))
    }

    /// Adds a member and starts a rebalance, or continues the one in course.
    /// Kafka's `addMemberThenRebalanceOrCompleteJoin`.
    fn admit(&mut self, id: MemberId, request: JoinRequest, step: JoinStep<'_>) {
        let JoinStep { now, config, waiter, out } = step;
        let mut member = Member {
            id: id.clone(),
            group_instance_id: request.group_instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            is_new: true,
            awaiting_join: Some(waiter),
            awaiting_sync: None,
            pending_sync: false,
            session_deadline: None,
        };
        // A new member cannot send heartbeats, and a disconnect goes unnoticed while it waits. Clients that time out
        // and retry would pile up as members without a client, so the wait itself is bounded.
        member.expire_after(now, config.new_member_join_timeout_ms, out);
        if let Some(JoinPhase::Initial { member_added, .. }) = &mut self.join_phase {
            *member_added = true;
        }
        self.add_member(member, &request.protocol_type);
        let reason = format!("member {id} joins; client reason: {}", reason(request.reason.as_deref()));
        self.rebalance_or_complete_join(now, config, &reason, out);
    }

    /// A member that is known joins again: [`ClassicGroup::validate_member`] found it.
    fn rejoin(&mut self, request: JoinRequest, step: JoinStep<'_>) {
        let JoinStep { now, config, waiter, out } = step;
        let id = request.member_id.clone();
        let member = self.members.get(&id).expect("it was validated");
        let unchanged = member.protocols == request.protocols;
        let repeats_itself = match self.state {
            // It may have missed the answer to its JoinGroup.
            State::CompletingRebalance => unchanged,
            // The leader joins again when something changed that only it can see, such as the partitions of a topic.
            State::Stable => unchanged && !self.is_leader(&id),
            // In a rebalance a JoinGroup is for the next generation; the other two states have no members.
            State::PreparingRebalance | State::Empty | State::Dead => false,
        };
        if repeats_itself {
            let joined = self.joined_group(&id);
            out.replies.push(Reply::Join(waiter, JoinReply { member_id: id, result: Ok(joined) }));
            return;
        }
        let reason = format!("member {id} joins again; client reason: {}", reason(request.reason.as_deref()));
        self.update_member(&id, request, waiter, out);
        self.rebalance_or_complete_join(now, config, &reason, out);
    }

    /// Takes over what a member of the group says now, and lets its JoinGroup wait.
    fn update_member(
        &mut self,
        id: &MemberId,
        request: JoinRequest,
        waiter: JoinWaiter,
        out: &mut Outcome,
    ) -> &mut Member {
        let member = self.members.get_mut(id).expect("callers name a member");
        // A client that gave up on its first JoinGroup sends another: the first one must not wait for ever.
        refuse_join(member, id.clone(), GroupError::RebalanceInProgress, out);
        member.protocols = request.protocols;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.session_timeout_ms = request.session_timeout_ms;
        member.awaiting_join = Some(waiter);
        member
    }

    /// A static member has restarted: its new incarnation takes the place of the old one, which is fenced.
    /// As Kafka's `updateStaticMemberThenRebalanceOrCompleteJoin`: no rebalance if the group is stable and
    /// its protocol stays.
    fn replace_static(
        &mut self,
        old_id: &MemberId,
        new_id: MemberId,
        request: JoinRequest,
        step: JoinStep<'_>,
    ) {
        let JoinStep { now, config, waiter, out } = step;
        let old_leader = self.leader.clone().unwrap_or_else(MemberId::none);
        let skipping = request.supports_skipping_assignment;
        self.rename_static(old_id, &new_id, out);
        let reason = format!("static member {new_id} replaces {old_id}");
        let client = (Arc::clone(&request.client_id), Arc::clone(&request.client_host));
        let member = self.update_member(&new_id, request, waiter, out);
        // Another process, perhaps on another host.
        (member.client_id, member.client_host) = client;
        member.restart_session(now, out);
        match self.state {
            State::Stable if self.protocol == self.select_protocol() => {
                let mut joined = self.joined_group(&new_id);
                if skipping {
                    joined.skip_assignment = self.is_leader(&new_id);
                } else {
                    // Before KIP-814 the leader could not be told to keep the assignment. Naming its old id as the
                    // leader makes it a follower, which asks for its assignment and computes none.
                    joined.leader = old_leader;
                    joined.members = Vec::new();
                }
                let member = self.members.get_mut(&new_id).expect("it was renamed");
                // Answered here, so that no later rebalance answers it once more.
                member.awaiting_join = None;
                out.replies.push(Reply::Join(waiter, JoinReply { member_id: new_id, result: Ok(joined) }));
                // Written before the client is told: after a restart its new id must still be known.
                out.write(self.record());
                self.persisted = true;
            }
            // In CompletingRebalance too: the leader may be assigning to the old id at this moment.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(now, config, &reason, out),
            // The member waits in the rebalance in course, and may be the last that was missing.
            State::PreparingRebalance | State::Empty | State::Dead => self.maybe_complete_join(now, out),
        }
    }

    /// Moves a member and all that it has to its new id; requests that wait under the old one are told that
    /// it is fenced.
    fn rename_static(&mut self, old_id: &MemberId, new_id: &MemberId, out: &mut Outcome) {
        let old = self.members.shift_remove_full(old_id);
        let (index, _, mut member) = old.expect("`static_members` names members");
        // The process before it may still run; told that it is fenced, it stops instead of joining in turn.
        refuse_join(&mut member, old_id.clone(), GroupError::FencedInstanceId, out);
        refuse_sync(&mut member, GroupError::FencedInstanceId, out);
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members.insert(instance_id.clone(), new_id.clone());
        }
        member.id = new_id.clone();
        member.pending_sync = false;
        member.is_new = false;
        // At its old place: the order of members decides equal votes for a protocol, and who leads next.
        self.members.shift_insert(index, new_id.clone(), member);
        // The SyncGroup of the old id may have been the last that was missing.
        self.settle_sync_deadline();
    }

    /// The current generation as `id` is told.
    pub(super) fn joined_group(&self, id: &MemberId) -> JoinedGroup {
        // Without a protocol no generation has begun, and no member offers the empty one: its metadata is empty.
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let described = |member: &Member| JoinedMember {
            member_id: member.id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        // Only the leader computes an assignment, so only the leader needs the members.
        let members =
            if self.is_leader(id) { self.members.values().map(described).collect() } else { Vec::new() };
        JoinedGroup {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(MemberId::none),
            skip_assignment: false,
            members,
        }
    }
}

/// The client's reason, as the log shows it (KIP-800).
fn reason(given: Option<&str>) -> &str {
    given.unwrap_or("not provided")
}
