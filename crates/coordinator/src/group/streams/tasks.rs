//! Tasks: one for each partition of a subtopology's input. The types by which target and current assignments
//! are kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Tasks, by the id of their subtopology.
/// No subtopology has an empty set.
pub type Tasks = BTreeMap<Arc<str>, BTreeSet<i32>>;
/// Tasks with the member epoch in which each was assigned: a commit of an older epoch is refused (KIP-1251).
pub type EpochTasks = BTreeMap<Arc<str>, BTreeMap<i32, i32>>;
/// One task: its subtopology and its partition.
pub type TaskId = (Arc<str>, i32);

/// Tasks by their kind. The coordinator gives out no warm-up tasks, as Kafka 4.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskLists {
    /// Tasks that process records.
    pub active: Tasks,
    /// Tasks that only keep their state up to date.
    pub standby: Tasks,
}

/// The tasks that a member holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldTasks {
    pub active: EpochTasks,
    /// They commit nothing, so they need no epochs.
    pub standby: Tasks,
}

impl HeldTasks {
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty()
    }

    /// As a member is told them.
    pub fn without_epochs(&self) -> TaskLists {
        let active = |(subtopology, tasks): (&Arc<str>, &BTreeMap<i32, i32>)| {
            (Arc::clone(subtopology), tasks.keys().copied().collect())
        };
        TaskLists { active: self.active.iter().map(active).collect(), standby: self.standby.clone() }
    }

    /// True if one of these tasks is in `owned`, as the same kind.
    pub fn is_any_in(&self, owned: &TaskLists) -> bool {
        let active = self.active.iter().any(|(subtopology, tasks)| {
            tasks.keys().any(|partition| contains(&owned.active, subtopology, *partition))
        });
        let standby = self.standby.iter().any(|(subtopology, tasks)| {
            tasks.iter().any(|partition| contains(&owned.standby, subtopology, *partition))
        });
        active || standby
    }

    /// True if all of `owned` are among these tasks, as the same kinds.
    pub fn contains_all(&self, owned: &TaskLists) -> bool {
        let active = owned.active.iter().all(|(subtopology, partitions)| {
            let mine = self.active.get(subtopology);
            partitions.iter().all(|partition| mine.is_some_and(|mine| mine.contains_key(partition)))
        });
        let standby = owned.standby.iter().all(|(subtopology, partitions)| {
            partitions.iter().all(|partition| contains(&self.standby, subtopology, *partition))
        });
        active && standby
    }
}

/// True if the task is among `tasks`.
pub fn contains(tasks: &Tasks, subtopology: &str, partition: i32) -> bool {
    tasks.get(subtopology).is_some_and(|partitions| partitions.contains(&partition))
}

/// Every one of `tasks`.
pub fn each(tasks: &Tasks) -> impl Iterator<Item = TaskId> + '_ {
    tasks.iter().flat_map(|(subtopology, partitions)| {
        partitions.iter().map(move |partition| (Arc::clone(subtopology), *partition))
    })
}

/// Every one of `tasks`.
pub fn each_with_epoch(tasks: &EpochTasks) -> impl Iterator<Item = TaskId> + '_ {
    tasks.iter().flat_map(|(subtopology, partitions)| {
        partitions.keys().map(move |partition| (Arc::clone(subtopology), *partition))
    })
}
