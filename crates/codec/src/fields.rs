//! Reads and writes the fields of messages that this crate lays out by hand; see [`legacy`](crate::legacy).
//!
//! One reader and one writer for both encodings: fixed-width lengths, or varints and tagged fields (KIP-482). The
//! reader hands out slices of the body; every length and count is a claim, checked against the bytes that remain, so
//! nothing is allocated that the frame does not hold. Unknown tagged fields are skipped.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::error::{DecodeError, EncodeError};
use crate::wire::{Reader, put_uvarint};

/// A body being read, front to back.
#[derive(Debug)]
pub(crate) struct FieldReader {
    rest: Bytes,
    len: usize,
    flexible: bool,
}

impl FieldReader {
    pub(crate) fn new(body: Bytes, flexible: bool) -> Self {
        FieldReader { len: body.len(), rest: body, flexible }
    }

    /// Bytes consumed so far.
    pub(crate) fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, len: usize, expected: &'static str) -> Result<Bytes, DecodeError> {
        if len > self.rest.len() {
            let (at, remaining) = (self.position(), self.rest.len());
            return Err(DecodeError::Truncated { expected, at, remaining });
        }
        Ok(self.rest.split_to(len))
    }

    fn array_of<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(&self.take(N, expected)?);
        Ok(out)
    }

    pub(crate) fn i8(&mut self, expected: &'static str) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array_of(expected)?))
    }

    pub(crate) fn bool(&mut self, expected: &'static str) -> Result<bool, DecodeError> {
        Ok(self.i8(expected)? != 0)
    }

    pub(crate) fn i16(&mut self, expected: &'static str) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array_of(expected)?))
    }

    pub(crate) fn i32(&mut self, expected: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array_of(expected)?))
    }

    pub(crate) fn i64(&mut self, expected: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array_of(expected)?))
    }

    pub(crate) fn uuid(&mut self, expected: &'static str) -> Result<Uuid, DecodeError> {
        Ok(Uuid::from_bytes(self.array_of(expected)?))
    }

    fn uvarint(&mut self, expected: &'static str) -> Result<u32, DecodeError> {
        let mut reader = Reader::new(&self.rest);
        let value = reader.uvarint(expected)?;
        let read = reader.position();
        self.take(read, expected)?;
        Ok(value)
    }

    /// A length or count of things of at least `min_bytes` each, given the one that stands before them.
    fn claim(
        &self,
        claimed: i64,
        min_bytes: usize,
        expected: &'static str,
    ) -> Result<Option<usize>, DecodeError> {
        match usize::try_from(claimed) {
            Ok(count) if count <= self.remaining() / min_bytes.max(1) => Ok(Some(count)),
            Err(_) if claimed == -1 => Ok(None),
            _ => {
                let (at, remaining) = (self.position(), self.remaining());
                Err(DecodeError::Claim { expected, at, claimed, remaining })
            }
        }
    }

    /// The count of an array, or the length of bytes; `None` is null.
    fn count(&mut self, min_bytes: usize, expected: &'static str) -> Result<Option<usize>, DecodeError> {
        let claimed = if self.flexible {
            i64::from(self.uvarint(expected)?) - 1
        } else {
            i64::from(self.i32(expected)?)
        };
        self.claim(claimed, min_bytes, expected)
    }

    fn invalid(&self, expected: &'static str) -> DecodeError {
        DecodeError::Invalid { expected, at: self.position() }
    }

    pub(crate) fn nullable_string(
        &mut self,
        expected: &'static str,
    ) -> Result<Option<StrBytes>, DecodeError> {
        let len = if self.flexible {
            self.count(1, expected)?
        } else {
            let claimed = self.i16(expected)?;
            self.claim(claimed.into(), 1, expected)?
        };
        let Some(len) = len else { return Ok(None) };
        let bytes = self.take(len, expected)?;
        StrBytes::from_utf8(bytes).map(Some).map_err(|_| self.invalid(expected))
    }

    pub(crate) fn string(&mut self, expected: &'static str) -> Result<StrBytes, DecodeError> {
        self.nullable_string(expected)?.ok_or_else(|| self.invalid(expected))
    }

    pub(crate) fn nullable_bytes(&mut self, expected: &'static str) -> Result<Option<Bytes>, DecodeError> {
        let Some(len) = self.count(1, expected)? else { return Ok(None) };
        self.take(len, expected).map(Some)
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        min_bytes: usize,
        expected: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.count(min_bytes, expected)? else { return Ok(None) };
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// `min_bytes`: the fewest that one element takes.
    pub(crate) fn array<T>(
        &mut self,
        min_bytes: usize,
        expected: &'static str,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(min_bytes, expected, element)?.ok_or_else(|| self.invalid(expected))
    }

    /// The end of a struct: in flexible versions its tagged fields, none of which is known here.
    pub(crate) fn tags(&mut self) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        let mut reader = Reader::new(&self.rest);
        reader.skip_tagged_fields()?;
        let read = reader.position();
        self.take(read, "tagged fields").map(|_| ())
    }
}

/// A body being written.
#[derive(Debug)]
pub(crate) struct FieldWriter<'a> {
    pub(crate) out: &'a mut BytesMut,
    flexible: bool,
    message: &'static str,
    version: i16,
}

impl<'a> FieldWriter<'a> {
    pub(crate) fn new(out: &'a mut BytesMut, flexible: bool, message: &'static str, version: i16) -> Self {
        FieldWriter { out, flexible, message, version }
    }

    fn error(&self, reason: String) -> EncodeError {
        EncodeError { message: self.message, version: self.version, reason }
    }

    /// The length of bytes or the count of an array; `None` is null.
    fn count(&mut self, count: Option<usize>) -> Result<(), EncodeError> {
        let fits = count.map(|n| i32::try_from(n).map_err(|_| self.error(format!("length {n}"))));
        let count = fits.transpose()?;
        if self.flexible {
            put_uvarint(self.out, count.map_or(0, |n| n.unsigned_abs() + 1));
        } else {
            self.out.put_i32(count.unwrap_or(-1));
        }
        Ok(())
    }

    pub(crate) fn uuid(&mut self, id: Uuid) {
        self.out.put_slice(id.as_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.out.put_u8(value.into());
    }

    pub(crate) fn nullable_string(&mut self, string: Option<&str>) -> Result<(), EncodeError> {
        let len = string.map(str::len);
        if self.flexible {
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
    pub(crate) fn tags(&mut self) {
        if self.flexible {
            self.out.put_u8(0);
        }
    }
}
