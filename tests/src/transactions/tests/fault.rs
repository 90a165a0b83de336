//! The faults of the broker in memory, each built in once, where a history shows it.

use super::super::{Name, Outcome, Partition, Poll, StableEnd, Time, Transaction};
use super::broker::{Stored, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A record of a committed transaction is missing.
    LostWrite,
    /// The log has a record of an aborted transaction.
    AbortedRecord,
    /// A reader at read_committed is given records of an open transaction.
    OpenRecords,
    /// The marker of one partition says abort, the others say commit.
    TornEnd,
    /// A record is stored twice.
    StoredTwice,
    /// A reader is given two records in each other's place.
    Exchanged,
    /// A reader is not given a record that it goes past.
    SkippedInPoll,
    /// A reader's next poll begins beyond a record.
    SkippedBetweenPolls,
    /// A reader's next poll begins before the end of the last.
    WentBack,
    /// The offsets of an aborted transaction are committed.
    OffsetsOfAnAbort,
    /// The offsets of a committed transaction are dropped.
    OffsetsLost,
    /// A pending offset overtakes a plain commit that came after it.
    OrderOfOffsetsIgnored,
    /// A reader of stable offsets is told one while another is pending.
    UnstableShown,
    /// A late EndTxn of the transaction before ends this one, as with the protocol before KIP-890.
    EndedByAnEarlierEnd,
    /// Two records of a producer change places in the log.
    Reordered,
    /// The log has a record that was not sent.
    Invented,
    /// A last stable offset is smaller than one that was told before.
    EndWentBack,
}

impl Fault {
    /// Every fault, with what the checker calls it. Where it has several names, the history decides.
    pub(super) const ALL: [(Fault, &[&str]); 17] = [
        (Fault::LostWrite, &["lost write"]),
        (Fault::AbortedRecord, &["aborted read"]),
        (Fault::OpenRecords, &["precommitted read", "aborted read"]),
        (Fault::TornEnd, &["torn transaction"]),
        (Fault::StoredTwice, &["duplicate"]),
        (Fault::Exchanged, &["inconsistent offsets"]),
        (Fault::SkippedInPoll, &["poll skip"]),
        (Fault::SkippedBetweenPolls, &["poll skip"]),
        (Fault::WentBack, &["poll back"]),
        (Fault::OffsetsOfAnAbort, &["group offset"]),
        (Fault::OffsetsLost, &["group offset"]),
        (Fault::OrderOfOffsetsIgnored, &["group offset"]),
        (Fault::UnstableShown, &["unstable offset"]),
        (Fault::EndedByAnEarlierEnd, &["aborted read"]),
        (Fault::Reordered, &["order"]),
        (Fault::Invented, &["phantom"]),
        (Fault::EndWentBack, &["stale end"]),
    ];
}

/// Hides a record from readers.
fn remove(stored: &mut Stored) {
    stored.name = None;
}

impl World {
    /// True if this fault is to happen here.
    fn strikes(&mut self, fault: Fault) -> bool {
        self.fault == Some(fault) && !self.is_planted && self.random.one_in(3)
    }

    /// Ends a transaction in the broker, rightly or not.
    pub(super) fn end_in_broker(&mut self, transaction: &Transaction, commit: bool) {
        let is_told = matches!(transaction.outcome, Outcome::Committed { .. });
        let is_aborted = transaction.outcome == Outcome::Aborted;
        let places: Vec<(usize, usize)> = self.places(transaction.id);
        let pick = self.random.place(places.len().max(1));
        let picked = places.get(pick).copied();
        match picked {
            Some((partition, offset)) if is_told && self.strikes(Fault::LostWrite) => {
                self.is_planted = true;
                remove(&mut self.broker.logs[partition][offset]);
            }
            Some((partition, _)) if is_aborted && self.strikes(Fault::AbortedRecord) => {
                self.is_planted = true;
                self.broker.mark(partition, transaction.id, true);
            }
            Some((partition, _))
                if commit && places.iter().any(|it| it.0 != partition) && self.strikes(Fault::TornEnd) =>
            {
                self.is_planted = true;
                self.broker.mark(partition, transaction.id, false);
            }
            Some((partition, offset)) if is_told && self.strikes(Fault::StoredTwice) => {
                self.is_planted = true;
                let again = self.broker.logs[partition][offset].clone();
                self.broker.logs[partition].push(again);
            }
            Some((partition, _)) if is_told && self.strikes(Fault::Invented) => {
                self.is_planted = true;
                self.broker.append(partition, Name { transaction: transaction.id, number: 9_999 });
            }
            _ => {}
        }
        if is_told {
            self.reorder(&places);
        }
        self.end_offsets(transaction);
        self.broker.end(transaction.id, commit);
        self.show_offsets(transaction);
    }

    /// Partition and offset of all records of a transaction.
    fn places(&self, transaction: u64) -> Vec<(usize, usize)> {
        let logs = self.broker.logs.iter().enumerate();
        let places = logs.flat_map(|(partition, log)| {
            let mine = log.iter().enumerate().filter(|(_, stored)| stored.transaction == transaction);
            mine.filter(|(_, stored)| stored.name.is_some()).map(move |(offset, _)| (partition, offset))
        });
        places.collect()
    }

    fn reorder(&mut self, places: &[(usize, usize)]) {
        let pair = places.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| (pair[0], pair[1]));
        if let Some(((partition, one), (_, other))) = pair
            && self.strikes(Fault::Reordered)
        {
            self.is_planted = true;
            let log = &mut self.broker.logs[partition];
            (log[one].name, log[other].name) = (log[other].name, log[one].name);
        }
    }

    fn end_offsets(&mut self, transaction: &Transaction) {
        let Some(last) = transaction.offsets.last() else { return };
        let group = last.partition.0 as usize;
        let id = transaction.id;
        match transaction.outcome {
            Outcome::Aborted => {
                let is_newest = self.broker.committed[group].is_none_or(|committed| {
                    self.broker.pending.get(&(id, group)).is_some_and(|it| *it > committed)
                });
                if is_newest && self.strikes(Fault::OffsetsOfAnAbort) {
                    self.is_planted = true;
                    self.broker.end_offsets(id, true, false);
                }
            }
            Outcome::Committed { .. } if self.is_newest_for_certain(last.sent, group) => {
                if self.strikes(Fault::OffsetsLost) {
                    self.is_planted = true;
                    self.broker.end_offsets(id, false, false);
                }
            }
            Outcome::Committed { .. } => {
                let answered = last.answered.unwrap_or(Time::MAX);
                // A plain commit that was sent after the answer, and answered before now, with room between.
                let plain = self.history.plain_commits.iter().find(|plain| {
                    plain.partition == last.partition
                        && plain.sent > answered
                        && plain.answered.is_some_and(|at| at < self.now)
                });
                if plain.is_some() && self.strikes(Fault::OrderOfOffsetsIgnored) {
                    self.is_planted = true;
                    self.broker.end_offsets(id, true, true);
                }
            }
            Outcome::Unknown => {}
        }
    }

    /// True if no other offset for the partition of a group was sent as late as `sent`.
    fn is_newest_for_certain(&self, sent: Time, group: usize) -> bool {
        let staged = self.history.transactions.iter().flat_map(|it| &it.offsets);
        let open = self.producers.iter().filter_map(|producer| producer.open.as_ref());
        let open = open.flat_map(|transaction| &transaction.offsets);
        let mut others = staged.chain(open).chain(&self.history.plain_commits);
        others.all(|other| {
            other.partition.0 as usize != group || other.answered.is_some_and(|answered| answered < sent)
        })
    }

    /// After a fault of offsets: one looks before they change again.
    fn show_offsets(&mut self, transaction: &Transaction) {
        let of_offsets =
            [Fault::OffsetsOfAnAbort, Fault::OffsetsLost, Fault::OrderOfOffsetsIgnored].map(Some);
        if !self.is_planted || !of_offsets.contains(&self.fault) {
            return;
        }
        self.fault = None;
        let Some(last) = transaction.offsets.last() else { return };
        self.now += 100;
        while self
            .history
            .offset_reads
            .last()
            .is_none_or(|read| read.asked + 60 < self.now || read.partition != last.partition)
        {
            self.auditor_free_at = self.auditor_free_at.max(self.now - 50);
            self.read_offset(last.partition.0 as usize);
            self.now += 1;
        }
    }

    /// A late end of the transaction before commits what this one has written so far.
    pub(super) fn end_too_early(&mut self, number: usize) {
        let Some(open) = &self.producers[number].open else { return };
        let id = open.id;
        if open.records.is_empty() || !self.strikes(Fault::EndedByAnEarlierEnd) {
            return;
        }
        self.is_planted = true;
        self.broker.end(id, true);
        self.producers[number].must_end = Some(false);
    }

    pub(super) fn spoil_poll(&mut self, poll: &mut Poll) {
        let partition = poll.partition.0 as usize;
        let count = poll.records.len();
        if poll.committed_only && self.open_records(poll).is_some() && self.strikes(Fault::OpenRecords) {
            let end = self.broker.logs[partition].len();
            let producer = self.open_records(poll).unwrap_or(0);
            self.is_planted = true;
            poll.to = end as i64;
            poll.records = self.broker.read(partition, poll.from as usize, end, false);
            // Its end is sent after this answer.
            let producer = &mut self.producers[producer];
            producer.free_at = producer.free_at.max(poll.answered);
        } else if poll.committed_only && count >= 2 && self.strikes(Fault::Exchanged) {
            self.is_planted = true;
            let (one, other) = (poll.records[0].1, poll.records[1].1);
            (poll.records[0].1, poll.records[1].1) = (other, one);
        } else if poll.committed_only && count >= 1 && self.strikes(Fault::SkippedInPoll) {
            self.is_planted = true;
            let skipped = self.random.place(count);
            poll.records.remove(skipped);
        } else if poll.committed_only
            && !poll.sought
            && count >= 1
            && self.strikes(Fault::SkippedBetweenPolls)
        {
            self.is_planted = true;
            poll.from = poll.records.remove(0).0 + 1;
        } else if !poll.sought && poll.from > 0 && self.strikes(Fault::WentBack) {
            self.is_planted = true;
            poll.from -= 1;
            let from = poll.from as usize;
            poll.records = self.broker.read(partition, from, poll.to as usize, poll.committed_only);
        }
    }

    /// The producer of an open transaction of which a reader could be given a record.
    fn open_records(&self, poll: &Poll) -> Option<usize> {
        let partition = Partition(poll.partition.0);
        let given = self.broker.read(partition.0 as usize, poll.from as usize, usize::MAX, false);
        self.producers.iter().position(|producer| {
            let open = producer.open.as_ref().map(|open| open.id);
            given.iter().any(|(_, name)| Some(name.transaction) == open)
        })
    }

    /// True if a stable read is told an offset although one is pending, of a transaction that commits after
    /// the answer.
    pub(super) fn shows_unstable(&mut self, group: usize, asked: Time, answered: Time) -> bool {
        let pending = self.producers.iter().position(|producer| {
            producer.open.as_ref().is_some_and(|open| {
                open.offsets.iter().any(|staged| {
                    staged.partition.0 as usize == group && staged.answered.is_some_and(|at| at < asked)
                })
            })
        });
        let Some(number) = pending else { return false };
        if !self.strikes(Fault::UnstableShown) {
            return false;
        }
        self.is_planted = true;
        let producer = &mut self.producers[number];
        producer.free_at = producer.free_at.max(answered);
        producer.must_end = Some(true);
        true
    }

    pub(super) fn spoil_end(&mut self, end: &mut StableEnd) {
        let earlier = self.history.stable_ends.iter();
        let earlier = earlier.filter(|it| it.partition == end.partition && it.answered < end.asked);
        let told = earlier.map(|it| it.offset).max().filter(|offset| *offset > 0);
        if let Some(told) = told
            && self.strikes(Fault::EndWentBack)
        {
            self.is_planted = true;
            end.offset = told - 1;
        }
    }
}
