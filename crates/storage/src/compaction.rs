//! Log compaction (`cleanup.policy=compact`), the part that knows only bytes: what is kept of a compacted log.
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
//! Which partitions, reading and writing batches, and how a crash between two batches is survived is the caller's.
//! Order matters to it: batches are replaced in order of offsets, so that no tombstone goes before what it deletes.

mod cleaner;
mod offset_map;
mod schedule;

// What the caller needs, and for now nobody does.
#[expect(unused_imports, reason = "see above")]
pub(crate) use schedule::{CompactionConfig, DirtyStretch, LogToClean, cleanable};
#[cfg_attr(not(test), expect(unused_imports, reason = "see above"))]
pub(crate) use {
    cleaner::{Cleaned, CleaningError, CleaningRules, Indexed, clean, index},
    offset_map::OffsetMap,
};

#[cfg(test)]
mod tests;
