//! A bounds-checked reader over a slice: the one way in which this workspace reads bytes that a peer or a disk gave it.
//!
//! [`Cursor`] never panics, never reads past its end and never allocates. A length or a count is a claim: it is
//! returned only if the bytes that remain can hold that many, so a caller may reserve memory by it. Every error says
//! what was expected and at which byte, counted from the start of the slice.
//!
//! A read that fails may have moved the position: the caller gives up, it does not go on from there.
//! A clone costs nothing; it reads ahead without moving the original.
//!
//! ```
//! use codec::cursor::{Cursor, Prefix, ReadError};
//!
//! fn greeting(bytes: &[u8]) -> Result<(u8, &str), ReadError> {
//!     let mut from = Cursor::new(bytes);
//!     let version = from.u8("version")?;
//!     let text = from.str(Prefix::U16, "text")?;
//!     from.end()?;
//!     Ok((version, text))
//! }
//!
//! assert_eq!(greeting(b"\x01\x00\x02hi"), Ok((1, "hi")));
//! let error = greeting(b"\x01\x00\x09hi").unwrap_err();
//! assert_eq!(error.to_string(), "text at byte 1 claims 9, but 2 bytes remain");
//! ```

use thiserror::Error;

/// Bytes that do not hold what was to be read from them. `at` counts from the start of the cursor's slice.
///
/// `expected` is the name that the caller gave the value, for the log. The bytes themselves are in no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The bytes end too early.
    /// A fixed width, or a length that was known before, does not fit.
    #[error("{expected} at byte {at} does not fit into the {remaining} bytes that remain")]
    Truncated {
        /// The value that was to be read.
        expected: &'static str,
        /// The byte at which it should start.
        at: usize,
        /// How many bytes remain from there on.
        remaining: usize,
    },
    /// A length or a count that the remaining bytes cannot hold, or a negative one.
    #[error("{expected} at byte {at} claims {claimed}, but {remaining} bytes remain")]
    Claim {
        /// The value whose length or count this is.
        expected: &'static str,
        /// The byte at which the length or count starts.
        at: usize,
        /// The length or count as it was read; -1 is null.
        claimed: i64,
        /// How many bytes remain after it.
        remaining: usize,
    },
    /// All bytes are present but have no meaning.
    /// Text that is not UTF-8, a varint that is too long, or a value that the caller refuses:
    /// [`Cursor::invalid`].
    #[error("invalid {expected} at byte {at}")]
    Invalid {
        /// The value that was to be read.
        expected: &'static str,
        /// The byte at which it starts.
        at: usize,
    },
    /// Bytes follow after the last value.
    /// Only [`Cursor::end`] says so.
    #[error("{remaining} bytes left over from byte {at} on")]
    Leftover {
        /// The byte at which the last value ended.
        at: usize,
        /// How many bytes follow.
        remaining: usize,
    },
}

/// How a length or a count is written in front of what it counts.
///
/// All fixed widths are big-endian. A negative number other than -1 is a false claim in any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Two bytes without sign: never null.
    /// Only in our own layouts on the disk.
    U16,
    /// Four bytes without sign: never null.
    /// Only in our own layouts on the disk.
    U32,
    /// Two bytes, -1 for null: Kafka's strings.
    /// So none is longer than 32767 bytes.
    I16,
    /// Four bytes, -1 for null: Kafka's arrays and bytes.
    I32,
    /// An unsigned varint of the number plus one, 0 for null: Kafka's compact types (KIP-482).
    /// Strings, arrays and bytes alike, in flexible versions only.
    Compact,
    /// A zigzag varint of up to 64 bits, -1 for null: the parts of a record.
    Zigzag,
}

/// A position in a slice.
///
/// It borrows the slice: what it returns lives as long as the slice does, not as long as the cursor.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    /// Never above the length of `bytes`.
    at: usize,
}

/// Reads a big-endian integer.
macro_rules! integers {
    ($($type:ident)*) => {
        $(
            #[doc = concat!("Reads a big-endian `", stringify!($type), "`.")]
            ///
            /// # Errors
            /// `Truncated` if the bytes end before it does.
            #[inline]
            pub fn $type(&mut self, expected: &'static str) -> Result<$type, ReadError> {
                self.array(expected).map($type::from_be_bytes)
            }
        )*
    };
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// A cursor over `bytes` that has read the first `at` of them.
    ///
    /// # Errors
    /// `Truncated` if there are fewer.
    pub fn starting_at(bytes: &'a [u8], at: usize, expected: &'static str) -> Result<Self, ReadError> {
        let mut cursor = Cursor::new(bytes);
        cursor.take(at, expected)?;
        Ok(cursor)
    }

    /// Bytes consumed so far.
    /// For a [`Cursor::part`] they include those before the part.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not yet consumed.
    /// For a [`Cursor::part`] only those of the part.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// True if every byte was consumed.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Checks that every byte was consumed.
    /// For layouts in which bytes after the last field would be lost unseen.
    ///
    /// # Errors
    /// `Leftover` if not.
    pub fn end(&self) -> Result<(), ReadError> {
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(ReadError::Leftover { at: self.at, remaining }),
        }
    }

    /// The error for a value at this position that makes no sense.
    /// Made before the value is read, it names the byte at which the value starts.
    pub fn invalid(&self, expected: &'static str) -> ReadError {
        ReadError::Invalid { expected, at: self.at }
    }

    /// Consumes the next `len` bytes.
    ///
    /// # Errors
    /// `Truncated` if fewer remain; nothing is consumed then.
    #[inline]
    pub fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], ReadError> {
        // A length near the largest number would wrap around to an end before the start.
        let end = self.at.checked_add(len);
        match end.and_then(|end| self.bytes.get(self.at..end)) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(ReadError::Truncated { expected, at: self.at, remaining: self.remaining() }),
        }
    }

    /// Consumes all bytes that remain.
    /// An empty slice if there are none.
    pub fn take_rest(&mut self) -> &'a [u8] {
        let (_, rest) = self.bytes.split_at(self.at);
        self.at = self.bytes.len();
        rest
    }

    /// Consumes the next `len` bytes as a cursor of their own, whose positions go on counting from the start of this one.
    /// No read in the part reaches past its end, so a length inside of a record stays in that record.
    ///
    /// # Errors
    /// `Truncated` if fewer remain.
    pub fn part(&mut self, len: usize, expected: &'static str) -> Result<Cursor<'a>, ReadError> {
        let at = self.at;
        self.take(len, expected)?;
        // The bytes before the part are kept, as positions in errors count from the start of the whole.
        let (bytes, _) = self.bytes.split_at(self.at);
        Ok(Cursor { bytes, at })
    }

    /// Reads an array of bytes.
    ///
    /// # Errors
    /// `Truncated` if the bytes end before it does.
    #[inline]
    pub fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], ReadError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, expected)?);
        Ok(out)
    }

    integers! { u8 i8 u16 i16 u32 i32 u64 i64 }

    /// Reads an unsigned varint of at most 32 bits, as Kafka's `ByteUtils.readUnsignedVarint`.
    /// More bytes than needed are accepted, as by Kafka (0x80 0x00 is 0), so a number may come in
    /// several forms. Bits of the fifth byte that do not fit are refused, where Kafka drops them.
    ///
    /// # Errors
    /// `Truncated`, or `Invalid` if it is longer than 32 bits.
    #[inline]
    pub fn uvarint(&mut self, expected: &'static str) -> Result<u32, ReadError> {
        // Most lengths, tags and counts are below 128.
        if let Some(byte) = self.bytes.get(self.at).filter(|byte| **byte < 0x80) {
            self.at += 1;
            return Ok(u32::from(*byte));
        }
        let at = self.at;
        let value = self.base_128(32, expected)?;
        u32::try_from(value).map_err(|_| ReadError::Invalid { expected, at })
    }

    /// Reads a zigzag varint of at most 64 bits, as Kafka's `ByteUtils.readVarlong`; its `readVarint` reads the same
    /// bytes.
    /// It takes ten bytes at most; as in [`Cursor::uvarint`], a longer form of a number is accepted.
    ///
    /// # Errors
    /// `Truncated`, or `Invalid` if it is longer than 64 bits.
    #[inline]
    pub fn varlong(&mut self, expected: &'static str) -> Result<i64, ReadError> {
        let value = self.base_128(64, expected)?;
        // Zigzag: the lowest bit is the sign.
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Seven bits a byte, the lowest first, at most `bits` in all: what the last byte may carry is what fits.
    fn base_128(&mut self, bits: u32, expected: &'static str) -> Result<u64, ReadError> {
        let at = self.at;
        let mut value = 0;
        for shift in (0..bits).step_by(7) {
            // Each round consumes a byte: five at most for 32 bits, ten for 64.
            let byte = self.u8(expected)?;
            let low = u64::from(byte & 0x7f);
            // The last byte has room for fewer than seven bits, and no other byte may follow it.
            if shift + 7 > bits && (byte >= 0x80 || low >> (bits - shift) != 0) {
                break;
            }
            value |= low << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ReadError::Invalid { expected, at })
    }

    /// Reads the number of things that follow, each of at least `min_bytes` (0 counts as 1); `None` is null.
    /// Nothing of the things themselves is consumed. A caller may reserve memory for that many
    /// elements, as each of them has `min_bytes` in the slice.
    ///
    /// # Errors
    /// `Claim` if the bytes that remain cannot hold that many, or the number is negative and not null.
    pub fn nullable_count(
        &mut self,
        prefix: Prefix,
        min_bytes: usize,
        expected: &'static str,
    ) -> Result<Option<usize>, ReadError> {
        let at = self.at;
        // Errors point at the prefix, as the claim is made there.
        let claimed = match prefix {
            Prefix::U16 => self.u16(expected)?.into(),
            Prefix::U32 => self.u32(expected)?.into(),
            Prefix::I16 => self.i16(expected)?.into(),
            Prefix::I32 => self.i32(expected)?.into(),
            // One too high on the wire, so that 0 is null (KIP-482).
            Prefix::Compact => i64::from(self.uvarint(expected)?) - 1,
            Prefix::Zigzag => self.varlong(expected)?,
        };
        let remaining = self.remaining();
        match usize::try_from(claimed) {
            // Elements of no bytes would let every count pass.
            Ok(count) if count <= remaining / min_bytes.max(1) => Ok(Some(count)),
            // Null is -1 in each signed form; the compact one was lowered by one above.
            Err(_) if claimed == -1 => Ok(None),
            _ => Err(ReadError::Claim { expected, at, claimed, remaining }),
        }
    }

    /// Reads the number of things that follow, each of at least `min_bytes`.
    /// For fields that a message definition does not call nullable: Kafka's readers refuse a null there, too.
    ///
    /// # Errors
    /// As [`Cursor::nullable_count`]; null is a `Claim`, too.
    pub fn count(
        &mut self,
        prefix: Prefix,
        min_bytes: usize,
        expected: &'static str,
    ) -> Result<usize, ReadError> {
        let at = self.at;
        let count = self.nullable_count(prefix, min_bytes, expected)?;
        count.ok_or_else(|| ReadError::Claim { expected, at, claimed: -1, remaining: self.remaining() })
    }

    /// Reads bytes after their length; `None` is null.
    /// They are a slice of the cursor's own: nothing is copied.
    ///
    /// # Errors
    /// As [`Cursor::nullable_count`].
    pub fn nullable_bytes(
        &mut self,
        prefix: Prefix,
        expected: &'static str,
    ) -> Result<Option<&'a [u8]>, ReadError> {
        let len = self.nullable_count(prefix, 1, expected)?;
        len.map(|len| self.take(len, expected)).transpose()
    }

    /// Reads bytes after their length.
    ///
    /// # Errors
    /// As [`Cursor::count`].
    pub fn bytes(&mut self, prefix: Prefix, expected: &'static str) -> Result<&'a [u8], ReadError> {
        let len = self.count(prefix, 1, expected)?;
        self.take(len, expected)
    }

    /// Reads UTF-8 text after its length in bytes; `None` is null.
    ///
    /// # Errors
    /// As [`Cursor::nullable_count`]; `Invalid` if it is not UTF-8.
    pub fn nullable_str(
        &mut self,
        prefix: Prefix,
        expected: &'static str,
    ) -> Result<Option<&'a str>, ReadError> {
        let at = self.at;
        let bytes = self.nullable_bytes(prefix, expected)?;
        let text = bytes.map(str::from_utf8).transpose();
        text.map_err(|_| ReadError::Invalid { expected, at })
    }

    /// Reads UTF-8 text after its length in bytes.
    /// For names that must be present. Kafka's Java decoder replaces bytes that are not UTF-8; here
    /// they are an error.
    ///
    /// # Errors
    /// As [`Cursor::count`]; `Invalid` if it is not UTF-8.
    pub fn str(&mut self, prefix: Prefix, expected: &'static str) -> Result<&'a str, ReadError> {
        let at = self.at;
        let bytes = self.bytes(prefix, expected)?;
        str::from_utf8(bytes).map_err(|_| ReadError::Invalid { expected, at })
    }

    /// Skips a block of tagged fields (KIP-482). Each takes at least two bytes, so the loop ends with the bytes
    /// whatever the count claims.
    /// Neither the order of the tags nor that each occurs once is checked, as in Kafka's generated readers.
    ///
    /// # Errors
    /// If the bytes end within the block.
    pub fn skip_tagged_fields(&mut self) -> Result<(), ReadError> {
        for _ in 0..self.uvarint("tagged field count")? {
            self.uvarint("tag")?;
            let size = self.uvarint("tagged field size")?;
            self.take(size as usize, "tagged field")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
