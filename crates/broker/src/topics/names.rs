//! The names of topics: how requests refer to a topic, and the names that only the broker uses.
//!
//! Guarantees that every API goes by the same lists: an internal topic can neither be created nor be written to, and a
//! reserved one cannot be created.

use std::sync::Arc;

use storage::{Catalog, Topic};
use uuid::Uuid;

/// The topics that Kafka's brokers keep their own state in (`Topic.INTERNAL_TOPICS`). This broker keeps that state
/// elsewhere, so clients can neither create them nor write to them.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
/// The log of Kafka's controller. Kafka's brokers do not list it as a topic, so it is missing rather than internal; its
/// controller refuses to create it (`ControllerApis.createTopics`).
const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Returns true for the topics that Kafka's brokers keep their own state in.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// Returns true for the topics that no client may create.
pub(crate) fn is_reserved(name: &str) -> bool {
    is_internal(name) || name == CLUSTER_METADATA
}

/// A topic as a request names it: by name or, in newer versions, by id (KIP-516).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicRef {
    /// A name, its own copy: a slice of the request would keep the whole frame alive in a fetch session.
    Name(Arc<str>),
    /// An id.
    Id(Uuid),
}

impl TopicRef {
    /// Refers to the topic of that name.
    pub(crate) fn named(name: &str) -> Self {
        Self::Name(name.into())
    }

    /// Returns the topic, if the catalog has it.
    pub(crate) fn resolve<'a>(&self, catalog: &'a Catalog) -> Option<&'a Arc<Topic>> {
        match self {
            Self::Name(name) => catalog.topic(name),
            Self::Id(id) => catalog.topic_by_id(*id),
        }
    }
}
