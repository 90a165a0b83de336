//! The levels of the broker's loggers, as they are and as clients change them while it runs (KIP-412).
//!
//! A logger is a part of the program, by the name that its log lines carry, with dots, which Kafka's tools take in a
//! name, for `::`; `root` is all of it. A level holds for what is below it too, until that has one of its own. What
//! clients change ends with the process, as in Kafka (`LoggingController`). Who may change what is left to
//! `services/configs/logger.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;

use super::line_limit::FAULTS;
use crate::config::LogLevel;

/// The logger of everything.
pub(crate) const ROOT: &str = "root";

/// Every logger, by name.
pub(crate) const NAMES: [&str; 21] = [
    "broker",
    "broker.config",
    "broker.http",
    "broker.kafka",
    "broker.kafka.api",
    "broker.net",
    "broker.report",
    "broker.services",
    "broker.services.client_metrics",
    "broker.services.coordinator",
    "broker.services.fetch",
    "broker.session",
    "broker.start",
    "broker.tasks",
    "broker.telemetry",
    "broker.topics",
    "coordinator",
    "coordinator.group",
    "ottla",
    ROOT,
    "storage",
];

/// Has the process log by a new filter.
type Apply = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// See the module. A clone is the same loggers; the default ones change nothing but what is told of them.
#[derive(Clone)]
pub struct Loggers(Arc<Inner>);

struct Inner {
    /// `tracing`'s directives, such as `info,broker=debug`.
    started_with: String,
    /// The levels that clients gave, by logger.
    changed: Mutex<BTreeMap<&'static str, LogLevel>>,
    /// Puts a filter into effect.
    apply: Apply,
}

impl Loggers {
    /// Loggers that were started with these directives.
    pub(super) fn new(started_with: String, apply: impl Fn(EnvFilter) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { started_with, changed: Mutex::default(), apply: Box::new(apply) }))
    }

    /// Every logger with the level that holds for it, by name.
    pub(crate) fn levels(&self) -> Vec<(&'static str, LogLevel)> {
        let directives = self.0.directives(&self.0.changed.lock());
        NAMES.into_iter().map(|name| (name, level_of(&target(name), &directives))).collect()
    }

    /// Gives loggers levels, or takes them back (`None`), all at once.
    pub(crate) fn change(&self, changes: &[(&'static str, Option<LogLevel>)]) {
        // Held until the filter is in effect: of two changes at a time, the filter of the later one must
        // stay.
        let mut changed = self.0.changed.lock();
        for (name, level) in changes {
            match level {
                Some(level) => changed.insert(name, *level),
                None => changed.remove(name),
            };
        }
        let directives = self.0.directives(&changed);
        match EnvFilter::builder().parse(&directives) {
            Ok(filter) => (self.0.apply)(filter),
            Err(error) => tracing::error!(%error, directives, "the loggers' levels stay as they are"),
        }
        // The levels of now, so that a line left out is made good by the next one.
        if let Some(suppressed) = FAULTS.take("loggers") {
            tracing::info!(directives, suppressed, "the loggers' levels were changed");
        }
    }
}

impl Inner {
    /// The directives of the start, and after them those that clients changed.
    /// Of several for the same logger the last counts.
    fn directives(&self, changed: &BTreeMap<&'static str, LogLevel>) -> String {
        let mut directives = self.started_with.clone();
        for (name, level) in changed {
            let _ = match *name {
                ROOT => write!(directives, ",{}", level.as_str()),
                name => write!(directives, ",{}={}", target(name), level.as_str()),
            };
        }
        directives
    }
}

impl Default for Loggers {
    fn default() -> Self {
        Self::new(LogLevel::Info.as_str().to_owned(), drop)
    }
}

impl std::fmt::Debug for Loggers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Loggers").field(&self.levels()).finish()
    }
}

/// As log lines name it.
fn target(logger: &str) -> String {
    logger.replace('.', "::")
}

/// By the directive that says the most of the target. Those for single spans or fields are about lines, not loggers.
fn level_of(logger: &str, directives: &str) -> LogLevel {
    let says = |directive: &str| {
        let directive = directive.trim();
        if directive.is_empty() {
            return None;
        }
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (target, LogLevel::named(level)?),
            None => match LogLevel::named(directive) {
                Some(level) => ("", level),
                // A target alone is let in whole.
                None => (directive, LogLevel::Trace),
            },
        };
        let below = logger.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        (target.is_empty() || (below && logger != ROOT)).then_some((target.len(), level))
    };
    // Of equally long ones `max_by_key` takes the last, as the filter does.
    let said = directives.split(',').filter_map(says).max_by_key(|(length, _)| *length);
    // `EnvFilter` lets nothing in that no directive names; without any directive it lets errors in.
    let unsaid = if directives.trim().is_empty() { LogLevel::Error } else { LogLevel::Off };
    said.map_or(unsaid, |(_, level)| level)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn level(loggers: &Loggers, name: &str) -> LogLevel {
        loggers.levels().into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn the_closest_level_counts_and_the_latest_of_equals() {
        let loggers = Loggers::new("warn,broker=info,broker::net=trace,storage[span]=debug".to_owned(), drop);
        for (name, expected) in [
            (ROOT, LogLevel::Warn),
            ("storage", LogLevel::Warn),
            ("broker", LogLevel::Info),
            ("broker.services.fetch", LogLevel::Info),
            ("broker.net", LogLevel::Trace),
        ] {
            assert_eq!(level(&loggers, name), expected, "{name}");
        }
        loggers.change(&[("broker", Some(LogLevel::Debug)), (ROOT, Some(LogLevel::Error))]);
        assert_eq!(level(&loggers, "broker.services.fetch"), LogLevel::Debug);
        assert_eq!(level(&loggers, "storage"), LogLevel::Error);
        loggers.change(&[("broker", None)]);
        assert_eq!(level(&loggers, "broker.services.fetch"), LogLevel::Info);
    }

    #[test]
    fn loggers_that_no_directive_names_are_off() {
        let loggers = Loggers::new("broker=info".to_owned(), drop);
        assert_eq!((level(&loggers, "storage"), level(&loggers, ROOT)), (LogLevel::Off, LogLevel::Off));
        assert_eq!(level(&Loggers::new(String::new(), drop), "storage"), LogLevel::Error);
    }

    #[test]
    fn names_are_in_order_each_once_and_fit_for_kafka_configs() {
        assert!(NAMES.is_sorted_by(|one, other| one < other));
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        assert!(NAMES.iter().all(|name| name.chars().all(fits)));
    }

    /// The source files of this crate, as module paths below `broker`.
    fn modules(folder: &Path, prefix: &str, found: &mut Vec<(String, PathBuf)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}.{}", path.file_stem().unwrap().to_str().unwrap());
            if path.is_dir() {
                modules(&path, &name, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((name, path));
            }
        }
    }

    /// The crates of the process, with the logger of each. Those that are listed by top modules, too, are marked: of the
    /// storage and the codec an operator needs no part alone, and `ottla` is the binary.
    const CRATES: [(&str, bool); 4] =
        [("broker", true), ("coordinator", true), ("storage", false), ("codec", false)];

    #[test]
    fn every_top_module_that_logs_has_a_logger_and_every_logger_a_module() {
        // Cargo runs tests in the folder of their crate.
        let crates = Path::new("..");
        let (mut found, mut wanted) = (vec!["ottla".to_owned(), ROOT.to_owned()], BTreeSet::new());
        for (name, by_module) in CRATES {
            let mut all = Vec::new();
            modules(&crates.join(name).join("src"), name, &mut all);
            for (module, path) in all {
                if std::fs::read_to_string(path).unwrap().contains("tracing::") {
                    wanted.insert(name.to_owned());
                    let top: Vec<&str> = module.split('.').take(2).collect();
                    // The crate's root logs under the crate's own name, the files of the binaries under theirs, and tests nowhere.
                    if by_module && !["lib", "main", "signals", "faulty", "testing"].contains(&top[1]) {
                        wanted.insert(top.join("."));
                    }
                }
                found.push(module);
            }
            found.push(name.to_owned());
        }
        let listed = |name: &String| NAMES.contains(&name.as_str());
        let missing: Vec<&String> = wanted.iter().filter(|name| !listed(name)).collect();
        assert!(missing.is_empty(), "these log, and NAMES has no logger for them: {missing:?}");
        let stale: Vec<&&str> = NAMES.iter().filter(|name| !found.iter().any(|one| one == *name)).collect();
        assert!(stale.is_empty(), "NAMES has loggers that are no modules: {stale:?}");
    }
}
