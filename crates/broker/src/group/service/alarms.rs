//! When which group wants to be woken: one queue for all groups, for the one task that waits.
//!
//! An alarm is never taken back. A group that no longer cares for one ignores it.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use coordinator::group::GroupId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// An alarm that has gone off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alarm {
    /// Monotonic milliseconds.
    pub(super) at: u64,
    pub(super) group_id: GroupId,
}

#[derive(Debug, Default)]
pub(super) struct Alarms {
    queue: Mutex<BinaryHeap<Reverse<Alarm>>>,
    /// The earliest alarm has become an earlier one.
    earlier: Notify,
}

impl Alarms {
    pub(super) fn set(&self, alarm: Alarm) {
        let mut queue = self.queue.lock();
        let is_earliest = queue.peek().is_none_or(|Reverse(earliest)| alarm.at < earliest.at);
        queue.push(Reverse(alarm));
        drop(queue);
        if is_earliest {
            self.earlier.notify_one();
        }
    }

    /// Waits for the next alarm to go off. `None` when `stop` is cancelled.
    pub(super) async fn next(&self, clock: &Clock, stop: &CancellationToken) -> Option<Alarm> {
        loop {
            let wait = match self.due(clock) {
                Ok(alarm) => return Some(alarm),
                Err(wait) => wait,
            };
            let sleep = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return None,
                () = self.earlier.notified() => {}
                () = sleep => {}
            }
        }
    }

    /// The earliest alarm if it is due, or how long to wait for it (`None`: there is none).
    fn due(&self, clock: &Clock) -> Result<Alarm, Option<Duration>> {
        let mut queue = self.queue.lock();
        let Some(Reverse(earliest)) = queue.peek() else { return Err(None) };
        let wait = Duration::from_millis(earliest.at).saturating_sub(clock.monotonic());
        if !wait.is_zero() {
            return Err(Some(wait));
        }
        queue.pop().map(|Reverse(alarm)| alarm).ok_or(None)
    }
}
