//! Why topics are not created, changed or deleted: Kafka's texts, with the remedy added where Kafka's text has none.
//!
//! The codes are left to `kafka/error.rs`.

use storage::{CatalogError, StorageError};
use thiserror::Error;

use crate::config::ConfigRefusal;

/// Why a topic is not created, changed or deleted. The text is shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum TopicError {
    /// The client may not do this to the topic.
    #[error("not authorized for the topic")]
    NotAuthorized,
    /// The name is not one a topic can have, or too like another topic's.
    #[error("{0}")]
    InvalidName(String),
    /// The name is taken.
    #[error("Topic '{0}' already exists.")]
    AlreadyExists(String),
    /// No topic of that name.
    #[error("This server does not host this topic-partition.")]
    UnknownTopic,
    /// No topic with that id.
    #[error("This server does not host this topic ID.")]
    UnknownTopicId,
    /// A topic cannot have that many partitions.
    #[error("{0}")]
    InvalidPartitions(String),
    /// A partition cannot have that many replicas.
    #[error("{0}")]
    InvalidReplicationFactor(String),
    /// The replicas cannot be where they were asked for.
    #[error("{0}")]
    InvalidAssignment(String),
    /// A config key or value is wrong.
    #[error("{0}")]
    InvalidConfig(#[from] ConfigRefusal),
    /// The request contradicts itself.
    #[error("{0}")]
    InvalidRequest(String),
    /// More than one request may do.
    #[error("{0}")]
    TooMuch(String),
    /// `delete.topic.enable` is false.
    #[error("Topic deletion is disabled: delete.topic.enable is false.")]
    DeletionDisabled,
    /// The client has used up its `controller_mutation_rate`.
    #[error("The throttling quota has been exceeded.")]
    Throttled,
    /// Others change the same topic all the time.
    #[error("The topic is being changed by other clients. Try again.")]
    Busy,
    /// The topic exists, but its record on the disk cannot be read; the log says why.
    #[error("The topic's record on the broker's disk cannot be read; its log says why.")]
    Unreadable,
    /// There is no space but what the broker itself needs.
    #[error(
        "The broker's disk is almost full: new topics and partitions, and in the end changes of configurations, are \
         refused until there is space."
    )]
    DiskFull,
    /// The storage engine failed; it has said so in the log.
    #[error("The broker could not write to its disk; its log says why.")]
    Storage,
}

impl From<StorageError> for TopicError {
    fn from(_: StorageError) -> Self {
        Self::Storage
    }
}

/// The catalog's refusal of a change that the plan allowed: another client was faster.
pub(crate) fn refusal(error: CatalogError, name: &str) -> TopicError {
    match error {
        CatalogError::TopicAlreadyExists => TopicError::AlreadyExists(name.to_owned()),
        CatalogError::UnknownTopic => TopicError::UnknownTopic,
        CatalogError::InvalidPartitions { current, wanted } => {
            no_increase(name, i64::from(current), i64::from(wanted))
        }
        CatalogError::ConfigsChanged => TopicError::Busy,
        CatalogError::Unreadable => TopicError::Unreadable,
        // Only a topic's configuration has no bound of its own in the catalog. Kafka's code for one that does not fit its
        // record (`ConfigurationControlManager.validateAlterConfig`), whatever the kind of resource.
        CatalogError::TooLarge(error) => ConfigRefusal::InvalidConfig(error.to_string()).into(),
    }
}

/// The refusal of a count that is no increase.
pub(crate) fn no_increase(name: &str, current: i64, wanted: i64) -> TopicError {
    TopicError::InvalidPartitions(if current == wanted {
        format!("Topic already has {current} partition(s).")
    } else {
        format!("The topic {name} currently has {current} partition(s); {wanted} would not be an increase.")
    })
}

#[cfg(test)]
mod tests {
    use storage::TooLarge;

    use super::*;

    #[test]
    fn a_configuration_too_large_for_its_record_is_an_invalid_one() {
        let too_large = TooLarge { what: "config value", size: 70_000, limit: 65_535 };
        let refused = refusal(CatalogError::TooLarge(too_large), "t");
        let TopicError::InvalidConfig(ConfigRefusal::InvalidConfig(text)) = refused else {
            panic!("{refused:?}")
        };
        assert!(text.contains("70000"), "{text}");
    }
}
