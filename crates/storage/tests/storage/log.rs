//! One partition's log: offsets, reads, idempotence, look-ups; and all of it after a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::common::{
    Partitions, UNLIMITED, append, append_all, batch, batches, copy_of, create, in_transaction, open,
    sequenced, values, wait,
};
use storage::{
    Acks, AppendEntry, AppendError, AppendRequest, AppendResult, EpochEndOffset, FlushPolicy, Isolation,
    ReadError, ReadLimits, Storage, StorageError, StorageOptions,
};

#[test]
fn batches_come_back_at_their_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    let first = append(&storage, partition, batch(&[(1, b"a"), (2, b"b")]), Acks::All).unwrap();
    let second = append(&storage, partition, batch(&[(3, b"c")]), Acks::All).unwrap();
    assert_eq!((first.base_offset, second.base_offset), (0, 2));
    assert_eq!(values(&storage, partition, 0), [(0, "a".into()), (1, "b".into()), (2, "c".into())]);
    assert_eq!(values(&storage, partition, 1).len(), 3, "the batch that holds the offset comes whole");
    assert_eq!(values(&storage, partition, 2), [(2, "c".into())]);
    assert_eq!(values(&storage, partition, 3), []);
    for offset in [-1, 4] {
        let error = storage.shard().read(partition, offset, UNLIMITED).unwrap_err();
        assert!(matches!(error, ReadError::OffsetOutOfRange { log_end_offset: 3, .. }), "{offset}: {error}");
    }
    storage.close().unwrap();
}

#[test]
fn a_read_without_memory_finds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let storage =
        Storage::open(StorageOptions { tail_bytes: 0, ..StorageOptions::new(folder.path()) }).unwrap();
    let topic = create(&storage, "t", 2);
    for value in 0..20u8 {
        for partition in &topic.partitions() {
            append(&storage, partition, batch(&[(1, &[value]), (1, &[value])]), Acks::Leader).unwrap();
        }
    }
    let partition = &topic.partitions()[0];
    append(&storage, partition, batch(&[(1, b"last")]), Acks::All).unwrap();
    assert!(storage.shard().read_now(partition, 0, UNLIMITED).is_none(), "nothing in memory");
    assert_eq!(values(&storage, partition, 0).len(), 41);
    assert_eq!(values(&storage, partition, 7).first().unwrap().0, 6);
    let limits = ReadLimits { max_bytes: 200, at_least_one: false, isolation: Isolation::ReadCommitted };
    let found = storage.shard().read(partition, 0, limits).unwrap();
    let bytes = found.bytes;
    assert!(bytes <= 200 && batches(found).len() == 2, "{bytes} bytes");
    storage.close().unwrap();
}

#[test]
fn a_clean_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let cluster_id = storage.cluster().id().to_owned();
    let topic = create(&storage, "t", 1);
    append(&storage, &topic.partitions()[0], batch(&[(1, b"a")]), Acks::Leader).unwrap();
    storage.close().unwrap();
    drop(storage);

    let storage = open(folder.path());
    assert!(!storage.recovery().unclean && !storage.recovery().new);
    assert_eq!(storage.cluster().id(), cluster_id);
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    assert_eq!(storage.cluster().catalog().topic("t").unwrap().id, topic.id);
    assert_eq!((partition.leader_epoch(), partition.high_watermark()), (0, 1));
    assert_eq!(values(&storage, &partition, 0), [(0, "a".into())]);
    storage.close().unwrap();
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged_and_raises_the_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    append(&storage, &topic.partitions()[0], batch(&[(1, b"a")]), Acks::All).unwrap();
    append(&storage, &topic.partitions()[0], batch(&[(1, b"b")]), Acks::Leader).unwrap();
    let killed = copy_of(folder.path());
    storage.close().unwrap();

    let storage = open(killed.path());
    assert!(storage.recovery().unclean);
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    assert_eq!(values(&storage, &partition, 0), [(0, "a".into()), (1, "b".into())]);
    assert_eq!(partition.leader_epoch(), 1);
    assert_eq!(append(&storage, &partition, batch(&[(1, b"c")]), Acks::All).unwrap().base_offset, 2);
    assert_eq!(partition.epoch_end_offset(0), EpochEndOffset { leader_epoch: 0, end_offset: 2 });
    assert_eq!(partition.epoch_end_offset(1), EpochEndOffset { leader_epoch: 1, end_offset: 3 });
    assert_eq!(create(&storage, "new", 1).partitions()[0].leader_epoch(), 0);
    storage.close().unwrap();
}

#[test]
fn a_repeated_batch_is_answered_with_its_first_offset_even_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    for batch in [sequenced(7, 0, 0, 3), sequenced(7, 0, 3, 2)] {
        append(&storage, partition, batch, Acks::All).unwrap();
    }
    let killed = copy_of(folder.path());
    storage.close().unwrap();

    let storage = open(killed.path());
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    let repeated = append(&storage, &partition, sequenced(7, 0, 0, 3), Acks::All).unwrap();
    assert_eq!((repeated.base_offset, repeated.duplicate), (0, true));
    assert_eq!(partition.log_end_offset(), 5);
    let gap = append(&storage, &partition, sequenced(7, 0, 6, 1), Acks::All).unwrap_err();
    assert_eq!(gap, AppendError::OutOfOrderSequence { last: 4, found: 6 });
    append(&storage, &partition, sequenced(7, 1, 0, 1), Acks::All).unwrap();
    let fenced = append(&storage, &partition, sequenced(7, 0, 5, 1), Acks::All).unwrap_err();
    assert_eq!(fenced, AppendError::InvalidProducerEpoch { current: 1, found: 0 });
    storage.close().unwrap();
}

#[test]
fn producers_are_forgotten_after_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let (uptime_ms, wall_ms) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
    let (uptime, wall) = (Arc::clone(&uptime_ms), Arc::clone(&wall_ms));
    let options = StorageOptions {
        producer_id_expiration_check_interval: Duration::from_millis(10),
        clock: Arc::new(move || wall.load(Ordering::SeqCst)),
        uptime: Arc::new(move || Duration::from_millis(uptime.load(Ordering::SeqCst))),
        ..StorageOptions::new(folder.path())
    };
    let storage = Storage::open(options.clone()).unwrap();
    let topic = create(&storage, "t", 1);
    append(&storage, &topic.partitions()[0], sequenced(7, 0, 0, 1), Acks::All).unwrap();
    append(&storage, &topic.partitions()[0], in_transaction(8, 0, 0, 1), Acks::All).unwrap();
    let remembered = || topic.partitions()[0].producers().iter().map(|(id, _)| *id).collect::<Vec<_>>();
    // The wall clock is set; no time has passed.
    wall_ms.store(i64::MAX, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(remembered(), [7, 8]);
    uptime_ms.store(86_400_001, Ordering::SeqCst);
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while remembered() != [8] {
        assert!(std::time::Instant::now() < until, "still remembered");
        std::thread::yield_now();
    }
    storage.close().unwrap();
    drop(storage);
    let storage = Storage::open(options).unwrap();
    let producers = storage.cluster().catalog().topic("t").unwrap().partitions()[0].producers();
    assert_eq!(producers.len(), 1, "a transaction that is open keeps its producer: {producers:?}");
    storage.close().unwrap();
}

#[test]
fn appends_take_turns_with_the_expiry_of_many_producers() {
    const PRODUCERS: i64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let uptime_ms = Arc::new(AtomicU64::new(0));
    let uptime = Arc::clone(&uptime_ms);
    let storage = Storage::open(StorageOptions {
        producer_id_expiration_check_interval: Duration::from_millis(10),
        uptime: Arc::new(move || Duration::from_millis(uptime.load(Ordering::SeqCst))),
        ..StorageOptions::new(folder.path())
    })
    .unwrap();
    let topic = create(&storage, "t", 2);
    let partitions = topic.partitions();
    let (crowded, other) = (&partitions[0], &partitions[1]);
    for first in (0..PRODUCERS).step_by(1_000) {
        let batches = (first..first + 1_000).map(|id| sequenced(id, 0, 0, 1)).collect();
        append_all(&storage, crowded, batches, Acks::Leader);
    }
    uptime_ms.store(86_400_001, Ordering::SeqCst);
    let mut between = 0;
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while crowded.producer_count() > 0 {
        append(&storage, other, batch(&[(1, b"v")]), Acks::Leader).unwrap();
        between += u32::from(crowded.producer_count() < PRODUCERS as usize);
        assert!(std::time::Instant::now() < until, "still remembered");
    }
    // 40 commands: if all were queued at once, an append would wait for them all.
    assert!(between > 8, "only {between} appends in the course of the expiry");
    storage.close().unwrap();
}

#[test]
fn producer_ids_are_given_once_also_across_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let given: Vec<i64> =
        (0..3).map(|_| wait(|done| storage.cluster().allocate_producer_id(done)).unwrap()).collect();
    assert_eq!(given, [0, 1, 2]);
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    let storage = open(killed.path());
    assert!(wait(|done| storage.cluster().allocate_producer_id(done)).unwrap() > 2);
    storage.close().unwrap();
}

#[test]
fn timestamps_lead_to_the_first_record_at_or_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    let filler = vec![0u8; 3000];
    // Not in order, so that the index has to be right about what came before.
    let timestamps: Vec<i64> = (0..300).map(|i| (i * 7919) % 1000 + i).collect();
    for pair in timestamps.chunks(2) {
        let records: Vec<(i64, &[u8])> =
            pair.iter().map(|timestamp| (*timestamp, filler.as_slice())).collect();
        append(&storage, partition, batch(&records), Acks::Leader).unwrap();
    }
    append(&storage, partition, batch(&[(-1, b"end")]), Acks::All).unwrap();
    let check = |storage: &Storage, partition: &storage::Partition| {
        for asked in (0..1400).step_by(13) {
            let expected =
                timestamps.iter().position(|timestamp| *timestamp >= asked).map(|offset| offset as i64);
            let found =
                storage.shard().offset_for_timestamp(partition, asked, Isolation::ReadUncommitted).unwrap();
            assert_eq!(found.map(|found| found.offset), expected, "asked for {asked}");
        }
        let greatest = *timestamps.iter().max().unwrap();
        let found = storage.shard().max_timestamp(partition).unwrap().unwrap();
        assert_eq!(found.timestamp_ms, greatest);
        assert_eq!(
            found.offset,
            timestamps.iter().position(|timestamp| *timestamp == greatest).unwrap() as i64
        );
    };
    check(&storage, partition);
    storage.close().unwrap();
    drop(storage);
    let storage = open(folder.path());
    check(&storage, &storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    storage.close().unwrap();
}

#[test]
fn log_append_time_replaces_the_producers_timestamps() {
    let folder = tempfile::tempdir().unwrap();
    let options = StorageOptions { clock: Arc::new(|| 5000), ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(options).unwrap();
    let topic = create(&storage, "t", 1);
    let partition = Arc::clone(&topic.partitions()[0]);
    let entry = AppendEntry {
        partition,
        batch: batch(&[(1, b"a"), (2, b"b")]),
        log_append_time: true,
        unknown_producer_begins_at_zero: false,
    };
    let request = AppendRequest { entries: vec![entry], acks: Acks::All, coordinator: None };
    let appended = wait(|done| storage.shard().append(request, done)).unwrap().remove(0).unwrap();
    assert_eq!(appended.log_append_time_ms, 5000);
    let found = storage.shard().max_timestamp(&topic.partitions()[0]).unwrap().unwrap();
    assert_eq!((found.offset, found.timestamp_ms), (0, 5000));
    storage.close().unwrap();
}

#[test]
fn every_flush_policy_and_acks_becomes_visible() {
    for flush_policy in [FlushPolicy::Sync, FlushPolicy::Os] {
        let folder = tempfile::tempdir().unwrap();
        let storage =
            Storage::open(StorageOptions { flush_policy, ..StorageOptions::new(folder.path()) }).unwrap();
        let topic = create(&storage, "t", 1);
        for (count, acks) in [Acks::None, Acks::Leader, Acks::All].into_iter().enumerate() {
            append(&storage, &topic.partitions()[0], batch(&[(1, b"x")]), acks).unwrap();
            if acks == Acks::All || flush_policy == FlushPolicy::Os {
                assert_eq!(topic.partitions()[0].high_watermark(), count as i64 + 1);
            }
        }
        storage.close().unwrap();
    }
}

#[test]
fn nothing_is_accepted_after_close() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    storage.close().unwrap();
    storage.close().unwrap();
    assert!(wait(|done| storage.cluster().allocate_producer_id(done)).is_err());
}

#[test]
fn a_small_append_never_overtakes_a_large_one() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    let large = vec![0u8; 200_000];
    for round in 0..300 {
        let (sender, answers) = std::sync::mpsc::sync_channel(2);
        for value in [large.as_slice(), b"small"] {
            let partition = Arc::clone(&topic.partitions()[0]);
            let entry = AppendEntry {
                partition,
                batch: batch(&[(1, value)]),
                log_append_time: false,
                unknown_producer_begins_at_zero: false,
            };
            let (request, sender) = (
                AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None },
                sender.clone(),
            );
            let done = move |outcome: Result<Vec<AppendResult>, StorageError>| {
                sender.send(outcome.unwrap().remove(0).unwrap().base_offset).unwrap();
            };
            storage.shard().append(request, Box::new(done));
        }
        drop(sender);
        let offsets: Vec<i64> = answers.iter().collect();
        assert_eq!(offsets, [2 * round, 2 * round + 1], "round {round}");
        let order: Vec<usize> = values(&storage, &topic.partitions()[0], 2 * round)
            .iter()
            .map(|(_, value)| value.len())
            .collect();
        assert_eq!(order, [200_000, 5], "round {round}");
        // Long enough for the writer to count as free.
        std::thread::sleep(std::time::Duration::from_micros(300));
    }
    storage.close().unwrap();
}
