//! Transactions of which a record cannot be read: nothing of them is lost or stays open without a word.

use std::path::Path;

use coordinator::record_kinds::RecordKind;
use coordinator::transaction::records::Key;
use coordinator::{group, transaction};
use storage::{CoordinatorRecord, Shard};
use uuid::Uuid;

use super::offsets::{commit_plainly, fetch, stage};
use super::tools::mark;
use super::*;
use crate::testing::Logged;

const NOT_AVAILABLE: i16 = 15;

fn shard(running: &Running) -> Shard {
    running.broker.services.io.storage().shard().clone()
}

/// The records of a kind, of one group or transactional id.
pub(super) fn records_of(running: &Running, kind: RecordKind, owner: &str) -> Vec<CoordinatorRecord> {
    let mut found = Vec::new();
    let take = &mut |key: &[u8], value: &[u8]| {
        let of_group = group::records::Key::group(key).is_ok_and(|id| id.as_str() == owner);
        let of_id = Key::owner(key).is_ok_and(|id: transaction::TransactionalId| id.as_str() == owner);
        if of_group || of_id {
            found.push(CoordinatorRecord {
                key: Bytes::copy_from_slice(key),
                value: Some(Bytes::copy_from_slice(value)),
            });
        }
    };
    shard(running).scan_coordinator(&[kind.number()], take).unwrap();
    found
}

async fn write(running: &Running, records: Vec<CoordinatorRecord>) {
    let (sender, written) = tokio::sync::oneshot::channel();
    let (shard, done) = (shard(running), move |outcome| drop(sender.send(outcome)));
    shard.write_coordinator(shard.led_epoch().unwrap(), records, Box::new(done));
    written.await.unwrap().unwrap();
}

/// Gives these records a version that no broker has, and starts the broker again.
async fn damaged(running: Running, records: &[CoordinatorRecord]) -> Running {
    assert!(!records.is_empty());
    let newer = |record: &CoordinatorRecord| CoordinatorRecord {
        key: record.key.clone(),
        value: Some(Bytes::from_static(&[99])),
    };
    write(&running, records.iter().map(newer).collect()).await;
    running.restart(&[]).await
}

/// Writes these records, and starts the broker again.
pub(super) async fn restored(running: Running, records: Vec<CoordinatorRecord>) -> Running {
    write(&running, records).await;
    running.restart(&[]).await
}

/// A broker with an open transaction of a record and of offset 5 of `g`, after a plain commit of 1; the record of that one cannot be
/// read.
async fn with_unreadable_group() -> (Running, Producer, Vec<CoordinatorRecord>) {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    assert_eq!(commit_plainly(&mut client, "g", 1).await, 0);
    let producer = init(&mut client, "copy", true).await;
    producer.write(&mut client, "t", 0, "a").await;
    assert_eq!(stage(&mut client, 5, &producer, "g", 5).await, 0);
    let records = records_of(&running, RecordKind::CommittedOffset, "g");
    (damaged(running, &records).await, producer, records)
}

/// The commit was answered, its records were visible, and the offsets of the group were those before it: what was copied was copied
/// again.
#[tokio::test]
async fn a_commit_waits_until_its_group_can_be_read() {
    let (running, mut producer, records) = with_unreadable_group().await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, true).await, NOT_AVAILABLE, "retriable");
    assert_eq!(committed(&mut client, "t").await, Vec::<String>::new());
    let running = restored(running, records).await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["a"]);
    assert_eq!(fetch(&mut client, "g", true).await, (0, 5));
}

#[tokio::test]
async fn a_commit_goes_on_once_its_unreadable_group_is_deleted() {
    let (running, mut producer, _) = with_unreadable_group().await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, true).await, NOT_AVAILABLE);
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
    assert_eq!(client.call(2, &request).await.results[0].error_code, 0);
    assert_eq!(producer.end(&mut client, true).await, 0);
    assert_eq!(committed(&mut client, "t").await, ["a"]);
}

/// The offset stayed pending for ever: readers of stable offsets were told UNSTABLE_OFFSET_COMMIT.
#[tokio::test]
async fn an_abort_removes_its_offsets_from_a_group_that_cannot_be_read() {
    let (running, mut producer, records) = with_unreadable_group().await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, false).await, 0);
    assert_eq!(latest(&mut client, "t", true).await, 2, "the rest has ended");
    assert_eq!(records_of(&running, RecordKind::PendingOffset, "g"), []);
    let running = restored(running, records).await;
    let mut client = running.client().await;
    assert_eq!(fetch(&mut client, "g", true).await, (0, 1));
}

/// Replaces the record of a topic while no broker runs. Returns the broker that is started after it, and the record before.
async fn with_topic_record(
    running: Running,
    id: Uuid,
    change: impl FnOnce(&[u8]) -> Vec<u8>,
) -> (Running, Vec<u8>) {
    let mut old = Vec::new();
    let replace = |folder: &Path| {
        let options = rocksdb::Options::default();
        let families = rocksdb::DB::list_cf(&options, folder).unwrap();
        let database = rocksdb::DB::open_cf(&options, folder, families).unwrap();
        // `docs/storage-format.md`: tag 4, the id.
        let (state, key) = (database.cf_handle("state").unwrap(), [&[4_u8][..], id.as_bytes()].concat());
        old = database.get_cf(state, &key).unwrap().unwrap();
        database.put_cf(state, &key, change(&old)).unwrap();
        database.flush_cf(state).unwrap();
    };
    (running.restart_on(&[], replace).await, old)
}

/// A broker with an open transaction of a record in each of `t` and `u`, of which `t` cannot be read; with the id and the record of `t`.
async fn with_unreadable_topic() -> (Running, Producer, Uuid, Vec<u8>) {
    let running = broker_with(&["t", "u"], &[]).await;
    let mut client = running.client().await;
    let producer = init(&mut client, "copy", true).await;
    producer.write(&mut client, "t", 0, "a").await;
    producer.write(&mut client, "u", 0, "a").await;
    let id = running.broker.services.topics.catalog().topic("t").unwrap().id;
    let (running, sound) = with_topic_record(running, id, |old| old[..old.len() - 1].to_vec()).await;
    (running, producer, id, sound)
}

/// The commit was answered, and its records in that topic stayed invisible for ever.
#[tokio::test]
async fn a_commit_waits_until_its_topic_can_be_read() {
    let (running, mut producer, id, sound) = with_unreadable_topic().await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, true).await, NOT_AVAILABLE, "retriable");
    assert_eq!(latest(&mut client, "u", true).await, 0, "still open");
    let (running, _) = with_topic_record(running, id, |_| sound).await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, true).await, 0);
    for topic in ["t", "u"] {
        assert_eq!(committed(&mut client, topic).await, ["a"], "{topic}");
    }
}

#[tokio::test]
async fn an_abort_ends_all_but_a_topic_that_cannot_be_read_and_says_so() {
    let logged = Logged::by_this_thread();
    let (running, mut producer, id, sound) = with_unreadable_topic().await;
    let mut client = running.client().await;
    assert_eq!(producer.end(&mut client, false).await, 0);
    assert_eq!((committed(&mut client, "u").await, latest(&mut client, "u", true).await), (vec![], 2));
    let lines = logged.lines("an aborted transaction stays open in topics that cannot be read");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["transactional_id=copy ", "topics=\"t\" "] {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
    let (running, _) = with_topic_record(running, id, |_| sound).await;
    let mut client = running.client().await;
    assert_eq!(latest(&mut client, "t", true).await, 0, "it hangs");
    assert_eq!(mark(&mut client, "t", (producer.id, producer.epoch), false).await, 0);
    assert_eq!((committed(&mut client, "t").await, latest(&mut client, "t", true).await), (vec![], 2));
}

/// As an earlier release left it, or a group that was set aside.
#[tokio::test]
async fn pending_offsets_of_a_transaction_that_has_ended_are_dropped_at_the_start() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut ended = init(&mut client, "ended", true).await;
    assert_eq!(stage(&mut client, 5, &ended, "g", 5).await, 0);
    let pending = records_of(&running, RecordKind::PendingOffset, "g");
    assert_eq!(ended.end(&mut client, true).await, 0);
    let mut open = init(&mut client, "open", true).await;
    assert_eq!(stage(&mut client, 5, &open, "h", 7).await, 0);
    let running = restored(running, pending).await;
    let mut client = running.client().await;
    assert_eq!(fetch(&mut client, "g", true).await, (0, 5));
    assert_eq!(fetch(&mut client, "h", true).await, (88, -1), "its transaction is open");
    assert_eq!(open.end(&mut client, true).await, 0);
    assert_eq!(fetch(&mut client, "h", true).await, (0, 7));
}

/// Every request of the id was refused for ever, and what it had open stopped readers for ever.
#[tokio::test]
async fn an_id_that_cannot_be_read_begins_anew() {
    let running = broker_with(&["t"], &[]).await;
    let mut client = running.client().await;
    let mut lost = init(&mut client, "lost", true).await;
    lost.write(&mut client, "t", 0, "lost").await;
    assert_eq!(stage(&mut client, 5, &lost, "g", 5).await, 0);
    let mut other = init(&mut client, "other", true).await;
    other.write(&mut client, "t", 0, "kept").await;
    assert_eq!(stage(&mut client, 5, &other, "g", 6).await, 0);
    let records = records_of(&running, RecordKind::Transaction, "lost");
    let running = damaged(running, &records).await;
    let mut client = running.client().await;
    assert_eq!(lost.end(&mut client, true).await, NOT_AVAILABLE);
    assert_eq!(lost.send(&mut client, ("t", 0), 1, "late").await.0, 19, "Produce knows no coordinator");
    assert_eq!(latest(&mut client, "t", true).await, 0);

    // What is refused deletes and aborts nothing.
    for timeout_ms in [0, i32::MAX] {
        assert_eq!(init_as(&mut client, "lost", timeout_ms, (-1, -1)).await.0, 50);
    }
    assert_eq!(lost.end(&mut client, true).await, NOT_AVAILABLE);
    assert_eq!(latest(&mut client, "t", true).await, 0);

    let mut next = init(&mut client, "lost", true).await;
    assert!(next.id > other.id && next.epoch == 0, "a producer id of its own: {next:?}");
    assert_eq!(latest(&mut client, "t", true).await, 1, "the other one is open, and no more");
    assert_eq!(lost.send(&mut client, ("t", 0), 1, "late").await.0, 47, "the marker of the abort fences it");
    assert_eq!(other.end(&mut client, true).await, 0, "that of the other was not touched");
    assert_eq!(committed(&mut client, "t").await, ["kept"]);
    assert_eq!(fetch(&mut client, "g", true).await, (0, 6));
    next.write(&mut client, "t", 0, "new").await;
    assert_eq!(next.end(&mut client, true).await, 0);
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(next.end(&mut client, false).await, 0, "an abort of nothing");
    assert_eq!(committed(&mut client, "t").await, ["kept", "new"]);
}
