//! From the name or id of a topic and an index to the partition, with what goes with its topic: its effective
//! configuration and its traffic counters.
//!
//! Guarantees Kafka's error for each way of not being there, and that looking up costs no parsing: a topic's
//! configuration is worked out once and kept until the catalog has another version of the topic. What is kept is
//! bounded by the topics that exist.

pub(crate) mod error;
pub(crate) mod names;
pub(crate) mod position;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use storage::{Catalog, Cluster, Located, Partition, Topic};
use uuid::Uuid;

use self::error::PartitionError;
use self::names::{TopicRef, is_internal};
use crate::config::TopicConfig;
use crate::config::runtime::RuntimeConfigs;
use crate::telemetry::metrics::{Metrics, TopicMetrics};

/// A topic with what is worked out from it.
#[derive(Debug)]
pub(crate) struct TopicState {
    /// The catalog's entry.
    pub(crate) topic: Arc<Topic>,
    /// Its own settings and the broker's together.
    pub(crate) config: TopicConfig,
    /// Its traffic.
    pub(crate) metrics: Arc<TopicMetrics>,
}

/// A partition that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct FoundPartition {
    /// Its topic.
    pub(crate) topic: Arc<TopicState>,
    /// The log.
    pub(crate) partition: Arc<Partition>,
}

/// See the module. One per broker.
pub(crate) struct Topics {
    cluster: Cluster,
    configs: Arc<RuntimeConfigs>,
    metrics: Metrics,
    topics: RwLock<HashMap<Uuid, Arc<TopicState>>>,
}

impl Topics {
    /// The partitions of `cluster`; topics inherit from the broker's part of `configs`.
    pub(crate) fn new(cluster: Cluster, configs: Arc<RuntimeConfigs>, metrics: Metrics) -> Self {
        Self { cluster, configs, metrics, topics: RwLock::default() }
    }

    /// All topics as of now.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.cluster.catalog()
    }

    /// The topic. Costs two look-ups, unless the topic or the broker's configuration has changed.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition` for a name, `UnknownTopicId` for an id.
    pub(crate) fn topic(&self, key: &TopicRef) -> Result<Arc<TopicState>, PartitionError> {
        let catalog = self.catalog();
        let topic = key.resolve(&catalog).ok_or(match key {
            TopicRef::Name(_) => PartitionError::UnknownTopicOrPartition,
            TopicRef::Id(_) => PartitionError::UnknownTopicId,
        })?;
        // The catalog has another `Arc` after each change of a topic, so the same one means the same
        // settings.
        let known =
            self.topics.read().get(&topic.id).filter(|known| Arc::ptr_eq(&known.topic, topic)).cloned();
        Ok(known.unwrap_or_else(|| self.work_out(&catalog, topic)))
    }

    /// The partition.
    ///
    /// # Errors
    /// As for [`Self::topic`], and for [`TopicState::partition`].
    pub(crate) fn find(&self, key: &TopicRef, index: i32) -> Result<FoundPartition, PartitionError> {
        self.topic(key)?.partition(index)
    }

    /// The partition, for a reader that once found it in a topic named `before`.
    ///
    /// # Errors
    /// As for [`Self::find`]; `InconsistentTopicId` if the id is gone and the name belongs to another topic now.
    pub(crate) fn find_again(
        &self,
        key: &TopicRef,
        index: i32,
        before: Option<&str>,
    ) -> Result<FoundPartition, PartitionError> {
        self.find(key, index).map_err(|error| {
            let renewed = before.is_some_and(|name| self.catalog().topic(name).is_some());
            if error == PartitionError::UnknownTopicId && renewed {
                PartitionError::InconsistentTopicId
            } else {
                error
            }
        })
    }

    /// The topic, to be written to by a client.
    ///
    /// # Errors
    /// As for [`Self::topic`]; `InternalTopic` for names that only the broker writes to.
    pub(crate) fn topic_for_writing(&self, key: &TopicRef) -> Result<Arc<TopicState>, PartitionError> {
        match key {
            // Before the look-up: none of them exists here, and a missing topic would make a producer retry for long.
            TopicRef::Name(name) if is_internal(name) => Err(PartitionError::InternalTopic),
            key => self.topic(key),
        }
    }

    /// The broker's configuration has changed, and with it what topics inherit: each topic is worked out anew
    /// when it is looked up next.
    pub(crate) fn forget_configs(&self) {
        self.topics.write().clear();
    }

    fn work_out(&self, catalog: &Catalog, topic: &Arc<Topic>) -> Arc<TopicState> {
        // Under the lock: what is worked out from older values is there when they are forgotten. The metrics take a lock
        // of their own within it, and nothing takes the two the other way round.
        let mut topics = self.topics.write();
        let metrics = self.metrics.topic(&topic.name);
        // `catalog` may be older than the topic's deletion, which has forgotten the metrics already. Under the lock too:
        // a topic that is created anew under the name has its metrics made after this.
        if self.catalog().topic(&topic.name).is_none() {
            self.metrics.forget_topic(&topic.name);
        }
        let config = TopicConfig::effective(&topic.configs, &self.configs.broker());
        let state = Arc::new(TopicState { topic: Arc::clone(topic), config, metrics });
        topics.insert(topic.id, Arc::clone(&state));
        // Now and then, not each time: this walks all that is kept.
        if topics.len() > 2 * catalog.len() + 16 {
            topics.retain(|id, _| catalog.topic_by_id(*id).is_some());
        }
        state
    }
}

impl TopicState {
    /// One of its partitions.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition` if it has none with that index, `NotLeader` if it is not led here.
    pub(crate) fn partition(self: &Arc<Self>, index: i32) -> Result<FoundPartition, PartitionError> {
        let partition = match self.topic.partition(index) {
            Some(Located::Here(partition)) => partition,
            Some(Located::Elsewhere) => return Err(PartitionError::NotLeader),
            None => return Err(PartitionError::UnknownTopicOrPartition),
        };
        Ok(FoundPartition { topic: Arc::clone(self), partition: Arc::clone(partition) })
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").field("topics", &self.topics.read().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
