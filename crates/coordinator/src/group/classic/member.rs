//! One member of a classic group: what it said of itself, what it was assigned, and what it is waiting for.

use std::sync::Arc;

use bytes::Bytes;

use super::super::reply::{JoinWaiter, SyncWaiter};
use super::super::requests::Protocol;
use super::super::{GroupInstanceId, MemberId, Outcome};
use crate::state_machine::Now;

/// A member of a classic group. The first part is persisted, the second lives in memory only.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    /// As the client named itself when it joined first; a static member's successor replaces it.
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// How long a rebalance may wait for it; the group takes the longest of its members.
    pub rebalance_timeout_ms: u32,
    /// How long it may be silent.
    pub session_timeout_ms: u32,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    /// The leader's assignment for this member, opaque here. Empty until the first one.
    pub assignment: Bytes,

    /// In its first JoinGroup: it does not know its id yet and cannot send heartbeats.
    pub is_new: bool,
    /// Its JoinGroup, while it waits for the generation to begin.
    pub awaiting_join: Option<JoinWaiter>,
    /// Its SyncGroup, while it waits for the leader's assignment.
    pub awaiting_sync: Option<SyncWaiter>,
    /// Has been told the current generation but has not sent SyncGroup for it.
    pub pending_sync: bool,
    /// The time at which the member is removed. `None` while an unanswered request of its own keeps it alive.
    /// On the monotonic clock, milliseconds.
    pub session_deadline: Option<u64>,
}

impl Member {
    /// The names of a member's protocols against the candidates: the first it prefers, if any.
    pub fn vote(&self, is_candidate: impl Fn(&str) -> bool) -> Option<&Arc<str>> {
        self.protocols.iter().map(|protocol| &protocol.name).find(|name| is_candidate(name))
    }

    /// True if the member offers the protocol, whatever its preference.
    pub fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|offered| &*offered.name == protocol)
    }

    /// The member's metadata for `protocol`; empty if it does not offer that one.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let offered = self.protocols.iter().find(|offered| &*offered.name == protocol);
        offered.map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    /// Starts the session anew: the member has just been heard, or just been answered.
    pub fn restart_session(&mut self, now: Now, out: &mut Outcome) {
        self.expire_after(now, self.session_timeout_ms, out);
    }

    /// Gives the member up in `after_ms`, unless it is heard before.
    /// Asks for a wake-up at that time, too.
    pub fn expire_after(&mut self, now: Now, after_ms: u32, out: &mut Outcome) {
        let deadline = now.deadline(after_ms);
        self.session_deadline = Some(deadline);
        out.wake(deadline);
    }

    /// True if the member is alive although its session has run out: it waits for an answer that the coordinator owes it.
    /// New members are not excused, since the coordinator would not notice that they are gone (KIP-394's reason).
    pub fn is_excused(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
