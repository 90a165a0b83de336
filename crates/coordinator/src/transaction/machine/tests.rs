//! Deadlines over restarts, the cost of joining, connections, and requests that no record can hold.

use super::super::join::{END_BYTES, MAX_END_BYTES, MAX_GROUPS};
use super::super::testing::{Bench, FIRST_ID, OWN, TIMEOUT_MS, group, partition, producer, sender};
use super::super::{
    EndCause, InitRequest, ProducerIdAndEpoch,
    Protocol::{V1, V2},
    Sender,
};
use super::*;
use crate::limits::MAX_STRING_BYTES;

/// An id with a transaction that began 10 ms ago.
fn open() -> (Bench, ProducerIdAndEpoch) {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.add_partitions(sender(owner), &[partition(0)]).unwrap();
    bench.pass(10);
    (bench, owner)
}

#[test]
fn a_timeout_goes_on_over_restarts() {
    let (mut bench, _) = open();
    bench.restart();
    bench.pass(20_000);
    bench.restart();
    bench.pass(u64::from(TIMEOUT_MS) - 20_011);
    assert_eq!(bench.endings, []);
    bench.pass(1);
    let ending = bench.ending();
    assert_eq!((ending.cause, ending.duration_ms), (EndCause::Timeout, u64::from(TIMEOUT_MS)));
}

#[test]
fn a_timeout_that_has_passed_meanwhile_is_acted_on_at_once() {
    let (mut bench, _) = open();
    bench.now_ms += u64::from(TIMEOUT_MS) * 2;
    bench.restart();
    bench.pass(0);
    assert_eq!(bench.ending().cause, EndCause::Timeout);
}

#[test]
fn the_wall_clock_moves_no_deadline() {
    let (bench, _) = open();
    let stored = bench.machine.transaction.as_ref().unwrap();
    for unix_ms in [0, i64::MAX] {
        let now = Now { unix_ms, ..bench.now() };
        let env = Env { now, config: &bench.config, shard: OWN };
        assert_eq!(stored.deadline_open_ms(env), Some(1_000 + u64::from(TIMEOUT_MS)));
    }
}

#[test]
fn an_expiry_goes_on_over_restarts() {
    let mut bench = Bench::new();
    bench.config.id_expiration_ms = 1_000;
    bench.init(None).unwrap();
    bench.pass(400);
    bench.restart();
    bench.pass(599);
    assert!(!bench.machine.is_forgettable());
    bench.pass(1);
    assert!(bench.machine.is_forgettable());
}

#[test]
fn a_longer_timeout_holds_from_the_next_transaction_on() {
    let mut bench = Bench::new();
    bench.init_with(1_000, None).unwrap();
    let owner = bench.init_with(5_000, None).unwrap();
    bench.add_partitions(sender(owner), &[partition(0)]).unwrap();
    bench.pass(4_999);
    assert_eq!(bench.endings, []);
    bench.pass(1);
    assert_eq!(bench.ending().duration_ms, 5_000);
}

#[test]
fn joining_never_writes_what_joined_before() {
    let (mut bench, owner) = open();
    for number in 1..100 {
        let partitions = [partition(number - 1), partition(number)];
        bench.step(|machine, env, out| machine.add_partitions(env, sender(owner), &partitions, out)).unwrap();
        assert_eq!(bench.written.len(), 1);
        assert!(bench.written[0].key.len() + bench.written[0].value.as_ref().unwrap().len() < 64);
    }
    let next = bench.end(sender(owner), V2, true).unwrap();
    assert_eq!(bench.ending().partitions.len(), 100);
    assert_eq!(bench.written.len(), 101);
    assert_eq!((bench.stored.len(), next), (1, producer(FIRST_ID, 1)));
}

#[test]
fn a_timeout_out_of_range_is_refused_and_nothing_changes() {
    let (mut bench, owner) = open();
    let stored = bench.stored.clone();
    for timeout_ms in [i32::MIN, -1, 0, 900_001, i32::MAX] {
        let request = InitRequest { timeout_ms, producer: None, fresh: None };
        let refused = bench.step(|machine, env, out| machine.init_producer_id(env, request, out));
        assert_eq!(refused, Err(TransactionError::InvalidTransactionTimeout), "{timeout_ms}");
    }
    assert_eq!(bench.stored, stored);
    assert!(bench.init_with(900_000, Some(owner)).is_ok());
}

#[test]
fn ids_that_no_record_can_hold_are_refused() {
    for id in ["", &"x".repeat(MAX_STRING_BYTES + 1)] {
        let mut bench = Bench::new();
        bench.machine = TransactionMachine::new(TransactionalId::from(id), bench.now());
        assert_eq!(bench.init(None), Err(TransactionError::InvalidRequest));
    }
    let (mut bench, owner) = open();
    let long = group(&"g".repeat(MAX_STRING_BYTES + 1));
    assert_eq!(bench.add_offsets(sender(owner), &long), Err(TransactionError::InvalidRequest));
    assert_eq!(bench.txn_offset_commit(sender(owner), &long, V2), Err(TransactionError::InvalidRequest));
}

#[test]
fn only_a_producer_with_both_numbers_is_named() {
    let expected = ProducerIdAndEpoch::expected;
    assert_eq!(expected(-1, -1), Ok(None));
    assert_eq!(expected(5, 0), Ok(Some(producer(5, 0))));
    for (id, epoch) in [(-1, 0), (5, -1), (-2, -2), (-2, 0), (5, -2)] {
        assert_eq!(expected(id, epoch), Err(TransactionError::InvalidRequest), "{id} {epoch}");
    }
}

fn by(producer: ProducerIdAndEpoch, connection: u64) -> Sender {
    Sender { producer, connection }
}

/// Producers of the older protocol saw the end of one transaction end the next one: a lost write (KAFKA-17754).
#[test]
fn an_end_that_waited_in_an_abandoned_connection_does_not_end_the_next_transaction() {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.add_partitions(by(owner, 1), &[partition(0)]).unwrap();
    // The first EndTxn hangs in connection 1; the client sends it again by another one, and goes on.
    assert_eq!(bench.end(by(owner, 2), V1, true), Ok(owner));
    bench.add_partitions(by(owner, 2), &[partition(1)]).unwrap();
    bench.ending();
    let stored = bench.stored.clone();
    for commit in [true, false] {
        assert_eq!(bench.end(by(owner, 1), V1, commit), Err(TransactionError::ProducerFenced));
    }
    let late = bench.add_partitions(by(owner, 1), &[partition(2)]);
    assert_eq!(late, Err(TransactionError::ProducerFenced));
    assert_eq!(bench.add_offsets(by(owner, 1), &group("g")), Err(TransactionError::ProducerFenced));
    assert_eq!((bench.stored.clone(), bench.endings.len()), (stored, 0));
    assert_eq!(bench.end(by(owner, 2), V1, true), Ok(owner));
}

/// In Kafka the id would be Empty, and the producer refused although its transaction was committed.
#[test]
fn an_init_producer_id_that_comes_late_leaves_the_end_to_be_told_again() {
    let mut bench = Bench::new();
    let first = bench.init(None).unwrap();
    let owner = bench.init(Some(first)).unwrap();
    // Its answer may have been lost.
    assert_eq!(bench.init(Some(first)), Ok(owner));
    bench.add_partitions(by(owner, 1), &[partition(0)]).unwrap();
    assert_eq!(bench.end(by(owner, 1), V1, true), Ok(owner));
    let stored = bench.stored.clone();
    assert_eq!(bench.init(Some(first)), Ok(owner));
    assert_eq!(bench.stored, stored);
    assert_eq!(bench.end(by(owner, 2), V1, true), Ok(owner));
}

#[test]
fn requests_of_different_kinds_may_come_by_different_connections() {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.add_partitions(by(owner, 9), &[partition(0)]).unwrap();
    bench.add_offsets(by(owner, 9), &group("g")).unwrap();
    assert!(bench.produce(by(owner, 5), &[partition(0)], V1).is_ok());
    assert!(bench.txn_offset_commit(by(owner, 3), &group("g"), V1).is_ok());
    // Older ones of the same kind.
    let refused = Err(TransactionError::ProducerFenced);
    assert_eq!(bench.produce(by(owner, 4), &[partition(0)], V1).map(drop), refused);
    assert_eq!(bench.txn_offset_commit(by(owner, 2), &group("g"), V1), refused);
    // The newer protocol goes by the epoch alone.
    assert!(bench.produce(by(owner, 1), &[partition(0)], V2).is_ok());
    assert!(bench.end(by(owner, 1), V2, true).is_ok());
}

#[test]
fn the_connections_of_one_epoch_do_not_count_for_the_next() {
    let mut bench = Bench::new();
    let first = bench.init(None).unwrap();
    bench.add_partitions(by(first, 9), &[partition(0)]).unwrap();
    let second = bench.init(None).unwrap();
    assert_eq!(bench.add_partitions(by(second, 1), &[partition(0)]), Ok(()));
}

#[test]
fn what_takes_part_without_an_open_transaction_is_damage() {
    let (bench, owner) = open();
    let key = bench.stored.keys().next_back().unwrap();
    let mut closed = Bench::new();
    closed.put(TransactionState::CompleteCommit, owner, None);
    for mut machine in [closed.machine, TransactionMachine::new("x".into(), bench.now())] {
        let mut out = Outcome::default();
        let damaged = machine.replay(bench.now(), key, &bench.stored[key], &mut out);
        assert_eq!(damaged, Err(RecordError::Damaged("belongs to no open transaction")));
    }
}

#[test]
fn a_transaction_has_a_thousand_groups_at_most() {
    let (mut bench, owner) = open();
    for number in 0..MAX_GROUPS {
        bench.add_offsets(sender(owner), &group(&number.to_string())).unwrap();
    }
    let more = group("more");
    assert_eq!(bench.add_offsets(sender(owner), &more), Err(TransactionError::InvalidRequest));
    assert_eq!(bench.txn_offset_commit(sender(owner), &more, V2), Err(TransactionError::InvalidRequest));
    assert_eq!(bench.txn_offset_commit(sender(owner), &group("7"), V2), Ok(()), "it takes part already");
    bench.end(sender(owner), V2, true).unwrap();
    assert_eq!(bench.ending().groups.len(), MAX_GROUPS);
}

/// With an id of 32 KiB about 8 000 partitions fill an end; with a short one it takes half a million.
#[test]
fn the_partitions_of_a_transaction_are_bounded_by_the_size_of_its_end() {
    let id = "i".repeat(MAX_STRING_BYTES);
    let most = i32::try_from(MAX_END_BYTES / (id.len() + END_BYTES)).unwrap();
    let mut bench = Bench::new();
    bench.machine = TransactionMachine::new(TransactionalId::from(id.as_str()), bench.now());
    let owner = bench.init(None).unwrap();
    let stored = bench.stored.clone();
    let too_many: Vec<_> = (0..=most).map(partition).collect();
    assert_eq!(bench.produce(sender(owner), &too_many, V2), Err(TransactionError::InvalidRequest));
    assert_eq!(bench.add_partitions(sender(owner), &too_many), Err(TransactionError::InvalidRequest));
    assert_eq!(bench.stored, stored, "nothing has begun");
    bench.add_partitions(sender(owner), &too_many[..100]).unwrap();
    let rest = &too_many[100..];
    assert_eq!(bench.add_partitions(sender(owner), rest), Err(TransactionError::InvalidRequest), "together");

    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.add_partitions(sender(owner), &too_many).unwrap();
}
