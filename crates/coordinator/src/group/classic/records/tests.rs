//! The bytes are a contract with data written by earlier releases: they are compared literally.

use codec::cursor::ReadError;

use super::*;
use crate::limits::{MAX_BYTES, MAX_STRING_BYTES};

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

#[test]
fn group_metadata_has_its_golden_bytes() {
    let record = Record::group_metadata(&group(), &metadata()).unwrap();
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
    assert_eq!(Record::group_metadata(&group(), &empty).unwrap().value.as_deref(), Some(&bytes[..]));
    assert_eq!(GroupMetadata::decode(bytes), Ok(empty));
}

#[test]
fn refuses_newer_versions_and_every_truncation() {
    let mut newer = METADATA_V0.to_vec();
    newer[0] = 1;
    assert_eq!(GroupMetadata::decode(&newer), Err(RecordError::NewerVersion(1)));
    for cut in 0..METADATA_V0.len() {
        assert!(GroupMetadata::decode(&METADATA_V0[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    let mut lying = METADATA_V0.to_vec();
    let members_at = 2 + 4 + 8 + 13 + 10 + 6;
    lying[members_at..members_at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(
        GroupMetadata::decode(&lying),
        Err(RecordError::Layout(ReadError::Claim {
            expected: "a list",
            at: members_at,
            claimed: i64::from(u32::MAX),
            remaining: lying.len() - members_at - 4,
        }))
    );
}

#[test]
fn what_no_record_can_hold_is_an_error_and_not_cut() {
    let mut metadata = metadata();
    metadata.members[0].client_id = "c".repeat(MAX_STRING_BYTES).into();
    let whole = Record::group_metadata(&group(), &metadata).unwrap().value.unwrap();
    assert_eq!(GroupMetadata::decode(&whole), Ok(metadata.clone()));
    metadata.members[0].client_id = "c".repeat(MAX_STRING_BYTES + 1).into();
    let refused = Record::group_metadata(&group(), &metadata).unwrap_err();
    assert_eq!((refused.length, refused.limit), (MAX_STRING_BYTES + 1, MAX_STRING_BYTES));
    metadata.members[0].client_id = "c".into();
    metadata.members[0].assignment = vec![0; MAX_BYTES + 1].into();
    assert_eq!(Record::group_metadata(&group(), &metadata).unwrap_err().limit, MAX_BYTES);
}
