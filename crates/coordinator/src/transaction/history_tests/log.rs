//! The logs of the partitions and the offsets of the groups, as far as a transaction shows in them, in every shard.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::{
    Ending, ProducerId, ProducerIdAndEpoch,
    participant::{self, Verdict},
};

/// An entry of a partition. `transaction` is the number that the history has given to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Batch { transaction: u64 },
    Marker { transaction: u64, commit: bool },
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) commit: bool,
    pub(super) by_its_producer: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Logs {
    partitions: BTreeMap<i32, Vec<Entry>>,
    /// The epoch of each producer's last batch or marker, by partition.
    epochs: BTreeMap<(i32, ProducerId), i16>,
    /// Groups with pending offsets, and the transaction in which they were staged.
    pending: BTreeMap<String, u64>,
    /// The record by which each shard knows the last end that it has applied for the id.
    applied: BTreeMap<u32, Bytes>,
    pub(super) fates: BTreeMap<u64, Fate>,
}

impl Logs {
    /// Appends a batch. False if a newer epoch has been seen.
    pub(super) fn append(&mut self, partition: i32, by: ProducerIdAndEpoch, transaction: u64) -> bool {
        let epoch = self.epochs.entry((partition, by.id)).or_insert(by.epoch);
        if by.epoch < *epoch {
            return false;
        }
        *epoch = by.epoch;
        self.partitions.entry(partition).or_default().push(Entry::Batch { transaction });
        true
    }

    pub(super) fn stage(&mut self, group: &str, transaction: u64) {
        let before = self.pending.insert(group.to_owned(), transaction);
        assert!(before.is_none_or(|before| before == transaction), "offsets of two transactions at once");
    }

    /// Takes in the decision, and writes the part of the id's own shard with it.
    pub(super) fn decide(&mut self, own: &Ending, transaction: u64, by_its_producer: bool) {
        let fate = Fate { commit: own.commit, by_its_producer };
        assert_eq!(self.fates.insert(transaction, fate), None, "a transaction ended twice");
        self.write(own, transaction);
    }

    /// An end of that transaction has come to another shard, perhaps not for the first time, from a coordinator of that
    /// epoch. True if the shard answers.
    pub(super) fn apply(&mut self, ending: &Ending, transaction: u64, coordinator_epoch: u32) -> bool {
        let shard = ending.shard.0;
        let stored = self.applied.get(&shard).map(AsRef::as_ref);
        match participant::judge(stored, ending, coordinator_epoch).unwrap() {
            Verdict::Apply(record) => {
                self.applied.insert(shard, record.value.unwrap());
                self.write(ending, transaction);
                true
            }
            Verdict::Repeat => true,
            Verdict::Fenced => false,
        }
    }

    /// Writes the end in one shard: a marker in each partition, and the groups' offsets, all at once.
    fn write(&mut self, ending: &Ending, transaction: u64) {
        for partition in &ending.partitions {
            let epoch = self.epochs.entry((partition.partition, ending.producer_id)).or_insert(0);
            assert!(*epoch <= ending.marker_epoch, "a marker that the log refuses");
            *epoch = ending.marker_epoch;
            let marker = Entry::Marker { transaction, commit: ending.commit };
            self.partitions.entry(partition.partition).or_default().push(marker);
        }
        for group in &ending.groups {
            let staged = self.pending.remove(group.group.as_str());
            assert!(staged.is_none_or(|staged| staged == transaction), "offsets of another transaction");
        }
    }

    /// In every partition that a transaction touched: exactly one marker, after all its batches; in no other
    /// any. Offsets are pending as long. `unended`: the transaction that is open, or whose end is under way.
    pub(super) fn check(&self, unended: Option<u64>) {
        for (partition, entries) in &self.partitions {
            let mut ended = BTreeSet::new();
            for entry in entries {
                match *entry {
                    Entry::Batch { transaction } => {
                        assert!(!ended.contains(&transaction), "{partition}: a batch after its marker");
                    }
                    Entry::Marker { transaction, commit } => {
                        assert!(ended.insert(transaction), "{partition}: a second marker");
                        assert_eq!(self.fates[&transaction].commit, commit, "{partition}: torn");
                    }
                }
            }
            for entry in entries {
                if let Entry::Batch { transaction } = entry {
                    let has_marker = unended == Some(*transaction) || ended.contains(transaction);
                    assert!(has_marker, "{partition}: a batch without a marker");
                }
            }
        }
        for (group, transaction) in &self.pending {
            assert_eq!(unended, Some(*transaction), "{group}: offsets that no end has taken");
        }
    }
}
