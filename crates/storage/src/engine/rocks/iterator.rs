//! An iterator over batches that can be kept between calls.

use std::sync::Arc;

use self_cell::self_cell;

use super::{Cursor, Engine, Family, options::range};
use crate::StorageError;

self_cell! {
    /// An iterator over batches that keeps its engine, so that it can be kept between calls.
    pub(crate) struct BatchIterator {
        owner: Arc<Engine>,
        #[not_covariant]
        dependent: Cursor,
    }
}

impl BatchIterator {
    /// Over the keys of `family` that are ≥ `from` and < `to`. Blocks are not checked: the caller checks each batch's CRC-32C.
    pub(crate) fn open(engine: &Arc<Engine>, family: &Family<'_>, from: &[u8], to: &[u8]) -> Self {
        let mut options = range(from, to);
        options.set_verify_checksums(false);
        Self::new(Arc::clone(engine), |engine| engine.db.raw_iterator_cf_opt(family, options))
    }

    pub(crate) fn seek(&mut self, key: impl AsRef<[u8]>) {
        self.with_dependent_mut(|_, cursor| cursor.seek(key));
    }

    pub(crate) fn seek_for_prev(&mut self, key: impl AsRef<[u8]>) {
        self.with_dependent_mut(|_, cursor| cursor.seek_for_prev(key));
    }

    pub(crate) fn seek_to_last(&mut self) {
        self.with_dependent_mut(|_, cursor| cursor.seek_to_last());
    }

    /// Moves to the next key, unless it is at its end.
    pub(crate) fn next(&mut self) {
        self.with_dependent_mut(|_, cursor| {
            if cursor.valid() {
                cursor.next();
            }
        });
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.item().map(|(key, _)| key)
    }

    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.item().map(|(_, value)| value)
    }

    pub(crate) fn item(&self) -> Option<(&[u8], &[u8])> {
        self.with_dependent(|_, cursor| cursor.item())
    }

    /// The error that ended it, if one did.
    pub(crate) fn status(&self) -> Result<(), StorageError> {
        Ok(self.with_dependent(|_, cursor| cursor.status())?)
    }
}
