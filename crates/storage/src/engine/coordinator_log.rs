//! Records that coordinators write and replay. Opaque here: the caller owns their layouts.

use crate::{
    StorageError,
    engine::{keys, rocks::Engine},
};

/// Calls `each` with every key that begins with `prefix` and its value, in key order.
///
/// # Errors
/// RocksDB cannot read the state.
pub(crate) fn scan(
    engine: &Engine,
    prefix: &[u8],
    each: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), StorageError> {
    engine.scan_state(&keys::coordinator(prefix), |key, value| {
        // Without the tag, which is ours.
        each(keys::rest("coordinator key", key, 1)?, value);
        Ok(())
    })
}

/// Calls `each` with the keys that begin with `prefix`, from the first that is not below `from`, and their values, in key order, until it
/// returns false.
///
/// # Errors
/// As [`scan`].
pub(crate) fn scan_from(
    engine: &Engine,
    prefix: &[u8],
    from: &[u8],
    each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), StorageError> {
    let (prefix, from) = (keys::coordinator(prefix), keys::coordinator(from));
    let mut cursor =
        engine.cursor(&engine.state()?, from.as_slice().max(&prefix), &keys::after_prefix(&prefix));
    cursor.seek_to_first();
    while let Some((key, value)) = cursor.item() {
        if !each(keys::rest("coordinator key", key, 1)?, value) {
            break;
        }
        cursor.next();
    }
    Ok(cursor.status()?)
}

/// The value under a key.
///
/// # Errors
/// As [`scan`].
pub(crate) fn value(engine: &Engine, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
    engine.state_value(&keys::coordinator(key))
}
