//! Transactions: which producer has a transactional id, what its transaction touches, and how it ends.
//!
//! ```text
//! machine (one transactional id)
//!   ├─ init      InitProducerId: the owner of the id, and the end of what an earlier one left open
//!   ├─ join      partitions and groups join the transaction, announced or with the first write
//!   ├─ end       EndTxn, the timeout, an administrator's abort
//!   ├─ view      descriptions and lists
//!   │    identity     producer ids and epochs: who is current, who comes next
//!   │    connections  requests of the older protocol that come too late
//!   ├─ resting   ids that are on the disk only: when, and what their records say
//!   └─ records   bytes that make a transaction survive a restart
//! ```
//!
//! An end is one [`Ending`] beside the step's records: the shell writes the markers, the groups' offsets and
//! the records in one group, so that no reader and no crash meets a part of it. So the states between,
//! Kafka's PrepareCommit and PrepareAbort, are never entered, and CONCURRENT_TRANSACTIONS is never answered
//! (ADR 13). That holds while everything that a transaction touches lies in one shard. Participants are
//! stored with their shard, so that a transaction over several can be told from it.
//!
//! The reference is Kafka 4.3: `TransactionCoordinator`, `TransactionMetadata` and `TransactionStateManager`.

pub mod config;
mod connections;
mod end;
pub mod ending;
pub mod error;
pub mod identity;
pub mod ids;
mod init;
mod join;
pub mod machine;
mod participants;
pub mod records;
pub mod requests;
pub mod resting;
pub mod state;
pub mod view;

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod testing;

pub use config::{Env, TransactionConfig};
pub use ending::{EndCause, Ending};
pub use error::TransactionError;
pub use ids::{GroupRef, ProducerId, ProducerIdAndEpoch, ShardId, TopicPartitionRef, TransactionalId};
pub use join::PartitionResults;
pub use machine::TransactionMachine;
pub use requests::{EndRequest, InitRequest, Protocol, Sender};
pub use state::TransactionState;
pub use view::{Description, Filter, Overview};

/// All that follows from one step of a transactional id.
/// Its requests never wait, so there are no replies.
pub type Outcome = crate::state_machine::Outcome<std::convert::Infallible, Ending>;
