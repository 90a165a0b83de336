//! Keys, and what they say when they are damaged.

use super::*;
use crate::limits::MAX_STRING_BYTES;

fn group() -> GroupId {
    GroupId::from("g")
}

#[test]
fn keys_come_back_as_they_were_and_unknown_kinds_are_refused() {
    let keys = [
        Key::GroupMetadata { group: GroupId::from("") },
        Key::CommittedOffset { group: GroupId::from("grüße"), topic: "t".into(), partition: 0 },
        Key::ConsumerGroup { group: group() },
        Key::ConsumerMember { group: group(), member: "m".into() },
        Key::TargetAssignment { group: group(), member: "m".into() },
        Key::CurrentAssignment { group: group(), member: "m".into() },
        Key::PendingOffset { group: group(), producer_id: -1, topic: "t".into(), partition: 3 },
        Key::StreamsGroup { group: group() },
        Key::StreamsMember { group: group(), member: "m".into() },
        Key::StreamsTopology { group: group() },
        Key::StreamsTarget { group: group(), member: "m".into() },
        Key::StreamsCurrent { group: group(), member: "m".into() },
    ];
    for key in keys {
        let bytes = key.encode().unwrap();
        assert_eq!(
            Key::group(&bytes).as_ref(),
            Ok(match &key {
                Key::GroupMetadata { group }
                | Key::CommittedOffset { group, .. }
                | Key::PendingOffset { group, .. }
                | Key::ConsumerGroup { group } => group,
                Key::ConsumerMember { group, .. } | Key::TargetAssignment { group, .. } => group,
                Key::CurrentAssignment { group, .. } | Key::StreamsMember { group, .. } => group,
                Key::StreamsGroup { group } | Key::StreamsTopology { group } => group,
                Key::StreamsTarget { group, .. } | Key::StreamsCurrent { group, .. } => group,
            })
        );
        assert_eq!(Key::decode(&bytes), Ok(key));
    }
    assert_eq!(Key::decode(b"\xffwhatever"), Err(RecordError::Damaged("is of an unknown kind")));
}

#[test]
fn a_key_that_is_damaged_after_the_group_still_names_the_group() {
    let cut = b"\x02\x00\x00\x00\x01g\x00\x00\x00\x01t\x00\x00";
    assert!(Key::decode(cut).is_err());
    assert_eq!(Key::group(cut), Ok(group()));
    assert!(Key::group(b"\x02\x00\x00\x00\x05g").is_err());
    assert!(Key::group(b"").is_err());
}

#[test]
fn a_group_id_that_no_key_can_hold_is_an_error() {
    let key = Key::GroupMetadata { group: "g".repeat(MAX_STRING_BYTES + 1).into() };
    assert_eq!(Record::tombstone(&key).unwrap_err().limit, MAX_STRING_BYTES);
}
