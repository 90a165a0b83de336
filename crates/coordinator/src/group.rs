//! Consumer groups: who is a member, which generation holds, which offsets are committed.
//!
//! ```text
//! machine (one group)
//!   ├─ classic   members and rebalances (KIP-62, 345, 394, 814)
//!   ├─ consumer  epochs and reconciliation (KIP-848)
//!   │    └ assignor  computes which member should own which partition
//!   ├─ streams   topologies, tasks and their reconciliation (KIP-1071)
//!   ├─ migration from one protocol to the other and back
//!   └─ offsets   committed offsets and their expiry, pending ones of transactions
//!      records   bytes that make a group survive a restart
//! ```
//!
//! Time comes in as `Now`; records, replies and the next wake-up come out as an [`Outcome`]; the random part of a
//! member id is an argument.
//!
//! The reference is Kafka 4.3: `GroupMetadataManager`, `ClassicGroup`, `ConsumerGroup`, `StreamsGroup` and
//! `OffsetMetadataManager`.

pub mod assignor;
mod changes;
pub mod classic;
pub mod config;
pub mod consumer;
pub mod consumer_protocol;
pub mod current;
pub mod error;
pub mod ids;
pub mod machine;
mod migration;
pub mod offsets;
pub mod records;
pub mod reply;
pub mod requests;
pub mod streams;
pub mod topics;

#[cfg(test)]
mod consumer_history_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod streams_history_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod transaction_history_tests;

pub use config::{ConsumerGroupConfig, GroupConfig, MigrationPolicy, StreamsGroupConfig};
pub use error::{GroupError, Refused};
pub use ids::{GenerationId, GroupId, GroupInstanceId, MemberId};
pub use reply::{Outcome, Reply};
pub use topics::Env;
