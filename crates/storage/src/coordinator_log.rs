//! Records that coordinators (groups now, transactions later) write and replay. Opaque here: the caller owns their layouts.

use bytes::Bytes;

use crate::{StorageError, engine::Engine, keys};

/// One record: the newest value of a key counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorRecord {
    /// Key, unique among all coordinators; its layout is the caller's.
    pub key: Bytes,
    /// `None` removes the key.
    pub value: Option<Bytes>,
}

/// All that was written and not removed, in key order.
pub(crate) fn records(engine: &Engine) -> Result<Vec<(Bytes, Bytes)>, StorageError> {
    let mut records = Vec::new();
    engine.scan_state(&[keys::Tag::Coordinator as u8], |key, value| {
        let key = keys::rest("coordinator key", key, 1)?;
        records.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        Ok(())
    })?;
    Ok(records)
}
