//! Decompression as a stream of pieces, with memory that a thread keeps for the next batch.
//!
//! Data is whole in memory, so decoders take it as a slice and hand out pieces of their own buffer: no copy between the
//! codec and the reader, no allocation for a batch of ordinary size. Every claim inside the data (block length, window)
//! is bounded by the codec's format and by the limit of the stream before memory is reserved for it.

use std::cell::Cell;
use std::io::{self, Read};

use super::gzip::Gzip;
use super::lz4::Lz4;
use super::piece::{Decode, PIECE, Piece};
use super::snappy::Snappy;
use super::zstd::Zstd;
use super::{BatchError, Compression};

/// The most that a thread keeps for the next batch: LZ4's largest block with its history.
const MAX_KEPT: usize = 4 * 1024 * 1024 + 64 * 1024;
/// The decoders of a thread, made when they are first used.
#[derive(Default)]
pub(super) struct Decoders {
    /// One for all codecs: a thread decompresses one batch at a time.
    piece: Piece,
    gzip: Option<Gzip>,
    snappy: Option<Snappy>,
    lz4: Option<Lz4>,
    zstd: Option<Zstd>,
}

impl Decoders {
    /// The decoder of a codec, none for no codec, and the piece that it fills.
    fn of(&mut self, codec: Compression) -> io::Result<(Option<&mut dyn Decode>, &mut Piece)> {
        let decoder: Option<&mut dyn Decode> = match codec {
            Compression::None => None,
            Compression::Gzip => Some(self.gzip.get_or_insert_default()),
            Compression::Snappy => Some(self.snappy.get_or_insert_default()),
            Compression::Lz4 => Some(self.lz4.get_or_insert_default()),
            Compression::Zstd => match &mut self.zstd {
                Some(zstd) => Some(zstd),
                // The only one whose state comes from a C library, which may be out of memory.
                empty => Some(empty.insert(Zstd::new()?)),
            },
        };
        Ok((decoder, &mut self.piece))
    }

    /// Lets go what an extraordinary batch needed.
    fn trim(&mut self) {
        // A bare Snappy block may be 64 MiB and more.
        if self.piece.buffer.len() > MAX_KEPT {
            self.piece.buffer = Vec::new();
        }
        // A frame says how far back it refers, up to 128 MiB, and the context keeps room for that.
        self.zstd.take_if(|zstd| zstd.size_bytes() > MAX_KEPT);
    }
}

thread_local! {
    /// Not in use at the moment.
    static SPARE: Cell<Option<Box<Decoders>>> = const { Cell::new(None) };
}

/// The decompressed content of some data, piece by piece.
pub(crate) struct Decompressed<'a> {
    /// `None` only while it is dropped.
    decoders: Option<Box<Decoders>>,
    /// The codec of `data`.
    codec: Compression,
    /// The compressed bytes that are not yet read.
    data: &'a [u8],
    /// As it was given, for the error.
    limit: usize,
    /// How much more may come out.
    left: usize,
    /// The decoder has forgotten the stream before.
    started: bool,
}

impl<'a> Decompressed<'a> {
    /// The content of `data`, which may be `limit` bytes at most.
    pub(crate) fn new(codec: Compression, data: &'a [u8], limit: usize) -> Self {
        // A stream opened while another is open makes decoders of its own; those dropped last are kept.
        let mut decoders = SPARE.take().unwrap_or_default();
        // The stream before may have left bytes unread; they do not belong to this one.
        (decoders.piece.start, decoders.piece.end) = (0, 0);
        Decompressed { decoders: Some(decoders), codec, data, limit, left: limit, started: false }
    }

    /// The decompressed bytes that are not yet consumed. After [`Decompressed::fill`] it is empty at the end only.
    #[inline]
    pub(crate) fn rest(&self) -> &[u8] {
        let piece = self.decoders.as_ref().map(|decoders| &decoders.piece);
        piece.and_then(|piece| piece.buffer.get(piece.start..piece.end)).unwrap_or_default()
    }

    /// Marks the next `count` bytes of [`Decompressed::rest`] as read.
    /// More than there are is the same as all of them.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(decoders) = &mut self.decoders {
            let piece = &mut decoders.piece;
            piece.start = piece.end.min(piece.start + count);
        }
    }

    /// Decompresses more if everything was consumed.
    ///
    /// # Errors
    /// If the data is broken, or more comes out of it than the limit allows.
    pub(crate) fn fill(&mut self) -> Result<(), BatchError> {
        // A piece is replaced only once all of it was consumed.
        if !self.rest().is_empty() {
            return Ok(());
        }
        let codec = self.codec;
        let left = self.left;
        let piece = self.decode().map_err(|error| failure(codec, &error))?;
        // At most one piece too many was decompressed, and none of it is handed out.
        if piece > left {
            return Err(BatchError::TooExpansive { limit: self.limit });
        }
        self.left -= piece;
        Ok(())
    }

    /// Puts the next piece into the buffer; its length.
    fn decode(&mut self) -> io::Result<usize> {
        let Some(decoders) = &mut self.decoders else { return Ok(0) };
        let (decoder, piece) = decoders.of(self.codec)?;
        // Before the decoder runs: after an error the piece is empty and not what was in it before.
        (piece.start, piece.end) = (0, 0);
        match decoder {
            Some(decoder) => {
                if !self.started {
                    // The stream before may have been dropped in the middle of its data.
                    self.started = true;
                    decoder.reset();
                }
                decoder.next(&mut self.data, piece, self.left)?;
            }
            None => {
                // Uncompressed data in pieces, so that readers need no case of their own for it.
                let read = self.data.read(piece.room(PIECE))?;
                piece.end = read;
            }
        }
        Ok(piece.end - piece.start)
    }
}

impl Drop for Decompressed<'_> {
    fn drop(&mut self) {
        if let Some(mut decoders) = self.decoders.take() {
            decoders.trim();
            SPARE.set(Some(decoders));
        }
    }
}

/// For readers that want whole parts; [`BatchError`]s travel inside of [`io::Error`].
impl Read for Decompressed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.fill().map_err(io::Error::other)?;
        let read = self.rest().read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

/// The meaning of an error of a decoder, or of [`Decompressed`] as a reader.
pub(crate) fn failure(compression: Compression, error: &io::Error) -> BatchError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<BatchError>()) {
        // The limit was reached in the midst of a read: that is not the fault of the codec.
        Some(known) => known.clone(),
        None => BatchError::Decompression { compression, reason: error.to_string() },
    }
}
