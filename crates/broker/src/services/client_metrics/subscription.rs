//! Client metrics subscriptions: the configuration of resources of the type CLIENT_METRICS, and whom they concern.
//!
//! Keys, defaults and refusals are those of Kafka's `ClientMetricsConfigs`.

use std::collections::BTreeSet;

use regex::Regex;
use thiserror::Error;

use super::instances::ClientFacts;
use crate::config::Overrides;

/// How often a client pushes where nothing else is said.
pub(crate) const DEFAULT_INTERVAL_MS: i32 = 300_000;
const MIN_INTERVAL_MS: i32 = 100;
const MAX_INTERVAL_MS: i32 = 3_600_000;
const METRICS: &str = "metrics";
const INTERVAL: &str = "interval.ms";
const MATCH: &str = "match";
/// A key: its name, its default, and what it is for.
pub(crate) struct SubscriptionKey {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    pub(crate) documentation: &'static str,
}
/// In the order of their names.
pub(crate) const KEYS: [SubscriptionKey; 3] = [
    SubscriptionKey {
        name: INTERVAL,
        default: "300000",
        documentation: "How often clients push their metrics, in milliseconds.",
    },
    SubscriptionKey {
        name: MATCH,
        default: "",
        documentation: "Which clients are asked: patterns like client_id=app-.*, all of which have to match.",
    },
    SubscriptionKey {
        name: METRICS,
        default: "",
        documentation: "Beginnings of the names of the metrics to push; * is all of them.",
    },
];
/// A pattern may not grow beyond this when it is compiled.
const MAX_PATTERN_BYTES: usize = 256 << 10;

/// Why a subscription cannot be as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SubscriptionError {
    /// A key that there is not, or a value that it cannot have.
    #[error("{0}")]
    InvalidRequest(String),
    /// A pattern that cannot be read.
    #[error("{0}")]
    InvalidConfig(String),
}

/// One subscription.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    /// Beginnings of names; `*` is all of them.
    pub(super) metrics: BTreeSet<String>,
    pub(super) interval_ms: i32,
    /// All of them must match. None match every client.
    patterns: Vec<(Selector, Regex)>,
}

/// What of a client a pattern looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selector {
    ClientInstanceId,
    ClientId,
    SoftwareName,
    SoftwareVersion,
    SourceAddress,
    SourcePort,
}

impl Selector {
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

impl Subscription {
    /// Reads a resource's configuration.
    ///
    /// # Errors
    /// The first thing that is wrong, in Kafka's words.
    pub(crate) fn read(configs: &Overrides) -> Result<Self, SubscriptionError> {
        let mut read =
            Self { metrics: BTreeSet::new(), interval_ms: DEFAULT_INTERVAL_MS, patterns: Vec::new() };
        for (name, value) in configs {
            match name.as_str() {
                METRICS => read.metrics = elements(value).map(str::to_owned).collect(),
                INTERVAL => read.interval_ms = interval(value)?,
                MATCH => read.patterns = elements(value).map(pattern).collect::<Result<_, _>>()?,
                _ => {
                    let text = format!("Unknown client metrics configuration: {name}");
                    return Err(SubscriptionError::InvalidRequest(text));
                }
            }
        }
        Ok(read)
    }

    /// Whether it asks this client for something.
    pub(super) fn concerns(&self, client_instance_id: &str, client: &ClientFacts) -> bool {
        let of = |selector| match selector {
            Selector::ClientInstanceId => client_instance_id,
            Selector::ClientId => &client.client_id,
            Selector::SoftwareName => &client.software_name,
            Selector::SoftwareVersion => &client.software_version,
            Selector::SourceAddress => &client.address,
            Selector::SourcePort => &client.port,
        };
        self.patterns.iter().all(|(selector, pattern)| pattern.is_match(of(*selector)))
    }
}

/// Whether the key is a list, to which elements can be added.
pub(crate) fn is_list(name: &str) -> bool {
    matches!(name, METRICS | MATCH)
}

fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|element| !element.is_empty())
}

fn interval(text: &str) -> Result<i32, SubscriptionError> {
    let refuse = |text| Err(SubscriptionError::InvalidRequest(text));
    match text.trim().parse() {
        Ok(value) if (MIN_INTERVAL_MS..=MAX_INTERVAL_MS).contains(&value) => Ok(value),
        Ok(value) => refuse(format!(
            "Invalid value {value} for {INTERVAL}, interval must be between {MIN_INTERVAL_MS} and {MAX_INTERVAL_MS} ms"
        )),
        Err(_) => refuse(format!("Invalid value {text} for {INTERVAL}: not a number of type INT")),
    }
}

/// Java's `Matcher.matches` wants the whole text.
fn pattern(text: &str) -> Result<(Selector, Regex), SubscriptionError> {
    let illegal = || SubscriptionError::InvalidConfig(format!("Illegal client matching pattern: {text}"));
    let (selector, pattern) = text.split_once('=').ok_or_else(illegal)?;
    let selector = Selector::of(selector.trim()).ok_or_else(illegal)?;
    let whole = regex::RegexBuilder::new(&format!("^(?:{})$", pattern.trim()))
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|_| illegal())?;
    Ok((selector, whole))
}
