//! Injected faults, compiled in only with the feature `fault`: with them a test shows that it would notice such a fault.
//!
//! Every step by which the engine changes the disk passes here first ([`Operation`]), and within it every call that changes a file of
//! our own ([`FileStep`]). Each storage has faults of its own
//! (`StorageOptions::faults`), so tests with different ones run side by side. A storage can stop dead at any step, before
//! or after it, as a killed process does; what was not synced can then be lost, as in a power cut: `fault/disk.rs` knows for each of our
//! files what of its bytes and of its name is on the disk, `fault/database.rs` the same of RocksDB's files. Reads of a journal fail where
//! a test puts a bad sector. A process takes
//! its faults from `OTTLA_FAULT`:
//! - `skip-sync`: syncs report success and do nothing, so a power cut must lose acknowledged records;
//! - `fail-sync=N`: the N-th sync and all later ones fail;
//! - `fail-write=N`: the N-th write and all later ones fail;
//! - `die-by-order=FILE`: a number N written into that file while the process runs kills it at the N-th step from then (`fault/order.rs`).

use crate::engine::file_name::FileName;

#[cfg(feature = "fault")]
mod database;
#[cfg(feature = "fault")]
mod disk;
#[cfg(feature = "fault")]
mod order;
#[cfg(feature = "fault")]
mod switch;

/// A step by which the engine changes what is on the disk.
#[cfg_attr(not(feature = "fault"), expect(unreachable_pub, dead_code, reason = "public with the feature"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A write group into the journal.
    Write,
    /// Everything written onto the disk.
    Sync,
    /// The family and the journal of a generation.
    CreateFamily,
    /// The end of one.
    DropFamily,
    /// The settled family written anew.
    Compact,
    /// The beginning of a flush of all memtables.
    Flush,
    /// Journals in which nothing lives, and which no replay reads, deleted.
    DeleteJournal,
    /// A file of our own created, or emptied if it was there.
    CreateFile,
    /// Bytes of a file written. A process that is killed just after it may have written part of them.
    WriteFile,
    /// A file made shorter.
    CutFile,
    /// A file's bytes put onto the disk.
    SyncFile,
    /// A file given the name of another.
    RenameFile,
    /// A file deleted.
    RemoveFile,
    /// Names of files put onto the disk.
    SyncFolder,
}

/// One call that changes a file of our own.
#[cfg_attr(not(feature = "fault"), expect(dead_code, reason = "read with the feature"))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum FileStep {
    Create(FileName),
    Write { file: FileName, offset: u64, length: u64 },
    Cut { file: FileName, length: u64 },
    Sync(FileName),
    Rename { from: FileName, to: FileName },
    Remove(FileName),
    SyncFolder,
}

#[cfg(not(feature = "fault"))]
mod switch {
    use std::io;

    use super::{FileName, FileStep, Operation};
    use crate::{StorageError, StorageOptions};

    #[derive(Clone, Debug, Default)]
    pub(crate) struct Faults {}

    impl Faults {
        pub(crate) fn of(_: &StorageOptions) -> Self {
            Self {}
        }

        #[inline]
        pub(crate) fn pass(
            &self,
            _: Operation,
            step: impl FnOnce() -> Result<(), StorageError>,
        ) -> Result<(), StorageError> {
            step()
        }

        #[inline]
        pub(crate) fn file<T>(&self, _: FileStep, step: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            step()
        }

        #[inline]
        pub(crate) fn read(&self, _: FileName, _: u64, _: usize) -> io::Result<()> {
            Ok(())
        }

        #[inline]
        pub(crate) fn database_is_synced(&self) {}

        #[inline]
        pub(crate) fn keep_files(
            &self,
            _: impl FnOnce() -> Result<(), rocksdb::Error>,
        ) -> Result<(), StorageError> {
            Ok(())
        }

        #[inline]
        pub(crate) fn limit(&self, _: &mut rocksdb::Options) {}

        #[inline]
        pub(crate) fn tends_when_asked(&self) -> bool {
            false
        }

        #[inline]
        pub(crate) fn task_queued(&self) {}

        #[inline]
        pub(crate) fn task_done(&self) {}
    }
}

pub(crate) use switch::Faults as EngineFaults;
#[cfg(feature = "fault")]
pub use {
    disk::Unsynced,
    switch::{CrashPoint, Faults},
};
