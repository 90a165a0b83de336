//! The times at which machines want to be woken: one queue for all machines of a kind, for the one task that waits.
//!
//! An alarm is never taken back. A machine that no longer needs one ignores it.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// An alarm that has gone off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alarm<I> {
    /// Monotonic milliseconds.
    pub(super) at: u64,
    /// The machine to wake.
    pub(super) id: I,
}

/// The alarms of all machines of a kind. Its lock is held for one push or pop, and taken under a machine's
/// lock.
#[derive(Debug)]
pub(super) struct Alarms<I> {
    /// The earliest on top. Alarms that no machine waits for any more stay until their time.
    queue: Mutex<BinaryHeap<Reverse<Alarm<I>>>>,
    /// The earliest alarm has become an earlier one.
    earlier: Notify,
}

impl<I: Ord> Default for Alarms<I> {
    fn default() -> Alarms<I> {
        Alarms { queue: Mutex::default(), earlier: Notify::new() }
    }
}

impl<I: Ord> Alarms<I> {
    /// Wakes the task if this alarm is now the earliest.
    pub(super) fn set(&self, alarm: Alarm<I>) {
        let mut queue = self.queue.lock();
        let is_earliest = queue.peek().is_none_or(|Reverse(earliest)| alarm.at < earliest.at);
        queue.push(Reverse(alarm));
        drop(queue);
        if is_earliest {
            // Not lost if the task is between its look and its wait: `notify_one` leaves a permit for the
            // next wait.
            self.earlier.notify_one();
        }
    }

    /// Forgets all alarms.
    pub(super) fn clear(&self) {
        self.queue.lock().clear();
    }

    /// Waits for the next alarm to go off. `None` when `stop` is cancelled.
    /// For one task only. Alarms go off in the order of their times, and of ids where these are equal.
    pub(super) async fn next(&self, clock: &Clock, stop: &CancellationToken) -> Option<Alarm<I>> {
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
    fn due(&self, clock: &Clock) -> Result<Alarm<I>, Option<Duration>> {
        let mut queue = self.queue.lock();
        let Some(Reverse(earliest)) = queue.peek() else { return Err(None) };
        let wait = Duration::from_millis(earliest.at).saturating_sub(clock.monotonic());
        if !wait.is_zero() {
            return Err(Some(wait));
        }
        queue.pop().map(|Reverse(alarm)| alarm).ok_or(None)
    }
}
