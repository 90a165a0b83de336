//! The first batches of a transaction and its end, with a crash at every write and every sync: all of each is there, or nothing.

use std::{path::Path, sync::Arc};

use storage::{
    Acks, AppendEntry, AppendRequest, CoordinatorRecord, CoordinatorWrite, CrashPoint, Faults, Isolation,
    Operation, Partition, ReadLimits, Storage, StorageOptions, TransactionEnd, TransactionMarker,
};

use crate::common::{Partitions, append, batch, batches, create, in_transaction, wait};

const PARTITIONS: u32 = 3;
const PRODUCER_ID: i64 = 7;
const COMMITTED: ReadLimits =
    ReadLimits { max_bytes: usize::MAX, at_least_one: true, isolation: Isolation::ReadCommitted };

/// The answers that came before the storage stopped.
struct Answered {
    begun: bool,
    ended: bool,
}

fn partitions(storage: &Storage) -> Vec<Arc<Partition>> {
    storage.cluster().catalog().topic("t").unwrap().partitions()
}

fn coordinator(storage: &Storage, key: &'static str) -> CoordinatorWrite {
    let records = vec![CoordinatorRecord { key: key.into(), value: Some("value".into()) }];
    CoordinatorWrite { epoch: storage.shard().led_epoch().unwrap(), records }
}

fn has_record(storage: &Storage, key: &str) -> bool {
    let mut found = 0;
    storage.shard().scan_coordinator(key.as_bytes(), &mut |_, _| found += 1).unwrap();
    found > 0
}

/// A batch in each partition, with the record that says that the transaction is open.
fn begin(storage: &Storage) -> bool {
    let entry = |partition| AppendEntry {
        partition,
        batch: in_transaction(PRODUCER_ID, 0, 0, 2),
        log_append_time: false,
        unknown_producer_begins_at_zero: true,
    };
    let entries = partitions(storage).into_iter().map(entry).collect();
    let coordinator = Some(coordinator(storage, "open"));
    let request = AppendRequest { entries, acks: Acks::All, coordinator };
    wait(|done| storage.shard().append(request, done)).is_ok()
}

fn end(storage: &Storage, commit: bool) -> bool {
    let marker = |partition| TransactionMarker {
        partition,
        producer_id: PRODUCER_ID,
        producer_epoch: 1,
        coordinator_epoch: 0,
        by_coordinator: false,
        commit,
        raises_epoch: true,
        log_append_time: false,
    };
    let markers = partitions(storage).into_iter().map(marker).collect();
    let end = TransactionEnd { coordinator: coordinator(storage, "ended"), markers };
    wait(|done| storage.shard().end_transaction(end, done)).is_ok()
}

/// Works until the storage stops at `point`; `None` if it does not.
fn crash(folder: &Path, faults: &Faults, point: CrashPoint, commit: bool) -> Option<Answered> {
    let options = StorageOptions { faults: faults.clone(), ..StorageOptions::new(folder) };
    let storage = Storage::open(options).unwrap();
    create(&storage, "t", PARTITIONS);
    for partition in partitions(&storage) {
        append(&storage, &partition, batch(&[(1, b"before")]), Acks::All).unwrap();
    }
    faults.crash_at(Some(point));
    let begun = begin(&storage);
    let ended = begun && end(&storage, commit);
    let stopped = faults.is_stopped();
    storage.close().ok();
    stopped.then_some(Answered { begun, ended })
}

/// The folder that was left: all or nothing, all that was answered, and what is open can be ended.
fn check(storage: &Storage, answered: &Answered, commit: bool, context: &str) {
    let ends: Vec<i64> = partitions(storage).iter().map(|partition| partition.log_end_offset()).collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "{context}: torn at {ends:?}");
    let (begun, ended) = (ends[0] > 1, ends[0] > 3);
    assert_eq!((has_record(storage, "open"), has_record(storage, "ended")), (begun, ended), "{context}");
    assert!((begun || !answered.begun) && (ended || !answered.ended), "{context}: {ends:?}");
    for partition in partitions(storage) {
        let open = begun && !ended;
        assert_eq!(partition.last_stable_offset(), if open { 1 } else { ends[0] }, "{context}");
        let found = storage.shard().read(&partition, 0, COMMITTED).unwrap();
        assert_eq!(found.aborted.len(), usize::from(ended && !commit), "{context}");
        assert_eq!(batches(found).len() as i64, if open { 1 } else { [1, 2, 3][(ends[0] / 2) as usize] });
    }
    if begun && !ended {
        assert!(end(storage, commit), "{context}");
        assert!(partitions(storage).iter().all(|partition| partition.last_stable_offset() == 4), "{context}");
    }
}

#[test]
fn a_crash_at_any_write_leaves_all_of_an_end_or_nothing() {
    let mut crashes = 0;
    for (operation, after, power, commit) in
        [Operation::Write, Operation::Sync, Operation::WriteFile, Operation::SyncFile]
            .into_iter()
            .flat_map(|operation| [false, true].map(|after| (operation, after)))
            .flat_map(|(operation, after)| [false, true].map(|power| (operation, after, power)))
            .flat_map(|(operation, after, power)| {
                [false, true].map(|commit| (operation, after, power, commit))
            })
    {
        for number in 1.. {
            let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
            let point = CrashPoint { operation, number, after };
            let context = format!("{point:?}, power cut: {power}, commit: {commit}");
            let Some(answered) = crash(folder.path(), &faults, point, commit) else { break };
            crashes += 1;
            if power {
                faults.cut_power(folder.path(), |_, _| false).unwrap();
            }
            let options =
                StorageOptions { faults: faults.of_the_next_process(), ..StorageOptions::new(folder.path()) };
            let storage = Storage::open(options).unwrap();
            check(&storage, &answered, commit, &context);
            storage.close().unwrap();
        }
    }
    assert!(crashes >= 32, "{crashes} crashes");
}
