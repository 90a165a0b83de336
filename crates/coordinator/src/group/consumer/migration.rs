//! Classic members on their way into a consumer group, or back out of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use uuid::Uuid;

use super::super::{
    Env, MemberId, Outcome, assignor::TopicPartitions, classic::member::Member, consumer_protocol,
};
use super::classic_members::ids;
use super::heartbeat::without_epochs;
use super::member::{ClassicMember, ConsumerMember, Current, EpochPartitions, Subscription};
use super::{ConsumerGroup, FIRST_EPOCH};

impl ConsumerGroup {
    /// Takes over the members of a classic group in its generation `epoch`, with what they own: by their assignments, or
    /// (`from_subscription`) by what they said when they joined a generation that has no assignments yet. The next
    /// `refresh` raises the epoch, and every member joins again.
    /// Kafka's `ConsumerGroup.fromClassicGroup`.
    pub fn adopt(
        &mut self,
        env: Env<'_>,
        epoch: i32,
        members: Vec<Member>,
        from_subscription: bool,
        out: &mut Outcome,
    ) {
        // A group that never had a generation begins as a new one does.
        if epoch >= FIRST_EPOCH {
            (self.epoch, self.assignment_epoch) = (epoch, epoch);
        }
        let mut taken: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        for member in members {
            let first = member.protocols.first();
            let said = first.and_then(|first| consumer_protocol::subscription(&first.metadata));
            // It can be read: `is_upgradable` did so before the group was converted.
            let said = said.unwrap_or_default();
            let owned = if from_subscription {
                said.owned.clone()
            } else {
                // Empty bytes, which do not parse, are those of a member that has had no assignment yet.
                consumer_protocol::assignment(&member.assignment).unwrap_or_default().partitions
            };
            let mut owned = ids(env, &owned);
            // Clients computed these: two members may claim one partition, and here it has one holder.
            for (topic, partitions) in &mut owned {
                partitions.retain(|partition| taken.insert((*topic, *partition)));
            }
            self.adopt_one(env, epoch, member, said, owned, out);
        }
        // Nothing of the group is stored in this form yet.
        self.mark_all();
    }

    /// One member in the state of having all that it is to have, `owned`, in the epoch.
    fn adopt_one(
        &mut self,
        env: Env<'_>,
        epoch: i32,
        member: Member,
        said: consumer_protocol::Subscription,
        owned: TopicPartitions,
        out: &mut Outcome,
    ) {
        let in_epoch = |partitions: &BTreeSet<i32>| partitions.iter().map(|it| (*it, epoch)).collect();
        let assigned: EpochPartitions =
            owned.iter().map(|(topic, partitions)| (*topic, in_epoch(partitions))).collect();
        let classic =
            ClassicMember { session_timeout_ms: member.session_timeout_ms, protocols: member.protocols };
        let mut adopted = ConsumerMember {
            subscription: Subscription {
                group_instance_id: member.group_instance_id,
                rack_id: said.rack_id.map(Arc::from),
                client_id: member.client_id,
                client_host: member.client_host,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                topic_names: said.topics.into_iter().map(Arc::from).collect(),
                topic_regex: None,
                server_assignor: None,
                classic: Some(classic),
            },
            current: Current { epoch, previous_epoch: epoch, assigned, ..Current::default() },
            ..ConsumerMember::default()
        };
        adopted.restart_session(env.now, env.config.consumer.session_timeout_ms, out);
        // As its target too, from which assignors start: they move as few partitions as they can.
        self.target.insert(member.id.clone(), owned);
        self.put(&member.id, adopted);
    }

    /// The classic members as a classic group knows them, with what they were told to own as their
    /// assignments.
    pub fn classic_members(&self, env: Env<'_>) -> BTreeMap<MemberId, Member> {
        let mut members = BTreeMap::new();
        for (id, member) in &self.members {
            let Some(classic) = &member.subscription.classic else { continue };
            let first = classic.protocols.first();
            let said = first.and_then(|first| consumer_protocol::subscription(&first.metadata));
            let named = self.named(env, &without_epochs(&member.current));
            let topics = named.iter().map(|(name, partitions)| (&**name, partitions.as_slice()));
            let assignment: Bytes =
                consumer_protocol::encode_assignment(said.map_or(0, |said| said.version), topics);
            let member = Member {
                id: id.clone(),
                group_instance_id: member.subscription.group_instance_id.clone(),
                client_id: Arc::clone(&member.subscription.client_id),
                client_host: Arc::clone(&member.subscription.client_host),
                rebalance_timeout_ms: member.subscription.rebalance_timeout_ms,
                session_timeout_ms: classic.session_timeout_ms,
                protocols: classic.protocols.clone(),
                assignment,
                is_new: false,
                awaiting_join: None,
                awaiting_sync: None,
                pending_sync: false,
                session_deadline: None,
            };
            members.insert(id.clone(), member);
        }
        members
    }
}
