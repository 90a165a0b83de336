//! What the APIs ask of the coordinator: one method per request, in domain types.

use std::sync::Arc;

use coordinator::group::{
    GenerationId, GroupError, GroupId, GroupInstanceId, MemberId, Refused, Reply,
    classic::{
        CommitIdentity, GroupDescription, JoinReply, JoinRequest, LeaveReply, LeavingMember, SyncReply,
        SyncRequest,
    },
    consumer::{ConsumerGroupDescription, HeartbeatReply, HeartbeatRequest},
    consumer_protocol,
    machine::{GroupMachine, Members, not_a_consumer_group},
    offsets::{CommittedOffset, OffsetCommit, Offsets},
};
use tokio::sync::oneshot;

use super::{GroupService, hosted::Hosted};
use crate::telemetry::metrics::{GroupOffset, GroupSnapshot};

/// A group in a list of groups.
#[derive(Clone, Debug)]
pub(crate) struct GroupOverview {
    pub(crate) group_id: GroupId,
    /// `classic` or `consumer`.
    pub(crate) group_type: &'static str,
    /// Empty for a group that only stores offsets.
    pub(crate) protocol_type: Arc<str>,
    pub(crate) state: &'static str,
}

/// Whom a commit is from, and how it wants to be treated.
#[derive(Clone, Debug)]
pub(crate) struct CommitTerms {
    pub(crate) who: CommitIdentity,
    /// The retention time that versions 2–4 may name, milliseconds.
    pub(crate) retention_ms: Option<i64>,
    /// Version 9 and later: the client knows the consumer protocol. A member's group that is unknown is
    /// GROUP_ID_NOT_FOUND, before that ILLEGAL_GENERATION.
    pub(crate) knows_member_epochs: bool,
}

impl GroupService {
    /// JoinGroup: waits until the group's next generation begins.
    pub(crate) async fn join(&self, group_id: &GroupId, request: JoinRequest) -> JoinReply {
        let member_id = request.member_id.clone();
        if group_id.as_str().is_empty() {
            return JoinReply::refused(member_id, GroupError::InvalidGroupId);
        }
        // Whether there is such a group or not, as Kafka's `GroupCoordinatorService.joinGroup`.
        if !self.config.allows_session_of(request.session_timeout_ms) {
            return JoinReply::refused(member_id, GroupError::InvalidSessionTimeout);
        }
        let (waiter, (sender, answer)) = (self.name_waiter(), oneshot::channel());
        // Who has an id already was in a group that is gone, and must start over.
        let stepped = self.step(group_id, member_id.is_none(), |slot, env, out| {
            slot.answers.insert(waiter, sender);
            slot.machine.join(env, request, waiter, out);
        });
        if stepped.is_none() {
            return JoinReply::refused(member_id, GroupError::UnknownMemberId);
        }
        match self.answered(answer).await {
            Ok(Reply::Join(reply)) => reply,
            Ok(Reply::Sync(_)) => JoinReply::refused(member_id, GroupError::CoordinatorNotAvailable),
            Err(error) => JoinReply::refused(member_id, error),
        }
    }

    /// SyncGroup: waits until the leader has assigned.
    pub(crate) async fn sync(&self, group_id: &GroupId, request: SyncRequest) -> SyncReply {
        not_empty(group_id)?;
        let (waiter, (sender, answer)) = (self.name_waiter(), oneshot::channel());
        let stepped = self.step(group_id, false, |slot, env, out| {
            slot.answers.insert(waiter, sender);
            slot.machine.sync(env, request, waiter, out);
        });
        stepped.ok_or(GroupError::UnknownMemberId)?;
        match self.answered(answer).await? {
            Reply::Sync(reply) => reply,
            Reply::Join(_) => Err(GroupError::CoordinatorNotAvailable),
        }
    }

    /// Waits for the answer, or for the end of all waiting.
    async fn answered(&self, answer: oneshot::Receiver<Reply>) -> Result<Reply, GroupError> {
        tokio::select! {
            biased;
            reply = answer => reply.map_err(|_| GroupError::StorageFailed),
            () = self.waiting.cancelled() => Err(GroupError::NotCoordinator),
        }
    }

    /// Heartbeat.
    pub(crate) async fn heartbeat(
        &self,
        group_id: &GroupId,
        member_id: &MemberId,
        instance_id: Option<&GroupInstanceId>,
        generation: GenerationId,
    ) -> Result<(), GroupError> {
        not_empty(group_id)?;
        let step = self.step(group_id, false, |slot, env, out| {
            slot.machine.heartbeat(env, member_id, instance_id, generation, out)
        });
        let (result, ticket) = step.ok_or(GroupError::UnknownMemberId)?;
        ticket.durable().await?;
        result
    }

    /// LeaveGroup: the result of each member, in their order.
    pub(crate) async fn leave(
        &self,
        group_id: &GroupId,
        leaving: &[LeavingMember],
    ) -> Result<LeaveReply, GroupError> {
        not_empty(group_id)?;
        let step = self.step(group_id, false, |slot, env, out| slot.machine.leave(env, leaving, out));
        let (result, ticket) = step.ok_or(GroupError::UnknownMemberId)?;
        ticket.durable().await?;
        result
    }

    /// OffsetCommit: the result of each commit, in their order, or one for all. Durable when it returns.
    pub(crate) async fn commit(
        &self,
        group_id: &GroupId,
        terms: &CommitTerms,
        commits: Vec<OffsetCommit>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        // Whoever is not a member may commit to a group that nobody ever joined; the commit creates it.
        let create = terms.who.generation < GenerationId(0);
        let step = self.step(group_id, create, |slot, env, out| {
            let CommitTerms { who, retention_ms, knows_member_epochs } = terms;
            slot.machine.commit_offsets(env, who, *retention_ms, *knows_member_epochs, commits, out)
        });
        let unknown = if terms.knows_member_epochs {
            GroupError::GroupIdNotFound
        } else {
            GroupError::IllegalGeneration
        };
        let (result, ticket) = step.ok_or(unknown)?;
        ticket.durable().await?;
        result
    }

    /// OffsetDelete: one result for each partition, in their order, or one for all.
    pub(crate) async fn delete_offsets(
        &self,
        group_id: &GroupId,
        wanted: &[(Arc<str>, i32)],
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        not_empty(group_id)?;
        let step = self.step(group_id, false, |slot, env, out| slot.machine.delete_offsets(env, wanted, out));
        let (result, ticket) = step.ok_or(GroupError::GroupIdNotFound)?;
        ticket.durable().await?;
        result
    }

    /// OffsetFetch: reads the group's offsets by `read`, which gets `None` if there is no such group. `member` is what
    /// version 9 and later may say: who asks, and in which epoch.
    pub(crate) async fn read_offsets<T>(
        &self,
        group_id: &GroupId,
        member: Option<(&MemberId, i32)>,
        read: impl FnOnce(Option<&Offsets>) -> T,
    ) -> Result<T, GroupError> {
        let Some(hosted) = self.find(group_id) else { return Ok(read(None)) };
        let (result, ticket) = {
            let slot = hosted.lock();
            if let Some((id, epoch)) = member {
                slot.machine.validate_offset_fetch(Some(id), epoch)?;
            }
            (read(Some(slot.machine.offsets())), hosted.ticket(&slot))
        };
        ticket.durable().await?;
        Ok(result)
    }

    /// ListGroups: all groups, in the order of their ids.
    pub(crate) fn list(&self) -> Vec<GroupOverview> {
        let hosted: Vec<_> = self.groups.read().values().cloned().collect();
        let overview = |hosted: &Arc<Hosted>| {
            let slot = hosted.lock();
            let (group_type, protocol_type, state) = match slot.machine.members() {
                Members::Classic(group) => {
                    ("classic", group.protocol_type().cloned().unwrap_or_default(), group.state().as_str())
                }
                Members::Consumer(group) => {
                    ("consumer", consumer_protocol::PROTOCOL_TYPE.into(), group.state().as_str())
                }
            };
            let group_id = slot.machine.id().clone();
            (!slot.removed).then_some(GroupOverview { group_id, group_type, protocol_type, state })
        };
        let mut list: Vec<GroupOverview> = hosted.iter().filter_map(overview).collect();
        list.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        list
    }

    /// DescribeGroups.
    ///
    /// # Errors
    /// If there is no such group, or it is of another kind.
    pub(crate) fn describe(&self, group_id: &GroupId) -> Result<GroupDescription, Refused> {
        self.view(group_id, |machine| match machine.members() {
            Members::Classic(group) => Ok(group.describe()),
            Members::Consumer(_) => {
                let message = format!("Group {group_id} is not a classic group.");
                Err(Refused::new(GroupError::GroupIdNotFound, message))
            }
        })
    }

    /// ConsumerGroupDescribe, one group.
    ///
    /// # Errors
    /// If there is no such group, or it is of another kind.
    pub(crate) fn describe_consumer(&self, group_id: &GroupId) -> Result<ConsumerGroupDescription, Refused> {
        if group_id.as_str().is_empty() {
            return Err(Refused::new(GroupError::InvalidGroupId, "The group id must not be empty."));
        }
        self.view(group_id, |machine| match machine.members() {
            Members::Consumer(group) => Ok(group.describe(&self.config)),
            Members::Classic(_) => Err(not_a_consumer_group(group_id)),
        })
    }

    fn view<T>(
        &self,
        group_id: &GroupId,
        look: impl FnOnce(&GroupMachine) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let absent = || Refused::new(GroupError::GroupIdNotFound, format!("Group {group_id} not found."));
        let hosted = self.find(group_id).ok_or_else(absent)?;
        let slot = hosted.lock();
        if slot.removed { Err(absent()) } else { look(&slot.machine) }
    }

    /// ConsumerGroupHeartbeat: what the member is told, and how long it may stay silent, milliseconds.
    pub(crate) async fn consumer_heartbeat(
        &self,
        group_id: &GroupId,
        request: &HeartbeatRequest,
        needs_member_id: bool,
    ) -> Result<(HeartbeatReply, u32), Refused> {
        if group_id.as_str().trim().is_empty() {
            return Err(Refused::new(GroupError::InvalidRequest, "GroupId can't be empty."));
        }
        let config = &self.config_of(group_id).consumer;
        request.validate(&config.assignors, needs_member_id)?;
        let step = self.step(group_id, request.member_epoch == 0, |slot, env, out| {
            slot.machine.consumer_heartbeat(env, request, out)
        });
        let absent = || {
            let message = format!("Consumer group {group_id} not found.");
            Refused::new(GroupError::GroupIdNotFound, message)
        };
        let (result, ticket) = step.ok_or_else(absent)?;
        ticket.durable().await?;
        Ok((result?, config.heartbeat_interval_ms))
    }

    /// What a scrape of the metrics shows of the groups.
    pub(crate) fn snapshot(&self) -> Vec<GroupSnapshot> {
        let hosted: Vec<_> = self.groups.read().values().cloned().collect();
        let snapshot =
            |hosted: &Arc<Hosted>| {
                let slot = hosted.lock();
                let offset = |(topic, partition, committed): (&Arc<str>, i32, &CommittedOffset)| {
                    GroupOffset { topic: topic.to_string(), partition, committed_offset: committed.offset }
                };
                GroupSnapshot {
                    group_id: slot.machine.id().to_string(),
                    members: slot.machine.member_count(),
                    offsets: slot.machine.offsets().iter().map(offset).collect(),
                }
            };
        hosted.iter().map(snapshot).collect()
    }

    /// DeleteGroups, one group.
    pub(crate) async fn delete(&self, group_id: &GroupId) -> Result<(), GroupError> {
        let step = self.step(group_id, false, |slot, env, out| slot.machine.delete(env.now, out));
        let (result, ticket) = step.ok_or(GroupError::GroupIdNotFound)?;
        ticket.durable().await?;
        result
    }
}

/// The empty group id is for commits without a group only, which Kafka allows for old clients' sake.
fn not_empty(group_id: &GroupId) -> Result<(), GroupError> {
    if group_id.as_str().is_empty() { Err(GroupError::InvalidGroupId) } else { Ok(()) }
}
