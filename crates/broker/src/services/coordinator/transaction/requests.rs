//! The requests of producers: one method each, in domain types.

use coordinator::transaction::{
    EndRequest, Env, GroupRef, InitRequest, Outcome, ProducerId, ProducerIdAndEpoch, Protocol, Sender,
    TopicPartitionRef, TransactionError, TransactionMachine, TransactionalId,
};
use storage::{AppendResult, CoordinatorWrite, StorageError};
use tokio::task::consume_budget;

use super::super::kind::StepWrite;
use super::super::log::{Written, not_written, stored_form};
use super::super::shell::Missing;
use super::{TransactionService, Transactions, refusal, unwritten};
use crate::telemetry::line_limit::FAULTS;

/// The records of a transaction that an append writes with its batches.
pub(crate) struct CoordinatorPart {
    /// With the term of the coordinator, in which alone the batches may be appended. `None`: it was not asked.
    write: Option<CoordinatorWrite>,
    written: Written,
}

impl CoordinatorPart {
    fn of(step: StepWrite<Transactions>) -> CoordinatorPart {
        // Also without records: what the coordinator has decided holds in its term alone.
        let write = Some(CoordinatorWrite { epoch: step.term, records: stored_form(step.records) });
        CoordinatorPart { write, written: step.written }
    }

    /// True if the append has to be made also without a batch: its records begin the transaction or join it.
    pub(crate) fn has_records(&self) -> bool {
        self.write.as_ref().is_some_and(|write| !write.records.is_empty())
    }

    /// That of an append which no transactional id knows of.
    pub(crate) fn none() -> CoordinatorPart {
        CoordinatorPart { write: None, written: Box::new(|_| {}) }
    }

    /// Takes the outcome of the append.
    pub(crate) fn ended(written: Written, outcome: &Result<Vec<AppendResult>, StorageError>) {
        // The records are written also if batches are refused.
        written(outcome.as_ref().map(|_| ()).map_err(|error| not_written(error.clone())));
    }

    /// The two parts: what is to be written, and what wants to hear of it.
    pub(crate) fn into_parts(self) -> (Option<CoordinatorWrite>, Written) {
        (self.write, self.written)
    }
}

impl TransactionService {
    /// InitProducerId with a transactional id. A transaction that is open has ended when it returns, also if the id cannot be read.
    ///
    /// # Errors
    /// See `TransactionMachine::init_producer_id`.
    pub(crate) async fn init_producer_id(
        &self,
        id: &TransactionalId,
        timeout_ms: i32,
        producer: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let initialized = self.initialize(id, timeout_ms, producer).await;
        if initialized == Err(TransactionError::InvalidTransactionTimeout) {
            self.note_timeout(id, timeout_ms);
        }
        initialized
    }

    async fn initialize(
        &self,
        id: &TransactionalId,
        timeout_ms: i32,
        producer: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let room = self.ensure_room();
        if self.shell.is_unreadable(id) && room.is_ok() {
            // As of an id that can be read: a request that is refused deletes nothing.
            if !self.accepts_timeout(timeout_ms) {
                return Err(self.refused(TransactionError::InvalidTransactionTimeout));
            }
            self.begin_anew(id).await?;
        }
        self.with_fresh_id(id, true, |machine, env, fresh, out| {
            room?;
            machine.init_producer_id(env, InitRequest { timeout_ms, producer, fresh }, out)
        })
        .await
    }

    /// EndTxn: the producer id and epoch to go on with. All of the transaction is durable and visible when it returns.
    ///
    /// # Errors
    /// See `TransactionMachine::end`; COORDINATOR_NOT_AVAILABLE for a commit of which a part cannot be read.
    pub(crate) async fn end(
        &self,
        id: &TransactionalId,
        sender: Sender,
        commit: bool,
        protocol: Protocol,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        self.with_fresh_id(id, false, |machine, env, fresh, out| {
            if commit {
                self.shell.kind().ensure_readable(machine, sender)?;
            }
            machine.end(env, EndRequest { sender, commit, protocol, fresh }, out)
        })
        .await
    }

    /// A step that may need a new producer id. None is drawn unless it is needed.
    async fn with_fresh_id(
        &self,
        id: &TransactionalId,
        create: bool,
        act: impl Fn(
            &mut TransactionMachine,
            Env<'_>,
            Option<ProducerId>,
            &mut Outcome,
        ) -> Result<ProducerIdAndEpoch, TransactionError>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let mut fresh = None;
        loop {
            let step = self.shell.step(id, create, |machine, env, out| act(machine, env, fresh, out));
            let (result, ticket) = step.map_err(|missing| self.missing(missing))?;
            // Before a refusal too: it may tell of a step whose records a crash could still take back.
            ticket.durable().await.map_err(unwritten)?;
            match result {
                Err(TransactionError::ProducerIdNeeded) if fresh.is_none() => {
                    fresh = Some(self.draw().await?)
                }
                result => return result.map_err(|error| self.refused(error)),
            }
        }
    }

    /// A producer id that was never given out, also for a producer without a transactional id.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE, which clients retry, if it could not be stored that it is given out.
    pub(crate) async fn draw(&self) -> Result<ProducerId, TransactionError> {
        let drawn = self.cluster.allocate_producer_id().await;
        drawn.map(ProducerId).map_err(|error| {
            if let Some(suppressed) = FAULTS.take("producer id") {
                tracing::error!(%error, suppressed, "no producer id could be allocated");
            }
            TransactionError::CoordinatorNotAvailable
        })
    }

    /// AddPartitionsToTxn of a client.
    ///
    /// # Errors
    /// See `TransactionMachine::add_partitions`.
    pub(crate) async fn add_partitions(
        &self,
        id: &TransactionalId,
        sender: Sender,
        partitions: &[TopicPartitionRef],
    ) -> Result<(), TransactionError> {
        let room = self.ensure_room();
        self.announce(id, |machine, env, out| {
            room?;
            machine.add_partitions(env, sender, partitions, out)
        })
        .await
    }

    /// AddPartitionsToTxn with `verifyOnly`: the result of each partition, in their order.
    ///
    /// # Errors
    /// See `TransactionMachine::verify_partitions`.
    pub(crate) async fn verify_partitions(
        &self,
        id: &TransactionalId,
        sender: Sender,
        partitions: &[TopicPartitionRef],
    ) -> Result<Vec<Result<(), TransactionError>>, TransactionError> {
        self.step(id, |machine, _, _| machine.verify_partitions(sender, partitions)).await
    }

    /// AddOffsetsToTxn.
    ///
    /// # Errors
    /// See `TransactionMachine::add_offsets`.
    pub(crate) async fn add_offsets(
        &self,
        id: &TransactionalId,
        sender: Sender,
        group: &GroupRef,
    ) -> Result<(), TransactionError> {
        let room = self.ensure_room();
        self.announce(id, |machine, env, out| {
            room?;
            machine.add_offsets(env, sender, group, out)
        })
        .await
    }

    /// A step that announces what will be written in a transaction. Its result once the operating system has the announcement: the
    /// sync of what is written then covers it (ADR 13).
    async fn announce(
        &self,
        id: &TransactionalId,
        act: impl FnOnce(&mut TransactionMachine, Env<'_>, &mut Outcome) -> Result<(), TransactionError>,
    ) -> Result<(), TransactionError> {
        // As in `describe`: a request may name many transactions.
        consume_budget().await;
        let step = self.shell.step_announcing(id, act);
        let (result, ticket) = step.map_err(|missing| self.missing(missing))?;
        ticket.durable().await.map_err(unwritten)?;
        result.map_err(|error| self.refused(error))
    }

    /// A step of an id that is known; its result once everything so far is durable.
    async fn step<T>(
        &self,
        id: &TransactionalId,
        act: impl FnOnce(&mut TransactionMachine, Env<'_>, &mut Outcome) -> Result<T, TransactionError>,
    ) -> Result<T, TransactionError> {
        consume_budget().await;
        let step = self.shell.step(id, false, act);
        let (result, ticket) = step.map_err(|missing| self.missing(missing))?;
        ticket.durable().await.map_err(unwritten)?;
        result.map_err(|error| self.refused(error))
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, error: TransactionError) -> TransactionError {
        self.shell.kind().counters.refused(error)
    }

    /// The refusal of a producer's request for an id that cannot take a step, counted.
    pub(super) fn missing(&self, missing: Missing) -> TransactionError {
        self.refused(refusal(missing, TransactionError::InvalidProducerIdMapping))
    }

    /// The transactional batches of a Produce: `append` is called with the result of each partition, under the lock of the id,
    /// and takes the place of the batches in the log before it returns.
    ///
    /// # Errors
    /// For all of them; nothing was appended.
    pub(crate) fn produce<W>(
        &self,
        id: &TransactionalId,
        sender: Sender,
        partitions: &[TopicPartitionRef],
        protocol: Protocol,
        append: impl FnOnce(&[Result<(), TransactionError>], CoordinatorPart) -> W,
    ) -> Result<W, TransactionError> {
        let step = self.shell.step_and_write(
            id,
            |machine, env, out| machine.produce(env, sender, partitions, protocol, out),
            |results, step| match results {
                Ok(results) => {
                    self.shell.kind().counters.verified(&results);
                    Ok(append(&results, CoordinatorPart::of(step)))
                }
                Err(error) => {
                    self.shell.write_step(step);
                    Err(self.refused(error))
                }
            },
        );
        let (appended, _) = step.map_err(|missing| self.missing(missing))?;
        appended
    }
}
