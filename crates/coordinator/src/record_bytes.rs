//! The bytes of stored records, as all coordinators write them: the forms of numbers, strings and lists.
//!
//! All numbers are big-endian. `string` is `length: u32 ‖ UTF-8`, `bytes` is `length: u32 ‖ bytes`,
//! `option(x)` is `0` or `1 ‖ x`, `list(x)` is `count: u32 ‖ x…`. A value begins with its format version, a
//! key has none.

use bytes::{BufMut, Bytes, BytesMut};
use codec::cursor::{Cursor, Prefix};
use uuid::Uuid;

use crate::limits::{self, MAX_BYTES, MAX_ENTRIES, MAX_RECORD_BYTES, MAX_STRING_BYTES};
use crate::state_machine::{RecordError, TooLong};

/// The first format version of a value, for most kinds the only one; keys have none.
const VERSION: u8 = 0;

/// Bytes in the course of being written. The first length that is too long makes the whole fail.
pub(crate) struct Writer {
    out: BytesMut,
    too_long: Option<TooLong>,
}

impl Writer {
    /// For a key: nothing comes before what is written.
    pub(crate) fn empty() -> Writer {
        Writer { out: BytesMut::new(), too_long: None }
    }

    /// A value of the first format version.
    pub(crate) fn value() -> Writer {
        Writer::value_of(VERSION)
    }

    /// A value of a later format version, which the record's kind has beside the first one.
    pub(crate) fn value_of(version: u8) -> Writer {
        let mut out = Writer::empty();
        out.u8(version);
        out
    }

    /// The bytes, with whatever was written in its order.
    ///
    /// # Errors
    /// With the first length that was too long, or that of the whole.
    pub(crate) fn finish(self) -> Result<Bytes, TooLong> {
        self.too_long.map_or(Ok(()), Err)?;
        limits::check("the record", self.out.len(), MAX_RECORD_BYTES)?;
        Ok(self.out.freeze())
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.out.put_u8(number);
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.u8(u8::from(flag));
    }

    pub(crate) fn i16(&mut self, number: i16) {
        self.out.put_i16(number);
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.out.put_u32(number);
    }

    pub(crate) fn i32(&mut self, number: i32) {
        self.out.put_i32(number);
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.out.put_u64(number);
    }

    pub(crate) fn i64(&mut self, number: i64) {
        self.out.put_i64(number);
    }

    pub(crate) fn uuid(&mut self, id: Uuid) {
        self.out.put_slice(id.as_bytes());
    }

    /// At most [`MAX_STRING_BYTES`].
    pub(crate) fn string(&mut self, text: &str) {
        self.delimited("a string", text.as_bytes(), MAX_STRING_BYTES);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.delimited("a byte string", bytes, MAX_BYTES);
    }

    pub(crate) fn option_string(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        if let Some(text) = text {
            self.string(text);
        }
    }

    /// The number of items, at most [`MAX_ENTRIES`], then each of them by `each`.
    pub(crate) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut each: impl FnMut(&mut Writer, T),
    ) {
        self.length("a list", items.len(), MAX_ENTRIES);
        for item in items {
            each(self, item);
        }
    }

    fn delimited(&mut self, what: &'static str, bytes: &[u8], limit: usize) {
        self.length(what, bytes.len(), limit);
        // Bytes that are too long are not worth copying.
        if self.too_long.is_none() {
            self.out.put_slice(bytes);
        }
    }

    /// A length before what it counts. One above its limit writes nothing and is kept as the failure.
    fn length(&mut self, what: &'static str, length: usize, limit: usize) {
        let checked = limits::check(what, length, limit);
        match checked.and_then(|()| u32::try_from(length).map_err(|_| TooLong { what, length, limit })) {
            Ok(length) => self.out.put_u32(length),
            Err(too_long) => self.too_long = self.too_long.or(Some(too_long)),
        }
    }
}

/// Reads what a [`Writer`] wrote: the codec's cursor, and the forms of this file's header.
pub(crate) struct Reader<'a>(Cursor<'a>);

/// The fewest bytes that an entry of a list takes: a number, or the length of a string. (An id takes more.)
const ENTRY_BYTES: usize = 4;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(Cursor::new(bytes))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RecordError> {
        Ok(self.0.u8("a number")?)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, RecordError> {
        Ok(self.0.i16("a number")?)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RecordError> {
        Ok(self.0.u32("a number")?)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RecordError> {
        Ok(self.0.u64("a number")?)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, RecordError> {
        Ok(self.0.i32("a number")?)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, RecordError> {
        Ok(self.0.i64("a number")?)
    }

    pub(crate) fn uuid(&mut self) -> Result<Uuid, RecordError> {
        Ok(Uuid::from_bytes(self.0.array("an id")?))
    }

    /// Borrowed from the record: nothing is copied.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        Ok(self.0.bytes(Prefix::U32, "a byte string")?)
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, RecordError> {
        Ok(self.0.str(Prefix::U32, "a string")?)
    }

    /// The number of entries that follow.
    /// At most what the bytes that are left could hold, so a damaged one reserves no memory.
    pub(crate) fn count(&mut self) -> Result<usize, RecordError> {
        Ok(self.0.count(Prefix::U32, ENTRY_BYTES, "a list")?)
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// 0 or 1; any other byte is damage.
    pub(crate) fn flag(&mut self) -> Result<bool, RecordError> {
        let error = self.0.invalid("flag");
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(error.into()),
        }
    }

    /// The first byte of every value.
    pub(crate) fn version(&mut self) -> Result<(), RecordError> {
        match self.u8()? {
            VERSION => Ok(()),
            // There is no earlier version, so every other number is of a newer broker.
            newer => Err(RecordError::NewerVersion(newer)),
        }
    }

    /// As [`Reader::version`], of a kind that has later versions: the version, at most `last`.
    pub(crate) fn version_up_to(&mut self, last: u8) -> Result<u8, RecordError> {
        match self.u8()? {
            newer if newer > last => Err(RecordError::NewerVersion(newer)),
            version => Ok(version),
        }
    }

    /// To be called last: bytes that are left over are damage.
    pub(crate) fn end(&self) -> Result<(), RecordError> {
        Ok(self.0.end()?)
    }
}
