//! Log compaction (`cleanup.policy=compact`): of each key the newest record stays.
//!
//! ```text
//!  cleanable()  is there enough to clean, and up to where
//!      │
//!  index()      each dirty batch, in order of offsets: key → its greatest offset, into an OffsetMap
//!      │        (full: this cleaning ends at OffsetMap::latest_offset)
//!  clean()      each batch from the log's start to there, in order of offsets: keep, replace or remove
//! ```
//!
//! Guarantees that of each key the record with the greatest offset stays, with its offset and timestamp; that a
//! tombstone or transaction marker stays for `delete.retention.ms` after the first cleaning that found nothing older
//! beside it; that offsets and producers' sequences are not lost. Follows Kafka's `Cleaner`, `LogCleanerManager` and
//! KIP-534; where it is stricter, the functions say so.
//!
//! `log.rs` takes one partition through these steps, `transactions.rs` knows what was aborted; all else knows only bytes. Batches are replaced in order of offsets,
//! so that after a crash between two no tombstone has gone before what it deletes.

mod cleaner;
mod log;
mod new_index;
mod offset_map;
mod schedule;
mod transactions;

pub(crate) use {
    cleaner::{Cleaned, CleaningError, CleaningRules, Indexed, clean, index},
    log::{CleaningStep, LogCleaning, forget_aborted, note_edits},
    offset_map::OffsetMap,
    schedule::{DirtyInterval, LogToClean, cleanable},
    transactions::LogTransactions,
};

#[cfg(test)]
mod tests;
