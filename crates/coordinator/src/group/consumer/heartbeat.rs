//! ConsumerGroupHeartbeat: joining, staying and, by its epoch, leaving.
//!
//! Nothing is changed before everything that can be refused has been looked at.

use std::{collections::BTreeSet, sync::Arc};

use uuid::Uuid;

use super::super::{
    Env, GroupError, GroupInstanceId, MemberId, Outcome, Refused,
    assignor::{Assignor, TopicPartitions},
    topics::Viewer,
};
use super::member::{ConsumerMember, Current, MemberState, Subscription};
use super::reconcile::Reconciler;
use super::{ConsumerGroup, LEAVE_EPOCH, LEAVE_STATIC_EPOCH, subscription};
use crate::limits::{MAX_ENTRIES, check, check_string};
use crate::state_machine::TooLong;

/// A member's heartbeat. `None`: unchanged since its last one.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatRequest {
    /// [`MemberId::none`] for a member of version 0 that has no id yet.
    pub member_id: MemberId,
    /// 0 joins, [`LEAVE_EPOCH`] and [`LEAVE_STATIC_EPOCH`] leave; otherwise the epoch that the member was
    /// told last.
    pub member_epoch: i32,
    /// `None` also for a static member that does not repeat it.
    pub group_instance_id: Option<GroupInstanceId>,
    /// Kept for descriptions; the assignors do not look at it.
    pub rack_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// How long the member may take to give up partitions.
    pub rebalance_timeout_ms: Option<u32>,
    /// May name topics that do not exist yet. Empty: none by name.
    pub topic_names: Option<BTreeSet<Arc<str>>>,
    /// Empty: no longer any.
    /// Besides the names, not instead of them.
    pub topic_regex: Option<Arc<str>>,
    /// A vote: the assignor with most votes is taken.
    pub server_assignor: Option<Arc<str>>,
    /// The partitions that the member has.
    pub owned: Option<TopicPartitions>,
    /// The id, should a new one be given out.
    pub fresh: Uuid,
    /// The client that sends it; `None` without an authorizer.
    pub viewer: Option<Arc<dyn Viewer>>,
}

/// The reply to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatReply {
    pub member_id: MemberId,
    /// To be sent with the next heartbeat; of one that left, the negative epoch of its request.
    pub member_epoch: i32,
    /// All that the member is to own from now on; `None` when that did not change.
    pub assignment: Option<TopicPartitions>,
}

/// The relation of a heartbeat's sender to the group.
enum SenderKind {
    Member,
    New,
    /// Takes over from another holder of its instance id.
    Replaces(MemberId),
}

impl HeartbeatRequest {
    /// The rules of Kafka's `throwIfConsumerGroupHeartbeatRequestIsInvalid` that need no group.
    ///
    /// # Errors
    /// INVALID_REQUEST or UNSUPPORTED_ASSIGNOR, with Kafka's message.
    pub fn validate(&self, assignors: &[Assignor], needs_member_id: bool) -> Result<(), Refused> {
        let invalid = |message: &str| Err(Refused::new(GroupError::InvalidRequest, message));
        if needs_member_id && self.member_id.as_str().trim().is_empty() {
            return invalid("MemberId can't be empty.");
        }
        if self.group_instance_id.as_ref().is_some_and(|id| id.as_str().trim().is_empty()) {
            return invalid("InstanceId can't be empty.");
        }
        if self.rack_id.as_ref().is_some_and(|id| id.trim().is_empty()) {
            return invalid("RackId can't be empty.");
        }
        match self.member_epoch {
            // Later heartbeats leave out what has not changed, so the first one must say everything.
            0 if self.rebalance_timeout_ms.is_none() => {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            // A member that joins again has given up its partitions (KIP-848): others may own them by now.
            0 if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) => {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            0 if self.topic_names.is_none() && self.topic_regex.is_none() => {
                return invalid(
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                );
            }
            LEAVE_STATIC_EPOCH if self.group_instance_id.is_none() => {
                return invalid("InstanceId can't be null.");
            }
            epoch if epoch < LEAVE_STATIC_EPOCH => return invalid("MemberEpoch is invalid."),
            _ => {}
        }
        let known = |name: &Arc<str>| assignors.iter().any(|assignor| assignor.name() == &**name);
        if let Some(name) = self.server_assignor.as_ref().filter(|name| !known(name)) {
            let names: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            return Err(Refused::new(
                GroupError::UnsupportedAssignor,
                format!("ServerAssignor {name} is not supported. Supported assignors: {}.", names.join(", ")),
            ));
        }
        Ok(())
    }

    /// Checks that a record can hold the member.
    ///
    /// # Errors
    /// With the first part that is too long.
    pub(in crate::group) fn check_lengths(&self) -> Result<(), TooLong> {
        check_string("the member id", self.member_id.as_str())?;
        check_string("the instance id", self.group_instance_id.as_ref().map_or("", GroupInstanceId::as_str))?;
        // The assignor is one that `validate` knows, and the owned partitions are not stored.
        check_string("the client id", &self.client_id)?;
        check_string("the rack id", self.rack_id.as_deref().unwrap_or(""))?;
        check_string("the regular expression", self.topic_regex.as_deref().unwrap_or(""))?;
        if let Some(names) = &self.topic_names {
            check("the list of topics", names.len(), MAX_ENTRIES)?;
            names.iter().try_for_each(|name| check_string("the name of a topic", name))?;
        }
        Ok(())
    }

    /// The regular expression that the member brings, if any, must be one.
    ///
    /// # Errors
    /// INVALID_REGULAR_EXPRESSION. Compiles it, and does not keep the result.
    pub fn validate_regex(&self) -> Result<(), Refused> {
        let regex = self.topic_regex.as_ref().filter(|regex| !regex.is_empty());
        regex.map_or(Ok(()), |regex| subscription::validate_regex(regex))
    }

    /// True for the epochs by which a member leaves, for good or for a while.
    pub fn is_leaving(&self) -> bool {
        matches!(self.member_epoch, LEAVE_EPOCH | LEAVE_STATIC_EPOCH)
    }

    /// Says everything: joining, or after an error. It is told everything, too.
    fn is_full(&self) -> bool {
        // As in Kafka's `consumerGroupHeartbeat`: these are the fields that a full request must set.
        let subscribes = self.topic_names.is_some() || self.topic_regex.is_some();
        self.member_epoch == 0 || (self.rebalance_timeout_ms.is_some() && subscribes && self.owned.is_some())
    }
}

/// The refusal of a member whose epoch is not `known`.
pub(in crate::group) fn wrong_epoch(received: i32, known: i32) -> Refused {
    let relation = if received > known { "greater" } else { "smaller" };
    let message = format!(
        "The consumer group member has a {relation} member epoch ({received}) than the one known by the group \
         coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Refused::new(GroupError::FencedMemberEpoch, message)
}

impl ConsumerGroup {
    /// Handles a heartbeat that does not leave. Costs a target assignment over all members if it raises the
    /// group epoch.
    ///
    /// # Errors
    /// The group is full, the regular expression is invalid, or the sender is unknown, fenced or kept out by
    /// another holder of its instance id. Nothing has changed then.
    pub fn heartbeat(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        out: &mut Outcome,
    ) -> Result<HeartbeatReply, Refused> {
        self.has_room_for(&request.member_id, env.config.consumer.max_size)?;
        let kind = self.sender_kind(request)?;
        // The last refusal: nothing has changed up to here, and what follows must not stop half-way.
        request.validate_regex()?;
        // From version 1 on clients make their own ids, so a lost answer leaves no second member (KIP-1082).
        let id = if request.member_id.is_none() {
            MemberId::from(request.fresh.to_string())
        } else {
            request.member_id.clone()
        };
        let before = match kind {
            SenderKind::Member => self.members.get(&id).map(|member| member.current.assigned.clone()),
            SenderKind::New => {
                tracing::info!(group = %self.id, member = %id, "member joins the consumer group");
                None
            }
            SenderKind::Replaces(old_id) => {
                self.replace(&old_id, &id);
                None
            }
        };
        // In this order: subscriptions decide the target, and the target decides what this member may own now.
        let changed = self.take_in(&id, request);
        let sees_others = self.take_viewer(env, &id, request.viewer.as_ref());
        self.refresh(env, changed || sees_others);
        self.update_target(env);
        self.reconcile(env, &id, changed || sees_others, request.owned.as_ref(), out);
        let member = self.members.get_mut(&id).expect("it was taken in");
        member.restart_session(env.now, env.config.consumer.session_timeout_ms, out);
        // An answer may have been lost: a member that says everything is told everything.
        let told = request.is_full() || before.as_ref() != Some(&member.current.assigned);
        let assignment = told.then(|| without_epochs(&member.current));
        Ok(HeartbeatReply { member_id: id, member_epoch: member.current.epoch, assignment })
    }

    /// Kafka's `throwIfConsumerGroupIsFull`.
    ///
    /// # Errors
    /// GROUP_MAX_SIZE_REACHED. Members are always let in again.
    pub fn has_room_for(&self, id: &MemberId, max_size: usize) -> Result<(), Refused> {
        if self.members.len() < max_size || self.members.contains_key(id) {
            return Ok(());
        }
        let message = format!("The consumer group has reached its maximum capacity of {max_size} members.");
        Err(Refused::new(GroupError::GroupMaxSizeReached, message))
    }

    /// Kafka's `getOrMaybeSubscribeDynamicConsumerGroupMember` and
    /// `getOrMaybeSubscribeStaticConsumerGroupMember`.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID or UNRELEASED_INSTANCE_ID.
    fn sender_kind(&self, request: &HeartbeatRequest) -> Result<SenderKind, Refused> {
        let (id, joins) = (&request.member_id, request.member_epoch == 0);
        let holder = match &request.group_instance_id {
            None => {
                return match self.members.get(id) {
                    Some(member) => self.check_epoch(member, request).map(|()| SenderKind::Member),
                    None if joins => Ok(SenderKind::New),
                    // UNKNOWN_MEMBER_ID: the client gives up its partitions and joins with epoch 0 (KIP-848).
                    None => Err(self.not_a_member(id)),
                };
            }
            Some(instance_id) => self.static_member(instance_id),
        };
        let Some((holder, member)) = holder.and_then(|holder| self.members.get_key_value(holder)) else {
            return if joins { Ok(SenderKind::New) } else { Err(self.unknown_instance(request)) };
        };
        let is_away = member.current.epoch == LEAVE_STATIC_EPOCH;
        // Epoch -2 released the instance id (KIP-848); the classic protocol has no way to say so. Any other
        // holder may still run, and two processes with one instance id would replace each other for ever.
        if joins && (is_away || member.uses_classic_protocol()) {
            return Ok(SenderKind::Replaces(holder.clone()));
        }
        if holder == id {
            return self.check_epoch(member, request).map(|()| SenderKind::Member);
        }
        let instance = request.group_instance_id.as_ref().map_or("", GroupInstanceId::as_str);
        if joins {
            let message = format!(
                "Static member {id} with instance id {instance} cannot join the group because the instance id is \
                 owned by {holder} member."
            );
            return Err(Refused::new(GroupError::UnreleasedInstanceId, message));
        }
        let message =
            format!("Static member {id} with instance id {instance} was fenced by member {holder}.");
        Err(Refused::new(GroupError::FencedInstanceId, message))
    }

    /// The refusal of an id that the group does not know.
    pub(super) fn not_a_member(&self, id: &MemberId) -> Refused {
        let message = format!("Member {id} is not a member of group {}.", self.id);
        Refused::new(GroupError::UnknownMemberId, message)
    }

    /// The refusal of an instance id that no member holds.
    pub(super) fn unknown_instance(&self, request: &HeartbeatRequest) -> Refused {
        let instance = request.group_instance_id.as_ref().map_or("", GroupInstanceId::as_str);
        Refused::new(GroupError::UnknownMemberId, format!("Instance id {instance} is unknown."))
    }

    /// Kafka's `throwIfConsumerGroupMemberEpochIsInvalid`: the member's epoch, or the one before it if the member has
    /// nothing beyond its assignment: then the answer with the new epoch was lost.
    fn check_epoch(&self, member: &ConsumerMember, request: &HeartbeatRequest) -> Result<(), Refused> {
        let (received, known) = (request.member_epoch, member.current.epoch);
        let is_previous = received == member.current.previous_epoch
            && request.owned.as_ref().is_some_and(|owned| is_subset(owned, &member.current));
        if received == known || (received < known && is_previous) {
            return Ok(());
        }
        Err(wrong_epoch(received, known))
    }

    /// Another member takes the place, the assignment and the target of a static one. No rebalance follows from it.
    /// The new member has epoch 0 until it is reconciled.
    pub(super) fn replace(&mut self, old_id: &MemberId, new_id: &MemberId) {
        tracing::info!(group = %self.id, member = %new_id, replaces = %old_id, "static member is back");
        // Before `take_out`, which drops it.
        let target = self.target_of(old_id);
        let Some(mut member) = self.take_out(old_id) else { return };
        // Its own process has not got anything yet, so nothing needs to be given up.
        let assigned = std::mem::take(&mut member.current.assigned);
        // At epoch 0 it is not reconciled, so `reconcile` takes it to the target's epoch in this step.
        member.current = Current { assigned, ..Current::default() };
        self.put(new_id, member);
        self.target.insert(new_id.clone(), target);
        self.changes.member(new_id);
        self.changes.current(new_id);
        self.changes.target(new_id);
    }

    /// Takes over what a member says of itself. True: its subscription has changed.
    fn take_in(&mut self, id: &MemberId, request: &HeartbeatRequest) -> bool {
        let known = self.members.get(id);
        let before = known.map(|member| member.subscription.clone()).unwrap_or_default();
        let given = |new: &Option<Arc<str>>, old: &Option<Arc<str>>| new.clone().or_else(|| old.clone());
        let after = Subscription {
            group_instance_id: request.group_instance_id.clone().or(before.group_instance_id.clone()),
            rack_id: given(&request.rack_id, &before.rack_id),
            client_id: Arc::clone(&request.client_id),
            client_host: Arc::clone(&request.client_host),
            rebalance_timeout_ms: request.rebalance_timeout_ms.unwrap_or(before.rebalance_timeout_ms),
            topic_names: request.topic_names.clone().unwrap_or_else(|| before.topic_names.clone()),
            topic_regex: given(&request.topic_regex, &before.topic_regex).filter(|regex| !regex.is_empty()),
            server_assignor: given(&request.server_assignor, &before.server_assignor),
            // A classic member that sends this heartbeat speaks the consumer protocol from now on.
            classic: None,
        };
        self.subscribe(id, &before, after)
    }

    /// Stores what a member subscribes to. True: its topics or its regular expression have changed.
    pub(super) fn subscribe(&mut self, id: &MemberId, before: &Subscription, after: Subscription) -> bool {
        let is_new = !self.members.contains_key(id);
        if !is_new && *before == after {
            return false;
        }
        // No other field of a member raises the epoch, as in Kafka's `hasMemberSubscriptionChanged`.
        let changed = before.topic_names != after.topic_names || before.topic_regex != after.topic_regex;
        let mut member = self.members.get(id).cloned().unwrap_or_default();
        member.subscription = after;
        self.put(id, member);
        self.changes.member(id);
        // Each member has this record, even if `reconcile` changes nothing: the records must equal the state
        // (ADR 5).
        if is_new {
            self.changes.current(id);
        }
        changed
    }

    /// Lets a member take its next step towards the target.
    /// `owned`: the partitions that the member says it has, `None` if it did not say. Takes one step at
    /// most.
    pub(super) fn reconcile(
        &mut self,
        env: Env<'_>,
        id: &MemberId,
        subscription_changed: bool,
        owned: Option<&TopicPartitions>,
        out: &mut Outcome,
    ) {
        let Some(member) = self.members.get(id) else { return };
        // After a change of its subscription even a reconciled member may have topics to give up.
        if !subscription_changed && member.is_reconciled_to(self.assignment_epoch) {
            return;
        }
        let reconciler = Reconciler {
            target_epoch: self.assignment_epoch,
            target: &self.target_of(id),
            subscribed: &self.ids(env, id),
            owned,
            is_free: |topic, partition| self.is_free_for(id, topic, partition),
        };
        let next = reconciler.next(&member.current);
        if next == member.current {
            return;
        }
        let (epoch, state) = (next.epoch, next.state.as_str());
        tracing::debug!(group = %self.id, member = %id, epoch, state, "reconciled");
        let mut member = member.clone();
        // The deadline must not move while the same partitions are due: a member that sends heartbeats but
        // never gives them up would keep them for ever.
        let goes_on_revoking = next.state == MemberState::Unrevoked
            && next.revoking == member.current.revoking
            && member.revocation_deadline.is_some();
        member.current = next;
        if !goes_on_revoking {
            member.watch_revocation(env.now, out);
        }
        self.put(id, member);
        self.changes.current(id);
    }
}

/// True if a member says that it owns only partitions that it is assigned.
fn is_subset(owned: &TopicPartitions, current: &Current) -> bool {
    owned.iter().all(|(topic, partitions)| {
        let assigned = current.assigned.get(topic);
        partitions.iter().all(|index| assigned.is_some_and(|assigned| assigned.contains_key(index)))
    })
}

/// The partitions that a member is told to own.
pub(super) fn without_epochs(current: &Current) -> TopicPartitions {
    let partitions = |(topic, partitions): (&Uuid, &std::collections::BTreeMap<i32, i32>)| {
        (*topic, partitions.keys().copied().collect())
    };
    current.assigned.iter().filter(|(_, partitions)| !partitions.is_empty()).map(partitions).collect()
}
