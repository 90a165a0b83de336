//! The shape of every request: bounds a body before a single element of it is allocated.
//!
//! kafka-protocol reserves memory by the counts it reads, so eight bytes could ask for gigabytes.
//! [`check`] walks a body along the layout of its request and version, allocating nothing: every
//! count and length fits the bytes that remain, null appears only where it may, tagged fields are
//! as long as they say, and the message will take no more memory once decoded than
//! [`memory_budget`]. Bytes after the last field are ignored, as Kafka ignores them: librdkafka 2
//! sends three too many with Metadata 11 and later. The decoder checks that strings are UTF-8.
//!
//! The layouts, in `shape/generated.rs`, are generated from Kafka's own message definitions. They
//! also cover the versions that Kafka 4.0 dropped and those newer than kafka-protocol's.
//!
//! Only requests have shapes: responses come from a broker that a client or a test trusts. A walk costs
//! time in proportion to the body; `request.rs` says how much, beside that of the decoder.

use crate::cursor::{Cursor, Prefix, ReadError};
use crate::error::DecodeError;

mod generated;

/// A version that no message reaches.
const NEVER: i16 = i16::MAX;

/// One request at a range of versions.
struct Message {
    /// Rows are sorted by it, then by version.
    key: i16,
    /// Kafka's name of the API, without "Request".
    name: &'static str,
    /// The first and the last. An API whose older versions come from another definition has several rows.
    versions: (i16, i16),
    /// From this version on lengths are varints and structs end in tagged fields (KIP-482).
    flexible_from: i16,
    /// In their order on the wire; tagged ones at any place.
    fields: &'static [Field],
}

/// A field of a message or of a struct in it.
struct Field {
    /// As in Kafka's definition, for errors.
    name: &'static str,
    /// The first and the last at which it is on the wire.
    versions: (i16, i16),
    kind: Kind,
    /// The versions at which it may be null, empty if first > last.
    nullable: (i16, i16),
    /// Its tag, if it stands among the tagged fields.
    tag: Option<u32>,
}

/// The layout of a value. Which numbers and texts are valid is left to the decoder and the handlers.
enum Kind {
    /// Always this many bytes.
    Fixed(usize),
    /// A length, then UTF-8, which is not looked at here.
    String,
    /// A length, then bytes: record data as well.
    Bytes,
    /// A count, then the elements.
    Array(&'static Element),
    /// Its fields, one after another, without a length.
    Struct(&'static [Field]),
}

/// The elements of an array.
struct Element {
    /// The fewest bytes one takes on the wire, at any version; at least 1.
    min_bytes: usize,
    /// The most bytes one takes in memory, not counting what it refers to.
    /// The script that generates the layouts computes it: 32 for each slice, 24 for each vector and map.
    memory_bytes: usize,
    kind: Kind,
}

/// A field that is never null and has no tag; the methods below change that.
const fn field(name: &'static str, first: i16, last: i16, kind: Kind) -> Field {
    Field { name, versions: (first, last), kind, nullable: (1, 0), tag: None }
}

impl Field {
    const fn nullable(mut self, first: i16, last: i16) -> Field {
        self.nullable = (first, last);
        self
    }

    const fn tagged(mut self, tag: u32) -> Field {
        self.tag = Some(tag);
        self
    }

    fn exists_at(&self, version: i16) -> bool {
        self.versions.0 <= version && version <= self.versions.1
    }

    fn nullable_at(&self, version: i16) -> bool {
        self.nullable.0 <= version && version <= self.nullable.1
    }
}

/// The rows of an API, found by binary search; none for an unknown key.
fn messages_of(key: i16) -> impl Iterator<Item = &'static Message> {
    // The keys have gaps and several rows each, so they are no index.
    let start = generated::MESSAGES.partition_point(|message| message.key < key);
    generated::MESSAGES.iter().skip(start).take_while(move |message| message.key == key)
}

/// Kafka's name of an API, e.g. `Produce`, whether or not this crate can decode it; `None` if
/// brokers know no such key.
pub fn api_name(key: i16) -> Option<&'static str> {
    messages_of(key).next().map(|message| message.name)
}

/// The first flexible version of an API; `None` if no such API is known here.
/// `NEVER` for one that has none yet.
pub(crate) fn flexible_from(key: i16) -> Option<i16> {
    // A key has several rows if its layouts were split; all of them name the same version.
    messages_of(key).last().map(|message| message.flexible_from)
}

/// The most memory that a body of `body_len` bytes may take once decoded, in bytes: 1 MiB and
/// eight times its length, but no more than 64 MiB. Of what clients send in bulk, offsets to
/// commit expand the most, five times; record data and strings stay slices of the frame and do
/// not expand at all.
pub fn memory_budget(body_len: usize) -> usize {
    const MIB: usize = 1024 * 1024;
    body_len.saturating_mul(8).saturating_add(MIB).min(64 * MIB)
}

/// Checks that `body` starts with a request of this key at this version. Bytes after its last field are ignored.
///
/// Nothing is allocated. It comes before the decoder, which believes the counts in the body.
///
/// # Errors
/// [`DecodeError::Read`] if it does not, with the field and the byte; [`DecodeError::TooExpansive`]
/// beyond the budget; [`DecodeError::Version`] if no layout is known for key and version.
pub fn check(key: i16, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    walk(key, version, body).map(drop)
}

/// True if kafka-protocol, having decoded `body`, would write it wrongly: the numbers of unknown tagged fields are signed there, so
/// those from 2³¹ on are negative; it counts them, but writes only from the first number on that it does not define.
///
/// For tests that write what they read. A broker only decodes requests, and its answers have no unknown fields.
///
/// # Errors
/// As [`check`].
pub fn loses_tagged_fields(key: i16, version: i16, body: &[u8]) -> Result<bool, DecodeError> {
    walk(key, version, body).map(|walk| walk.unwritable_tag)
}

/// Walks a body to the end of its last field. The walk that is returned knows what it saw on its way.
fn walk(key: i16, version: i16, body: &[u8]) -> Result<Walk<'_>, DecodeError> {
    let message = messages_of(key)
        .find(|message| message.versions.0 <= version && version <= message.versions.1)
        .ok_or_else(|| DecodeError::Version { api: api_name(key).unwrap_or("an unknown API"), version })?;
    // The budget follows the whole body, not a single array: many small arrays together are as dangerous as
    // one.
    let mut walk = Walk {
        cursor: Cursor::new(body),
        version,
        flexible: version >= message.flexible_from,
        budget: memory_budget(body.len()),
        memory_left: memory_budget(body.len()),
        unwritable_tag: false,
    };
    walk.fields(message.fields)?;
    Ok(walk)
}

/// Memory of the map of a struct's unknown tagged fields: of its first node, and of each field in it.
const TAG_MAP_BYTES: usize = 448;
const TAG_BYTES: usize = 80;
/// The highest number of an unknown tagged field that kafka-protocol writes.
const TAG_MAX: u32 = i32::MAX.cast_unsigned();
/// Kafka takes no longer string, whatever the encoding of its length could express.
const STRING_MAX: usize = 0x7fff;

/// A walk over one body.
struct Walk<'a> {
    /// The next byte to be looked at.
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
    /// All of it, for the error.
    budget: usize,
    /// The part of it that no array has claimed yet.
    memory_left: usize,
    /// See [`loses_tagged_fields`].
    unwritable_tag: bool,
}

impl Walk<'_> {
    /// Walks a struct: its fields in order, then its tagged fields.
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), DecodeError> {
        for field in fields {
            if field.tag.is_none() && field.exists_at(self.version) {
                self.value(&field.kind, field.name, field.nullable_at(self.version))?;
            }
        }
        // Every struct ends in tagged fields, nested ones too, even if its definition has none (KIP-482).
        if self.flexible { self.tagged_fields(fields) } else { Ok(()) }
    }

    /// Walks one value.
    fn value(&mut self, kind: &'static Kind, name: &'static str, nullable: bool) -> Result<(), DecodeError> {
        match kind {
            // Any bytes are a number; booleans other than 0 and 1 are true, as in Java.
            Kind::Fixed(len) => Ok(self.cursor.take(*len, name).map(|_| ())?),
            Kind::String => self.string(name, nullable),
            Kind::Bytes => match self.count(1, name, nullable)? {
                Some(len) => Ok(self.cursor.take(len, name).map(|_| ())?),
                None => Ok(()),
            },
            Kind::Array(element) => self.array(element, name, nullable),
            // Only at versions at which it may be null does a struct have a byte before it.
            Kind::Struct(fields) if nullable => self.nullable_struct(fields, name),
            Kind::Struct(fields) => self.fields(fields),
        }
    }

    /// Walks a string.
    fn string(&mut self, name: &'static str, nullable: bool) -> Result<(), DecodeError> {
        let at = self.cursor.position();
        // A compact length may express 4 GiB. Kafka's generated readers refuse more than 0x7fff in either
        // form.
        let prefix = if self.flexible { Prefix::Compact } else { Prefix::I16 };
        match self.claim(prefix, 1, name, nullable)? {
            Some(len) if len > STRING_MAX => Err(ReadError::Invalid { expected: name, at }.into()),
            Some(len) => Ok(self.cursor.take(len, name).map(|_| ())?),
            None => Ok(()),
        }
    }

    /// A byte that says whether the struct follows (KIP-893).
    fn nullable_struct(&mut self, fields: &'static [Field], name: &'static str) -> Result<(), DecodeError> {
        let at = self.cursor.position();
        // kafka-protocol takes every byte except 1 for null and would then read the struct as the fields
        // after it.
        match self.cursor.i8(name)? {
            1 => self.fields(fields),
            -1 => Ok(()),
            _ => Err(ReadError::Invalid { expected: name, at }.into()),
        }
    }

    /// Walks an array: first its claim is paid for, then its elements are looked at.
    fn array(
        &mut self,
        element: &'static Element,
        name: &'static str,
        nullable: bool,
    ) -> Result<(), DecodeError> {
        // Null: no elements follow.
        let Some(count) = self.count(element.min_bytes, name, nullable)? else { return Ok(()) };
        // Before the elements are walked: the budget also bounds the time that a claim can cost.
        self.spend(count.saturating_mul(element.memory_bytes))?;
        // Partition numbers come in thousands: one step for all of them.
        if let Kind::Fixed(len) = element.kind {
            self.cursor.take(count.saturating_mul(len), name)?;
            return Ok(());
        }
        for _ in 0..count {
            // Elements are never null: Kafka's readers fail with "element was serialized as null".
            self.value(&element.kind, name, false)?;
        }
        Ok(())
    }

    /// The length of bytes or the count of elements of at least `min_bytes` each; `None` is null.
    fn count(
        &mut self,
        min_bytes: usize,
        name: &'static str,
        nullable: bool,
    ) -> Result<Option<usize>, ReadError> {
        let prefix = if self.flexible { Prefix::Compact } else { Prefix::I32 };
        self.claim(prefix, min_bytes, name, nullable)
    }

    /// Reads a length or a count and compares it with the bytes that remain. A null where none is
    /// allowed is an error.
    fn claim(
        &mut self,
        prefix: Prefix,
        min_bytes: usize,
        name: &'static str,
        nullable: bool,
    ) -> Result<Option<usize>, ReadError> {
        if nullable {
            self.cursor.nullable_count(prefix, min_bytes, name)
        } else {
            self.cursor.count(prefix, min_bytes, name).map(Some)
        }
    }

    /// Takes memory off the budget.
    ///
    /// # Errors
    /// If not that much is left.
    fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let error = DecodeError::TooExpansive { budget: self.budget, at: self.cursor.position() };
        self.memory_left = self.memory_left.checked_sub(bytes).ok_or(error)?;
        Ok(())
    }

    /// Walks the tagged fields at the end of a struct whose fields are these (KIP-482).
    fn tagged_fields(&mut self, fields: &'static [Field]) -> Result<(), DecodeError> {
        // Not compared with the bytes that remain: each field takes two at least, so the loop ends with the
        // body.
        let count = self.cursor.uvarint("tagged field count")?;
        let mut unknown = 0;
        for _ in 0..count {
            let tag = self.cursor.uvarint("tag")?;
            let size = self.cursor.uvarint("tagged field size")? as usize;
            let known = fields.iter().find(|field| field.tag == Some(tag) && field.exists_at(self.version));
            match known {
                Some(field) => self.tagged_field(field, size)?,
                None => {
                    unknown += 1;
                    // An empty field takes two bytes on the wire and 80 in kafka-protocol's map, five times
                    // what the budget has for them.
                    self.spend(if unknown == 1 { TAG_MAP_BYTES } else { TAG_BYTES })?;
                    self.cursor.take(size, "tagged field")?;
                    // A number that other versions define cannot be among them: the decoder refuses it, as Kafka does.
                    self.unwritable_tag |= tag > TAG_MAX;
                }
            }
        }
        Ok(())
    }

    /// A tagged field that this version knows must be exactly as long as it says.
    fn tagged_field(&mut self, field: &'static Field, size: usize) -> Result<(), DecodeError> {
        let start = self.cursor.position();
        // kafka-protocol reads a known tag by its layout and ignores the size. A wrong size would have two
        // readings: that of this walk, and that of the decoder.
        self.value(&field.kind, field.name, field.nullable_at(self.version))?;
        if self.cursor.position() - start == size {
            Ok(())
        } else {
            Err(ReadError::Invalid { expected: field.name, at: start }.into())
        }
    }
}

#[cfg(test)]
mod tests;
