//! Answers of one connection on their way into its socket.
//!
//! Guarantees that segments are written in order by vectored writes, without being copied, and freed as soon as they
//! are written. How much may wait here is left to the connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Buf as _;
use codec::chain::Segment;
use tokio::io::AsyncWrite;

use crate::kafka::answered::Receipt;
use crate::telemetry::metrics::RequestTimes;

/// Segments handed to one write call; Linux takes up to 1024.
const MAX_SLICES: usize = 64;

/// Segments that wait for the socket.
#[derive(Default)]
pub(super) struct Outgoing {
    /// In the order of the stream; the first may be written in part.
    segments: VecDeque<Segment>,
    /// Bytes of all segments that wait.
    bytes: usize,
    /// Frames that are not written yet, by the number of bytes that were ever pushed when each was.
    unsent: VecDeque<(u64, Unsent)>,
    /// Bytes that were ever pushed.
    pushed: u64,
}

/// The facts for the metrics of a frame, counted once it is written.
pub(super) struct Unsent {
    /// The request it answers.
    pub(super) receipt: Receipt,
    /// Its times so far; `response_send` is filled in here.
    pub(super) times: RequestTimes,
    /// When it was its turn.
    pub(super) since: Instant,
}

impl Outgoing {
    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns true if nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Adds the segments of one frame; without any it is counted once all before it is written.
    pub(super) fn push(&mut self, frame: impl IntoIterator<Item = Segment>, unsent: Unsent) {
        // Without empty segments: a write of nothing else would return 0, which is taken for a failed socket.
        for segment in frame.into_iter().filter(Segment::has_remaining) {
            self.bytes += segment.remaining();
            self.pushed += segment.remaining() as u64;
            self.segments.push_back(segment);
        }
        self.unsent.push_back((self.pushed, unsent));
    }

    /// The oldest frame that is written whole by `now` and was not given out before.
    pub(super) fn pop_sent(&mut self, now: Instant) -> Option<(Receipt, RequestTimes)> {
        let written = self.pushed - self.bytes as u64;
        let (_, unsent) = self.unsent.pop_front_if(|(end, _)| *end <= written)?;
        let Unsent { receipt, mut times, since } = unsent;
        times.response_send = now.saturating_duration_since(since);
        Some((receipt, times))
    }

    /// One write call.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut W,
    ) -> Poll<io::Result<()>> {
        let socket = Pin::new(socket);
        let written = match self.segments.front() {
            // The usual answer. A call with a list of parts costs the kernel more.
            Some(only) if self.segments.len() == 1 => ready!(socket.poll_write(cx, only.chunk()))?,
            _ => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let mut used = 0;
                for (slice, segment) in slices.iter_mut().zip(&self.segments) {
                    *slice = IoSlice::new(segment.chunk());
                    used += 1;
                }
                ready!(socket.poll_write_vectored(cx, &slices[..used]))?
            }
        };
        // As `write_all`: such a socket takes nothing later either, and the connection would turn for ever.
        if written == 0 && !self.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    /// Takes `written` bytes off the front.
    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.segments.front_mut() {
            if written < front.remaining() {
                front.advance(written);
                return;
            }
            written -= front.remaining();
            // At once, not with its whole frame: a fetched batch may hold its fetch's share of the budget.
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::clock::now;

    fn unsent(version: i16) -> Unsent {
        let receipt = Receipt { api: 0, version, error_code: 0 };
        Unsent { receipt, times: RequestTimes::default(), since: now() }
    }

    #[tokio::test]
    async fn everything_arrives_in_order_through_a_narrow_pipe() {
        let mut expected = Vec::new();
        let mut outgoing = Outgoing::default();
        for number in 0..200_u8 {
            let segment = vec![number; usize::from(number)];
            expected.extend_from_slice(&segment);
            let frame = [Bytes::from(segment), Bytes::new(), Bytes::from_static(b"|")];
            outgoing.push(frame.map(Segment::Spliced), unsent(number.into()));
            expected.push(b'|');
        }
        assert_eq!(outgoing.bytes(), expected.len());
        let (mut near, mut far) = tokio::io::duplex(37);
        let mut sent = Vec::new();
        let write = async {
            while !outgoing.is_empty() {
                std::future::poll_fn(|cx| outgoing.poll_write(cx, &mut near)).await.unwrap();
                sent.extend(
                    std::iter::from_fn(|| outgoing.pop_sent(now())).map(|(receipt, _)| receipt.version),
                );
                assert_eq!(sent.len() == 200, outgoing.is_empty());
            }
            drop(near);
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(write, far.read_to_end(&mut received));
        read.unwrap();
        assert_eq!(received, expected);
        assert_eq!(sent, Vec::from_iter(0..200));
    }
}
