//! A classic group's members on their way into a consumer group, or back out of one.

use std::sync::Arc;

use super::super::{GenerationId, GroupConfig, GroupError, GroupId, Outcome, consumer_protocol};
use super::member::Member;
use super::{ClassicGroup, refuse_join, refuse_sync};
use crate::state_machine::Now;

impl ClassicGroup {
    /// An empty group that goes on counting where another kind of group has stopped.
    /// Nothing of it is stored yet.
    pub fn following(id: GroupId, now: Now, epoch: i32) -> ClassicGroup {
        ClassicGroup { generation: GenerationId(epoch), ..ClassicGroup::new(id, now) }
    }

    /// The last generation that began, or the epoch that a consumer group had reached.
    pub fn generation(&self) -> GenerationId {
        self.generation
    }

    /// All members are consumers whose subscriptions and assignments can be read and hold nothing that a consumer group
    /// cannot keep. Asked before anything is converted, so that no group is left half-way.
    pub fn is_upgradable(&self) -> bool {
        self.protocol_type.as_deref() == Some(consumer_protocol::PROTOCOL_TYPE)
            && self.members.values().all(|member| {
                // The first, since `adopt` reads that one and relies on this check.
                let first = member.protocols.first();
                first.is_some_and(|first| consumer_protocol::subscription(&first.metadata).is_some())
                    && can_keep(&member.assignment)
            })
    }

    /// Hands the members over. Those that wait are told to join again.
    /// In the order in which they joined. What is left of this group is to be dropped.
    pub fn hand_over(&mut self, out: &mut Outcome) -> Vec<Member> {
        let members = std::mem::take(&mut self.members).into_values();
        members
            .map(|mut member| {
                let id = member.id.clone();
                refuse_join(&mut member, id, GroupError::RebalanceInProgress, out);
                refuse_sync(&mut member, GroupError::RebalanceInProgress, out);
                member
            })
            .collect()
    }

    /// Takes members over and begins with a rebalance. The record says so: started again, the group has everybody join.
    pub fn take_over(&mut self, now: Now, config: &GroupConfig, members: Vec<Member>, out: &mut Outcome) {
        let protocol_type = Arc::from(consumer_protocol::PROTOCOL_TYPE);
        for mut member in members {
            member.restart_session(now, out);
            self.add_member(member, &protocol_type);
        }
        // Out of Empty first: from there a rebalance would begin with the delay of a group without members.
        self.transition(super::State::Stable, now);
        self.protocol = self.select_protocol();
        self.prepare_rebalance(now, config, "the group was downgraded", out);
        // After `prepare_rebalance`: only then the record says that an assignment is awaited.
        out.write(self.record());
        self.persisted = true;
    }
}

/// True if an assignment is empty, or holds partitions alone: the user data of a client's own assignor would be lost
/// (Kafka's `ConsumerGroup.fromClassicGroup`).
fn can_keep(assignment: &[u8]) -> bool {
    assignment.is_empty() || consumer_protocol::assignment(assignment).is_some_and(|read| !read.has_user_data)
}
