//! The bytes are a contract with data written by earlier releases: they are compared literally.

use codec::cursor::ReadError;

use super::*;

fn group() -> GroupId {
    GroupId::from("g")
}

fn offset() -> CommittedOffset {
    CommittedOffset {
        offset: 42,
        leader_epoch: 7,
        committed_at_ms: 0x0102_0304_0506,
        expires_at_ms: None,
        topic_id: Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888),
        metadata: "note".into(),
    }
}

const OFFSET_V0: &[u8] = b"\x00\
    \x00\x00\x00\x00\x00\x00\x00\x2a\
    \x00\x00\x00\x07\
    \x00\x00\x01\x02\x03\x04\x05\x06\
    \x00\
    \x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88\
    \x00\x00\x00\x04note";

#[test]
fn committed_offset_has_its_golden_bytes() {
    let record = offset().record(&group(), &"t".into(), 258).unwrap();
    assert_eq!(&record.key[..], b"\x02\x00\x00\x00\x01g\x00\x00\x00\x01t\x00\x00\x01\x02");
    assert_eq!(record.value.as_deref(), Some(OFFSET_V0));
    assert_eq!(CommittedOffset::decode(OFFSET_V0), Ok(offset()));
}

#[test]
fn an_expiring_offset_comes_back_as_it_was() {
    let expiring = CommittedOffset { expires_at_ms: Some(99), leader_epoch: -1, ..offset() };
    assert_eq!(CommittedOffset::decode(&expiring.encode().finish().unwrap()), Ok(expiring));
}

#[test]
fn refuses_every_truncation_and_what_is_left_over() {
    for cut in 0..OFFSET_V0.len() {
        assert!(CommittedOffset::decode(&OFFSET_V0[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [OFFSET_V0, b"\0"].concat();
    assert_eq!(
        CommittedOffset::decode(&longer),
        Err(RecordError::Layout(ReadError::Leftover { at: OFFSET_V0.len(), remaining: 1 }))
    );
}
