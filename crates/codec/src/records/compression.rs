//! The codecs of record batches, reading under a limit.
//!
//! Decompression is streamed: memory grows with what really comes out, never with what the data
//! claims, and stops at [`decompressed_limit`].

use std::fmt;
use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::error::BatchError;

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
    let mut out = Vec::with_capacity(data.len().saturating_mul(2).min(MIB));
    reader(compression, data, limit).read_to_end(&mut out).map_err(|error| failure(compression, &error))?;
    Ok(Bytes::from(out))
}

/// The decompressed data as a stream that fails beyond `limit` bytes; [`failure`] explains its errors.
pub(crate) fn reader<'a>(compression: Compression, data: &'a [u8], limit: usize) -> Box<dyn Read + 'a> {
    let left = limit;
    match compression {
        Compression::None => Box::new(data),
        Compression::Gzip => Box::new(Limited { inner: MultiGzDecoder::new(data), limit, left }),
        Compression::Snappy => Box::new(Limited { inner: SnappyReader::new(data), limit, left }),
        Compression::Lz4 => Box::new(Limited { inner: FrameDecoder::new(data), limit, left }),
        Compression::Zstd => match zstd::stream::read::Decoder::with_buffer(data) {
            Ok(inner) => Box::new(Limited { inner, limit, left }),
            Err(error) => Box::new(Failed(Some(error))),
        },
    }
}

/// What an error of [`reader`] means.
pub(crate) fn failure(compression: Compression, error: &io::Error) -> BatchError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<OverLimit>()) {
        Some(OverLimit { limit }) => BatchError::TooExpansive { limit: *limit },
        None => BatchError::Decompression { compression, reason: error.to_string() },
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the decompressed data exceeds its limit of {limit} bytes")]
struct OverLimit {
    limit: usize,
}

/// Passes on at most `left` bytes; one more is an error.
struct Limited<R> {
    inner: R,
    limit: usize,
    left: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        let over = || io::Error::other(OverLimit { limit: self.limit });
        self.left = self.left.checked_sub(read).ok_or_else(over)?;
        Ok(read)
    }
}

/// A stream that could not be opened.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        match self.0.take() {
            Some(error) => Err(error),
            None => Ok(0),
        }
    }
}

/// Eight bytes of magic, a version, a compatible version; then blocks, each preceded by its
/// length.
const XERIAL_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_VERSIONS: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1];
/// The block size of Java's `SnappyOutputStream`.
const XERIAL_BLOCK: usize = 32 * 1024;
/// A Snappy copy makes at most 64 bytes of 3, so a block cannot truly claim more than this.
const SNAPPY_MAX_RATIO: usize = 32;

struct SnappyReader<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    at: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(data: &'a [u8]) -> Self {
        let header = XERIAL_MAGIC.len() + XERIAL_VERSIONS.len();
        let framed = data.starts_with(XERIAL_MAGIC) && data.len() >= header;
        let rest = if framed { data.get(header..).unwrap_or_default() } else { data };
        SnappyReader { rest, framed, block: Vec::new(), at: 0 }
    }

    /// The next compressed block, or `None` at the end.
    fn compressed_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.framed {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let (len, rest) =
            self.rest.split_first_chunk::<4>().ok_or_else(|| invalid("a block length is cut off"))?;
        let (block, rest) = usize::try_from(i32::from_be_bytes(*len))
            .ok()
            .and_then(|len| rest.split_at_checked(len))
            .ok_or_else(|| invalid("a block length exceeds the data"))?;
        self.rest = rest;
        Ok(Some(block))
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            let Some(compressed) = self.compressed_block()? else { return Ok(0) };
            let len = snap::raw::decompress_len(compressed)?;
            if len > compressed.len().saturating_mul(SNAPPY_MAX_RATIO) {
                return Err(invalid("a block claims more than it can hold"));
            }
            self.at = 0;
            self.block.clear();
            self.block.resize(len, 0);
            snap::raw::Decoder::new().decompress(compressed, &mut self.block)?;
        }
        let mut pending = self.block.get(self.at..).unwrap_or_default();
        let read = pending.read(buf)?;
        self.at += read;
        Ok(read)
    }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

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
pub(super) fn compress_at(compression: Compression, level: Option<i32>, data: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = match (compression, level) {
        (Compression::Gzip, Some(level)) => {
            let level = flate2::Compression::new(u32::try_from(level).unwrap_or(0).min(9));
            Compressor::Gzip(GzEncoder::new(Vec::new(), level))
        }
        (Compression::Zstd, level) => {
            let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
            // Else the highest levels take memory for gigabytes of input.
            encoder.set_pledged_src_size(u64::try_from(data.len()).ok())?;
            Compressor::Zstd(encoder)
        }
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
            let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
            Compressor::Lz4(Box::new(FrameEncoder::with_frame_info(info, Vec::new())))
        }
        Compression::Zstd => {
            Compressor::Zstd(zstd::stream::write::Encoder::new(Vec::new(), zstd::DEFAULT_COMPRESSION_LEVEL)?)
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
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    pub(crate) fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Compressor::None(out) => out.write_all(data),
            Compressor::Gzip(encoder) => encoder.write_all(data),
            Compressor::Snappy(writer) => writer.write_all(data),
            Compressor::Lz4(encoder) => encoder.write_all(data),
            Compressor::Zstd(encoder) => encoder.write_all(data),
        }
    }

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

/// Snappy in the framing of Java's `SnappyOutputStream`.
pub(crate) struct SnappyWriter {
    out: Vec<u8>,
    block: Vec<u8>,
}

impl SnappyWriter {
    fn new() -> Self {
        SnappyWriter { out: [XERIAL_MAGIC, XERIAL_VERSIONS].concat(), block: Vec::new() }
    }

    fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
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

    fn close_block(&mut self) -> io::Result<()> {
        let compressed = snap::raw::Encoder::new().compress_vec(&self.block)?;
        // A block of 32 KiB grows by a sixth at most, so its length fits.
        self.out.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
        self.out.extend_from_slice(&compressed);
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Vec<u8>> {
        if !self.block.is_empty() {
            self.close_block()?;
        }
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_the_codecs_own() {
        // Pseudo-random words, so that trying harder pays.
        let mut state = 1_u32;
        let word = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("word{} ", state >> 22)
        };
        let data: String = (0..20_000).map(word).collect();
        let size = |codec, level| {
            let compressed = compress_at(codec, level, data.as_bytes()).unwrap();
            assert_eq!(decompress(codec, &compressed).unwrap(), data.as_bytes());
            compressed.len()
        };
        for (codec, fast, default, best) in
            [(Compression::Gzip, 1, 6, 9), (Compression::Zstd, -131_072, 3, 22)]
        {
            assert!(size(codec, Some(fast)) > size(codec, Some(best)), "{codec}");
            assert_eq!(size(codec, Some(default)), size(codec, None), "{codec}");
        }
        assert_eq!(size(Compression::Lz4, Some(17)), size(Compression::Lz4, None));
    }

    const CODECS: [Compression; 4] =
        [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    fn text(len: usize) -> Vec<u8> {
        b"the same few words again and again, ".iter().copied().cycle().take(len).collect()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for codec in Compression::ALL {
            for len in [0, 1, 100, 40_000, 3_000_000] {
                let data = text(len);
                let compressed = compress(codec, &data).unwrap();
                assert_eq!(decompress(codec, &compressed).unwrap(), data, "{codec} of {len}");
            }
        }
    }

    #[test]
    fn bare_snappy_is_read_too() {
        let data = text(100_000);
        let bare = snap::raw::Encoder::new().compress_vec(&data).unwrap();
        assert_eq!(decompress(Compression::Snappy, &bare).unwrap(), data);
    }

    #[test]
    fn ids_are_kafkas() {
        for (id, codec) in (0..).zip(Compression::ALL) {
            assert_eq!(Compression::from_id(id), Some(codec));
            assert_eq!(codec as u8, id);
        }
        assert_eq!(Compression::from_id(5), None);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 65 * MIB];
        for codec in CODECS {
            let bomb = compress(codec, &zeros).unwrap();
            let limit = decompressed_limit(bomb.len());
            assert_eq!(decompress(codec, &bomb), Err(BatchError::TooExpansive { limit }), "{codec}");
        }
    }

    #[test]
    fn garbage_and_truncations_are_errors_or_short_but_never_panics() {
        let data = text(5_000);
        for codec in CODECS {
            let whole = compress(codec, &data).unwrap();
            assert!(decompress(codec, &[0x55; 64]).is_err(), "{codec}");
            for cut in 1..whole.len() {
                if let Ok(out) = decompress(codec, &whole[..cut]) {
                    assert!(out.len() <= data.len(), "{codec} cut at {cut}");
                }
            }
            for at in 0..whole.len() {
                let mut broken = whole.clone();
                broken[at] ^= 0x41;
                let _either = decompress(codec, &broken);
            }
        }
    }

    #[test]
    fn a_snappy_block_cannot_claim_what_it_does_not_hold() {
        // A length of 2^31 in front of three bytes.
        let bare = [0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0];
        let refused = decompress(Compression::Snappy, &bare).unwrap_err().to_string();
        assert!(refused.contains("claims more than it can hold"), "{refused}");
        let mut framed = [XERIAL_MAGIC, XERIAL_VERSIONS].concat();
        framed.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert!(matches!(decompress(Compression::Snappy, &framed), Err(BatchError::Decompression { .. })));
    }
}
