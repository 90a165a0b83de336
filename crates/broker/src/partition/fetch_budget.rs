//! The bytes that all fetches together may hold: read, not yet written to their sockets.
//!
//! Guarantees that the budget is overrun by at most one batch per fetch (the one that KIP-74 promises even if it is
//! larger than every limit), and that fetches cannot wait for one another in a circle: a fetch waits for its first
//! share holding nothing, and takes further ones only if they are free.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit of the semaphore stands for: its counts are 32 bits wide.
const UNIT_BYTES: usize = 1024;
/// A fetch that has waited this long for its share is answered without records.
const PATIENCE: Duration = Duration::from_secs(10);

/// The budget of the whole broker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct FetchBudget {
    units: Arc<Semaphore>,
    total_units: u32,
    patience: Duration,
}

/// Bytes that a fetch holds, given back on drop. It travels with the response until that is written.
#[derive(Debug, Default)]
pub(crate) struct FetchShare {
    permit: Option<OwnedSemaphorePermit>,
    held_bytes: usize,
}

impl FetchBudget {
    /// A budget of `total_bytes`, rounded up to whole units.
    pub(crate) fn new(total_bytes: usize) -> Self {
        let total_units = units(total_bytes.max(UNIT_BYTES)).min(Semaphore::MAX_PERMITS as u32);
        Self { units: Arc::new(Semaphore::new(total_units as usize)), total_units, patience: PATIENCE }
    }

    /// Bytes that fetches hold, in whole units.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.total_units as usize).saturating_sub(self.units.available_permits()) * UNIT_BYTES
    }

    /// Makes room in `share` for `bytes` more. Waits only for the first room of a share; false if there is none.
    pub(crate) async fn reserve(&self, share: &mut FetchShare, bytes: usize) -> bool {
        let held = share.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = units(share.held_bytes.saturating_add(bytes)).min(self.total_units) as usize;
        let Ok(more) = u32::try_from(wanted.saturating_sub(held)) else { return false };
        if more == 0 {
            return true;
        }
        let acquired = if held == 0 {
            let acquiring = Arc::clone(&self.units).acquire_many_owned(more);
            tokio::time::timeout(self.patience, acquiring).await.ok().and_then(Result::ok)
        } else {
            Arc::clone(&self.units).try_acquire_many_owned(more).ok()
        };
        let Some(acquired) = acquired else { return false };
        share.add(acquired);
        true
    }

    /// Notes that `bytes` were read into `share`, and gives back what was reserved beyond them.
    pub(crate) fn keep(&self, share: &mut FetchShare, bytes: usize) {
        share.held_bytes = share.held_bytes.saturating_add(bytes);
        let needed = units(share.held_bytes).min(self.total_units) as usize;
        let held = share.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if held > needed {
            let surplus = share.permit.as_mut().and_then(|permit| permit.split(held - needed));
            drop(surplus);
        } else if let Ok(missing) = u32::try_from(needed - held)
            && let Ok(more) = Arc::clone(&self.units).try_acquire_many_owned(missing)
        {
            share.add(more);
        }
    }
}

impl FetchShare {
    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn what_was_reserved_and_not_read_is_given_back() {
        let budget = FetchBudget::new(4 * MIB);
        let mut share = FetchShare::default();
        assert!(budget.reserve(&mut share, MIB).await);
        assert_eq!(budget.held_bytes(), MIB);
        budget.keep(&mut share, 1000);
        assert_eq!(budget.held_bytes(), UNIT_BYTES);
        drop(share);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test]
    async fn the_first_share_is_waited_for() {
        let budget = FetchBudget::new(MIB);
        let mut first = FetchShare::default();
        assert!(budget.reserve(&mut first, MIB).await);
        let mut second = FetchShare::default();
        // The first future is polled first, and has to wait for what the second does.
        let (reserved, ()) = tokio::join!(budget.reserve(&mut second, MIB), async { drop(first) });
        assert!(reserved);
    }

    #[tokio::test]
    async fn patience_ends() {
        let budget = FetchBudget { patience: Duration::from_millis(1), ..FetchBudget::new(MIB) };
        let mut first = FetchShare::default();
        assert!(budget.reserve(&mut first, MIB).await);
        assert!(!budget.reserve(&mut FetchShare::default(), 1).await);
    }

    #[tokio::test]
    async fn who_holds_something_does_not_wait_for_more() {
        let budget = FetchBudget { patience: Duration::MAX, ..FetchBudget::new(MIB) };
        let (mut first, mut second) = (FetchShare::default(), FetchShare::default());
        for share in [&mut first, &mut second] {
            assert!(budget.reserve(share, MIB / 2).await);
            budget.keep(share, MIB / 2);
        }
        assert!(!budget.reserve(&mut first, MIB / 2).await);
    }

    #[tokio::test]
    async fn more_than_the_whole_budget_is_granted_as_the_whole_budget() {
        let budget = FetchBudget::new(MIB);
        let mut share = FetchShare::default();
        assert!(budget.reserve(&mut share, 100 * MIB).await);
        budget.keep(&mut share, 100 * MIB);
        assert_eq!(budget.held_bytes(), MIB);
        drop(share);
        assert_eq!(budget.held_bytes(), 0);
    }
}
