//! The codecs of record batches, reading under a limit.
//!
//! Decompression is streamed: memory grows with what really comes out, never with what the data
//! claims. Content that is only walked takes no memory, so it may be as long as [`MAX_CONTENT`]; what is held stops at
//! [`held_limit`].
//!
//! Numbers and names are those of Kafka's `CompressionType`.

use std::fmt;

use bytes::Bytes;

use super::error::BatchError;

mod decoder;
mod encoder;
mod gzip;
mod lz4;
mod piece;
mod snappy;
mod zstd;

pub(crate) use decoder::{Decompressed, failure};
pub use encoder::compress;
pub(super) use encoder::compress_at;
pub(crate) use encoder::compressor;

/// A compression codec, with its number in the attributes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As it is.
    None = 0,
    /// RFC 1952, members may follow each other.
    Gzip = 1,
    /// Snappy blocks in the framing of Java's snappy (xerial), or one bare block (librdkafka).
    Snappy = 2,
    /// The LZ4 frame format.
    Lz4 = 3,
    /// Zstandard frames (KIP-110).
    Zstd = 4,
}

impl Compression {
    /// All of them.
    /// In the order of their numbers.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec of this number.
    /// `None` for 5 to 7, which three bits can also say, and for anything above.
    pub const fn from_id(id: u8) -> Option<Compression> {
        match id {
            0 => Some(Compression::None),
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Snappy),
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Its name in configurations (`compression.type`).
    pub const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const MIB: usize = 1024 * 1024;

/// The most bytes that the records of a batch may expand to. Kafka has no such limit and clients do send records that shrink ten
/// thousandfold, so no ratio is too high; but a frame of 32 KiB can hold a gigabyte of zeros, and walking that takes a
/// thread's time.
///
/// In bytes. Beyond it a batch is refused with `MESSAGE_TOO_LARGE`, on which Java producers split it.
pub const MAX_CONTENT: usize = 1024 * MIB;

/// The most bytes that `compressed` bytes may expand to where the content is held: 64 MiB, or twice as many as the
/// data has, which the caller holds already.
///
/// A batch that passes [`MAX_CONTENT`] and not this one is stored and served, but compaction keeps it
/// as it is and a look-up by time takes it as a whole.
pub fn held_limit(compressed: usize) -> usize {
    compressed.saturating_mul(2).max(64 * MIB)
}

/// Decompresses `data`. Without compression this is a copy; callers slice instead.
/// Memory grows with what comes out; nothing is returned of data that breaks halfway.
///
/// # Errors
/// If the data is broken or expands beyond [`held_limit`].
pub fn decompress(compression: Compression, data: &[u8]) -> Result<Bytes, BatchError> {
    decompress_within(compression, data, held_limit(data.len()))
}

/// As [`decompress`], with a limit of the caller's own, in bytes.
///
/// # Errors
/// If the data is broken, or `TooExpansive` if it expands beyond `limit`.
pub fn decompress_within(compression: Compression, data: &[u8], limit: usize) -> Result<Bytes, BatchError> {
    let mut content = Decompressed::new(compression, data, limit);
    // At most 1 MiB before anything has come out; from there memory grows with the content.
    let mut out = Vec::with_capacity(data.len().saturating_mul(2).min(MIB));
    loop {
        content.fill()?;
        let piece = content.rest();
        if piece.is_empty() {
            return Ok(Bytes::from(out));
        }
        out.extend_from_slice(piece);
        let read = piece.len();
        content.consume(read);
    }
}

#[cfg(test)]
mod tests;
