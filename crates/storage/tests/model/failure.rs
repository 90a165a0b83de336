//! A storage that cannot write any more answers all callers, ends, and starts again: faults that random walks found.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use codec::records::{BatchBuilder, RecordBatch};
use storage::{
    Acks, AppendEntry, AppendRequest, Compaction, CrashPoint, DeleteBelow, Faults, LogPolicy, Operation,
    Storage, StorageOptions,
};

use crate::common::{append, batch, create};

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
                partition: Arc::clone(&topic.partitions[0]),
                batch: batch.clone(),
                log_append_time: false,
            };
            let sender = sender.clone();
            storage.append(
                AppendRequest { entries: vec![entry], acks: Acks::Leader },
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
    let compaction = Compaction {
        min_cleanable_dirty_ratio: 0.0,
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
        delete_retention_ms: 0,
    };
    let faults = Faults::default();
    let options = StorageOptions {
        log_policy: Arc::new(move |_| LogPolicy { retention: None, compaction: Some(compaction) }),
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
    append(&storage, &topic.partitions[0], batch, Acks::All).unwrap();
    // Into the settled family.
    thread::sleep(Duration::from_millis(5));
    storage.tend_logs().unwrap();
    storage.close().unwrap();
    drop((storage, topic));

    // In the middle of the first batch: nothing of it can go. The first sync of a process is noted in the fence.
    let storage = Storage::open(options.clone()).unwrap();
    let partition = Arc::clone(&storage.catalog().topic("t").unwrap().partitions[0]);
    let starts = storage.delete_records(&[(partition, DeleteBelow::Offset(1))]).unwrap();
    assert!(matches!(starts[..], [Ok(1)]));
    faults.crash_now();
    storage.close().unwrap_err();
    drop(storage);

    let storage = Storage::open(StorageOptions { faults: Faults::default(), ..options }).unwrap();
    assert_eq!(storage.catalog().topic("t").unwrap().partitions[0].log_start_offset(), 1);
    storage.close().unwrap();
}
