//! One codec's share of a stream: what it is given and what it hands out.
//!
//! Each codec implements [`Decode`]; `decoder.rs` chooses among them.

use std::io;

/// Bytes that the codecs without blocks of their own hand out at a time: what a core's first cache holds.
pub(super) const PIECE: usize = 32 * 1024;

/// Decompressed bytes that are not yet read.
#[derive(Default)]
pub(super) struct Piece {
    /// Grows to what a codec needs; the rest of it means nothing to the reader.
    pub(super) buffer: Vec<u8>,
    /// The unread part.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Piece {
    /// The buffer, of at least `len` bytes; what was in it is kept unless it has to grow.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.buffer.len() < len {
            // Fresh zeroed memory costs nothing before it is touched, unlike growing in place.
            self.buffer = vec![0; len];
        }
        &mut self.buffer
    }
}

/// A codec at work on one stream.
pub(super) trait Decode {
    /// Forgets the stream before.
    fn reset(&mut self);

    /// Reads from `data` and puts the next bytes into `piece`, at most `left` of them if it can know beforehand.
    /// An empty piece is the proper end of the stream.
    ///
    /// # Errors
    /// Data that breaks the rules of its format, or ends before it should.
    fn next(&mut self, data: &mut &[u8], piece: &mut Piece, left: usize) -> io::Result<()>;
}

/// Data that breaks the rules of its format.
pub(super) fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The first `len` bytes of the data, which then goes on after them.
pub(super) fn take<'d>(data: &mut &'d [u8], len: usize) -> io::Result<&'d [u8]> {
    let (taken, rest) = data.split_at_checked(len).ok_or_else(|| invalid("the data is cut off"))?;
    *data = rest;
    Ok(taken)
}

/// The next `N` bytes.
pub(super) fn take_array<const N: usize>(data: &mut &[u8]) -> io::Result<[u8; N]> {
    let (taken, rest) = data.split_first_chunk::<N>().ok_or_else(|| invalid("the data is cut off"))?;
    *data = rest;
    Ok(*taken)
}
