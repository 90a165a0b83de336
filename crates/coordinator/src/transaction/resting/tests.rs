//! When an id may rest, and what is read of one that does.

use super::super::testing::{Bench, FIRST_ID, OWN, TIMEOUT_MS, group, partition, partition_in, sender};
use super::super::{
    ProducerId,
    Protocol::{V1, V2},
    TransactionState,
};
use super::*;
use crate::state_machine::StateMachine;

/// The key and the value of the only record.
fn record(bench: &Bench) -> (&[u8], &[u8]) {
    let (key, value) = bench.stored.first_key_value().unwrap();
    assert_eq!(bench.stored.len(), 1);
    (key, value)
}

#[test]
fn an_id_rests_unless_its_transaction_is_open_or_a_late_request_is_told_by_its_connection() {
    let mut bench = Bench::new();
    assert_eq!(bench.machine.rests_after_ms(), Some(AFTER_MS), "nothing is known of it");
    let owner = bench.init(None).unwrap();
    assert_eq!(bench.machine.rests_after_ms(), Some(AFTER_MS));
    bench.produce(sender(owner), &[partition(0)], V2).unwrap();
    assert_eq!(bench.machine.rests_after_ms(), None);
    let owner = bench.end(sender(owner), V2, true).unwrap();
    assert_eq!(bench.machine.rests_after_ms(), Some(AFTER_MS));
    bench.add_partitions(sender(owner), &[partition(0)]).unwrap();
    assert_eq!(bench.machine.rests_after_ms(), None);
    bench.end(sender(owner), V1, true).unwrap();
    assert_eq!(bench.machine.rests_after_ms(), Some(AFTER_CONNECTIONS_MS));
    bench.init(None).unwrap();
    assert_eq!(bench.machine.rests_after_ms(), Some(AFTER_MS), "they are of an older epoch");
}

/// The timer for it is in memory only.
#[test]
fn an_id_with_an_end_under_way_neither_rests_nor_is_due() {
    let mut bench = Bench::new();
    bench.config.id_expiration_ms = 1_000;
    let owner = bench.init(None).unwrap();
    bench.produce(sender(owner), &[partition_in(1, 0)], V2).unwrap();
    bench.end(sender(owner), V2, true).unwrap();
    assert_eq!(bench.machine.rests_after_ms(), None);
    bench.now_ms += 10 * u64::from(TIMEOUT_MS);
    let env = Env { now: bench.now(), config: &bench.config, shard: OWN };
    let (key, value) = bench.stored.first_key_value().unwrap();
    assert_eq!(due(env, key, value), Ok(None));
    let open = records::open_producer(value).unwrap();
    assert_eq!(
        (open, overview(key, value).unwrap().unwrap().state),
        (Some(owner.id), TransactionState::PrepareCommit)
    );
    let ending = bench.handed_out().remove(0);
    bench.applied(&ending);
    assert_eq!(bench.machine.rests_after_ms(), Some(AFTER_MS));
}

#[test]
fn a_machine_that_may_rest_has_one_record() {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.add_partitions(sender(owner), &[partition(0), partition(1)]).unwrap();
    bench.add_offsets(sender(owner), &group("g")).unwrap();
    let keys = TransactionMachine::keys(bench.machine.id());
    assert_eq!(keys.len(), 3);
    assert!(bench.stored.contains_key(&keys[0]), "the whole key of the first");
    let of_prefix = |prefix: &[u8]| bench.stored.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!(keys.iter().map(|key| of_prefix(key)).collect::<Vec<_>>(), [1, 2, 1]);
    bench.end(sender(owner), V1, false).unwrap();
    assert_eq!(record(&bench).0, keys[0]);
}

#[test]
fn a_record_tells_what_a_list_shows() {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.produce(sender(owner), &[partition(0)], V2).unwrap();
    bench.end(sender(owner), V2, false).unwrap();
    let (key, value) = record(&bench);
    let told = overview(key, value).unwrap();
    assert_eq!(told, bench.machine.overview());
    assert_eq!(told.unwrap().state, TransactionState::CompleteAbort);
    assert!(overview(key, &value[1..]).is_err());
}

#[test]
fn a_record_is_due_when_its_deadline_is_over() {
    let mut bench = Bench::new();
    bench.config.id_expiration_ms = 1_000;
    let owner = bench.init(None).unwrap();
    let due = |bench: &Bench| {
        let env = Env { now: bench.now(), config: &bench.config, shard: OWN };
        let (key, value) = bench.stored.first_key_value().unwrap();
        due(env, key, value).unwrap()
    };
    bench.now_ms += 999;
    assert_eq!(due(&bench), None);
    bench.now_ms += 1;
    assert_eq!(due(&bench).as_ref(), Some(bench.machine.id()));
    // One that is open has another deadline, and is found by it, though it has a timer of its own.
    bench.produce(sender(owner), &[partition(0)], V2).unwrap();
    bench.now_ms += u64::from(TIMEOUT_MS) - 1;
    assert_eq!(due(&bench), None);
    let open = bench.machine.open().unwrap();
    assert_eq!((open.producer_id, open.deadline_open_ms), (ProducerId(FIRST_ID), bench.now().open_ms + 1));
    bench.now_ms += 1;
    assert_eq!(due(&bench).as_ref(), Some(bench.machine.id()));
}
