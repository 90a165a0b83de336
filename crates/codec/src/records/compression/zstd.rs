//! Zstandard frames (KIP-110), one after the other.
//!
//! Only the library knows the format. Its context allocates a window when a frame asks for one and
//! keeps it for the next; see `MAX_KEPT` in `decoder.rs`.

use std::io;

use ::zstd::zstd_safe::{DCtx, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::piece::{Decode, PIECE, Piece, invalid};

pub(super) struct Zstd {
    context: DCtx<'static>,
    /// Nothing of a frame is open.
    between_frames: bool,
    /// A frame was begun: no data at all is not zstd.
    any: bool,
}

impl Zstd {
    /// The window of a frame may be 128 MiB at most, as in Kafka's library. It is address space until data fills it.
    pub(super) fn new() -> io::Result<Self> {
        let context = DCtx::try_create().ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Self { context, between_frames: true, any: false })
    }

    /// Memory in use.
    pub(super) fn size_bytes(&self) -> usize {
        self.context.sizeof()
    }
}

impl Decode for Zstd {
    fn reset(&mut self) {
        // Resetting the session alone cannot fail; a failure would show at the first bytes.
        self.context.reset(ResetDirective::SessionOnly).ok();
        (self.between_frames, self.any) = (true, false);
    }

    fn next(&mut self, data: &mut &[u8], piece: &mut Piece, _left: usize) -> io::Result<()> {
        loop {
            if data.is_empty() && self.between_frames && self.any {
                return Ok(());
            }
            // Frames without content and skippable ones come out as nothing: the loop goes on to the next.
            let mut input = InBuffer::around(data);
            let mut output = OutBuffer::around(piece.room(PIECE));
            let step = self.context.decompress_stream(&mut output, &mut input);
            let hint = step.map_err(|code| io::Error::other(get_error_name(code)))?;
            let (consumed, produced) = (input.pos(), output.pos());
            *data = data.get(consumed..).unwrap_or_default();
            // Zero: a frame is complete and all of it handed out.
            self.between_frames = hint == 0;
            self.any = true;
            if produced > 0 {
                piece.end = produced;
                return Ok(());
            }
            // Nothing went in and nothing came out: it waits for bytes that the batch does not have.
            if consumed == 0 {
                return Err(invalid("the data is cut off"));
            }
        }
    }
}
