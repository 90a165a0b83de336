//! The end of a storage by a failure, and how callers are told of the outcome of a write.

use std::sync::{Arc, OnceLock};

use crate::StorageError;

/// Receives the outcome of a write, on a storage thread; must not block.
pub type Done<T> = Box<dyn FnOnce(Result<T, StorageError>) + Send>;

/// The first failed write or sync; after it nothing is acknowledged.
pub(crate) struct Failure {
    first: OnceLock<StorageError>,
    /// [`StorageOptions::on_fatal`](crate::StorageOptions): called once, by the thread that saw the failure.
    on_fatal: Arc<dyn Fn(&StorageError) + Send + Sync>,
}

impl Failure {
    pub(crate) fn new(on_fatal: Arc<dyn Fn(&StorageError) + Send + Sync>) -> Self {
        Self { first: OnceLock::new(), on_fatal }
    }

    /// The failure, if there was one. Any write or sync that begins afterwards is refused.
    pub(crate) fn get(&self) -> Option<StorageError> {
        self.first.get().cloned()
    }

    /// Notes a failure. The first stays; later ones are not logged, as most follow from it.
    pub(crate) fn set(&self, error: &StorageError) {
        if self.first.set(error.clone()).is_ok() {
            tracing::error!(%error, "storage failed: nothing is acknowledged any more");
            (self.on_fatal)(error);
        }
    }
}
