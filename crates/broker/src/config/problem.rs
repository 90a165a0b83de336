//! Faults of a configuration, worded for the person who wrote it, and notes that are worth a log line.

use std::fmt;
use std::path::{Path, PathBuf};

use security::Secret;
use zeroize::Zeroizing;

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
    /// A config provider, to which a value refers that has the first origin.
    Provider(Box<Origin>, Given),
}

/// A value that a config provider gave, which no text may show.
#[derive(Clone, Debug)]
pub struct Given(Secret);

impl Given {
    pub(super) fn new(value: &str) -> Self {
        Self(Secret::new(value))
    }

    /// Returns true if the text has the value, or a word of it, or the first letters of one.
    fn is_part_of(&self, text: &str) -> bool {
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
            words.map(str::to_lowercase).collect()
        };
        let value = self.0.expose_text().unwrap_or_default();
        let (own, shown) = (Zeroizing::new(words(value)), words(text));
        !value.is_empty() && text.contains(value)
            || own.iter().any(|word| shown.iter().any(|shown| is_begin_of(shown, word)))
    }
}

/// Returns true if `shown` is the word, or its first four letters or more.
fn is_begin_of(shown: &str, word: &str) -> bool {
    shown == word || shown.chars().count() >= 4 && word.starts_with(shown)
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(other.0.expose())
    }
}

impl Eq for Given {}

impl Origin {
    /// The file in which it was set.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Provider(reference, _) => reference.file(),
            Self::Environment(_) | Self::Flag(_) | Self::Client => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(out, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(out, "environment variable {name}"),
            Origin::Flag(flag) => out.write_str(flag),
            Origin::Client => out.write_str("set by a client"),
            Origin::Provider(reference, _) => write!(out, "{reference}, by a config provider"),
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
    #[error("{origin}: {shown}: {reason}. {remedy}", shown = shown(.key, .value, .origin), remedy = remedy(.key))]
    Malformed { key: &'static Key, value: String, origin: Origin, reason: String },
    /// A value that is well formed, but does not go with others or with this broker.
    #[error(
        "{}{key}: {reason}",
        .origin.as_ref().map_or(String::new(), |origin| format!("{origin}: ")),
        reason = without_value(.origin.as_ref(), .reason)
    )]
    Wrong { key: String, origin: Option<Origin>, reason: String },
}

fn in_words(hint: Option<&str>) -> String {
    hint.map_or(String::new(), |hint| format!("; {hint}"))
}

/// The setting, unless it is a secret, or was kept out of the file as if it were one.
fn shown(key: &Key, value: &str, origin: &Origin) -> String {
    let is_hidden = key.sensitive() || matches!(origin, Origin::Provider(..));
    if is_hidden { key.name.to_owned() } else { format!("{}={value}", key.name) }
}

/// The reason, unless it shows a part of what a config provider gave.
fn without_value<'a>(origin: Option<&Origin>, reason: &'a str) -> &'a str {
    match origin {
        Some(Origin::Provider(_, given)) if given.is_part_of(reason) => {
            "the value cannot be used; it came from a config provider, so the reason, which shows a part of it, is left out"
        }
        _ => reason,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str, reason: &str) -> String {
        let reference = Box::new(Origin::Flag("--override"));
        let origin = Some(Origin::Provider(reference, Given::new(value)));
        Problem::Wrong { key: "a.key".to_owned(), origin, reason: reason.to_owned() }.to_string()
    }

    #[test]
    fn no_reason_shows_a_part_of_what_a_provider_gave() {
        for (value, reason) in [
            ("hunter2", "hunter2 is not served"),
            ("TLSv1.1,hunter2", "not served: hunter2"),
            ("a hunter2b", "the word \"hunt\" is unknown"),
            ("Hunter2", "HUNTER2 is no name"),
            ("5", "5 is less than 10"),
            ("#;", "it has #; in it"),
        ] {
            let shown = text(value, reason);
            assert!(
                shown.starts_with("--override, by a config provider: a.key: the value cannot be used"),
                "{shown}"
            );
            assert!(!shown.contains(value) && !shown.contains("hunt"), "{shown}");
        }
        let shown = text("hunter2", "the password is wrong");
        assert_eq!(shown, "--override, by a config provider: a.key: the password is wrong");
    }
}
