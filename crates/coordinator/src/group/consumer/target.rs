//! The target assignment: computed anew whenever the group epoch is ahead of it. Kafka's `TargetAssignmentBuilder`.

use std::collections::BTreeMap;

use super::super::{
    Env, GroupConfig,
    assignor::{AssignmentSpec, Assignor, MemberSpec},
};
use super::ConsumerGroup;

impl ConsumerGroup {
    /// Computes the target of the current group epoch, if there is none yet. Only what changed is written.
    /// At once, without Kafka's `group.consumer.assignment.interval.ms`.
    pub(super) fn update_target(&mut self, env: Env<'_>) {
        if self.epoch <= self.assignment_epoch {
            return;
        }
        let assignor = self.preferred_assignor(env.config);
        for (id, target) in assignor.assign(&self.spec(env)) {
            // Assignors return every member, also one that gets nothing, so no old target stays.
            if self.target.get(&id) != Some(&target) {
                self.changes.target(&id);
                self.target.insert(id, target);
            }
        }
        self.assignment_epoch = self.epoch;
        self.changes.group();
        tracing::info!(
            group = %self.id, epoch = self.assignment_epoch, assignor = assignor.name(), "target assignment computed"
        );
    }

    /// The assignor that most members ask for; the first that is configured when none asks, or between equals.
    pub(super) fn preferred_assignor(&self, config: &GroupConfig) -> Assignor {
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        let asked = self.members.values().filter_map(|member| member.subscription.server_assignor.as_deref());
        for assignor in asked.filter_map(Assignor::named) {
            *votes.entry(assignor).or_default() += 1;
        }
        let configured = &config.consumer.assignors;
        let votes = |assignor: &Assignor| votes.get(assignor).copied().unwrap_or(0);
        // Of equals `max_by_key` returns the last: reversed, that is the first that is configured.
        let winner = configured.iter().copied().rev().max_by_key(votes);
        winner.unwrap_or(Assignor::Uniform)
    }

    /// The members and their topics as the assignor gets them. Topics that do not exist are left out.
    fn spec(&self, env: Env<'_>) -> AssignmentSpec {
        let mut spec = AssignmentSpec::default();
        for id in self.members.keys() {
            // The last target, not what the member has by now, as in Kafka's `TargetAssignmentBuilder`.
            let mut member = MemberSpec { previous: self.target_of(id), ..MemberSpec::default() };
            for name in self.subscribed_names(env, id) {
                // A topic that does not exist yet raises the epoch when it appears: see `refresh`.
                if let Some((topic, partitions)) = env.topics.image.topic(&name) {
                    member.subscribed.insert(topic);
                    spec.topics.insert(topic, partitions);
                }
            }
            spec.members.insert(id.clone(), member);
        }
        spec
    }
}
