//! Configuration: Kafka's keys, read from a properties file, the environment and flags.
//!
//! One entry defines a key entirely: its type, default, range, effect and documentation (`broker_keys.rs`,
//! `topic_keys.rs`, `group_keys.rs`; Kafka keys without an effect in `inert_keys.rs`). From the entries come parsing and
//! its errors (`load.rs`, `problem.rs`), the values that other parts read ([`BrokerConfig`], [`TopicConfig`],
//! [`GroupTimeouts`]), DescribeConfigs (`describe.rs`) and `docs/configuration.md` (`docs.rs`). A value of this type never
//! changes: what a client changes while the broker runs makes another (`dynamic.rs`). Topics' own settings live in the
//! catalog.

mod broker_keys;
mod describe;
mod docs;
mod dynamic;
mod env;
mod group_keys;
mod inert_keys;
mod key;
mod listener;
mod load;
mod problem;
mod properties;
mod resolve;
pub(crate) mod runtime;
mod topic_keys;
mod units;
mod value;

use std::path::{Path, PathBuf};

pub use broker_keys::BrokerKeys;
pub use describe::{
    ConfigEntry, ConfigSource, ConfigSynonym, describe_broker, describe_brokers, describe_group,
    describe_topic,
};
pub use docs::markdown;
pub use dynamic::{DynamicConfigs, InvalidBrokerConfig, is_dynamic};
pub use group_keys::{GroupTimeouts, InvalidGroupConfig};
pub use key::{Kind, Units};
pub use listener::{Advertised, Listener, host_port};
pub use load::{Loaded, Setting, Sources, load};
pub use problem::{ConfigError, Note, Origin, Problem};
pub use topic_keys::{ConfigOp, InvalidTopicConfig, Overrides, TopicConfig, edited_list};
pub use value::{CleanupPolicy, CompressionType, FlushPolicy, LogFormat, LogLevel, TimestampType};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The broker's configuration: the value of every key, reached as a field (`config.num_partitions`), and what several
/// keys say together, reached as a method.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    keys: BrokerKeys,
    listeners: Vec<Listener>,
    http_listener: Option<HttpListener>,
    data_dir: PathBuf,
    settings: load::Settings,
    dynamic: DynamicConfigs,
}

/// Where HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpListener {
    /// `None`: every interface, IPv4 and IPv6 alike. May be a name, such as `localhost`.
    pub host: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
}

impl BrokerConfig {
    /// A configuration with these keys set and the defaults for all others, as `--override` would make it.
    ///
    /// # Errors
    /// Everything that is wrong with the pairs, at once.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Result<Self, ConfigError> {
        let overrides = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        load(&Sources { overrides, ..Sources::default() }).map(|loaded| loaded.config)
    }

    /// The listeners to open, in the order of the key `listeners`. Never empty.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Where to serve HTTP; `None` where it is turned off.
    pub fn http_listener(&self) -> Option<&HttpListener> {
        self.http_listener.as_ref()
    }

    /// The folder that holds the data.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The keys that somebody set, with value and origin.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(name, setting)| (name.as_str(), setting))
    }
}

impl BrokerKeys {
    /// How long topics keep records unless they say otherwise, in ms; -1 is for ever. ms comes before minutes before
    /// hours, and any negative number of those is for ever (`AbstractKafkaConfig.logRetentionTimeMillis`).
    pub fn retention_ms(&self) -> i64 {
        let minutes = || self.log_retention_minutes.map(|minutes| i64::from(minutes) * MINUTE_MS);
        let ms =
            self.log_retention_ms.or_else(minutes).unwrap_or(i64::from(self.log_retention_hours) * HOUR_MS);
        ms.max(-1)
    }

    /// Kafka's age for rolling segments, in ms.
    pub fn roll_ms(&self) -> i64 {
        self.log_roll_ms.unwrap_or(i64::from(self.log_roll_hours) * HOUR_MS)
    }

    /// Kafka's jitter for rolling segments, in ms.
    pub fn roll_jitter_ms(&self) -> i64 {
        self.log_roll_jitter_ms.unwrap_or(i64::from(self.log_roll_jitter_hours) * HOUR_MS)
    }

    /// The bytes of requests in memory at a time; `None` is without a limit.
    pub fn request_memory_bytes(&self) -> Option<u64> {
        u64::try_from(self.queued_max_request_bytes).ok().filter(|bytes| *bytes > 0)
    }
}

/// A configuration is its keys' values and a little more: reading a key should be as short as naming it.
impl std::ops::Deref for BrokerConfig {
    type Target = BrokerKeys;

    fn deref(&self) -> &BrokerKeys {
        &self.keys
    }
}

impl std::fmt::Display for HttpListener {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&host_port(self.host.as_deref().unwrap_or(""), self.port))
    }
}
