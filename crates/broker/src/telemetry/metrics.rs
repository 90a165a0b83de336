//! Metrics: the handles the broker counts with, and the scrape that turns them into Prometheus' text.
//!
//! Guarantees that counting costs an atomic addition: a handle ([`RequestMetrics`], [`TopicMetrics`],
//! [`ListenerMetrics`]) is looked up once and kept, never per record or request. Everything that can be read from the
//! broker's state (offsets, lag, leaders) is not counted at all but taken at scrape from a [`Snapshot`].
//! A scrape never holds more than the configured number of series; whole families are left out beyond it, the ones
//! with the most detail first, and `ottla_metrics_series_dropped` says how many.
//!
//! Names are those that existing dashboards query (kafka_exporter's, and jmx_exporter's with its `kafka-2_0_0.yml`),
//! beside our own `ottla_*`. `brokertopicmetrics` has a series per topic and none without `topic`: sums stay right.

mod broker;
mod exporter;
mod families;
mod native;
mod requests;
mod snapshot;
mod storage;
mod transactions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

pub use requests::{RequestMetrics, RequestTimes};
pub use snapshot::{
    BrokerSnapshot, BrokerState, Buckets, ExtraFamily, ExtraKind, GroupOffset, GroupSnapshot,
    PartitionSnapshot, Snapshot, TopicSnapshot, TransactionsSnapshot,
};

use families::Families;

/// Series a scrape holds unless configured otherwise: enough for some 7 000 partitions.
pub const DEFAULT_MAX_SERIES: usize = 100_000;

/// The `Content-Type` of [`Metrics::scrape`]'s text.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Why a scrape failed.
#[derive(Debug, thiserror::Error)]
#[error("the metrics could not be written as text: {0}")]
pub struct ScrapeError(#[from] prometheus::Error);

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`; wraps after 2^64.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// The current value.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The current value.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Traffic of one topic (Kafka's `BrokerTopicMetrics`); its partitions share one handle.
#[derive(Debug, Default)]
pub struct TopicMetrics {
    /// Records appended.
    pub messages_in: Counter,
    /// Bytes of record batches appended.
    pub bytes_in: Counter,
    /// Bytes of record batches sent to consumers.
    pub bytes_out: Counter,
    /// Bytes of record batches refused (too large, for one).
    pub bytes_rejected: Counter,
    /// Produce requests that named the topic, once per partition in them, as Kafka counts.
    pub total_produce_requests: Counter,
    /// Fetch requests that named the topic, once per partition in them.
    pub total_fetch_requests: Counter,
    /// The same, where nothing that is expected explains the error, as Kafka counts.
    pub failed_produce_requests: Counter,
    /// The same, where nothing that is expected explains the error: a damaged batch.
    pub failed_fetch_requests: Counter,
}

/// The reasons of failed TLS handshakes, as `ottla_tls_handshakes_failed_total` has them.
pub const HANDSHAKE_REASONS: [&str; 9] = [
    "left",
    "too_late",
    "made_room",
    "no_tls",
    "no_client_certificate",
    "client_certificate_refused",
    "own_certificate_refused",
    "nothing_in_common",
    "other",
];

/// Connections of one listener.
#[derive(Debug, Default)]
pub struct ListenerMetrics {
    /// Connections open now.
    pub open: Gauge,
    /// Connections accepted so far.
    pub accepted: Counter,
    /// Connections closed at once because a limit was reached.
    pub refused: Counter,
    /// Connections closed because of bytes that are not a valid request.
    pub malformed: Counter,
    /// Clients that logged in.
    pub logged_in: Counter,
    /// Logins that failed.
    pub logins_failed: Counter,
    /// Clients that logged in again on the same connection.
    pub logged_in_again: Counter,
    /// Further logins on a connection that failed.
    pub further_logins_failed: Counter,
    /// Connections closed because their login was over.
    pub sessions_over: Counter,
    /// 1 if other machines can reach it, and it lacks encryption or logins.
    pub exposed: Gauge,
    /// TLS handshakes that failed, in the order of [`HANDSHAKE_REASONS`].
    pub handshakes_failed: [Counter; HANDSHAKE_REASONS.len()],
}

/// The arguments of [`Metrics::new`].
pub struct MetricsOptions {
    /// Kafka's name of each API (`Produce`), in the order of the indexes given to [`Metrics::request`].
    pub api_names: Vec<&'static str>,
    /// The name of a Kafka error code (`NONE`, `NOT_LEADER_OR_FOLLOWER`).
    pub error_name: fn(i16) -> &'static str,
    /// Bound of the series in one scrape; 0 leaves out everything per topic, partition and group.
    pub max_series: usize,
}

/// Gives the scrape the broker's state; must be quick and must not wait for anything.
pub type Source = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// All metrics of a broker. Cheap to clone; clones are the same metrics.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
    registry: Registry,
}

struct Shared {
    requests: Vec<RequestMetrics>,
    /// As in [`MetricsOptions`].
    error_name: fn(i16) -> &'static str,
    /// By name; removed when the topic is deleted.
    topics: RwLock<BTreeMap<String, Arc<TopicMetrics>>>,
    /// By name; never removed.
    listeners: RwLock<BTreeMap<String, Arc<ListenerMetrics>>>,
    source: RwLock<Option<Source>>,
    audit_dropped: Arc<Counter>,
    max_series: usize,
}

impl Metrics {
    /// Metrics that count from zero and have no [`Source`] yet.
    pub fn new(options: MetricsOptions) -> Self {
        let shared = Arc::new(Shared {
            requests: options.api_names.into_iter().map(RequestMetrics::new).collect(),
            error_name: options.error_name,
            topics: RwLock::default(),
            listeners: RwLock::default(),
            source: RwLock::default(),
            audit_dropped: Arc::default(),
            max_series: options.max_series,
        });
        // Not the process's registry: several brokers in one process, as in tests, count apart.
        let registry = Registry::new();
        let ours = registry.register(Box::new(Broker(Arc::clone(&shared))));
        let process =
            registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()));
        // A fresh registry refuses neither: the names of the two sets differ.
        debug_assert!(ours.is_ok() && process.is_ok());
        Self { shared, registry }
    }

    /// Sets the source that scrapes read the broker's state from. Until then they show only the values counted here.
    pub fn set_source(&self, source: Source) {
        *self.shared.source.write() = Some(source);
    }

    /// The handle of the API at `index` of [`MetricsOptions::api_names`]; none beyond its end.
    pub fn request(&self, index: usize) -> Option<&RequestMetrics> {
        self.shared.requests.get(index)
    }

    /// The handle of a topic; made at first use. Fetch it once per partition, not per request.
    pub fn topic(&self, name: &str) -> Arc<TopicMetrics> {
        entry(&self.shared.topics, name)
    }

    /// Forgets a deleted topic; handles still held count on, but are no longer shown.
    pub fn forget_topic(&self, name: &str) {
        self.shared.topics.write().remove(name);
    }

    /// The handle of a listener, by its name (`PLAINTEXT`); made at first use.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        entry(&self.shared.listeners, name)
    }

    /// Lines that the audit log lost.
    pub(crate) fn audit_dropped(&self) -> Arc<Counter> {
        Arc::clone(&self.shared.audit_dropped)
    }

    /// The handles of all listeners so far, in the order of their names.
    pub(crate) fn listeners(&self) -> Vec<(String, Arc<ListenerMetrics>)> {
        let listeners = self.shared.listeners.read();
        listeners.iter().map(|(name, listener)| (name.clone(), Arc::clone(listener))).collect()
    }

    /// Everything in Prometheus' text format. Takes time in proportion to the number of series: not on an async thread.
    pub fn scrape(&self) -> Result<String, ScrapeError> {
        Ok(TextEncoder::new().encode_to_string(&self.registry.gather())?)
    }
}

/// The handle of that name, made if there is none.
fn entry<T: Default>(map: &RwLock<BTreeMap<String, Arc<T>>>, name: &str) -> Arc<T> {
    // Only the first use of a name takes the write lock, and there `or_default` finds what another thread may
    // have made.
    if let Some(found) = map.read().get(name) {
        return Arc::clone(found);
    }
    Arc::clone(map.write().entry(name.to_owned()).or_default())
}

/// Builds all families at scrape, so that nothing but atomics is touched before.
struct Broker(Arc<Shared>);

impl Collector for Broker {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Cloned, so that no lock is held while the broker's state is read.
        let source = self.0.source.read().clone();
        let snapshot = source.map(|source| source()).unwrap_or_default();
        let mut families = Families::new(self.0.max_series);
        // What matters most comes first: the limit cuts from the end.
        native::families(&self.0, &snapshot, &mut families);
        if let Some(metrics) = &snapshot.storage {
            storage::families(metrics, &mut families);
        }
        transactions::families(&snapshot, &mut families);
        broker::families(&self.0, &snapshot, &mut families);
        exporter::families(&snapshot, &mut families);
        broker::log_families(&snapshot, &mut families);
        families.finish()
    }
}

#[cfg(test)]
mod tests;
