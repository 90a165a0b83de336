//! Coordinators follow the shard that holds their records: unloaded when it is given up, loaded again when it was taken over.
//! Groups come first and go last: a transaction that ends while it is loaded ends in its groups, too.

use std::{sync::Arc, time::Duration};

use storage::{Storage, StorageError};
use tokio::sync::Notify;

use super::super::group::{GroupService, OpenError};
use super::TransactionService;

/// Time between two attempts to load after a take-over. Clients ask again meanwhile.
pub(in super::super) const RETRY: Duration = Duration::from_secs(1);

/// Starts the task that unloads and loads. It ends when the broker's tasks are told to.
pub(crate) fn follow(groups: &Arc<GroupService>, transactions: &Arc<TransactionService>, storage: &Storage) {
    let changed = Arc::new(Notify::new());
    let tell = Arc::clone(&changed);
    // Not lost if the task is at work: `notify_one` leaves a permit for its next wait.
    storage.shard().watch_lead(Arc::new(move || tell.notify_one()));
    // A change since the first load is found by the first look.
    changed.notify_one();
    let (groups, transactions, storage) = (Arc::clone(groups), Arc::clone(transactions), storage.clone());
    let tasks = transactions.shell.tasks().clone();
    let stop = tasks.token().clone();
    tasks.spawn("coordinators-shard", async move {
        while stop.run_until_cancelled(changed.notified()).await.is_some() {
            // Another attempt, unless the shard has changed again.
            while let Err(error) = catch_up(&groups, &transactions, &storage).await {
                tracing::error!(%error, "coordinators cannot be loaded; their requests are refused meanwhile");
                if stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
                    return;
                }
            }
        }
    });
}

/// Unloads what is of an earlier term of the shard, and loads the present one if this broker leads it.
///
/// # Errors
/// It leads it, and the records cannot be loaded.
async fn catch_up(
    groups: &Arc<GroupService>,
    transactions: &Arc<TransactionService>,
    storage: &Storage,
) -> Result<(), OpenError> {
    let term = transactions.shell.term();
    if term.is_ok_and(|term| transactions.shell.is_loaded_in(term)) {
        return Ok(());
    }
    transactions.shell.unload();
    groups.catch_up(storage).await?;
    let Ok(term) = term else { return Ok(()) };
    match transactions.load(term, storage).await {
        // Given up meanwhile: the next notification has more.
        Err(OpenError::Storage(StorageError::NotLeader | StorageError::Unavailable)) => Ok(()),
        loaded => loaded,
    }
}

impl TransactionService {
    /// Loads the transactional ids of a term.
    ///
    /// # Errors
    /// The records cannot be read.
    pub(super) async fn load(self: &Arc<Self>, term: u32, storage: &Storage) -> Result<(), OpenError> {
        let (loading, reader) = (Arc::clone(self), storage.shard().clone());
        let load = move || {
            loading.drop_ended_offsets(&reader)?;
            loading.shell.load(term, |prefix, each| reader.scan_coordinator(prefix, each))
        };
        let loaded = self.shell.tasks().blocking("load-transactions", load).await;
        Ok(loaded.ok_or(OpenError::Interrupted)??)
    }
}
