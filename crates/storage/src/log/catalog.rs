//! Topics: for readers an immutable snapshot, for the writer the one place where they change.

mod shared_list;

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use thiserror::Error;
use uuid::Uuid;

use crate::{Partition, ReadError, StorageError, TooLarge};
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
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// The node epoch at its creation: leader epochs of its partitions count from there.
    pub(crate) created_epoch: u32,
}

/// The place at which a partition is served.
#[derive(Clone, Copy, Debug)]
pub enum Located<'t> {
    /// By this process, now or once it has taken it over.
    Here(&'t Arc<Partition>),
    /// By another, or by none for the moment.
    Elsewhere,
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
    pub(crate) fn is_unreadable(&self, name: &str, id: Uuid) -> bool {
        self.unreadable.iter().any(|topic| topic.id == id || topic.name.as_deref() == Some(name))
    }

    /// Adds a topic, or replaces the one with its name and id. Copies a few hundred pointers at most.
    pub(crate) fn insert(&mut self, topic: Arc<Topic>) {
        self.by_name.insert(Arc::clone(&topic), |other| other.name.cmp(&topic.name));
        self.by_id.insert(Arc::clone(&topic), |other| other.id.cmp(&topic.id));
        self.by_metric_name.insert(Arc::clone(&topic), |other| metric_order(&other.name, &topic.name));
    }

    /// Removes a topic; `None` if there is none with that id.
    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
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
pub(crate) const MAX_PARTITIONS: usize = i32::MAX as usize;

impl Topic {
    /// Number of its partitions, wherever they are led: their indexes are below it. At most 2³¹ - 1.
    pub fn partition_count(&self) -> u32 {
        // `MAX_PARTITIONS`, which every change keeps.
        u32::try_from(self.partitions.len()).expect("MAX_PARTITIONS fits")
    }

    /// The partition with this index, which may be any number; `None` if the topic has none.
    pub fn partition(&self, index: i32) -> Option<Located<'_>> {
        let partition = self.partitions.get(usize::try_from(index).ok()?)?;
        // A partition that was deleted is found for as long as its topic is: calls to it tell.
        Some(match partition.ensure_led() {
            Err(ReadError::NotLeader) => Located::Elsewhere,
            _ => Located::Here(partition),
        })
    }

    /// The partitions that are led here, or being taken over, by index.
    pub fn led_here(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions
            .iter()
            .filter(|partition| !matches!(partition.ensure_led(), Err(ReadError::NotLeader)))
    }
}

/// The leader epoch of partitions created in `created_epoch`, now that the node is in `node_epoch`.
pub(crate) fn leader_epoch(node_epoch: u32, created_epoch: u32) -> i32 {
    i32::try_from(node_epoch.saturating_sub(created_epoch)).unwrap_or(i32::MAX)
}
