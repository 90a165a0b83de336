//! Message sets, the record data before batches: formats v0 and v1 (KIP-31, KIP-32).
//!
//! A set is a row of messages, each with an offset, a size and a CRC-32 of its own. A compressed message is a wrapper: its
//! value is another set. [`MessageSet`] is one from a producer whose outer messages were checked; what is inside a wrapper
//! is read as a stream, one message at a time, under the limit of what is held. Rules are those of Kafka's
//! `LegacyRecord`, `AbstractLegacyRecordBatch` and `LogValidator`.
//!
//! The sizes in it are claims. Other than Kafka, a set that ends within a message is refused, not cut: its producer would
//! take for stored what is not.
//!
//! Reading and writing are in one file, as they are two sides of one layout: offset (8 bytes), size
//! (4), CRC-32 (4), magic (1), attributes (1), in v1 a timestamp (8), then key and value, each after
//! its length (4).

mod downgrade;
mod lz4;

use std::io::Read;

use bytes::{BufMut, Bytes, BytesMut};

use crate::cursor::{Cursor, Prefix, ReadError};
use crate::records::{BatchBuilder, BatchError, Compression, TimestampType};
use crate::records::{Decompressed, failure, held_limit};

pub use downgrade::downgrade;

/// The formats before record batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    /// Without timestamps.
    /// Of Kafka 0.9 and before; clients of Fetch 0 and 1 read it.
    V0 = 0,
    /// With timestamps, and offsets in wrappers that are relative (KIP-31, KIP-32).
    /// Of Kafka 0.10; clients of Fetch 2 and 3 read it.
    V1 = 1,
}

impl MessageFormat {
    /// The format of a magic byte; `None` for batches (2) and for what no format has.
    fn of(magic: u8) -> Option<Self> {
        match magic {
            0 => Some(MessageFormat::V0),
            1 => Some(MessageFormat::V1),
            _ => None,
        }
    }

    /// The least that a message counts as its size: all but offset and size.
    fn least_size(self) -> usize {
        match self {
            // CRC-32, magic, attributes, and two lengths that may be null: `LegacyRecord.RECORD_OVERHEAD_V0`.
            MessageFormat::V0 => 14,
            // And a timestamp: `RECORD_OVERHEAD_V1`.
            MessageFormat::V1 => 22,
        }
    }
}

/// Offset and size, in front of each message.
const PREFIX_LEN: usize = 12;
/// The position of the magic byte in a set as in a batch.
const MAGIC_AT: usize = 16;
/// The codec, in the attributes: the same bits and numbers as in batches.
const COMPRESSION_MASK: u8 = 0x07;
/// Set in the attributes of v1 if the broker set the timestamp (KIP-32).
const LOG_APPEND_TIME: u8 = 0x08;
/// Wire value for no timestamp, and that of every message of v0.
const NO_TIMESTAMP: i64 = -1;

/// True if these record data are a message set and no batch, by their magic byte.
///
/// All formats have it at the same place (`Records.MAGIC_OFFSET`). Fewer than 17 bytes are no message set.
pub fn is_message_set(records: &[u8]) -> bool {
    // A magic byte with its sign set is above 1 here: the parser of batches refuses it by its number.
    records.get(MAGIC_AT).is_some_and(|magic| *magic < 2)
}

/// One message, checked: its size and its CRC-32 are true.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    format: MessageFormat,
    /// Codec and timestamp type.
    attributes: u8,
    /// In ms, -1 for none.
    timestamp: i64,
    /// A slice of the message, or null.
    key: Option<Bytes>,
    /// As the key. In a wrapper it is a compressed set.
    value: Option<Bytes>,
}

impl Message {
    /// Reads a message without offset and size. `index` is for errors.
    ///
    /// # Errors
    /// A wrong CRC-32, an unknown format, or fields that do not fill the message exactly.
    fn parse(body: &Bytes, index: i32) -> Result<Message, BatchError> {
        let layout = |error| BatchError::Layout { index, error };
        // The bound of v0, as the format is not known yet. A v1 message of fewer than 22 bytes fails
        // in its fields.
        if body.len() < MessageFormat::V0.least_size() {
            return Err(BatchError::Length(i32::try_from(body.len()).expect("less than the least size")));
        }
        let mut from = Cursor::new(body);
        let stored = from.u32("CRC-32").map_err(layout)?;
        // It covers all that follows it, the magic byte first (`LegacyRecord.computeChecksum`).
        let computed = crc32(from.clone().take_rest());
        if stored != computed {
            return Err(BatchError::MessageCrc { stored, computed });
        }
        let magic = from.u8("magic").map_err(layout)?;
        let format = MessageFormat::of(magic).ok_or(BatchError::Magic(magic.cast_signed()))?;
        Message::fields(body, from, format).map_err(layout)
    }

    /// Reads what follows the magic byte.
    /// Key and value become slices of `body`.
    fn fields(body: &Bytes, mut from: Cursor<'_>, format: MessageFormat) -> Result<Message, ReadError> {
        let attributes = from.u8("attributes")?;
        let timestamp = match format {
            MessageFormat::V0 => NO_TIMESTAMP,
            MessageFormat::V1 => from.i64("timestamp")?,
        };
        let key = from.nullable_bytes(Prefix::I32, "key")?.map(|key| body.slice_ref(key));
        let value = from.nullable_bytes(Prefix::I32, "value")?.map(|value| body.slice_ref(value));
        // Bytes after the value are under the checksum but in no field: a conversion would drop them unseen.
        from.end()?;
        Ok(Message { format, attributes, timestamp, key, value })
    }

    /// The codec of a wrapper; none of a plain message.
    ///
    /// # Errors
    /// If the bits name none of the codecs of these formats.
    fn compression(&self) -> Result<Compression, BatchError> {
        let id = self.attributes & COMPRESSION_MASK;
        match Compression::from_id(id) {
            // It came after these formats; Kafka's `DeepRecordsIterator` refuses it in a wrapper, too.
            Some(Compression::Zstd) | None => Err(BatchError::UnknownCompression(id)),
            Some(codec) => Ok(codec),
        }
    }

    fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }
}

/// The CRC-32 of zip files, not the Castagnoli of batches.
fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iso_hdlc(bytes)
}

/// A producer's message set, checked except for the inside of a wrapper: either one wrapper or plain messages.
#[derive(Debug, Clone)]
pub struct MessageSet {
    /// The whole set, as it came.
    set: Bytes,
    /// With offset and size, as Kafka counts it (`sizeInBytes`).
    largest_bytes: usize,
}

impl MessageSet {
    /// Reads the outer messages and checks each. Nothing is allocated for them.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` if a size or a CRC-32 is wrong; `INVALID_RECORD` if there is no message, the last is cut off,
    /// formats are mixed, a message does not fill its size, or a wrapper is not alone.
    pub fn parse(set: &Bytes) -> Result<MessageSet, BatchError> {
        let mut rest = set.clone();
        let (mut first_format, mut any_compressed, mut largest_bytes) = (None, false, 0);
        // Once at least, so that a set without a message is refused.
        for index in 0.. {
            let (len, message) = next(&mut rest, index)?;
            largest_bytes = largest_bytes.max(len);
            // An unknown codec is an error here, so that `to_batch` cannot meet one halfway through a set.
            any_compressed |= message.compression()? != Compression::None;
            if message.format != *first_format.get_or_insert(message.format) {
                return Err(BatchError::Record { index, problem: "not of the format of the first" });
            }
            // `LogValidator` refuses it too: "Compressed outer record has more than one batch".
            if any_compressed && index > 0 {
                return Err(BatchError::Record { index, problem: "a compressed message is not alone" });
            }
            if rest.is_empty() {
                break;
            }
        }
        Ok(MessageSet { set: set.clone(), largest_bytes })
    }

    /// The size of the largest outer message, which `max.message.bytes` bounds.
    pub fn largest_message_bytes(&self) -> usize {
        self.largest_bytes
    }

    /// The batch of format v2 that a newer producer would have sent: same records, same codec. A wrapper is
    /// decompressed under the limit of what is held.
    ///
    /// # Errors
    /// As [`MessageSet::parse`], for what is inside a wrapper.
    pub fn to_batch(&self) -> Result<Bytes, BatchError> {
        // Base offset 0 and no producer id: idempotent producers write batches only (KIP-98).
        let mut batch = BatchBuilder::new();
        let mut rest = self.set.clone();
        while !rest.is_empty() {
            // `parse` has read these messages before: no error can name a wrong index.
            let (_, message) = next(&mut rest, 0)?;
            match message.compression()? {
                Compression::None => push(&mut batch, &message, &message),
                codec => {
                    batch = batch.compression(codec);
                    unwrap(&message, codec, |inner| push(&mut batch, inner, &message))?;
                }
            }
            // Kept for the checks of Produce: where the broker sets the time, a producer must not
            // claim that it did (`LogValidator.validateTimestamp`).
            if message.timestamp_type() == TimestampType::LogAppendTime {
                batch = batch.timestamp_type(TimestampType::LogAppendTime);
            }
        }
        Ok(batch.build())
    }
}

/// With `LogAppendTime` the timestamp of a wrapper is that of all messages in it.
fn push(batch: &mut BatchBuilder, message: &Message, outer: &Message) {
    let timestamp = match outer.timestamp_type() {
        TimestampType::CreateTime => message.timestamp,
        TimestampType::LogAppendTime => outer.timestamp,
    };
    // Neither format has headers: they came with batches (KIP-82).
    batch.push(timestamp, message.key.as_deref(), message.value.as_deref(), &[]);
}

/// The next message of a set and its size with its prefix.
///
/// # Errors
/// If the set ends within the message, or the message is not sound.
fn next(rest: &mut Bytes, index: i32) -> Result<(usize, Message), BatchError> {
    let have = rest.len();
    let prefix = rest.get(..PREFIX_LEN).ok_or(BatchError::Truncated { needed: PREFIX_LEN, have })?;
    let needed = PREFIX_LEN + message_len(prefix, index)?;
    // Kafka stores the messages before it and drops this one, and still answers without an error.
    if needed > have {
        return Err(BatchError::Truncated { needed, have });
    }
    let message = rest.split_to(needed).slice(PREFIX_LEN..);
    Ok((needed, Message::parse(&message, index)?))
}

/// The size in the prefix of a message. The offset before it is the producer's own count, which nothing rests on.
fn message_len(prefix: &[u8], index: i32) -> Result<usize, BatchError> {
    let size = Cursor::starting_at(prefix, 8, "offset").and_then(|mut from| from.i32("size"));
    let size = size.map_err(|error| BatchError::Layout { index, error })?;
    // `DataLogInputStream` has the same bound.
    let len = usize::try_from(size).ok().filter(|len| *len >= MessageFormat::V0.least_size());
    len.ok_or(BatchError::Length(size))
}

/// Reads the messages in a wrapper. Their offsets are the caller's to judge: a log gives records new ones anyway.
///
/// # Errors
/// If there is none, one is not sound, or they expand beyond [`held_limit`].
fn unwrap(wrapper: &Message, codec: Compression, mut each: impl FnMut(&Message)) -> Result<(), BatchError> {
    let none = BatchError::Record { index: 0, problem: "a compressed message without messages in it" };
    // `DeepRecordsIterator`: "Found invalid compressed record set with null value".
    let Some(value) = &wrapper.value else { return Err(none) };
    let mended = match (codec, wrapper.format) {
        // Its header's checksum is wrong by design (KIP-57).
        (Compression::Lz4, MessageFormat::V0) => Some(lz4::with_true_checksum(value)),
        _ => None,
    };
    let data = mended.as_deref().unwrap_or(value);
    // The limit of held content, though it streams: all of it ends up in the batch that is built.
    let mut stream = Decompressed::new(codec, data, held_limit(data.len()));
    let mut index = 0;
    while let Some(body) = next_inner(&mut stream, codec, index)? {
        let message = Message::parse(&body, index)?;
        // The format of the wrapper says how to read what is inside: in v1 offsets are relative (KIP-31).
        if message.format != wrapper.format {
            return Err(BatchError::Record { index, problem: "not of the format of its wrapper" });
        }
        // As Kafka's `LogValidator`; nested, a few bytes could also expand more than once.
        if message.attributes & COMPRESSION_MASK != 0 {
            return Err(BatchError::Record { index, problem: "a compressed message within another" });
        }
        each(&message);
        // For errors alone.
        index = index.saturating_add(1);
    }
    if index == 0 { Err(none) } else { Ok(()) }
}

/// The next message in a stream, without offset and size; `None` at its end. Memory grows with the bytes that
/// come out, not with the size that the prefix claims.
fn next_inner(stream: &mut dyn Read, codec: Compression, index: i32) -> Result<Option<Bytes>, BatchError> {
    let mut prefix = Vec::with_capacity(PREFIX_LEN);
    read_to(&mut *stream, PREFIX_LEN, &mut prefix, codec)?;
    match prefix.len() {
        0 => return Ok(None),
        PREFIX_LEN => {}
        // Kafka's `DataLogInputStream` takes these bytes for the end and loses the message without an error.
        have => return Err(BatchError::Truncated { needed: PREFIX_LEN, have }),
    }
    let needed = message_len(&prefix, index)?;
    // Without capacity: the size is a claim from inside compressed data, up to 2 GiB for a few bytes.
    let mut body = Vec::new();
    read_to(stream, needed, &mut body, codec)?;
    if body.len() < needed {
        return Err(BatchError::Truncated { needed, have: body.len() });
    }
    Ok(Some(body.into()))
}

/// Reads up to `len` bytes to the end of `out`; fewer only at the end of the stream.
fn read_to(
    stream: &mut dyn Read,
    len: usize,
    out: &mut Vec<u8>,
    codec: Compression,
) -> Result<(), BatchError> {
    let limit = u64::try_from(len).expect("no machine counts beyond 64 bits");
    stream.take(limit).read_to_end(out).map(|_| ()).map_err(|error| failure(codec, &error))
}

/// A message to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewMessage<'a> {
    /// Within a wrapper of v1 it counts from the first message there.
    pub(super) offset: i64,
    /// In ms. Format v0 drops it.
    pub(super) timestamp: i64,
    pub(super) timestamp_type: TimestampType,
    /// The codec of a wrapper's value; none for a plain message.
    pub(super) compression: Compression,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
}

impl NewMessage<'_> {
    /// Appends it to a set.
    ///
    /// # Errors
    /// If it is too large for its format: 2 GiB.
    pub(super) fn write(&self, format: MessageFormat, out: &mut BytesMut) -> Result<(), BatchError> {
        // The error cannot show more than its field holds.
        let too_large = |len: usize| BatchError::Length(i32::try_from(len).unwrap_or(i32::MAX));
        let content = self.key.map_or(0, <[u8]>::len).saturating_add(self.value.map_or(0, <[u8]>::len));
        let size = format.least_size().saturating_add(content);
        let wire_size = i32::try_from(size).map_err(|_| too_large(size))?;
        out.reserve(PREFIX_LEN + size);
        out.put_i64(self.offset);
        out.put_i32(wire_size);
        let crc_at = out.len();
        // Room for the CRC, which covers the fields that follow.
        out.put_u32(0);
        out.put_u8(format as u8);
        // Format v0 has no timestamps, and so no bit for their type.
        let stamped = match self.timestamp_type {
            TimestampType::LogAppendTime if format == MessageFormat::V1 => LOG_APPEND_TIME,
            _ => 0,
        };
        out.put_u8(self.compression as u8 | stamped);
        if format == MessageFormat::V1 {
            out.put_i64(self.timestamp);
        }
        put_nullable(out, self.key);
        put_nullable(out, self.value);
        let crc = crc32(out.get(crc_at + 4..).expect("written above"));
        let field = out.get_mut(crc_at..crc_at + 4).expect("written above");
        field.copy_from_slice(&crc.to_be_bytes());
        Ok(())
    }
}

/// Null has no bytes.
fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    out.put_i32(bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).expect("the whole message fits")));
    out.put_slice(bytes.unwrap_or_default());
}

#[cfg(test)]
mod tests;
