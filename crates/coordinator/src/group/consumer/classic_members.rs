//! Members that still speak the classic protocol, served inside the consumer group while it migrates (KIP-848).
//!
//! To them it looks like a group with another leader: JoinGroup is answered at once with the member's epoch as the
//! generation, SyncGroup with what the target gives, and Heartbeat with REBALANCE_IN_PROGRESS whenever the member has a
//! step to take, which is to join again. Kafka's `classicGroup…ToConsumerGroup`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::{
    Env, GenerationId, GroupError, GroupInstanceId, MemberId, Outcome, Reply,
    assignor::TopicPartitions,
    consumer_protocol,
    reply::{JoinReply, JoinWaiter, JoinedGroup, LeaveReply, SyncReply, SyncWaiter, SyncedMember},
    requests::{JoinRequest, LeavingMember, SyncRequest},
};
use super::heartbeat::without_epochs;
use super::member::{ClassicMember, ConsumerMember, MemberState, Subscription, wake};
use super::{ConsumerGroup, member};

impl ConsumerGroup {
    /// Handles JoinGroup. The answer does not wait.
    pub fn classic_join(
        &mut self,
        env: Env<'_>,
        request: JoinRequest,
        waiter: JoinWaiter,
        out: &mut Outcome,
    ) {
        let reply = self.classic_join_or_refuse(env, request, out).unwrap_or_else(|refusal| refusal);
        out.replies.push(Reply::Join(waiter, reply));
    }

    /// Kafka's `classicGroupJoinToConsumerGroup`.
    fn classic_join_or_refuse(
        &mut self,
        env: Env<'_>,
        request: JoinRequest,
        out: &mut Outcome,
    ) -> Result<JoinReply, JoinReply> {
        // Kafka names the member in the refusals of a classic group, and not in these.
        let refuse = |error| JoinReply::refused(MemberId::none(), error);
        self.has_room_for(&request.member_id, env.config.consumer.max_size)
            .map_err(|refused| refuse(refused.error))?;
        let said = self.classic_subscription(&request).ok_or(GroupError::InconsistentGroupProtocol);
        let said = said.map_err(refuse)?;
        let id = self.classic_place(&request)?;
        // After `classic_place`, which may have given this id the place of a static member.
        let known = self.members.get(&id);
        let before = known.map(|member| member.subscription.clone()).unwrap_or_default();
        // The first, as in Kafka: members need not agree on a client's assignor, since the broker assigns.
        let protocol = request.protocols.first().map(|protocol| Arc::clone(&protocol.name));
        let owned = ids(env, &said.owned);
        let (rebalance_timeout_ms, session_timeout_ms) =
            (request.rebalance_timeout_ms, request.session_timeout_ms);
        let after = Subscription {
            group_instance_id: request.group_instance_id,
            rack_id: said.rack_id.map(Arc::from),
            client_id: request.client_id,
            client_host: request.client_host,
            rebalance_timeout_ms,
            topic_names: said.topics.into_iter().map(Arc::from).collect(),
            topic_regex: None,
            server_assignor: None,
            classic: Some(ClassicMember { session_timeout_ms, protocols: request.protocols }),
        };
        let changed = self.subscribe(&id, &before, after);
        self.refresh(env, changed);
        self.update_target(env);
        self.reconcile(env, &id, changed, Some(&owned), out);
        let Some(member) = self.members.get_mut(&id) else { return Err(refuse(GroupError::UnknownMemberId)) };
        member.restart_session(env.now, session_timeout_ms, out);
        // Kafka's `scheduleConsumerGroupSyncTimeout`: before SyncGroup a member does not know what it owns.
        member.join_deadline = None;
        member.sync_deadline = Some(wake(env.now, rebalance_timeout_ms, out));
        let joined = JoinedGroup {
            generation: GenerationId(member.current.epoch),
            protocol_type: Some(consumer_protocol::PROTOCOL_TYPE.into()),
            protocol,
            // No member: each takes itself for a follower.
            leader: MemberId::none(),
            skip_assignment: false,
            members: Vec::new(),
        };
        Ok(JoinReply { member_id: id, result: Ok(joined) })
    }

    /// The subscription of a member, if it shares a protocol with the group's other classic members.
    /// `None` is INCONSISTENT_GROUP_PROTOCOL: another protocol type, no protocol in common, or bytes that
    /// are no subscription.
    fn classic_subscription(&self, request: &JoinRequest) -> Option<consumer_protocol::Subscription> {
        let others: Vec<&ClassicMember> = self
            .members
            .iter()
            .filter(|(id, _)| **id != request.member_id)
            .filter_map(|(_, member)| member.subscription.classic.as_ref())
            .collect();
        let is_common = |name: &str| {
            others.iter().all(|member| member.protocols.iter().any(|offered| &*offered.name == name))
        };
        let is_consumer = &*request.protocol_type == consumer_protocol::PROTOCOL_TYPE;
        if !is_consumer || !request.protocols.iter().any(|offered| is_common(&offered.name)) {
            return None;
        }
        // All protocols carry the same subscription; as in Kafka the first is read.
        consumer_protocol::subscription(&request.protocols.first()?.metadata)
    }

    /// The id under which a client may join. An id of its own is welcome, for it may come from before the migration.
    ///
    /// # Errors
    /// MEMBER_ID_REQUIRED with an id to join with, or UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID for a static
    /// member.
    fn classic_place(&mut self, request: &JoinRequest) -> Result<MemberId, JoinReply> {
        let asked = &request.member_id;
        let new_id = request.new_member_id();
        let Some(instance_id) = &request.group_instance_id else {
            if !asked.is_none() {
                return Ok(asked.clone());
            }
            if request.requires_known_member_id {
                return Err(JoinReply::refused(new_id, GroupError::MemberIdRequired));
            }
            return Ok(new_id);
        };
        let holder = self.static_member(instance_id).cloned();
        match holder {
            None if asked.is_none() => Ok(new_id),
            None => Err(JoinReply::refused(MemberId::none(), GroupError::UnknownMemberId)),
            Some(holder) if asked.is_none() => {
                self.replace(&holder, &new_id);
                Ok(new_id)
            }
            Some(holder) if holder == *asked => Ok(holder),
            Some(_) => Err(JoinReply::refused(MemberId::none(), GroupError::FencedInstanceId)),
        }
    }

    /// A member that speaks the classic protocol, with its id checked against its instance id.
    /// `generation`: `None` where the request has none to be checked.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID also for a member of the consumer protocol.
    fn classic_member(
        &self,
        id: &MemberId,
        instance_id: Option<&GroupInstanceId>,
        generation: Option<GenerationId>,
    ) -> Result<&ConsumerMember, GroupError> {
        if let Some(instance_id) = instance_id {
            let holder = self.static_member(instance_id).ok_or(GroupError::UnknownMemberId)?;
            if holder != id {
                return Err(GroupError::FencedInstanceId);
            }
        }
        let member = self.members.get(id).filter(|member| member.uses_classic_protocol());
        let member = member.ok_or(GroupError::UnknownMemberId)?;
        match generation {
            Some(GenerationId(generation)) if generation != member.current.epoch => {
                Err(GroupError::IllegalGeneration)
            }
            _ => Ok(member),
        }
    }

    /// Handles SyncGroup. The answer does not wait.
    pub fn classic_sync(
        &mut self,
        env: Env<'_>,
        request: &SyncRequest,
        waiter: SyncWaiter,
        out: &mut Outcome,
    ) {
        let reply = self.classic_sync_or_refuse(env, request, out);
        out.replies.push(Reply::Sync(waiter, reply));
    }

    /// Kafka's `classicGroupSyncToConsumerGroup`. A refusal with REBALANCE_IN_PROGRESS starts the time to
    /// join again.
    fn classic_sync_or_refuse(
        &mut self,
        env: Env<'_>,
        request: &SyncRequest,
        out: &mut Outcome,
    ) -> SyncReply {
        let (id, instance_id) = (&request.member_id, request.group_instance_id.as_ref());
        let member = self.classic_member(id, instance_id, Some(request.generation))?;
        let first = member.subscription.classic.as_ref().and_then(|classic| classic.protocols.first());
        let protocol = first.map(|protocol| Arc::clone(&protocol.name));
        let version = first.and_then(|first| consumer_protocol::subscription(&first.metadata));
        let protocol_type: Arc<str> = consumer_protocol::PROTOCOL_TYPE.into();
        let differs =
            |asked: &Option<Arc<str>>, ours: Option<&Arc<str>>| asked.is_some() && asked.as_ref() != ours;
        if differs(&request.protocol_type, Some(&protocol_type))
            || differs(&request.protocol, protocol.as_ref())
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        // Kafka's `throwIfRebalanceInProgress`: a member with partitions to give up has joined again already
        // and must finish that first; the answer to this SyncGroup names what is left to it.
        if self.epoch > member.current.epoch && member.current.state != MemberState::Unrevoked {
            self.await_join(env, id, out);
            return Err(GroupError::RebalanceInProgress);
        }
        let named = self.named(env, &without_epochs(&member.current));
        let topics = named.iter().map(|(name, partitions)| (&**name, partitions.as_slice()));
        let assignment = consumer_protocol::encode_assignment(version.map_or(0, |read| read.version), topics);
        if let Some(member) = self.members.get_mut(id) {
            member.sync_deadline = None;
            member.restart_session(env.now, env.config.consumer.session_timeout_ms, out);
        }
        Ok(SyncedMember { protocol_type: Some(protocol_type), protocol, assignment })
    }

    /// Handles Heartbeat: REBALANCE_IN_PROGRESS while the member has a step to take.
    ///
    /// # Errors
    /// REBALANCE_IN_PROGRESS also restarts the session, and starts the time in which the member must join.
    pub fn classic_heartbeat(
        &mut self,
        env: Env<'_>,
        id: &MemberId,
        instance_id: Option<&GroupInstanceId>,
        generation: GenerationId,
        out: &mut Outcome,
    ) -> Result<(), GroupError> {
        self.classic_member(id, instance_id, Some(generation))?;
        // Topics may have changed, and perhaps no other member sends anything.
        self.refresh(env, false);
        if let Some(member) = self.members.get_mut(id) {
            member.restart_session(env.now, env.config.consumer.session_timeout_ms, out);
        }
        let Some(member) = self.members.get(id) else { return Err(GroupError::UnknownMemberId) };
        // Kafka's reasons to join again (`classicGroupHeartbeatToConsumerGroup`): a newer group epoch,
        // partitions to give up, or that all awaited partitions have become free.
        let has_a_step = match member.current.state {
            _ if member.current.epoch < self.epoch => true,
            MemberState::Unrevoked => true,
            MemberState::Unreleased => self.has_all_free(id),
            MemberState::Stable => false,
        };
        if !has_a_step {
            return Ok(());
        }
        self.await_join(env, id, out);
        Err(GroupError::RebalanceInProgress)
    }

    /// True if no other member holds a partition that the target gives to this one (the opposite of Kafka's
    /// `waitingOnUnreleasedPartition`): each JoinGroup interrupts a classic client, so one has to do for all of them.
    fn has_all_free(&self, id: &MemberId) -> bool {
        let Some(target) = self.target.get(id) else { return false };
        let mut all =
            target.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |it| (*topic, *it)));
        all.all(|tp| self.holders.get(&tp).is_none_or(|holder| holder == id))
    }

    /// A member that was told to join again must do so within its rebalance timeout.
    fn await_join(&mut self, env: Env<'_>, id: &MemberId, out: &mut Outcome) {
        // Only once: each heartbeat would push the deadline back, and the member could stay away for ever.
        if let Some(member) = self.members.get_mut(id).filter(|member| member.join_deadline.is_none()) {
            member.join_deadline = Some(member::wake(env.now, member.subscription.rebalance_timeout_ms, out));
            member.sync_deadline = None;
        }
    }

    /// Handles LeaveGroup, also an administrator's that names instance ids alone.
    /// The results are in the order of `leaving`. Members may be of either protocol: an administrator removes those of
    /// the consumer protocol by this request, too (Kafka's `classicGroupLeaveToConsumerGroup`).
    pub fn classic_leave(&mut self, env: Env<'_>, leaving: &[LeavingMember]) -> LeaveReply {
        let mut gone: BTreeSet<MemberId> = BTreeSet::new();
        let results = leaving.iter().map(|leaving| {
            let instance_id = leaving.group_instance_id.as_ref();
            let id = self.leaving_member(&leaving.member_id, instance_id)?.clone();
            let reason = leaving.reason.as_deref().unwrap_or("not provided");
            tracing::info!(group = %self.id, member = %id, reason, "member leaves");
            gone.insert(id);
            Ok(())
        });
        let results = results.collect();
        // Once for all of them, so that the group epoch rises once.
        self.remove(env, &gone);
        results
    }

    /// The id of the member that a LeaveGroup names, of either protocol.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID; FENCED_INSTANCE_ID if the instance id is another member's.
    fn leaving_member<'a>(
        &'a self,
        id: &'a MemberId,
        instance_id: Option<&GroupInstanceId>,
    ) -> Result<&'a MemberId, GroupError> {
        let Some(instance_id) = instance_id else {
            return self.members.contains_key(id).then_some(id).ok_or(GroupError::UnknownMemberId);
        };
        let holder = self.static_member(instance_id).ok_or(GroupError::UnknownMemberId)?;
        // The instance id alone does, without the member's own id.
        if id.is_none() || id == holder { Ok(holder) } else { Err(GroupError::FencedInstanceId) }
    }
}

/// Partitions of topics that exist, by id.
pub(crate) fn ids(env: Env<'_>, named: &[(String, Vec<i32>)]) -> TopicPartitions {
    let mut all: TopicPartitions = BTreeMap::new();
    for (name, partitions) in named {
        if let Some((id, _)) = env.topics.image.topic(name) {
            all.entry(id).or_default().extend(partitions);
        }
    }
    all
}
