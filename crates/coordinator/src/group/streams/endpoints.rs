//! Interactive queries: the members with an endpoint, and the partitions that their tasks read. Kafka's
//! `EndpointToPartitionsManager`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::{Env, MemberId};
use super::StreamsGroup;
use super::member::Endpoint;
use super::tasks::Tasks;

/// Partitions by topic.
pub type TopicPartitions = BTreeMap<Arc<str>, BTreeSet<i32>>;

/// The partitions for which a member answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPartitions {
    pub endpoint: Endpoint,
    /// The input of its active tasks.
    pub active: TopicPartitions,
    /// The input of its standby tasks.
    pub standby: TopicPartitions,
}

impl StreamsGroup {
    /// All members with an endpoint, with what they have been assigned; the one that asks comes last, as in
    /// Kafka.
    pub(super) fn endpoints(&self, env: Env<'_>, asking: &MemberId) -> Vec<EndpointPartitions> {
        let others = self.members.iter().filter(|(id, _)| *id != asking).map(|(_, member)| member);
        let described = others.chain(self.members.get(asking)).filter_map(|member| {
            let endpoint = member.metadata.user_endpoint.clone()?;
            let tasks = member.current.assigned.without_epochs();
            Some(EndpointPartitions {
                endpoint,
                active: self.input_of(env, &tasks.active),
                standby: self.input_of(env, &tasks.standby),
            })
        });
        described.collect()
    }

    /// The partitions that tasks read: of each topic only those that it has. Kafka cuts the list to the
    /// topic's count, so that it can name a partition that does not exist.
    fn input_of(&self, env: Env<'_>, tasks: &Tasks) -> TopicPartitions {
        let mut input = TopicPartitions::new();
        let Some(topology) = &self.topology else { return input };
        for (subtopology, partitions) in tasks {
            let Some(parts) = topology.subtopologies.get(subtopology) else { continue };
            for topic in parts.input() {
                let Some((_, count)) = env.topics.image.topic(topic) else { continue };
                let read = partitions.iter().copied().filter(|partition| *partition < count);
                input.entry(Arc::from(topic)).or_default().extend(read);
            }
        }
        input
    }
}
