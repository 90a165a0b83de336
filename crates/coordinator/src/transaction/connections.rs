//! Requests of the older protocol that come too late.
//!
//! With the older protocol the epoch stays when a transaction ends. So an EndTxn that waits in an abandoned
//! connection, while its producer has sent it again by a new one, could end the next transaction
//! (KAFKA-17754). A producer uses one connection for requests of one kind, and a new one only after it has
//! given up the old one: what still comes by the old one is refused. Nothing of this is stored: no connection
//! outlives a restart.

use super::{TransactionError, ids::ProducerIdAndEpoch, requests::Sender};

/// The kinds of requests: a client may send those of two kinds by two connections.
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestKind {
    /// AddPartitionsToTxn, AddOffsetsToTxn, EndTxn.
    Coordinator,
    /// TxnOffsetCommit, which goes to the coordinator of the group.
    Offsets,
    /// Produce, which goes to the leader of the partition.
    Produce,
}

/// The newest connections that served a producer, by kind; 0: none yet.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// The producer for which they count: another id or epoch begins anew.
    producer: Option<ProducerIdAndEpoch>,
    coordinator: u64,
    offsets: u64,
    produce: u64,
}

impl Connections {
    /// A request of this producer may come too late by one of them.
    pub(super) fn count_for(&self, producer: ProducerIdAndEpoch) -> bool {
        self.producer == Some(producer)
    }

    /// Notes the connection of a request by the current owner.
    ///
    /// # Errors
    /// PRODUCER_FENCED if a newer connection served a request of that kind before.
    pub(super) fn admit(&mut self, kind: RequestKind, sender: Sender) -> Result<(), TransactionError> {
        if self.producer != Some(sender.producer) {
            *self = Connections { producer: Some(sender.producer), ..Connections::default() };
        }
        let newest = match kind {
            RequestKind::Coordinator => &mut self.coordinator,
            RequestKind::Offsets => &mut self.offsets,
            RequestKind::Produce => &mut self.produce,
        };
        if sender.connection < *newest {
            return Err(TransactionError::ProducerFenced);
        }
        *newest = sender.connection;
        Ok(())
    }
}
