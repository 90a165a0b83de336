//! The broker's state as a scrape sees it: plain values, taken once per scrape by a [`Source`](super::Source).

use std::borrow::Cow;

/// Kafka's `BrokerState` (org.apache.kafka.metadata.BrokerState); the numbers are what dashboards map to words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BrokerState {
    /// Not started, or stopped.
    #[default]
    NotRunning = 0,
    /// Starting.
    Starting = 1,
    /// Reading its logs after an unclean stop.
    Recovery = 2,
    /// Serving.
    Running = 3,
    /// Stopping, connections being drained.
    PendingControlledShutdown = 6,
    /// Closing storage.
    ShuttingDown = 7,
}

/// The broker itself.
#[derive(Debug, Clone, Default)]
pub struct BrokerSnapshot {
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's id, as DescribeCluster answers it.
    pub cluster_id: String,
    /// An address that clients reach, `host:port`.
    pub address: String,
    /// The state that the broker is in.
    pub state: BrokerState,
    /// True if this node is the active controller.
    pub active_controller: bool,
    /// Panics caught in background tasks so far.
    pub task_panics: u64,
}

/// One topic with its partitions.
#[derive(Debug, Clone, Default)]
pub struct TopicSnapshot {
    /// The topic's name.
    pub name: String,
    /// Its partitions, in any order.
    pub partitions: Vec<PartitionSnapshot>,
}

/// One partition.
#[derive(Debug, Clone, Default)]
pub struct PartitionSnapshot {
    /// Partition index.
    pub partition: i32,
    /// First offset that can be read.
    pub log_start_offset: i64,
    /// End of what consumers see.
    pub high_watermark: i64,
    /// End of the log.
    pub log_end_offset: i64,
    /// The offset at which readers of committed records stop: at most the high watermark.
    pub last_stable_offset: i64,
    /// Bytes of its batches, where known.
    pub size_bytes: Option<u64>,
    /// Node id of the leader; none while the partition is offline.
    pub leader: Option<i32>,
    /// Node ids of the replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Node ids of the replicas in sync.
    pub in_sync_replicas: Vec<i32>,
    /// Producers whose sequences are remembered.
    pub producers: usize,
    /// A transaction is open that is older than any can be which the coordinator knows.
    pub has_late_transaction: bool,
}

impl PartitionSnapshot {
    /// Fewer replicas in sync than there are.
    pub(super) fn is_under_replicated(&self) -> bool {
        self.in_sync_replicas.len() < self.replicas.len()
    }

    /// The leader is the first replica.
    pub(super) fn leader_is_preferred(&self) -> bool {
        self.leader.is_some() && self.leader == self.replicas.first().copied()
    }
}

/// One consumer group.
#[derive(Debug, Clone, Default)]
pub struct GroupSnapshot {
    /// `group.id`.
    pub group_id: String,
    /// Members now.
    pub members: usize,
    /// Committed offsets, also of groups without members.
    pub offsets: Vec<GroupOffset>,
    /// Offsets of transactions that are open.
    pub pending_offsets: usize,
}

/// One committed offset.
#[derive(Debug, Clone, Default)]
pub struct GroupOffset {
    /// The topic's name.
    pub topic: String,
    /// Partition index.
    pub partition: i32,
    /// Next offset the group reads.
    pub committed_offset: i64,
}

/// The transactions of a broker.
#[derive(Debug, Clone, Default)]
pub struct TransactionsSnapshot {
    /// Transactional ids that a producer has.
    pub known: i64,
    /// Transactions that are open.
    pub open: usize,
    /// Age of the oldest of them; 0 if none is.
    pub oldest_open_seconds: f64,
    /// Time for which one of them has outlived its timeout, the most of all; 0 if none has.
    pub overdue_seconds: f64,
    /// How many have ended, by outcome.
    pub ended: Vec<(&'static str, u64)>,
    /// Requests that were refused, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Partitions of Produce requests of the older protocol that no transaction had.
    pub unverified: u64,
    /// For how long those that have ended were open.
    pub durations: Buckets,
}

/// A histogram, in seconds.
#[derive(Debug, Clone, Default)]
pub struct Buckets {
    /// Upper bounds, inclusive, with the number of values in each bucket alone.
    pub buckets: Vec<(f64, u64)>,
    /// Number of all values.
    pub count: u64,
    /// All values added up.
    pub sum: f64,
}

/// The kind of an [`ExtraFamily`]: one that only grows, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraKind {
    /// Only grows; the name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// Numbers of a part that this module does not know.
#[derive(Debug, Clone)]
pub struct ExtraFamily {
    /// The metric's name, `ottla_` first unless a client gave it, its unit last (`_bytes`, `_seconds`).
    pub name: Cow<'static, str>,
    /// One sentence for the reader of a dashboard.
    pub help: Cow<'static, str>,
    /// Counter or gauge.
    pub kind: ExtraKind,
    /// Label pairs and value of each series.
    #[allow(clippy::type_complexity, reason = "a list of labels and a value, said once")]
    pub series: Vec<(Vec<(Cow<'static, str>, String)>, f64)>,
}

/// Everything a scrape takes from the broker's state.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The broker itself.
    pub broker: BrokerSnapshot,
    /// The storage; `None` before it is open.
    pub storage: Option<storage::StorageMetrics>,
    /// All topics.
    pub topics: Vec<TopicSnapshot>,
    /// All groups that have members or offsets.
    pub groups: Vec<GroupSnapshot>,
    /// All transactions.
    pub transactions: TransactionsSnapshot,
    /// Numbers of other parts.
    pub extra: Vec<ExtraFamily>,
}

impl Snapshot {
    /// Partitions over all topics.
    pub(super) fn partition_count(&self) -> usize {
        self.topics.iter().map(|topic| topic.partitions.len()).sum()
    }

    /// Every partition.
    pub(super) fn partitions(&self) -> impl Iterator<Item = &PartitionSnapshot> {
        self.topics.iter().flat_map(|topic| &topic.partitions)
    }
}
