//! The space of dead records is freed, and the records that live beside them stay.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use codec::records::{BatchBuilder, RecordBatch};
use storage::{
    Acks, Compaction, DeleteBelow, DiskSpace, LogPolicy, ReadError, Storage, StorageError, StorageOptions,
};

use crate::common::{Partitions, UNLIMITED, append, batch, batches, copy_of, create, delete, values};

const MIB: u64 = 1 << 20;

fn options(folder: &Path) -> StorageOptions {
    StorageOptions {
        generation_bytes: 4 * MIB,
        settle_bytes: MIB / 4,
        tail_bytes: 0,
        ..StorageOptions::new(folder)
    }
}

/// Bytes of the folder's table files, journals and settled files.
pub(crate) fn stored_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let counts =
        |name: &str| name.ends_with(".sst") || name.starts_with("journal-") || name.starts_with("settled-");
    let counted = files.filter(|file| counts(&file.file_name().to_string_lossy()));
    counted.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Tends the logs until the files are this small.
pub(crate) fn shrinks_below(storage: &Storage, folder: &Path, bytes: u64) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        storage.tend_logs().unwrap();
        let held = stored_bytes(folder);
        if held < bytes {
            return;
        }
        assert!(Instant::now() < until, "{held} bytes are still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Two topics, interleaved: one record in eight is of the second. Restarts, so that it lies in table files.
fn filled(folder: &Path) -> Storage {
    let storage = Storage::open(options(folder)).unwrap();
    let (large, small) = (create(&storage, "large", 2), create(&storage, "small", 2));
    for step in 0..600u32 {
        let value = vec![step as u8; 20_000];
        let topic = if step % 8 == 0 { &small } else { &large };
        let partition = &topic.partitions()[(step as usize / 8) % 2];
        append(&storage, partition, batch(&[(1, &value)]), Acks::Leader).unwrap();
        // A successor is made by another thread: a fast writer would fill a generation far beyond its size meanwhile.
        let full = (step + 1) % 215 == 0;
        let (generations, until) = (1 + (step + 1) as u64 / 215, Instant::now() + Duration::from_secs(5));
        while full && storage.metrics().generations < generations && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    storage.close().unwrap();
    drop(storage);
    Storage::open(options(folder)).unwrap()
}

fn small_is_whole(storage: &Storage) {
    for (index, partition) in
        storage.cluster().catalog().topic("small").unwrap().partitions().iter().enumerate()
    {
        let found = values(storage, partition, 0);
        let expected: Vec<u8> = (0..600u32)
            .step_by(8)
            .filter(|step| (*step as usize / 8) % 2 == index)
            .map(|step| step as u8)
            .collect();
        assert_eq!(found.len(), expected.len(), "partition {index}");
        for ((offset, value), (position, byte)) in found.iter().zip((0..).zip(expected)) {
            assert_eq!(*offset, position);
            assert!(value.len() == 20_000 && value.iter().all(|found| *found == byte), "offset {offset}");
        }
    }
}

#[test]
fn a_deleted_topic_gives_its_space_back_and_its_neighbour_stays() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    assert!(stored_bytes(folder.path()) > 11 * MIB);
    delete(&storage, storage.cluster().catalog().topic("large").unwrap());
    shrinks_below(&storage, folder.path(), 4 * MIB);
    small_is_whole(&storage);
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    let storage = Storage::open(options(killed.path())).unwrap();
    small_is_whole(&storage);
    delete(&storage, storage.cluster().catalog().topic("small").unwrap());
    shrinks_below(&storage, killed.path(), MIB / 2);
    storage.close().unwrap();
}

#[test]
fn deleted_records_give_their_space_back_and_later_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let large = storage.cluster().catalog().topic("large").unwrap().clone();
    let calls: Vec<_> =
        large.partitions().iter().map(|partition| (partition.clone(), DeleteBelow::Offset(255))).collect();
    let answers = storage.shard().delete_records(&calls).unwrap();
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap() == 255));
    shrinks_below(&storage, folder.path(), 5 * MIB);
    small_is_whole(&storage);
    for partition in &large.partitions() {
        assert_eq!(values(&storage, partition, 255).len() as i64, partition.high_watermark() - 255);
    }
    storage.close().unwrap();
}

#[test]
fn a_disk_that_is_short_gets_back_what_is_less_than_half_dead_if_there_is_room_to_move_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).close().unwrap();
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let seen = Arc::clone(&free);
    let disk_space = move |_: &Path| Some(DiskSpace { total: u64::MAX, free: seen.load(Ordering::Relaxed) });
    let storage =
        Storage::open(StorageOptions { disk_space: Arc::new(disk_space), ..options(folder.path()) }).unwrap();
    let large = storage.cluster().catalog().topic("large").unwrap().clone();
    let calls: Vec<_> =
        large.partitions().iter().map(|partition| (partition.clone(), DeleteBelow::Offset(40))).collect();
    storage.shard().delete_records(&calls).unwrap();
    let before = stored_bytes(folder.path());
    for (room, why) in [(u64::MAX, "it is not worth the copies"), (2 * MIB, "there is no room for them")] {
        free.store(room, Ordering::Relaxed);
        for _ in 0..3 {
            storage.tend_logs().unwrap();
        }
        assert!(stored_bytes(folder.path()) >= before, "{why}");
        assert!(folder.path().join("journal-00000001").exists(), "{why}");
    }
    free.store(100 * MIB, Ordering::Relaxed);
    // The file that holds the deleted records must go.
    let first = folder.path().join("journal-00000001");
    let until = Instant::now() + Duration::from_secs(20);
    while first.exists() {
        assert!(Instant::now() < until, "the generation with the deleted records is still there");
        storage.tend_logs().unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    small_is_whole(&storage);
    for partition in &large.partitions() {
        assert_eq!(values(&storage, partition, 40).len() as i64, partition.high_watermark() - 40);
    }
    storage.close().unwrap();
}

/// Changes one byte of each place where the folder's table files, or its journals, have `marker`: `shift` bytes after its start.
pub(crate) fn corrupt(folder: &Path, in_journal: bool, marker: &[u8], shift: isize) -> usize {
    let mut places = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if !(if in_journal { name.starts_with("journal-") } else { name.ends_with(".sst") }) {
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let found: Vec<usize> = (0..bytes.len().saturating_sub(marker.len()))
            .filter(|at| bytes[*at..].starts_with(marker))
            .collect();
        for at in &found {
            bytes[at.checked_add_signed(shift).unwrap()] ^= 1;
        }
        places += found.len();
        std::fs::write(&path, bytes).unwrap();
    }
    places
}

/// Users saw: one damaged batch at the end of one partition, and the broker did not start any more.
#[test]
fn a_damaged_batch_at_the_end_of_a_partition_costs_no_start() {
    const MARKER: &[u8] = b"the one that the disk got wrong";
    let damaged = batch(&[(7, MARKER)]);
    let marker_at = damaged.bytes().windows(MARKER.len()).position(|window| window == MARKER).unwrap();
    // A byte of the body, one of the header's last offset delta, and the byte that names the format.
    let header = |at: isize| at - marker_at as isize;
    // In the journal the pointer has a second copy of the header.
    let cases = [
        (false, 5, false),
        (false, header(26), true),
        (false, header(16), true),
        (true, 5, false),
        (true, header(26), false),
        (true, header(16), false),
    ];
    for (in_journal, shift, jumps) in cases {
        for last in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let inline_bytes = if in_journal { 1 } else { usize::MAX };
            let options =
                StorageOptions { tail_bytes: 0, inline_bytes, ..StorageOptions::new(folder.path()) };
            let storage = Storage::open(options.clone()).unwrap();
            let (topic, other) = (create(&storage, "t", 1), create(&storage, "other", 1));
            append(&storage, &topic.partitions()[0], batch(&[(5, b"before")]), Acks::All).unwrap();
            append(&storage, &topic.partitions()[0], damaged.clone(), Acks::All).unwrap();
            if !last {
                append(&storage, &topic.partitions()[0], batch(&[(9, b"after")]), Acks::All).unwrap();
            }
            append(&storage, &other.partitions()[0], batch(&[(1, b"sound")]), Acks::All).unwrap();
            let size = topic.partitions()[0].size_bytes();
            storage.close().unwrap();
            drop(storage);
            assert_eq!(corrupt(folder.path(), in_journal, MARKER, shift), 1);

            let storage = Storage::open(options).unwrap();
            let partition =
                |name: &str| storage.cluster().catalog().topic(name).unwrap().partitions()[0].clone();
            let (one, other) = (partition("t"), partition("other"));
            assert_eq!(values(&storage, &other, 0).len(), 1);
            assert_eq!(one.size_bytes(), size);
            let end = match (last, jumps) {
                (false, _) => 3,
                (true, false) => 2,
                (true, true) => 1 + (1 << 31),
            };
            assert_eq!(one.log_end_offset(), end, "no offset is given twice");
            let appended = append(&storage, &one, batch(&[(9, b"new")]), Acks::All).unwrap();
            assert_eq!(appended.base_offset, end);
            let read = storage.shard().read(&one, 1, UNLIMITED);
            assert!(matches!(read, Err(ReadError::Storage(StorageError::DamagedBatch(_)))));
            assert_eq!(values(&storage, &one, end).len(), 1);
            storage.close().unwrap();
        }
    }
}

#[test]
fn a_corrupt_batch_is_noticed_and_holds_up_no_other_partition() {
    const MARKER: &[u8] = b"the one that the disk got wrong";
    let folder = tempfile::tempdir().unwrap();
    let compaction = Compaction {
        min_cleanable_dirty_ratio: 0.0,
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
        delete_retention_ms: 0,
    };
    let options = StorageOptions {
        log_policy: Arc::new(move |_| LogPolicy { retention: None, compaction: Some(compaction) }),
        tail_bytes: 0,
        ..StorageOptions::new(folder.path())
    };
    let keyed = |value: &[u8]| {
        RecordBatch::parse(BatchBuilder::new().record(1, Some(b"key"), Some(value)).build()).unwrap()
    };
    let storage = Storage::open(options.clone()).unwrap();
    for topic in [create(&storage, "a", 1), create(&storage, "b", 1), create(&storage, "c", 1)] {
        for step in 0..10 {
            // Large, so that a start does not look at it: it reads what follows the last complete interval of 64 KiB.
            let mut value = vec![0; 20_000];
            if step == 1 && topic.name == "b" {
                value.extend_from_slice(MARKER);
            }
            append(&storage, &topic.partitions()[0], keyed(&value), Acks::Leader).unwrap();
        }
    }
    storage.close().unwrap();
    drop(storage);
    assert_eq!(corrupt(folder.path(), true, MARKER, 10), 1);

    let storage = Storage::open(options).unwrap();
    let partition = |name: &str| storage.cluster().catalog().topic(name).unwrap().partitions()[0].clone();
    let read = |name: &str| storage.shard().read(&partition(name), 0, UNLIMITED);
    std::thread::sleep(Duration::from_millis(5));
    storage.tend_logs().unwrap();
    for sound in ["a", "c"] {
        assert_eq!(batches(read(sound).unwrap()).len(), 1, "{sound} is compacted");
    }
    let damaged = storage.shard().read(&partition("b"), 1, UNLIMITED);
    assert!(matches!(damaged, Err(ReadError::Storage(StorageError::DamagedBatch(_)))));
    assert_eq!(
        values(&storage, &partition("b"), 2).len(),
        1,
        "of those after it the newest of its key is left"
    );
    append(&storage, &partition("b"), keyed(b"more"), Acks::All).unwrap();
    storage.close().unwrap();
}

/// A disk that clients had filled up to the reserve was filled up to the end by the compaction that followed.
#[test]
fn compaction_waits_while_only_the_reserve_is_free_and_is_done_later() {
    let folder = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(100 * MIB));
    // Looks at the disk until only the reserve is free: the first is before a cleaning begins, the next before it writes.
    let looks = Arc::new(AtomicU64::new(0));
    let (seen, counted) = (Arc::clone(&free), Arc::clone(&looks));
    let disk_space = move |_: &Path| {
        let left = counted.load(Ordering::Relaxed);
        counted.store(left.saturating_sub(1), Ordering::Relaxed);
        let is_counted = left > 0;
        let free = if is_counted { u64::MAX } else { seen.load(Ordering::Relaxed) };
        Some(DiskSpace { total: 100 << 30, free })
    };
    let compaction = Compaction {
        min_cleanable_dirty_ratio: 0.0,
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
        delete_retention_ms: 0,
    };
    let options = StorageOptions {
        log_policy: Arc::new(move |_| LogPolicy { retention: None, compaction: Some(compaction) }),
        disk_space: Arc::new(disk_space),
        ..options(folder.path())
    };
    looks.store(u64::from(u32::MAX), Ordering::Relaxed);
    let storage = Storage::open(options).unwrap();
    let topic = create(&storage, "compacted", 1);
    for step in 0..20u8 {
        let value = vec![step; 20_000];
        let keyed = BatchBuilder::new().record(1, Some(b"key"), Some(&value)).build();
        append(&storage, &topic.partitions()[0], RecordBatch::parse(keyed).unwrap(), Acks::Leader).unwrap();
    }
    std::thread::sleep(Duration::from_millis(5));
    let compacted =
        || batches(storage.shard().read(&topic.partitions()[0], 0, UNLIMITED).unwrap()).len() == 1;
    for enough_for in [0, 1] {
        looks.store(enough_for, Ordering::Relaxed);
        storage.tend_logs().unwrap();
        assert!(!compacted(), "{enough_for} looks found space");
    }
    looks.store(0, Ordering::Relaxed);
    free.store(u64::MAX, Ordering::Relaxed);
    storage.tend_logs().unwrap();
    assert!(compacted());
    storage.close().unwrap();
}

/// Users saw: the space of a deleted topic came back only in part until the next start, if it had been in more than 64 generations.
#[test]
fn many_generations_that_die_at_once_are_all_dropped() {
    const MANY: usize = 80;
    // In memory if the system has such a folder: each generation takes some syncs.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let options = StorageOptions { generation_bytes: 10_000, ..options(folder.path()) };
    let storage = Storage::open(options.clone()).unwrap();
    let doomed = create(&storage, "doomed", 1);
    let journals = || {
        let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("journal-")).count()
    };
    while journals() <= MANY {
        append(&storage, &doomed.partitions()[0], batch(&[(1, &[7; 10_000])]), Acks::All).unwrap();
    }
    delete(&storage, &doomed);
    let until = Instant::now() + Duration::from_secs(60);
    while journals() > 3 {
        assert!(Instant::now() < until, "{} journals are left", journals());
        std::thread::sleep(Duration::from_millis(10));
    }
    storage.close().unwrap();
    drop((storage, doomed));
    Storage::open(options).unwrap().close().unwrap();
}

/// Each start finds a generation that is too old and replaces it, though nothing was appended.
#[test]
fn seventy_starts_that_replace_an_empty_generation_leave_nothing_behind() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let options = StorageOptions { generation_age: Duration::ZERO, ..options(folder.path()) };
    for _ in 0..70 {
        let storage = Storage::open(options.clone()).unwrap();
        create_and_delete(&storage);
        storage.close().unwrap();
    }
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let journals = names.filter(|name| name.to_string_lossy().starts_with("journal-")).count();
    assert!(journals < 10, "{journals} journals");
}

fn create_and_delete(storage: &Storage) {
    let topic = create(storage, "t", 1);
    delete(storage, &topic);
}
