//! The log of records: where machines write and from where they are loaded.

use coordinator::state_machine::Record;
use storage::{CoordinatorRecord, StorageError};

use crate::io::Io;

/// Records could not be made durable. The cause has been logged; what was not written yet never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records of a coordinator could not be written")]
pub(crate) struct WriteFailed;

/// Is called once, with the outcome of a write, on whatever thread ends it.
/// It may be the thread that began the write, before that call returns: so it takes no lock that the caller
/// holds.
pub(crate) type Written = Box<dyn FnOnce(Result<(), WriteFailed>) + Send>;

/// Makes records durable, together. A write takes its place in the order when it is called, also if it is not waited for.
pub(crate) type RecordLog = Box<dyn Fn(Vec<Record>, Written) + Send + Sync>;

/// The log in the broker's storage.
/// `Storage::write_coordinator`: all records of a call or none of them.
pub(crate) fn stored(io: Io) -> RecordLog {
    Box::new(move |records, written| {
        let records = records.into_iter().map(|Record { key, value }| CoordinatorRecord { key, value });
        let done = move |outcome: Result<(), StorageError>| {
            written(outcome.map_err(|error| {
                tracing::error!(%error, "a coordinator's records were not written");
                WriteFailed
            }));
        };
        match io.storage().led_epoch() {
            Ok(epoch) => io.storage().write_coordinator(epoch, records.collect(), Box::new(done)),
            Err(error) => done(Err(error)),
        }
    })
}
