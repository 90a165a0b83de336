//! The classic protocol, case by case. Whole histories are in `group/history_tests.rs`.

use super::super::GroupConfig;
use super::super::requests::{JoinRequest, SyncRequest};
use super::super::testing::{Bench, REBALANCE_MS, SESSION_MS, protocol};
use super::*;
use crate::state_machine::Record;

mod static_members;

impl ClassicGroup {
    /// The record that a restart must find, in any state but PreparingRebalance.
    pub(crate) fn stored_record(&self) -> Option<Record> {
        (self.persisted && self.state != State::Dead).then(|| self.record().unwrap())
    }

    /// None of an empty group.
    pub(crate) fn leader(&self) -> MemberId {
        self.leader.clone().unwrap_or_else(MemberId::none)
    }
}

#[test]
fn a_dynamic_member_must_ask_for_its_id_first() {
    let mut bench = Bench::new();
    let request = bench.request("", None, &["range"]);
    let waiter = bench.send_join(request);
    let reply = bench.joins.remove(&waiter).unwrap();
    assert_eq!(reply.result.err(), Some(GroupError::MemberIdRequired));
    assert!(reply.member_id.as_str().starts_with("client-"));
    assert_eq!(bench.state(), State::Empty);
    bench.pass(u64::from(SESSION_MS));
    let request = bench.request(reply.member_id.as_str(), None, &["range"]);
    let late = bench.send_join(request);
    assert_eq!(bench.join_error(late), GroupError::UnknownMemberId);
}

#[test]
fn before_version_4_a_member_gets_its_id_with_its_place() {
    let mut bench = Bench::new();
    let request = JoinRequest { requires_known_member_id: false, ..bench.request("", None, &["range"]) };
    let waiter = bench.send_join(request);
    bench.pass(3_000);
    let reply = bench.joins.remove(&waiter).unwrap();
    assert_eq!(reply.result.unwrap().leader, reply.member_id);
}

#[test]
fn the_first_rebalance_waits_its_delay_and_again_for_each_newcomer() {
    let mut bench = Bench::new();
    let (_, first) = bench.join_new();
    bench.pass(2_999);
    assert!(bench.joins.is_empty());
    let (_, second) = bench.join_new();
    bench.pass(1);
    assert!(bench.joins.is_empty(), "a member came during the delay: it starts again");
    bench.pass(3_000);
    let leader = bench.joined(first);
    assert_eq!((leader.generation, leader.members.len()), (GenerationId(1), 2));
    assert!(bench.joined(second).members.is_empty());
}

#[test]
fn newcomers_cannot_delay_the_first_rebalance_beyond_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let (_, first) = bench.join_new();
    for _ in 0..20 {
        bench.pass(3_000);
        bench.join_new();
    }
    assert!(bench.joins.contains_key(&first), "{} ms have passed", 20 * 3_000);
}

#[test]
fn without_a_delay_a_lone_member_joins_at_once() {
    let mut bench = Bench::with(GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() });
    let (_, waiter) = bench.join_new();
    bench.pass(0);
    assert_eq!(bench.joined(waiter).generation, GenerationId(1));
}

#[test]
fn followers_wait_for_the_leaders_assignment_and_each_gets_its_own() {
    let mut bench = Bench::new();
    let (leader, _) = bench.join_new();
    let (follower, _) = bench.join_new();
    let (forgotten, _) = bench.join_new();
    bench.pass(6_000);
    let waiting = bench.send_sync(&follower, 1, &[]);
    assert!(bench.syncs.is_empty());
    let writes = bench.writes;
    let led = bench.send_sync(&leader, 1, &[(&leader, "a"), (&follower, "b")]);
    assert_eq!(bench.assignment(led), Ok("a".to_owned()));
    assert_eq!(bench.assignment(waiting), Ok("b".to_owned()));
    assert_eq!((bench.state(), bench.writes), (State::Stable, writes + 1));
    let late = bench.send_sync(&forgotten, 1, &[]);
    assert_eq!(bench.assignment(late), Ok(String::new()));
}

#[test]
fn a_newcomer_sends_everybody_back_to_join() {
    let (mut bench, ids) = Bench::stable(2);
    let (_, newcomer) = bench.join_new();
    assert_eq!(bench.heartbeat(&ids[0], 1), Err(GroupError::RebalanceInProgress));
    let sync = bench.send_sync(&ids[0], 1, &[]);
    assert_eq!(bench.assignment(sync), Err(GroupError::RebalanceInProgress));
    let first = bench.rejoin(&ids[0]);
    assert!(bench.joins.is_empty());
    let second = bench.rejoin(&ids[1]);
    assert_eq!(bench.joined(first).members.len(), 3);
    assert_eq!(bench.joined(second).generation, GenerationId(2));
    assert_eq!(bench.joined(newcomer).leader, ids[0]);
}

#[test]
fn who_does_not_rejoin_within_the_rebalance_timeout_is_out() {
    let (mut bench, ids) = Bench::stable(2);
    let (newcomer, waiter) = bench.join_new();
    for _ in 0..12 {
        bench.pass(u64::from(REBALANCE_MS) / 12);
        let _ = bench.heartbeat(&ids[0], 1);
        let _ = bench.heartbeat(&ids[1], 1);
    }
    let joined = bench.joined(waiter);
    assert_eq!((joined.leader, joined.members.len()), (newcomer, 1));
    assert_eq!(bench.heartbeat(&ids[0], 1), Err(GroupError::UnknownMemberId));
}

#[test]
fn who_does_not_sync_in_time_is_out() {
    let mut bench = Bench::new();
    let (leader, _) = bench.join_new();
    let (silent, _) = bench.join_new();
    bench.pass(6_000);
    let waiter = bench.send_sync(&leader, 1, &[]);
    assert!(bench.assignment(waiter).is_ok());
    for _ in 0..12 {
        bench.pass(u64::from(REBALANCE_MS) / 12);
        let _ = (bench.heartbeat(&leader, 1), bench.heartbeat(&silent, 1));
    }
    assert_eq!(bench.state(), State::PreparingRebalance);
    assert_eq!(bench.heartbeat(&silent, 1), Err(GroupError::UnknownMemberId));
    let rejoin = bench.rejoin(&leader);
    assert_eq!(bench.joined(rejoin).members.len(), 1);
}

#[test]
fn a_leader_that_never_syncs_does_not_hold_up_the_group() {
    let mut bench = Bench::new();
    let (leader, _) = bench.join_new();
    let (follower, _) = bench.join_new();
    bench.pass(6_000);
    let waiting = bench.send_sync(&follower, 1, &[]);
    bench.pass(u64::from(SESSION_MS));
    assert_eq!(bench.assignment(waiting), Err(GroupError::RebalanceInProgress));
    assert_eq!(bench.heartbeat(&leader, 1), Err(GroupError::UnknownMemberId));
    let rejoin = bench.rejoin(&follower);
    assert_eq!(bench.joined(rejoin).leader, follower);
}

#[test]
fn a_silent_member_expires_and_the_others_rebalance() {
    let (mut bench, ids) = Bench::stable(2);
    bench.pass(u64::from(SESSION_MS) - 1);
    assert_eq!(bench.heartbeat(&ids[1], 1), Ok(()));
    bench.pass(1);
    assert_eq!(bench.state(), State::PreparingRebalance);
    assert_eq!(bench.heartbeat(&ids[0], 1), Err(GroupError::UnknownMemberId));
    let rejoin = bench.rejoin(&ids[1]);
    let joined = bench.joined(rejoin);
    assert_eq!((joined.generation, joined.leader), (GenerationId(2), ids[1].clone()));
}

#[test]
fn a_member_waiting_for_others_does_not_expire() {
    let (mut bench, ids) = Bench::stable(2);
    let waiter = bench.rejoin(&ids[0]);
    for _ in 0..5 {
        bench.pass(u64::from(SESSION_MS) - 1);
        let _ = bench.heartbeat(&ids[1], 1);
    }
    assert!(bench.joins.is_empty());
    let other = bench.rejoin(&ids[1]);
    assert!(bench.joins.contains_key(&waiter) && bench.joins.contains_key(&other));
    bench.pass(u64::from(SESSION_MS));
    assert_eq!(bench.state(), State::Empty, "their sessions run again after the answer");
}

#[test]
fn a_new_member_waits_five_minutes_at_most() {
    let (mut bench, ids) = Bench::stable(1);
    let slow = JoinRequest {
        rebalance_timeout_ms: 3_600_000,
        ..bench.request(ids[0].as_str(), None, &["range", "x"])
    };
    let _ = bench.send_join(slow);
    bench.pass(0);
    let (_, waiter) = bench.join_new();
    for _ in 0..300 {
        bench.pass(1_000);
        let _ = bench.heartbeat(&ids[0], 2);
    }
    assert_eq!(bench.join_error(waiter), GroupError::UnknownMemberId);
}

#[test]
fn leaving_starts_a_rebalance_and_the_last_one_leaves_an_empty_group() {
    let (mut bench, ids) = Bench::stable(2);
    assert_eq!(bench.leave(&ids[0]), Ok(()));
    assert_eq!(bench.state(), State::PreparingRebalance);
    assert_eq!(bench.leave(&ids[0]), Err(GroupError::UnknownMemberId));
    let writes = bench.writes;
    assert_eq!(bench.leave(&ids[1]), Ok(()));
    assert_eq!((bench.state(), bench.writes), (State::Empty, writes + 1));
    bench.restart();
    assert_eq!((bench.state(), bench.machine.classic().generation()), (State::Empty, GenerationId(2)));
}

#[test]
fn a_member_that_leaves_while_joining_is_answered() {
    let (mut bench, ids) = Bench::stable(2);
    let waiter = bench.rejoin(&ids[0]);
    assert_eq!(bench.leave(&ids[0]), Ok(()));
    assert_eq!(bench.join_error(waiter), GroupError::UnknownMemberId);
}

#[test]
fn heartbeats_of_strangers_and_of_other_generations_are_refused() {
    let (mut bench, ids) = Bench::stable(1);
    assert_eq!(bench.heartbeat(&ids[0], 1), Ok(()));
    assert_eq!(bench.heartbeat(&ids[0], 0), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.heartbeat(&ids[0], 2), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.heartbeat(&"stranger".into(), 1), Err(GroupError::UnknownMemberId));
    let sync = bench.send_sync(&ids[0], 2, &[]);
    assert_eq!(bench.assignment(sync), Err(GroupError::IllegalGeneration));
}

#[test]
fn a_follower_that_rejoins_unchanged_is_told_where_it_stands() {
    let (mut bench, ids) = Bench::stable(2);
    let waiter = bench.rejoin(&ids[1]);
    let joined = bench.joined(waiter);
    assert_eq!((joined.generation, bench.state()), (GenerationId(1), State::Stable));
    let sync = bench.send_sync(&ids[1], 1, &[]);
    assert_eq!(bench.assignment(sync), Ok("1".to_owned()));
}

#[test]
fn a_leader_that_rejoins_or_a_changed_follower_starts_a_rebalance() {
    let (mut bench, ids) = Bench::stable(2);
    bench.rejoin(&ids[0]);
    assert_eq!(bench.state(), State::PreparingRebalance);
    let (mut bench, ids) = Bench::stable(2);
    let changed = bench.request(ids[1].as_str(), None, &["range", "sticky"]);
    bench.send_join(changed);
    assert_eq!(bench.state(), State::PreparingRebalance);
}

#[test]
fn while_the_assignment_is_awaited_only_a_changed_member_starts_over() {
    let mut bench = Bench::new();
    let (leader, _) = bench.join_new();
    let (follower, _) = bench.join_new();
    bench.pass(6_000);
    let again = bench.rejoin(&leader);
    assert_eq!(bench.joined(again).members.len(), 2);
    let waiting = bench.send_sync(&follower, 1, &[]);
    let changed = bench.request(leader.as_str(), None, &["range", "sticky"]);
    bench.send_join(changed);
    assert_eq!(bench.state(), State::PreparingRebalance);
    assert_eq!(bench.assignment(waiting), Err(GroupError::RebalanceInProgress));
}

#[test]
fn of_two_waiting_requests_of_one_member_the_first_is_answered_at_once() {
    let mut bench = Bench::new();
    let (id, first) = bench.join_new();
    let second = bench.rejoin(&id);
    assert_eq!(bench.join_error(first), GroupError::RebalanceInProgress);
    let (other, _) = bench.join_new();
    bench.pass(6_000);
    bench.joined(second);
    let first = bench.send_sync(&other, 1, &[]);
    let second = bench.send_sync(&other, 1, &[]);
    assert_eq!(bench.assignment(first), Err(GroupError::RebalanceInProgress));
    let _ = bench.send_sync(&id, 1, &[(&other, "x")]);
    assert_eq!(bench.assignment(second), Ok("x".to_owned()));
}

#[test]
fn the_protocol_most_members_prefer_among_the_common_ones_wins() {
    let mut bench = Bench::new();
    let offers: [&[&str]; 3] = [&["own", "range", "sticky"], &["sticky", "range"], &["sticky", "range"]];
    let mut waiters = Vec::new();
    for offer in offers {
        let request = JoinRequest { requires_known_member_id: false, ..bench.request("", None, offer) };
        waiters.push(bench.send_join(request));
    }
    bench.pass(6_000);
    let joined = bench.joined(waiters[0]);
    assert_eq!(joined.protocol.as_deref(), Some("sticky"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
}

#[test]
fn the_leader_sees_everybodys_metadata_for_the_chosen_protocol() {
    let mut bench = Bench::new();
    let mut request = JoinRequest { requires_known_member_id: false, ..bench.request("", None, &[]) };
    request.protocols = vec![protocol("range", b"R"), protocol("sticky", b"S")];
    let leader = bench.send_join(request);
    let request = JoinRequest { requires_known_member_id: false, ..bench.request("", None, &["sticky"]) };
    bench.send_join(request);
    bench.pass(6_000);
    let joined = bench.joined(leader);
    let metadata: Vec<&[u8]> = joined.members.iter().map(|member| &member.metadata[..]).collect();
    assert_eq!(metadata, [&b"S"[..], b""]);
}

#[test]
fn members_without_a_common_protocol_or_of_another_type_are_refused() {
    let (mut bench, _) = Bench::stable(1);
    let request = bench.request("", None, &["sticky"]);
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::InconsistentGroupProtocol);
    let request = JoinRequest { protocol_type: "connect".into(), ..bench.request("", None, &["range"]) };
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::InconsistentGroupProtocol);
    let mut empty = Bench::new();
    for (kind, offer) in [("", &["range"][..]), ("consumer", &[])] {
        let request = JoinRequest { protocol_type: kind.into(), ..empty.request("", None, offer) };
        let waiter = empty.send_join(request);
        assert_eq!(empty.join_error(waiter), GroupError::InconsistentGroupProtocol);
    }
}

#[test]
fn sync_checks_the_protocol_when_told() {
    let (mut bench, ids) = Bench::stable(1);
    for (kind, name, allowed) in [
        (Some("consumer"), Some("range"), true),
        (None, None, true),
        (Some("connect"), None, false),
        (None, Some("sticky"), false),
    ] {
        let request = SyncRequest {
            member_id: ids[0].clone(),
            group_instance_id: None,
            generation: GenerationId(1),
            protocol_type: kind.map(Arc::from),
            protocol: name.map(Arc::from),
            assignments: Default::default(),
        };
        let waiter = bench.waiter();
        bench.step(|group, now, _, out| group.sync(now, request, waiter, out));
        let expected = if allowed { Ok("0".to_owned()) } else { Err(GroupError::InconsistentGroupProtocol) };
        assert_eq!(bench.assignment(waiter), expected);
    }
}

/// Members that sent SyncGroup too early were told that they have the wrong protocol, on which clients give up.
#[test]
fn a_sync_before_the_first_generation_is_told_that_the_group_rebalances() {
    let mut bench = Bench::new();
    let (id, _) = bench.join_new();
    for (kind, expected) in
        [("consumer", GroupError::RebalanceInProgress), ("connect", GroupError::InconsistentGroupProtocol)]
    {
        let request = SyncRequest {
            member_id: id.clone(),
            group_instance_id: None,
            generation: GenerationId(0),
            protocol_type: Some(kind.into()),
            protocol: Some("range".into()),
            assignments: Default::default(),
        };
        let waiter = bench.waiter();
        bench.step(|group, now, _, out| group.sync(now, request, waiter, out));
        assert_eq!(bench.assignment(waiter), Err(expected), "{kind}");
    }
}

#[test]
fn a_full_group_takes_nobody_in_but_keeps_who_it_has() {
    let config = GroupConfig { max_size: 2, ..GroupConfig::default() };
    let mut bench = Bench::with(config);
    let (first, _) = bench.join_new();
    let (second, _) = bench.join_new();
    let request = bench.request("", None, &["range"]);
    let third = bench.send_join(request);
    assert_eq!(bench.join_error(third), GroupError::GroupMaxSizeReached);
    bench.pass(6_000);
    bench.sync_all(&[first, second.clone()], 1);
    let request = bench.request("", None, &["range"]);
    let third = bench.send_join(request);
    assert_eq!(bench.join_error(third), GroupError::GroupMaxSizeReached);
    let again = bench.rejoin(&second);
    bench.joined(again);
}

#[test]
fn a_restart_shorter_than_the_session_needs_no_rebalance() {
    let (mut bench, ids) = Bench::stable(2);
    bench.pass(u64::from(SESSION_MS) - 1);
    bench.restart();
    assert_eq!(bench.state(), State::Stable);
    bench.pass(u64::from(SESSION_MS) - 1);
    for id in &ids {
        assert_eq!(bench.heartbeat(id, 1), Ok(()));
    }
    let sync = bench.send_sync(&ids[1], 1, &[]);
    assert_eq!(bench.assignment(sync), Ok("1".to_owned()));
    let follower = bench.rejoin(&ids[1]);
    assert_eq!((bench.joined(follower).generation, bench.state()), (GenerationId(1), State::Stable));
    bench.pass(u64::from(SESSION_MS));
    assert_eq!(bench.state(), State::Empty, "after the restart sessions end as before");
}

#[test]
fn a_restart_while_members_join_goes_back_to_the_last_stable_generation() {
    let (mut bench, ids) = Bench::stable(2);
    let newcomer = bench.join_new().0;
    bench.rejoin(&ids[0]);
    assert_eq!(bench.state(), State::PreparingRebalance);
    bench.restart();
    assert_eq!(bench.heartbeat(&ids[0], 1), Ok(()));
    assert_eq!(bench.heartbeat(&ids[1], 1), Ok(()));
    let rejoin = bench.rejoin(&newcomer);
    assert_eq!(bench.join_error(rejoin), GroupError::UnknownMemberId);
}

#[test]
fn a_restart_while_the_assignment_is_awaited_has_everybody_join_again() {
    let (mut bench, ids) = Bench::stable(2);
    bench.rejoin(&ids[0]);
    bench.rejoin(&ids[1]);
    assert_eq!(bench.state(), State::CompletingRebalance);
    bench.restart();
    assert_eq!(bench.heartbeat(&ids[0], 1), Err(GroupError::IllegalGeneration));
    assert_eq!(bench.heartbeat(&ids[0], 2), Err(GroupError::RebalanceInProgress));
    let sync = bench.send_sync(&ids[1], 2, &[]);
    assert_eq!(bench.assignment(sync), Err(GroupError::RebalanceInProgress));
    bench.joins.clear();
    let first = bench.rejoin(&ids[0]);
    bench.rejoin(&ids[1]);
    assert_eq!(bench.joined(first).generation, GenerationId(3));
}

#[test]
fn describes_metadata_and_assignments_only_while_stable() {
    let (mut bench, ids) = Bench::stable(2);
    let shown = bench.machine.classic().describe();
    assert_eq!((&*shown.protocol, &*shown.protocol_type), ("range", "consumer"));
    let assignments: Vec<&[u8]> = shown.members.iter().map(|member| &member.assignment[..]).collect();
    assert_eq!(assignments, [b"0", b"1"]);
    bench.leave(&ids[0]).unwrap();
    let shown = bench.machine.classic().describe();
    assert_eq!((shown.state.as_str(), &*shown.protocol), ("PreparingRebalance", ""));
    assert!(shown.members.iter().all(|member| member.assignment.is_empty()));
}
