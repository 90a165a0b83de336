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
//! properties, env, config_providers, secret_file, reader, load   from files, variables and flags to settings and values
//! listener, listener_keys, logins, tls, security, http_authentication, resolve   what several keys say together
//! files, jaas_file                     files that keys name
//! broker_config                        the result
//! changes, limits, resources/          what clients give to resources while the broker runs
//! describe, docs, problem, shown       what people are shown
//! ```
//! A [`BrokerConfig`] never changes: what a client changes while the broker runs makes another. What topics were given is
//! kept in the catalog.

mod broker_config;
mod broker_keys;
pub(crate) mod changes;
mod config_providers;
mod connection_limits;
mod describe;
mod docs;
mod entry;
mod env;
mod files;
mod http_authentication;
mod http_listener;
mod image_files;
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
mod quantity;
mod reader;
mod resolve;
pub(crate) mod resources;
pub(crate) mod runtime;
pub(crate) mod secret_file;
mod security;
mod setting;
mod shown;
mod tables;
mod tls;
mod units;
mod value;

pub use broker_config::{AuditLog, BrokerConfig, DynamicConfigs, StartConfig};
pub use broker_keys::{BrokerKeys, StartKeys};
pub use changes::{Change, ConfigOp};
pub use connection_limits::{ConnectionLimits, ListenerLimits};
pub use describe::{describe_broker, describe_brokers, describe_group, describe_topic};
pub use docs::markdown;
pub use entry::{ConfigEntry, ConfigSource, ConfigSynonym};
pub use http_authentication::HttpAccess;
pub use http_listener::HttpListener;
pub use key::{ConfigType, Units};
pub(crate) use listener::is_loopback;
pub use listener::{Advertised, Listener, Protocol, host_port};
pub use load::{Loaded, Sources, load};
pub use logins::{BearerSettings, JwksUrl, KeySource, LoginSettings, MechanismSettings};
pub(crate) use logins::{MAX_KEY_SET_BYTES, read_keys};
pub use overrides::{ConfigRefusal, Overrides};
pub use problem::{ConfigError, Note, Origin, Problem};
pub use quantity::{Bytes, Millis};
pub use resources::broker::is_dynamic;
pub use resources::group::GroupTimeouts;
pub use resources::topic::TopicConfig;
pub use setting::Setting;
pub(crate) use shown::may_be_shown;
pub use tls::{ClientAuth, OwnCertificate, Sessions, TlsSettings};
pub(crate) use tls::{HTTP as HTTP_TLS, Renewal, TlsSource, is_location as is_tls_location, names_file_of};
pub use value::{CleanupPolicy, CompressionType, FlushPolicy, LogFormat, LogLevel, TimestampType};
