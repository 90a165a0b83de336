//! Private keys as `ENCRYPTED PRIVATE KEY` (PKCS#8, RFC 5958).

use super::StoreError;
use super::encryption::{Rounds, decrypt};
use crate::Secret;
use crate::der::Reader;

/// The key in the form of `PRIVATE KEY`.
///
/// # Errors
/// The bytes are no encrypted key, the password does not fit, or the algorithm is not served.
pub fn decrypt_key(encrypted: &Secret, password: &Secret) -> Result<Secret, StoreError> {
    decrypt_key_within(encrypted, password, &mut Rounds::new())
}

/// As [`decrypt_key`], with the rounds that the store has left.
pub(super) fn decrypt_key_within(
    encrypted: &Secret,
    password: &Secret,
    rounds: &mut Rounds,
) -> Result<Secret, StoreError> {
    let mut outer = Reader::new(encrypted.expose()).sequence().ok_or(StoreError::Malformed)?;
    let mut algorithm = outer.sequence().ok_or(StoreError::Malformed)?;
    let bytes = outer.octets().ok_or(StoreError::Malformed)?;
    let key = decrypt(&mut algorithm, password, bytes, rounds)?;
    // By luck a wrong password may leave good padding.
    let is_key = Reader::new(key.expose()).sequence().and_then(|mut key| key.unsigned()).is_some();
    if is_key { Ok(key) } else { Err(StoreError::WrongPassword) }
}
