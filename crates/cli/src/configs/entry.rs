//! A config as DescribeConfigs shows it.

use codec::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsSynonym};
use serde_json::{Value, json};

/// Code of `DEFAULT_CONFIG`.
const DEFAULT: i8 = 5;
/// Code of `DYNAMIC_TOPIC_CONFIG`.
const OF_TOPIC: i8 = 1;

/// A key and its value.
#[derive(Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) key: String,
    /// `None` for null, and for one that the broker does not tell.
    value: Option<String>,
    source: i8,
    config_type: i8,
    is_sensitive: bool,
    is_read_only: bool,
    /// Every source that has a value for it, the one that counts first.
    synonyms: Vec<DescribeConfigsSynonym>,
}

impl Config {
    pub(crate) fn of(config: DescribeConfigsResourceResult) -> Self {
        Self {
            key: config.name.to_string(),
            value: config.value.map(|value| value.to_string()),
            source: config.config_source,
            config_type: config.config_type,
            is_sensitive: config.is_sensitive,
            is_read_only: config.read_only,
            synonyms: config.synonyms,
        }
    }

    /// The value as the broker has it; none of a secret.
    pub(crate) fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// True if the broker does not tell the value, as it may be a secret.
    pub(crate) fn is_sensitive(&self) -> bool {
        self.is_sensitive
    }

    /// Every source that has a value, by Kafka's name of it, with the key there and the value, the one that counts first.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&'static str, &str, Option<&str>)> {
        self.synonyms.iter().map(|one| (source_name(one.source), one.name.as_str(), one.value.as_deref()))
    }

    /// The value for people.
    pub(crate) fn shown(&self) -> String {
        shown(self.value.as_deref(), self.is_sensitive)
    }

    /// Kafka's name of the source.
    pub(crate) fn source(&self) -> &'static str {
        source_name(self.source)
    }

    /// Kafka's name of the type of its value; `-` from brokers before Kafka 2.6.
    pub(crate) fn type_name(&self) -> &'static str {
        type_name(self.config_type).unwrap_or("-")
    }

    /// True if no request changes it.
    pub(crate) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Every source with its value, such as `STATIC_BROKER_CONFIG:log.retention.ms=1000, …`.
    pub(crate) fn synonyms(&self) -> String {
        if self.synonyms.is_empty() {
            return "-".to_owned();
        }
        let synonym = |(source, key, value): (&str, &str, Option<&str>)| {
            format!("{source}:{key}={}", shown(value, self.is_sensitive))
        };
        self.sources().map(synonym).collect::<Vec<_>>().join(", ")
    }

    /// True if no place sets it.
    pub(super) fn is_default(&self) -> bool {
        self.source == DEFAULT
    }

    /// True if the topic itself sets it.
    pub(crate) fn is_of_topic(&self) -> bool {
        self.source == OF_TOPIC
    }

    /// Key, value and source for programs.
    pub(crate) fn object(&self) -> Value {
        json!({"key": self.key, "value": self.value, "source": self.source()})
    }

    /// Everything about it for programs.
    pub(crate) fn whole_object(&self) -> Value {
        let synonym = |(source, key, value): (&str, &str, Option<&str>)| json!({"key": key, "value": value, "source": source});
        json!({
            "key": self.key,
            "value": self.value,
            "source": self.source(),
            "type": type_name(self.config_type),
            "sensitive": self.is_sensitive,
            "read_only": self.is_read_only,
            "synonyms": self.sources().map(synonym).collect::<Vec<_>>(),
        })
    }
}

fn shown(value: Option<&str>, is_sensitive: bool) -> String {
    match value {
        Some(value) => value.to_owned(),
        None if is_sensitive => "(hidden)".to_owned(),
        None => "null".to_owned(),
    }
}

/// Kafka's name of a source (`ConfigEntry.ConfigSource`).
fn source_name(code: i8) -> &'static str {
    match code {
        OF_TOPIC => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        DEFAULT => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
        8 => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}

/// Kafka's name of a type (`ConfigEntry.ConfigType`).
fn type_name(code: i8) -> Option<&'static str> {
    const NAMES: [&str; 9] =
        ["BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"];
    let at = usize::try_from(code).ok()?.checked_sub(1)?;
    NAMES.get(at).copied()
}

#[cfg(test)]
mod tests {
    use codec::messages::StrBytes;

    use super::*;

    fn text(text: &str) -> StrBytes {
        StrBytes::from_string(text.to_owned())
    }

    #[test]
    fn sources_and_types_have_the_names_of_kafka() {
        let names: Vec<_> = (0..10).map(source_name).collect();
        assert_eq!((names[0], names[9]), ("UNKNOWN", "UNKNOWN"));
        assert_eq!(
            (names[1], names[5], names[8]),
            ("DYNAMIC_TOPIC_CONFIG", "DEFAULT_CONFIG", "DYNAMIC_GROUP_CONFIG")
        );
        assert_eq!(
            [0, 1, 7, 9, 10, -1].map(type_name),
            [None, Some("BOOLEAN"), Some("LIST"), Some("PASSWORD"), None, None]
        );
    }

    #[test]
    fn secrets_and_nulls_are_told_apart() {
        let config = |is_sensitive| {
            let synonym =
                DescribeConfigsSynonym::default().with_name(text("a")).with_source(4).with_value(None);
            let config = DescribeConfigsResourceResult::default()
                .with_name(text("a"))
                .with_value(None)
                .with_is_sensitive(is_sensitive)
                .with_synonyms(vec![synonym]);
            Config::of(config)
        };
        assert_eq!((config(true).shown(), config(false).shown()), ("(hidden)".to_owned(), "null".to_owned()));
        assert_eq!(config(true).synonyms(), "STATIC_BROKER_CONFIG:a=(hidden)");
        assert_eq!(config(true).whole_object()["synonyms"][0]["value"], Value::Null);
    }
}
