//! One key as DescribeConfigs shows it: its value and the value's source.

use super::key::ConfigType;

/// The source of a value, numbered as in DescribeConfigs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    DynamicTopicConfig = 1,
    /// Given to this broker while it runs.
    DynamicBrokerConfig = 2,
    /// Given to all brokers while they run.
    DynamicDefaultBrokerConfig = 3,
    /// From a file, a variable or a flag, when the broker started.
    StaticBrokerConfig = 4,
    DefaultConfig = 5,
    /// The level of a logger.
    DynamicBrokerLoggerConfig = 6,
    ClientMetricsConfig = 7,
    DynamicGroupConfig = 8,
}

impl ConfigSource {
    /// The number that stands for it in a DescribeConfigs answer.
    pub fn code(self) -> i8 {
        self as i8
    }
}

/// One key as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    pub name: String,
    /// `None` for null and for secrets.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub kind: ConfigType,
    /// True for passwords, and for keys that no table has, which may be one: their values are never shown.
    pub is_sensitive: bool,
    /// True if clients cannot change it.
    pub is_read_only: bool,
    /// Every place that has a value for it, the one that counts first.
    pub synonyms: Vec<ConfigSynonym>,
    /// `None` for keys that only their owner knows.
    pub documentation: Option<&'static str>,
}

/// A place that has a value for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: String,
    /// `None` for secrets.
    pub value: Option<String>,
    pub source: ConfigSource,
}
