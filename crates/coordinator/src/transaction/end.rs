//! The ends of a transaction: EndTxn, the timeout, an administrator's abort, and InitProducerId.
//!
//! In the older protocol the epoch stays. In the newer one it is raised, so that nothing which was sent
//! before the end counts after it; EndTxn sent again has the epoch before and gets the same answer. It is answered when
//! the decision is durable: then all of the transaction has ended, unless a part of it lies in another shard
//! (`decision.rs`).

use super::{
    EndCause, EndRequest, Env, Outcome, ProducerIdAndEpoch, Protocol, TransactionError, TransactionMachine,
    connections::RequestKind, decision::Decided, machine::Transaction, state::TransactionState,
};

impl TransactionMachine {
    /// Handles EndTxn: the producer id and epoch with which the producer goes on.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, INVALID_TXN_STATE, or CONCURRENT_TRANSACTIONS; or a fresh producer id is
    /// needed. Nothing has changed then.
    pub fn end(
        &mut self,
        env: Env<'_>,
        request: EndRequest,
        out: &mut Outcome,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        match request.protocol {
            Protocol::V1 => self.end_v1(env, request, out),
            Protocol::V2 => self.end_v2(env, request, out),
        }
    }

    /// Aborts the open transaction, as an administrator asks by a marker for `producer`. Its producer is
    /// fenced as by the timeout.
    ///
    /// # Errors
    /// INVALID_TXN_STATE if that producer has none open here: then the marker is written as it was asked for.
    pub fn abort_by_admin(
        &mut self,
        env: Env<'_>,
        producer: ProducerIdAndEpoch,
        out: &mut Outcome,
    ) -> Result<(), TransactionError> {
        let is_open = |transaction: &Transaction| {
            transaction.is_ongoing() && transaction.identity.check(producer).is_ok()
        };
        if self.transaction.as_ref().is_none_or(|transaction| !is_open(transaction)) {
            return Err(TransactionError::InvalidTxnState);
        }
        self.abort_without_owner(env, EndCause::Admin, out);
        Ok(())
    }

    /// Aborts the open transaction, since its time is over.
    pub(super) fn time_out(&mut self, env: Env<'_>, out: &mut Outcome) {
        self.abort_without_owner(env, EndCause::Timeout, out);
    }

    fn abort_without_owner(&mut self, env: Env<'_>, cause: EndCause, out: &mut Outcome) {
        self.abort_open(env, cause, out);
        self.write(env, out);
    }

    /// Decides to abort what is open, if anything is, by markers that fence its producer. The caller writes the record
    /// of the id.
    pub(super) fn abort_open(&mut self, env: Env<'_>, cause: EndCause, out: &mut Outcome) {
        let Some(transaction) = self.transaction.as_ref().filter(|transaction| transaction.is_ongoing())
        else {
            return;
        };
        let next = transaction.identity.fenced();
        let marker_epoch = transaction.identity.marker_epoch();
        self.decide(env, Decided { commit: false, marker_epoch, cause }, next, out);
    }

    fn end_v1(
        &mut self,
        env: Env<'_>,
        request: EndRequest,
        out: &mut Outcome,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let (state, identity) = {
            let transaction = self.checked(request.sender)?;
            (transaction.state, transaction.identity)
        };
        self.connections.admit(RequestKind::Coordinator, request.sender)?;
        match state {
            TransactionState::Ongoing => {
                let (commit, marker_epoch) = (request.commit, identity.current.epoch);
                let decided = Decided { commit, marker_epoch, cause: EndCause::Producer };
                self.decide(env, decided, identity, out);
                self.write(env, out);
                Ok(identity.current)
            }
            state => answer_again(state, request.commit).map(|()| identity.current),
        }
    }

    fn end_v2(
        &mut self,
        env: Env<'_>,
        request: EndRequest,
        out: &mut Outcome,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let transaction = self.transaction.as_ref().ok_or(TransactionError::InvalidProducerIdMapping)?;
        let (state, identity) = (transaction.state, transaction.identity);
        if identity.is_last(request.sender.producer) {
            return self.end_again(env, request, out);
        }
        identity.check(request.sender.producer)?;
        // It is for the transaction after the one that is still ending.
        if state.is_prepared() {
            return Err(TransactionError::ConcurrentTransactions);
        }
        // An abort of nothing is a client's way to be safe, and raises the epoch; a commit of nothing is an
        // error.
        if state != TransactionState::Ongoing && request.commit {
            return Err(TransactionError::InvalidTxnState);
        }
        let next = identity.raised(request.fresh)?;
        if state == TransactionState::Ongoing {
            let (commit, marker_epoch) = (request.commit, identity.marker_epoch());
            self.decide(env, Decided { commit, marker_epoch, cause: EndCause::Producer }, next, out);
        } else if let Some(transaction) = &mut self.transaction {
            transaction.identity = next;
            transaction.started_at_ms = env.now.unix_ms;
            transaction.complete(env.now.open_ms.max(transaction.since_open_ms), false);
        }
        self.write(env, out);
        Ok(next.current)
    }

    /// EndTxn with the epoch before the current one: its first answer was lost, or the timeout came before
    /// it.
    fn end_again(
        &mut self,
        env: Env<'_>,
        request: EndRequest,
        out: &mut Outcome,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let Some(transaction) = &mut self.transaction else {
            return Err(TransactionError::InvalidProducerIdMapping);
        };
        match transaction.state {
            // The producer has gone on with what it was given: this was sent before.
            TransactionState::Empty | TransactionState::Ongoing => Err(TransactionError::ProducerFenced),
            state => {
                answer_again(state, request.commit)?;
                let usable = transaction.identity.usable(request.fresh)?;
                if usable != transaction.identity {
                    transaction.identity = usable;
                    self.write(env, out);
                }
                Ok(usable.current)
            }
        }
    }
}

/// The answer to an end that is sent again when the last one is decided: to be told as before, or, while that is under
/// way, to be sent once more.
///
/// # Errors
/// CONCURRENT_TRANSACTIONS, or INVALID_TXN_STATE if the other end was decided, or nothing has ended.
fn answer_again(state: TransactionState, commit: bool) -> Result<(), TransactionError> {
    match state {
        state if state == TransactionState::complete(commit) => Ok(()),
        state if state == TransactionState::prepare(commit) => Err(TransactionError::ConcurrentTransactions),
        _ => Err(TransactionError::InvalidTxnState),
    }
}
