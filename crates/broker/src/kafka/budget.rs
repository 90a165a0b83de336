//! A bound on the bytes of requests that are received and not yet answered, over all connections.
//!
//! Guarantees that memory for requests stays below the bound plus one frame, and that one frame always makes progress:
//! when half-received frames hold all of it, one of them at a time may go beyond (the overdraft) and so comes to its
//! end, and after [`PATIENCE`] the slowest of them gives way. Which bytes are counted, and when, is left to `frames.rs`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock;
use crate::kafka::half_received::{HalfReceived, Receiving};

/// Time for which a frame waits for memory before another has to give way, and again before the next.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bound. A clone is the same one.
#[derive(Clone)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    overdraft: Arc<Semaphore>,
    half_received: Arc<HalfReceived>,
}

/// Bytes taken from a [`Budget`]; dropping it gives them back.
#[derive(Default)]
pub(super) struct Grant {
    bytes: usize,
    held: Vec<OwnedSemaphorePermit>,
    overdrawn: bool,
}

impl Grant {
    /// Returns true if a frame may grow to that many bytes without a wait.
    pub(super) fn covers(&self, bytes: usize) -> bool {
        self.overdrawn || bytes <= self.bytes
    }
}

impl Budget {
    /// `None` for no bound.
    pub(super) fn new(bytes: Option<usize>) -> Self {
        let bytes = bytes.unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            overdraft: Arc::new(Semaphore::new(1)),
            half_received: Arc::default(),
        }
    }

    /// A frame begins whose bytes will be counted here as they come.
    pub(super) fn begin(&self) -> Receiving {
        self.half_received.begin(clock::now())
    }

    /// Raises `grant` to `bytes` in all; waits while the budget is spent.
    pub(super) async fn raise(&self, grant: &mut Grant, bytes: usize) {
        let Some(more) = bytes.checked_sub(grant.bytes).filter(|more| *more > 0) else { return };
        // The one frame in overdraft may grow to its end without further permits.
        if grant.overdrawn {
            return;
        }
        // A frame is at most 2 GiB.
        let permits = u32::try_from(more).unwrap_or(u32::MAX);
        let permit = match Arc::clone(&self.bytes).try_acquire_many_owned(permits) {
            Ok(permit) => Some(permit),
            Err(_) => {
                let (permit, overdrawn) = self.wait_for(permits).await;
                grant.overdrawn = overdrawn;
                permit
            }
        };
        grant.held.extend(permit);
        grant.bytes = bytes;
    }

    /// Waits for that many bytes, or for the overdraft; says which it is.
    async fn wait_for(&self, permits: u32) -> (Option<OwnedSemaphorePermit>, bool) {
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(permits);
        let overdraft = Arc::clone(&self.overdraft).acquire_owned();
        // Polled to its end: begun anew it would lose its place among those that wait.
        let either = async {
            // Bytes first: all connections share one overdraft, which is for a frame that cannot have them.
            tokio::select! {
                biased;
                permit = bytes => (permit.ok(), false),
                permit = overdraft => (permit.ok(), true),
            }
        };
        tokio::pin!(either);
        loop {
            match tokio::time::timeout(PATIENCE, &mut either).await {
                Ok(taken) => return taken,
                Err(_) => self.half_received.give_way(clock::now()),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        self.bytes.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn grants_are_given_back_when_dropped() {
        let budget = Budget::new(Some(100));
        let mut grant = Grant::default();
        budget.raise(&mut grant, 60).await;
        budget.raise(&mut grant, 80).await;
        budget.raise(&mut grant, 10).await;
        assert_eq!(budget.available(), 20);
        drop(grant);
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn one_frame_at_a_time_may_overdraw() {
        let budget = Budget::new(Some(100));
        let (mut first, mut second, mut third) = (Grant::default(), Grant::default(), Grant::default());
        budget.raise(&mut first, 100).await;
        timeout(SHORT, budget.raise(&mut second, 500)).await.unwrap();
        timeout(SHORT, budget.raise(&mut second, 900)).await.unwrap();
        timeout(SHORT, budget.raise(&mut third, 50)).await.unwrap_err();
        drop(second);
        timeout(SHORT, budget.raise(&mut third, 50)).await.unwrap();
        drop(first);
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn waits_until_another_gives_back() {
        let budget = Budget::new(Some(100));
        let (mut first, mut overdrawn) = (Grant::default(), Grant::default());
        budget.raise(&mut first, 100).await;
        budget.raise(&mut overdrawn, 1).await;
        let waiting = {
            let budget = budget.clone();
            async move {
                let mut grant = Grant::default();
                budget.raise(&mut grant, 70).await;
                grant.overdrawn
            }
        };
        tokio::pin!(waiting);
        timeout(SHORT, &mut waiting).await.unwrap_err();
        drop(first);
        assert!(!timeout(SHORT, waiting).await.unwrap());
    }

    #[tokio::test]
    async fn no_bound_never_waits() {
        let budget = Budget::new(None);
        let mut grants: Vec<Grant> = Vec::new();
        for _ in 0..100 {
            let mut grant = Grant::default();
            timeout(SHORT, budget.raise(&mut grant, 1 << 30)).await.unwrap();
            grants.push(grant);
        }
        assert_eq!(grants.iter().filter(|grant| grant.overdrawn).count(), 0);
    }
}
