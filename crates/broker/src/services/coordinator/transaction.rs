//! The coordinator of transactions: the shell for transactional ids, and one method per request (`requests`, `offsets`,
//! `markers`, `looks`).
//!
//! A transaction ends in one write group: its markers, the offsets of its groups, and the records of its id (`ending`, ADR
//! 13). The lock of an id is held until what it decided has its place in the log, so that no batch of a transaction comes
//! after its marker. Locks are taken in this order: that of an id, then those of the groups in it, in the order of their names.

mod counters;
mod ending;
mod expiry;
mod leading;
mod looks;
mod markers;
mod offsets;
mod requests;
mod timeouts;
mod unreadable;
#[cfg(test)]
mod wire_tests;

use std::convert::Infallible;
use std::sync::Arc;

use coordinator::state_machine::Now;
use coordinator::transaction::{
    Env, ShardId, TransactionConfig, TransactionError, TransactionMachine, TransactionalId,
};
use storage::{Shard, Storage};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::counters::{Account, Counters};
use super::durability::Delivery;
use super::group::GroupService;
use super::kind::{Kind, StepWrite};
use super::log::{self, NotWritten, RecordLog};
use super::shell::{Missing, Shell};
use crate::clock::Clock;
use crate::config::StartConfig;
use crate::io::ClusterIo;
use crate::services::disk_reserve::{DiskReserve, Write};
use crate::tasks::Tasks;
use crate::telemetry::named_once::NamedOnce;
use crate::topics::Topics;

#[cfg(test)]
pub(super) use self::leading::RETRY;
pub(crate) use self::leading::follow;
pub(crate) use self::markers::{MarkerRefused, WantedMarkers};
pub(crate) use self::offsets::NotStaged;
pub(crate) use self::requests::CoordinatorPart;

/// The shard of all that this broker has: its folder (ADR 11).
const OWN_SHARD: ShardId = ShardId(0);

/// The coordinator of all transactional ids. One per broker.
pub(crate) struct TransactionService {
    shell: Arc<Shell<Transactions>>,
    /// Gives out producer ids.
    cluster: ClusterIo,
    /// Admits what begins or joins a transaction.
    disk: Arc<DiskReserve>,
    /// Has one permit: a list of all ids takes memory.
    listing: Semaphore,
    /// Transactional ids whose producers asked for too long a timeout.
    too_long: NamedOnce,
}

/// The surroundings of transactional ids, and where their ends are written.
struct Transactions {
    config: TransactionConfig,
    shard: Shard,
    /// Knows the partitions of an end.
    topics: Arc<Topics>,
    groups: Arc<GroupService>,
    counters: Arc<Counters>,
}

impl Kind for Transactions {
    type Machine = TransactionMachine;
    type Waiting = ();
    type Account = Account;

    const NAME: &'static str = "transactions";

    fn in_env<T>(&self, _: &TransactionalId, now: Now, step: impl FnOnce(Env<'_>) -> T) -> T {
        step(Env { now, config: &self.config, shard: OWN_SHARD })
    }

    fn deliver((): &mut (), reply: Infallible) -> Option<Delivery> {
        match reply {}
    }

    fn account(&self, account: &mut Account, machine: &TransactionMachine) {
        self.counters.account(account, machine);
        // The timeout of an open transaction is counted by the folder's clock, also over a crash.
        account.keep_time(|| self.shard.keep_time());
    }

    fn account_of_stored(&self, machine: &TransactionMachine) -> Account {
        Account::of_stored(machine)
    }

    fn counted(&self, known: usize) {
        self.counters.begin(known);
    }

    fn write(&self, log: &dyn RecordLog, mut step: StepWrite<Self>) {
        for ending in step.effects.extract_if(.., |ending| ending.shard != OWN_SHARD) {
            ending::note_unreachable(&ending);
        }
        if step.effects.is_empty() {
            log.write(step.term, step.records, step.written);
        } else {
            self.end(step);
        }
    }
}

impl From<&StartConfig> for TransactionConfig {
    fn from(config: &StartConfig) -> TransactionConfig {
        TransactionConfig {
            max_timeout_ms: config.transaction_max_timeout_ms.as_u32(),
            id_expiration_ms: config.transactional_id_expiration_ms.as_u32().into(),
        }
    }
}

impl TransactionService {
    /// A request that begins a transaction or joins one needs space. Ends write little, and free what is held back.
    ///
    /// # Errors
    /// The disk has no space for it.
    fn ensure_room(&self) -> Result<(), TransactionError> {
        let has_room = self.disk.has_room(Write::Commits, crate::clock::now());
        if has_room { Ok(()) } else { Err(TransactionError::DiskFull) }
    }
}

/// The refusal of a request for an id that cannot take a step; `absent` if nothing is known of the id.
fn refusal(missing: Missing, absent: TransactionError) -> TransactionError {
    match missing {
        Missing::Absent => absent,
        // Retriable: a later start may be able to read it.
        Missing::Unreadable => TransactionError::CoordinatorNotAvailable,
        Missing::NotCoordinator => TransactionError::NotCoordinator,
        Missing::Loading => TransactionError::CoordinatorLoadInProgress,
    }
}

/// As in `group/requests.rs`.
fn unwritten(not_written: NotWritten) -> TransactionError {
    match not_written {
        NotWritten::Failed => TransactionError::StorageFailed,
        NotWritten::NotLed => TransactionError::NotCoordinator,
    }
}

/// The surroundings of the coordinator, as the start of the broker has them.
pub(crate) struct Surroundings<'a> {
    pub(crate) config: &'a StartConfig,
    pub(crate) clock: &'a Clock,
    pub(crate) tasks: &'a Tasks,
    pub(crate) stop_waiting: &'a CancellationToken,
    pub(crate) storage: &'a Storage,
    pub(crate) cluster: &'a ClusterIo,
    pub(crate) topics: &'a Arc<Topics>,
    pub(crate) disk: &'a Arc<DiskReserve>,
}

/// The coordinator with all transactional ids that storage holds, its timers running. The groups are loaded: transactions whose
/// time is over end at once.
///
/// # Errors
/// If the records cannot be read from storage. A record that cannot be understood concerns its id only.
pub(crate) async fn open(
    surroundings: Surroundings<'_>,
    groups: &Arc<GroupService>,
) -> Result<Arc<TransactionService>, super::group::OpenError> {
    let Surroundings { config, clock, tasks, stop_waiting, storage, cluster, topics, disk } = surroundings;
    let kind = Transactions {
        config: config.into(),
        shard: storage.shard().clone(),
        topics: Arc::clone(topics),
        groups: Arc::clone(groups),
        counters: Arc::default(),
    };
    let log = log::stored(storage.shard().clone());
    let shell = Shell::new(kind, clock.clone(), tasks.clone(), stop_waiting.clone(), log);
    let service = Arc::new(TransactionService {
        shell: Arc::new(shell),
        cluster: cluster.clone(),
        disk: Arc::clone(disk),
        listing: Semaphore::new(1),
        too_long: NamedOnce::default(),
    });
    let term = service.shell.term()?;
    service.load(term, storage).await?;
    service.shell.start();
    expiry::start(&service);
    Ok(service)
}
