//! Flushes: when one is due, how it begins without holding up writes, how its end is noted.

use std::{sync::atomic::Ordering, time::Duration};

use rocksdb::FlushOptions;

use super::{Engine, Family};
use crate::{
    StorageError, clock,
    engine::{
        fault::Operation,
        unflushed::{Due, RecordBytes},
    },
    log::BatchFamily,
};

/// How often the end of a flush is looked for.
pub(super) const FLUSH_POLL: Duration = Duration::from_millis(2);

impl Engine {
    /// Called by the writer, with nothing unsynced and something in the settled family's memtable: returns once the flush by which
    /// a compaction begins has taken all memtables, so that nothing written later is part of it.
    pub(crate) fn await_compaction(&self) -> Result<(), StorageError> {
        let family = self.settled()?;
        while self.property(&family, "rocksdb.num-entries-active-mem-table")? > 0 {
            self.check_background()?;
            // RocksDB returned without a flush, as it does if a family is dropped just then: all is in memory still.
            if !self.compacting.load(Ordering::SeqCst) {
                return Ok(());
            }
            clock::pause(FLUSH_POLL);
        }
        // What it flushes still counts as unflushed: the engine does not wait for its end.
        Ok(())
    }

    /// An error of RocksDB's own threads, which no call reports.
    pub(super) fn check_background(&self) -> Result<(), StorageError> {
        // RocksDB counts them for the default family only.
        match self.db.property_int_value("rocksdb.background-errors")? {
            None | Some(0) => Ok(()),
            Some(_) => {
                Err(StorageError::Engine("a flush or compaction failed: see RocksDB's LOG file".into()))
            }
        }
    }

    /// Tells if so much is in memory only that a flush is due, and none is under way.
    pub(crate) fn flush_is_due(&self) -> Option<Due> {
        let unflushed = self.unflushed.lock();
        unflushed.due(self.journal.has_retired(unflushed.last_record))
    }

    /// Waits for the flush under way if a replay would be as long as it may be. Called by the writer after each write.
    pub(crate) fn await_room(&self) -> Result<(), StorageError> {
        while self.unflushed.lock().must_wait() {
            // Here, as the thread that awaits flushes may wait for room in the writer's queue.
            self.finish_flush()?;
        }
        Ok(())
    }

    /// At a start, once all is synced: flushes what was replayed, if that was as much as may be. A process that crashes after each
    /// start would otherwise leave more each time.
    pub(crate) fn flush_a_full_replay(&self) -> Result<(), StorageError> {
        if self.unflushed.lock().is_full() {
            self.flush()?;
            let mut unflushed = self.unflushed.lock();
            unflushed.begin();
            let upto = unflushed.last_record;
            unflushed.end(upto);
        }
        Ok(())
    }

    /// Bytes that a replay would read, if the process ended now.
    pub(crate) fn to_replay(&self) -> RecordBytes {
        self.unflushed.lock().to_replay()
    }

    /// Begins to write all memtables to files. Called by the writer: nothing is written meanwhile, so all of it is synced before.
    pub(crate) fn begin_flush(&self) -> Result<(), StorageError> {
        self.check_background()?;
        if self.journal.unsynced_bytes() > 0 {
            self.sync()?;
        }
        let mut options = FlushOptions::default();
        // Returns once all memtables are set aside; threads of RocksDB write them.
        options.set_wait(false);
        self.flush_families(&options)?;
        self.unflushed.lock().begin();
        Ok(())
    }

    /// Waits for the flush that was begun, and deletes the journals that no replay needs any more.
    pub(crate) fn finish_flush(&self) -> Result<(), StorageError> {
        // Before the wait: another thread may note its end, and the next flush begin, before this one goes on.
        let under_way = self.unflushed.lock().under_way();
        while self.is_flushing()? {
            self.check_background()?;
            clock::pause(FLUSH_POLL);
        }
        // Also now: after a full disk RocksDB resumes by itself, and nothing is left to flush.
        self.check_background()?;
        self.faults.database_is_synced();
        if let Some(upto) = under_way {
            self.unflushed.lock().end(upto);
        }
        self.delete_retired()
    }

    /// A memtable that was set aside is not in a file yet. The families are listed anew each time: one that is dropped keeps its own.
    pub(super) fn is_flushing(&self) -> Result<bool, StorageError> {
        for family in self.families()? {
            if self.property(&family, "rocksdb.num-immutable-mem-table")? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A journal in which nothing lives waits for a flush.
    pub(crate) fn has_retired(&self) -> bool {
        self.journal.has_retired(self.unflushed.lock().last_record)
    }

    /// Writes all memtables to files, so that the next start has nothing to replay. Everything must be synced, and nothing be
    /// written meanwhile.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        self.flush_families(&FlushOptions::default())?;
        self.faults.database_is_synced();
        Ok(())
    }

    fn flush_families(&self, options: &FlushOptions) -> Result<(), StorageError> {
        let _dropping = self.dropping.lock();
        let families = self.families()?;
        let families: Vec<&Family<'_>> = families.iter().collect();
        self.faults.pass(Operation::Flush, || Ok(self.db.flush_cfs_opt(&families, options)?))
    }

    fn families(&self) -> Result<Vec<Family<'_>>, StorageError> {
        let generations = self.generations().into_iter().map(BatchFamily::Generation);
        let of_batches = generations.chain([BatchFamily::Settled]).filter_map(|family| self.family(family));
        Ok(of_batches.chain([self.state()?]).collect())
    }
}
