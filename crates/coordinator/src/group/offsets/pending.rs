//! The offsets of transactions that are open: by topic, partition and producer id.
//!
//! A producer has one pending offset for each partition, the newest that it sent. When its transaction
//! commits, that offset counts unless one that came later was committed meanwhile, by a plain commit or by
//! another transaction. Kafka compares the positions of the two records in its log
//! (`OffsetMetadataManager.replayEndTransactionMarker`). Here a pending offset that has lost is marked as
//! *overtaken* at that moment, so that committed offsets need no position.
//!
//! An overtaken offset stays pending until its transaction ends, as in Kafka: it holds off expiry, and
//! readers of stable offsets wait for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::GroupId;
use super::super::records::{Key, Reader, Writer};
use super::CommittedOffset;
use crate::state_machine::{Record, RecordError, TooLong};

/// An offset that becomes the committed one if its transaction commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOffset {
    /// Compared with that of other producers for the same partition: the greater one came later.
    pub order: u64,
    /// An offset that came later was committed: this one no longer counts.
    pub overtaken: bool,
    /// The committed offset that it may become, with the time of its TxnOffsetCommit.
    pub offset: CommittedOffset,
}

impl PendingOffset {
    /// The record of the offset; the format is in `records.rs`.
    pub(in super::super) fn record(
        &self,
        group: &GroupId,
        producer_id: i64,
        topic: &Arc<str>,
        partition: i32,
    ) -> Result<Record, TooLong> {
        let (group, topic) = (group.clone(), Arc::clone(topic));
        Record::value(&Key::PendingOffset { group, producer_id, topic, partition }, self.encode())
    }

    fn encode(&self) -> Writer {
        let mut out = Writer::value();
        out.u64(self.order);
        out.flag(self.overtaken);
        self.offset.encode_fields(&mut out);
        out
    }

    /// Reads the value of the offset's record.
    ///
    /// # Errors
    /// If the bytes are of a newer version or are not a pending offset, to the last byte.
    pub fn decode(value: &[u8]) -> Result<PendingOffset, RecordError> {
        let mut from = Reader::new(value);
        from.version()?;
        let pending = PendingOffset {
            order: from.u64()?,
            overtaken: from.flag()?,
            offset: CommittedOffset::decode_fields(&mut from)?,
        };
        from.end()?;
        Ok(pending)
    }
}

/// The pending offsets of one partition, by producer id. Rarely more than one.
type OfPartition = BTreeMap<i64, PendingOffset>;

/// All pending offsets of a group.
#[derive(Debug, Default)]
pub struct PendingOffsets {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, OfPartition>>,
    /// The partitions of each producer, so that an end looks at its own alone.
    producers: BTreeMap<i64, BTreeSet<(Arc<str>, i32)>>,
}

impl PendingOffsets {
    /// True if no transaction with an offset of the group is open.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// The number of pending offsets, overtaken ones included.
    pub fn len(&self) -> usize {
        self.producers.values().map(BTreeSet::len).sum()
    }

    /// The producers with a pending offset, in their order.
    pub fn producers(&self) -> impl Iterator<Item = i64> {
        self.producers.keys().copied()
    }

    /// True if a transaction that is open has an offset of that partition.
    pub fn is_pending(&self, topic: &str, partition: i32) -> bool {
        self.of_partition(topic, partition).is_some()
    }

    /// Everything, in the order of topics, partitions and producers.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32, i64, &PendingOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().flat_map(move |(partition, producers)| {
                producers.iter().map(move |(producer_id, pending)| (topic, *partition, *producer_id, pending))
            })
        })
    }

    /// Takes in an offset as it was stored.
    pub(in super::super) fn restore(
        &mut self,
        producer_id: i64,
        topic: Arc<str>,
        partition: i32,
        pending: PendingOffset,
    ) {
        self.producers.entry(producer_id).or_default().insert((Arc::clone(&topic), partition));
        let partitions = self.topics.entry(topic).or_default();
        partitions.entry(partition).or_default().insert(producer_id, pending);
    }

    /// Takes in an offset that a producer has just sent, in place of its earlier one for that partition.
    /// Returns what is to be stored.
    pub(in super::super) fn stage(
        &mut self,
        producer_id: i64,
        topic: &Arc<str>,
        partition: i32,
        offset: CommittedOffset,
    ) -> PendingOffset {
        let earlier = self.of_partition(topic, partition);
        let newest = earlier.into_iter().flat_map(BTreeMap::values).map(|pending| pending.order).max();
        // Saturating: the number may come from the disk.
        let order = newest.map_or(0, |newest| newest.saturating_add(1));
        let pending = PendingOffset { order, overtaken: false, offset };
        self.restore(producer_id, Arc::clone(topic), partition, pending.clone());
        pending
    }

    /// Marks the offsets of a partition that came before `order` and still counted. Returns those, to be
    /// stored again.
    pub(in super::super) fn overtake(
        &mut self,
        topic: &str,
        partition: i32,
        order: u64,
    ) -> Vec<(i64, PendingOffset)> {
        let producers = self.topics.get_mut(topic).and_then(|partitions| partitions.get_mut(&partition));
        let mut changed = Vec::new();
        for (producer_id, pending) in producers.into_iter().flatten() {
            if pending.order < order && !pending.overtaken {
                pending.overtaken = true;
                changed.push((*producer_id, pending.clone()));
            }
        }
        changed
    }

    /// Takes out all offsets of a producer, in the order of topics and partitions.
    pub(in super::super) fn take(&mut self, producer_id: i64) -> Vec<(Arc<str>, i32, PendingOffset)> {
        let partitions = self.producers.remove(&producer_id).unwrap_or_default();
        let take = |(topic, partition): (Arc<str>, i32)| {
            let pending = self.take_from_topic(producer_id, &topic, partition)?;
            Some((topic, partition, pending))
        };
        partitions.into_iter().filter_map(take).collect()
    }

    /// Forgets one offset; does nothing if there is none.
    pub(in super::super) fn remove(&mut self, producer_id: i64, topic: &Arc<str>, partition: i32) {
        self.take_from_topic(producer_id, topic, partition);
        if let Some(partitions) = self.producers.get_mut(&producer_id) {
            partitions.remove(&(Arc::clone(topic), partition));
            if partitions.is_empty() {
                self.producers.remove(&producer_id);
            }
        }
    }

    /// The producers with a pending offset of that partition.
    pub(in super::super) fn producers_of(&self, topic: &str, partition: i32) -> Vec<i64> {
        self.of_partition(topic, partition).into_iter().flat_map(BTreeMap::keys).copied().collect()
    }

    /// `None` if the partition has none.
    fn of_partition(&self, topic: &str, partition: i32) -> Option<&OfPartition> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Leaves the producer's own list as it is.
    fn take_from_topic(&mut self, producer_id: i64, topic: &str, partition: i32) -> Option<PendingOffset> {
        let partitions = self.topics.get_mut(topic)?;
        let producers = partitions.get_mut(&partition)?;
        let taken = producers.remove(&producer_id);
        if producers.is_empty() {
            partitions.remove(&partition);
        }
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        taken
    }
}

#[cfg(test)]
mod tests;
