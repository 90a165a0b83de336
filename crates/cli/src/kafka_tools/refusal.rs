//! The reasons for which one of Kafka's tools ends, and the words of Kafka's clients for errors.

use codec::ErrorCode;

use crate::failure::Failure;
use crate::output::escaped;

/// Why a tool ended without doing all that it was asked. Each tool prints these in its own way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The flags do not fit together: Kafka prints this, then all flags.
    Usage(String),
    /// A value makes no sense (`IllegalArgumentException`).
    Argument(String),
    /// The flags cannot be read (`OptionException` of joptsimple).
    Flags(String),
    /// It was tried and did not work, in the words of Kafka's clients. The name is that of Kafka's exception, which some tools print.
    Error { exception: String, text: String },
    /// Kafka serves it and this program does not; the text says what does.
    NotServed(String),
    /// All was said; exit code 1.
    Silent,
}

impl Refusal {
    /// An error that a broker answered with, in the words that Kafka's clients have for it unless the answer has others.
    pub(super) fn of(code: i16, message: Option<&str>) -> Self {
        Self::Error { exception: exception(code), text: words(code, message) }
    }

    /// An error of the tool itself.
    pub(super) fn error(exception: &str, text: impl Into<String>) -> Self {
        Self::Error { exception: exception.to_owned(), text: text.into() }
    }

    /// The text alone.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Usage(text) | Self::Argument(text) | Self::Flags(text) | Self::NotServed(text) => text,
            Self::Error { text, .. } => text,
            Self::Silent => "",
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::error("org.apache.kafka.common.KafkaException", failure.to_string())
    }
}

/// The words for an error of an answer.
pub(super) fn words(code: i16, message: Option<&str>) -> String {
    match (message, ErrorCode::from_code(code)) {
        (Some(message), _) => escaped(message),
        (None, Some(known)) => of_kafka(known).unwrap_or_else(|| known.message()).to_owned(),
        (None, None) => format!("The server answered with the unknown error code {code}."),
    }
}

/// The words of Kafka's clients for the errors that its tools show most, which scripts may look for.
fn of_kafka(code: ErrorCode) -> Option<&'static str> {
    use ErrorCode as Of;
    Some(match code {
        Of::UnknownTopicOrPartition => "This server does not host this topic-partition.",
        Of::InvalidTopicException => "The request attempted to perform an operation on an invalid topic.",
        Of::TopicAlreadyExists => "Topic with this name already exists.",
        Of::RequestTimedOut => "The request timed out.",
        Of::CoordinatorNotAvailable => "The coordinator is not available.",
        Of::InvalidGroupId => "The group id is invalid.",
        Of::GroupIdNotFound => "The group id does not exist.",
        Of::NonEmptyGroup => "The group is not empty.",
        Of::UnknownMemberId => "The coordinator is not aware of this member.",
        Of::RebalanceInProgress => "The group is rebalancing, so a rejoin is needed.",
        Of::GroupSubscribedToTopic => {
            "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."
        }
        Of::TopicAuthorizationFailed => "Topic authorization failed.",
        Of::GroupAuthorizationFailed => "Group authorization failed.",
        Of::ClusterAuthorizationFailed => "Cluster authorization failed.",
        _ => return None,
    })
}

/// The class of Kafka's exception for an error: its name is that of the code, written as a class, except for a few.
pub(super) fn exception(code: i16) -> String {
    let Some(known) = ErrorCode::from_code(code) else {
        return "org.apache.kafka.common.errors.UnknownServerException".to_owned();
    };
    let class = match known {
        ErrorCode::TopicAlreadyExists => "TopicExists".to_owned(),
        ErrorCode::UnknownServerError => "UnknownServer".to_owned(),
        ErrorCode::NonEmptyGroup => "GroupNotEmpty".to_owned(),
        ErrorCode::RequestTimedOut => "Timeout".to_owned(),
        ErrorCode::InvalidConfig => "InvalidConfiguration".to_owned(),
        other => camel_case(other.name()),
    };
    let class = class.replace("AuthorizationFailed", "Authorization");
    let class = class.strip_suffix("Exception").unwrap_or(&class);
    format!("org.apache.kafka.common.errors.{class}Exception")
}

/// `GROUP_ID_NOT_FOUND` as `GroupIdNotFound`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(String::from).unwrap_or_default();
        first + &letters.as_str().to_lowercase()
    };
    name.split('_').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_have_kafkas_names() {
        let of = |code: ErrorCode| exception(code as i16);
        let class = |name: &str| format!("org.apache.kafka.common.errors.{name}Exception");
        assert_eq!(of(ErrorCode::GroupIdNotFound), class("GroupIdNotFound"));
        assert_eq!(of(ErrorCode::TopicAlreadyExists), class("TopicExists"));
        assert_eq!(of(ErrorCode::InvalidTopicException), class("InvalidTopic"));
        assert_eq!(of(ErrorCode::NonEmptyGroup), class("GroupNotEmpty"));
        assert_eq!(of(ErrorCode::InvalidConfig), class("InvalidConfiguration"));
        assert_eq!(of(ErrorCode::ClusterAuthorizationFailed), class("ClusterAuthorization"));
        assert_eq!(exception(i16::MAX), class("UnknownServer"));
    }

    #[test]
    fn the_words_of_the_broker_come_first() {
        assert_eq!(words(36, Some("Topic 'a' already exists.")), "Topic 'a' already exists.");
        assert_eq!(words(36, Some("\u{1b}[2J")), "\\u{1b}[2J");
        assert_eq!(words(36, None), "Topic with this name already exists.");
        let other = ErrorCode::OffsetOutOfRange;
        assert_eq!(words(other as i16, None), other.message());
    }
}
