//! The ends of the model: what each shard is to write, and when all of them have.

use std::collections::BTreeSet;

use super::super::super::{EndCause, Ending, ProducerIdAndEpoch};
use super::Model;

/// An end in one shard that the model expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct ModelEnding {
    pub(in super::super) shard: u32,
    pub(in super::super) number: u64,
    pub(in super::super) producer: ProducerIdAndEpoch,
    pub(in super::super) commit: bool,
    pub(in super::super) partitions: BTreeSet<i32>,
    pub(in super::super) groups: BTreeSet<String>,
    pub(in super::super) cause: EndCause,
}

/// An end of the machine's in the model's form.
pub(in super::super) fn plain(ending: &Ending) -> ModelEnding {
    ModelEnding {
        shard: ending.shard.0,
        number: ending.number,
        producer: ProducerIdAndEpoch { id: ending.producer_id, epoch: ending.marker_epoch },
        commit: ending.commit,
        partitions: ending.partitions.iter().map(|partition| partition.partition).collect(),
        groups: ending.groups.iter().map(|group| group.group.to_string()).collect(),
        cause: ending.cause,
    }
}

impl Model {
    /// An end is decided, and shards have to answer yet.
    pub(in super::super) fn is_prepared(&self) -> bool {
        !self.left.is_empty()
    }

    /// A shard has answered an end.
    pub(in super::super) fn applied(&mut self, shard: u32, number: u64, now_ms: u64) {
        if self.left.get(&shard).is_none_or(|ending| ending.number != number) {
            return;
        }
        self.left.remove(&shard);
        let layout = self.layout;
        self.partitions.retain(|partition| layout.of_partition(*partition) != shard);
        self.groups.retain(|group| layout.of_group(group) != shard);
        if self.left.is_empty() {
            let complete = if self.state == "PrepareCommit" { "CompleteCommit" } else { "CompleteAbort" };
            self.change(complete, now_ms);
        }
    }

    /// Ends what is open: here at once, in each other shard once it has answered.
    pub(super) fn finish(&mut self, marker: ProducerIdAndEpoch, commit: bool, cause: EndCause, now_ms: u64) {
        let number = now_ms.max(self.since_ms + 1);
        let part = |shard: u32| ModelEnding {
            shard,
            number,
            producer: marker,
            commit,
            partitions: self
                .partitions
                .iter()
                .copied()
                .filter(|of| self.layout.of_partition(*of) == shard)
                .collect(),
            groups: self.groups.iter().filter(|of| self.layout.of_group(of) == shard).cloned().collect(),
            cause,
        };
        let is_there = |ending: &ModelEnding| !ending.partitions.is_empty() || !ending.groups.is_empty();
        let (own, elsewhere) = (part(0), (1..self.layout.shards.max(1)).map(part).filter(is_there));
        self.left = elsewhere.map(|ending| (ending.shard, ending)).collect();
        self.partitions.retain(|partition| !own.partitions.contains(partition));
        self.groups.retain(|group| !own.groups.contains(group));
        self.endings.push(own);
        if self.is_prepared() {
            (self.state, self.since_ms) = (if commit { "PrepareCommit" } else { "PrepareAbort" }, number);
        } else {
            self.change(if commit { "CompleteCommit" } else { "CompleteAbort" }, now_ms);
        }
    }
}
