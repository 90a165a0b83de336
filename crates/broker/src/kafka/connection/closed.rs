//! Why a connection ended, and who should read about it.

use std::time::Duration;

use thiserror::Error;

use crate::kafka::api::Disconnect;
use crate::kafka::frames::FrameError;

/// Why a connection ended.
#[derive(Debug, Error)]
pub(crate) enum Closed {
    /// The client closed it between two requests.
    #[error("closed by the client")]
    ByClient,
    /// The broker stops, and everything that was begun is answered.
    #[error("the broker is shutting down")]
    Shutdown,
    /// Nothing moved for `connections.max.idle.ms`.
    #[error("idle for {0:?}")]
    Idle(Duration),
    /// The client did not take its answers for `connections.max.idle.ms`.
    #[error("{unsent} bytes of answers were not read for {after:?}")]
    NotReading {
        /// Bytes that still wait.
        unsent: usize,
        /// How long nothing was taken.
        after: Duration,
    },
    /// The bytes that came are not a frame.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A request could not be served.
    #[error("{0}")]
    Request(#[from] Disconnect),
    /// A re-authentication failed, or the client may not go on.
    #[error("the session was ended")]
    SessionEnded,
    /// Another login on it was refused.
    #[error("logging in again failed: {0}")]
    LoginRefused(String),
    /// Answers could not be written.
    #[error("writing failed: {0}")]
    Write(std::io::Error),
}

impl Closed {
    /// Returns true if an operator should read about it: not if a client simply went away.
    pub(crate) fn is_notable(&self) -> bool {
        match self {
            // Part of any day: Java clients close what is idle after 9 minutes (`connections.max.idle.ms`).
            Self::ByClient | Self::Shutdown | Self::Idle(_) | Self::Write(_) => false,
            Self::NotReading { .. } | Self::Request(_) | Self::SessionEnded | Self::LoginRefused(_) => true,
            Self::Frame(error @ FrameError::Io(_)) => !error.is_gone(),
            Self::Frame(_) => true,
        }
    }

    /// The kind of reason, for limiting the lines about it: a client cannot make new ones.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::ByClient | Self::Shutdown | Self::Idle(_) | Self::Write(_) => "ended",
            Self::NotReading { .. } => "answers are not read",
            Self::SessionEnded => "session ended",
            Self::LoginRefused(_) => "failed login",
            Self::Frame(error) => match error {
                FrameError::Length(_) => "length of a frame",
                FrameError::Foreign(_) => "another protocol",
                FrameError::UnknownApi(_) => "unknown API in a frame",
                FrameError::Unfinished { .. } => "unfinished frame",
                FrameError::GaveWay { .. } => "slowest frame",
                FrameError::Cut { .. } => "cut frame",
                FrameError::Io(_) => "reading",
            },
            Self::Request(reason) => match reason {
                Disconnect::Malformed(_) => "malformed request",
                Disconnect::UnknownApi(_) => "unknown API",
                Disconnect::UnsupportedVersion { .. } => "unsupported version",
                Disconnect::Unanswerable(_) => "unanswerable request",
                Disconnect::Refused(_) => "refused by a handler",
            },
        }
    }

    /// Returns true if the reason was bytes that are not a valid request.
    pub(crate) fn is_malformed(&self) -> bool {
        match self {
            Self::Frame(error) => !error.is_gone(),
            // `Unanswerable` is a fault of the broker, `Refused` a sound request that it will not serve.
            Self::Request(reason) => !matches!(reason, Disconnect::Unanswerable(_) | Disconnect::Refused(_)),
            Self::ByClient
            | Self::Shutdown
            | Self::Idle(_)
            | Self::NotReading { .. }
            | Self::SessionEnded
            | Self::LoginRefused(_)
            | Self::Write(_) => false,
        }
    }
}
