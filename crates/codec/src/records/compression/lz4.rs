//! The LZ4 frame format, with blocks that stand alone or refer to those before.
//!
//! Read here, as the library's own frame reader allocates for every frame what its header claims.
//!
//! The buffer has the history first and the current block after it, at [`WINDOW`]. Each block is one
//! piece. All numbers are little-endian.

use std::hash::Hasher as _;
use std::io;

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use twox_hash::XxHash32;

use super::piece::{Decode, Piece, invalid, take, take_array};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// Flags of the frame's header (LZ4 frame format).
const VERSION_MASK: u8 = 0xc0;
const VERSION: u8 = 0x40;
const INDEPENDENT_BLOCKS: u8 = 0x20;
const BLOCK_CHECKSUMS: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
const RESERVED: u8 = 0x02;
const DICTIONARY: u8 = 0x01;
/// Set in the length of a block that is stored as it is.
const STORED: u32 = 0x8000_0000;
/// How far back a block may refer, and where blocks start in the buffer.
const WINDOW: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Lz4 {
    frame: Option<Frame>,
    /// A frame was begun: no data at all is not LZ4.
    any: bool,
}

/// A frame that is being read.
struct Frame {
    flags: u8,
    /// The longest block, compressed and not.
    max_block: usize,
    /// Of the whole content, if the header says so. Nothing is reserved by it.
    content_size: Option<u64>,
    /// Content so far.
    size: u64,
    /// The checksum of it, if the frame has one.
    content: XxHash32,
    /// Bytes before [`WINDOW`] that a linked block may refer to.
    history: usize,
    /// Length of the block that stands at [`WINDOW`].
    last: usize,
}

impl Frame {
    /// Reads the header of a frame.
    fn read(data: &mut &[u8]) -> io::Result<Self> {
        if take_array(data)? != MAGIC {
            return Err(invalid("not an LZ4 frame"));
        }
        let descriptor = *data;
        let [flags, block] = take_array(data)?;
        if flags & VERSION_MASK != VERSION || flags & RESERVED != 0 {
            return Err(invalid("an unknown version of LZ4 frames"));
        }
        if flags & DICTIONARY != 0 {
            return Err(invalid("LZ4 dictionaries are not supported"));
        }
        let max_block = match block {
            // Bits 4 to 6; the others are reserved.
            0x40 => 64 * 1024,
            0x50 => 256 * 1024,
            0x60 => 1024 * 1024,
            0x70 => 4 * 1024 * 1024,
            _ => return Err(invalid("an unknown size of LZ4 blocks")),
        };
        let content_size = match flags & CONTENT_SIZE {
            0 => None,
            _ => Some(u64::from_le_bytes(take_array(data)?)),
        };
        // The second byte of the XXH32 of the descriptor, magic not included (LZ4 frame format).
        let described = descriptor.get(..descriptor.len() - data.len()).unwrap_or_default();
        let [_, _, expected, _] = XxHash32::oneshot(0, described).to_be_bytes();
        if take_array(data)? != [expected] {
            return Err(invalid("the checksum of the LZ4 frame's header is wrong"));
        }
        Ok(Self {
            flags,
            max_block,
            content_size,
            size: 0,
            content: XxHash32::with_seed(0),
            history: 0,
            last: 0,
        })
    }

    /// True if the frame's header has that flag.
    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Decompresses the next block to [`WINDOW`] of the buffer; its length, or `None` at the end of the frame.
    fn block(&mut self, data: &mut &[u8], piece: &mut Piece) -> io::Result<Option<usize>> {
        let size = u32::from_le_bytes(take_array(data)?);
        // The end mark.
        if size == 0 {
            self.end(data)?;
            return Ok(None);
        }
        let len = usize::try_from(size & !STORED).map_err(io::Error::other)?;
        if len > self.max_block {
            return Err(invalid("an LZ4 block is larger than its frame allows"));
        }
        // Its bytes must be present before room is made for what comes out of them.
        let block = take(data, len)?;
        if self.has(BLOCK_CHECKSUMS) && u32::from_le_bytes(take_array(data)?) != XxHash32::oneshot(0, block) {
            return Err(invalid("the checksum of an LZ4 block is wrong"));
        }
        // Before the block is overwritten by the next.
        self.remember(piece);
        let (before, out) = piece.room(WINDOW + self.max_block).split_at_mut(WINDOW);
        // The buffer may be longer, from a frame with larger blocks: more than this frame allows must not fit.
        let out = out.get_mut(..self.max_block).unwrap_or_default();
        let history = before.get(WINDOW - self.history..).unwrap_or_default();
        // What comes out is bounded by `out`: a block that holds more is an error of the library.
        let len = if size & STORED != 0 {
            out.get_mut(..len).unwrap_or_default().copy_from_slice(block);
            len
        } else if history.is_empty() {
            decompress_into(block, out).map_err(io::Error::other)?
        } else {
            decompress_into_with_dict(block, out, history).map_err(io::Error::other)?
        };
        self.last = len;
        self.size += len as u64;
        if self.has(CONTENT_CHECKSUM) {
            self.content.write(out.get(..len).unwrap_or_default());
        }
        Ok(Some(len))
    }

    /// Moves the end of the block before in front of the next, which may refer to it.
    fn remember(&mut self, piece: &mut Piece) {
        if self.has(INDEPENDENT_BLOCKS) || self.last == 0 {
            return;
        }
        let (end, history) = (WINDOW + self.last, (self.history + self.last).min(WINDOW));
        piece.buffer.copy_within(end - history..end, WINDOW - history);
        self.history = history;
    }

    /// Compares size and checksum of the content, where the frame has them.
    fn end(&self, data: &mut &[u8]) -> io::Result<()> {
        if self.content_size.is_some_and(|size| size != self.size) {
            return Err(invalid("the LZ4 frame's content is not as long as it says"));
        }
        if self.has(CONTENT_CHECKSUM)
            && u64::from(u32::from_le_bytes(take_array(data)?)) != self.content.finish()
        {
            return Err(invalid("the checksum of the LZ4 frame's content is wrong"));
        }
        Ok(())
    }
}

impl Decode for Lz4 {
    fn reset(&mut self) {
        // The stream before may have ended in the middle of a frame.
        *self = Self::default();
    }

    fn next(&mut self, data: &mut &[u8], piece: &mut Piece, _left: usize) -> io::Result<()> {
        loop {
            let frame = match &mut self.frame {
                Some(frame) => frame,
                None if data.is_empty() && self.any => return Ok(()),
                // Another frame may follow, as members of gzip may.
                none => {
                    self.any = true;
                    none.insert(Frame::read(data)?)
                }
            };
            match frame.block(data, piece)? {
                None => self.frame = None,
                // An empty piece would mean the end of the stream.
                Some(0) => {}
                Some(len) => {
                    (piece.start, piece.end) = (WINDOW, WINDOW + len);
                    return Ok(());
                }
            }
        }
    }
}
