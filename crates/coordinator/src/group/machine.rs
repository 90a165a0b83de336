//! One group as a whole: its members, of the classic, the consumer or the streams protocol, and its committed offsets. Requests of
//! either protocol come in here, and those that concern offsets.
//!
//! Pure. The shell calls one method per request, deadline or stored record, and carries out the [`Outcome`].

use std::{convert::Infallible, sync::Arc};

use super::{
    Env, GenerationId, GroupError, GroupId, GroupInstanceId, MemberId, Outcome, Refused, Reply,
    classic::{ClassicGroup, State, records::GroupMetadata},
    consumer::{CommitRule, ConsumerGroup, ConsumerState, HeartbeatReply, HeartbeatRequest, records},
    offsets::{CommittedOffset, OffsetCommit, Offsets, pending::PendingOffset},
    records::{KINDS, Key},
    reply::{JoinReply, JoinWaiter, LeaveReply, SyncWaiter},
    requests::{CommitIdentity, JoinRequest, LeavingMember, SyncRequest},
    streams::{self, StreamsGroup, StreamsState},
};
use crate::limits::MAX_BYTES;
use crate::record_kinds::RecordKind;
use crate::state_machine::{Now, Record, RecordError, StateMachine, TooLong};

mod transactions;

use transactions::overtake;

/// The members of a group, by the protocol that the group speaks.
#[derive(Debug)]
pub enum Members {
    /// Also a group without members, and one that only stores offsets.
    Classic(ClassicGroup),
    /// Its members may speak either protocol while the group migrates. It stays one when the last member
    /// leaves.
    Consumer(ConsumerGroup),
    /// It stays one when the last member leaves.
    Streams(StreamsGroup),
}

/// The state machine of one group.
#[derive(Debug)]
pub struct GroupMachine {
    /// Decides which requests are served; a change of protocol replaces it whole.
    pub(super) members: Members,
    /// Apart from the members, so that they outlive a change of protocol and the last member.
    offsets: Offsets,
}

impl StateMachine for GroupMachine {
    type Id = GroupId;
    type Env<'a> = Env<'a>;
    type Reply = Reply;
    type Effect = Infallible;

    const RECORDS: &'static [RecordKind] = KINDS;

    /// A group that no member has joined yet.
    fn new(id: GroupId, now: Now) -> GroupMachine {
        GroupMachine { members: Members::Classic(ClassicGroup::new(id, now)), offsets: Offsets::default() }
    }

    fn id(&self) -> &GroupId {
        match &self.members {
            Members::Classic(group) => group.id(),
            Members::Consumer(group) => group.id(),
            Members::Streams(group) => group.id(),
        }
    }

    fn owner(key: &[u8]) -> Result<GroupId, RecordError> {
        Key::group(key)
    }

    fn replay(&mut self, now: Now, key: &[u8], value: &[u8], out: &mut Outcome) -> Result<(), RecordError> {
        let key = Key::decode(key)?;
        if let Key::ConsumerGroup { group } = &key {
            // Replayed before its members (`KINDS`), which must find a group to belong to.
            let mut group = ConsumerGroup::new(group.clone(), now);
            group.restore_epochs(&records::decode_epochs(value)?);
            self.members = Members::Consumer(group);
            return Ok(());
        }
        if let Key::StreamsGroup { group } = &key {
            let mut group = StreamsGroup::new(group.clone(), now);
            group.restore_epochs(&streams::records::decode_epochs(value)?);
            self.members = Members::Streams(group);
            return Ok(());
        }
        match (&mut self.members, key) {
            // Of both kinds: a group that changes its protocol keeps its offsets.
            (_, Key::CommittedOffset { topic, partition, .. }) => {
                self.offsets.commit(topic, partition, CommittedOffset::decode(value)?);
            }
            (_, Key::PendingOffset { producer_id, topic, partition, .. }) => {
                let pending = PendingOffset::decode(value)?;
                self.offsets.pending.restore(producer_id, topic, partition, pending);
            }
            (Members::Classic(group), Key::GroupMetadata { .. }) => {
                group.restore(now, GroupMetadata::decode(value)?, out);
            }
            (Members::Consumer(group), Key::ConsumerMember { member, .. }) => {
                group.restore_member(&member, records::decode_subscription(value)?);
            }
            (Members::Consumer(group), Key::TargetAssignment { member, .. }) => {
                group.restore_target(&member, records::decode_target(value)?)?;
            }
            (Members::Consumer(group), Key::CurrentAssignment { member, .. }) => {
                group.restore_current(&member, records::decode_current(value)?)?;
            }
            (Members::Streams(group), Key::StreamsMember { member, .. }) => {
                group.restore_member(&member, streams::records::decode_metadata(value)?);
            }
            (Members::Streams(group), Key::StreamsTopology { .. }) => {
                group.restore_topology(streams::records::decode_topology(value)?);
            }
            (Members::Streams(group), Key::StreamsTarget { member, .. }) => {
                group.restore_target(&member, streams::records::decode_target(value)?)?;
            }
            (Members::Streams(group), Key::StreamsCurrent { member, .. }) => {
                group.restore_current(&member, streams::records::decode_current(value)?)?;
            }
            // Records of members without that of their group: all of these are written and removed together.
            _ => return Err(RecordError::Damaged("belongs to no group of its kind")),
        }
        Ok(())
    }

    fn start(&mut self, env: Env<'_>, out: &mut Outcome) {
        match &mut self.members {
            // Its clocks start with its record.
            Members::Classic(_) => {}
            Members::Consumer(group) => group.start_clocks(env.now, env.config, out),
            Members::Streams(group) => group.start_clocks(env.now, env.config, out),
        }
    }

    fn tick(&mut self, env: Env<'_>, out: &mut Outcome) {
        match &mut self.members {
            Members::Classic(group) => group.tick(env.now, env.config, out),
            Members::Consumer(group) => group.tick(env, out),
            Members::Streams(group) => group.tick(env, out),
        }
        // Also after a tick: the last member of the consumer protocol may have expired.
        self.settle(env, out);
    }

    fn is_forgettable(&self) -> bool {
        match &self.members {
            Members::Classic(group) => {
                group.state() == State::Dead || (group.is_vacant() && self.offsets.is_empty())
            }
            // An empty one still has the record of its epochs, and would come back with the next start.
            Members::Consumer(group) => group.state() == ConsumerState::Dead,
            Members::Streams(group) => group.state() == StreamsState::Dead,
        }
    }
}

impl GroupMachine {
    /// The members, by the protocol that the group speaks now.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Static members that are away count too; ids that no client has come back with do not.
    pub fn member_count(&self) -> usize {
        match &self.members {
            Members::Classic(group) => group.member_count(),
            Members::Consumer(group) => group.members().len(),
            Members::Streams(group) => group.members().len(),
        }
    }

    /// True if the sender of a request is a member: by its id, or by its instance id if it comes back without one.
    pub fn knows(&self, id: &MemberId, instance_id: Option<&GroupInstanceId>) -> bool {
        match &self.members {
            Members::Classic(group) => group.knows(id, instance_id),
            Members::Consumer(group) => group.knows(id, instance_id),
            Members::Streams(group) => group.knows(id),
        }
    }

    /// The offsets, committed and pending. Those of the last steps may not be durable yet.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Handles JoinGroup. The answer to `waiter` comes with this outcome or a later one.
    pub fn join(&mut self, env: Env<'_>, request: JoinRequest, waiter: JoinWaiter, out: &mut Outcome) {
        // Before anything changes: with such a member the record of its group could never be written.
        if let Err(too_long) = request.check_lengths() {
            let error = refuse_length(self.id(), too_long);
            out.replies.push(Reply::Join(waiter, JoinReply::refused(MemberId::none(), error)));
            return;
        }
        // In JoinGroup alone: an empty group has no members that could send the other requests.
        self.become_classic_if_empty(env, out);
        match &mut self.members {
            Members::Classic(group) => group.join(env.now, env.config, request, waiter, out),
            Members::Consumer(group) => group.classic_join(env, request, waiter, out),
            Members::Streams(_) => {
                let reply = JoinReply::refused(MemberId::none(), GroupError::InconsistentGroupProtocol);
                out.replies.push(Reply::Join(waiter, reply));
            }
        }
        self.settle(env, out);
    }

    /// Handles SyncGroup. The answer to `waiter` comes with this outcome or a later one.
    pub fn sync(&mut self, env: Env<'_>, request: SyncRequest, waiter: SyncWaiter, out: &mut Outcome) {
        if let Err(too_long) = request.check_lengths() {
            // Taken over, such an assignment could not be written, and the shell would refuse the whole group
            // until the next start.
            let error = refuse_length(self.id(), too_long);
            out.replies.push(Reply::Sync(waiter, Err(error)));
            return;
        }
        match &mut self.members {
            Members::Classic(group) => group.sync(env.now, request, waiter, out),
            Members::Consumer(group) => group.classic_sync(env, &request, waiter, out),
            Members::Streams(_) => {
                out.replies.push(Reply::Sync(waiter, Err(GroupError::UnknownMemberId)));
            }
        }
        self.settle(env, out);
    }

    /// Handles Heartbeat. The ids are as they came: nothing of them is kept.
    ///
    /// # Errors
    /// REBALANCE_IN_PROGRESS asks the member to join again; its session has begun anew all the same.
    /// Otherwise the sender is unknown, fenced or of another generation.
    pub fn heartbeat(
        &mut self,
        env: Env<'_>,
        id: &str,
        instance_id: Option<&str>,
        generation: GenerationId,
        out: &mut Outcome,
    ) -> Result<(), GroupError> {
        // No lengths to check: nothing that a Heartbeat brings is stored.
        let result = match &mut self.members {
            Members::Classic(group) => group.heartbeat(env.now, id, instance_id, generation, out),
            Members::Consumer(group) => {
                let (id, instance_id) = (MemberId::from(id), instance_id.map(GroupInstanceId::from));
                group.classic_heartbeat(env, &id, instance_id.as_ref(), generation, out)
            }
            Members::Streams(_) => Err(GroupError::UnknownMemberId),
        };
        self.settle(env, out);
        result
    }

    /// Handles LeaveGroup.
    /// One rebalance, or one new group epoch, for all of them together.
    ///
    /// # Errors
    /// Only of a group that is deleted; each member has its own result.
    pub fn leave(
        &mut self,
        env: Env<'_>,
        leaving: &[LeavingMember],
        out: &mut Outcome,
    ) -> Result<LeaveReply, GroupError> {
        let result = match &mut self.members {
            Members::Classic(group) => group.leave(env.now, env.config, leaving, out),
            Members::Consumer(group) => Ok(group.classic_leave(env, leaving)),
            Members::Streams(_) => Err(GroupError::UnknownMemberId),
        };
        self.settle(env, out);
        result
    }

    /// Handles ConsumerGroupHeartbeat, which may turn a classic group into one of the consumer protocol.
    ///
    /// # Errors
    /// As [`ConsumerGroup::heartbeat`] and [`ConsumerGroup::leave`]; or the group is classic and cannot be
    /// upgraded. The group may have changed its protocol all the same.
    pub fn consumer_heartbeat(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        out: &mut Outcome,
    ) -> Result<HeartbeatReply, Refused> {
        if let Err(too_long) = request.check_lengths() {
            return Err(Refused::new(refuse_length(self.id(), too_long), format!("{too_long}.")));
        }
        // Only a member that joins may convert a group, as only such a heartbeat creates one in Kafka.
        if request.member_epoch == 0 {
            self.become_consumer(env, request, out)?;
        }
        let result = match &mut self.members {
            Members::Consumer(group) if request.is_leaving() => group.leave(env, request),
            Members::Consumer(group) => group.heartbeat(env, request, out),
            // With an epoch other than 0 the member was in a consumer group that is gone.
            Members::Classic(group) => Err(not_a_consumer_group(group.id())),
            Members::Streams(group) => Err(not_a_consumer_group(group.id())),
        };
        // Also after a refusal: the group may have been converted, and its state must not be ahead of its
        // records (ADR 5).
        self.settle(env, out);
        result
    }

    /// Handles OffsetCommit (`commitOffset`): all partitions are refused, or each gets its own result.
    /// `retention_ms` is what versions 2–4 may ask for instead of the broker's retention; `knows_member_epochs` is true
    /// for version 9 and later.
    ///
    /// # Errors
    /// If the sender may not commit at all: it is unknown, of another generation, in the middle of a
    /// rebalance, or its version knows no member epochs.
    pub fn commit_offsets(
        &mut self,
        env: Env<'_>,
        who: &CommitIdentity,
        retention_ms: Option<i64>,
        knows_member_epochs: bool,
        commits: Vec<OffsetCommit>,
        out: &mut Outcome,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let group_id = self.id().clone();
        let rule = match &mut self.members {
            Members::Classic(group) => {
                group.validate_offset_commit(env.now, who, out)?;
                CommitRule::All
            }
            Members::Consumer(group) => group.validate_offset_commit(who, knows_member_epochs)?,
            Members::Streams(group) => group.validate_offset_commit(who, knows_member_epochs)?,
        };
        // Saturating: a client may send any 64-bit number. Version 5 removed the field (KIP-211).
        let expires_at_ms = retention_ms.map(|retention_ms| env.now.unix_ms.saturating_add(retention_ms));
        let mut results = Vec::with_capacity(commits.len());
        for commit in commits {
            let welcome = rule
                .judge(&commit.topic, commit.topic_id, commit.partition)
                .and_then(|()| check_metadata(env, &commit.metadata));
            results.push(welcome);
            if welcome.is_err() {
                // As in Kafka's `commitOffset` the other partitions are stored all the same.
                continue;
            }
            let (topic, partition) = (Arc::clone(&commit.topic), commit.partition);
            let offset = committed(env, commit, expires_at_ms);
            out.write(offset.record(&group_id, &topic, partition));
            // What transactions have sent so far for the partition came before this commit.
            overtake(&mut self.offsets, &group_id, (&topic, partition), u64::MAX, out);
            self.offsets.commit(topic, partition, offset);
        }
        Ok(results)
    }

    /// Checks that a member may fetch offsets under this identity (OffsetFetch 9 and later).
    ///
    /// # Errors
    /// Only of a consumer group: the member is unknown, or its epoch is not the current one.
    pub fn validate_offset_fetch(&self, member_id: Option<&MemberId>, epoch: i32) -> Result<(), GroupError> {
        match &self.members {
            // As Kafka: the offsets of a classic group are for everybody.
            Members::Classic(_) => Ok(()),
            Members::Consumer(group) => group.validate_offset_fetch(member_id, epoch),
            Members::Streams(group) => group.validate_offset_fetch(member_id, epoch),
        }
    }

    /// Checks that the group may be deleted.
    fn validate_delete(&self) -> Result<(), GroupError> {
        match &self.members {
            Members::Classic(group) => group.validate_delete(),
            Members::Consumer(group) => match group.state() {
                ConsumerState::Empty => Ok(()),
                ConsumerState::Dead => Err(GroupError::GroupIdNotFound),
                ConsumerState::Assigning | ConsumerState::Reconciling | ConsumerState::Stable => {
                    Err(GroupError::NonEmptyGroup)
                }
            },
            Members::Streams(group) => group.validate_delete(),
        }
    }

    /// Handles DeleteGroups: an empty group goes, with its offsets. Those of open transactions go too, as
    /// Kafka's `deleteAllOffsets`: their end then changes nothing here.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP while there are members; nothing is deleted then.
    pub fn delete(&mut self, now: Now, out: &mut Outcome) -> Result<(), GroupError> {
        self.validate_delete()?;
        // In one outcome with the group: a restart must not find offsets of a group that was deleted.
        let offsets: Vec<(Arc<str>, i32)> =
            self.offsets.iter().map(|(topic, partition, _)| (Arc::clone(topic), partition)).collect();
        self.remove_offsets(&offsets, out);
        self.drop_pending(|_, _| true, out);
        self.bury(now, out);
        Ok(())
    }

    /// Handles OffsetDelete (KIP-496): one result for each partition, or one for all. Offsets of topics that members
    /// subscribe to stay. The pending offsets of a partition go with its committed one.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND if the group is deleted, NON_EMPTY_GROUP if its members are not consumers.
    pub fn delete_offsets(
        &mut self,
        env: Env<'_>,
        wanted: &[(Arc<str>, i32)],
        out: &mut Outcome,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        let kept = match &mut self.members {
            Members::Classic(group) => group.topics_to_keep()?,
            Members::Consumer(group) => {
                let names = group.all_subscribed_names(env);
                Some(names.iter().map(ToString::to_string).collect())
            }
            Members::Streams(group) => Some(group.subscribed_topics()),
        };
        let mut results = Vec::with_capacity(wanted.len());
        let mut gone = Vec::new();
        for (topic, partition) in wanted {
            // Without known subscriptions any topic may be in use.
            if kept.as_ref().is_none_or(|kept| kept.contains(&**topic)) {
                results.push(Err(GroupError::GroupSubscribedToTopic));
                continue;
            }
            results.push(Ok(()));
            if self.offsets.committed(topic, *partition).is_some() {
                gone.push((Arc::clone(topic), *partition));
            }
            self.drop_pending_of(topic, *partition, out);
        }
        self.remove_offsets(&gone, out);
        Ok(results)
    }

    /// Forgets the offsets of topics that no longer exist: deleted, or another topic under the same name.
    /// Pending ones, too.
    pub fn forget_offsets(&mut self, is_gone: impl Fn(&str, &CommittedOffset) -> bool, out: &mut Outcome) {
        let gone: Vec<(Arc<str>, i32)> = self
            .offsets
            .iter()
            .filter(|(topic, _, offset)| is_gone(topic, offset))
            .map(|(topic, partition, _)| (Arc::clone(topic), partition))
            .collect();
        self.remove_offsets(&gone, out);
        self.drop_pending(|topic, pending| is_gone(topic, &pending.offset), out);
    }

    /// Forgets offsets past their retention, and the group itself when it is empty and nothing is left of it
    /// (`cleanupExpiredOffsets`, `maybeDeleteGroup`).
    /// Looks at every offset of the group: call it rarely.
    pub fn expire_offsets(&mut self, env: Env<'_>, out: &mut Outcome) {
        let retention = match &mut self.members {
            Members::Classic(group) => group.retention(env.config.offsets_retention_ms),
            Members::Consumer(group) => group.retention(env),
            Members::Streams(group) => group.retention(env),
        };
        if let Some(retention) = retention {
            let expired = self.offsets.expired(env.now.unix_ms, &retention);
            self.remove_offsets(&expired, out);
        }
        // Deleting the group would also forget the ids that clients were given and are about to join with.
        let awaits_somebody = matches!(&self.members, Members::Classic(group) if group.has_pending_members());
        // After the offsets (Kafka's `cleanupGroupMetadata`): they may have been all that kept the group.
        if self.validate_delete().is_ok() && self.offsets.is_empty() && !awaits_somebody {
            self.bury(env.now, out);
        }
    }

    /// Forgets these committed offsets, with a tombstone for each.
    fn remove_offsets(&mut self, offsets: &[(Arc<str>, i32)], out: &mut Outcome) {
        for (topic, partition) in offsets {
            self.offsets.remove(topic, *partition);
            let (group, topic) = (self.id().clone(), Arc::clone(topic));
            let key = Key::CommittedOffset { group, topic, partition: *partition };
            out.write(Record::tombstone(&key));
        }
    }

    /// Removes what is stored of the group except its offsets, and leaves it dead: the shell drops it after
    /// this step.
    fn bury(&mut self, now: Now, out: &mut Outcome) {
        match &mut self.members {
            Members::Classic(group) => {
                // A group that only stores offsets has no record of its own.
                if group.is_persisted() {
                    let key = Key::GroupMetadata { group: group.id().clone() };
                    out.write(Record::tombstone(&key));
                }
                group.bury(now);
            }
            Members::Consumer(group) => group.bury(out),
            Members::Streams(group) => group.bury(out),
        }
    }
}

/// The offset that a commit is stored as.
fn committed(env: Env<'_>, commit: OffsetCommit, expires_at_ms: Option<i64>) -> CommittedOffset {
    CommittedOffset {
        offset: commit.offset,
        leader_epoch: commit.leader_epoch,
        metadata: commit.metadata,
        committed_at_ms: env.now.unix_ms,
        expires_at_ms,
        topic_id: commit.topic_id,
    }
}

/// OFFSET_METADATA_TOO_LARGE if the client's note cannot be stored.
fn check_metadata(env: Env<'_>, metadata: &str) -> Result<(), GroupError> {
    // Kafka counts the characters of a Java string.
    let length = metadata.encode_utf16().count();
    // The second limit is that of the record: an operator may configure more than it can hold.
    let fits = length <= env.config.offset_metadata_max_bytes && metadata.len() <= MAX_BYTES;
    if fits { Ok(()) } else { Err(GroupError::OffsetMetadataTooLarge) }
}

/// The refusal of a request of which a record could not hold a part.
pub(super) fn refuse_length(group: &GroupId, too_long: TooLong) -> GroupError {
    tracing::info!(%group, %too_long, "a request is refused");
    GroupError::InvalidRequest
}

/// Kafka's answer to requests of the consumer protocol for a group of another kind.
pub fn not_a_consumer_group(id: &GroupId) -> Refused {
    Refused::new(GroupError::GroupIdNotFound, format!("Group {id} is not a consumer group."))
}

#[cfg(test)]
mod tests;
