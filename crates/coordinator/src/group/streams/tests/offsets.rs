//! Committed offsets of a streams group.

use super::super::super::{GenerationId, offsets::OffsetCommit, requests::CommitIdentity, testing::commit};
use super::*;

fn commit_as(bench: &mut Bench, id: &str, epoch: i32, commit: OffsetCommit) -> Result<(), GroupError> {
    let who = CommitIdentity {
        member_id: MemberId::from(id),
        group_instance_id: None,
        generation: GenerationId(epoch),
    };
    bench.commit_as(&who, None, vec![commit])?.remove(0)
}

#[test]
fn a_member_commits_for_what_it_had_at_its_epoch() {
    let mut bench = bench(eager(), 3);
    bench.stream_join("a");
    assert_eq!(commit_as(&mut bench, "a", 2, commit("in", 0, 5)), Ok(()));
    assert_eq!(commit_as(&mut bench, "a", 3, commit("in", 0, 6)), Err(GroupError::StaleMemberEpoch));
    assert_eq!(commit_as(&mut bench, "b", 2, commit("in", 0, 6)), Err(GroupError::UnknownMemberId));
    bench.stream_join("b");
    bench.stream("a", 2, |_| {}).unwrap();
    // 2 is being revoked: the last commit before it is given up counts.
    assert_eq!(commit_as(&mut bench, "a", 2, commit("in", 2, 7)), Ok(()));
    bench.stream_owning("a", 2, &active(&[0, 1]));
    // `a` is at epoch 3: it may still commit for what it has had since 2, and no longer for 2.
    assert_eq!(commit_as(&mut bench, "a", 2, commit("in", 1, 8)), Ok(()));
    assert_eq!(commit_as(&mut bench, "a", 2, commit("in", 2, 8)), Err(GroupError::StaleMemberEpoch));
    assert_eq!(commit_as(&mut bench, "a", 2, commit("other", 0, 8)), Err(GroupError::StaleMemberEpoch));
    assert_eq!(bench.committed("in", 2), Some(7));
}

#[test]
fn an_admin_commits_only_to_an_empty_group() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    assert_eq!(commit_as(&mut bench, "", -1, commit("in", 0, 1)), Err(GroupError::UnknownMemberId));
    bench.stream("a", -1, |_| {}).unwrap();
    assert_eq!(commit_as(&mut bench, "", -1, commit("in", 0, 1)), Ok(()));
    assert_eq!(bench.stream_state(), StreamsState::Empty, "it stays a streams group");
}

#[test]
fn old_versions_of_a_commit_are_refused() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    let who = CommitIdentity {
        member_id: MemberId::from("a"),
        group_instance_id: None,
        generation: GenerationId(2),
    };
    let commits = vec![commit("in", 0, 1)];
    let result =
        bench.on_machine(|machine, env, out| machine.commit_offsets(env, &who, None, false, commits, out));
    assert_eq!(result, Err(GroupError::UnsupportedVersion));
}

#[test]
fn fetches_are_checked_by_the_epoch() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    let fetch =
        |id: Option<&str>, epoch| bench.machine.validate_offset_fetch(id.map(MemberId::from).as_ref(), epoch);
    assert_eq!(fetch(None, -1), Ok(()));
    assert_eq!(fetch(Some("a"), 2), Ok(()));
    assert_eq!(fetch(Some("a"), 1), Err(GroupError::StaleMemberEpoch));
    assert_eq!(fetch(Some("b"), 2), Err(GroupError::UnknownMemberId));
}

#[test]
fn offsets_of_topics_in_use_are_kept() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    assert_eq!(commit_as(&mut bench, "a", 2, commit("in", 0, 5)), Ok(()));
    assert_eq!(commit_as(&mut bench, "a", 2, commit("old", 0, 5)), Ok(()));
    let wanted = [("in".into(), 0), ("old".into(), 0)];
    let deleted = bench.on_machine(|machine, env, out| machine.delete_offsets(env, &wanted, out));
    assert_eq!(deleted, Ok(vec![Err(GroupError::GroupSubscribedToTopic), Ok(())]));
    // Nor do they expire.
    let expire = |bench: &mut Bench| {
        bench.on_machine(|machine, env, out| machine.expire_offsets(env, out));
    };
    let retention_ms = bench.config.offsets_retention_ms;
    bench.config.streams.session_timeout_ms = u32::MAX;
    bench.stream("a", 2, |_| {}).unwrap();
    bench.pass(retention_ms);
    expire(&mut bench);
    assert_eq!(bench.committed("in", 0), Some(5));
    // The retention of an empty group counts from when it became empty; then the group goes, too.
    bench.stream("a", -1, |_| {}).unwrap();
    bench.pass(retention_ms - 1);
    expire(&mut bench);
    assert_eq!(bench.committed("in", 0), Some(5));
    bench.pass(1);
    expire(&mut bench);
    assert!(bench.stored.is_empty() && bench.machine.is_forgettable());
}

#[test]
fn offsets_in_transactions_are_checked_alike() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    let mut stage = |id: &str, epoch: i32, knows_member_epochs: bool| {
        let who = CommitIdentity {
            member_id: MemberId::from(id),
            group_instance_id: None,
            generation: GenerationId(epoch),
        };
        let commits = vec![commit("in", 0, 5)];
        let staged = bench.on_machine(|machine, env, out| {
            machine.txn_offset_commit(env, 7, &who, knows_member_epochs, commits, out)
        });
        staged.map(|results| results[0])
    };
    assert_eq!(stage("a", 2, false), Ok(Ok(())));
    assert_eq!(stage("", -1, false), Ok(Ok(())), "clients before KIP-447 name no member");
    assert_eq!(stage("b", 2, false), Err(GroupError::UnknownMemberId));
    assert_eq!(stage("a", 3, true), Err(GroupError::StaleMemberEpoch));
    assert_eq!(stage("a", 3, false), Err(GroupError::IllegalGeneration));
    assert_eq!(stage("a", 1, true), Err(GroupError::StaleMemberEpoch), "it had no task then");
    bench.on_machine(|machine, _, out| machine.end_transaction(7, true, out));
    assert_eq!(bench.committed("in", 0), Some(5));
}
