//! The configuration of transactions, by Kafka's broker keys.

use super::ids::ShardId;
use crate::state_machine::Now;

/// The configuration of all transactional ids. The names are Kafka's broker keys.
#[derive(Clone, Debug)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`: an InitProducerId that asks for more is refused.
    pub max_timeout_ms: u32,
    /// `transactional.id.expiration.ms`: an id that has not changed for this long is forgotten, unless it is
    /// in a transaction. By the open clock, so that no step of the wall clock forgets an id.
    pub id_expiration_ms: u64,
}

impl Default for TransactionConfig {
    fn default() -> TransactionConfig {
        // Kafka's defaults.
        TransactionConfig { max_timeout_ms: 900_000, id_expiration_ms: 604_800_000 }
    }
}

/// The surroundings that every step of a transactional id may look at.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// Read once for the whole step.
    pub now: Now,
    pub config: &'a TransactionConfig,
    /// The shard in which the records of the id lie.
    pub shard: ShardId,
}
