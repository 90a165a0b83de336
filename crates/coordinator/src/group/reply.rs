//! The replies to requests of the classic protocol, and the outcome of a step of a group.

use std::sync::Arc;

use bytes::Bytes;

use super::{GenerationId, GroupError, GroupInstanceId, MemberId};
use crate::state_machine::{self, Waiter};

/// The answer to JoinGroup.
#[derive(Clone, Debug)]
pub struct JoinReply {
    /// The id that the member has, or is to use from now on.
    pub member_id: MemberId,
    /// A refusal may name an id, too: the one to join with, after MEMBER_ID_REQUIRED.
    pub result: Result<JoinedGroup, GroupError>,
}

impl JoinReply {
    /// The answer that refuses; `member_id` is [`MemberId::none`] where Kafka names none.
    pub fn refused(member_id: MemberId, error: GroupError) -> JoinReply {
        JoinReply { member_id, result: Err(error) }
    }
}

/// The generation that a member has joined.
#[derive(Clone, Debug)]
pub struct JoinedGroup {
    /// In a consumer group the member's epoch.
    pub generation: GenerationId,
    /// The type that all members share.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol that the members have agreed on. In a consumer group, the first that the member offers.
    pub protocol: Option<Arc<str>>,
    /// [`MemberId::none`] in a consumer group: there every member is a follower.
    pub leader: MemberId,
    /// The leader is to keep the assignment that stands (KIP-814): it is a static member that came back.
    pub skip_assignment: bool,
    /// All members for the leader, none for the others.
    pub members: Vec<JoinedMember>,
}

/// A member of the generation, as the leader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    /// Its metadata for the protocol of the generation, opaque here.
    pub metadata: Bytes,
}

/// The answer to SyncGroup.
pub type SyncReply = Result<SyncedMember, GroupError>;

/// A member's own assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedMember {
    /// As in the answer to JoinGroup; with `protocol`, for clients of version 5 and later to check
    /// (KIP-559).
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    /// Empty if the leader had nothing for this member.
    pub assignment: Bytes,
}

/// The result for each member of a LeaveGroup, in the order of the request.
pub type LeaveReply = Vec<Result<(), GroupError>>;

/// A waiting JoinGroup.
pub type JoinWaiter = Waiter<JoinReply>;
/// A waiting SyncGroup.
pub type SyncWaiter = Waiter<SyncReply>;

/// A reply to a request that waited, together with the request's waiter.
/// To the step's own request, or to an earlier one that this step completes.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To a JoinGroup.
    Join(JoinWaiter, JoinReply),
    /// To a SyncGroup.
    Sync(SyncWaiter, SyncReply),
}

/// The effects of one step of a group.
pub type Outcome = state_machine::Outcome<Reply>;
