//! A checker for transactions: what producers did, what readers saw, and the rules between the two.
//!
//! The workload is list-append, as Elle and Jepsen's tests of brokers have it: each partition is a list, each
//! record an append with a name of its own ([`Name`]), each poll a read. Clients of any language write down
//! their side ([`feed`] reads such lines); when all have ended each partition is read once more from its
//! start, at read_committed. [`History::violations`] then finds:
//!
//! * **lost write**: a record of a committed transaction is not in the log;
//! * **torn transaction**: of one transaction some records are in the log and others are not, or its offsets
//!   count although its records do not;
//! * **aborted read** (G1a): a reader at read_committed was given a record of an aborted transaction;
//! * **precommitted read**: it was given one of a transaction whose commit had not been asked for yet;
//! * **duplicate**: a record is in the log twice;
//! * **inconsistent offsets**: an offset of a partition held different records for two readers;
//! * **phantom**: a record was not sent, or not to this partition;
//! * **order**: a producer's records of a partition are not in the order in which it sent them;
//! * **poll skip**: a reader went past a record that it had to be given;
//! * **poll back**: a reader's position went back, or a poll was not in the order of offsets;
//! * **stale end**: the last stable offset of a partition goes back;
//! * **group offset**: a group's committed offset is not the newest of those that count;
//! * **unstable offset**: a reader of stable offsets was told one while a transaction with another was open;
//! * **unsorted list**: the aborted transactions of a fetch were not sorted by their first offsets.
//!
//! An end whose answer was lost (`Unknown`) may be either, but the same everywhere: what the log shows of it
//! decides.
//!
//! ```text
//! History::violations ─► log.rs    the final log against the transactions
//!                        polls.rs  what each reader was given, against that log
//!                        groups.rs committed offsets of groups
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::history::Violations;

pub mod feed;
mod groups;
pub mod load;
mod log;
mod polls;
pub mod producer;
pub mod requests;

/// Nanoseconds on one clock that all clients of a history share and that never goes back.
pub type Time = u64;

/// A partition of a topic, by its place in [`History::partitions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u32);

/// A partition for which a group commits offsets, by its place in [`History::group_partitions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupPartition(pub u32);

/// A record's name, which is in its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Of its transaction; unique in a history. Those of a producer rise.
    pub transaction: u64,
    /// Its place among the records of its transaction, from 0, in the order of sending.
    pub number: u32,
}

/// One transaction, as its producer knows it.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// See [`Name::transaction`].
    pub id: u64,
    /// The transactional id, as a number.
    pub producer: u32,
    /// The partition of each record, by its number.
    pub records: Vec<Partition>,
    /// The offsets that it sent to groups, in the order of sending.
    pub offsets: Vec<StagedOffset>,
    /// Before the first byte of the first EndTxn that asks for a commit. `None`: none was sent.
    pub commit_sent: Option<Time>,
    /// As its producer learned it.
    pub outcome: Outcome,
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The commit was answered without an error.
    Committed {
        /// After the answer had arrived.
        at: Time,
    },
    /// An abort was answered without an error, or a commit was refused for good.
    Aborted,
    /// Neither is known: the client died, or its last answer was lost.
    Unknown,
}

/// An offset that a group commits.
#[derive(Debug, Clone, Copy)]
pub struct StagedOffset {
    /// The group and the partition.
    pub partition: GroupPartition,
    /// The committed offset.
    pub offset: i64,
    /// Before the first byte of the request was sent.
    pub sent: Time,
    /// After the answer had arrived. `None`: no answer arrived.
    pub answered: Option<Time>,
}

/// One poll of one partition.
#[derive(Debug, Clone)]
pub struct Poll {
    /// The reader, as a number. Its polls are in the order in which it made them.
    pub reader: u32,
    /// The partition.
    pub partition: Partition,
    /// True at read_committed.
    pub committed_only: bool,
    /// True if the reader chose its position itself: at its start, after a seek, when it was assigned the
    /// partition.
    pub sought: bool,
    /// Before the request was sent.
    pub asked: Time,
    /// After the answer had arrived.
    pub answered: Time,
    /// The reader's position before it.
    pub from: i64,
    /// The reader's position after it: beyond the last record, or beyond markers and aborted records after
    /// that.
    pub to: i64,
    /// Offsets and names, as they came.
    pub records: Vec<(i64, Name)>,
}

/// The last stable offset of a partition, as ListOffsets at read_committed or a Fetch tells it.
#[derive(Debug, Clone, Copy)]
pub struct StableEnd {
    /// The partition.
    pub partition: Partition,
    /// Before the request was sent.
    pub asked: Time,
    /// After the answer had arrived.
    pub answered: Time,
    /// As answered.
    pub offset: i64,
}

/// A committed offset, as OffsetFetch tells it. One that is refused (UNSTABLE_OFFSET_COMMIT) is not written
/// down.
#[derive(Debug, Clone, Copy)]
pub struct OffsetRead {
    /// The group and the partition.
    pub partition: GroupPartition,
    /// True if stable offsets were asked for.
    pub stable: bool,
    /// Before the request was sent.
    pub asked: Time,
    /// After the answer had arrived.
    pub answered: Time,
    /// -1: nothing is committed.
    pub offset: i64,
}

/// Everything that was written down.
#[derive(Debug, Default, Clone)]
pub struct History {
    /// The names of partitions, for reports.
    pub partitions: Vec<String>,
    /// The names of groups with their partitions, for reports.
    pub group_partitions: Vec<String>,
    /// Every transaction that was begun, in any order.
    pub transactions: Vec<Transaction>,
    /// In any order between readers; of one reader in the order in which it polled.
    pub polls: Vec<Poll>,
    /// Fetches whose list of aborted transactions was not sorted: Java's consumer sorts it, others trust the broker.
    pub unsorted_lists: u64,
    /// In any order.
    pub stable_ends: Vec<StableEnd>,
    /// Commits outside of transactions, except for those that were refused. In any order.
    pub plain_commits: Vec<StagedOffset>,
    /// In any order.
    pub offset_reads: Vec<OffsetRead>,
    /// Each partition from its start to its end at read_committed, read after everything else had ended.
    /// `None`: the bytes are not the name of a record.
    pub log: BTreeMap<Partition, Vec<(i64, Option<Name>)>>,
    /// After the last answer of reading the log had arrived.
    pub log_read: Time,
    /// A request may come again until its transaction ends. An offset that came again is newer than one that another transaction
    /// sent meanwhile, in Kafka as well.
    pub comes_again: bool,
}

/// The end of a transaction, as far as the history tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Committed,
    Aborted,
    /// No answer, and no record that would show it.
    Either,
}

/// The transactions of a history, found by id, with their fates.
struct Index<'a> {
    history: &'a History,
    transactions: HashMap<u64, (&'a Transaction, Fate)>,
}

impl History {
    /// Checks everything, in O(n log n).
    pub fn violations(&self) -> Violations {
        let mut found = Violations::default();
        let index = self.index(&mut found);
        log::check(&index, &mut found);
        polls::check(&index, &mut found);
        groups::check(&index, &mut found);
        if self.unsorted_lists > 0 {
            found.add("unsorted list", || format!("in {} fetches", self.unsorted_lists));
        }
        found
    }

    fn index(&self, found: &mut Violations) -> Index<'_> {
        let mut transactions = HashMap::with_capacity(self.transactions.len());
        for transaction in &self.transactions {
            let fate = match transaction.outcome {
                Outcome::Committed { .. } => Fate::Committed,
                Outcome::Aborted => Fate::Aborted,
                Outcome::Unknown if transaction.records.is_empty() => Fate::Either,
                // Until a record of it is seen.
                Outcome::Unknown => Fate::Aborted,
            };
            if transactions.insert(transaction.id, (transaction, fate)).is_some() {
                found.add("history", || format!("transaction {} is there twice", transaction.id));
            }
        }
        let visible = self.log.values().flatten().filter_map(|(_, name)| *name);
        let given = self.polls.iter().filter(|poll| poll.committed_only).flat_map(|poll| &poll.records);
        for name in visible.chain(given.map(|(_, name)| *name)) {
            if let Some((transaction, fate)) = transactions.get_mut(&name.transaction)
                && transaction.outcome == Outcome::Unknown
            {
                *fate = Fate::Committed;
            }
        }
        Index { history: self, transactions }
    }
}

impl<'a> Index<'a> {
    fn get(&self, name: Name) -> Option<(&'a Transaction, Fate)> {
        self.transactions.get(&name.transaction).copied()
    }

    fn partition(&self, partition: Partition) -> &str {
        let names = &self.history.partitions;
        usize::try_from(partition.0).ok().and_then(|place| names.get(place)).map_or("?", String::as_str)
    }

    fn group_partition(&self, partition: GroupPartition) -> &str {
        let names = &self.history.group_partitions;
        usize::try_from(partition.0).ok().and_then(|place| names.get(place)).map_or("?", String::as_str)
    }

    /// The final log of a partition, by offset.
    fn log(&self, partition: Partition) -> &'a [(i64, Option<Name>)] {
        self.history.log.get(&partition).map_or(&[], Vec::as_slice)
    }
}

/// The records of a log with offsets from `from` to `to`, without `to`.
fn range(log: &[(i64, Option<Name>)], from: i64, to: i64) -> &[(i64, Option<Name>)] {
    let start = log.partition_point(|(offset, _)| *offset < from);
    let end = log.partition_point(|(offset, _)| *offset < to);
    log.get(start..end).unwrap_or_default()
}

impl Transaction {
    /// The partition of a record; `None` if it sent no such record.
    fn partition_of(&self, name: Name) -> Option<Partition> {
        self.records.get(usize::try_from(name.number).ok()?).copied()
    }
}

#[cfg(test)]
mod tests;
