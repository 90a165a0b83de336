//! Server-side assignors (KIP-848): who should own what, given who subscribes to what and who owned what before.
//!
//! Both are sticky and deterministic: the same input gives the same target, and an input that is balanced already is
//! left alone. Every partition of a topic with subscribers gets exactly one of them. Kafka's `UniformAssignor` and
//! `RangeAssignor`.

mod range;
mod uniform;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::MemberId;

/// Partitions by topic id.
pub type TopicPartitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// An assignor that groups can choose.
/// A member votes for one; the group takes the one with most votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// As even as the subscriptions allow, over all topics together.
    Uniform,
    /// Even within each topic; members with equal subscriptions get the same partition numbers of every topic.
    Range,
}

impl Assignor {
    /// As clients and `group.consumer.assignors` name it.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// The assignor of that name, if there is one.
    pub fn named(name: &str) -> Option<Assignor> {
        [Assignor::Uniform, Assignor::Range].into_iter().find(|assignor| assignor.name() == name)
    }

    /// The target assignment of every member of `spec`.
    /// Members that get nothing are in it too, with no partitions.
    pub fn assign(self, spec: &AssignmentSpec) -> BTreeMap<MemberId, TopicPartitions> {
        match self {
            Assignor::Uniform => uniform::assign(spec),
            Assignor::Range => range::assign(spec),
        }
    }
}

/// The input of an assignor.
#[derive(Clone, Debug, Default)]
pub struct AssignmentSpec {
    /// In the order of their ids, so that equals are served in a fixed order.
    pub members: BTreeMap<MemberId, MemberSpec>,
    /// The number of partitions of every topic with a subscriber.
    pub topics: BTreeMap<Uuid, i32>,
}

/// One member, as an assignor is told.
#[derive(Clone, Debug, Default)]
pub struct MemberSpec {
    /// Topics that exist.
    pub subscribed: BTreeSet<Uuid>,
    /// The target before this one.
    /// May hold partitions that no longer exist or are not subscribed to.
    pub previous: TopicPartitions,
}

impl AssignmentSpec {
    /// The subscribers of `topic`, in the order of the ids.
    fn subscribers(&self, topic: Uuid) -> Vec<(&MemberId, &MemberSpec)> {
        self.members.iter().filter(|(_, member)| member.subscribed.contains(&topic)).collect()
    }

    /// Nothing for anybody.
    fn blank(&self) -> BTreeMap<MemberId, TopicPartitions> {
        self.members.keys().map(|id| (id.clone(), TopicPartitions::new())).collect()
    }
}
