//! Domain errors to Kafka's error codes: the one place where a refusal gets its number.
//!
//! Every match is exhaustive, without a wildcard arm, so that a new refusal is a compile error here and not
//! `UNKNOWN_SERVER_ERROR` at a client. Texts are left to the errors themselves; [`error_text`] bounds them.

use std::fmt::Display;

use codec::ErrorCode;
use codec::messages::StrBytes;

use coordinator::group::GroupError;
use coordinator::transaction::TransactionError;
use security::quota::InvalidFilter;
use storage::AppendError;

use crate::kafka::access::failed;
use crate::services::acls::AclError;
use crate::services::admin::error::TopicError;
use crate::services::append::batch::ProduceError;
use crate::services::client_metrics::ClientMetricsError;
use crate::services::configs::kind::ConfigsError;
use crate::services::coordinator::transaction::MarkerRefused;
use crate::services::credentials::CredentialError;
use crate::services::delegation_tokens::TokenError;
use crate::services::fetch::session::SessionError;
use crate::services::quotas::QuotaError;
use crate::topics::error::PartitionError;

/// The longest text of an error in a response, in bytes. Longer ones repeat a name or a value that a client sent, which may
/// be as long as a string of the protocol (32 767 bytes): with words around it, it would not fit one any more.
const MAX_TEXT_BYTES: usize = 4096;

/// An error's text for a response, cut to [`MAX_TEXT_BYTES`].
pub(crate) fn error_text(mut text: String) -> StrBytes {
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES - '…'.len_utf8()));
        text.push('…');
    }
    StrBytes::from_string(text)
}

/// The code and the text of an outcome, for answers that have a text with each code; 0 and null where nothing was refused.
pub(crate) fn code_and_text<E: Display>(outcome: Result<(), E>) -> (i16, Option<StrBytes>)
where
    for<'e> ErrorCode: From<&'e E>,
{
    match outcome {
        Ok(()) => (ErrorCode::None.code(), None),
        Err(error) => (ErrorCode::from(&error).code(), Some(error_text(error.to_string()))),
    }
}

/// The code for a client that asked with `version` of an API whose versions have KAFKA_STORAGE_ERROR `since` then (KIP-112).
/// To older clients the code is unknown and so final; NOT_LEADER_OR_FOLLOWER they retry.
pub(crate) fn known_to_client(code: ErrorCode, version: i16, since: i16) -> ErrorCode {
    match code {
        ErrorCode::KafkaStorageError if version < since => ErrorCode::NotLeaderOrFollower,
        code => code,
    }
}

/// As [`known_to_client`], for requests that concern no leader: to older clients REQUEST_TIMED_OUT, which says that
/// nothing is wrong with the request.
pub(crate) fn known_to_admin(code: ErrorCode, version: i16, since: i16) -> ErrorCode {
    match code {
        ErrorCode::KafkaStorageError if version < since => ErrorCode::RequestTimedOut,
        code => code,
    }
}

/// The code for a topic that Metadata was to create. Where there is no space, the one of a topic that is being
/// created: every client knows it, and asks again.
pub(crate) fn not_created(error: &TopicError) -> ErrorCode {
    match error {
        TopicError::DiskFull | TopicError::Throttled => ErrorCode::LeaderNotAvailable,
        error => error.into(),
    }
}

/// The codes of requests that create, grow, delete or configure topics.
impl From<&TopicError> for ErrorCode {
    fn from(error: &TopicError) -> Self {
        match error {
            TopicError::InvalidName(_) => Self::InvalidTopicException,
            TopicError::AlreadyExists(_) => Self::TopicAlreadyExists,
            TopicError::UnknownTopic => Self::UnknownTopicOrPartition,
            TopicError::UnknownTopicId => Self::UnknownTopicId,
            TopicError::NotAuthorized => Self::TopicAuthorizationFailed,
            TopicError::InvalidPartitions(_) => Self::InvalidPartitions,
            TopicError::InvalidReplicationFactor(_) => Self::InvalidReplicationFactor,
            TopicError::InvalidAssignment(_) => Self::InvalidReplicaAssignment,
            TopicError::InvalidConfig(_) => Self::InvalidConfig,
            TopicError::InvalidRequest(_) => Self::InvalidRequest,
            // As Kafka's `ReplicationControlManager`, for more than 10 000 partitions in one request.
            TopicError::TooMuch(_) => Self::PolicyViolation,
            TopicError::DeletionDisabled => Self::TopicDeletionDisabled,
            // Clients take it as retriable.
            TopicError::Busy => Self::RequestTimedOut,
            TopicError::Throttled => Self::ThrottlingQuotaExceeded,
            TopicError::Unreadable | TopicError::Storage | TopicError::DiskFull => Self::KafkaStorageError,
        }
    }
}

/// The codes of requests that name partitions: Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, and
/// Produce through `ProduceError`.
impl From<&PartitionError> for ErrorCode {
    fn from(error: &PartitionError) -> Self {
        match error {
            PartitionError::UnknownTopicOrPartition => Self::UnknownTopicOrPartition,
            PartitionError::UnknownTopicId => Self::UnknownTopicId,
            // KIP-516: the name belongs to another topic by now; the client refreshes its metadata.
            PartitionError::InconsistentTopicId => Self::InconsistentTopicId,
            // Comes before any look at the name, and tells nothing about existence.
            PartitionError::NotAuthorized => Self::TopicAuthorizationFailed,
            // As `ReplicaManager.appendToLocalLog`, which lets no client write to an internal topic.
            PartitionError::InternalTopic => Self::InvalidTopicException,
            // KIP-320: older than the leader's. The client refreshes its metadata.
            PartitionError::FencedLeaderEpoch => Self::FencedLeaderEpoch,
            // KIP-320: newer than the leader's. The client asks again.
            PartitionError::UnknownLeaderEpoch => Self::UnknownLeaderEpoch,
            // A consumer goes by its `auto.offset.reset`.
            PartitionError::OffsetOutOfRange => Self::OffsetOutOfRange,
            // As `Partition.deleteRecordsOnLeader`.
            PartitionError::OnlyCompacted => Self::PolicyViolation,
            PartitionError::InvalidRequest => Self::InvalidRequest,
            PartitionError::UnsupportedVersion => Self::UnsupportedVersion,
            // Of a Fetch that wants message sets: they have no zstd (KIP-110).
            PartitionError::UnsupportedCompressionType => Self::UnsupportedCompressionType,
            PartitionError::CorruptRecords => Self::CorruptMessage,
            // Retriable: the client refreshes its metadata, to find the leader.
            PartitionError::NotLeader => Self::NotLeaderOrFollower,
            // Metadata names this broker already. Kafka answers so between its election and its `makeLeader`, and clients refresh
            // their metadata and try again after their backoff. LEADER_NOT_AVAILABLE is no answer to a Fetch: Java's consumer fails on
            // it; KAFKA_STORAGE_ERROR would tell operators of a failed disk.
            PartitionError::Unavailable => Self::NotLeaderOrFollower,
            // Retriable: Java's `KafkaStorageException` is an `InvalidMetadataException`.
            PartitionError::Storage => Self::KafkaStorageError,
        }
    }
}

/// The code of a refusal by a group. A function, since both types belong to other crates.
pub(crate) fn group_error_code(error: GroupError) -> ErrorCode {
    match error {
        GroupError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
        // Joins and syncs that wait end with it when the broker stops: clients then look for the coordinator.
        GroupError::NotCoordinator => ErrorCode::NotCoordinator,
        // Clients ask the same coordinator again.
        GroupError::CoordinatorLoadInProgress => ErrorCode::CoordinatorLoadInProgress,
        // Clients look for the coordinator again, and find it when the broker is back.
        GroupError::StorageFailed => ErrorCode::CoordinatorNotAvailable,
        // Every client knows it, and asks the same coordinator again after its backoff. After
        // COORDINATOR_NOT_AVAILABLE it looks for the coordinator, finds this one, and Java's consumers then ask
        // without a backoff.
        GroupError::DiskFull => ErrorCode::CoordinatorLoadInProgress,
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::GroupIdNotFound => ErrorCode::GroupIdNotFound,
        GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        // The client forgets its member id and joins anew.
        GroupError::UnknownMemberId => ErrorCode::UnknownMemberId,
        // KIP-394: no failure. The client joins again with the id in the answer.
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        // KIP-345: final for the client, as another one runs under its `group.instance.id`.
        GroupError::FencedInstanceId => ErrorCode::FencedInstanceId,
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        // No failure: a member takes it as the call to join again.
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        // KIP-389: final for the client, which must not come back at once.
        GroupError::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
        GroupError::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        // KIP-848: the member gives up its partitions and joins anew with epoch 0.
        GroupError::FencedMemberEpoch => ErrorCode::FencedMemberEpoch,
        // KIP-848: of commits and fetches of offsets; the member learns its epoch from the next heartbeat.
        GroupError::StaleMemberEpoch => ErrorCode::StaleMemberEpoch,
        // KIP-848: the static member of that name has not left yet.
        GroupError::UnreleasedInstanceId => ErrorCode::UnreleasedInstanceId,
        // KIP-848: `group.remote.assignor` of the client names one that the broker does not have.
        GroupError::UnsupportedAssignor => ErrorCode::UnsupportedAssignor,
        GroupError::InvalidRegularExpression => ErrorCode::InvalidRegularExpression,
        GroupError::InvalidRequest => ErrorCode::InvalidRequest,
        GroupError::UnsupportedVersion => ErrorCode::UnsupportedVersion,
        // KIP-496: OffsetDelete must not take offsets from under a consumer.
        GroupError::StreamsInvalidTopology => ErrorCode::StreamsInvalidTopology,
        GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
    }
}

/// The codes of transactions that a client knows, by the version of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransactionCodes {
    /// PRODUCER_FENCED (KIP-588). Without it, and for Produce and TxnOffsetCommit always, INVALID_PRODUCER_EPOCH.
    pub(crate) fenced: bool,
    /// TRANSACTION_ABORTABLE (KIP-890). Without it INVALID_TXN_STATE.
    pub(crate) abortable: bool,
}

/// The code of a refusal by the coordinator of transactions.
pub(crate) fn transaction_error_code(error: TransactionError, known: TransactionCodes) -> ErrorCode {
    match error {
        TransactionError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
        // Clients look for the coordinator again.
        TransactionError::NotCoordinator => ErrorCode::NotCoordinator,
        // Clients ask the same coordinator again.
        TransactionError::CoordinatorLoadInProgress => ErrorCode::CoordinatorLoadInProgress,
        // As for groups: clients find the coordinator when the broker is back, or ask again until there is space.
        TransactionError::StorageFailed => ErrorCode::CoordinatorNotAvailable,
        TransactionError::DiskFull => ErrorCode::CoordinatorLoadInProgress,
        TransactionError::InvalidRequest => ErrorCode::InvalidRequest,
        TransactionError::InvalidTransactionTimeout => ErrorCode::InvalidTransactionTimeout,
        TransactionError::InvalidProducerIdMapping => ErrorCode::InvalidProducerIdMapping,
        TransactionError::ProducerFenced if known.fenced => ErrorCode::ProducerFenced,
        TransactionError::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        TransactionError::ConcurrentTransactions => ErrorCode::ConcurrentTransactions,
        TransactionError::InvalidTxnState => ErrorCode::InvalidTxnState,
        TransactionError::NotInTransaction if known.abortable => ErrorCode::TransactionAbortable,
        TransactionError::NotInTransaction => ErrorCode::InvalidTxnState,
        TransactionError::TransactionalIdNotFound => ErrorCode::TransactionalIdNotFound,
        // The service draws one and asks again.
        TransactionError::ProducerIdNeeded => ErrorCode::CoordinatorNotAvailable,
    }
}

/// The code of transactional batches that the coordinator refuses, for a client that knows TRANSACTION_ABORTABLE.
fn produce_in_transaction_code(error: TransactionError) -> ErrorCode {
    match error {
        // `AddPartitionsToTxnManager`: producers know none of the coordinator's codes, and retry on this one.
        TransactionError::CoordinatorNotAvailable
        | TransactionError::NotCoordinator
        | TransactionError::CoordinatorLoadInProgress => ErrorCode::NotEnoughReplicas,
        TransactionError::StorageFailed | TransactionError::DiskFull => ErrorCode::KafkaStorageError,
        error => transaction_error_code(error, TransactionCodes { fenced: false, abortable: true }),
    }
}

/// The code of a partition that takes no marker by hand (WriteTxnMarkers).
impl From<&MarkerRefused> for ErrorCode {
    fn from(error: &MarkerRefused) -> Self {
        match error {
            MarkerRefused::UnknownPartition => Self::UnknownTopicOrPartition,
            MarkerRefused::InvalidProducerEpoch => Self::InvalidProducerEpoch,
            MarkerRefused::CoordinatorFenced => Self::TransactionCoordinatorFenced,
            MarkerRefused::NotLeader => Self::NotLeaderOrFollower,
            MarkerRefused::UnknownVersion => Self::UnknownServerError,
            MarkerRefused::Transaction(error) => {
                transaction_error_code(*error, TransactionCodes { fenced: false, abortable: false })
            }
        }
    }
}

/// The codes of DescribeAcls, CreateAcls and DeleteAcls.
impl From<&AclError> for ErrorCode {
    fn from(error: &AclError) -> Self {
        match error {
            AclError::Invalid(_) | AclError::Code(_) | AclError::TooMany => Self::InvalidRequest,
            AclError::Storage => Self::KafkaStorageError,
        }
    }
}

/// The codes of AlterClientQuotas (KIP-546).
impl From<&QuotaError> for ErrorCode {
    fn from(error: &QuotaError) -> Self {
        match error {
            QuotaError::Entity(_)
            | QuotaError::Quota(_)
            | QuotaError::DuplicateEntity
            | QuotaError::DuplicateKey(_)
            | QuotaError::TooMany => Self::InvalidRequest,
            QuotaError::TooManyEntities => Self::PolicyViolation,
            QuotaError::Storage => Self::KafkaStorageError,
        }
    }
}

/// The code of DescribeClientQuotas (KIP-546). A function, since both types belong to other crates.
pub(crate) fn filter_code(error: &InvalidFilter) -> ErrorCode {
    match error {
        InvalidFilter::UnsupportedType(_) => ErrorCode::UnsupportedVersion,
        InvalidFilter::EmptyType
        | InvalidFilter::Duplicate(_)
        | InvalidFilter::NoName
        | InvalidFilter::NameOfDefault
        | InvalidFilter::NameOfAny
        | InvalidFilter::MatchType(_)
        | InvalidFilter::Mixed => ErrorCode::InvalidRequest,
    }
}

/// The codes of AlterUserScramCredentials (KIP-554).
impl From<&CredentialError> for ErrorCode {
    fn from(error: &CredentialError) -> Self {
        match error {
            CredentialError::Duplicate => Self::DuplicateResource,
            CredentialError::EmptyName
            | CredentialError::TooFewIterations
            | CredentialError::TooManyIterations
            | CredentialError::TooLong => Self::UnacceptableCredential,
            CredentialError::UnknownMechanism => Self::UnsupportedSaslMechanism,
            CredentialError::NotFound => Self::ResourceNotFound,
            CredentialError::TooMany => Self::InvalidRequest,
            CredentialError::Storage => Self::KafkaStorageError,
        }
    }
}

/// The codes of CreateDelegationToken, RenewDelegationToken and ExpireDelegationToken (KIP-48).
impl From<&TokenError> for ErrorCode {
    fn from(error: &TokenError) -> Self {
        match error {
            TokenError::NotFound => Self::DelegationTokenNotFound,
            TokenError::Expired => Self::DelegationTokenExpired,
            TokenError::NotOwner => Self::DelegationTokenOwnerMismatch,
            TokenError::PrincipalType => Self::InvalidPrincipalType,
            TokenError::TooMany | TokenError::TooManyOfRequester => Self::PolicyViolation,
            TokenError::TooLarge => Self::InvalidRequest,
            TokenError::Storage => Self::KafkaStorageError,
        }
    }
}

/// The codes of DescribeConfigs, AlterConfigs and IncrementalAlterConfigs.
impl From<&ConfigsError> for ErrorCode {
    fn from(error: &ConfigsError) -> Self {
        match error {
            ConfigsError::NotAuthorized(resource) => failed(*resource),
            ConfigsError::Topic(error) => Self::from(error),
            ConfigsError::UnknownTopic(_) => Self::UnknownTopicOrPartition,
            ConfigsError::InvalidConfig(_) => Self::InvalidConfig,
            ConfigsError::InvalidRequest(_) => Self::InvalidRequest,
        }
    }
}

/// The codes of GetTelemetrySubscriptions and PushTelemetry (KIP-714).
impl From<&ClientMetricsError> for ErrorCode {
    fn from(error: &ClientMetricsError) -> Self {
        match error {
            ClientMetricsError::InvalidRequest(_) => Self::InvalidRequest,
            // KIP-714: the client asked or pushed before its interval was over.
            ClientMetricsError::Throttled => Self::ThrottlingQuotaExceeded,
            // KIP-714: the client asks for its subscription anew, and pushes by that.
            ClientMetricsError::UnknownSubscriptionId => Self::UnknownSubscriptionId,
            ClientMetricsError::UnsupportedCompression(_) => Self::UnsupportedCompressionType,
            // KIP-714: longer than the `telemetry_max_bytes` that the client was told.
            ClientMetricsError::TooLarge { .. } => Self::TelemetryTooLarge,
            ClientMetricsError::InvalidRecord(_) => Self::InvalidRecord,
        }
    }
}

/// The codes of a whole Fetch, not of a partition in it (KIP-227).
impl From<&SessionError> for ErrorCode {
    fn from(error: &SessionError) -> Self {
        match error {
            // KIP-227: the client begins again with a full fetch.
            SessionError::IdNotFound => Self::FetchSessionIdNotFound,
            // KIP-227: the client closes this session, and begins another with a full fetch.
            SessionError::InvalidEpoch => Self::InvalidFetchSessionEpoch,
            // KIP-516: a session was begun by names and goes on by ids, or the other way round.
            SessionError::TopicIdError => Self::FetchSessionTopicIdError,
        }
    }
}

/// The codes of one partition of Produce. A client retries by the code alone, so each has to be retriable or
/// final as Kafka's is.
impl From<&ProduceError> for ErrorCode {
    fn from(error: &ProduceError) -> Self {
        match error {
            ProduceError::Batch(error) => error.error_code(),
            // KIP-110: zstd came with Produce version 7.
            ProduceError::ZstdTooEarly => Self::UnsupportedCompressionType,
            // A Java producer splits a batch of several records on this code (`Sender.completeBatch`).
            ProduceError::TooLarge { .. } => Self::MessageTooLarge,
            // As `LogValidator`, which lets no client write control records.
            ProduceError::ControlBatch | ProduceError::InvalidRecords { .. } => Self::InvalidRecord,
            ProduceError::Transaction(error) => produce_in_transaction_code(*error),
            // As `KafkaApis.handleProduceRequest`: without an id nothing could be authorized.
            ProduceError::NoTransactionalId => Self::TransactionalIdAuthorizationFailed,
            // KIP-937 bounds the distance from the broker's time (`message.timestamp.before.max.ms`).
            ProduceError::InvalidTimestamp(_) => Self::InvalidTimestamp,
            ProduceError::Partition(error) => error.into(),
            ProduceError::Append(error) => append_error(error),
            // Retriable: a producer tries again until its `delivery.timeout.ms`, by when there may be room.
            ProduceError::Storage | ProduceError::DiskFull => Self::KafkaStorageError,
            ProduceError::RequiredAcks(_) => Self::InvalidRequiredAcks,
        }
    }
}

/// The code of a batch that storage refused. A duplicate is no refusal: it is answered with the offset of the
/// first.
fn append_error(error: &AppendError) -> ErrorCode {
    match error {
        // KIP-360: an idempotent producer raises its epoch and goes on.
        AppendError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        // librdkafka aborts the transaction and raises its epoch (KIP-360). OUT_OF_ORDER_SEQUENCE_NUMBER would end its producer.
        AppendError::SequenceReused { .. } => ErrorCode::UnknownProducerId,
        // Not PRODUCER_FENCED: since KIP-588 that is the transaction coordinator's code alone.
        AppendError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        // As `ProducerAppendInfo.appendDataBatch`: its transaction is open, and the batch is not part of it.
        AppendError::InvalidTxnState => ErrorCode::InvalidTxnState,
        // Deleted after the request had found it: the answer is the one that a later request gets.
        AppendError::PartitionDeleted => ErrorCode::UnknownTopicOrPartition,
        // See `PartitionError::Unavailable`.
        AppendError::NotLeader | AppendError::Unavailable => ErrorCode::NotLeaderOrFollower,
        AppendError::OffsetsExhausted => ErrorCode::KafkaStorageError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_errors_have_kafkas_codes() {
        let pairs = [
            (PartitionError::UnknownTopicOrPartition, 3),
            (PartitionError::UnknownTopicId, 100),
            (PartitionError::InconsistentTopicId, 103),
            (PartitionError::NotAuthorized, 29),
            (PartitionError::InternalTopic, 17),
            (PartitionError::FencedLeaderEpoch, 74),
            (PartitionError::UnknownLeaderEpoch, 75),
            (PartitionError::OffsetOutOfRange, 1),
            (PartitionError::InvalidRequest, 42),
            (PartitionError::UnsupportedVersion, 35),
            (PartitionError::UnsupportedCompressionType, 76),
            (PartitionError::CorruptRecords, 2),
            (PartitionError::NotLeader, 6),
            (PartitionError::Unavailable, 6),
            (PartitionError::Storage, 56),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
        for (error, code) in [
            (SessionError::IdNotFound, 70),
            (SessionError::InvalidEpoch, 71),
            (SessionError::TopicIdError, 106),
        ] {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn texts_that_repeat_a_long_value_fit_a_response() {
        assert_eq!(error_text("short".to_owned()).as_str(), "short");
        let text = error_text(format!("Invalid value {}", "ä".repeat(20_000)));
        assert!(text.len() <= MAX_TEXT_BYTES && text.ends_with("ä…"), "{} bytes", text.len());
    }

    #[test]
    fn produce_errors_have_kafkas_codes() {
        let pairs = [
            (ProduceError::Batch(codec::records::BatchError::Crc { stored: 1, computed: 2 }), 2),
            (ProduceError::Batch(codec::records::BatchError::Magic(1)), 87),
            (ProduceError::ZstdTooEarly, 76),
            (ProduceError::TooLarge { size: 2, max: 1 }, 10),
            (ProduceError::ControlBatch, 87),
            (ProduceError::InvalidRecords { shown: Vec::new(), total: 1 }, 87),
            (ProduceError::NoTransactionalId, 53),
            (ProduceError::InvalidTimestamp(Vec::new()), 32),
            (ProduceError::Partition(PartitionError::UnknownTopicId), 100),
            (ProduceError::Append(AppendError::OutOfOrderSequence { last: 0, found: 2 }), 45),
            (ProduceError::Append(AppendError::SequenceReused { found: 2 }), 59),
            (ProduceError::Append(AppendError::InvalidProducerEpoch { current: 1, found: 0 }), 47),
            (ProduceError::Append(AppendError::InvalidTxnState), 48),
            (ProduceError::Append(AppendError::PartitionDeleted), 3),
            (ProduceError::Append(AppendError::NotLeader), 6),
            (ProduceError::Append(AppendError::Unavailable), 6),
            (ProduceError::Append(AppendError::OffsetsExhausted), 56),
            (ProduceError::Storage, 56),
            (ProduceError::DiskFull, 56),
            (ProduceError::RequiredAcks(2), 21),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn topic_errors_have_kafkas_codes() {
        let text = String::new;
        let pairs = [
            (TopicError::InvalidName(text()), 17),
            (TopicError::AlreadyExists(text()), 36),
            (TopicError::UnknownTopic, 3),
            (TopicError::NotAuthorized, 29),
            (TopicError::UnknownTopicId, 100),
            (TopicError::InvalidPartitions(text()), 37),
            (TopicError::InvalidReplicationFactor(text()), 38),
            (TopicError::InvalidAssignment(text()), 39),
            (TopicError::InvalidRequest(text()), 42),
            (TopicError::TooMuch(text()), 44),
            (TopicError::DeletionDisabled, 73),
            (TopicError::Busy, 7),
            (TopicError::Unreadable, 56),
            (TopicError::Storage, 56),
            (TopicError::DiskFull, 56),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn configs_errors_have_kafkas_codes() {
        let pairs = [
            (ConfigsError::Topic(TopicError::UnknownTopic), 3),
            (ConfigsError::UnknownTopic(String::new()), 3),
            (ConfigsError::NotAuthorized(security::acl::ResourceType::Group), 30),
            (ConfigsError::InvalidRequest(String::new()), 42),
            (ConfigsError::InvalidConfig(String::new()), 40),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn acl_errors_have_kafkas_codes() {
        let pairs = [
            (AclError::Invalid(security::acl::InvalidAcl::EmptyName), 42),
            (AclError::Code("the operation"), 42),
            (AclError::TooMany, 42),
            (AclError::Storage, 56),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn quota_errors_have_kafkas_codes() {
        use security::quota::{InvalidEntity, InvalidQuota};
        let pairs = [
            (QuotaError::Entity(InvalidEntity::Empty), 42),
            (QuotaError::Quota(InvalidQuota::NotPositive("producer_byte_rate")), 42),
            (QuotaError::DuplicateEntity, 42),
            (QuotaError::DuplicateKey("a".into()), 42),
            (QuotaError::TooMany, 42),
            (QuotaError::TooManyEntities, 44),
            (QuotaError::Storage, 56),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
        let pairs = [
            (InvalidFilter::UnsupportedType("topic".into()), 35),
            (InvalidFilter::EmptyType, 42),
            (InvalidFilter::Duplicate("user"), 42),
            (InvalidFilter::NoName, 42),
            (InvalidFilter::NameOfDefault, 42),
            (InvalidFilter::NameOfAny, 42),
            (InvalidFilter::MatchType(3), 42),
            (InvalidFilter::Mixed, 42),
        ];
        for (error, code) in pairs {
            assert_eq!(filter_code(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn credential_errors_have_kafkas_codes() {
        let pairs = [
            (CredentialError::Duplicate, 92),
            (CredentialError::EmptyName, 93),
            (CredentialError::TooFewIterations, 93),
            (CredentialError::TooManyIterations, 93),
            (CredentialError::TooLong, 93),
            (CredentialError::UnknownMechanism, 33),
            (CredentialError::NotFound, 91),
            (CredentialError::TooMany, 42),
            (CredentialError::Storage, 56),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn token_errors_have_kafkas_codes() {
        let pairs = [
            (TokenError::NotFound, 62),
            (TokenError::Expired, 66),
            (TokenError::NotOwner, 63),
            (TokenError::PrincipalType, 67),
            (TokenError::TooMany, 44),
            (TokenError::TooManyOfRequester, 44),
            (TokenError::TooLarge, 42),
            (TokenError::Storage, 56),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn client_metrics_errors_have_kafkas_codes() {
        let pairs = [
            (ClientMetricsError::InvalidRequest(""), 42),
            (ClientMetricsError::Throttled, 89),
            (ClientMetricsError::UnknownSubscriptionId, 117),
            (ClientMetricsError::UnsupportedCompression(9), 76),
            (ClientMetricsError::TooLarge { size: 1 }, 118),
            (ClientMetricsError::InvalidRecord(String::new()), 87),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn transaction_errors_have_kafkas_codes() {
        let pairs = [
            (TransactionError::CoordinatorNotAvailable, 15, 15, 19),
            (TransactionError::NotCoordinator, 16, 16, 19),
            (TransactionError::CoordinatorLoadInProgress, 14, 14, 19),
            (TransactionError::StorageFailed, 15, 15, 56),
            (TransactionError::DiskFull, 14, 14, 56),
            (TransactionError::InvalidRequest, 42, 42, 42),
            (TransactionError::InvalidTransactionTimeout, 50, 50, 50),
            (TransactionError::InvalidProducerIdMapping, 49, 49, 49),
            (TransactionError::ProducerFenced, 90, 47, 47),
            (TransactionError::ConcurrentTransactions, 51, 51, 51),
            (TransactionError::InvalidTxnState, 48, 48, 48),
            (TransactionError::NotInTransaction, 120, 48, 120),
            (TransactionError::TransactionalIdNotFound, 105, 105, 105),
            (TransactionError::ProducerIdNeeded, 15, 15, 15),
        ];
        for (error, new, old, produce) in pairs {
            let code = |known| {
                let known = TransactionCodes { fenced: known, abortable: known };
                transaction_error_code(error, known).code()
            };
            assert_eq!((code(true), code(false)), (new, old), "{error:?}");
            assert_eq!(ErrorCode::from(&ProduceError::Transaction(error)).code(), produce, "{error:?}");
        }
        for (error, code) in [
            (MarkerRefused::UnknownPartition, 3),
            (MarkerRefused::InvalidProducerEpoch, 47),
            (MarkerRefused::CoordinatorFenced, 52),
            (MarkerRefused::NotLeader, 6),
            (MarkerRefused::UnknownVersion, -1),
            (MarkerRefused::Transaction(TransactionError::InvalidTxnState), 48),
        ] {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn group_errors_have_kafkas_codes() {
        let pairs = [
            (GroupError::CoordinatorNotAvailable, 15),
            (GroupError::NotCoordinator, 16),
            (GroupError::CoordinatorLoadInProgress, 14),
            (GroupError::StorageFailed, 15),
            (GroupError::DiskFull, 14),
            (GroupError::InvalidGroupId, 24),
            (GroupError::GroupIdNotFound, 69),
            (GroupError::NonEmptyGroup, 68),
            (GroupError::UnknownMemberId, 25),
            (GroupError::MemberIdRequired, 79),
            (GroupError::FencedInstanceId, 82),
            (GroupError::IllegalGeneration, 22),
            (GroupError::RebalanceInProgress, 27),
            (GroupError::InconsistentGroupProtocol, 23),
            (GroupError::InvalidSessionTimeout, 26),
            (GroupError::GroupMaxSizeReached, 81),
            (GroupError::OffsetMetadataTooLarge, 12),
            (GroupError::FencedMemberEpoch, 110),
            (GroupError::StaleMemberEpoch, 113),
            (GroupError::UnreleasedInstanceId, 111),
            (GroupError::UnsupportedAssignor, 112),
            (GroupError::InvalidRegularExpression, 128),
            (GroupError::InvalidRequest, 42),
            (GroupError::UnsupportedVersion, 35),
            (GroupError::StreamsInvalidTopology, 130),
            (GroupError::GroupSubscribedToTopic, 86),
        ];
        for (error, code) in pairs {
            assert_eq!(group_error_code(error).code(), code, "{error:?}");
        }
    }
}
