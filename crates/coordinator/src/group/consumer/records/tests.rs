//! The records of consumer groups, compared literally.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::*;
use crate::group::current::MemberState;

fn group() -> GroupId {
    GroupId::from("g")
}

const TOPIC: Uuid = Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);

const EPOCHS_V0: &[u8] =
    b"\x00\x00\x00\x00\x05\x00\x00\x00\x04\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00\x00\x00\x09";

const MEMBER_V0: &[u8] = b"\x00\
    \x01\x00\x00\x00\x01i\x01\x00\x00\x00\x01r\x00\x00\x00\x01c\x00\x00\x00\x04/::1\x00\x04\x93\xe0\
    \x00\x00\x00\x02\x00\x00\x00\x01t\x00\x00\x00\x01u\x01\x00\x00\x00\x02t*\x01\x00\x00\x00\x05range\
    \x01\x00\x00\xaf\xc8\x00\x00\x00\x01\x00\x00\x00\x05range\x00\x00\x00\x02\x00\x01";

const TARGET_V0: &[u8] = b"\x00\x00\x00\x00\x01\
    \x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x07";

const CURRENT_V0: &[u8] = b"\x00\x01\x00\x00\x00\x05\x00\x00\x00\x04\x00\x00\x00\x01\
    \x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\
    \x00\x00\x00\x00";

fn epochs() -> ConsumerGroupEpochs {
    ConsumerGroupEpochs {
        epoch: 5,
        assignment_epoch: 4,
        metadata_hash: 0x0102_0304_0506_0708,
        empty_since_ms: 9,
    }
}

fn subscription() -> Subscription {
    Subscription {
        group_instance_id: Some("i".into()),
        rack_id: Some("r".into()),
        client_id: "c".into(),
        client_host: "/::1".into(),
        rebalance_timeout_ms: 300_000,
        topic_names: BTreeSet::from(["u".into(), "t".into()]),
        topic_regex: Some("t*".into()),
        server_assignor: Some("range".into()),
        classic: Some(ClassicMember {
            session_timeout_ms: 45_000,
            protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from_static(b"\x00\x01") }],
        }),
    }
}

fn current() -> Current {
    Current {
        state: MemberState::Unrevoked,
        epoch: 5,
        previous_epoch: 4,
        assigned: BTreeMap::from([(TOPIC, BTreeMap::from([(2, 3)]))]),
        revoking: BTreeMap::new(),
    }
}

#[test]
fn values_have_their_golden_bytes() {
    let (group, member) = (group(), MemberId::from("m"));
    let target = BTreeMap::from([(TOPIC, BTreeSet::from([7, 0]))]);
    let records = [
        (Record::consumer_group(&group, &epochs()).unwrap(), &b"\x03\x00\x00\x00\x01g"[..], EPOCHS_V0),
        (
            Record::consumer_member(&group, &member, &subscription()).unwrap(),
            b"\x04\x00\x00\x00\x01g\x00\x00\x00\x01m",
            MEMBER_V0,
        ),
        (
            Record::target_assignment(&group, &member, &target).unwrap(),
            b"\x05\x00\x00\x00\x01g\x00\x00\x00\x01m",
            TARGET_V0,
        ),
        (
            Record::current_assignment(&group, &member, &current()).unwrap(),
            b"\x06\x00\x00\x00\x01g\x00\x00\x00\x01m",
            CURRENT_V0,
        ),
    ];
    for (record, key, value) in records {
        assert_eq!((record.key.as_ref(), record.value.as_deref()), (key, Some(value)));
    }
    assert_eq!(decode_epochs(EPOCHS_V0), Ok(epochs()));
    assert_eq!(decode_subscription(MEMBER_V0), Ok(subscription()));
    assert_eq!(decode_target(TARGET_V0), Ok(target));
    assert_eq!(decode_current(CURRENT_V0), Ok(current()));
}

#[test]
fn every_truncation_and_every_newer_version_is_refused() {
    fn check<T: std::fmt::Debug>(value: &[u8], decode: fn(&[u8]) -> Result<T, RecordError>) {
        for cut in 0..value.len() {
            assert!(decode(&value[..cut]).is_err(), "cut at {cut}");
        }
        assert!(decode(&[value, b"\0"].concat()).is_err());
        let newer = [b"\x01", &value[1..]].concat();
        assert_eq!(decode(&newer).unwrap_err(), RecordError::NewerVersion(1));
    }
    check(EPOCHS_V0, decode_epochs);
    check(MEMBER_V0, decode_subscription);
    check(TARGET_V0, decode_target);
    check(CURRENT_V0, decode_current);
}
