//! References to Kafka's config providers (KIP-297, KIP-421): `${env:DATA}`, `${file:/run/secrets/kafka:password}`.
//!
//! They keep secrets out of a file that many can read. References are replaced once, in what files, environment and flags set,
//! before any value is read; what a client sets while the broker runs is taken as it is. Kafka's three classes are served, any
//! other stops the start. Where no provider of that name is configured, `${…}` is plain text, as in Kafka. Otherwise a reference
//! that leads to nothing stops the start, where Kafka would take its text for the value.

mod provider;

use std::collections::BTreeMap;

use provider::Provider;

use super::key::Key;
use super::listener_keys::{LISTENER_PREFIX, listener_key};
use super::problem::{Given, Origin, Problem};
use super::setting::{Setting, Settings};
use super::tables::broker_key;

const PROVIDERS: &str = "config.providers";

/// Replaces every reference in `settings`; `variables` are those of the environment.
pub(super) fn resolve(settings: &mut Settings, variables: &[(String, String)], problems: &mut Vec<Problem>) {
    let providers = configured(settings, problems);
    refuse_unknown_settings(settings, problems);
    for (key, setting) in settings.iter_mut().filter(|(key, _)| !is_own(key)) {
        match replaced(&setting.value, &providers, variables) {
            Ok(None) if may_be_secret(key) && looks_like_reference(&setting.value) => {
                let reason = format!(
                    "a value like ${{name:key}} refers to a config provider, and {PROVIDERS} names none that is called so"
                );
                let origin = Some(setting.origin.clone());
                problems.push(Problem::Wrong { key: key.clone(), origin, reason });
            }
            Ok(None) => {}
            Ok(Some(value)) => {
                let origin = Origin::Provider(Box::new(setting.origin.clone()), Given::new(&value));
                *setting = Setting { value, origin };
            }
            Err(reason) => {
                let origin = Some(setting.origin.clone());
                problems.push(Problem::Wrong { key: key.clone(), origin, reason });
            }
        }
    }
}

/// Returns true for keys of passwords and logins. Under such a key the text of a misspelled reference would become the password. Every user
/// who can read the configuration would then know the password.
fn may_be_secret(key: &str) -> bool {
    let of_listener = key.strip_prefix(LISTENER_PREFIX).and_then(listener_key);
    broker_key(key).or(of_listener).is_some_and(Key::sensitive)
}

fn looks_like_reference(value: &str) -> bool {
    value.split("${").skip(1).any(|rest| rest.split_once('}').is_some_and(|(inside, _)| inside.contains(':')))
}

/// A slip of the pen in `param.allowed.paths` would allow all paths.
fn refuse_unknown_settings(settings: &Settings, problems: &mut Vec<Problem>) {
    let names: Vec<&str> =
        settings.get(PROVIDERS).iter().flat_map(|named| named.value.split(',')).map(str::trim).collect();
    for (key, setting) in settings.iter().filter(|(key, _)| is_own(key) && *key != PROVIDERS) {
        let rest = key.strip_prefix(PROVIDERS).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
        let class =
            |name: &str| settings.get(&format!("{PROVIDERS}.{name}.class")).map(|set| set.value.as_str());
        let known = names.iter().find_map(|name| {
            let ending = rest.strip_prefix(name)?.strip_prefix('.')?;
            let of_env = class(name).is_some_and(|class| class.ends_with("EnvVarConfigProvider"));
            Some(match ending {
                "class" => true,
                "param.allowlist.pattern" => of_env,
                "param.allowed.paths" => !of_env,
                _ => false,
            })
        });
        let reason = match known {
            Some(true) => continue,
            Some(false) => {
                "the provider has no such setting; param.allowed.paths and param.allowlist.pattern are served"
            }
            None => "config.providers does not name this provider",
        };
        let origin = Some(setting.origin.clone());
        problems.push(Problem::Wrong { key: key.clone(), origin, reason: reason.to_owned() });
    }
}

/// Returns true for the keys that configure providers.
fn is_own(key: &str) -> bool {
    key.strip_prefix(PROVIDERS).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The providers by name.
fn configured(settings: &Settings, problems: &mut Vec<Problem>) -> BTreeMap<String, Provider> {
    let Some(named) = settings.get(PROVIDERS) else { return BTreeMap::new() };
    let names = named.value.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut configured = BTreeMap::new();
    for name in names {
        let text = |ending: &str| {
            settings.get(&format!("{PROVIDERS}.{name}.{ending}")).map(|setting| setting.value.as_str())
        };
        match Provider::new(text) {
            Ok(provider) => {
                configured.insert(name.to_owned(), provider);
            }
            Err((ending, reason)) => {
                let key = format!("{PROVIDERS}.{name}.{ending}");
                let origin = settings.get(&key).map(|setting| setting.origin.clone());
                problems.push(Problem::Wrong { key, origin, reason });
            }
        }
    }
    configured
}

/// The value with its references replaced; `None` if it has none.
///
/// A reference is `${provider:key}` or `${provider:path:key}` (`ConfigTransformer`). What replaces it is not searched again.
///
/// # Errors
/// A reference names something that does not exist. The text has the reference, and nothing of a secret.
fn replaced(
    value: &str,
    providers: &BTreeMap<String, Provider>,
    variables: &[(String, String)],
) -> Result<Option<String>, String> {
    let mut result = String::new();
    let (mut rest, mut found) = (value, false);
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        let reference = after.split_once('}').and_then(|(inside, after)| {
            let (name, place) = inside.split_once(':')?;
            Some((inside, providers.get(name)?, place, after))
        });
        let Some((inside, provider, place, after)) = reference else {
            // Plain text, and a reference may begin within it.
            result.push_str("${");
            rest = after;
            continue;
        };
        let (path, key) = place.split_once(':').unwrap_or(("", place));
        let text = provider.get(path, key, variables).map_err(|reason| format!("${{{inside}}}: {reason}"))?;
        result.push_str(&text);
        (rest, found) = (after, true);
    }
    result.push_str(rest);
    // As every value that is set: a file of a secret often ends with a new line.
    Ok(found.then(|| result.trim().to_owned()))
}

#[cfg(test)]
mod tests;
