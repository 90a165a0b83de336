//! RocksDB: its families, and every call of the crate to it.
//!
//! RocksDB's own log is off: the journal is the log of both. Every WriteBatch also holds the position of its record, and families are
//! flushed together, so what RocksDB has on the disk names the record at which a replay begins. For that to be true, nothing may be
//! flushed that is not on the disk in the journal: RocksDB never flushes by itself, and [`Engine::begin_flush`] syncs first.
//!
//! Any error of a write or a sync is final: the caller stops acknowledging and the process ends. RocksDB's own
//! resumption after such an error is switched off, since after it the fate of what was in flight is unknown. (After a full disk RocksDB
//! still resumes, and flushes, once there is space; the process has ended by then.)

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::{BoundColumnFamily, DBRawIteratorWithThreadMode, DBWithThreadMode, MultiThreaded, WriteBatch};

use crate::{
    StorageError, StorageOptions,
    engine::{
        batch_file::{BatchFile, sync_folder},
        buffers::ReadBuffers,
        entry_log::{self, Entry, EntryLog},
        fault::{EngineFaults, Operation},
        file_name::{self, FileName},
        journal::{
            Journal,
            record::{self, FILE_HEADER_LEN, JournalPosition},
        },
        journal_end::{JournalEnd, Lost},
        keys::{self, NodeKey, SETTLED_FAMILY, STATE_FAMILY},
        settled::SettledFiles,
        unflushed::{RecordBytes, Unflushed},
    },
    log::{BatchFamily, GenerationNumber},
};

mod flush;
mod iterator;
mod options;
mod reads;
mod settled;

use self::options::{database_options, families, generation_options, open_batch_files, without_log};
pub(crate) use {iterator::BatchIterator, settled::SettledValue};

type Db = DBWithThreadMode<MultiThreaded>;

/// A family that stays readable for as long as it is held, even if it is dropped meanwhile.
pub(crate) type Family<'a> = Arc<BoundColumnFamily<'a>>;
/// An iterator over a family as it was when the iterator was opened.
pub(crate) type Cursor<'a> = DBRawIteratorWithThreadMode<'a, Db>;

pub(crate) struct Engine {
    db: Db,
    /// Generations that exist as families, whether or not the state names them.
    generations: Mutex<BTreeSet<GenerationNumber>>,
    path: PathBuf,
    pub(crate) journal: Journal,
    pub(crate) settled_files: SettledFiles,
    unflushed: Mutex<Unflushed>,
    /// Held while families are dropped, and while they are listed and their flush begins: RocksDB refuses to flush one that is dropped.
    dropping: Mutex<()>,
    /// The compaction of the settled family has not returned.
    compacting: AtomicBool,
    pub(crate) faults: EngineFaults,
    pub(super) read_buffers: ReadBuffers,
}

impl Engine {
    /// Opens or creates the database, as it was flushed last. [`Self::replay`] does the rest.
    pub(crate) fn open(path: &Path, options: &StorageOptions) -> Result<Self, StorageError> {
        let mut database = database_options(options)?;
        let faults = EngineFaults::of(options);
        faults.limit(&mut database);
        let mut names: BTreeSet<String> = match path.join("CURRENT").exists() {
            true => Db::list_cf(&database, path)?.into_iter().collect(),
            // RocksDB would begin anew, and delete the tables that it does not know.
            false if has_records(path)? => {
                return Err(StorageError::corrupt(
                    "database",
                    "its file CURRENT is missing: restore it from a backup, or write into it the name of the newest MANIFEST file and a line end",
                ));
            }
            false => BTreeSet::new(),
        };
        // RocksDB opens a database only if all its families are named, and has always one called `default`.
        names.extend(["default".into(), STATE_FAMILY.into(), SETTLED_FAMILY.into()]);
        let db = Db::open_cf_descriptors(&database, path, families(&names)?)?;
        faults.keep_files(|| db.disable_file_deletions())?;
        faults.database_is_synced();
        let (most, full_bytes) = (open_batch_files(options), options.settled_file_bytes);
        let journal = Journal::new(path, most, faults.clone());
        let settled_files = SettledFiles::new(path, most, full_bytes, faults);
        Ok(Self::of(db, &names, journal, settled_files, options))
    }

    /// Opens an existing database as it was flushed last, to look at it: nothing in its folder is changed, and a process that has it
    /// open is not disturbed. `logs`: a folder with a log of RocksDB whose operations follow what was flushed.
    pub(crate) fn open_read_only(
        options: &StorageOptions,
        logs: Option<&Path>,
    ) -> Result<Self, StorageError> {
        let path = &options.path;
        let mut database = database_options(options)?;
        if let Some(logs) = logs {
            // These are whole: one that ends in a damaged record is an error.
            database = database.get_options_from_string("wal_recovery_mode=kAbsoluteConsistency")?;
            database.set_wal_dir(logs);
        }
        database.create_if_missing(false);
        database.create_missing_column_families(false);
        let names: BTreeSet<String> = Db::list_cf(&database, path)?.into_iter().collect();
        let db = Db::open_cf_descriptors_read_only(&database, path, families(&names)?, false)?;
        let most = open_batch_files(options);
        let (journal, settled_files) = (Journal::read_only(path, most), SettledFiles::read_only(path, most));
        Ok(Self::of(db, &names, journal, settled_files, options))
    }

    fn of(
        db: Db,
        names: &BTreeSet<String>,
        journal: Journal,
        settled_files: SettledFiles,
        options: &StorageOptions,
    ) -> Self {
        let generations = names.iter().filter_map(|name| GenerationNumber::of_family(name)).collect();
        let limits =
            RecordBytes { operations: options.replay_operations_bytes, bodies: options.replay_body_bytes };
        Self {
            db,
            generations: Mutex::new(generations),
            path: options.path.clone(),
            journal,
            settled_files,
            unflushed: Mutex::new(Unflushed::new(limits)),
            dropping: Mutex::default(),
            compacting: AtomicBool::new(false),
            faults: EngineFaults::of(options),
            read_buffers: ReadBuffers::default(),
        }
    }

    /// Applies what the journal has and RocksDB has not, and makes the journal end where that ends. `fence`: everything below it was
    /// on the disk. If records below it, or below a mark in the journal, are missing, nothing is changed unless `accept_loss`.
    pub(crate) fn replay(
        &self,
        fence: JournalPosition,
        accept_loss: bool,
    ) -> Result<Option<Lost>, StorageError> {
        // None: the folder is new.
        let Some(found) = self.journal.entries_from(self.flushed_entry()?, fence)? else { return Ok(None) };
        for entry in entry_log::entries(&found) {
            // Into memtables only, which nothing flushes before the loss is accepted: a refused start leaves all
            // data as it was.
            self.apply(entry?)?;
        }
        let lost = found.lost();
        if lost.is_some() && !accept_loss {
            return Ok(lost);
        }
        self.unflushed.lock().flushed = found.flushed.unwrap_or(JournalPosition::START);
        self.end_journal_at(&found)?;
        Ok(lost)
    }

    /// Position of the last entry of which RocksDB has the operations.
    pub(crate) fn flushed_entry(&self) -> Result<Option<JournalPosition>, StorageError> {
        let position = self.state_value(&keys::node(NodeKey::Journal))?;
        position.map(|value| JournalPosition::decode(&value)).transpose()
    }

    /// Applies an entry of the log, into memtables: one that the writer has just appended, or one that a start has found.
    fn apply(&self, entry: Entry) -> Result<(), StorageError> {
        let Entry { position, operations, body_bytes } = entry;
        let mut options = without_log();
        // The family of a generation may have been dropped after the entry was written. The writer's own families are
        // held by its group.
        options.set_ignore_missing_column_families(true);
        let bytes = RecordBytes { operations: operations.size_in_bytes() as u64, bodies: body_bytes as u64 };
        self.db.write_opt(operations, &options)?;
        self.unflushed.lock().applied(position, bytes);
        Ok(())
    }

    /// Removes what follows the end, so that no later scan takes it for a record, puts what remains onto the disk, and lets appends go
    /// there.
    fn end_journal_at(&self, found: &JournalEnd) -> Result<(), StorageError> {
        let JournalEnd { files, end, group, mark, .. } = found;
        let (end, group) = (*end, *group);
        let salt = files.get(&end.generation).map(|file| record::salt(file)).transpose()?.flatten();
        // It is missing, or the power failed before its header was on the disk: then no record is in it.
        if !files.contains_key(&end.generation) || (salt.is_none() && end.offset == FILE_HEADER_LEN) {
            self.journal.create(end.generation)?;
        }
        self.journal.start_at(end, group)?;
        self.faults.pass(Operation::Sync, || {
            for (generation, file) in files.range(..=end.generation) {
                // A sync that failed for the last process left pages that count as written: they are written again.
                if *generation >= mark.generation {
                    let from = if *generation == mark.generation { mark.offset } else { FILE_HEADER_LEN };
                    file.write_again(from)?;
                }
                file.sync()?;
            }
            for generation in Journal::generations(&self.path)? {
                if generation > end.generation {
                    BatchFile::remove(&self.path, FileName::Journal(generation), &self.faults)?;
                }
            }
            sync_folder(&self.path, &self.faults)
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The family of everything but batches.
    pub(crate) fn state(&self) -> Result<Family<'_>, StorageError> {
        self.db.cf_handle(STATE_FAMILY).ok_or_else(|| StorageError::corrupt("database", "no state family"))
    }

    /// A family of batches; `None` if it was dropped.
    pub(crate) fn family(&self, family: BatchFamily) -> Option<Family<'_>> {
        self.db.cf_handle(&family.family())
    }

    /// Generations that exist as families, whether or not the state names them.
    pub(crate) fn generations(&self) -> Vec<GenerationNumber> {
        self.generations.lock().iter().copied().collect()
    }

    /// Creates journal and family of a generation; both are on the disk afterwards. A start removes them
    /// unless the state names them.
    pub(crate) fn create_generation(&self, number: GenerationNumber) -> Result<(), StorageError> {
        // The file first: a family must never exist without the journal that its pointers name.
        let create = || {
            self.journal.create(number)?;
            Ok(self.db.create_cf(number.family(), &generation_options()?)?)
        };
        self.faults.pass(Operation::CreateFamily, create)?;
        self.faults.database_is_synced();
        self.generations.lock().insert(number);
        Ok(())
    }

    /// Drops the generation; its files are deleted after its last reader has ended, its journal once no replay needs it.
    pub(crate) fn drop_generation(&self, number: GenerationNumber) -> Result<(), StorageError> {
        let _dropping = self.dropping.lock();
        // Before the family goes, so that no flush or sweep lists it.
        self.generations.lock().remove(&number);
        // An iterator that is open keeps its files, so a reader in the middle of it goes on.
        self.faults.pass(Operation::DropFamily, || Ok(self.db.drop_cf(&number.family())?))?;
        self.faults.database_is_synced();
        self.journal.retire(number);
        self.delete_retired()
    }

    /// Deletes the journals of dropped generations that RocksDB has flushed beyond.
    pub(crate) fn delete_retired(&self) -> Result<(), StorageError> {
        let flushed = self.unflushed.lock().flushed;
        if !self.journal.has_retired(flushed) {
            return Ok(());
        }
        self.faults.pass(Operation::DeleteJournal, || self.journal.delete_retired(flushed))
    }

    /// The file of that name, which stays readable for as long as it is held; `None` if it was deleted.
    pub(crate) fn batch_file(&self, name: FileName) -> Result<Option<Arc<BatchFile>>, StorageError> {
        match name {
            FileName::Journal(generation) => self.journal.file(generation),
            name => self.settled_files.file(name),
        }
    }

    /// Bytes that a family of batches holds in files and in memory, and in its journal or its settled files.
    pub(crate) fn held_bytes(&self, family: BatchFamily) -> Result<u64, StorageError> {
        // A generation that was dropped meanwhile holds nothing.
        let in_files = match family {
            BatchFamily::Generation(number) => self.journal.bytes(number)?,
            BatchFamily::Settled => self.settled_files.held_bytes(),
        };
        let Some(family) = self.family(family) else { return Ok(0) };
        Ok(in_files + self.family_bytes(&family)?)
    }

    /// Bytes of a family in table files and in memory.
    fn family_bytes(&self, family: &Family<'_>) -> Result<u64, StorageError> {
        let tables = self.property(family, "rocksdb.total-sst-files-size")?;
        Ok(tables + self.property(family, "rocksdb.cur-size-all-mem-tables")?)
    }

    fn property(&self, family: &Family<'_>, name: &str) -> Result<u64, StorageError> {
        let value = self.db.property_int_value_cf(family, name)?;
        value.ok_or_else(|| StorageError::corrupt("database", format_args!("no property {name}")))
    }

    /// Hands a write group to the journal, that is to the operating system, and makes it readable.
    pub(crate) fn write(&self, mut operations: WriteBatch, bodies: &[Bytes]) -> Result<(), StorageError> {
        self.faults.pass(Operation::Write, || {
            let position = self.journal.next_record()?;
            // Flushed together with all else of the group: so it names the record at which a replay begins.
            operations.put_cf(&self.state()?, keys::node(NodeKey::Journal), position.encode());
            let entry = Entry { position, operations, body_bytes: bodies.iter().map(Bytes::len).sum() };
            // Before RocksDB shows a pointer to a body. If RocksDB fails afterwards, the process ends, and
            // the next start applies the entry.
            self.journal.append_entry(&entry, bodies)?;
            self.apply(entry)
        })
    }

    /// Puts everything onto the disk for which [`Engine::write`] has returned; returns how far that is.
    pub(crate) fn sync(&self) -> Result<JournalPosition, StorageError> {
        // Before the sync, which may not cover what is written meanwhile.
        let upto = self.journal.written();
        self.faults.pass(Operation::Sync, || self.journal.durable_up_to(upto))?;
        Ok(upto)
    }

    /// Stops flushes and compactions, waiting for those under way.
    pub(crate) fn stop_background_work(&self) {
        self.db.cancel_all_background_work(true);
    }
}

/// True if the folder holds a table of RocksDB, a settled file, or a journal with more than its header.
fn has_records(folder: &Path) -> Result<bool, StorageError> {
    let failed = StorageError::io("list the data folder");
    for entry in std::fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.file_name();
        let is_table = Path::new(&name).extension().is_some_and(|extension| extension == "sst");
        let is_journal = name.to_str().and_then(file_name::generation_of).is_some();
        let is_settled = name.to_str().and_then(file_name::settled_of).is_some();
        if is_table || is_settled || is_journal && entry.metadata().map_err(&failed)?.len() > FILE_HEADER_LEN
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
