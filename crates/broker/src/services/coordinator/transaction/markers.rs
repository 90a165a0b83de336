//! WriteTxnMarkers: ends by hand, for transactions of which no coordinator knows.
//!
//! An abort of a transaction that is open here ends all of it, where Kafka would tear it (ADR 14). A commit of one is refused.

use std::sync::Arc;

use coordinator::state_machine::{Record, StateMachine as _};
use coordinator::transaction::{
    Description, ProducerIdAndEpoch, TransactionError, TransactionMachine, TransactionState,
};
use storage::{CoordinatorWrite, MarkerError, TransactionEnd, TransactionMarker};
use tokio::sync::oneshot;

use super::super::log::stored_form;
use super::ending::has_log_append_time;
use super::{TransactionService, refusal, unwritten};
use crate::topics::FoundPartition;

/// Why a partition got no marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MarkerRefused {
    /// There is no such partition.
    #[error("there is no such partition")]
    UnknownPartition,
    /// The partition has seen a newer epoch of the producer.
    #[error("the partition has seen a newer epoch of the producer")]
    InvalidProducerEpoch,
    /// The partition has seen a marker of a newer coordinator.
    #[error("the partition has seen a marker of a newer coordinator")]
    CoordinatorFenced,
    /// The partition is not led here.
    #[error("the partition is not led here")]
    NotLeader,
    /// The coordinator refuses.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

/// The markers that one producer is to get.
pub(crate) struct WantedMarkers {
    pub(crate) producer: ProducerIdAndEpoch,
    pub(crate) commit: bool,
    pub(crate) coordinator_epoch: i32,
    /// The markers have to raise the producer's epoch (KIP-1228).
    pub(crate) raises_epoch: bool,
    /// `Err` for one that is missing.
    pub(crate) partitions: Vec<Result<FoundPartition, MarkerRefused>>,
}

impl TransactionService {
    /// Writes the markers of one producer: the result of each partition, in their order. Durable when it returns.
    pub(crate) async fn write_markers(&self, wanted: WantedMarkers) -> Vec<Result<(), MarkerRefused>> {
        match self.end_if_open(&wanted).await {
            Ok(false) => self.write_markers_by_hand(wanted).await,
            Ok(true) => wanted.partitions.into_iter().map(|found| found.map(drop)).collect(),
            Err(error) => wanted.partitions.into_iter().map(|found| found.and(Err(error.into()))).collect(),
        }
    }

    /// Aborts the transaction of that producer if the coordinator has it open; false if it has not.
    ///
    /// # Errors
    /// INVALID_TXN_STATE for a commit of one that is open.
    async fn end_if_open(&self, wanted: &WantedMarkers) -> Result<bool, TransactionError> {
        let marked = wanted.producer;
        let is_open = |machine: &TransactionMachine| {
            let Description { state, producer, .. } = machine.describe().ok()?;
            // An older epoch is for the log to refuse.
            let is_marked = producer.id == marked.id && producer.epoch <= marked.epoch;
            (state == TransactionState::Ongoing && is_marked).then(|| (machine.id().clone(), producer))
        };
        let Some((id, producer)) = self.shell.view_all(is_open).into_iter().find_map(|(open, _)| open) else {
            return Ok(false);
        };
        if wanted.commit {
            return Err(TransactionError::InvalidTxnState);
        }
        let step =
            self.shell.step(&id, false, |machine, env, out| machine.abort_by_admin(env, producer, out));
        let (result, ticket) = step.map_err(|missing| refusal(missing, TransactionError::InvalidTxnState))?;
        ticket.durable().await.map_err(unwritten)?;
        // Ended meanwhile: the marker is written as it was asked for.
        Ok(result.is_ok())
    }

    /// Writes markers of which no transactional id knows, each in its partition alone.
    async fn write_markers_by_hand(&self, wanted: WantedMarkers) -> Vec<Result<(), MarkerRefused>> {
        let WantedMarkers { producer, commit, coordinator_epoch, raises_epoch, partitions } = wanted;
        let term = match self.shell.term() {
            Ok(term) => term,
            Err(_) => {
                return partitions
                    .into_iter()
                    .map(|found| found.and(Err(MarkerRefused::NotLeader)))
                    .collect();
            }
        };
        let marker = |found: &FoundPartition| TransactionMarker {
            partition: Arc::clone(&found.partition),
            producer_id: producer.id.0,
            producer_epoch: producer.epoch,
            coordinator_epoch,
            by_coordinator: false,
            commit,
            raises_epoch,
            log_append_time: has_log_append_time(found),
        };
        let markers = partitions.iter().flatten().map(marker).collect();
        let coordinator = CoordinatorWrite { epoch: term, records: stored_form(Vec::<Record>::new()) };
        let (sender, written) = oneshot::channel();
        let done = move |outcome| drop(sender.send(outcome));
        self.shell.kind().shard.end_transaction(TransactionEnd { coordinator, markers }, Box::new(done));
        let mut results = match written.await {
            Ok(Ok(results)) => results.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let outcome = |found: Result<FoundPartition, MarkerRefused>| {
            found?;
            let storage_failed = Err(TransactionError::StorageFailed.into());
            results.next().map_or(storage_failed, |result| result.map(drop).map_err(MarkerRefused::from))
        };
        partitions.into_iter().map(outcome).collect()
    }
}

impl From<MarkerError> for MarkerRefused {
    fn from(error: MarkerError) -> MarkerRefused {
        match error {
            MarkerError::InvalidProducerEpoch { .. } => MarkerRefused::InvalidProducerEpoch,
            MarkerError::TransactionCoordinatorFenced { .. } => MarkerRefused::CoordinatorFenced,
            MarkerError::PartitionDeleted => MarkerRefused::UnknownPartition,
            MarkerError::OffsetsExhausted => TransactionError::StorageFailed.into(),
        }
    }
}
