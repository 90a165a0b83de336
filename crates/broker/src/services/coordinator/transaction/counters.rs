//! Numbers of transactions for metrics: counted when something happens, so that a scrape looks at no transactional id.

use std::array;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use coordinator::state_machine::StateMachine as _;
use coordinator::transaction::view::OpenTransaction;
use coordinator::transaction::{
    EndCause, Ending, ProducerId, TransactionError, TransactionMachine, TransactionalId,
};
use parking_lot::Mutex;
use storage::KeptTime;

use crate::telemetry::metrics::{Buckets, TransactionsSnapshot};

/// Upper bounds of the buckets of durations, ms: from a copier that commits at once to the longest timeout.
const BOUNDS_MS: [u64; 16] =
    [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000, 300_000, 900_000];

/// The numbers of all transactional ids of this broker.
#[derive(Debug, Default)]
pub(super) struct Counters {
    ended: [AtomicU64; OUTCOMES.len()],
    refused: [AtomicU64; REASONS.len()],
    durations: Durations,
    /// Partitions of Produce requests of the older protocol that were not announced.
    unverified: AtomicU64,
    /// Ids that a producer has, resting ones included.
    known: AtomicI64,
    open: Mutex<Open>,
}

/// How transactions end, as the label `outcome`.
const OUTCOMES: [&str; 5] = ["commit", "abort", "timeout", "fenced", "admin"];

/// Why requests are refused, as the label `reason`: [`reason`] has the order.
const REASONS: [&str; 13] = [
    "coordinator_not_available",
    "not_coordinator",
    "coordinator_load_in_progress",
    "storage_failed",
    "disk_full",
    "invalid_request",
    "invalid_transaction_timeout",
    "invalid_producer_id_mapping",
    "producer_fenced",
    "invalid_txn_state",
    "not_in_transaction",
    "transactional_id_not_found",
    "concurrent_transactions",
];

/// Place of an error in [`REASONS`]. `None`: it is no refusal.
fn reason(error: TransactionError) -> Option<usize> {
    Some(match error {
        TransactionError::CoordinatorNotAvailable => 0,
        TransactionError::NotCoordinator => 1,
        TransactionError::CoordinatorLoadInProgress => 2,
        TransactionError::StorageFailed => 3,
        TransactionError::DiskFull => 4,
        TransactionError::InvalidRequest => 5,
        TransactionError::InvalidTransactionTimeout => 6,
        TransactionError::InvalidProducerIdMapping => 7,
        TransactionError::ProducerFenced => 8,
        TransactionError::InvalidTxnState => 9,
        TransactionError::NotInTransaction => 10,
        TransactionError::TransactionalIdNotFound => 11,
        TransactionError::ConcurrentTransactions => 12,
        TransactionError::ProducerIdNeeded => return None,
    })
}

/// Place of an outcome in [`OUTCOMES`].
fn outcome(ending: &Ending) -> usize {
    match ending.cause {
        EndCause::Producer if ending.commit => 0,
        EndCause::Producer => 1,
        EndCause::Timeout => 2,
        EndCause::Fenced => 3,
        EndCause::Admin => 4,
    }
}

/// Durations of transactions, from the begin to the end, by the open clock.
#[derive(Debug, Default)]
struct Durations {
    /// Each counts those above the bound before it.
    buckets: [AtomicU64; BOUNDS_MS.len()],
    count: AtomicU64,
    sum_ms: AtomicU64,
}

/// The transactions that are open. Two have different producer ids.
#[derive(Debug, Default)]
struct Open {
    /// By begin.
    begins: BTreeSet<(u64, i64)>,
    /// By the time at which they are aborted.
    deadlines: BTreeSet<(u64, i64)>,
    /// The transactional id, by producer id.
    owners: HashMap<i64, TransactionalId>,
}

/// The part of one id in these numbers.
#[derive(Debug, Default)]
pub(super) struct Account {
    known: bool,
    open: Option<OpenTransaction>,
    /// While a transaction is open.
    kept: Option<KeptTime>,
}

impl Account {
    /// Of an id that is among the known ones, and has no open transaction among the open ones yet.
    pub(super) fn of_stored(machine: &TransactionMachine) -> Account {
        Account { known: machine.is_known(), ..Account::default() }
    }

    /// Holds the folder's clock from `keep` while a transaction is open.
    pub(super) fn keep_time(&mut self, keep: impl FnOnce() -> KeptTime) {
        match self.open {
            Some(_) => {
                self.kept.get_or_insert_with(keep);
            }
            None => self.kept = None,
        }
    }
}

// Relaxed everywhere: numbers for people to look at.
impl Counters {
    pub(super) fn ended(&self, ending: &Ending) {
        self.ended[outcome(ending)].fetch_add(1, Ordering::Relaxed);
        self.durations.observe(ending.duration_ms);
    }

    /// Counts a refusal, and hands it on.
    pub(super) fn refused(&self, error: TransactionError) -> TransactionError {
        if let Some(refused) = reason(error).and_then(|reason| self.refused.get(reason)) {
            refused.fetch_add(1, Ordering::Relaxed);
        }
        error
    }

    /// Counts the partitions of a Produce of the older protocol that were not announced.
    pub(super) fn verified(&self, results: &[Result<(), TransactionError>]) {
        for error in results.iter().filter_map(|result| result.err()) {
            self.refused(error);
            self.unverified.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As `Kind::account`.
    pub(super) fn account(&self, account: &mut Account, machine: &TransactionMachine) {
        let (known, open) = (machine.is_known(), machine.open());
        if known != account.known {
            self.known.fetch_add(if known { 1 } else { -1 }, Ordering::Relaxed);
            account.known = known;
        }
        if open != account.open {
            let mut all = self.open.lock();
            if let Some(OpenTransaction { producer_id, since_open_ms, deadline_open_ms }) = account.open {
                all.begins.remove(&(since_open_ms, producer_id.0));
                all.deadlines.remove(&(deadline_open_ms, producer_id.0));
                all.owners.remove(&producer_id.0);
            }
            if let Some(OpenTransaction { producer_id, since_open_ms, deadline_open_ms }) = open {
                all.begins.insert((since_open_ms, producer_id.0));
                all.deadlines.insert((deadline_open_ms, producer_id.0));
                all.owners.insert(producer_id.0, machine.id().clone());
            }
            account.open = open;
        }
    }

    /// The transactional id that has a transaction of this producer open, as of a moment ago.
    pub(super) fn owner(&self, producer_id: ProducerId) -> Option<TransactionalId> {
        self.open.lock().owners.get(&producer_id.0).cloned()
    }

    /// That many ids are known, and no transaction is counted as open.
    pub(super) fn begin(&self, known: usize) {
        self.known.store(i64::try_from(known).unwrap_or(i64::MAX), Ordering::Relaxed);
        *self.open.lock() = Open::default();
    }

    /// All of it; `open_ms` is the open clock.
    pub(super) fn snapshot(&self, open_ms: u64) -> TransactionsSnapshot {
        let (open, oldest_ms, overdue_ms) = {
            let open = self.open.lock();
            let since = |set: &BTreeSet<(u64, i64)>| {
                set.first().map_or(0, |(time_ms, _)| open_ms.saturating_sub(*time_ms))
            };
            (open.begins.len(), since(&open.begins), since(&open.deadlines))
        };
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransactionsSnapshot {
            known: self.known.load(Ordering::Relaxed),
            open,
            oldest_open_seconds: oldest_ms as f64 / 1000.0,
            overdue_seconds: overdue_ms as f64 / 1000.0,
            ended: OUTCOMES.into_iter().zip(self.ended.iter().map(count)).collect(),
            refused: REASONS.into_iter().zip(self.refused.iter().map(count)).collect(),
            unverified: count(&self.unverified),
            durations: self.durations.snapshot(),
        }
    }
}

impl Durations {
    fn observe(&self, took_ms: u64) {
        let bucket = BOUNDS_MS.partition_point(|bound| *bound < took_ms);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ms.fetch_add(took_ms, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> Buckets {
        let counts: [u64; BOUNDS_MS.len()] =
            array::from_fn(|at| self.buckets.get(at).map_or(0, |bucket| bucket.load(Ordering::Relaxed)));
        let buckets = BOUNDS_MS.into_iter().map(|bound_ms| bound_ms as f64 / 1000.0).zip(counts).collect();
        // After the buckets, so that it is not less than all of them.
        let count = self.count.load(Ordering::Relaxed);
        Buckets { buckets, count, sum: self.sum_ms.load(Ordering::Relaxed) as f64 / 1000.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_reason_of_its_own() {
        let reasons: BTreeSet<_> = TransactionError::ALL.into_iter().filter_map(reason).collect();
        assert!(reasons.iter().copied().eq(0..REASONS.len()));
        assert_eq!(TransactionError::ALL.len(), REASONS.len() + 1, "one is never told");
    }

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_holds_it() {
        let durations = Durations::default();
        [0, 1, 2, 3, 900_000, 900_001].into_iter().for_each(|ms| durations.observe(ms));
        let Buckets { buckets, count, sum } = durations.snapshot();
        let counted: Vec<_> = buckets.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(counted, [(0.001, 2), (0.002, 1), (0.005, 1), (900.0, 1)]);
        assert_eq!((count, sum), (6, 1_800.007));
    }

    #[test]
    fn the_oldest_and_the_most_overdue_transaction_need_not_be_the_same() {
        let counters = Counters::default();
        let open = |id, since_open_ms, deadline_open_ms| {
            let producer_id = ProducerId(id);
            (since_open_ms, deadline_open_ms, producer_id.0)
        };
        {
            let mut all = counters.open.lock();
            for (since_ms, deadline_ms, id) in [open(1, 1_000, 60_000), open(2, 5_000, 6_000)] {
                all.begins.insert((since_ms, id));
                all.deadlines.insert((deadline_ms, id));
            }
        }
        let TransactionsSnapshot { open, oldest_open_seconds, overdue_seconds, .. } =
            counters.snapshot(6_500);
        assert_eq!((open, oldest_open_seconds, overdue_seconds), (2, 5.5, 0.5));
        counters.begin(7);
        let snapshot = counters.snapshot(6_500);
        assert_eq!((snapshot.open, snapshot.known, snapshot.oldest_open_seconds), (0, 7, 0.0));
    }
}
