//! Deleting topics: Kafka's rules (`ControllerApis.deleteTopics`) for one node.
//!
//! Guarantees that what is deleted is so durably when the future ends, and that what other parts of the broker keep for a
//! topic goes with it. Which topics a client may touch is left to the APIs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use storage::Catalog;
use uuid::Uuid;

use crate::io::ClusterIo;
use crate::services::admin::Pay;
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

/// Deletes topics with all their records; one result for each name and each id, in the order of their first mentions,
/// however often each is mentioned. `pay` is asked about each. Offsets that groups committed for them go too. Once begun it runs to its end,
/// also if the caller does not wait for it.
pub(crate) async fn delete(reach: Reach, topics: Vec<TopicRef>, pay: Pay<'_>) -> Vec<Deleted> {
    if !reach.is_enabled {
        // Before anything else, and for each mention, as in `ControllerApis.deleteTopics`.
        let refused = |(name, id)| (name, id, Err(TopicError::DeletionDisabled));
        return topics.iter().map(as_named).map(refused).collect();
    }
    let catalog = reach.cluster.catalog();
    let mut outcomes = sort_out(&topics, &catalog);
    for (_, id, outcome) in &mut outcomes {
        if let (Ok(()), Some(topic)) = (&outcome, catalog.topic_by_id(*id)) {
            *outcome = pay(topic.partition_count());
        }
    }
    let agreed = |(name, id, outcome): &Deleted| Some((*id, name.clone().filter(|_| outcome.is_ok())?));
    let found: BTreeMap<Uuid, String> = outcomes.iter().filter_map(agreed).collect();
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

/// The name and the id of a topic as a request has them.
fn as_named(topic: &TopicRef) -> (Option<String>, Uuid) {
    match topic {
        TopicRef::Name(name) => (Some(name.to_string()), Uuid::nil()),
        TopicRef::Id(id) => (None, *id),
    }
}

/// The topics that may be deleted and those that are refused, by the rules of `ControllerApis.deleteTopics`: a name
/// or an id that is mentioned twice is refused once; so is a name together with the id of its topic.
fn sort_out(topics: &[TopicRef], catalog: &Catalog) -> Vec<Deleted> {
    let mut times: HashMap<&TopicRef, usize> = HashMap::new();
    topics.iter().for_each(|topic| *times.entry(topic).or_default() += 1);
    let is_single = |topic: &TopicRef| times.get(topic) == Some(&1);
    // The ids of topics that are mentioned by name.
    let by_name: HashSet<Uuid> = topics
        .iter()
        .filter(|topic| matches!(topic, TopicRef::Name(_)) && is_single(topic))
        .filter_map(|topic| Some(topic.resolve(catalog)?.id))
        .collect();
    let mut told: HashSet<&TopicRef> = HashSet::new();
    let mut outcomes = Vec::new();
    for topic in topics.iter().filter(|topic| told.insert(topic)) {
        let (name, id) = as_named(topic);
        let invalid = |text: &str| Err(TopicError::InvalidRequest(text.to_owned()));
        outcomes.push(match (topic, topic.resolve(catalog)) {
            (TopicRef::Name(_), _) if !is_single(topic) => (name, id, invalid("Duplicate topic name.")),
            (TopicRef::Id(_), _) if !is_single(topic) => (name, id, invalid("Duplicate topic id.")),
            // The result of the name stands for both.
            (TopicRef::Id(id), _) if by_name.contains(id) => continue,
            (TopicRef::Name(_), Some(found)) if times.contains_key(&TopicRef::Id(found.id)) => {
                (name, found.id, invalid("The provided topic name maps to an ID that was already supplied."))
            }
            (TopicRef::Name(_), None) => (name, id, Err(TopicError::UnknownTopic)),
            (TopicRef::Id(_), None) => (name, id, Err(TopicError::UnknownTopicId)),
            (_, Some(found)) => (Some(found.name.clone()), found.id, Ok(())),
        });
    }
    outcomes
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
