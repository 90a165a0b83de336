//! The bytes are a contract with data written by earlier releases: they are compared literally.

use super::*;

fn group() -> GroupId {
    GroupId::from("g")
}

fn metadata() -> GroupMetadata {
    GroupMetadata {
        awaits_assignment: true,
        generation: GenerationId(3),
        state_since_ms: 0x0102_0304_0506,
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        leader: Some("m".into()),
        members: vec![MemberMetadata {
            member_id: "m".into(),
            group_instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "/::1".into(),
            rebalance_timeout_ms: 300_000,
            session_timeout_ms: 45_000,
            protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from_static(b"\x00\x01") }],
            assignment: Bytes::from_static(b"\xaa\xbb\xcc"),
        }],
    }
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

const METADATA_V0: &[u8] = b"\x00\x01\
    \x00\x00\x00\x03\
    \x00\x00\x01\x02\x03\x04\x05\x06\
    \x01\x00\x00\x00\x08consumer\
    \x01\x00\x00\x00\x05range\
    \x01\x00\x00\x00\x01m\
    \x00\x00\x00\x01\
    \x00\x00\x00\x01m\
    \x01\x00\x00\x00\x01i\
    \x00\x00\x00\x01c\
    \x00\x00\x00\x04/::1\
    \x00\x04\x93\xe0\
    \x00\x00\xaf\xc8\
    \x00\x00\x00\x01\x00\x00\x00\x05range\x00\x00\x00\x02\x00\x01\
    \x00\x00\x00\x03\xaa\xbb\xcc";

const OFFSET_V0: &[u8] = b"\x00\
    \x00\x00\x00\x00\x00\x00\x00\x2a\
    \x00\x00\x00\x07\
    \x00\x00\x01\x02\x03\x04\x05\x06\
    \x00\
    \x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88\
    \x00\x00\x00\x04note";

#[test]
fn group_metadata_has_its_golden_bytes() {
    let record = Record::group_metadata(&group(), &metadata());
    assert_eq!(&record.key[..], b"\x01\x00\x00\x00\x01g");
    assert_eq!(record.value.as_deref(), Some(METADATA_V0));
    assert_eq!(GroupMetadata::decode(METADATA_V0), Ok(metadata()));
}

#[test]
fn an_empty_group_has_its_golden_bytes() {
    let empty = GroupMetadata {
        awaits_assignment: false,
        generation: GenerationId(1),
        state_since_ms: 5,
        protocol_type: None,
        protocol: None,
        leader: None,
        members: Vec::new(),
    };
    let bytes = b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00";
    assert_eq!(Record::group_metadata(&group(), &empty).value.as_deref(), Some(&bytes[..]));
    assert_eq!(GroupMetadata::decode(bytes), Ok(empty));
}

#[test]
fn committed_offset_has_its_golden_bytes() {
    let record = Record::committed_offset(&group(), &"t".into(), 258, &offset());
    assert_eq!(&record.key[..], b"\x02\x00\x00\x00\x01g\x00\x00\x00\x01t\x00\x00\x01\x02");
    assert_eq!(record.value.as_deref(), Some(OFFSET_V0));
    assert_eq!(decode_offset(OFFSET_V0), Ok(offset()));
}

#[test]
fn an_expiring_offset_comes_back_as_it_was() {
    let expiring = CommittedOffset { expires_at_ms: Some(99), leader_epoch: -1, ..offset() };
    assert_eq!(decode_offset(&encode_offset(&expiring)), Ok(expiring));
}

#[test]
fn keys_come_back_as_they_were_and_foreign_ones_are_left_alone() {
    let keys = [
        Key::GroupMetadata { group: GroupId::from("") },
        Key::CommittedOffset { group: GroupId::from("grüße"), topic: "t".into(), partition: 0 },
        Key::ConsumerGroup { group: group() },
        Key::ConsumerMember { group: group(), member: "m".into() },
        Key::TargetAssignment { group: group(), member: "m".into() },
        Key::CurrentAssignment { group: group(), member: "m".into() },
    ];
    for key in keys {
        assert_eq!(Key::decode(&key.encode()), Ok(Some(key)));
    }
    assert_eq!(Key::decode(b"\x0bwhatever"), Ok(None));
}

mod consumer;

#[test]
fn refuses_newer_versions_and_every_truncation() {
    let mut newer = METADATA_V0.to_vec();
    newer[0] = 1;
    assert_eq!(GroupMetadata::decode(&newer), Err(RecordError::NewerVersion(1)));
    for cut in 0..METADATA_V0.len() {
        assert!(GroupMetadata::decode(&METADATA_V0[..cut]).is_err(), "cut at {cut}");
    }
    for cut in 0..OFFSET_V0.len() {
        assert!(decode_offset(&OFFSET_V0[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [OFFSET_V0, b"\0"].concat();
    assert_eq!(decode_offset(&longer), Err(RecordError::Damaged("has bytes left over")));
    assert!(Key::decode(b"").is_err());
    assert!(Key::decode(b"\x02\x00\x00\x00\x01g\x00\x00\x00\x01t\x00\x00").is_err());
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    let mut lying = METADATA_V0.to_vec();
    let members_at = 2 + 4 + 8 + 13 + 10 + 6;
    lying[members_at..members_at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(GroupMetadata::decode(&lying), Err(RecordError::Damaged("ends early")));
}
