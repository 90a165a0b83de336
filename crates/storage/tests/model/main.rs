//! Random walks beside a plain model: appends, transactions over several partitions, reads, retention, deletion of records, cleaning, changes of policy, take-overs,
//! restarts, and crashes at any write, sync, or creation or end of a family, with and without the loss of what was not synced.
//!
//! `OTTLA_SEEDS=N` walks N times (`make model` does so 2 000 times), from seed `OTTLA_FIRST_SEED` on, `OTTLA_SEED=S` only from that seed. Between the steps the
//! storage's threads come to rest, so that a seed always asks the same of the same folder; within a step they run as
//! they like: a failure that depends on that shows again after some tries (`OTTLA_TRIES=N`).
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say with which seed, and have threads and ids of their own"
)]

mod appends;
mod bad_sector;
mod checks;
#[path = "../storage/common.rs"]
#[allow(dead_code, reason = "the other tests use the rest of it")]
mod common;
mod crash;
mod endings;
mod failure;
mod log;
mod look;
mod settled;
mod shards;
mod steps;
mod take_over;
mod transactions;

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

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use storage::{CoordinatorRecord, DiskSpace, Faults, LogPolicy, Partition, Storage, StorageOptions};

use crate::{
    common::wait,
    crash::LogName,
    log::{Log, Topic},
    transactions::Producers,
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
    settled_file_bytes: u64,
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
    producers: Producers,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_walks_agree_with_a_plain_model() {
    let tries = number("OTTLA_TRIES").unwrap_or(1);
    let seeds: Vec<u64> = match number("OTTLA_SEED") {
        Some(seed) => vec![seed; tries as usize],
        None => {
            let first = number("OTTLA_FIRST_SEED").unwrap_or(1);
            (first..first + number("OTTLA_SEEDS").unwrap_or(24)).collect()
        }
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
                    let done = seed - seeds[0];
                    if done > 0 && done.is_multiple_of(500) {
                        eprintln!("{done} of {} seeds in {} s", seeds.len(), started.elapsed().as_secs());
                    }
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
            // Two or three batches, or what many settlings leave.
            settled_file_bytes: random.random_range(10_000..200_000),
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
            producers: Producers::default(),
        };
        walk.reopen(None);
        walk
    }

    fn options(&self) -> StorageOptions {
        let world = || Arc::clone(&self.world);
        let (uptime, wall, policies, disk) = (world(), world(), world(), world());
        // The walk says when.
        self.faults.tend_when_asked();
        StorageOptions {
            generation_bytes: self.world.generation_bytes,
            settle_bytes: if self.world.settles { 1 } else { u64::MAX },
            replay_operations_bytes: self.world.replay_operations_bytes,
            replay_body_bytes: self.world.replay_body_bytes,
            inline_bytes: self.world.inline_bytes,
            settled_file_bytes: self.world.settled_file_bytes,
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
            let doubt = match self.random.random_range(0..25) {
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
                14 => self.take_over(step),
                _ => self.append(step),
            };
            assert!(doubt.is_none(), "{}: the storage stopped by itself", self.context);
            self.check_positions();
            assert_eq!(self.count_found(), self.producers.count, "{}", self.context);
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
}
