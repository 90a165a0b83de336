//! Coordinators as state machines without I/O.
//!
//! A machine gets a request and the time, changes its state, and returns what follows: records to write, replies to
//! waiting requests, and the time of its next wake-up. It reads no clock, draws no random number, waits for nothing and
//! writes nothing (log lines go through `tracing`). So a rebalance, a fenced member or a restart in the middle of either is a plain unit test. The shell
//! that hosts the machines, with tasks, locks and storage, is in the broker crate.
//!
//! | module | what |
//! | --- | --- |
//! | `state_machine` | what all machines have in common: time, outcome, records, the trait by which they are hosted |
//! | `limits` | the most that a record may hold |
//! | `record_kinds` | the registry of stored records |
//! | `group` | groups of the classic protocol, of KIP-848 and of KIP-1071, their offsets, their records |
//! | `transaction` | transactional ids: producers, epochs, what takes part in a transaction, and its end |
//! | `record_bytes` | the forms of numbers, strings and lists in records |
//! | `regular_expressions` | expressions that clients send |
//! | `string_id` | ids that are strings |
//!
//! The crate depends on no async runtime; `tools/check.sh` keeps it so.

pub mod group;
#[cfg(test)]
mod histories;
pub mod limits;
mod record_bytes;
pub mod record_kinds;
mod regular_expressions;
pub mod state_machine;
mod string_id;
pub mod transaction;
