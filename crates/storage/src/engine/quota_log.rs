//! Client quotas, one record each. The storage keeps them; which entities and quotas exist is the caller's matter.

use codec::cursor::{Cursor, ReadError};

use super::{
    config_log::KeyValue,
    keys::{self, Tag},
    rocks::Engine,
};
use crate::{StorageError, TooLarge};

/// One quota of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredQuota {
    /// Its key.
    pub id: QuotaId,
    /// Its value.
    pub value: f64,
}

/// The owner and the name of a quota, of which there is one each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaId {
    /// Type and name of each part of the owner; no name: the default. At most 255 parts. Each text has at most 65 535 bytes.
    pub entity: Vec<(String, Option<String>)>,
    /// Its name.
    pub quota: String,
}

/// The record that keeps the quota.
///
/// # Errors
/// A text does not fit its `u16` length.
pub(crate) fn put(quota: &StoredQuota) -> Result<KeyValue, TooLarge> {
    let mut value = vec![1];
    value.extend_from_slice(&quota.value.to_be_bytes());
    Ok((key(&quota.id)?, Some(value)))
}

/// The removal of that record.
///
/// # Errors
/// As [`put`].
pub(crate) fn removed(id: &QuotaId) -> Result<KeyValue, TooLarge> {
    Ok((key(id)?, None))
}

fn key(id: &QuotaId) -> Result<Vec<u8>, TooLarge> {
    let (what, size, limit) = ("parts of an entity", id.entity.len(), usize::from(u8::MAX));
    let count = u8::try_from(size).map_err(|_| TooLarge { what, size, limit })?;
    let mut key = vec![Tag::Quota as u8, count];
    for (entity_type, name) in &id.entity {
        push(&mut key, entity_type)?;
        key.push(u8::from(name.is_some()));
        if let Some(name) = name {
            push(&mut key, name)?;
        }
    }
    push(&mut key, &id.quota)?;
    Ok(key)
}

/// Appends a text after its length.
fn push(to: &mut Vec<u8>, text: &str) -> Result<(), TooLarge> {
    let (what, size, limit) = ("bytes of a text of a quota", text.len(), usize::from(u16::MAX));
    let length = u16::try_from(size).map_err(|_| TooLarge { what, size, limit })?;
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Every quota.
///
/// # Errors
/// The disk failed, or a record cannot be read: without it a client might take what belongs to others.
pub(crate) fn all(engine: &Engine) -> Result<Vec<StoredQuota>, StorageError> {
    let mut all = Vec::new();
    engine.scan_state(&[Tag::Quota as u8], |key, value| {
        all.push(read(key, value)?);
        Ok(())
    })?;
    Ok(all)
}

fn read(key: &[u8], value: &[u8]) -> Result<StoredQuota, StorageError> {
    let id = keys::read("quota key", key, |from| {
        from.u8("tag")?;
        let count = from.u8("parts")?;
        let entity = (0..count).map(|_| part(from)).collect::<Result<_, _>>()?;
        let quota = text(from)?;
        from.end()?;
        Ok(QuotaId { entity, quota })
    })?;
    keys::read("quota record", value, |from| {
        keys::version_1(from)?;
        let value = f64::from_bits(from.u64("value")?);
        from.end()?;
        Ok(StoredQuota { id, value })
    })
}

fn part(from: &mut Cursor<'_>) -> Result<(String, Option<String>), ReadError> {
    let entity_type = text(from)?;
    let invalid = from.invalid("presence of a name");
    match from.u8("presence of a name")? {
        0 => Ok((entity_type, None)),
        1 => Ok((entity_type, Some(text(from)?))),
        _ => Err(invalid),
    }
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

    fn quota() -> StoredQuota {
        let entity = vec![("user".to_owned(), Some("ö".to_owned())), ("client-id".to_owned(), None)];
        StoredQuota { id: QuotaId { entity, quota: "rate".into() }, value: 1.5 }
    }

    const KEY: &[u8] = &[
        19, 2, 0, 4, b'u', b's', b'e', b'r', 1, 0, 2, 0xc3, 0xb6, 0, 9, b'c', b'l', b'i', b'e', b'n', b't',
        b'-', b'i', b'd', 0, 0, 4, b'r', b'a', b't', b'e',
    ];
    const VALUE: &[u8] = &[1, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0];

    #[test]
    fn a_quota_has_golden_bytes() {
        assert_eq!(put(&quota()).unwrap(), (KEY.to_vec(), Some(VALUE.to_vec())));
        assert_eq!(removed(&quota().id).unwrap(), (KEY.to_vec(), None));
        assert_eq!(read(KEY, VALUE).unwrap(), quota());
    }

    #[test]
    fn a_record_that_is_cut_longer_or_of_another_version_is_an_error() {
        for length in 0..KEY.len() {
            assert!(read(&KEY[..length], VALUE).is_err(), "{length} bytes of the key");
        }
        for length in 0..VALUE.len() {
            assert!(read(KEY, &VALUE[..length]).is_err(), "{length} bytes");
        }
        assert!(read(&[KEY, &[0]].concat(), VALUE).is_err());
        assert!(read(KEY, &[VALUE, &[0]].concat()).is_err());
        assert!(read(KEY, &[&[2], &VALUE[1..]].concat()).is_err());
        let mut neither = KEY.to_vec();
        neither[8] = 2;
        assert!(read(&neither, VALUE).is_err());
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        let long = QuotaId { quota: "r".repeat(65_536), ..quota().id };
        assert_eq!(removed(&long).unwrap_err().limit, 65_535);
    }
}
