//! The message formats before batches: what old producers send, and what old consumers get.
//!
//! Rules: a set that is accepted becomes a batch that is accepted, and a batch that is converted
//! becomes a set that is accepted.

use bytes::{Bytes, BytesMut};
use codec::message_set::{MessageFormat, MessageSet, downgrade, is_message_set};
use codec::records::{Compression, RecordBatch, compress};

use super::{MIB, kind};
use crate::{Target, seeds};

/// A message set that becomes a batch.
/// Tried as it is and with its checksums put right.
pub(super) const SETS: Target = Target {
    name: "message_set",
    run: set,
    seeds: seeds::message_sets,
    // The messages of a wrapper are held decompressed, and once more as a batch while that grows.
    memory: |len| 256 * MIB + 4 * len,
};

/// Messages within a wrapper: the first byte is the codec, the second the format.
///
/// The target compresses the messages itself: mutated compressed data would nearly always fail in its codec.
pub(super) const WRAPPED: Target = Target {
    name: "wrapped_messages",
    run: wrapped,
    seeds: wrapped_seeds,
    memory: |len| 256 * MIB + 8 * len,
};

/// A stored batch that becomes a message set of each format.
pub(super) const DOWNGRADE: Target =
    Target { name: "downgrade", run: downgraded, seeds: seeds::batches, memory: |len| 256 * MIB + 4 * len };

/// Offset and size before a message.
const PREFIX_LEN: usize = 12;
/// The checksum with which a message begins.
const CRC_LEN: usize = 4;

/// The set with the checksum of each message put right, so that the code after that check is reached as well.
fn mended(set: &[u8]) -> Vec<u8> {
    let mut set = set.to_vec();
    let mut rest = set.as_mut_slice();
    while let Some((prefix, after)) = rest.split_first_chunk_mut::<PREFIX_LEN>() {
        let size = i32::from_be_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
        let Some((message, next)) =
            usize::try_from(size).ok().and_then(|size| after.split_at_mut_checked(size))
        else {
            break;
        };
        if let Some((crc, content)) = message.split_first_chunk_mut::<CRC_LEN>() {
            *crc = crc_fast::crc32_iso_hdlc(content).to_be_bytes();
        }
        rest = next;
    }
    set
}

/// The answers to the set as it is and as it is mended.
fn set(data: &[u8]) -> String {
    let raw = as_batch(data);
    raw + &as_batch(&mended(data))
}

/// Converts a set, and checks that what comes of it is a batch.
fn as_batch(set: &[u8]) -> String {
    let bytes = Bytes::copy_from_slice(set);
    // The broker asks this first; here a set is tried whatever the answer.
    let known = is_message_set(&bytes);
    let batch = match MessageSet::parse(&bytes).and_then(|set| set.to_batch()) {
        Ok(batch) => batch,
        Err(error) => return kind(&error),
    };
    // A set without a message is a batch without a record, which no producer may send.
    match RecordBatch::parse_stored(batch) {
        Ok(batch) => format!("{known} {}", batch.header().records_count.min(9)),
        Err(error) => panic!("the batch of a sound set: {error}"),
    }
}

/// A wrapper around the messages of the input, converted.
fn wrapped(data: &[u8]) -> String {
    let Some(([codec, format], messages)) = data.split_first_chunk::<2>() else {
        return "no choice".to_owned();
    };
    // Without zstd, which came with the batch format and is not allowed in older ones (KIP-110).
    let codec = [Compression::Gzip, Compression::Snappy, Compression::Lz4][usize::from(*codec) % 3];
    let value = compress(codec, &mended(messages)).expect("memory for the codec");
    // Checksum, magic, attributes, the timestamp of format v1, a null key, the value.
    let mut message = vec![0; CRC_LEN];
    message.extend([format % 2, codec as u8]);
    message.extend(vec![0; if format % 2 == 1 { 8 } else { 0 }]);
    message.extend((-1_i32).to_be_bytes());
    message.extend((value.len() as i32).to_be_bytes());
    message.extend(value);
    let mut set = vec![0; 8];
    set.extend((message.len() as i32).to_be_bytes());
    set.extend(message);
    as_batch(&mended(&set))
}

/// Golden sets of both formats, uncompressed, once for each codec.
fn wrapped_seeds() -> Vec<Vec<u8>> {
    let plain = [seeds::golden("set.v0.none"), seeds::golden("set.v1.none")];
    let of_format = |(format, sets): (u8, Vec<Vec<u8>>)| {
        sets.into_iter().flat_map(move |set| (0..3).map(move |codec| [&[codec, format], &set[..]].concat()))
    };
    (0_u8..).zip(plain).flat_map(of_format).collect()
}

/// The answers for both formats.
fn downgraded(data: &[u8]) -> String {
    let bytes = Bytes::copy_from_slice(data);
    let mut all = String::new();
    for format in [MessageFormat::V0, MessageFormat::V1] {
        let mut out = BytesMut::new();
        // From offset 0, so that no record is left out.
        match downgrade(&bytes, format, 0, &mut out) {
            Ok(()) if out.is_empty() => all.push_str("nothing "),
            Ok(()) => {
                MessageSet::parse(&out.freeze()).expect("what was written is a message set");
                all.push_str("written ");
            }
            Err(error) => all.push_str(&kind(&error)),
        }
    }
    all
}
