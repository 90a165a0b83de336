//! A streams group as StreamsGroupDescribe shows it.

use std::sync::Arc;

use super::super::MemberId;
use super::configure::ConfiguredSubtopology;
use super::tasks::TaskLists;
use super::topology::{InternalTopic, Subtopology};
use super::{Metadata, StreamsGroup, StreamsMember, StreamsState};

/// A group as StreamsGroupDescribe shows it.
#[derive(Clone, Debug)]
pub struct StreamsGroupDescription {
    pub state: StreamsState,
    /// The group epoch.
    pub epoch: i32,
    /// The group epoch for which the target was computed.
    pub assignment_epoch: i32,
    pub topology_epoch: i32,
    /// In the order of their ids.
    pub subtopologies: Vec<SubtopologyDescription>,
    pub members: Vec<StreamsMemberDescription>,
}

/// A subtopology as StreamsGroupDescribe shows it: with the counts that were decided if the group is ready,
/// else as its members sent it. Lists are in the order of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtopologyDescription {
    pub id: Arc<str>,
    pub source_topics: Vec<Arc<str>>,
    pub repartition_sink_topics: Vec<Arc<str>>,
    pub state_changelog_topics: Vec<InternalTopic>,
    pub repartition_source_topics: Vec<InternalTopic>,
}

/// A member as StreamsGroupDescribe shows it.
#[derive(Clone, Debug)]
pub struct StreamsMemberDescription {
    pub member_id: MemberId,
    pub member_epoch: i32,
    pub metadata: Metadata,
    /// The tasks that it is to run now. Those that it is giving up are not among them.
    pub assigned: TaskLists,
    /// Empty until it has one.
    pub target: TaskLists,
}

impl StreamsGroup {
    /// As it is in memory: the last step may not be durable yet.
    pub fn describe(&self) -> StreamsGroupDescription {
        let configured = self.configured.as_ref().filter(|(_, configured)| configured.is_ready());
        let parts = self.topology.as_ref().map(|topology| &topology.subtopologies);
        let subtopology = |(id, sent): (&Arc<str>, &Subtopology)| {
            describe_subtopology(
                id,
                sent,
                configured.and_then(|(_, configured)| configured.subtopologies.get(id)),
            )
        };
        let member = |(id, member): (&MemberId, &StreamsMember)| StreamsMemberDescription {
            member_id: id.clone(),
            member_epoch: member.current.epoch,
            metadata: member.metadata.clone(),
            assigned: member.current.assigned.without_epochs(),
            target: self.target_of(id),
        };
        StreamsGroupDescription {
            state: self.state(),
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            topology_epoch: self.topology.as_ref().map_or(0, |topology| topology.epoch),
            subtopologies: parts.into_iter().flatten().map(subtopology).collect(),
            members: self.members.iter().map(member).collect(),
        }
    }
}

fn describe_subtopology(
    id: &Arc<str>,
    sent: &Subtopology,
    configured: Option<&ConfiguredSubtopology>,
) -> SubtopologyDescription {
    let (repartition, changelogs) = match configured {
        Some(configured) => (&configured.repartition_source_topics, &configured.state_changelog_topics),
        None => (&sent.repartition_source_topics, &sent.state_changelog_topics),
    };
    let sorted_names = |names: &[Arc<str>]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    let sorted = |topics: &[InternalTopic]| {
        let mut topics = topics.to_vec();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    };
    SubtopologyDescription {
        id: Arc::clone(id),
        source_topics: sorted_names(&sent.source_topics),
        repartition_sink_topics: sorted_names(&sent.repartition_sink_topics),
        state_changelog_topics: sorted(changelogs),
        repartition_source_topics: sorted(repartition),
    }
}
