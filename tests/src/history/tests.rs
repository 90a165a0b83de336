//! A checker that cannot fail proves nothing: each rule is broken once.

use std::time::Duration;

use super::*;

/// Two producers, one partition, six records, acknowledged one after the other, all in order.
fn sound() -> History {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut history = History::default();
    let mut log = Vec::new();
    for n in 0..6u64 {
        let id = Id { producer: (n % 2) as u32, sequence: n / 2 };
        let offset = n as i64;
        let outcome = Outcome::Acked { offset, at: at(10 * n + 5) };
        history.entries.push(Entry { id, partition: 0, acks_all: true, invoked: at(10 * n), outcome });
        log.push(Seen { offset, leader_epoch: (n / 3) as i32, id: Some(id) });
        history.watermarks.push(Watermarks {
            partition: 0,
            asked: at(10 * n + 7),
            answered: at(10 * n + 8),
            log_start_offset: 0,
            last_stable_offset: offset + 1,
            high_watermark: offset + 1,
        });
    }
    history.readers.push((0, log[2..].to_vec()));
    history.log.insert(0, log);
    history
}

/// Violations found after a change of the sound history.
fn found(change: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = sound();
    change(&mut history);
    history.violations().counts.into_keys().collect()
}

fn log(history: &mut History) -> &mut Vec<Seen> {
    history.log.get_mut(&0).unwrap()
}

#[test]
fn a_sound_history_has_no_violations() {
    assert_eq!(found(|_| ()), Vec::<&str>::new());
}

#[test]
fn a_missing_acknowledged_record_is_lost() {
    assert_eq!(found(|history| _ = log(history).pop()), ["identity", "lost"]);
}

#[test]
fn another_record_at_the_acknowledged_offset_is_found() {
    let found = found(|history| {
        let log = log(history);
        (log[0].id, log[1].id) = (log[1].id, log[0].id);
    });
    assert_eq!(found, ["identity"]);
}

#[test]
fn a_record_that_a_reader_saw_and_the_log_lost_is_found() {
    let found = found(|history| history.readers[0].1[0].id = Some(Id { producer: 9, sequence: 0 }));
    assert_eq!(found, ["identity"]);
}

#[test]
fn bytes_that_were_never_sent_are_a_phantom() {
    let damaged = |history: &mut History| {
        log(history)[5].id = None;
        history.entries[5].outcome = Outcome::Unknown;
        history.readers.clear();
    };
    assert_eq!(found(damaged), ["phantom"]);
    let refused = |history: &mut History| history.entries[5].outcome = Outcome::Refused;
    assert_eq!(found(refused), ["phantom"]);
    let elsewhere = |history: &mut History| {
        history.entries[5].partition = 1;
        history.entries[5].outcome = Outcome::Unknown;
    };
    assert_eq!(found(elsewhere), ["phantom"]);
}

#[test]
fn a_record_that_is_stored_twice_is_found() {
    let found = found(|history| {
        let id = log(history)[5].id;
        log(history).push(Seen { offset: 6, leader_epoch: 1, id });
    });
    assert_eq!(found, ["duplicate", "order"]);
}

#[test]
fn a_producer_out_of_order_is_found() {
    let found = found(|history| {
        history.entries.iter_mut().for_each(|entry| entry.outcome = Outcome::Unknown);
        history.readers.clear();
        let log = log(history);
        (log[0].id, log[2].id) = (log[2].id, log[0].id);
    });
    assert_eq!(found, ["order"]);
}

#[test]
fn an_offset_below_one_acknowledged_before_is_found() {
    let found = found(|history| {
        // Of different producers: only real time decides which comes first.
        let log = log(history);
        (log[4].id, log[5].id) = (log[5].id, log[4].id);
        history.readers.clear();
        let (first, second) = (history.entries[4].outcome, history.entries[5].outcome);
        let (Outcome::Acked { at: first_at, .. }, Outcome::Acked { at: second_at, .. }) = (first, second)
        else {
            return;
        };
        history.entries[4].outcome = Outcome::Acked { offset: 5, at: first_at };
        history.entries[5].outcome = Outcome::Acked { offset: 4, at: second_at };
        history.watermarks.remove(4);
    });
    assert_eq!(found, ["real time"]);
}

#[test]
fn a_hole_is_found() {
    let found = found(|history| {
        history.entries[3].outcome = Outcome::Unknown;
        history.readers.clear();
        log(history).remove(3);
    });
    assert_eq!(found, ["hole"]);
}

#[test]
fn a_reader_that_skips_is_found() {
    assert_eq!(found(|history| _ = history.readers[0].1.remove(1)), ["hole"]);
}

#[test]
fn a_falling_epoch_is_found() {
    assert_eq!(found(|history| log(history)[5].leader_epoch = 0), ["epochs"]);
}

#[test]
fn watermarks_that_go_back_or_cross_are_found() {
    let back = |history: &mut History| {
        history.entries.iter_mut().for_each(|entry| entry.acks_all = false);
        (history.watermarks[3].high_watermark, history.watermarks[3].last_stable_offset) = (2, 2);
    };
    assert_eq!(found(back), ["watermarks"]);
    assert_eq!(found(|history| history.watermarks[3].last_stable_offset = 9), ["watermarks"]);
    assert_eq!(found(|history| history.watermarks[5].log_start_offset = 9), ["watermarks"]);
}

#[test]
fn a_fetch_that_misses_what_was_acknowledged_is_stale() {
    let found = found(|history| {
        history.watermarks.truncate(1);
        history.watermarks[0].high_watermark = 0;
        history.watermarks[0].last_stable_offset = 0;
    });
    assert_eq!(found, ["stale"]);
}
