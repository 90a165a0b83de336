//! Why a connection ended before its login did, and who should read about it.

use codec::DecodeError;
use thiserror::Error;

use super::{DEADLINE, MAX_REQUESTS};
use crate::kafka::api::Disconnect;

/// Why a connection ended before its login did.
#[derive(Debug, Error)]
pub(crate) enum NotLoggedIn {
    /// The client closed it, or is gone.
    #[error("closed by the client")]
    ByClient,
    /// The broker stops.
    #[error("the broker is shutting down")]
    Shutdown,
    /// Another address had fewer such connections, and no slot was left.
    #[error("it made room: too many connections had not logged in, and most of them were from this address")]
    MadeRoom,
    /// It took too long.
    #[error("no login within {DEADLINE:?}")]
    TooLate,
    /// It took too many requests.
    #[error("no login within {MAX_REQUESTS} requests")]
    TooMany,
    /// The bytes are no frame, or a longer one than is allowed.
    #[error("{0}")]
    Frame(String),
    /// The bytes are no request.
    #[error("malformed request: {0}")]
    Malformed(#[from] DecodeError),
    /// A request that has to wait for a login.
    #[error(
        "a request of API key {0} before the login; the listener asks for one: set security.protocol and sasl.mechanism"
    )]
    Unexpected(i16),
    /// The client asks for a mechanism that the listener does not have.
    #[error("the mechanism {0:?} is not among sasl.enabled.mechanisms of this listener")]
    Mechanism(String),
    /// User and password do not fit.
    #[error("login failed: {0}")]
    Failed(String),
    /// An answer could not be made.
    #[error("{0}")]
    Request(#[from] Disconnect),
}

impl NotLoggedIn {
    /// The kind of reason, for limiting the lines about it; `None` if no operator should read about it.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::ByClient | Self::Shutdown => None,
            Self::MadeRoom => Some("made room before the login"),
            Self::TooLate => Some("no login in time"),
            Self::TooMany => Some("too many requests before the login"),
            Self::Frame(_) | Self::Malformed(_) => Some("malformed request before the login"),
            Self::Unexpected(_) => Some("request before the login"),
            Self::Mechanism(_) => Some("mechanism that is not enabled"),
            Self::Failed(_) => Some("failed login"),
            Self::Request(_) => Some("request before the login that cannot be answered"),
        }
    }

    /// Returns true if it counts as a failed login.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Mechanism(_))
    }
}

impl From<std::io::Error> for NotLoggedIn {
    fn from(_: std::io::Error) -> Self {
        Self::ByClient
    }
}
