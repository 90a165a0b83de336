//! The transaction that a Produce request may belong to.

use coordinator::transaction::{ProducerIdAndEpoch, Protocol, Sender, TransactionError, TransactionalId};

use super::batch::ProduceError;
use crate::services::coordinator::transaction::TransactionService;

/// A Produce request, as the transaction of its batches sees it.
#[derive(Clone, Copy)]
pub(crate) struct InTransaction<'a> {
    /// Knows the transactions.
    pub(crate) coordinator: &'a TransactionService,
    /// The id in the request.
    pub(crate) id: Option<&'a str>,
    /// V2: the request itself makes its partitions part of the transaction (KIP-890).
    pub(crate) protocol: Protocol,
    /// `transaction.partition.verification.enable`: partitions have to be part of the transaction.
    pub(crate) verifies: bool,
    /// The number of the request's connection.
    pub(crate) connection: u64,
}

/// The transaction of a request that has transactional batches.
#[derive(Clone)]
pub(super) struct Transaction<'a> {
    pub(super) coordinator: &'a TransactionService,
    pub(super) id: TransactionalId,
    pub(super) sender: Sender,
    pub(super) protocol: Protocol,
    /// False: the coordinator is not asked.
    pub(super) verifies: bool,
}

impl<'a> InTransaction<'a> {
    /// The transaction; `None` if no batch is transactional. `producers` are those of the transactional batches, the
    /// first two at least; `existing` returns those of the batches whose partitions exist, and is called only where that matters.
    ///
    /// # Errors
    /// For all batches of the request: it names no transactional id (`KafkaApis.handleProduceRequest`), or its batches for
    /// partitions that exist are of several producers (`ReplicaManager.handleProduceAppend`).
    pub(super) fn of(
        self,
        mut producers: Vec<ProducerIdAndEpoch>,
        existing: impl FnOnce() -> Vec<ProducerIdAndEpoch>,
    ) -> Result<Option<Transaction<'a>>, ProduceError> {
        if producers.is_empty() {
            return Ok(None);
        }
        let id = self.id.ok_or(ProduceError::NoTransactionalId)?;
        if producers.len() > 1 {
            producers = existing();
        }
        if producers.len() > 1 {
            return Err(TransactionError::InvalidProducerIdMapping.into());
        }
        Ok(producers.first().map(|producer| Transaction {
            coordinator: self.coordinator,
            id: TransactionalId::from(id),
            sender: Sender { producer: *producer, connection: self.connection },
            protocol: self.protocol,
            verifies: self.verifies || self.protocol == Protocol::V2,
        }))
    }
}
