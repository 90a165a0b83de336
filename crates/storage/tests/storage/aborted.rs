//! Aborted transactions while old records are deleted and logs compacted.

use std::{path::Path, sync::Arc, sync::atomic::AtomicU64, sync::atomic::Ordering, time::Duration};

use codec::records::{BatchBuilder, BatchHeader, RecordBatch};
use storage::{
    Acks, Compaction, CoordinatorWrite, DeleteBelow, Isolation, LogPolicy, Partition, ReadLimits, Storage,
    StorageOptions, TransactionEnd, TransactionMarker,
    inspect::{Inspector, PartitionReport},
};

use crate::common::{Partitions, append, batches, create, in_transaction, values, wait};

const COMMITTED: ReadLimits =
    ReadLimits { max_bytes: usize::MAX, at_least_one: true, isolation: Isolation::ReadCommitted };
const DELETE_RETENTION_MS: i64 = 1_000;

/// A folder without a tail whose topics are compacted whenever it is tended, and its clock.
fn compacting(folder: &Path) -> (StorageOptions, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    let compaction = Compaction {
        min_cleanable_dirty_ratio: 0.0,
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
        delete_retention_ms: DELETE_RETENTION_MS,
    };
    let options = StorageOptions {
        tail_bytes: 0,
        uptime: Arc::new(move || Duration::from_millis(clock.load(Ordering::SeqCst))),
        log_policy: Arc::new(move |_| LogPolicy { retention: None, compaction: Some(compaction) }),
        ..StorageOptions::new(folder)
    };
    (options, now)
}

/// A transactional batch of one record.
fn keyed(producer_id: i64, sequence: i32, key: &str, value: &str) -> RecordBatch {
    let builder = BatchBuilder::new().producer(producer_id, 0, sequence).transactional();
    let builder = builder.record(1, Some(key.as_bytes()), Some(value.as_bytes()));
    RecordBatch::parse(builder.build()).unwrap()
}

pub(crate) fn end(storage: &Storage, partition: &Arc<Partition>, producer_id: i64, commit: bool) -> i64 {
    let marker = TransactionMarker {
        partition: Arc::clone(partition),
        producer_id,
        producer_epoch: 0,
        coordinator_epoch: 0,
        by_coordinator: false,
        commit,
        raises_epoch: false,
        log_append_time: false,
    };
    let epoch = storage.shard().led_epoch().unwrap();
    let coordinator = CoordinatorWrite { epoch, records: Vec::new() };
    let end = TransactionEnd { coordinator, markers: vec![marker] };
    wait(|done| storage.shard().end_transaction(end, done)).unwrap().remove(0).unwrap()
}

/// Base offset of each batch that a reader of committed records is sent, and the producers of the aborted transactions it is told of.
fn committed(storage: &Storage, partition: &Partition) -> (Vec<i64>, Vec<i64>) {
    let found = storage.shard().read(partition, partition.log_start_offset(), COMMITTED).unwrap();
    let aborted = found.aborted.iter().map(|one| one.producer_id).collect();
    let headers = batches(found).into_iter().map(|batch| BatchHeader::parse(&batch).unwrap());
    // An emptied batch holds the log's end.
    (headers.filter(|header| header.records_count > 0).map(|header| header.base_offset).collect(), aborted)
}

/// The only partition of a folder that is closed.
fn looked_at(folder: &Path) -> PartitionReport {
    Inspector::open(folder).unwrap().report().unwrap().partitions.remove(0)
}

#[test]
fn an_aborted_value_does_not_remove_the_committed_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (options, now) = compacting(folder.path());
    let storage = Storage::open(options).unwrap();
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    append(&storage, partition, keyed(1, 0, "k", "committed"), Acks::All).unwrap();
    end(&storage, partition, 1, true);
    append(&storage, partition, keyed(2, 0, "k", "aborted"), Acks::All).unwrap();
    end(&storage, partition, 2, false);
    append(&storage, partition, keyed(3, 0, "other", "last"), Acks::All).unwrap();
    end(&storage, partition, 3, true);
    assert_eq!(committed(&storage, partition), (vec![0, 1, 2, 3, 4, 5], vec![2]));
    now.fetch_add(1, Ordering::SeqCst);
    storage.tend_logs().unwrap();
    assert_eq!(committed(&storage, partition), (vec![0, 1, 3, 4, 5], Vec::new()), "the marker waits");
    // Only dirty logs are cleaned: each time something is added. Its data has gone, so the abort marker may go after its time.
    for _ in 0..2 {
        append(&storage, partition, keyed(4, 0, "other", "last"), Acks::All).ok();
        end(&storage, partition, 4, true);
        now.fetch_add(DELETE_RETENTION_MS as u64, Ordering::SeqCst);
        storage.tend_logs().unwrap();
    }
    let (left, _) = committed(&storage, partition);
    assert!(left.starts_with(&[0, 1]) && !left.contains(&3), "{left:?}");
    assert_eq!(values(&storage, partition, 0)[0].1, "committed");
    storage.close().unwrap();
    assert_eq!(looked_at(folder.path()).aborted_transactions, 0);
}

#[test]
fn what_is_not_stable_is_not_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let (options, now) = compacting(folder.path());
    let storage = Storage::open(options).unwrap();
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    append(&storage, partition, keyed(1, 0, "k", "first"), Acks::All).unwrap();
    end(&storage, partition, 1, true);
    append(&storage, partition, keyed(2, 0, "k", "open"), Acks::All).unwrap();
    append(&storage, partition, keyed(2, 1, "k", "open too"), Acks::All).unwrap();
    now.fetch_add(1, Ordering::SeqCst);
    storage.tend_logs().unwrap();
    assert_eq!(values(&storage, partition, 0).len(), 4);
    end(&storage, partition, 2, false);
    now.fetch_add(1, Ordering::SeqCst);
    storage.tend_logs().unwrap();
    assert_eq!(committed(&storage, partition), (vec![0, 1, 4], Vec::new()));
    storage.close().unwrap();
}

#[test]
fn a_reader_that_goes_on_with_an_old_iterator_is_not_shown_what_was_aborted() {
    let folder = tempfile::tempdir().unwrap();
    let (options, now) = compacting(folder.path());
    let storage = Storage::open(options).unwrap();
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    for sequence in 0..20 {
        append(&storage, partition, keyed(1, sequence, "k", "aborted"), Acks::All).unwrap();
    }
    end(&storage, partition, 1, false);
    append(&storage, partition, keyed(2, 0, "k", "last"), Acks::All).unwrap();
    end(&storage, partition, 2, true);
    let two = ReadLimits { max_bytes: 200, ..COMMITTED };
    let first = storage.shard().read(partition, 0, two).unwrap();
    assert_eq!(first.aborted.len(), 1);
    let next = batches(first).len() as i64;
    now.fetch_add(1, Ordering::SeqCst);
    storage.tend_logs().unwrap();
    // The iterator of the first read, if it is young enough, still has the batches.
    let found = storage.shard().read(partition, next, two).unwrap();
    let told = found.aborted.len();
    let headers = batches(found).into_iter().map(|batch| BatchHeader::parse(&batch).unwrap());
    let shown = headers.filter(|header| header.producer_id == 1 && !header.attributes.is_control()).count();
    assert!(shown == 0 || told == 1, "{shown} aborted batches, {told} told");
    storage.close().unwrap();
}

#[test]
fn a_log_start_beyond_an_open_transaction_leaves_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let storage =
        Storage::open(StorageOptions { tail_bytes: 0, ..StorageOptions::new(folder.path()) }).unwrap();
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    append(&storage, partition, in_transaction(1, 0, 0, 1), Acks::All).unwrap();
    end(&storage, partition, 1, false);
    (0..4).for_each(|sequence| {
        append(&storage, partition, in_transaction(2, 0, sequence, 1), Acks::All).unwrap();
    });
    let below = [(Arc::clone(partition), DeleteBelow::Offset(4))];
    assert_eq!(storage.shard().delete_records(&below).unwrap().remove(0).unwrap(), 4);
    assert_eq!((partition.last_stable_offset(), partition.high_watermark()), (4, 6));
    assert_eq!(committed(&storage, partition), (Vec::new(), Vec::new()));
    storage.close().unwrap();
    drop(storage);
    let report = looked_at(folder.path());
    assert_eq!((report.last_stable_offset, report.aborted_transactions), (4, 1));
    assert_eq!((report.open_transactions.len(), report.open_transactions[0].first_offset), (1, 2));
    let storage = Storage::open(StorageOptions::new(folder.path())).unwrap();
    let partition = &storage.cluster().catalog().topic("t").unwrap().partitions()[0];
    assert_eq!(partition.last_stable_offset(), 4);
    assert_eq!(end(&storage, partition, 2, false), 6);
    assert_eq!(committed(&storage, partition), (vec![4, 5, 6], vec![2]));
    storage.tend_logs().unwrap();
    storage.close().unwrap();
    assert_eq!(looked_at(folder.path()).aborted_transactions, 1, "the entry below the log start has gone");
}

#[test]
fn a_deleted_topic_leaves_no_entries() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageOptions::new(folder.path())).unwrap();
    for name in ["gone", "kept"] {
        let topic = create(&storage, name, 1);
        append(&storage, &topic.partitions()[0], in_transaction(1, 0, 0, 1), Acks::All).unwrap();
        end(&storage, &topic.partitions()[0], 1, false);
    }
    crate::common::delete(&storage, &storage.cluster().catalog().topic("gone").unwrap().clone());
    storage.close().unwrap();
    let report = Inspector::open(folder.path()).unwrap().report().unwrap();
    assert_eq!(report.partitions.len(), 1);
    assert_eq!(report.partitions[0].aborted_transactions, 1);
}

/// Users saw: a compacted log was not compacted any more after a restart, as the record or the marker with its greatest timestamp had been
/// removed, by a cleaning or by a deletion of all records.
#[test]
fn a_log_is_cleaned_after_a_restart_though_its_greatest_timestamp_was_removed() {
    for emptied in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (options, now) = compacting(folder.path());
        let record = |timestamp| {
            let record = BatchBuilder::new().record(timestamp, Some(b"k"), Some(b"v"));
            RecordBatch::parse(record.build()).unwrap()
        };
        let tend = |storage: &Storage| {
            now.fetch_add(1, Ordering::SeqCst);
            storage.tend_logs().unwrap();
        };
        for (base_offset, timestamps) in [(0, [1_000, 1]), (2, [1, 1])] {
            let storage = Storage::open(options.clone()).unwrap();
            if base_offset == 0 {
                create(&storage, "t", 1);
            }
            let partition = &storage.cluster().catalog().topic("t").unwrap().partitions()[0];
            for timestamp in timestamps {
                append(&storage, partition, record(timestamp), Acks::All).unwrap();
            }
            tend(&storage);
            assert_eq!(committed(&storage, partition).0, [base_offset + 1], "emptied: {emptied}");
            if emptied {
                let all = [(Arc::clone(partition), DeleteBelow::Offset(base_offset + 2))];
                storage.shard().delete_records(&all).unwrap().remove(0).unwrap();
            }
            storage.close().unwrap();
        }
    }
}
