//! The end of a storage in the middle of its work, and what may be there afterwards: all that was acknowledged, and what was
//! in flight as far as the storage came, each request wholly or not at all.

use crate::common::Partitions;
use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, rngs::StdRng};
use storage::{Acks, CrashPoint, OpenError, Operation, Storage, Unsynced};

use crate::{Walk, log::Batch};

/// A topic's name and the index of one of its partitions.
pub(crate) type LogName = (String, usize);

/// One append request, or the end of a transaction: batches that are there together or not at all.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) acks: Acks,
    pub(crate) batches: Vec<(LogName, Batch)>,
    /// It carries a coordinators' record, with this number.
    pub(crate) count: Option<u64>,
}

/// Requests that were not answered when the storage ended.
#[derive(Debug)]
pub(crate) enum Doubt {
    /// These, in this order; how many the operating system has for certain, and how many the disk.
    Appends {
        requests: Vec<Request>,
        written: usize,
        synced: usize,
    },
    /// All these logs begin there, or all where they did.
    LogStarts(BTreeMap<LogName, i64>),
    Created {
        name: String,
        keyed: bool,
    },
    Deleted(String),
    /// Retention, cleaning and settling came as far as they came.
    Tended,
    /// The clean mark is there or not.
    Closed,
}

/// The last view of a log that readers had.
struct Seen {
    log_start_offset: i64,
    last_stable_offset: i64,
    high_watermark: i64,
}

/// Changes of a file that reached the disk.
enum Fate {
    Nothing,
    All,
    /// This many blocks, the first ones.
    First {
        blocks: u64,
        seen: BTreeSet<u64>,
    },
    /// Four blocks of five.
    Some(BTreeMap<u64, bool>),
}

impl Fate {
    fn of(random: &mut StdRng) -> Self {
        match random.random_range(0..6) {
            0 | 1 => Self::Nothing,
            2 => Self::All,
            3 => Self::First { blocks: random.random_range(0..40), seen: BTreeSet::new() },
            _ => Self::Some(BTreeMap::new()),
        }
    }

    fn keeps(&mut self, block: u64, random: &mut StdRng) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::First { blocks, seen } => {
                seen.insert(block);
                seen.len() as u64 <= *blocks
            }
            Self::Some(kept) => *kept.entry(block).or_insert_with(|| random.random_range(0..5) > 0),
        }
    }
}

impl Walk {
    /// Works on until the storage stops dead at some step, opens the folder that it left and compares.
    pub(crate) fn crash(&mut self, step: u64) {
        let power = self.random.random();
        let point = self.crash_point();
        self.context += &format!(", {} at {point:?}", if power { "power cut" } else { "killed" });
        self.faults.crash_at(Some(point));
        let mut doubt = None;
        for _ in 0..6 {
            doubt = self.act_towards(point.operation, step);
            if doubt.is_some() || self.faults.is_stopped() {
                break;
            }
        }
        if doubt.is_none() {
            self.faults.crash_now();
        }
        let seen = self.seen();
        // Answers all callers that wait; the stopped storage cannot write any more.
        self.storage().close().ok();
        self.storage = None;
        if power {
            self.cut_power();
        }
        // What was not synced before may also be lost on the way.
        let power =
            self.reopen(if matches!(doubt, Some(Doubt::Closed)) { None } else { Some(true) }) || power;
        self.check_seen(&seen, power, &doubt);
        if let Some(doubt) = doubt {
            self.resolve(doubt, power);
        }
        self.check_records();
    }

    /// Asks for something that may lead to such a step.
    fn act_towards(&mut self, operation: Operation, step: u64) -> Option<Doubt> {
        let dice = self.random.random_range(0..12);
        let ends_generations = matches!(
            operation,
            Operation::DropFamily | Operation::DeleteJournal | Operation::RemoveFile | Operation::CutFile
        );
        match (operation, dice) {
            (Operation::Flush, 0..=6) | (_, 0) => self.close(),
            (_, 1..=4) if ends_generations && self.topics.len() > 1 => self.delete(),
            (_, 1..=7) if ends_generations => self.delete_records(),
            (Operation::Compact, _) => self.tend(),
            _ if ends_generations => self.tend(),
            // Of a settled file, else of a journal.
            (Operation::CreateFile | Operation::SyncFolder, 1..=4) => self.tend(),
            (Operation::CreateFamily | Operation::CreateFile | Operation::SyncFolder, _) => self.append(step),
            (_, 1) if self.topics.len() < 4 => self.create(),
            (_, 2) if self.topics.len() > 1 => self.delete(),
            (_, 3 | 4) => self.delete_records(),
            (_, 5..=8) => self.tend(),
            (_, 9) => self.take_over(step),
            _ => self.append(step),
        }
    }

    fn crash_point(&mut self) -> CrashPoint {
        let operation = match self.random.random_range(0..30) {
            0..6 => Operation::Write,
            6..11 => Operation::Sync,
            11 => Operation::CreateFamily,
            12 => Operation::DropFamily,
            13 => Operation::Compact,
            14 => Operation::DeleteJournal,
            15..18 => Operation::Flush,
            18..21 => Operation::WriteFile,
            21..25 => Operation::SyncFile,
            25 => Operation::CreateFile,
            26 => Operation::CutFile,
            27 => Operation::RemoveFile,
            28 => Operation::RenameFile,
            _ => Operation::SyncFolder,
        };
        let number = match operation {
            Operation::Write | Operation::WriteFile if self.random.random() => {
                self.random.random_range(1..12)
            }
            Operation::Write | Operation::Sync | Operation::WriteFile | Operation::SyncFile => {
                self.random.random_range(1..4)
            }
            _ => 1,
        };
        CrashPoint { operation, number, after: self.random.random() }
    }

    fn cut_power(&mut self) {
        let random = &mut self.random;
        // Sectors of 512 bytes, or pages of 4 KiB.
        let block = [1, 8][random.random_range(0..2)];
        let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
        let keeps = |file: &str, what| {
            let fate = fates.entry(file.to_owned()).or_insert_with(|| Fate::of(random));
            match what {
                Unsynced::Sector(number) | Unsynced::Manifest(number) => fate.keeps(number / block, random),
                Unsynced::Length => random.random_range(0..4) == 0,
                Unsynced::Name | Unsynced::Database | Unsynced::Unknown => random.random(),
            }
        };
        self.faults.cut_power(self.folder.path(), keeps).unwrap();
    }

    /// Opens the folder, perhaps not at the first attempt. `unclean` is what the storage must find, if that is certain. Returns
    /// true if the power was cut between two attempts.
    pub(crate) fn reopen(&mut self, mut unclean: Option<bool>) -> bool {
        self.storage = None;
        let mut cut = false;
        while self.random.random_range(0..4) == 0 {
            let point = CrashPoint { number: self.random.random_range(1..3), ..self.crash_point() };
            let power = self.random.random();
            self.faults = self.faults.of_the_next_process();
            self.faults.crash_at(Some(point));
            let look = self.look();
            match Storage::open(self.options()) {
                Ok(storage) => {
                    look.iter().for_each(|look| self.is_as_it_looked(&storage, look));
                    self.faults.crash_at(None);
                    self.opened(storage, unclean);
                    return cut;
                }
                Err(OpenError::Storage { .. }) if self.faults.is_stopped() => {}
                Err(error) => panic!("{}: {error}", self.context),
            }
            if power {
                self.cut_power();
                cut = true;
            }
            // It may have come as far as to note that it started.
            unclean = unclean.filter(|unclean| *unclean);
        }
        self.faults = self.faults.of_the_next_process();
        self.faults.skip_syncs(self.skips_syncs);
        let look = self.look();
        let storage = Storage::open(self.options());
        let storage = storage.unwrap_or_else(|error| panic!("{}: {error}", self.context));
        look.iter().for_each(|look| self.is_as_it_looked(&storage, look));
        self.opened(storage, unclean);
        cut
    }

    fn opened(&mut self, storage: Storage, unclean: Option<bool>) {
        let found = storage.recovery().unclean;
        assert!(unclean.is_none_or(|unclean| unclean == found), "{}: unclean {found}", self.context);
        self.storage = Some(storage);
        for (name, topic) in &mut self.topics {
            topic.never_restarted = false;
            let catalog = self.storage.as_ref().unwrap().cluster().catalog();
            let Some(topic_found) = catalog.topic(name) else { continue };
            for (log, partition) in topic.logs.iter_mut().zip(&topic_found.partitions()) {
                let least = log.leader_epoch + i32::from(found);
                assert!(partition.leader_epoch() >= least, "{}: {name} is in an old epoch", self.context);
                log.leader_epoch = partition.leader_epoch();
            }
        }
    }

    fn seen(&self) -> BTreeMap<LogName, Seen> {
        let mut seen = BTreeMap::new();
        for (name, index) in self.log_names() {
            let catalog = self.storage().cluster().catalog();
            let Some(topic) = catalog.topic(&name) else { continue };
            // In the middle of a take-over it is not visible.
            let Some(partition) = topic.partitions().get(index).cloned() else { continue };
            // In this order: each is at most the next, and none goes back.
            let log_start_offset = partition.log_start_offset();
            let last_stable_offset = partition.last_stable_offset();
            let high_watermark = partition.high_watermark();
            let context = format!("{} {name}-{index}", self.context);
            assert!(log_start_offset <= last_stable_offset, "{context}");
            assert!(last_stable_offset <= high_watermark, "{context}");
            seen.insert((name, index), Seen { log_start_offset, last_stable_offset, high_watermark });
        }
        seen
    }

    /// Records that readers saw are found, and deleted records stay deleted. Records of acks=1 are seen before they are synced.
    fn check_seen(&self, seen: &BTreeMap<LogName, Seen>, power: bool, doubt: &Option<Doubt>) {
        let unsynced = match doubt {
            Some(Doubt::Appends { requests, .. }) => requests.iter().any(|each| each.acks != Acks::All),
            _ => false,
        };
        let catalog = self.storage().cluster().catalog();
        for ((name, index), seen) in seen {
            let Some(topic) = catalog.topic(name) else { continue };
            let partition = &topic.partitions()[*index];
            let (start, end) = (partition.log_start_offset(), partition.high_watermark());
            let context = format!("{} {name}-{index}", self.context);
            assert!(start >= seen.log_start_offset, "{context}: it began at {}", seen.log_start_offset);
            let lasting = !(power && unsynced);
            assert!(!lasting || end >= seen.high_watermark, "{context}: {} was seen", seen.high_watermark);
            let (stable, before) = (partition.last_stable_offset(), seen.last_stable_offset);
            assert!(!lasting || stable >= before, "{context}: {stable} is stable, {before} was");
        }
    }

    /// Finds the outcome of the requests in flight: it must be an allowed one.
    fn resolve(&mut self, doubt: Doubt, power: bool) {
        match doubt {
            Doubt::Appends { requests, written, synced } => {
                self.resolve_appends(requests, if power { synced } else { written });
            }
            Doubt::LogStarts(starts) => {
                let found = |(name, index): &LogName| self.partition(name, *index).log_start_offset();
                let changed = |name: &LogName, start: i64| start != self.log(name).start;
                let moved = starts.iter().filter(|(name, start)| changed(name, **start));
                let done: Vec<bool> = moved.map(|(name, start)| found(name) == *start).collect();
                assert!(done.iter().all(|one| *one == done[0]), "{}: {done:?} of {starts:?}", self.context);
                if done.first() == Some(&true) {
                    self.move_log_starts(&starts);
                }
            }
            Doubt::Created { name, keyed } => {
                if self.storage().cluster().catalog().topic(&name).is_some() {
                    self.created(name, keyed);
                }
            }
            Doubt::Deleted(name) => {
                if self.storage().cluster().catalog().topic(&name).is_none() {
                    self.deleted(&name);
                }
            }
            Doubt::Tended => self.tended(false),
            Doubt::Closed => {}
        }
    }

    /// As many requests are found as the ends of the logs and the record of a coordinator say, each as a whole, and at least those that
    /// are `certain`.
    fn resolve_appends(&mut self, requests: Vec<Request>, certain: usize) {
        let names = self.log_names();
        let ends: Vec<i64> =
            names.iter().map(|(name, index)| self.partition(name, *index).high_watermark()).collect();
        let found = (ends, self.count_found());
        let known = |walk: &Self| -> (Vec<i64>, u64) {
            (names.iter().map(|name| walk.log(name).end).collect(), walk.producers.count)
        };
        let asked = requests.len();
        for (number, request) in requests.into_iter().enumerate() {
            if number >= certain && known(self) == found {
                return;
            }
            self.appended(request);
        }
        let known = known(self);
        assert_eq!(
            found, known,
            "{}: the ends of {names:?} after {certain} to {asked} requests",
            self.context
        );
    }
}
