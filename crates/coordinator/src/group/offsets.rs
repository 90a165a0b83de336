//! The offsets of one group: those that are committed, by topic and partition, when they may be forgotten,
//! and those that wait for the end of a transaction (`pending`).
//!
//! Which requests may commit, and which rule of [`Retention`] holds for a group, is decided by `classic` and `consumer`.
//! Kafka's `OffsetMetadataManager` and `OffsetExpirationConditionImpl`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::GroupId;
use super::records::{Key, Reader, Writer};
use crate::state_machine::{Record, RecordError, TooLong};

pub mod pending;

use pending::PendingOffsets;

/// A committed position: the offset of the next record to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The client's number, not compared with the log.
    pub offset: i64,
    /// The leader epoch of the last record read (KIP-320); -1 when the client did not say.
    pub leader_epoch: i32,
    /// The client's note.
    /// Empty if there is none.
    pub metadata: Arc<str>,
    /// Wall clock, milliseconds.
    pub committed_at_ms: i64,
    /// Set by OffsetCommit 2–4 with a retention time of its own; otherwise the broker's retention counts.
    /// Wall clock, milliseconds.
    pub expires_at_ms: Option<i64>,
    /// The topic's id at the time of the commit, nil if unknown: a topic that was deleted and created again under
    /// its name is another one.
    pub topic_id: Uuid,
}

impl CommittedOffset {
    /// True if this was committed for the topic with that id, and not for an earlier topic of the same name.
    pub fn is_of_topic(&self, id: Uuid) -> bool {
        self.topic_id.is_nil() || self.topic_id == id
    }
}

impl CommittedOffset {
    /// The record of the offset; the format is in `records.rs`.
    pub(super) fn record(
        &self,
        group: &GroupId,
        topic: &Arc<str>,
        partition: i32,
    ) -> Result<Record, TooLong> {
        let key = Key::CommittedOffset { group: group.clone(), topic: Arc::clone(topic), partition };
        Record::value(&key, self.encode())
    }

    fn encode(&self) -> Writer {
        let mut out = Writer::value();
        self.encode_fields(&mut out);
        out
    }

    /// The fields after the version, which a pending offset has, too.
    fn encode_fields(&self, out: &mut Writer) {
        out.i64(self.offset);
        out.i32(self.leader_epoch);
        out.i64(self.committed_at_ms);
        out.flag(self.expires_at_ms.is_some());
        if let Some(at_ms) = self.expires_at_ms {
            out.i64(at_ms);
        }
        out.uuid(self.topic_id);
        out.bytes(self.metadata.as_bytes());
    }

    /// Reads the value of the offset's record.
    ///
    /// # Errors
    /// If the bytes are of a newer version or are not an offset, to the last byte.
    pub fn decode(value: &[u8]) -> Result<CommittedOffset, RecordError> {
        let mut from = Reader::new(value);
        from.version()?;
        let offset = CommittedOffset::decode_fields(&mut from)?;
        from.end()?;
        Ok(offset)
    }

    fn decode_fields(from: &mut Reader<'_>) -> Result<CommittedOffset, RecordError> {
        Ok(CommittedOffset {
            offset: from.i64()?,
            leader_epoch: from.i32()?,
            committed_at_ms: from.i64()?,
            expires_at_ms: from.option(Reader::i64)?,
            topic_id: from.uuid()?,
            metadata: from.str()?.into(),
        })
    }
}

/// One partition of an OffsetCommit or a TxnOffsetCommit.
/// The topic exists and has the partition: the API has looked it up, by name or by id.
#[derive(Clone, Debug)]
pub struct OffsetCommit {
    pub topic: Arc<str>,
    pub topic_id: Uuid,
    pub partition: i32,
    pub offset: i64,
    /// -1 when the client did not say.
    pub leader_epoch: i32,
    /// Its length is not checked yet.
    pub metadata: Arc<str>,
}

/// All offsets of a group, by topic name and partition.
#[derive(Debug, Default)]
pub struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>,
    /// Those of transactions that are open.
    pub(super) pending: PendingOffsets,
}

impl Offsets {
    /// True if no partition has an offset, committed or pending. Topics without offsets are not kept.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.pending.is_empty()
    }

    /// The offsets of transactions that are open.
    /// No reader is told them; a reader that asks for stable offsets waits until none is left.
    pub fn pending(&self) -> &PendingOffsets {
        &self.pending
    }

    /// Takes the place of an earlier offset, also of a greater one: clients may go back.
    pub fn commit(&mut self, topic: Arc<str>, partition: i32, offset: CommittedOffset) {
        self.topics.entry(topic).or_default().insert(partition, offset);
    }

    /// `None` if nothing was committed, or it has expired or was deleted.
    pub fn committed(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Everything that is committed, in the order of topics and partitions.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, offset)| (topic, *partition, offset))
        })
    }

    /// Forgets a committed offset; does nothing if there is none.
    pub fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// The committed offsets that have outlived `retention`. Those of partitions with a pending offset stay.
    /// Looks at every offset of the group.
    pub fn expired(&self, now_ms: i64, retention: &Retention) -> Vec<(Arc<str>, i32)> {
        let expired = |(topic, partition, offset): (&Arc<str>, i32, &CommittedOffset)| {
            // Kafka's `cleanupExpiredOffsets`: the transaction may be what uses the partition now.
            let expired =
                retention.is_over(now_ms, topic, offset) && !self.pending.is_pending(topic, partition);
            expired.then(|| (Arc::clone(topic), partition))
        };
        self.iter().filter_map(expired).collect()
    }
}

/// The rule by which offsets of a group expire at this moment (KIP-211, `ClassicGroup.offsetExpirationCondition`).
pub struct Retention {
    /// `offsets.retention.minutes`, as milliseconds.
    pub(super) retention_ms: u64,
    /// The group is empty: retention counts from then on, not from the commit.
    pub(super) empty_since_ms: Option<i64>,
    /// Topics that members subscribe to never expire.
    pub(super) subscribed: BTreeSet<String>,
}

impl Retention {
    /// True once the offset may go. Kafka's `isOffsetExpired`.
    fn is_over(&self, now_ms: i64, topic: &str, offset: &CommittedOffset) -> bool {
        if self.subscribed.contains(topic) {
            return false;
        }
        // A time that the client named goes before the retention (Kafka's `OffsetExpirationConditionImpl`).
        if let Some(expires_at_ms) = offset.expires_at_ms {
            return now_ms >= expires_at_ms;
        }
        let since_ms = self.empty_since_ms.unwrap_or(offset.committed_at_ms);
        // A clock that went back leaves an offset that was committed in the future; it has time.
        u64::try_from(now_ms.saturating_sub(since_ms)).is_ok_and(|age_ms| age_ms >= self.retention_ms)
    }
}

#[cfg(test)]
mod tests;
