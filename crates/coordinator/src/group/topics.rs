//! The topics as groups see them: names, ids and partition counts at one moment.
//!
//! A group only reads it. The version tells whether anything can have changed since the group looked last, so that
//! regular expressions and subscriptions are not matched against all topics on every heartbeat.

use std::cell::LazyCell;
use std::fmt::Debug;
use std::sync::Arc;

use uuid::Uuid;

use super::config::GroupConfig;
use crate::state_machine::Now;

/// The topics as a group may see them; Kafka's `CoordinatorMetadataImage`.
pub trait MetadataImage: Send + Sync {
    /// Id and number of partitions of the topic of that name.
    /// `None` if there is no such topic now.
    fn topic(&self, name: &str) -> Option<(Uuid, i32)>;
    /// The name of the topic with that id.
    /// `None` if it was deleted: ids are never given again.
    fn name(&self, id: Uuid) -> Option<&str>;
    /// All names, each once.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
}

/// The client of a member, by the rules of an authorizer: the topics that the member's regular expression may find.
pub trait Viewer: Debug + Send + Sync {
    /// The name of the client. Those with the same name may describe the same topics.
    fn name(&self) -> &Arc<str>;
    /// True if the client may describe the topic, by the rules as of now.
    fn may_describe(&self, topic: &str) -> bool;
}

/// All topics at one moment, with a number that differs whenever they do.
#[derive(Clone)]
pub struct Topics {
    /// Compared for equality only. Also another one when the rules of an authorizer change.
    pub version: u64,
    /// There is an authorizer: a member's regular expression finds only topics that its [`Viewer`] may describe.
    pub are_restricted: bool,
    /// Shared: to clone it copies no topic.
    pub image: Arc<dyn MetadataImage>,
}

/// The topics of one step: asked for when the step first looks at them, and the same from then on. Most steps never look.
pub type TopicsOfStep<'a> = LazyCell<Topics, &'a dyn Fn() -> Topics>;

/// The surroundings that every step of a group may look at.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// Read once for the whole step.
    pub now: Now,
    /// With the group's own timeouts, where it was given some.
    pub config: &'a GroupConfig,
    /// The same for the whole step, whatever is created or deleted meanwhile.
    pub topics: &'a TopicsOfStep<'a>,
}
