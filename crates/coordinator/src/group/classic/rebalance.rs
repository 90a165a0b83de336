//! The way from one generation to the next: preparing, waiting for members, electing, completing.
//!
//! Kafka's `prepareRebalance`, `completeClassicGroupJoin` and `ClassicGroup.initNextGeneration`.

use std::sync::Arc;

use bytes::Bytes;

use super::super::reply::JoinReply;
use super::super::{GroupConfig, GroupError, MemberId, Outcome, Reply};
use super::member::Member;
use super::{ClassicGroup, JoinPhase, State, refuse_sync};
use crate::state_machine::Now;

/// Members may ask for a rebalance timeout of zero; a phase that has to be repeated must not spin.
const MIN_RETRY_MS: u32 = 100;

impl ClassicGroup {
    /// Starts a rebalance, or, when one is in course, ends its joining phase if everybody is there.
    /// Kafka's `maybePrepareRebalanceOrCompleteJoin`. `reason` is for the log only.
    pub(super) fn rebalance_or_complete_join(
        &mut self,
        now: Now,
        config: &GroupConfig,
        reason: &str,
        out: &mut Outcome,
    ) {
        match self.state {
            State::Empty | State::CompletingRebalance | State::Stable => {
                self.prepare_rebalance(now, config, reason, out);
            }
            State::PreparingRebalance => self.maybe_complete_join(now, out),
            State::Dead => {}
        }
    }

    /// Enters PreparingRebalance. Members that wait for an assignment are sent back to join.
    /// A generation may begin in the same step, when all members have joined already.
    pub(super) fn prepare_rebalance(
        &mut self,
        now: Now,
        config: &GroupConfig,
        reason: &str,
        out: &mut Outcome,
    ) {
        let was_empty = self.state == State::Empty;
        if self.state == State::CompletingRebalance {
            self.cancel_syncs(now, out);
        }
        self.clear_pending_syncs();
        tracing::info!(
            group = %self.id, generation = self.generation.0, state = self.state.as_str(), reason, "preparing to rebalance"
        );
        self.transition(State::PreparingRebalance, now);
        if was_empty {
            // All delays together last no longer than the rebalance timeout, as in Kafka's
            // `tryCompleteInitialRebalanceElseSchedule`.
            let delay_ms = config.initial_rebalance_delay_ms;
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms);
            self.set_join_phase(
                JoinPhase::Initial {
                    deadline: now.deadline(delay_ms),
                    delay_ms,
                    remaining_ms,
                    member_added: false,
                },
                out,
            );
        } else if self.all_members_joined() {
            self.complete_join(now, out);
        } else {
            let deadline = now.deadline(self.rebalance_timeout_ms());
            self.set_join_phase(JoinPhase::Rejoining { deadline }, out);
        }
    }

    /// Replaces the joining phase, and asks to be woken at its end.
    pub(super) fn set_join_phase(&mut self, phase: JoinPhase, out: &mut Outcome) {
        let (JoinPhase::Initial { deadline, .. } | JoinPhase::Rejoining { deadline }) = phase;
        out.wake(deadline);
        self.join_phase = Some(phase);
    }

    /// Answers waiting SyncGroups with REBALANCE_IN_PROGRESS.
    fn cancel_syncs(&mut self, now: Now, out: &mut Outcome) {
        for member in self.members.values_mut() {
            if member.awaiting_sync.is_some() {
                // As Kafka's `propagateAssignment`: a session that ran out while the member waited has no
                // deadline any more, so a member that vanishes now would stay for ever.
                refuse_sync(member, GroupError::RebalanceInProgress, out);
                member.restart_session(now, out);
            }
        }
    }

    /// No member owes a SyncGroup any more: the generation that it would be for is over.
    fn clear_pending_syncs(&mut self) {
        for member in self.members.values_mut() {
            member.pending_sync = false;
        }
        self.sync_deadline = None;
    }

    /// Ends the joining phase when everybody has joined. The first rebalance of an empty group always takes its delay.
    /// Kafka's `maybeCompleteJoinPhase`. Does nothing in another state.
    pub(super) fn maybe_complete_join(&mut self, now: Now, out: &mut Outcome) {
        let rejoining = matches!(self.join_phase, Some(JoinPhase::Rejoining { .. }));
        if self.state == State::PreparingRebalance && rejoining && self.all_members_joined() {
            self.complete_join(now, out);
        }
    }

    /// Ends the joining phase: dynamic members that have not joined are out, the others form the next generation.
    /// Kafka's `completeClassicGroupJoin`. The phase goes on if only static members that are away are left.
    pub(super) fn complete_join(&mut self, now: Now, out: &mut Outcome) {
        // A static member keeps its place while its process restarts (KIP-345): only its session removes it.
        let absent = |member: &&Member| member.awaiting_join.is_none() && member.group_instance_id.is_none();
        let absent: Vec<MemberId> =
            self.members.values().filter(absent).map(|member| member.id.clone()).collect();
        for id in &absent {
            tracing::info!(group = %self.id, member = %id, "removed: did not join the rebalance in time");
            self.remove_member(id, out);
        }
        if !self.elect_joined_leader() {
            // Static members keep their place until their session ends; no other member is left. Try again later.
            let deadline = now.deadline(self.rebalance_timeout_ms().max(MIN_RETRY_MS));
            self.set_join_phase(JoinPhase::Rejoining { deadline }, out);
            return;
        }
        // Also for a group that becomes empty, as in Kafka's `initNextGeneration`: late requests of the last
        // members are then refused.
        self.generation = self.generation.next();
        // After the absent members are out: they must not have a vote.
        self.protocol = self.select_protocol();
        if self.members.is_empty() {
            tracing::info!(group = %self.id, generation = self.generation.0, "the group is empty");
            self.transition(State::Empty, now);
            out.write(self.record());
            self.persisted = true;
        } else {
            self.begin_generation(now, out);
        }
    }

    /// Makes sure that the leader is one who has joined. False when there are members but none of them has.
    fn elect_joined_leader(&mut self) -> bool {
        let joined =
            |id: &MemberId| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if self.members.is_empty() || self.leader.as_ref().is_some_and(joined) {
            return true;
        }
        // As Kafka's `maybeElectNewJoinedLeader`: a static leader that is away keeps its place, but a
        // generation needs a leader that can assign.
        let heir =
            self.members.values().find(|member| member.awaiting_join.is_some()).map(|heir| heir.id.clone());
        if heir.is_some() {
            self.leader = heir;
            return true;
        }
        false
    }

    /// Answers all JoinGroups of the new generation and waits for SyncGroups. The generation is recorded before
    /// anybody learns of it: its number is never used for another, and a static member that is told its new id is
    /// not fenced after a restart by its own old one (which Kafka leaves open).
    fn begin_generation(&mut self, now: Now, out: &mut Outcome) {
        tracing::info!(
            group = %self.id, generation = self.generation.0, members = self.members.len(),
            protocol = self.protocol.as_deref(), leader = self.leader.as_ref().map(tracing::field::display), "joined; waiting for the assignment"
        );
        self.transition(State::CompletingRebalance, now);
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        // Written before the members learn of the generation: a broker that restarts must not hand out its number again.
        out.write(self.record());
        self.persisted = true;
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined_group(&id);
            let member = self.members.get_mut(&id).expect("an id of a member");
            if let Some(waiter) = member.awaiting_join.take() {
                out.replies.push(Reply::Join(waiter, JoinReply { member_id: id, result: Ok(joined) }));
            }
            member.restart_session(now, out);
            // From here on it knows its id, and a missing heartbeat means that it is gone.
            member.is_new = false;
            member.pending_sync = true;
        }
        // Kafka's `schedulePendingSync`: heartbeats alone would keep a member that never asks for its
        // assignment, and its partitions would stand still.
        let deadline = now.deadline(self.rebalance_timeout_ms());
        self.sync_deadline = Some(deadline);
        out.wake(deadline);
    }

    /// The protocol of the next generation: each member votes for the first of its own that all support. With
    /// equal votes the one wins that the longest-serving member prefers. `None` without members.
    /// Kafka leaves the choice between equals to the order of a hash map.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: Vec<(&Arc<str>, usize)> = Vec::new();
        for choice in self.members.values().filter_map(|member| member.vote(|name| self.is_common(name))) {
            match votes.iter_mut().find(|(name, _)| *name == choice) {
                Some((_, count)) => *count += 1,
                None => votes.push((choice, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| Arc::clone(name))
    }
}
