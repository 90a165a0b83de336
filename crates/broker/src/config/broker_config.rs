//! The broker's configuration: what its keys are worth, and what several of them say together.
//!
//! A value of this type never changes. `resolve.rs` makes it of settings, `resources/broker.rs` makes another one of it and of what
//! clients give while the broker runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use security::Secret;
use security::acl::Policy;
use security::sasl::Mechanism;
use security::sasl::scram::Hash;

use super::broker_keys::{BrokerKeys, StartKeys};
use super::connection_limits::ConnectionLimits;
use super::files::Files;
use super::http_authentication::HttpAccess;
use super::http_listener::HttpListener;
use super::listener::Listener;
use super::logins::LoginSettings;
use super::overrides::Overrides;
use super::quantity::Millis;
use super::setting::{Setting, Settings};
use super::tls::{self, TlsSettings, TlsSource};

const HOUR_MS: i64 = 3_600_000;

/// The broker's configuration: the value of every key, reached as a field (`config.num_partitions`), and what several
/// keys say together, reached as a method.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    pub(super) keys: BrokerKeys,
    pub(super) start: StartConfig,
    pub(super) connection_limits: ConnectionLimits,
    /// Keys that the file, variables and flags set, normalised. What clients gave is in `dynamic` alone.
    pub(super) settings: Settings,
    /// Read at the start; a change of other keys does not read it again.
    pub(super) files: Files,
    /// Values that clients gave while the broker ran; `keys` has them in already.
    pub(super) dynamic: DynamicConfigs,
}

/// The values that clients gave to the broker while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamicConfigs {
    /// To this broker: key → value.
    pub own: Overrides,
    /// To all brokers: key → value.
    pub default: Overrides,
}

impl DynamicConfigs {
    /// The value that counts, if there is one: this broker's own comes before that of all brokers (KIP-226).
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.own.get(name).or_else(|| self.default.get(name)).map(String::as_str)
    }
}

/// The place of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditLog {
    /// Standard output.
    Stdout,
    /// A file, and those beside it that it was before.
    File(PathBuf),
}

impl BrokerConfig {
    /// The files of TLS, to be read again while the broker runs.
    pub(crate) fn tls_source(&self) -> TlsSource {
        let http = (self.http_listener().cloned(), self.start.http_access.clone());
        let (settings, listeners) = (self.settings.clone(), self.listeners().to_vec());
        TlsSource::new(settings, listeners, http, self.files.tls.clone(), self.start.tls.clone())
    }

    /// The part that is fixed at start.
    pub fn start(&self) -> &StartConfig {
        &self.start
    }

    /// The listeners to open, in the order of the key `listeners`. Never empty.
    pub fn listeners(&self) -> &[Listener] {
        self.start.listeners()
    }

    /// The address for HTTP; `None` if HTTP is turned off.
    pub fn http_listener(&self) -> Option<&HttpListener> {
        self.start.http_listener()
    }

    /// The authorizer's settings; `None`: every client may do everything.
    pub fn authorizer(&self) -> Option<&Policy> {
        self.start.authorizer()
    }

    /// The folder that holds the data.
    pub fn data_dir(&self) -> &Path {
        self.start.data_dir()
    }

    /// Limits of connections of single listeners and addresses.
    pub fn connection_limits(&self) -> &ConnectionLimits {
        &self.connection_limits
    }

    /// The values given by clients.
    pub fn dynamic(&self) -> &DynamicConfigs {
        &self.dynamic
    }

    /// Returns true if that key was set in any source, such as a file or a flag.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }

    /// The keys that are set in a source, by name, with value and origin. Without what clients gave.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(name, setting)| (name.as_str(), setting))
    }
}

/// The decisions of the start: the values of the keys that are fixed then, reached as fields, and what several
/// keys say together. What may change while the broker runs cannot be read off it.
#[derive(Clone, Debug)]
pub struct StartConfig {
    pub(super) keys: StartKeys,
    pub(super) listeners: Vec<Listener>,
    pub(super) logins: BTreeMap<String, Arc<LoginSettings>>,
    pub(super) tls: BTreeMap<String, Arc<TlsSettings>>,
    pub(super) http_listener: Option<HttpListener>,
    pub(super) http_access: HttpAccess,
    pub(super) audit_log: Option<AuditLog>,
    pub(super) data_dir: PathBuf,
    pub(super) authorizer: Option<Policy>,
    pub(super) delegation_token_secret: Option<Secret>,
}

impl StartConfig {
    /// The listeners to open, in the order of the key `listeners`. Never empty.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// How clients log in on a listener of SASL; `None` for every other listener.
    pub fn logins(&self, listener: &Listener) -> Option<&Arc<LoginSettings>> {
        self.logins.get(&listener.name)
    }

    /// How clients of a listener of TLS are encrypted and known; `None` for every other listener.
    pub fn tls(&self, listener: &Listener) -> Option<&Arc<TlsSettings>> {
        self.tls.get(&listener.name)
    }

    /// Returns true if users can log in by SCRAM on some listener.
    pub fn has_scram(&self) -> bool {
        self.scram().next().is_some()
    }

    /// The mechanism of users that are named without one: the strongest that a listener has.
    pub fn usual_scram(&self) -> Hash {
        self.scram().max().unwrap_or(Hash::Sha512)
    }

    fn scram(&self) -> impl Iterator<Item = Hash> {
        let mechanisms = self.logins.values().flat_map(|login| &login.mechanisms);
        mechanisms.filter_map(|settings| match settings.mechanism {
            Mechanism::Scram(hash) => Some(hash),
            Mechanism::Plain | Mechanism::OauthBearer => None,
        })
    }

    /// The address for HTTP; `None` if HTTP is turned off.
    pub fn http_listener(&self) -> Option<&HttpListener> {
        self.http_listener.as_ref()
    }

    /// How clients of HTTP are encrypted and known; `None` if HTTP is not encrypted.
    pub fn http_tls(&self) -> Option<&Arc<TlsSettings>> {
        self.tls.get(tls::HTTP)
    }

    /// The place of the audit log; `None`: there is none.
    pub fn audit_log(&self) -> Option<&AuditLog> {
        self.audit_log.as_ref()
    }

    /// The clients that may use HTTP.
    pub fn http_access(&self) -> &HttpAccess {
        &self.http_access
    }

    /// The authorizer's settings; `None`: every client may do everything.
    pub fn authorizer(&self) -> Option<&Policy> {
        self.authorizer.as_ref()
    }

    /// The secret of which delegation tokens are made; `None`: there are none.
    pub fn delegation_token_secret(&self) -> Option<&Secret> {
        self.delegation_token_secret.as_ref()
    }

    /// The folder that holds the data.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

impl std::ops::Deref for StartConfig {
    type Target = StartKeys;

    fn deref(&self) -> &StartKeys {
        &self.keys
    }
}

impl BrokerKeys {
    /// How long topics keep records unless they say otherwise; `None` is for ever. ms comes before minutes before
    /// hours, and any negative number of those is for ever (`AbstractKafkaConfig.logRetentionTimeMillis`).
    pub fn retention_ms(&self) -> Option<Millis<i64>> {
        // The outer option is "not set": a -1 is set, so it keeps a key with a larger unit from being read.
        self.log_retention_ms.or(self.log_retention_minutes).unwrap_or(self.log_retention_hours)
    }

    /// Kafka's age for rolling segments, in ms.
    pub fn roll_ms(&self) -> i64 {
        // Cannot overflow: the hours are 32 bits wide.
        self.log_roll_ms.unwrap_or(i64::from(self.log_roll_hours) * HOUR_MS)
    }

    /// Kafka's jitter for rolling segments, in ms.
    pub fn roll_jitter_ms(&self) -> i64 {
        self.log_roll_jitter_ms.unwrap_or(i64::from(self.log_roll_jitter_hours) * HOUR_MS)
    }
}

/// A configuration is its keys' values and a little more: reading a key should be as short as naming it.
impl std::ops::Deref for BrokerConfig {
    type Target = BrokerKeys;

    fn deref(&self) -> &BrokerKeys {
        &self.keys
    }
}
