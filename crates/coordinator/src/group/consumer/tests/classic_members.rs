//! Members of the classic protocol in a consumer group, and the migration of groups between the two protocols.

use super::*;

/// A subscription to `t`, version 1, owning nothing.
const SUBSCRIPTION: &[u8] = b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\x00\x00\x00\x00";

/// Of partitions 0 and 1 of `t`, without user data.
const ASSIGNMENT: &[u8] =
    b"\x00\x01\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff";

/// A stable classic group of one member, which leads and owns partition 0 and 1 of `t`.
fn classic(bench: &mut Bench) -> MemberId {
    classic_with(bench, ASSIGNMENT)
}

/// As [`classic`], with another assignment.
fn classic_with(bench: &mut Bench, assignment: &'static [u8]) -> MemberId {
    let mut request = bench.request("", None, &[]);
    request.requires_known_member_id = false;
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    let waiter = bench.send_join(request);
    bench.pass(6_000);
    let reply = bench.joins.remove(&waiter).unwrap();
    let joined = reply.result.unwrap();
    let request = SyncRequest {
        member_id: reply.member_id.clone(),
        group_instance_id: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: [(reply.member_id.clone(), bytes::Bytes::from_static(assignment))].into(),
    };
    let waiter = bench.waiter();
    bench.on_machine(|machine, env, out| machine.sync(env, request, waiter, out));
    bench.syncs.remove(&waiter).unwrap().unwrap();
    reply.member_id
}

fn classic_join(bench: &mut Bench, id: &MemberId) -> i32 {
    let mut request = bench.request(id.as_str(), None, &[]);
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    let waiter = bench.send_join(request);
    bench.joined(waiter).generation.0
}

fn classic_sync(bench: &mut Bench, id: &MemberId, generation: i32) -> Vec<i32> {
    let waiter = bench.send_sync(id, generation, &[]);
    let synced = bench.syncs.remove(&waiter).unwrap().unwrap();
    let read = crate::group::consumer_protocol::assignment(&synced.assignment).unwrap();
    read.partitions.into_iter().flat_map(|(_, partitions)| partitions).collect()
}

#[test]
fn a_classic_group_is_upgraded_with_its_members_and_downgraded_when_the_new_ones_are_gone() {
    let mut bench = bench();
    let old = classic(&mut bench);
    let told = bench.beat("new", 0, |_| {}).unwrap();
    assert_eq!(told.member_epoch, 2, "generation 1 goes on as epoch 2");
    assert_eq!(assigned(&told), [2, 3], "what nobody has");
    bench.restart();
    // The classic member learns of it by its next heartbeat, joins, and keeps what it has.
    assert_eq!(bench.heartbeat(&old, 1), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), 2);
    assert_eq!(classic_sync(&mut bench, &old, 2), [0, 1]);
    assert_eq!(bench.heartbeat(&old, 2), Ok(()));
    assert_eq!(bench.group().state(), ConsumerState::Stable);
    assert_eq!(bench.commit_in(old.as_str(), 2, 0), Ok(()));
    assert_eq!(bench.commit_in(old.as_str(), 1, 0), Err(GroupError::IllegalGeneration));
    // The last member of the consumer protocol leaves.
    bench.beat("new", LEAVE_EPOCH, |_| {}).unwrap();
    assert_eq!(bench.machine.classic().member_count(), 1);
    bench.restart();
    assert_eq!(bench.heartbeat(&old, 3), Err(GroupError::RebalanceInProgress), "everybody joins again");
    assert_eq!(classic_join(&mut bench, &old), 4);
}

/// Users saw a group rebalance though the request that caused it was refused.
#[test]
fn a_member_that_is_refused_leaves_its_classic_group_as_it_is() {
    let mut bench = bench();
    let old = classic(&mut bench);
    assert_eq!(error(bench.beat(old.as_str(), 0, |_| {})), GroupError::FencedMemberEpoch);
    assert_eq!(bench.machine.classic().member_count(), 1);
    assert_eq!(bench.heartbeat(&old, 1), Ok(()), "no rebalance");
    bench.restart();
    assert_eq!(bench.heartbeat(&old, 1), Ok(()), "nothing was written");
}

#[test]
fn an_upgrade_in_the_middle_of_a_rebalance_leaves_members_what_they_still_own() {
    let mut bench = bench();
    let old = classic(&mut bench);
    // It is cooperative, so it keeps 0 and 1 while it joins the next generation, which has no assignments yet.
    let owning = b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\
        \x00\x00\x00\x01\x00\x01t\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01";
    let mut request = bench.request(old.as_str(), None, &[]);
    request.protocols = vec![protocol("range", owning)];
    let waiter = bench.send_join(request);
    let generation = bench.joined(waiter).generation.0;
    let told = bench.beat("new", 0, |_| {}).unwrap();
    assert_eq!(assigned(&told), [2, 3]);
    let waiter = bench.send_sync(&old, generation, &[]);
    assert_eq!(bench.assignment(waiter), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), told.member_epoch);
    assert_eq!(classic_sync(&mut bench, &old, told.member_epoch), [0, 1]);
}

#[test]
fn a_classic_member_joins_a_consumer_group_and_is_given_its_share() {
    let mut bench = bench();
    bench.beat("new", 0, |_| {}).unwrap();
    let request = bench.request("", None, &["range"]);
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::InconsistentGroupProtocol, "no subscription");
    let old = MemberId::from("old");
    assert_eq!(classic_join(&mut bench, &old), 3);
    assert_eq!(classic_sync(&mut bench, &old, 3), [0_i32; 0], "new has them all");
    let told = bench.beat("new", 2, |_| {}).unwrap();
    assert_eq!(bench.heartbeat(&old, 3), Ok(()), "nothing to take yet");
    let kept = told.assignment.unwrap();
    bench.beat("new", 2, |said| said.owned = Some(kept)).unwrap();
    assert_eq!(bench.heartbeat(&old, 3), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), 3);
    assert_eq!(classic_sync(&mut bench, &old, 3).len(), 2);
    let leaving = [LeavingMember { member_id: old, group_instance_id: None, reason: None }];
    bench.on_machine(|machine, env, out| machine.leave(env, &leaving, out)).unwrap();
    assert_eq!(bench.group().members().len(), 1);
}

/// It joined again for the first one that came free, then for the second, and had two rebalances of its client for one.
#[test]
fn a_classic_member_is_called_once_all_the_partitions_that_it_awaits_are_free() {
    let mut bench = Bench::new();
    bench.set_topic("t", 6);
    bench.beat("a", 0, |_| {}).unwrap();
    bench.beat("b", 0, |_| {}).unwrap();
    // A member asked to give something up says what it keeps.
    let gives_up = |bench: &mut Bench, id: &str, epoch| {
        let kept = bench.beat(id, epoch, |_| {}).unwrap().assignment.unwrap();
        bench.beat(id, epoch, |said| said.owned = Some(kept)).unwrap()
    };
    gives_up(&mut bench, "a", 2);
    assert_eq!(assigned(&bench.beat("b", 3, |_| {}).unwrap()).len(), 3);
    let old = MemberId::from("old");
    assert_eq!(classic_join(&mut bench, &old), 4);
    assert_eq!(classic_sync(&mut bench, &old, 4), [0_i32; 0], "a and b have three each");
    gives_up(&mut bench, "a", 3);
    assert_eq!(bench.heartbeat(&old, 4), Ok(()), "b has not given up its own yet");
    gives_up(&mut bench, "b", 3);
    assert_eq!(bench.heartbeat(&old, 4), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), 4);
    assert_eq!(classic_sync(&mut bench, &old, 4).len(), 2);
}

#[test]
fn a_classic_member_that_is_told_to_join_again_and_does_not_is_removed() {
    let mut bench = bench();
    let old = classic(&mut bench);
    bench.beat("new", 0, |_| {}).unwrap();
    let mut request = bench.request(old.as_str(), None, &[]);
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    request.rebalance_timeout_ms = 8_000;
    let waiter = bench.send_join(request);
    let generation = bench.joined(waiter).generation.0;
    classic_sync(&mut bench, &old, generation);
    bench.beat("newer", 0, |_| {}).unwrap();
    for _ in 0..3 {
        assert_eq!(bench.heartbeat(&old, generation), Err(GroupError::RebalanceInProgress));
        bench.pass(3_000);
    }
    assert_eq!(bench.heartbeat(&old, generation), Err(GroupError::UnknownMemberId));
}

/// `kafka-consumer-groups --remove-members` named a member by its id and was told that there was none.
#[test]
fn an_administrator_removes_members_of_the_consumer_protocol_by_their_ids() {
    let mut bench = two();
    let instance = || Some(GroupInstanceId::from("i"));
    bench.beat("s", 0, |said| said.group_instance_id = instance()).unwrap();
    let leaving = |id: &str, group_instance_id| {
        [LeavingMember { member_id: MemberId::from(id), group_instance_id, reason: None }]
    };
    let mut leave = |id, instance| {
        let leaving = leaving(id, instance);
        let all = bench.on_machine(|machine, env, out| machine.leave(env, &leaving, out)).unwrap();
        (all[0], bench.group().members().len())
    };
    assert_eq!(leave("x", None), (Err(GroupError::UnknownMemberId), 3));
    assert_eq!(leave("a", instance()), (Err(GroupError::FencedInstanceId), 3));
    assert_eq!(leave("b", None), (Ok(()), 2));
    assert_eq!(leave("s", instance()), (Ok(()), 1));
    assert!(bench.group().members().contains_key(&MemberId::from("a")));
}

/// The assignor of such clients keeps state in the assignments, and it was lost without a word.
#[test]
fn a_group_whose_assignments_hold_more_than_partitions_is_not_upgraded() {
    let empty = b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00";
    let user_data = b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01x";
    let malformed = b"\x00\x01\x00\x00\x00\x00";
    let upgraded: [(&'static [u8], bool); 5] =
        [(b"", true), (ASSIGNMENT, true), (empty, true), (user_data, false), (malformed, false)];
    for (assignment, upgraded) in upgraded {
        let mut bench = bench();
        let old = classic_with(&mut bench, assignment);
        let joined = bench.beat("new", 0, |_| {}).map_err(|refused| refused.error);
        if upgraded {
            assert!(joined.is_ok(), "{assignment:?}");
        } else {
            assert_eq!(joined, Err(GroupError::GroupIdNotFound), "{assignment:?}");
            assert_eq!(bench.heartbeat(&old, 1), Ok(()), "nothing has happened to the group");
        }
    }
}

#[test]
fn the_policy_decides_which_way_a_group_may_go() {
    let config = |migration| {
        let consumer = ConsumerGroupConfig { migration, ..ConsumerGroupConfig::default() };
        GroupConfig { consumer, ..GroupConfig::default() }
    };
    use crate::group::MigrationPolicy::{Downgrade, Upgrade};
    let mut bench = Bench::with(config(Downgrade));
    bench.set_topic("t", 4);
    let old = classic(&mut bench);
    assert_eq!(error(bench.beat("new", 0, |_| {})), GroupError::GroupIdNotFound);
    assert_eq!(bench.heartbeat(&old, 1), Ok(()), "nothing has happened to the group");
    bench.config = config(Upgrade);
    bench.beat("new", 0, |_| {}).unwrap();
    bench.beat("new", LEAVE_EPOCH, |_| {}).unwrap();
    assert_eq!(bench.group().members().len(), 1, "it stays a consumer group");
}

#[test]
fn a_group_without_members_becomes_what_is_asked_of_it() {
    let mut bench = two();
    bench.commit_in("a", 2, 0).unwrap();
    for id in ["a", "b"] {
        bench.beat(id, LEAVE_EPOCH, |_| {}).unwrap();
    }
    let epoch = bench.group().epoch();
    let old = classic(&mut bench);
    assert_eq!(bench.machine.classic().generation(), GenerationId(epoch + 1));
    bench.leave(&old).unwrap();
    bench.pass(60_000);
    let told = bench.beat("a", 0, |_| {}).unwrap();
    assert!(told.member_epoch > epoch + 1);
    assert_eq!(bench.committed("t", 0), Some(7), "offsets stay");
}

#[test]
fn a_static_member_of_the_old_protocol_is_replaced_by_the_new_one() {
    let mut bench = bench();
    bench.beat("new", 0, |_| {}).unwrap();
    let mut request = bench.request("", Some("i"), &[]);
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    let waiter = bench.send_join(request);
    let old = bench.joins.remove(&waiter).unwrap().member_id;
    bench.beat("old2", 0, |said| said.group_instance_id = Some(GroupInstanceId::from("i"))).unwrap();
    assert!(!bench.group().members().contains_key(&old));
    assert!(!bench.group().members()[&MemberId::from("old2")].uses_classic_protocol());
}
