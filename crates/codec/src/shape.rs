//! The shape of every request: bounds a body before a single element of it is allocated.
//!
//! kafka-protocol reserves memory by the counts it reads, so eight bytes could ask for gigabytes.
//! [`check`] walks a body along the layout of its request and version, allocating nothing: every
//! count and length fits the bytes that remain, null stands only where it may, tagged fields are
//! as long as they say, nothing is left over, and what the message will take in memory once
//! decoded stays within [`memory_budget`]. Whether strings are UTF-8 is left to the decoder.
//!
//! The layouts, in `shape/generated.rs`, are generated from Kafka's own message definitions. They
//! also cover the versions that Kafka 4.0 dropped and those newer than kafka-protocol's.

use crate::error::DecodeError;
use crate::wire::Reader;

mod generated;

/// A version that no message reaches.
const NEVER: i16 = i16::MAX;

/// One request at a range of versions.
struct Message {
    key: i16,
    name: &'static str,
    versions: (i16, i16),
    /// From this version on lengths are varints and structs end in tagged fields (KIP-482).
    flexible_from: i16,
    fields: &'static [Field],
}

struct Field {
    name: &'static str,
    versions: (i16, i16),
    kind: Kind,
    /// The versions at which it may be null, empty if first > last.
    nullable: (i16, i16),
    /// Its tag, if it stands among the tagged fields.
    tag: Option<u32>,
}

enum Kind {
    /// Always this many bytes.
    Fixed(usize),
    String,
    Bytes,
    Array(&'static Element),
    Struct(&'static [Field]),
}

/// What an array holds.
struct Element {
    /// The fewest bytes one takes on the wire, at any version; at least 1.
    min_bytes: usize,
    /// The most bytes one takes in memory, not counting what it refers to.
    memory_bytes: usize,
    kind: Kind,
}

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

fn messages_of(key: i16) -> impl Iterator<Item = &'static Message> {
    let start = generated::MESSAGES.partition_point(|message| message.key < key);
    generated::MESSAGES.iter().skip(start).take_while(move |message| message.key == key)
}

/// Kafka's name of an API, e.g. `Produce`, whether or not this crate can decode it; `None` if
/// brokers know no such key.
pub fn api_name(key: i16) -> Option<&'static str> {
    messages_of(key).next().map(|message| message.name)
}

/// The first flexible version of an API; `None` if no such API is known here.
pub(crate) fn flexible_from(key: i16) -> Option<i16> {
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

/// Checks that `body` starts with what has the shape of this request at this version. Bytes behind it are ignored, as
/// Kafka ignores them: librdkafka 2 sends three too many with Metadata 11 and later.
///
/// # Errors
/// If it has not, naming the field and the byte; or if no layout is known for key and version.
pub fn check(key: i16, version: i16, body: &[u8]) -> Result<(), DecodeError> {
    let message = messages_of(key)
        .find(|message| message.versions.0 <= version && version <= message.versions.1)
        .ok_or_else(|| DecodeError::Version { api: api_name(key).unwrap_or("an unknown API"), version })?;
    let mut walk = Walk {
        reader: Reader::new(body),
        version,
        flexible: version >= message.flexible_from,
        budget: memory_budget(body.len()),
        memory_left: memory_budget(body.len()),
    };
    walk.fields(message.fields)
}

/// What the map of a struct's unknown tagged fields takes: its first node, and each field in it.
const TAG_MAP_BYTES: usize = 448;
const TAG_BYTES: usize = 80;
/// Kafka takes no longer string, whatever the encoding of its length could express.
const STRING_MAX: usize = 0x7fff;

struct Walk<'a> {
    reader: Reader<'a>,
    version: i16,
    flexible: bool,
    budget: usize,
    memory_left: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), DecodeError> {
        for field in fields {
            if field.tag.is_none() && field.exists_at(self.version) {
                self.value(&field.kind, field.name, field.nullable_at(self.version))?;
            }
        }
        if self.flexible { self.tagged_fields(fields) } else { Ok(()) }
    }

    fn value(&mut self, kind: &'static Kind, name: &'static str, nullable: bool) -> Result<(), DecodeError> {
        match kind {
            Kind::Fixed(len) => self.reader.take(*len, name).map(|_| ()),
            Kind::String => self.string(name, nullable),
            Kind::Bytes => match self.len(name, nullable)? {
                Some(len) => self.reader.take(len, name).map(|_| ()),
                None => Ok(()),
            },
            Kind::Array(element) => self.array(element, name, nullable),
            Kind::Struct(fields) if nullable => self.nullable_struct(fields, name),
            Kind::Struct(fields) => self.fields(fields),
        }
    }

    fn string(&mut self, name: &'static str, nullable: bool) -> Result<(), DecodeError> {
        let at = self.reader.position();
        let len = if self.flexible {
            self.len(name, nullable)?
        } else {
            let len = self.reader.i16(name)?;
            self.claim(len.into(), 1, at, name, nullable)?
        };
        match len {
            Some(len) if len > STRING_MAX => Err(DecodeError::Invalid { expected: name, at }),
            Some(len) => self.reader.take(len, name).map(|_| ()),
            None => Ok(()),
        }
    }

    /// A byte that says whether the struct follows (KIP-893).
    fn nullable_struct(&mut self, fields: &'static [Field], name: &'static str) -> Result<(), DecodeError> {
        let at = self.reader.position();
        match self.reader.take(1, name)? {
            [1] => self.fields(fields),
            [0xff] => Ok(()),
            _ => Err(DecodeError::Invalid { expected: name, at }),
        }
    }

    fn array(
        &mut self,
        element: &'static Element,
        name: &'static str,
        nullable: bool,
    ) -> Result<(), DecodeError> {
        let Some(count) = self.count(element.min_bytes, name, nullable)? else { return Ok(()) };
        self.spend(count.saturating_mul(element.memory_bytes))?;
        if let Kind::Fixed(len) = element.kind {
            return self.reader.take(count.saturating_mul(len), name).map(|_| ());
        }
        for _ in 0..count {
            self.value(&element.kind, name, false)?;
        }
        Ok(())
    }

    /// The length of bytes; `None` is null.
    fn len(&mut self, name: &'static str, nullable: bool) -> Result<Option<usize>, DecodeError> {
        self.count(1, name, nullable)
    }

    /// The number of elements of at least `min_bytes` each; `None` is null.
    fn count(
        &mut self,
        min_bytes: usize,
        name: &'static str,
        nullable: bool,
    ) -> Result<Option<usize>, DecodeError> {
        let at = self.reader.position();
        let claimed = if self.flexible {
            i64::from(self.reader.uvarint(name)?) - 1
        } else {
            i64::from(self.reader.i32(name)?)
        };
        self.claim(claimed, min_bytes, at, name, nullable)
    }

    /// Believes a count only if the bytes that remain can hold that many.
    fn claim(
        &self,
        claimed: i64,
        min_bytes: usize,
        at: usize,
        expected: &'static str,
        nullable: bool,
    ) -> Result<Option<usize>, DecodeError> {
        let remaining = self.reader.remaining();
        match usize::try_from(claimed) {
            Ok(count) if count <= remaining / min_bytes.max(1) => Ok(Some(count)),
            Err(_) if claimed == -1 && nullable => Ok(None),
            _ => Err(DecodeError::Claim { expected, at, claimed, remaining }),
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), DecodeError> {
        let error = DecodeError::TooExpansive { budget: self.budget, at: self.reader.position() };
        self.memory_left = self.memory_left.checked_sub(bytes).ok_or(error)?;
        Ok(())
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) -> Result<(), DecodeError> {
        let count = self.reader.uvarint("tagged field count")?;
        let mut unknown = 0;
        for _ in 0..count {
            let tag = self.reader.uvarint("tag")?;
            let at = self.reader.position();
            let size = self.reader.uvarint("tagged field size")?;
            let size = self.claim(size.into(), 1, at, "tagged field size", false)?.unwrap_or(0);
            let known = fields.iter().find(|field| field.tag == Some(tag) && field.exists_at(self.version));
            match known {
                Some(field) => self.tagged_field(field, size)?,
                None => {
                    unknown += 1;
                    self.spend(if unknown == 1 { TAG_MAP_BYTES } else { TAG_BYTES })?;
                    self.reader.take(size, "tagged field")?;
                }
            }
        }
        Ok(())
    }

    /// A tagged field that this version knows must be exactly as long as it says.
    fn tagged_field(&mut self, field: &'static Field, size: usize) -> Result<(), DecodeError> {
        let start = self.reader.position();
        self.value(&field.kind, field.name, field.nullable_at(self.version))?;
        if self.reader.position() - start == size {
            Ok(())
        } else {
            Err(DecodeError::Invalid { expected: field.name, at: start })
        }
    }
}

#[cfg(test)]
mod tests;
