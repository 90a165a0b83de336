//! The broker's loggers as a config resource (KIP-412): every logger is a key, its level the value.
//!
//! What is changed holds until the broker ends. Texts are those of Kafka's `RuntimeLoggerManager`.

use super::broker::check_described;
use super::kind::{ConfigResources, ConfigsError, Kept, ResourceKind};
use crate::config::resources::resource_type::BROKER_LOGGER;
use crate::config::{BrokerConfig, Change, ConfigEntry, ConfigOp, ConfigSource, ConfigType, LogLevel};
use crate::telemetry::loggers::{Loggers, NAMES, ROOT};

/// Kafka's levels, by name, as its refusal lists them. FATAL is ERROR here: nothing is worse.
const LEVELS: [(&str, LogLevel); 6] = [
    ("DEBUG", LogLevel::Debug),
    ("ERROR", LogLevel::Error),
    ("FATAL", LogLevel::Error),
    ("INFO", LogLevel::Info),
    ("TRACE", LogLevel::Trace),
    ("WARN", LogLevel::Warn),
];

pub(super) static KIND: ResourceKind = ResourceKind {
    code: BROKER_LOGGER,
    check_name,
    describe: |resources, name| {
        // Kafka's texts here (`ConfigHelper`); those for a change are in `check_name`.
        if name.is_empty() {
            return Err(ConfigsError::InvalidRequest("Broker id must not be empty".to_owned()));
        }
        let own = resources.configs.broker().node_id;
        check_described(own, name, &own.to_string())?;
        Ok(describe(&resources.loggers))
    },
    names: |resources| vec![resources.configs.broker().node_id.to_string()],
    kept: Kept::Process(alter),
};

/// This broker's id.
fn check_name(config: &BrokerConfig, name: &str) -> Result<(), ConfigsError> {
    let node_id = config.node_id;
    let text = match name.parse::<i32>() {
        Ok(id) if id == node_id => return Ok(()),
        Ok(id) => format!("Unexpected node id. Expected {node_id}, but received {id}"),
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
    };
    Err(ConfigsError::InvalidRequest(text))
}

/// Every logger with the level that holds for it.
fn describe(loggers: &Loggers) -> Vec<ConfigEntry> {
    let entry = |(name, level): (&'static str, LogLevel)| ConfigEntry {
        name: name.to_owned(),
        value: Some(level.as_str().to_ascii_uppercase()),
        source: ConfigSource::DynamicBrokerLoggerConfig,
        // As Kafka has it.
        kind: ConfigType::Unknown,
        is_sensitive: false,
        is_read_only: false,
        synonyms: Vec::new(),
        documentation: None,
    };
    loggers.levels().into_iter().map(entry).collect()
}

/// Changes the levels, all of them or none.
fn alter(
    resources: &ConfigResources,
    changes: &[Change<'_>],
    validate_only: bool,
) -> Result<(), ConfigsError> {
    // All are read before one is changed.
    let changes: Result<Vec<_>, _> = changes.iter().map(|(name, change)| level(name, *change)).collect();
    let changes = changes?;
    if !validate_only {
        resources.loggers.change(&changes);
    }
    Ok(())
}

/// The logger, and the level that it is to have.
fn level(name: &str, change: ConfigOp<'_>) -> Result<(&'static str, Option<LogLevel>), ConfigsError> {
    let refuse = |operation: &str| {
        let text = format!("{operation} operation is not allowed for the BROKER_LOGGER resource");
        Err(ConfigsError::InvalidRequest(text))
    };
    let known = || {
        let known = NAMES.into_iter().find(|known| *known == name);
        known.ok_or_else(|| ConfigsError::InvalidConfig(format!("Logger {name} does not exist!")))
    };
    match change {
        ConfigOp::Set(text) => {
            let name = known()?;
            // As it is spelled: Kafka refuses `debug` (`LogLevelConfig.VALID_LOG_LEVELS`).
            let level = LEVELS.iter().find(|(known, _)| *known == text).map(|(_, level)| *level);
            let wrong = || {
                let all: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
                ConfigsError::InvalidConfig(format!(
                    "Cannot set the log level of {name} to {text} as it is not a supported log level. Valid log levels are {}",
                    all.join(", ")
                ))
            };
            Ok((name, Some(level.ok_or_else(wrong)?)))
        }
        ConfigOp::Delete => match known()? {
            // Kafka refuses this too (`RuntimeLoggerManager.validateLogLevelConfigs`).
            ROOT => {
                let text = "Removing the log level of the root logger is not allowed".to_owned();
                Err(ConfigsError::InvalidRequest(text))
            }
            name => Ok((name, None)),
        },
        // As in Kafka, whether there is such a logger is not asked first.
        ConfigOp::Append(_) => refuse("APPEND"),
        ConfigOp::Subtract(_) => refuse("SUBTRACT"),
    }
}
