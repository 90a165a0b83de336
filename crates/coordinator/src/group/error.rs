//! The reasons for which a group refuses a request. Each variant stands for one Kafka error code; the
//! pairing, and what clients do with each code, is in the broker crate, `kafka/error.rs`.

/// A refusal by a group coordinator. `Display` is for logs; clients see the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The group was just deleted, or its records cannot be read.
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    /// Only of the shell: another broker may coordinate the group, or this one stops while the request waits.
    #[error("this broker does not coordinate the group")]
    NotCoordinator,
    /// Only of the shell: this broker has taken the group over and not read it yet.
    #[error("the coordinator is loading its groups")]
    CoordinatorLoadInProgress,
    /// Only of the shell: what the answer would tell is not durable, and never will be.
    #[error("the group's records could not be written")]
    StorageFailed,
    /// Only of the shell: the disk has no space for what the request writes.
    #[error("the broker's disk is almost full: commits and joins are refused until there is space")]
    DiskFull,
    /// Only of the shell: the group id is empty.
    #[error("the group id is not valid")]
    InvalidGroupId,
    #[error("there is no such group")]
    GroupIdNotFound,
    /// Of DeleteGroups, and of OffsetDelete while the members are not consumers.
    #[error("the group still has members")]
    NonEmptyGroup,
    /// Also of JoinGroup, SyncGroup, Heartbeat and LeaveGroup for a group that does not exist.
    #[error("the member is not known to the group")]
    UnknownMemberId,
    /// KIP-394. The answer carries the id.
    #[error("the member must join again with the id that it was given")]
    MemberIdRequired,
    /// KIP-345: another process has this instance id. Final for the client.
    #[error("another member has taken over this group instance id")]
    FencedInstanceId,
    /// A classic member of a consumer group has its member epoch as its generation.
    #[error("the generation is not the current one")]
    IllegalGeneration,
    /// A member takes it as the call to join again. Also of a waiting request that a later one replaces.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    #[error("no protocol is common to all members, or the protocol type differs")]
    InconsistentGroupProtocol,
    /// Only of the shell: see [`GroupConfig::allows_session_of`](super::GroupConfig::allows_session_of).
    #[error("the session timeout is outside the allowed range")]
    InvalidSessionTimeout,
    /// KIP-389. Also where too many ids were given out that no client has come back with.
    #[error("the group is full")]
    GroupMaxSizeReached,
    /// Of one partition; the others of the request are committed.
    #[error("the metadata of the committed offset is too large")]
    OffsetMetadataTooLarge,
    /// KIP-848, of heartbeats: the member gives up its partitions and joins anew.
    #[error("the member epoch is fenced")]
    FencedMemberEpoch,
    /// KIP-848, of commits and fetches of offsets: the next heartbeat tells the member its epoch.
    #[error("the member epoch is not the current one")]
    StaleMemberEpoch,
    /// KIP-848: that one must leave first, with epoch -2 or -1, or its session must end.
    #[error("another member still has this group instance id")]
    UnreleasedInstanceId,
    #[error("the assignor is not one of the coordinator's")]
    UnsupportedAssignor,
    #[error("the regular expression is not valid")]
    InvalidRegularExpression,
    /// Also where a part of it is longer than a record can hold ([`limits`](crate::limits)).
    #[error("the request contradicts itself or lacks something")]
    InvalidRequest,
    /// Of OffsetCommit before version 9, by a member of the consumer protocol.
    #[error("a member of this protocol must use a newer version of the request")]
    UnsupportedVersion,
    /// KIP-1071: ends the Streams client.
    #[error("the topology is not valid")]
    StreamsInvalidTopology,
    /// KIP-496, of one partition.
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
}

/// A refusal with a message for the person who uses the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub error: GroupError,
    /// A sentence. Answers without a field for it lose it.
    pub message: String,
}

impl Refused {
    pub fn new(error: GroupError, message: impl Into<String>) -> Refused {
        Refused { error, message: message.into() }
    }
}

impl From<GroupError> for Refused {
    fn from(error: GroupError) -> Refused {
        Refused::new(error, error.to_string())
    }
}
