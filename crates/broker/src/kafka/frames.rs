//! Bytes from a socket, cut into frames.
//!
//! Guarantees that memory grows with the bytes received, never by the length announced; that a negative or oversized
//! length and an unknown API are refused as soon as they are read; that a frame once begun ends within a deadline; and
//! that a frame is a slice of what was received, not a copy. An idle connection holds no buffer. Which lengths an API
//! may have is left to its registry entry, what a frame means to `dispatch.rs`.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use codec::DecodeError;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::kafka::api::{self, Entry};
use crate::kafka::budget::Grant;
use crate::kafka::limits::Shared;

/// The first read of a frame goes through a buffer on the stack of this size: most frames are complete after it.
const FIRST_READ_BYTES: usize = 16 << 10;

/// A frame may reserve as much as its predecessor filled, up to this.
const MAX_FORESIGHT_BYTES: usize = 1 << 20;

const PREFIX_BYTES: usize = 4;

/// A request as it came: header and body, without the length prefix.
pub(super) struct Frame {
    /// Header and body.
    pub(super) bytes: Bytes,
    /// Its API; `None` if it is too short to name one.
    pub(super) entry: Option<&'static Entry>,
    /// When its last byte came.
    pub(super) arrived: Instant,
    /// The part of the budget that it occupies until it is answered.
    pub(super) grant: Grant,
}

impl Frame {
    /// Returns the key of its API, if requests of that API may run side by side.
    pub(super) fn overlaps(&self) -> Option<i16> {
        self.entry.filter(|entry| entry.overlaps).map(|entry| entry.key)
    }
}

/// What the first bytes of a frame say of it.
#[derive(Clone, Copy)]
struct Announced {
    /// Its whole length, prefix included.
    length: usize,
    /// Its API; `None` if it is too short to name one.
    entry: Option<&'static Entry>,
}

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
    /// The client began a frame and did not finish it.
    #[error(
        "a frame was begun and not finished within {after:?}: {received} bytes came of {announced} announced"
    )]
    Unfinished {
        /// How long it had.
        after: Duration,
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
    /// Whether the client is gone, so that nothing can be answered any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Io(_))
    }
}

/// What people mistake a Kafka port for, named so that the log line tells them.
fn mistaken(prefix: [u8; 4], error: DecodeError) -> FrameError {
    match &prefix {
        // A TLS record: handshake, version 3.x.
        [0x16, 3, ..] => FrameError::Foreign("a TLS handshake"),
        b"GET " | b"POST" | b"HEAD" | b"PUT " | b"OPTI" => FrameError::Foreign("an HTTP request"),
        b"SSH-" => FrameError::Foreign("an SSH session"),
        _ => error.into(),
    }
}

/// Cuts what a socket delivers into frames.
pub(super) struct Frames<R> {
    socket: R,
    shared: Arc<Shared>,
    buffer: BytesMut,
    grant: Grant,
    foresight: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads from `socket`.
    pub(super) fn new(socket: R, shared: Arc<Shared>) -> Self {
        Self { socket, shared, buffer: BytesMut::new(), grant: Grant::default(), foresight: 0 }
    }

    /// The next frame; `None` if the client closed its side between two frames. Not cancel-safe: poll it to its end, or
    /// drop all of this.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.buffer.is_empty() && self.first_read().await? == 0 {
            return Ok(None);
        }
        let announced = match self.announced()? {
            Some(announced) if self.buffer.len() >= announced.length => announced,
            begun => {
                match tokio::time::timeout(self.shared.limits.frame_deadline, self.finish(begun)).await {
                    Ok(finished) => finished?,
                    Err(_) => return Err(self.unfinished()),
                }
            }
        };
        Ok(Some(self.take(announced).await))
    }

    /// Waits for the first bytes without holding a buffer for them.
    async fn first_read(&mut self) -> Result<usize, FrameError> {
        let (socket, buffer) = (&mut self.socket, &mut self.buffer);
        let read = std::future::poll_fn(|cx| {
            let mut room = [MaybeUninit::uninit(); FIRST_READ_BYTES];
            let mut room = ReadBuf::uninit(&mut room);
            Pin::new(&mut *socket).poll_read(cx, &mut room).map_ok(|()| {
                buffer.extend_from_slice(room.filled());
                room.filled().len()
            })
        });
        Ok(read.await?)
    }

    /// Returns what the frame at the front of the buffer announces, once it is known and was found allowed.
    fn announced(&self) -> Result<Option<Announced>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let largest = self.shared.limits.max_request_bytes;
        let length =
            codec::frame::frame_length(*prefix, largest).map_err(|error| mistaken(*prefix, error))?;
        let Some([.., high, low]) = self.buffer.first_chunk::<{ PREFIX_BYTES + 2 }>() else {
            // The key decides how long a frame may be. A frame too short to have one is complete here, and refused later.
            let whole = self.buffer.len() >= PREFIX_BYTES + length;
            return Ok(whole.then_some(Announced { length: PREFIX_BYTES + length, entry: None }));
        };
        if length < 2 {
            return Ok(Some(Announced { length: PREFIX_BYTES + length, entry: None }));
        }
        let key = i16::from_be_bytes([*high, *low]);
        let entry = api::entry(key).ok_or(FrameError::UnknownApi(key))?;
        codec::frame::frame_length(*prefix, entry.max_frame_bytes(largest))?;
        Ok(Some(Announced { length: PREFIX_BYTES + length, entry: Some(entry) }))
    }

    /// Reads until the frame is whole.
    async fn finish(&mut self, mut announced: Option<Announced>) -> Result<Announced, FrameError> {
        loop {
            if announced.is_none() {
                announced = self.announced()?;
            }
            let missing = match announced {
                Some(announced) if self.buffer.len() >= announced.length => return Ok(announced),
                Some(announced) => announced.length - self.buffer.len(),
                None => PREFIX_BYTES + 2 - self.buffer.len(),
            };
            // Twice what came so far, or what the frame before really had: never what is merely announced.
            let room = missing.min(self.buffer.len().max(FIRST_READ_BYTES).max(self.foresight));
            self.shared.budget.raise(&mut self.grant, self.buffer.len() + room).await;
            self.buffer.reserve(room);
            if self.socket.read_buf(&mut (&mut self.buffer).limit(room)).await? == 0 {
                let announced = announced.map_or(PREFIX_BYTES, |announced| announced.length);
                return Err(FrameError::Cut { received: self.buffer.len(), announced });
            }
        }
    }

    /// Takes the whole frame off the buffer.
    async fn take(&mut self, Announced { length, entry }: Announced) -> Frame {
        self.shared.budget.raise(&mut self.grant, length).await;
        self.foresight = length.min(MAX_FORESIGHT_BYTES);
        let frame = if self.buffer.len() == length {
            std::mem::take(&mut self.buffer)
        } else {
            self.buffer.split_to(length)
        };
        let mut bytes = frame.freeze();
        let _prefix = bytes.split_to(PREFIX_BYTES);
        Frame { bytes, entry, arrived: Instant::now(), grant: std::mem::take(&mut self.grant) }
    }

    /// Bytes that the buffer can hold.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.buffer.capacity()
    }

    fn unfinished(&self) -> FrameError {
        let announced = self.announced().ok().flatten().map_or(PREFIX_BYTES, |announced| announced.length);
        FrameError::Unfinished {
            after: self.shared.limits.frame_deadline,
            received: self.buffer.len(),
            announced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_named() {
        let error =
            |prefix| mistaken(prefix, codec::frame::frame_length(prefix, 100 << 20).unwrap_err()).to_string();
        assert!(error([0x16, 3, 1, 2]).contains("TLS"));
        assert!(error(*b"GET ").contains("HTTP"));
        assert!(error([0xff; 4]).contains("-1"));
    }
}
