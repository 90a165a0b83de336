//! The disk: RocksDB, the journal, their layouts, and what a start makes of them.
//!
//! | file | its job |
//! | --- | --- |
//! | `rocks.rs` | RocksDB: every call to it; its families and settings |
//! | `journal.rs` `journal/` | the log of everything, and the only place of large batches; its layout, its records after a crash |
//! | `settled.rs` | files of large batches that outlived their generation |
//! | `batch_file.rs` `open_files.rs` | one file of either kind; those that are open |
//! | `entry_log.rs` | entries, and what the engine asks of a log of them |
//! | `journal_end.rs` | what a start applies from the journal, and where it ends |
//! | `keys.rs` `values.rs` `pointer.rs` | every layout of RocksDB's keys and values |
//! | `file_name.rs` | names of our own files |
//! | `recovery.rs` `guard.rs` `fence.rs` | opening a folder: format, lock, catalog, what a power cut took |
//! | `aborted.rs` | the index of aborted transactions |
//! | `read.rs` `cursor.rs` `stored_batch.rs` `index.rs` | batches by offset and by time |
//! | `buffers.rs` `resumable.rs` | memory and iterators that are used again for the next read |
//! | `config_log.rs` `coordinator_log.rs` | configurations of other resources than topics; records of coordinators |
//! | `acl_log.rs` `credential_log.rs` `quota_log.rs` | access control entries; credentials of users, secrets of the folder; quotas |
//! | `token_log.rs` | delegation tokens |
//! | `unflushed.rs` | changes that RocksDB has in memory only, and the bound of a replay |
//! | `fault.rs` | faults on purpose, test builds only |

pub(crate) mod aborted;
pub(crate) mod acl_log;
pub(crate) mod batch_file;
mod buffers;
pub(crate) mod config_log;
pub(crate) mod coordinator_log;
pub(crate) mod credential_log;
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
mod open_files;
mod pointer;
pub(crate) mod quota_log;
mod read;
pub(crate) mod recovery;
mod resumable;
mod rocks;
mod settled;
mod stored_batch;
pub(crate) mod token_log;
mod unflushed;
pub(crate) mod values;

#[cfg(feature = "fault")]
pub use fault::{CrashPoint, Faults, Operation, Unsynced};
#[cfg(feature = "fuzz")]
pub(crate) use values::ConfigRecord;
pub use {
    acl_log::StoredAcl,
    config_log::{ResourceConfigs, StoredConfigs, UnreadableConfigs},
    credential_log::{CredentialId, SECRET_BYTES, StoredCredential},
    quota_log::{QuotaId, StoredQuota},
    recovery::Recovery,
    token_log::StoredToken,
};
pub(crate) use {
    config_log::KeyValue,
    cursor::BatchCursor,
    fault::EngineFaults,
    fence::Fence,
    file_name::SettledNumber,
    guard::{Guard, Visit},
    journal_end::JournalEnd,
    keys::{NodeKey, SETTLED_FAMILY, Tag},
    pointer::{BodyPlace, Pointer},
    read::{read, read_now},
    recovery::{FoundGenerations, Node, Opened, Topics},
    resumable::ResumableReads,
    rocks::{Engine, Family, SettledValue},
    settled::SettledFiles,
    stored_batch::{KeptBatch, StoredEntry, kept_settled},
    unflushed::Due,
    values::{ExtentRecord, GenerationRecord, TopicRecord},
};
