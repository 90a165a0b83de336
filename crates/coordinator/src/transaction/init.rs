//! InitProducerId with a transactional id.

use super::{
    EndCause, Env, InitRequest, Outcome, ProducerIdAndEpoch, TransactionError, TransactionMachine,
    identity::ProducerIdentity, machine::Transaction, participants::Participants, state::TransactionState,
};
use crate::limits::check_string;
use crate::state_machine::StateMachine;

impl TransactionMachine {
    /// Handles InitProducerId: the producer id and epoch with which its sender owns the transactional id.
    /// Whatever is open is aborted (ADR 14: answered at once, where Kafka has the client come again).
    ///
    /// # Errors
    /// INVALID_REQUEST for an id that is empty or too long, INVALID_TRANSACTION_TIMEOUT, PRODUCER_FENCED if
    /// the sender names a producer that does not own the id; or a fresh producer id is needed. Nothing has
    /// changed then.
    pub fn init_producer_id(
        &mut self,
        env: Env<'_>,
        request: InitRequest,
        out: &mut Outcome,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let id = self.id().as_str();
        if id.is_empty() || check_string("the transactional id", id).is_err() {
            return Err(TransactionError::InvalidRequest);
        }
        let timeout_ms = u32::try_from(request.timeout_ms)
            .ok()
            .filter(|timeout_ms| (1..=env.config.max_timeout_ms).contains(timeout_ms))
            .ok_or(TransactionError::InvalidTransactionTimeout)?;
        let identity = self.next_owner(request)?;
        self.abort_open(env, EndCause::Fenced, out);
        self.transaction = Some(Transaction {
            identity,
            state: TransactionState::Empty,
            timeout_ms,
            since_open_ms: env.now.open_ms,
            started_at_ms: -1,
            participants: Participants::default(),
        });
        self.write(env, out);
        Ok(identity.current)
    }

    fn next_owner(&self, request: InitRequest) -> Result<ProducerIdentity, TransactionError> {
        let Some(transaction) = &self.transaction else {
            // As Kafka, whatever producer is named: the id may have expired under it. It may ask again, too.
            let fresh = request.fresh.ok_or(TransactionError::ProducerIdNeeded)?;
            return Ok(ProducerIdentity { last: request.producer, ..ProducerIdentity::first(fresh) });
        };
        let identity = transaction.identity;
        if !transaction.is_ongoing() {
            return identity.initialized(request.producer, request.fresh);
        }
        // Kafka does not look at the epoch here: an older one aborts the transaction of the live owner (ADR
        // 13).
        if request.producer.is_some_and(|producer| identity.check(producer).is_err()) {
            return Err(TransactionError::ProducerFenced);
        }
        // Kafka's first try fences, its second one is answered.
        identity.fenced().initialized(request.producer, request.fresh)
    }
}
