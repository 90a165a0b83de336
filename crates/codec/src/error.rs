//! What can be wrong with bytes from a peer, and what cannot be put into bytes.
//!
//! A [`DecodeError`] says what was expected and at which byte, so that one log line explains why
//! a connection was closed. Refusals that are answered with a Kafka error code are not errors of
//! this module.

use thiserror::Error;

/// Bytes that are not what they claim to be. The connection they came from is closed.
///
/// `at` counts from the start of the bytes given to the decoder (a frame without its length
/// prefix, or a message body without its header).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The length prefix of a frame is negative or above the limit.
    #[error("frame length {length} is not within 0..={limit}")]
    FrameLength {
        /// The prefix as it was read.
        length: i32,
        /// The largest frame accepted, in bytes.
        limit: usize,
    },
    /// The bytes end too early.
    #[error("{expected} at byte {at} does not fit into the {remaining} bytes that remain")]
    Truncated {
        /// What should have been there.
        expected: &'static str,
        /// Where it should have started.
        at: usize,
        /// How many bytes remain from there on.
        remaining: usize,
    },
    /// A length or an element count that the remaining bytes cannot hold, or a negative one.
    #[error("{expected} at byte {at} claims {claimed}, but {remaining} bytes remain")]
    Claim {
        /// What is counted.
        expected: &'static str,
        /// Where the count stands.
        at: usize,
        /// The count or length as it was read.
        claimed: i64,
        /// How many bytes remain after the count.
        remaining: usize,
    },
    /// The bytes are there but make no sense.
    #[error("invalid {expected} at byte {at}")]
    Invalid {
        /// What should have been there.
        expected: &'static str,
        /// Where it starts.
        at: usize,
    },
    /// Decoded, the message would take more memory than its size justifies.
    #[error("more than {budget} bytes of memory would be needed to decode the message, reached at byte {at}")]
    TooExpansive {
        /// The most memory that this message may expand to, in bytes.
        budget: usize,
        /// Where the budget was exceeded.
        at: usize,
    },
    /// The message ended, the bytes did not.
    #[error("{remaining} bytes left over after the message, from byte {at}")]
    Leftover {
        /// Where the message ended.
        at: usize,
        /// How many bytes follow.
        remaining: usize,
    },
    /// The API has no such version here.
    #[error("{api} has no version {version} here")]
    Version {
        /// Kafka's name of the API.
        api: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The layout was right, but a value in it was not (a string that is not UTF-8, for example).
    #[error("{api} version {version}: {reason}")]
    Message {
        /// Kafka's name of the API.
        api: &'static str,
        /// The version of the message.
        version: i16,
        /// What the message decoder said.
        reason: String,
    },
}

/// A message that cannot be written at a version: a fault of ours, never of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot encode {message} version {version}: {reason}")]
pub struct EncodeError {
    /// The message that was to be written.
    pub message: &'static str,
    /// The version it was to be written at.
    pub version: i16,
    /// Why that is impossible.
    pub reason: String,
}
