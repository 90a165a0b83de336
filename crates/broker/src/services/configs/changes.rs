//! Changing configurations: Kafka's rules (`ConfigAdminManager`, `ConfigurationControlManager`) for one node.
//!
//! Guarantees that each resource is changed as a whole or not at all, that a change is on the disk when the future
//! ends, and that of two clients that change different keys of a topic neither loses its change. Topics'
//! changes are in the catalog, the broker's in `config/runtime.rs`. Which topics a client may touch is left to the APIs.

use std::collections::{HashMap, HashSet};

use coordinator::group::GroupId;
use storage::{Catalog, CatalogError, ConfigsChange};

use crate::config::runtime::ChangeError;
use crate::config::{BrokerConfig, ConfigOp, Overrides, TopicConfig};
use crate::services::Services;
use crate::services::admin::topics::{self, TopicError, refusal};
use crate::services::configs::{
    BROKER, BROKER_LOGGER, CLIENT_METRICS, ConfigsError, GROUP, TOPIC, check_broker, unknown_type,
};
use crate::services::configs::{
    client_metrics as client_metrics_configs, group as group_configs, logger as logger_configs,
};

/// Every attempt that fails means that another client's change came first.
const MAX_ATTEMPTS: usize = 100;

/// What is to become of one resource's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedConfigs {
    /// `ConfigResource.Type`, as it came.
    pub(crate) resource_type: i8,
    /// The topic, the broker's id, the subscription or the group.
    pub(crate) name: String,
    /// Whether keys that are not named go back to their defaults (AlterConfigs) or stay (IncrementalAlterConfigs).
    pub(crate) replace: bool,
    /// One for each key.
    pub(crate) changes: Vec<KeyChange>,
}

impl WantedConfigs {
    fn ops(&self) -> Result<Vec<(&str, ConfigOp<'_>)>, ConfigsError> {
        self.changes.iter().map(|change| Ok((change.name.as_str(), change.op()?))).collect()
    }
}

/// What is to become of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyChange {
    /// The key.
    pub(crate) name: String,
    /// `AlterConfigOp.OpType`, as it came.
    pub(crate) operation: i8,
    /// Null only to delete.
    pub(crate) value: Option<String>,
}

impl KeyChange {
    /// `AlterConfigOp.OpType`.
    pub(crate) const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;

    fn op(&self) -> Result<ConfigOp<'_>, ConfigsError> {
        match (self.operation, self.value.as_deref()) {
            (Self::DELETE, _) => Ok(ConfigOp::Delete),
            (Self::SET, Some(value)) => Ok(ConfigOp::Set(value)),
            (Self::APPEND, Some(value)) => Ok(ConfigOp::Append(value)),
            (Self::SUBTRACT, Some(value)) => Ok(ConfigOp::Subtract(value)),
            (Self::SET | Self::APPEND | Self::SUBTRACT, None) => {
                Err(ConfigsError::InvalidRequest(format!("Null value not supported for : {}", self.name)))
            }
            (other, _) => Err(ConfigsError::InvalidRequest(format!(
                "Unknown operation {other} for {}: it must be 0 (set), 1 (delete), 2 (append) or 3 (subtract).",
                self.name
            ))),
        }
    }
}

/// Changes configurations, or only checks the changes; one result per resource, in their order.
pub(crate) async fn alter(
    services: &Services,
    wanted: &[WantedConfigs],
    validate_only: bool,
) -> Vec<Result<(), ConfigsError>> {
    let config = &services.configs.broker();
    let mut results: Vec<Result<(), ConfigsError>> = check_all(wanted, config);
    for (result, wanted) in results.iter_mut().zip(wanted) {
        match wanted.resource_type {
            _ if result.is_err() => {}
            BROKER | CLIENT_METRICS | GROUP => *result = alter_given(services, wanted, validate_only).await,
            BROKER_LOGGER => {
                let alter = |ops: Vec<_>| logger_configs::alter(&services.loggers, &ops, validate_only);
                *result = wanted.ops().and_then(alter);
            }
            _ => {}
        }
    }
    let is_open = |(index, wanted): (usize, &WantedConfigs)| {
        (wanted.resource_type == TOPIC && results.get(index).is_some_and(Result::is_ok)).then_some(index)
    };
    let mut open: Vec<usize> = wanted.iter().enumerate().filter_map(is_open).collect();
    for _ in 0..MAX_ATTEMPTS {
        let round = Round::plan(&services.io.catalog(), config, wanted, &open);
        for (index, refused) in round.refused {
            set(&mut results, index, Err(refused));
        }
        if validate_only || round.changes.is_empty() {
            return results;
        }
        let Ok(outcomes) = services.io.alter_topic_configs(round.changes).await else {
            round.changed.iter().for_each(|index| set(&mut results, *index, Err(TopicError::Storage.into())));
            return results;
        };
        open.clear();
        for (index, outcome) in round.changed.into_iter().zip(outcomes) {
            match outcome {
                Ok(_) => {}
                Err(CatalogError::ConfigsChanged) => open.push(index),
                Err(error) => {
                    let name = wanted.get(index).map_or("", |wanted| &wanted.name);
                    set(&mut results, index, Err(refusal(error, name).into()));
                }
            }
        }
        if open.is_empty() {
            return results;
        }
    }
    open.into_iter().for_each(|index| set(&mut results, index, Err(TopicError::Busy.into())));
    results
}

/// Changes what a resource other than a topic was given.
async fn alter_given(
    services: &Services,
    wanted: &WantedConfigs,
    validate_only: bool,
) -> Result<(), ConfigsError> {
    let changing = services.configs.lock().await;
    let (configs, kind, name) = (&services.configs, wanted.resource_type, wanted.name.as_str());
    let current = if wanted.replace { Overrides::new() } else { configs.given(kind, name) };
    let ops = wanted.ops()?;
    let to = match kind {
        CLIENT_METRICS => client_metrics_configs::changed(configs, name, &current, &ops)?,
        GROUP => group_configs::changed(configs, name, &current, &ops)?,
        _ => configs.broker().changed(&current, &ops)?,
    };
    if validate_only {
        return Ok(changing.check(kind, name, &to)?);
    }
    changing.change(&services.io, kind, name, to).await.map_err(|error| match error {
        ChangeError::Invalid(invalid) => ConfigsError::from(invalid),
        ChangeError::TooLarge(error) => ConfigsError::InvalidRequest(error.to_string()),
        ChangeError::Storage(error) => TopicError::from(error).into(),
    })?;
    match kind {
        CLIENT_METRICS => services.client_metrics.subscribe(client_metrics_configs::subscriptions(configs)),
        GROUP => services.groups.configure(&GroupId::from(name), group_configs::given(configs, name)),
        _ => services.partitions.forget_configs(),
    }
    Ok(())
}

fn set(results: &mut [Result<(), ConfigsError>], index: usize, result: Result<(), ConfigsError>) {
    if let Some(place) = results.get_mut(index) {
        *place = result;
    }
}

/// The changes of topics that are tried together, and the resources that they are for.
#[derive(Default)]
struct Round {
    changes: Vec<ConfigsChange>,
    changed: Vec<usize>,
    refused: Vec<(usize, ConfigsError)>,
}

impl Round {
    fn plan(catalog: &Catalog, config: &BrokerConfig, wanted: &[WantedConfigs], open: &[usize]) -> Self {
        let mut round = Self::default();
        for (index, wanted) in open.iter().filter_map(|index| Some((*index, wanted.get(*index)?))) {
            let unknown = || ConfigsError::UnknownTopic(wanted.name.clone());
            let planned = catalog.topic(&wanted.name).ok_or_else(unknown);
            let planned = planned.and_then(|topic| {
                let to = settings(wanted, &topic.configs, config)?;
                Ok(ConfigsChange { id: topic.id, from: topic.configs.clone(), to })
            });
            match planned {
                Ok(change) if change.from == change.to => {}
                Ok(change) => {
                    round.changes.push(change);
                    round.changed.push(index);
                }
                Err(error) => round.refused.push((index, error)),
            }
        }
        round
    }
}

/// What the topic's own settings become.
fn settings(
    wanted: &WantedConfigs,
    current: &Overrides,
    config: &BrokerConfig,
) -> Result<Overrides, ConfigsError> {
    let none = Overrides::new();
    let current = if wanted.replace { &none } else { current };
    Ok(TopicConfig::changed(current, wanted.ops()?, config).map_err(TopicError::from)?)
}

/// What can be said without knowing the topics (`ConfigAdminManager.preprocess`).
fn check_all(wanted: &[WantedConfigs], config: &BrokerConfig) -> Vec<Result<(), ConfigsError>> {
    let mut times: HashMap<(i8, &str), usize> = HashMap::new();
    for resource in wanted {
        *times.entry((resource.resource_type, &resource.name)).or_default() += 1;
    }
    let check = |resource: &WantedConfigs| match times.get(&(resource.resource_type, resource.name.as_str()))
    {
        Some(1) => check_one(resource, config),
        _ => Err(ConfigsError::InvalidRequest("Each resource must appear at most once.".to_owned())),
    };
    wanted.iter().map(check).collect()
}

fn check_one(resource: &WantedConfigs, config: &BrokerConfig) -> Result<(), ConfigsError> {
    let mut names = HashSet::new();
    if !resource.changes.iter().all(|change| names.insert(change.name.as_str())) {
        return Err(ConfigsError::InvalidRequest("Error due to duplicate config keys".to_owned()));
    }
    for change in &resource.changes {
        change.op()?;
    }
    match resource.resource_type {
        TOPIC if resource.name.is_empty() => {
            Err(ConfigsError::InvalidRequest("Default topic resources are not allowed.".to_owned()))
        }
        TOPIC => Ok(topics::check_name(&resource.name)?),
        BROKER => {
            check_broker(config, &resource.name)?;
            Ok(())
        }
        CLIENT_METRICS => client_metrics_configs::check_name(&resource.name),
        GROUP => group_configs::check_name(&resource.name),
        BROKER_LOGGER if resource.replace => {
            let text = "Loggers are changed one by one, with IncrementalAlterConfigs.".to_owned();
            Err(ConfigsError::InvalidRequest(text))
        }
        BROKER_LOGGER => logger_configs::check_name(config.node_id, &resource.name),
        _ => Err(unknown_type(&resource.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, operation: i8, value: Option<&str>) -> KeyChange {
        KeyChange { name: name.to_owned(), operation, value: value.map(str::to_owned) }
    }

    fn wanted(resource_type: i8, name: &str, changes: Vec<KeyChange>) -> WantedConfigs {
        WantedConfigs { resource_type, name: name.to_owned(), replace: false, changes }
    }

    fn texts(wanted: &[WantedConfigs]) -> Vec<String> {
        let config = BrokerConfig::from_pairs(&[]).unwrap();
        let text = |result: Result<(), ConfigsError>| {
            result.map_or_else(|error| error.to_string(), |()| String::new())
        };
        check_all(wanted, &config).into_iter().map(text).collect()
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let set = |name| change(name, KeyChange::SET, Some("1"));
        let asked = [
            wanted(TOPIC, "twice", vec![set("retention.ms")]),
            wanted(TOPIC, "twice", vec![]),
            wanted(TOPIC, "keys", vec![set("retention.ms"), change("retention.ms", KeyChange::DELETE, None)]),
            wanted(TOPIC, "null", vec![change("retention.ms", KeyChange::APPEND, None)]),
            wanted(TOPIC, "operation", vec![change("retention.ms", 4, Some("1"))]),
            wanted(TOPIC, "sound", vec![set("retention.ms"), change("segment.ms", KeyChange::DELETE, None)]),
            wanted(99, "what", vec![]),
        ];
        let texts = texts(&asked);
        let starts = [
            "Each resource must appear at most once.",
            "Each resource must appear at most once.",
            "Error due to duplicate config keys",
            "Null value not supported for : retention.ms",
            "Unknown operation 4 for retention.ms",
            "",
            "Unexpected resource type UNKNOWN for resource what",
        ];
        for (text, start) in texts.iter().zip(starts) {
            assert!(
                text.starts_with(start) && text.is_empty() == start.is_empty(),
                "{text:?}, not {start:?}"
            );
        }
    }

    #[test]
    fn only_this_broker_can_be_changed() {
        let set = || vec![change("message.max.bytes", KeyChange::SET, Some("1"))];
        let asked = [
            wanted(BROKER, "", set()),
            wanted(BROKER, "99", set()),
            wanted(BROKER, "x", set()),
            wanted(BROKER_LOGGER, "root", set()),
            wanted(BROKER_LOGGER, "2", set()),
        ];
        let texts = texts(&asked);
        assert_eq!(texts[0], "");
        assert!(texts[1].starts_with("Unexpected broker id"), "{texts:?}");
        assert!(texts[2].starts_with("Broker id must be an integer"), "{texts:?}");
        assert!(texts[3].starts_with("Node id must be an integer"), "{texts:?}");
        assert!(texts[4].starts_with("Unexpected node id. Expected 1, but received 2"), "{texts:?}");
    }

    #[test]
    fn a_replacement_begins_with_nothing() {
        let config = BrokerConfig::from_pairs(&[]).unwrap();
        let current = Overrides::from([("segment.ms".to_owned(), "5".to_owned())]);
        let mut asked = wanted(TOPIC, "t", vec![change("retention.ms", KeyChange::SET, Some("1"))]);
        assert_eq!(settings(&asked, &current, &config).unwrap().len(), 2);
        asked.replace = true;
        let replaced = settings(&asked, &current, &config).unwrap();
        assert_eq!(replaced, Overrides::from([("retention.ms".to_owned(), "1".to_owned())]));
    }
}
