//! Changing configurations: Kafka's rules (`ConfigAdminManager`, `ConfigurationControlManager`) for one node.
//!
//! Guarantees that each resource is changed as a whole or not at all, that a change is on the disk when the future
//! ends, and that of two clients that change different keys of a topic neither loses its change. Topics'
//! changes are in the catalog, the broker's in `config/runtime.rs`. Which topics a client may touch is left to the APIs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use storage::{Catalog, CatalogError, ConfigsChange};

use super::kind::{ConfigResources, ConfigsError, Kept, Record};
use super::table::{kind, unknown_kind};
use crate::clock;
use crate::config::resources::resource_type::BROKER;
use crate::config::runtime::{ChangeError, Changing};
use crate::config::{
    BrokerConfig, Change, ConfigOp, Overrides, TopicConfig, is_tls_location, limits, names_file_of,
};
use crate::services::admin::error::{TopicError, refusal};
use crate::services::disk_reserve::Write;

/// Every attempt that fails means that another client's change came first.
const MAX_ATTEMPTS: usize = 100;

/// The change that a client wants of one resource's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedConfigs {
    /// `ConfigResource.Type`, as it came.
    pub(crate) resource_type: i8,
    /// The topic, the broker's id, the subscription or the group.
    pub(crate) name: String,
    /// True if keys that are not named go back to their defaults (AlterConfigs); else they stay (IncrementalAlterConfigs).
    pub(crate) replace: bool,
    /// One for each key.
    pub(crate) changes: Vec<KeyChange>,
}

/// Keys by which an operator frees space.
const RETENTION: [&str; 8] = [
    "cleanup.policy",
    "log.cleanup.policy",
    "log.retention.bytes",
    "log.retention.hours",
    "log.retention.minutes",
    "log.retention.ms",
    "retention.bytes",
    "retention.ms",
];

impl WantedConfigs {
    /// It changes what is kept how long, so that it is served on a full disk too; also beside other keys, since
    /// AlterConfigs names all that are to stay.
    fn is_of_retention(&self) -> bool {
        self.changes.iter().any(|change| RETENTION.contains(&change.name.as_str()))
    }

    fn ops(&self) -> Result<Vec<Change<'_>>, ConfigsError> {
        self.changes.iter().map(|change| Ok((change.name.as_str(), change.op()?))).collect()
    }
}

/// The change that a client wants of one key.
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
            // Whatever the value: Kafka wants one only for the others (`ConfigAdminManager.preprocess`).
            (Self::DELETE, _) => Ok(ConfigOp::Delete),
            (Self::SET, Some(value)) => Ok(ConfigOp::Set(value)),
            (Self::APPEND, Some(value)) => Ok(ConfigOp::Append(value)),
            (Self::SUBTRACT, Some(value)) => Ok(ConfigOp::Subtract(value)),
            (Self::SET | Self::APPEND | Self::SUBTRACT, None) => {
                Err(ConfigsError::InvalidRequest(format!("Null value not supported for : {}", self.name)))
            }
            // Kafka answers so for a broker (`ConfigAdminManager.validateBrokerConfigChange`), and
            // UNKNOWN_SERVER_ERROR for a topic.
            (other, _) => Err(ConfigsError::InvalidRequest(format!(
                "Unknown operation {other} for {}: it must be 0 (set), 1 (delete), 2 (append) or 3 (subtract).",
                self.name
            ))),
        }
    }
}

/// Changes configurations, or only checks the changes; one result per resource, in their order. One's
/// refusal leaves the others alone. Once begun it runs to its end, also if the caller does not wait for it.
pub(crate) async fn alter(
    resources: &Arc<ConfigResources>,
    wanted: &[WantedConfigs],
    validate_only: bool,
) -> Vec<Result<(), ConfigsError>> {
    // In a task: a client that leaves between the write and its effect must not leave memory behind the disk.
    let (owned, every) = (Arc::clone(resources), wanted.to_vec());
    let altered = async move { alter_all(&owned, &every, validate_only).await };
    let results = resources.tasks.complete("alter-configs", altered).await;
    // It panicked, or the broker ends by force: the outcome is unknown, as after a failed write.
    results.unwrap_or_else(|| wanted.iter().map(|_| Err(TopicError::Storage.into())).collect())
}

async fn alter_all(
    resources: &ConfigResources,
    wanted: &[WantedConfigs],
    validate_only: bool,
) -> Vec<Result<(), ConfigsError>> {
    // Read once: topics are judged by the defaults from before this request, even if it changes those too.
    let config = &resources.configs.broker();
    let mut results: Vec<Result<(), ConfigsError>> = check_all(wanted, config);
    let mut open = Vec::new();
    let has_room = validate_only || resources.disk.has_room(Write::Commits, clock::now());
    for (index, (result, wanted)) in results.iter_mut().zip(wanted).enumerate() {
        // Refused already; an unknown kind is among those.
        let Some(kind) = kind(wanted.resource_type).filter(|_| result.is_ok()) else { continue };
        if !has_room && !matches!(kind.kept, Kept::Process(_)) && !wanted.is_of_retention() {
            *result = Err(TopicError::DiskFull.into());
            continue;
        }
        match &kind.kept {
            Kept::Catalog => open.push(index),
            // One after the other: each holds the lock of all such changes until it is on the disk.
            Kept::Record(record) => *result = alter_record(resources, record, wanted, validate_only).await,
            Kept::Process(alter) => {
                *result = wanted.ops().and_then(|ops| alter(resources, &ops, validate_only));
            }
        }
    }
    // Storage refuses a change that does not start from the topic's present configuration, as when another client was
    // faster: it is planned anew from what that client left.
    for _ in 0..MAX_ATTEMPTS {
        // A new look at the catalog: with the old one storage would refuse the change again.
        let round = Round::plan(&resources.cluster.catalog(), config, wanted, &open);
        for (index, refused) in round.refused {
            set(&mut results, index, Err(refused));
        }
        if validate_only || round.changes.is_empty() {
            return results;
        }
        // A failed write is final (ADR 2): it is not tried again.
        let Ok(outcomes) = resources.cluster.alter_topic_configs(round.changes).await else {
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
    // REQUEST_TIMED_OUT on the wire, which clients may repeat: nothing of this change was written.
    open.into_iter().for_each(|index| set(&mut results, index, Err(TopicError::Busy.into())));
    results
}

/// Reads the files of TLS that these keys name again.
///
/// # Errors
/// Those of a listener that a key concerns cannot be used.
async fn read_certificates(resources: &ConfigResources, changes: &[KeyChange]) -> Result<(), ConfigsError> {
    let problems = resources.certificates.renew().await;
    let config = resources.configs.broker();
    let concerned = |listener: &str| {
        changes.iter().any(|change| names_file_of(&change.name, config.listeners(), listener))
    };
    match problems.into_iter().find(|(listener, _)| concerned(listener)) {
        Some((_, reason)) => Err(ConfigsError::InvalidRequest(reason)),
        None => Ok(()),
    }
}

/// Changes what a resource was given that has a record of its own.
async fn alter_record(
    resources: &ConfigResources,
    record: &Record,
    wanted: &WantedConfigs,
    validate_only: bool,
) -> Result<(), ConfigsError> {
    let (code, name) = (wanted.resource_type, wanted.name.as_str());
    let check = |changing: &Changing<'_>| -> Result<(), ConfigsError> {
        Ok(changing.check(code, name, &changed(resources, record, wanted)?)?)
    };
    if validate_only {
        return check(&resources.configs.lock().await);
    }
    if code == BROKER && wanted.changes.iter().any(|change| is_tls_location(&change.name)) {
        // First: a change that is refused has no file read.
        check(&resources.configs.lock().await)?;
        // Without the lock: a slow disk must not hold up the changes of others.
        read_certificates(resources, &wanted.changes).await?;
    }
    // From the first look at what is given until the change is in effect, so that no other change is lost.
    let changing = resources.configs.lock().await;
    let to = changed(resources, record, wanted)?;
    changing.change(&resources.cluster, code, name, to).await.map_err(|error| match error {
        ChangeError::Refused(refusal) => ConfigsError::from(refusal),
        ChangeError::TooLarge(error) => ConfigsError::InvalidConfig(error.to_string()),
        ChangeError::Storage(error) => TopicError::from(error).into(),
    })?;
    // `changing` still lives: effects come in the order of the changes.
    (record.after)(resources, name);
    Ok(())
}

/// The values that the resource has after the change. They hold for as long as the lock of changes is held.
fn changed(
    resources: &ConfigResources,
    record: &Record,
    wanted: &WantedConfigs,
) -> Result<Overrides, ConfigsError> {
    let (configs, code, name) = (&resources.configs, wanted.resource_type, wanted.name.as_str());
    let current = if wanted.replace { Overrides::new() } else { configs.given(code, name) };
    let to = (record.changed)(&configs.broker(), &current, &wanted.ops()?)?;
    // Taking the last key away makes room, so it is never refused.
    if !to.is_empty() {
        configs.has_room_for(code, name, record.most)?;
    }
    Ok(to)
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
    /// The resources, by index among those that the client named, in the order of `changes`.
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
                // Nothing to write. It also ends the loop of a change that another client has made meanwhile.
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

/// The topic's own settings after the change.
fn settings(
    wanted: &WantedConfigs,
    current: &Overrides,
    config: &BrokerConfig,
) -> Result<Overrides, ConfigsError> {
    // AlterConfigs deletes the keys that it does not name (`legacyAlterConfigResource`).
    let none = Overrides::new();
    let current = if wanted.replace { &none } else { current };
    Ok(TopicConfig::changed(current, wanted.ops()?, config)?)
}

/// The checks that need no catalog (`ConfigAdminManager.preprocess`).
fn check_all(wanted: &[WantedConfigs], config: &BrokerConfig) -> Vec<Result<(), ConfigsError>> {
    let mut times: HashMap<(i8, &str), usize> = HashMap::new();
    for resource in wanted {
        // As Kafka: every mention of a resource is refused, not only the second.
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
    // Before the resource is looked for: a request that cannot be understood is refused as such.
    for change in &resource.changes {
        change.op()?;
    }
    let kind = kind(resource.resource_type).ok_or_else(|| unknown_kind(&resource.name))?;
    // Kafka's AlterConfigs knows no loggers either (`ConfigAdminManager.preprocess`).
    if resource.replace && matches!(kind.kept, Kept::Process(_)) {
        let text = "Loggers are changed one by one, with IncrementalAlterConfigs.".to_owned();
        return Err(ConfigsError::InvalidRequest(text));
    }
    (kind.check_name)(config, &resource.name)?;
    Ok(limits::check_name(&resource.name)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resources::resource_type::{BROKER, BROKER_LOGGER, GROUP, TOPIC};

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
        assert!(texts[1].starts_with("Unexpected broker id, expected 1, but received 99"), "{texts:?}");
        assert!(texts[2].starts_with("Node id must be an integer"), "{texts:?}");
        assert!(texts[3].starts_with("Node id must be an integer"), "{texts:?}");
        assert!(texts[4].starts_with("Unexpected node id. Expected 1, but received 2"), "{texts:?}");
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        let name = "n".repeat(limits::MAX_NAME_BYTES + 1);
        let config = BrokerConfig::from_pairs(&[]).unwrap();
        let refused = check_one(&wanted(GROUP, &name, vec![]), &config).unwrap_err();
        let ConfigsError::InvalidConfig(text) = refused else { panic!("{refused:?}") };
        assert!(text.contains("32768 bytes, more than the maximum of 32767"), "{text}");
        assert_eq!(check_one(&wanted(GROUP, &name[1..], vec![]), &config), Ok(()));
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
