//! The disk: RocksDB, the journal, their layouts, and what a start makes of them.
//!
//! | file | its job |
//! | --- | --- |
//! | `rocks.rs` | RocksDB: every call to it; its families and settings |
//! | `journal.rs` `journal/` | the log of everything, and the only place of large batches; its layout, its records after a crash |
//! | `entry_log.rs` | entries, and what the engine asks of a log of them |
//! | `journal_end.rs` | what a start applies from the journal, and where it ends |
//! | `keys.rs` `values.rs` | every layout of RocksDB's keys and values |
//! | `file_name.rs` | names of our own files |
//! | `recovery.rs` `guard.rs` `fence.rs` | opening a folder: format, lock, catalog, what a power cut took |
//! | `read.rs` `cursor.rs` `index.rs` | batches by offset and by time |
//! | `buffers.rs` `resumable.rs` | memory and iterators that are used again for the next read |
//! | `config_log.rs` `coordinator_log.rs` | configurations of other resources than topics; records of coordinators |
//! | `unflushed.rs` | changes that RocksDB has in memory only, and the bound of a replay |
//! | `fault.rs` | faults on purpose, test builds only |

mod buffers;
pub(crate) mod config_log;
pub(crate) mod coordinator_log;
mod cursor;
mod entry_log;
mod fault;
mod fence;
pub(crate) mod file_name;
mod guard;
pub(crate) mod index;
pub(crate) mod journal;
mod journal_end;
pub(crate) mod keys;
mod read;
pub(crate) mod recovery;
mod resumable;
mod rocks;
mod unflushed;
pub(crate) mod values;

#[cfg(feature = "fault")]
pub use fault::{CrashPoint, Faults, Operation, Unsynced};
#[cfg(feature = "fuzz")]
pub(crate) use values::ConfigRecord;
pub(crate) use {
    config_log::KeyValue,
    cursor::{BatchCursor, KeptBatch, StoredEntry},
    fault::EngineFaults,
    fence::Fence,
    guard::{Guard, Visit},
    journal_end::JournalEnd,
    keys::{NodeKey, SETTLED_FAMILY, Tag},
    read::{read, read_now},
    recovery::{FoundGenerations, Node, Opened, Topics},
    resumable::ResumableReads,
    rocks::{Engine, Family},
    unflushed::Due,
    values::{ExtentRecord, GenerationRecord, TopicRecord},
};
pub use {
    config_log::{ResourceConfigs, StoredConfigs, UnreadableConfigs},
    coordinator_log::CoordinatorRecord,
    recovery::Recovery,
};
