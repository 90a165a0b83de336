//! Transactions: which producer has a transactional id, what its transaction touches, and how it ends.
//!
//! ```text
//! machine (one transactional id)
//!   ├─ init      InitProducerId: the owner of the id, and the end of what an earlier one left open
//!   ├─ join      partitions and groups join the transaction, announced or with the first write
//!   ├─ end       EndTxn, the timeout, an administrator's abort
//!   ├─ decision  from a decided end to a complete one, shard by shard
//!   ├─ view      descriptions and lists
//!   │    identity     producer ids and epochs: who is current, who comes next
//!   │    connections  requests of the older protocol that come too late
//!   ├─ resting   ids that are on the disk only: when, and what their records say
//!   └─ records   bytes that make a transaction survive a restart
//! ```
//!
//! An end is one [`Ending`] in each shard in which something takes part. That of the coordinator's own shard is
//! written in one group with the step's records, so that no reader and no crash meets a part of it. Where nothing takes
//! part elsewhere, that is all: the states between, Kafka's PrepareCommit and PrepareAbort, are never stored, and
//! CONCURRENT_TRANSACTIONS is never answered (ADR 13). Otherwise they are, until every shard has answered (ADR 15);
//! `participant` is the part of such a shard.
//!
//! The reference is Kafka 4.3: `TransactionCoordinator`, `TransactionMetadata` and `TransactionStateManager`.

pub mod config;
mod connections;
pub mod decision;
mod end;
pub mod ending;
pub mod error;
pub mod identity;
pub mod ids;
mod init;
mod join;
pub mod machine;
pub mod participant;
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
