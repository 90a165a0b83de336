//! Topics: for readers an immutable snapshot, for the writer the one place where they change.

mod shared_list;

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use thiserror::Error;
use uuid::Uuid;

use crate::{
    Done, Partition, PartitionNumber, StorageError, TooLarge,
    generation::Extent,
    keys::{self, NodeKey, Tag, TopicRecord},
    partition::Recovered,
    write_group::WriteGroup,
};
use shared_list::SharedList;

/// A topic to create. The caller has checked its name, count and configs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name, at most 65 535 bytes.
    pub name: String,
    /// A random id, new for every topic.
    pub id: Uuid,
    /// How many partitions, at least 1.
    pub partitions: u32,
    /// Configs that differ from the broker's.
    pub configs: BTreeMap<String, String>,
}

/// A change of a topic's configs, which happens only if they still are as the change assumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigsChange {
    /// The topic.
    pub id: Uuid,
    /// Its configs when the change was worked out.
    pub from: BTreeMap<String, String>,
    /// All of its configs after the change: names and values of at most 65 535 bytes.
    pub to: BTreeMap<String, String>,
}

/// A topic that exists.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; a topic of the same name created later has another.
    pub id: Uuid,
    /// Configs that differ from the broker's.
    pub configs: BTreeMap<String, String>,
    /// By partition index.
    pub partitions: Vec<Arc<Partition>>,
    pub(crate) created_epoch: u32,
}

/// Refusal of a change of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CatalogError {
    /// The name is taken.
    #[error("topic already exists")]
    TopicAlreadyExists,
    /// No such topic.
    #[error("no such topic")]
    UnknownTopic,
    /// A topic cannot have fewer partitions than before, nor none.
    #[error("the topic has {current} partitions, {wanted} were asked for")]
    InvalidPartitions {
        /// How many it has.
        current: u32,
        /// How many it should have.
        wanted: u32,
    },
    /// Another change came first; the catalog has it by now.
    #[error("the topic's configs were changed at the same time")]
    ConfigsChanged,
    /// The topic exists, but its record on the disk cannot be read: see [`UnreadableTopic`].
    #[error("the topic's record on the disk cannot be read")]
    Unreadable,
    /// Its record would be larger than its layout can hold.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// A topic whose record on the disk cannot be read. Its partitions are not known, so it is not served. Its name is not given
/// to another topic, and its data stays on the disk.
#[derive(Clone, Debug)]
pub struct UnreadableTopic {
    /// Its id.
    pub id: Uuid,
    /// Its name; `None` if that cannot be read either.
    pub name: Option<String>,
    /// The fault of its record.
    pub error: StorageError,
}

/// All topics at one moment. Copies share what did not change.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    by_name: SharedList<Arc<Topic>>,
    by_id: SharedList<Arc<Topic>>,
    /// In the order of [`by_metric_name`].
    by_metric_name: SharedList<Arc<Topic>>,
    unreadable: Arc<Vec<UnreadableTopic>>,
}

impl Catalog {
    pub(crate) fn new(unreadable: Vec<UnreadableTopic>) -> Self {
        Self { unreadable: Arc::new(unreadable), ..Self::default() }
    }

    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(|topic| topic.name.as_str().cmp(name))
    }

    /// The topic with that id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(|topic| topic.id.cmp(&id))
    }

    /// A topic whose name is `name`, or differs from it only in `.` and `_`: their metrics would have the same name
    /// (Kafka's `Topic.hasCollision`).
    pub fn colliding_topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_metric_name.get(|topic| by_metric_name(&topic.name, name))
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.iter()
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// There are no topics.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Topics that exist but are not served.
    pub fn unreadable(&self) -> &[UnreadableTopic] {
        &self.unreadable
    }

    /// A topic with this name or id exists, but is not served.
    pub fn is_unreadable(&self, name: &str, id: Uuid) -> bool {
        self.unreadable.iter().any(|topic| topic.id == id || topic.name.as_deref() == Some(name))
    }

    pub(crate) fn insert(&mut self, topic: Arc<Topic>) {
        self.by_name.insert(Arc::clone(&topic), |other| other.name.cmp(&topic.name));
        self.by_id.insert(Arc::clone(&topic), |other| other.id.cmp(&topic.id));
        self.by_metric_name.insert(Arc::clone(&topic), |other| metric_order(&other.name, &topic.name));
    }

    fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(|other| other.id.cmp(&id))?;
        self.by_name.remove(|other| other.name.cmp(&topic.name));
        self.by_metric_name.remove(|other| metric_order(&other.name, &topic.name));
        Some(topic)
    }
}

/// Compares names as those of metrics, in which `.` is `_`.
fn by_metric_name(one: &str, other: &str) -> Ordering {
    let as_in_metrics = |byte| if byte == b'.' { b'_' } else { byte };
    one.bytes().map(as_in_metrics).cmp(other.bytes().map(as_in_metrics))
}

/// The same, with names that only differ there in a fixed order.
fn metric_order(one: &str, other: &str) -> Ordering {
    by_metric_name(one, other).then_with(|| one.cmp(other))
}

/// Clients know a partition by a signed index.
const MAX_PARTITIONS: usize = i32::MAX as usize;

impl Topic {
    /// A topic never has more than [`MAX_PARTITIONS`].
    fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("MAX_PARTITIONS fits")
    }

    fn record(&self) -> TopicRecord {
        TopicRecord {
            name: self.name.clone(),
            created_epoch: self.created_epoch,
            configs: self.configs.clone(),
            partitions: self.partitions.iter().map(|partition| partition.number()).collect(),
        }
    }
}

/// The leader epoch of partitions created in `created_epoch`, now that the node is in `node_epoch`.
pub(crate) fn leader_epoch(node_epoch: u32, created_epoch: u32) -> i32 {
    i32::try_from(node_epoch.saturating_sub(created_epoch)).unwrap_or(i32::MAX)
}

/// A change of the catalog, with the callback for its outcome.
pub(crate) enum CatalogChange {
    Create(Vec<NewTopic>, Done<Vec<Result<Arc<Topic>, CatalogError>>>),
    Delete(Vec<Uuid>, Done<Vec<Result<(), CatalogError>>>),
    CreatePartitions(Vec<(Uuid, u32)>, Done<Vec<Result<Arc<Topic>, CatalogError>>>),
    AlterConfigs(Vec<ConfigsChange>, Done<Vec<Result<Arc<Topic>, CatalogError>>>),
}

/// The writer's own catalog, ahead of the published one until the next sync.
#[derive(Debug)]
pub(crate) struct CatalogWriter {
    pub(crate) catalog: Catalog,
    pub(crate) next_partition: u64,
    pub(crate) node_epoch: u32,
}

impl CatalogWriter {
    pub(crate) fn create(
        &mut self,
        group: &mut WriteGroup<'_>,
        new: NewTopic,
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
        let topic = Topic { name, id, configs, partitions: Vec::new(), created_epoch: self.node_epoch };
        self.put(group, topic, partitions)
    }

    pub(crate) fn create_partitions(
        &mut self,
        group: &mut WriteGroup<'_>,
        id: Uuid,
        wanted: u32,
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
        self.put(group, topic, wanted)
    }

    pub(crate) fn alter_configs(
        &mut self,
        group: &mut WriteGroup<'_>,
        change: ConfigsChange,
    ) -> Result<Arc<Topic>, CatalogError> {
        let topic = self.catalog.topic_by_id(change.id).ok_or(CatalogError::UnknownTopic)?;
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
        self.put(group, topic, wanted)
    }

    /// Gives the topic as many partitions as wanted, and writes it. Nothing is changed if it cannot be stored.
    fn put(
        &mut self,
        group: &mut WriteGroup<'_>,
        mut topic: Topic,
        wanted: u32,
    ) -> Result<Arc<Topic>, CatalogError> {
        let too_many =
            || TooLarge { what: "partitions of a topic", size: wanted as usize, limit: MAX_PARTITIONS };
        let wanted = i32::try_from(wanted).map_err(|_| too_many())?;
        let current = topic.partition_count().cast_signed();
        let added: Vec<(i32, PartitionNumber)> =
            (current..wanted).zip((self.next_partition..).map(PartitionNumber)).collect();
        let mut record = topic.record();
        record.partitions.extend(added.iter().map(|(_, number)| *number));
        let record = record.encode()?;
        let epoch = leader_epoch(self.node_epoch, topic.created_epoch);
        for (index, number) in added {
            let partition = Partition::new(number, topic.id, index, epoch, Recovered::default());
            topic.partitions.push(Arc::new(partition));
            self.next_partition = number.0 + 1;
        }
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
        let topic = self.catalog.remove(id).ok_or(CatalogError::UnknownTopic)?;
        group.delete_state(keys::topic(id));
        let mut extents = Vec::new();
        for partition in &topic.partitions {
            // At once, before the group is written: later appends of the same group are refused.
            partition.delete();
            group.forget_producers(partition.number());
            let number = partition.number();
            // Also batches that an interrupted cleaning left.
            group.delete_settled(number, i64::MAX);
            extents.extend(partition.extents_from(0).into_iter().map(|extent| (number, extent)));
            for tag in
                [Tag::Extent, Tag::LogStart, Tag::LeaderEpoch, Tag::Producer, Tag::TimeIndex, Tag::Cleaned]
            {
                group.delete_state_prefix(&keys::prefix(tag, partition.number()));
            }
        }
        Ok(extents)
    }
}
