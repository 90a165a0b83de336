//! Transactional ids that rest: an id that is in no transaction is on the disk only, and is loaded when it is asked for.
//!
//! So memory follows the transactions that are open, not the ids that are known. The record of an id says all of it, except the
//! connections of the older protocol: while these may matter, the id stays in memory.

use super::{
    Env, Overview, TransactionMachine, TransactionalId,
    records::{self, Key},
};
use crate::state_machine::RecordError;

/// The time after which an id rests, ms: longer than a producer that is at work leaves its id alone.
const AFTER_MS: u32 = 1_000;
/// The same for one whose late requests are told by their connection. Kafka's brokers close a connection that was idle for so long
/// (`connections.max.idle.ms`), so no abandoned one has anything left to deliver.
const AFTER_CONNECTIONS_MS: u32 = 600_000;

/// As [`StateMachine::rests_after_ms`](crate::state_machine::StateMachine::rests_after_ms).
pub(super) fn after_ms(machine: &TransactionMachine) -> Option<u32> {
    match &machine.transaction {
        // Its timeout or its end needs a timer, and the end what takes part in it.
        Some(transaction) if transaction.open_producer().is_some() => None,
        Some(transaction) if machine.connections.count_for(transaction.identity.current) => {
            Some(AFTER_CONNECTIONS_MS)
        }
        _ => Some(AFTER_MS),
    }
}

/// An id that rests, as its record tells. `None`: the record is not that of an id.
///
/// # Errors
/// The record cannot be read.
pub fn overview(key: &[u8], value: &[u8]) -> Result<Option<Overview>, RecordError> {
    let Key::Transaction { id } = Key::decode(key)? else { return Ok(None) };
    let transaction = records::decode_transaction(value)?;
    Ok(Some(Overview {
        id,
        state: transaction.state,
        producer_id: transaction.identity.current.id,
        started_at_ms: transaction.started_at_ms,
    }))
}

/// The id of a record, if its deadline is over: it is to be forgotten, or its transaction to be aborted. The machine decides when it
/// is woken.
///
/// # Errors
/// The record cannot be read.
pub fn due(env: Env<'_>, key: &[u8], value: &[u8]) -> Result<Option<TransactionalId>, RecordError> {
    // The key is decoded last: almost no record is due.
    let deadline = records::decode_transaction(value)?.deadline_open_ms(env);
    let is_due = deadline.is_some_and(|deadline| deadline <= env.now.open_ms);
    if is_due { Key::owner(key).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests;
