//! Transactions: markers, the last stable offset, aborted transactions as readers are told of them; and all of it after a crash.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use codec::records::{BatchHeader, EndTransactionMarker, RecordBatch};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use storage::{
    Acks, AppendEntry, AppendError, AppendRequest, CoordinatorRecord, CoordinatorWrite, Isolation,
    MarkerError, Partition, ReadBatches, ReadLimits, Storage, StorageError, StorageOptions, TransactionEnd,
    TransactionMarker,
};

use crate::common::{
    Partitions, append, batch, batches, copy_of, create, delete, in_transaction, open, sequenced, wait,
};

fn committed(max_bytes: usize) -> ReadLimits {
    ReadLimits { max_bytes, at_least_one: true, isolation: Isolation::ReadCommitted }
}

/// Without a tail: every read is one of the disk.
fn without_tail(folder: &Path) -> Storage {
    Storage::open(StorageOptions { tail_bytes: 0, ..StorageOptions::new(folder) }).unwrap()
}

fn marker(partition: &Arc<Partition>, producer_id: i64, epoch: i16, commit: bool) -> TransactionMarker {
    TransactionMarker {
        partition: Arc::clone(partition),
        producer_id,
        producer_epoch: epoch,
        coordinator_epoch: 3,
        by_coordinator: false,
        commit,
        raises_epoch: false,
        log_append_time: false,
    }
}

fn coordinator(storage: &Storage, record: &'static str) -> CoordinatorWrite {
    let record = CoordinatorRecord { key: record.into(), value: Some("value".into()) };
    CoordinatorWrite { epoch: storage.shard().led_epoch().unwrap(), records: vec![record] }
}

fn end(storage: &Storage, markers: Vec<TransactionMarker>) -> Vec<Result<i64, MarkerError>> {
    let end = TransactionEnd { coordinator: coordinator(storage, "end"), markers };
    wait(|done| storage.shard().end_transaction(end, done)).unwrap()
}

fn has_record(storage: &Storage, key: &str) -> bool {
    let mut found = 0;
    storage.shard().scan_coordinator(key.as_bytes(), &mut |_, _| found += 1).unwrap();
    found > 0
}

fn read(storage: &Storage, partition: &Partition, from: i64, max_bytes: usize) -> ReadBatches {
    storage.shard().read(partition, from, committed(max_bytes)).unwrap()
}

fn aborted(found: &ReadBatches) -> Vec<(i64, i64)> {
    found.aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect()
}

fn partition_of(storage: &Storage, topic: &str, index: usize) -> Arc<Partition> {
    Arc::clone(&storage.cluster().catalog().topic(topic).unwrap().partitions()[index])
}

#[test]
fn a_transaction_is_stable_once_its_end_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 2);
    for partition in &topic.partitions() {
        append(&storage, partition, batch(&[(1, b"before")]), Acks::All).unwrap();
        append(&storage, partition, in_transaction(7, 0, 0, 2), Acks::All).unwrap();
        append(&storage, partition, batch(&[(1, b"after")]), Acks::All).unwrap();
        assert_eq!((partition.last_stable_offset(), partition.high_watermark()), (1, 4));
        assert_eq!(batches(read(&storage, partition, 0, 10_000)).len(), 1);
        assert!(batches(read(&storage, partition, 1, 10_000)).is_empty());
    }
    let markers = topic.partitions().iter().map(|partition| marker(partition, 7, 0, true)).collect();
    assert_eq!(end(&storage, markers), [Ok(4), Ok(4)]);
    for partition in &topic.partitions() {
        assert_eq!((partition.last_stable_offset(), partition.high_watermark()), (5, 5));
        let found = read(&storage, partition, 0, 10_000);
        assert_eq!(aborted(&found), []);
        assert_eq!(batches(found).len(), 4);
        let (id, state) = partition.producers().remove(0);
        assert_eq!((id, state.coordinator_epoch, state.current_txn_start_offset), (7, 3, None));
    }
    assert!(has_record(&storage, "end"));
    storage.close().unwrap();
}

/// Also after a restart, within the transaction and after its end.
#[test]
fn sequences_are_repeats_in_their_own_transaction_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = || in_transaction(7, 0, 0, 2);
    // Each in a block: what is held of a storage keeps its folder locked.
    {
        let storage = open(folder.path());
        let topic = create(&storage, "t", 1);
        append(&storage, &topic.partitions()[0], first(), Acks::All).unwrap();
        storage.close().unwrap();
    }
    {
        let storage = open(folder.path());
        let partition = partition_of(&storage, "t", 0);
        assert!(append(&storage, &partition, first(), Acks::All).unwrap().duplicate);
        assert_eq!(end(&storage, vec![marker(&partition, 7, 0, false)]), [Ok(2)]);
        storage.close().unwrap();
    }
    let storage = open(folder.path());
    let partition = partition_of(&storage, "t", 0);
    let reused = Err(AppendError::SequenceReused { found: 0 });
    assert_eq!(append(&storage, &partition, first(), Acks::All), reused);
    assert_eq!(partition.log_end_offset(), 3);
    storage.close().unwrap();
}

#[test]
fn markers_are_those_of_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    append(&storage, partition, in_transaction(7, 2, 0, 1), Acks::All).unwrap();
    let ended = TransactionMarker { log_append_time: true, ..marker(partition, 7, 3, false) };
    assert_eq!(end(&storage, vec![ended]), [Ok(1)]);
    let bytes = batches(read(&storage, partition, 1, 10_000)).remove(0);
    assert_eq!(bytes.len(), 78);
    let header = BatchHeader::parse_whole(&bytes).unwrap();
    // Transactional, control, log append time.
    assert_eq!(header.attributes.0, 0x38);
    let found = (header.base_offset, header.producer_id, header.producer_epoch, header.base_sequence);
    assert_eq!(found, (1, 7, 3, -1));
    let record = RecordBatch::parse_stored(bytes).unwrap().records().unwrap().next().unwrap().unwrap();
    assert_eq!(record.key.as_deref(), Some([0, 0, 0, 0].as_slice()), "version 0, abort");
    assert_eq!(record.value.as_deref(), Some([0, 0, 0, 0, 0, 3].as_slice()), "version 0, coordinator epoch");
    assert_eq!(EndTransactionMarker::parse(&record).unwrap().coordinator_epoch, 3);
    storage.close().unwrap();
}

#[test]
fn an_open_transaction_is_as_open_after_a_crash_and_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    append(&storage, partition, in_transaction(7, 0, 0, 1), Acks::All).unwrap();
    assert_eq!(end(&storage, vec![marker(partition, 7, 0, false)]), [Ok(1)]);
    append(&storage, partition, batch(&[(1, b"plain")]), Acks::All).unwrap();
    append(&storage, partition, in_transaction(7, 0, 1, 1), Acks::All).unwrap();
    append(&storage, partition, batch(&[(1, b"plain")]), Acks::All).unwrap();
    let crashed = copy_of(folder.path());
    storage.close().unwrap();
    drop(storage);
    for folder in [crashed.path(), folder.path()] {
        let storage = without_tail(folder);
        let partition = partition_of(&storage, "t", 0);
        assert_eq!((partition.last_stable_offset(), partition.high_watermark()), (3, 5));
        let found = read(&storage, &partition, 0, 10_000);
        assert_eq!(aborted(&found), [(7, 0)]);
        assert_eq!(batches(found).len(), 3);
        let refused = append(&storage, &partition, sequenced(7, 0, 2, 1), Acks::All);
        assert_eq!(refused.unwrap_err(), AppendError::InvalidTxnState);
        append(&storage, &partition, in_transaction(7, 0, 2, 1), Acks::All).unwrap();
        assert_eq!(end(&storage, vec![marker(&partition, 7, 0, false)]), [Ok(6)]);
        assert_eq!(partition.last_stable_offset(), 7);
        assert_eq!(aborted(&read(&storage, &partition, 0, 10_000)), [(7, 0), (7, 3)]);
        storage.close().unwrap();
    }
}

#[test]
fn a_deleted_partition_is_passed_over_and_a_refused_marker_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let (gone, kept) = (create(&storage, "gone", 1), create(&storage, "kept", 2));
    let partitions = [&gone.partitions()[0], &kept.partitions()[0], &kept.partitions()[1]].map(Arc::clone);
    for partition in &partitions {
        append(&storage, partition, in_transaction(7, 1, 0, 1), Acks::All).unwrap();
    }
    append(&storage, &partitions[1], in_transaction(7, 5, 0, 1), Acks::All).unwrap();
    delete(&storage, &gone);
    let markers = partitions.iter().map(|partition| marker(partition, 7, 2, true)).collect();
    let old = MarkerError::InvalidProducerEpoch { current: 5, found: 2 };
    assert_eq!(end(&storage, markers), [Err(MarkerError::PartitionDeleted), Err(old), Ok(1)]);
    assert!(has_record(&storage, "end"));
    assert_eq!(partitions[1].last_stable_offset(), 0);
    assert_eq!(partitions[2].last_stable_offset(), 2);
    // A transaction that wrote nothing here: a marker, and no entry.
    assert_eq!(end(&storage, vec![marker(&partitions[2], 99, 0, false)]), [Ok(2)]);
    assert_eq!(aborted(&read(&storage, &partitions[2], 0, 10_000)), []);
    storage.close().unwrap();
}

#[test]
fn records_of_coordinators_are_written_with_batches_also_with_refused_ones() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    let request = |sequence, coordinator| {
        let entry = AppendEntry {
            partition: Arc::clone(partition),
            batch: in_transaction(7, 0, sequence, 1),
            log_append_time: false,
            unknown_producer_begins_at_zero: true,
        };
        AppendRequest { entries: vec![entry], acks: Acks::All, coordinator: Some(coordinator) }
    };
    let send = |request| wait(|done| storage.shard().append(request, done)).unwrap().remove(0);
    let stale = CoordinatorWrite { epoch: 99, ..coordinator(&storage, "stale") };
    // Without records, too: the transaction was open already.
    for stale in [CoordinatorWrite { epoch: 99, records: Vec::new() }, stale] {
        let refused = wait(|done| storage.shard().append(request(0, stale), done));
        assert!(matches!(refused, Err(StorageError::NotLeader)), "its records are not written either");
    }
    let gap = AppendError::OutOfOrderSequence { last: -1, found: 4 };
    assert_eq!(send(request(4, coordinator(&storage, "refused"))), Err(gap));
    assert_eq!(partition.log_end_offset(), 0);
    assert!(send(request(0, coordinator(&storage, "taken"))).is_ok());
    assert!(!has_record(&storage, "stale"));
    assert!(has_record(&storage, "refused") && has_record(&storage, "taken"));
    let end = TransactionEnd {
        coordinator: CoordinatorWrite { epoch: 99, ..coordinator(&storage, "stale") },
        markers: vec![marker(partition, 7, 0, true)],
    };
    let refused = wait(|done| storage.shard().end_transaction(end, done));
    assert!(matches!(refused, Err(StorageError::NotLeader)));
    assert_eq!((partition.log_end_offset(), partition.last_stable_offset()), (1, 0));
    storage.close().unwrap();
}

#[test]
fn look_ups_by_time_end_at_the_last_stable_offset() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    append(&storage, partition, in_transaction(7, 0, 0, 1), Acks::All).unwrap();
    append(&storage, partition, batch(&[(50, b"plain")]), Acks::All).unwrap();
    let found = |isolation| {
        let found = storage.shard().offset_for_timestamp(partition, 50, isolation).unwrap();
        found.map(|found| found.offset)
    };
    assert_eq!(found(Isolation::ReadUncommitted), Some(1));
    assert_eq!(found(Isolation::ReadCommitted), None);
    end(&storage, vec![marker(partition, 7, 0, false)]);
    assert_eq!(found(Isolation::ReadCommitted), Some(1));
    storage.close().unwrap();
}

/// A transaction that has ended.
struct Ended {
    producer_id: i64,
    first_offset: i64,
    marker_offset: i64,
    aborted: bool,
}

/// Transactions of several producers in one partition, one step after the other.
struct Schedule {
    open: BTreeMap<i64, i64>,
    sequences: BTreeMap<i64, i32>,
    ended: Vec<Ended>,
}

impl Schedule {
    fn step(&mut self, storage: &Storage, partition: &Arc<Partition>, random: &mut StdRng) {
        let producer_id = random.random_range(1..8);
        let acks = [Acks::Leader, Acks::All][random.random_range(0..2)];
        match random.random_range(0..5) {
            0 => drop(append(storage, partition, batch(&[(1, b"plain")]), acks).unwrap()),
            1 | 2 if self.open.contains_key(&producer_id) => {
                let first_offset = self.open.remove(&producer_id).unwrap();
                let aborted: bool = random.random();
                let marker_offset =
                    end(storage, vec![marker(partition, producer_id, 0, !aborted)]).remove(0).unwrap();
                self.ended.push(Ended { producer_id, first_offset, marker_offset, aborted });
            }
            _ => {
                let sequence = self.sequences.entry(producer_id).or_default();
                let records = random.random_range(1..4);
                let batch = in_transaction(producer_id, 0, *sequence, records);
                let appended = append(storage, partition, batch, acks).unwrap();
                *sequence += records as i32;
                self.open.entry(producer_id).or_insert(appended.base_offset);
            }
        }
        let first_open = self.open.values().min().copied().unwrap_or(i64::MAX);
        let stable = partition.last_stable_offset();
        assert_eq!(stable, first_open.min(partition.high_watermark()));
    }

    fn check(&self, storage: &Storage, partition: &Partition, random: &mut StdRng) {
        for from in 0..=partition.last_stable_offset() {
            let found = read(storage, partition, from, random.random_range(1..2_000));
            let told = aborted(&found);
            let until =
                batches(found).last().map_or(from, |last| BatchHeader::parse(last).unwrap().next_offset());
            assert!(until <= partition.last_stable_offset());
            let overlaps =
                |one: &&Ended| one.aborted && one.marker_offset >= from && one.first_offset < until;
            let ended = if until > from { self.ended.as_slice() } else { &[] };
            let mut expected: Vec<_> =
                ended.iter().filter(overlaps).map(|one| (one.producer_id, one.first_offset)).collect();
            expected.sort_by_key(|one| one.1);
            assert_eq!(told, expected, "from {from} to {until}");
        }
    }
}

/// The list is the same from memory and from the disk, and after a start: every aborted transaction that overlaps the read, and no other.
#[test]
fn readers_are_told_of_every_aborted_transaction_and_of_no_other() {
    for seed in 1..=8 {
        let random = &mut StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let tail_bytes = [0, 1_000, 1 << 20][random.random_range(0..3)];
        let options = StorageOptions { tail_bytes, ..StorageOptions::new(folder.path()) };
        let storage = Storage::open(options).unwrap();
        let topic = create(&storage, "t", 1);
        let partition = &topic.partitions()[0];
        let mut schedule = Schedule { open: BTreeMap::new(), sequences: BTreeMap::new(), ended: Vec::new() };
        for _ in 0..60 {
            schedule.step(&storage, partition, random);
        }
        schedule.check(&storage, partition, random);
        let stable = partition.last_stable_offset();
        storage.close().unwrap();
        drop(storage);
        let storage = without_tail(folder.path());
        let partition = partition_of(&storage, "t", 0);
        assert_eq!(partition.last_stable_offset(), stable);
        schedule.check(&storage, &partition, random);
        for _ in 0..20 {
            schedule.step(&storage, &partition, random);
        }
        schedule.check(&storage, &partition, random);
        storage.close().unwrap();
    }
}
