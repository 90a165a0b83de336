//! The final log against the transactions: lost writes, torn transactions, aborted records, duplicates,
//! phantoms, order.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Fate, Index, Name, Partition, Time};
use crate::history::Violations;

pub(super) fn check(index: &Index<'_>, found: &mut Violations) {
    let visible = contents(index, found);
    wholeness(index, &visible, found);
    for (partition, log) in &index.history.log {
        order(index, *partition, log, found);
    }
    stable_ends(index, found);
}

/// Checks record by record; returns the names of all.
fn contents(index: &Index<'_>, found: &mut Violations) -> HashSet<Name> {
    let mut visible = HashSet::new();
    for (partition, log) in &index.history.log {
        let place = |offset: i64| format!("{}:{offset}", index.partition(*partition));
        for (offset, name) in log {
            let Some(name) = *name else {
                found.add("phantom", || format!("{} holds bytes that nobody sent", place(*offset)));
                continue;
            };
            let known = index.get(name);
            let Some((transaction, fate)) =
                known.filter(|(sent, _)| sent.partition_of(name) == Some(*partition))
            else {
                found.add("phantom", || format!("{name:?} at {} was not sent there", place(*offset)));
                continue;
            };
            if fate == Fate::Aborted {
                found.add("aborted read", || format!("{name:?} was aborted, and is at {}", place(*offset)));
            } else if transaction.commit_sent.is_none() {
                found.add("precommitted read", || {
                    format!("the commit of {name:?} at {} was never asked for", place(*offset))
                });
            }
            if !visible.insert(name) {
                found.add("duplicate", || format!("{name:?} is in the log again at {}", place(*offset)));
            }
        }
    }
    visible
}

/// Each transaction is in the log with all its records or with none.
fn wholeness(index: &Index<'_>, visible: &HashSet<Name>, found: &mut Violations) {
    for (transaction, fate) in index.transactions.values() {
        let names = (0..).zip(&transaction.records).map(|(number, partition)| {
            let name = Name { transaction: transaction.id, number };
            (name, *partition)
        });
        let missing: Vec<_> = names.filter(|(name, _)| !visible.contains(name)).collect();
        let (missed, all) = (missing.len(), transaction.records.len());
        if missed > 0 && missed < all {
            found.add("torn transaction", || {
                format!("{missed} of {all} records of {} are missing, as {:?}", transaction.id, missing[0])
            });
        }
        if *fate == Fate::Committed {
            for (name, partition) in missing {
                found.add("lost write", || {
                    let outcome = transaction.outcome;
                    format!("{name:?} ({outcome:?}) is not in {}", index.partition(partition))
                });
            }
        }
    }
}

/// A producer's records rise: by transaction, and by number within one.
fn order(index: &Index<'_>, partition: Partition, log: &[(i64, Option<Name>)], found: &mut Violations) {
    let mut newest: HashMap<u32, Name> = HashMap::new();
    for (offset, name) in log.iter().filter_map(|(offset, name)| Some((offset, (*name)?))) {
        let Some((transaction, _)) = index.get(name) else { continue };
        let last = newest.insert(transaction.producer, name);
        // The same name again is a duplicate.
        if let Some(last) = last.filter(|last| *last > name) {
            found.add("order", || {
                format!("{name:?} at {}:{offset} comes after {last:?}", index.partition(partition))
            });
        }
    }
    if !log.is_sorted_by(|(one, _), (next, _)| one < next) {
        found.add("order", || format!("the offsets of {} do not rise", index.partition(partition)));
    }
}

/// A last stable offset that was asked for later is not smaller. (That it is beyond a committed record cannot
/// be told: a transaction that began earlier may be open.)
fn stable_ends(index: &Index<'_>, found: &mut Violations) {
    let mut by_partition: BTreeMap<Partition, Vec<(Time, i64)>> = BTreeMap::new();
    for end in &index.history.stable_ends {
        by_partition.entry(end.partition).or_default().push((end.answered, end.offset));
    }
    for told in by_partition.values_mut() {
        told.sort_unstable();
        let mut highest = i64::MIN;
        for (_, offset) in told {
            highest = highest.max(*offset);
            *offset = highest;
        }
    }
    for end in &index.history.stable_ends {
        let told = by_partition.get(&end.partition).map_or(&[][..], Vec::as_slice);
        let before = told.partition_point(|(answered, _)| *answered < end.asked);
        let highest = before.checked_sub(1).and_then(|last| told.get(last)).map(|(_, offset)| *offset);
        if let Some(highest) = highest.filter(|highest| end.offset < *highest) {
            found.add("stale end", || {
                let partition = index.partition(end.partition);
                format!("{partition} ends at {} for a reader, and was at {highest} before", end.offset)
            });
        }
    }
}
