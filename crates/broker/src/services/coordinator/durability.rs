//! The durability of one machine's records, and the replies that wait for it.
//!
//! A write takes its place when it begins and ends in the order of the places, since the log keeps the order. What waits
//! for a place is called by the thread that ends the write: a client is woken once, by its reply, and no task stands
//! between.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::log::NotWritten;

/// Sends something that had to wait for a write. Dropped, without a call, when the write fails: the receiver learns of that by
/// the end of its channel. Called on a thread of the storage, so it only passes on what it holds.
pub(super) type Delivery = Box<dyn FnOnce() + Send>;

/// The writes of one machine: the place up to which they are durable, and the deliveries beyond it.
#[derive(Default)]
pub(super) struct Durability(Mutex<Progress>);

#[derive(Default)]
struct Progress {
    /// The place up to which every write has ended.
    durable: u64,
    /// Never taken back.
    failed: Option<NotWritten>,
    /// In the order of their places.
    waiting: VecDeque<(u64, Delivery)>,
}

impl Durability {
    /// Calls `delivery` once everything up to `place` is durable, at once if it is already.
    pub(super) fn deliver(&self, place: u64, delivery: Delivery) {
        let mut progress = self.0.lock();
        // The delivery is dropped, not called: its receiver learns of the failure by that.
        if progress.failed.is_some() {
            return;
        }
        if progress.durable < place {
            progress.waiting.push_back((place, delivery));
            return;
        }
        drop(progress);
        delivery();
    }

    /// Takes in that the write at `place` has ended. Those before it have too.
    /// May be called by any thread, in the order of the places.
    pub(super) fn ended(&self, place: u64, outcome: Result<(), NotWritten>) {
        let mut progress = self.0.lock();
        progress.durable = progress.durable.max(place);
        // For good: nothing after a failed write may be promised (ADR 2).
        progress.failed = progress.failed.or(outcome.err());
        let ripe = if progress.failed.is_some() {
            progress.waiting.len()
        } else {
            let durable = progress.durable;
            progress.waiting.partition_point(|(place, _)| *place <= durable)
        };
        let failed = progress.failed;
        let ripe: Vec<(u64, Delivery)> = progress.waiting.drain(..ripe).collect();
        // A delivery wakes its receiver, which may ask this very lock.
        drop(progress);
        if failed.is_none() {
            for (_, delivery) in ripe {
                delivery();
            }
        }
    }

    /// Everything up to `place` is durable, and nothing failed.
    pub(super) fn is_settled(&self, place: u64) -> bool {
        let progress = self.0.lock();
        progress.failed.is_none() && progress.durable >= place
    }

    /// The first failure; a write that ends without any has failed all the same.
    fn failure(&self) -> NotWritten {
        self.0.lock().failed.unwrap_or(NotWritten::Failed)
    }

    /// Waits until everything up to `place` has ended.
    ///
    /// # Errors
    /// As [`Durability::wait`].
    async fn reached(&self, place: u64) -> Result<(), NotWritten> {
        match self.wait(place)? {
            None => Ok(()),
            Some(written) => written.await.map_err(|_| self.failure()),
        }
    }

    /// A receiver that hears when everything up to `place` is durable; `None` if it is already.
    ///
    /// # Errors
    /// If a write of the machine has failed, this one or an earlier one.
    fn wait(&self, place: u64) -> Result<Option<oneshot::Receiver<()>>, NotWritten> {
        let mut progress = self.0.lock();
        if let Some(failed) = progress.failed {
            return Err(failed);
        }
        if progress.durable >= place {
            return Ok(None);
        }
        let (sender, receiver) = oneshot::channel();
        let delivery = move || {
            // Fails when the client has gone, which needs no answer then.
            let _ = sender.send(());
        };
        progress.waiting.push_back((place, Box::new(delivery)));
        Ok(Some(receiver))
    }
}

/// The writes that have to be durable before a reply may be given.
#[must_use]
pub(crate) struct Ticket {
    durability: Arc<Durability>,
    place: u64,
    /// The same of announcements, which only the operating system has to have; `None`: there was none.
    announced: Option<(Arc<Durability>, u64)>,
    /// The term of the machine.
    term: u32,
}

impl Ticket {
    pub(super) fn new(
        durability: &Arc<Durability>,
        place: u64,
        announced: Option<(Arc<Durability>, u64)>,
        term: u32,
    ) -> Ticket {
        Ticket { durability: Arc::clone(durability), place, announced, term }
    }

    pub(super) fn term(&self) -> u32 {
        self.term
    }

    /// Waits until everything up to this place is durable, and the operating system has the announcements.
    ///
    /// # Errors
    /// If something that the machine wrote could not be written: nothing after it may be promised.
    pub(crate) async fn durable(self) -> Result<(), NotWritten> {
        self.durability.reached(self.place).await?;
        match self.announced {
            None => Ok(()),
            Some((announcements, place)) => announcements.reached(place).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_write_releases_what_waits_for_it_and_for_those_before_it() {
        let (durability, calls) = (Durability::default(), Arc::new(AtomicUsize::new(0)));
        let count = |calls: &Arc<AtomicUsize>| {
            let calls = Arc::clone(calls);
            let count = move || {
                calls.fetch_add(1, Ordering::SeqCst);
            };
            Box::new(count) as Delivery
        };
        for place in [0, 1, 1, 2, 3] {
            durability.deliver(place, count(&calls));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1, "nothing has to be written before place 0");
        durability.ended(2, Ok(()));
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        durability.ended(3, Err(NotWritten::Failed));
        assert_eq!(calls.load(Ordering::SeqCst), 4, "a failed write is never followed by a reply");
        durability.deliver(1, count(&calls));
        assert_eq!(calls.load(Ordering::SeqCst), 4);
    }
}
