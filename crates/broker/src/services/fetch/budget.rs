//! The bytes that all fetches together may hold: read, not yet written to their sockets.
//!
//! Guarantees that the budget is overrun by at most one batch per fetch (the one that KIP-74 promises even if it is
//! larger than every limit); that fetches cannot wait for one another in a circle: a fetch waits for its first
//! share holding nothing, and takes further ones only if they are free; and that consumers which take long to read what
//! they asked for leave room for others. The upper half of the budget is for large answers, each of which gets a quarter of
//! what is free there; the lower half is for the [`SMALL_BYTES`] that every fetch may have.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes of one permit of the semaphore: its counts are 32 bits wide.
const UNIT_BYTES: usize = 1024;
/// The bytes that a fetch gets even if large answers have used up their half: some batches of usual size.
const SMALL_BYTES: usize = 64 << 10;
/// The part of the free bytes of the upper half that one reservation gets.
const LARGE_PART: usize = 4;
/// A fetch that has waited this long for its share is answered without records.
const PATIENCE: Duration = Duration::from_secs(10);

/// The budget of the whole broker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct FetchBudget {
    units: Arc<Semaphore>,
    total_units: u32,
    patience: Duration,
}

/// Bytes that a fetch holds, returned on drop. It travels with the response until that is written.
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

    /// Makes room in `share` for up to `bytes` more, and tells for how many. Waits only for the first room of a share;
    /// `None` if there is none.
    pub(crate) async fn reserve(&self, share: &mut FetchShare, bytes: usize) -> Option<usize> {
        let held = share.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        // Once per fetch: one for each partition would let large fetches use up the lower half.
        let granted = bytes.min(self.large_bytes().max(if held == 0 { SMALL_BYTES } else { 0 }));
        let wanted = units(share.held_bytes.saturating_add(granted)).min(self.total_units) as usize;
        let more = u32::try_from(wanted.saturating_sub(held)).ok()?;
        // No more units are needed: the share's last one has room, or nothing was granted.
        if more == 0 {
            return (granted > 0 || bytes == 0).then_some(granted);
        }
        // Only a fetch that holds nothing waits: two that hold some and wait for more could block each other.
        let acquired = if held == 0 {
            let acquiring = Arc::clone(&self.units).acquire_many_owned(more);
            tokio::time::timeout(self.patience, acquiring).await.ok().and_then(Result::ok)
        } else {
            Arc::clone(&self.units).try_acquire_many_owned(more).ok()
        };
        share.add(acquired?);
        Some(granted)
    }

    /// The bytes that a large answer may take now.
    fn large_bytes(&self) -> usize {
        // A part of what is free, and never the lower half: a few clients that ask for much and read slowly
        // would hold the whole budget, and all others would wait.
        let free = self.units.available_permits();
        free.saturating_sub(self.total_units as usize / 2) / LARGE_PART * UNIT_BYTES
    }

    /// Notes that `bytes` were read into `share`, and returns what was reserved beyond them.
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
            // A first batch was larger than what was reserved (KIP-74). Without free permits, the budget is
            // overrun by it.
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

    /// A share that holds `bytes`.
    async fn holding(budget: &FetchBudget, bytes: usize) -> FetchShare {
        let mut share = FetchShare::default();
        assert_eq!(budget.reserve(&mut share, bytes).await, Some(bytes));
        budget.keep(&mut share, bytes);
        share
    }

    #[tokio::test]
    async fn what_was_reserved_and_not_read_is_given_back() {
        let budget = FetchBudget::new(4 * MIB);
        let mut share = FetchShare::default();
        assert_eq!(budget.reserve(&mut share, MIB / 2).await, Some(MIB / 2));
        assert_eq!(budget.held_bytes(), MIB / 2);
        budget.keep(&mut share, 1000);
        assert_eq!(budget.held_bytes(), UNIT_BYTES);
        drop(share);
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test]
    async fn the_first_share_is_waited_for() {
        let budget = FetchBudget::new(SMALL_BYTES);
        let first = holding(&budget, SMALL_BYTES).await;
        let mut second = FetchShare::default();
        // The first future is polled first, and has to wait for what the second does.
        let (reserved, ()) = tokio::join!(budget.reserve(&mut second, MIB), async { drop(first) });
        assert_eq!(reserved, Some(SMALL_BYTES));
    }

    #[tokio::test]
    async fn patience_ends() {
        let budget = FetchBudget { patience: Duration::from_millis(1), ..FetchBudget::new(SMALL_BYTES) };
        let _first = holding(&budget, SMALL_BYTES).await;
        assert_eq!(budget.reserve(&mut FetchShare::default(), 1).await, None);
    }

    #[tokio::test]
    async fn who_holds_something_does_not_wait_for_more() {
        let budget = FetchBudget { patience: Duration::MAX, ..FetchBudget::new(2 * SMALL_BYTES) };
        let mut first = holding(&budget, SMALL_BYTES).await;
        let _second = holding(&budget, SMALL_BYTES).await;
        assert_eq!(budget.reserve(&mut first, MIB / 2).await, None);
    }

    #[tokio::test]
    async fn large_answers_leave_room_for_small_ones() {
        let budget = FetchBudget { patience: Duration::from_millis(1), ..FetchBudget::new(64 * MIB) };
        let mut slow = Vec::new();
        for _ in 0..300 {
            let mut share = FetchShare::default();
            let granted = budget.reserve(&mut share, 55 * MIB).await.unwrap();
            assert!((SMALL_BYTES..=8 * MIB).contains(&granted), "{granted}");
            budget.keep(&mut share, granted);
            slow.push(share);
        }
        assert!(budget.held_bytes() <= 64 * MIB);
        assert_eq!(budget.reserve(&mut FetchShare::default(), MIB).await, Some(SMALL_BYTES));
    }

    #[tokio::test]
    async fn a_batch_larger_than_what_was_granted_is_counted_as_far_as_there_is_room() {
        let budget = FetchBudget::new(MIB);
        let mut share = FetchShare::default();
        assert!(budget.reserve(&mut share, 100 * MIB).await.is_some());
        budget.keep(&mut share, MIB);
        assert_eq!(budget.held_bytes(), MIB);
        drop(share);
        assert_eq!(budget.held_bytes(), 0);
    }
}
