//! The reasons for which a group refuses a request. Each variant is one Kafka error code; the pairing is in `crate::kafka::error`.

/// A refusal by a group coordinator. `Display` is for logs; clients see the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    #[error("this broker no longer coordinates the group")]
    NotCoordinator,
    #[error("the group's records could not be written")]
    StorageFailed,
    #[error("the group id is not valid")]
    InvalidGroupId,
    #[error("there is no such group")]
    GroupIdNotFound,
    #[error("the group still has members")]
    NonEmptyGroup,
    #[error("the member is not known to the group")]
    UnknownMemberId,
    #[error("the member must join again with the id that it was given")]
    MemberIdRequired,
    #[error("another member has taken over this group instance id")]
    FencedInstanceId,
    #[error("the generation is not the current one")]
    IllegalGeneration,
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    #[error("no protocol is common to all members, or the protocol type differs")]
    InconsistentGroupProtocol,
    #[error("the session timeout is outside the allowed range")]
    InvalidSessionTimeout,
    #[error("the group is full")]
    GroupMaxSizeReached,
    #[error("the metadata of the committed offset is too large")]
    OffsetMetadataTooLarge,
    #[error("the member epoch is fenced")]
    FencedMemberEpoch,
    #[error("the member epoch is not the current one")]
    StaleMemberEpoch,
    #[error("another member still has this group instance id")]
    UnreleasedInstanceId,
    #[error("the assignor is not one of the coordinator's")]
    UnsupportedAssignor,
    #[error("the regular expression is not valid")]
    InvalidRegularExpression,
    #[error("the request contradicts itself or lacks something")]
    InvalidRequest,
    #[error("a member of this protocol must use a newer version of the request")]
    UnsupportedVersion,
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
}

/// A refusal with a message for the person who uses the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub error: GroupError,
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
