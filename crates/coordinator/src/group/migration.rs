//! From one protocol to the other: a group changes its kind while its members go on (KIP-848).
//!
//! Up when the first member of the consumer protocol joins: the classic members stay, with what they own, and are
//! served inside the consumer group. Down when the last member of the consumer protocol is gone: the classic members that
//! remain go on in a classic group, which begins with a rebalance. A group without members becomes what is asked of it.
//! `group.consumer.migration.policy` says which way a group with members may go. Epochs and generations go on counting, and
//! the records of one kind are replaced by those of the other in one write.
//! Kafka's `validateOnlineUpgrade`, `convertToConsumerGroup`, `validateOnlineDowngrade…` and `convertToClassicGroup`.

use std::collections::BTreeMap;

use super::{
    Env, Outcome, Refused,
    classic::{ClassicGroup, State},
    consumer::{ConsumerGroup, HeartbeatRequest, wrong_epoch},
    machine::{GroupMachine, Members, not_a_consumer_group},
    records::Key,
};
use crate::state_machine::Record;

impl GroupMachine {
    /// Makes the group one of the consumer protocol, for a member that wants to join, unless it is one already.
    ///
    /// # Errors
    /// If the regular expression is invalid, the group is full, the member is a classic one already, or migration is not allowed or not possible.
    /// The group is as it was then.
    pub(super) fn become_consumer(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        out: &mut Outcome,
    ) -> Result<(), Refused> {
        let Members::Classic(classic) = &mut self.members else { return Ok(()) };
        // What would be refused afterwards is refused before anything is converted.
        request.validate_regex()?;
        let mut consumer = ConsumerGroup::new(classic.id().clone(), env.now);
        consumer.has_room_for(&request.member_id, env.config.consumer.max_size)?;
        if classic.state() != State::Empty {
            // As Kafka's `validateOnlineUpgrade`; one place is for the member that joins.
            let fits = classic.member_count() < env.config.consumer.max_size;
            if !env.config.consumer.migration.upgrades() || !fits || !classic.is_upgradable() {
                tracing::info!(group = %classic.id(), "a classic group cannot be upgraded");
                return Err(not_a_consumer_group(classic.id()));
            }
        }
        // An adopted member has the generation as its epoch, so that it cannot join with epoch 0; by its instance id
        // it could. Kafka refuses it after the conversion, and takes that back.
        let generation = classic.generation().0;
        if request.group_instance_id.is_none() && generation != 0 && classic.has_member(&request.member_id) {
            return Err(wrong_epoch(0, generation));
        }
        tracing::info!(
            group = %classic.id(), members = classic.member_count(), "a classic group becomes a consumer group"
        );
        // In one outcome with the records of the new group: a restart finds one kind of group, never both.
        if classic.is_persisted() {
            let key = Key::GroupMetadata { group: classic.id().clone() };
            out.write(Record::tombstone(&key));
        }
        // `begin_generation` has cleared the assignments: only the subscriptions say what members own.
        let from_subscription = classic.state() == State::CompletingRebalance;
        consumer.adopt(env, classic.generation().0, classic.hand_over(out), from_subscription, out);
        self.members = Members::Consumer(consumer);
        Ok(())
    }

    /// A consumer or streams group without members is no obstacle to a classic member.
    pub(super) fn become_classic_if_empty(&mut self, env: Env<'_>, out: &mut Outcome) {
        // Generations go on from the epoch, so that none is used twice under this group id.
        let classic = match &mut self.members {
            Members::Consumer(group) if group.members().is_empty() => {
                group.bury(out);
                ClassicGroup::following(group.id().clone(), env.now, group.epoch())
            }
            Members::Streams(group) if group.members().is_empty() => {
                group.bury(out);
                ClassicGroup::following(group.id().clone(), env.now, group.epoch())
            }
            _ => return,
        };
        self.members = Members::Classic(classic);
    }

    /// Ends a step of a consumer group: back to classic if no member speaks the consumer protocol any more, else its records.
    /// To be called after every step that can change members.
    pub(super) fn settle(&mut self, env: Env<'_>, out: &mut Outcome) {
        let consumer = match &mut self.members {
            Members::Consumer(consumer) => consumer,
            Members::Streams(group) => return group.flush(out),
            Members::Classic(_) => return,
        };
        // As Kafka's `validateOnlineDowngradeWithFencedMembers`: a group that is too large for the classic
        // protocol stays a consumer group.
        let fits = consumer.members().len() <= env.config.max_size;
        if !consumer.is_all_classic() || !env.config.consumer.migration.downgrades() || !fits {
            consumer.flush(out);
            return;
        }
        tracing::info!(
            group = %consumer.id(), members = consumer.members().len(), "a consumer group becomes a classic group"
        );
        let mut classic = ClassicGroup::following(consumer.id().clone(), env.now, consumer.epoch());
        // Before `bury`, which forgets the members.
        let assigned: BTreeMap<_, _> = consumer.classic_members(env);
        consumer.bury(out);
        classic.take_over(env.now, env.config, assigned.into_values().collect(), out);
        self.members = Members::Classic(classic);
    }
}
