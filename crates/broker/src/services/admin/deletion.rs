//! Deleting topics: Kafka's rules (`ControllerApis.deleteTopics`) for one node.
//!
//! Guarantees that what is deleted is so durably when the future ends, and that what other parts of the broker keep for a
//! topic goes with it. Which topics a client may touch is left to the APIs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use storage::Catalog;
use uuid::Uuid;

use crate::io::ClusterIo;
use crate::services::admin::error::{TopicError, refusal};
use crate::services::coordinator::group::GroupService;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;
use crate::topics::names::TopicRef;

/// The parts of the broker from which a deleted topic has to go.
#[derive(Clone)]
pub(crate) struct Reach {
    /// The topic itself.
    pub(crate) cluster: ClusterIo,
    /// Its committed offsets.
    pub(crate) groups: Arc<GroupService>,
    /// Its counters.
    pub(crate) metrics: Metrics,
    /// Runs the deletion, so that it is completed.
    pub(crate) tasks: Tasks,
    /// `delete.topic.enable`.
    pub(crate) is_enabled: bool,
}

/// A topic that was to be deleted: its name and id, and what came of it. One that was refused is named as in
/// the request: without a name if it came by id, with a nil id if it came by name.
pub(crate) type Deleted = (Option<String>, Uuid, Result<(), TopicError>);

/// Deletes topics with all their records; one result per topic, in their order. Offsets that groups committed for them go too.
/// Once begun it runs to its end, also if the caller does not wait for it.
pub(crate) async fn delete(reach: Reach, topics: Vec<TopicRef>) -> Vec<Deleted> {
    let catalog = reach.cluster.catalog();
    let repeated = repeated(&topics, &catalog);
    let mut named: HashMap<TopicRef, usize> = HashMap::new();
    topics.iter().for_each(|topic| *named.entry(topic.clone()).or_default() += 1);
    let mut found: BTreeMap<Uuid, String> = BTreeMap::new();
    let mut outcomes: Vec<Deleted> = Vec::new();
    for wanted in topics {
        let (name, id) = match &wanted {
            TopicRef::Name(name) => (Some(name.to_string()), Uuid::nil()),
            TopicRef::Id(id) => (None, *id),
        };
        let refused = match (&wanted, wanted.resolve(&catalog)) {
            // Before anything else, as in `ControllerApis.deleteTopics`.
            _ if !reach.is_enabled => Err(TopicError::DeletionDisabled),
            // All mentions are refused: one by name and one by id may be meant for different topics.
            _ if repeated.contains(&wanted) => Err(TopicError::InvalidRequest(
                match &wanted {
                    TopicRef::Id(_) => "Duplicate topic id.",
                    name if named.get(name).is_some_and(|times| *times > 1) => "Duplicate topic name.",
                    TopicRef::Name(_) => "The provided topic name maps to an ID that was already supplied.",
                }
                .to_owned(),
            )),
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
    if found.is_empty() {
        return outcomes;
    }
    // In a task: offsets and counters of a deleted topic go also if the client leaves while it is being deleted.
    let (tasks, gone) = (reach.tasks.clone(), found.clone());
    let errors = tasks.complete("delete-topics", async move { remove(&reach, &gone).await }).await;
    // It panicked, or the broker ends by force: the outcome is unknown, as after a failed write.
    let errors = errors.unwrap_or_else(|| found.keys().map(|id| (*id, TopicError::Storage)).collect());
    for (_, id, outcome) in &mut outcomes {
        if let (Ok(()), Some(error)) = (&outcome, errors.get(id)) {
            *outcome = Err(error.clone());
        }
    }
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

/// Deletes the topics of `found` with what other parts keep for them; returns those that failed.
async fn remove(reach: &Reach, found: &BTreeMap<Uuid, String>) -> HashMap<Uuid, TopicError> {
    // In the order of `found`, by which the results are matched.
    let removed = reach.cluster.delete_topics(found.keys().copied().collect()).await;
    let mut errors: HashMap<Uuid, TopicError> = HashMap::new();
    match removed {
        Err(error) => errors.extend(found.keys().map(|id| (*id, TopicError::from(error.clone())))),
        Ok(results) => {
            for ((id, name), result) in found.iter().zip(results) {
                match result {
                    Ok(()) => reach.metrics.forget_topic(name),
                    Err(error) => {
                        errors.insert(*id, refusal(error, name));
                    }
                }
            }
        }
    }
    // After the topics are gone from the catalog: a commit that arrives from then on is refused.
    // The records of this are not waited for: offsets that survive a crash are forgotten by the next start
    // (`group::open`).
    reach.groups.forget_offsets(|topic, committed| {
        let is_gone = |(id, name): (&Uuid, &String)| {
            // Offsets from before ids were stored have a nil id; a topic created anew under the name keeps its own.
            topic == name && (committed.topic_id == *id || committed.topic_id.is_nil())
        };
        found.iter().filter(|(id, _)| !errors.contains_key(id)).any(is_gone)
    });
    errors
}
