//! Helpers of the storage's tests: batches, and calls that wait for their answer.

use std::{collections::BTreeMap, path::Path, sync::Arc, sync::mpsc};

use bytes::Bytes;
use codec::records::{self, BatchBuilder, RecordBatch};
use storage::{
    Acks, AppendEntry, AppendRequest, AppendResult, Done, Isolation, NewTopic, Partition, ReadBatches,
    ReadLimits, Storage, StorageError, StorageOptions, Topic,
};
use uuid::Uuid;

pub(crate) const UNLIMITED: ReadLimits =
    ReadLimits { max_bytes: usize::MAX, at_least_one: true, isolation: Isolation::ReadUncommitted };

pub(crate) fn open(folder: &Path) -> Storage {
    Storage::open(StorageOptions::new(folder)).unwrap()
}

/// The partitions of a topic, as tests name them: by index, all led here.
pub(crate) trait Partitions {
    fn partitions(&self) -> Vec<Arc<Partition>>;
}

impl Partitions for Topic {
    fn partitions(&self) -> Vec<Arc<Partition>> {
        self.led_here().cloned().collect()
    }
}

/// Makes the call and waits for its answer.
pub(crate) fn wait<T: Send + 'static>(call: impl FnOnce(Done<T>)) -> Result<T, StorageError> {
    let (sender, answer) = mpsc::sync_channel(1);
    call(Box::new(move |outcome| sender.send(outcome).unwrap_or_default()));
    answer.recv().unwrap()
}

pub(crate) fn create(storage: &Storage, name: &str, partitions: u32) -> Arc<Topic> {
    let new = NewTopic { name: name.into(), id: Uuid::new_v4(), partitions, configs: BTreeMap::new() };
    wait(|done| storage.cluster().create_topics(vec![new], done)).unwrap().remove(0).unwrap()
}

pub(crate) fn delete(storage: &Storage, topic: &Topic) {
    wait(|done| storage.cluster().delete_topics(vec![topic.id], done)).unwrap().remove(0).unwrap();
}

/// A batch with one record for each `(timestamp, value)`.
pub(crate) fn batch(records: &[(i64, &[u8])]) -> RecordBatch {
    finish(BatchBuilder::new(), records)
}

pub(crate) fn sequenced(producer_id: i64, epoch: i16, sequence: i32, records: usize) -> RecordBatch {
    finish(BatchBuilder::new().producer(producer_id, epoch, sequence), &vec![(1, b"v".as_slice()); records])
}

pub(crate) fn in_transaction(producer_id: i64, epoch: i16, sequence: i32, records: usize) -> RecordBatch {
    let builder = BatchBuilder::new().producer(producer_id, epoch, sequence).transactional();
    finish(builder, &vec![(1, b"v".as_slice()); records])
}

fn finish(mut builder: BatchBuilder, records: &[(i64, &[u8])]) -> RecordBatch {
    for (timestamp, value) in records {
        builder.push(*timestamp, None, Some(value), &[]);
    }
    RecordBatch::parse(builder.build()).unwrap()
}

pub(crate) fn append(
    storage: &Storage,
    partition: &Arc<Partition>,
    batch: RecordBatch,
    acks: Acks,
) -> AppendResult {
    append_all(storage, partition, vec![batch], acks).remove(0)
}

/// Appends batches in one request.
pub(crate) fn append_all(
    storage: &Storage,
    partition: &Arc<Partition>,
    batches: Vec<RecordBatch>,
    acks: Acks,
) -> Vec<AppendResult> {
    let entry = |batch| AppendEntry {
        partition: Arc::clone(partition),
        batch,
        log_append_time: false,
        unknown_producer_begins_at_zero: false,
    };
    let entries = batches.into_iter().map(entry).collect();
    wait(|done| storage.shard().append(AppendRequest { entries, acks, coordinator: None }, done)).unwrap()
}

/// `(offset, value)` of every record from `from` on, in one read.
pub(crate) fn values(storage: &Storage, partition: &Partition, from: i64) -> Vec<(i64, Bytes)> {
    let found = storage.shard().read(partition, from, UNLIMITED).unwrap();
    let mut values = Vec::new();
    for bytes in batches(found) {
        for record in RecordBatch::parse_stored(bytes).unwrap().records().unwrap() {
            let record = record.unwrap();
            values.push((record.offset, record.value.unwrap_or_default()));
        }
    }
    values
}

/// The batches of a read, one by one.
pub(crate) fn batches(found: ReadBatches) -> Vec<Bytes> {
    found.batches.iter().flat_map(records::batches).map(|batch| batch.unwrap().1).collect()
}

/// The folder as a `kill -9` at this moment would leave it: a copy of the files as the operating system has them.
pub(crate) fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        // Files come and go while RocksDB works; one that went is not part of the state any more.
        if entry.file_name() != "LOCK" {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).ok();
        }
    }
    copy
}
