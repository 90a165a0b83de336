//! The ends of a transaction: EndTxn, the timeout, an administrator's abort, and InitProducerId.
//!
//! In the older protocol the epoch stays. In the newer one it is raised, so that nothing which was sent
//! before the end counts after it; EndTxn sent again has the epoch before and gets the same answer.

use super::{
    EndCause, EndRequest, Ending, Env, Outcome, ProducerIdAndEpoch, Protocol, TransactionError,
    TransactionMachine,
    connections::RequestKind,
    machine::Transaction,
    records::{self, Key},
    state::TransactionState,
};
use crate::state_machine::StateMachine;

impl TransactionMachine {
    /// Handles EndTxn: the producer id and epoch with which the producer goes on.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, or INVALID_TXN_STATE; or a fresh producer id is needed.
    /// Nothing has changed then.
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
        if let Some(transaction) = &mut self.transaction {
            transaction.identity = transaction.identity.fenced();
            transaction.complete(env, false);
        }
        self.write(env, out);
    }

    /// The end of what is open, if anything is, by markers that fence its producer. The caller sets the state
    /// and the identity after it, and writes them.
    pub(super) fn abort_open(&mut self, env: Env<'_>, cause: EndCause, out: &mut Outcome) {
        let Some(transaction) = self.transaction.as_ref().filter(|transaction| transaction.is_ongoing())
        else {
            return;
        };
        let marker_epoch = transaction.identity.marker_epoch();
        self.end_open(env, false, marker_epoch, cause, out);
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
        if state == TransactionState::Ongoing {
            self.end_open(env, request.commit, identity.current.epoch, EndCause::Producer, out);
            if let Some(transaction) = &mut self.transaction {
                transaction.complete(env, request.commit);
            }
            self.write(env, out);
        } else if state != TransactionState::complete(request.commit) {
            return Err(TransactionError::InvalidTxnState);
        }
        Ok(identity.current)
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
        // An abort of nothing is a client's way to be safe, and raises the epoch; a commit of nothing is an
        // error.
        if state != TransactionState::Ongoing && request.commit {
            return Err(TransactionError::InvalidTxnState);
        }
        let next = identity.raised(request.fresh)?;
        if state == TransactionState::Ongoing {
            self.end_open(env, request.commit, identity.marker_epoch(), EndCause::Producer, out);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.identity = next;
            if state != TransactionState::Ongoing {
                transaction.started_at_ms = env.now.unix_ms;
            }
            transaction.complete(env, request.commit);
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
            state if state != TransactionState::complete(request.commit) => {
                Err(TransactionError::InvalidTxnState)
            }
            _ => {
                let usable = transaction.identity.usable(request.fresh)?;
                if usable != transaction.identity {
                    transaction.identity = usable;
                    self.write(env, out);
                }
                Ok(usable.current)
            }
        }
    }

    /// The end of what is open: markers and offsets as one effect, and the removal of what took part.
    fn end_open(
        &mut self,
        env: Env<'_>,
        commit: bool,
        marker_epoch: i16,
        cause: EndCause,
        out: &mut Outcome,
    ) {
        let id = self.id().clone();
        let Some(transaction) = &mut self.transaction else { return };
        let participants = std::mem::take(&mut transaction.participants);
        let ending = Ending {
            transactional_id: id.clone(),
            producer_id: transaction.identity.current.id,
            marker_epoch,
            raises_epoch: marker_epoch > transaction.identity.current.epoch,
            commit,
            partitions: participants.partitions().collect(),
            groups: participants.groups().collect(),
            cause,
            duration_ms: env.now.open_ms.saturating_sub(transaction.since_open_ms),
        };
        for partition in &ending.partitions {
            out.write(records::tombstone(&Key::partition(&id, partition)));
        }
        for group in &ending.groups {
            out.write(records::tombstone(&Key::Group { id: id.clone(), group: group.group.clone() }));
        }
        out.effects.push(ending);
    }
}

impl Transaction {
    fn complete(&mut self, env: Env<'_>, commit: bool) {
        self.state = TransactionState::complete(commit);
        self.since_open_ms = env.now.open_ms;
    }
}
