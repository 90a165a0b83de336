//! Deadlines: members that are silent, or do not give up what they must, are removed.

use std::collections::BTreeSet;

use super::super::{Env, GroupConfig, MemberId, Outcome};
use super::ConsumerGroup;
use super::member::ConsumerMember;
use crate::state_machine::Now;

impl ConsumerGroup {
    /// Acts on every deadline that has passed, and asks to be woken at the next one.
    /// Harmless before any deadline. Looks at every member.
    pub fn tick(&mut self, env: Env<'_>, out: &mut Outcome) {
        let mut gone: BTreeSet<MemberId> = BTreeSet::new();
        for (id, member) in &self.members {
            if let Some(reason) = self.overdue(env.now, member) {
                tracing::info!(group = %self.id, member = %id, reason, "removed");
                gone.insert(id.clone());
            }
        }
        // Once for all of them, so that the group epoch rises once.
        self.remove(env, &gone);
        if let Some(deadline) = self.members.values().filter_map(ConsumerMember::next_deadline).min() {
            out.wake(deadline);
        }
    }

    /// The reason to remove a member now, if there is one.
    fn overdue(&self, now: Now, member: &ConsumerMember) -> Option<&'static str> {
        let is_over = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now.monotonic_ms);
        if is_over(member.session_deadline) {
            Some("session expired")
        } else if is_over(member.revocation_deadline) {
            Some("did not give up its partitions within its rebalance timeout")
        } else if is_over(member.join_deadline) {
            Some("did not join again within its rebalance timeout")
        } else if is_over(member.sync_deadline) {
            Some("did not sync within its rebalance timeout")
        } else {
            None
        }
    }

    /// Starts the clocks of sessions and revocations anew, after a restart: members that are alive will send something in time.
    pub fn start_clocks(&mut self, now: Now, config: &GroupConfig, out: &mut Outcome) {
        for member in self.members.values_mut() {
            member.restart_session(now, config.consumer.session_timeout_ms, out);
            member.watch_revocation(now, out);
        }
    }
}
