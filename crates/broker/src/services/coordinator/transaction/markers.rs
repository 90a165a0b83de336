//! WriteTxnMarkers: ends by hand, for transactions of which no coordinator knows.
//!
//! An abort of a transaction that is open here ends all of it, where Kafka would tear it (ADR 14). A commit of one is refused.
//! Both hold for partitions that take part in it; others get their marker as it was asked for. An abort that has to raise the
//! producer's epoch (KIP-1228), and does not, ends nothing: a partition with records of the transaction refuses it, as in Kafka.

use std::sync::Arc;

use coordinator::state_machine::Record;
use coordinator::transaction::{ProducerIdAndEpoch, TransactionError};
use storage::{CoordinatorWrite, MarkerError, TransactionEnd, TransactionMarker};
use tokio::sync::oneshot;

use super::super::log::stored_form;
use super::super::shell::Missing;
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
    /// The marker names no level of `transaction.version`.
    #[error("the marker names no level of transaction.version")]
    UnknownVersion,
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

impl WantedMarkers {
    /// True if the markers have an epoch that may end what this producer has open. Any other is for the log to refuse.
    fn may_end(&self, open: ProducerIdAndEpoch) -> bool {
        // A commit is refused in any case.
        let raises_epoch = self.raises_epoch && !self.commit;
        let epoch = self.producer.epoch;
        open.id == self.producer.id && (open.epoch < epoch || open.epoch == epoch && !raises_epoch)
    }
}

impl TransactionService {
    /// Writes the markers of one producer: the result of each partition, in their order. Durable when it returns.
    pub(crate) async fn write_markers(&self, wanted: WantedMarkers) -> Vec<Result<(), MarkerRefused>> {
        let (takes_part, ended) = self.end_if_open(&wanted).await;
        // Others get their marker by hand: the end of the transaction does not reach them.
        let mut by_hand = WantedMarkers { partitions: Vec::new(), ..wanted };
        let mut outcomes = Vec::with_capacity(wanted.partitions.len());
        for (found, takes_part) in wanted.partitions.into_iter().zip(takes_part) {
            match takes_part {
                true => outcomes.push(Some(ended.map_err(MarkerRefused::from))),
                false => {
                    by_hand.partitions.push(found);
                    outcomes.push(None);
                }
            }
        }
        let mut by_hand = self.write_markers_by_hand(by_hand).await.into_iter();
        let storage_failed = Err(TransactionError::StorageFailed.into());
        outcomes.into_iter().map(|ended| ended.or_else(|| by_hand.next()).unwrap_or(storage_failed)).collect()
    }

    /// Aborts the transaction of that producer if the coordinator has it open and one of the partitions takes part in it. Returns
    /// which of them do, and the outcome for these.
    async fn end_if_open(&self, wanted: &WantedMarkers) -> (Vec<bool>, Result<(), TransactionError>) {
        let none = || vec![false; wanted.partitions.len()];
        let Some(id) = self.shell.kind().counters.owner(wanted.producer.id) else { return (none(), Ok(())) };
        let step = self.shell.step(&id, false, |machine, env, out| {
            let takes_part = |found: &Result<FoundPartition, MarkerRefused>| {
                found.as_ref().is_ok_and(|FoundPartition { partition, .. }| {
                    machine.takes_part(partition.topic_id(), partition.index())
                })
            };
            // None also if it has ended meanwhile: the markers are written as they were asked for.
            let open = machine.open_producer().filter(|open| wanted.may_end(*open));
            let takes_part: Vec<bool> =
                wanted.partitions.iter().map(|found| open.is_some() && takes_part(found)).collect();
            let ended = match open.filter(|_| takes_part.contains(&true)) {
                None => Ok(()),
                Some(_) if wanted.commit => Err(TransactionError::InvalidTxnState),
                Some(producer) => machine.abort_by_admin(env, producer, out),
            };
            (takes_part, ended)
        });
        let ((takes_part, ended), ticket) = match step {
            Ok(step) => step,
            Err(Missing::Absent) => return (none(), Ok(())),
            Err(missing) => {
                let found = wanted.partitions.iter().map(Result::is_ok).collect();
                return (found, Err(refusal(missing, TransactionError::InvalidTxnState)));
            }
        };
        match ticket.durable().await {
            Ok(()) => (takes_part, ended),
            Err(error) => (takes_part, Err(unwritten(error))),
        }
    }

    /// Writes markers of which no transactional id knows, each in its partition alone.
    async fn write_markers_by_hand(&self, wanted: WantedMarkers) -> Vec<Result<(), MarkerRefused>> {
        let WantedMarkers { producer, commit, coordinator_epoch, raises_epoch, partitions } = wanted;
        if partitions.iter().all(Result::is_err) {
            return partitions.into_iter().map(|found| found.map(drop)).collect();
        }
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
