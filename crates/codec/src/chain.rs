//! A response under construction: what is written, and record data spliced in without a copy.
//!
//! Small things are written into a buffer; the record batches of a Fetch response are pushed as
//! the `Bytes` they already are. The result is a list of segments for a vectored write, which
//! [`Chain::into_frame`] opens with the length of all of them.
//!
//! A chain starts with room for the length prefix, so that a frame is made without moving a byte.
//! A response without spliced data takes one allocation from its first byte to the socket.

use std::iter::{self, Once};
use std::vec;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::EncodeError;

/// Below this many bytes a copy is cheaper than one more segment in a vectored write.
const SPLICE_MIN: usize = 1024;
/// Room for the length prefix in front of everything.
const PREFIX: usize = 4;

/// A part of a frame, in one piece of memory.
#[derive(Debug)]
pub enum Segment {
    /// Bytes that were written one after another. The first segment is always one of these.
    Written(BytesMut),
    /// Shared with their owner, for instance the tail of a log.
    Spliced(Bytes),
}

impl Buf for Segment {
    fn remaining(&self) -> usize {
        self.chunk().len()
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Segment::Written(bytes) => bytes,
            Segment::Spliced(bytes) => bytes,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Segment::Written(bytes) => bytes.advance(count),
            Segment::Spliced(bytes) => bytes.advance(count),
        }
    }
}

/// A response as it goes into the socket, length prefix included: its segments, of which the last may be empty.
#[derive(Debug)]
pub struct Frame {
    closed: Vec<Segment>,
    open: BytesMut,
    /// Bytes of all segments.
    bytes: usize,
}

impl Frame {
    /// Bytes of all segments, length prefix included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl IntoIterator for Frame {
    type Item = Segment;
    type IntoIter = iter::Chain<vec::IntoIter<Segment>, Once<Segment>>;

    fn into_iter(self) -> Self::IntoIter {
        self.closed.into_iter().chain(iter::once(Segment::Written(self.open)))
    }
}

/// A sequence of byte segments, appended to at its end.
#[derive(Debug)]
pub struct Chain {
    /// Segments that nothing can be added to.
    closed: Vec<Segment>,
    /// Their bytes, the room for the prefix included if one of them has it.
    closed_len: usize,
    /// The segment being written. While `closed` is empty it starts with room for the prefix.
    open: BytesMut,
}

impl Chain {
    /// An empty chain.
    pub fn new() -> Self {
        Chain::with_capacity(256)
    }

    /// An empty chain whose first segment has room for `bytes` bytes.
    /// It grows if more is written.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut open = BytesMut::with_capacity(PREFIX + bytes);
        // Zeros until `into_frame` knows the length.
        open.resize(PREFIX, 0);
        Chain { closed: Vec::new(), closed_len: 0, open }
    }

    /// The buffer at the end of the chain. Append to it only: what is in it is already part of
    /// the chain.
    /// [`Chain::push_bytes`] may close it: what is written later belongs after the pushed bytes.
    pub fn buf(&mut self) -> &mut BytesMut {
        &mut self.open
    }

    /// Appends `bytes`, sharing them rather than copying them unless they are very short.
    /// `bytes` keep all that they are a slice of in memory until the chain is sent or dropped.
    pub fn push_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < SPLICE_MIN {
            self.open.extend_from_slice(&bytes);
            return;
        }
        // What follows goes on in the same allocation: `split` leaves the unused capacity to it.
        let written = self.open.split();
        self.closed_len += written.len() + bytes.len();
        // Empty if two batches follow each other: a segment without bytes would only lengthen the write.
        if !written.is_empty() {
            self.closed.push(Segment::Written(written));
        }
        self.closed.push(Segment::Spliced(bytes));
    }

    /// Bytes in the chain, the length prefix not counted.
    pub fn len(&self) -> usize {
        self.closed_len + self.open.len() - PREFIX
    }

    /// True if nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The content, without a length prefix.
    /// None of the segments is empty; without content there are none.
    pub fn into_segments(self) -> Vec<Bytes> {
        let mut segments = self.freeze();
        // The first segment has the room for the prefix, so `freeze` has kept it.
        if let Some(first) = segments.first_mut() {
            let _prefix = first.split_to(PREFIX);
        }
        segments.retain(|segment| !segment.is_empty());
        segments
    }

    /// The content, preceded by its length as Kafka frames it.
    /// The prefix is the first four bytes of the first segment and does not count itself. Nothing is copied.
    ///
    /// # Errors
    /// If the content is longer than a frame can be (2 GiB).
    pub fn into_frame(mut self) -> Result<Frame, EncodeError> {
        let len = i32::try_from(self.len()).map_err(|_| EncodeError {
            message: "frame",
            version: 0,
            reason: format!("{} bytes do not fit into one frame", self.len()),
        })?;
        let first = match self.closed.first_mut() {
            Some(Segment::Written(first)) => first,
            // The first segment is never a spliced one: the room for the prefix comes before it.
            _ => &mut self.open,
        };
        if let Some(prefix) = first.get_mut(..PREFIX) {
            prefix.copy_from_slice(&len.to_be_bytes());
        }
        let bytes = self.closed_len + self.open.len();
        Ok(Frame { closed: self.closed, open: self.open, bytes })
    }

    /// The content as one buffer: a copy, for tests and tools.
    pub fn into_bytes(self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.len());
        for segment in self.into_segments() {
            out.extend_from_slice(&segment);
        }
        out.freeze()
    }

    /// The segments in order, the room for the prefix included, without empty ones.
    fn freeze(self) -> Vec<Bytes> {
        let bytes = |segment| match segment {
            Segment::Written(bytes) => bytes.freeze(),
            Segment::Spliced(bytes) => bytes,
        };
        let len = self.closed_len + self.open.len();
        let segments = Frame { closed: self.closed, open: self.open, bytes: len }.into_iter().map(bytes);
        segments.filter(|bytes| !bytes.is_empty()).collect()
    }
}

impl Default for Chain {
    fn default() -> Self {
        Chain::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    fn sample() -> (Chain, Bytes) {
        let records = Bytes::from(vec![7; 5000]);
        let mut chain = Chain::new();
        chain.buf().put_u16(1);
        chain.push_bytes(records.clone());
        chain.push_bytes(records.clone());
        chain.buf().put_u8(2);
        chain.push_bytes(Bytes::from_static(b"short"));
        (chain, records)
    }

    #[test]
    fn long_bytes_are_shared_and_short_ones_copied() {
        let (chain, records) = sample();
        assert_eq!(chain.len(), 2 + 5000 + 5000 + 1 + 5);
        let segments = chain.into_segments();
        assert_eq!(segments.len(), 4);
        assert_eq!(segments[1].as_ptr(), records.as_ptr());
        assert_eq!(segments[2].as_ptr(), records.as_ptr());
        assert_eq!(&segments[0][..], [0, 1]);
        assert_eq!(&segments[3][..], b"\x02short");
    }

    #[test]
    fn a_frame_opens_with_the_length_of_its_content() {
        let (chain, _) = sample();
        let len = chain.len();
        let frame = Vec::from_iter(chain.into_frame().unwrap());
        assert_eq!(frame[0].chunk()[..4], u32::try_from(len).unwrap().to_be_bytes());
        assert_eq!(frame.iter().map(Segment::remaining).sum::<usize>(), len + 4);
    }

    #[test]
    fn splicing_first_keeps_the_prefix_in_front() {
        let mut chain = Chain::new();
        chain.push_bytes(Bytes::from(vec![9; 2000]));
        assert_eq!(chain.len(), 2000);
        let frame = Vec::from_iter(chain.into_frame().unwrap());
        assert_eq!(frame[0].chunk(), 2000u32.to_be_bytes());
        assert_eq!(frame[1].remaining(), 2000);
    }

    #[test]
    fn an_empty_chain_is_an_empty_frame() {
        assert!(Chain::new().is_empty());
        assert!(Chain::new().into_segments().is_empty());
        let frame = Vec::from_iter(Chain::new().into_frame().unwrap());
        assert_eq!((frame.len(), frame[0].chunk()), (1, &[0; 4][..]));
    }

    #[test]
    fn a_segment_is_taken_off_from_its_front() {
        let (chain, records) = sample();
        for mut segment in chain.into_frame().unwrap() {
            let whole = segment.chunk().to_vec();
            segment.advance(1);
            assert_eq!(segment.chunk(), &whole[1..]);
        }
        assert_eq!(records.len(), 5000, "shared bytes stay whole for others");
    }
}
