//! Gathers what flags, environment and file say, and makes a [`BrokerConfig`] of it, or a list of all that is wrong.
//!
//! Precedence: flag or `--override`, then environment, then file, then default. Every problem of every source is found
//! in one go. What several keys say together is judged in `resolve.rs`; nothing is logged here, because logging is
//! configured by what is read: [`Loaded::notes`] are logged later.

use std::path::{Path, PathBuf};

use security::properties;
use zeroize::{Zeroize as _, Zeroizing};

use super::broker_config::BrokerConfig;
use super::broker_keys::BrokerKeys;
use super::env::{self, Variable};
use super::files::Files;
use super::jaas_file::JAAS_FILE;
use super::key::Effect;
use super::listener_keys::{HTTP_PREFIX, LISTENER_PREFIX, endings, is_http_key, listener_key};
use super::other_keys::{Meaning, meaning};
use super::problem::{ConfigError, Note, Origin, Problem};
use super::reader::SettingsReader;
use super::resources::topic::topic_key;
use super::setting::{Setting, Settings};
use super::tables::{broker_key, described_keys};
use super::{config_providers, image_files, resolve};

/// The sources to read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A `server.properties`.
    pub file: Option<PathBuf>,
    /// Environment variables: `KAFKA_*` set keys, and a config provider finds all of them.
    pub env: Vec<(String, String)>,
    /// `key=value` texts of `--override`; a later one wins.
    pub overrides: Vec<String>,
    /// Flags that stand for a key: flag, key, value. They win over everything.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// Unknown keys are warned about instead of refused.
    pub lenient: bool,
}

/// A configuration, and what to log about it once logging works.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: BrokerConfig,
    /// In the order in which they were found.
    pub notes: Vec<Note>,
}

/// Reads all sources.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut loader = Loader { lenient: sources.lenient, ..Loader::default() };
    // From the weakest source to the strongest: a later setting replaces an earlier one.
    if let Some(path) = &sources.file {
        loader.file(path);
    }
    loader.environment(&sources.env);
    for text in &sources.overrides {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                loader.set(key.trim(), value.trim(), Origin::Flag("--override"));
            }
            _ => loader.problems.push(Problem::Override(text.clone())),
        }
    }
    for (flag, key, value) in &sources.flags {
        loader.set(key, value, Origin::Flag(flag));
    }
    // After the flags: one may turn TLS off, or set what such a variable stands for.
    image_files::resolve(&mut loader.settings, Path::new(image_files::SECRETS), &mut loader.problems);
    config_providers::resolve(&mut loader.settings, &sources.env, &mut loader.problems);
    loader.finish()
}

impl BrokerConfig {
    /// A configuration with these keys set and the defaults for all others, as `--override` would make it.
    ///
    /// # Errors
    /// Everything that is wrong with the pairs, at once.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Result<Self, ConfigError> {
        let overrides = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        load(&Sources { overrides, ..Sources::default() }).map(|loaded| loaded.config)
    }
}

#[derive(Default)]
struct Loader {
    lenient: bool,
    settings: Settings,
    problems: Vec<Problem>,
    notes: Vec<Note>,
}

impl Loader {
    /// Takes the settings of a properties file. Bad lines do not keep the others from being read.
    fn file(&mut self, path: &Path) {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(source) => return self.problems.push(Problem::File { path: path.to_owned(), source }),
        };
        let at = |line| Origin::File { path: path.to_owned(), line };
        let bytes = Zeroizing::new(bytes);
        let (properties, bad_lines) = properties::parse(&bytes);
        for bad in bad_lines {
            self.problems.push(Problem::Line { origin: at(bad.line), reason: bad.reason });
        }
        for mut property in properties {
            if let Some(Setting { origin: earlier, .. }) = self.settings.get(&property.key) {
                let text = format!(
                    "{}: {} is set at {earlier} already; this one counts",
                    at(property.line),
                    property.key
                );
                self.notes.push(Note::warn(text));
            }
            // As in java.util.Properties, the last one counts.
            self.set(&property.key, property.value.trim(), at(property.line));
            // It may be a password.
            property.value.zeroize();
        }
    }

    /// Takes the settings of `KAFKA_*` variables; those that are no keys are named in one note.
    fn environment(&mut self, variables: &[(String, String)]) {
        let mut ignored = Vec::new();
        for (name, value) in variables {
            match env::classify(name, value) {
                Variable::Key(key) => self.set(&key, value.trim(), Origin::Environment(name.clone())),
                Variable::JaasFile(path) => {
                    self.set(JAAS_FILE, path, Origin::Environment(name.clone()));
                }
                Variable::Ignored(reason) => ignored.push(format!("{name} ({reason})")),
                Variable::OfAnotherImage(ours) => {
                    let problem = Problem::OfAnotherImage { name: name.clone(), ours };
                    match self.lenient {
                        true => self.notes.push(Note::warn(format!("ignored: {problem}"))),
                        false => self.problems.push(problem),
                    }
                }
                Variable::Other => {}
            }
        }
        if !ignored.is_empty() {
            // An environment has no order, and the line should be the same at each start.
            ignored.sort();
            self.notes.push(Note::info(format!("environment variables left aside: {}", ignored.join(", "))));
        }
    }

    /// Takes a setting if its key is known; a later one replaces an earlier one.
    fn set(&mut self, name: &str, value: &str, origin: Origin) {
        let known = match name.strip_prefix(LISTENER_PREFIX) {
            Some(rest) => listener_key(rest).is_some(),
            // The listed ones alone: `http.ssl.keystor.location` is a slip of the pen.
            None if name.starts_with(HTTP_PREFIX) => broker_key(name).is_some() || is_http_key(name),
            None => broker_key(name).is_some() || meaning(name).is_some(),
        };
        if !known && self.lenient {
            self.notes.push(Note::warn(format!("{origin}: unknown key {name:?} is ignored")));
        } else if !known {
            let own =
                name.strip_prefix(LISTENER_PREFIX).or_else(|| name.strip_prefix("http.s").and(Some(name)));
            let hint = own.map_or_else(|| hint(name), |rest| endings(rest).find_map(hint));
            return self.problems.push(Problem::Unknown { name: name.to_owned(), origin, hint });
        }
        // An unknown key too, if it is let in: DescribeConfigs lists what was set, without the value.
        self.settings.insert(name.to_owned(), Setting { value: value.to_owned(), origin });
    }

    /// Reads every value, then judges them together.
    fn finish(mut self) -> Result<Loaded, ConfigError> {
        // After a problem as well: all that is wrong is reported in one go.
        let keys = BrokerKeys::read(&mut SettingsReader::new(&mut self.settings, &mut self.problems));
        self.note_keys_without_effect();
        let files = Files::read(&self.settings);
        let config = keys.and_then(|keys| {
            resolve::resolve(keys, self.settings, &files, None, &mut self.problems, &mut self.notes)
        });
        if let Some((key, reason)) =
            config.as_ref().and_then(|config| config.start().http_access().check().err())
        {
            let origin =
                config.as_ref().and_then(|config| config.settings.get(key)).map(|set| set.origin.clone());
            self.problems.push(Problem::Wrong { key: key.to_owned(), origin, reason });
        }
        match config {
            // Malformed values were replaced by defaults, so that the rules between keys could be checked: a
            // configuration with problems is not the operator's.
            Some(config) if self.problems.is_empty() => Ok(Loaded { config, notes: self.notes }),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }

    /// One line for each way in which keys that were set do nothing.
    fn note_keys_without_effect(&mut self) {
        let (mut later, mut never, mut removed_keys) = (Vec::new(), Vec::new(), Vec::new());
        for name in self.settings.keys() {
            match broker_key(name).map(|key| key.effect) {
                Some(Effect::Enforced) => {}
                Some(Effect::NotYet) => later.push(name.as_str()),
                Some(Effect::Inert) => never.push(name.as_str()),
                None => match meaning(name) {
                    Some(Meaning::Removed(advice)) => removed_keys.push(format!("{name} ({advice})")),
                    Some(Meaning::Inert) => never.push(name.as_str()),
                    // Who judges a key notes it, and `set` noted the unknown.
                    Some(Meaning::Judged) | None => {}
                },
            }
        }
        if !later.is_empty() {
            self.notes.push(Note::warn(format!("set, but not enforced yet by Ottla: {}", later.join(", "))));
        }
        if !removed_keys.is_empty() {
            self.notes
                .push(Note::warn(format!("ignored, Kafka 4 has these no more: {}", removed_keys.join(", "))));
        }
        if !never.is_empty() {
            self.notes.push(Note::info(format!("accepted, without meaning in Ottla: {}", never.join(", "))));
        }
    }
}

/// A guess at the key that the author of `name` meant: a key of topics, or the one with the nearest spelling,
/// if there is no more than one mistake for four characters.
fn hint(name: &str) -> Option<String> {
    if let Some(topic) = topic_key(name) {
        return Some(match topic.broker_keys.first() {
            Some(broker) => format!("it is a key of topics; for the broker set {broker:?}"),
            None => "it is a key of topics, not of the broker".to_owned(),
        });
    }
    let lower = name.to_ascii_lowercase().replace(['_', '-'], ".");
    let distance = |known: &str| strsim::damerau_levenshtein(&lower, known);
    let close = (name.chars().count() / 4).clamp(1, 4);
    described_keys()
        .map(|key| (distance(key.name), key.name))
        .min()
        .filter(|(distance, _)| *distance <= close)
        .map(|(_, known)| format!("did you mean {known:?}?"))
}

#[cfg(test)]
mod tests;
