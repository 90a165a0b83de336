//! A shard is given up and taken over while the process runs.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use crate::common::{Partitions, UNLIMITED, append, batch, copy_of, create, open, sequenced, values, wait};
use storage::{
    Acks, AppendEntry, AppendError, AppendRequest, AppendResult, CoordinatorRecord, DeleteBelow,
    EpochEndOffset, Isolation, Located, Partition, ReadError, Storage, StorageError, StorageOptions, Watcher,
};

pub(crate) fn lead(storage: &Storage, lead: bool) {
    wait(|done| storage.shard().lead(lead, done)).unwrap();
}

#[test]
fn after_it_has_resigned_nothing_is_served_until_a_take_over_in_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 2);
    let partition = &topic.partitions()[0];
    append(&storage, partition, batch(&[(1, b"a")]), Acks::All).unwrap();
    lead(&storage, false);
    for acks in [Acks::None, Acks::Leader, Acks::All] {
        let refused = append(&storage, partition, batch(&[(1, b"b")]), acks);
        assert_eq!(refused, Err(AppendError::NotLeader), "{acks:?}");
    }
    let refusals = [
        storage.shard().read(partition, 0, UNLIMITED).map(|_| ()),
        storage.shard().read_now(partition, 0, UNLIMITED).unwrap().map(|_| ()),
        storage.shard().offset_for_timestamp(partition, 0, Isolation::ReadUncommitted).map(|_| ()),
        storage.shard().max_timestamp(partition).map(|_| ()),
        storage
            .shard()
            .delete_records(&[(Arc::clone(partition), DeleteBelow::HighWatermark)])
            .unwrap()
            .remove(0)
            .map(|_| ()),
        partition.ensure_led(),
    ];
    for (call, refused) in refusals.into_iter().enumerate() {
        assert!(matches!(refused, Err(ReadError::NotLeader)), "call {call}: {refused:?}");
    }
    assert!(matches!(topic.partition(0), Some(Located::Elsewhere)));
    assert_eq!((topic.partition_count(), topic.led_here().count()), (2, 0));
    for index in [-1, 2, i32::MIN, i32::MAX] {
        assert!(topic.partition(index).is_none(), "{index}");
    }
    storage.tend_logs().unwrap();
    let created = create(&storage, "created meanwhile", 1);
    assert!(matches!(created.partition(0), Some(Located::Elsewhere)));

    lead(&storage, true);
    assert_eq!((partition.leader_epoch(), topic.partitions()[1].leader_epoch()), (1, 1));
    assert_eq!(values(&storage, partition, 0), [(0, "a".into())], "what was written stays");
    for partition in [partition, &created.partitions()[0]] {
        append(&storage, partition, batch(&[(1, b"c")]), Acks::All).unwrap();
    }
    assert_eq!(
        storage.shard().delete_records(&[(Arc::clone(partition), DeleteBelow::Offset(1))]).unwrap().len(),
        1
    );
    storage.close().unwrap();
}

/// The epochs of a partition after a restart: ends of 0, 1, 2 and 3.
fn epoch_ends(folder: &Path) -> (i32, Vec<EpochEndOffset>) {
    let storage = open(folder);
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    let ends = (partition.leader_epoch(), (0..4).map(|epoch| partition.epoch_end_offset(epoch)).collect());
    storage.close().unwrap();
    ends
}

#[test]
fn an_epoch_begins_where_the_log_ended_and_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    append(&storage, partition, batch(&[(1, b"a"), (1, b"b")]), Acks::All).unwrap();
    // Nothing is written in epoch 1: it has no start of its own.
    for _ in 0..2 {
        lead(&storage, false);
        lead(&storage, true);
    }
    append(&storage, partition, batch(&[(1, b"c")]), Acks::All).unwrap();
    let end = |leader_epoch, end_offset| EpochEndOffset { leader_epoch, end_offset };
    let ends = vec![end(0, 2), end(0, 2), end(2, 3), end(-1, -1)];
    assert_eq!((0..4).map(|epoch| partition.epoch_end_offset(epoch)).collect::<Vec<_>>(), ends);
    let batches = storage.shard().read(partition, 2, UNLIMITED).unwrap().batches;
    assert_eq!(batches[0][12..16], [0, 0, 0, 2], "the epoch in the batch");
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    drop(storage);

    assert_eq!(epoch_ends(folder.path()), (2, ends), "a clean stop");
    let (epoch, ends) = epoch_ends(killed.path());
    assert_eq!((epoch, &ends[2..]), (3, [end(2, 3), end(3, 3)].as_slice()), "a kill");
}

#[test]
fn a_killed_process_never_gives_an_epoch_again() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    create(&storage, "t", 1);
    lead(&storage, true);
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    assert_eq!(epoch_ends(killed.path()).0, 2);
}

#[test]
fn producers_go_on_after_a_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let partition = Arc::clone(&create(&storage, "t", 1).partitions()[0]);
    append(&storage, &partition, sequenced(7, 0, 0, 2), Acks::All).unwrap();
    lead(&storage, false);
    lead(&storage, true);
    assert!(append(&storage, &partition, sequenced(7, 0, 0, 2), Acks::All).unwrap().duplicate);
    assert_eq!(append(&storage, &partition, sequenced(7, 0, 2, 1), Acks::All).unwrap().base_offset, 2);
    storage.close().unwrap();
}

/// Sends an append; its results come out of what is returned.
fn send(storage: &Storage, partition: &Arc<Partition>, bytes: usize) -> mpsc::Receiver<Vec<AppendResult>> {
    let batch = batch(&[(1, &vec![7; bytes])]);
    let entry = AppendEntry {
        partition: Arc::clone(partition),
        batch,
        log_append_time: false,
        unknown_producer_begins_at_zero: false,
    };
    let (sender, results) = mpsc::channel();
    let request = AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None };
    storage.shard().append(request, Box::new(move |done| sender.send(done.unwrap()).unwrap_or_default()));
    results
}

#[test]
fn what_is_queued_is_refused_and_what_is_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let partition = Arc::clone(&create(&storage, "t", 1).partitions()[0]);
    let release = held(&storage, &partition);
    let queued = [send(&storage, &partition, 1), send(&storage, &partition, 20 << 10)];
    let (sender, resigned) = mpsc::channel();
    storage.shard().lead(false, Box::new(move |done| sender.send(done).unwrap_or_default()));
    assert!(matches!(partition.ensure_led(), Err(ReadError::NotLeader)), "at once");
    release.send(()).unwrap();
    for queued in queued {
        assert_eq!(queued.recv().unwrap(), [Err(AppendError::NotLeader)]);
    }
    resigned.recv().unwrap().unwrap();
    lead(&storage, true);
    assert_eq!(partition.log_end_offset(), 1);
    storage.close().unwrap();
}

/// Holds the writer's thread in the answer of an append, which is too large for a caller's thread, until the sender is used.
fn held(storage: &Storage, partition: &Arc<Partition>) -> mpsc::Sender<()> {
    let (written, is_written) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let entry = AppendEntry {
        partition: Arc::clone(partition),
        batch: batch(&[(1, &vec![7; 20 << 10])]),
        log_append_time: false,
        unknown_producer_begins_at_zero: false,
    };
    let hold = move |_| {
        written.send(()).unwrap_or_default();
        released.recv().unwrap_or_default();
    };
    storage.shard().append(
        AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None },
        Box::new(hold),
    );
    is_written.recv().unwrap();
    release
}

/// Calls `Storage::lead`; the outcome comes out of what is returned.
fn call_lead(storage: &Storage, lead: bool) -> mpsc::Receiver<Result<(), StorageError>> {
    let (sender, outcome) = mpsc::channel();
    storage.shard().lead(lead, Box::new(move |done| sender.send(done).unwrap_or_default()));
    outcome
}

fn record(key: &'static str, value: &'static str) -> Vec<CoordinatorRecord> {
    vec![CoordinatorRecord { key: key.into(), value: Some(value.into()) }]
}

fn records(storage: &Storage) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    storage
        .shard()
        .scan_coordinator(b"", &mut |key, value| found.push((key.to_vec(), value.to_vec())))
        .unwrap();
    found
}

#[test]
fn a_shard_that_is_being_taken_over_is_unavailable_until_its_epoch_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = Arc::clone(&topic.partitions()[0]);
    let release = held(&storage, &partition);
    let resigned = call_lead(&storage, false);
    let taken_over = call_lead(&storage, true);
    assert!(matches!(partition.ensure_led(), Err(ReadError::Unavailable)));
    assert!(matches!(storage.shard().led_epoch(), Err(StorageError::Unavailable)));
    assert!(matches!(storage.shard().scan_coordinator(b"", &mut |_, _| ()), Err(StorageError::Unavailable)));
    assert!(matches!(storage.shard().read(&partition, 0, UNLIMITED), Err(ReadError::Unavailable)));
    assert!(matches!(topic.partition(0), Some(Located::Here(_))), "clients find it here, and try again");
    let queued = send(&storage, &partition, 1);
    release.send(()).unwrap();
    assert_eq!(queued.recv().unwrap(), [Err(AppendError::Unavailable)]);
    resigned.recv().unwrap().unwrap();
    taken_over.recv().unwrap().unwrap();
    assert_eq!((storage.shard().led_epoch().unwrap(), partition.log_end_offset()), (1, 1));
    append(&storage, &partition, batch(&[(1, b"a")]), Acks::All).unwrap();
    storage.close().unwrap();
}

#[test]
fn a_shard_that_is_resigned_during_its_take_over_is_not_led() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let partition = Arc::clone(&create(&storage, "t", 1).partitions()[0]);
    lead(&storage, false);
    lead(&storage, true);
    let release = held(&storage, &partition);
    let told = Arc::new(AtomicU64::new(0));
    let (seen, watched) = (Arc::clone(&told), storage.clone());
    storage.shard().watch_lead(Arc::new(move || {
        seen.fetch_add(u64::from(watched.shard().led_epoch().is_ok()), Ordering::SeqCst);
    }));
    let outcomes = [false, true, false].map(|lead| call_lead(&storage, lead));
    release.send(()).unwrap();
    let [first, taken_over, last] = outcomes.map(|outcome| outcome.recv().unwrap());
    first.unwrap();
    last.unwrap();
    assert!(matches!(taken_over, Err(StorageError::NotLeader)));
    assert_eq!(told.load(Ordering::SeqCst), 0, "it was led for a moment");
    assert!(matches!(partition.ensure_led(), Err(ReadError::NotLeader)));
    lead(&storage, true);
    assert_eq!(told.load(Ordering::SeqCst), 1);
    // The take-over that was given up has used an epoch, too.
    assert_eq!((storage.shard().led_epoch().unwrap(), partition.leader_epoch()), (3, 3));
    storage.close().unwrap();
}

#[test]
fn records_of_a_coordinator_are_written_in_the_epoch_of_its_load_only() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let write =
        |epoch, value| wait(|done| storage.shard().write_coordinator(epoch, record("k", value), done));
    write(0, "1").unwrap();
    lead(&storage, false);
    assert!(matches!(write(0, "2"), Err(StorageError::NotLeader)));
    assert!(matches!(storage.shard().scan_coordinator(b"", &mut |_, _| ()), Err(StorageError::NotLeader)));
    lead(&storage, true);
    assert!(matches!(write(0, "3"), Err(StorageError::NotLeader)), "of an earlier term");
    assert_eq!(records(&storage), [(b"k".to_vec(), b"1".to_vec())]);
    write(1, "4").unwrap();
    assert_eq!(records(&storage), [(b"k".to_vec(), b"4".to_vec())]);
    storage.close().unwrap();
}

#[test]
fn a_write_that_is_queued_after_a_take_over_of_a_led_shard_is_of_an_earlier_term() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let partition = Arc::clone(&create(&storage, "t", 1).partitions()[0]);
    let release = held(&storage, &partition);
    let taken_over = call_lead(&storage, true);
    let (sender, written) = mpsc::channel();
    let done = move |outcome| sender.send(outcome).unwrap_or_default();
    storage.shard().write_coordinator(storage.shard().led_epoch().unwrap(), record("k", "1"), Box::new(done));
    release.send(()).unwrap();
    assert!(matches!(written.recv().unwrap(), Err(StorageError::NotLeader)));
    taken_over.recv().unwrap().unwrap();
    assert_eq!(records(&storage), []);
    storage.close().unwrap();
}

struct LastReport(AtomicU64);

impl Watcher for LastReport {
    fn advanced(&self, visible: u64, stable: u64) {
        assert_eq!(visible, stable);
        self.0.store(visible, Ordering::SeqCst);
    }
}

#[test]
fn watchers_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(StorageOptions::new(folder.path())).unwrap();
    let partition = Arc::clone(&create(&storage, "t", 1).partitions()[0]);
    let told = Arc::new(LastReport(AtomicU64::new(0)));
    partition.subscribe(&(Arc::clone(&told) as Arc<dyn Watcher>));
    storage.shard().lead(false, Box::new(|_| {}));
    assert_eq!(told.0.load(Ordering::SeqCst), u64::MAX);
    storage.close().unwrap();
}
