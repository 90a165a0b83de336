//! The requests to a transactional id.

use super::ids::{ProducerId, ProducerIdAndEpoch};

/// The protocol that a request speaks. Its version alone decides: both mix inside one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// EndTxn up to 4, Produce up to 11, TxnOffsetCommit up to 4: what joins is announced first, and the
    /// epoch stays.
    V1,
    /// From EndTxn 5, Produce 12 and TxnOffsetCommit 5 on (KIP-890): a write announces itself, and an end
    /// raises the epoch.
    V2,
}

/// The sender of a request, as the request says.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub producer: ProducerIdAndEpoch,
    /// The number of its connection: of two connections the later one has the greater number.
    pub connection: u64,
}

/// An InitProducerId with a transactional id.
#[derive(Clone, Copy, Debug)]
pub struct InitRequest {
    /// As it came.
    pub timeout_ms: i32,
    /// The producer that goes on, if the sender is one (KIP-360); see [`ProducerIdAndEpoch::expected`].
    pub producer: Option<ProducerIdAndEpoch>,
    /// A producer id that was never given out, should one be needed.
    pub fresh: Option<ProducerId>,
}

/// An EndTxn.
#[derive(Clone, Copy, Debug)]
pub struct EndRequest {
    pub sender: Sender,
    /// False: abort.
    pub commit: bool,
    pub protocol: Protocol,
    /// As in [`InitRequest`].
    pub fresh: Option<ProducerId>,
}
