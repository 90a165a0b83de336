//! Offsets in transactions: who may send them, which one counts, what they hold off, what drops them.

use super::super::super::{
    GenerationId, GroupConfig, MemberId,
    classic::State,
    requests::CommitIdentity,
    testing::{Bench, commit},
};
use super::*;

/// A producer id; the machine only compares it.
const PID: i64 = 1_000;

fn nobody() -> CommitIdentity {
    CommitIdentity { member_id: MemberId::none(), group_instance_id: None, generation: GenerationId::NONE }
}

fn member(id: &MemberId, generation: i32) -> CommitIdentity {
    CommitIdentity { member_id: id.clone(), group_instance_id: None, generation: GenerationId(generation) }
}

/// Sends an offset of `t`-0 in the transaction of a producer.
fn stage(bench: &mut Bench, producer_id: i64, offset: i64) {
    assert_eq!(bench.txn_commit_as(producer_id, &nobody(), vec![commit("t", 0, offset)]), Ok(vec![Ok(())]));
}

fn plain(bench: &mut Bench, offset: i64) {
    assert_eq!(bench.commit_as(&nobody(), None, vec![commit("t", 0, offset)]), Ok(vec![Ok(())]));
}

fn is_pending(bench: &Bench, partition: i32) -> bool {
    bench.machine.offsets().pending().is_pending("t", partition)
}

fn expire(bench: &mut Bench) {
    bench.on_machine(|machine, env, out| machine.expire_offsets(env, out));
}

const RETENTION_MS: u64 = 10_080 * 60_000;

#[test]
fn an_offset_shows_only_once_its_transaction_commits() {
    let mut bench = Bench::new();
    plain(&mut bench, 5);
    stage(&mut bench, PID, 8);
    assert_eq!((bench.committed("t", 0), is_pending(&bench, 0)), (Some(5), true));
    bench.restart();
    assert_eq!((bench.committed("t", 0), is_pending(&bench, 0)), (Some(5), true));
    bench.end_transaction(PID, true);
    assert_eq!((bench.committed("t", 0), is_pending(&bench, 0)), (Some(8), false));
    stage(&mut bench, PID, 9);
    bench.end_transaction(PID, false);
    assert_eq!((bench.committed("t", 0), is_pending(&bench, 0)), (Some(8), false));
    assert_eq!(bench.stored.len(), 1);
}

#[test]
fn an_end_sent_again_and_one_of_another_producer_change_nothing() {
    let mut bench = Bench::new();
    stage(&mut bench, PID, 8);
    let writes = bench.writes;
    bench.end_transaction(PID + 1, true);
    assert_eq!((bench.writes, is_pending(&bench, 0)), (writes, true));
    bench.end_transaction(PID, true);
    plain(&mut bench, 3);
    let writes = bench.writes;
    bench.end_transaction(PID, true);
    assert_eq!((bench.writes, bench.committed("t", 0)), (writes, Some(3)));
}

#[test]
fn the_newest_offset_of_a_transaction_counts_also_a_smaller_one() {
    let mut bench = Bench::new();
    for offset in [8, 12, 4] {
        stage(&mut bench, PID, offset);
    }
    bench.end_transaction(PID, true);
    assert_eq!(bench.committed("t", 0), Some(4));
}

#[test]
fn a_plain_commit_wins_over_what_came_before_it_and_loses_to_what_comes_after() {
    for restart in [false, true] {
        let mut bench = Bench::new();
        stage(&mut bench, PID, 8);
        plain(&mut bench, 3);
        if restart {
            bench.restart();
        }
        assert!(is_pending(&bench, 0), "an overtaken offset stays pending");
        bench.end_transaction(PID, true);
        assert_eq!(bench.committed("t", 0), Some(3));
        stage(&mut bench, PID, 8);
        plain(&mut bench, 3);
        stage(&mut bench, PID, 6);
        bench.end_transaction(PID, true);
        assert_eq!(bench.committed("t", 0), Some(6));
    }
}

#[test]
fn of_two_transactions_the_later_offset_wins_whichever_ends_first() {
    for (first, last) in [(PID, PID + 1), (PID + 1, PID)] {
        for restart in [false, true] {
            let mut bench = Bench::new();
            stage(&mut bench, PID, 8);
            stage(&mut bench, PID + 1, 2);
            bench.end_transaction(first, true);
            if restart {
                bench.restart();
            }
            bench.end_transaction(last, true);
            assert_eq!(bench.committed("t", 0), Some(2));
        }
    }
}

#[test]
fn an_aborted_transaction_overtakes_nothing() {
    let mut bench = Bench::new();
    stage(&mut bench, PID, 8);
    stage(&mut bench, PID + 1, 2);
    bench.end_transaction(PID + 1, false);
    bench.end_transaction(PID, true);
    assert_eq!(bench.committed("t", 0), Some(8));
}

#[test]
fn a_committed_offset_has_the_time_and_the_fields_of_its_request() {
    let mut bench = Bench::new();
    let full = OffsetCommit {
        topic_id: uuid::Uuid::from_u128(9),
        leader_epoch: 4,
        metadata: "note".into(),
        ..commit("t", 0, 77)
    };
    bench.txn_commit_as(PID, &nobody(), vec![full]).unwrap();
    let sent_at_ms = bench.now().unix_ms;
    bench.pass(1_000);
    bench.end_transaction(PID, true);
    let committed = bench.machine.offsets().committed("t", 0).unwrap();
    assert_eq!((committed.committed_at_ms, committed.expires_at_ms), (sent_at_ms, None));
    assert_eq!((committed.offset, committed.leader_epoch, &*committed.metadata), (77, 4, "note"));
    assert!(committed.is_of_topic(uuid::Uuid::from_u128(9)));
}

#[test]
fn a_classic_group_checks_instance_then_member_then_generation() {
    let mut bench = Bench::new();
    let request = bench.request("", Some("i"), &["range"]);
    let waiter = bench.send_join(request);
    bench.pass(3_000);
    let id = bench.joins.remove(&waiter).unwrap().member_id;
    bench.sync_all(std::slice::from_ref(&id), 1);
    let named = |id: &MemberId, instance: Option<&str>, generation| CommitIdentity {
        group_instance_id: instance.map(Into::into),
        ..member(id, generation)
    };
    let mut send = |who| bench.txn_commit_as(PID, &who, vec![commit("t", 0, 1)]);
    let stranger = MemberId::from("stranger");
    assert_eq!(send(named(&stranger, Some("i"), 0)), Err(GroupError::FencedInstanceId));
    assert_eq!(send(named(&id, Some("j"), 1)), Err(GroupError::UnknownMemberId));
    assert_eq!(send(named(&stranger, None, 0)), Err(GroupError::UnknownMemberId));
    assert_eq!(send(named(&MemberId::none(), None, 1)), Err(GroupError::UnknownMemberId));
    assert_eq!(send(named(&stranger, None, -1)), Err(GroupError::UnknownMemberId));
    assert_eq!(send(named(&id, None, 0)), Err(GroupError::IllegalGeneration));
    assert_eq!(send(named(&id, None, -1)), Err(GroupError::IllegalGeneration));
    assert_eq!(send(named(&id, Some("i"), 1)), Ok(vec![Ok(())]));
    assert_eq!(send(nobody()), Ok(vec![Ok(())]), "a client before KIP-447 names nobody");
}

#[test]
fn a_refused_request_leaves_what_was_pending() {
    let (mut bench, ids) = Bench::stable(1);
    assert_eq!(bench.txn_commit_as(PID, &member(&ids[0], 1), vec![commit("t", 0, 8)]), Ok(vec![Ok(())]));
    let old = bench.txn_commit_as(PID, &member(&ids[0], 0), vec![commit("t", 0, 9), commit("t", 1, 1)]);
    assert_eq!(old, Err(GroupError::IllegalGeneration));
    assert_eq!((is_pending(&bench, 0), is_pending(&bench, 1)), (true, false));
    bench.end_transaction(PID, true);
    assert_eq!(bench.committed("t", 0), Some(8));
}

#[test]
fn a_member_that_waits_for_its_assignment_may_send_offsets() {
    let (mut bench, ids) = Bench::stable(1);
    bench.rejoin(&ids[0]);
    assert_eq!(bench.state(), State::CompletingRebalance);
    assert_eq!(bench.commit(&ids[0], 2, "t", 7), Err(GroupError::RebalanceInProgress));
    assert_eq!(bench.txn_commit_as(PID, &member(&ids[0], 2), vec![commit("t", 0, 7)]), Ok(vec![Ok(())]));
}

#[test]
fn offsets_in_transactions_keep_no_session_alive() {
    let (mut bench, ids) = Bench::stable(1);
    for offset in 0..3 {
        bench.pass(3_000);
        assert!(bench.txn_commit_as(PID, &member(&ids[0], 1), vec![commit("t", 0, offset)]).is_ok());
    }
    bench.pass(1_000);
    assert_eq!(bench.state(), State::Empty);
    // An empty group welcomes who is no member, whatever it calls itself.
    assert_eq!(bench.txn_commit_as(PID, &member(&ids[0], -1), vec![commit("t", 0, 1)]), Ok(vec![Ok(())]));
    let gone = bench.txn_commit_as(PID, &member(&ids[0], 1), vec![commit("t", 0, 1)]);
    assert_eq!(gone, Err(GroupError::UnknownMemberId));
}

#[test]
fn too_large_a_note_is_refused_for_its_partition_alone() {
    let mut bench = Bench::with(GroupConfig { offset_metadata_max_bytes: 4, ..GroupConfig::default() });
    let noted = OffsetCommit { metadata: "12345".into(), ..commit("t", 0, 1) };
    let results = bench.txn_commit_as(PID, &nobody(), vec![noted, commit("t", 1, 2)]);
    assert_eq!(results, Ok(vec![Err(GroupError::OffsetMetadataTooLarge), Ok(())]));
    bench.end_transaction(PID, true);
    assert_eq!((bench.committed("t", 0), bench.committed("t", 1)), (None, Some(2)));
}

#[test]
fn a_group_with_a_pending_offset_is_neither_forgotten_nor_expired() {
    let mut bench = Bench::new();
    stage(&mut bench, PID, 8);
    assert!(!bench.machine.is_forgettable());
    bench.pass(RETENTION_MS * 2);
    expire(&mut bench);
    assert_eq!((bench.state(), is_pending(&bench, 0)), (State::Empty, true));
    bench.end_transaction(PID, false);
    assert!(bench.machine.is_forgettable());
    assert!(bench.stored.is_empty());
}

#[test]
fn an_offset_does_not_expire_while_another_is_pending_for_its_partition() {
    let mut bench = Bench::new();
    let both = vec![commit("t", 0, 1), commit("t", 1, 1)];
    bench.commit_as(&nobody(), None, both).unwrap();
    bench.pass(RETENTION_MS);
    stage(&mut bench, PID, 8);
    expire(&mut bench);
    assert_eq!((bench.committed("t", 0), bench.committed("t", 1)), (Some(1), None));
    bench.end_transaction(PID, false);
    expire(&mut bench);
    assert_eq!((bench.committed("t", 0), bench.state()), (None, State::Dead));
}

#[test]
fn an_offset_of_a_transaction_expires_counting_from_its_request() {
    let mut bench = Bench::new();
    stage(&mut bench, PID, 8);
    bench.pass(RETENTION_MS - 1);
    bench.end_transaction(PID, true);
    expire(&mut bench);
    assert_eq!(bench.committed("t", 0), Some(8));
    bench.pass(1);
    expire(&mut bench);
    assert_eq!((bench.committed("t", 0), bench.state()), (None, State::Dead));
}

#[test]
fn a_deleted_group_takes_pending_offsets_with_it() {
    let mut bench = Bench::new();
    plain(&mut bench, 1);
    bench.txn_commit_as(PID, &nobody(), vec![commit("t", 0, 8), commit("u", 0, 8)]).unwrap();
    let now = bench.now();
    let mut out = Outcome::default();
    assert_eq!(bench.machine.delete(now, &mut out), Ok(()));
    bench.carry_out(out);
    assert!(bench.stored.is_empty());
    bench.restart();
    bench.end_transaction(PID, true);
    assert_eq!(bench.committed("t", 0), None);
}

#[test]
fn offset_delete_drops_the_pending_offsets_of_its_partitions() {
    let mut bench = Bench::new();
    plain(&mut bench, 1);
    bench
        .txn_commit_as(PID, &nobody(), vec![commit("t", 0, 8), commit("t", 1, 8), commit("t", 2, 8)])
        .unwrap();
    stage(&mut bench, PID + 1, 9);
    let wanted = [("t".into(), 0), ("t".into(), 1), ("t".into(), 3)];
    let results = bench.on_machine(|machine, env, out| machine.delete_offsets(env, &wanted, out));
    assert_eq!(results, Ok(vec![Ok(()); 3]));
    assert_eq!([0, 1, 2].map(|partition| is_pending(&bench, partition)), [false, false, true]);
    bench.end_transaction(PID, true);
    bench.end_transaction(PID + 1, true);
    assert_eq!([0, 1, 2].map(|partition| bench.committed("t", partition)), [None, None, Some(8)]);
}

#[test]
fn a_deleted_topic_takes_its_pending_offsets_with_it() {
    let mut bench = Bench::new();
    let old = OffsetCommit { topic_id: uuid::Uuid::from_u128(1), ..commit("recreated", 0, 9) };
    let new = OffsetCommit { topic_id: uuid::Uuid::from_u128(2), ..commit("recreated", 0, 4) };
    bench.txn_commit_as(PID, &nobody(), vec![commit("t", 0, 1), commit("u", 0, 3), old]).unwrap();
    bench.txn_commit_as(PID + 1, &nobody(), vec![new]).unwrap();
    bench.on_machine(|machine, _, out| {
        let is_gone = |topic: &str, offset: &super::super::CommittedOffset| {
            topic == "t" || offset.topic_id == uuid::Uuid::from_u128(1)
        };
        machine.forget_offsets(is_gone, out);
    });
    bench.restart();
    bench.end_transaction(PID + 1, true);
    bench.end_transaction(PID, true);
    let left: Vec<_> =
        bench.machine.offsets().iter().map(|(topic, _, committed)| (&**topic, committed.offset)).collect();
    assert_eq!(left, [("recreated", 4), ("u", 3)]);
}

#[test]
fn a_consumer_group_judges_by_member_epoch_and_by_when_a_partition_was_assigned() {
    let mut bench = Bench::new();
    bench.set_topic("t", 4);
    bench.beat("a", 0, |_| {}).unwrap();
    bench.beat("b", 0, |_| {}).unwrap();
    bench.beat("a", 2, |_| {}).unwrap();
    let kept = bench.owned(&[0, 1]);
    assert_eq!(bench.beat("a", 2, |said| said.owned = Some(kept)).unwrap().member_epoch, 3);
    // Partitions 2 and 3 are b's since epoch 3, 0 and 1 a's since epoch 2.
    assert_eq!(bench.beat("b", 3, |_| {}).unwrap().member_epoch, 3);
    let topic_id = bench.topics.image.topic("t").unwrap().0;
    let mut send = |who: &CommitIdentity, partition, knows_member_epochs| {
        let commits = vec![OffsetCommit { topic_id, ..commit("t", partition, 1) }];
        bench.on_machine(|machine, env, out| {
            machine.txn_offset_commit(env, PID, who, knows_member_epochs, commits, out)
        })
    };
    let (a, b) = (MemberId::from("a"), MemberId::from("b"));
    assert_eq!(send(&member(&a, 3), 0, false), Ok(vec![Ok(())]));
    assert_eq!(send(&member(&a, 2), 0, false), Ok(vec![Ok(())]), "it has had the partition since then");
    for (knows_member_epochs, stale) in
        [(false, GroupError::IllegalGeneration), (true, GroupError::StaleMemberEpoch)]
    {
        let mut send = |who: &CommitIdentity, partition| send(who, partition, knows_member_epochs);
        assert_eq!(send(&member(&b, 2), 2), Err(stale), "it got the partition later");
        assert_eq!(send(&member(&a, 2), 2), Err(stale), "another has the partition");
        assert_eq!(send(&member(&a, 4), 0), Err(stale), "no such epoch yet");
        assert_eq!(send(&member(&"c".into(), 3), 0), Err(GroupError::UnknownMemberId));
        assert_eq!(send(&member(&MemberId::none(), 3), 0), Err(GroupError::UnknownMemberId));
        assert_eq!(send(&nobody(), 3), Ok(vec![Ok(())]), "a client before KIP-447 names nobody");
    }
    let sent = |partition| OffsetCommit { topic_id, ..commit("t", partition, 9) };
    assert_eq!(
        bench.txn_commit_as(PID, &member(&a, 2), vec![sent(1), sent(2)]),
        Err(GroupError::IllegalGeneration)
    );
    assert!(!is_pending(&bench, 1), "all or none");
}

#[test]
fn a_group_that_changes_its_protocol_keeps_its_pending_offsets() {
    let mut bench = Bench::new();
    bench.set_topic("t", 4);
    stage(&mut bench, PID, 8);
    let told = bench.beat("a", 0, |_| {}).unwrap();
    bench.restart();
    bench.beat("a", -1, |_| {}).unwrap();
    assert!(told.member_epoch > 0 && is_pending(&bench, 0));
    bench.join_new();
    assert_eq!(bench.machine.classic().member_count(), 1);
    assert!(is_pending(&bench, 0));
    bench.end_transaction(PID, true);
    assert_eq!(bench.committed("t", 0), Some(8));
}
