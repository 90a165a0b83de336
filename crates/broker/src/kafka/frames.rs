//! Bytes from a socket, cut into frames.
//!
//! Guarantees that memory grows with the bytes received, never by the length announced; that a negative or oversized
//! length and an unknown API are refused as soon as they are read; that a frame once begun keeps coming, at whatever
//! speed, or ends its connection, and gives way when it comes slowest while others need the memory that it holds; and
//! that a frame is a slice of what was received, not a copy. After a large frame, the bytes of the next go from the socket
//! straight to their place. An idle connection holds no buffer. Which lengths an API may have is left to its registry
//! entry, what a frame means to `dispatch.rs`.

mod error;

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::clock;
use crate::kafka::api::{self, Entry};
use crate::kafka::budget::Grant;
use crate::kafka::half_received::Receiving;
use crate::kafka::limits::Shared;
use crate::kafka::mute::Departure;

pub(crate) use self::error::FrameError;
pub(super) use self::error::mistaken;

/// The first read of a frame goes through a buffer on the stack of this size: most frames are complete after it.
const FIRST_READ_BYTES: usize = 16 << 10;

/// A frame may reserve somewhat more than its predecessor filled, up to this: a producer's largest request by default
/// (`max.request.size`, 1 MiB) and some room around it.
const MAX_FORESIGHT_BYTES: usize = (1 << 20) + (64 << 10);

/// Bytes of the length before each frame, which does not count itself.
const PREFIX_BYTES: usize = 4;

/// Bytes of the API key, which comes first in a frame.
const KEY_BYTES: usize = 2;

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
    /// Returns true if it may run beside others of a connection that may.
    pub(super) fn overlaps(&self) -> bool {
        self.entry.is_some_and(|entry| entry.overlaps)
    }
}

/// The length and the API of a frame, read from its first bytes.
#[derive(Clone, Copy)]
struct Announced {
    /// Its whole length, prefix included.
    length: usize,
    /// Its API; `None` if it is too short to name one.
    entry: Option<&'static Entry>,
}

/// Cuts what a socket delivers into frames.
pub(super) struct Frames<R> {
    /// The half of the socket that is read.
    socket: R,
    shared: Arc<Shared>,
    /// Bytes that came and are not taken as a frame: the start of the next one, and perhaps more after it.
    buffer: BytesMut,
    /// The part of the budget that the frame at the front of the buffer holds.
    grant: Grant,
    /// Length of the frame before and an eighth of it, at most [`MAX_FORESIGHT_BYTES`]: what the next one may reserve at once.
    foresight: usize,
    /// Reads of half-received frames so far; see [`Frames::reads`].
    reads: Arc<AtomicU64>,
    /// See [`Frames::midway`].
    midway: Arc<AtomicBool>,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads from `socket`.
    pub(super) fn new(socket: R, shared: Arc<Shared>) -> Self {
        Self {
            socket,
            shared,
            buffer: BytesMut::new(),
            grant: Grant::default(),
            foresight: 0,
            reads: Arc::default(),
            midway: Arc::default(),
        }
    }

    /// Counts the reads of half-received frames that brought something.
    pub(super) fn reads(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reads)
    }

    /// True while a frame has come in part: it has to be read to its end. Before that, [`Frames::next`] may be dropped.
    pub(super) fn midway(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.midway)
    }

    /// True if the client has left; what it sent before may not be read yet. `None` if this cannot be known.
    pub(super) fn has_left(&self) -> Option<bool>
    where
        R: Departure,
    {
        self.socket.has_left()
    }

    /// Returns true if the next frame is here, whole.
    pub(super) fn holds_frame(&self) -> bool {
        // An error is no frame: it is reported when its turn comes.
        let announced = self.announced().ok().flatten();
        announced.is_some_and(|announced| self.buffer.len() >= announced.length)
    }

    /// The next frame; `None` if the client closed its side between two frames. Not cancel-safe once a frame has come in part
    /// ([`Frames::midway`]): poll it to its end, or drop all of this.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.buffer.is_empty() && self.first_read().await? == 0 {
            return Ok(None);
        }
        let announced = self.announced()?;
        if let Some(Announced { length, .. }) = announced
            && length > self.buffer.len()
        {
            self.read_at_once(length).await?;
        }
        let announced = match announced {
            // A frame that came whole is not entered as half-received: that takes a lock of all connections.
            Some(announced) if self.buffer.len() >= announced.length => announced,
            begun => {
                // Relaxed, as for `reads`. Not reset by an error, which ends the connection.
                self.midway.store(true, Ordering::Relaxed);
                let finished = self.finish(begun).await?;
                self.midway.store(false, Ordering::Relaxed);
                finished
            }
        };
        Ok(Some(self.take(announced).await))
    }

    /// Waits for the first bytes without holding a buffer for them.
    async fn first_read(&mut self) -> Result<usize, FrameError> {
        let (socket, buffer) = (&mut self.socket, &mut self.buffer);
        // Large frames come one after the other: what is read here of one is copied, so it is only what tells its length.
        let most =
            if self.foresight > FIRST_READ_BYTES { PREFIX_BYTES + KEY_BYTES } else { FIRST_READ_BYTES };
        let read = std::future::poll_fn(|cx| {
            // A variable of the poll, not of the future: in the future, every idle connection would hold it.
            let mut room = [MaybeUninit::uninit(); FIRST_READ_BYTES];
            let mut room = ReadBuf::uninit(&mut room[..most]);
            Pin::new(&mut *socket).poll_read(cx, &mut room).map_ok(|()| {
                buffer.extend_from_slice(room.filled());
                room.filled().len()
            })
        });
        Ok(read.await?)
    }

    /// Reads what is here of a frame into its place, without a wait and without an entry among the half-received ones. Errors and
    /// the end of the client's side are left to [`Frames::finish`], which meets them again.
    async fn read_at_once(&mut self, length: usize) -> Result<(), FrameError> {
        let received = self.buffer.len();
        let room = self.room(length - received);
        if !self.shared.budget.try_raise(&mut self.grant, received + room, received, Some(length)) {
            return Ok(());
        }
        self.buffer.reserve(room);
        let mut place = (&mut self.buffer).limit(room);
        let mut read = std::pin::pin!(self.socket.read_buf(&mut place));
        let came = std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await;
        if let Poll::Ready(came) = came
            && came? > 0
        {
            // Relaxed: only the idle timer of the same task reads it.
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Bytes for which a frame that misses this many may have room now: twice what came so far, or what the frame before really
    /// had, never what is merely announced.
    fn room(&self, missing: usize) -> usize {
        missing.min(self.buffer.len().max(FIRST_READ_BYTES).max(self.foresight))
    }

    /// Returns what the frame at the front of the buffer announces, once it is known and was found allowed.
    fn announced(&self) -> Result<Option<Announced>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        // The general limit comes first: it needs no key, which may not have come yet.
        let largest = self.shared.limits.max_request_bytes;
        let length =
            codec::frame::frame_length(*prefix, largest).map_err(|error| mistaken(*prefix, error))?;
        let Some([.., high, low]) = self.buffer.first_chunk::<{ PREFIX_BYTES + KEY_BYTES }>() else {
            // The key decides how long a frame may be. A frame too short to have one is complete here, and refused later.
            let whole = self.buffer.len() >= PREFIX_BYTES + length;
            return Ok(whole.then_some(Announced { length: PREFIX_BYTES + length, entry: None }));
        };
        // The two bytes after such a prefix belong to the next frame: they are no key of this one.
        if length < KEY_BYTES {
            return Ok(Some(Announced { length: PREFIX_BYTES + length, entry: None }));
        }
        let key = i16::from_be_bytes([*high, *low]);
        // The layout of its header depends on the key, so nothing could be answered. Kafka closes the
        // connection too.
        let entry = api::entry(key).ok_or(FrameError::UnknownApi(key))?;
        // Kafka bounds all frames by `socket.request.max.bytes` alone, whatever API they are for.
        codec::frame::frame_length(*prefix, entry.max_frame_bytes(largest))?;
        Ok(Some(Announced { length: PREFIX_BYTES + length, entry: Some(entry) }))
    }

    /// Reads until the frame is whole. There is no deadline for the whole: a slow link may need minutes for what a fast one
    /// sends at once.
    async fn finish(&mut self, mut announced: Option<Announced>) -> Result<Announced, FrameError> {
        let (receiving, deadline) = (self.shared.budget.begin(), self.shared.limits.frame_deadline);
        loop {
            if announced.is_none() {
                announced = self.announced()?;
            }
            let missing = match announced {
                Some(announced) if self.buffer.len() >= announced.length => return Ok(announced),
                Some(announced) => announced.length - self.buffer.len(),
                None => PREFIX_BYTES + KEY_BYTES - self.buffer.len(),
            };
            let mut room = self.room(missing);
            let (received, needed) = (self.buffer.len(), self.buffer.len() + room);
            let length = announced.map(|announced| announced.length);
            if !self.shared.budget.try_raise(&mut self.grant, needed, received, length) {
                // Memory is short. A frame may wait for it only with bytes that its client has sent: one that waits is not
                // measured, so that a client that sends nothing would hold for ever what the frame has got.
                let mut first = [0];
                let came = read_more(&mut self.socket, &mut &mut first[..], &receiving, deadline).await?;
                self.came(came, &receiving)?;
                receiving.waits_for_memory(true, clock::now());
                self.shared.budget.raise(&mut self.grant, needed, received, length).await;
                receiving.waits_for_memory(false, clock::now());
                self.buffer.reserve(room);
                self.buffer.extend_from_slice(&first);
                room -= 1;
                if room == 0 {
                    continue;
                }
            }
            self.buffer.reserve(room);
            let mut buffer = (&mut self.buffer).limit(room);
            let came = read_more(&mut self.socket, &mut buffer, &receiving, deadline).await?;
            self.came(came, &receiving)?;
        }
    }

    /// Takes in how a read of a half-received frame ended.
    fn came(&self, came: Came, receiving: &Receiving) -> Result<(), FrameError> {
        let (received, announced) = self.so_far();
        match came {
            Came::Bytes(0) => Err(FrameError::Cut { received, announced }),
            Came::Bytes(bytes) => {
                // Relaxed: only the idle timer of the same task reads it.
                self.reads.fetch_add(1, Ordering::Relaxed);
                receiving.came(bytes, clock::now());
                Ok(())
            }
            Came::TooLate { after } => Err(FrameError::Unfinished { after, received, announced }),
            Came::GaveWay => Err(FrameError::GaveWay { received, announced }),
        }
    }

    /// Takes the whole frame off the buffer.
    async fn take(&mut self, Announced { length, entry }: Announced) -> Frame {
        // A frame that was whole in the buffer from the start has not been counted yet.
        self.shared.budget.raise(&mut self.grant, length, length, Some(length)).await;
        // Frames of one client differ a little: a buffer that is short of a few bytes would be copied to a larger one.
        self.foresight = (length + length / 8).min(MAX_FORESIGHT_BYTES);
        // A frame with nothing after it takes the buffer itself, so that an idle connection holds none.
        let frame = if self.buffer.len() == length {
            std::mem::take(&mut self.buffer)
        } else {
            self.buffer.split_to(length)
        };
        let mut bytes = frame.freeze();
        bytes.advance(PREFIX_BYTES);
        Frame { bytes, entry, arrived: clock::now(), grant: std::mem::take(&mut self.grant) }
    }

    /// Bytes that the buffer can hold.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.buffer.capacity()
    }

    /// Bytes of the frame that came, and its length as far as known, prefix included in both.
    fn so_far(&self) -> (usize, usize) {
        let announced = self.announced().ok().flatten();
        (self.buffer.len(), announced.map_or(PREFIX_BYTES, |announced| announced.length))
    }
}

/// How a read within a frame ended.
enum Came {
    /// That many bytes came; none if the client closed its side.
    Bytes(usize),
    /// Nothing came for as long as a client may pause.
    TooLate { after: Duration },
    /// Others need the memory of this frame.
    GaveWay,
}

/// Reads some bytes of a half-received frame. The deadline begins anew with each read: it bounds a pause of the client, not
/// the time of the frame.
async fn read_more<R: AsyncRead + Unpin>(
    socket: &mut R,
    room: &mut impl BufMut,
    receiving: &Receiving,
    deadline: Duration,
) -> std::io::Result<Came> {
    tokio::select! {
        biased;
        // A read that is ready comes first: a frame whose bytes are here does not give way.
        read = socket.read_buf(room) => read.map(Came::Bytes),
        () = receiving.told_to_give_way() => Ok(Came::GaveWay),
        // A deadline for the whole frame cut producers on slow lines (450 KB at 11 KB/s).
        () = tokio::time::sleep(deadline) => Ok(Came::TooLate { after: deadline }),
    }
}

#[cfg(test)]
mod tests;
