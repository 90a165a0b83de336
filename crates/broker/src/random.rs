//! Randomness of this crate: the only place that draws. The state machines get what was drawn as an argument.

use security::sasl::scram::{self, NONCE_BYTES};
use uuid::Uuid;

/// An id that no other client or member has.
/// Version 4: 122 random bits.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws ids")]
pub(crate) fn id() -> Uuid {
    Uuid::new_v4()
}

/// The id of a delegation token: 22 characters, as Kafka's (`Uuid.toString`).
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws ids")]
pub(crate) fn token_id() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let id: [u8; 22] = rand::random();
    id.map(|byte| char::from(DIGITS[usize::from(byte & 63)])).iter().collect()
}

/// An id of a fetch session; positive, as 0 means no session.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws numbers")]
pub(crate) fn fetch_session_id() -> i32 {
    rand::random_range(1..=i32::MAX)
}

/// The server's part of a nonce of SCRAM.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws nonces")]
pub(crate) fn nonce() -> [u8; NONCE_BYTES] {
    // As for keys.
    rand::random()
}

/// A salt of SCRAM.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws salts")]
pub(crate) fn salt() -> Vec<u8> {
    scram::salt(rand::random())
}

/// A key that no other process has.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws keys")]
pub(crate) fn key() -> [u8; 32] {
    // The generator of the thread is cryptographic, and seeded by the system.
    rand::random()
}
