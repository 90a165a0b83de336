//! The codecs of record batches, reading under a limit.
//!
//! Decompression is streamed: memory grows with what really comes out, never with what the data
//! claims, and stops at [`decompressed_limit`].

use std::fmt;

use bytes::Bytes;

use super::error::BatchError;

mod decoder;
mod encoder;
mod gzip;
mod lz4;
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
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec of this number.
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

/// The most bytes that any batch may expand to.
pub(super) const MAX_DECOMPRESSED: usize = 64 * MIB;

/// The most bytes that `compressed` bytes may expand to: 64 times as many, but at least 16 MiB
/// (records of one repeated value compress a thousandfold) and at most 64 MiB.
pub fn decompressed_limit(compressed: usize) -> usize {
    compressed.saturating_mul(64).clamp(16 * MIB, MAX_DECOMPRESSED)
}

/// Decompresses `data`. Without compression this is a copy; callers slice instead.
///
/// # Errors
/// If the data is broken or expands beyond [`decompressed_limit`].
pub fn decompress(compression: Compression, data: &[u8]) -> Result<Bytes, BatchError> {
    decompress_within(compression, data, decompressed_limit(data.len()))
}

/// Decompresses `data` to at most `limit` bytes.
pub(super) fn decompress_within(
    compression: Compression,
    data: &[u8],
    limit: usize,
) -> Result<Bytes, BatchError> {
    let mut content = Decompressed::new(compression, data, limit);
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
