//! A checker that cannot fail proves nothing, and one that cries wolf is switched off: thousands of good
//! histories, with unknown outcomes, raise no alarm; every fault is found in every history that shows it.

mod broker;
mod fault;

use broker::World;
use fault::Fault;

use super::*;

const STEPS: usize = 150;

/// Histories that a run plays of each kind; `OTTLA_TRANSACTION_HISTORIES` asks for more.
fn histories() -> u64 {
    let asked = std::env::var("OTTLA_TRANSACTION_HISTORIES").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(1_000)
}

#[test]
fn good_histories_raise_no_alarm() {
    let (mut unknown, mut visible) = (0, 0);
    for seed in 0..histories() * 5 {
        let (history, _) = World::new(seed, None).play(STEPS);
        let found = history.violations();
        assert!(found.is_empty(), "seed {seed}: {}", found.report());
        let of_unknown_outcome = history.transactions.iter().filter(|it| it.outcome == Outcome::Unknown);
        unknown += of_unknown_outcome.count();
        visible += history.log.values().map(Vec::len).sum::<usize>();
    }
    assert!(
        unknown as u64 > histories() && visible as u64 > histories() * 10,
        "the histories say something: {unknown}, {visible}"
    );
}

#[test]
fn every_planted_anomaly_is_found() {
    for (fault, kinds) in Fault::ALL {
        let mut planted = 0;
        for seed in 0..histories() {
            let (history, is_planted) = World::new(seed, Some(fault)).play(STEPS);
            let found = history.violations();
            if is_planted {
                planted += 1;
                let is_found = kinds.iter().any(|kind| found.count(kind) > 0);
                assert!(is_found, "{fault:?}, seed {seed}: {}", found.report());
            } else {
                assert!(found.is_empty(), "{fault:?} not planted, seed {seed}: {}", found.report());
            }
        }
        assert!(planted * 20 > histories(), "{fault:?} was planted in {planted} histories only");
    }
}

/// One partition, two committed transactions of one record each, and a reader of both.
fn small() -> History {
    let transaction = |id: u64| Transaction {
        id,
        producer: 0,
        records: vec![Partition(0)],
        offsets: Vec::new(),
        commit_sent: Some(id * 10),
        outcome: Outcome::Committed { at: id * 10 + 5 },
    };
    let name = |transaction| Name { transaction, number: 0 };
    let poll = Poll {
        reader: 0,
        partition: Partition(0),
        committed_only: true,
        sought: true,
        asked: 30,
        answered: 31,
        from: 0,
        to: 4,
        records: vec![(0, name(1)), (2, name(2))],
    };
    History {
        partitions: vec!["t-0".to_owned()],
        transactions: vec![transaction(1), transaction(2)],
        polls: vec![poll],
        log: BTreeMap::from([(Partition(0), vec![(0, Some(name(1))), (2, Some(name(2)))])]),
        log_read: 40,
        ..History::default()
    }
}

fn found(change: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = small();
    change(&mut history);
    history.violations().kinds()
}

fn log(history: &mut History) -> &mut Vec<(i64, Option<Name>)> {
    history.log.get_mut(&Partition(0)).unwrap()
}

#[test]
fn each_anomaly_has_its_own_name() {
    assert_eq!(found(|_| ()), Vec::<&str>::new());
    assert_eq!(found(|history| history.unsorted_lists = 1), ["unsorted list"]);
    let lost = |history: &mut History| {
        log(history).pop();
        history.polls.clear();
    };
    assert_eq!(found(lost), ["lost write"]);
    assert_eq!(found(|history| history.transactions[0].outcome = Outcome::Aborted), ["aborted read"]);
    assert_eq!(found(|history| history.transactions[1].commit_sent = Some(32)), ["precommitted read"]);
    assert_eq!(
        found(|history| log(history).push((4, Some(Name { transaction: 2, number: 0 })))),
        ["duplicate"]
    );
    assert_eq!(found(|history| history.polls[0].records.truncate(1)), ["poll skip"]);
    assert_eq!(found(|history| log(history).push((4, None))), ["phantom"]);
    let torn = |history: &mut History| history.transactions[1].records.push(Partition(0));
    assert_eq!(found(torn), ["lost write", "torn transaction"]);
    let other = |history: &mut History| {
        history.polls[0].records[1].1 = Name { transaction: 1, number: 0 };
    };
    assert_eq!(found(other), ["inconsistent offsets"]);
}

#[test]
fn an_unknown_end_is_what_the_log_shows_but_all_of_it() {
    let unknown = |history: &mut History| history.transactions[1].outcome = Outcome::Unknown;
    assert_eq!(found(unknown), Vec::<&str>::new(), "it was committed");
    let invisible = |history: &mut History| {
        unknown(history);
        log(history).pop();
        history.polls[0].records.pop();
    };
    assert_eq!(found(invisible), Vec::<&str>::new(), "it was aborted");
    let half = |history: &mut History| {
        unknown(history);
        history.transactions[1].records.push(Partition(0));
    };
    assert_eq!(found(half), ["lost write", "torn transaction"]);
    let never_asked = |history: &mut History| {
        unknown(history);
        history.transactions[1].commit_sent = None;
    };
    assert_eq!(found(never_asked), ["precommitted read"]);
}

#[test]
fn offsets_of_a_transaction_whose_records_do_not_count_are_torn_off() {
    let torn = |history: &mut History| {
        log(history).pop();
        history.polls[0].records.pop();
        history.transactions[1].outcome = Outcome::Unknown;
        let partition = GroupPartition(0);
        history.transactions[1].offsets.push(StagedOffset {
            partition,
            offset: 7,
            sent: 16,
            answered: Some(17),
        });
        history.offset_reads.push(OffsetRead {
            partition,
            stable: false,
            asked: 41,
            answered: 42,
            offset: 7,
        });
    };
    assert_eq!(found(torn), ["torn transaction"]);
}

/// Two transactions commit an offset of one partition, the first one's ends first; a reader is told the first one's.
fn told_the_older(second_sent: Time, comes_again: bool) -> Vec<&'static str> {
    let offset =
        |offset, sent| StagedOffset { partition: GroupPartition(0), offset, sent, answered: Some(sent + 1) };
    found(|history| {
        history.group_partitions = vec!["g/t-0".to_owned()];
        history.transactions[0].offsets = vec![offset(7, 1)];
        history.transactions[1].offsets = vec![offset(8, second_sent)];
        let (partition, stable) = (GroupPartition(0), true);
        history.offset_reads = vec![OffsetRead { partition, stable, asked: 30, answered: 31, offset: 7 }];
        history.comes_again = comes_again;
    })
}

#[test]
fn an_offset_that_came_again_before_its_end_is_newer_than_those_sent_meanwhile() {
    // The first transaction ends at 15.
    assert_eq!(told_the_older(10, true), Vec::<&str>::new());
    assert_eq!(told_the_older(10, false), ["group offset"]);
    assert_eq!(told_the_older(16, true), ["group offset"]);
}
