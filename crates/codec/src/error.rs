//! Errors of decoding and encoding messages.
//!
//! A [`DecodeError`] says what was expected and at which byte, so that one log line explains why a connection was
//! closed. Errors of record batches are [`BatchError`](crate::records::BatchError)s, which most often are answered with a
//! Kafka error code.

use thiserror::Error;

use crate::cursor::ReadError;

/// Bytes that are not the frame or the message they should be. A broker closes the connection they came from.
///
/// Kafka closes it too (`SocketServer.processChannelException`).
///
/// Positions count from the start of the bytes given to the decoder (a frame without its length
/// prefix, or a message body without its header).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The length prefix of a frame is negative or above the limit.
    #[error("frame length {length} is not within 0..={limit}")]
    FrameLength {
        /// The prefix as it was read.
        /// Kafka's prefix has a sign: from 0x80000000 on it is negative.
        length: i32,
        /// The largest frame accepted, in bytes.
        /// It is the caller's: see [`frame_length`](crate::frame::frame_length).
        limit: usize,
    },
    /// The bytes do not hold what was to be read.
    ///
    /// A length or a count that cannot be true is one of these ([`ReadError::Claim`]), and so is a
    /// null where the message definition allows none.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Decoded, the message would take more memory than its size justifies.
    /// See [`memory_budget`](crate::shape::memory_budget).
    #[error("more than {budget} bytes of memory would be needed to decode the message, reached at byte {at}")]
    TooExpansive {
        /// The most memory that this message may expand to, in bytes.
        budget: usize,
        /// The byte at which the budget was exceeded.
        at: usize,
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
        /// The message decoder's reason.
        /// It is kafka-protocol's text where that decoded the message.
        reason: String,
    },
}

/// A message that cannot be written at a version: a fault of the caller, never of a peer.
///
/// Most often a field is set that the version does not have, or a length does not fit its prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot encode {message} version {version}: {reason}")]
pub struct EncodeError {
    /// The message that was to be written.
    pub message: &'static str,
    /// The version it was to be written at.
    /// 0 for a frame, which has no version.
    pub version: i16,
    /// Why that is impossible.
    pub reason: String,
}
