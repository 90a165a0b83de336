//! The tasks given out so far: how many each member and each process has, and who is the least loaded.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::tasks::{TaskId, TaskLists};

/// The tasks of all members.
pub(super) struct Load {
    members: Vec<MemberLoad>,
    processes: Vec<ProcessLoad>,
    /// All members, the least loaded first.
    order: BTreeSet<Rank>,
}

struct MemberLoad {
    process: usize,
    count: usize,
    tasks: TaskLists,
}

#[derive(Default)]
struct ProcessLoad {
    members: Vec<usize>,
    count: usize,
    tasks: BTreeSet<TaskId>,
}

/// The place of a member among all: by its tasks, then by the tasks per member of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    count: usize,
    process: Share,
    member: usize,
}

/// Tasks per member.
#[derive(Clone, Copy, Debug)]
struct Share {
    tasks: usize,
    members: usize,
}

impl Share {
    /// Without rounding: as whole numbers, both over the product of the numbers of members.
    fn across(self, other: Share) -> u128 {
        self.tasks as u128 * other.members as u128
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Share) -> Ordering {
        self.across(*other).cmp(&other.across(*self))
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Share) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Share) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

impl Load {
    /// No tasks yet. The process of each member, in the order of the members.
    pub(super) fn new<'a>(processes_of_members: impl Iterator<Item = &'a Arc<str>>) -> Load {
        let mut load = Load { members: Vec::new(), processes: Vec::new(), order: BTreeSet::new() };
        let mut numbers: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for (member, id) in processes_of_members.enumerate() {
            let process = *numbers.entry(id).or_insert_with(|| {
                load.processes.push(ProcessLoad::default());
                load.processes.len() - 1
            });
            load.processes[process].members.push(member);
            load.members.push(MemberLoad { process, count: 0, tasks: TaskLists::default() });
        }
        load.order = (0..load.members.len()).map(|member| load.rank(member)).collect();
        load
    }

    /// The number of tasks of a member, of both kinds.
    pub(super) fn count(&self, member: usize) -> usize {
        self.members[member].count
    }

    /// The least is the least loaded.
    pub(super) fn rank(&self, member: usize) -> Rank {
        let MemberLoad { process, count, .. } = &self.members[member];
        let process = &self.processes[*process];
        Rank {
            count: *count,
            process: Share { tasks: process.count, members: process.members.len() },
            member,
        }
    }

    /// `None` only without members.
    pub(super) fn least_loaded(&self) -> Option<usize> {
        self.order.first().map(|rank| rank.member)
    }

    /// The least loaded among those whose process has not got the task.
    pub(super) fn least_loaded_without(&self, task: &TaskId) -> Option<usize> {
        self.order.iter().map(|rank| rank.member).find(|member| !self.process_has(*member, task))
    }

    /// True if some member of this member's process has the task, of either kind.
    pub(super) fn process_has(&self, member: usize, task: &TaskId) -> bool {
        self.processes[self.members[member].process].tasks.contains(task)
    }

    /// Gives a member an active task. Returns the number of its tasks.
    pub(super) fn add_active(&mut self, member: usize, task: &TaskId) -> usize {
        let tasks = self.members[member].tasks.active.entry(Arc::clone(&task.0)).or_default();
        tasks.insert(task.1);
        self.added(member, task)
    }

    /// Gives a member a standby task. Returns the number of its tasks.
    pub(super) fn add_standby(&mut self, member: usize, task: &TaskId) -> usize {
        let tasks = self.members[member].tasks.standby.entry(Arc::clone(&task.0)).or_default();
        tasks.insert(task.1);
        self.added(member, task)
    }

    fn added(&mut self, member: usize, task: &TaskId) -> usize {
        // Every member of the process changes its place.
        let process = self.members[member].process;
        for index in 0..self.processes[process].members.len() {
            let rank = self.rank(self.processes[process].members[index]);
            self.order.remove(&rank);
        }
        self.members[member].count += 1;
        self.processes[process].count += 1;
        self.processes[process].tasks.insert(task.clone());
        for index in 0..self.processes[process].members.len() {
            let rank = self.rank(self.processes[process].members[index]);
            self.order.insert(rank);
        }
        self.members[member].count
    }

    /// The tasks of each member, in the order of the members.
    pub(super) fn into_tasks(self) -> impl Iterator<Item = TaskLists> {
        self.members.into_iter().map(|member| member.tasks)
    }
}

/// The share of each member in what is left, rounded up: members with a whole share are full, and it is
/// computed anew for the others. So no more members get the larger share than there are tasks over.
pub(super) struct Quota {
    tasks: usize,
    members: usize,
}

impl Quota {
    pub(super) fn new(tasks: usize, members: usize) -> Quota {
        Quota { tasks, members }
    }

    /// 0 without members.
    pub(super) fn share(&self) -> usize {
        if self.members == 0 { 0 } else { self.tasks.div_ceil(self.members) }
    }

    /// A member has got its `count`th task.
    pub(super) fn reached(&mut self, count: usize) {
        if self.members > 0 && count == self.share() {
            self.members -= 1;
            self.tasks = self.tasks.saturating_sub(count);
        }
    }
}
