//! The LZ4 frames of message format v0, whose header has a wrong checksum (KIP-57).
//!
//! Kafka before 0.10 computed it over the magic number too, and its clients expected that. Readers that know better
//! ignore the checksum; the frame decoder here does not, so it is put right first, and put wrong for those who read v0.
//!
//! Only the one byte changes, in either direction. Frames that are too short or no LZ4 at all pass
//! through: the decoder refuses them.

use twox_hash::XxHash32;

/// The magic number, which the checksum of the LZ4 specification leaves out.
const MAGIC_LEN: usize = 4;
/// The flag that says that the header has the content's size.
const HAS_CONTENT_SIZE: u8 = 0x08;
/// The flag that says that the header has a dictionary's id.
const HAS_DICTIONARY: u8 = 0x01;

/// The position of the header's checksum, if the frame is long enough to have one.
fn checksum_at(frame: &[u8]) -> Option<usize> {
    let flags = *frame.get(MAGIC_LEN)?;
    // Flags and block size; the optional fields follow them, and the checksum comes after these.
    let mut at = MAGIC_LEN + 2;
    if flags & HAS_CONTENT_SIZE != 0 {
        at += 8;
    }
    if flags & HAS_DICTIONARY != 0 {
        at += 4;
    }
    (at < frame.len()).then_some(at)
}

/// The second byte of the hash of what stands there.
/// As in the LZ4 frame format, `(XXH32 >> 8) & 0xff`.
fn checksum(bytes: &[u8]) -> u8 {
    let [_, _, second, _] = XxHash32::oneshot(0, bytes).to_be_bytes();
    second
}

/// The frame with the checksum that the LZ4 specification asks for, whatever it had.
pub(super) fn with_true_checksum(frame: &[u8]) -> Vec<u8> {
    with_checksum(frame.to_vec(), MAGIC_LEN)
}

/// The frame with the checksum that Kafka before 0.10 wrote and its consumers expect.
pub(super) fn with_checksum_of_v0(frame: Vec<u8>) -> Vec<u8> {
    with_checksum(frame, 0)
}

/// The frame with the checksum of its header from byte `from` on.
fn with_checksum(mut frame: Vec<u8>, from: usize) -> Vec<u8> {
    if let Some(at) = checksum_at(&frame) {
        let (described, rest) = frame.split_at_mut(at);
        if let (Some(described), Some(byte)) = (described.get(from..), rest.first_mut()) {
            *byte = checksum(described);
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Compression, compress, decompress};

    #[test]
    fn checksums_are_put_wrong_and_right() {
        let right = compress(Compression::Lz4, b"some text, some text, some text").unwrap();
        let wrong = with_checksum_of_v0(right.clone());
        assert_ne!(wrong, right);
        assert!(decompress(Compression::Lz4, &wrong).is_err());
        assert_eq!(with_true_checksum(&wrong), right);
    }

    #[test]
    fn headers_with_a_content_size_are_longer() {
        // Flags: version 1, independent blocks, content size; then the block size, the content's size, the checksum.
        let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0x68, 0x40, 5, 0, 0, 0, 0, 0, 0, 0, 0xff];
        frame.extend_from_slice(&[0; 4]);
        let mended = with_true_checksum(&frame);
        assert_eq!((&mended[..14], &mended[15..]), (&frame[..14], &frame[15..]));
        assert_eq!(mended[14], checksum(&frame[4..14]));
    }

    #[test]
    fn what_is_too_short_stays() {
        for len in 0..=6 {
            let frame = &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40][..len];
            assert_eq!(with_true_checksum(frame), frame);
        }
    }
}
