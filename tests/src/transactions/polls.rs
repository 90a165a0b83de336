//! The polls of each reader against the final log: aborted and precommitted records, other records than the
//! log holds, and records that it went past.

use std::collections::HashMap;

use super::{Fate, Index, Name, Partition, Poll, range};
use crate::history::Violations;

pub(super) fn check(index: &Index<'_>, found: &mut Violations) {
    // What readers at read_uncommitted were given of transactions that do not count has no other witness.
    let mut witnessed: HashMap<(Partition, i64), Name> = HashMap::new();
    let mut positions: HashMap<(u32, Partition), i64> = HashMap::new();
    for poll in &index.history.polls {
        for (offset, name) in &poll.records {
            record(index, poll, *offset, *name, found);
            let first = *witnessed.entry((poll.partition, *offset)).or_insert(*name);
            if first != *name {
                found.add("inconsistent offsets", || {
                    let partition = index.partition(poll.partition);
                    format!("{partition}:{offset} held {first:?} for one reader, {name:?} for another")
                });
            }
        }
        let expected = positions.insert((poll.reader, poll.partition), poll.to);
        let start = match expected.filter(|_| !poll.sought) {
            Some(expected) if expected > poll.from => {
                found.add("poll back", || {
                    format!("{} went back from {expected} to {}", reader(index, poll), poll.from)
                });
                poll.from
            }
            Some(expected) => expected,
            None => poll.from,
        };
        given(index, poll, start, found);
    }
}

fn reader(index: &Index<'_>, poll: &Poll) -> String {
    format!("reader {} of {}", poll.reader, index.partition(poll.partition))
}

/// One record that a reader was given.
fn record(index: &Index<'_>, poll: &Poll, offset: i64, name: Name, found: &mut Violations) {
    let at = || format!("{} was given {name:?} at {offset}", reader(index, poll));
    let known = index.get(name).filter(|(sent, _)| sent.partition_of(name) == Some(poll.partition));
    let Some((transaction, fate)) = known else {
        return found.add("phantom", || format!("{}, which was not sent there", at()));
    };
    if poll.committed_only && fate == Fate::Aborted {
        found.add("aborted read", || format!("{}, which was aborted", at()));
    } else if poll.committed_only && transaction.commit_sent.is_none_or(|sent| sent > poll.answered) {
        found.add("precommitted read", || format!("{} before its commit was asked for", at()));
    }
    let held = range(index.log(poll.partition), offset, offset.saturating_add(1)).first();
    match held {
        Some((_, held)) if *held != Some(name) => {
            found.add("inconsistent offsets", || format!("{}, which holds {held:?}", at()));
        }
        None if fate == Fate::Committed => {
            found.add("inconsistent offsets", || format!("{}, which holds nothing in the end", at()));
        }
        _ => {}
    }
}

/// A poll that moves its reader from `start` to `poll.to` gives it all that is in the log between the two, in
/// the order of offsets: what is in the log now was decided when the reader went past it.
fn given(index: &Index<'_>, poll: &Poll, start: i64, found: &mut Violations) {
    let records = &poll.records;
    let outside = records.iter().any(|(offset, _)| *offset < poll.from || *offset >= poll.to);
    if outside || !records.is_sorted_by(|(one, _), (next, _)| one < next) {
        found.add("poll back", || {
            format!("{}: {records:?} are not in order from {} to {}", reader(index, poll), poll.from, poll.to)
        });
    }
    // Both rise: one walk over the two.
    let mut given = records.iter().map(|(offset, _)| *offset).peekable();
    for (offset, name) in range(index.log(poll.partition), start, poll.to) {
        while given.next_if(|given| given < offset).is_some() {}
        if given.next_if_eq(offset).is_none() {
            found.add("poll skip", || {
                let (from, to) = (poll.from, poll.to);
                format!("{} was not given {name:?} at {offset}, from {from} to {to}", reader(index, poll))
            });
        }
    }
}
