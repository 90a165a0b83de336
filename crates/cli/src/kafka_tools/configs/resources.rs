//! Configs of topics, brokers, loggers, groups and clients' metrics.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use codec::ErrorCode;
use codec::messages::ListConfigResourcesRequest;

use super::super::refusal::Refusal;
use super::changes::Changes;
use super::entity::Entity;
use super::executed;
use crate::client::{Cluster, Coordinators};
use crate::config::resource::{DEFAULT, Resource};
use crate::config::{describe, list};
use crate::configs::{self, Config, Kind, Operation, change};
use crate::group::list::all as groups;
use crate::output::{escaped, print};

/// Shows the configs that an entity sets by itself, or all.
pub(super) fn describe(kind: Kind, entity: &Entity, all: bool, cluster: Cluster) -> Result<(), Refusal> {
    let mut cluster = Coordinators::of(cluster);
    let names = match entity.name() {
        Some(name) => {
            if let Err(refusal) = check_name(kind, name) {
                if all {
                    // Kafka checks the name after this line.
                    print(&heading(entity, name, all))?;
                }
                return Err(refusal);
            }
            if !all && !exists(kind, name, &mut cluster)? {
                let kind = entity.kind().singular();
                let name = escaped(name);
                return Ok(print(&format!(
                    "The {kind} '{name}' doesn't exist and doesn't have dynamic config.\n"
                ))?);
            }
            vec![name.to_owned()]
        }
        None => names(kind, &mut cluster)?,
    };
    let resources = names.iter().map(|name| resource(kind, name)).collect::<Result<_, _>>()?;
    for (resource, answered) in describe::ask(resources, cluster.leaders().cluster(), true)? {
        let name = resource.wire_name();
        print(&heading(entity, name, all))?;
        let configs = answered?.map_err(|error| executed(&error))?;
        let mut text = String::new();
        for config in configs.iter().filter(|config| all || is_own(kind, name, config)) {
            line(&mut text, config);
        }
        print(&text)?;
    }
    Ok(())
}

fn heading(entity: &Entity, name: &str, all: bool) -> String {
    let kind = entity.kind();
    if name.is_empty() {
        return format!("Default configs for {} in the cluster are:\n", kind.name());
    }
    let which = if all { "All" } else { "Dynamic" };
    format!("{which} configs for {} {} are:\n", kind.singular(), escaped(name))
}

/// `  retention.ms=1000 sensitive=false synonyms={…}`
fn line(text: &mut String, config: &Config) {
    let value = |value: Option<&str>| escaped(value.unwrap_or("null"));
    let source = |(source, key, of)| format!("{source}:{key}={}", value(of));
    let sources: Vec<String> = config.sources().map(source).collect();
    // Writing to a `String` does not fail.
    let _ = writeln!(
        text,
        "  {}={} sensitive={} synonyms={{{}}}",
        escaped(&config.key),
        value(config.value()),
        config.is_sensitive(),
        sources.join(", ")
    );
}

/// True if the entity itself sets it. Loggers have no other configs.
fn is_own(kind: Kind, name: &str, config: &Config) -> bool {
    let own = match kind {
        Kind::BrokerLogger => return true,
        Kind::Topic => "DYNAMIC_TOPIC_CONFIG",
        Kind::Broker if name.is_empty() => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        Kind::Broker => "DYNAMIC_BROKER_CONFIG",
        Kind::Group => "DYNAMIC_GROUP_CONFIG",
        Kind::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
    };
    config.source() == own
}

/// The resource of a name, in which the empty one is that of all brokers.
fn resource(kind: Kind, name: &str) -> Result<Resource, Refusal> {
    let name = if kind == Kind::Broker && name.is_empty() { DEFAULT } else { name };
    Resource::of(kind, name).map_err(|failure| Refusal::Argument(failure.to_string()))
}

/// The names of all of a kind, the default last.
fn names(kind: Kind, cluster: &mut Coordinators) -> Result<Vec<String>, Refusal> {
    let listed = |cluster: &mut Coordinators| {
        list::try_names(kind, cluster.leaders().cluster())?.map_err(|error| executed(&error))
    };
    Ok(match kind {
        Kind::Topic => list::topics(cluster.leaders().cluster())?,
        Kind::Group => {
            let with_configs = groups_with_configs(cluster)?.unwrap_or_default();
            let names = groups(cluster, 0)?.into_iter().map(|group| group.name);
            names.chain(with_configs).collect::<BTreeSet<_>>().into_iter().collect()
        }
        Kind::Broker | Kind::BrokerLogger | Kind::ClientMetrics => {
            let names = listed(cluster)?.into_iter();
            names
                .map(|name| if name == DEFAULT && kind == Kind::Broker { String::new() } else { name })
                .collect()
        }
    })
}

/// True unless the cluster is known not to have it.
fn exists(kind: Kind, name: &str, cluster: &mut Coordinators) -> Result<bool, Refusal> {
    let has = |names: &[String]| names.iter().any(|known| known == name);
    Ok(match kind {
        // Of brokers the default exists always.
        Kind::Topic | Kind::Broker | Kind::BrokerLogger | Kind::ClientMetrics => has(&names(kind, cluster)?),
        Kind::Group => {
            groups(cluster, 0)?.iter().any(|group| group.name == name)
                || groups_with_configs(cluster)?.is_none_or(|names| has(&names))
        }
    })
}

/// The groups that have configs. `None`: the broker is too old to list them, or the user may not see them.
fn groups_with_configs(cluster: &mut Coordinators) -> Result<Option<Vec<String>>, Refusal> {
    let cluster = cluster.leaders().cluster();
    if !cluster.serves::<ListConfigResourcesRequest>(1) {
        return Ok(None);
    }
    match list::try_names(Kind::Group, cluster)? {
        Ok(names) => Ok(Some(names)),
        Err(error) if error.code == ErrorCode::ClusterAuthorizationFailed as i16 => Ok(None),
        Err(error) => Err(executed(&error)),
    }
}

/// Changes the configs of one entity. Keys that are not set may be deleted.
pub(super) fn alter(kind: Kind, name: &str, changes: &Changes, cluster: &mut Cluster) -> Result<(), Refusal> {
    if kind == Kind::BrokerLogger {
        check_loggers(resource(kind, name)?, changes, cluster)?;
    }
    let unset = changes.deleted.iter().map(|key| change(Operation::Unset, key, None));
    let set = changes.added.iter().map(|(key, value)| change(Operation::Set, key, value.expose_text()));
    let all: Vec<_> = unset.chain(set).collect();
    let resource = resource(kind, name)?;
    let names = [resource.wire_name()];
    let failed = resource.at(cluster, |node| configs::try_alter(node, kind, &names, &all, false))?;
    failed.values().next().map_or(Ok(()), |error| Err(executed(error)))
}

/// Loggers have to exist.
fn check_loggers(of: Resource, changes: &Changes, cluster: &mut Cluster) -> Result<(), Refusal> {
    let mut known = BTreeSet::new();
    for (_, answered) in describe::ask(vec![of], cluster, true)? {
        let configs = answered?.map_err(|error| executed(&error))?;
        known.extend(configs.into_iter().map(|config| config.key));
    }
    let keys = changes.deleted.iter().chain(changes.added.keys());
    let unknown: Vec<&str> = keys.filter(|key| !known.contains(*key)).map(String::as_str).collect();
    match unknown.as_slice() {
        [] => Ok(()),
        unknown => {
            let text = format!("Invalid broker logger(s): {}", escaped(&unknown.join(",")));
            Err(Refusal::Argument(text))
        }
    }
}

/// The rules of Kafka for names of topics (`Topic.validate`).
fn check_name(kind: Kind, name: &str) -> Result<(), Refusal> {
    const MOST: usize = 249;
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let why = match name {
        _ if kind != Kind::Topic => return Ok(()),
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.chars().count() > MOST => {
            format!("the length of '{}' is longer than the max allowed length {MOST}", escaped(name))
        }
        _ if !name.chars().all(is_good) => format!(
            "'{}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            escaped(name)
        ),
        _ => return Ok(()),
    };
    Err(Refusal::Argument(format!("Topic name is invalid: {why}")))
}

#[cfg(test)]
mod tests {
    use codec::messages::StrBytes;
    use codec::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsSynonym};

    use super::*;

    fn config(value: Option<&'static str>, source: i8, is_sensitive: bool) -> Config {
        let text = StrBytes::from_static_str;
        let synonym = |source, value: Option<&'static str>| {
            DescribeConfigsSynonym::default()
                .with_name(text("flush.ms"))
                .with_value(value.map(text))
                .with_source(source)
        };
        Config::of(
            DescribeConfigsResourceResult::default()
                .with_name(text("flush.ms"))
                .with_value(value.map(text))
                .with_config_source(source)
                .with_is_sensitive(is_sensitive)
                .with_synonyms(vec![synonym(source, value), synonym(5, Some("7"))]),
        )
    }

    #[test]
    fn a_config_is_shown_with_all_its_sources() {
        let shown = |config: &Config| {
            let mut text = String::new();
            line(&mut text, config);
            text
        };
        assert_eq!(
            shown(&config(Some("1"), 1, false)),
            "  flush.ms=1 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:flush.ms=1, DEFAULT_CONFIG:flush.ms=7}\n"
        );
        assert!(
            shown(&config(None, 2, true))
                .starts_with("  flush.ms=null sensitive=true synonyms={DYNAMIC_BROKER_CONFIG:flush.ms=null,")
        );
    }

    #[test]
    fn configs_from_elsewhere_are_not_those_of_the_entity() {
        let is = |kind, name, source| is_own(kind, name, &config(None, source, false));
        assert!(is(Kind::Topic, "a", 1) && !is(Kind::Topic, "a", 2));
        assert!(is(Kind::Broker, "1", 2) && !is(Kind::Broker, "1", 3) && !is(Kind::Broker, "", 2));
        assert!(is(Kind::Broker, "", 3) && is(Kind::BrokerLogger, "1", 6) && is(Kind::BrokerLogger, "1", 5));
        assert!(is(Kind::Group, "a", 8) && is(Kind::ClientMetrics, "a", 7) && !is(Kind::Group, "a", 5));
    }

    #[test]
    fn names_of_topics_are_checked_in_kafkas_words() {
        let why = |name: &str| check_name(Kind::Topic, name).map_err(|refusal| refusal.text().to_owned());
        assert_eq!((why("a.b_c-D9"), check_name(Kind::Group, "bad name")), (Ok(()), Ok(())));
        let starts = |name: &str, text: &str| {
            let why = why(name).unwrap_err();
            assert!(why.starts_with(&format!("Topic name is invalid: {text}")), "{why}");
        };
        starts("", "the empty string is not allowed");
        starts("..", "'..' is not allowed");
        starts("bad!", "'bad!' contains one or more characters other than ASCII alphanumerics");
        starts(&"x".repeat(250), "the length of 'xxx");
    }
}
