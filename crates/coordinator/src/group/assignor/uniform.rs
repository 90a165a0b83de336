//! `uniform`: as evenly as the subscriptions allow, with as few moves as that takes.
//!
//! Members keep what they had and still subscribe to; what no member has goes to the subscriber with the fewest; then
//! partitions move from members with more to members with at least two fewer, topic by topic, until no such move is
//! left. With equal subscriptions the result differs by at most one partition between any two members, and only the
//! surplus has moved. With different ones no single move can improve it, which is also where Kafka's ends.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{AssignmentSpec, TopicPartitions};
use crate::group::MemberId;

pub(super) fn assign(spec: &AssignmentSpec) -> BTreeMap<MemberId, TopicPartitions> {
    let mut plan = Plan::keep(spec);
    for (&topic, &partitions) in &spec.topics {
        plan.hand_out(topic, partitions);
    }
    // Each move lowers the sum of the squares of the loads, so this ends.
    while spec.topics.keys().filter(|topic| plan.even_out(**topic)).count() > 0 {}
    plan.finish(spec)
}

/// The index of a member in the order of the ids.
type MemberIndex = usize;

/// An assignment that is being made. Loads and owners are kept in step by `give` and `take`.
struct Plan {
    /// Partitions of each member over all topics.
    loads: Vec<usize>,
    /// The subscribers of each topic.
    subscribers: BTreeMap<Uuid, Vec<MemberIndex>>,
    /// The owners of the partitions of each topic.
    owners: BTreeMap<Uuid, BTreeMap<MemberIndex, BTreeSet<i32>>>,
}

impl Plan {
    /// Each member keeps the partitions that it had, subscribes to and that still exist. Of two members that had the same
    /// partition the first keeps it.
    fn keep(spec: &AssignmentSpec) -> Plan {
        let mut plan = Plan {
            loads: vec![0; spec.members.len()],
            subscribers: BTreeMap::new(),
            owners: BTreeMap::new(),
        };
        let mut taken: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        for (member_index, member) in spec.members.values().enumerate() {
            for &topic in &member.subscribed {
                // Members may subscribe to topics that do not exist yet, or no more.
                let Some(&partitions) = spec.topics.get(&topic) else { continue };
                plan.subscribers.entry(topic).or_default().push(member_index);
                for &partition in member.previous.get(&topic).into_iter().flatten() {
                    if (0..partitions).contains(&partition) && taken.insert((topic, partition)) {
                        plan.give(topic, partition, member_index);
                    }
                }
            }
        }
        plan
    }

    /// Makes a member the owner of a partition that has none.
    fn give(&mut self, topic: Uuid, partition: i32, to: MemberIndex) {
        self.owners.entry(topic).or_default().entry(to).or_default().insert(partition);
        if let Some(load) = self.loads.get_mut(to) {
            *load += 1;
        }
    }

    /// The partitions of a member, over all topics.
    fn load(&self, member_index: MemberIndex) -> usize {
        self.loads.get(member_index).copied().unwrap_or(0)
    }

    /// The subscribers of a topic, least loaded first.
    fn queue(&self, topic: Uuid) -> BTreeSet<(usize, MemberIndex)> {
        let subscribers = self.subscribers.get(&topic).into_iter().flatten();
        subscribers.map(|member_index| (self.load(*member_index), *member_index)).collect()
    }

    /// Gives every partition without an owner to the subscriber with the fewest partitions.
    fn hand_out(&mut self, topic: Uuid, partitions: i32) {
        let owned: BTreeSet<i32> =
            self.owners.get(&topic).into_iter().flat_map(BTreeMap::values).flatten().copied().collect();
        let mut queue = self.queue(topic);
        for partition in (0..partitions).filter(|partition| !owned.contains(partition)) {
            // Without subscribers the partitions stay without an owner.
            let Some((load, member_index)) = queue.pop_first() else { return };
            self.give(topic, partition, member_index);
            queue.insert((load + 1, member_index));
        }
    }

    /// Moves partitions of a topic from members with more to members with at least two fewer. False: nothing to do.
    fn even_out(&mut self, topic: Uuid) -> bool {
        let mut queue = self.queue(topic);
        let owners = self.owners.get(&topic).into_iter().flat_map(BTreeMap::keys);
        let mut givers: BTreeSet<(usize, MemberIndex)> =
            owners.map(|member_index| (self.load(*member_index), *member_index)).collect();
        let mut moved = false;
        while let (Some(&(most, from)), Some(&(least, to))) = (givers.last(), queue.first()) {
            if most < least + 2 {
                break;
            }
            let Some(partition) = self.take(topic, from) else { break };
            self.give(topic, partition, to);
            moved = true;
            givers.remove(&(most, from));
            queue.remove(&(most, from));
            queue.remove(&(least, to));
            givers.remove(&(least, to));
            queue.extend([(most - 1, from), (least + 1, to)]);
            givers.insert((least + 1, to));
            if self.owners.get(&topic).is_some_and(|owners| owners.contains_key(&from)) {
                givers.insert((most - 1, from));
            }
        }
        moved
    }

    /// Takes the highest partition of a topic from a member.
    fn take(&mut self, topic: Uuid, from: MemberIndex) -> Option<i32> {
        let owners = self.owners.get_mut(&topic)?;
        let owned = owners.get_mut(&from)?;
        let partition = owned.pop_last()?;
        if owned.is_empty() {
            owners.remove(&from);
        }
        if let Some(load) = self.loads.get_mut(from) {
            *load = load.saturating_sub(1);
        }
        Some(partition)
    }

    fn finish(self, spec: &AssignmentSpec) -> BTreeMap<MemberId, TopicPartitions> {
        let mut targets = vec![TopicPartitions::new(); spec.members.len()];
        for (topic, owners) in self.owners {
            for (member_index, partitions) in owners {
                if let Some(target) = targets.get_mut(member_index) {
                    target.insert(topic, partitions);
                }
            }
        }
        spec.members.keys().cloned().zip(targets).collect()
    }
}
