//! Reasons for which a connection has no next frame, as its log line says them.

use std::time::Duration;

use codec::DecodeError;
use thiserror::Error;

/// Why there is no next frame.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// The length prefix is negative or beyond what this API may send.
    #[error("{0}")]
    Length(#[from] DecodeError),
    /// The client speaks something else.
    #[error("this listener speaks the Kafka protocol without TLS, and the client began {0}")]
    Foreign(&'static str),
    /// Refused before the rest of it is read.
    #[error("unknown API key {0}")]
    UnknownApi(i16),
    /// The client began a frame and stopped sending.
    #[error(
        "a frame was begun, and nothing more of it came for {after:?}: {received} bytes came of {announced} announced"
    )]
    Unfinished {
        /// How long nothing came.
        after: Duration,
        /// Bytes of it that came, prefix included.
        received: usize,
        /// Its length, prefix included, as far as known.
        announced: usize,
    },
    /// Others need the memory.
    #[error(
        "memory for requests is short, and this frame came slowest: {received} bytes came of {announced} announced; see \
         queued.max.request.bytes"
    )]
    GaveWay {
        /// Bytes of it that came, prefix included.
        received: usize,
        /// Its length, prefix included, as far as known.
        announced: usize,
    },
    /// The client closed its side within a frame.
    #[error("the connection ended within a frame: {received} bytes came of {announced} announced")]
    Cut {
        /// Bytes of it that came, prefix included.
        received: usize,
        /// Its length, prefix included, as far as known.
        announced: usize,
    },
    /// The socket failed.
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
}

impl FrameError {
    /// Returns true if the client is gone, so that nothing can be answered any more.
    pub(in crate::kafka) fn is_gone(&self) -> bool {
        match self {
            Self::Cut { .. } => true,
            // The bytes are no TLS any more, which only a client that is there can send.
            Self::Io(error) => error.kind() != std::io::ErrorKind::InvalidData,
            _ => false,
        }
    }
}

/// Names the other protocol that a client speaks by mistake, so that the log line says it.
pub(in crate::kafka) fn mistaken(prefix: [u8; 4], error: DecodeError) -> FrameError {
    match &prefix {
        // A TLS record: handshake, version 3.x.
        [0x16, 3, ..] => FrameError::Foreign("a TLS handshake"),
        // Read as a length, `GET ` is 1195725856: without this arm the log would name that number only.
        b"GET " | b"POST" | b"HEAD" | b"PUT " | b"OPTI" => FrameError::Foreign("an HTTP request"),
        b"SSH-" => FrameError::Foreign("an SSH session"),
        _ => error.into(),
    }
}
