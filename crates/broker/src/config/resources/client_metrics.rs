//! The configuration of client metrics subscriptions (KIP-714): which metrics are asked of which clients, and how often.
//!
//! Keys, defaults and refusals are those of Kafka's `ClientMetricsConfigs`. Asking clients is left to `client_metrics.rs`.

use std::collections::BTreeSet;

use regex::Regex;

use super::super::changes::{Change, KeyRules, apply, elements};
use super::super::entry::{ConfigEntry, ConfigSource, ConfigSynonym};
use super::super::key::ConfigType;
use super::super::overrides::{ConfigRefusal, Overrides};

/// How often a client pushes where nothing else is said.
pub(crate) const DEFAULT_INTERVAL_MS: i32 = 300_000;
// The bounds of Kafka's `ClientMetricsConfigs`.
const MIN_INTERVAL_MS: i32 = 100;
const MAX_INTERVAL_MS: i32 = 3_600_000;
const METRICS: &str = "metrics";
const INTERVAL: &str = "interval.ms";
const MATCH: &str = "match";

/// A key: its name, type and default, and what it is for.
struct ClientMetricsKey {
    name: &'static str,
    kind: ConfigType,
    default: &'static str,
    doc: &'static str,
}

/// In the order of their names.
const KEYS: [ClientMetricsKey; 3] = [
    ClientMetricsKey {
        name: INTERVAL,
        kind: ConfigType::Int,
        default: "300000",
        doc: "How often clients push their metrics, in milliseconds.",
    },
    ClientMetricsKey {
        name: MATCH,
        kind: ConfigType::List,
        default: "",
        doc: "Which clients are asked: patterns like client_id=app-.*, all of which have to match.",
    },
    ClientMetricsKey {
        name: METRICS,
        kind: ConfigType::List,
        default: "",
        doc: "Beginnings of the names of the metrics to push; * is all of them.",
    },
];

/// Returns true if subscriptions have that key.
pub(in crate::config) fn is_client_metrics_key(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name)
}

/// A pattern may not grow beyond this when it is compiled, in bytes of memory.
const MAX_PATTERN_BYTES: usize = 256 << 10;

/// The configuration of one subscription.
#[derive(Debug, Clone)]
pub(crate) struct ClientMetricsConfig {
    /// Beginnings of names; `*` is all of them.
    pub(crate) metrics: BTreeSet<String>,
    /// Milliseconds from one push to the next.
    pub(crate) interval_ms: i32,
    /// All of them must match. None match every client.
    patterns: Vec<(ClientProperty, Regex)>,
}

/// A property of a client that a pattern is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientProperty {
    ClientInstanceId,
    ClientId,
    SoftwareName,
    SoftwareVersion,
    SourceAddress,
    SourcePort,
}

impl ClientProperty {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "client_instance_id" => Self::ClientInstanceId,
            "client_id" => Self::ClientId,
            "client_software_name" => Self::SoftwareName,
            "client_software_version" => Self::SoftwareVersion,
            "client_source_address" => Self::SourceAddress,
            "client_source_port" => Self::SourcePort,
            _ => return None,
        })
    }
}

impl ClientMetricsConfig {
    /// Reads a resource's configuration.
    ///
    /// # Errors
    /// The first thing that is wrong, in Kafka's words.
    pub(crate) fn read(configs: &Overrides) -> Result<Self, ConfigRefusal> {
        let mut read =
            Self { metrics: BTreeSet::new(), interval_ms: DEFAULT_INTERVAL_MS, patterns: Vec::new() };
        for (name, value) in configs {
            match name.as_str() {
                METRICS => read.metrics = elements(value).map(str::to_owned).collect(),
                INTERVAL => read.interval_ms = interval(value)?,
                MATCH => read.patterns = patterns(value)?,
                _ => {
                    let text = format!("Unknown client metrics configuration: {name}");
                    return Err(ConfigRefusal::InvalidRequest(text));
                }
            }
        }
        Ok(read)
    }

    /// Applies changes to a subscription's configuration.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn changed<'a>(
        current: &Overrides,
        changes: impl IntoIterator<Item = Change<'a>>,
    ) -> Result<Overrides, ConfigRefusal> {
        apply(&ClientMetricsRules, current, changes)
    }

    /// Every key of a subscription that was given `set`, by name. As in Kafka's `createClientMetricsConfigEntry` a default
    /// is a value and no synonym.
    pub(crate) fn describe(set: &Overrides) -> Vec<ConfigEntry> {
        let entry = |key: &ClientMetricsKey| {
            let own = set.get(key.name);
            let source = own.map_or(ConfigSource::DefaultConfig, |_| ConfigSource::ClientMetricsConfig);
            let synonym = |value: &String| ConfigSynonym {
                name: key.name.to_owned(),
                value: Some(value.clone()),
                source,
            };
            ConfigEntry {
                name: key.name.to_owned(),
                value: Some(own.cloned().unwrap_or_else(|| key.default.to_owned())),
                source,
                kind: key.kind,
                is_sensitive: false,
                is_read_only: false,
                synonyms: own.map(synonym).into_iter().collect(),
                documentation: Some(key.doc),
            }
        };
        KEYS.iter().map(entry).collect()
    }

    /// True if it asks the client with these properties for something.
    pub(crate) fn concerns<'a>(&self, property: impl Fn(ClientProperty) -> &'a str) -> bool {
        self.patterns.iter().all(|(of, pattern)| pattern.is_match(property(*of)))
    }
}

/// See [`KeyRules`].
struct ClientMetricsRules;

impl KeyRules for ClientMetricsRules {
    fn list(&self, name: &str, set: &Overrides) -> Option<String> {
        let key = KEYS.iter().find(|key| key.name == name && key.kind == ConfigType::List)?;
        Some(set.get(name).map_or(key.default, String::as_str).to_owned())
    }

    /// Kept as it was given.
    fn normalise(&self, _: &str, value: &str) -> Result<String, ConfigRefusal> {
        // `check_together` judges all keys, in Kafka's words.
        Ok(value.to_owned())
    }

    fn check_together(&self, set: &Overrides) -> Result<(), ConfigRefusal> {
        ClientMetricsConfig::read(set).map(|_| ())
    }
}

/// The interval in milliseconds, if it is within the bounds.
fn interval(text: &str) -> Result<i32, ConfigRefusal> {
    let refuse = |text| Err(ConfigRefusal::InvalidRequest(text));
    match text.trim().parse() {
        Ok(value) if (MIN_INTERVAL_MS..=MAX_INTERVAL_MS).contains(&value) => Ok(value),
        Ok(value) => refuse(format!(
            "Invalid value {value} for {INTERVAL}, interval must be between {MIN_INTERVAL_MS} and {MAX_INTERVAL_MS} ms"
        )),
        Err(_) => refuse(format!("Invalid value {text} for {INTERVAL}: not a number of type INT")),
    }
}

/// All patterns. Of two for one property the last counts, as in Kafka's map of them.
fn patterns(value: &str) -> Result<Vec<(ClientProperty, Regex)>, ConfigRefusal> {
    let mut patterns: Vec<(ClientProperty, Regex)> = Vec::new();
    for read in elements(value).map(pattern) {
        let (property, regex) = read?;
        patterns.retain(|(earlier, _)| *earlier != property);
        patterns.push((property, regex));
    }
    Ok(patterns)
}

/// A pattern, spelled `property=expression`. The expression has to match the whole property, as Java's
/// `Matcher.matches` does.
fn pattern(text: &str) -> Result<(ClientProperty, Regex), ConfigRefusal> {
    let illegal = || ConfigRefusal::InvalidConfig(format!("Illegal client matching pattern: {text}"));
    let (property, pattern) = halves(text).ok_or_else(illegal)?;
    let property = ClientProperty::of(property.trim()).ok_or_else(illegal)?;
    // A pattern comes from a client. Matching is linear in its input, and the limit bounds what compiling
    // takes.
    let whole = regex::RegexBuilder::new(&format!("^(?:{})$", pattern.trim()))
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|_| illegal())?;
    Ok((property, whole))
}

/// The texts before and after the only `=`. A second one is refused, except at the end: Kafka takes what Java's
/// `split("=")` makes two parts of, and that drops empty parts at the end.
fn halves(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.trim_end_matches('=').split('=');
    let halves = (parts.next()?, parts.next()?);
    parts.next().is_none().then_some(halves)
}
