//! The seam between a shard and its log: entries go in at one end, are durable up to some point, and come out in the same order.
//!
//! The journal is the one implementation. A log in a store that all brokers reach will be another.

use bytes::Bytes;
use rocksdb::WriteBatch;

use super::{
    journal::{Journal, record::JournalPosition},
    journal_end::JournalEnd,
};
use crate::StorageError;

/// One write group: what is put and deleted, its own position included. To apply all entries in their order is all that brings a
/// shard to its state: the writer does it with a new entry as a start does with one that it finds, by the same function.
pub(crate) struct Entry {
    /// Its first byte in the log.
    pub(crate) position: JournalPosition,
    pub(crate) operations: WriteBatch,
    /// Bytes of the batches that only the log holds.
    pub(crate) body_bytes: usize,
}

/// The log of a shard.
pub(crate) trait EntryLog {
    /// Appends an entry at its position, which is the end of the log, with the batches that only the log holds. It survives the
    /// end of the process once this returns.
    ///
    /// # Errors
    /// It was not written as a whole: nothing may be appended after it.
    fn append_entry(&self, entry: &Entry, bodies: &[Bytes]) -> Result<(), StorageError>;

    /// Returns once the log is durable up to `upto`, to which it was appended before.
    ///
    /// # Errors
    /// Nothing more than before is durable, and nothing will be.
    fn durable_up_to(&self, upto: JournalPosition) -> Result<(), StorageError>;

    /// The entries from the one that was applied last; `None`: all. Everything below `fence` was durable. `None`: there is no log
    /// yet. Changes nothing.
    ///
    /// # Errors
    /// The log cannot be read.
    fn entries_from(
        &self,
        applied: Option<JournalPosition>,
        fence: JournalPosition,
    ) -> Result<Option<JournalEnd>, StorageError>;
}

impl EntryLog for Journal {
    fn append_entry(&self, entry: &Entry, bodies: &[Bytes]) -> Result<(), StorageError> {
        self.append(bodies, entry.operations.data()).map(|_| ())
    }

    fn durable_up_to(&self, upto: JournalPosition) -> Result<(), StorageError> {
        // One sync for all that was appended; of what it covers more, the next caller learns.
        debug_assert!(upto <= self.written());
        self.sync()
    }

    fn entries_from(
        &self,
        applied: Option<JournalPosition>,
        fence: JournalPosition,
    ) -> Result<Option<JournalEnd>, StorageError> {
        JournalEnd::find(self, applied, fence)
    }
}

/// The entries that were found, in their order.
pub(crate) fn entries(found: &JournalEnd) -> impl Iterator<Item = Result<Entry, StorageError>> {
    found.records.iter().map(|record| {
        let operations = WriteBatch::from_data(&record.operations(&found.files)?);
        Ok(Entry { position: record.position, operations, body_bytes: record.header.body_bytes as usize })
    })
}
