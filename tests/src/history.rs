//! The broker's promises, the records that were read, and the rules between the two.
//!
//! A load writes down every send with its outcome ([`Entry`]), every record any reader saw
//! ([`Seen`]) and every watermark it was told ([`Watermarks`]); afterwards each partition is read
//! once from its start. [`History::violations`] then checks, in O(n log n):
//!
//! * **lost**: an acknowledged record is at its partition and offset;
//! * **identity**: a partition and offset hold one record, for all acknowledgements and readers;
//! * **phantom**: a record read was sent, was not refused, and is the same byte for byte;
//! * **duplicate**: no record is in the log twice;
//! * **order**: a producer's records are in the order it sent them;
//! * **real time**: acknowledged before another was sent means a lower offset;
//! * **hole**: a reader sees every offset from the first it asked for, going up;
//! * **watermarks**: log start ≤ last stable offset ≤ high watermark; none goes back;
//! * **stale**: a fetch that began after an acks=all acknowledgement sees that record;
//! * **epochs**: the leader epoch of batches never falls as offsets rise.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Instant;

/// A record's name: its producer and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Unique in a run.
    pub producer: u32,
    /// From 0.
    pub sequence: u64,
}

/// One record sent.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub id: Id,
    /// Its partition.
    pub partition: i32,
    /// True if its producer asked for acks=all.
    pub acks_all: bool,
    /// Before the first byte was sent.
    pub invoked: Instant,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of a send, as its producer learned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was acknowledged.
    Acked {
        /// Its offset.
        offset: i64,
        /// After the answer had arrived.
        at: Instant,
    },
    /// It is not, and will not be, in the log.
    Refused,
    /// Unknown: it may be in the log or not.
    Unknown,
}

/// One record read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its offset.
    pub offset: i64,
    /// Of its batch.
    pub leader_epoch: i32,
    /// Its name; `None` if its bytes are not exactly those of a record that was sent.
    pub id: Option<Id>,
}

/// A partition's watermarks in one fetch.
#[derive(Debug, Clone, Copy)]
pub struct Watermarks {
    /// The partition.
    pub partition: i32,
    /// Before it was sent.
    pub asked: Instant,
    /// After the answer had arrived.
    pub answered: Instant,
    /// As answered.
    pub log_start_offset: i64,
    /// As answered.
    pub last_stable_offset: i64,
    /// As answered.
    pub high_watermark: i64,
}

/// Everything that was written down.
#[derive(Debug, Default)]
pub struct History {
    /// Every send.
    pub entries: Vec<Entry>,
    /// The records that each reader saw of a partition, in its order.
    pub readers: Vec<(i32, Vec<Seen>)>,
    /// In any order.
    pub watermarks: Vec<Watermarks>,
    /// Each partition from its start to its end, read after the load ended.
    pub log: BTreeMap<i32, Vec<Seen>>,
}

/// Violations found: one line each, the first few of each kind, and their number.
#[derive(Debug, Default)]
pub struct Violations {
    counts: BTreeMap<&'static str, usize>,
    lines: Vec<String>,
}

impl Violations {
    pub(crate) fn add(&mut self, kind: &'static str, line: impl FnOnce() -> String) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= 5 {
            self.lines.push(format!("{kind}: {}", line()));
        }
    }

    /// Number of violations of this kind.
    pub fn count(&self, kind: &str) -> usize {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// The kinds that were found, in the order of their names.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.counts.keys().copied().collect()
    }

    /// True if none was found.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// For a failing test.
    pub fn report(&self) -> String {
        let mut out = format!("{:?}", self.counts);
        for line in &self.lines {
            let _ = write!(out, "\n  {line}");
        }
        out
    }
}

impl History {
    /// Number of acknowledged records.
    pub fn acked(&self) -> usize {
        self.entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Acked { .. })).count()
    }

    /// Adds what another part of the load wrote down.
    pub fn merge(&mut self, other: History) {
        self.entries.extend(other.entries);
        self.readers.extend(other.readers);
        self.watermarks.extend(other.watermarks);
        self.log.extend(other.log);
    }

    /// Checks everything.
    pub fn violations(&self) -> Violations {
        let mut found = Violations::default();
        self.lost(&mut found);
        self.identity(&mut found);
        self.contents(&mut found);
        self.producer_order(&mut found);
        self.real_time(&mut found);
        self.contiguous(&mut found);
        self.watermark_rules(&mut found);
        found
    }

    fn acknowledgements(&self) -> impl Iterator<Item = (&Entry, i64, Instant)> {
        self.entries.iter().filter_map(|entry| match entry.outcome {
            Outcome::Acked { offset, at } => Some((entry, offset, at)),
            Outcome::Refused | Outcome::Unknown => None,
        })
    }

    fn lost(&self, found: &mut Violations) {
        let names: HashMap<(i32, i64), Option<Id>> = self.final_records().collect();
        for (entry, offset, _) in self.acknowledgements() {
            match names.get(&(entry.partition, offset)) {
                Some(Some(id)) if *id == entry.id => {}
                Some(other) => found.add("identity", || {
                    format!(
                        "{:?} was acknowledged at {}:{offset}, which holds {other:?}",
                        entry.id, entry.partition
                    )
                }),
                None => found.add("lost", || {
                    format!(
                        "{:?} was acknowledged at {}:{offset}, which is missing",
                        entry.id, entry.partition
                    )
                }),
            }
        }
    }

    fn final_records(&self) -> impl Iterator<Item = ((i32, i64), Option<Id>)> {
        self.log
            .iter()
            .flat_map(|(partition, seen)| seen.iter().map(|one| ((*partition, one.offset), one.id)))
    }

    /// Readers saw the records that the log holds in the end: no visible record is taken back.
    fn identity(&self, found: &mut Violations) {
        let names: HashMap<(i32, i64), Option<Id>> = self.final_records().collect();
        for (partition, seen) in &self.readers {
            for one in seen {
                if names.get(&(*partition, one.offset)) != Some(&one.id) {
                    found.add("identity", || {
                        let held = names.get(&(*partition, one.offset));
                        format!(
                            "a reader saw {:?} at {partition}:{}, which holds {held:?}",
                            one.id, one.offset
                        )
                    });
                }
            }
        }
    }

    fn contents(&self, found: &mut Violations) {
        let sent: HashMap<Id, &Entry> = self.entries.iter().map(|entry| (entry.id, entry)).collect();
        let mut once = HashSet::new();
        for ((partition, offset), id) in self.final_records() {
            let Some(id) = id else {
                found.add("phantom", || format!("{partition}:{offset} holds bytes that nobody sent"));
                continue;
            };
            match sent.get(&id) {
                Some(entry) if entry.outcome == Outcome::Refused => {
                    found.add("phantom", || format!("{id:?} was refused, and is at {partition}:{offset}"));
                }
                Some(entry) if entry.partition == partition => {}
                _ => found.add("phantom", || format!("{id:?} at {partition}:{offset} was not sent there")),
            }
            if !once.insert(id) {
                found.add("duplicate", || format!("{id:?} is there again at {partition}:{offset}"));
            }
        }
    }

    fn producer_order(&self, found: &mut Violations) {
        for (partition, seen) in &self.log {
            let mut newest: HashMap<u32, u64> = HashMap::new();
            for id in seen.iter().filter_map(|one| one.id) {
                let last = newest.insert(id.producer, id.sequence);
                if last.is_some_and(|last| last >= id.sequence) {
                    found.add("order", || format!("{id:?} in partition {partition} comes after {last:?}"));
                }
            }
        }
    }

    fn real_time(&self, found: &mut Violations) {
        let mut partitions: BTreeMap<i32, Vec<(Instant, Instant, i64)>> = BTreeMap::new();
        for (entry, offset, at) in self.acknowledgements() {
            partitions.entry(entry.partition).or_default().push((entry.invoked, at, offset));
        }
        for (partition, mut by_invoked) in partitions {
            by_invoked.sort_by_key(|(invoked, ..)| *invoked);
            let mut by_ack = by_invoked.clone();
            by_ack.sort_by_key(|(_, at, _)| *at);
            let mut acked = by_ack.iter().peekable();
            let mut highest = i64::MIN;
            for (invoked, _, offset) in by_invoked {
                while let Some((.., earlier)) = acked.next_if(|(_, at, _)| *at < invoked) {
                    highest = highest.max(*earlier);
                }
                if offset <= highest {
                    found.add("real time", || {
                        format!(
                            "{partition}:{offset} was sent after {partition}:{highest} had been acknowledged"
                        )
                    });
                }
            }
        }
    }

    /// Of the readers and of the final read alike.
    fn contiguous(&self, found: &mut Violations) {
        let readers = self.readers.iter().map(|(partition, seen)| (partition, seen));
        for (partition, seen) in readers.chain(&self.log) {
            for pair in seen.windows(2) {
                if let [one, next] = pair {
                    if next.offset != one.offset + 1 {
                        found.add("hole", || {
                            format!("{partition}:{} is followed by {}", one.offset, next.offset)
                        });
                    }
                    if next.leader_epoch < one.leader_epoch {
                        found.add("epochs", || {
                            let (before, after) = (one.leader_epoch, next.leader_epoch);
                            format!("{partition}:{} has epoch {before}, the next one {after}", one.offset)
                        });
                    }
                }
            }
        }
    }

    fn watermark_rules(&self, found: &mut Violations) {
        let mut by_partition: BTreeMap<i32, Vec<&Watermarks>> = BTreeMap::new();
        for one in &self.watermarks {
            let (start, stable, high) = (one.log_start_offset, one.last_stable_offset, one.high_watermark);
            if start > stable || stable > high {
                found.add("watermarks", || {
                    format!("{}: {start} ≤ {stable} ≤ {high} does not hold", one.partition)
                });
            }
            by_partition.entry(one.partition).or_default().push(one);
        }
        for (partition, mut asked) in by_partition {
            asked.sort_by_key(|one| one.asked);
            self.never_back(partition, &asked, found);
            self.never_stale(partition, &asked, found);
        }
    }

    /// No answer is older than one that had arrived before its request was sent.
    fn never_back(&self, partition: i32, asked: &[&Watermarks], found: &mut Violations) {
        let mut by_answer = asked.to_vec();
        by_answer.sort_by_key(|one| one.answered);
        let mut answered = by_answer.iter().peekable();
        let mut highest = (i64::MIN, i64::MIN, i64::MIN);
        for one in asked {
            while let Some(earlier) = answered.next_if(|earlier| earlier.answered < one.asked) {
                highest.0 = highest.0.max(earlier.log_start_offset);
                highest.1 = highest.1.max(earlier.last_stable_offset);
                highest.2 = highest.2.max(earlier.high_watermark);
            }
            if one.log_start_offset < highest.0
                || one.last_stable_offset < highest.1
                || one.high_watermark < highest.2
            {
                found.add("watermarks", || format!("{partition}: {one:?} is behind {highest:?}"));
            }
        }
    }

    fn never_stale(&self, partition: i32, asked: &[&Watermarks], found: &mut Violations) {
        let mut acked: Vec<(Instant, i64)> = self
            .acknowledgements()
            .filter(|(entry, ..)| entry.partition == partition && entry.acks_all)
            .map(|(_, offset, at)| (at, offset))
            .collect();
        acked.sort_unstable();
        let mut acked = acked.into_iter().peekable();
        let mut highest = -1;
        for one in asked {
            while let Some((_, offset)) = acked.next_if(|(at, _)| *at < one.asked) {
                highest = highest.max(offset);
            }
            if one.high_watermark <= highest {
                found.add("stale", || {
                    let high = one.high_watermark;
                    format!(
                        "{partition}:{highest} was acknowledged, a later fetch said high watermark {high}"
                    )
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
