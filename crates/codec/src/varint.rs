//! Writes Kafka's variable-length integers. [`Cursor`](crate::cursor::Cursor) reads them.

use bytes::{BufMut, BytesMut};

/// Writes an unsigned varint.
pub(crate) fn put_uvarint(out: &mut BytesMut, value: u32) {
    put_base_128(out, value.into());
}

/// Writes a zigzag varint of up to 64 bits. Kafka's varint of 32 bits has the same bytes.
pub(crate) fn put_varlong(out: &mut BytesMut, value: i64) {
    put_base_128(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Seven bits a byte, the lowest first; the high bit says that more follow.
fn put_base_128(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value as u8) | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
