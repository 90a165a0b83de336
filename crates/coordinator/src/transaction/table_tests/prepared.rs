//! The rows of the tables for an id whose last end is decided and still under way in another shard: PrepareCommit and
//! PrepareAbort. Every request of the owner waits (CONCURRENT_TRANSACTIONS), except an end that contradicts the decided
//! one; no request changes anything.

use super::super::{
    ProducerIdAndEpoch,
    Protocol::{self, V1, V2},
    TransactionError::{
        self, ConcurrentTransactions, InvalidProducerIdMapping, InvalidTxnState, ProducerFenced,
    },
    TransactionState::{PrepareAbort, PrepareCommit},
    testing::{Bench, FIRST_ID, TIMEOUT_MS, group, group_in, partition, partition_in, producer, sender},
};
use super::{ABORT, COMMIT, bench_of, owner};

/// How an end was decided.
#[derive(Clone, Copy, Debug)]
enum By {
    Producer(Protocol),
    Timeout,
}

/// Every way into the two states: the id, its current producer, and the decision.
fn all() -> [(Bench, ProducerIdAndEpoch, By, bool); 5] {
    let ways = [
        (By::Producer(V1), COMMIT),
        (By::Producer(V1), ABORT),
        (By::Producer(V2), COMMIT),
        (By::Producer(V2), ABORT),
        (By::Timeout, ABORT),
    ];
    ways.map(|(by, commit)| {
        let mut bench = bench_of(super::Empty, owner(), Some(producer(FIRST_ID, 6)));
        bench.add_partitions(sender(owner()), &[partition(0), partition_in(1, 1)]).unwrap();
        bench.add_offsets(sender(owner()), &group_in(1, "g")).unwrap();
        match by {
            By::Producer(protocol) => {
                bench.end(sender(owner()), protocol, commit).unwrap();
            }
            By::Timeout => bench.pass(u64::from(TIMEOUT_MS)),
        }
        assert_eq!(bench.state(), Some(if commit { PrepareCommit } else { PrepareAbort }), "{by:?}");
        let epoch = if matches!(by, By::Producer(V1)) { 7 } else { 8 };
        assert_eq!(bench.current(), producer(FIRST_ID, epoch), "{by:?}");
        (bench, producer(FIRST_ID, epoch), by, commit)
    })
}

/// The request is refused, and nothing has changed; also once more after a restart.
fn refused<T: std::fmt::Debug + PartialEq>(
    bench: &mut Bench,
    error: TransactionError,
    what: &str,
    request: impl Fn(&mut Bench) -> Result<T, TransactionError>,
) {
    let (stored, endings) = (bench.stored.clone(), bench.endings.len());
    assert_eq!(request(bench), Err(error), "{what}");
    assert_eq!((&bench.stored, bench.endings.len()), (&stored, endings), "{what}");
    bench.restart();
    assert_eq!(request(bench), Err(error), "{what}, after a restart");
    assert_eq!((&bench.stored, bench.endings.len()), (&stored, endings), "{what}");
}

#[test]
fn end_txn_while_an_end_is_under_way() {
    for (mut bench, current, by, commit) in all() {
        let last = producer(FIRST_ID, current.epoch - 1);
        let (waits, wrong, fenced) = (ConcurrentTransactions, InvalidTxnState, ProducerFenced);
        let rows = [
            // Sent, protocol, the answer to the decided end and to the other one.
            (last, V2, waits, wrong),
            (last, V1, fenced, fenced),
            (current, V1, waits, wrong),
            // For the transaction after it.
            (current, V2, waits, waits),
            (producer(FIRST_ID, current.epoch + 1), V1, fenced, fenced),
            (producer(FIRST_ID, current.epoch + 1), V2, fenced, fenced),
            (producer(FIRST_ID, current.epoch - 2), V2, fenced, fenced),
            (producer(FIRST_ID + 9, 7), V1, InvalidProducerIdMapping, InvalidProducerIdMapping),
            (producer(FIRST_ID + 9, 7), V2, InvalidProducerIdMapping, InvalidProducerIdMapping),
        ];
        for (sent, protocol, same, other) in rows {
            let what = format!("{by:?} commit {commit}: {sent:?} {protocol:?}");
            refused(&mut bench, same, &what, |bench| bench.end(sender(sent), protocol, commit));
            refused(&mut bench, other, &what, |bench| bench.end(sender(sent), protocol, !commit));
        }
    }
}

#[test]
fn nothing_joins_while_an_end_is_under_way() {
    for (mut bench, current, by, _) in all() {
        let cases = [
            (current, ConcurrentTransactions),
            (producer(FIRST_ID, current.epoch - 1), ProducerFenced),
            (producer(FIRST_ID, current.epoch + 1), ProducerFenced),
            (producer(FIRST_ID + 9, 7), InvalidProducerIdMapping),
        ];
        for (sent, error) in cases {
            let what = format!("{by:?}: {sent:?}");
            let by = sender(sent);
            // Also what took part, here or there.
            for part in [partition(0), partition_in(1, 1), partition(5)] {
                let parts = [part];
                refused(&mut bench, error, &what, |bench| bench.add_partitions(by, &parts));
                refused(&mut bench, error, &what, |bench| bench.machine.verify_partitions(by, &parts));
                for protocol in [V1, V2] {
                    refused(&mut bench, error, &what, |bench| bench.produce(by, &parts, protocol));
                }
            }
            for part in [group_in(1, "g"), group("h")] {
                refused(&mut bench, error, &what, |bench| bench.add_offsets(by, &part));
                for protocol in [V1, V2] {
                    refused(&mut bench, error, &what, |bench| bench.txn_offset_commit(by, &part, protocol));
                }
            }
        }
    }
}

#[test]
fn init_producer_id_waits_while_an_end_is_under_way() {
    for (mut bench, current, by, _) in all() {
        let last = producer(FIRST_ID, current.epoch - 1);
        let other = producer(FIRST_ID + 9, 3);
        for named in [None, Some(current), Some(last), Some(producer(FIRST_ID, 2)), Some(other)] {
            refused(&mut bench, ConcurrentTransactions, &format!("{by:?}: {named:?}"), |bench| {
                bench.init(named)
            });
        }
        let too_long = bench.init_with(900_001, None);
        assert_eq!(too_long, Err(TransactionError::InvalidTransactionTimeout), "checked before, as in Kafka");
    }
}

#[test]
fn neither_an_administrator_nor_time_ends_what_is_decided() {
    for (mut bench, current, by, commit) in all() {
        for named in [current, owner()] {
            refused(&mut bench, InvalidTxnState, &format!("{by:?}"), |bench| {
                bench.step(|machine, env, out| machine.abort_by_admin(env, named, out))
            });
        }
        let (stored, endings) = (bench.stored.clone(), bench.endings.len());
        bench.pass(2 * u64::from(TIMEOUT_MS));
        assert_eq!((&bench.stored, bench.endings.len()), (&stored, endings), "{by:?} commit {commit}");
    }
}
