//! The storage's metrics after a load.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use codec::records::{BatchBuilder, RecordBatch};
use storage::{
    Acks, Compaction, CoordinatorRecord, LogPolicy, Purpose, ResourceConfigs, Storage, StorageError,
    StorageOptions, Topic,
};

use crate::common::{Partitions, append, batch, create, delete, wait};

fn bytes(storage: &Storage, purpose: Purpose) -> u64 {
    storage.metrics().bytes.iter().find(|(other, _)| *other == purpose).unwrap().1
}

#[test]
fn every_number_moves_with_what_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let compaction = Compaction {
        min_cleanable_dirty_ratio: 0.0,
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
        delete_retention_ms: 0,
    };
    let compacts = move |topic: &Topic| topic.name.starts_with("compacted");
    let options = StorageOptions {
        generation_bytes: 200_000,
        settle_bytes: 1,
        log_policy: Arc::new(move |topic| LogPolicy {
            retention: None,
            compaction: compacts(topic).then_some(compaction),
        }),
        ..StorageOptions::new(folder.path())
    };
    let storage = Storage::open(options).unwrap();
    let (kept, dead) = (create(&storage, "kept", 1), create(&storage, "dead", 1));
    let compacted = create(&storage, "compacted", 1);
    assert!(bytes(&storage, Purpose::Configs) > 0, "topics");
    let before = bytes(&storage, Purpose::Configs);
    let configs = [("metrics".to_owned(), "v".to_owned())].into();
    let configs = ResourceConfigs { resource_type: 16, name: "all".into(), configs };
    wait(|done| storage.cluster().write_configs(configs, done)).unwrap().unwrap();
    assert!(bytes(&storage, Purpose::Configs) > before, "configs");
    let record = CoordinatorRecord { key: "k".into(), value: Some(vec![1; 500].into()) };
    wait(|done| storage.shard().write_coordinator(storage.shard().led_epoch().unwrap(), vec![record], done))
        .unwrap();
    assert!(bytes(&storage, Purpose::Coordinator) >= 500);

    let value = vec![1; 10_000];
    let keyed =
        || RecordBatch::parse(BatchBuilder::new().record(1, Some(b"k"), Some(&value)).build()).unwrap();
    for _ in 0..20 {
        append(&storage, &kept.partitions()[0], batch(&[(1, b"small"), (2, b"small")]), Acks::All).unwrap();
        append(&storage, &dead.partitions()[0], batch(&[(1, &value)]), Acks::Leader).unwrap();
        append(&storage, &compacted.partitions()[0], keyed(), Acks::Leader).unwrap();
    }
    let found = storage.metrics();
    assert_eq!(found.records, 80);
    assert!(bytes(&storage, Purpose::Produce) > 400_000);
    assert!(found.tail_bytes > 400_000);
    assert!(found.write_groups >= 60 && found.writes.count == found.write_groups, "{found:?}");
    assert!(found.writes.sum_seconds > 0.0 && found.syncs.count > 20 && found.syncs.sum_seconds > 0.0);
    // Another thread prepares the next generation; appends went on meanwhile.
    let since = Instant::now();
    while storage.metrics().generations < 2 && since.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
    let found = storage.metrics();
    assert!(found.generations > 1 && found.generation_bytes > Some(400_000), "{found:?}");

    delete(&storage, &dead);
    thread::sleep(Duration::from_millis(5));
    for _ in 0..3 {
        storage.tend_logs().unwrap();
    }
    // The oldest generation may be one of this very millisecond: the others are dropped.
    thread::sleep(Duration::from_millis(5));
    let found = storage.metrics();
    assert!(bytes(&storage, Purpose::Settle) > 0, "{found:?}");
    assert!(bytes(&storage, Purpose::Compaction) > 0, "{found:?}");
    assert!(bytes(&storage, Purpose::Maintenance) > 0, "{found:?}");
    assert!(found.settled_bytes > Some(0) && found.oldest_generation_seconds > 0.0, "{found:?}");
    storage.close().unwrap();
}

/// Users saw: a transaction of an older client took one sync more than its batches and its end need.
#[test]
fn an_announcement_takes_no_sync_and_a_later_write_covers_it() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        StorageOptions { flush_interval: Duration::from_secs(3600), ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(options).unwrap();
    let epoch = storage.shard().led_epoch().unwrap();
    let record = |key: &'static str| vec![CoordinatorRecord { key: key.into(), value: Some("v".into()) }];
    let syncs = || storage.metrics().syncs.count;
    wait(|done| storage.shard().write_coordinator(epoch, record("before"), done)).unwrap();
    let before = syncs();
    for key in ["a", "b", "c"] {
        wait(|done| storage.shard().announce_coordinator(epoch, record(key), done)).unwrap();
    }
    // A sync that had begun would be over by then.
    thread::sleep(Duration::from_millis(50));
    assert_eq!(syncs(), before);
    wait(|done| storage.shard().write_coordinator(epoch, record("after"), done)).unwrap();
    assert!(syncs() > before);
    let stale = wait(|done| storage.shard().announce_coordinator(epoch + 1, record("d"), done));
    assert!(matches!(stale, Err(StorageError::NotLeader)), "{stale:?}");
    storage.close().unwrap();
}
