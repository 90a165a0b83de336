//! The index as a read looks into it: the same answers as a walk over all entries, and few entries met.

use std::path::Path;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use rocksdb::WriteBatch;
use uuid::Uuid;

use super::*;
use crate::{
    StorageOptions,
    engine::journal::record::JournalPosition,
    log::{GenerationNumber, Recovered},
};

const NUMBER: PartitionNumber = PartitionNumber(7);

fn engine(folder: &Path) -> Engine {
    let engine = Engine::open(folder, &StorageOptions::new(folder)).unwrap();
    engine.replay(JournalPosition::START, false).unwrap();
    engine.create_generation(GenerationNumber(1)).unwrap();
    engine.journal.roll(GenerationNumber(1)).unwrap();
    engine
}

/// Puts entries into the index, those of `unclassed` as an earlier build did.
fn put(engine: &Engine, entries: &[AbortedEntry], unclassed: &[AbortedEntry]) {
    let (mut batch, state) = (WriteBatch::default(), engine.state().unwrap());
    for entry in entries {
        let key = keys::aborted_by_span(NUMBER, entry.class(), entry.marker_offset);
        batch.put_cf(&state, key, entry.encode());
    }
    for entry in unclassed {
        batch.put_cf(&state, keys::aborted(NUMBER, entry.marker_offset), entry.encode());
    }
    engine.write(batch, &[]).unwrap();
}

/// The partition as a start finds it.
fn partition(engine: &Engine) -> Partition {
    let aborted = partitions(engine).unwrap().remove(&NUMBER).unwrap_or_default();
    Partition::new(NUMBER, Uuid::nil(), 0, 0, Recovered { aborted, ..Recovered::default() })
}

/// Transactions of many producers, each with one open at a time, some of them long. In the order of their markers.
fn history(random: &mut StdRng) -> Vec<AbortedEntry> {
    let (mut open, mut ended) = (Vec::<(i64, i64)>::new(), Vec::new());
    for offset in 0..2_000 {
        if open.is_empty() || (open.len() < 8 && random.random_bool(0.5)) {
            open.push((offset, offset));
            continue;
        }
        // The oldest ones last long.
        let at = random.random_range(open.len() / 2..open.len());
        let (producer_id, first_offset) = open.remove(at);
        let last_stable_offset = open.first().map_or(offset + 1, |(_, first)| *first);
        ended.push(AbortedEntry { producer_id, first_offset, marker_offset: offset, last_stable_offset });
    }
    ended
}

#[test]
fn a_look_up_finds_what_a_walk_over_all_entries_finds() {
    for seed in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let (engine, random) = (engine(folder.path()), &mut StdRng::seed_from_u64(seed));
        let all = history(random);
        // An earlier build wrote the first ones.
        let (old, new) = all.split_at(random.random_range(0..all.len() / 2));
        put(&engine, new, old);
        let partition = partition(&engine);
        for _ in 0..200 {
            let from = random.random_range(0..2_000);
            let until = from + random.random_range(1..200);
            let belongs = |one: &&AbortedEntry| one.marker_offset >= from && one.first_offset < until;
            let mut expected: Vec<_> = all.iter().filter(belongs).copied().collect();
            expected.sort_by_key(|one| one.first_offset);
            let found = entries(&engine, &partition, from, until).unwrap();
            assert_eq!(found, expected, "seed {seed}, from {from} to {until}");
            let offsets = Offsets { from, until, end: until };
            let now = aborted_now(&engine, &partition, &mut None, offsets).unwrap();
            assert!(now.is_none_or(|now| now.len() == expected.len()), "seed {seed}");
        }
        let mut met = Vec::new();
        each(&engine, NUMBER, |entry| met.push(*entry)).unwrap();
        met.sort_by_key(|one| one.marker_offset);
        assert_eq!(met, all);
    }
}

/// With a look into each class for each read, a consumer that caught up had 0.76 times the throughput of one that reads all records.
#[test]
fn reads_one_after_the_other_are_told_the_same_and_look_into_the_index_seldom() {
    for seed in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let (engine, random) = (engine(folder.path()), &mut StdRng::seed_from_u64(seed));
        let all = history(random);
        put(&engine, &all, &[]);
        let partition = partition(&engine);
        let (mut window, mut from, mut reads, mut looks) = (None::<AbortedWindow>, 0, 0, 0);
        while from < 1_900 {
            let until = from + random.random_range(1..20);
            let offsets = Offsets { from, until, end: 1_950 };
            let before = window.as_ref().map(AbortedWindow::offsets);
            let told = match seed % 2 {
                0 => aborted(&engine, &partition, &mut window, offsets).unwrap(),
                _ => aborted_now(&engine, &partition, &mut window, offsets).unwrap().unwrap(),
            };
            let expected = scanned(&engine, &partition, from, until).unwrap().finish();
            assert_eq!(told, expected, "seed {seed}, from {from} to {until}");
            let after = window.as_ref().map(AbortedWindow::offsets);
            assert!(after.clone().is_none_or(|offsets| offsets.end <= 1_950), "{after:?}");
            (reads, looks, from) = (reads + 1, looks + i32::from(before != after), until);
        }
        assert!(looks * 4 < reads, "{looks} for {reads} reads");
    }
}

#[test]
fn a_window_is_not_used_after_entries_were_removed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let entry = |first_offset| AbortedEntry {
        producer_id: 1,
        first_offset,
        marker_offset: first_offset + 1,
        last_stable_offset: first_offset + 2,
    };
    put(&engine, &[entry(10), entry(20)], &[]);
    let (partition, mut window) = (partition(&engine), None);
    let offsets = Offsets { from: 5, until: 30, end: 100 };
    assert_eq!(aborted(&engine, &partition, &mut window, offsets).unwrap().len(), 2);
    partition.forget_aborted();
    let (mut batch, state) = (WriteBatch::default(), engine.state().unwrap());
    batch.delete_cf(&state, keys::aborted_by_span(NUMBER, entry(10).class(), 11));
    engine.write(batch, &[]).unwrap();
    let left = aborted(&engine, &partition, &mut window, offsets).unwrap();
    assert_eq!(left, [AbortedTransaction { producer_id: 1, first_offset: 20 }]);
}

/// Fetches in the middle of a log took as long as its rest is, once a transaction that had been open all the time had ended.
#[test]
fn a_look_up_meets_few_entries_however_long_a_transaction_lasts() {
    const SHORT: i64 = 50_000;
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let short = |number: i64| AbortedEntry {
        producer_id: number,
        first_offset: 1 + 2 * number,
        marker_offset: 2 + 2 * number,
        last_stable_offset: 0,
    };
    let last = 2 * SHORT + 1;
    let long =
        AbortedEntry { producer_id: -1, first_offset: 0, marker_offset: last, last_stable_offset: last + 1 };
    put(&engine, &(0..SHORT).map(short).chain([long]).collect::<Vec<_>>(), &[]);
    let partition = partition(&engine);
    let scan = scanned(&engine, &partition, SHORT, SHORT + 100).unwrap();
    assert!(scan.met() < 100, "{}", scan.met());
    let told = scan.finish();
    assert_eq!((told.len(), told[0].producer_id), (1 + 51, -1));
}

#[test]
fn the_ranges_below_an_offset_hold_the_entries_whose_markers_are_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let all = history(&mut StdRng::seed_from_u64(1));
    put(&engine, &all[100..], &all[..100]);
    let partition = partition(&engine);
    let mut batch = WriteBatch::default();
    for (from, to) in below(&partition, 1_000) {
        batch.delete_range_cf(&engine.state().unwrap(), from, to);
    }
    engine.write(batch, &[]).unwrap();
    let mut left = Vec::new();
    each(&engine, NUMBER, |entry| left.push(entry.marker_offset)).unwrap();
    left.sort_unstable();
    let expected: Vec<_> =
        all.iter().map(|one| one.marker_offset).filter(|marker| *marker >= 1_000).collect();
    assert_eq!(left, expected);
}
