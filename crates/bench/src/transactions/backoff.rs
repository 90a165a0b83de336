//! How long Java's producer waits before it sends a refused request again (kafka-clients 4.3, default settings).
//!
//! A broker that still writes the markers of the transaction before answers CONCURRENT_TRANSACTIONS, so these waits are part of the
//! time that a transaction takes.

use codec::ErrorCode;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::clock::SECOND;
use crate::frames::SEED;

const MILLISECOND: u64 = SECOND / 1000;
/// `TransactionManager.ADD_PARTITIONS_RETRY_BACKOFF_MS`: of the request that announces the first partitions of a transaction.
pub(super) const FIRST_ANNOUNCEMENT: u64 = 20 * MILLISECOND;
/// `retry.backoff.ms`: of all other requests to the coordinator.
pub(super) const COORDINATOR: u64 = 100 * MILLISECOND;
/// `retry.backoff.max.ms`, for batches.
const LONGEST: u64 = SECOND;

/// The waits of one producer's batches.
#[derive(Debug)]
pub(super) struct BatchBackoff(StdRng);

impl BatchBackoff {
    /// The jitter of each producer is its own, and the same at every run.
    pub(super) fn new(producer: u32) -> BatchBackoff {
        BatchBackoff(StdRng::seed_from_u64(SEED + u64::from(producer)))
    }

    /// `ExponentialBackoff` of the record accumulator: doubled with each attempt, a fifth more or less. `attempts` counts
    /// the refusals, the present one included.
    pub(super) fn wait(&mut self, attempts: u32) -> u64 {
        let doubled = COORDINATOR << attempts.saturating_sub(1).min(4);
        let jitter = self.0.random_range(0.8..1.2);
        ((doubled as f64 * jitter) as u64).min(LONGEST)
    }
}

/// True if a request to the coordinator is sent again after this error.
pub(super) fn is_repeated(error_code: i16) -> bool {
    matches!(
        ErrorCode::from_code(error_code),
        Some(ErrorCode::ConcurrentTransactions | ErrorCode::CoordinatorLoadInProgress)
    )
}

/// True if a batch is sent again after this error. `behind`: an earlier batch of the producer is to be sent again, so this one
/// was refused for the gap before it.
pub(super) fn is_batch_repeated(error_code: i16, behind: bool) -> bool {
    match ErrorCode::from_code(error_code) {
        // Below Produce 12 brokers say the latter for the former.
        Some(ErrorCode::ConcurrentTransactions | ErrorCode::NotEnoughReplicas) => true,
        Some(ErrorCode::OutOfOrderSequenceNumber) => behind,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_wait_longer_each_time_and_a_second_at_most() {
        let mut backoff = BatchBackoff::new(1);
        for (attempts, ms) in [(1, 100), (2, 200), (3, 400), (4, 800)] {
            let wait = backoff.wait(attempts) / MILLISECOND;
            assert!((ms * 8 / 10..=ms * 12 / 10).contains(&wait), "{attempts}: {wait}");
        }
        assert!(backoff.wait(1000) <= SECOND);
    }

    #[test]
    fn only_what_passes_is_repeated() {
        for (code, repeated, batch, behind) in [
            (0, false, false, false),
            (51, true, true, true),
            (14, true, false, false),
            (45, false, false, true),
            (47, false, false, false),
        ] {
            assert_eq!(is_repeated(code), repeated, "{code}");
            assert_eq!(is_batch_repeated(code, false), batch, "{code}");
            assert_eq!(is_batch_repeated(code, true), behind, "{code}");
        }
    }
}
