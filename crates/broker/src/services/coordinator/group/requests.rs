//! The requests of the APIs that change groups or read offsets: one method each, in domain types.

use std::sync::Arc;

use coordinator::group::{
    GenerationId, GroupError, GroupId, MemberId, Refused, Reply,
    consumer::{HeartbeatReply, HeartbeatRequest},
    offsets::{OffsetCommit, Offsets},
    reply::{JoinReply, LeaveReply, SyncReply},
    requests::{CommitIdentity, JoinRequest, LeavingMember, SyncRequest},
    streams,
};

use super::super::log::NotWritten;
use super::super::shell::Missing;
use super::super::waiting::NoReply;
use super::GroupService;

/// The sender of a commit, and its terms.
#[derive(Clone, Debug)]
pub(crate) struct CommitTerms {
    pub(crate) who: CommitIdentity,
    /// The retention time that versions 2–4 may name, milliseconds.
    pub(crate) retention_ms: Option<i64>,
    /// OffsetCommit 9, TxnOffsetCommit 6 and later: the client knows the consumer protocol. A member's group that is unknown is
    /// GROUP_ID_NOT_FOUND, before that ILLEGAL_GENERATION.
    pub(crate) knows_member_epochs: bool,
}

impl CommitTerms {
    /// The refusal of a member's commit to a group that does not exist.
    pub(super) fn refusal_of_absent(&self) -> GroupError {
        match self.knows_member_epochs {
            true => GroupError::GroupIdNotFound,
            false => GroupError::IllegalGeneration,
        }
    }
}

impl GroupService {
    /// JoinGroup: waits until the group's next generation begins.
    /// A client without an id creates a group that does not exist. The wait may last as long as the longest
    /// rebalance timeout of the members.
    pub(crate) async fn join(&self, group_id: &GroupId, request: JoinRequest) -> JoinReply {
        let member_id = request.member_id.clone();
        let joined = self.join_or_refuse(group_id, request).await;
        joined.unwrap_or_else(|error| JoinReply::refused(member_id, error))
    }

    async fn join_or_refuse(
        &self,
        group_id: &GroupId,
        request: JoinRequest,
    ) -> Result<JoinReply, GroupError> {
        not_empty(group_id.as_str())?;
        // Whether there is such a group or not, as Kafka's `GroupCoordinatorService.joinGroup`.
        if !self.shell.kind().config().allows_session_of(request.session_timeout_ms) {
            return Err(GroupError::InvalidSessionTimeout);
        }
        let room = self.ensure_room();
        // A client that has an id already was in a group that is gone, and must start over.
        let create = request.member_id.is_none();
        let reply = self.shell.step_and_wait(
            group_id,
            create,
            |waiting| &mut waiting.joins,
            |machine, env, waiter, out| match room {
                Err(error) if !machine.knows(&request.member_id, request.group_instance_id.as_ref()) => {
                    out.replies.push(Reply::Join(waiter, JoinReply::refused(request.member_id, error)));
                }
                _ => machine.join(env, request, waiter, out),
            },
        );
        let reply = reply.map_err(|missing| refusal(missing, GroupError::UnknownMemberId))?;
        Ok(self.shell.reply(reply).await?)
    }

    /// SyncGroup: waits until the leader has assigned.
    pub(crate) async fn sync(&self, group_id: &GroupId, request: SyncRequest) -> SyncReply {
        not_empty(group_id.as_str())?;
        let reply = self.shell.step_and_wait(
            group_id,
            false,
            |waiting| &mut waiting.syncs,
            |machine, env, waiter, out| machine.sync(env, request, waiter, out),
        );
        let reply = reply.map_err(|missing| refusal(missing, GroupError::UnknownMemberId))?;
        self.shell.reply(reply).await?
    }

    /// Heartbeat. The ids are as they came: a member that is known is found without a copy of them.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID also if there is no such group; else see `GroupMachine::heartbeat`.
    pub(crate) async fn heartbeat(
        &self,
        group_id: &str,
        member_id: &str,
        instance_id: Option<&str>,
        generation: GenerationId,
    ) -> Result<(), GroupError> {
        not_empty(group_id)?;
        let step = self.shell.step_known(group_id, |machine, env, out| {
            machine.heartbeat(env, member_id, instance_id, generation, out)
        });
        let (result, ticket) = match step {
            // As `GroupCoordinatorService.heartbeat`: Java's consumer takes COORDINATOR_LOAD_IN_PROGRESS for no answer to a heartbeat.
            // The member's session begins when its group is loaded.
            Err(Missing::Loading) => return Ok(()),
            step => step.map_err(|missing| refusal(missing, GroupError::UnknownMemberId))?,
        };
        // Before a refusal too: it may tell of a step whose records a crash could still take back.
        ticket.durable().await?;
        result
    }

    /// LeaveGroup: the result of each member, in their order.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID if there is no such group.
    pub(crate) async fn leave(
        &self,
        group_id: &GroupId,
        leaving: &[LeavingMember],
    ) -> Result<LeaveReply, GroupError> {
        not_empty(group_id.as_str())?;
        let step = self.shell.step(group_id, false, |machine, env, out| machine.leave(env, leaving, out));
        let (result, ticket) = step.map_err(|missing| refusal(missing, GroupError::UnknownMemberId))?;
        ticket.durable().await?;
        result
    }

    /// OffsetCommit: the result of each commit, in their order, or one for all. Durable when it returns.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND or ILLEGAL_GENERATION, by the version, for a member's commit to a group that does
    /// not exist; else see `GroupMachine::commit_offsets`.
    pub(crate) async fn commit(
        &self,
        group_id: &GroupId,
        terms: &CommitTerms,
        commits: Vec<OffsetCommit>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let room = self.ensure_room();
        // A sender that is no member may commit to a group that no member ever joined; the commit creates it.
        // The empty group id may commit, see `not_empty`.
        let create = terms.who.generation < GenerationId(0);
        let step = self.shell.step(group_id, create, |machine, env, out| {
            // In the step: a group that is not here, or not yet, is refused as such.
            room?;
            let CommitTerms { who, retention_ms, knows_member_epochs } = terms;
            machine.commit_offsets(env, who, *retention_ms, *knows_member_epochs, commits, out)
        });
        let (result, ticket) = step.map_err(|missing| refusal(missing, terms.refusal_of_absent()))?;
        ticket.durable().await?;
        result
    }

    /// OffsetDelete: one result for each partition, in their order, or one for all.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND if there is no such group; else see `GroupMachine::delete_offsets`.
    pub(crate) async fn delete_offsets(
        &self,
        group_id: &GroupId,
        wanted: &[(Arc<str>, i32)],
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        not_empty(group_id.as_str())?;
        let step =
            self.shell.step(group_id, false, |machine, env, out| machine.delete_offsets(env, wanted, out));
        let (result, ticket) = step.map_err(|missing| refusal(missing, GroupError::GroupIdNotFound))?;
        ticket.durable().await?;
        result
    }

    /// OffsetFetch: reads the group's offsets by `read`, which gets `None` if there is no such group. `member` is what
    /// version 9 and later may say: who asks, and in which epoch.
    ///
    /// # Errors
    /// If the member is unknown or its epoch is not the current one, or the group cannot be read.
    pub(crate) async fn read_offsets<T>(
        &self,
        group_id: &GroupId,
        member: Option<(&MemberId, i32)>,
        read: impl Fn(Option<&Offsets>) -> T,
    ) -> Result<T, GroupError> {
        let viewed = self.shell.view(group_id, |machine| {
            if let Some((id, epoch)) = member {
                machine.validate_offset_fetch(Some(id), epoch)?;
            }
            Ok::<T, GroupError>(read(Some(machine.offsets())))
        });
        let (result, ticket) = match viewed {
            Ok(viewed) => viewed,
            // No error: a group that does not exist has no offsets (`OffsetMetadataManager.fetchOffsets`).
            Err(Missing::Absent) => return Ok(read(None)),
            Err(missing) => return Err(refusal(missing, GroupError::GroupIdNotFound)),
        };
        // An offset that is not durable yet could still be taken back by a crash: no client may see it. Nor a
        // refusal by a member or an epoch that is not durable yet.
        ticket.durable().await?;
        result
    }

    /// ConsumerGroupHeartbeat: what the member is told, and how long it may stay silent, milliseconds.
    ///
    /// # Errors
    /// With a text for the client; see `GroupMachine::consumer_heartbeat`.
    pub(crate) async fn consumer_heartbeat(
        &self,
        group_id: &GroupId,
        request: &HeartbeatRequest,
        needs_member_id: bool,
    ) -> Result<(HeartbeatReply, u32), Refused> {
        if group_id.as_str().trim().is_empty() {
            return Err(Refused::new(GroupError::InvalidRequest, "GroupId can't be empty."));
        }
        // Before the step, so that an invalid request creates no group.
        let interval_ms = self.shell.kind().with_config(group_id, |config| {
            request.validate(&config.consumer.assignors, needs_member_id)?;
            Ok::<u32, Refused>(config.consumer.heartbeat_interval_ms)
        })?;
        // Epoch 0 joins (KIP-848). With any other, the member was in a group that is gone.
        let create = request.member_epoch == 0;
        let room = if create { self.ensure_room() } else { Ok(()) };
        let step = self.shell.step(group_id, create, |machine, env, out| {
            if !machine.knows(&request.member_id, request.group_instance_id.as_ref()) {
                room?;
            }
            machine.consumer_heartbeat(env, request, out)
        });
        let (result, ticket) = step.map_err(|missing| match missing {
            Missing::Absent => {
                let message = format!("Consumer group {group_id} not found.");
                Refused::new(GroupError::GroupIdNotFound, message)
            }
            missing => Refused::from(refusal(missing, GroupError::GroupIdNotFound)),
        })?;
        ticket.durable().await.map_err(GroupError::from)?;
        Ok((result?, interval_ms))
    }

    /// StreamsGroupHeartbeat: what the member is told, and how long it may stay silent, milliseconds.
    ///
    /// # Errors
    /// With a text for the client; see `GroupMachine::streams_heartbeat`.
    pub(crate) async fn streams_heartbeat(
        &self,
        group_id: &GroupId,
        request: &streams::HeartbeatRequest,
    ) -> Result<(streams::HeartbeatReply, u32), Refused> {
        // Before the step, so that an invalid request creates no group.
        request.validate()?;
        if group_id.as_str().trim().is_empty() {
            return Err(Refused::new(GroupError::InvalidRequest, "GroupId can't be empty."));
        }
        let interval_ms =
            self.shell.kind().with_config(group_id, |config| config.streams.heartbeat_interval_ms);
        let create = request.is_joining();
        let room = if create { self.ensure_room() } else { Ok(()) };
        let step = self.shell.step(group_id, create, |machine, env, out| {
            if !machine.knows(&request.member_id, None) {
                room?;
            }
            machine.streams_heartbeat(env, request, out)
        });
        let (result, ticket) = step.map_err(|missing| match missing {
            Missing::Absent => {
                let message = format!("Streams group {group_id} not found.");
                Refused::new(GroupError::GroupIdNotFound, message)
            }
            missing => Refused::from(refusal(missing, GroupError::GroupIdNotFound)),
        })?;
        ticket.durable().await.map_err(GroupError::from)?;
        Ok((result?, interval_ms))
    }

    /// DeleteGroups, one group. One whose records cannot be read may be deleted too: no other way leads out of that.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, or COORDINATOR_NOT_AVAILABLE for a group that only a restart can
    /// read again.
    pub(crate) async fn delete(&self, group_id: &GroupId) -> Result<(), GroupError> {
        if let Some(ticket) = self.shell.discard(group_id) {
            return Ok(ticket.durable().await?);
        }
        let step = self.shell.step(group_id, false, |machine, env, out| machine.delete(env.now, out));
        let (result, ticket) = step.map_err(|missing| refusal(missing, GroupError::GroupIdNotFound))?;
        ticket.durable().await?;
        result
    }
}

/// The refusal of a request for a group that cannot take a step; `absent` if there is no such group.
pub(super) fn refusal(missing: Missing, absent: GroupError) -> GroupError {
    match missing {
        Missing::Absent => absent,
        // Retriable: a later start may be able to read it, or an operator deletes it (`load.rs`).
        Missing::Unreadable => GroupError::CoordinatorNotAvailable,
        Missing::NotCoordinator => GroupError::NotCoordinator,
        Missing::Loading => GroupError::CoordinatorLoadInProgress,
    }
}

impl From<NoReply> for GroupError {
    fn from(no_reply: NoReply) -> GroupError {
        match no_reply {
            // Retriable: the client looks for its coordinator again, and finds this broker after a restart.
            NoReply::Stopping | NoReply::Unloaded => GroupError::NotCoordinator,
            NoReply::WriteFailed => GroupError::StorageFailed,
        }
    }
}

impl From<NotWritten> for GroupError {
    fn from(not_written: NotWritten) -> GroupError {
        match not_written {
            NotWritten::Failed => GroupError::StorageFailed,
            // The client finds the coordinator that has what is durable.
            NotWritten::NotLed => GroupError::NotCoordinator,
        }
    }
}

/// The empty group id is for commits without a group only, which Kafka allows for old clients' sake.
pub(super) fn not_empty(group_id: &str) -> Result<(), GroupError> {
    if group_id.is_empty() { Err(GroupError::InvalidGroupId) } else { Ok(()) }
}
