//! The topology together with the topics that exist: how many tasks each subtopology has, how many partitions
//! each internal topic must have, which of them are missing, and what is wrong. Kafka's
//! `InternalTopicManager`, `RepartitionTopics`, `CopartitionedTopicsEnforcer` and `ChangelogTopics`.
//!
//! A repartition topic has the count that the application fixed, or the largest of what its writer reads;
//! topics of a copartition group have one count; a changelog has one partition for each task. What is wrong
//! with existing topics is a status that members are told until an operator mends it; a topology that no
//! topics could satisfy is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::{GroupError, Refused, topics::MetadataImage};
use super::status::{Status, StatusCode};
use super::topology::{InternalTopic, Subtopology, Topology};

/// Names that a status lists before it only counts the rest.
const LISTED_TOPICS: usize = 3;

/// A topology with what follows from the topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredTopology {
    /// Empty unless all counts could be decided.
    pub subtopologies: BTreeMap<Arc<str>, ConfiguredSubtopology>,
    /// Internal topics that do not exist yet, for the shell to create. In the order of their names.
    pub missing: Vec<InternalTopic>,
    /// The fault that keeps the group from being ready.
    pub problem: Option<Status>,
}

/// A subtopology with its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredSubtopology {
    /// One for each partition of its largest input.
    pub tasks: i32,
    /// It has state, so it may have standby tasks.
    pub is_stateful: bool,
    /// Its internal topics with the counts that were decided.
    pub repartition_source_topics: Vec<InternalTopic>,
    pub state_changelog_topics: Vec<InternalTopic>,
}

impl ConfiguredTopology {
    /// All topics exist as they must: tasks can be given out.
    pub fn is_ready(&self) -> bool {
        self.problem.is_none()
    }

    fn unusable(code: StatusCode, detail: String) -> ConfiguredTopology {
        let problem = Some(Status { code, detail });
        ConfiguredTopology { subtopologies: BTreeMap::new(), missing: Vec::new(), problem }
    }
}

/// A reason for which counts could not be decided.
enum Fault {
    /// Of the existing topics: members are told.
    Topics(String),
    /// Of the topology itself.
    Topology(String),
}

type Counts = BTreeMap<Arc<str>, i32>;

/// Decides all counts.
///
/// # Errors
/// STREAMS_INVALID_TOPOLOGY if no topics could satisfy the topology: its repartition topics depend on each
/// other, or one is read and never written.
pub fn configure(topology: &Topology, image: &dyn MetadataImage) -> Result<ConfiguredTopology, Refused> {
    let sources = topology.subtopologies.values().flat_map(|parts| &parts.source_topics);
    let missing: BTreeSet<&str> =
        sources.map(|name| &**name).filter(|name| image.topic(name).is_none()).collect();
    if !missing.is_empty() {
        let detail = format!("Source topics {} are missing.", summary(missing.into_iter()));
        return Ok(ConfiguredTopology::unusable(StatusCode::MissingSourceTopics, detail));
    }
    let counts = match (Decision { topology, image, counts: Counts::new() }).decide() {
        Ok(counts) => counts,
        Err(Fault::Topics(detail)) => {
            return Ok(ConfiguredTopology::unusable(StatusCode::IncorrectlyPartitionedTopics, detail));
        }
        Err(Fault::Topology(message)) => {
            return Err(Refused::new(GroupError::StreamsInvalidTopology, message));
        }
    };
    let with_counts = |(id, parts): (&Arc<str>, &Subtopology)| {
        (Arc::clone(id), configured_subtopology(parts, image, &counts))
    };
    let subtopologies: BTreeMap<_, _> = topology.subtopologies.iter().map(with_counts).collect();
    Ok(compare(subtopologies, image))
}

/// Compares the required internal topics with those that exist.
fn compare(
    subtopologies: BTreeMap<Arc<str>, ConfiguredSubtopology>,
    image: &dyn MetadataImage,
) -> ConfiguredTopology {
    let mut wanted: BTreeMap<Arc<str>, InternalTopic> = BTreeMap::new();
    for parts in subtopologies.values() {
        for topic in parts.repartition_source_topics.iter().chain(&parts.state_changelog_topics) {
            wanted.insert(Arc::clone(&topic.name), topic.clone());
        }
    }
    let mut missing = Vec::new();
    for (name, topic) in wanted {
        match image.topic(&name) {
            None => missing.push(topic),
            Some((_, found)) if found != topic.partitions => {
                let detail = format!(
                    "Existing topic {name} has different number of partitions: expected {}, found {found}",
                    topic.partitions
                );
                return ConfiguredTopology::unusable(StatusCode::IncorrectlyPartitionedTopics, detail);
            }
            Some(_) => {}
        }
    }
    let problem = (!missing.is_empty()).then(|| Status {
        code: StatusCode::MissingInternalTopics,
        detail: format!("Internal topics are missing: {}", summary(missing.iter().map(|topic| &*topic.name))),
    });
    ConfiguredTopology { subtopologies, missing, problem }
}

fn configured_subtopology(
    parts: &Subtopology,
    image: &dyn MetadataImage,
    counts: &Counts,
) -> ConfiguredSubtopology {
    let with_count = |topic: &InternalTopic| InternalTopic {
        // A count that the application fixed is that of `counts`, too.
        partitions: counts.get(&topic.name).copied().unwrap_or(topic.partitions),
        ..topic.clone()
    };
    let tasks = parts.input().filter_map(|name| partitions_of(name, image, counts)).max();
    ConfiguredSubtopology {
        tasks: tasks.unwrap_or(0),
        is_stateful: !parts.state_changelog_topics.is_empty(),
        repartition_source_topics: parts.repartition_source_topics.iter().map(with_count).collect(),
        state_changelog_topics: parts.state_changelog_topics.iter().map(with_count).collect(),
    }
}

/// The partitions of a topic: those that it has, else those that it is to have.
fn partitions_of(name: &str, image: &dyn MetadataImage, counts: &Counts) -> Option<i32> {
    image.topic(name).map(|(_, partitions)| partitions).or_else(|| counts.get(name).copied())
}

/// The counts of internal topics in the course of being decided.
struct Decision<'a> {
    topology: &'a Topology,
    image: &'a dyn MetadataImage,
    counts: Counts,
}

impl Decision<'_> {
    /// In this order: copartition groups may change the counts of repartition topics, and changelogs follow
    /// from both.
    fn decide(mut self) -> Result<Counts, Fault> {
        self.repartition_topics()?;
        self.copartition()?;
        self.changelogs();
        Ok(self.counts)
    }

    fn partitions(&self, name: &str) -> Option<i32> {
        partitions_of(name, self.image, &self.counts)
    }

    /// Those with a fixed count, then all others, round after round: one may read what another writes.
    fn repartition_topics(&mut self) -> Result<(), Fault> {
        let parts = self.topology.subtopologies.values();
        let fixed = parts.clone().flat_map(|parts| &parts.repartition_source_topics);
        let fixed = fixed.filter(|topic| topic.partitions != 0);
        self.counts.extend(fixed.map(|topic| (Arc::clone(&topic.name), topic.partitions)));
        loop {
            let (mut progress, mut open) = (false, false);
            for parts in parts.clone() {
                for sink in &parts.repartition_sink_topics {
                    if self.counts.contains_key(sink) {
                        continue;
                    }
                    match self.upstream(parts) {
                        Some(partitions) => {
                            self.counts.insert(Arc::clone(sink), partitions);
                            progress = true;
                        }
                        None => open = true,
                    }
                }
            }
            if !open {
                break;
            }
            if !progress {
                return Err(Fault::Topology(
                    "Failed to compute number of partitions for all repartition topics. There may be loops in the \
                     topology that cannot be resolved."
                        .to_owned(),
                ));
            }
        }
        let mut read = parts.flat_map(|parts| &parts.repartition_source_topics);
        if read.any(|topic| !self.counts.contains_key(&topic.name)) {
            return Err(Fault::Topology(
                "Failed to compute number of partitions for all repartition topics, because a repartition source \
                 topic is never used as a sink topic."
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// The largest count among what a subtopology reads, as far as it is known.
    fn upstream(&self, parts: &Subtopology) -> Option<i32> {
        let repartition =
            parts.repartition_source_topics.iter().filter_map(|topic| self.counts.get(&topic.name));
        let source = parts.source_topics.iter().filter_map(|name| self.image.topic(name));
        repartition.copied().chain(source.map(|(_, partitions)| partitions)).max()
    }

    /// Gives all topics of a copartition group one count. Topics of the user must have it, and so must
    /// repartition topics with a fixed count; the others are given it.
    fn copartition(&mut self) -> Result<(), Fault> {
        let parts = self.topology.subtopologies.values();
        let repartition = parts.clone().flat_map(|parts| &parts.repartition_source_topics);
        let is_fixed: BTreeMap<Arc<str>, bool> =
            repartition.map(|topic| (Arc::clone(&topic.name), topic.partitions != 0)).collect();
        for parts in parts {
            for group in &parts.copartition_groups {
                // `to_topology` has looked: the places are right.
                let names = parts.copartitioned(group).unwrap_or_default();
                self.copartition_group(&names, &is_fixed)?;
            }
        }
        Ok(())
    }

    fn copartition_group(
        &mut self,
        names: &BTreeSet<Arc<str>>,
        is_fixed: &BTreeMap<Arc<str>, bool>,
    ) -> Result<(), Fault> {
        let count = |name: &Arc<str>| (Arc::clone(name), self.partitions(name).unwrap_or(0));
        let (repartition, source): (Counts, Counts) =
            names.iter().map(count).partition(|(name, _)| is_fixed.contains_key(name));
        let fixed: Counts = repartition
            .iter()
            .filter(|(name, _)| is_fixed.get(*name) == Some(&true))
            .map(|(name, partitions)| (Arc::clone(name), *partitions))
            .collect();
        let count = if !source.is_empty() {
            same_count(&source, &source)?
        } else if !fixed.is_empty() {
            same_count(&fixed, &repartition)?
        } else {
            repartition.values().copied().max()
        };
        let Some(count) = count else { return Ok(()) };
        for (name, partitions) in &repartition {
            if fixed.contains_key(name) && *partitions != count {
                return Err(Fault::Topics(format!(
                    "Number of partitions [{partitions}] of repartition topic [{name}] doesn't match number of \
                     partitions [{count}] of the source topic."
                )));
            }
            self.counts.insert(Arc::clone(name), count);
        }
        Ok(())
    }

    fn changelogs(&mut self) {
        for parts in self.topology.subtopologies.values() {
            let tasks = parts.input().filter_map(|name| self.partitions(name)).max().unwrap_or(0);
            for topic in &parts.state_changelog_topics {
                self.counts.insert(Arc::clone(&topic.name), tasks);
            }
        }
    }
}

/// The count that all of `topics` have. `shown` is what the message lists if they differ.
fn same_count(topics: &Counts, shown: &Counts) -> Result<Option<i32>, Fault> {
    let mut counts = topics.values().copied();
    let first = counts.next();
    if counts.all(|count| Some(count) == first) {
        return Ok(first);
    }
    let list: Vec<String> = shown.iter().map(|(name, partitions)| format!("{name}={partitions}")).collect();
    Err(Fault::Topics(format!(
        "Following topics do not have the same number of partitions: [{{{}}}]",
        list.join(", ")
    )))
}

/// Some of the names, and how many more there are.
fn summary<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED_TOPICS);
    let listed: Vec<&str> = names.take(LISTED_TOPICS).collect();
    let listed = listed.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} additional topics") }
}

#[cfg(test)]
mod tests;
