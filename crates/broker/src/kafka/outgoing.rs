//! Answers of one connection on their way into its socket.
//!
//! Guarantees that segments are written in order by vectored writes, without being copied, and freed as soon as they
//! are written; and that no frame counts as sent before the socket has it: TLS takes bytes first and sends them later. How much may wait here is left to the connection.

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
    /// Bytes that were ever flushed: the socket has them.
    flushed: u64,
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
    /// Bytes that wait, those included that TLS holds back.
    pub(super) fn bytes(&self) -> usize {
        // What was not flushed is in memory, so its number has a `usize`.
        usize::try_from(self.pushed - self.flushed).unwrap_or(usize::MAX)
    }

    /// Returns true if nothing waits, not even in TLS.
    pub(super) fn is_empty(&self) -> bool {
        self.flushed == self.pushed
    }

    /// Bytes that were ever written.
    fn written(&self) -> u64 {
        self.pushed - self.bytes as u64
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
        let flushed = self.flushed;
        let (_, unsent) = self.unsent.pop_front_if(|(end, _)| *end <= flushed)?;
        let Unsent { receipt, mut times, since } = unsent;
        times.response_send = now.saturating_duration_since(since);
        Some((receipt, times))
    }

    /// One write call, and a flush of what was written. Ready after either of them went on; so call it again until nothing waits.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut W,
    ) -> Poll<io::Result<()>> {
        let mut socket = Pin::new(socket);
        if self.segments.is_empty() {
            ready!(socket.as_mut().poll_flush(cx))?;
            self.flushed = self.written();
            return Poll::Ready(Ok(()));
        }
        let written = match self.segments.front() {
            // The usual answer. A call with a list of parts costs the kernel more.
            Some(only) if self.segments.len() == 1 => ready!(socket.as_mut().poll_write(cx, only.chunk()))?,
            _ => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let mut used = 0;
                for (slice, segment) in slices.iter_mut().zip(&self.segments) {
                    *slice = IoSlice::new(segment.chunk());
                    used += 1;
                }
                ready!(socket.as_mut().poll_write_vectored(cx, &slices[..used]))?
            }
        };
        // As `write_all`: such a socket takes nothing later either, and the connection would turn for ever.
        if written == 0 && !self.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        // At once where the socket takes it, as one without TLS always does.
        if let Poll::Ready(flushed) = socket.poll_flush(cx) {
            flushed?;
            self.flushed = self.written();
        }
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

    /// Takes all bytes at once, as TLS does, and lets them through when it is told to.
    struct Holding {
        holds: bool,
    }

    impl AsyncWrite for Holding {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.holds { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// rustls takes up to 64 KiB that no socket has seen: answers counted as sent, and a connection closed over them.
    #[tokio::test]
    async fn a_frame_counts_as_sent_when_it_is_flushed() {
        let (mut outgoing, mut socket) = (Outgoing::default(), Holding { holds: true });
        outgoing.push([Segment::Spliced(Bytes::from_static(b"answer"))], unsent(1));
        std::future::poll_fn(|cx| outgoing.poll_write(cx, &mut socket)).await.unwrap();
        assert_eq!(outgoing.bytes(), 6);
        assert!(!outgoing.is_empty() && outgoing.pop_sent(now()).is_none());
        let pending =
            std::future::poll_fn(|cx| Poll::Ready(outgoing.poll_write(cx, &mut socket).is_pending()));
        assert!(pending.await, "nothing more to write, and the flush waits");
        socket.holds = false;
        std::future::poll_fn(|cx| outgoing.poll_write(cx, &mut socket)).await.unwrap();
        assert!(outgoing.is_empty() && outgoing.pop_sent(now()).is_some());
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
