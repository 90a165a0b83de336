//! Gzip members (RFC 1952), one after the other.
//!
//! The frame is read here and only the deflate stream by the library, whose state can then serve one batch after the
//! other.

use std::io;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::piece::{Decode, PIECE, Piece, invalid, take, take_array};

/// Two bytes of magic, and the only method there is: deflate.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const HAS_HEADER_CRC: u8 = 0x02;
const HAS_EXTRA: u8 = 0x04;
const HAS_NAME: u8 = 0x08;
const HAS_COMMENT: u8 = 0x10;
/// Must be zero: an unknown flag may stand for a field that is unknown here (RFC 1952).
const RESERVED: u8 = 0xe0;

pub(super) struct Gzip {
    /// Its window is allocated once and serves all batches of a thread.
    inflate: Decompress,
    /// Over the content of the member so far.
    crc: Crc,
    /// Between a header and its trailer.
    in_member: bool,
    /// A member was begun: no data at all is not gzip.
    any: bool,
}

impl Default for Gzip {
    fn default() -> Self {
        // Raw deflate: the header and the trailer of each member are read here.
        Self { inflate: Decompress::new(false), crc: Crc::new(), in_member: false, any: false }
    }
}

impl Gzip {
    /// Reads a header and starts a deflate stream.
    fn begin_member(&mut self, data: &mut &[u8]) -> io::Result<()> {
        skip_header(data)?;
        self.inflate.reset(false);
        self.crc.reset();
        (self.in_member, self.any) = (true, true);
        Ok(())
    }

    /// Reads a trailer and compares it with the content.
    fn end_member(&mut self, data: &mut &[u8]) -> io::Result<()> {
        let crc = u32::from_le_bytes(take_array(data)?);
        let size = u32::from_le_bytes(take_array(data)?);
        // The size counts modulo 2³² (RFC 1952), as does the sum here.
        if crc != self.crc.sum() || size != self.crc.amount() {
            return Err(invalid("the checksum or the size of a gzip member is wrong"));
        }
        self.in_member = false;
        Ok(())
    }
}

impl Decode for Gzip {
    fn reset(&mut self) {
        // The state of deflate is reset where a member begins.
        (self.in_member, self.any) = (false, false);
    }

    fn next(&mut self, data: &mut &[u8], piece: &mut Piece, _left: usize) -> io::Result<()> {
        loop {
            if !self.in_member {
                // The data may end between two members only.
                if data.is_empty() && self.any {
                    return Ok(());
                }
                self.begin_member(data)?;
            }
            let out = piece.room(PIECE);
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(data, out, FlushDecompress::None)?;
            // Both fit: they are no more than the slices are long.
            let consumed = (self.inflate.total_in() - before.0) as usize;
            let produced = (self.inflate.total_out() - before.1) as usize;
            *data = data.get(consumed..).unwrap_or_default();
            self.crc.update(out.get(..produced).unwrap_or_default());
            match status {
                Status::StreamEnd => self.end_member(data)?,
                // It waits for bytes that do not come.
                Status::Ok | Status::BufError if produced == 0 && consumed == 0 => {
                    return Err(invalid("the data is cut off"));
                }
                Status::Ok | Status::BufError => {}
            }
            // An empty piece would mean the end of the stream, but another member may follow.
            if produced > 0 {
                piece.end = produced;
                return Ok(());
            }
        }
    }
}

/// Moves past the header of a member.
fn skip_header(data: &mut &[u8]) -> io::Result<()> {
    if take_array(data)? != MAGIC {
        return Err(invalid("not a gzip member"));
    }
    let [flags] = take_array(data)?;
    // Time, extra flags and operating system.
    take(data, 6)?;
    if flags & RESERVED != 0 {
        return Err(invalid("unknown gzip flags"));
    }
    if flags & HAS_EXTRA != 0 {
        let len = u16::from_le_bytes(take_array(data)?);
        take(data, len.into())?;
    }
    // In this order, each with a zero at its end.
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            let len =
                data.iter().position(|byte| *byte == 0).ok_or_else(|| invalid("the data is cut off"))?;
            take(data, len + 1)?;
        }
    }
    if flags & HAS_HEADER_CRC != 0 {
        // Not compared: nothing of the header is used.
        take(data, 2)?;
    }
    Ok(())
}
