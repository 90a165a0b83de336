//! A folder that is looked at is shown as the next start finds it, and stays as it was, however damaged it is.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use storage::{
    Acks, AppendEntry, AppendRequest, DeleteBelow, InspectError, OpenError, Partition, Storage,
    StorageOptions,
    inspect::{BatchCounts, BatchPlace, Inspector, JournalRole, Report},
};

use crate::common::{Partitions, append, batch, copy_of, create, delete, sequenced, wait};

/// Content, times and names of all files.
fn fingerprint(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64, u64)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| {
        let (content, metadata) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap());
        (path, (content, metadata.mtime_nsec(), metadata.ctime_nsec(), metadata.ino()))
    };
    entries.map(of).collect()
}

/// The report of a folder, with all of it checked, that leaves it as it was.
fn checked(folder: &Path) -> (Report, Vec<BatchCounts>) {
    let before = fingerprint(folder);
    let changed = fs::metadata(folder).unwrap().mtime_nsec();
    let inspector = Inspector::open(folder).unwrap();
    let mut report = inspector.report().unwrap();
    let mut counts = Vec::new();
    inspector.check(&mut report, |_, counted| counts.push(counted)).unwrap();
    for journal in &report.journals {
        inspector.records(&journal.name, true, |_| {}).unwrap();
    }
    for partition in &report.partitions {
        for offset in [partition.log_start_offset, partition.log_end_offset - 1, i64::MAX, -1] {
            inspector.batch(&partition.topic, partition.partition, offset).ok();
        }
    }
    drop(inspector);
    assert!(fingerprint(folder) == before, "a file of the folder was changed");
    assert_eq!(fs::metadata(folder).unwrap().mtime_nsec(), changed, "a file was created and deleted");
    (report, counts)
}

fn options(folder: &Path) -> StorageOptions {
    StorageOptions {
        generation_bytes: 300_000,
        replay_operations_bytes: 20_000,
        ..StorageOptions::new(folder)
    }
}

const LARGE: usize = 9_000;

/// Topics, small and large batches over several generations, deletions of records and of a topic.
fn filled(folder: &Path) -> Storage {
    let storage = Storage::open(options(folder)).unwrap();
    let (kept, gone) = (create(&storage, "kept", 2), create(&storage, "gone", 1));
    for step in 0..120_u8 {
        let value = vec![step; if step % 3 == 0 { 100 } else { LARGE }];
        let partition = &kept.partitions()[usize::from(step % 2)];
        append(&storage, partition, batch(&[(1, &value)]), Acks::Leader).unwrap();
        append(&storage, &gone.partitions()[0], batch(&[(1, &value)]), Acks::Leader).unwrap();
    }
    append(&storage, &kept.partitions()[0], sequenced(7, 0, 0, 3), Acks::All).unwrap();
    delete(&storage, &gone);
    let below = vec![(Arc::clone(&kept.partitions()[1]), DeleteBelow::Offset(7))];
    for deleted in storage.shard().delete_records(&below).unwrap() {
        deleted.unwrap();
    }
    append(&storage, &kept.partitions()[1], batch(&[(1, &[9; LARGE])]), Acks::All).unwrap();
    storage
}

/// `(log start, log end, leader epoch, bytes)`.
fn offsets(partition: &Partition) -> (i64, i64, i32, u64) {
    (
        partition.log_start_offset(),
        partition.log_end_offset(),
        partition.leader_epoch(),
        partition.size_bytes(),
    )
}

fn is_as_the_next_start_finds_it(folder: &Path, report: &Report) {
    let storage = Storage::open(options(folder)).unwrap();
    let catalog = storage.cluster().catalog();
    let partitions: Vec<_> = catalog.topics().flat_map(|topic| topic.led_here()).collect();
    let opened: Vec<_> = partitions.iter().map(|partition| offsets(partition)).collect();
    let seen = |partition: &storage::inspect::PartitionReport| {
        (partition.log_start_offset, partition.log_end_offset, partition.leader_epoch, partition.size_bytes)
    };
    assert_eq!(report.partitions.iter().map(seen).collect::<Vec<_>>(), opened);
    assert_eq!(report.next_start.unclean, Some(storage.recovery().unclean));
    assert_eq!(report.cluster.as_ref().unwrap().cluster_id, storage.cluster().id());
    let replay = report.next_start.replay.as_ref().unwrap();
    let deleted = replay.deleted.iter().map(|(file, _)| file).chain(&report.next_start.deleted);
    for file in deleted.filter(|file| file.starts_with("journal-") || file.starts_with("settled-")) {
        assert!(!folder.join(file).exists(), "{file}");
    }
    for journal in report.journals.iter().filter(|journal| journal.role != JournalRole::Deleted) {
        assert!(folder.join(&journal.name).exists(), "{}", journal.name);
    }
    storage.close().unwrap();
}

#[test]
fn a_killed_folder_is_shown_as_the_next_start_finds_it_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let killed = copy_of(folder.path());
    let (report, counts) = checked(killed.path());
    assert_eq!(report.damage, []);
    assert!(!report.in_use && report.next_start.refused.is_none());
    let replay = report.next_start.replay.as_ref().unwrap();
    assert!(replay.records > 0 && replay.cut_bytes == 0, "{replay:?}");
    assert!(replay.why.starts_with("the last record ends the file"), "{}", replay.why);
    assert!(report.families.len() > 2, "several generations: {:?}", report.families);
    assert_eq!(report.journals.iter().filter(|journal| journal.role == JournalRole::Current).count(), 1);
    let in_journal = counts.iter().map(|counts| counts.in_journal).sum::<u64>();
    assert!(in_journal > 50 && counts.iter().all(|counts| counts.inline > 0), "{counts:?}");
    let live: u64 = report.families.iter().map(|family| family.live_bytes).sum();
    assert_eq!(live, report.partitions.iter().map(|partition| partition.size_bytes).sum::<u64>());
    is_as_the_next_start_finds_it(killed.path(), &report);
    storage.close().unwrap();
}

/// Keys that RocksDB has on the disk, and newer values of them in the journal only.
#[test]
fn what_the_journal_has_overrides_what_rocksdb_has_flushed() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).close().unwrap();
    let storage = Storage::open(options(folder.path())).unwrap();
    let partition = Arc::clone(&storage.cluster().catalog().topic("kept").unwrap().partitions()[1]);
    let delete_below = |offset| {
        let below = [(Arc::clone(&partition), DeleteBelow::Offset(offset))];
        storage.shard().delete_records(&below).unwrap().remove(0).unwrap();
    };
    delete_below(20);
    let killed = copy_of(folder.path());
    let (report, _) = checked(killed.path());
    assert_eq!((report.damage.as_slice(), report.partitions[1].log_start_offset), (&[][..], 20));
    is_as_the_next_start_finds_it(killed.path(), &report);
    storage.close().unwrap();
}

#[test]
fn a_closed_folder_needs_no_replay() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).close().unwrap();
    let (report, _) = checked(folder.path());
    assert_eq!((report.damage.as_slice(), report.next_start.unclean), (&[][..], Some(false)));
    is_as_the_next_start_finds_it(folder.path(), &report);
}

#[test]
fn a_folder_in_use_is_shown_and_no_broker_starts_on_one_that_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let inspector = Inspector::open(folder.path()).unwrap();
    let report = inspector.report().unwrap();
    assert!(report.in_use && report.damage.is_empty(), "{:?}", report.damage);
    let end = storage.cluster().catalog().topic("kept").unwrap().partitions()[0].log_end_offset();
    assert_eq!(report.partitions[0].log_end_offset, end);
    storage.close().unwrap();
    drop((inspector, storage));

    let inspector = Inspector::open(folder.path()).unwrap();
    assert!(!inspector.report().unwrap().in_use);
    assert!(Inspector::open(folder.path()).is_ok(), "two can look at once");
    assert!(matches!(Storage::open(options(folder.path())), Err(OpenError::Locked { .. })));
    drop(inspector);
    Storage::open(options(folder.path())).unwrap().close().unwrap();
}

#[test]
fn damage_in_a_folder_in_use_counts_if_it_is_found_twice() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let inspector = Inspector::open(folder.path()).unwrap();
    let Some(BatchPlace::Journal(place)) = inspector.batch("kept", 0, 1).unwrap().map(|batch| batch.place)
    else {
        panic!("it is large");
    };
    let flip = || {
        let file = fs::File::options().read(true).write(true).open(folder.path().join(&place.file)).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, place.offset + 500).unwrap();
        file.write_all_at(&[!byte[0]], place.offset + 500).unwrap();
    };
    flip();
    let mut report = inspector.report().unwrap();
    inspector.check(&mut report, |_, _| {}).unwrap();
    assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
    let mut report = inspector.report().unwrap();
    // The first partition is checked by then.
    inspector
        .check(&mut report, |partition, _| (partition.partition == 0).then(flip).unwrap_or_default())
        .unwrap();
    assert_eq!(report.damage, []);
    storage.close().unwrap();
}

/// Everything that looks damaged.
fn look_in_use(folder: &Path) -> Result<Vec<String>, InspectError> {
    let inspector = Inspector::open(folder)?;
    let mut report = inspector.report()?;
    inspector.check(&mut report, |_, _| {})?;
    Ok(report.damage.iter().map(|damage| format!("{damage:?}")).collect())
}

/// Generations come and go, logs are cut, memtables are flushed, and journals deleted.
#[test]
fn a_folder_in_heavy_use_never_looks_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageOptions { settle_bytes: 1, ..options(folder.path()) }).unwrap();
    let topic = create(&storage, "t", 2);
    let (ended, mut found) = (AtomicBool::new(false), Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            for step in 0.. {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let partition = &topic.partitions()[step % 2];
                let value = vec![7; if step % 3 == 0 { 100 } else { LARGE }];
                append(&storage, partition, batch(&[(1, &value)]), Acks::Leader).unwrap();
                if step % 40 == 0 {
                    let below = partition.log_end_offset().saturating_sub(30).max(0);
                    let below = [(Arc::clone(partition), DeleteBelow::Offset(below))];
                    storage.shard().delete_records(&below).unwrap().remove(0).unwrap();
                    storage.tend_logs().unwrap();
                }
            }
        });
        for _ in 0..12 {
            let looked = look_in_use(folder.path());
            found.extend(looked.unwrap_or_else(|error| vec![error.to_string()]));
        }
        ended.store(true, Ordering::SeqCst);
    });
    assert_eq!(found, Vec::<String>::new());
    storage.close().unwrap();
}

#[test]
fn a_batch_is_found_by_any_of_its_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let killed = copy_of(folder.path());
    let inspector = Inspector::open(killed.path()).unwrap();
    let batch = |offset| inspector.batch("kept", 0, offset).unwrap();
    let end = inspector.report().unwrap().partitions[0].log_end_offset;
    for offset in end - 3..end {
        let found = batch(offset).unwrap();
        let header = found.header.unwrap();
        assert_eq!((header.base_offset, header.producer_id, header.records_count), (end - 3, 7, 3));
        assert!(matches!(found.place, BatchPlace::Inline { .. }) && found.fault.is_none());
    }
    assert!(matches!(batch(1).unwrap().place, BatchPlace::Journal(_)), "a large one");
    assert!(batch(end).is_none() && batch(-1).is_none());
    assert!(inspector.batch("kept", 1, 6).unwrap().is_none(), "it was deleted");
    let unknown = inspector.batch("kept", 2, 0);
    assert!(matches!(unknown, Err(InspectError::UnknownPartition { .. })));
    storage.close().unwrap();
}

/// Changes some bytes of a file.
fn damage(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 0xff;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_batch_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).close().unwrap();
    let inspector = Inspector::open(folder.path()).unwrap();
    let Some(BatchPlace::Journal(place)) = inspector.batch("kept", 0, 1).unwrap().map(|batch| batch.place)
    else {
        panic!("it is large");
    };
    drop(inspector);
    damage(&folder.path().join(&place.file), place.offset + 500);
    let (report, counts) = checked(folder.path());
    let [damage] = report.damage.as_slice() else { panic!("{:?}", report.damage) };
    assert_eq!(
        damage.place,
        format!("kept-0, batch at offset 1, in byte {} of {}", place.offset, place.file)
    );
    assert!(damage.detail.contains("CRC"), "{damage:?}");
    assert_eq!(counts.iter().map(|counts| counts.damaged).sum::<u64>(), 1);
    let fault = Inspector::open(folder.path()).unwrap().batch("kept", 0, 1).unwrap().unwrap().fault;
    assert!(fault.is_some_and(|fault| fault.contains("CRC")));
}

#[test]
fn a_torn_end_of_the_journal_is_told_with_what_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let topic = storage.cluster().catalog().topic("kept").cloned().unwrap();
    append(&storage, &topic.partitions()[0], batch(&[(1, &[9; LARGE])]), Acks::Leader).unwrap();
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    let (whole, _) = checked(killed.path());
    let end = whole.next_start.replay.unwrap().end;
    let path = killed.path().join(&end.file);
    fs::File::options().write(true).open(&path).unwrap().set_len(end.offset - 100).unwrap();
    let (report, _) = checked(killed.path());
    let replay = report.next_start.replay.as_ref().unwrap();
    assert_eq!(replay.why, "the file ends within a record: 100 bytes of it are missing");
    assert_eq!(replay.end.offset + replay.cut_bytes, end.offset - 100);
    assert_eq!(report.damage, [], "a crash leaves such an end");
    is_as_the_next_start_finds_it(killed.path(), &report);
    let after = fs::metadata(&path).unwrap().len();
    assert!(after >= replay.end.offset, "the start cut it off there and went on");
}

#[test]
fn lost_records_refuse_the_start_and_the_rest_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    let (whole, _) = checked(killed.path());
    let mark = whole.next_start.replay.unwrap().mark.unwrap();
    // The record after it tells of the mark.
    damage(&killed.path().join(&mark.file), mark.offset - 1);
    let (report, _) = checked(killed.path());
    assert!(report.next_start.refused.as_ref().is_some_and(|why| why.contains("was synced up to")));
    assert!(report.damage.iter().any(|damage| damage.place == "journal"), "{:?}", report.damage);
    assert_eq!(report.partitions.len(), 2);
    assert!(matches!(Storage::open(options(killed.path())), Err(OpenError::DataLoss { .. })));
}

#[test]
fn a_missing_journal_costs_its_own_batches_and_the_rest_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    storage.close().unwrap();
    drop(storage);
    let (whole, _) = checked(folder.path());
    let last = &whole.next_start.replay.as_ref().unwrap().end.file;
    let living: Vec<_> = whole.journals.iter().filter(|file| file.role == JournalRole::Living).collect();
    let lost = living.first().unwrap();
    assert!(lost.name != *last);
    fs::remove_file(folder.path().join(&lost.name)).unwrap();
    let (report, counts) = checked(folder.path());
    assert!(report.damage.iter().any(|damage| damage.place == lost.name), "{:?}", report.damage);
    assert_eq!(report.partitions.len(), whole.partitions.len());
    assert!(counts.iter().any(|counts| counts.damaged > 0), "{counts:?}");
    assert!(report.next_start.refused.is_none(), "a start does not read it");
    Storage::open(options(folder.path())).unwrap().close().unwrap();
}

#[test]
fn a_partition_whose_end_is_lost_refuses_the_start_and_the_others_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(options(folder.path())).unwrap();
    let topic = create(&storage, "old", 1);
    append(&storage, &topic.partitions()[0], batch(&[(1, &[7; LARGE])]), Acks::All).unwrap();
    storage.close().unwrap();
    drop((storage, topic));
    filled(folder.path()).close().unwrap();
    let (whole, _) = checked(folder.path());
    let old = whole.partitions.iter().find(|partition| partition.topic == "old").unwrap();
    let file = old.extents.last().unwrap().family.replace("gen-", "journal-");
    assert_ne!(whole.next_start.replay.as_ref().unwrap().end.file, file);
    fs::remove_file(folder.path().join(&file)).unwrap();
    let (report, _) = checked(folder.path());
    let refused = report.next_start.refused.as_deref().unwrap_or_default();
    assert!(refused.starts_with("old-0: "), "{refused}");
    assert_eq!(report.partitions.len(), whole.partitions.len() - 1);
    let refused = Storage::open(options(folder.path())).err();
    assert!(matches!(refused, Some(OpenError::Storage { .. })), "{refused:?}");
}

/// RocksDB's log has blocks of 32 KiB: the operations of one group take many.
#[test]
fn operations_of_any_length_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageOptions::new(folder.path())).unwrap();
    let topic = create(&storage, "t", 4);
    for length in (0..60).map(|step| step * 71) {
        let partitions = topic.partitions();
        let entries = partitions.iter().cycle().take(length % 40 + 1).map(|partition| AppendEntry {
            partition: Arc::clone(partition),
            batch: batch(&[(1, &vec![7; length % 3_900])]),
            log_append_time: false,
            unknown_producer_begins_at_zero: false,
        });
        let request = AppendRequest { entries: entries.collect(), acks: Acks::Leader, coordinator: None };
        wait(|done| storage.shard().append(request, done)).unwrap();
    }
    let killed = copy_of(folder.path());
    let (report, counts) = checked(killed.path());
    assert_eq!(report.damage, []);
    assert!(report.next_start.replay.as_ref().unwrap().operations_bytes > 1_000_000);
    assert!(counts.iter().all(|counts| counts.in_journal == 0 && counts.inline > 100));
    is_as_the_next_start_finds_it(killed.path(), &report);
    storage.close().unwrap();
}

#[test]
fn folders_of_other_formats_and_of_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Inspector::open(folder.path()).map(|_| ());
    assert!(matches!(open(), Err(InspectError::Foreign { .. })));
    fs::write(folder.path().join("FORMAT"), "1\n").unwrap();
    let refused = open().unwrap_err().to_string();
    assert_eq!(refused, Storage::open(options(folder.path())).err().unwrap().to_string(), "as by a broker");
    assert!(refused.contains("has storage format 1"), "{refused}");
    let missing = Inspector::open(&folder.path().join("missing")).map(|_| ());
    assert!(matches!(missing, Err(InspectError::NotReadable { .. })));
}

/// Flips bits, cuts and removes files of every kind.
#[test]
fn however_damaged_a_folder_is_looking_at_it_changes_nothing() {
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    eprintln!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let storage = filled(folder.path());
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    let originals: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(killed.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("FORMAT"))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    let mut damaged = 0;
    for (path, original) in &originals {
        for round in 0..4 {
            let mut bytes = original.clone();
            match round {
                0 => fs::remove_file(path).unwrap(),
                1 => fs::write(path, &bytes[..random.random_range(0..=bytes.len())]).unwrap(),
                _ => {
                    for _ in 0..random.random_range(1..20) {
                        let length = bytes.len().max(1);
                        if let Some(byte) = bytes.get_mut(random.random_range(0..length)) {
                            *byte ^= 1 << random.random_range(0..8);
                        }
                    }
                    fs::write(path, &bytes).unwrap();
                }
            }
            let before = fingerprint(killed.path());
            if let Ok(inspector) = Inspector::open(killed.path())
                && let Ok(mut report) = inspector.report()
            {
                inspector.check(&mut report, |_, _| {}).ok();
                for journal in &report.journals {
                    inspector.records(&journal.name, true, |_| {}).ok();
                }
                for partition in &report.partitions {
                    for offset in partition.log_start_offset..partition.log_end_offset.min(20) {
                        inspector.batch(&partition.topic, partition.partition, offset).ok();
                    }
                }
                damaged += usize::from(!report.damage.is_empty());
            }
            assert!(fingerprint(killed.path()) == before, "{} in round {round}", path.display());
        }
        fs::write(path, original).unwrap();
    }
    assert!(damaged > originals.len(), "damage was noticed {damaged} times");
}
