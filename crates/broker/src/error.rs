//! Domain errors to Kafka's error codes: the one place where a refusal gets its number.
//!
//! Every match is exhaustive, without a wildcard arm, so that a new refusal is a compile error here and not
//! `UNKNOWN_SERVER_ERROR` at a client. Texts are left to the errors themselves.

use codec::ErrorCode;

use crate::admin::configs::ConfigsError;
use crate::admin::topics::TopicError;

impl From<&TopicError> for ErrorCode {
    fn from(error: &TopicError) -> Self {
        match error {
            TopicError::InvalidName(_) => Self::InvalidTopicException,
            TopicError::AlreadyExists(_) => Self::TopicAlreadyExists,
            TopicError::UnknownTopic => Self::UnknownTopicOrPartition,
            TopicError::UnknownTopicId => Self::UnknownTopicId,
            TopicError::InvalidPartitions(_) => Self::InvalidPartitions,
            TopicError::InvalidReplicationFactor(_) => Self::InvalidReplicationFactor,
            TopicError::InvalidAssignment(_) => Self::InvalidReplicaAssignment,
            TopicError::InvalidConfig(_) => Self::InvalidConfig,
            TopicError::InvalidRequest(_) => Self::InvalidRequest,
            TopicError::TooMuch(_) => Self::PolicyViolation,
            TopicError::DeletionDisabled => Self::TopicDeletionDisabled,
            TopicError::Storage => Self::KafkaStorageError,
        }
    }
}

impl From<&ConfigsError> for ErrorCode {
    fn from(error: &ConfigsError) -> Self {
        match error {
            ConfigsError::Topic(error) => Self::from(error),
            ConfigsError::InvalidRequest(_) => Self::InvalidRequest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_errors_have_kafkas_codes() {
        let text = String::new;
        let pairs = [
            (TopicError::InvalidName(text()), 17),
            (TopicError::AlreadyExists(text()), 36),
            (TopicError::UnknownTopic, 3),
            (TopicError::UnknownTopicId, 100),
            (TopicError::InvalidPartitions(text()), 37),
            (TopicError::InvalidReplicationFactor(text()), 38),
            (TopicError::InvalidAssignment(text()), 39),
            (TopicError::InvalidRequest(text()), 42),
            (TopicError::TooMuch(text()), 44),
            (TopicError::DeletionDisabled, 73),
            (TopicError::Storage, 56),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }

    #[test]
    fn configs_errors_have_kafkas_codes() {
        let pairs = [
            (ConfigsError::Topic(TopicError::UnknownTopic), 3),
            (ConfigsError::InvalidRequest(String::new()), 42),
        ];
        for (error, code) in pairs {
            assert_eq!(ErrorCode::from(&error).code(), code, "{error:?}");
        }
    }
}
