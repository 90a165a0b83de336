//! Faults and crashes while batches go to settled files.

use std::{sync::Arc, thread, time::Duration};

use storage::{
    Acks, CrashPoint, DeleteBelow, Faults, Operation, ReadError, Storage, StorageError, StorageOptions,
    Unsynced,
    inspect::{BatchPlace, Inspector},
};

use crate::{
    common::{Partitions, UNLIMITED, append, batch, create, delete, values},
    failure::{found, lose_all_unsynced, options, produce},
};

const VALUE: usize = 20_000;

/// One generation, which takes no more appends, with 20 batches of topic `t` and 40 of each of two others. All is on
/// the disk.
fn filled(options: &StorageOptions, faults: &Faults) -> Storage {
    let storage = Storage::open(options.clone()).unwrap();
    let topics = ["t", "dead", "dies"].map(|name| create(&storage, name, 1));
    for number in 0..100_u8 {
        let topic = &topics[[0, 1, 2, 1, 2][usize::from(number % 5)]];
        let large = batch(&[(1, &vec![number / 5; VALUE])]);
        append(&storage, &topic.partitions()[0], large, Acks::Leader).unwrap();
    }
    while storage.metrics().generations < 2 || faults.tasks_left() > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    produce(&storage, 20, 100, Acks::All).unwrap();
    storage
}

fn small(folder: &tempfile::TempDir, faults: &Faults) -> StorageOptions {
    StorageOptions {
        generation_bytes: 100 * VALUE as u64,
        settle_bytes: 100_000,
        ..options(folder.path(), faults)
    }
}

fn delete_topic(storage: &Storage, name: &str) {
    delete(storage, storage.cluster().catalog().topic(name).unwrap());
}

/// Tends until there is no such file.
fn tend_away(storage: &Storage, folder: &tempfile::TempDir, file: &str) {
    for _ in 0..2000 {
        if !folder.path().join(file).exists() {
            return;
        }
        storage.tend_logs().unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    panic!("{file} is still there");
}

fn is_whole(storage: &Storage) {
    assert_eq!(found(storage), (0..21).collect::<Vec<_>>());
}

#[test]
fn what_was_settled_survives_a_power_failure_after_its_generation_is_gone() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = small(&folder, &faults);
    let storage = filled(&options, &faults);
    delete_topic(&storage, "dead");
    tend_away(&storage, &folder, "journal-00000001");
    faults.crash_now();
    storage.close().unwrap_err();
    drop(storage);
    lose_all_unsynced(&folder, &faults);
    let storage = Storage::open(StorageOptions { faults: faults.of_the_next_process(), ..options }).unwrap();
    is_whole(&storage);
    storage.close().unwrap();
}

/// The batches were settled again, which is not synced by itself, and the old file is unlinked.
#[test]
fn a_settled_file_goes_only_once_nothing_can_bring_its_pointers_back() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = small(&folder, &faults);
    let storage = filled(&options, &faults);
    delete_topic(&storage, "dead");
    tend_away(&storage, &folder, "journal-00000001");
    delete_topic(&storage, "dies");
    faults.crash_at(Some(CrashPoint { operation: Operation::RemoveFile, number: 1, after: true }));
    for _ in 0..100 {
        if storage.tend_logs().is_err() {
            break;
        }
    }
    assert!(faults.is_stopped() && !folder.path().join("settled-00000001").exists());
    storage.close().unwrap_err();
    drop(storage);
    // Of all that was not synced only the end of that file reaches the disk.
    faults.cut_power(folder.path(), |_, what| what == Unsynced::Name).unwrap();
    let storage = Storage::open(StorageOptions { faults: faults.of_the_next_process(), ..options }).unwrap();
    is_whole(&storage);
    storage.close().unwrap();
}

/// It is not copied without its bytes, and holds up no other.
#[test]
fn a_settled_batch_in_a_bad_sector_keeps_its_file_and_all_others_are_moved() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = small(&folder, &faults);
    let storage = filled(&options, &faults);
    delete_topic(&storage, "dead");
    tend_away(&storage, &folder, "journal-00000001");
    let place = Inspector::open(folder.path()).unwrap().batch("t", 0, 7).unwrap().unwrap().place;
    let BatchPlace::Settled(place) = place else { panic!("{place:?}") };
    faults.bad_sector(&place.file, place.offset + 500, true);
    delete_topic(&storage, "dies");
    for _ in 0..3 {
        storage.tend_logs().unwrap();
    }
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    let read = storage.shard().read(&partition, 7, UNLIMITED);
    let Err(ReadError::Storage(StorageError::DamagedBatch(found))) = read else { panic!("{read:?}") };
    assert_eq!((&found.file, storage.metrics().damaged_batches), (&place.file, 1));
    let place = Inspector::open(folder.path()).unwrap().batch("t", 0, 8).unwrap().unwrap().place;
    assert!(matches!(&place, BatchPlace::Settled(place) if place.file != found.file), "{place:?}");
    assert_eq!(values(&storage, &partition, 8).len(), 13);
    faults.bad_sector(&found.file, found.position.unwrap() + 500, false);
    is_whole(&storage);
    storage.close().unwrap();
}

/// A disk that refuses a settled file holds up nothing but the settling, and what that had copied by then goes with
/// the records. Users would see space that never comes back: no extent leads to such copies.
#[test]
fn copies_of_a_settling_that_stopped_half_way_go_with_their_records() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = StorageOptions {
        generation_bytes: 24 << 20,
        settle_bytes: 1 << 20,
        // Each step has a file of its own.
        settled_file_bytes: 1,
        ..options(folder.path(), &faults)
    };
    let storage = Storage::open(options.clone()).unwrap();
    let topics = ["t", "dead"].map(|name| create(&storage, name, 1));
    // More than a step copies.
    for value in 0..12 {
        for topic in &topics {
            let large = batch(&[(1, &vec![value; 1 << 20])]);
            append(&storage, &topic.partitions()[0], large, Acks::Leader).unwrap();
        }
    }
    while storage.metrics().generations < 2 || faults.tasks_left() > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    produce(&storage, 12, 100, Acks::All).unwrap();
    delete(&storage, &topics[1]);
    // The fence, which follows a sync, is a file too.
    thread::sleep(Duration::from_millis(200));
    for operation in [Operation::CreateFile, Operation::SyncFile] {
        faults.fail_from(operation, if operation == Operation::CreateFile { 2 } else { 3 });
        storage.tend_logs().unwrap_err();
        faults.fail_from(operation, u64::MAX);
    }
    assert!(folder.path().join("settled-00000001").exists(), "the first step was done");
    produce(&storage, 13, 8_000, Acks::Leader).unwrap();
    assert_eq!(found(&storage), (0..14).collect::<Vec<_>>());
    let partition = Arc::clone(&topics[0].partitions()[0]);
    storage.shard().delete_records(&[(partition, DeleteBelow::Offset(12))]).unwrap().remove(0).unwrap();
    for _ in 0..2 {
        storage.tend_logs().unwrap();
    }
    storage.close().unwrap();
    drop((storage, topics));
    let inspector = Inspector::open(folder.path()).unwrap();
    let mut report = inspector.report().unwrap();
    inspector.check(&mut report, |_, _| {}).unwrap();
    assert_eq!(report.damage, []);
    assert!(report.settled_files.is_empty(), "{:?}", report.settled_files);
    drop(inspector);
    let storage = Storage::open(StorageOptions { faults: faults.of_the_next_process(), ..options }).unwrap();
    let rest = values(&storage, &storage.cluster().catalog().topic("t").unwrap().partitions()[0], 12);
    assert_eq!(rest.len(), 2);
    storage.close().unwrap();
}
