//! Values given to a resource, and the reasons to refuse more.

use std::collections::BTreeMap;

/// Values given to a resource, normalised: key → value.
pub type Overrides = BTreeMap<String, String>;

/// Why a resource cannot have a configuration. The text is shown to the client, in Kafka's words where Kafka has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigRefusal {
    /// Kafka's INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
    /// Kafka's INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
}
