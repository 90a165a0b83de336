//! A batch that the disk damaged costs itself: its readers are told, and whatever else the storage does passes it over.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use storage::{
    Acks, Compaction, DamagedBatch, DeleteBelow, DiskSpace, Isolation, LogPolicy, Partition, ReadError,
    Storage, StorageError, StorageOptions, Topic, inspect::Inspector,
};

use crate::{
    common::{Partitions, UNLIMITED, append, batch, create, values},
    space::corrupt,
};

const MARKER: &[u8] = b"the one that the disk got wrong";

fn options(folder: &Path) -> StorageOptions {
    StorageOptions {
        tail_bytes: 0,
        settle_bytes: 1,
        generation_bytes: 1 << 20,
        ..StorageOptions::new(folder)
    }
}

/// Twenty records, each a batch of its own, with timestamps from 1 on; that at offset 3 is damaged. The storage is opened after that.
fn damaged(options: &StorageOptions, in_journal: bool) -> Storage {
    let inline_bytes = if in_journal { 1 } else { usize::MAX };
    let written = StorageOptions { inline_bytes, ..options.clone() };
    let storage = Storage::open(written.clone()).unwrap();
    let topic = create(&storage, "t", 1);
    for number in 0..20 {
        // Too large for the start to look at: it reads what follows the last complete interval of 64 KiB.
        let mut value = vec![number; 20_000];
        if number == 3 {
            value[100..100 + MARKER.len()].copy_from_slice(MARKER);
        }
        append(&storage, &topic.partitions()[0], batch(&[(1 + i64::from(number), &value)]), Acks::Leader)
            .unwrap();
    }
    storage.close().unwrap();
    drop((storage, topic));
    assert_eq!(corrupt(&options.path, in_journal, MARKER, 3), 1);
    Storage::open(written).unwrap()
}

fn partition(storage: &Storage) -> Arc<Partition> {
    Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0])
}

/// The damage that a read from `offset` meets.
fn damage_at(storage: &Storage, offset: i64) -> Arc<DamagedBatch> {
    match storage.shard().read(&partition(storage), offset, UNLIMITED) {
        Err(ReadError::Storage(StorageError::DamagedBatch(found))) => found,
        other => panic!("{other:?}"),
    }
}

/// All that can be read, as a consumer that passes over the damaged batch sees it.
fn offsets(storage: &Storage, from: i64) -> Vec<i64> {
    let partition = partition(storage);
    let mut found: Vec<i64> = if from < 3 {
        values(storage, &partition, from).iter().map(|(offset, _)| *offset).collect()
    } else {
        vec![]
    };
    found.extend(values(storage, &partition, from.max(4)).iter().map(|(offset, _)| *offset));
    found
}

#[test]
fn a_read_of_it_names_it_and_all_others_are_served() {
    for in_journal in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let storage = damaged(&options(folder.path()), in_journal);
        assert_eq!(storage.metrics().damaged_batches, 0);
        for _ in 0..2 {
            let found = damage_at(&storage, 3);
            assert_eq!((found.base_offset, found.position.is_some()), (3, in_journal), "{found}");
            let file = if in_journal { "journal-00000001" } else { "RocksDB's family gen-00000001" };
            assert_eq!(found.file, file);
            let bytes = std::fs::read(folder.path().join("journal-00000001")).unwrap();
            if let Some(position) = found.position {
                assert_eq!(bytes[position as usize..][..8], 3_i64.to_be_bytes(), "it begins there");
            }
        }
        assert_eq!(storage.metrics().damaged_batches, 1, "counted once");
        assert_eq!(offsets(&storage, 0), [0, 1, 2].into_iter().chain(4..20).collect::<Vec<_>>());
        storage.close().unwrap();
    }
}

#[test]
fn a_look_up_by_time_passes_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let storage = damaged(&options(folder.path()), false);
    let partition = partition(&storage);
    let at =
        |timestamp| storage.shard().offset_for_timestamp(&partition, timestamp, Isolation::ReadUncommitted);
    assert_eq!(at(3).unwrap().unwrap().offset, 2);
    assert_eq!(at(4).unwrap().unwrap().offset, 4, "that of offset 3 is lost");
    assert_eq!(storage.shard().max_timestamp(&partition).unwrap().unwrap().offset, 19);
    storage.close().unwrap();
}

#[test]
fn records_are_deleted_up_to_it_and_beyond() {
    for in_journal in [true, false] {
        for below in [3, 4, 10] {
            let folder = tempfile::tempdir().unwrap();
            let storage = damaged(&options(folder.path()), in_journal);
            let asked = [(partition(&storage), DeleteBelow::Offset(below))];
            let starts = storage.shard().delete_records(&asked).unwrap();
            assert!(matches!(starts[..], [Ok(start)] if start == below), "{starts:?}");
            assert_eq!(offsets(&storage, below), (below.max(4)..20).collect::<Vec<_>>());
            storage.close().unwrap();
        }
    }
}

/// The place of the damaged batch after its move: what was damaged in RocksDB stays there.
fn settled(in_journal: bool) -> &'static str {
    if in_journal { "settled-00000001" } else { "RocksDB's family settled" }
}

/// The generation in which it lies is mostly dead: what lives is moved, and the damaged batch, too, is as it was.
#[test]
fn its_generation_is_settled_and_its_space_comes_back() {
    for in_journal in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let storage = damaged(&options(folder.path()), in_journal);
        let dead = create(&storage, "dead", 1);
        for _ in 0..60 {
            append(&storage, &dead.partitions()[0], batch(&[(1, &[9; 20_000])]), Acks::Leader).unwrap();
        }
        crate::common::delete(&storage, &dead);
        let journal = folder.path().join("journal-00000001");
        for _ in 0..400 {
            if !journal.exists() {
                break;
            }
            storage.tend_logs().unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!journal.exists(), "in the journal: {in_journal}");
        assert_eq!(damage_at(&storage, 3).file, settled(in_journal));
        assert_eq!(offsets(&storage, 0), [0, 1, 2].into_iter().chain(4..20).collect::<Vec<_>>());
        storage.close().unwrap();
    }
}

#[test]
fn its_log_is_compacted_and_it_stays() {
    for in_journal in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let compaction = Compaction {
            min_cleanable_dirty_ratio: 0.0,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 0,
        };
        let policy = LogPolicy { retention: None, compaction: Some(compaction) };
        let options = StorageOptions { log_policy: Arc::new(move |_| policy), ..options(folder.path()) };
        let storage = damaged(&options, in_journal);
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(5));
            storage.tend_logs().unwrap();
            // Records without a key go.
            assert_eq!(offsets(&storage, 4).len(), 0, "in the journal: {in_journal}");
            assert_eq!(damage_at(&storage, 3).file, settled(in_journal));
            assert_eq!(storage.metrics().damaged_batches, 1);
        }
        let partition = partition(&storage);
        assert_eq!(append(&storage, &partition, batch(&[(1, b"new")]), Acks::All).unwrap().base_offset, 20);
        storage.close().unwrap();
        drop((storage, partition));
        let storage = Storage::open(options).unwrap();
        assert_eq!(storage.cluster().catalog().topic("t").unwrap().partitions()[0].log_end_offset(), 21);
        storage.close().unwrap();
    }
}

/// Small batches of two topics, `t` and `u`, in the settled family. The first of `u` is damaged, in the block of a
/// table in which the last of `t` lies too.
fn settled_and_damaged(options: &StorageOptions) {
    let storage = Storage::open(options.clone()).unwrap();
    let topics = ["t", "u", "dead"].map(|name| create(&storage, name, 1));
    let fill = |topic: &Topic, count: u8| {
        for number in 0..count {
            let mut value = vec![number; 20_000];
            if topic.name == "u" && number == 0 {
                value[100..100 + MARKER.len()].copy_from_slice(MARKER);
            }
            append(&storage, &topic.partitions()[0], batch(&[(1, &value)]), Acks::Leader).unwrap();
        }
    };
    // Two fill a block.
    topics.iter().zip([5, 4, 60]).for_each(|(topic, count)| fill(topic, count));
    crate::common::delete(&storage, &topics[2]);
    let journal = options.path.join("journal-00000001");
    for _ in 0..400 {
        if !journal.exists() {
            break;
        }
        storage.tend_logs().unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!journal.exists());
    storage.close().unwrap();
    drop((storage, topics));
    assert_eq!(corrupt(&options.path, false, MARKER, 3), 1);
}

/// Keys in the settled family of a folder that is closed.
fn settled_keys(folder: &Path) -> usize {
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), folder).unwrap();
    let database =
        rocksdb::DB::open_cf_for_read_only(&rocksdb::Options::default(), folder, families, false).unwrap();
    let mut unchecked = rocksdb::ReadOptions::default();
    unchecked.set_verify_checksums(false);
    let settled = database.cf_handle("settled").unwrap();
    database.iterator_cf_opt(settled, unchecked, rocksdb::IteratorMode::Start).map(Result::unwrap).count()
}

/// One flipped bit among settled batches once refused the whole folder.
#[test]
fn a_damaged_block_of_the_settled_family_costs_no_start_and_no_other_batch() {
    let folder = tempfile::tempdir().unwrap();
    let options = StorageOptions { inline_bytes: usize::MAX, ..options(folder.path()) };
    settled_and_damaged(&options);
    assert_eq!(settled_keys(folder.path()), 9);
    let inspector = Inspector::open(folder.path()).unwrap();
    let mut report = inspector.report().unwrap();
    let mut damaged = 0;
    inspector.check(&mut report, |_, counts| damaged += counts.damaged).unwrap();
    assert_eq!(damaged, 1);
    drop(inspector);
    let storage = Storage::open(options).unwrap();
    let u = Arc::clone(&storage.cluster().catalog().topic("u").unwrap().partitions()[0]);
    assert_eq!(values(&storage, &partition(&storage), 0).len(), 5);
    assert_eq!(values(&storage, &u, 1).len(), 3);
    let read = storage.shard().read(&u, 0, UNLIMITED);
    let Err(ReadError::Storage(StorageError::DamagedBatch(found))) = read else { panic!("{read:?}") };
    assert_eq!(found.file, "RocksDB's family settled");
    // What is deleted there goes, though the start could not see of whom there is anything.
    let below = [(partition(&storage), DeleteBelow::Offset(4))];
    storage.shard().delete_records(&below).unwrap().remove(0).unwrap();
    storage.close().unwrap();
    drop((storage, u));
    assert_eq!(settled_keys(folder.path()), 5);
}

/// Its space stays: nothing is lost by that, but a look at all of it with each sweep would keep the disk busy.
#[test]
fn a_damaged_block_of_the_settled_family_is_not_looked_at_again_with_each_sweep() {
    let folder = tempfile::tempdir().unwrap();
    // More than a flush that comes in between adds to what is dead.
    let options = StorageOptions { inline_bytes: usize::MAX, settle_bytes: 10_000, ..options(folder.path()) };
    settled_and_damaged(&options);
    let storage = Storage::open(options).unwrap();
    crate::common::delete(&storage, storage.cluster().catalog().topic("t").unwrap());
    storage.tend_logs().unwrap_err();
    for _ in 0..3 {
        storage.tend_logs().unwrap();
    }
    storage.close().unwrap();
}

/// Less is worth a copy then, so there may be something to do.
#[test]
fn the_settled_family_is_looked_at_again_once_the_disk_becomes_short() {
    let folder = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(500 << 30));
    let free_now = Arc::clone(&free);
    let disk_space =
        move |_: &Path| Some(DiskSpace { total: 1000 << 30, free: free_now.load(Ordering::Relaxed) });
    let options = StorageOptions {
        inline_bytes: usize::MAX,
        // More than a flush that comes in between adds to what is dead.
        settle_bytes: 10_000,
        disk_space: Arc::new(disk_space),
        ..options(folder.path())
    };
    settled_and_damaged(&options);
    let storage = Storage::open(options).unwrap();
    crate::common::delete(&storage, storage.cluster().catalog().topic("t").unwrap());
    for free_gib in [500, 8, 500] {
        free.store(free_gib << 30, Ordering::Relaxed);
        // Each look meets the damage.
        storage.tend_logs().unwrap_err();
        storage.tend_logs().unwrap();
    }
    storage.close().unwrap();
}
