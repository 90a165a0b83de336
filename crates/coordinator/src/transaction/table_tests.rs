//! Kafka's tables of states, cell by cell: every event in every state, by both protocols.
//!
//! An id whose owner is at epoch 7 was at epoch 6 before; one that is at epoch 0 of producer id 1001 was at
//! the last epoch of producer id 1000.

mod prepared;

use super::{
    EndCause, Ending, ProducerIdAndEpoch,
    Protocol::{self, V1, V2},
    TransactionError::{self, InvalidProducerIdMapping, InvalidTxnState, NotInTransaction, ProducerFenced},
    TransactionState::{self, CompleteAbort, CompleteCommit, Empty, Ongoing},
    identity::LAST_EPOCH,
    testing::{Bench, FIRST_ID, OWN, TIMEOUT_MS, group, partition, producer, sender},
};
use crate::state_machine::StateMachine;

const STATES: [TransactionState; 4] = [Empty, Ongoing, CompleteCommit, CompleteAbort];
/// The time on the open clock at which the transaction of a bench begins.
const BEGUN_MS: u64 = 1_000;
const COMMIT: bool = true;
const ABORT: bool = false;

/// The owner of an id in these tests.
fn owner() -> ProducerIdAndEpoch {
    producer(FIRST_ID, 7)
}

/// An id in a state, its owner at epoch 7 after epoch 6, one partition and one group in an open transaction.
fn bench(state: TransactionState) -> Bench {
    bench_of(state, owner(), Some(producer(FIRST_ID, 6)))
}

fn bench_of(state: TransactionState, current: ProducerIdAndEpoch, last: Option<ProducerIdAndEpoch>) -> Bench {
    let mut bench = Bench::new();
    bench.next_id = FIRST_ID + 1;
    // Before the transaction that is open, for `begin` writes the same as in the tests.
    bench.put(if state == Ongoing { Empty } else { state }, current, last);
    if state == Ongoing {
        bench.add_partitions(sender(current), &[partition(0)]).unwrap();
        bench.add_offsets(sender(current), &group("g")).unwrap();
    }
    bench.pass(5);
    bench
}

/// An end of what `bench_of` has open: all of it, in one shard.
fn ending(marker_epoch: i16, commit: bool, cause: EndCause) -> Ending {
    Ending {
        transactional_id: "x".into(),
        shard: OWN,
        number: BEGUN_MS + 5,
        producer_id: owner().id,
        marker_epoch,
        raises_epoch: true,
        commit,
        partitions: vec![partition(0)],
        groups: vec![group("g")],
        cause,
        duration_ms: 5,
    }
}

/// A cell of the table of EndTxn.
#[derive(Clone, Copy, Debug)]
enum Cell {
    /// Refused; nothing changes.
    Refused(TransactionError),
    /// Answered with what is stored; nothing changes.
    Repeat,
    /// Ends what is open.
    Ends,
    /// Aborts nothing and raises the epoch.
    EmptyAbort,
}
use Cell::{EmptyAbort, Ends, Refused, Repeat};

/// Sends an EndTxn and checks everything that the cell says.
fn check_end(mut bench: Bench, sent: ProducerIdAndEpoch, protocol: Protocol, commit: bool, cell: Cell) {
    let (before, current, state) = (bench.stored.clone(), bench.current(), bench.state());
    let what = format!("{state:?} at {current:?}, {sent:?} {protocol:?} commit {commit}: {cell:?}");
    let answer = bench.end(sender(sent), protocol, commit);
    let raised = if current.epoch == LAST_EPOCH {
        producer(FIRST_ID + 1, 0)
    } else {
        producer(current.id.0, current.epoch + 1)
    };
    match cell {
        Refused(error) => assert_eq!(answer, Err(error), "{what}"),
        Repeat => assert_eq!(answer, Ok(current), "{what}"),
        Ends | EmptyAbort => {
            let next = if protocol == V1 { current } else { raised };
            assert_eq!(answer, Ok(next), "{what}");
            assert_eq!(bench.state(), Some(if commit { CompleteCommit } else { CompleteAbort }), "{what}");
            assert_eq!(bench.current(), next, "{what}");
        }
    }
    if matches!(cell, Ends) {
        let marker_epoch = if protocol == V1 { current.epoch } else { current.epoch + 1 };
        let raises_epoch = protocol == V2;
        let expected = Ending { raises_epoch, ..ending(marker_epoch, commit, EndCause::Producer) };
        assert_eq!(bench.ending(), expected, "{what}");
    } else {
        assert_eq!(bench.endings, [], "{what}");
    }
    if matches!(cell, Refused(_) | Repeat) {
        assert_eq!(bench.stored, before, "{what}");
    }
}

#[test]
fn end_txn_of_the_older_protocol_in_every_state() {
    let rows = [
        (Empty, Refused(InvalidTxnState), Refused(InvalidTxnState)),
        (Ongoing, Ends, Ends),
        (CompleteCommit, Repeat, Refused(InvalidTxnState)),
        (CompleteAbort, Refused(InvalidTxnState), Repeat),
    ];
    for (state, commit, abort) in rows {
        check_end(bench(state), owner(), V1, COMMIT, commit);
        check_end(bench(state), owner(), V1, ABORT, abort);
        // Its last epoch changes nothing: the epoch stays.
        let last = || bench_of(state, producer(FIRST_ID, LAST_EPOCH), None);
        check_end(last(), producer(FIRST_ID, LAST_EPOCH), V1, COMMIT, commit);
        check_end(last(), producer(FIRST_ID, LAST_EPOCH), V1, ABORT, abort);
    }
}

#[test]
fn end_txn_of_the_newer_protocol_in_every_state() {
    // Commit and abort with the epoch before, then commit and abort with the current one.
    let fenced = Refused(ProducerFenced);
    let wrong = Refused(InvalidTxnState);
    let rows = [
        (Empty, [fenced, fenced, wrong, EmptyAbort]),
        (Ongoing, [fenced, fenced, Ends, Ends]),
        (CompleteCommit, [Repeat, wrong, wrong, EmptyAbort]),
        (CompleteAbort, [wrong, Repeat, wrong, EmptyAbort]),
    ];
    for (state, [again_commit, again_abort, commit, abort]) in rows {
        let before = producer(FIRST_ID, 6);
        check_end(bench(state), before, V2, COMMIT, again_commit);
        check_end(bench(state), before, V2, ABORT, again_abort);
        check_end(bench(state), owner(), V2, COMMIT, commit);
        check_end(bench(state), owner(), V2, ABORT, abort);

        // The epoch before was the last of another producer id.
        let before = producer(FIRST_ID, LAST_EPOCH);
        let wrapped = || bench_of(state, producer(FIRST_ID + 1, 0), Some(before));
        check_end(wrapped(), before, V2, COMMIT, again_commit);
        check_end(wrapped(), before, V2, ABORT, again_abort);

        // The current epoch is the last of its producer id.
        let last = || bench_of(state, before, Some(producer(FIRST_ID, LAST_EPOCH - 1)));
        check_end(last(), before, V2, COMMIT, commit);
        check_end(last(), before, V2, ABORT, abort);
    }
}

#[test]
fn end_txn_of_any_other_producer_is_refused() {
    for state in STATES {
        for (protocol, commit) in [(V1, COMMIT), (V1, ABORT), (V2, COMMIT), (V2, ABORT)] {
            for epoch in [0, 5, 8, LAST_EPOCH, i16::MAX] {
                let sent = producer(FIRST_ID, epoch);
                check_end(bench(state), sent, protocol, commit, Refused(ProducerFenced));
            }
            let other = producer(FIRST_ID + 9, 7);
            check_end(bench(state), other, protocol, commit, Refused(InvalidProducerIdMapping));
        }
        // In the older protocol the epoch before is an old one like any other.
        let before = producer(FIRST_ID, 6);
        check_end(bench(state), before, V1, COMMIT, Refused(ProducerFenced));
        check_end(bench(state), before, V1, ABORT, Refused(ProducerFenced));
        // In Kafka such an end is told the epoch of the new owner.
        let taken_over = || bench_of(state, owner(), None);
        check_end(taken_over(), before, V2, COMMIT, Refused(ProducerFenced));
        check_end(taken_over(), before, V2, ABORT, Refused(ProducerFenced));
    }
}

#[test]
fn an_end_of_an_unknown_id_is_refused() {
    let mut bench = Bench::new();
    for protocol in [V1, V2] {
        assert_eq!(bench.end(sender(owner()), protocol, ABORT), Err(InvalidProducerIdMapping));
    }
    assert!(bench.stored.is_empty());
}

#[test]
fn what_joins_begins_a_transaction_in_every_state() {
    type Join = fn(&mut Bench) -> Result<(), TransactionError>;
    let joins: [(&str, Join); 4] = [
        ("AddPartitionsToTxn", |bench| bench.add_partitions(sender(owner()), &[partition(3)])),
        ("AddOffsetsToTxn", |bench| bench.add_offsets(sender(owner()), &group("h"))),
        ("Produce 12", |bench| bench.produce(sender(owner()), &[partition(3)], V2).map(drop)),
        ("TxnOffsetCommit 5", |bench| bench.txn_offset_commit(sender(owner()), &group("h"), V2)),
    ];
    for state in STATES {
        for (name, join) in joins {
            let mut bench = bench(state);
            let started = bench.machine.describe().unwrap().started_at_ms;
            assert_eq!(join(&mut bench), Ok(()), "{name} in {state:?}");
            assert_eq!(bench.state(), Some(Ongoing), "{name} in {state:?}");
            assert_eq!(bench.current(), owner(), "{name} in {state:?}");
            let begun = state != Ongoing;
            let now = bench.now().unix_ms;
            let expected = if begun { now } else { started };
            assert_eq!(bench.machine.describe().unwrap().started_at_ms, expected, "{name} in {state:?}");
            // Only what is new is written: the participant, and the id if it changes its state.
            assert_eq!(bench.written.len(), 1 + usize::from(begun), "{name} in {state:?}");
            // Again: nothing.
            assert_eq!(join(&mut bench), Ok(()));
            assert_eq!(bench.written, []);
        }
    }
}

#[test]
fn the_older_protocol_writes_only_where_it_was_announced() {
    for state in STATES {
        let mut bench = bench(state);
        let before = bench.stored.clone();
        let announced = if state == Ongoing { Ok(()) } else { Err(NotInTransaction) };
        let results = bench.produce(sender(owner()), &[partition(0), partition(1)], V1);
        assert_eq!(results, Ok(vec![announced, Err(NotInTransaction)]), "{state:?}");
        let verified = bench.machine.verify_partitions(sender(owner()), &[partition(0), partition(1)]);
        assert_eq!(verified, Ok(vec![announced, Err(NotInTransaction)]), "{state:?}");
        assert_eq!(bench.txn_offset_commit(sender(owner()), &group("g"), V1), announced, "{state:?}");
        let other = bench.txn_offset_commit(sender(owner()), &group("h"), V1);
        assert_eq!(other, Err(NotInTransaction), "{state:?}");
        assert_eq!(bench.stored, before);
    }
}

#[test]
fn nothing_joins_by_a_producer_that_is_not_the_owner() {
    let cases = [
        (producer(FIRST_ID, 6), ProducerFenced),
        (producer(FIRST_ID, 8), ProducerFenced),
        (producer(FIRST_ID + 9, 7), InvalidProducerIdMapping),
    ];
    for state in STATES {
        for (sent, error) in cases {
            let mut bench = bench(state);
            let before = bench.stored.clone();
            assert_eq!(bench.add_partitions(sender(sent), &[partition(0)]), Err(error));
            assert_eq!(bench.machine.verify_partitions(sender(sent), &[partition(0)]), Err(error));
            assert_eq!(bench.add_offsets(sender(sent), &group("g")), Err(error));
            for protocol in [V1, V2] {
                assert_eq!(bench.produce(sender(sent), &[partition(0)], protocol), Err(error));
                assert_eq!(bench.txn_offset_commit(sender(sent), &group("g"), protocol), Err(error));
            }
            assert_eq!(bench.stored, before);
        }
    }
    let mut unknown = Bench::new();
    let refused = unknown.add_partitions(sender(owner()), &[partition(0)]);
    assert_eq!(refused, Err(InvalidProducerIdMapping));
    assert!(unknown.stored.is_empty());
}

#[test]
fn the_timeout_ends_what_is_open_and_nothing_else() {
    for state in STATES {
        let mut bench = bench(state);
        bench.pass(u64::from(TIMEOUT_MS) - 6);
        assert_eq!((bench.state(), bench.endings.len()), (Some(state), 0), "a moment before");
        bench.pass(1);
        if state != Ongoing {
            assert_eq!((bench.state(), bench.current()), (Some(state), owner()));
            continue;
        }
        let duration_ms = u64::from(TIMEOUT_MS);
        let number = BEGUN_MS + duration_ms;
        let expected = Ending { duration_ms, number, ..ending(8, ABORT, EndCause::Timeout) };
        assert_eq!(bench.ending(), expected);
        assert_eq!((bench.state(), bench.current()), (Some(CompleteAbort), producer(FIRST_ID, 8)));
        // Its producer's own end comes too late: the abort is a repeat, the commit is not.
        assert_eq!(bench.end(sender(owner()), V2, COMMIT), Err(InvalidTxnState));
        assert_eq!(bench.end(sender(owner()), V2, ABORT), Ok(producer(FIRST_ID, 8)));
        assert_eq!(bench.end(sender(owner()), V1, ABORT), Err(ProducerFenced));
    }
}

#[test]
fn a_timeout_at_the_last_epoch_gives_out_no_epoch_beyond_it() {
    let last = producer(FIRST_ID, LAST_EPOCH);
    let mut bench = bench_of(Ongoing, last, None);
    bench.pass(u64::from(TIMEOUT_MS));
    assert_eq!(bench.ending().marker_epoch, i16::MAX);
    // As in Kafka, where another producer id is the current one by now.
    let fenced = bench.add_partitions(sender(last), &[partition(0)]);
    assert_eq!(fenced, Err(InvalidProducerIdMapping));
    let beyond = producer(FIRST_ID, i16::MAX);
    assert_eq!(bench.end(sender(beyond), V1, ABORT), Err(InvalidProducerIdMapping));
    assert_eq!(bench.end(sender(last), V2, COMMIT), Err(InvalidTxnState));
    let next = producer(FIRST_ID + 1, 0);
    assert_eq!(bench.end(sender(last), V2, ABORT), Ok(next));
    assert_eq!(bench.end(sender(last), V2, ABORT), Ok(next), "again the same");
}

#[test]
fn ids_expire_only_outside_a_transaction() {
    for state in STATES {
        let mut bench = bench(state);
        bench.config.id_expiration_ms = 1_000;
        // Not before its time, which counts from the last change.
        bench.step(|machine, env, out| machine.tick(env, out));
        bench.pass(994);
        assert_eq!(bench.state(), Some(state));
        bench.pass(1);
        if state == Ongoing {
            assert_eq!(bench.state(), Some(Ongoing));
            continue;
        }
        assert!(bench.machine.is_forgettable());
        assert!(bench.stored.is_empty());
        assert_eq!(bench.add_partitions(sender(owner()), &[partition(0)]), Err(InvalidProducerIdMapping));
        let next = bench.next_id;
        assert_eq!(bench.init(Some(owner())), Ok(producer(next, 0)), "as of a new id");
    }
}

/// A cell of the table of epochs: an InitProducerId in a state other than Ongoing.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// The stored epoch plus one; the named producer may ask again.
    Raised,
    /// The same as before.
    Same,
    /// A new producer id at epoch 0.
    NewId,
    Fenced,
}

#[test]
fn init_producer_id_outside_a_transaction() {
    let at = |epoch| producer(FIRST_ID, epoch);
    let rows = [
        // Stored, last, named, next.
        (at(7), Some(at(6)), None, Next::Raised),
        (at(7), Some(at(6)), Some(at(7)), Next::Raised),
        (at(7), Some(at(6)), Some(at(6)), Next::Same),
        (at(7), Some(at(6)), Some(at(5)), Next::Fenced),
        (at(7), Some(at(6)), Some(at(8)), Next::Fenced),
        (at(7), None, Some(at(6)), Next::Fenced),
        (at(7), Some(at(6)), Some(producer(FIRST_ID + 9, 7)), Next::Fenced),
        (at(7), Some(at(6)), Some(producer(FIRST_ID + 9, LAST_EPOCH)), Next::Fenced),
        (at(32_765), None, None, Next::Raised),
        (at(LAST_EPOCH), Some(at(32_765)), None, Next::NewId),
        (at(LAST_EPOCH), Some(at(32_765)), Some(at(LAST_EPOCH)), Next::NewId),
        (at(LAST_EPOCH), Some(at(32_765)), Some(at(32_765)), Next::Same),
        (at(LAST_EPOCH), None, Some(at(32_765)), Next::Fenced),
        // The producer id was replaced in an answer that its owner may not have got.
        (producer(FIRST_ID + 1, 0), Some(at(LAST_EPOCH)), Some(at(LAST_EPOCH)), Next::Same),
        (producer(FIRST_ID + 1, 0), Some(at(LAST_EPOCH)), Some(at(32_765)), Next::Fenced),
        (producer(FIRST_ID + 1, 0), None, Some(at(LAST_EPOCH)), Next::Fenced),
    ];
    for state in [Empty, CompleteCommit, CompleteAbort] {
        for (current, last, named, next) in rows {
            let mut bench = bench_of(state, current, last);
            bench.next_id = FIRST_ID + 2;
            let before = bench.stored.clone();
            let what = format!("{state:?} at {current:?} after {last:?}, named {named:?}: {next:?}");
            let answer = bench.init(named);
            let expected = match next {
                Next::Raised => Ok(producer(current.id.0, current.epoch + 1)),
                Next::Same => Ok(current),
                Next::NewId => Ok(producer(FIRST_ID + 2, 0)),
                Next::Fenced => Err(ProducerFenced),
            };
            assert_eq!(answer, expected, "{what}");
            assert_eq!(bench.endings, [], "{what}");
            match answer {
                Ok(answer) => {
                    assert_eq!((bench.state(), bench.current()), (Some(Empty), answer), "{what}");
                    check_repeat(&mut bench, named, answer);
                }
                Err(_) => assert_eq!(bench.stored, before, "{what}"),
            }
        }
    }
}

/// The sender asks again, since the answer was lost. A new owner cannot: it has to begin anew, as any other.
fn check_repeat(bench: &mut Bench, named: Option<ProducerIdAndEpoch>, answer: ProducerIdAndEpoch) {
    bench.restart();
    match named {
        Some(named) => assert_eq!(bench.init(Some(named)), Ok(answer), "asks again, after a restart"),
        None => {
            let before = producer(answer.id.0, answer.epoch - 1);
            let refused = if answer.epoch == 0 {
                bench.init(Some(producer(FIRST_ID, LAST_EPOCH)))
            } else {
                bench.init(Some(before))
            };
            assert_eq!(refused, Err(ProducerFenced), "the owner before is told nothing");
        }
    }
}

#[test]
fn init_producer_id_aborts_what_is_open_and_answers_at_once() {
    let at = |epoch| producer(FIRST_ID, epoch);
    let rows = [
        // Stored, named, the epoch of the markers, and the answer: that of Kafka's second try.
        (at(0), None, 1, at(2)),
        (at(0), Some(at(0)), 1, at(1)),
        (at(32_764), None, 32_765, at(LAST_EPOCH)),
        (at(32_765), None, LAST_EPOCH, producer(FIRST_ID + 1, 0)),
        (at(32_765), Some(at(32_765)), LAST_EPOCH, at(LAST_EPOCH)),
        (at(LAST_EPOCH), None, i16::MAX, producer(FIRST_ID + 1, 1)),
        (at(LAST_EPOCH), Some(at(LAST_EPOCH)), i16::MAX, producer(FIRST_ID + 1, 0)),
    ];
    for (current, named, marker_epoch, next) in rows {
        let mut bench = bench_of(Ongoing, current, None);
        assert_eq!(bench.init(named), Ok(next), "at {current:?}, named {named:?}");
        assert_eq!(bench.ending(), ending(marker_epoch, ABORT, EndCause::Fenced));
        assert_eq!((bench.state(), bench.current()), (Some(Empty), next));
        assert_eq!(bench.machine.describe().unwrap().started_at_ms, -1);
        if let Some(named) = named {
            bench.restart();
            assert_eq!(bench.init(Some(named)), Ok(next), "asks again");
        }
    }
}

/// In Kafka 4.3 such a request aborts the transaction of the live owner and fences it, and only its second
/// try is refused.
#[test]
fn init_producer_id_of_an_old_epoch_never_touches_a_live_owner() {
    let before = producer(FIRST_ID, LAST_EPOCH);
    let cases = [
        (owner(), Some(producer(FIRST_ID, 6)), producer(FIRST_ID, 6)),
        (owner(), None, producer(FIRST_ID, 6)),
        (owner(), Some(producer(FIRST_ID, 6)), producer(FIRST_ID, 0)),
        (owner(), Some(producer(FIRST_ID, 6)), producer(FIRST_ID, 8)),
        (owner(), Some(producer(FIRST_ID, 6)), producer(FIRST_ID + 9, 7)),
        (producer(FIRST_ID + 1, 0), Some(before), before),
    ];
    for (current, last, named) in cases {
        let mut bench = bench_of(Ongoing, current, last);
        let stored = bench.stored.clone();
        assert_eq!(bench.init(Some(named)), Err(ProducerFenced), "{named:?} while {current:?} is open");
        assert_eq!((&bench.stored, bench.endings.len()), (&stored, 0));
        assert!(bench.end(sender(current), V2, COMMIT).is_ok());
    }
}

#[test]
fn the_first_init_producer_id_gives_a_new_producer_id_at_epoch_0() {
    for named in [None, Some(owner())] {
        let mut bench = Bench::new();
        assert_eq!(bench.init(named), Ok(producer(FIRST_ID, 0)));
        assert_eq!((bench.state(), bench.endings.len()), (Some(Empty), 0));
        if named.is_some() {
            bench.restart();
            assert_eq!(bench.init(named), Ok(producer(FIRST_ID, 0)), "asks again");
        }
    }
}

#[test]
fn an_administrator_aborts_what_its_marker_names() {
    for state in STATES {
        for (named, is_open) in [(owner(), state == Ongoing), (producer(FIRST_ID, 6), false)] {
            let mut bench = bench(state);
            let before = bench.stored.clone();
            let result = bench.step(|machine, env, out| machine.abort_by_admin(env, named, out));
            if is_open {
                assert_eq!(result, Ok(()));
                assert_eq!(bench.ending(), ending(8, ABORT, EndCause::Admin));
                assert_eq!(bench.end(sender(owner()), V2, ABORT), Ok(producer(FIRST_ID, 8)));
            } else {
                assert_eq!((result, &bench.stored), (Err(InvalidTxnState), &before));
            }
        }
    }
}
