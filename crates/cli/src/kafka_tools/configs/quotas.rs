//! Quotas of users, clients and addresses.

use super::super::refusal::Refusal;
use super::changes::Changes;
use super::entity::{Entity, EntityType};
use super::{double, executed, scram};
use crate::client::Cluster;
use crate::output::{escaped, print};
use crate::quota::wire::{self, Described, Match, remove, set};

/// The quotas of users and clients.
const OF_CLIENTS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
/// The quotas of addresses.
const OF_IPS: [&str; 1] = ["connection_creation_rate"];

/// True if some of these are quotas; others are passwords.
pub(super) fn has_any(changes: &Changes) -> bool {
    changes.keys().any(|key| OF_CLIENTS.contains(&key) || OF_IPS.contains(&key))
}

/// Checks that the keys are those of quotas, or of passwords for a single user.
///
/// # Errors
/// Others are among them, or both kinds are.
pub(super) fn check(entity: &Entity, changes: &Changes) -> Result<(), Refusal> {
    if entity.kind() == EntityType::Ip {
        let unknown: Vec<&str> = changes.keys().filter(|key| !OF_IPS.contains(key)).collect();
        return match unknown.as_slice() {
            [] => Ok(()),
            unknown => argument(format!(
                "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
                escaped(&unknown.join(","))
            )),
        };
    }
    // Kafka shows these lists as its language does.
    check_keys(entity, "added", "Set", changes.added.keys())?;
    check_keys(entity, "deleted", "ArrayBuffer", changes.deleted.iter())?;
    if !changes.keys().any(|key| scram::hash(key).is_some()) {
        return Ok(());
    }
    if entity.has_default() {
        let text = "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.";
        return argument(text.to_owned());
    }
    if has_any(changes) {
        let text = "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.";
        return argument(text.to_owned());
    }
    Ok(())
}

/// Checks the keys that are `verb`; Kafka shows them as a `list`.
fn check_keys<'a>(
    entity: &Entity,
    verb: &str,
    list: &str,
    keys: impl Iterator<Item = &'a String>,
) -> Result<(), Refusal> {
    let has_client = entity.has_client();
    let (what, of) = match has_client {
        true => ("quota", EntityType::Client),
        false => ("quota and SCRAM credential", EntityType::User),
    };
    let is_known = |key: &str| OF_CLIENTS.contains(&key) || (!has_client && scram::hash(key).is_some());
    let mut unknown: Vec<&str> = keys.map(String::as_str).filter(|key| !is_known(key)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    // Mechanisms come last.
    unknown.sort_by_key(|key| scram::hash(key).is_some());
    argument(format!(
        "Only {what} configs can be {verb} for '{}' using --bootstrap-server. Unexpected config names: {list}({})",
        of.name(),
        escaped(&unknown.join(", "))
    ))
}

fn argument(text: String) -> Result<(), Refusal> {
    Err(Refusal::Argument(text))
}

/// Shows the quotas of the entities that have these parts and no others.
pub(super) fn describe(entity: &Entity, cluster: &mut Cluster) -> Result<(), Refusal> {
    let found = wire::describe(cluster, &entity.parts(), true)?.map_err(|error| executed(&error))?;
    let text: String = found.iter().map(line).collect();
    Ok(print(&text)?)
}

/// `Quota configs for user-principal 'alice', the default client-id are producer_byte_rate=1024.0`
fn line(described: &Described) -> String {
    let part = |(kind, part): (&str, &Option<Option<String>>)| {
        Some(match part.as_ref()? {
            Some(name) if !name.is_empty() => format!("{kind} '{}'", escaped(name)),
            _ => format!("the default {kind}"),
        })
    };
    let kinds = ["user-principal", "client-id", "ip"].into_iter();
    let parts: Vec<String> = kinds.zip(&described.parts).filter_map(part).collect();
    let value = |(key, value): &(String, f64)| format!("{}={}", escaped(key), double::text(*value));
    let values: Vec<String> = described.values.iter().map(value).collect();
    format!("Quota configs for {} are {}\n", parts.join(", "), values.join(", "))
}

/// Sets quotas of one entity, and removes others.
pub(super) fn alter(entity: &Entity, changes: &Changes, cluster: &mut Cluster) -> Result<(), Refusal> {
    let parts = entity.parts();
    let found = wire::describe(cluster, &parts, true)?.map_err(|error| executed(&error))?;
    let has = |key: &str| found.first().is_some_and(|one| one.values.iter().any(|(known, _)| known == key));
    let unknown: Vec<&str> = changes.deleted.iter().map(String::as_str).filter(|key| !has(key)).collect();
    if !unknown.is_empty() {
        return Err(Refusal::Argument(format!("Invalid config(s): {}", escaped(&unknown.join(",")))));
    }
    let mut all = Vec::new();
    for (key, value) in &changes.added {
        let value = value.expose_text().unwrap_or_default();
        let wrong = || {
            let value = escaped(value);
            Refusal::Argument(format!("Cannot parse quota configuration value for {key}: {value}"))
        };
        all.push(set(key, double::parse(value).ok_or_else(wrong)?));
    }
    all.extend(changes.deleted.iter().map(|key| remove(key)));
    let named = |(kind, part): &(&'static str, Match<'_>)| match part {
        Match::Name(name) => (*kind, Some((*name).to_owned())),
        Match::Default | Match::Any => (*kind, None),
    };
    let named: Vec<_> = parts.iter().map(named).collect();
    let parts: Vec<_> = named.iter().map(|(kind, name)| (*kind, name.as_deref())).collect();
    wire::alter(cluster, &parts, all)?.map_err(|error| executed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_parts_and_the_values() {
        let described = |parts: [Option<Option<&str>>; 3], values: &[(&str, f64)]| {
            let parts = parts.map(|part| part.map(|name| name.map(str::to_owned)));
            let values = values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
            line(&Described { parts, values })
        };
        assert_eq!(
            described([Some(Some("alice")), Some(None), None], &[("a", 1024.0), ("b", 10_485_760.0)]),
            "Quota configs for user-principal 'alice', the default client-id are a=1024.0, b=1.048576E7\n"
        );
        assert_eq!(
            described([None, None, Some(Some("::1"))], &[("a", 0.5)]),
            "Quota configs for ip '::1' are a=0.5\n"
        );
    }
}
