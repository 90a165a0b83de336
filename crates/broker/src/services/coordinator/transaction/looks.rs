//! Transactions as others see them: lists, descriptions and metrics. Nothing here changes one.

use std::collections::HashSet;
use std::sync::Arc;

use coordinator::record_kinds::RecordKind;
use coordinator::state_machine::StateMachine as _;
use coordinator::transaction::view::Filter;
use coordinator::transaction::{Description, Overview, TransactionError, TransactionalId, resting};
use storage::StorageError;
use tokio::task::consume_budget;

use super::super::shell::Missing;
use super::{TransactionService, refusal, unwritten};
use crate::telemetry::line_limit::FAULTS;
use crate::telemetry::metrics::TransactionsSnapshot;

impl TransactionService {
    /// This broker coordinates transactional ids, now or once they are loaded.
    pub(crate) fn is_here(&self) -> bool {
        self.shell.ensure_loaded() != Err(Missing::NotCoordinator)
    }

    /// DescribeTransactions, one id; told once what it tells is durable.
    ///
    /// # Errors
    /// INVALID_REQUEST for an empty id, TRANSACTIONAL_ID_NOT_FOUND, or the coordinator is not here.
    pub(crate) async fn describe(&self, id: &TransactionalId) -> Result<Description, TransactionError> {
        if id.as_str().is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        // One that rests is read from the disk, and a request may name any number of them.
        consume_budget().await;
        let viewed = self.shell.view(id, |machine| machine.describe());
        let (description, ticket) =
            viewed.map_err(|missing| refusal(missing, TransactionError::TransactionalIdNotFound))?;
        ticket.durable().await.map_err(unwritten)?;
        description
    }

    /// ListTransactions: the ids that the filter admits, in their order; told once what it tells is durable. One list is made at a time: its
    /// memory is that of the ids admitted.
    ///
    /// # Errors
    /// The coordinator is not here, or not loaded yet, or the records cannot be read.
    pub(crate) async fn list(&self, filter: Filter, now_ms: i64) -> Result<Vec<Overview>, TransactionError> {
        self.ensure_loaded()?;
        let Ok(_alone) = self.listing.acquire().await else {
            return Err(TransactionError::CoordinatorNotAvailable);
        };
        // Those in memory first: one that comes to rest meanwhile is in its record when that is read.
        let viewed = self.shell.view_all(|machine| (machine.id().clone(), machine.overview()));
        let (mut seen, mut list) = (HashSet::new(), Vec::new());
        for ((id, overview), ticket) in viewed {
            ticket.durable().await.map_err(unwritten)?;
            list.extend(overview.filter(|overview| filter.admits(overview, now_ms)));
            seen.insert(id);
        }
        list.extend(self.list_resting(filter, now_ms, seen).await?);
        // A record may be of a step that was taken after the first look.
        for ((), ticket) in self.shell.view_all(|_| ()) {
            ticket.durable().await.map_err(unwritten)?;
        }
        // Given up meanwhile: the records may be of another broker's making.
        self.ensure_loaded()?;
        list.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(list)
    }

    fn ensure_loaded(&self) -> Result<(), TransactionError> {
        let loaded = self.shell.ensure_loaded();
        loaded.map_err(|missing| refusal(missing, TransactionError::CoordinatorNotAvailable))
    }

    /// Those of them that rest, without those that were seen in memory. A record that cannot be read is left out: requests for its id are
    /// refused.
    async fn list_resting(
        &self,
        filter: Filter,
        now_ms: i64,
        seen: HashSet<TransactionalId>,
    ) -> Result<Vec<Overview>, TransactionError> {
        let shell = Arc::clone(&self.shell);
        let scan = move || -> Result<Vec<Overview>, StorageError> {
            let (mut list, prefix) = (Vec::new(), [RecordKind::Transaction.number()]);
            shell.log.scan(&prefix, &prefix, &mut |key, value| {
                let overview = resting::overview(key, value).ok().flatten();
                let is_wanted =
                    |overview: &Overview| filter.admits(overview, now_ms) && !seen.contains(&overview.id);
                list.extend(overview.filter(is_wanted));
                true
            })?;
            Ok(list)
        };
        match self.shell.tasks().blocking("list-transactional-ids", scan).await {
            Some(Ok(list)) => Ok(list),
            Some(Err(StorageError::NotLeader | StorageError::Unavailable)) => {
                Err(TransactionError::NotCoordinator)
            }
            Some(Err(error)) => {
                if let Some(suppressed) = FAULTS.take("list of transactional ids") {
                    tracing::error!(%error, suppressed, "transactional ids cannot be read");
                }
                Err(TransactionError::CoordinatorNotAvailable)
            }
            None => Err(TransactionError::CoordinatorNotAvailable),
        }
    }

    /// Ids that are in memory.
    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> usize {
        self.shell.view_all(|_| ()).len()
    }

    /// The numbers that metrics show. Looks at no id.
    pub(crate) fn snapshot(&self) -> TransactionsSnapshot {
        self.shell.kind().counters.snapshot(self.shell.log.open_ms())
    }
}
