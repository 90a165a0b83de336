//! Credentials of users, one record each, and secrets of the folder. The storage keeps them; the caller knows which mechanisms
//! and purposes exist.

use codec::cursor::{Cursor, ReadError};

use super::{
    config_log::KeyValue,
    keys::{self, Tag},
    rocks::Engine,
};
use crate::{StorageError, TooLarge};

/// A user's credential of one mechanism: what a login is checked against, and never a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// Its key.
    pub id: CredentialId,
    /// Iterations of the hash.
    pub iterations: u32,
    /// At most 65 535 bytes, as all byte strings here.
    pub salt: Vec<u8>,
    /// Digest of the client's key.
    pub stored_key: Vec<u8>,
    /// Key of the server's signature.
    pub server_key: Vec<u8>,
}

/// The user and the mechanism of a credential, of which there is one each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialId {
    /// Code of the mechanism.
    pub mechanism: u8,
    /// Name of the user; at most 65 535 bytes.
    pub user: String,
}

/// Without the keys: with them a password can be guessed.
impl std::fmt::Debug for StoredCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredCredential").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Bytes of a secret of the folder.
pub const SECRET_BYTES: usize = 32;

/// The record that keeps the credential.
///
/// # Errors
/// A part does not fit its `u16` length.
pub(crate) fn put(credential: &StoredCredential) -> Result<KeyValue, TooLarge> {
    let StoredCredential { id, iterations, salt, stored_key, server_key } = credential;
    let mut value = vec![1];
    value.extend_from_slice(&iterations.to_be_bytes());
    for bytes in [salt, stored_key, server_key] {
        push(&mut value, bytes)?;
    }
    Ok((key(id)?, Some(value)))
}

/// The removal of that record.
///
/// # Errors
/// The name does not fit its `u16` length.
pub(crate) fn removed(id: &CredentialId) -> Result<KeyValue, TooLarge> {
    Ok((key(id)?, None))
}

fn key(id: &CredentialId) -> Result<Vec<u8>, TooLarge> {
    let mut key = vec![Tag::Credential as u8, id.mechanism];
    push(&mut key, id.user.as_bytes())?;
    Ok(key)
}

/// Appends bytes after their length.
fn push(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TooLarge> {
    let (what, size, limit) = ("bytes of a part of a credential", bytes.len(), usize::from(u16::MAX));
    let length = u16::try_from(size).map_err(|_| TooLarge { what, size, limit })?;
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
    Ok(())
}

/// Every credential.
///
/// # Errors
/// The disk failed, or a record cannot be read.
pub(crate) fn all(engine: &Engine) -> Result<Vec<StoredCredential>, StorageError> {
    let mut all = Vec::new();
    engine.scan_state(&[Tag::Credential as u8], |key, value| {
        all.push(read(key, value)?);
        Ok(())
    })?;
    Ok(all)
}

fn read(key: &[u8], value: &[u8]) -> Result<StoredCredential, StorageError> {
    let id = keys::read("credential key", key, |from| {
        from.u8("tag")?;
        let mechanism = from.u8("mechanism")?;
        let not_utf8 = from.invalid("user");
        let user = str::from_utf8(bytes(from)?).map_err(|_| not_utf8)?.to_owned();
        from.end()?;
        Ok(CredentialId { mechanism, user })
    })?;
    keys::read("credential record", value, |from| {
        keys::version_1(from)?;
        let credential = StoredCredential {
            id,
            iterations: from.u32("iterations")?,
            salt: bytes(from)?.to_vec(),
            stored_key: bytes(from)?.to_vec(),
            server_key: bytes(from)?.to_vec(),
        };
        from.end()?;
        Ok(credential)
    })
}

fn bytes<'a>(from: &mut Cursor<'a>) -> Result<&'a [u8], ReadError> {
    let length = usize::from(from.u16("length")?);
    from.take(length, "bytes")
}

/// The record that keeps a secret for this purpose.
pub(crate) fn put_secret(purpose: u8, secret: &[u8; SECRET_BYTES]) -> KeyValue {
    let value = [&[1], &secret[..]].concat();
    (vec![Tag::Secret as u8, purpose], Some(value))
}

/// The secret for this purpose; `None` if none was written.
///
/// # Errors
/// The disk failed, or the record cannot be read.
pub(crate) fn secret(engine: &Engine, purpose: u8) -> Result<Option<[u8; SECRET_BYTES]>, StorageError> {
    let mut found = None;
    engine.scan_state(&[Tag::Secret as u8, purpose], |_, value| {
        found = Some(read_secret(value)?);
        Ok(())
    })?;
    Ok(found)
}

fn read_secret(value: &[u8]) -> Result<[u8; SECRET_BYTES], StorageError> {
    keys::read("secret", value, |from| {
        keys::version_1(from)?;
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(from.take(SECRET_BYTES, "bytes")?);
        from.end()?;
        Ok(secret)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> StoredCredential {
        StoredCredential {
            id: CredentialId { mechanism: 2, user: "ö".into() },
            iterations: 4096,
            salt: vec![7, 8],
            stored_key: vec![1, 2, 3],
            server_key: vec![4],
        }
    }

    const KEY: [u8; 6] = [17, 2, 0, 2, 0xc3, 0xb6];
    const VALUE: [u8; 17] = [1, 0, 0, 16, 0, 0, 2, 7, 8, 0, 3, 1, 2, 3, 0, 1, 4];

    #[test]
    fn a_credential_has_golden_bytes() {
        assert_eq!(put(&credential()).unwrap(), (KEY.to_vec(), Some(VALUE.to_vec())));
        assert_eq!(removed(&credential().id).unwrap(), (KEY.to_vec(), None));
        assert!(read(&KEY, &VALUE).unwrap() == credential());
    }

    #[test]
    fn a_secret_has_golden_bytes() {
        let (key, value) = put_secret(1, &[9; SECRET_BYTES]);
        let value = value.unwrap();
        assert_eq!((&key[..], value.len(), value[0], value[32]), (&[18, 1][..], 33, 1, 9));
        assert_eq!(read_secret(&value).unwrap(), [9; SECRET_BYTES]);
        assert!(read_secret(&value[..32]).is_err() && read_secret(&[&value[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_record_that_is_cut_longer_or_of_another_version_is_an_error() {
        for length in 0..KEY.len() {
            assert!(read(&KEY[..length], &VALUE).is_err(), "{length} bytes of the key");
        }
        for length in 0..VALUE.len() {
            assert!(read(&KEY, &VALUE[..length]).is_err(), "{length} bytes");
        }
        assert!(read(&[&KEY[..], &[0]].concat(), &VALUE).is_err());
        assert!(read(&KEY, &[&VALUE[..], &[0]].concat()).is_err());
        assert!(read(&KEY, &[&[2], &VALUE[1..]].concat()).is_err());
        let mut not_utf8 = KEY;
        not_utf8[4] = 0xff;
        assert!(read(&not_utf8, &VALUE).is_err());
    }

    #[test]
    fn a_part_that_is_too_long_is_refused() {
        let long = StoredCredential { salt: vec![0; 65_536], ..credential() };
        assert_eq!(put(&long).unwrap_err().limit, 65_535);
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", StoredCredential { stored_key: b"hunter2".to_vec(), ..credential() });
        assert!(shown.contains('ö') && !shown.contains("104"), "{shown}");
    }
}
