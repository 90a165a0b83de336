//! Configuration: Kafka's keys, read from a properties file, the environment and flags.
//!
//! One entry defines a key entirely: its type, default, range, effect and documentation (`broker_keys.rs`, the files of
//! `resources/`; Kafka's keys without an effect are in `inert_keys.rs` and `other_keys.rs`). From the entries come parsing
//! and its errors (`load.rs`, `problem.rs`), the values that other parts read ([`BrokerConfig`], [`TopicConfig`],
//! [`GroupTimeouts`]), DescribeConfigs (`describe.rs`) and `docs/configuration.md` (`docs.rs`).
//!
//! ```text
//! key, kafka_keys, value, quantity, units  what a key is
//! broker_keys, inert_keys, other_keys  the broker's keys        tables  looks them up
//! properties, env, reader, load        from files, variables and flags to settings and values
//! listener, listener_keys, logins, security, config_providers, resolve   what several keys say together
//! broker_config                        the result
//! changes, limits, resources/          what clients give to resources while the broker runs
//! describe, docs, problem              what people are shown
//! ```
//! A [`BrokerConfig`] never changes: what a client changes while the broker runs makes another. What topics were given is
//! kept in the catalog.

mod broker_config;
mod broker_keys;
pub(crate) mod changes;
mod config_providers;
mod describe;
mod docs;
mod entry;
mod env;
mod inert_keys;
mod jaas_file;
mod kafka_keys;
mod key;
pub(crate) mod limits;
mod listener;
mod listener_keys;
mod load;
mod logins;
mod other_keys;
mod overrides;
mod problem;
mod properties;
mod quantity;
mod reader;
mod resolve;
pub(crate) mod resources;
pub(crate) mod runtime;
mod security;
mod setting;
mod tables;
mod units;
mod value;

pub use broker_config::{BrokerConfig, DynamicConfigs, HttpListener, StartConfig};
pub use broker_keys::{BrokerKeys, StartKeys};
pub use changes::{Change, ConfigOp};
pub use describe::{describe_broker, describe_brokers, describe_group, describe_topic};
pub use docs::markdown;
pub use entry::{ConfigEntry, ConfigSource, ConfigSynonym};
pub use key::{ConfigType, Units};
pub use listener::{Advertised, Listener, Protocol, host_port};
pub use load::{Loaded, Sources, load};
pub use logins::{LoginSettings, MechanismSettings};
pub use overrides::{ConfigRefusal, Overrides};
pub use problem::{ConfigError, Note, Origin, Problem};
pub use quantity::{Bytes, Millis};
pub use resources::broker::is_dynamic;
pub use resources::group::GroupTimeouts;
pub use resources::topic::TopicConfig;
pub use setting::Setting;
pub use value::{CleanupPolicy, CompressionType, FlushPolicy, LogFormat, LogLevel, TimestampType};
