//! The requests that both kinds of groups serve: those of the classic protocol, and the identity of a commit.
//!
//! They own their strings and bytes: nothing in here keeps the frame of a request alive.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use uuid::Uuid;

use super::{GenerationId, GroupInstanceId, MemberId};
use crate::limits::{MAX_BYTES, MAX_ENTRIES, check, check_string};
use crate::state_machine::TooLong;

/// One protocol (an assignor, for consumers) that a member offers, with what it wants the leader to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub name: Arc<str>,
    /// Opaque, except that consumers put their subscription in here (`consumer_protocol`).
    pub metadata: Bytes,
}

/// A JoinGroup.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// [`MemberId::none`] for a client that has no id yet.
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    /// Begins the id of a dynamic member; empty if the client has no name.
    pub client_id: Arc<str>,
    /// The client's address, for descriptions.
    pub client_host: Arc<str>,
    /// The member is removed when it is silent for this long. The shell has checked the bounds.
    pub session_timeout_ms: u32,
    /// How long a rebalance may wait for the member (KIP-62); in version 0 the session timeout.
    pub rebalance_timeout_ms: u32,
    /// `consumer` for consumers; another for Connect's workers and other users of the protocol.
    pub protocol_type: Arc<str>,
    /// In the client's order of preference.
    pub protocols: Vec<Protocol>,
    /// Version 4 and later: a dynamic member must ask for its id first (KIP-394).
    pub requires_known_member_id: bool,
    /// Version 9 and later: a leader may be told to skip the assignment (KIP-814).
    pub supports_skipping_assignment: bool,
    /// The client's reason for joining (KIP-800); for the log only.
    pub reason: Option<String>,
    /// The random part of the id, should a new one be given out.
    pub fresh: Uuid,
}

/// A SyncGroup.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    pub generation: GenerationId,
    /// Version 5 and later: checked against the group's when given (KIP-559).
    pub protocol_type: Option<Arc<str>>,
    /// As `protocol_type`.
    pub protocol: Option<Arc<str>>,
    /// From the leader; others send none.
    pub assignments: HashMap<MemberId, Bytes>,
}

/// One of the members that a LeaveGroup names.
#[derive(Clone, Debug)]
pub struct LeavingMember {
    /// [`MemberId::none`] with an instance id: removed by an administrator.
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    /// The client's reason (KIP-800); for the log only.
    pub reason: Option<String>,
}

/// The sender of an OffsetCommit, as the request says.
#[derive(Clone, Debug)]
pub struct CommitIdentity {
    /// [`MemberId::none`] together with [`GenerationId::NONE`]: not a member, such as an admin tool or `assign()`.
    pub member_id: MemberId,
    pub group_instance_id: Option<GroupInstanceId>,
    /// The member epoch of a member of the consumer protocol.
    pub generation: GenerationId,
}

impl CommitIdentity {
    /// True for a sender that names neither generation nor member nor instance: so do clients before KIP-447 in a
    /// transaction, and tools.
    pub fn is_anonymous(&self) -> bool {
        self.generation == GenerationId::NONE && self.member_id.is_none() && self.group_instance_id.is_none()
    }
}

impl JoinRequest {
    /// The id of a new member: what the client calls itself, and the random part.
    /// The same with every call. As Kafka's `ClassicGroup.generateMemberId`; it can be 37 bytes longer than
    /// the client's name.
    pub fn new_member_id(&self) -> MemberId {
        let prefix = self.group_instance_id.as_ref().map_or(&*self.client_id, GroupInstanceId::as_str);
        MemberId::from(format!("{prefix}-{}", self.fresh))
    }

    /// Checks that a record can hold the member.
    ///
    /// # Errors
    /// With the first part that is too long.
    pub(super) fn check_lengths(&self) -> Result<(), TooLong> {
        check_string("the member id", self.member_id.as_str())?;
        check_string("the new member id", self.new_member_id().as_str())?;
        check_string("the client id", &self.client_id)?;
        check_string("the protocol type", &self.protocol_type)?;
        check("the list of protocols", self.protocols.len(), MAX_ENTRIES)?;
        for protocol in &self.protocols {
            check_string("the name of a protocol", &protocol.name)?;
            check("the metadata of a protocol", protocol.metadata.len(), MAX_BYTES)?;
        }
        Ok(())
    }
}

impl SyncRequest {
    /// Checks that a record can hold the assignments.
    ///
    /// # Errors
    /// With the first assignment that is too long.
    pub(super) fn check_lengths(&self) -> Result<(), TooLong> {
        self.assignments
            .values()
            .try_for_each(|assignment| check("an assignment", assignment.len(), MAX_BYTES))
    }
}
