//! The records of streams groups, compared literally.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::group::current::MemberState;

const EPOCHS_V0: &[u8] = b"\x00\x00\x00\x00\x05\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x07\
    \x01\x02\x03\x04\x05\x06\x07\x08\xff\xff\xff\xff\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x09";

const MEMBER_V0: &[u8] = b"\x00\
    \x01\x00\x00\x00\x01r\x00\x00\x00\x01c\x00\x00\x00\x04/::1\x00\x04\x93\xe0\x00\x00\x00\x03\x00\x00\x00\x01p\
    \x01\x00\x00\x00\x01h\x00\x00\x1f\x90\x00\x00\x00\x01\x00\x00\x00\x01k\x00\x00\x00\x01v";

const TOPOLOGY_V0: &[u8] = b"\x00\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x010\
    \x00\x00\x00\x01\x00\x00\x00\x01s\
    \x00\x00\x00\x01\x00\x00\x00\x01r\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x00\
    \x00\x00\x00\x01\x00\x00\x00\x01o\
    \x00\x00\x00\x01\x00\x00\x00\x01l\x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x00\x01\x00\x00\x00\x01k\x00\x00\x00\x01v\
    \x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00";

const TARGET_V0: &[u8] =
    b"\x00\x00\x00\x00\x01\x00\x00\x00\x010\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x07\
    \x00\x00\x00\x01\x00\x00\x00\x011\x00\x00\x00\x01\x00\x00\x00\x02";

const CURRENT_V0: &[u8] = b"\x00\x01\x00\x00\x00\x05\x00\x00\x00\x04\
    \x00\x00\x00\x01\x00\x00\x00\x010\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x011\x00\x00\x00\x01\x00\x00\x00\x02";

fn epochs() -> StreamsGroupEpochs {
    StreamsGroupEpochs {
        epoch: 5,
        assignment_epoch: 4,
        assigned_at_ms: 7,
        metadata_hash: 0x0102_0304_0506_0708,
        validated_topology_epoch: -1,
        standby_replicas: Some(2),
        empty_since_ms: 9,
    }
}

fn metadata() -> Metadata {
    Metadata {
        rack_id: Some("r".into()),
        client_id: "c".into(),
        client_host: "/::1".into(),
        rebalance_timeout_ms: 300_000,
        topology_epoch: 3,
        process_id: "p".into(),
        user_endpoint: Some(Endpoint { host: "h".into(), port: 8_080 }),
        client_tags: BTreeMap::from([("k".into(), "v".into())]),
    }
}

fn topology() -> Topology {
    let internal = |name: &str, partitions, replication_factor, configs| InternalTopic {
        name: name.into(),
        partitions,
        replication_factor,
        configs,
    };
    let parts = Subtopology {
        source_topics: vec!["s".into()],
        repartition_source_topics: vec![internal("r", 4, 1, Vec::new())],
        repartition_sink_topics: vec!["o".into()],
        state_changelog_topics: vec![internal("l", 0, 0, vec![("k".into(), "v".into())])],
        copartition_groups: vec![CopartitionGroup {
            source_topics: vec![0],
            repartition_source_topics: vec![0],
        }],
    };
    Topology { epoch: 3, subtopologies: BTreeMap::from([("0".into(), parts)]) }
}

fn standby() -> Tasks {
    Tasks::from([("1".into(), BTreeSet::from([2]))])
}

fn target() -> TaskLists {
    TaskLists { active: Tasks::from([("0".into(), BTreeSet::from([7, 0]))]), standby: standby() }
}

fn current() -> Current {
    let active = EpochTasks::from([("0".into(), BTreeMap::from([(2, 3)]))]);
    Current {
        state: MemberState::Unrevoked,
        epoch: 5,
        previous_epoch: 4,
        assigned: HeldTasks { active, standby: Tasks::new() },
        revoking: HeldTasks { active: EpochTasks::new(), standby: standby() },
    }
}

#[test]
fn values_have_their_golden_bytes() {
    let (group, member) = (GroupId::from("g"), MemberId::from("m"));
    let of_member = |kind: &str| format!("{kind}\0\0\0\x01g\0\0\0\x01m").into_bytes();
    let of_group = |kind: &str| format!("{kind}\0\0\0\x01g").into_bytes();
    let records = [
        (Record::streams_group(&group, &epochs()), of_group("\x0b"), EPOCHS_V0),
        (Record::streams_member(&group, &member, &metadata()), of_member("\x0c"), MEMBER_V0),
        (Record::streams_topology(&group, &topology()), of_group("\x0d"), TOPOLOGY_V0),
        (Record::streams_target(&group, &member, &target()), of_member("\x0e"), TARGET_V0),
        (Record::streams_current(&group, &member, &current()), of_member("\x0f"), CURRENT_V0),
    ];
    for (record, key, value) in records {
        let record = record.unwrap();
        assert_eq!((&record.key[..], record.value.as_deref()), (&key[..], Some(value)));
        assert!(Key::decode(&key).is_ok());
    }
    assert_eq!(decode_epochs(EPOCHS_V0), Ok(epochs()));
    assert_eq!(decode_metadata(MEMBER_V0), Ok(metadata()));
    assert_eq!(decode_topology(TOPOLOGY_V0), Ok(topology()));
    assert_eq!(decode_target(TARGET_V0), Ok(target()));
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
    check(MEMBER_V0, decode_metadata);
    check(TOPOLOGY_V0, decode_topology);
    check(TARGET_V0, decode_target);
    check(CURRENT_V0, decode_current);
}

#[test]
fn a_copartition_group_of_a_topic_that_there_is_not_is_damage() {
    let mut topology = topology();
    let parts = topology.subtopologies.get_mut("0").unwrap();
    parts.copartition_groups[0].source_topics = vec![1];
    let record = Record::streams_topology(&GroupId::from("g"), &topology).unwrap();
    assert!(matches!(decode_topology(&record.value.unwrap()), Err(RecordError::Damaged(_))));
}
