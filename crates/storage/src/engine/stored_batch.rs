//! A stored batch as a walk finds it: where it lies, whether it is whole, and what is known of one that is damaged.

use std::sync::Arc;

use bytes::Bytes;
use codec::records::BatchHeader;

use super::{
    batch_file::BatchFile,
    file_name, keys,
    pointer::{BodyPlace, Pointer},
    rocks::Engine,
};
use crate::{
    DamagedBatch, Partition, StorageError,
    log::{BatchFamily, Extent},
};

/// A batch on the disk, valid until the cursor moves. In RocksDB its checksum holds; in a file of our own only its
/// header is known.
pub(crate) struct StoredBatch<'c> {
    pub(crate) header: BatchHeader,
    pub(super) stored: Stored<'c>,
}

pub(super) enum Stored<'c> {
    /// The batch, which lies in RocksDB.
    Inline(&'c [u8]),
    /// The file in which it lies, and the offset of its first byte there.
    File(&'c Arc<BatchFile>, u64),
}

impl StoredBatch<'_> {
    pub(crate) fn size_bytes(&self) -> usize {
        self.header.size_bytes()
    }

    /// The batch, with a checksum that holds.
    ///
    /// # Errors
    /// The file cannot be read, or its bytes at that place are not this batch.
    pub(crate) fn load(&self) -> Result<Bytes, StorageError> {
        match self.stored {
            Stored::Inline(value) => Ok(Bytes::copy_from_slice(value)),
            Stored::File(file, offset) => read_body(file, offset, &self.header),
        }
    }
}

/// A body is whole, and the one that its pointer knows. `file` holds it at `offset`.
pub(super) fn check_body(
    bytes: &[u8],
    header: &BatchHeader,
    file: &BatchFile,
    offset: u64,
) -> Result<(), StorageError> {
    let detail = match BatchHeader::parse_whole(bytes) {
        // Its checksum alone would also hold for another batch that lies in this place.
        Ok(found) if found == *header => return Ok(()),
        Ok(_) => "it is not the one that its pointer names".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(damaged_body(header, file, offset, detail))
}

/// Reads a body and checks it.
fn read_body(file: &BatchFile, offset: u64, header: &BatchHeader) -> Result<Bytes, StorageError> {
    let bytes = file.read(offset, header.size_bytes());
    let bytes = bytes.map_err(|error| unreadable_body(error, header, file, offset))?;
    check_body(&bytes, header, file, offset)?;
    Ok(bytes)
}

/// The error of a read of a body: a bad sector damages the batches that lie there, and no others.
pub(super) fn unreadable_body(
    error: StorageError,
    header: &BatchHeader,
    file: &BatchFile,
    offset: u64,
) -> StorageError {
    if error.is_bad_sector() { damaged_body(header, file, offset, error.to_string()) } else { error }
}

fn damaged_body(header: &BatchHeader, file: &BatchFile, offset: u64, detail: String) -> StorageError {
    let (file, position) = (file.name.to_string(), Some(offset));
    let damage = DamagedBatch { base_offset: header.base_offset, file, position, detail };
    StorageError::DamagedBatch(damage.into())
}

/// A batch for a copy, with its damage, if it has any.
pub(crate) struct KeptBatch {
    pub(crate) base_offset: i64,
    /// As it is; where a file of our own has it damaged, with the header that its pointer has.
    pub(crate) bytes: Bytes,
    /// Its header; `None`: it lies damaged in RocksDB, or its pointer is damaged.
    pub(crate) header: Option<BatchHeader>,
    pub(crate) damage: Option<StorageError>,
}

/// Reads the body that a pointer names, for a copy. `None`: the file is missing.
///
/// # Errors
/// The file cannot be read: a batch in a bad sector is not copied, as a later read of it may succeed.
pub(super) fn kept_body(
    file: Option<&BatchFile>,
    pointer: &Pointer,
    value: &[u8],
) -> Result<KeptBatch, StorageError> {
    let Pointer { place, header } = *pointer;
    let (bytes, damage) = match file {
        Some(file) => {
            let bytes = file.read(place.offset(), header.size_bytes());
            let bytes = bytes.map_err(|error| unreadable_body(error, &header, file, place.offset()))?;
            let damage = check_body(&bytes, &header, file, place.offset()).err();
            (bytes, damage)
        }
        None => (Bytes::new(), Some(missing_file(place, header.base_offset))),
    };
    let bytes = if damage.is_some() { mended(&bytes, header, value) } else { bytes };
    Ok(KeptBatch { base_offset: header.base_offset, bytes, header: Some(header), damage })
}

/// The same for a pointer into a settled file.
pub(crate) fn kept_settled(
    engine: &Engine,
    pointer: &Pointer,
    value: &[u8],
) -> Result<KeptBatch, StorageError> {
    let file = engine.batch_file(pointer.place.file(BatchFamily::Settled)?)?;
    kept_body(file.as_deref(), pointer, value)
}

/// The error of a batch whose file is missing.
pub(super) fn missing_file(place: BodyPlace, base_offset: i64) -> StorageError {
    let file = match place {
        BodyPlace::Settled { file, .. } => file_name::settled(file),
        BodyPlace::Journal { .. } => "its journal".into(),
    };
    let (position, detail) = (Some(place.offset()), "the file is missing".into());
    StorageError::DamagedBatch(DamagedBatch { base_offset, file, position, detail }.into())
}

/// A batch that may be damaged.
pub(crate) struct StoredEntry {
    /// As its key has it.
    pub(crate) base_offset: i64,
    /// Its length; 0 if it lies in a file of our own and its pointer is damaged.
    pub(crate) size_bytes: usize,
    /// Its header, if that can be read, and its checksum holds where it lies in RocksDB.
    pub(crate) header: Result<BatchHeader, StorageError>,
    /// Its place in a file of our own; `None` if it lies in RocksDB, or its pointer is damaged.
    pub(crate) body: Option<BodyPlace>,
}

impl StoredEntry {
    /// Reads the batch where it lies and checks it: its header, all of it right.
    pub(crate) fn check(&self, engine: &Engine, family: BatchFamily) -> Result<BatchHeader, StorageError> {
        let header = self.header.clone()?;
        let Some(place) = self.body else { return Ok(header) };
        let file = engine.batch_file(place.file(family)?)?;
        let file = file.ok_or_else(|| missing_file(place, self.base_offset))?;
        read_body(&file, place.offset(), &header)?;
        Ok(header)
    }
}

/// The header of the batch that a value is or points to; no checksum is looked at.
pub(super) fn header_of(value: &[u8]) -> Result<BatchHeader, StorageError> {
    match Pointer::decode(value) {
        Some(pointer) => Ok(pointer?.header),
        None => BatchHeader::parse(value).map_err(|error| StorageError::corrupt("batch", error)),
    }
}

/// The header of a stored batch which lies under its own key, and whose checksum holds unless it is in a file of our
/// own.
pub(super) fn checked(partition: &Partition, key: &[u8], value: &[u8]) -> Result<BatchHeader, StorageError> {
    let header = match Pointer::decode(value) {
        Some(pointer) => pointer?.header,
        None => BatchHeader::parse_whole(value).map_err(|error| StorageError::corrupt("batch", error))?,
    };
    match keys::batch_offset(partition.number(), key) == Some(header.base_offset) {
        true => Ok(header),
        false => Err(StorageError::corrupt("batch", "its offset is not its key's")),
    }
}

/// The error of a batch of which `checked` says that.
pub(super) fn damaged(extent: Extent, base_offset: i64, value: &[u8], error: StorageError) -> StorageError {
    let detail = match error {
        StorageError::Corrupt { detail, .. } => detail.to_string(),
        other => return other,
    };
    let place = Pointer::decode(value).and_then(Result::ok).map(|pointer| pointer.place);
    let file = match (place, extent.family) {
        (Some(BodyPlace::Settled { file, .. }), _) => file_name::settled(file),
        (Some(BodyPlace::Journal { .. }), BatchFamily::Generation(number)) => file_name::journal(number),
        _ => format!("RocksDB's family {}", extent.family.family()),
    };
    let position = place.map(BodyPlace::offset);
    StorageError::DamagedBatch(DamagedBatch { base_offset, file, position, detail }.into())
}

/// A damaged body, as long as it was, with the header of its pointer: the log's end is found by it.
fn mended(body: &[u8], header: BatchHeader, pointer: &[u8]) -> Bytes {
    let mut bytes = body.to_vec();
    bytes.resize(header.size_bytes(), 0);
    if let (Some(head), Some(known)) =
        (bytes.get_mut(..BatchHeader::LEN), pointer.last_chunk::<{ BatchHeader::LEN }>())
    {
        head.copy_from_slice(known);
    }
    bytes.into()
}
