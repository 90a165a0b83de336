//! Injected faults, compiled in only with the feature `fault`: with them a test shows that it would notice such a fault.
//!
//! Every step by which the engine changes the disk passes here first ([`Operation`]). Each storage has faults of its own
//! (`StorageOptions::faults`), so tests with different ones run side by side. A storage can stop dead at any step, before
//! or after it, as a killed process does; what was not synced can then be cut off, as a power cut does. A process takes
//! its faults from `OTTLA_FAULT`:
//! - `skip-sync`: syncs report success and do nothing, so a power cut must lose acknowledged records;
//! - `fail-sync=N`: the N-th sync and all later ones fail;
//! - `fail-write=N`: the N-th write and all later ones fail.

/// A step by which the engine changes what is on the disk.
#[cfg_attr(not(feature = "fault"), expect(unreachable_pub, reason = "public with the feature"))]
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
}

#[cfg(not(feature = "fault"))]
mod switch {
    use super::Operation;
    use crate::{StorageError, StorageOptions};

    pub(crate) struct Faults;

    impl Faults {
        pub(crate) fn of(_: &StorageOptions) -> Self {
            Self
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
        pub(crate) fn task_queued(&self) {}

        #[inline]
        pub(crate) fn task_done(&self) {}
    }
}

#[cfg(feature = "fault")]
mod switch {
    use std::{
        collections::BTreeMap,
        fs::{self, File},
        io,
        os::unix::fs::FileExt,
        path::{Path, PathBuf},
        sync::Arc,
        thread,
        time::Duration,
    };

    use parking_lot::Mutex;

    use super::Operation;
    use crate::{StorageError, StorageOptions, engine::journal::record, log::GenerationNumber};

    /// Bytes that a disk writes as a whole.
    const SECTOR: u64 = 512;

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
    }

    #[derive(Debug, Default)]
    struct Plan {
        folder: PathBuf,
        skips_syncs: bool,
        /// Steps of this kind fail from that number on.
        failing: Option<(Operation, u64)>,
        crash: Option<CrashPoint>,
        stopped: bool,
        /// Steps of the kind that fails.
        passed: u64,
        tasks_left: u64,
        /// How much of each journal is on the disk.
        synced: BTreeMap<GenerationNumber, u64>,
    }

    impl Faults {
        /// The faults that `OTTLA_FAULT` names; usually none.
        pub fn of_the_process() -> Self {
            let faults = Self::default();
            let text = std::env::var("OTTLA_FAULT").unwrap_or_default();
            let failing = match text.split_once('=').map(|(name, number)| (name, number.parse())) {
                Some(("fail-sync", Ok(number))) => Some((Operation::Sync, number)),
                Some(("fail-write", Ok(number))) => Some((Operation::Write, number)),
                _ => None,
            };
            faults.plan.lock().failing = failing;
            faults.skip_syncs(text == "skip-sync");
            faults
        }

        /// The faults of the next process in the same folder: it has none, and knows what is on the disk.
        #[must_use]
        pub fn of_the_next_process(&self) -> Self {
            let synced = self.plan.lock().synced.clone();
            Self { plan: Arc::new(Mutex::new(Plan { synced, ..Plan::default() })) }
        }

        /// From now on syncs report success and do nothing, or work again.
        pub fn skip_syncs(&self, skip: bool) {
            self.plan.lock().skips_syncs = skip;
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

        /// Does to `folder`, which no process uses any more, what a power cut does: `keeps` says of each sector of 512 bytes that was
        /// written to a journal and not synced if it reached the disk. One that did not reads as zeros, or ends the file.
        ///
        /// # Errors
        /// A file cannot be changed.
        pub fn cut_power(&self, folder: &Path, mut keeps: impl FnMut() -> bool) -> io::Result<()> {
            for (generation, written) in journals(folder)? {
                let synced = self.plan.lock().synced.get(&generation).copied().unwrap_or(0).min(written);
                let path = folder.join(record::file_name(generation));
                let file = File::options().write(true).open(path)?;
                let mut end = synced;
                let mut at = synced;
                while at < written {
                    let next = (at / SECTOR + 1).saturating_mul(SECTOR).min(written);
                    if keeps() {
                        end = next;
                    } else {
                        file.write_all_at(&vec![0; (next - at) as usize], at)?;
                    }
                    at = next;
                }
                file.set_len(end)?;
            }
            Ok(())
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
            let syncs = operation == Operation::Sync;
            let (arrival, folder, skipped) = {
                let mut plan = self.plan.lock();
                (plan.arrive(operation)?, plan.folder.clone(), syncs && plan.skips_syncs)
            };
            if arrival == Arrival::CrashesInstead {
                thread::sleep(SLOW);
                self.plan.lock().stopped = true;
                return Err(injected());
            }
            // Before the sync: what is written beside it may not be in it.
            let lengths =
                if syncs && !skipped { journals(&folder).unwrap_or_default() } else { BTreeMap::new() };
            if !skipped {
                step()?;
            }
            // A new file is created with its header on the disk.
            let created = if operation == Operation::CreateFamily {
                journals(&folder).unwrap_or_default()
            } else {
                BTreeMap::new()
            };
            let mut plan = self.plan.lock();
            for (generation, length) in created {
                plan.synced.entry(generation).or_insert(length);
            }
            plan.synced.extend(lengths);
            plan.stopped |= arrival == Arrival::CrashesAfter;
            // It may also have stopped elsewhere meanwhile: the step is done, and its caller is told of a failure.
            if plan.stopped { Err(injected()) } else { Ok(()) }
        }
    }

    impl Plan {
        /// Counts the step; fails if it must not be done.
        fn arrive(&mut self, operation: Operation) -> Result<Arrival, StorageError> {
            if self.stopped {
                return Err(injected());
            }
            if let Some((_, number)) = self.failing.filter(|(failing, _)| *failing == operation) {
                self.passed += 1;
                if self.passed >= number {
                    return Err(injected());
                }
            }
            let Some(point) = self.crash.as_mut().filter(|point| point.operation == operation) else {
                return Ok(Arrival::Passes);
            };
            point.number = point.number.saturating_sub(1);
            Ok(match (point.number, point.after) {
                (0, true) => Arrival::CrashesAfter,
                (0, false) => Arrival::CrashesInstead,
                _ => Arrival::Passes,
            })
        }
    }

    /// The journals of a folder with their lengths.
    fn journals(folder: &Path) -> io::Result<BTreeMap<GenerationNumber, u64>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if let Some(generation) = entry.file_name().to_str().and_then(record::generation_of)
                && let Ok(metadata) = entry.metadata()
            {
                found.insert(generation, metadata.len());
            }
        }
        Ok(found)
    }

    fn injected() -> StorageError {
        StorageError::Io { context: "injected", source: Arc::new(io::Error::other("injected fault")) }
    }
}

pub(crate) use switch::Faults as EngineFaults;
#[cfg(feature = "fault")]
pub use switch::{CrashPoint, Faults};
