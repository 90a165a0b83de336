//! The plan of one storage: where it stops dead, which of its steps fail, and what of its files is on the disk.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    FileStep, Operation,
    database::Database,
    disk::{Disk, Unsynced},
    order::Order,
};
use crate::{StorageError, StorageOptions, engine::file_name::FileName};

/// The point at which a storage stops dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// At a step of this kind …
    pub operation: Operation,
    /// … this many of them from now, the next one being 1 …
    pub number: u64,
    /// … after the step is done, though its caller is told of a failure; if false, instead of the step, after a delay in
    /// which other writers go on, as with a slow disk.
    pub after: bool,
}

/// Time for which a step that is never done keeps its thread.
const SLOW: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Passes,
    CrashesAfter,
    CrashesInstead,
}

/// The faults of one open storage. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    /// State of the disk; shared by the processes that have the folder one after the other. Locked before `plan`.
    files: Arc<Mutex<Files>>,
}

#[derive(Debug, Default)]
struct Files {
    own: Disk,
    database: Database,
}

#[derive(Debug, Default)]
struct Plan {
    folder: PathBuf,
    /// It is not told what is on the disk: there is no power cut.
    untracked: bool,
    skips_syncs: bool,
    tends_when_asked: bool,
    /// RocksDB writes no more bytes a second than that.
    flush_rate: Option<i64>,
    /// Steps of this kind fail from that number on.
    failing: Option<(Operation, u64)>,
    crash: Option<CrashPoint>,
    stopped: bool,
    /// Steps of the kind that fails.
    passed: u64,
    tasks_left: u64,
    /// The process dies where a test orders it.
    order: Option<Order>,
    /// File and offset of bytes that cannot be read.
    bad_sectors: BTreeSet<(String, u64)>,
}

impl Faults {
    /// The faults that `OTTLA_FAULT` names; usually none.
    pub(crate) fn of_the_process() -> Self {
        let faults = Self::default();
        let text = std::env::var("OTTLA_FAULT").unwrap_or_default();
        let failing = match text.split_once('=').map(|(name, number)| (name, number.parse())) {
            Some(("fail-sync", Ok(number))) => Some((Operation::Sync, number)),
            Some(("fail-write", Ok(number))) => Some((Operation::Write, number)),
            _ => None,
        };
        let mut plan = faults.plan.lock();
        plan.failing = failing;
        plan.order = text.strip_prefix("die-by-order=").map(Order::of);
        plan.untracked = true;
        drop(plan);
        faults.skip_syncs(text == "skip-sync");
        faults
    }

    /// The faults of the next process in the same folder: it has none, and knows what is on the disk.
    #[must_use]
    pub fn of_the_next_process(&self) -> Self {
        Self { plan: Arc::default(), files: Arc::clone(&self.files) }
    }

    /// From now on syncs report success and do nothing, or work again.
    pub fn skip_syncs(&self, skip: bool) {
        self.plan.lock().skips_syncs = skip;
    }

    /// The next opening deletes and cleans nothing by itself, however long it takes: only [`crate::Storage::tend_logs`] does.
    pub fn tend_when_asked(&self) {
        self.plan.lock().tends_when_asked = true;
    }

    pub(crate) fn tends_when_asked(&self) -> bool {
        self.plan.lock().tends_when_asked
    }

    /// The next opening lets RocksDB write no more than that many bytes a second, as a disk that is slower than what is written.
    pub fn slow_flushes(&self, bytes_per_second: i64) {
        self.plan.lock().flush_rate = Some(bytes_per_second);
    }

    pub(crate) fn limit(&self, database: &mut rocksdb::Options) {
        let plan = self.plan.lock();
        if let Some(bytes_per_second) = plan.flush_rate {
            database.set_ratelimiter(bytes_per_second, 10_000, 10);
        }
        if !plan.untracked {
            // Of the time of a walk most is spent in openings: without 15 more threads, and 4 MiB, for a few small files.
            database.set_max_file_opening_threads(1);
            database.set_manifest_preallocation_size(64 << 10);
        }
    }

    /// Steps of this kind fail, from this many of them from now on, the next one being 1.
    pub fn fail_from(&self, operation: Operation, number: u64) {
        let mut plan = self.plan.lock();
        (plan.failing, plan.passed) = (Some((operation, number)), 0);
    }

    /// Reads of that byte of a journal file fail from now on with EIO, as from a bad sector, or work again.
    pub fn bad_sector(&self, file: &str, offset: u64, bad: bool) {
        let sector = (file.to_owned(), offset);
        let sectors = &mut self.plan.lock().bad_sectors;
        if bad {
            sectors.insert(sector)
        } else {
            sectors.remove(&sector)
        };
    }

    pub(crate) fn read(&self, file: FileName, offset: u64, length: usize) -> io::Result<()> {
        let plan = self.plan.lock();
        if plan.bad_sectors.is_empty() {
            return Ok(());
        }
        let (from, to) =
            ((file.to_string(), offset), (file.to_string(), offset.saturating_add(length as u64)));
        match plan.bad_sectors.range(from..to).next() {
            Some(_) => Err(rustix::io::Errno::IO.into()),
            None => Ok(()),
        }
    }

    /// Stops the storage dead once it comes to that point: nothing reaches the disk any more. `None`: goes on.
    pub fn crash_at(&self, point: Option<CrashPoint>) {
        self.plan.lock().crash = point;
    }

    /// Stops the storage dead at its next step, if it did not stop before.
    pub fn crash_now(&self) {
        self.plan.lock().stopped = true;
    }

    /// The storage stopped dead.
    pub fn is_stopped(&self) -> bool {
        self.plan.lock().stopped
    }

    /// Families that are still to be created or dropped off the writer's thread.
    pub fn tasks_left(&self) -> u64 {
        self.plan.lock().tasks_left
    }

    /// Does to `folder`, which no process uses any more, what a power cut does: `keeps` says of each change of a file that was not
    /// synced if it reached the disk.
    ///
    /// # Errors
    /// A file cannot be changed.
    pub fn cut_power(&self, folder: &Path, mut keeps: impl FnMut(&str, Unsynced) -> bool) -> io::Result<()> {
        let mut files = self.files.lock();
        files.own.cut_power(folder, &mut keeps)?;
        files.database.cut_power(folder, &mut keeps)
    }

    pub(crate) fn task_queued(&self) {
        self.plan.lock().tasks_left += 1;
    }

    pub(crate) fn task_done(&self) {
        self.plan.lock().tasks_left -= 1;
    }

    pub(crate) fn of(options: &StorageOptions) -> Self {
        options.faults.plan.lock().folder.clone_from(&options.path);
        options.faults.clone()
    }

    /// Does the step, unless it is to fail.
    pub(crate) fn pass(
        &self,
        operation: Operation,
        step: impl FnOnce() -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let (arrival, skipped) = {
            let mut plan = self.plan.lock();
            let arrival = plan.arrive(operation).ok_or_else(stopped)?;
            (arrival, operation == Operation::Sync && plan.skips_syncs)
        };
        self.crash_instead(arrival).map_err(|_| stopped())?;
        if !skipped {
            step()?;
        }
        self.crash_after(arrival).map_err(|_| stopped())
    }

    /// Does a call that changes a file, unless it is to fail, and notes what is on the disk.
    pub(crate) fn file<T>(&self, step: FileStep, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let (arrival, folder, stopped) = {
            let mut plan = self.plan.lock();
            let folder = (!plan.untracked).then(|| plan.folder.clone());
            (plan.arrive(step.operation()), folder, plan.stopped)
        };
        let Some(arrival) = arrival else {
            // As a real one: its bytes count as written for the system, and are not on the disk.
            if let (FileStep::Sync(file), Some(folder), false) = (step, folder, stopped) {
                self.files.lock().own.sync_failed(&folder, file);
            }
            return Err(injected());
        };
        self.crash_instead(arrival)?;
        let Some(folder) = folder else {
            let done = call()?;
            return self.crash_after(arrival).map(|()| done);
        };
        // Not locked during the call: other threads write and sync meanwhile, as on a real disk.
        let before = self.files.lock().own.before(&folder, step);
        let done = call();
        {
            let mut files = self.files.lock();
            if arrival == Arrival::CrashesAfter {
                files.own.cut_last_write(step)?;
            }
            // Where it stopped meanwhile the caller is told of a failure: nothing is promised.
            files.own.after(&folder, step, before, done.is_ok() && !self.is_stopped());
        }
        let done = done?;
        self.crash_after(arrival).map(|()| done)
    }

    /// RocksDB has told that its files are on the disk, as they are now.
    pub(crate) fn database_is_synced(&self) {
        let plan = self.plan.lock();
        if !plan.stopped && !plan.untracked {
            let folder = plan.folder.clone();
            drop(plan);
            self.files.lock().database.is_synced(&folder);
        }
    }

    /// Has RocksDB keep its files from now on, by `keep`, if the power may be cut.
    pub(crate) fn keep_files(
        &self,
        keep: impl FnOnce() -> Result<(), rocksdb::Error>,
    ) -> Result<(), StorageError> {
        match self.plan.lock().untracked {
            true => Ok(()),
            false => Ok(keep()?),
        }
    }

    fn crash_instead(&self, arrival: Arrival) -> io::Result<()> {
        if arrival == Arrival::CrashesInstead {
            // What others do in this time is done: only this step is missing.
            thread::sleep(SLOW);
            self.plan.lock().stopped = true;
            return Err(injected());
        }
        Ok(())
    }

    /// It may also have stopped elsewhere meanwhile: the step is done, and its caller is told of a failure.
    fn crash_after(&self, arrival: Arrival) -> io::Result<()> {
        let mut plan = self.plan.lock();
        plan.stopped |= arrival == Arrival::CrashesAfter;
        if plan.stopped { Err(injected()) } else { Ok(()) }
    }
}

impl Plan {
    /// Counts the step; `None` if it must not be done.
    fn arrive(&mut self, operation: Operation) -> Option<Arrival> {
        if self.stopped {
            return None;
        }
        if let Some(order) = &mut self.order {
            order.arrive();
        }
        if let Some((_, number)) = self.failing.filter(|(failing, _)| *failing == operation) {
            self.passed += 1;
            if self.passed >= number {
                return None;
            }
        }
        let Some(point) = self.crash.as_mut().filter(|point| point.operation == operation) else {
            return Some(Arrival::Passes);
        };
        point.number = point.number.saturating_sub(1);
        Some(match (point.number, point.after) {
            (0, true) => Arrival::CrashesAfter,
            (0, false) => Arrival::CrashesInstead,
            _ => Arrival::Passes,
        })
    }
}

impl FileStep {
    fn operation(self) -> Operation {
        match self {
            Self::Create(_) => Operation::CreateFile,
            Self::Write { .. } => Operation::WriteFile,
            Self::Cut { .. } => Operation::CutFile,
            Self::Sync(_) => Operation::SyncFile,
            Self::Rename { .. } => Operation::RenameFile,
            Self::Remove(_) => Operation::RemoveFile,
            Self::SyncFolder => Operation::SyncFolder,
        }
    }
}

fn injected() -> io::Error {
    io::Error::other("injected fault")
}

fn stopped() -> StorageError {
    StorageError::Io { context: "injected", source: Arc::new(injected()) }
}
