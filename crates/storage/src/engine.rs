//! RocksDB: its families, its settings and their reasons, and every call of the crate to it.
//!
//! Any error of a write or a sync is final: the caller stops acknowledging and the process ends. RocksDB's own
//! resumption is switched off, since after it the fate of what was in flight is unknown.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, BoundColumnFamily, Cache, ColumnFamilyDescriptor, DBRawIteratorWithThreadMode,
    DBRecoveryMode, DBWithThreadMode, LogLevel, MultiThreaded, Options, ReadOptions, WriteBatch,
    WriteOptions,
};
use self_cell::self_cell;

use crate::{
    StorageError, StorageOptions,
    fault::{EngineFaults, Operation},
    keys::{self, BatchFamily, GenerationNumber, SETTLED_FAMILY, STATE_FAMILY},
};

type Db = DBWithThreadMode<MultiThreaded>;

/// A family that stays readable for as long as it is held, even if it is dropped meanwhile.
pub(crate) type Family<'a> = Arc<BoundColumnFamily<'a>>;
pub(crate) type Cursor<'a> = DBRawIteratorWithThreadMode<'a, Db>;

self_cell! {
    /// An iterator over batches that keeps its engine, so that it can be kept between calls.
    pub(crate) struct BatchIterator {
        owner: Arc<Engine>,
        #[not_covariant]
        dependent: Cursor,
    }
}

impl BatchIterator {
    /// Over the keys of `family` that are ≥ `from` and < `to`. Blocks are not checked: the caller checks each batch's CRC-32C.
    pub(crate) fn open(engine: &Arc<Engine>, family: &Family<'_>, from: &[u8], to: &[u8]) -> Self {
        let mut options = range(from, to);
        options.set_verify_checksums(false);
        Self::new(Arc::clone(engine), |engine| engine.db.raw_iterator_cf_opt(family, options))
    }

    pub(crate) fn seek(&mut self, key: impl AsRef<[u8]>) {
        self.with_dependent_mut(|_, cursor| cursor.seek(key));
    }

    pub(crate) fn seek_for_prev(&mut self, key: impl AsRef<[u8]>) {
        self.with_dependent_mut(|_, cursor| cursor.seek_for_prev(key));
    }

    pub(crate) fn seek_to_last(&mut self) {
        self.with_dependent_mut(|_, cursor| cursor.seek_to_last());
    }

    /// Moves to the next key, unless it is at its end.
    pub(crate) fn next(&mut self) {
        self.with_dependent_mut(|_, cursor| {
            if cursor.valid() {
                cursor.next();
            }
        });
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.item().map(|(key, _)| key)
    }

    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.item().map(|(_, value)| value)
    }

    pub(crate) fn item(&self) -> Option<(&[u8], &[u8])> {
        self.with_dependent(|_, cursor| cursor.item())
    }

    /// The error that ended it, if one did.
    pub(crate) fn status(&self) -> Result<(), StorageError> {
        Ok(self.with_dependent(|_, cursor| cursor.status())?)
    }
}

/// Memtables are switched at this size; flushed files are as large.
const WRITE_BUFFER_BYTES: usize = 32 << 20;
/// Full memtables that may wait for their flush before writes do.
const WRITE_BUFFERS: i32 = 4;
/// Blocks of the state family and of index look-ups; catch-up reads pass it by.
const BLOCK_CACHE_BYTES: usize = 8 << 20;
const NEVER: i32 = i32::MAX;

pub(crate) struct Engine {
    db: Db,
    /// Generations that exist as families, whether or not the state names them.
    generations: Mutex<BTreeSet<GenerationNumber>>,
    pub(crate) faults: EngineFaults,
}

impl Engine {
    /// Opens or creates the database. Replays the write-ahead log up to its first bad record.
    pub(crate) fn open(path: &Path, options: &StorageOptions) -> Result<Self, StorageError> {
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let database = database_options(options)?;
        let mut names: BTreeSet<String> = match path.join("CURRENT").exists() {
            true => Db::list_cf(&database, path)?.into_iter().collect(),
            false => BTreeSet::new(),
        };
        names.extend(["default".into(), STATE_FAMILY.into(), SETTLED_FAMILY.into()]);
        let generations = names.iter().filter_map(|name| GenerationNumber::of_family(name)).collect();
        let families = names.into_iter().map(|name| {
            let options = match GenerationNumber::of_family(&name) {
                Some(_) => generation_options()?,
                None if name == SETTLED_FAMILY => leveled(batch_family()?),
                None => state_options(&cache)?,
            };
            Ok(ColumnFamilyDescriptor::new(name, options))
        });
        let families = families.collect::<Result<Vec<_>, StorageError>>()?;
        let db = Db::open_cf_descriptors(&database, path, families)?;
        Ok(Self { db, generations: Mutex::new(generations), faults: EngineFaults::of(options) })
    }

    pub(crate) fn state(&self) -> Result<Family<'_>, StorageError> {
        self.db.cf_handle(STATE_FAMILY).ok_or_else(|| StorageError::corrupt("database", "no state family"))
    }

    pub(crate) fn family(&self, family: BatchFamily) -> Option<Family<'_>> {
        self.db.cf_handle(&family.family())
    }

    /// Generations that exist as families, whether or not the state names them.
    pub(crate) fn generations(&self) -> Vec<GenerationNumber> {
        self.generations.lock().iter().copied().collect()
    }

    pub(crate) fn create_generation(&self, number: GenerationNumber) -> Result<(), StorageError> {
        let create = || Ok(self.db.create_cf(number.family(), &generation_options()?)?);
        self.faults.pass(Operation::CreateFamily, create)?;
        self.generations.lock().insert(number);
        Ok(())
    }

    /// Drops the generation; its files are deleted after its last reader has ended.
    pub(crate) fn drop_generation(&self, number: GenerationNumber) -> Result<(), StorageError> {
        self.generations.lock().remove(&number);
        self.faults.pass(Operation::DropFamily, || Ok(self.db.drop_cf(&number.family())?))
    }

    /// Bytes that a family of batches holds in files and in memory.
    pub(crate) fn held_bytes(&self, family: BatchFamily) -> Result<u64, StorageError> {
        // A generation that was dropped meanwhile holds nothing.
        let Some(family) = self.family(family) else { return Ok(0) };
        let property = |name| {
            let value = self.db.property_int_value_cf(&family, name)?;
            value.ok_or_else(|| StorageError::corrupt("database", format_args!("no property {name}")))
        };
        Ok(property("rocksdb.total-sst-files-size")? + property("rocksdb.cur-size-all-mem-tables")?)
    }

    /// Rewrites the settled family without the deleted batches.
    pub(crate) fn compact_settled(&self) -> Result<(), StorageError> {
        let family = self.family(BatchFamily::Settled);
        let family = family.ok_or_else(|| StorageError::corrupt("database", "no settled family"))?;
        self.faults.pass(Operation::Compact, || {
            self.db.compact_range_cf(&family, None::<&[u8]>, None::<&[u8]>);
            Ok(())
        })
    }

    /// Hands `batch` to the write-ahead log, that is to the operating system, and makes it readable.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.faults.pass(Operation::Write, || Ok(self.db.write_opt(batch, &options)?))
    }

    /// Puts everything onto the disk for which [`Engine::write`] has returned.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.faults.pass(Operation::Sync, || Ok(self.db.flush_wal(true)?))
    }

    /// Writes all memtables to files, so that the next start has nothing to replay.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        let generations = self.generations().into_iter().map(BatchFamily::Generation);
        let of_batches = generations.chain([BatchFamily::Settled]).filter_map(|family| self.family(family));
        let families: Vec<Family<'_>> = of_batches.chain([self.state()?]).collect();
        let families: Vec<&Family<'_>> = families.iter().collect();
        let flush = || Ok(self.db.flush_cfs_opt(&families, &rocksdb::FlushOptions::default())?);
        self.faults.pass(Operation::Flush, flush)
    }

    /// Stops flushes and compactions, waiting for those under way.
    pub(crate) fn stop_background_work(&self) {
        self.db.cancel_all_background_work(true);
    }

    /// Rises with every record written.
    pub(crate) fn sequence(&self) -> u64 {
        self.db.latest_sequence_number()
    }

    pub(crate) fn state_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.db.get_cf(&self.state()?, key)?)
    }

    /// A cursor over the keys of `family` that are ≥ `from` and < `to`, for reading many values once.
    pub(crate) fn cursor<'a>(&'a self, family: &Family<'_>, from: &[u8], to: &[u8]) -> Cursor<'a> {
        self.db.raw_iterator_cf_opt(family, range(from, to))
    }

    /// Calls `each` for every state record whose key starts with `prefix`, in key order.
    pub(crate) fn scan_state(
        &self,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut cursor = self.cursor(&self.state()?, prefix, &keys::after_prefix(prefix));
        cursor.seek_to_first();
        while let Some((key, value)) = cursor.item() {
            each(key, value)?;
            cursor.next();
        }
        Ok(cursor.status()?)
    }
}

fn range(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options.fill_cache(false);
    options
}

fn database_options(options: &StorageOptions) -> Result<Options, StorageError> {
    // These have no setter. RocksDB must not resume after an error. Two flushes run at a time, since one waits for the disk
    // half of its time, and the writer would wait for it.
    let mut database = Options::default().get_options_from_string(
        "max_bgerror_resume_count=0;max_background_flushes=2;max_background_compactions=1",
    )?;
    database.create_if_missing(true);
    database.create_missing_column_families(true);
    database.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    database.set_track_and_verify_wals_in_manifest(true);
    database.set_atomic_flush(true); // several families: none may be ahead of the log (rocksdb#7784)
    database.set_manual_wal_flush(false);
    database.set_recycle_log_file_num(0);
    database.set_max_total_wal_size(options.max_total_wal_bytes);
    database.set_max_open_files(options.max_open_files);
    database.set_bytes_per_sync(1 << 20); // flushed files reach the disk steadily, not in one burst
    database.set_paranoid_checks(true);
    database.set_skip_stats_update_on_db_open(true);
    database.set_stats_dump_period_sec(0);
    database.set_stats_persist_period_sec(0);
    database.set_log_level(LogLevel::Warn);
    database.set_max_log_file_size(1 << 20);
    database.set_keep_log_file_num(2);
    Ok(database)
}

/// Options of all families of batches. Some have no setter: an index with the first key of each block, so that a seek reads
/// no block of a file that has nothing for it; and no read-ahead buffer, since the operating system reads ahead.
fn batch_family() -> Result<Options, StorageError> {
    let table = "block_size=32768;no_block_cache=true;index_type=kBinarySearchWithFirstKey;checksum=kCRC32c;\
                 max_auto_readahead_size=0";
    Ok(Options::default().get_options_from_string(format!("block_based_table_factory={{{table}}}"))?)
}

/// A generation is written once and never compacted: each flushed file is sorted by partition already.
fn generation_options() -> Result<Options, StorageError> {
    let mut family = batch_family()?;
    family.set_write_buffer_size(WRITE_BUFFER_BYTES);
    family.set_max_write_buffer_number(WRITE_BUFFERS);
    family.set_disable_auto_compactions(true);
    family.set_level_zero_file_num_compaction_trigger(NEVER);
    family.set_level_zero_slowdown_writes_trigger(NEVER);
    family.set_level_zero_stop_writes_trigger(NEVER);
    family.set_soft_pending_compaction_bytes_limit(0);
    family.set_hard_pending_compaction_bytes_limit(0);
    Ok(family)
}

/// Each record carries a checksum while it is in memory, an option without a setter; batches have one of their own.
fn state_options(cache: &Cache) -> Result<Options, StorageError> {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_block_size(32 << 10);
    let mut family = Options::default().get_options_from_string("memtable_protection_bytes_per_key=8")?;
    family.set_block_based_table_factory(&table);
    Ok(leveled(family))
}

fn leveled(mut family: Options) -> Options {
    family.set_write_buffer_size(WRITE_BUFFER_BYTES / 2);
    family.set_max_write_buffer_number(WRITE_BUFFERS);
    family
}
