//! Every codec there and back, and data that is broken, cut off, or larger than it seems.

use std::io::Write as _;

use bytes::BytesMut;
use flate2::GzBuilder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::encoder::compress_at;
use super::snappy::HEADER;
use super::*;
use crate::varint::put_uvarint;

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
    for (codec, fast, default, best) in [(Compression::Gzip, 1, 6, 9), (Compression::Zstd, -131_072, 3, 22)] {
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
fn a_stream_stops_at_its_limit() {
    let zeros = vec![0; 3 * MIB];
    for codec in CODECS {
        let bomb = compress(codec, &zeros).unwrap();
        for (limit, expected) in
            [(2 * MIB, Err(BatchError::TooExpansive { limit: 2 * MIB })), (3 * MIB, Ok(()))]
        {
            let mut content = Decompressed::new(codec, &bomb, limit);
            let read = std::io::copy(&mut content, &mut std::io::sink());
            let read = read.map(drop).map_err(|error| failure(codec, &error));
            assert_eq!(read, expected, "{codec}");
        }
    }
}

#[test]
fn what_is_held_is_bounded_by_the_data_or_64_mib() {
    let zeros = vec![0; 16 * MIB];
    let frame = compress(Compression::Zstd, &zeros).unwrap();
    assert_eq!(decompress(Compression::Zstd, &frame.repeat(4)).map(|content| content.len()), Ok(64 * MIB));
    let limit = 64 * MIB;
    assert_eq!(decompress(Compression::Zstd, &frame.repeat(5)), Err(BatchError::TooExpansive { limit }));
    assert_eq!(held_limit(40 * MIB), 80 * MIB);
}

/// A bare block is decompressed whole, even where the stream may go on for longer.
#[test]
fn a_snappy_block_is_bounded_too() {
    let claim = |mib: usize| {
        let mut block = BytesMut::new();
        put_uvarint(&mut block, (mib * MIB) as u32);
        block.resize(4 * MIB, 0);
        let mut content = Decompressed::new(Compression::Snappy, &block, MAX_CONTENT);
        content.fill().unwrap_err()
    };
    assert_eq!(claim(65), BatchError::TooExpansive { limit: 64 * MIB });
    assert!(matches!(claim(64), BatchError::Decompression { .. }), "broken, but not too large");
}

#[test]
fn garbage_is_an_error_and_never_a_panic() {
    let data = text(5_000);
    for codec in CODECS {
        let whole = compress(codec, &data).unwrap();
        assert!(decompress(codec, &[0x55; 64]).is_err(), "{codec}");
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0x41;
            let _either = decompress(codec, &broken);
            // The decoder that failed is the next one's, and remembers nothing.
            assert_eq!(decompress(codec, &whole).unwrap(), data, "{codec}");
        }
    }
}

#[test]
fn data_that_is_cut_off_is_an_error() {
    let data = text(100_000);
    for codec in CODECS {
        let whole = compress(codec, &data).unwrap();
        for cut in 1..whole.len() {
            match decompress(codec, &whole[..cut]) {
                Err(BatchError::Decompression { .. }) => {}
                // Snappy blocks have no end of their own: the records tell that some are missing.
                Ok(out) => {
                    assert!(codec == Compression::Snappy && out.len() < data.len(), "{codec} at {cut}")
                }
                Err(other) => panic!("{codec} at {cut}: {other}"),
            }
        }
    }
}

#[test]
fn bytes_after_the_end_are_an_error() {
    let data = text(1_000);
    for codec in CODECS {
        let mut whole = compress(codec, &data).unwrap();
        whole.push(0);
        assert!(decompress(codec, &whole).is_err(), "{codec}");
    }
}

#[test]
fn streams_may_follow_each_other() {
    let data = text(1_000);
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        let one = compress(codec, &data).unwrap();
        let two = [one.clone(), one].concat();
        assert_eq!(decompress(codec, &two).unwrap(), [data.clone(), data.clone()].concat(), "{codec}");
    }
}

#[test]
fn no_data_at_all_is_no_stream() {
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd] {
        assert!(decompress(codec, &[]).is_err(), "{codec}");
    }
}

#[test]
fn every_kind_of_lz4_frame_is_read() {
    let data = text(700_000);
    for block_mode in [BlockMode::Independent, BlockMode::Linked] {
        for block_size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max4MB] {
            for checksums in [false, true] {
                let info = FrameInfo::new()
                    .block_mode(block_mode)
                    .block_size(block_size)
                    .block_checksums(checksums)
                    .content_checksum(checksums)
                    .content_size(checksums.then_some(data.len() as u64));
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(&data).unwrap();
                let frame = encoder.finish().unwrap();
                assert_eq!(
                    decompress(Compression::Lz4, &frame).unwrap(),
                    data,
                    "{block_mode:?} {block_size:?}"
                );
                if checksums {
                    let mut broken = frame.clone();
                    *broken.last_mut().unwrap() ^= 1;
                    assert!(decompress(Compression::Lz4, &broken).is_err());
                }
            }
        }
    }
}

#[test]
fn gzip_headers_may_have_all_their_fields() {
    let data = text(1_000);
    let builder = GzBuilder::new().filename("name").comment("words").extra([7; 300].as_slice()).mtime(5);
    let mut encoder = builder.write(Vec::new(), flate2::Compression::default());
    encoder.write_all(&data).unwrap();
    let member = encoder.finish().unwrap();
    assert_eq!(decompress(Compression::Gzip, &member).unwrap(), data);
    let mut wrong_crc = member.clone();
    let at = wrong_crc.len() - 8;
    wrong_crc[at] ^= 1;
    assert!(decompress(Compression::Gzip, &wrong_crc).is_err());
}

#[test]
fn a_snappy_block_cannot_claim_what_it_does_not_hold() {
    // A length of 2^31 in front of three bytes.
    let bare = [0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0];
    let refused = decompress(Compression::Snappy, &bare).unwrap_err().to_string();
    assert!(refused.contains("claims more than it can hold"), "{refused}");
    let mut framed = HEADER.to_vec();
    framed.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 1, 2, 3]);
    assert!(matches!(decompress(Compression::Snappy, &framed), Err(BatchError::Decompression { .. })));
}
