//! The producer ids and epochs of a transactional id: whose requests count, and who comes next.
//!
//! A producer proves who it is by id and epoch. Each new owner of the transactional id gets a greater epoch
//! or a new producer id, which fences all before it. One that goes on after an error names its own (KIP-360);
//! the end of a transaction raises the epoch as well (KIP-890). Epochs up to 32766 are handed out. 32767 is
//! written into markers, when the producer at 32766 is fenced.

use super::{
    TransactionError,
    ids::{ProducerId, ProducerIdAndEpoch},
};

/// The greatest epoch that a producer is given.
pub const LAST_EPOCH: i16 = i16::MAX - 1;

/// The producer of a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdentity {
    /// Epoch 32767: fenced at 32766, and the producer id that follows is not drawn yet.
    pub(super) current: ProducerIdAndEpoch,
    /// The same owner before it was given `current`, in an answer that it may not have received; it may ask
    /// again. `None`: `current` was given to another owner than the one before it, which is told nothing
    /// (KAFKA-20357).
    pub(super) last: Option<ProducerIdAndEpoch>,
}

impl ProducerIdentity {
    /// The first owner of an id.
    pub(super) fn first(fresh: ProducerId) -> ProducerIdentity {
        ProducerIdentity { current: ProducerIdAndEpoch { id: fresh, epoch: 0 }, last: None }
    }

    /// Checks that a request comes from the current owner.
    ///
    /// # Errors
    /// INVALID_PRODUCER_ID_MAPPING for another producer id, then PRODUCER_FENCED for another epoch.
    pub(super) fn check(self, producer: ProducerIdAndEpoch) -> Result<(), TransactionError> {
        // In Kafka the new producer id would be the current one by now.
        if producer.id != self.current.id || self.is_used_up() {
            return Err(TransactionError::InvalidProducerIdMapping);
        }
        if producer.epoch == self.current.epoch { Ok(()) } else { Err(TransactionError::ProducerFenced) }
    }

    /// True for a request that was sent before the current epoch was given to the same owner.
    pub(super) fn is_last(self, producer: ProducerIdAndEpoch) -> bool {
        self.last == Some(producer)
    }

    /// The owner after an InitProducerId; `expected` is the producer that it names.
    ///
    /// # Errors
    /// PRODUCER_FENCED if another producer has the id; or a fresh producer id is needed.
    pub(super) fn initialized(
        self,
        expected: Option<ProducerIdAndEpoch>,
        fresh: Option<ProducerId>,
    ) -> Result<ProducerIdentity, TransactionError> {
        let now = self.usable(fresh)?;
        match expected {
            // A new owner: what the one before may still send must not count as a repeat.
            None => Ok(ProducerIdentity { last: None, ..now.raised(fresh)? }),
            Some(expected) if expected == now.current => now.raised(fresh),
            Some(expected) if now.is_last(expected) => Ok(now),
            Some(_) => Err(TransactionError::ProducerFenced),
        }
    }

    /// The same owner with the next epoch, or with the next producer id once its epochs are used up.
    ///
    /// # Errors
    /// A fresh producer id is needed.
    pub(super) fn raised(self, fresh: Option<ProducerId>) -> Result<ProducerIdentity, TransactionError> {
        if self.current.epoch < LAST_EPOCH { Ok(self.fenced()) } else { self.rotated(fresh) }
    }

    /// The owner after its transaction was aborted without it: its epoch is taken away, and it may ask for
    /// the next one.
    pub(super) fn fenced(self) -> ProducerIdentity {
        let current = ProducerIdAndEpoch { epoch: self.marker_epoch(), ..self.current };
        ProducerIdentity { current, last: Some(self.current) }
    }

    /// The epoch of markers that fence the current one.
    pub(super) fn marker_epoch(self) -> i16 {
        self.current.epoch.saturating_add(1)
    }

    /// The identity that may be told: an epoch that no producer is given is replaced.
    ///
    /// # Errors
    /// A fresh producer id is needed.
    pub(super) fn usable(self, fresh: Option<ProducerId>) -> Result<ProducerIdentity, TransactionError> {
        if self.is_used_up() {
            // As in Kafka, which does this when it fences: the owner of the last epoch may ask for what
            // follows it.
            Ok(ProducerIdentity { last: self.last, ..self.rotated(fresh)? })
        } else {
            Ok(self)
        }
    }

    fn is_used_up(self) -> bool {
        self.current.epoch > LAST_EPOCH
    }

    fn rotated(self, fresh: Option<ProducerId>) -> Result<ProducerIdentity, TransactionError> {
        let fresh = fresh.ok_or(TransactionError::ProducerIdNeeded)?;
        Ok(ProducerIdentity { last: Some(self.current), ..ProducerIdentity::first(fresh) })
    }
}
