//! Compression as Kafka's Java producer does it.
//!
//! Consumers of every age have to read it: the framings are those that Java's consumers accept.
//! Nothing is kept between two calls. All of it is synchronous and may take a thread's time, zstd at
//! high levels most of all.

use std::io::{self, Write};

use ::zstd::stream::write::Encoder as ZstdEncoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::Compression;
use super::snappy::SnappyWriter;

/// Compresses `data` as Kafka's Java producer does, at each codec's default level.
///
/// # Errors
/// If the codec fails, which on valid input means that it ran out of memory.
pub fn compress(compression: Compression, data: &[u8]) -> io::Result<Vec<u8>> {
    compress_at(compression, None, data)
}

/// Compresses at a level of the codec's own: 1 to 9 for gzip, up to 22 for zstd; `None` is its default. The other
/// codecs have no levels here.
///
/// # Errors
/// As [`compress`].
pub(crate) fn compress_at(compression: Compression, level: Option<i32>, data: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = match (compression, level) {
        (Compression::Gzip, Some(level)) => {
            // Kafka's range for `compression.gzip.level`; its -1, the default, comes as none.
            let level = flate2::Compression::new(level.clamp(1, 9).cast_unsigned());
            Compressor::Gzip(GzEncoder::new(Vec::new(), level))
        }
        // Apart from `compressor`, as the size of the input is known here.
        (Compression::Zstd, level) => {
            let level = level.unwrap_or(::zstd::DEFAULT_COMPRESSION_LEVEL);
            let mut encoder = ZstdEncoder::new(Vec::new(), level)?;
            // Else the highest levels take memory for gigabytes of input.
            encoder.set_pledged_src_size(u64::try_from(data.len()).ok())?;
            Compressor::Zstd(encoder)
        }
        // Snappy has no levels, and the LZ4 library has only one.
        _ => compressor(compression)?,
    };
    compressor.write_all(data)?;
    compressor.finish()
}

/// Compresses what is written piece by piece, as [`compress`] does.
pub(crate) fn compressor(compression: Compression) -> io::Result<Compressor> {
    Ok(match compression {
        Compression::None => Compressor::None(Vec::new()),
        Compression::Gzip => Compressor::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::default())),
        Compression::Snappy => Compressor::Snappy(SnappyWriter::new()),
        Compression::Lz4 => {
            // Java's consumers refuse linked blocks: "Dependent block stream is unsupported".
            // Blocks of 64 KiB are the default of Kafka's own LZ4 stream.
            let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
            Compressor::Lz4(Box::new(FrameEncoder::with_frame_info(info, Vec::new())))
        }
        Compression::Zstd => {
            // Without the size of the input: it is written piece by piece.
            Compressor::Zstd(ZstdEncoder::new(Vec::new(), ::zstd::DEFAULT_COMPRESSION_LEVEL)?)
        }
    })
}

/// Compressed data in the making.
pub(crate) enum Compressor {
    /// As it is.
    None(Vec<u8>),
    /// See [`Compression::Gzip`].
    Gzip(GzEncoder<Vec<u8>>),
    /// See [`Compression::Snappy`].
    Snappy(SnappyWriter),
    /// See [`Compression::Lz4`].
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    /// See [`Compression::Zstd`].
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Compressor {
    /// Compresses more. Some of it may stay in the codec until [`Compressor::finish`].
    ///
    /// # Errors
    /// As [`compress`].
    pub(crate) fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Compressor::None(out) => out.write_all(data),
            Compressor::Gzip(encoder) => encoder.write_all(data),
            Compressor::Snappy(writer) => writer.write_all(data),
            Compressor::Lz4(encoder) => encoder.write_all(data),
            Compressor::Zstd(encoder) => encoder.write_all(data),
        }
    }

    /// The whole of what was written, compressed, with the end that the codec's framing asks for.
    ///
    /// # Errors
    /// As [`compress`].
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Compressor::None(out) => Ok(out),
            Compressor::Gzip(encoder) => encoder.finish(),
            Compressor::Snappy(writer) => writer.finish(),
            Compressor::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            Compressor::Zstd(encoder) => encoder.finish(),
        }
    }
}
