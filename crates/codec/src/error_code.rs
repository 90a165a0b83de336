//! Every Kafka error code: its number, its name, whether clients retry it, and a default text.
//!
//! One table defines them all; numbers, names and retriability are those of `Errors` in
//! Apache Kafka 4.3.0. The broker decides which refusal becomes which code.
//!
//! The texts are our own.

use std::fmt;

/// Makes the enum and its look-ups of one table: number, Kafka's name, retriable or not, text.
macro_rules! error_codes {
    ($($variant:ident = $code:literal, $name:literal, $retriable:literal, $message:literal;)*) => {
        /// A Kafka error code, `-1..=133` as of Kafka 4.3.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(
                #[doc = concat!("`", $name, "` (", stringify!($code), "): ", $message, ".")]
                $variant = $code,
            )*
        }

        impl ErrorCode {
            /// All codes, in ascending order.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The code of this number, or `None` where Kafka 4.3 defines none.
            pub const fn from_code(code: i16) -> Option<ErrorCode> {
                match code {
                    $($code => Some(ErrorCode::$variant),)*
                    _ => None,
                }
            }

            /// Kafka's name, e.g. `UNKNOWN_TOPIC_OR_PARTITION`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// True if Kafka's clients repeat the request (its exception is a `RetriableException`).
            pub const fn retriable(self) -> bool {
                match self {
                    $(ErrorCode::$variant => $retriable,)*
                }
            }

            /// A default text for the `error_message` fields of responses.
            pub const fn message(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $message,)*
                }
            }
        }
    };
}

error_codes! {
    UnknownServerError = -1, "UNKNOWN_SERVER_ERROR", false, "the server ran into an unexpected error";
    None = 0, "NONE", false, "no error";
    OffsetOutOfRange = 1, "OFFSET_OUT_OF_RANGE", false, "the offset is outside the range that the partition holds";
    CorruptMessage = 2, "CORRUPT_MESSAGE", true, "the record data is corrupt: bad checksum, bad size, or a missing key in a compacted topic";
    UnknownTopicOrPartition = 3, "UNKNOWN_TOPIC_OR_PARTITION", true, "this server does not host the topic or partition";
    InvalidFetchSize = 4, "INVALID_FETCH_SIZE", false, "the fetch size is invalid";
    LeaderNotAvailable = 5, "LEADER_NOT_AVAILABLE", true, "the partition has no leader for the moment";
    NotLeaderOrFollower = 6, "NOT_LEADER_OR_FOLLOWER", true, "this broker is not the leader of the partition, or not a replica of it";
    RequestTimedOut = 7, "REQUEST_TIMED_OUT", true, "the request timed out";
    BrokerNotAvailable = 8, "BROKER_NOT_AVAILABLE", false, "the broker is not available";
    ReplicaNotAvailable = 9, "REPLICA_NOT_AVAILABLE", true, "the replica is not available for the partition";
    MessageTooLarge = 10, "MESSAGE_TOO_LARGE", false, "a record batch is larger than the server accepts";
    StaleControllerEpoch = 11, "STALE_CONTROLLER_EPOCH", false, "the controller moved to another broker";
    OffsetMetadataTooLarge = 12, "OFFSET_METADATA_TOO_LARGE", false, "the metadata of the offset commit is too large";
    NetworkException = 13, "NETWORK_EXCEPTION", true, "the server closed the connection before it answered";
    CoordinatorLoadInProgress = 14, "COORDINATOR_LOAD_IN_PROGRESS", true, "the coordinator is still loading";
    CoordinatorNotAvailable = 15, "COORDINATOR_NOT_AVAILABLE", true, "the coordinator is not available";
    NotCoordinator = 16, "NOT_COORDINATOR", true, "this broker is not the coordinator asked for";
    InvalidTopicException = 17, "INVALID_TOPIC_EXCEPTION", false, "the topic name is invalid or the topic may not be used this way";
    RecordListTooLarge = 18, "RECORD_LIST_TOO_LARGE", false, "the record batch is larger than a log segment";
    NotEnoughReplicas = 19, "NOT_ENOUGH_REPLICAS", true, "too few replicas are in sync";
    NotEnoughReplicasAfterAppend = 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", true, "the records were written, but to too few in-sync replicas";
    InvalidRequiredAcks = 21, "INVALID_REQUIRED_ACKS", false, "acks must be -1, 0 or 1";
    IllegalGeneration = 22, "ILLEGAL_GENERATION", false, "the group generation is not the current one";
    InconsistentGroupProtocol = 23, "INCONSISTENT_GROUP_PROTOCOL", false, "the member's protocols do not fit those of the group, or it offers none";
    InvalidGroupId = 24, "INVALID_GROUP_ID", false, "the group id is invalid";
    UnknownMemberId = 25, "UNKNOWN_MEMBER_ID", false, "the coordinator does not know this member";
    InvalidSessionTimeout = 26, "INVALID_SESSION_TIMEOUT", false, "the session timeout is outside the range that the broker allows";
    RebalanceInProgress = 27, "REBALANCE_IN_PROGRESS", false, "the group is rebalancing: join again";
    InvalidCommitOffsetSize = 28, "INVALID_COMMIT_OFFSET_SIZE", false, "the offset commit is too large";
    TopicAuthorizationFailed = 29, "TOPIC_AUTHORIZATION_FAILED", false, "not authorized for the topic";
    GroupAuthorizationFailed = 30, "GROUP_AUTHORIZATION_FAILED", false, "not authorized for the group";
    ClusterAuthorizationFailed = 31, "CLUSTER_AUTHORIZATION_FAILED", false, "not authorized for the cluster";
    InvalidTimestamp = 32, "INVALID_TIMESTAMP", false, "the record timestamp is out of the accepted range";
    UnsupportedSaslMechanism = 33, "UNSUPPORTED_SASL_MECHANISM", false, "the broker does not support this SASL mechanism";
    IllegalSaslState = 34, "ILLEGAL_SASL_STATE", false, "the request does not fit the state of the SASL exchange";
    UnsupportedVersion = 35, "UNSUPPORTED_VERSION", false, "the broker does not support this version of the API";
    TopicAlreadyExists = 36, "TOPIC_ALREADY_EXISTS", false, "a topic of this name already exists";
    InvalidPartitions = 37, "INVALID_PARTITIONS", false, "the number of partitions must be at least 1 and may only grow";
    InvalidReplicationFactor = 38, "INVALID_REPLICATION_FACTOR", false, "the replication factor is below 1 or above the number of brokers";
    InvalidReplicaAssignment = 39, "INVALID_REPLICA_ASSIGNMENT", false, "the replica assignment is invalid";
    InvalidConfig = 40, "INVALID_CONFIG", false, "the configuration is invalid";
    NotController = 41, "NOT_CONTROLLER", true, "this broker is not the controller";
    InvalidRequest = 42, "INVALID_REQUEST", false, "the request is malformed or makes no sense here; the broker's log has the reason";
    UnsupportedForMessageFormat = 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", false, "the message format does not support the request";
    PolicyViolation = 44, "POLICY_VIOLATION", false, "the request violates a policy of the server";
    OutOfOrderSequenceNumber = 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", false, "the sequence number is not the one expected next";
    DuplicateSequenceNumber = 46, "DUPLICATE_SEQUENCE_NUMBER", false, "the sequence number was seen before";
    InvalidProducerEpoch = 47, "INVALID_PRODUCER_EPOCH", false, "the producer epoch is older than the current one";
    InvalidTxnState = 48, "INVALID_TXN_STATE", false, "the transaction is not in a state that allows this";
    InvalidProducerIdMapping = 49, "INVALID_PRODUCER_ID_MAPPING", false, "the producer id is not the one of this transactional id";
    InvalidTransactionTimeout = 50, "INVALID_TRANSACTION_TIMEOUT", false, "the transaction timeout is above transaction.max.timeout.ms";
    // Retriable since Kafka 4.0.
    ConcurrentTransactions = 51, "CONCURRENT_TRANSACTIONS", true, "another operation of the same transaction is still under way";
    TransactionCoordinatorFenced = 52, "TRANSACTION_COORDINATOR_FENCED", false, "the transaction coordinator that sent this is no longer the current one";
    TransactionalIdAuthorizationFailed = 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", false, "not authorized for the transactional id";
    SecurityDisabled = 54, "SECURITY_DISABLED", false, "security features are disabled";
    OperationNotAttempted = 55, "OPERATION_NOT_ATTEMPTED", false, "the operation was not attempted because another part of the request failed";
    KafkaStorageError = 56, "KAFKA_STORAGE_ERROR", true, "the broker could not read or write its storage";
    LogDirNotFound = 57, "LOG_DIR_NOT_FOUND", false, "the broker has no such log directory";
    SaslAuthenticationFailed = 58, "SASL_AUTHENTICATION_FAILED", false, "SASL authentication failed";
    UnknownProducerId = 59, "UNKNOWN_PRODUCER_ID", false, "the broker knows nothing about this producer id, or no longer";
    ReassignmentInProgress = 60, "REASSIGNMENT_IN_PROGRESS", false, "a reassignment of the partition is under way";
    DelegationTokenAuthDisabled = 61, "DELEGATION_TOKEN_AUTH_DISABLED", false, "delegation tokens are not enabled";
    DelegationTokenNotFound = 62, "DELEGATION_TOKEN_NOT_FOUND", false, "the delegation token does not exist";
    DelegationTokenOwnerMismatch = 63, "DELEGATION_TOKEN_OWNER_MISMATCH", false, "the principal is neither owner nor renewer of the delegation token";
    DelegationTokenRequestNotAllowed = 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", false, "delegation tokens may not be requested over this connection";
    DelegationTokenAuthorizationFailed = 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", false, "not authorized for the delegation token";
    DelegationTokenExpired = 66, "DELEGATION_TOKEN_EXPIRED", false, "the delegation token has expired";
    InvalidPrincipalType = 67, "INVALID_PRINCIPAL_TYPE", false, "the principal type is not supported";
    NonEmptyGroup = 68, "NON_EMPTY_GROUP", false, "the group is not empty";
    GroupIdNotFound = 69, "GROUP_ID_NOT_FOUND", false, "the group does not exist";
    FetchSessionIdNotFound = 70, "FETCH_SESSION_ID_NOT_FOUND", true, "the fetch session does not exist";
    InvalidFetchSessionEpoch = 71, "INVALID_FETCH_SESSION_EPOCH", true, "the fetch session epoch is not the one expected";
    ListenerNotFound = 72, "LISTENER_NOT_FOUND", true, "the leader has no listener of that name";
    TopicDeletionDisabled = 73, "TOPIC_DELETION_DISABLED", false, "deletion of topics is disabled";
    FencedLeaderEpoch = 74, "FENCED_LEADER_EPOCH", true, "the leader epoch is older than the broker's";
    UnknownLeaderEpoch = 75, "UNKNOWN_LEADER_EPOCH", true, "the leader epoch is newer than the broker's";
    UnsupportedCompressionType = 76, "UNSUPPORTED_COMPRESSION_TYPE", false, "the client does not support the compression of the partition";
    StaleBrokerEpoch = 77, "STALE_BROKER_EPOCH", false, "the broker epoch has changed";
    OffsetNotAvailable = 78, "OFFSET_NOT_AVAILABLE", true, "offsets are not available until the new leader has caught up";
    MemberIdRequired = 79, "MEMBER_ID_REQUIRED", false, "the member must join again with the member id it was given";
    PreferredLeaderNotAvailable = 80, "PREFERRED_LEADER_NOT_AVAILABLE", true, "the preferred leader is not available";
    GroupMaxSizeReached = 81, "GROUP_MAX_SIZE_REACHED", false, "the group is full";
    FencedInstanceId = 82, "FENCED_INSTANCE_ID", false, "another member with the same group.instance.id has taken this one's place";
    EligibleLeadersNotAvailable = 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", true, "no eligible leader is available";
    ElectionNotNeeded = 84, "ELECTION_NOT_NEEDED", true, "no election is needed for the partition";
    NoReassignmentInProgress = 85, "NO_REASSIGNMENT_IN_PROGRESS", false, "no reassignment is under way";
    GroupSubscribedToTopic = 86, "GROUP_SUBSCRIBED_TO_TOPIC", false, "the group is subscribed to the topic, so its offsets stay";
    InvalidRecord = 87, "INVALID_RECORD", false, "the record failed the broker's validation";
    UnstableOffsetCommit = 88, "UNSTABLE_OFFSET_COMMIT", true, "some of the offsets belong to a transaction that is still open";
    ThrottlingQuotaExceeded = 89, "THROTTLING_QUOTA_EXCEEDED", true, "a quota was exceeded";
    ProducerFenced = 90, "PRODUCER_FENCED", false, "a newer producer with the same transactional id has taken over";
    ResourceNotFound = 91, "RESOURCE_NOT_FOUND", false, "the resource does not exist";
    DuplicateResource = 92, "DUPLICATE_RESOURCE", false, "the request names the same resource twice";
    UnacceptableCredential = 93, "UNACCEPTABLE_CREDENTIAL", false, "the credential does not meet the requirements";
    InconsistentVoterSet = 94, "INCONSISTENT_VOTER_SET", false, "sender or receiver is not in the expected set of voters";
    InvalidUpdateVersion = 95, "INVALID_UPDATE_VERSION", false, "the version of the update is invalid";
    FeatureUpdateFailed = 96, "FEATURE_UPDATE_FAILED", false, "the features could not be updated";
    PrincipalDeserializationFailure = 97, "PRINCIPAL_DESERIALIZATION_FAILURE", false, "the forwarded principal could not be decoded";
    SnapshotNotFound = 98, "SNAPSHOT_NOT_FOUND", false, "the snapshot does not exist";
    PositionOutOfRange = 99, "POSITION_OUT_OF_RANGE", false, "the position is outside the snapshot";
    UnknownTopicId = 100, "UNKNOWN_TOPIC_ID", true, "this server does not host a topic with this id";
    DuplicateBrokerRegistration = 101, "DUPLICATE_BROKER_REGISTRATION", false, "the broker id is already in use";
    BrokerIdNotRegistered = 102, "BROKER_ID_NOT_REGISTERED", false, "the broker id is not registered";
    InconsistentTopicId = 103, "INCONSISTENT_TOPIC_ID", true, "the topic id does not match the one of the log";
    InconsistentClusterId = 104, "INCONSISTENT_CLUSTER_ID", false, "the cluster id does not match";
    TransactionalIdNotFound = 105, "TRANSACTIONAL_ID_NOT_FOUND", false, "the transactional id does not exist";
    FetchSessionTopicIdError = 106, "FETCH_SESSION_TOPIC_ID_ERROR", true, "the fetch session mixes requests with and without topic ids";
    IneligibleReplica = 107, "INELIGIBLE_REPLICA", false, "a replica of the new ISR is not eligible";
    NewLeaderElected = 108, "NEW_LEADER_ELECTED", false, "the partition was changed, and so was its leader";
    OffsetMovedToTieredStorage = 109, "OFFSET_MOVED_TO_TIERED_STORAGE", false, "the offset has moved to tiered storage";
    FencedMemberEpoch = 110, "FENCED_MEMBER_EPOCH", false, "the member epoch is fenced: give up all partitions and join again";
    UnreleasedInstanceId = 111, "UNRELEASED_INSTANCE_ID", false, "the group instance id still belongs to another member";
    UnsupportedAssignor = 112, "UNSUPPORTED_ASSIGNOR", false, "the group does not support this assignor";
    StaleMemberEpoch = 113, "STALE_MEMBER_EPOCH", false, "the member epoch is stale: retry with the one from the next heartbeat";
    MismatchedEndpointType = 114, "MISMATCHED_ENDPOINT_TYPE", false, "the request was sent to the wrong type of endpoint";
    UnsupportedEndpointType = 115, "UNSUPPORTED_ENDPOINT_TYPE", false, "this type of endpoint is not supported";
    UnknownControllerId = 116, "UNKNOWN_CONTROLLER_ID", false, "the controller id is unknown";
    UnknownSubscriptionId = 117, "UNKNOWN_SUBSCRIPTION_ID", false, "the telemetry subscription id is invalid or outdated";
    TelemetryTooLarge = 118, "TELEMETRY_TOO_LARGE", false, "the telemetry data is larger than the broker accepts";
    InvalidRegistration = 119, "INVALID_REGISTRATION", false, "the broker registration is invalid";
    TransactionAbortable = 120, "TRANSACTION_ABORTABLE", false, "the transaction failed and can be aborted to go on";
    InvalidRecordState = 121, "INVALID_RECORD_STATE", false, "the record is not in a state that allows this acknowledgement";
    ShareSessionNotFound = 122, "SHARE_SESSION_NOT_FOUND", true, "the share session does not exist";
    InvalidShareSessionEpoch = 123, "INVALID_SHARE_SESSION_EPOCH", true, "the share session epoch is not the one expected";
    FencedStateEpoch = 124, "FENCED_STATE_EPOCH", false, "the state epoch of the share group does not match";
    InvalidVoterKey = 125, "INVALID_VOTER_KEY", false, "the voter key does not match the replica's";
    DuplicateVoter = 126, "DUPLICATE_VOTER", false, "the voter is in the set already";
    VoterNotFound = 127, "VOTER_NOT_FOUND", false, "the voter is not in the set";
    InvalidRegularExpression = 128, "INVALID_REGULAR_EXPRESSION", false, "the regular expression is invalid";
    RebootstrapRequired = 129, "REBOOTSTRAP_REQUIRED", false, "the client's metadata is stale: start again from the bootstrap servers";
    StreamsInvalidTopology = 130, "STREAMS_INVALID_TOPOLOGY", false, "the topology is invalid";
    StreamsInvalidTopologyEpoch = 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", false, "the topology epoch is invalid";
    StreamsTopologyFenced = 132, "STREAMS_TOPOLOGY_FENCED", false, "the topology epoch is outdated";
    ShareSessionLimitReached = 133, "SHARE_SESSION_LIMIT_REACHED", true, "the limit of share sessions is reached";
}

impl ErrorCode {
    /// The number on the wire.
    /// 0 is no error, -1 an unknown one of the server.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// True for everything but [`ErrorCode::None`].
    pub const fn is_error(self) -> bool {
        self.code() != 0
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> i16 {
        code.code()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::error::ResponseError;

    #[test]
    fn codes_have_no_gaps_and_survive_the_wire() {
        for (code, error) in (-1..=133).zip(ErrorCode::ALL) {
            assert_eq!(error.code(), code);
            assert_eq!(ErrorCode::from_code(code), Some(*error));
        }
        assert_eq!(ErrorCode::ALL.len(), 135);
        assert_eq!(ErrorCode::from_code(134), None);
        assert_eq!(ErrorCode::from_code(-2), None);
    }

    #[test]
    fn names_agree_with_an_independent_table() {
        for error in ErrorCode::ALL.iter().filter(|e| e.is_error()) {
            let camel: String = error
                .name()
                .split('_')
                .map(|part| part[..1].to_string() + &part[1..].to_lowercase())
                .collect();
            let theirs = ResponseError::try_from_code(error.code()).map(|e| e.to_string());
            assert_eq!(theirs, Some(camel), "code {}", error.code());
        }
    }

    #[test]
    fn retriability_is_kafkas() {
        assert!(ErrorCode::UnknownTopicOrPartition.retriable());
        assert!(ErrorCode::ConcurrentTransactions.retriable(), "since Kafka 4.0");
        assert!(!ErrorCode::RebalanceInProgress.retriable());
        assert!(!ErrorCode::UnknownServerError.retriable());
    }
}
