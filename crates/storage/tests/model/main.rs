//! Random walks beside a plain model: appends, reads, retention, deletion of records, cleaning, changes of policy, restarts,
//! and crashes at any write, sync, or creation or end of a family, with and without the loss of what was not synced.
//!
//! `OTTLA_SEEDS=N` walks N times (`make model` does so 2 000 times), `OTTLA_SEED=S` only from that seed. Between the steps the
//! storage's threads come to rest, so that a seed always asks the same of the same folder; within a step they run as
//! they like: a failure that depends on that shows again after some tries (`OTTLA_TRIES=N`).
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say with which seed, and have threads and ids of their own"
)]

#[path = "../storage/common.rs"]
#[allow(dead_code, reason = "the other tests use the rest of it")]
mod common;
mod crash;
mod failure;
mod log;
mod look;

use crate::common::Partitions;
use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use codec::records::{BatchBuilder, RecordBatch};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use storage::{
    Acks, AppendEntry, AppendRequest, Compaction, CoordinatorRecord, DeleteBelow, DiskSpace, Faults,
    LogPolicy, NewTopic, Partition, ReadError, Retention, Storage, StorageOptions,
};
use uuid::Uuid;

use crate::{
    common::{UNLIMITED, wait},
    crash::{Doubt, LogName, Request},
    log::{Batch, Log, Rules, Topic, stored_records},
};

const STEPS: u64 = 50;
const PARTITIONS: usize = 3;
/// A tenth of a second is usual.
const LONGEST_WALK_SECONDS: u64 = 120;

/// Input to the storage from outside.
struct World {
    uptime_ms: AtomicU64,
    wall_ms: AtomicI64,
    policies: Mutex<BTreeMap<String, LogPolicy>>,
    /// Generations may be settled in this walk; in the others they stay, and with them other paths.
    settles: bool,
    generation_bytes: u64,
    replay_operations_bytes: u64,
    replay_body_bytes: u64,
    inline_bytes: usize,
    /// Bytes free on a disk of 100 GiB.
    free_bytes: AtomicU64,
}

struct Walk {
    context: String,
    random: StdRng,
    world: Arc<World>,
    folder: tempfile::TempDir,
    faults: Faults,
    skips_syncs: bool,
    /// The folder is looked at before it is opened; in some walks only, as that takes longer than all the rest.
    looks: bool,
    /// `None` only on the way from one to the next: two cannot have the folder.
    storage: Option<Storage>,
    topics: BTreeMap<String, Topic>,
    topics_made: u64,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_walks_agree_with_a_plain_model() {
    let tries = number("OTTLA_TRIES").unwrap_or(1);
    let seeds: Vec<u64> = match number("OTTLA_SEED") {
        Some(seed) => vec![seed; tries as usize],
        None => (1..=number("OTTLA_SEEDS").unwrap_or(24)).collect(),
    };
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let started = Instant::now();
    // More than there are cores: a walk waits for the storage's threads most of the time.
    let walkers = seeds.len().min(2 * thread::available_parallelism().map_or(1, usize::from));
    let underway: Vec<Mutex<Option<Underway>>> = (0..walkers).map(|_| Mutex::default()).collect();
    let (walking, ended) = mpsc::sync_channel::<()>(1);
    thread::scope(|scope| {
        for underway in &underway {
            let (walking, seeds, next, failed) = (walking.clone(), &seeds, &next, &failed);
            scope.spawn(move || {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    *underway.lock() = Some(Underway { seed: *seed, seconds: 0 });
                    let walk = || Walk::new(*seed, false).walk(*seed);
                    if panic::catch_unwind(AssertUnwindSafe(walk)).is_err() {
                        eprintln!("seed {seed} failed; again: make model OTTLA_SEED={seed}");
                        failed.lock().push(*seed);
                    }
                }
                *underway.lock() = None;
                drop(walking);
            });
        }
        drop(walking);
        watch(&underway, &ended);
    });
    eprintln!("{} seeds in {} s", seeds.len(), started.elapsed().as_secs());
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "seeds {failed:?} failed; again: make model OTTLA_SEED={}", failed[0]);
}

/// A walk, and for how long it has been going on.
struct Underway {
    seed: u64,
    seconds: u64,
}

/// Ends the process, with the seed, if a walk does not end: what is never answered is a fault too.
fn watch(underway: &[Mutex<Option<Underway>>], ended: &mpsc::Receiver<()>) {
    // By seconds counted here, not by a clock: the process may stand still.
    while ended.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
        for walk in underway {
            if let Some(Underway { seed, seconds }) = walk.lock().as_mut() {
                *seconds += 1;
                if *seconds > LONGEST_WALK_SECONDS {
                    eprintln!("seed {seed} does not end; again: make model OTTLA_SEED={seed}");
                    std::process::exit(101);
                }
            }
        }
    }
}

/// The check of the checks: a storage that does not sync is found out.
#[test]
fn walks_see_that_syncs_do_nothing() {
    let sound = |seed: &u64| panic::catch_unwind(|| Walk::new(*seed, true).walk(*seed)).is_ok();
    let sound: Vec<u64> = (1..=4).filter(sound).collect();
    assert!(sound.len() < 4, "{sound:?} saw nothing");
}

impl World {
    fn now_ms(&self) -> u64 {
        self.uptime_ms.load(Ordering::SeqCst)
    }
}

impl Walk {
    fn new(seed: u64, skips_syncs: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let world = Arc::new(World {
            uptime_ms: AtomicU64::new(5_000_000),
            wall_ms: AtomicI64::new(1_700_000_000_000),
            policies: Mutex::default(),
            settles: seed.is_multiple_of(2),
            generation_bytes: random.random_range(30_000..150_000),
            // Small, so that memtables are flushed in the middle of a walk.
            replay_operations_bytes: random.random_range(5_000..100_000),
            replay_body_bytes: random.random_range(20_000..200_000),
            inline_bytes: [1, 200, 1_000, usize::MAX][random.random_range(0..4)],
            free_bytes: AtomicU64::new(50 << 30),
        });
        // In memory if the system has such a folder: the steps are tested, not the disk.
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let mut walk = Self {
            context: format!("seed {seed}, first opening"),
            random,
            world,
            folder,
            faults: Faults::default(),
            skips_syncs,
            looks: seed.is_multiple_of(5),
            storage: None,
            topics: BTreeMap::new(),
            topics_made: 0,
        };
        walk.reopen(None);
        walk
    }

    fn options(&self) -> StorageOptions {
        let world = || Arc::clone(&self.world);
        let (uptime, wall, policies, disk) = (world(), world(), world(), world());
        StorageOptions {
            generation_bytes: self.world.generation_bytes,
            settle_bytes: if self.world.settles { 1 } else { u64::MAX },
            replay_operations_bytes: self.world.replay_operations_bytes,
            replay_body_bytes: self.world.replay_body_bytes,
            inline_bytes: self.world.inline_bytes,
            tail_bytes: 5_000,
            // Never by themselves: the walk says when.
            flush_interval: Duration::from_secs(3600),
            uptime: Arc::new(move || Duration::from_millis(uptime.now_ms())),
            clock: Arc::new(move || wall.wall_ms.load(Ordering::SeqCst)),
            log_policy: Arc::new(move |topic| {
                policies.policies.lock().get(&topic.name).copied().unwrap_or_default()
            }),
            disk_space: Arc::new(move |_| {
                Some(DiskSpace { total: 100 << 30, free: disk.free_bytes.load(Ordering::SeqCst) })
            }),
            faults: self.faults.clone(),
            ..StorageOptions::new(self.folder.path())
        }
    }

    fn walk(mut self, seed: u64) {
        for step in 0..STEPS {
            self.context = format!("seed {seed} step {step}");
            let doubt = match self.random.random_range(0..24) {
                0 if self.topics.len() < 4 => self.create(),
                1 if self.topics.len() > 2 => self.delete(),
                2 => self.restart(),
                3..8 if !self.topics.is_empty() => {
                    self.crash(step);
                    None
                }
                8 | 9 => self.delete_records(),
                10..12 => self.tend(),
                12 => self.change_policy(),
                13 => self.pass_time(),
                _ => self.append(step),
            };
            assert!(doubt.is_none(), "{}: the storage stopped by itself", self.context);
            self.check_positions();
        }
        self.context = format!("seed {seed} at the end");
        for _ in 0..3 {
            assert!(self.tend().is_none(), "{}", self.context);
        }
        self.restart();
        self.check_records();
        self.storage().close().unwrap();
    }

    fn storage(&self) -> &Storage {
        self.storage.as_ref().unwrap()
    }

    fn partition(&self, name: &str, index: usize) -> Arc<Partition> {
        Arc::clone(&self.storage().cluster().catalog().topic(name).unwrap().partitions()[index])
    }

    fn log_names(&self) -> Vec<LogName> {
        let names = |name: &String| (0..PARTITIONS).map(|index| (name.clone(), index)).collect::<Vec<_>>();
        self.topics.keys().flat_map(names).collect()
    }

    fn log(&self, (name, index): &LogName) -> &Log {
        &self.topics[name].logs[*index]
    }

    fn log_mut(&mut self, (name, index): &LogName) -> &mut Log {
        &mut self.topics.get_mut(name).unwrap().logs[*index]
    }

    fn random_log(&mut self) -> LogName {
        let names = self.log_names();
        names[self.random.random_range(0..names.len())].clone()
    }

    /// Checks that an error is an injected one.
    fn failed_on_purpose(&self, what: &str, error: &dyn std::fmt::Display) {
        assert!(self.faults.is_stopped(), "{}: {what}: {error}", self.context);
    }

    /// All that was asked for is on the disk, and no thread works on anything; false if the storage stopped.
    fn rests(&mut self) -> bool {
        loop {
            let record = CoordinatorRecord { key: "rest".into(), value: Some(self.context.clone().into()) };
            if let Err(error) = wait(|done| {
                self.storage().shard().write_coordinator(
                    self.storage().shard().led_epoch().unwrap(),
                    vec![record],
                    done,
                )
            }) {
                self.failed_on_purpose("to rest", &error);
                return false;
            }
            if self.faults.tasks_left() == 0 {
                return true;
            }
            while self.faults.tasks_left() > 0 {
                thread::sleep(Duration::from_micros(50));
            }
        }
    }

    fn create(&mut self) -> Option<Doubt> {
        self.topics_made += 1;
        let name = format!("topic-{}", self.topics_made);
        let keyed = self.random.random();
        let partitions = PARTITIONS as u32;
        let new = NewTopic { name: name.clone(), id: Uuid::new_v4(), partitions, configs: BTreeMap::new() };
        match wait(|done| self.storage().cluster().create_topics(vec![new], done)) {
            Ok(created) => {
                created.into_iter().for_each(|topic| drop(topic.unwrap()));
                self.created(name, keyed);
                self.rests();
                None
            }
            Err(error) => {
                self.failed_on_purpose("to create", &error);
                Some(Doubt::Created { name, keyed })
            }
        }
    }

    fn delete(&mut self) -> Option<Doubt> {
        let names: Vec<&String> = self.topics.keys().collect();
        let name = names[self.random.random_range(0..names.len())].clone();
        let id = self.storage().cluster().catalog().topic(&name).unwrap().id;
        match wait(|done| self.storage().cluster().delete_topics(vec![id], done)) {
            Ok(deleted) => {
                deleted.into_iter().for_each(Result::unwrap);
                self.deleted(&name);
                self.rests();
                None
            }
            Err(error) => {
                self.failed_on_purpose("to delete", &error);
                Some(Doubt::Deleted(name))
            }
        }
    }

    fn close(&mut self) -> Option<Doubt> {
        if let Err(error) = self.storage().close() {
            self.failed_on_purpose("to close", &error);
        }
        Some(Doubt::Closed)
    }

    fn restart(&mut self) -> Option<Doubt> {
        self.storage().close().unwrap();
        self.reopen(Some(false));
        None
    }

    /// A request of some batches.
    fn request(&mut self, step: u64, ends: &mut BTreeMap<LogName, i64>) -> (Request, AppendRequest) {
        let acks = match self.random.random_range(0..3) {
            0 => Acks::Leader,
            _ => Acks::All,
        };
        let (mut batches, mut entries) = (Vec::new(), Vec::new());
        for _ in 0..self.random.random_range(1..4) {
            let name = self.random_log();
            let mut record = |offset| {
                let keyed = self.topics[&name.0].keyed;
                let key = keyed.then(|| Bytes::from(vec![self.random.random_range(0..5) as u8]));
                let value = Bytes::from(vec![step as u8; self.random.random_range(0..9000) as usize]);
                (offset, key, (self.random.random_range(0..5) > 0).then_some(value))
            };
            let base_offset = *ends.entry(name.clone()).or_insert(self.topics[&name.0].logs[name.1].end);
            let end = base_offset + 1 + (step % 4) as i64;
            let records: Vec<_> = (base_offset..end).map(&mut record).collect();
            let mut builder = BatchBuilder::new();
            for (_, key, value) in &records {
                builder.push(1, key.as_deref(), value.as_deref(), &[]);
            }
            let batch = RecordBatch::parse(builder.build()).unwrap();
            let (bytes, appended_ms) = (batch.bytes().len() as u64, self.world.now_ms());
            ends.insert(name.clone(), end);
            let partition = self.partition(&name.0, name.1);
            entries.push(AppendEntry { partition, batch, log_append_time: false });
            batches.push((name, Batch { base_offset, end, records, bytes, appended_ms }));
        }
        (Request { acks, batches }, AppendRequest { entries, acks })
    }

    /// Some requests at once, that is in any grouping, then a look at one of the logs.
    fn append(&mut self, step: u64) -> Option<Doubt> {
        if self.topics.is_empty() {
            return None;
        }
        let mut ends = BTreeMap::new();
        let (sender, answers) = mpsc::sync_channel(8);
        let count = self.random.random_range(1..4);
        let (requests, calls): (Vec<_>, Vec<_>) =
            (0..count).map(|_| self.request(step, &mut ends)).collect::<Vec<_>>().into_iter().unzip();
        for (number, call) in calls.into_iter().enumerate() {
            let sender = sender.clone();
            self.storage().shard().append(call, Box::new(move |answer| drop(sender.send((number, answer)))));
        }
        drop(sender);
        let (mut written, mut synced, mut failed) = (0, 0, None);
        for (number, answer) in answers {
            let request = &requests[number];
            match answer {
                Ok(answer) => {
                    let found = answer.into_iter().map(|one| one.unwrap().base_offset).collect::<Vec<_>>();
                    let expected = request.batches.iter().map(|(_, batch)| batch.base_offset);
                    assert_eq!(found, expected.collect::<Vec<_>>(), "{}", self.context);
                    written = written.max(number + 1);
                    if request.acks == Acks::All {
                        synced = synced.max(number + 1);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = &failed {
            self.failed_on_purpose("to append", error);
        }
        if failed.is_some() || !self.rests() {
            return Some(Doubt::Appends { requests, written, synced });
        }
        requests.into_iter().for_each(|request| self.appended(request));
        let (name, index) = self.random_log();
        let log = &self.topics[&name].logs[index];
        let from = log.start + self.random.random_range(0..=(log.end - log.start) as u64) as i64;
        let found = stored_records(self.storage(), &self.partition(&name, index), from);
        assert_eq!(found, log.records_from(from), "{} {name}-{index} from {from}", self.context);
        None
    }

    fn delete_records(&mut self) -> Option<Doubt> {
        let (mut asked, mut starts) = (Vec::new(), BTreeMap::new());
        for name in self.topics.keys().cloned().collect::<Vec<_>>() {
            let index = self.random.random_range(0..PARTITIONS);
            let (partition, log) = (self.partition(&name, index), &self.topics[&name].logs[index]);
            let (below, start) = match self.random.random_range(0..6) {
                0 => (DeleteBelow::HighWatermark, Ok(log.end)),
                1 => (DeleteBelow::Offset(log.end + 1), Err(())),
                _ => {
                    let offset = self.random.random_range(0..=log.end as u64) as i64;
                    (DeleteBelow::Offset(offset), Ok(offset.max(log.start)))
                }
            };
            starts.extend(start.map(|start| ((name, index), start)));
            asked.push(((partition, below), start));
        }
        let (calls, expected): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        match self.storage().shard().delete_records(&calls) {
            Ok(answers) => {
                let answers: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|_| ())).collect();
                assert_eq!(answers, expected, "{} {calls:?}", self.context);
                self.move_log_starts(&starts);
                self.rests();
                None
            }
            Err(error) => {
                self.failed_on_purpose("to delete records", &error);
                Some(Doubt::LogStarts(starts))
            }
        }
    }

    /// Retention, compaction, and the space of what is dead: checks that nothing went too early, nor stayed too long.
    fn tend(&mut self) -> Option<Doubt> {
        self.world.uptime_ms.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = self.storage().tend_logs() {
            self.failed_on_purpose("to tend", &error);
            return Some(Doubt::Tended);
        }
        if !self.rests() {
            return Some(Doubt::Tended);
        }
        self.tended(true);
        None
    }

    fn tended(&mut self, complete: bool) {
        let storage = self.storage().clone();
        let disk_is_full = storage.disk_space().is_some_and(|disk| disk.free <= disk.reserve());
        for (name, topic) in &mut self.topics {
            let policy = self.world.policies.lock().get(name).copied().unwrap_or_default();
            let rules = Rules {
                retention: policy.retention.unwrap_or_default(),
                compacts: policy.compaction.is_some(),
                now_ms: self.world.now_ms(),
                never_restarted: topic.never_restarted,
                complete,
                cleaned: complete && !disk_is_full,
            };
            let catalog = storage.cluster().catalog();
            let partitions = &catalog.topic(name).unwrap().partitions();
            for (index, (log, partition)) in topic.logs.iter_mut().zip(partitions).enumerate() {
                let context = format!("{} {name}-{index} {policy:?}", self.context);
                log.tended(&storage, partition, &rules, &context);
            }
        }
        drop(storage);
        self.check_records();
    }

    fn change_policy(&mut self) -> Option<Doubt> {
        for (name, topic) in &self.topics {
            let ms = (self.random.random_range(0..2) == 0).then(|| self.random.random_range(0..100_000));
            let bytes = (self.random.random_range(0..2) == 0).then(|| self.random.random_range(0..300_000));
            let compaction = Compaction {
                min_cleanable_dirty_ratio: 0.0,
                min_compaction_lag_ms: 0,
                max_compaction_lag_ms: i64::MAX,
                delete_retention_ms: self.random.random_range(0..50_000) as i64,
            };
            let policy = LogPolicy {
                retention: (self.random.random_range(0..2) == 0).then_some(Retention { ms, bytes }),
                compaction: (topic.keyed && self.random.random_range(0..3) > 0).then_some(compaction),
            };
            self.world.policies.lock().insert(name.clone(), policy);
        }
        // Enough, short, too short to move much.
        let free_bytes = [50 << 30, 5 << 30, 100_000][self.random.random_range(0..3)];
        self.world.free_bytes.store(free_bytes, Ordering::SeqCst);
        None
    }

    /// Time passes; the wall clock goes its own way.
    fn pass_time(&mut self) -> Option<Doubt> {
        self.world.uptime_ms.fetch_add(self.random.random_range(0..60_000), Ordering::SeqCst);
        let step = self.random.random_range(-2_000_000_000_000..2_000_000_000_000);
        self.world.wall_ms.fetch_add(step, Ordering::SeqCst);
        None
    }

    fn check_positions(&self) {
        let found: Vec<String> =
            self.storage().cluster().catalog().topics().map(|topic| topic.name.clone()).collect();
        assert!(found.iter().eq(self.topics.keys()), "{}: topics {found:?}", self.context);
        for (name, index) in self.log_names() {
            let (partition, log) = (self.partition(&name, index), &self.topics[&name].logs[index]);
            let context = format!("{} {name}-{index}", self.context);
            let found = (partition.log_start_offset(), partition.high_watermark());
            assert_eq!(found, (log.start, log.end), "{context}");
            log.check_size(&partition, &context);
        }
    }

    fn check_records(&self) {
        self.check_positions();
        for (name, index) in self.log_names() {
            let (partition, log) = (self.partition(&name, index), &self.topics[&name].logs[index]);
            let context = format!("{} {name}-{index}", self.context);
            let found = stored_records(self.storage(), &partition, log.start);
            assert_eq!(found, log.records_from(log.start), "{context}");
            if log.start > 0 {
                let below = self.storage().shard().read(&partition, log.start - 1, UNLIMITED);
                assert!(matches!(below, Err(ReadError::OffsetOutOfRange { .. })), "{context}");
            }
        }
    }
}
