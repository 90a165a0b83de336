//! What goes into and comes out of a step of a group's state machine, besides the request itself.
//!
//! The shell must persist `records` in the order of the steps, send `replies` only when they and all earlier records of
//! the group are durable, and call the machine again at `wake_at` at the latest.

use super::classic::{JoinReply, SyncReply};
use super::records::Record;

/// The time of a step, read once by the caller.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds on a clock that never goes back: deadlines.
    pub monotonic_ms: u64,
    /// Milliseconds since the Unix epoch: timestamps that are stored.
    pub unix_ms: i64,
}

impl Now {
    /// The deadline `after_ms` from now.
    pub fn deadline(self, after_ms: u32) -> u64 {
        self.monotonic_ms.saturating_add(u64::from(after_ms))
    }
}

/// Names a request that waits for its answer: a JoinGroup for the others to join, a SyncGroup for the leader's assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Waiter(pub u64);

/// The answer to a request that may have waited.
#[derive(Clone, Debug)]
pub enum Reply {
    Join(JoinReply),
    Sync(SyncReply),
}

/// The effects of one step.
#[derive(Debug, Default)]
#[must_use]
pub struct Outcome {
    /// To be made durable, together.
    pub records: Vec<Record>,
    /// Answers to waiting requests, to be sent when the records are durable.
    pub replies: Vec<(Waiter, Reply)>,
    /// The earliest deadline that this step set, on the monotonic clock. A deadline set earlier may have moved
    /// back or vanished meanwhile: waking too early is harmless, too late is not.
    pub wake_at: Option<u64>,
}

impl Outcome {
    /// Asks to be woken at `deadline` at the latest.
    pub fn wake(&mut self, deadline: u64) {
        self.wake_at = Some(self.wake_at.map_or(deadline, |at| at.min(deadline)));
    }
}
