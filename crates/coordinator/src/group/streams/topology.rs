//! The topology of an application as its members describe it: subtopologies with the topics that they read and
//! write, and the changelogs of their state. The first member of a group sends it, and it is stored. `configure`
//! computes partition counts from the topics that exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::{GroupError, Refused};
use crate::limits::{MAX_ENTRIES, check, check_string};
use crate::state_machine::TooLong;

/// The longest name of a topic, bytes.
const MAX_TOPIC_BYTES: usize = 249;
/// Kafka's `Topic.INTERNAL_TOPICS`.
const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// A topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Rises when the application changes it. Kafka 4.3 refuses every change.
    pub epoch: i32,
    /// By id.
    pub subtopologies: BTreeMap<Arc<str>, Subtopology>,
}

/// A part of a topology. Each of its tasks reads one partition of every topic of the part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtopology {
    /// The user's topics that it reads.
    pub source_topics: Vec<Arc<str>>,
    /// Repartition topics that it reads. The broker creates them.
    pub repartition_source_topics: Vec<InternalTopic>,
    /// Repartition topics that it writes: source topics of other subtopologies.
    pub repartition_sink_topics: Vec<Arc<str>>,
    /// The changelogs of its state. The broker creates them. Without any, the subtopology has no standby
    /// tasks.
    pub state_changelog_topics: Vec<InternalTopic>,
    /// Topics that must have the same number of partitions.
    pub copartition_groups: Vec<CopartitionGroup>,
}

/// Keys and values.
pub type Configs = Vec<(Arc<str>, Arc<str>)>;

/// A topic that the broker creates for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalTopic {
    pub name: Arc<str>,
    /// 0: computed from other topics.
    pub partitions: i32,
    /// 0, or -1 as Kafka Streams sends it: the broker's default.
    pub replication_factor: i16,
    /// In the order of the request.
    pub configs: Configs,
}

/// Topics of a subtopology that must have the same number of partitions, as indexes into its lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopartitionGroup {
    /// Indexes into `source_topics`.
    pub source_topics: Vec<i16>,
    /// Indexes into `repartition_source_topics`.
    pub repartition_source_topics: Vec<i16>,
}

/// A topology as a member sent it. It has not been checked.
#[derive(Clone, Debug, Default)]
pub struct SentTopology {
    pub epoch: i32,
    /// With their ids. An id may come twice.
    pub subtopologies: Vec<(Arc<str>, Subtopology)>,
    /// True if a subtopology has patterns of source topics, which Kafka 4.3 refuses.
    pub has_source_patterns: bool,
}

impl SentTopology {
    /// The checks that Kafka makes before the request gets to the group: names of topics (`KafkaApis`), then
    /// what 4.3 does not support, then counts of changelogs (`throwIfInvalidTopology`).
    ///
    /// # Errors
    /// STREAMS_INVALID_TOPOLOGY or INVALID_REQUEST.
    pub fn validate(&self) -> Result<(), Refused> {
        let names: BTreeSet<&str> = self.topics().collect();
        let list = |bad: Vec<&str>| bad.join(",");
        let prohibited: Vec<&str> =
            names.iter().copied().filter(|name| INTERNAL_TOPICS.contains(name)).collect();
        if !prohibited.is_empty() {
            let message = format!(
                "Use of Kafka internal topics {} in a Kafka Streams topology is prohibited.",
                list(prohibited)
            );
            return Err(Refused::new(GroupError::StreamsInvalidTopology, message));
        }
        let illegal: Vec<&str> = names.iter().copied().filter(|name| !is_legal(name)).collect();
        if !illegal.is_empty() {
            let message = format!("Topic names {} are not valid topic names.", list(illegal));
            return Err(Refused::new(GroupError::StreamsInvalidTopology, message));
        }
        Ok(())
    }

    /// Checks that no member sets the partition count of a changelog: it has one partition for each task of its subtopology.
    ///
    /// # Errors
    /// STREAMS_INVALID_TOPOLOGY.
    pub fn validate_changelogs(&self) -> Result<(), Refused> {
        let mut changelogs = self.subtopologies.iter().flat_map(|(_, parts)| &parts.state_changelog_topics);
        match changelogs.find(|topic| topic.partitions != 0) {
            None => Ok(()),
            Some(topic) => {
                let message = format!(
                    "Changelog topic {} must have an undefined partition count, but it is set to {}.",
                    topic.name, topic.partitions
                );
                Err(Refused::new(GroupError::StreamsInvalidTopology, message))
            }
        }
    }

    /// Checks that a record can hold the topology.
    ///
    /// # Errors
    /// With the first part that is too long.
    pub(in crate::group) fn check_lengths(&self) -> Result<(), TooLong> {
        check("the list of subtopologies", self.subtopologies.len(), MAX_ENTRIES)?;
        for (id, parts) in &self.subtopologies {
            check_string("the id of a subtopology", id)?;
            check("the list of source topics", parts.source_topics.len(), MAX_ENTRIES)?;
            check("the list of sink topics", parts.repartition_sink_topics.len(), MAX_ENTRIES)?;
            check("the list of copartition groups", parts.copartition_groups.len(), MAX_ENTRIES)?;
            for group in &parts.copartition_groups {
                check("a copartition group", group.source_topics.len(), MAX_ENTRIES)?;
                check("a copartition group", group.repartition_source_topics.len(), MAX_ENTRIES)?;
            }
            for topics in [&parts.repartition_source_topics, &parts.state_changelog_topics] {
                check("the list of internal topics", topics.len(), MAX_ENTRIES)?;
                for (key, value) in topics.iter().flat_map(|topic| &topic.configs) {
                    check_string("the key of a configuration", key)?;
                    check_string("the value of a configuration", value)?;
                }
            }
        }
        // Names of topics are legal, so they are short (`validate`).
        Ok(())
    }

    /// Every name of a topic.
    fn topics(&self) -> impl Iterator<Item = &str> {
        self.subtopologies.iter().flat_map(|(_, parts)| {
            let sinks = parts.repartition_sink_topics.iter().map(|name| &**name);
            parts.required_topics().chain(sinks)
        })
    }

    /// The topology, once it is known to be sound.
    ///
    /// # Errors
    /// STREAMS_INVALID_TOPOLOGY if two subtopologies have one id, a copartition group names a topic that the
    /// subtopology does not read, a number is negative, or a subtopology reads nothing. Kafka answers most of
    /// these with UNKNOWN_SERVER_ERROR.
    pub fn to_topology(&self) -> Result<Topology, Refused> {
        let invalid = |message: String| Err(Refused::new(GroupError::StreamsInvalidTopology, message));
        if self.epoch < 0 {
            return invalid("Topology epoch must be non-negative.".to_owned());
        }
        let mut subtopologies = BTreeMap::new();
        for (id, parts) in &self.subtopologies {
            if let Some(reason) = parts.fault() {
                return invalid(format!("Subtopology {id} {reason}."));
            }
            if subtopologies.insert(Arc::clone(id), parts.clone()).is_some() {
                return invalid(format!("Subtopology {id} is in the topology twice."));
            }
        }
        Ok(Topology { epoch: self.epoch, subtopologies })
    }
}

impl Topology {
    /// Every topic that must exist before tasks are assigned.
    /// In the order of their names.
    pub fn required_topics(&self) -> BTreeSet<Arc<str>> {
        self.subtopologies.values().flat_map(Subtopology::required_topics).map(Arc::from).collect()
    }

    /// The subtopology that reads a topic.
    pub fn reader_of(&self, topic: &str) -> Option<&Arc<str>> {
        self.subtopologies.iter().find(|(_, parts)| parts.input().any(|name| name == topic)).map(|(id, _)| id)
    }

    /// Every topic that a subtopology reads.
    pub fn input(&self) -> BTreeSet<String> {
        self.subtopologies.values().flat_map(Subtopology::input).map(str::to_owned).collect()
    }
}

impl Subtopology {
    /// The topics that it reads.
    pub fn input(&self) -> impl Iterator<Item = &str> {
        let repartition = self.repartition_source_topics.iter().map(|topic| &*topic.name);
        self.source_topics.iter().map(|name| &**name).chain(repartition)
    }

    fn required_topics(&self) -> impl Iterator<Item = &str> {
        self.input().chain(self.state_changelog_topics.iter().map(|topic| &*topic.name))
    }

    /// The names of the topics of a copartition group. `None`: an index is outside its list.
    pub fn copartitioned(&self, group: &CopartitionGroup) -> Option<BTreeSet<Arc<str>>> {
        let place = |index: &i16| usize::try_from(*index).ok();
        let source = group.source_topics.iter().map(|index| self.source_topics.get(place(index)?).cloned());
        let repartition = group.repartition_source_topics.iter().map(|index| {
            self.repartition_source_topics.get(place(index)?).map(|topic| Arc::clone(&topic.name))
        });
        source.chain(repartition).collect()
    }

    /// The fault of the subtopology, as the end of a sentence that begins "the subtopology". `None`: it is sound.
    fn fault(&self) -> Option<&'static str> {
        let mut internal = self.repartition_source_topics.iter().chain(&self.state_changelog_topics);
        if self.input().next().is_none() {
            Some("has no source topics")
        } else if self.copartition_groups.iter().any(|group| self.copartitioned(group).is_none()) {
            Some("has a copartition group with a topic that it does not read")
        } else if internal.any(|topic| topic.partitions < 0) {
            Some("has an internal topic with a negative number of partitions")
        } else {
            None
        }
    }
}

/// Kafka's `Topic.isValid`.
fn is_legal(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !matches!(name, "" | "." | "..") && name.len() <= MAX_TOPIC_BYTES && name.bytes().all(is_allowed)
}
