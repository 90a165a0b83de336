//! `range`: each topic for itself, in runs of neighbouring partitions.
//!
//! The quota of a topic is its partitions divided by its subscribers; as many members as are left over get one more.
//! A member keeps the lowest partitions it had, up to its quota; what is free goes out in order. Topics with equally
//! many partitions and the same subscribers so get the same split, which joins of co-partitioned topics need.

use std::collections::{BTreeMap, BTreeSet};

use super::{AssignmentSpec, TopicPartitions};
use crate::group::MemberId;

/// Unlike `uniform` it balances no load over topics: with no earlier target the first members get one more
/// of every topic that does not divide.
pub(super) fn assign(spec: &AssignmentSpec) -> BTreeMap<MemberId, TopicPartitions> {
    let mut target = spec.blank();
    for (&topic, &partitions) in &spec.topics {
        let subscribers = spec.subscribers(topic);
        let Ok(count) = i32::try_from(subscribers.len()) else { continue };
        if count == 0 {
            continue;
        }
        let quota = usize::try_from(partitions / count).unwrap_or(0);
        let mut extras = partitions % count;
        let mut free: BTreeSet<i32> = (0..partitions).collect();
        let mut split: Vec<(&MemberId, BTreeSet<i32>, bool)> = Vec::with_capacity(subscribers.len());
        for (id, member) in subscribers {
            let had = member.previous.get(&topic).into_iter().flatten();
            // Partitions that no longer exist, or that an earlier member keeps, are not in `free`.
            let mut had = had.copied().filter(|partition| free.contains(partition)).collect::<Vec<_>>();
            // Members that have one more than the quota keep it first: so fewer partitions move.
            let keeps_extra = had.len() > quota && extras > 0;
            extras -= i32::from(keeps_extra);
            had.truncate(quota + usize::from(keeps_extra));
            free.retain(|partition| !had.contains(partition));
            split.push((id, had.into_iter().collect(), keeps_extra));
        }
        // Only now: before, an early member would take as free what a later one had and may keep.
        for (id, mut mine, kept_extra) in split {
            let takes_extra = !kept_extra && extras > 0;
            extras -= i32::from(takes_extra);
            while mine.len() < quota + usize::from(kept_extra || takes_extra) {
                let Some(next) = free.pop_first() else { break };
                mine.insert(next);
            }
            if let Some(assigned) = target.get_mut(id).filter(|_| !mine.is_empty()) {
                assigned.insert(topic, mine);
            }
        }
    }
    target
}
