//! Layout of a journal file: its header, and one record for each write group. `docs/storage-format.md` describes it; tests with
//! golden bytes hold it.
//!
//! ```text
//! file: header 32 ‖ records      record: header 52 ‖ bodies ‖ table (8 a body) ‖ operations
//! ```
//! A *body* is a record batch. *Operations* are the group's WriteBatch. One checksum covers the header, so that its lengths are
//! known to be true before anything is read by them, another table and operations. Bodies carry Kafka's own; the table has one of what
//! that does not cover and of its value, so that a body belongs to its record. The header's checksum begins with the file's random salt: nothing
//! that a client sends, and nothing of an older file, can pass for a record.

use std::fmt;

use codec::cursor::Cursor;

use crate::{
    StorageError,
    engine::{
        batch_file::BatchFile,
        file_name::{self, FileName},
        keys,
    },
    log::GenerationNumber,
};

/// A byte of the journal: `offset` in the file of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JournalPosition {
    /// The file; positions are ordered by it first.
    pub(crate) generation: GenerationNumber,
    /// From the start of the file, whose header is counted.
    pub(crate) offset: u64,
}

impl JournalPosition {
    /// Before every byte of every journal.
    pub(crate) const START: Self = Self { generation: GenerationNumber(0), offset: 0 };

    /// Bytes of its layout: generation `u32`, offset `u64`.
    pub(crate) const LEN: usize = 12;

    pub(crate) fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&self.generation.0.to_be_bytes());
        out[4..].copy_from_slice(&self.offset.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        keys::read("journal position", bytes, |from| {
            let generation = GenerationNumber(from.u32("generation")?);
            Ok(Self { generation, offset: from.u64("offset")? })
        })
    }
}

impl fmt::Display for JournalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of {}", self.offset, file_name::journal(self.generation))
    }
}

/// Length of a file's header; the first record follows.
pub(crate) const FILE_HEADER_LEN: u64 = 32;
const FILE_MAGIC: &[u8; 8] = b"OTTLAJ02";

/// Random bytes of a file that its records' checksums begin with.
pub(crate) type Salt = [u8; 16];

/// The first bytes of a journal file.
pub(crate) fn file_header(generation: GenerationNumber, salt: Salt) -> [u8; FILE_HEADER_LEN as usize] {
    let mut out = [0; FILE_HEADER_LEN as usize];
    out[..8].copy_from_slice(FILE_MAGIC);
    out[8..12].copy_from_slice(&generation.0.to_be_bytes());
    out[12..28].copy_from_slice(&salt);
    let crc = crc_fast::crc32_iscsi(&out[..28]);
    out[28..].copy_from_slice(&crc.to_be_bytes());
    out
}

/// The salt in a file header; `None` if it is not one of this generation.
fn salt_of(header: &[u8; FILE_HEADER_LEN as usize], generation: GenerationNumber) -> Option<Salt> {
    let salt = *header.get(12..)?.first_chunk()?;
    (file_header(generation, salt) == *header).then_some(salt)
}

/// The salt of a file's records; `None` if its first bytes are not those of the journal of its generation.
pub(crate) fn salt(file: &BatchFile) -> Result<Option<Salt>, StorageError> {
    let FileName::Journal(generation) = file.name else { return Ok(None) };
    let mut found = [0; FILE_HEADER_LEN as usize];
    let whole = file.read_into(&mut found, 0)?;
    Ok(salt_of(&found, generation).filter(|_| whole))
}

/// Length of a record's header.
pub(crate) const RECORD_HEADER_LEN: usize = 52;
/// The first bytes of a record.
pub(crate) const RECORD_MAGIC: &[u8; 8] = b"OTTLAgrp";
const RECORD_VERSION: u8 = 1;
/// The header's own checksum comes last.
const HEADER_CRC_AT: usize = RECORD_HEADER_LEN - 4;
/// Bytes that the table has for each body: its length and the checksum of its head.
const TABLE_ENTRY_LEN: usize = 8;

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// CRC-32C of table and operations.
    pub(crate) trailer_crc: u32,
    /// Number of the write group; rises by one from record to record, over all files.
    pub(crate) group: u64,
    /// Everything before this was on the disk when the record was written.
    pub(crate) durable: JournalPosition,
    /// Number of bodies.
    pub(crate) bodies: u32,
    /// Their lengths, added up.
    pub(crate) body_bytes: u32,
    /// Length of the operations.
    pub(crate) operations: u32,
}

impl RecordHeader {
    pub(crate) fn encode(&self, salt: Salt) -> [u8; RECORD_HEADER_LEN] {
        let mut out = [0; RECORD_HEADER_LEN];
        out[..8].copy_from_slice(RECORD_MAGIC);
        // Bytes 9 to 11 stay 0: a reader takes anything else for damage.
        out[8] = RECORD_VERSION;
        out[12..16].copy_from_slice(&self.trailer_crc.to_be_bytes());
        out[16..24].copy_from_slice(&self.group.to_be_bytes());
        out[24..36].copy_from_slice(&self.durable.encode());
        out[36..40].copy_from_slice(&self.bodies.to_be_bytes());
        out[40..44].copy_from_slice(&self.body_bytes.to_be_bytes());
        out[44..HEADER_CRC_AT].copy_from_slice(&self.operations.to_be_bytes());
        // Salted, so that bytes which a client sends in a batch cannot be a header.
        let crc = checksum(&salt, &out[..HEADER_CRC_AT]);
        out[HEADER_CRC_AT..].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// The header in these bytes of a file; `None` if they are not one, or were changed.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER_LEN], salt: Salt) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut from = Cursor::new(covered.strip_prefix(RECORD_MAGIC)?);
        if from.array("version").ok()? != [RECORD_VERSION, 0, 0, 0] {
            return None;
        }
        let header = Self {
            trailer_crc: from.u32("checksum").ok()?,
            group: from.u64("group").ok()?,
            durable: JournalPosition {
                generation: GenerationNumber(from.u32("generation").ok()?),
                offset: from.u64("offset").ok()?,
            },
            bodies: from.u32("bodies").ok()?,
            body_bytes: from.u32("body bytes").ok()?,
            operations: from.u32("operations").ok()?,
        };
        (checksum(&salt, covered) == u32::from_be_bytes(*crc)).then_some(header)
    }

    /// Length of the whole record.
    pub(crate) fn record_len(&self) -> u64 {
        RECORD_HEADER_LEN as u64 + u64::from(self.body_bytes) + self.trailer_len()
    }

    /// Length of table and operations, which follow the bodies.
    pub(crate) fn trailer_len(&self) -> u64 {
        u64::from(self.bodies) * TABLE_ENTRY_LEN as u64 + u64::from(self.operations)
    }

    /// Table and operations of a trailer; `None` if it is not the one of this header, or was changed.
    pub(crate) fn split_trailer<'t>(&self, trailer: &'t [u8]) -> Option<(&'t [u8], &'t [u8])> {
        let whole = trailer.len() as u64 == self.trailer_len();
        let intact = whole && checksum(&[], trailer) == self.trailer_crc;
        intact.then(|| trailer.split_at(self.bodies as usize * TABLE_ENTRY_LEN))
    }
}

/// CRC-32C of two parts.
pub(crate) fn checksum(first: &[u8], second: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(first);
    digest.update(second);
    // The algorithm has 32 bits.
    digest.finalize() as u32
}

/// The first bytes of a batch, which its own CRC-32C does not cover, and that CRC-32C.
// Base offset 8, length 4, leader epoch 4, magic 1, CRC-32C 4.
const HEAD_LEN: usize = 21;

/// Checksum of the head of a body.
pub(crate) fn head_checksum(body: &[u8]) -> u32 {
    // A body that was written is never shorter: it has a whole header.
    checksum(body.get(..HEAD_LEN).unwrap_or(body), &[])
}

/// Adds a body to a table.
pub(crate) fn push_table(table: &mut Vec<u8>, length: u32, crc: u32) {
    table.extend_from_slice(&length.to_be_bytes());
    table.extend_from_slice(&crc.to_be_bytes());
}

/// Length and checksum of the head of each body in a table.
pub(crate) fn table_entries(table: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let (entries, _) = table.as_chunks::<TABLE_ENTRY_LEN>();
    entries.iter().map(|entry| {
        let [a, b, c, d, e, f, g, h] = *entry;
        (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = *b"sixteen  of salt";

    fn header(trailer: &[u8]) -> RecordHeader {
        let durable = JournalPosition { generation: GenerationNumber(2), offset: 300 };
        let trailer_crc = checksum(trailer, &[]);
        RecordHeader { trailer_crc, group: 7, durable, bodies: 1, body_bytes: 5, operations: 3 }
    }

    #[test]
    fn the_bytes_of_a_record_are_as_documented() {
        let mut trailer = Vec::new();
        push_table(&mut trailer, 5, 0x0102_0304);
        assert_eq!(trailer, [0, 0, 0, 5, 1, 2, 3, 4]);
        assert_eq!(table_entries(&trailer).collect::<Vec<_>>(), [(5, 0x0102_0304)]);
        trailer.extend_from_slice(b"ops");
        let header = header(&trailer);
        let mut expected = b"OTTLAgrp\x01\0\0\0".to_vec();
        expected.extend_from_slice(&crc_fast::crc32_iscsi(&trailer).to_be_bytes());
        expected.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 44]);
        expected.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 3]);
        let crc = crc_fast::crc32_iscsi(&[&SALT[..], &expected].concat());
        expected.extend_from_slice(&crc.to_be_bytes());
        assert_eq!(header.encode(SALT).as_slice(), expected);
        assert_eq!(RecordHeader::decode(&header.encode(SALT), SALT), Some(header));
        assert_eq!((header.record_len(), header.trailer_len()), (52 + 5 + 8 + 3, 11));
        assert_eq!(header.split_trailer(&trailer), Some((&trailer[..8], &b"ops"[..])));
    }

    #[test]
    fn any_changed_bit_of_a_record_is_noticed() {
        let trailer = b"\0\0\0\x05\x01\x02\x03\x04ops";
        let header = header(trailer);
        let encoded = header.encode(SALT);
        for bit in 0..encoded.len() * 8 {
            let mut changed = encoded;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&changed, SALT), None, "bit {bit} of the header");
        }
        for bit in 0..trailer.len() * 8 {
            let mut changed = *trailer;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(header.split_trailer(&changed), None, "bit {bit} of the trailer");
        }
        assert_eq!(header.split_trailer(&trailer[..10]), None);
        assert_eq!(RecordHeader::decode(&encoded, *b"another file's  "), None, "a record of another file");
    }

    #[test]
    fn the_bytes_of_a_file_header_are_as_documented() {
        let covered = b"OTTLAJ02\0\0\0\x2asixteen  of salt";
        let expected = [&covered[..], &crc_fast::crc32_iscsi(covered).to_be_bytes()].concat();
        let found = file_header(GenerationNumber(42), SALT);
        assert_eq!(found.as_slice(), expected);
        assert_eq!(salt_of(&found, GenerationNumber(42)), Some(SALT));
        assert_eq!(salt_of(&found, GenerationNumber(43)), None, "a file that was renamed");
    }
}
