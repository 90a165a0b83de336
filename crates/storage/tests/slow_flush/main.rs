//! Flushes that are slower than what is written: a replay has a bound, and a crash at any moment of a flush loses nothing.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and have threads and ids of their own"
)]

#[path = "../storage/common.rs"]
#[allow(dead_code, reason = "the other tests use the rest of it")]
mod common;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, thread, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use rand::{Rng, SeedableRng, rngs::StdRng};
use storage::{
    Acks, AppendEntry, AppendRequest, Faults, NewTopic, Partition, Storage, StorageOptions,
    inspect::{Inspector, ReplayReport},
};
use uuid::Uuid;

use crate::common::{Partitions, append, batch, create, values, wait};

/// A flush is due after that many bytes of operations, or of bodies. A replay has at most four times that, and two write groups.
const OPERATIONS: u64 = 40_000;
const BODIES: u64 = 200_000;
const AT_MOST: u64 = 4;
/// Bytes of a group besides the value of its only record: the batch's header, keys, an entry of the time index.
const REST_OF_A_GROUP: u64 = 1_000;

fn options(folder: &Path, faults: &Faults) -> StorageOptions {
    StorageOptions {
        replay_operations_bytes: OPERATIONS,
        replay_body_bytes: BODIES,
        faults: faults.clone(),
        ..StorageOptions::new(folder)
    }
}

/// Held by each test: they share the threads that flush.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock()
}

fn open(folder: &Path, flushed_bytes_per_second: i64) -> Storage {
    let faults = Faults::default();
    faults.slow_flushes(flushed_bytes_per_second);
    Storage::open(options(folder, &faults)).unwrap()
}

/// The folder as a `kill -9` would leave it. RocksDB changes its manifest before it deletes what that named, so a copy is of one
/// moment if the manifest stayed the same meanwhile.
fn killed(folder: &Path) -> tempfile::TempDir {
    let manifest = || {
        let current = fs::read_to_string(folder.join("CURRENT")).unwrap();
        fs::read(folder.join(current.trim())).unwrap()
    };
    loop {
        let (before, copy) = (manifest(), common::copy_of(folder));
        if manifest() == before {
            return copy;
        }
    }
}

fn replay_of(folder: &Path) -> ReplayReport {
    Inspector::open(folder).unwrap().report().unwrap().next_start.replay.unwrap()
}

/// Values that do not get shorter by compression.
fn value(random: &mut StdRng, length: usize) -> Vec<u8> {
    let mut value = vec![0; length];
    random.fill_bytes(&mut value);
    value
}

fn partition(storage: &Storage) -> Arc<Partition> {
    Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0])
}

/// Values that the next start finds in a folder. It ends without a flush, which would wait for the slow one.
fn contents(folder: &Path) -> Vec<Vec<u8>> {
    let faults = Faults::default();
    let storage = Storage::open(options(folder, &faults)).unwrap();
    let found =
        values(&storage, &partition(&storage), 0).into_iter().map(|(_, value)| value.to_vec()).collect();
    faults.crash_now();
    storage.close().unwrap_err();
    found
}

/// Writes `count` requests of `batches` values of `length` bytes. Checks at many moments how long a replay would be: by the
/// engine's own count, and by `ottla inspect` of a copy of the folder.
fn is_bounded(length: usize, batches: usize, count: usize, flushed_bytes_per_second: i64) {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path(), flushed_bytes_per_second);
    create(&storage, "t", 1);
    let (partition, mut random) = (partition(&storage), StdRng::seed_from_u64(length as u64));
    let group = batches as u64 * (length as u64 + REST_OF_A_GROUP);
    let is_within = |operations: u64, bodies: u64, what: &str| {
        // A replay begins with the last group that was flushed, which is another one.
        let groups = 2 * group;
        assert!(operations <= AT_MOST * OPERATIONS + groups, "{operations} bytes of operations {what}");
        assert!(bodies <= AT_MOST * BODIES + groups, "{bodies} bytes of bodies {what}");
        // A flush begins at twice the limit at the latest: it is under way.
        operations > 3 * OPERATIONS || bodies > 3 * BODIES
    };
    let (mut written, mut looks, mut during_a_flush) = (Vec::new(), 0, 0);
    for number in 0..count {
        let entries = (0..batches).map(|_| {
            written.push(value(&mut random, length));
            let batch = batch(&[(1, written.last().unwrap())]);
            AppendEntry {
                partition: Arc::clone(&partition),
                batch,
                log_append_time: false,
                unknown_producer_begins_at_zero: false,
            }
        });
        let acks = if number % 50 == 0 { Acks::All } else { Acks::Leader };
        let request = AppendRequest { entries: entries.collect(), acks, coordinator: None };
        for appended in wait(|done| storage.shard().append(request, done)).unwrap() {
            appended.unwrap();
        }
        let now = storage.metrics();
        let late = is_within(now.replay_operations_bytes, now.replay_body_bytes, "by its metrics");
        if number % (count / 10) == 0 || (late && during_a_flush < 5) {
            let left = killed(folder.path());
            let found = replay_of(left.path());
            during_a_flush += u64::from(is_within(found.operations_bytes, found.body_bytes, "in the folder"));
            looks += 1;
            let next = contents(left.path());
            assert!(next == written, "{} of {} records are found", next.len(), written.len());
        }
    }
    assert!(looks >= 10 && during_a_flush >= 3, "{during_a_flush} of {looks} looks: flushes are not slow");
    storage.close().unwrap();
}

#[test]
fn a_replay_of_tiny_batches_is_bounded_however_slow_flushes_are() {
    let _alone = alone();
    is_bounded(100, 10, 100, 15_000);
}

#[test]
fn a_replay_of_large_batches_is_bounded_however_slow_flushes_are() {
    let _alone = alone();
    is_bounded(20_000, 1, 150, 3_000);
}

/// Several callers at once, so that groups are made of many requests.
#[test]
fn a_replay_of_groups_of_many_requests_is_bounded() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path(), 40_000);
    let new = NewTopic { name: "t".into(), id: Uuid::new_v4(), partitions: 4, configs: BTreeMap::new() };
    let topic = wait(|done| storage.cluster().create_topics(vec![new], done)).unwrap().remove(0).unwrap();
    let writers = topic.partitions().into_iter().map(|partition| {
        let storage = storage.clone();
        thread::spawn(move || {
            let mut random = StdRng::seed_from_u64(1);
            for number in 0..250 {
                let length = if number % 20 == 0 { 6_000 } else { 200 };
                let batch = batch(&[(1, &value(&mut random, length))]);
                let entry = AppendEntry {
                    partition: Arc::clone(&partition),
                    batch,
                    log_append_time: false,
                    unknown_producer_begins_at_zero: false,
                };
                let request = AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None };
                wait(|done| storage.shard().append(request, done)).unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut most = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        let found = storage.metrics();
        // A request of each caller is in one group.
        assert!(found.replay_operations_bytes <= AT_MOST * OPERATIONS + 4 * 2_000, "{found:?}");
        assert!(found.replay_body_bytes <= AT_MOST * BODIES + 4 * 7_000, "{found:?}");
        most = most.max(found.replay_operations_bytes);
        thread::sleep(Duration::from_micros(200));
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(most > 3 * OPERATIONS, "{most}: flushes are not slow");
    storage.close().unwrap();
}

/// Each process ends before the flush that it began: what it leaves must not grow from one to the next.
#[test]
fn a_replay_does_not_grow_with_the_number_of_crashes() {
    let _alone = alone();
    let mut folder = tempfile::tempdir().unwrap();
    let (mut random, mut written) = (StdRng::seed_from_u64(7), Vec::new());
    let group = 3_000 + REST_OF_A_GROUP;
    for round in 0..7 {
        let faults = Faults::default();
        faults.slow_flushes(200_000);
        let storage = Storage::open(options(folder.path(), &faults)).unwrap();
        if round == 0 {
            create(&storage, "t", 1);
        }
        let partition = partition(&storage);
        let replay = || storage.metrics().replay_operations_bytes;
        // As many groups as there is room for, then one more, whose caller waits for the flush after it.
        while replay() + group < AT_MOST * OPERATIONS {
            written.push(value(&mut random, 3_000));
            append(&storage, &partition, batch(&[(1, written.last().unwrap())]), Acks::All).unwrap();
        }
        written.push(value(&mut random, 3_000));
        let (before, last) = (replay(), batch(&[(1, written.last().unwrap())]));
        let entry = AppendEntry {
            partition: Arc::clone(&partition),
            batch: last,
            log_append_time: false,
            unknown_producer_begins_at_zero: false,
        };
        let writer = storage.clone();
        let waiting = thread::spawn(move || {
            let request = AppendRequest { entries: vec![entry], acks: Acks::All, coordinator: None };
            wait(|done| writer.shard().append(request, done)).ok()
        });
        while replay() <= before && !waiting.is_finished() {
            thread::sleep(Duration::from_micros(100));
        }
        let left = killed(folder.path());
        let found = replay_of(left.path());
        assert!(
            found.operations_bytes <= AT_MOST * OPERATIONS + 2 * group,
            "round {round}: {} bytes",
            found.operations_bytes
        );
        faults.crash_now();
        waiting.join().unwrap();
        storage.close().unwrap_err();
        folder = left;
    }
    assert!(contents(folder.path()) == written);
}

/// A process killed between the flushes of two families: one that has the position of a later record, while another lacks the
/// batches of records before it, would lose them.
#[test]
fn a_crash_at_any_moment_of_a_flush_loses_nothing() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path(), 10_000);
    create(&storage, "t", 1);
    let (partition, mut random, mut written) = (partition(&storage), StdRng::seed_from_u64(3), Vec::new());
    while storage.metrics().replay_operations_bytes < OPERATIONS {
        written.push(value(&mut random, 1_000));
        append(&storage, &partition, batch(&[(1, written.last().unwrap())]), Acks::All).unwrap();
    }
    let mut looks = 0;
    // Until the flush that has begun is known to have ended.
    while storage.metrics().replay_operations_bytes >= OPERATIONS {
        let left = killed(folder.path());
        let found = contents(left.path());
        assert!(found == written, "{} of {} records are found, look {looks}", found.len(), written.len());
        looks += 1;
        assert!(looks < 1_000, "the flush does not end");
    }
    assert!(looks >= 3, "{looks} looks: the flush is not slow");
    storage.close().unwrap();
}
