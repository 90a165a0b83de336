//! The log of records: where machines write and from where they are loaded.

use coordinator::state_machine::Record;
use storage::{CoordinatorRecord, Shard, StorageError};

/// The reason for which records were not made durable. What was not written yet never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotWritten {
    /// The storage failed. The cause has been logged.
    #[error("the records of a coordinator could not be written")]
    Failed,
    /// The term in which the machine was loaded is over.
    #[error("the records of a coordinator were not written: this broker does not lead their shard any more")]
    NotLed,
}

/// The reason for which this broker may not serve the machines of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLed {
    /// Another broker may.
    Elsewhere,
    /// This broker is taking the log over.
    TakingOver,
}

/// Is called once, with the outcome of a write, on whatever thread ends it.
/// It may be the thread that began the write, before that call returns: so it takes no lock that the caller
/// holds.
pub(crate) type Written = Box<dyn FnOnce(Result<(), NotWritten>) + Send>;

/// Takes the key and the value of a record; true to go on.
pub(crate) type EachRecord<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// Makes records durable, in terms: in each of them one broker writes.
pub(crate) trait RecordLog: Send + Sync {
    /// The present term. It is over for good when this broker stops to lead the log.
    ///
    /// # Errors
    /// This broker does not lead the log.
    fn term(&self) -> Result<u32, NotLed>;

    /// Makes records durable, together, if `term` is the present one. A write takes its place in the order when this is called,
    /// also if it is not waited for.
    fn write(&self, term: u32, records: Vec<Record>, written: Written);

    /// As [`RecordLog::write`], for records that mean nothing until something else of their machine is written after them: called
    /// once the operating system has them, without a sync of their own.
    fn announce(&self, term: u32, records: Vec<Record>, written: Written) {
        self.write(term, records, written);
    }

    /// The record under a key, from memory or the disk: one that was durable when this is called, or a later one.
    ///
    /// # Errors
    /// This broker does not lead the log, or the disk failed.
    fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Calls `each` with the records whose keys begin with `prefix`, from the first that is not below `from`, in key order, until it
    /// returns false. Blocks on the disk.
    ///
    /// # Errors
    /// As [`RecordLog::record`].
    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRecord<'_>) -> Result<(), StorageError>;

    /// The time during which the log was open, in ms: it never goes back, not even with a restart.
    fn open_ms(&self) -> u64;
}

/// The log in the shard. Its terms are the epochs of its leader.
/// `Shard::write_coordinator`: all records of a call or none of them.
pub(crate) fn stored(shard: Shard) -> Box<dyn RecordLog> {
    Box::new(Stored(shard))
}

struct Stored(Shard);

impl RecordLog for Stored {
    fn term(&self) -> Result<u32, NotLed> {
        self.0.led_epoch().map_err(|error| match error {
            StorageError::Unavailable => NotLed::TakingOver,
            _ => NotLed::Elsewhere,
        })
    }

    fn write(&self, term: u32, records: Vec<Record>, written: Written) {
        let done = move |outcome: Result<(), StorageError>| written(outcome.map_err(not_written));
        self.0.write_coordinator(term, stored_form(records), Box::new(done));
    }

    fn announce(&self, term: u32, records: Vec<Record>, written: Written) {
        let done = move |outcome: Result<(), StorageError>| written(outcome.map_err(not_written));
        self.0.announce_coordinator(term, stored_form(records), Box::new(done));
    }

    fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.coordinator_record(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], each: EachRecord<'_>) -> Result<(), StorageError> {
        self.0.scan_coordinator_from(prefix, from, each)
    }

    fn open_ms(&self) -> u64 {
        self.0.open_ms()
    }
}

/// Records as storage takes them.
pub(super) fn stored_form(records: Vec<Record>) -> Vec<CoordinatorRecord> {
    records.into_iter().map(|Record { key, value }| CoordinatorRecord { key, value }).collect()
}

/// The reason for which storage did not write.
/// A failure is logged here.
pub(super) fn not_written(error: StorageError) -> NotWritten {
    match error {
        StorageError::NotLeader | StorageError::Unavailable => NotWritten::NotLed,
        error => {
            tracing::error!(%error, "a coordinator's records were not written");
            NotWritten::Failed
        }
    }
}
