//! Writes Kafka's variable-length integers. [`Cursor`](crate::cursor::Cursor) reads them.
//!
//! The bytes are those of `ByteUtils.writeUnsignedVarint` and `writeVarlong`, always in the shortest form.

use bytes::{BufMut, BytesMut};

/// Writes an unsigned varint.
/// 1 to 5 bytes.
pub(crate) fn put_uvarint(out: &mut BytesMut, value: u32) {
    put_base_128(out, value.into());
}

/// Writes a zigzag varint of up to 64 bits. Kafka's varint of 32 bits has the same bytes.
/// 1 to 10 bytes; numbers near zero are short, whatever their sign.
pub(crate) fn put_varlong(out: &mut BytesMut, value: i64) {
    put_base_128(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn put_base_128(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        // The cast drops the bits that the next bytes carry.
        out.put_u8((value as u8) | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
