//! The target assignment: computed anew when the group epoch is ahead of it, except during the initial delay
//! and within the assignment interval. Kafka's `maybeUpdateStreamsTargetAssignment`,
//! `TargetAssignmentBuilder` and `computeDelayedTargetAssignment`.

use std::{collections::BTreeMap, sync::Arc};

use super::super::{Env, MemberId};
use super::StreamsGroup;
use super::assignor::{AssignmentSpec, MemberSpec, SubtopologySpec, assign};
use super::status::Status;
use super::tasks::TaskLists;

impl StreamsGroup {
    /// Computes the target of the current group epoch, if there is none yet and nothing holds it back; then a
    /// status says so. Returns the tasks that `id` is to have for now: none during the initial delay.
    pub(super) fn update_target(
        &mut self,
        env: Env<'_>,
        id: Option<&MemberId>,
        statuses: &mut Vec<Status>,
    ) -> TaskLists {
        if self.initial_delay_until.is_some() {
            statuses.push(Status::delayed("initial rebalance delay"));
            return TaskLists::default();
        }
        if self.epoch > self.assignment_epoch {
            if self.may_assign(env) {
                self.assign(env);
            } else {
                statuses.push(Status::delayed("assignment interval"));
            }
        }
        id.map(|id| self.target_of(id)).unwrap_or_default()
    }

    /// Kafka's `canComputeNextTargetAssignment`. A wall clock that went back holds the target back until it
    /// has caught up; an interval of 0 is the way out.
    fn may_assign(&self, env: Env<'_>) -> bool {
        let interval_ms = env.config.streams.assignment_interval_ms;
        self.assigned_at_ms == 0
            || interval_ms == 0
            || env.now.unix_ms >= self.assigned_at_ms.saturating_add(i64::from(interval_ms))
    }

    fn assign(&mut self, env: Env<'_>) {
        for (id, target) in self.compute() {
            // Every member is in it, also one that gets nothing, so no old target stays.
            if self.target.get(&id) != Some(&target) {
                self.changes.target(&id);
                self.target.insert(id, target);
            }
        }
        self.assignment_epoch = self.epoch;
        self.assigned_at_ms = env.now.unix_ms;
        self.changes.group();
        tracing::info!(group = %self.id, epoch = self.assignment_epoch, "target assignment computed");
    }

    /// While topics are missing no member has a task.
    fn compute(&self) -> BTreeMap<MemberId, TaskLists> {
        let configured = self.configured.as_ref().filter(|(_, configured)| configured.is_ready());
        let Some((_, configured)) = configured else {
            return self.members.keys().map(|id| (id.clone(), TaskLists::default())).collect();
        };
        let subtopologies = configured.subtopologies.iter().map(|(id, parts)| {
            (Arc::clone(id), SubtopologySpec { tasks: parts.tasks, is_stateful: parts.is_stateful })
        });
        let members = self.members.iter().map(|(id, member)| {
            // The last target, not what the member has by now.
            let previous = self.target_of(id);
            (id.clone(), MemberSpec { process_id: Arc::clone(&member.metadata.process_id), previous })
        });
        assign(&AssignmentSpec {
            members: members.collect(),
            subtopologies: subtopologies.collect(),
            standby_replicas: self.standby_replicas.unwrap_or(0),
        })
    }

    /// The initial delay is over: the first target, for all who came meanwhile.
    pub(super) fn end_initial_delay(&mut self, env: Env<'_>) {
        self.initial_delay_until = None;
        // Without the topology's counts the next heartbeat computes it.
        if !self.members.is_empty() && self.configured.is_some() {
            self.update_target(env, None, &mut Vec::new());
        }
    }
}
