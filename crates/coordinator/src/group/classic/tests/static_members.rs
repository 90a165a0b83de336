//! Static members (KIP-345) and their way back into a stable group (KIP-814).

use super::super::super::requests::{JoinRequest, LeavingMember};
use super::super::super::testing::{Bench, SESSION_MS};
use super::super::*;

/// A stable group of the static members `a` (leader) and `b`, with their ids.
fn stable() -> (Bench, MemberId, MemberId) {
    let mut bench = Bench::new();
    let mut join = |name| {
        let request = bench.request("", Some(name), &["range"]);
        bench.send_join(request)
    };
    let (a, b) = (join("a"), join("b"));
    bench.pass(6_000);
    let a = bench.joins.remove(&a).unwrap().member_id;
    let b = bench.joins.remove(&b).unwrap().member_id;
    bench.sync_all(&[a.clone(), b.clone()], 1);
    (bench, a, b)
}

fn heartbeat(bench: &mut Bench, id: &MemberId, instance: &str) -> Result<(), GroupError> {
    bench.step(|group, now, _, out| group.heartbeat(now, id.as_str(), Some(instance), GenerationId(1), out))
}

fn leave(bench: &mut Bench, id: &str, instance: &str) -> Result<(), GroupError> {
    let leaving =
        [LeavingMember { member_id: id.into(), group_instance_id: Some(instance.into()), reason: None }];
    bench.step(|group, now, config, out| group.leave(now, config, &leaving, out)).unwrap().remove(0)
}

#[test]
fn a_restarted_follower_gets_its_assignment_without_a_rebalance() {
    let (mut bench, _, old) = stable();
    let writes = bench.writes;
    let request = bench.request("", Some("b"), &["range"]);
    let waiter = bench.send_join(request);
    let reply = bench.joins.remove(&waiter).unwrap();
    let (new, joined) = (reply.member_id, reply.result.unwrap());
    assert!(new != old && new.as_str().starts_with("b-"));
    assert_eq!((joined.generation, joined.skip_assignment), (GenerationId(1), false));
    assert_eq!((bench.state(), bench.writes), (State::Stable, writes + 1));
    let sync = bench.send_sync(&new, 1, &[]);
    assert_eq!(bench.assignment(sync), Ok("1".to_owned()));
    bench.restart();
    assert_eq!(heartbeat(&mut bench, &new, "b"), Ok(()));
}

#[test]
fn the_old_incarnation_is_fenced() {
    let (mut bench, _, old) = stable();
    let request = bench.request("", Some("b"), &["range"]);
    bench.send_join(request);
    assert_eq!(heartbeat(&mut bench, &old, "b"), Err(GroupError::FencedInstanceId));
    assert_eq!(bench.heartbeat(&old, 1), Err(GroupError::UnknownMemberId));
    assert_eq!(leave(&mut bench, old.as_str(), "b"), Err(GroupError::FencedInstanceId));
    let request = bench.request(old.as_str(), Some("b"), &["range"]);
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::FencedInstanceId);
    assert_eq!(heartbeat(&mut bench, &old, "nobody"), Err(GroupError::UnknownMemberId));
}

#[test]
fn a_restarted_leader_keeps_the_assignment_from_version_9_on() {
    let (mut bench, _, _) = stable();
    let request = bench.request("", Some("a"), &["range"]);
    let waiter = bench.send_join(request);
    let reply = bench.joins.remove(&waiter).unwrap();
    let joined = reply.result.unwrap();
    assert!(joined.skip_assignment);
    assert_eq!((joined.leader, joined.members.len()), (reply.member_id, 2));
}

#[test]
fn a_restarted_leader_is_made_a_follower_before_version_9() {
    let (mut bench, old, _) = stable();
    let request =
        JoinRequest { supports_skipping_assignment: false, ..bench.request("", Some("a"), &["range"]) };
    let waiter = bench.send_join(request);
    let joined = bench.joined(waiter);
    assert_eq!((joined.leader, joined.skip_assignment), (old, false));
    assert!(joined.members.is_empty());
}

#[test]
fn a_static_member_that_changes_the_chosen_protocol_starts_a_rebalance() {
    let (mut bench, _, _) = stable();
    let request = bench.request("", Some("a"), &["sticky", "range"]);
    bench.send_join(request);
    assert_eq!(bench.state(), State::Stable, "b only knows range");
    let request = bench.request("", Some("b"), &["sticky", "range"]);
    bench.send_join(request);
    assert_eq!(bench.state(), State::PreparingRebalance);
}

#[test]
fn a_replacement_while_the_assignment_is_awaited_starts_over() {
    let (mut bench, a, b) = stable();
    let a_joins = bench.request(a.as_str(), Some("a"), &["range"]);
    bench.send_join(a_joins);
    let b_joins = bench.request(b.as_str(), Some("b"), &["range"]);
    bench.send_join(b_joins);
    assert_eq!(bench.state(), State::CompletingRebalance);
    let waiting = bench.send_sync(&b, 2, &[]);
    let request = bench.request("", Some("b"), &["range"]);
    bench.send_join(request);
    assert_eq!(bench.assignment(waiting), Err(GroupError::FencedInstanceId));
    assert_eq!(bench.state(), State::PreparingRebalance);
}

#[test]
fn a_replacement_fences_a_join_that_waits() {
    let (mut bench, _, b) = stable();
    let changed = bench.request(b.as_str(), Some("b"), &["range", "sticky"]);
    let waiting = bench.send_join(changed);
    let request = bench.request("", Some("b"), &["range"]);
    bench.send_join(request);
    assert_eq!(bench.join_error(waiting), GroupError::FencedInstanceId);
}

#[test]
fn an_absent_static_member_keeps_its_place_until_its_session_ends() {
    let (mut bench, a, b) = stable();
    let a_joins = bench.request(a.as_str(), Some("a"), &["range"]);
    let waiter = bench.send_join(a_joins);
    bench.pass(u64::from(SESSION_MS) - 1);
    assert!(bench.joins.is_empty());
    bench.pass(1);
    assert_eq!(bench.joined(waiter).members.len(), 1);
    assert_eq!(heartbeat(&mut bench, &b, "b"), Err(GroupError::UnknownMemberId));
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let (mut bench, _, _) = stable();
    assert_eq!(leave(&mut bench, "", "nobody"), Err(GroupError::UnknownMemberId));
    assert_eq!(leave(&mut bench, "", "b"), Ok(()));
    assert_eq!(bench.state(), State::PreparingRebalance);
    assert_eq!(leave(&mut bench, "", "b"), Err(GroupError::UnknownMemberId));
}

#[test]
fn static_members_with_a_rebalance_timeout_of_zero_do_not_make_the_group_spin() {
    let (mut bench, a, _) = stable();
    for name in ["a", "b"] {
        let request = JoinRequest { rebalance_timeout_ms: 0, ..bench.request("", Some(name), &["range"]) };
        bench.send_join(request);
    }
    assert_ne!(bench.leader(), a);
    leave(&mut bench, "", "a").unwrap();
    bench.pass(u64::from(SESSION_MS) - 1);
    assert_eq!(bench.state(), State::PreparingRebalance);
    bench.pass(1);
    assert_eq!(bench.state(), State::Empty);
}
