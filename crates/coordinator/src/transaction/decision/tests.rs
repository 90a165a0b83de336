//! The way of an end over several shards, step by step, with a restart between any two.

use super::super::testing::{
    Bench, FIRST_ID, TIMEOUT_MS, group_in, partition, partition_in, producer, sender,
};
use super::super::{
    Protocol::{self, V1, V2},
    TransactionError::{ConcurrentTransactions, InvalidTxnState},
    TransactionState::{CompleteAbort, CompleteCommit, Ongoing, PrepareAbort, PrepareCommit},
};
use super::*;

/// An id with a partition here, one and a group in shard 1, and one in shard 2, open for 10 ms.
fn open() -> (Bench, ProducerIdAndEpoch) {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    let partitions = [partition(0), partition_in(1, 1), partition_in(2, 2)];
    bench.add_partitions(sender(owner), &partitions).unwrap();
    bench.add_offsets(sender(owner), &group_in(1, "g")).unwrap();
    bench.pass(10);
    (bench, owner)
}

#[test]
fn every_shard_gets_its_own_part_and_the_last_answer_completes() {
    for (protocol, commit) in [(V1, true), (V1, false), (V2, true), (V2, false)] {
        let (mut bench, owner) = open();
        let next = bench.end(sender(owner), protocol, commit).unwrap();
        let marker_epoch = if protocol == V1 { 0 } else { 1 };
        let own = bench.ending();
        assert_eq!((own.partitions.clone(), own.groups.len()), (vec![partition(0)], 0));
        let parts = bench.handed_out();
        let expected =
            [(1, vec![partition_in(1, 1)], vec![group_in(1, "g")]), (2, vec![partition_in(2, 2)], vec![])];
        for (part, (shard, partitions, groups)) in parts.iter().zip(expected) {
            let shard = ShardId(shard);
            assert_eq!(
                *part,
                Ending { shard, partitions, groups, ..own.clone() },
                "the same but for what it has"
            );
        }
        assert_eq!((own.marker_epoch, own.raises_epoch, own.commit), (marker_epoch, protocol == V2, commit));
        let (prepared, complete) =
            if commit { (PrepareCommit, CompleteCommit) } else { (PrepareAbort, CompleteAbort) };
        assert_eq!((bench.state(), bench.current()), (Some(prepared), next));
        bench.applied(&parts[1]);
        assert_eq!(bench.state(), Some(prepared));
        assert_eq!(bench.written.len(), 1, "its participant, and nothing of the id");
        bench.applied(&parts[1]);
        assert_eq!((bench.state(), bench.written.len()), (Some(prepared), 0), "a second answer");
        bench.applied(&parts[0]);
        assert_eq!((bench.state(), bench.current(), bench.stored.len()), (Some(complete), next, 1));
        bench.pass(10 * u64::from(AGAIN_AFTER_MS));
        assert_eq!((bench.handed_out(), bench.endings.len()), (Vec::new(), 0), "nothing is left to be done");
        let joined = bench.add_partitions(sender(next), &[partition_in(1, 1)]);
        assert_eq!((joined, bench.state()), (Ok(()), Some(Ongoing)));
    }
}

#[test]
fn a_restart_at_any_point_hands_out_what_is_left() {
    for answered_before in 0..=2 {
        let (mut bench, owner) = open();
        bench.restart();
        let next = bench.end(sender(owner), V2, true).unwrap();
        let parts = bench.handed_out();
        bench.endings.clear();
        parts[..answered_before].iter().for_each(|part| bench.applied(part));
        bench.restart();
        assert_eq!(bench.handed_out(), parts[answered_before..], "as they were, to the last field");
        assert_eq!(bench.endings, [], "the own part was written with the decision");
        bench.restart();
        bench.handed_out().iter().for_each(|part| bench.applied(part));
        bench.restart();
        assert_eq!((bench.state(), bench.current()), (Some(CompleteCommit), next));
        assert_eq!(bench.handed_out(), []);
    }
}

#[test]
fn what_is_not_answered_is_handed_out_again_and_never_timed_out_or_forgotten() {
    let (mut bench, owner) = open();
    bench.config.id_expiration_ms = 1_000;
    bench.end(sender(owner), V2, true).unwrap();
    let parts = bench.handed_out();
    bench.applied(&parts[0]);
    bench.pass(u64::from(AGAIN_AFTER_MS) - 1);
    assert_eq!(bench.handed_out(), []);
    bench.pass(1);
    assert_eq!(bench.handed_out(), parts[1..]);
    bench.pass(u64::from(TIMEOUT_MS));
    assert_eq!(bench.handed_out().len(), (TIMEOUT_MS / AGAIN_AFTER_MS) as usize);
    assert_eq!(bench.state(), Some(PrepareCommit));
    bench.applied(&parts[1]);
    assert_eq!(bench.state(), Some(CompleteCommit));
    bench.pass(1_000);
    assert_eq!(bench.state(), None, "from now on it may expire");
}

/// With the older protocol nothing but the number tells the ends of two transactions apart, and both may be decided in
/// one millisecond.
#[test]
fn the_answer_to_an_earlier_end_completes_nothing() {
    let (mut bench, owner) = open();
    bench.end(sender(owner), V1, true).unwrap();
    let first = bench.handed_out();
    first.iter().for_each(|part| bench.applied(part));
    for again in [false, true] {
        if again {
            bench.init(Some(bench.current())).unwrap();
        }
        let owner = bench.current();
        bench.add_partitions(sender(owner), &[partition_in(1, 1)]).unwrap();
        bench.end(sender(owner), V1, true).unwrap();
        let second = bench.handed_out();
        assert!(second[0].number > first[0].number);
        first.iter().for_each(|part| bench.applied(part));
        assert_eq!(bench.state(), Some(PrepareCommit));
        bench.restart();
        second.iter().for_each(|part| bench.applied(part));
        assert_eq!(bench.state(), Some(CompleteCommit));
        bench.handed_out();
    }
}

/// The number of an end may be ahead of the clock. What ends here alone in the same millisecond must not set it back: the
/// other shard would take the next end for a repeat.
#[test]
fn numbers_rise_over_transactions_that_end_here_alone() {
    let (mut bench, owner) = (Bench::new(), producer(FIRST_ID, 0));
    assert_eq!(bench.init(None), Ok(owner));
    let mut last = 0;
    for round in 0..4 {
        bench.add_partitions(sender(bench.current()), &[partition_in(1, 0)]).unwrap();
        bench.end(sender(bench.current()), V1, true).unwrap();
        let ending = bench.handed_out().remove(0);
        assert!(ending.number > last, "round {round}: {} after {last}", ending.number);
        last = ending.number;
        bench.applied(&ending);
        bench.add_partitions(sender(bench.current()), &[partition(0)]).unwrap();
        bench.end(sender(bench.current()), if round == 1 { V1 } else { V2 }, true).unwrap();
        if round == 2 {
            bench.end(sender(bench.current()), V2, false).unwrap();
        }
        if round == 3 {
            bench.restart();
        }
    }
}

#[test]
fn a_transaction_without_a_part_here_is_prepared_too() {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.add_offsets(sender(owner), &group_in(3, "g")).unwrap();
    bench.pass(u64::from(TIMEOUT_MS));
    let own = bench.ending();
    assert_eq!((own.partitions.len() + own.groups.len(), own.cause), (0, EndCause::Timeout));
    assert_eq!(bench.state(), Some(PrepareAbort));
    let parts = bench.handed_out();
    assert_eq!((parts.len(), &parts[0].groups), (1, &vec![group_in(3, "g")]));
    bench.applied(&parts[0]);
    assert_eq!((bench.state(), bench.current()), (Some(CompleteAbort), producer(FIRST_ID, 1)));
}

/// As in Kafka, whose first try fences and whose second one is answered.
#[test]
fn init_producer_id_on_a_transaction_with_parts_elsewhere_has_to_come_again() {
    let before = |named| {
        let (mut bench, owner) = open();
        let named: Option<ProducerIdAndEpoch> = if named { Some(owner) } else { None };
        assert_eq!(bench.init(named), Err(ConcurrentTransactions));
        assert_eq!((bench.state(), bench.current()), (Some(PrepareAbort), producer(FIRST_ID, 1)));
        assert_eq!(bench.ending().cause, EndCause::Fenced);
        let stored = bench.stored.clone();
        assert_eq!(bench.init(named), Err(ConcurrentTransactions));
        assert_eq!(bench.init(Some(producer(FIRST_ID + 9, 3))), Err(ConcurrentTransactions));
        assert_eq!(bench.stored, stored, "nothing is aborted twice");
        bench.handed_out().iter().for_each(|part| bench.applied(part));
        bench.init(named)
    };
    assert_eq!(before(false), Ok(producer(FIRST_ID, 2)));
    assert_eq!(before(true), Ok(producer(FIRST_ID, 1)), "it was fenced for itself");
}

#[test]
fn an_old_epoch_in_init_producer_id_fences_no_transaction_with_parts_elsewhere() {
    let (mut bench, owner) = open();
    let stored = bench.stored.clone();
    let refused = bench.init(Some(producer(FIRST_ID, 7)));
    assert_eq!(refused, Err(super::super::TransactionError::ProducerFenced));
    assert_eq!((bench.stored.clone(), bench.state()), (stored, Some(Ongoing)));
    assert!(bench.end(sender(owner), V2, true).is_ok());
}

#[test]
fn a_producer_id_that_follows_the_last_epoch_is_drawn_once() {
    for protocol in [V2, V1] {
        let mut bench = Bench::new();
        bench.next_id = FIRST_ID + 1;
        let last = producer(FIRST_ID, crate::transaction::identity::LAST_EPOCH);
        bench.put(super::super::TransactionState::Empty, last, None);
        bench.add_partitions(sender(last), &[partition_in(1, 0)]).unwrap();
        let next = bench.end(sender(last), protocol, true).unwrap();
        let parts = bench.handed_out();
        let raised = protocol == V2;
        assert_eq!(parts[0].producer_id, last.id, "the markers are of the producer that wrote");
        assert_eq!(parts[0].marker_epoch, last.epoch + i16::from(raised));
        assert_eq!(next, if raised { producer(FIRST_ID + 1, 0) } else { last });
        bench.restart();
        assert_eq!(bench.handed_out(), parts);
        assert_eq!(bench.end(sender(last), protocol, true), Err(ConcurrentTransactions));
        bench.applied(&parts[0]);
        assert_eq!(bench.end(sender(last), protocol, true), Ok(next));
        assert_eq!(bench.current(), next);
    }
}

#[test]
fn an_administrator_cannot_end_what_is_decided() {
    let (mut bench, owner) = open();
    bench.end(sender(owner), Protocol::V1, true).unwrap();
    let refused = bench.step(|machine, env, out| machine.abort_by_admin(env, owner, out));
    assert_eq!((refused, bench.state()), (Err(InvalidTxnState), Some(PrepareCommit)));
}

/// No write leaves an id so; a start completes it rather than wait for ever.
#[test]
fn a_decided_end_without_a_participant_is_completed_by_the_start() {
    let (mut bench, owner) = open();
    bench.end(sender(owner), V2, true).unwrap();
    let key = bench.stored.first_key_value().unwrap().0.clone();
    bench.stored.retain(|stored, _| *stored == key);
    bench.restart();
    assert_eq!((bench.state(), bench.stored.len()), (Some(CompleteCommit), 1));
}
