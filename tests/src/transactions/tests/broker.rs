//! A broker in memory, and producers, readers and consumers that use it and write a history. Each request
//! takes effect at one moment; its client knows only when it was sent and when it was answered. One fault can
//! be built in.

use std::collections::BTreeMap;

use super::super::{
    GroupPartition, History, Name, OffsetRead, Outcome, Partition, Poll, StableEnd, StagedOffset, Time,
    Transaction,
};
use super::fault::Fault;

pub(super) const PARTITIONS: usize = 3;
const GROUP_PARTITIONS: usize = 2;

/// SplitMix64: a seed in a failure report keeps its meaning.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn place(&mut self, bound: usize) -> usize {
        self.below(bound as u64) as usize
    }

    pub(super) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

/// A record in a log.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// `None`: a marker.
    pub(super) name: Option<Name>,
    pub(super) transaction: u64,
    /// Set by the marker of its transaction.
    pub(super) commit: Option<bool>,
}

/// All that a broker keeps.
#[derive(Default)]
pub(super) struct Broker {
    pub(super) logs: Vec<Vec<Stored>>,
    /// Sequence and offset of what each group has committed.
    pub(super) committed: Vec<Option<(u64, i64)>>,
    /// By transaction and partition of a group.
    pub(super) pending: BTreeMap<(u64, usize), (u64, i64)>,
    pub(super) sequence: u64,
}

impl Broker {
    pub(super) fn append(&mut self, partition: usize, name: Name) {
        let stored = Stored { name: Some(name), transaction: name.transaction, commit: None };
        self.logs[partition].push(stored);
    }

    pub(super) fn stable_end(&self, partition: usize) -> usize {
        let log = &self.logs[partition];
        log.iter().position(|stored| stored.commit.is_none()).unwrap_or(log.len())
    }

    /// The records that a reader is given between two offsets.
    pub(super) fn read(
        &self,
        partition: usize,
        from: usize,
        to: usize,
        committed_only: bool,
    ) -> Vec<(i64, Name)> {
        let given = |(offset, stored): (usize, &Stored)| {
            let name = stored.name.filter(|_| !committed_only || stored.commit == Some(true))?;
            Some((offset as i64, name))
        };
        self.logs[partition].iter().enumerate().take(to).skip(from).filter_map(given).collect()
    }

    /// Writes markers into the partitions that have open records of the transaction, and ends its offsets.
    pub(super) fn end(&mut self, transaction: u64, commit: bool) {
        for partition in 0..self.logs.len() {
            self.mark(partition, transaction, commit);
        }
        self.end_offsets(transaction, commit, false);
    }

    pub(super) fn mark(&mut self, partition: usize, transaction: u64, commit: bool) {
        let log = &mut self.logs[partition];
        let open = log.iter_mut().filter(|it| it.transaction == transaction && it.commit.is_none());
        let ended = open.map(|stored| stored.commit = Some(commit)).count();
        if ended > 0 {
            log.push(Stored { name: None, transaction, commit: Some(commit) });
        }
    }

    /// `ignores_order`: also over a newer offset.
    pub(super) fn end_offsets(&mut self, transaction: u64, commit: bool, ignores_order: bool) {
        for group in 0..GROUP_PARTITIONS {
            let Some(staged) = self.pending.remove(&(transaction, group)) else { continue };
            let newest = self.committed[group].is_none_or(|committed| committed < staged);
            if commit && (newest || ignores_order) {
                self.committed[group] = Some(staged);
            }
        }
    }

    fn is_pending(&self, group: usize) -> bool {
        self.pending.keys().any(|(_, pending)| *pending == group)
    }
}

pub(super) struct Producer {
    number: u32,
    pub(super) free_at: Time,
    pub(super) open: Option<Transaction>,
    /// An end whose answer was lost takes effect later, this way.
    undecided: Option<(u64, bool)>,
    /// A fault shows only if the transaction ends this way, and is answered.
    pub(super) must_end: Option<bool>,
}

struct Reader {
    free_at: Time,
    committed_only: bool,
    /// `None`: the reader has not read the partition yet.
    positions: Vec<Option<usize>>,
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Time,
    pub(super) broker: Broker,
    pub(super) history: History,
    pub(super) producers: Vec<Producer>,
    readers: Vec<Reader>,
    /// The client that looks at committed offsets and ends of partitions.
    pub(super) auditor_free_at: Time,
    committer_free_at: Time,
    transactions: u64,
    offsets: i64,
    pub(super) fault: Option<Fault>,
    /// The fault has happened, where the history shows it.
    pub(super) is_planted: bool,
}

impl World {
    pub(super) fn new(seed: u64, fault: Option<Fault>) -> World {
        let reader = |number: u64| Reader {
            free_at: 0,
            committed_only: number > 0,
            positions: vec![None; PARTITIONS],
        };
        let producer = |number| Producer { number, free_at: 0, open: None, undecided: None, must_end: None };
        World {
            random: Random(seed),
            now: 1,
            broker: Broker {
                logs: vec![Vec::new(); PARTITIONS],
                committed: vec![None; GROUP_PARTITIONS],
                ..Broker::default()
            },
            history: History::default(),
            producers: (0..3).map(producer).collect(),
            readers: (0..4).map(reader).collect(),
            auditor_free_at: 0,
            committer_free_at: 0,
            transactions: 0,
            offsets: 0,
            fault,
            is_planted: false,
        }
    }

    /// The whole history, with what is read at its end.
    pub(super) fn play(mut self, steps: usize) -> (History, bool) {
        for _ in 0..steps {
            self.now += 1 + self.random.below(5);
            match self.random.below(100) {
                0..60 => self.produce(),
                60..82 => self.poll(),
                82..90 => self.audit_offset(),
                90..94 => self.audit_end(),
                _ => self.commit_plainly(),
            }
        }
        self.finish();
        (self.history, self.is_planted)
    }

    /// Times around now of a request by a client that had its last answer at `free_at`. `None`: it has not
    /// had it yet.
    pub(super) fn window(&mut self, free_at: Time) -> Option<(Time, Time)> {
        let waited = self.now.checked_sub(free_at).filter(|waited| *waited > 0)?;
        let sent = free_at + 1 + self.random.below(waited);
        Some((sent, self.now + self.random.below(20)))
    }

    fn produce(&mut self) {
        let number = self.random.place(self.producers.len());
        let Some(window) = self.window(self.producers[number].free_at) else { return };
        self.producers[number].free_at = window.1;
        let Some(open) = &mut self.producers[number].open else { return self.begin(number) };
        match self.random.below(100) {
            0..50 => {
                let partition = self.random.place(PARTITIONS);
                let name = Name { transaction: open.id, number: open.records.len() as u32 };
                open.records.push(Partition(partition as u32));
                self.broker.append(partition, name);
            }
            50..70 => {
                self.broker.sequence += 1;
                self.offsets += 1;
                let group = self.random.place(GROUP_PARTITIONS);
                let staged = (self.broker.sequence, self.offsets);
                self.broker.pending.insert((open.id, group), staged);
                open.offsets.push(StagedOffset {
                    partition: GroupPartition(group as u32),
                    offset: self.offsets,
                    sent: window.0,
                    answered: Some(window.1),
                });
            }
            _ => self.end(number, window),
        }
        if self.fault == Some(Fault::EndedByAnEarlierEnd) {
            self.end_too_early(number);
        }
    }

    fn begin(&mut self, number: usize) {
        let producer = &mut self.producers[number];
        // As InitProducerId does.
        if let Some((id, commit)) = producer.undecided.take() {
            self.broker.end(id, commit);
        }
        self.transactions += 1;
        producer.open = Some(Transaction {
            id: self.transactions,
            producer: producer.number,
            records: Vec::new(),
            offsets: Vec::new(),
            commit_sent: None,
            outcome: Outcome::Unknown,
        });
    }

    fn end(&mut self, number: usize, (sent, answered): (Time, Time)) {
        let choice = match self.producers[number].must_end.take() {
            Some(true) => 0,
            Some(false) => 6,
            None => self.random.below(10),
        };
        let Some(mut transaction) = self.producers[number].open.take() else { return };
        let (effect, will) = (self.random.one_in(2), self.random.one_in(2));
        match choice {
            0..6 => {
                transaction.commit_sent = Some(sent);
                transaction.outcome = Outcome::Committed { at: answered };
                self.end_in_broker(&transaction, true);
            }
            6..8 => {
                transaction.outcome = Outcome::Aborted;
                self.end_in_broker(&transaction, false);
            }
            // The answer is lost.
            8 => {
                transaction.commit_sent = Some(sent);
                if effect {
                    self.end_in_broker(&transaction, will);
                } else {
                    self.producers[number].undecided = Some((transaction.id, will));
                }
            }
            // The producer dies in the middle.
            _ => self.producers[number].undecided = Some((transaction.id, false)),
        }
        self.history.transactions.push(transaction);
    }

    fn poll(&mut self) {
        let number = self.random.place(self.readers.len());
        let partition = self.random.place(PARTITIONS);
        let Some((asked, answered)) = self.window(self.readers[number].free_at) else { return };
        let reader = &mut self.readers[number];
        reader.free_at = answered;
        let committed_only = reader.committed_only;
        let mut end = self.broker.logs[partition].len();
        if committed_only {
            end = self.broker.stable_end(partition);
        }
        let position = reader.positions[partition];
        let sought = position.is_none() || self.random.one_in(8);
        let from = if sought { self.random.place(end + 1) } else { position.unwrap_or(0) };
        let to = from + self.random.place(end.saturating_sub(from) + 1);
        let mut poll = Poll {
            reader: number as u32,
            partition: Partition(partition as u32),
            committed_only,
            sought,
            asked,
            answered,
            from: from as i64,
            to: to as i64,
            records: self.broker.read(partition, from, to, committed_only),
        };
        self.spoil_poll(&mut poll);
        self.readers[number].positions[partition] = Some(poll.to as usize);
        self.history.polls.push(poll);
    }

    pub(super) fn audit_offset(&mut self) {
        let group = self.random.place(GROUP_PARTITIONS);
        self.read_offset(group);
    }

    pub(super) fn read_offset(&mut self, group: usize) {
        let Some((asked, answered)) = self.window(self.auditor_free_at) else { return };
        self.auditor_free_at = answered;
        let stable = self.random.one_in(2);
        if stable && self.broker.is_pending(group) && !self.shows_unstable(group, asked, answered) {
            return;
        }
        let partition = GroupPartition(group as u32);
        let offset = self.broker.committed[group].map_or(-1, |(_, offset)| offset);
        self.history.offset_reads.push(OffsetRead { partition, stable, asked, answered, offset });
    }

    fn audit_end(&mut self) {
        let partition = self.random.place(PARTITIONS);
        let Some((asked, answered)) = self.window(self.auditor_free_at) else { return };
        self.auditor_free_at = answered;
        let offset = self.broker.stable_end(partition) as i64;
        let mut end = StableEnd { partition: Partition(partition as u32), asked, answered, offset };
        self.spoil_end(&mut end);
        self.history.stable_ends.push(end);
    }

    fn commit_plainly(&mut self) {
        let Some((sent, answered)) = self.window(self.committer_free_at) else { return };
        self.committer_free_at = answered;
        self.broker.sequence += 1;
        self.offsets += 1;
        let group = self.random.place(GROUP_PARTITIONS);
        let is_written = !self.random.one_in(5);
        if is_written {
            self.broker.committed[group] = Some((self.broker.sequence, self.offsets));
        }
        self.history.plain_commits.push(StagedOffset {
            partition: GroupPartition(group as u32),
            offset: self.offsets,
            sent,
            // The answer may be lost, whether it was written or not.
            answered: Some(answered).filter(|_| is_written && !self.random.one_in(5)),
        });
    }

    /// All transactions end, and everything is read once more.
    fn finish(&mut self) {
        for number in 0..self.producers.len() {
            self.now += 50;
            if self.producers[number].must_end.is_some() {
                let window = (self.now, self.now);
                self.end(number, window);
            }
            let open = self.producers[number].open.take();
            let undecided = self.producers[number].undecided.take();
            for (id, commit) in undecided.into_iter().chain(open.iter().map(|open| (open.id, false))) {
                self.broker.end(id, commit);
            }
            self.history.transactions.extend(open);
        }
        self.now += 50;
        for _ in 0..30 {
            self.now += 25;
            self.poll();
        }
        for partition in 0..PARTITIONS {
            let log = self.broker.read(partition, 0, usize::MAX, true);
            let log = log.into_iter().map(|(offset, name)| (offset, Some(name)));
            self.history.log.insert(Partition(partition as u32), log.collect());
        }
        self.history.log_read = self.now;
        for group in 0..GROUP_PARTITIONS {
            self.now += 50;
            self.read_offset(group);
            self.audit_end();
        }
    }
}
