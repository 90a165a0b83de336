//! The wishes of clients for topics: plain values, not checked yet.

/// A topic that a client wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WantedTopic {
    /// Its name.
    pub(crate) name: String,
    /// How many; -1 for the default, or where `assignments` says it.
    pub(crate) partitions: i32,
    /// How many copies of each; -1 for the default, or where `assignments` says it.
    pub(crate) replication_factor: i16,
    /// Partition index and node ids of its replicas; empty to leave that to the broker.
    pub(crate) assignments: Vec<(i32, Vec<i32>)>,
    /// The keys that differ from the broker's configuration.
    pub(crate) configs: Vec<(String, Option<String>)>,
}

impl WantedTopic {
    /// A topic as the broker's configuration would have it.
    pub(crate) fn with_defaults(name: String) -> Self {
        Self { name, partitions: -1, replication_factor: -1, ..Self::default() }
    }
}

/// A topic that is to have more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedPartitions {
    /// The topic.
    pub(crate) name: String,
    /// How many it is to have in all.
    pub(crate) count: i32,
    /// Node ids of the replicas of each new partition; `None` to leave that to the broker.
    pub(crate) assignments: Option<Vec<Vec<i32>>>,
}
