//! A consumer group as ConsumerGroupDescribe shows it.

use std::sync::Arc;

use uuid::Uuid;

use super::super::{GroupConfig, MemberId, assignor::TopicPartitions};
use super::heartbeat::without_epochs;
use super::{ConsumerGroup, ConsumerMember, ConsumerState, Subscription};

/// A group as ConsumerGroupDescribe shows it.
#[derive(Clone, Debug)]
pub struct ConsumerGroupDescription {
    pub state: ConsumerState,
    /// The group epoch.
    pub epoch: i32,
    /// The group epoch for which the target was computed.
    pub assignment_epoch: i32,
    /// The one that the next target is computed with.
    pub assignor: &'static str,
    pub members: Vec<ConsumerMemberDescription>,
}

/// A member as ConsumerGroupDescribe shows it.
#[derive(Clone, Debug)]
pub struct ConsumerMemberDescription {
    pub member_id: MemberId,
    /// -2 for a static member that is away.
    pub member_epoch: i32,
    /// With client id and host, rack and instance id.
    pub subscription: Subscription,
    /// The partitions that it is to use now. Those that it is giving up are not among them.
    pub assigned: TopicPartitions,
    /// Empty until it has one.
    pub target: TopicPartitions,
}

impl ConsumerGroup {
    /// As it is in memory: the last step may not be durable yet.
    pub fn describe(&self, config: &GroupConfig) -> ConsumerGroupDescription {
        let member = |(id, member): (&MemberId, &ConsumerMember)| ConsumerMemberDescription {
            member_id: id.clone(),
            member_epoch: member.current.epoch,
            subscription: member.subscription.clone(),
            // As Kafka's `asConsumerGroupDescribeMember`, which leaves out what is being revoked.
            assigned: without_epochs(&member.current),
            target: self.target_of(id),
        };
        ConsumerGroupDescription {
            state: self.state(),
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self.preferred_assignor(config).name(),
            members: self.members.iter().map(member).collect(),
        }
    }

    /// Topics that a member was told to own, by name, for the classic protocol.
    pub(super) fn named(
        &self,
        env: super::super::Env<'_>,
        partitions: &TopicPartitions,
    ) -> Vec<(Arc<str>, Vec<i32>)> {
        // The classic protocol knows names only; a topic that was deleted has none any more.
        let name = |id: &Uuid| env.topics.image.name(*id).map(Arc::from);
        let named = partitions.iter().filter_map(|(id, partitions)| Some((name(id)?, partitions)));
        named.map(|(name, partitions)| (name, partitions.iter().copied().collect())).collect()
    }
}
