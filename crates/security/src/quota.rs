//! Client quotas: which one applies to a client, what the client used of it, and for how long it is throttled.
//!
//! Guarantees Kafka's figures to the millisecond (`ClientQuotaManager`, `ControllerMutationQuotaManager`), except where they are
//! faults: a throttle time that does not fit 32 bits is the longest one instead of a negative one, only finite numbers above 0 are quotas, and a
//! client without a client id is one whose client id is empty. Time is an argument. Connections, answers and the disk are left to the broker.
//!
//! | module | what |
//! | --- | --- |
//! | `key` | the five kinds of quotas and their values |
//! | `entity` | users, client ids and addresses that can have one |
//! | `filter` | searches |
//! | `quotas` | all of them, and which one applies |
//! | `rate` `tokens` | how a quota is used up: by samples, by a token bucket |
//! | `accounts` | the use of each client, bounded |

mod accounts;
mod entity;
mod filter;
mod key;
mod quotas;
mod rate;
mod tokens;

pub use accounts::{Account, Accounts, Identity};
pub use entity::{ClientPart, Entity, EntityType, InvalidEntity};
pub use filter::{Component, Filter, InvalidFilter, Match};
pub use key::{InvalidQuota, Key};
pub use quotas::{Change, Limit, Quotas, Scope, Values};
pub use rate::{Rate, Window};
pub use tokens::Tokens;

/// A time in milliseconds as a whole number: the nearest one, at most that of the field `throttle_time_ms`.
fn throttle_ms(exact: f64) -> u32 {
    const LONGEST: u32 = i32::MAX.cast_unsigned();
    // Java's `Math.round` for numbers that are not negative. The conversion keeps within 32 bits.
    (exact.round() as u32).min(LONGEST)
}
