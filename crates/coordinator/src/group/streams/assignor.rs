//! The assignor `sticky`: decides which member is to run which task. Kafka's `StickyTaskAssignor`.
//!
//! Active tasks first: each goes back to its last owner, then to the least loaded member that had it as a
//! standby, each while that member is below its share; the rest goes to the least loaded member. Then standby
//! tasks of subtopologies with state: to the last owner, to those that had the standby before, to the least
//! loaded member; never to a process that has the task already, so there may be fewer than asked for.
//!
//! Deterministic: the same input gives the same target, and one that is balanced already is left alone.
//! Numbers of active tasks differ by at most one between members. Where Kafka takes the least loaded process
//! and then its least loaded member, which can leave members of one process two apart, here the least loaded
//! member is taken, and among equals that of the least loaded process.

mod load;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::MemberId;
use super::tasks::{TaskId, TaskLists, each};
use load::{Load, Quota};

/// The input of the assignor.
#[derive(Clone, Debug, Default)]
pub struct AssignmentSpec {
    pub members: BTreeMap<MemberId, MemberSpec>,
    pub subtopologies: BTreeMap<Arc<str>, SubtopologySpec>,
    /// Standby tasks for each task with state.
    pub standby_replicas: u32,
}

/// A member.
#[derive(Clone, Debug, Default)]
pub struct MemberSpec {
    pub process_id: Arc<str>,
    /// Its last target.
    pub previous: TaskLists,
}

/// A subtopology.
#[derive(Clone, Copy, Debug)]
pub struct SubtopologySpec {
    pub tasks: i32,
    /// It has changelogs.
    pub is_stateful: bool,
}

/// The target of every member. Members that get nothing are in it too.
pub fn assign(spec: &AssignmentSpec) -> BTreeMap<MemberId, TaskLists> {
    let mut round = Round::new(spec);
    round.assign_active();
    round.assign_standby();
    let ids = spec.members.keys().cloned();
    ids.zip(round.load.into_tasks()).collect()
}

/// One computation. Members are known by their place in the order of the ids.
struct Round<'a> {
    spec: &'a AssignmentSpec,
    load: Load,
    last_active: BTreeMap<TaskId, usize>,
    last_standby: BTreeMap<TaskId, Vec<usize>>,
    /// The share of each member in active tasks.
    active_quota: Quota,
    /// The share of each member in tasks of both kinds.
    quota: Quota,
}

impl<'a> Round<'a> {
    fn new(spec: &'a AssignmentSpec) -> Round<'a> {
        let (mut last_active, mut last_standby) = (BTreeMap::new(), BTreeMap::<_, Vec<usize>>::new());
        for (member, known) in spec.members.values().enumerate() {
            last_active.extend(each(&known.previous.active).map(|task| (task, member)));
            for task in each(&known.previous.standby) {
                last_standby.entry(task).or_default().push(member);
            }
        }
        let count = |parts: &SubtopologySpec| usize::try_from(parts.tasks).unwrap_or(0);
        let active: usize = spec.subtopologies.values().map(count).sum();
        let stateful: usize = spec.subtopologies.values().filter(|parts| parts.is_stateful).map(count).sum();
        let standby = stateful.saturating_mul(spec.standby_replicas as usize);
        let members = spec.members.len();
        Round {
            spec,
            load: Load::new(spec.members.values().map(|member| &member.process_id)),
            last_active,
            last_standby,
            active_quota: Quota::new(active, members),
            quota: Quota::new(active.saturating_add(standby), members),
        }
    }

    /// All tasks, or those with state, in the order of subtopologies.
    fn tasks(&self, only_stateful: bool) -> Vec<TaskId> {
        let parts = self.spec.subtopologies.iter();
        let parts = parts.filter(|(_, parts)| parts.is_stateful || !only_stateful);
        parts.flat_map(|(id, parts)| (0..parts.tasks).map(move |task| (Arc::clone(id), task))).collect()
    }

    fn assign_active(&mut self) {
        let mut open: BTreeSet<TaskId> = self.tasks(false).into_iter().collect();
        // As Kafka, in the order of partitions: of tasks that read the same partitions a member that is full
        // keeps those that belong together.
        let mut by_partition: Vec<TaskId> = open.iter().cloned().collect();
        by_partition.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        for task in &by_partition {
            let owner = self.last_active.get(task).copied();
            if let Some(owner) = owner.filter(|owner| self.load.count(*owner) < self.active_quota.share()) {
                self.give_active(owner, task);
                open.remove(task);
            }
        }
        for task in &by_partition {
            if !open.contains(task) {
                continue;
            }
            let had = self.last_standby.get(task).into_iter().flatten().copied();
            let has_room = |member: &usize| self.load.count(*member) < self.active_quota.share();
            if let Some(member) = had.filter(has_room).min_by_key(|member| self.load.rank(*member)) {
                self.give_active(member, task);
                open.remove(task);
            }
        }
        for task in &open {
            let Some(member) = self.load.least_loaded() else { return };
            self.give_active(member, task);
        }
    }

    fn give_active(&mut self, member: usize, task: &TaskId) {
        let count = self.load.add_active(member, task);
        self.active_quota.reached(count);
        self.quota.reached(count);
    }

    fn assign_standby(&mut self) {
        let mut tasks = self.tasks(true);
        // As Kafka, from the last partition: standbys end up with other members than the active tasks that
        // were first.
        tasks.sort_by(|a, b| (b.1, &b.0).cmp(&(a.1, &a.0)));
        let mut open: Vec<(TaskId, u32)> = Vec::new();
        for task in tasks {
            let mut left = self.spec.standby_replicas;
            while left > 0 {
                let Some(member) = self.last_holder(&task) else { break };
                self.give_standby(member, &task);
                left -= 1;
            }
            open.push((task, left));
        }
        open.sort_by(|a, b| b.0.cmp(&a.0));
        for (task, left) in open {
            for _ in 0..left {
                let Some(member) = self.load.least_loaded_without(&task) else {
                    tracing::debug!(subtopology = %task.0, task = task.1, "not enough processes for standby tasks");
                    break;
                };
                self.give_standby(member, &task);
            }
        }
    }

    /// The last owner of a task, else the least loaded member that had it as a standby: whose process has not
    /// got the task, and who is below its share.
    fn last_holder(&self, task: &TaskId) -> Option<usize> {
        let can_have = |member: &usize| {
            !self.load.process_has(*member, task) && self.load.count(*member) < self.quota.share()
        };
        let owner = self.last_active.get(task).copied().filter(can_have);
        owner.or_else(|| {
            let had = self.last_standby.get(task).into_iter().flatten().copied();
            had.filter(can_have).min_by_key(|member| self.load.rank(*member))
        })
    }

    fn give_standby(&mut self, member: usize, task: &TaskId) {
        let count = self.load.add_standby(member, task);
        self.quota.reached(count);
    }
}
