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
