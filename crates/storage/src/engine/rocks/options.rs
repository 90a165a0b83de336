//! RocksDB's settings and their reasons.

use std::collections::BTreeSet;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, LogLevel, Options, ReadOptions, WriteOptions,
};

use crate::{StorageError, StorageOptions, engine::keys::SETTLED_FAMILY, log::GenerationNumber};

/// RocksDB would flush a memtable of this size by itself, which must not happen: a flush comes long before.
const WRITE_BUFFER_BYTES: usize = 1 << 30;
/// Memtables of a family, flushed ones that are being written included.
/// RocksDB stops writes when all of them are in use.
const WRITE_BUFFERS: i32 = 4;
/// Blocks of the state family that look-ups of one key read, and of the aborted index; other cursors leave none in it.
const BLOCK_CACHE_BYTES: usize = 8 << 20;
const NEVER: i32 = i32::MAX;

/// Each family with its options.
pub(super) fn families(names: &BTreeSet<String>) -> Result<Vec<ColumnFamilyDescriptor>, StorageError> {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let families = names.iter().map(|name| {
        let options = match GenerationNumber::of_family(name) {
            Some(_) => generation_options()?,
            None if name == SETTLED_FAMILY => leveled(batch_family()?),
            None => state_options(&cache)?,
        };
        Ok(ColumnFamilyDescriptor::new(name, options))
    });
    families.collect()
}

/// The share of the open files that journals have, and that settled files have.
pub(super) fn open_batch_files(options: &StorageOptions) -> usize {
    usize::try_from(options.max_open_files.max(8) / 8).expect("a positive number")
}

pub(super) fn without_log() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

pub(super) fn range(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    // What is read in order is read once; it would push everything else out of the cache.
    options.fill_cache(false);
    options
}

pub(super) fn database_options(options: &StorageOptions) -> Result<Options, StorageError> {
    // These have no setter. RocksDB must not resume after an error. Two flushes run at a time, since one waits for the disk
    // half of its time, and the writer would wait for it.
    let mut database = Options::default().get_options_from_string(
        "max_bgerror_resume_count=0;max_background_flushes=2;max_background_compactions=1;\
         avoid_flush_during_shutdown=true",
    )?;
    database.create_if_missing(true);
    database.create_missing_column_families(true);
    database.set_atomic_flush(true); // all families together: the position among them is true of each
    let others = i32::try_from(2 * open_batch_files(options)).expect("a quarter of such a number");
    database.set_max_open_files(options.max_open_files.saturating_sub(others));
    database.set_bytes_per_sync(1 << 20); // flushed files reach the disk steadily, not in one burst
    database.set_paranoid_checks(true);
    // A start need not read the properties of every table file.
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
pub(super) fn generation_options() -> Result<Options, StorageError> {
    let mut family = batch_family()?;
    family.set_write_buffer_size(WRITE_BUFFER_BYTES);
    family.set_max_write_buffer_number(WRITE_BUFFERS);
    // Its space comes back as a whole, by settling (ADR 3).
    family.set_disable_auto_compactions(true);
    family.set_level_zero_file_num_compaction_trigger(NEVER);
    never_hold_up_writes(&mut family);
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
    family.set_write_buffer_size(WRITE_BUFFER_BYTES);
    family.set_max_write_buffer_number(WRITE_BUFFERS);
    never_hold_up_writes(&mut family);
    family
}

/// Compactions that lag must not hold up a flush, for which the writer would wait.
fn never_hold_up_writes(family: &mut Options) {
    family.set_level_zero_slowdown_writes_trigger(NEVER);
    family.set_level_zero_stop_writes_trigger(NEVER);
    family.set_soft_pending_compaction_bytes_limit(0);
    family.set_hard_pending_compaction_bytes_limit(0);
}
