//! Deadlines: the initial delay, and members that are silent or do not give up what they must.

use std::collections::BTreeSet;

use super::super::{Env, GroupConfig, MemberId, Outcome};
use super::StreamsGroup;
use super::member::StreamsMember;
use crate::state_machine::Now;

impl StreamsGroup {
    /// Acts on every deadline that has passed, and asks to be woken at the next one.
    /// Harmless before any deadline. Looks at every member.
    pub fn tick(&mut self, env: Env<'_>, out: &mut Outcome) {
        let is_over =
            |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= env.now.monotonic_ms);
        let mut gone: BTreeSet<MemberId> = BTreeSet::new();
        for (id, member) in &self.members {
            let reason = if is_over(member.session_deadline) {
                "session expired"
            } else if is_over(member.revocation_deadline) {
                "did not give up its tasks within its rebalance timeout"
            } else {
                continue;
            };
            tracing::info!(group = %self.id, member = %id, reason, "removed");
            gone.insert(id.clone());
        }
        // Once for all of them, so that the group epoch rises once.
        self.remove(env, &gone);
        if is_over(self.initial_delay_until) {
            self.end_initial_delay(env);
        }
        let members = self.members.values().filter_map(StreamsMember::next_deadline);
        if let Some(deadline) = members.chain(self.initial_delay_until).min() {
            out.wake(deadline);
        }
    }

    /// Starts the clocks of sessions and revocations anew, after a restart: members that are alive will send
    /// something in time. An initial delay is over.
    pub fn start_clocks(&mut self, now: Now, config: &GroupConfig, out: &mut Outcome) {
        for member in self.members.values_mut() {
            member.restart_session(now, config.streams.session_timeout_ms, out);
            member.watch_revocation(now, out);
        }
    }
}
