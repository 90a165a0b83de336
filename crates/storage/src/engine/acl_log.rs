//! Access control entries, one record each. The storage keeps them; which codes and names mean something is the caller's matter.

use codec::cursor::{Cursor, ReadError};

use crate::{
    StorageError, TooLarge,
    engine::{config_log::KeyValue, keys, rocks::Engine},
};

/// One access control entry. All of it is in the key of its record, so that it exists once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAcl {
    /// Code of the type of its resources.
    pub resource_type: u8,
    /// Code of the type of its pattern.
    pub pattern_type: u8,
    /// Code of its operation.
    pub operation: u8,
    /// Code of its permission.
    pub permission: u8,
    /// Name of its pattern; at most 65 535 bytes, as all texts here.
    pub name: String,
    /// Its principal.
    pub principal: String,
    /// Its host.
    pub host: String,
}

/// Value of each record: the version of its layout.
const VERSION: [u8; 1] = [1];

/// The record that keeps the entry.
///
/// # Errors
/// A text does not fit its `u16` length.
pub(crate) fn added(acl: &StoredAcl) -> Result<KeyValue, TooLarge> {
    Ok((key(acl)?, Some(VERSION.to_vec())))
}

/// The removal of that record.
///
/// # Errors
/// As [`added`].
pub(crate) fn removed(acl: &StoredAcl) -> Result<KeyValue, TooLarge> {
    Ok((key(acl)?, None))
}

fn key(acl: &StoredAcl) -> Result<Vec<u8>, TooLarge> {
    let StoredAcl { resource_type, pattern_type, operation, permission, name, principal, host } = acl;
    let mut key = vec![keys::Tag::Acl as u8, *resource_type, *pattern_type, *operation, *permission];
    for text in [name, principal, host] {
        let (what, size, limit) = ("bytes of a text of an ACL", text.len(), usize::from(u16::MAX));
        let length = u16::try_from(size).map_err(|_| TooLarge { what, size, limit })?;
        key.extend_from_slice(&length.to_be_bytes());
        key.extend_from_slice(text.as_bytes());
    }
    Ok(key)
}

/// Calls `each` for every entry. There may be very many, so they are not collected here.
///
/// # Errors
/// The disk failed, or a record cannot be read: without it a client might do what its entry denies.
pub(crate) fn all(engine: &Engine, mut each: impl FnMut(StoredAcl)) -> Result<(), StorageError> {
    engine.scan_state(&[keys::Tag::Acl as u8], |key, value| {
        each(read(key, value)?);
        Ok(())
    })
}

fn read(key: &[u8], value: &[u8]) -> Result<StoredAcl, StorageError> {
    keys::read("ACL record", value, |from| {
        keys::version_1(from)?;
        from.end()
    })?;
    keys::read("ACL key", key, |from| {
        from.u8("tag")?;
        let acl = StoredAcl {
            resource_type: from.u8("resource type")?,
            pattern_type: from.u8("pattern type")?,
            operation: from.u8("operation")?,
            permission: from.u8("permission")?,
            name: text(from)?,
            principal: text(from)?,
            host: text(from)?,
        };
        from.end()?;
        Ok(acl)
    })
}

fn text(from: &mut Cursor<'_>) -> Result<String, ReadError> {
    let length = usize::from(from.u16("length")?);
    let not_utf8 = from.invalid("text");
    let bytes = from.take(length, "text")?;
    Ok(str::from_utf8(bytes).map_err(|_| not_utf8)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl() -> StoredAcl {
        StoredAcl {
            resource_type: 2,
            pattern_type: 4,
            operation: 3,
            permission: 2,
            name: "ö".into(),
            principal: "User:a".into(),
            host: "*".into(),
        }
    }

    #[test]
    fn an_acl_has_golden_bytes() {
        let key = [&[16, 2, 4, 3, 2, 0, 2, 0xc3, 0xb6, 0, 6][..], b"User:a", &[0, 1], b"*"].concat();
        assert_eq!(added(&acl()).unwrap(), (key.clone(), Some(vec![1])));
        assert_eq!(removed(&acl()).unwrap(), (key.clone(), None));
        assert_eq!(read(&key, &[1]).unwrap(), acl());
    }

    #[test]
    fn a_record_that_is_cut_longer_or_of_another_version_is_an_error() {
        let (key, _) = added(&acl()).unwrap();
        for length in 0..key.len() {
            assert!(read(&key[..length], &[1]).is_err(), "{length} bytes");
        }
        assert!(read(&[&key[..], &[0]].concat(), &[1]).is_err());
        for value in [&[][..], &[2], &[1, 0]] {
            assert!(read(&key, value).is_err(), "{value:?}");
        }
        let mut not_utf8 = key.clone();
        not_utf8[7] = 0xff;
        assert!(read(&not_utf8, &[1]).is_err());
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        let long = StoredAcl { host: "x".repeat(65_536), ..acl() };
        assert_eq!(added(&long).unwrap_err().limit, 65_535);
    }
}
