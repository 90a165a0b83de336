//! A consumer that catches up, read by read, while its partition grows, moves to other generations, and loses its beginning.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use codec::records::RecordBatch;
use storage::{
    Acks, DeleteBelow, FlushPolicy, Isolation, Partition, ReadBatches, ReadError, ReadLimits, Storage,
    StorageOptions,
};

use crate::{
    aborted::end,
    common::{Partitions, append, batch, batches, create, delete, in_transaction, values},
};

/// One batch at a time, as a consumer with a small `max.partition.fetch.bytes`.
const ONE: ReadLimits =
    ReadLimits { max_bytes: 0, at_least_one: true, isolation: Isolation::ReadUncommitted };

/// Nothing is served from memory; generations take a few batches.
fn open_small(folder: &Path) -> Storage {
    let options = StorageOptions { tail_bytes: 0, generation_bytes: 4096, ..StorageOptions::new(folder) };
    Storage::open(options).unwrap()
}

fn fill(storage: &Storage, partition: &Arc<Partition>, offsets: std::ops::Range<i64>) {
    for offset in offsets {
        let value = offset.to_string().repeat(20);
        append(storage, partition, batch(&[(offset, value.as_bytes())]), Acks::Leader).unwrap();
    }
}

/// Reads the batch at `offset` and returns where the next one begins.
fn read_one(storage: &Storage, partition: &Partition, offset: i64) -> Result<i64, ReadError> {
    let found = storage.shard().read(partition, offset, ONE)?;
    let batch: Bytes = batches(found).remove(0);
    let batch = RecordBatch::parse_stored(batch).unwrap();
    assert_eq!(batch.header().base_offset, offset);
    Ok(batch.header().next_offset())
}

#[test]
fn it_sees_what_is_appended_between_its_reads() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open_small(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    fill(&storage, partition, 0..3);
    let mut offset = 0;
    for end in (3..600).step_by(3) {
        // Ends inside what the read before saw, then goes on beyond it.
        while offset < end - 1 {
            offset = read_one(&storage, partition, offset).unwrap();
        }
        fill(&storage, partition, end..end + 3);
    }
    assert_eq!(values(&storage, partition, offset).len() as i64, partition.high_watermark() - offset);
    storage.close().unwrap();
}

#[test]
fn it_learns_between_its_reads_that_records_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open_small(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    fill(&storage, partition, 0..50);
    assert_eq!(read_one(&storage, partition, 0).unwrap(), 1);
    assert_eq!(read_one(&storage, partition, 1).unwrap(), 2);
    storage.shard().delete_records(&[(Arc::clone(partition), DeleteBelow::Offset(10))]).unwrap();
    assert!(matches!(read_one(&storage, partition, 2), Err(ReadError::OffsetOutOfRange { .. })));
    assert_eq!(read_one(&storage, partition, 10).unwrap(), 11);
    delete(&storage, &topic);
    assert!(matches!(read_one(&storage, partition, 11), Err(ReadError::Deleted)));
    storage.close().unwrap();
}

#[test]
fn two_that_read_the_same_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open_small(folder.path());
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    fill(&storage, partition, 0..300);
    std::thread::scope(|scope| {
        for pause in [0, 1] {
            let storage = &storage;
            scope.spawn(move || {
                let mut offset = 0;
                while offset < 299 {
                    offset = read_one(storage, partition, offset).unwrap();
                    std::thread::sleep(Duration::from_micros(pause * 200));
                }
            });
        }
    });
    storage.close().unwrap();
}

#[test]
fn it_reads_the_same_from_the_disk_as_from_the_page_cache() {
    let folder = tempfile::tempdir().unwrap();
    let options = || StorageOptions { tail_bytes: 0, ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(options()).unwrap();
    let topic = create(&storage, "t", 2);
    // Batches of two partitions take turns in the journal; every third one is small enough for RocksDB.
    for offset in 0..120 {
        for partition in &topic.partitions() {
            let length = if offset % 3 == 0 { 100 } else { 20_000 };
            let value = format!("{offset} of {}", partition.index()).repeat(length / 8);
            append(&storage, partition, batch(&[(offset, value.as_bytes())]), Acks::Leader).unwrap();
        }
    }
    let read_all = |partition: &Partition| {
        let limits =
            ReadLimits { max_bytes: 100_000, at_least_one: true, isolation: Isolation::ReadUncommitted };
        let (mut offset, mut all) = (0, Vec::new());
        while offset < 120 {
            for bytes in batches(storage.shard().read(partition, offset, limits).unwrap()) {
                offset = RecordBatch::parse_stored(bytes.clone()).unwrap().header().next_offset();
                all.push(bytes);
            }
        }
        all
    };
    let warm: Vec<_> = topic.partitions().iter().map(|partition| read_all(partition)).collect();
    for partition in &topic.partitions() {
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            // Does nothing on a file system in memory; then both reads are warm.
            let file = std::fs::File::open(entry.unwrap().path()).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        }
        assert_eq!(read_all(partition), warm[partition.index() as usize]);
    }
    storage.close().unwrap();
}

#[test]
fn it_needs_no_disk_for_what_the_page_cache_has() {
    let folder = tempfile::tempdir().unwrap();
    let storage =
        Storage::open(StorageOptions { tail_bytes: 0, ..StorageOptions::new(folder.path()) }).unwrap();
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    for offset in 0..6 {
        append(&storage, partition, batch(&[(offset, &[b'v'; 10_000])]), Acks::Leader).unwrap();
    }
    let limits = ReadLimits { max_bytes: 25_000, at_least_one: true, isolation: Isolation::ReadUncommitted };
    assert!(storage.shard().read_now(partition, 0, limits).is_none(), "no iterator stands there");
    let ends = |found: ReadBatches| {
        let last = batches(found).pop().unwrap();
        RecordBatch::parse_stored(last).unwrap().header().next_offset()
    };
    assert_eq!(ends(storage.shard().read(partition, 0, limits).unwrap()), 2);
    assert!(storage.shard().read_now(partition, 1, limits).is_none(), "one stands elsewhere");
    let large = ReadLimits { max_bytes: 2 << 20, ..limits };
    assert!(storage.shard().read_now(partition, 2, large).is_none(), "too much for the caller's thread");
    assert_eq!(ends(storage.shard().read_now(partition, 2, limits).unwrap().unwrap()), 4);
    assert_eq!(ends(storage.shard().read_now(partition, 4, limits).unwrap().unwrap()), 6);
    storage.close().unwrap();
}

#[test]
fn it_is_told_of_aborted_transactions_without_the_disk_once_one_read_has_asked_it() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        StorageOptions { tail_bytes: 0, flush_policy: FlushPolicy::Os, ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(options.clone()).unwrap();
    let topic = create(&storage, "t", 1);
    let partition = &topic.partitions()[0];
    // The index has many blocks: one that no other look-up brings into memory is among them.
    for sequence in 0..3_000 {
        append(&storage, partition, in_transaction(1, 0, sequence, 1), Acks::All).unwrap();
        end(&storage, partition, 1, false);
    }
    storage.close().unwrap();
    drop((storage, topic));
    // The index lies in a file now, and nothing of it in memory.
    let storage = Storage::open(options).unwrap();
    let partition = &storage.cluster().catalog().topic("t").unwrap().partitions()[0];
    let limits = ReadLimits { isolation: Isolation::ReadCommitted, ..ONE };
    assert_eq!(storage.shard().read(partition, 3_000, limits).unwrap().aborted.len(), 1);
    let found = storage.shard().read_now(partition, 3_001, limits).expect("no need of the disk").unwrap();
    assert_eq!(batches(found).len(), 1);
    storage.close().unwrap();
}
