//! Deadlines: sessions end, joining phases end, members that do not sync are removed.

use super::super::{GroupConfig, MemberId, Outcome};
use super::{ClassicGroup, JoinPhase, State};
use crate::state_machine::Now;

impl ClassicGroup {
    /// Acts on every deadline that has passed, and asks to be woken at the next one. To be called at
    /// [`Outcome::wake_at`] at the latest; calling it earlier does nothing.
    pub fn tick(&mut self, now: Now, config: &GroupConfig, out: &mut Outcome) {
        self.expire_pending_members(now, out);
        self.expire_sessions(now, config, out);
        self.expire_join_phase(now, config, out);
        self.expire_pending_syncs(now, config, out);
        if let Some(deadline) = self.next_deadline() {
            out.wake(deadline);
        }
    }

    /// The earliest deadline of the group.
    fn next_deadline(&self) -> Option<u64> {
        let join = self.join_phase.map(|phase| match phase {
            JoinPhase::Initial { deadline, .. } | JoinPhase::Rejoining { deadline } => deadline,
        });
        let sessions = self.members.values().filter_map(|member| member.session_deadline);
        let pending = self.pending_members.values().copied();
        sessions.chain(pending).chain(join).chain(self.sync_deadline).min()
    }

    /// Forgets the ids that clients were given and have not come back with in their session timeout.
    fn expire_pending_members(&mut self, now: Now, out: &mut Outcome) {
        let before = self.pending_members.len();
        self.pending_members.retain(|_, deadline| *deadline > now.monotonic_ms);
        // Those who have joined also wait for pending members: the last of these may be gone now.
        if self.pending_members.len() < before {
            self.maybe_complete_join(now, out);
        }
    }

    /// Removes the members that have not been heard for their session timeout.
    fn expire_sessions(&mut self, now: Now, config: &GroupConfig, out: &mut Outcome) {
        let due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now.monotonic_ms);
        let mut failed: Vec<MemberId> = Vec::new();
        for member in self.members.values_mut().filter(|member| due(member.session_deadline)) {
            if member.is_excused() {
                // The session starts anew with the answer that the member waits for.
                member.session_deadline = None;
            } else {
                failed.push(member.id.clone());
            }
        }
        if failed.is_empty() {
            return;
        }
        for id in &failed {
            tracing::info!(group = %self.id, member = %id, "removed: session expired");
            self.remove_member(id, out);
        }
        match self.state {
            State::Stable | State::CompletingRebalance => {
                self.rebalance_or_complete_join(now, config, "session expired", out);
            }
            // Also in the first rebalance: when all who remain have joined there is nothing to wait for.
            State::PreparingRebalance if self.all_members_joined() => self.complete_join(now, out),
            State::PreparingRebalance | State::Empty | State::Dead => {}
        }
    }

    /// Ends the joining phase, or prolongs the delay of the first one (Kafka's
    /// `tryCompleteInitialRebalanceElseSchedule`).
    fn expire_join_phase(&mut self, now: Now, config: &GroupConfig, out: &mut Outcome) {
        match self.join_phase {
            Some(JoinPhase::Initial { deadline, delay_ms, remaining_ms, member_added })
                if deadline <= now.monotonic_ms =>
            {
                // Where one member came, others may follow, and each would cost a rebalance (KIP-134).
                if member_added && remaining_ms != 0 {
                    let next_delay_ms = config.initial_rebalance_delay_ms.min(remaining_ms);
                    let phase = JoinPhase::Initial {
                        deadline: now.deadline(next_delay_ms),
                        delay_ms: next_delay_ms,
                        remaining_ms: remaining_ms.saturating_sub(delay_ms),
                        member_added: false,
                    };
                    self.set_join_phase(phase, out);
                } else {
                    self.complete_join(now, out);
                }
            }
            Some(JoinPhase::Rejoining { deadline }) if deadline <= now.monotonic_ms => {
                self.complete_join(now, out)
            }
            _ => {}
        }
    }

    /// Removes the members that know the generation but never sent SyncGroup for it (`expirePendingSync`).
    fn expire_pending_syncs(&mut self, now: Now, config: &GroupConfig, out: &mut Outcome) {
        if self.sync_deadline.is_none_or(|deadline| deadline > now.monotonic_ms) {
            return;
        }
        self.sync_deadline = None;
        let late: Vec<MemberId> = self
            .members
            .values()
            .filter(|member| member.pending_sync)
            .map(|member| member.id.clone())
            .collect();
        // Neither should occur: `settle_sync_deadline` and `prepare_rebalance` clear the deadline before.
        if late.is_empty() || !matches!(self.state, State::CompletingRebalance | State::Stable) {
            return;
        }
        for id in &late {
            tracing::info!(group = %self.id, member = %id, "removed: did not sync in time");
            self.remove_member(id, out);
        }
        self.prepare_rebalance(now, config, "members did not sync in time", out);
    }
}
