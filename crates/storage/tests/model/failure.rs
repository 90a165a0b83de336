//! A storage that cannot write any more answers all callers, ends, and starts again: faults that random walks found.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use codec::records::{BatchBuilder, RecordBatch};
use storage::{
    Acks, AppendEntry, AppendRequest, Compaction, CrashPoint, DeleteBelow, Faults, LogPolicy, Operation,
    Storage, StorageError, StorageOptions, Topic, inspect::Inspector,
};

use crate::common::{Partitions, append, batch, copy_of, create, delete, values, wait};

const AT_ONCE: Compaction = Compaction {
    min_cleanable_dirty_ratio: 0.0,
    min_compaction_lag_ms: 0,
    max_compaction_lag_ms: i64::MAX,
    delete_retention_ms: 0,
};

/// Users saw: a broker whose disk failed while it was stopping did not end, and some requests were never answered.
#[test]
fn a_failed_write_leaves_no_caller_waiting() {
    const APPENDS: usize = 64;
    for attempt in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let options = StorageOptions { faults: faults.clone(), ..StorageOptions::new(folder.path()) };
        let storage = Storage::open(options).unwrap();
        let topic = create(&storage, "t", 1);
        let number = 1 + attempt % 8;
        faults.crash_at(Some(CrashPoint { operation: Operation::Write, number, after: false }));
        let (sender, answers) = mpsc::sync_channel(APPENDS);
        // Too large to be written by the caller.
        let batch = batch(&[(1, &[7; 20_000])]);
        for _ in 0..APPENDS {
            let entry = AppendEntry {
                partition: Arc::clone(&topic.partitions()[0]),
                batch: batch.clone(),
                log_append_time: false,
                unknown_producer_begins_at_zero: false,
            };
            let sender = sender.clone();
            storage.shard().append(
                AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None },
                Box::new(move |answer| sender.send(answer.is_ok()).unwrap_or_default()),
            );
        }
        drop(sender);
        let (ended, end) = mpsc::sync_channel(1);
        let closing = thread::spawn(move || ended.send(storage.close().is_ok()).unwrap_or_default());
        let closed = end.recv_timeout(Duration::from_secs(20));
        assert!(closed.is_ok(), "attempt {attempt}: it does not close");
        closing.join().unwrap();
        assert_eq!(answers.iter().count(), APPENDS, "attempt {attempt}");
    }
}

/// Users saw: a broker that crashed after a DeleteRecords call, for an offset within the first batch of a compacted log,
/// refused to start as if records were lost.
#[test]
fn a_crash_after_a_deletion_that_frees_nothing_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::default();
    let options = StorageOptions {
        log_policy: Arc::new(move |_| LogPolicy { retention: None, compaction: Some(AT_ONCE) }),
        faults: faults.clone(),
        ..StorageOptions::new(folder.path())
    };
    let storage = Storage::open(options.clone()).unwrap();
    let topic = create(&storage, "t", 1);
    let mut builder = BatchBuilder::new();
    for key in [b"a", b"b", b"c"] {
        builder.push(1, Some(key), Some(b"value"), &[]);
    }
    let batch = RecordBatch::parse(builder.build()).unwrap();
    append(&storage, &topic.partitions()[0], batch, Acks::All).unwrap();
    // Into the settled family.
    thread::sleep(Duration::from_millis(5));
    storage.tend_logs().unwrap();
    storage.close().unwrap();
    drop((storage, topic));

    // In the middle of the first batch: nothing of it can go. The first sync of a process is noted in the fence.
    let storage = Storage::open(options.clone()).unwrap();
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    let starts = storage.shard().delete_records(&[(partition, DeleteBelow::Offset(1))]).unwrap();
    assert!(matches!(starts[..], [Ok(1)]));
    faults.crash_now();
    storage.close().unwrap_err();
    drop(storage);

    let storage = Storage::open(StorageOptions { faults: Faults::default(), ..options }).unwrap();
    assert_eq!(storage.cluster().catalog().topic("t").unwrap().partitions()[0].log_start_offset(), 1);
    storage.close().unwrap();
}

/// Operators saw: after a failed write the log named old records that stay, as if one partition could not be read.
#[test]
fn a_caller_that_is_told_of_a_failed_write_finds_the_storage_failed() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let failed = Arc::new(AtomicBool::new(false));
    let fatal = Arc::clone(&failed);
    let on_fatal = Arc::new(move |_: &StorageError| fatal.store(true, Ordering::SeqCst));
    let storage = Storage::open(StorageOptions { on_fatal, ..options(folder.path(), &faults) }).unwrap();
    faults.fail_from(Operation::Write, 1);
    let (sender, told) = mpsc::sync_channel(1);
    let removed = [String::from("a token")];
    storage.cluster().change_tokens(
        &[],
        &removed,
        Box::new(move |answer| {
            let told = (answer.is_err(), failed.load(Ordering::SeqCst));
            sender.send(told).expect("the receiver below waits");
        }),
    );
    assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok((true, true)));
    storage.close().unwrap_err();
}

/// Operators saw: `ottla inspect` named batches of a compacted log as missing that its cleaning had deleted, after a crash between that
/// and the end of the cleaning.
#[test]
fn a_cleaning_that_was_cut_short_leaves_nothing_that_looks_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        |folder: &Path, faults: &Faults| StorageOptions { settle_bytes: 1, ..options(folder, faults) };
    fill_a_settled_log(&options(folder.path(), &Faults::default()));
    let (mut with_gaps, mut attempt) = (0, 1);
    loop {
        let (left, faults) = (copy_of(folder.path()), Faults::default());
        let policy = LogPolicy { retention: None, compaction: Some(AT_ONCE) };
        let log_policy = Arc::new(move |_: &Topic| policy);
        let storage = Storage::open(StorageOptions { log_policy, ..options(left.path(), &faults) }).unwrap();
        // Everything is older than that.
        thread::sleep(Duration::from_millis(5));
        faults.crash_at(Some(CrashPoint { operation: Operation::Write, number: attempt, after: true }));
        storage.tend_logs().ok();
        let cut_short = faults.is_stopped();
        storage.close().ok();
        drop(storage);
        let inspector = Inspector::open(left.path()).unwrap();
        let mut report = inspector.report().unwrap();
        inspector.check(&mut report, |_, counts| with_gaps += usize::from(counts.inline < SETTLED)).unwrap();
        assert_eq!(report.damage, [], "after {attempt} writes");
        attempt += 1;
        if !cut_short {
            break;
        }
    }
    assert!(with_gaps > 1, "no cleaning was cut short in the middle");
}

/// Batches of a log, all of one key.
const SETTLED: u64 = 20;

/// A log with nothing but batches in the settled family, never cleaned.
fn fill_a_settled_log(options: &StorageOptions) {
    let storage = Storage::open(options.clone()).unwrap();
    let (kept, gone) = (create(&storage, "t", 1), create(&storage, "gone", 1));
    for _ in 0..SETTLED {
        let mut builder = BatchBuilder::new();
        builder.push(1, Some(b"key"), Some(&[7; 1_000]), &[]);
        let keyed = RecordBatch::parse(builder.build()).unwrap();
        append(&storage, &kept.partitions()[0], keyed, Acks::Leader).unwrap();
        append(&storage, &gone.partitions()[0], batch(&[(1, &[9; 4_000])]), Acks::Leader).unwrap();
    }
    delete(&storage, &gone);
    let journal = options.path.join("journal-00000001");
    while journal.exists() {
        storage.tend_logs().unwrap();
        thread::sleep(Duration::from_millis(2));
    }
    storage.close().unwrap();
}

/// Never by itself: only a request with acks=all syncs.
const NEVER: Duration = Duration::from_secs(3600);

pub(crate) fn options(folder: &Path, faults: &Faults) -> StorageOptions {
    StorageOptions {
        faults: faults.clone(),
        flush_interval: NEVER,
        tail_bytes: 0,
        ..StorageOptions::new(folder)
    }
}

/// A power failure after which nothing of what was not synced is left.
pub(crate) fn lose_all_unsynced(folder: &tempfile::TempDir, faults: &Faults) {
    faults.cut_power(folder.path(), |_, _| false).unwrap();
}

/// Waits until the fence is another than `before`: it is written after the first sync of a process was answered.
fn await_fence(folder: &tempfile::TempDir, before: &str) -> String {
    loop {
        match std::fs::read_to_string(folder.path().join("FENCE")) {
            Ok(text) if text != before => return text,
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Values of the only partition of topic `t`.
pub(crate) fn found(storage: &Storage) -> Vec<u8> {
    let topic = storage.cluster().catalog().topic("t").cloned().unwrap();
    values(storage, &topic.partitions()[0], 0).into_iter().map(|(_, value)| value[0]).collect()
}

/// A record of this many bytes of one value.
pub(crate) fn produce(storage: &Storage, value: u8, length: usize, acks: Acks) -> Result<(), StorageError> {
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    let entry = AppendEntry {
        partition,
        batch: batch(&[(1, &vec![value; length])]),
        log_append_time: false,
        unknown_producer_begins_at_zero: false,
    };
    wait(|done| storage.shard().append(AppendRequest { entries: vec![entry], acks, coordinator: None }, done))
        .map(drop)
}

#[test]
fn after_a_roll_a_sync_covers_the_journal_before_it_too() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = StorageOptions { generation_bytes: 20_000, ..options(folder.path(), &faults) };
    let storage = Storage::open(options.clone()).unwrap();
    create(&storage, "t", 1);
    let second = folder.path().join("journal-00000002");
    for value in 0..4 {
        produce(&storage, value, 8_000, Acks::Leader).unwrap();
    }
    while !second.exists() || faults.tasks_left() > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    // The group that names the new generation, without a sync of its own.
    produce(&storage, 4, 8_000, Acks::Leader).unwrap();
    produce(&storage, 5, 8_000, Acks::All).unwrap();
    faults.crash_now();
    storage.close().unwrap_err();
    drop(storage);
    lose_all_unsynced(&folder, &faults);
    let options = StorageOptions { faults: faults.of_the_next_process(), ..options };
    let storage = Storage::open(options).unwrap();
    assert_eq!(found(&storage), [0, 1, 2, 3, 4, 5]);
    storage.close().unwrap();
}

/// Every later request is refused, whatever it asks for; the next start finds what was acknowledged.
#[test]
fn after_a_failed_write_or_sync_nothing_is_acknowledged_until_the_next_start() {
    for operation in [Operation::SyncFile, Operation::WriteFile, Operation::Sync, Operation::Write] {
        let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
        let options = options(folder.path(), &faults);
        let storage = Storage::open(options.clone()).unwrap();
        create(&storage, "t", 1);
        await_fence(&folder, "");
        produce(&storage, 0, 8_000, Acks::All).unwrap();
        faults.fail_from(operation, 1);
        produce(&storage, 1, 8_000, Acks::All).unwrap_err();
        // The device works again: too late.
        faults.fail_from(operation, u64::MAX);
        produce(&storage, 2, 8_000, Acks::All).unwrap_err();
        produce(&storage, 3, 10, Acks::Leader).unwrap_err();
        wait(|done| storage.cluster().allocate_producer_id(done)).unwrap_err();
        storage.close().unwrap_err();
        drop(storage);
        lose_all_unsynced(&folder, &faults);
        let options = StorageOptions { faults: faults.of_the_next_process(), ..options };
        let storage = Storage::open(options).unwrap();
        assert_eq!(found(&storage), [0], "{operation:?}");
        produce(&storage, 4, 8_000, Acks::All).unwrap();
        storage.close().unwrap();
    }
}

/// A sync that failed leaves bytes that the system takes for written. The next process reads them, so it must write them again: what
/// it acknowledges comes after them in the journal.
#[test]
fn what_a_failed_sync_left_in_memory_is_written_again_by_the_next_process() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = options(folder.path(), &faults);
    let storage = Storage::open(options.clone()).unwrap();
    create(&storage, "t", 1);
    await_fence(&folder, "");
    produce(&storage, 0, 8_000, Acks::Leader).unwrap();
    faults.fail_from(Operation::SyncFile, 1);
    produce(&storage, 1, 8_000, Acks::All).unwrap_err();
    storage.close().unwrap_err();
    drop(storage);

    let faults = faults.of_the_next_process();
    let storage = Storage::open(StorageOptions { faults: faults.clone(), ..options.clone() }).unwrap();
    assert_eq!(found(&storage), [0, 1]);
    produce(&storage, 2, 8_000, Acks::All).unwrap();
    faults.crash_now();
    storage.close().unwrap_err();
    drop(storage);
    lose_all_unsynced(&folder, &faults);
    let options = StorageOptions { faults: faults.of_the_next_process(), ..options };
    let storage = Storage::open(options).unwrap();
    assert_eq!(found(&storage), [0, 1, 2]);
    storage.close().unwrap();
}

/// At the first sync of a process the fence moves; a journal that is then cut before it is a loss that the start tells of.
#[test]
fn a_journal_that_lost_synced_records_at_its_end_is_noticed_by_the_fence() {
    let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let options = options(folder.path(), &faults);
    let storage = Storage::open(options.clone()).unwrap();
    create(&storage, "t", 1);
    let before = await_fence(&folder, "");
    storage.close().unwrap();
    drop(storage);
    let faults = faults.of_the_next_process();
    let storage = Storage::open(StorageOptions { faults: faults.clone(), ..options.clone() }).unwrap();
    let path = folder.path().join("journal-00000001");
    // The first sync may come by itself, before that of the batch: it covers this much in any case.
    let covered = std::fs::metadata(&path).unwrap().len();
    produce(&storage, 0, 8_000, Acks::All).unwrap();
    await_fence(&folder, &before);
    faults.crash_now();
    storage.close().unwrap_err();
    drop(storage);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(covered - 1).unwrap();
    let options = StorageOptions { faults: faults.of_the_next_process(), ..options };
    let refused = Storage::open(options).unwrap_err();
    assert!(matches!(refused, storage::OpenError::DataLoss { .. }), "{refused}");
}
