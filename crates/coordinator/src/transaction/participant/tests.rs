//! The verdicts of a shard, and the bytes by which it knows a repeat.

use super::super::testing::{FIRST_ID, group_in, partition_in};
use super::super::{EndCause, ShardId};
use super::*;

fn ending(number: u64, marker_epoch: i16) -> Ending {
    Ending {
        transactional_id: "x".into(),
        shard: ShardId(1),
        number,
        producer_id: ProducerId(FIRST_ID),
        marker_epoch,
        raises_epoch: true,
        commit: true,
        partitions: vec![partition_in(1, 0)],
        groups: vec![group_in(1, "g")],
        cause: EndCause::Producer,
        duration_ms: 5,
    }
}

/// The value that an end leaves.
fn applied(ending: &Ending, coordinator_epoch: u32) -> Bytes {
    match judge(None, ending, coordinator_epoch) {
        Ok(Verdict::Apply(Record { value: Some(value), .. })) => value,
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn an_end_is_applied_once() {
    let stored = applied(&ending(7, 3), 2);
    assert_eq!(judge(Some(&stored), &ending(7, 3), 2), Ok(Verdict::Repeat));
    assert_eq!(
        judge(Some(&stored), &ending(7, 3), 3),
        Ok(Verdict::Repeat),
        "handed out again after a restart"
    );
    assert_eq!(judge(Some(&stored), &ending(6, 2), 2), Ok(Verdict::Repeat), "of an earlier transaction");
    // With the older protocol the epoch stays.
    for next in [ending(8, 4), ending(8, 3)] {
        assert!(matches!(judge(Some(&stored), &next, 2), Ok(Verdict::Apply(_))));
    }
}

#[test]
fn an_earlier_coordinator_is_refused() {
    let stored = applied(&ending(7, 3), 2);
    for late in [ending(7, 3), ending(8, 4)] {
        assert_eq!(judge(Some(&stored), &late, 1), Ok(Verdict::Fenced));
    }
}

#[test]
fn the_record_has_its_golden_bytes() {
    let Ok(Verdict::Apply(record)) = judge(None, &ending(0x0102_0304_0506_0708, 9), 2) else {
        panic!("not applied")
    };
    assert_eq!(&record.key[..], b"\x10\x00\x00\x00\x01x");
    assert_eq!(record.key, key(&"x".into()).unwrap());
    let value =
        b"\x00\x00\x00\x00\x00\x00\x00\x03\xe8\x00\x09\x00\x00\x00\x02\x01\x02\x03\x04\x05\x06\x07\x08";
    assert_eq!(record.value.as_deref(), Some(&value[..]));
    let producer = ProducerIdAndEpoch { id: ProducerId(FIRST_ID), epoch: 9 };
    let end = AppliedEnd { producer, coordinator_epoch: 2, number: 0x0102_0304_0506_0708 };
    assert_eq!(decode(value), Ok(end));
    for cut in 0..value.len() {
        assert!(decode(&value[..cut]).is_err(), "cut at {cut}");
    }
    assert!(decode(&[&value[..], b"\x00"].concat()).is_err());
}

#[test]
fn a_record_that_cannot_be_read_or_written_decides_nothing() {
    let newer = judge(Some(b"\x01whatever"), &ending(7, 3), 2);
    assert_eq!(newer, Err(Undecided::Unreadable(RecordError::NewerVersion(1))));
    let long = "x".repeat(crate::limits::MAX_STRING_BYTES + 1);
    let too_long = Ending { transactional_id: long.as_str().into(), ..ending(7, 3) };
    assert!(matches!(judge(None, &too_long, 2), Err(Undecided::TooLong(_))));
}
