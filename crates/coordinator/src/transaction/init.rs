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
    /// changed then. CONCURRENT_TRANSACTIONS while the end of the last transaction is under way in other shards: of
    /// one that was open it is this request that has aborted it.
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
        if let Some(told) = self.told_before(request) {
            return Ok(told);
        }
        let identity = self.next_owner(env, request)?;
        self.abort_open(env, EndCause::Fenced, out);
        let Some(identity) = identity else {
            self.write(env, out);
            return Err(TransactionError::ConcurrentTransactions);
        };
        // Not before the number of the last end, which may be ahead of the clock.
        let since_open_ms = self.transaction.as_ref().map_or(0, |transaction| transaction.since_open_ms);
        self.transaction = Some(Transaction {
            identity,
            state: TransactionState::Empty,
            decision: None,
            timeout_ms,
            since_open_ms: env.now.open_ms.max(since_open_ms),
            started_at_ms: -1,
            participants: Participants::default(),
        });
        self.write(env, out);
        Ok(identity.current)
    }

    /// The answer to a request that was answered before, and whose sender has used the answer to end a transaction of the older
    /// protocol. It changes nothing: in Kafka the id would be Empty, so an EndTxn that is sent again would be refused.
    fn told_before(&self, request: InitRequest) -> Option<ProducerIdAndEpoch> {
        let transaction = self.transaction.as_ref().filter(|transaction| transaction.state.is_complete())?;
        let identity = transaction.identity;
        let is_late = identity.is_last(request.producer?) && self.connections.count_for(identity.current);
        is_late.then_some(identity.current)
    }

    /// The owner after the request. `None`: what is open has to end in other shards first, and the sender to come again.
    fn next_owner(
        &self,
        env: Env<'_>,
        request: InitRequest,
    ) -> Result<Option<ProducerIdentity>, TransactionError> {
        let Some(transaction) = &self.transaction else {
            // As Kafka, whatever producer is named: the id may have expired under it. It may ask again, too.
            let fresh = request.fresh.ok_or(TransactionError::ProducerIdNeeded)?;
            return Ok(Some(ProducerIdentity { last: request.producer, ..ProducerIdentity::first(fresh) }));
        };
        let identity = transaction.identity;
        if transaction.is_prepared() {
            return Err(TransactionError::ConcurrentTransactions);
        }
        if !transaction.is_ongoing() {
            return identity.initialized(request.producer, request.fresh).map(Some);
        }
        // Kafka does not look at the epoch here: an older one aborts the transaction of the live owner (ADR
        // 13).
        if request.producer.is_some_and(|producer| identity.check(producer).is_err()) {
            return Err(TransactionError::ProducerFenced);
        }
        // Kafka's first try fences, its second one is answered. Both are one step if all of the end is.
        if transaction.participants.are_elsewhere(env.shard) {
            return Ok(None);
        }
        identity.fenced().initialized(request.producer, request.fresh).map(Some)
    }
}
