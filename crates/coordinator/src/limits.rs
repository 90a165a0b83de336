//! The most that a record may hold, in one place. Requests are checked against it when they arrive, records when they are
//! encoded.
//!
//! Kafka keeps a group in one record of `__consumer_offsets`, of at most about 1 MiB unless an operator raises that; these
//! limits are above it, so that what Kafka stores can be stored here.

use crate::state_machine::TooLong;

/// A string: the longest that Kafka's STRING can carry, bytes.
pub const MAX_STRING_BYTES: usize = i16::MAX as usize;
/// The metadata of a member's protocol, its assignment, or the note of a committed offset, bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// The entries of a list: members, protocols, topics, partitions.
pub const MAX_ENTRIES: usize = 1 << 20;
/// A whole value, bytes.
/// Holds for a key, too.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// Checks a length against its limit.
///
/// # Errors
/// If it is above.
/// `what` names the part in the message; `length` and `limit` are both bytes or both entries.
pub fn check(what: &'static str, length: usize, limit: usize) -> Result<(), TooLong> {
    if length <= limit { Ok(()) } else { Err(TooLong { what, length, limit }) }
}

/// Checks a string.
///
/// # Errors
/// If it is too long to be stored.
pub fn check_string(what: &'static str, text: &str) -> Result<(), TooLong> {
    check(what, text.len(), MAX_STRING_BYTES)
}
