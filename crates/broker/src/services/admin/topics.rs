//! Creating topics: Kafka's rules (`ReplicationControlManager`, `Topic`) for one node.
//!
//! Guarantees that what is refused is refused with Kafka's code and a text that names the remedy, and that what is
//! created is so durably when the future ends. Which topics a client may create is left to the APIs.

use storage::{Catalog, NewTopic};
use uuid::Uuid;

use crate::clock;
use crate::config::{BrokerConfig, Overrides, TopicConfig};
use crate::io::ClusterIo;
use crate::services::admin::Pay;
use crate::services::admin::error::{TopicError, refusal};
use crate::services::admin::partitions;
use crate::services::admin::wanted::WantedTopic;
use crate::services::disk_reserve::{DiskReserve, Write};
use crate::topics::names::is_reserved;

/// Longest name of a topic in characters, all of them ASCII (`Topic.MAX_NAME_LENGTH`).
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

/// Kafka's `Topic.validate`: 1 to 249 letters and digits of ASCII, '.', '_' and '-', but not '.' or '..'.
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
    /// Those of the request's topics so far.
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
        // Before the collision: a topic collides with itself, and the code for that is another one.
        if self.catalog.topic(name).is_some() {
            return Err(TopicError::AlreadyExists(name.to_owned()));
        }
        self.check_collision(name)?;
        let partitions = partitions::count_for_new(wanted, self.config)?;
        let pairs = wanted.configs.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
        let configs = TopicConfig::validate(pairs, self.config)?;
        // Last: a topic that is refused takes nothing from the request's allowance.
        self.partitions = partitions::within_one_request(self.partitions, partitions as usize)?;
        // A new id under an old name too: clients and committed offsets tell the two topics apart by it
        // (KIP-516).
        Ok(NewTopic { name: name.to_owned(), id: storage::random_id(), partitions, configs })
    }

    fn check_collision(&self, name: &str) -> Result<(), TopicError> {
        // Kafka's `Topic.hasCollision`.
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

/// Creates topics, or only checks them; one result per wanted topic, in their order. One topic's refusal
/// leaves the others alone. `pay` is asked about each that would be created.
pub(crate) async fn create(
    cluster: &ClusterIo,
    disk: &DiskReserve,
    config: &BrokerConfig,
    wanted: &[WantedTopic],
    validate_only: bool,
    pay: Pay<'_>,
) -> Vec<Result<CreatedTopic, TopicError>> {
    let catalog = cluster.catalog();
    let mut plan = Plan::new(&catalog, config);
    let mut planned: Vec<_> = wanted.iter().map(|wanted| plan.add(wanted)).collect();
    if validate_only {
        let would = |new: NewTopic| CreatedTopic { id: Uuid::nil(), ..CreatedTopic::from(&new) };
        return planned.into_iter().map(|new| new.map(would)).collect();
    }
    for one in &mut planned {
        // Each in turn, after all its checks (`ReplicationControlManager.createTopic`).
        if let Ok(new) = one
            && let Err(error) = pay(new.partitions)
        {
            *one = Err(error);
        }
    }
    let new: Vec<NewTopic> = planned.iter().flatten().cloned().collect();
    if new.is_empty() {
        return planned.into_iter().map(|new| new.map(|new| CreatedTopic::from(&new))).collect();
    }
    if !disk.has_room(Write::Topics, clock::now()) {
        return planned.into_iter().map(|new| new.and(Err(TopicError::DiskFull))).collect();
    }
    // Another client may have created one meanwhile: the catalog decides, and refuses it then.
    let mut outcomes = match cluster.create_topics(new).await {
        Ok(outcomes) => outcomes.into_iter(),
        // Storage has logged the cause. Without outcomes every topic below is answered with `Storage`.
        Err(_) => Vec::new().into_iter(),
    };
    planned
        .into_iter()
        .map(|new| {
            // A refused topic takes no outcome: storage was asked for the others only, in this order.
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
        let partitions = i32::try_from(new.partitions).expect("one request creates at most 10 000");
        Self { id: new.id, partitions, configs: new.configs.clone() }
    }
}

#[cfg(test)]
mod tests;
