//! Faults of a configuration, worded for the person who wrote it, and notes that are worth a log line.

use std::fmt;
use std::path::PathBuf;

use super::key::Key;

/// The source of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File {
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The variable's name.
    Environment(String),
    /// The flag's name.
    Flag(&'static str),
    /// A client, while the broker runs.
    Client,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(out, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(out, "environment variable {name}"),
            Origin::Flag(flag) => out.write_str(flag),
            Origin::Client => out.write_str("set by a client"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file is missing or cannot be read.
    #[error("cannot read the configuration file {path}: {source}; check --config", path = .path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// A line that is malformed in Java's properties format.
    #[error("{origin}: {reason}")]
    Line { origin: Origin, reason: String },
    /// An `--override` without a key or without `=`.
    #[error("--override {0:?} is not KEY=VALUE, such as --override num.partitions=3")]
    Override(String),
    /// No table has the key, and it may be a slip of the pen.
    #[error("{origin}: unknown key {name:?}{hint} (--lenient ignores unknown keys)", hint = in_words(.hint.as_deref()))]
    Unknown { name: String, origin: Origin, hint: Option<String> },
    #[error(
        "environment variable {name}: KAFKA_CFG_ is the prefix of Bitnami's image; here the variables begin with KAFKA_ alone: name it {ours}"
    )]
    OfAnotherImage { name: String, ours: String },
    /// A value that is not of its key's type, or outside its range.
    #[error("{origin}: {shown}: {reason}. {remedy}", shown = shown(.key, .value), remedy = remedy(.key))]
    Malformed { key: &'static Key, value: String, origin: Origin, reason: String },
    /// A value that is well formed, but does not go with others or with this broker.
    #[error("{}{key}: {reason}", .origin.as_ref().map_or(String::new(), |origin| format!("{origin}: ")))]
    Wrong { key: String, origin: Option<Origin>, reason: String },
}

fn in_words(hint: Option<&str>) -> String {
    hint.map_or(String::new(), |hint| format!("; {hint}"))
}

/// The setting, unless it is a secret.
fn shown(key: &Key, value: &str) -> String {
    if key.sensitive() { key.name.to_owned() } else { format!("{}={value}", key.name) }
}

fn remedy(key: &Key) -> String {
    match key.default {
        Some("") | None => format!("Give {}, or leave the key out", key.expectation()),
        Some(default) => {
            format!("Give {}, or leave the key out for the default, {default}", key.expectation())
        }
    }
}

/// Everything that is wrong, in the order in which it was found. Never empty.
#[derive(Debug)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(out, "the configuration has an error: {only}"),
            many => {
                write!(out, "the configuration has {} errors:", many.len())?;
                many.iter().try_for_each(|problem| write!(out, "\n  {problem}"))
            }
        }
    }
}

/// Something to log about a configuration that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub text: String,
    /// True for a line at WARN: the operator should know or do something. Else it is one at INFO.
    pub is_warning: bool,
}

impl Note {
    pub(super) fn info(text: String) -> Self {
        Self { text, is_warning: false }
    }

    pub(super) fn warn(text: String) -> Self {
        Self { text, is_warning: true }
    }
}
