//! The bytes are a contract with data written by earlier releases: they are compared literally.

use codec::cursor::ReadError;
use uuid::Uuid;

use super::*;

fn pending() -> PendingOffset {
    let offset = CommittedOffset {
        offset: 42,
        leader_epoch: 7,
        metadata: "note".into(),
        committed_at_ms: 0x0102_0304_0506,
        expires_at_ms: None,
        topic_id: Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888),
    };
    PendingOffset { order: 3, overtaken: true, offset }
}

const KEY: &[u8] = b"\x07\x00\x00\x00\x01g\
    \x00\x00\x00\x00\x00\x00\x03\xe8\
    \x00\x00\x00\x01t\x00\x00\x01\x02";

const PENDING_V0: &[u8] = b"\x00\
    \x00\x00\x00\x00\x00\x00\x00\x03\
    \x01\
    \x00\x00\x00\x00\x00\x00\x00\x2a\
    \x00\x00\x00\x07\
    \x00\x00\x01\x02\x03\x04\x05\x06\
    \x00\
    \x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88\
    \x00\x00\x00\x04note";

#[test]
fn pending_offset_has_its_golden_bytes() {
    let record = pending().record(&GroupId::from("g"), 1_000, &"t".into(), 258).unwrap();
    assert_eq!(&record.key[..], KEY);
    assert_eq!(record.value.as_deref(), Some(PENDING_V0));
    assert_eq!(PendingOffset::decode(PENDING_V0), Ok(pending()));
}

#[test]
fn refuses_every_truncation_what_is_left_over_and_a_newer_version() {
    for cut in 0..PENDING_V0.len() {
        assert!(PendingOffset::decode(&PENDING_V0[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [PENDING_V0, b"\0"].concat();
    assert_eq!(
        PendingOffset::decode(&longer),
        Err(RecordError::Layout(ReadError::Leftover { at: PENDING_V0.len(), remaining: 1 }))
    );
    let newer = [b"\x01", &PENDING_V0[1..]].concat();
    assert_eq!(PendingOffset::decode(&newer), Err(RecordError::NewerVersion(1)));
}

#[test]
fn an_order_from_the_disk_that_cannot_grow_is_no_panic() {
    let (mut all, topic) = (PendingOffsets::default(), Arc::from("t"));
    let last = PendingOffset { order: u64::MAX, ..pending() };
    all.restore(1, Arc::clone(&topic), 0, last);
    assert_eq!(all.stage(2, &topic, 0, pending().offset).order, u64::MAX);
}

#[test]
fn what_is_taken_or_removed_leaves_nothing_behind() {
    let (mut all, topic) = (PendingOffsets::default(), Arc::from("t"));
    for (producer_id, partition) in [(1, 0), (1, 1), (2, 0)] {
        all.stage(producer_id, &topic, partition, pending().offset);
    }
    assert_eq!((all.len(), all.producers_of("t", 0)), (3, vec![1, 2]));
    all.remove(1, &topic, 0);
    all.remove(1, &topic, 7);
    assert_eq!((all.len(), all.producers_of("t", 0)), (2, vec![2]));
    let taken: Vec<i32> = all.take(1).into_iter().map(|(_, partition, _)| partition).collect();
    assert_eq!((taken, all.take(1).len(), all.is_pending("t", 1)), (vec![1], 0, false));
    all.remove(2, &topic, 0);
    assert!(all.is_empty() && all.topics.is_empty() && all.producers.is_empty());
}
