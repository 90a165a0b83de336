//! Record batches (magic 2, uncompressed), written and read by code of the tests' own.
//!
//! The codec is not used on purpose: the broker's checks and patches are judged by code that does not
//! share its mistakes, and tests must be able to build a batch that lies. Each [`Id`] has one
//! content ([`Content::of`]), which must come back bit by bit, null and empty included.

use anyhow::{Context, Result, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::history::Id;

/// Length of a batch's header.
pub const HEADER: usize = 61;
/// Timestamps of contents start here: 2024-01-01, in Unix milliseconds.
const EPOCH_MS: i64 = 1_704_067_200_000;

/// The producer named in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequenced {
    /// From InitProducerId.
    pub producer_id: i64,
    /// From InitProducerId.
    pub producer_epoch: i16,
    /// Of the first record.
    pub base_sequence: i32,
}

/// A record as it is sent and must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Absent, empty or filled.
    pub key: Option<Bytes>,
    /// Absent, empty or filled.
    pub value: Option<Bytes>,
    /// In Unix milliseconds.
    pub timestamp_ms: i64,
    /// The first one names the record.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Content {
    /// The one content of a record of this name.
    pub fn of(id: Id) -> Content {
        let filler = |len: usize| -> Bytes {
            let mut state = id.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(id.producer);
            let next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            std::iter::repeat_with(next).take(len).collect::<Vec<u8>>().into()
        };
        let optional = |rest: u64, len: usize| match id.sequence % rest {
            0 => None,
            1 => Some(Bytes::new()),
            _ => Some(filler(len)),
        };
        let name = Bytes::from(format!("{}/{}", id.producer, id.sequence));
        Content {
            key: optional(5, 8),
            value: optional(11, 20 + (id.sequence % 300) as usize),
            timestamp_ms: EPOCH_MS + id.sequence as i64,
            headers: vec![
                ("id".into(), Some(name)),
                ("null".into(), None),
                ("empty".into(), Some(Bytes::new())),
            ],
        }
    }

    /// Its name, if its bytes are exactly those of the record of that name.
    pub fn id(&self) -> Option<Id> {
        let (_, name) = self.headers.first()?;
        let (producer, sequence) = std::str::from_utf8(name.as_deref()?).ok()?.split_once('/')?;
        let id = Id { producer: producer.parse().ok()?, sequence: sequence.parse().ok()? };
        (Content::of(id) == *self).then_some(id)
    }
}

/// One batch of these records.
pub fn batch(records: &[Content], producer: Option<Sequenced>) -> BytesMut {
    let first = records.first().map_or(0, |record| record.timestamp_ms);
    let newest = records.iter().map(|record| record.timestamp_ms).max().unwrap_or(0);
    let producer = producer.unwrap_or(Sequenced { producer_id: -1, producer_epoch: -1, base_sequence: -1 });
    let mut out = BytesMut::with_capacity(HEADER + records.len() * 128);
    out.put_i64(0);
    out.put_i32(0);
    out.put_i32(-1);
    out.put_i8(2);
    out.put_u32(0);
    out.put_i16(0);
    out.put_i32(records.len() as i32 - 1);
    out.put_i64(first);
    out.put_i64(newest);
    out.put_i64(producer.producer_id);
    out.put_i16(producer.producer_epoch);
    out.put_i32(producer.base_sequence);
    out.put_i32(records.len() as i32);
    for (delta, content) in records.iter().enumerate() {
        record(&mut out, delta as i64, content.timestamp_ms - first, content);
    }
    seal(&mut out);
    out
}

fn record(out: &mut BytesMut, offset_delta: i64, timestamp_delta: i64, content: &Content) {
    let mut body = BytesMut::new();
    body.put_i8(0);
    put_varint(&mut body, timestamp_delta);
    put_varint(&mut body, offset_delta);
    put_bytes(&mut body, content.key.as_ref());
    put_bytes(&mut body, content.value.as_ref());
    put_varint(&mut body, content.headers.len() as i64);
    for (name, value) in &content.headers {
        put_bytes(&mut body, Some(name));
        put_bytes(&mut body, value.as_ref());
    }
    put_varint(out, body.len() as i64);
    out.put_slice(&body);
}

/// Sets length and checksum to match the rest of the batch, lies included.
pub fn seal(batch: &mut BytesMut) {
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc_fast::crc32_iscsi(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A record read back.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its offset.
    pub offset: i64,
    /// Of its batch.
    pub leader_epoch: i32,
    /// Its content.
    pub content: Content,
}

/// Reads whole batches; a last one that is cut off is left out, as Kafka's clients do.
///
/// # Errors
/// If a batch contradicts its header: magic, checksum, counts, offsets, leftover bytes.
pub fn read(mut bytes: Bytes) -> Result<Vec<Read>> {
    let mut out = Vec::new();
    while bytes.len() >= 12 {
        let length = 12 + usize::try_from(i32::from_be_bytes(bytes[8..12].try_into()?))?;
        if bytes.len() < length {
            break;
        }
        read_batch(bytes.split_to(length), &mut out)?;
    }
    Ok(out)
}

fn read_batch(batch: Bytes, out: &mut Vec<Read>) -> Result<()> {
    ensure!(batch.len() >= HEADER, "a batch of {} bytes", batch.len());
    let mut head = batch.slice(..HEADER);
    let base_offset = head.get_i64();
    head.advance(4);
    let leader_epoch = head.get_i32();
    ensure!(head.get_i8() == 2, "magic");
    let crc = head.get_u32();
    ensure!(crc == crc_fast::crc32_iscsi(&batch[21..]), "checksum of the batch at {base_offset}");
    let attributes = head.get_i16();
    ensure!(attributes & 7 == 0, "a compressed batch: {attributes:#x}");
    let last_offset_delta = head.get_i32();
    let first_timestamp = head.get_i64();
    head.advance(8 + 8 + 2 + 4);
    let count = head.get_i32();
    ensure!(count == last_offset_delta + 1, "{count} records, last delta {last_offset_delta}");
    let mut rest = batch.slice(HEADER..);
    for n in 0..count {
        let length = usize::try_from(varint(&mut rest)?)?;
        ensure!(rest.len() >= length, "a record of {length} bytes");
        let mut record = rest.split_to(length);
        ensure!(record.get_i8() == 0, "attributes of a record");
        let timestamp_ms = first_timestamp + varint(&mut record)?;
        ensure!(varint(&mut record)? == i64::from(n), "offset delta of record {n}");
        let (key, value) = (get_bytes(&mut record)?, get_bytes(&mut record)?);
        let headers = (0..varint(&mut record)?)
            .map(|_| {
                Ok((get_bytes(&mut record)?.context("a header without a name")?, get_bytes(&mut record)?))
            })
            .collect::<Result<Vec<_>>>()?;
        ensure!(record.is_empty(), "leftover bytes in a record");
        let content = Content { key, value, timestamp_ms, headers };
        out.push(Read { offset: base_offset + i64::from(n), leader_epoch, content });
    }
    ensure!(rest.is_empty(), "leftover bytes in a batch");
    Ok(())
}

/// A signed varint, zigzag.
pub fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn varint(bytes: &mut Bytes) -> Result<i64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        ensure!(!bytes.is_empty(), "a varint cut off");
        let byte = bytes.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    anyhow::bail!("a varint too long")
}

fn put_bytes(out: &mut BytesMut, bytes: Option<&Bytes>) {
    put_varint(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
    out.put_slice(bytes.map_or(&[], |bytes| bytes));
}

fn get_bytes(bytes: &mut Bytes) -> Result<Option<Bytes>> {
    let length = varint(bytes)?;
    if length == -1 {
        return Ok(None);
    }
    let length = usize::try_from(length)?;
    ensure!(bytes.len() >= length, "a field of {length} bytes");
    Ok(Some(bytes.split_to(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_knows_its_name() {
        let ids: Vec<Id> = (0..40).map(|sequence| Id { producer: 3, sequence }).collect();
        let contents: Vec<Content> = ids.iter().map(|id| Content::of(*id)).collect();
        let mut bytes = batch(&contents, None);
        bytes.extend_from_slice(&batch(&contents[..3], None)[..50]);
        let read = read(bytes.freeze()).unwrap();
        assert_eq!(read.iter().map(|one| one.content.id().unwrap()).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn null_and_empty_are_not_the_same_record() {
        let mut content = Content::of(Id { producer: 0, sequence: 5 });
        assert_eq!(content.key, None);
        content.key = Some(Bytes::new());
        assert_eq!(content.id(), None);
    }

    #[test]
    fn a_damaged_batch_is_an_error() {
        let whole = batch(&[Content::of(Id { producer: 0, sequence: 2 })], None);
        for at in 16..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(read(damaged.freeze()).is_err(), "byte {at}");
        }
    }
}
