//! The participants of one transaction: partitions and groups, each with its shard.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::ids::{GroupRef, ShardId, TopicPartitionRef};
use crate::group::GroupId;

/// All that takes part in a transaction. Empty outside one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Participants {
    /// By topic id and number: the shard, and the topic's name.
    partitions: BTreeMap<(Uuid, i32), (ShardId, Arc<str>)>,
    groups: BTreeMap<GroupId, ShardId>,
}

impl Participants {
    pub(super) fn has_partition(&self, topic_id: Uuid, partition: i32) -> bool {
        self.partitions.contains_key(&(topic_id, partition))
    }

    pub(super) fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn group_count(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn has_group(&self, group: &GroupId) -> bool {
        self.groups.contains_key(group)
    }

    /// Harmless for one that takes part already.
    pub(super) fn add_partition(&mut self, partition: TopicPartitionRef) {
        let TopicPartitionRef { shard, topic_id, topic, partition } = partition;
        self.partitions.insert((topic_id, partition), (shard, topic));
    }

    /// Harmless for one that takes part already.
    pub(super) fn add_group(&mut self, group: GroupRef) {
        self.groups.insert(group.group, group.shard);
    }

    /// In the order of topic id and number.
    pub(super) fn partitions(&self) -> impl Iterator<Item = TopicPartitionRef> {
        self.partitions.iter().map(|((topic_id, partition), (shard, topic))| TopicPartitionRef {
            shard: *shard,
            topic_id: *topic_id,
            topic: Arc::clone(topic),
            partition: *partition,
        })
    }

    /// The shards in which anything takes part, in their order.
    pub(super) fn shards(&self) -> BTreeSet<ShardId> {
        self.partitions.values().map(|(shard, _)| *shard).chain(self.groups.values().copied()).collect()
    }

    /// True if anything takes part in another shard than `own`.
    pub(super) fn are_elsewhere(&self, own: ShardId) -> bool {
        self.partitions.values().any(|(shard, _)| *shard != own)
            || self.groups.values().any(|shard| *shard != own)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty() && self.groups.is_empty()
    }

    /// Those of a shard take part no more.
    pub(super) fn remove(&mut self, gone: ShardId) {
        self.partitions.retain(|_, (shard, _)| *shard != gone);
        self.groups.retain(|_, shard| *shard != gone);
    }

    /// As [`Participants::partitions`], of one shard.
    pub(super) fn partitions_in(&self, shard: ShardId) -> impl Iterator<Item = TopicPartitionRef> {
        self.partitions().filter(move |partition| partition.shard == shard)
    }

    /// As [`Participants::groups`], of one shard.
    pub(super) fn groups_in(&self, shard: ShardId) -> impl Iterator<Item = GroupRef> {
        self.groups().filter(move |group| group.shard == shard)
    }

    /// In the order of the ids.
    pub(super) fn groups(&self) -> impl Iterator<Item = GroupRef> {
        self.groups.iter().map(|(group, shard)| GroupRef { shard: *shard, group: group.clone() })
    }
}
