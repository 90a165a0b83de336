//! Kafka's primitive types: a bounded reader over a slice, and writers into a buffer.
//!
//! The reader knows where it is, never allocates, and never reads past the end; it is the only
//! place of this crate that indexes into bytes of a peer.

use bytes::{BufMut, BytesMut};

use crate::error::DecodeError;

/// A position in a slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// Bytes consumed so far.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes, or `Truncated`.
    pub(crate) fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(..len) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(DecodeError::Truncated { expected, at: self.at, remaining: rest.len() }),
        }
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, expected)?);
        Ok(out)
    }

    pub(crate) fn i16(&mut self, expected: &'static str) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array(expected)?))
    }

    pub(crate) fn i32(&mut self, expected: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array(expected)?))
    }

    /// An unsigned varint of at most 32 bits, as Kafka's `ByteUtils.readUnsignedVarint`: the fifth
    /// byte may carry four bits only, anything longer is invalid.
    pub(crate) fn uvarint(&mut self, expected: &'static str) -> Result<u32, DecodeError> {
        let at = self.at;
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array(expected)?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Invalid { expected, at })
    }

    /// Skips a block of tagged fields (KIP-482), each at least two bytes, so the walk ends with the
    /// bytes whatever the count claims.
    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        let count = self.uvarint("tagged field count")?;
        for _ in 0..count {
            self.uvarint("tag")?;
            let size = self.uvarint("tagged field size")?;
            self.take(size as usize, "tagged field")?;
        }
        Ok(())
    }
}

/// Writes an unsigned varint.
pub(crate) fn put_uvarint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8((value as u8) | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uvarint_reads_what_was_written() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0xfff_ffff, 0x1000_0000, u32::MAX] {
            let mut out = BytesMut::new();
            put_uvarint(&mut out, value);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.uvarint("n"), Ok(value));
            assert_eq!(reader.remaining(), 0);
        }
    }

    #[test]
    fn uvarint_of_more_than_32_bits_is_invalid() {
        for bytes in [[0xff, 0xff, 0xff, 0xff, 0x10], [0x80, 0x80, 0x80, 0x80, 0x80]] {
            let error = Reader::new(&bytes).uvarint("n");
            assert_eq!(error, Err(DecodeError::Invalid { expected: "n", at: 0 }));
        }
    }

    #[test]
    fn reading_past_the_end_says_where() {
        let mut reader = Reader::new(&[1, 2, 3]);
        reader.i16("a").unwrap();
        assert_eq!(reader.i16("b"), Err(DecodeError::Truncated { expected: "b", at: 2, remaining: 1 }));
    }

    #[test]
    fn tagged_fields_are_skipped_within_bounds() {
        let bytes = [2, 0, 1, 0xaa, 5, 0, 0x77];
        let mut reader = Reader::new(&bytes);
        reader.skip_tagged_fields().unwrap();
        assert_eq!(reader.remaining(), 1);
        for cut in 0..6 {
            assert!(Reader::new(&bytes[..cut]).skip_tagged_fields().is_err());
        }
    }
}
