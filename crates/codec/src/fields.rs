//! Reads and writes the fields of messages that this crate lays out by hand; see [`extended`](crate::extended).
//!
//! One reader and one writer for both encodings: fixed-width lengths, or varints and tagged fields (KIP-482). Strings and
//! bytes are slices of the body; a count is checked against the bytes that remain before anything is allocated by it.
//! Unknown tagged fields are skipped.
//!
//! Names of fields are those of Kafka's message definitions, so that an error reads as one about the
//! JSON file.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::cursor::{Cursor, Prefix, ReadError};
use crate::error::{DecodeError, EncodeError};
use crate::varint::put_uvarint;

/// A body being read from its start to its end.
#[derive(Debug)]
pub(crate) struct FieldReader<'a> {
    /// Strings and bytes become slices of it.
    body: &'a Bytes,
    /// Over all of `body`: positions in errors count from its start.
    cursor: Cursor<'a>,
    /// Compact lengths and tagged fields (KIP-482).
    flexible: bool,
}

impl<'a> FieldReader<'a> {
    /// At the start of `body`. `flexible` holds for the whole message: all of its structs change at
    /// one version.
    pub(crate) fn new(body: &'a Bytes, flexible: bool) -> Self {
        FieldReader { body, cursor: Cursor::new(body), flexible }
    }

    /// Bytes after what was read, for the caller to ignore or refuse.
    pub(crate) fn remaining(&self) -> usize {
        self.cursor.remaining()
    }

    pub(crate) fn i8(&mut self, expected: &'static str) -> Result<i8, DecodeError> {
        Ok(self.cursor.i8(expected)?)
    }

    pub(crate) fn bool(&mut self, expected: &'static str) -> Result<bool, DecodeError> {
        // As Java's `readByte() != 0`: any other value than zero is true.
        Ok(self.i8(expected)? != 0)
    }

    pub(crate) fn i16(&mut self, expected: &'static str) -> Result<i16, DecodeError> {
        Ok(self.cursor.i16(expected)?)
    }

    pub(crate) fn i32(&mut self, expected: &'static str) -> Result<i32, DecodeError> {
        Ok(self.cursor.i32(expected)?)
    }

    pub(crate) fn i64(&mut self, expected: &'static str) -> Result<i64, DecodeError> {
        Ok(self.cursor.i64(expected)?)
    }

    pub(crate) fn uuid(&mut self, expected: &'static str) -> Result<Uuid, DecodeError> {
        Ok(Uuid::from_bytes(self.cursor.array(expected)?))
    }

    /// The prefix of arrays and bytes.
    fn prefix(&self) -> Prefix {
        if self.flexible { Prefix::Compact } else { Prefix::I32 }
    }

    /// A slice of the body. Without flexible versions its length has two bytes, unlike that of arrays
    /// and bytes.
    ///
    /// # Errors
    /// A false length, or bytes that are not UTF-8: kafka-protocol refuses them too.
    pub(crate) fn nullable_string(
        &mut self,
        expected: &'static str,
    ) -> Result<Option<StrBytes>, DecodeError> {
        let prefix = if self.flexible { Prefix::Compact } else { Prefix::I16 };
        let at = self.cursor.position();
        let Some(bytes) = self.cursor.nullable_bytes(prefix, expected)? else { return Ok(None) };
        // Checked, not copied.
        let string = StrBytes::from_utf8(self.body.slice_ref(bytes));
        string.map(Some).map_err(|_| ReadError::Invalid { expected, at }.into())
    }

    /// A string that the definition does not call nullable.
    ///
    /// # Errors
    /// As [`FieldReader::nullable_string`]; null is `Invalid`.
    pub(crate) fn string(&mut self, expected: &'static str) -> Result<StrBytes, DecodeError> {
        // Made before reading, so that it names the first byte of the field.
        let null = self.cursor.invalid(expected);
        Ok(self.nullable_string(expected)?.ok_or(null)?)
    }

    /// Record data, for instance: a slice of the body, however large.
    pub(crate) fn nullable_bytes(&mut self, expected: &'static str) -> Result<Option<Bytes>, DecodeError> {
        let bytes = self.cursor.nullable_bytes(self.prefix(), expected)?;
        Ok(bytes.map(|bytes| self.body.slice_ref(bytes)))
    }

    /// As [`FieldReader::array`]; `None` is null, which most often means all.
    pub(crate) fn nullable_array<T>(
        &mut self,
        min_bytes: usize,
        expected: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.cursor.nullable_count(self.prefix(), min_bytes, expected)? else {
            return Ok(None);
        };
        // No claim can reserve too much: `nullable_count` compared it with the bytes that remain.
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// `min_bytes`: the fewest that one element takes at any version that is read here. It bounds the
    /// count, and so the memory that the count can ask for; one that is too low only lets more of a
    /// false count pass.
    ///
    /// # Errors
    /// If the bytes that remain cannot hold that many elements, or the array is null.
    pub(crate) fn array<T>(
        &mut self,
        min_bytes: usize,
        expected: &'static str,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let null = self.cursor.invalid(expected);
        Ok(self.nullable_array(min_bytes, expected, element)?.ok_or(null)?)
    }

    /// The end of a struct: in flexible versions its tagged fields, none of which is known here.
    /// Before flexible versions it takes no bytes.
    pub(crate) fn tags(&mut self) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        Ok(self.cursor.skip_tagged_fields()?)
    }
}

/// A body being written.
/// An error leaves a part of it in `out`: the caller drops that.
#[derive(Debug)]
pub(crate) struct FieldWriter<'a> {
    /// Fixed-width fields go here directly.
    pub(crate) out: &'a mut BytesMut,
    flexible: bool,
    /// For errors, as is the version.
    message: &'static str,
    version: i16,
}

impl<'a> FieldWriter<'a> {
    pub(crate) fn new(out: &'a mut BytesMut, flexible: bool, message: &'static str, version: i16) -> Self {
        FieldWriter { out, flexible, message, version }
    }

    /// Always a length that does not fit its prefix: a fixed-width field cannot fail.
    fn error(&self, reason: String) -> EncodeError {
        EncodeError { message: self.message, version: self.version, reason }
    }

    /// The length of bytes or the count of an array; `None` is null.
    fn count(&mut self, count: Option<usize>) -> Result<(), EncodeError> {
        let fits = count.map(|n| i32::try_from(n).map_err(|_| self.error(format!("length {n}"))));
        let count = fits.transpose()?;
        if self.flexible {
            // Compact lengths are one too high, so that 0 is null (KIP-482).
            put_uvarint(self.out, count.map_or(0, |n| n.unsigned_abs() + 1));
        } else {
            self.out.put_i32(count.unwrap_or(-1));
        }
        Ok(())
    }

    /// Sixteen bytes, without a prefix. A topic id of zeros stands for none.
    pub(crate) fn uuid(&mut self, id: Uuid) {
        self.out.put_slice(id.as_bytes());
    }

    /// 1 or 0, as Java writes it.
    pub(crate) fn bool(&mut self, value: bool) {
        self.out.put_u8(value.into());
    }

    /// Null is a length of -1, or 0 in the compact form.
    ///
    /// # Errors
    /// If it has more than 32767 bytes where the length has two, or more than 2 GiB.
    pub(crate) fn nullable_string(&mut self, string: Option<&str>) -> Result<(), EncodeError> {
        let len = string.map(str::len);
        if self.flexible {
            // Kafka bounds strings to 32767 bytes in the compact form too, when it writes and when it reads.
            self.count(len)?;
        } else {
            let fits = len.map(|n| i16::try_from(n).map_err(|_| self.error(format!("string of {n} bytes"))));
            let len = fits.transpose()?;
            self.out.put_i16(len.unwrap_or(-1));
        }
        self.out.put_slice(string.unwrap_or_default().as_bytes());
        Ok(())
    }

    pub(crate) fn string(&mut self, string: &str) -> Result<(), EncodeError> {
        self.nullable_string(Some(string))
    }

    /// A copy. The batches of a Fetch response go through [`fetch_response`](crate::fetch_response) instead.
    pub(crate) fn nullable_bytes(&mut self, bytes: Option<&[u8]>) -> Result<(), EncodeError> {
        self.count(bytes.map(<[u8]>::len))?;
        self.out.put_slice(bytes.unwrap_or_default());
        Ok(())
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        elements: Option<&[T]>,
        mut element: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.count(elements.map(<[T]>::len))?;
        for one in elements.unwrap_or_default() {
            element(self, one)?;
        }
        Ok(())
    }

    pub(crate) fn array<T>(
        &mut self,
        elements: &[T],
        element: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.nullable_array(Some(elements), element)
    }

    /// The end of a struct: no tagged fields.
    /// Not even those that were read: unknown ones are skipped there.
    pub(crate) fn tags(&mut self) {
        if self.flexible {
            // Their count.
            self.out.put_u8(0);
        }
    }
}
