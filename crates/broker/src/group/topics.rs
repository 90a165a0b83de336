//! The topics as groups see them: names, ids and partition counts at one moment.
//!
//! A group only reads it. The version tells whether anything can have changed since the group looked last, so that
//! regular expressions and subscriptions are not matched against all topics on every heartbeat.

use std::sync::Arc;

use parking_lot::Mutex;
use storage::Catalog;
use uuid::Uuid;

use super::{GroupConfig, Now};
use crate::io::Io;

/// What a group may know of the topics; Kafka's `CoordinatorMetadataImage`.
pub(crate) trait MetadataImage: Send + Sync {
    /// Id and number of partitions of the topic of that name.
    fn topic(&self, name: &str) -> Option<(Uuid, i32)>;
    /// The name of the topic with that id.
    fn name(&self, id: Uuid) -> Option<&str>;
    /// All names, each once.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
}

impl MetadataImage for Catalog {
    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        let topic = Catalog::topic(self, name)?;
        Some((topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    }

    fn name(&self, id: Uuid) -> Option<&str> {
        self.topic_by_id(id).map(|topic| topic.name.as_str())
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.topics().map(|topic| topic.name.as_str()))
    }
}

/// All topics at one moment, with a number that differs whenever they do.
#[derive(Clone)]
pub(crate) struct Topics {
    pub(crate) version: u64,
    pub(crate) image: Arc<dyn MetadataImage>,
}

/// What every step of a consumer group may look at.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a GroupConfig,
    pub(crate) topics: &'a Topics,
}

/// Where the coordinator finds the topics as they are now.
pub(crate) type TopicSource = Box<dyn Fn() -> Topics + Send + Sync>;

/// The broker's own topics. The version moves on whenever the catalog is another one than last time.
pub(crate) fn source(io: Io) -> TopicSource {
    let last = Mutex::new((io.catalog(), 0_u64));
    Box::new(move || {
        let catalog = io.catalog();
        let mut last = last.lock();
        // The last one is kept, so an equal address is the same catalog.
        if !Arc::ptr_eq(&last.0, &catalog) {
            *last = (Arc::clone(&catalog), last.1 + 1);
        }
        Topics { version: last.1, image: catalog }
    })
}
