//! The times at which machines want to be woken: one queue for all machines of a kind, for the one task that waits.
//!
//! A machine has one alarm at most: an earlier one replaces it, and it goes with its machine. A machine that no longer needs
//! its alarm ignores it.

use std::{collections::BTreeSet, time::Duration};

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

/// An alarm that a machine sets in place of the one that it had.
#[derive(Debug)]
pub(super) struct NewAlarm<I> {
    pub(super) alarm: Alarm<I>,
    pub(super) replaced: Option<Alarm<I>>,
}

/// The alarms of all machines of a kind. Its lock is held for one change, and taken under a machine's
/// lock.
#[derive(Debug)]
pub(super) struct Alarms<I> {
    /// By time, and by id where these are equal.
    queue: Mutex<BTreeSet<Alarm<I>>>,
    /// The earliest alarm has become an earlier one.
    earlier: Notify,
}

impl<I: Ord> Default for Alarms<I> {
    fn default() -> Alarms<I> {
        Alarms { queue: Mutex::default(), earlier: Notify::new() }
    }
}

impl<I: Ord> Alarms<I> {
    /// Wakes the task if this alarm is now the earliest of all.
    pub(super) fn set(&self, NewAlarm { alarm, replaced }: NewAlarm<I>) {
        let mut queue = self.queue.lock();
        if let Some(replaced) = replaced {
            queue.remove(&replaced);
        }
        let is_earliest = queue.first().is_none_or(|earliest| alarm.at < earliest.at);
        queue.insert(alarm);
        drop(queue);
        if is_earliest {
            // Not lost if the task is between its look and its wait: `notify_one` leaves a permit for the
            // next wait.
            self.earlier.notify_one();
        }
    }

    /// Forgets the alarm of a machine that is dropped.
    pub(super) fn remove(&self, alarm: &Alarm<I>) {
        self.queue.lock().remove(alarm);
    }

    /// How many are set.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.lock().len()
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
    pub(super) fn due(&self, clock: &Clock) -> Result<Alarm<I>, Option<Duration>> {
        let mut queue = self.queue.lock();
        let Some(earliest) = queue.first() else { return Err(None) };
        let wait = Duration::from_millis(earliest.at).saturating_sub(clock.monotonic());
        if !wait.is_zero() {
            return Err(Some(wait));
        }
        queue.pop_first().ok_or(None)
    }
}
