//! The refusals of a transaction coordinator. `broker/src/error.rs` gives each its Kafka code.

/// A refusal by a transaction coordinator. `Display` is for logs; clients see the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Its records cannot be read.
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    /// Only of the shell: another broker may coordinate the transactional id.
    #[error("this broker does not coordinate the transactional id")]
    NotCoordinator,
    /// Only of the shell: this broker has taken it over and not read it yet.
    #[error("the coordinator is loading its transactional ids")]
    CoordinatorLoadInProgress,
    /// Only of the shell: what the answer would tell is not durable, and never will be.
    #[error("the records of the transactional id could not be written")]
    StorageFailed,
    /// Only of the shell: the disk has no space for what the request writes.
    #[error("the broker's disk is almost full: transactions are refused until there is space")]
    DiskFull,
    /// Also an empty id, and one that no record can hold.
    #[error("the request contradicts itself or lacks something")]
    InvalidRequest,
    /// Not above 0, or above `transaction.max.timeout.ms`.
    #[error("the timeout of transactions is outside the allowed range")]
    InvalidTransactionTimeout,
    /// Also of a transactional id that is unknown.
    #[error("the producer id is not that of the transactional id")]
    InvalidProducerIdMapping,
    /// An older epoch than that of the id's owner. On the wire it is PRODUCER_FENCED. Produce and
    /// TxnOffsetCommit answer INVALID_PRODUCER_EPOCH in all versions, other requests in versions before that code.
    #[error("a newer producer has the transactional id")]
    ProducerFenced,
    /// The end of the last transaction is decided, and other shards have not written their part of it yet: the sender
    /// tries again. Never where all of a transaction lies in the shard of its coordinator.
    #[error("the end of the last transaction is still under way")]
    ConcurrentTransactions,
    /// An end that does not fit the state.
    #[error("the transaction is not in a state that allows this")]
    InvalidTxnState,
    /// A partition or group that was not announced. On the wire TRANSACTION_ABORTABLE, but INVALID_TXN_STATE
    /// where the version of the request is older than that code.
    #[error("the transaction does not include that partition or group")]
    NotInTransaction,
    /// Of a description.
    #[error("there is no such transactional id")]
    TransactionalIdNotFound,
    /// Never told a client: the request is to be made again, with a producer id that was never given out.
    /// Nothing has changed.
    #[error("the request needs a new producer id")]
    ProducerIdNeeded,
}

impl TransactionError {
    /// Every refusal.
    pub const ALL: [TransactionError; 14] = [
        TransactionError::CoordinatorNotAvailable,
        TransactionError::NotCoordinator,
        TransactionError::CoordinatorLoadInProgress,
        TransactionError::StorageFailed,
        TransactionError::DiskFull,
        TransactionError::InvalidRequest,
        TransactionError::InvalidTransactionTimeout,
        TransactionError::InvalidProducerIdMapping,
        TransactionError::ProducerFenced,
        TransactionError::ConcurrentTransactions,
        TransactionError::InvalidTxnState,
        TransactionError::NotInTransaction,
        TransactionError::TransactionalIdNotFound,
        TransactionError::ProducerIdNeeded,
    ];
}
