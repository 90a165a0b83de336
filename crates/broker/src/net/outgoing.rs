//! Answers of one connection on their way into its socket.
//!
//! Guarantees that segments are written in order by vectored writes, without being copied, and freed as soon as they
//! are written. How much may wait here is left to the connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Segments handed to one write call; Linux takes up to 1024.
const MAX_SLICES: usize = 64;

/// Segments that wait for the socket.
#[derive(Default)]
pub(super) struct Outgoing {
    segments: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Adds the segments of one frame.
    pub(super) fn push(&mut self, frame: Vec<Bytes>) {
        for segment in frame.into_iter().filter(|segment| !segment.is_empty()) {
            self.bytes += segment.len();
            self.segments.push_back(segment);
        }
    }

    /// One write call. Cancel-safe: what was not written is still here.
    pub(super) async fn write_some<W: AsyncWrite + Unpin>(&mut self, socket: &mut W) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut used = 0;
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(segment);
            used += 1;
        }
        let written = socket.write_vectored(slices.get(..used).unwrap_or_default()).await?;
        if written == 0 && used > 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(written);
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.segments.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn everything_arrives_in_order_through_a_narrow_pipe() {
        let mut expected = Vec::new();
        let mut outgoing = Outgoing::default();
        for number in 0..200_u8 {
            let segment = vec![number; usize::from(number)];
            expected.extend_from_slice(&segment);
            outgoing.push(vec![Bytes::from(segment), Bytes::new(), Bytes::from_static(b"|")]);
            expected.push(b'|');
        }
        assert_eq!(outgoing.bytes(), expected.len());
        let (mut near, mut far) = tokio::io::duplex(37);
        let write = async {
            while !outgoing.is_empty() {
                outgoing.write_some(&mut near).await.unwrap();
            }
            drop(near);
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(write, far.read_to_end(&mut received));
        read.unwrap();
        assert_eq!(received, expected);
        assert_eq!(outgoing.bytes(), 0);
    }
}
