//! The committed offsets of one group: by topic and partition, and when they may be forgotten.
//!
//! Whether a request may commit is the members' business (`classic`); this file only keeps what was committed.
//! Kafka's `OffsetMetadataManager` and `OffsetExpirationConditionImpl`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::Env;
use super::classic::{ClassicGroup, State};
use super::consumer::{ConsumerGroup, ConsumerState};
use super::consumer_protocol;

/// A committed position: the offset of the next record to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: i64,
    /// The leader epoch of the last record read (KIP-320); -1 when the client did not say.
    pub leader_epoch: i32,
    /// The client's note.
    pub metadata: Arc<str>,
    /// Wall clock, milliseconds.
    pub committed_at_ms: i64,
    /// Set by OffsetCommit 2–4 with a retention time of its own; otherwise the broker's retention counts.
    pub expires_at_ms: Option<i64>,
    /// The topic's id at the time of the commit, nil if unknown: a topic that was deleted and created again under
    /// its name is another one.
    pub topic_id: Uuid,
}

impl CommittedOffset {
    /// Whether this was committed for the topic with that id, and not for an earlier topic of the same name.
    pub fn is_of_topic(&self, id: Uuid) -> bool {
        self.topic_id.is_nil() || self.topic_id == id
    }
}

/// One partition of an OffsetCommit.
#[derive(Clone, Debug)]
pub struct OffsetCommit {
    pub topic: Arc<str>,
    pub topic_id: Uuid,
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Arc<str>,
}

/// All committed offsets of a group, by topic name and partition.
#[derive(Debug, Default)]
pub struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<i32, CommittedOffset>>,
}

impl Offsets {
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub fn commit(&mut self, topic: Arc<str>, partition: i32, offset: CommittedOffset) {
        self.topics.entry(topic).or_default().insert(partition, offset);
    }

    pub fn committed(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Everything, in the order of topics and partitions.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, offset)| (topic, *partition, offset))
        })
    }

    pub fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// The offsets that have outlived `retention`.
    pub fn expired(&self, now_ms: i64, retention: &Retention) -> Vec<(Arc<str>, i32)> {
        let expired = |(topic, partition, offset): (&Arc<str>, i32, &CommittedOffset)| {
            retention.is_over(now_ms, topic, offset).then(|| (Arc::clone(topic), partition))
        };
        self.iter().filter_map(expired).collect()
    }
}

/// The rule by which offsets of a group expire at this moment (KIP-211, `ClassicGroup.offsetExpirationCondition`).
pub struct Retention {
    retention_ms: i64,
    /// The group is empty: retention counts from then on, not from the commit.
    empty_since_ms: Option<i64>,
    /// Topics that members subscribe to never expire.
    subscribed: BTreeSet<String>,
}

impl Retention {
    /// `None`: nothing of this group may expire now.
    pub fn of(group: &ClassicGroup, retention_ms: u64) -> Option<Retention> {
        let retention_ms = i64::try_from(retention_ms).unwrap_or(i64::MAX);
        let rule = |empty_since_ms, subscribed| Some(Retention { retention_ms, empty_since_ms, subscribed });
        match (group.protocol_type(), group.state()) {
            (_, State::Dead) => None,
            // Only a store of offsets: each counts for itself.
            (None, _) => rule(None, BTreeSet::new()),
            (Some(_), State::Empty) => rule(Some(group.state_since_ms()), BTreeSet::new()),
            (Some(kind), State::Stable) if &**kind == consumer_protocol::PROTOCOL_TYPE => {
                rule(None, group.subscribed_topics()?)
            }
            (Some(_), State::PreparingRebalance | State::CompletingRebalance | State::Stable) => None,
        }
    }

    /// The rule for a consumer group: nothing of what members subscribe to; otherwise from the commit on, and for an
    /// empty group not before it is empty. Kafka counts from the commit there too, so that a group which read an idle
    /// topic until a moment ago loses its place; KIP-211 was made to end that.
    pub fn of_consumer(group: &mut ConsumerGroup, env: Env<'_>, retention_ms: u64) -> Option<Retention> {
        let retention_ms = i64::try_from(retention_ms).unwrap_or(i64::MAX);
        let empty_since_ms = match group.state() {
            ConsumerState::Dead => return None,
            ConsumerState::Empty => Some(group.empty_since_ms()),
            ConsumerState::Assigning | ConsumerState::Reconciling | ConsumerState::Stable => None,
        };
        let subscribed = group.all_subscribed_names(env).iter().map(ToString::to_string).collect();
        Some(Retention { retention_ms, empty_since_ms, subscribed })
    }

    fn is_over(&self, now_ms: i64, topic: &str, offset: &CommittedOffset) -> bool {
        if self.subscribed.contains(topic) {
            return false;
        }
        if let Some(expires_at_ms) = offset.expires_at_ms {
            return now_ms >= expires_at_ms;
        }
        let since_ms = self.empty_since_ms.unwrap_or(offset.committed_at_ms);
        now_ms.saturating_sub(since_ms) >= self.retention_ms
    }
}
