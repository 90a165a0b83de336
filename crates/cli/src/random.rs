//! Randomness of this crate: the only place that draws.

use rand::distr::{Alphanumeric, SampleString as _};
use security::Secret;
use security::stores::StoreRandom;

/// Of a PKCS12 store.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws salts")]
pub(crate) fn of_store() -> StoreRandom {
    StoreRandom { salt: rand::random(), initial_vector: rand::random(), code_salt: rand::random() }
}

/// Letters and digits. Each has 5.9 random bits.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws texts")]
pub(crate) fn text(length: usize) -> String {
    // Of the thread's generator, which is one for keys.
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// A password of 24 letters and digits: 142 random bits.
pub(crate) fn password() -> Secret {
    Secret::new(text(24))
}

/// Bytes, such as those of a salt.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws bytes")]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

/// A number, such as one that chooses a partition.
pub(crate) fn number() -> u32 {
    u32::from_be_bytes(bytes())
}
