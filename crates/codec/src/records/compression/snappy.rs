//! Snappy blocks in the framing of Java's snappy (xerial), or one bare block (librdkafka).
//!
//! Which of the two it is, only the first bytes tell: the batch has one codec number for both.

use std::io;

use super::piece::{Decode, Piece, invalid, take, take_array};
use super::{BatchError, held_limit};

/// Eight bytes of magic, a version, a compatible version; then blocks, each preceded by its length.
const MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// The header that Java writes.
pub(super) const HEADER: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// The block size of Java's `SnappyOutputStream`.
const XERIAL_BLOCK: usize = 32 * 1024;
/// A Snappy copy makes at most 64 bytes of 3, so a block cannot truly claim more than this.
/// It bounds what a false length can reserve.
const MAX_RATIO: usize = 32;

#[derive(Default)]
pub(super) struct Snappy {
    /// `None` before the first bytes.
    framed: Option<bool>,
}

impl Decode for Snappy {
    fn reset(&mut self) {
        self.framed = None;
    }

    fn next(&mut self, data: &mut &[u8], piece: &mut Piece, left: usize) -> io::Result<()> {
        let framed = *self.framed.get_or_insert_with(|| {
            // The two versions after the magic are not looked at.
            let framed = data.starts_with(MAGIC) && data.len() >= HEADER.len();
            if framed {
                *data = data.get(HEADER.len()..).unwrap_or_default();
            }
            framed
        });
        while !data.is_empty() {
            let block = if framed {
                // Java writes its lengths as signed numbers.
                let len = usize::try_from(i32::from_be_bytes(take_array(data)?));
                take(data, len.map_err(|_| invalid("a negative block length"))?)?
            } else {
                // All of the data is the block, so it is one piece.
                std::mem::take(data)
            };
            // From the first bytes of the block: a claim, up to 4 GiB.
            let len = snap::raw::decompress_len(block)?;
            if len > block.len().saturating_mul(MAX_RATIO) {
                return Err(invalid("a block claims more than it can hold"));
            }
            // A block is one piece, so it is held although the stream may go on for longer.
            let limit = held_limit(block.len());
            if len > limit {
                return Err(io::Error::other(BatchError::TooExpansive { limit }));
            }
            // More than is allowed is not decompressed at all: the stream refuses a piece of this length.
            let out = piece.room(len.min(left)).get_mut(..len);
            let Some(out) = out.filter(|_| len <= left) else {
                piece.end = len;
                return Ok(());
            };
            // The decoder has no state, so none is kept.
            snap::raw::Decoder::new().decompress(block, out)?;
            // An empty block is not the end of the stream.
            if len > 0 {
                piece.end = len;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Snappy in the framing of Java's `SnappyOutputStream`.
pub(crate) struct SnappyWriter {
    /// The header and the blocks that are complete.
    out: Vec<u8>,
    /// Uncompressed bytes of the next block, fewer than 32 KiB.
    block: Vec<u8>,
}

impl SnappyWriter {
    /// The header comes first, also if nothing follows.
    pub(super) fn new() -> Self {
        SnappyWriter { out: HEADER.to_vec(), block: Vec::new() }
    }

    pub(super) fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let room = XERIAL_BLOCK - self.block.len();
            let (now, later) = data.split_at_checked(room).unwrap_or((data, &[]));
            self.block.extend_from_slice(now);
            data = later;
            if self.block.len() == XERIAL_BLOCK {
                self.close_block()?;
            }
        }
        Ok(())
    }

    /// Compresses the block and appends it after its length.
    fn close_block(&mut self) -> io::Result<()> {
        let compressed = snap::raw::Encoder::new().compress_vec(&self.block)?;
        // A block of 32 KiB grows by a sixth at most, so its length fits.
        self.out.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
        self.out.extend_from_slice(&compressed);
        self.block.clear();
        Ok(())
    }

    /// The framing has no end of its own.
    pub(super) fn finish(mut self) -> io::Result<Vec<u8>> {
        if !self.block.is_empty() {
            self.close_block()?;
        }
        Ok(self.out)
    }
}
