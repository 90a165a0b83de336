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
    pub result: Result<JoinedGroup, GroupError>,
}

impl JoinReply {
    pub fn refused(member_id: MemberId, error: GroupError) -> JoinReply {
        JoinReply { member_id, result: Err(error) }
    }
}

/// The generation that a member has joined.
#[derive(Clone, Debug)]
pub struct JoinedGroup {
    pub generation: GenerationId,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub leader: MemberId,
    pub skip_assignment: bool,
    /// All members for the leader, none for the others.
    pub members: Vec<JoinedMember>,
}

/// A member of the generation, as the leader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    pub metadata: Bytes,
}

/// The answer to SyncGroup.
pub type SyncReply = Result<SyncedMember, GroupError>;

/// A member's own assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedMember {
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub assignment: Bytes,
}

/// The result for each member of a LeaveGroup, in the order of the request.
pub type LeaveReply = Vec<Result<(), GroupError>>;

/// A waiting JoinGroup.
pub type JoinWaiter = Waiter<JoinReply>;
/// A waiting SyncGroup.
pub type SyncWaiter = Waiter<SyncReply>;

/// A reply to a request that waited, together with the request's waiter.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To a JoinGroup.
    Join(JoinWaiter, JoinReply),
    /// To a SyncGroup.
    Sync(SyncWaiter, SyncReply),
}

/// The effects of one step of a group.
pub type Outcome = state_machine::Outcome<Reply>;
