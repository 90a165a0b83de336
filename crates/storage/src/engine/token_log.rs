//! Delegation tokens, one record each. What a client logs in with is not among them: it follows from the id and a secret of the
//! configuration.

use codec::cursor::{Cursor, ReadError};

use super::{
    config_log::KeyValue,
    keys::{self, Tag},
    rocks::Engine,
};
use crate::{StorageError, TooLarge};

/// A delegation token. Principals are texts such as `User:alice`; each text has at most 65 535 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// Its id.
    pub id: String,
    /// The principal of those that log in with it.
    pub owner: String,
    /// The principal that asked for it.
    pub requester: String,
    /// The principals that may renew it; at most 65 535.
    pub renewers: Vec<String>,
    /// When it was made, in Unix milliseconds.
    pub issued_ms: i64,
    /// When it ends unless it is renewed, in Unix milliseconds.
    pub expires_ms: i64,
    /// When it ends for good, in Unix milliseconds.
    pub max_ms: i64,
}

/// The record that keeps the token.
///
/// # Errors
/// A part does not fit its `u16` length.
pub(crate) fn put(token: &StoredToken) -> Result<KeyValue, TooLarge> {
    let StoredToken { id, owner, requester, renewers, issued_ms, expires_ms, max_ms } = token;
    let mut value = vec![1];
    for time in [issued_ms, expires_ms, max_ms] {
        value.extend_from_slice(&time.to_be_bytes());
    }
    push(&mut value, owner)?;
    push(&mut value, requester)?;
    value.extend_from_slice(&length(renewers.len())?.to_be_bytes());
    for renewer in renewers {
        push(&mut value, renewer)?;
    }
    Ok((key(id)?, Some(value)))
}

/// The removal of that record.
///
/// # Errors
/// The id does not fit its `u16` length.
pub(crate) fn removed(id: &str) -> Result<KeyValue, TooLarge> {
    Ok((key(id)?, None))
}

fn key(id: &str) -> Result<Vec<u8>, TooLarge> {
    let mut key = vec![Tag::DelegationToken as u8];
    push(&mut key, id)?;
    Ok(key)
}

/// Appends a text after its length.
fn push(to: &mut Vec<u8>, text: &str) -> Result<(), TooLarge> {
    to.extend_from_slice(&length(text.len())?.to_be_bytes());
    to.extend_from_slice(text.as_bytes());
    Ok(())
}

fn length(size: usize) -> Result<u16, TooLarge> {
    let (what, limit) = ("size of a part of a delegation token", usize::from(u16::MAX));
    u16::try_from(size).map_err(|_| TooLarge { what, size, limit })
}

/// Every token.
///
/// # Errors
/// The disk failed, or a record cannot be read.
pub(crate) fn all(engine: &Engine) -> Result<Vec<StoredToken>, StorageError> {
    let mut all = Vec::new();
    engine.scan_state(&[Tag::DelegationToken as u8], |key, value| {
        all.push(read(key, value)?);
        Ok(())
    })?;
    Ok(all)
}

fn read(key: &[u8], value: &[u8]) -> Result<StoredToken, StorageError> {
    let id = keys::read("delegation token key", key, |from| {
        from.u8("tag")?;
        let id = text(from)?;
        from.end()?;
        Ok(id)
    })?;
    keys::read("delegation token record", value, |from| {
        keys::version_1(from)?;
        let [issued_ms, expires_ms, max_ms] = [from.i64("issued")?, from.i64("expires")?, from.i64("max")?];
        let (owner, requester) = (text(from)?, text(from)?);
        let count = from.u16("renewers")?;
        let renewers = (0..count).map(|_| text(from)).collect::<Result<_, _>>()?;
        from.end()?;
        Ok(StoredToken { id, owner, requester, renewers, issued_ms, expires_ms, max_ms })
    })
}

fn text(from: &mut Cursor<'_>) -> Result<String, ReadError> {
    let length = usize::from(from.u16("length")?);
    let not_utf8 = from.invalid("text");
    let bytes = from.take(length, "text")?;
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| not_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> StoredToken {
        StoredToken {
            id: "ab".into(),
            owner: "User:ö".into(),
            requester: "User:b".into(),
            renewers: vec!["User:c".into()],
            issued_ms: 1,
            expires_ms: 2,
            max_ms: 0x0102,
        }
    }

    const KEY: [u8; 5] = [20, 0, 2, b'a', b'b'];

    fn value() -> Vec<u8> {
        let mut value = vec![1];
        value.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 2]);
        value.extend(b"\0\x07User:\xc3\xb6\0\x06User:b\0\x01\0\x06User:c");
        value
    }

    #[test]
    fn a_token_has_golden_bytes() {
        assert_eq!(put(&token()).unwrap(), (KEY.to_vec(), Some(value())));
        assert_eq!(removed("ab").unwrap(), (KEY.to_vec(), None));
        assert_eq!(read(&KEY, &value()).unwrap(), token());
    }

    #[test]
    fn a_record_that_is_cut_longer_or_of_another_version_is_an_error() {
        let value = value();
        for length in 0..KEY.len() {
            assert!(read(&KEY[..length], &value).is_err(), "{length} bytes of the key");
        }
        for length in 0..value.len() {
            assert!(read(&KEY, &value[..length]).is_err(), "{length} bytes");
        }
        assert!(read(&[&KEY[..], &[0]].concat(), &value).is_err());
        assert!(read(&KEY, &[&value[..], &[0]].concat()).is_err());
        assert!(read(&KEY, &[&[2], &value[1..]].concat()).is_err());
        assert!(read(&[20, 0, 1, 0xff], &value).is_err());
    }

    #[test]
    fn a_part_that_is_too_long_is_refused() {
        let long = StoredToken { owner: "x".repeat(65_536), ..token() };
        assert_eq!(put(&long).unwrap_err().limit, 65_535);
        let many = StoredToken { renewers: vec![String::new(); 65_536], ..token() };
        assert_eq!(put(&many).unwrap_err().size, 65_536);
    }
}
