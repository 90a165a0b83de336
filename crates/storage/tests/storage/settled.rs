//! Large batches that outlived their generation: each is written once more, to a settled file, whose space comes back
//! as well.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use storage::{
    Acks, DeleteBelow, DiskSpace, Partition, Purpose, ReadError, Storage, StorageError, StorageOptions,
    Topic,
    inspect::{BatchPlace, Inspector},
};

use crate::{
    common::{Partitions, UNLIMITED, append, batch, copy_of, create, delete, values},
    space::{shrinks_below, stored_bytes},
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const VALUE: usize = 20_000;

fn options(folder: &Path) -> StorageOptions {
    StorageOptions {
        // 318 batches: the last ones of a test lie in the next.
        generation_bytes: 318 * (VALUE as u64 + 80),
        settle_bytes: MIB / 4,
        settled_file_bytes: MIB / 2,
        tail_bytes: 0,
        ..StorageOptions::new(folder)
    }
}

fn settled_files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    found.retain(|name| name.starts_with("settled-"));
    found.sort();
    found
}

/// Appends `count` batches, of which the n-th holds bytes of value n.
fn fill(storage: &Storage, topic: &Topic, count: u8) {
    for number in 0..count {
        let value = vec![number; VALUE];
        append(storage, &topic.partitions()[0], batch(&[(1, &value)]), Acks::Leader).unwrap();
    }
}

fn partition(storage: &Storage, topic: &str) -> Arc<Partition> {
    Arc::clone(&storage.cluster().catalog().topic(topic).unwrap().partitions()[0])
}

/// All records from `from` on are as [`fill`] wrote them.
fn is_whole(storage: &Storage, topic: &str, from: i64, count: u8) {
    let found = values(storage, &partition(storage, topic), from);
    let numbers: Vec<i64> = found.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(numbers, (from..i64::from(count)).collect::<Vec<_>>(), "{topic}");
    for (offset, value) in found {
        assert!(
            value.len() == VALUE && value.iter().all(|byte| i64::from(*byte) == offset),
            "{topic} {offset}"
        );
    }
}

/// Generations were settled, in each of which two topics lay among one that is deleted now.
fn settled_with(options: &StorageOptions, generations: u64) -> Storage {
    let storage = Storage::open(options.clone()).unwrap();
    let topics = ["dead", "one", "other"].map(|name| create(&storage, name, 1));
    for generation in 1..=generations {
        [240, 40, 40].into_iter().zip(&topics).for_each(|(count, topic)| fill(&storage, topic, count));
        await_that("new generation", || storage.metrics().generations > generation);
    }
    delete(&storage, &topics[0]);
    await_that("end of the generations", || {
        storage.tend_logs().unwrap();
        (1..=generations).all(|number| !options.path.join(format!("journal-{number:08x}")).exists())
    });
    assert_eq!(settled_files(&options.path).len() as u64, generations);
    storage
}

fn settled(folder: &Path) -> Storage {
    settled_with(&options(folder), 1)
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "no {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Nothing is damaged, nothing that is deleted is left in the settled family; returns the bytes of settled files, and
/// those that live.
fn looked_at(folder: &Path) -> (u64, u64) {
    let copy = copy_of(folder);
    let inspector = Inspector::open(copy.path()).unwrap();
    let mut report = inspector.report().unwrap();
    let mut counted = 0;
    inspector.check(&mut report, |_, counts| counted += counts.in_settled_files_bytes).unwrap();
    assert_eq!(report.damage, []);
    assert!(report.settled_files.iter().all(|file| file.named == Some(true)), "{:?}", report.settled_files);
    let living = report.settled_files.iter().map(|file| file.live_bytes.unwrap()).sum();
    assert_eq!(counted, living, "every living body is in the log of a partition");
    (report.settled_files.iter().map(|file| file.bytes).sum(), living)
}

#[test]
fn large_batches_are_written_once_more_when_they_are_settled() {
    let folder = tempfile::tempdir().unwrap();
    let storage = settled(folder.path());
    let batches = 80 * (VALUE as u64 + 80);
    let written = storage.metrics().bytes.iter().find(|(purpose, _)| *purpose == Purpose::Settle).unwrap().1;
    assert!(written < batches + batches / 20, "{written} bytes for {batches}");
    let (held, living) = looked_at(folder.path());
    assert!(living > 76 * VALUE as u64 && held < living + KIB, "{held} bytes, {living} of them live");
    let in_tables = storage.metrics().settled_bytes.unwrap() - held;
    assert!(in_tables < MIB, "{in_tables} bytes of RocksDB");
    for topic in ["one", "other"] {
        is_whole(&storage, topic, 0, 40);
    }
    storage.close().unwrap();
    drop(storage);
    let storage = Storage::open(options(folder.path())).unwrap();
    for topic in ["one", "other"] {
        is_whole(&storage, topic, 0, 40);
    }
    let held = storage.metrics().settled_bytes.unwrap();
    assert!(held > living && held < living + MIB, "after a start: {held}");
    storage.close().unwrap();
}

#[test]
fn settled_files_that_are_half_dead_are_settled_again_while_readers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let storage = settled(folder.path());
    let first = settled_files(folder.path());
    let before = stored_bytes(folder.path());
    let (ended, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !ended.load(Ordering::SeqCst) && reads.fetch_add(1, Ordering::SeqCst) < 20_000 {
                        is_whole(&storage, "other", 30, 40);
                    }
                })
            })
            .collect();
        // Of one topic all, of the other three quarters.
        delete(&storage, storage.cluster().catalog().topic("one").unwrap());
        let below = [(partition(&storage, "other"), DeleteBelow::Offset(30))];
        storage.shard().delete_records(&below).unwrap().remove(0).unwrap();
        shrinks_below(&storage, folder.path(), before - 60 * VALUE as u64);
        thread::sleep(Duration::from_millis(50));
        ended.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    let (held, living) = looked_at(folder.path());
    assert!(living > 6 * VALUE as u64 && held < 2 * living, "{held} bytes, {living} of them live");
    assert!(settled_files(folder.path()).iter().any(|file| !first.contains(file)), "none was settled again");
    is_whole(&storage, "other", 30, 40);
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    drop(storage);
    for folder in [folder.path(), killed.path()] {
        let storage = Storage::open(options(folder)).unwrap();
        is_whole(&storage, "other", 30, 40);
        delete(&storage, storage.cluster().catalog().topic("other").unwrap());
        shrinks_below(&storage, folder, MIB / 2);
        storage.close().unwrap();
    }
}

/// The free space that it takes to settle again is bounded: where there is room for one file, the files go one after
/// the other; where there is none, they stay, except those in which nothing lives.
#[test]
fn files_are_settled_again_within_the_free_space_that_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let living = 40 * VALUE as u64;
    let (free, most) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
    let (free_now, most_seen, path) = (Arc::clone(&free), Arc::clone(&most), folder.path().to_owned());
    let disk_space = move |_: &Path| {
        most_seen.fetch_max(stored_bytes(&path), Ordering::Relaxed);
        Some(DiskSpace { total: u64::MAX, free: free_now.load(Ordering::Relaxed) })
    };
    let options = StorageOptions { disk_space: Arc::new(disk_space), ..options(folder.path()) };
    let storage = settled_with(&options, 3);
    let first = settled_files(folder.path());
    free.store(2 * living, Ordering::Relaxed);
    delete(&storage, storage.cluster().catalog().topic("one").unwrap());
    for _ in 0..3 {
        storage.tend_logs().unwrap();
    }
    assert_eq!(settled_files(folder.path()), first, "there is no room for the living bytes of a file");
    // Three eighths of it are the living bytes of a file, and not those of two.
    free.store(4 * living, Ordering::Relaxed);
    let before = stored_bytes(folder.path());
    most.store(0, Ordering::Relaxed);
    await_that("fewer bytes", || {
        storage.tend_logs().unwrap();
        stored_bytes(folder.path()) < before - 2 * living
    });
    let most = most.load(Ordering::Relaxed);
    assert!(most < before + 2 * living, "{most} bytes at once, {before} before");
    assert!(settled_files(folder.path()).iter().all(|file| !first.contains(file)));
    assert_eq!(values(&storage, &partition(&storage, "other"), 0).len(), 120);
    free.store(1000, Ordering::Relaxed);
    delete(&storage, storage.cluster().catalog().topic("other").unwrap());
    await_that("deletion without room", || {
        storage.tend_logs().unwrap();
        settled_files(folder.path()).is_empty()
    });
    storage.close().unwrap();
}

#[test]
fn a_file_that_is_lost_costs_its_batches_only() {
    let folder = tempfile::tempdir().unwrap();
    settled_with(&options(folder.path()), 2).close().unwrap();
    let inspector = Inspector::open(folder.path()).unwrap();
    let Some(BatchPlace::Settled(place)) = inspector.batch("one", 0, 0).unwrap().map(|batch| batch.place)
    else {
        panic!("it is large");
    };
    drop(inspector);
    fs::remove_file(folder.path().join(&place.file)).unwrap();
    let inspector = Inspector::open(folder.path()).unwrap();
    let mut report = inspector.report().unwrap();
    assert_eq!(report.damage.iter().map(|damage| &damage.place).collect::<Vec<_>>(), [&place.file]);
    let mut damaged = 0;
    inspector.check(&mut report, |_, counts| damaged += counts.damaged).unwrap();
    drop(inspector);
    assert!((76..=80).contains(&damaged), "{damaged}");
    let storage = Storage::open(options(folder.path())).unwrap();
    let one = partition(&storage, "one");
    let read = storage.shard().read(&one, 0, UNLIMITED);
    let names_it = |error: &ReadError| match error {
        ReadError::Storage(StorageError::DamagedBatch(found)) => found.file == place.file,
        _ => false,
    };
    assert!(read.as_ref().is_err_and(names_it), "{read:?}");
    assert_eq!(values(&storage, &one, 40).len(), 40, "the other file");
    for topic in ["one", "other"] {
        delete(&storage, storage.cluster().catalog().topic(topic).unwrap());
    }
    await_that("end of the files", || {
        storage.tend_logs().unwrap();
        settled_files(folder.path()).is_empty()
    });
    storage.close().unwrap();
    drop((storage, one));
    let report = Inspector::open(folder.path()).unwrap().report().unwrap();
    assert_eq!(report.damage, [], "its name goes with its last batch");
}

#[test]
fn a_damaged_settled_batch_is_named_with_its_file_and_stays_damaged_when_it_is_settled_again() {
    let folder = tempfile::tempdir().unwrap();
    settled(folder.path()).close().unwrap();
    let inspector = Inspector::open(folder.path()).unwrap();
    let Some(BatchPlace::Settled(place)) = inspector.batch("other", 0, 35).unwrap().map(|batch| batch.place)
    else {
        panic!("it is large");
    };
    drop(inspector);
    let path = folder.path().join(&place.file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[place.offset as usize + 500] ^= 1;
    fs::write(&path, bytes).unwrap();
    let storage = Storage::open(options(folder.path())).unwrap();
    let found = |storage: &Storage| match storage.shard().read(&partition(storage, "other"), 35, UNLIMITED) {
        Err(ReadError::Storage(StorageError::DamagedBatch(found))) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!((&found(&storage).file, found(&storage).position), (&place.file, Some(place.offset)));
    let below = [(partition(&storage, "other"), DeleteBelow::Offset(34))];
    storage.shard().delete_records(&below).unwrap().remove(0).unwrap();
    delete(&storage, storage.cluster().catalog().topic("one").unwrap());
    await_that("end of the file", || {
        storage.tend_logs().unwrap();
        !path.exists()
    });
    assert_ne!(found(&storage).file, place.file);
    assert_eq!(values(&storage, &partition(&storage, "other"), 34).len(), 1, "the one before it");
    storage.close().unwrap();
}
