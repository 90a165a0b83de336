//! Descriptions and lists.

use super::super::testing::{Bench, FIRST_ID, TIMEOUT_MS, group, partition, partition_in, producer, sender};
use super::super::{Protocol, TransactionError, TransactionState};
use super::*;

#[test]
fn describes_what_takes_part_while_the_transaction_is_open() {
    let mut bench = Bench::new();
    assert_eq!(bench.machine.describe(), Err(TransactionError::TransactionalIdNotFound));
    assert_eq!(bench.machine.overview(), None);
    let owner = bench.init(None).unwrap();
    let empty = Description {
        state: TransactionState::Empty,
        producer: producer(FIRST_ID, 0),
        timeout_ms: TIMEOUT_MS,
        started_at_ms: -1,
        partitions: Vec::new(),
        groups: Vec::new(),
    };
    assert_eq!(bench.machine.describe(), Ok(empty.clone()));
    bench.pass(10);
    bench.produce(sender(owner), &[partition(2), partition(1)], Protocol::V2).unwrap().remove(0).unwrap();
    bench.txn_offset_commit(sender(owner), &group("g"), Protocol::V2).unwrap();
    let open = Description {
        state: TransactionState::Ongoing,
        started_at_ms: 1_000_010,
        partitions: vec![partition(1), partition(2)],
        groups: vec![group("g")],
        ..empty
    };
    assert_eq!(bench.machine.describe(), Ok(open.clone()));
    bench.pass(10);
    let next = bench.end(sender(owner), Protocol::V2, true).unwrap();
    // It keeps its start, as in Kafka.
    let ended = Description {
        state: TransactionState::CompleteCommit,
        producer: next,
        partitions: Vec::new(),
        groups: Vec::new(),
        ..open
    };
    assert_eq!(bench.machine.describe(), Ok(ended));
}

#[test]
fn describes_what_has_no_marker_yet_while_the_end_is_under_way() {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.produce(sender(owner), &[partition(0), partition_in(1, 1)], Protocol::V2).unwrap();
    let next = bench.end(sender(owner), Protocol::V2, false).unwrap();
    let description = bench.machine.describe().unwrap();
    assert_eq!((description.state, description.producer), (TransactionState::PrepareAbort, next));
    assert_eq!(description.partitions, [partition_in(1, 1)]);
    // A marker by hand must not meet it, and its offsets wait for it.
    assert_eq!(bench.machine.open_producer(), Some(owner));
    assert_eq!(bench.machine.open(), None, "no timeout is over it");
}

#[test]
fn an_abort_of_nothing_has_its_own_start() {
    let mut bench = Bench::new();
    let owner = bench.init(None).unwrap();
    bench.pass(10);
    bench.end(sender(owner), Protocol::V2, false).unwrap();
    assert_eq!(bench.machine.describe().unwrap().started_at_ms, 1_000_010);
}

fn overview() -> Overview {
    Overview {
        id: "orders-7".into(),
        state: TransactionState::Ongoing,
        producer_id: ProducerId(5),
        started_at_ms: 1_000,
    }
}

#[test]
fn lists_what_all_filters_admit() {
    let by = |filter: Filter| filter.admits(&overview(), 1_500);
    assert!(by(Filter::default()));
    let states = |states: &[TransactionState]| Filter { states: Some(states.to_vec()), ..Filter::default() };
    assert!(by(states(&[TransactionState::Empty, TransactionState::Ongoing])));
    assert!(!by(states(&[TransactionState::Empty])));
    assert!(!by(states(&[])), "only unknown names were given");
    let producers = |ids: &[i64]| Filter {
        producer_ids: ids.iter().map(|id| ProducerId(*id)).collect(),
        ..Filter::default()
    };
    assert!(by(producers(&[4, 5])));
    assert!(!by(producers(&[4])));
    let older = |ms| Filter { older_than_ms: Some(ms), ..Filter::default() };
    assert!(by(older(499)));
    assert!(!by(older(500)));
    let both = Filter { older_than_ms: Some(499), ..producers(&[4]) };
    assert!(!by(both));
}

#[test]
fn an_id_that_never_began_a_transaction_counts_as_very_old() {
    let never = Overview { started_at_ms: -1, ..overview() };
    let filter = Filter { older_than_ms: Some(1_000_000_000), ..Filter::default() };
    assert!(filter.admits(&never, 1_700_000_000_000));
}

#[test]
fn a_pattern_is_of_the_whole_id() {
    let matches =
        |text| Filter { pattern: Some(pattern(text).unwrap()), ..Filter::default() }.admits(&overview(), 0);
    assert!(matches("orders-.*"));
    assert!(matches("orders-7|other"));
    assert!(!matches("orders"));
    assert!(!matches("rders-7"));
    for bad in ["(", "a)|(b", "*", "a{1000}{1000}"] {
        assert!(pattern(bad).is_err(), "{bad}");
    }
}

#[test]
fn kafkas_names_of_states_are_known() {
    for name in ["Empty", "Ongoing", "PrepareCommit", "CompleteAbort", "Dead", "PrepareEpochFence"] {
        assert!(TransactionState::is_known(name), "{name}");
    }
    assert!(!TransactionState::is_known("ongoing"));
    assert_eq!(TransactionState::named("PrepareAbort"), Some(TransactionState::PrepareAbort));
    assert_eq!(TransactionState::named("Dead"), None);
}
