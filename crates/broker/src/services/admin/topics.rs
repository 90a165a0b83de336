//! Creating and deleting topics: Kafka's rules (`ReplicationControlManager`, `ControllerApis`, `Topic`) for one node.
//!
//! Guarantees that what is refused is refused with Kafka's code and a text that names the remedy, and that what is
//! created or deleted is so durably when the future ends. Which topics a client may touch is left to the APIs.

use std::collections::{BTreeMap, HashMap, HashSet};

use storage::{Catalog, NewTopic};
use uuid::Uuid;

use crate::config::{BrokerConfig, Overrides, TopicConfig};
use crate::services::Services;
use crate::services::admin::error::{TopicError, refusal};
use crate::services::admin::partitions;
use crate::services::admin::wanted::WantedTopic;
use crate::topics::names::{TopicRef, is_reserved};

/// Longest name of a topic (`Topic.MAX_NAME_LENGTH`).
pub(crate) const MAX_NAME_LENGTH: usize = 249;

/// A topic that was created, or would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreatedTopic {
    /// Its id; nil if it was only validated.
    pub(crate) id: Uuid,
    /// How many partitions it has.
    pub(crate) partitions: i32,
    /// The keys that differ from the broker's configuration.
    pub(crate) configs: Overrides,
}

/// Kafka's `Topic.validate`.
pub(crate) fn check_name(name: &str) -> Result<(), TopicError> {
    let invalid = |what: String| Err(TopicError::InvalidName(format!("Topic name is invalid: {what}")));
    if name.is_empty() {
        return invalid("the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return invalid(format!("'{name}' is not allowed"));
    }
    if name.len() > MAX_NAME_LENGTH {
        return invalid(format!(
            "the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}"
        ));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return invalid(format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ));
    }
    Ok(())
}

/// The refusal for a missing topic: an invalid name has its own.
pub(crate) fn absent(name: &str) -> TopicError {
    check_name(name).err().unwrap_or(TopicError::UnknownTopic)
}

/// The topics of one request, checked against what exists and against each other.
struct Plan<'a> {
    catalog: &'a Catalog,
    config: &'a BrokerConfig,
    partitions: usize,
}

impl<'a> Plan<'a> {
    fn new(catalog: &'a Catalog, config: &'a BrokerConfig) -> Self {
        Self { catalog, config, partitions: 0 }
    }

    fn add(&mut self, wanted: &WantedTopic) -> Result<NewTopic, TopicError> {
        let name = wanted.name.as_str();
        check_name(name)?;
        if is_reserved(name) {
            return Err(TopicError::InvalidName(format!(
                "Topic name is invalid: '{name}' is reserved; the broker keeps that state itself"
            )));
        }
        if self.catalog.topic(name).is_some() {
            return Err(TopicError::AlreadyExists(name.to_owned()));
        }
        self.check_collision(name)?;
        let partitions = partitions::count_for_new(wanted, self.config)?;
        let pairs = wanted.configs.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        let configs = TopicConfig::validate(pairs, self.config)?;
        self.partitions = partitions::within_one_request(self.partitions, partitions as usize)?;
        Ok(NewTopic { name: name.to_owned(), id: storage::random_id(), partitions, configs })
    }

    fn check_collision(&self, name: &str) -> Result<(), TopicError> {
        match self.catalog.colliding_topic(name) {
            Some(other) => Err(TopicError::InvalidName(format!(
                "Topic '{name}' collides with existing topic: {}. Names that differ only in '.' and '_' would \
                 share their metrics; choose another name.",
                other.name
            ))),
            None => Ok(()),
        }
    }
}

/// Creates topics, or only checks them; one result per wanted topic, in their order.
pub(crate) async fn create(
    services: &Services,
    wanted: &[WantedTopic],
    validate_only: bool,
) -> Vec<Result<CreatedTopic, TopicError>> {
    let catalog = services.io.catalog();
    let config = services.configs.broker();
    let mut plan = Plan::new(&catalog, &config);
    let planned: Vec<_> = wanted.iter().map(|wanted| plan.add(wanted)).collect();
    if validate_only {
        let would = |new: NewTopic| CreatedTopic { id: Uuid::nil(), ..CreatedTopic::from(&new) };
        return planned.into_iter().map(|new| new.map(would)).collect();
    }
    let new: Vec<NewTopic> = planned.iter().flatten().cloned().collect();
    if new.is_empty() {
        return planned.into_iter().map(|new| new.map(|new| CreatedTopic::from(&new))).collect();
    }
    let mut outcomes = match services.io.create_topics(new).await {
        Ok(outcomes) => outcomes.into_iter(),
        Err(_) => Vec::new().into_iter(),
    };
    planned
        .into_iter()
        .map(|new| {
            let new = new?;
            match outcomes.next() {
                Some(Ok(_)) => Ok(CreatedTopic::from(&new)),
                Some(Err(error)) => Err(refusal(error, &new.name)),
                None => Err(TopicError::Storage),
            }
        })
        .collect()
}

impl From<&NewTopic> for CreatedTopic {
    fn from(new: &NewTopic) -> Self {
        let partitions = i32::try_from(new.partitions).unwrap_or(i32::MAX);
        Self { id: new.id, partitions, configs: new.configs.clone() }
    }
}

/// A topic that was to be deleted: name and id as far as they are known, and what came of it.
pub(crate) type Deleted = (Option<String>, Uuid, Result<(), TopicError>);

/// Deletes topics with all their records; one result per topic, in their order. Offsets that groups committed for them go too.
pub(crate) async fn delete(services: &Services, topics: Vec<TopicRef>) -> Vec<Deleted> {
    let catalog = services.io.catalog();
    let repeated = repeated(&topics, &catalog);
    let mut found: BTreeMap<Uuid, String> = BTreeMap::new();
    let mut outcomes: Vec<Deleted> = Vec::new();
    for wanted in topics {
        let (name, id) = match &wanted {
            TopicRef::Name(name) => (Some(name.to_string()), Uuid::nil()),
            TopicRef::Id(id) => (None, *id),
        };
        let refused = match (&wanted, wanted.resolve(&catalog)) {
            _ if !services.config.delete_topic_enable => Err(TopicError::DeletionDisabled),
            _ if repeated.contains(&wanted) => {
                Err(TopicError::InvalidRequest("Duplicate topic name.".to_owned()))
            }
            (TopicRef::Name(_), None) => Err(TopicError::UnknownTopic),
            (TopicRef::Id(_), None) => Err(TopicError::UnknownTopicId),
            (_, Some(topic)) => Ok(topic),
        };
        outcomes.push(match refused {
            Ok(topic) => {
                found.insert(topic.id, topic.name.clone());
                (Some(topic.name.clone()), topic.id, Ok(()))
            }
            Err(error) => (name, id, Err(error)),
        });
    }
    remove(services, &found, &mut outcomes).await;
    outcomes
}

/// Topics that are named more than once, be it by name and by id (`ControllerApis.deleteTopics`).
fn repeated(topics: &[TopicRef], catalog: &Catalog) -> HashSet<TopicRef> {
    let id_of = |topic: &TopicRef| match topic {
        TopicRef::Name(name) => catalog.topic(name).map(|topic| topic.id),
        TopicRef::Id(id) => Some(*id),
    };
    let mut seen: HashMap<Uuid, &TopicRef> = HashMap::new();
    let mut names: HashSet<&TopicRef> = HashSet::new();
    let mut repeated = HashSet::new();
    for topic in topics {
        let earlier = id_of(topic).and_then(|id| seen.insert(id, topic));
        if !names.insert(topic) || earlier.is_some() {
            repeated.insert(topic.clone());
            repeated.extend(earlier.cloned());
        }
    }
    repeated
}

async fn remove(services: &Services, found: &BTreeMap<Uuid, String>, outcomes: &mut [Deleted]) {
    if found.is_empty() {
        return;
    }
    let removed = services.io.delete_topics(found.keys().copied().collect()).await;
    let mut errors: HashMap<Uuid, TopicError> = HashMap::new();
    match removed {
        Err(error) => errors.extend(found.keys().map(|id| (*id, TopicError::from(error.clone())))),
        Ok(results) => {
            for ((id, name), result) in found.iter().zip(results) {
                match result {
                    Ok(()) => services.metrics.forget_topic(name),
                    Err(error) => {
                        errors.insert(*id, refusal(error, name));
                    }
                }
            }
        }
    }
    services.groups.forget_offsets(|topic, committed| {
        let is_gone = |(id, name): (&Uuid, &String)| {
            topic == name && (committed.topic_id == *id || committed.topic_id.is_nil())
        };
        found.iter().filter(|(id, _)| !errors.contains_key(id)).any(is_gone)
    });
    for (_, id, outcome) in outcomes.iter_mut() {
        if let (Ok(()), Some(error)) = (&outcome, errors.get(id)) {
            *outcome = Err(error.clone());
        }
    }
}

#[cfg(test)]
mod tests;
