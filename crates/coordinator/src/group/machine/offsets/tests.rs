//! Committed offsets: who may commit, what is kept, when it goes.

use super::*;
use crate::group::{
    GenerationId, GroupConfig,
    classic::State,
    consumer_protocol,
    requests::Protocol,
    testing::{Bench, commit},
};
use crate::limits::MAX_STRING_BYTES;

fn nobody() -> CommitIdentity {
    CommitIdentity { member_id: MemberId::none(), group_instance_id: None, generation: GenerationId::NONE }
}

fn expire(bench: &mut Bench) {
    bench.on_machine(|machine, env, out| machine.expire_offsets(env, out));
}

const RETENTION_MS: u64 = 10_080 * 60_000;

#[test]
fn whoever_is_not_a_member_commits_only_while_there_are_none() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit_as(&nobody(), None, vec![commit("t", 0, 5)]), Ok(vec![Ok(())]));
    assert_eq!(bench.committed("t", 0), Some(5));
    let (mut bench, _) = Bench::stable(1);
    assert_eq!(bench.commit_as(&nobody(), None, vec![commit("t", 0, 5)]), Err(GroupError::UnknownMemberId));
    assert_eq!(bench.committed("t", 0), None);
}

#[test]
fn members_commit_in_their_generation_only() {
    let (mut bench, ids) = Bench::stable(2);
    assert_eq!(bench.commit(&ids[0], 1, "t", 5), Ok(()));
    assert_eq!(bench.commit(&ids[0], 0, "t", 6), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.commit(&ids[0], -1, "t", 6), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.commit(&"zombie".into(), 1, "t", 6), Err(GroupError::UnknownMemberId));
    assert_eq!(bench.committed("t", 0), Some(5));
}

#[test]
fn a_rebalance_lets_members_commit_until_the_next_generation_begins() {
    let (mut bench, ids) = Bench::stable(2);
    bench.rejoin(&ids[0]);
    assert_eq!(bench.state(), State::PreparingRebalance);
    assert_eq!(bench.commit(&ids[1], 1, "t", 7), Ok(()));
    bench.rejoin(&ids[1]);
    assert_eq!(bench.commit(&ids[1], 1, "t", 8), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.commit(&ids[1], 2, "t", 8), Err(GroupError::RebalanceInProgress));
    assert_eq!(bench.committed("t", 0), Some(7));
}

#[test]
fn a_commit_keeps_the_session_alive() {
    let (mut bench, ids) = Bench::stable(1);
    for offset in 0..5 {
        bench.pass(9_999);
        bench.commit(&ids[0], 1, "t", offset).unwrap();
    }
    assert_eq!(bench.state(), State::Stable);
}

#[test]
fn a_fenced_static_member_cannot_commit() {
    let mut bench = Bench::new();
    let request = bench.request("", Some("i"), &["range"]);
    let waiter = bench.send_join(request);
    bench.pass(3_000);
    let old = bench.joins.remove(&waiter).unwrap().member_id;
    bench.sync_all(std::slice::from_ref(&old), 1);
    let request = bench.request("", Some("i"), &["range"]);
    bench.send_join(request);
    let who =
        CommitIdentity { member_id: old, group_instance_id: Some("i".into()), generation: GenerationId(1) };
    assert_eq!(bench.commit_as(&who, None, vec![commit("t", 0, 1)]), Err(GroupError::FencedInstanceId));
}

#[test]
fn too_large_a_note_is_refused_for_its_partition_alone() {
    let mut bench = Bench::new();
    let noted = |partition, length| OffsetCommit {
        metadata: "ä".repeat(length).into(),
        ..commit("t", partition, 1)
    };
    let results = bench.commit_as(&nobody(), None, vec![noted(0, 4_096), noted(1, 4_097)]);
    assert_eq!(results, Ok(vec![Ok(()), Err(GroupError::OffsetMetadataTooLarge)]));
    assert_eq!((bench.committed("t", 0), bench.committed("t", 1)), (Some(1), None));
}

#[test]
fn offsets_survive_a_restart_to_the_last_field() {
    let mut bench = Bench::new();
    let full = OffsetCommit {
        topic_id: uuid::Uuid::from_u128(9),
        leader_epoch: 4,
        metadata: "note".into(),
        ..commit("t", 3, 77)
    };
    bench.commit_as(&nobody(), Some(1_000), vec![full, commit("u", 0, -1)]).unwrap().len();
    let before: Vec<CommittedOffset> =
        bench.machine.offsets().iter().map(|(_, _, offset)| offset.clone()).collect();
    bench.restart();
    let after: Vec<CommittedOffset> =
        bench.machine.offsets().iter().map(|(_, _, offset)| offset.clone()).collect();
    assert_eq!(after, before);
    assert_eq!(after.len(), 2);
    assert_eq!(
        bench.machine.offsets().committed("t", 3).unwrap().expires_at_ms,
        Some(bench.now().unix_ms + 1_000)
    );
}

#[test]
fn offsets_of_a_group_without_members_expire_from_their_commit_on() {
    let mut bench = Bench::new();
    bench.commit_as(&nobody(), None, vec![commit("old", 0, 1)]).unwrap();
    bench.pass(1_000);
    bench.commit_as(&nobody(), None, vec![commit("new", 0, 1)]).unwrap();
    bench.pass(RETENTION_MS - 1_000);
    expire(&mut bench);
    assert_eq!((bench.committed("old", 0), bench.committed("new", 0)), (None, Some(1)));
    bench.pass(1_000);
    expire(&mut bench);
    assert_eq!(bench.state(), State::Dead);
    assert!(bench.stored.is_empty());
}

#[test]
fn offsets_of_a_group_that_had_members_expire_from_its_emptying_on() {
    let (mut bench, ids) = Bench::stable(1);
    bench.commit(&ids[0], 1, "t", 1).unwrap();
    for _ in 0..1_000 {
        bench.pass(9_000);
        bench.heartbeat(&ids[0], 1).unwrap();
    }
    bench.leave(&ids[0]).unwrap();
    bench.restart();
    bench.pass(RETENTION_MS - 1);
    expire(&mut bench);
    assert_eq!(bench.committed("t", 0), Some(1));
    bench.pass(1);
    expire(&mut bench);
    assert_eq!(bench.committed("t", 0), None);
    assert!(bench.stored.is_empty(), "the group went with its last offset");
}

#[test]
fn while_consumers_subscribe_to_a_topic_its_offsets_stay() {
    let mut bench = Bench::new();
    let subscription = b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff";
    assert!(consumer_protocol::subscribed_topics(subscription, &mut Default::default()).is_some());
    let mut request = bench.request("", Some("i"), &[]);
    request.protocols = vec![Protocol { name: "range".into(), metadata: subscription[..].into() }];
    let waiter = bench.send_join(request);
    bench.pass(3_000);
    let id = bench.joins.remove(&waiter).unwrap().member_id;
    bench.sync_all(std::slice::from_ref(&id), 1);
    bench.commit(&id, 1, "t", 1).unwrap();
    bench.commit(&id, 1, "unsubscribed", 1).unwrap();
    for _ in 0..(RETENTION_MS / 9_000 + 1) {
        bench.pass(9_000);
        bench.heartbeat(&id, 1).unwrap();
    }
    expire(&mut bench);
    assert_eq!((bench.committed("t", 0), bench.committed("unsubscribed", 0)), (Some(1), None));
    assert_eq!(bench.state(), State::Stable);
}

#[test]
fn offsets_with_a_retention_of_their_own_expire_by_it() {
    let mut bench = Bench::new();
    bench.commit_as(&nobody(), Some(500), vec![commit("t", 0, 1)]).unwrap();
    bench.pass(499);
    expire(&mut bench);
    assert_eq!(bench.committed("t", 0), Some(1));
    bench.pass(1);
    expire(&mut bench);
    assert_eq!(bench.committed("t", 0), None);
}

#[test]
fn only_an_empty_group_can_be_deleted_and_nothing_stays_behind() {
    let (mut bench, ids) = Bench::stable(1);
    bench.commit(&ids[0], 1, "t", 1).unwrap();
    let mut out = Outcome::default();
    let now = bench.now();
    assert_eq!(bench.machine.delete(now, &mut out), Err(GroupError::NonEmptyGroup));
    bench.leave(&ids[0]).unwrap();
    assert_eq!(bench.machine.delete(now, &mut out), Ok(()));
    bench.carry_out(out);
    assert!(bench.stored.is_empty());
    assert_eq!(bench.state(), State::Dead);
    assert_eq!(bench.machine.delete(now, &mut Outcome::default()), Err(GroupError::GroupIdNotFound));
}

#[test]
fn a_deleted_topic_takes_its_offsets_with_it() {
    let mut bench = Bench::new();
    let old = OffsetCommit { topic_id: uuid::Uuid::from_u128(1), ..commit("recreated", 0, 9) };
    bench
        .commit_as(&nobody(), None, vec![commit("t", 0, 1), commit("t", 1, 2), commit("u", 0, 3), old])
        .unwrap();
    let mut out = Outcome::default();
    bench.machine.forget_offsets(
        |topic, offset| topic == "t" || offset.topic_id == uuid::Uuid::from_u128(1),
        &mut out,
    );
    bench.carry_out(out);
    bench.restart();
    let left: Vec<_> =
        bench.machine.offsets().iter().map(|(topic, partition, _)| (&**topic, partition)).collect();
    assert_eq!(left, [("u", 0)]);
}

#[test]
fn a_group_is_vacant_only_while_nothing_would_be_lost() {
    let mut bench = Bench::new();
    assert!(bench.machine.is_forgettable());
    let request = bench.request("", None, &["range"]);
    bench.send_join(request);
    assert!(!bench.machine.is_forgettable(), "somebody was given an id");
    bench.pass(10_000);
    assert!(bench.machine.is_forgettable());
    bench.commit_as(&nobody(), None, vec![commit("t", 0, 1)]).unwrap();
    assert!(!bench.machine.is_forgettable());
}

#[test]
fn a_client_id_that_no_record_can_hold_is_refused_before_anything_changes() {
    let mut bench = Bench::new();
    let mut request = bench.request("", None, &["range"]);
    request.client_id = "c".repeat(MAX_STRING_BYTES).into();
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::InvalidRequest, "the member id would be too long");
    let mut request = bench.request("", None, &["range"]);
    request.protocols[0].metadata = vec![0; MAX_BYTES + 1].into();
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::InvalidRequest);
    assert!(bench.machine.is_forgettable());
}

#[test]
fn an_assignment_that_no_record_can_hold_is_refused_and_the_group_goes_on() {
    let (mut bench, ids) = Bench::stable(1);
    let rejoin = bench.rejoin(&ids[0]);
    assert_eq!(bench.joined(rejoin).generation, GenerationId(2));
    let huge = "x".repeat(MAX_BYTES + 1);
    let sync = bench.send_sync(&ids[0], 2, &[(&ids[0], &huge)]);
    assert_eq!(bench.assignment(sync), Err(GroupError::InvalidRequest));
    let sync = bench.send_sync(&ids[0], 2, &[(&ids[0], "0")]);
    assert_eq!(bench.assignment(sync), Ok("0".to_owned()));
}

#[test]
fn a_note_that_no_record_can_hold_costs_its_partition_alone() {
    let config = GroupConfig { offset_metadata_max_bytes: usize::MAX, ..GroupConfig::default() };
    let mut bench = Bench::with(config);
    let noted = OffsetCommit { metadata: "n".repeat(MAX_BYTES + 1).into(), ..commit("t", 0, 5) };
    let results = bench.commit_as(&nobody(), None, vec![noted, commit("t", 1, 5)]);
    assert_eq!(results, Ok(vec![Err(GroupError::OffsetMetadataTooLarge), Ok(())]));
}
