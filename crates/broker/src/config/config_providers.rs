//! References to Kafka's config providers (KIP-297, KIP-421): `${env:DATA}`, `${file:/run/secrets:password}`.
//!
//! Kafka replaces such a reference where `config.providers` names its provider. Ottla does not follow references yet, and a
//! reference that is taken for a value is a folder of that name or a wrong limit: it stops the start. Where no provider is
//! named a `${…}` is plain text, as in Kafka.

use super::problem::{Note, Problem};
use super::setting::Settings;

const PROVIDERS: &str = "config.providers";

/// Finds every value that refers to a provider.
pub(super) fn check(settings: &Settings, problems: &mut Vec<Problem>, notes: &mut Vec<Note>) {
    let own =
        |key: &str| key.strip_prefix(PROVIDERS).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    // Without providers Kafka takes `${…}` literally, too.
    let Some(named) = settings.get(PROVIDERS) else { return };
    let providers: Vec<&str> =
        named.value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut refers = false;
    for (key, setting) in settings.iter().filter(|(key, _)| !own(key)) {
        let Some(provider) = providers.iter().find(|provider| refers_to(&setting.value, provider)) else {
            continue;
        };
        refers = true;
        // The reference itself may name a secret's place: it is not repeated.
        let reason = format!(
            "the value refers to the config provider {provider}, and Ottla does not follow references; write the value \
             itself, or set it by the environment variable {}",
            super::env::variable_of(key)
        );
        problems.push(Problem::Wrong { key: key.clone(), origin: Some(setting.origin.clone()), reason });
    }
    let settings_of_providers: Vec<&str> =
        settings.keys().map(String::as_str).filter(|key| own(key) && *key != PROVIDERS).collect();
    if !refers && !settings_of_providers.is_empty() {
        let keys = settings_of_providers.join(", ");
        notes.push(Note::info(format!("accepted, and no value refers to a config provider: {keys}")));
    }
}

fn refers_to(value: &str, provider: &str) -> bool {
    // Kafka's form of a reference is `${provider:[path:]key}` (`ConfigTransformer`).
    let mut after = value.split("${").skip(1);
    after.any(|text| {
        text.strip_prefix(provider).is_some_and(|rest| rest.starts_with(':') && rest.contains('}'))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    fn texts(pairs: &[(&str, &str)]) -> Result<String, String> {
        let overrides = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let loaded = load(&Sources { overrides, ..Sources::default() }).map_err(|error| error.to_string())?;
        Ok(loaded.notes.iter().map(|note| format!("{}\n", note.text)).collect())
    }

    const CLASS: (&str, &str) =
        ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider");

    #[test]
    fn providers_that_nothing_refers_to_are_accepted() {
        let pattern = ("config.providers.env.param.allowlist.pattern", ".*");
        let notes = texts(&[("config.providers", "env"), CLASS, pattern]).unwrap();
        assert!(
            notes.contains("no value refers to a config provider: config.providers.env.class, "),
            "{notes}"
        );
    }

    #[test]
    fn a_reference_stops_the_start() {
        let text =
            texts(&[("config.providers", "file, env"), CLASS, ("log.dirs", "/a/${env:DATA}")]).unwrap_err();
        assert!(text.contains("--override: log.dirs: the value refers to the config provider env"), "{text}");
        assert!(text.contains("the environment variable KAFKA_LOG_DIRS"), "{text}");
    }

    #[test]
    fn without_its_provider_a_reference_is_plain_text() {
        assert!(texts(&[("log.dirs", "/a/${env:DATA}")]).is_ok());
        assert!(texts(&[("config.providers", "env"), ("log.dirs", "/a/${envy:DATA}")]).is_ok());
        assert!(texts(&[("config.providers", "env"), ("log.dirs", "/a/${env}")]).is_ok());
    }
}
