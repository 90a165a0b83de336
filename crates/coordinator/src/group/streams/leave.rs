//! Members that go, with or without a word.

use std::collections::BTreeSet;

use super::super::{Env, MemberId, Refused};
use super::StreamsGroup;
use super::request::{HeartbeatReply, HeartbeatRequest};

impl StreamsGroup {
    /// Handles a heartbeat that leaves (`streamsGroupLeave`).
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID. The epoch is not checked: any member may leave.
    pub fn leave(&mut self, env: Env<'_>, request: &HeartbeatRequest) -> Result<HeartbeatReply, Refused> {
        let id = &request.member_id;
        if !self.members.contains_key(id) {
            return Err(self.not_a_member(id));
        }
        if request.shutdown_application && self.shutdown_by.is_none() {
            self.shutdown_by = Some(id.clone());
        }
        tracing::info!(group = %self.id, member = %id, "member leaves");
        self.remove(env, &BTreeSet::from([id.clone()]));
        Ok(HeartbeatReply {
            member_id: id.clone(),
            member_epoch: request.member_epoch,
            statuses: Vec::new(),
            tasks: None,
            endpoint_epoch: 0,
            endpoints: None,
            missing_topics: Vec::new(),
        })
    }

    /// Takes members out and raises the group epoch, so that others get what they had
    /// (`streamsGroupFenceMember`). One epoch for all of `ids`. Others get it with the next heartbeat, which
    /// computes the target.
    pub(super) fn remove(&mut self, env: Env<'_>, ids: &BTreeSet<MemberId>) {
        let mut removed = false;
        for id in ids {
            removed |= self.take_out(id);
        }
        if !removed {
            return;
        }
        if self.members.is_empty() {
            // From here on the retention of its offsets counts (KIP-211).
            self.empty_since_ms = env.now.unix_ms;
            self.shutdown_by = None;
        }
        self.raise_epoch();
    }
}
