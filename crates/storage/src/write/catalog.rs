//! The one place where topics change.
//!
//! A change is made in the catalog of the writer at once, so that the next command sees it, and in the group.
//! Callers see it when the group is durable, except that a deleted partition refuses reads and appends at once.
//! A failed write ends the process, so nothing is ever taken back.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    Catalog, CatalogError, ConfigsChange, Done, NewTopic, Partition, PartitionNumber, TooLarge, Topic,
    engine::{NodeKey, Tag, TopicRecord, keys},
    log::{Extent, MAX_PARTITIONS, Recovered, ShardTerm, leader_epoch},
    write::group::WriteGroup,
};

/// A change of the catalog, with the callback for its outcome.
pub(crate) enum CatalogChange {
    /// Topics to create. One result for each, in their order, as for every change; one that is refused does
    /// not affect the others.
    Create(Vec<NewTopic>, Done<Vec<Result<Arc<Topic>, CatalogError>>>),
    /// By id.
    Delete(Vec<Uuid>, Done<Vec<Result<(), CatalogError>>>),
    /// By id, with the number of partitions afterwards.
    CreatePartitions(Vec<(Uuid, u32)>, Done<Vec<Result<Arc<Topic>, CatalogError>>>),
    /// Each replaces all configs of a topic.
    AlterConfigs(Vec<ConfigsChange>, Done<Vec<Result<Arc<Topic>, CatalogError>>>),
}

/// The writer's own catalog, ahead of the published one until the next sync.
#[derive(Debug)]
pub(crate) struct CatalogWriter {
    pub(crate) catalog: Catalog,
    /// The number of the next partition. It only rises, also when topics are deleted.
    pub(crate) next_partition: u64,
}

impl CatalogWriter {
    /// Creates a topic with partitions that never existed, in the shard that is in `term`.
    ///
    /// # Errors
    /// Its name or id is taken, also by a topic that cannot be read; it has no partitions, or too many; its
    /// record would be too large.
    pub(crate) fn create(
        &mut self,
        group: &mut WriteGroup<'_>,
        new: NewTopic,
        term: ShardTerm,
    ) -> Result<Arc<Topic>, CatalogError> {
        if self.catalog.topic(&new.name).is_some() || self.catalog.topic_by_id(new.id).is_some() {
            return Err(CatalogError::TopicAlreadyExists);
        }
        // A second topic of that name would begin at offset 0 again, under the offsets that groups committed for the first.
        if self.catalog.is_unreadable(&new.name, new.id) {
            return Err(CatalogError::Unreadable);
        }
        if new.partitions == 0 {
            return Err(CatalogError::InvalidPartitions { current: 0, wanted: 0 });
        }
        let NewTopic { name, id, partitions, configs } = new;
        let topic = Topic { name, id, configs, partitions: Vec::new(), created_epoch: term.epoch };
        self.put(group, topic, partitions, term)
    }

    /// Gives a topic `wanted` partitions in all. Those that exist are shared with the old topic: their
    /// readers and offsets go on.
    ///
    /// # Errors
    /// No such topic; it has as many already; its record would be too large.
    pub(crate) fn create_partitions(
        &mut self,
        group: &mut WriteGroup<'_>,
        id: Uuid,
        wanted: u32,
        term: ShardTerm,
    ) -> Result<Arc<Topic>, CatalogError> {
        let topic = self.catalog.topic_by_id(id).ok_or(CatalogError::UnknownTopic)?;
        let current = topic.partition_count();
        if wanted <= current {
            return Err(CatalogError::InvalidPartitions { current, wanted });
        }
        let topic = Topic {
            name: topic.name.clone(),
            id,
            configs: topic.configs.clone(),
            partitions: topic.partitions.clone(),
            created_epoch: topic.created_epoch,
        };
        self.put(group, topic, wanted, term)
    }

    /// Replaces all configs of a topic.
    ///
    /// # Errors
    /// No such topic; its configs are not those from which the change was worked out; its record would be too
    /// large.
    pub(crate) fn alter_configs(
        &mut self,
        group: &mut WriteGroup<'_>,
        change: ConfigsChange,
        term: ShardTerm,
    ) -> Result<Arc<Topic>, CatalogError> {
        let topic = self.catalog.topic_by_id(change.id).ok_or(CatalogError::UnknownTopic)?;
        // Clients change single keys: without this, one of two that do it at once would lose its change.
        if topic.configs != change.from {
            return Err(CatalogError::ConfigsChanged);
        }
        let (partitions, wanted) = (topic.partitions.clone(), topic.partition_count());
        let Topic { name, created_epoch, .. } = topic.as_ref();
        let topic = Topic {
            name: name.clone(),
            id: change.id,
            configs: change.to,
            partitions,
            created_epoch: *created_epoch,
        };
        self.put(group, topic, wanted, term)
    }

    /// Gives the topic as many partitions as wanted, and writes it. Nothing is changed if it cannot be stored.
    fn put(
        &mut self,
        group: &mut WriteGroup<'_>,
        mut topic: Topic,
        wanted: u32,
        term: ShardTerm,
    ) -> Result<Arc<Topic>, CatalogError> {
        let too_many =
            || TooLarge { what: "partitions of a topic", size: wanted as usize, limit: MAX_PARTITIONS };
        let wanted = i32::try_from(wanted).map_err(|_| too_many())?;
        let current = topic.partition_count().cast_signed();
        let added: Vec<(i32, PartitionNumber)> =
            (current..wanted).zip((self.next_partition..).map(PartitionNumber)).collect();
        let mut record = record(&topic);
        record.partitions.extend(added.iter().map(|(_, number)| *number));
        // Before anything changes: a record that is too large leaves the catalog as it was.
        let record = record.encode()?;
        let epoch = leader_epoch(term.epoch, topic.created_epoch);
        for (index, number) in added {
            let partition = Partition::new(number, topic.id, index, epoch, Recovered::default());
            if !term.led {
                partition.resign();
            }
            topic.partitions.push(Arc::new(partition));
            self.next_partition = number.0 + 1;
        }
        // In the same group as the topic: a number counts as given before any batch lies under it.
        group.put_state(keys::node(NodeKey::NextPartition), self.next_partition.to_be_bytes());
        group.put_state(keys::topic(topic.id), record);
        let topic = Arc::new(topic);
        self.catalog.insert(Arc::clone(&topic));
        Ok(topic)
    }

    /// Removes the topic and all records of its partitions; returns their extents, which are not read any more.
    pub(crate) fn delete(
        &mut self,
        group: &mut WriteGroup<'_>,
        id: Uuid,
    ) -> Result<Vec<(PartitionNumber, Extent)>, CatalogError> {
        // A topic that cannot be read is not in the catalog, so it cannot be deleted: its partitions are not
        // known.
        let topic = self.catalog.remove(id).ok_or(CatalogError::UnknownTopic)?;
        group.delete_state(keys::topic(id));
        let mut extents = Vec::new();
        for partition in &topic.partitions {
            // At once, before the group is written: later appends of the same group are refused.
            partition.delete();
            // Their states are written at the end of the group, after the deletion below, and would outlive
            // it.
            group.forget_producers(partition.number());
            let number = partition.number();
            // Also batches that an interrupted cleaning left.
            group.delete_settled(number, i64::MAX);
            extents.extend(partition.extents_from(0).into_iter().map(|extent| (number, extent)));
            for tag in [
                Tag::Extent,
                Tag::LogStart,
                Tag::LeaderEpoch,
                Tag::Producer,
                Tag::TimeIndex,
                Tag::Aborted,
                Tag::AbortedBySpan,
                Tag::Cleaned,
            ] {
                group.delete_state_prefix(&keys::prefix(tag, partition.number()));
            }
        }
        Ok(extents)
    }
}

/// The record of a topic as it is; the caller may add partitions.
fn record(topic: &Topic) -> TopicRecord {
    TopicRecord {
        name: topic.name.clone(),
        created_epoch: topic.created_epoch,
        configs: topic.configs.clone(),
        partitions: topic.partitions.iter().map(|partition| partition.number()).collect(),
    }
}
