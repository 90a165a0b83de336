//! Gives RocksDB what the journal has and it has not, without writing to its folder: as a log of its own, in a temporary folder,
//! which it applies in memory while it is opened to be read only.
//!
//! The layout is that of RocksDB's `db/log_format.h`: blocks of 32 KiB; a record is cut into fragments, each with a checksum, a
//! length and a type, none of which crosses a block.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, BufWriter, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::{
    InspectError, StorageError, StorageOptions,
    engine::{Engine, JournalEnd, journal::record},
    random,
};

/// `kBlockSize` of RocksDB's log format.
const BLOCK_LEN: usize = 32 << 10;
/// Checksum 4, length 2, type 1.
const FRAGMENT_HEADER_LEN: usize = 7;
/// Above every number that RocksDB has given to a log: it passes over those that it has flushed.
const LOG_NAME: &str = "999999999999.log";

/// A folder for one file, gone at the end.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn create() -> Result<Self, InspectError> {
        let name = format!("ottla-inspect-{}", random::base64_url(&random::secret()));
        let path = std::env::temp_dir().join(name);
        // Its file holds records of clients.
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(InspectError::NoTemporaryFolder { path, source }),
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // It cannot be told to anyone, and does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The database with the operations of the journal. The inner error is one of the folder, the outer one of the temporary folder.
pub(super) fn replayed(
    options: &StorageOptions,
    flushed: &Engine,
    end: &JournalEnd,
) -> Result<Result<Engine, StorageError>, InspectError> {
    let folder = TemporaryFolder::create()?;
    match write_log(&folder.0, flushed, end) {
        Err(Failure::Folder(source)) => {
            Err(InspectError::NoTemporaryFolder { path: folder.0.clone(), source })
        }
        Err(Failure::Data(error)) => Ok(Err(error)),
        Ok(()) => Ok(Engine::open_read_only(options, Some(&folder.0))),
    }
}

enum Failure {
    Folder(io::Error),
    Data(StorageError),
}

fn write_log(folder: &Path, flushed: &Engine, end: &JournalEnd) -> Result<(), Failure> {
    let file = File::create(folder.join(LOG_NAME)).map_err(Failure::Folder)?;
    let mut log = Log { out: BufWriter::new(file), in_block: 0 };
    // They must follow those of what is flushed: of two values of a key the one with the higher number counts.
    let mut sequence = flushed.sequence() + 1;
    for found in &end.records {
        let operations = found.operations(&end.files).map_err(Failure::Data)?;
        let (batch, count) = numbered(&operations, sequence).map_err(Failure::Data)?;
        sequence += u64::from(count);
        log.add(&batch).map_err(Failure::Folder)?;
    }
    log.out.flush().map_err(Failure::Folder)
}

/// A WriteBatch with the number of its first operation, which RocksDB gives when it takes one, and the count of them.
fn numbered(operations: &[u8], sequence: u64) -> Result<(Vec<u8>, u32), StorageError> {
    let cut = || StorageError::corrupt("operations", "they are shorter than a WriteBatch");
    let rest = operations.get(8..).ok_or_else(cut)?;
    let count = u32::from_le_bytes(*rest.first_chunk().ok_or_else(cut)?);
    Ok(([&sequence.to_le_bytes(), rest].concat(), count))
}

struct Log<W> {
    out: W,
    /// Bytes in the block that was begun.
    in_block: usize,
}

impl<W: Write> Log<W> {
    fn add(&mut self, mut record: &[u8]) -> io::Result<()> {
        let mut first = true;
        loop {
            let left = BLOCK_LEN - self.in_block;
            // Too short for a header: filled with zeros, which a reader passes over.
            if left < FRAGMENT_HEADER_LEN {
                self.out.write_all(&[0; FRAGMENT_HEADER_LEN][..left])?;
                self.in_block = 0;
                continue;
            }
            let (fragment, rest) = record.split_at(record.len().min(left - FRAGMENT_HEADER_LEN));
            // Full, first, middle, last.
            let kind = match (first, rest.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            let length = u16::try_from(fragment.len()).expect("less than a block");
            self.out.write_all(&masked(record::checksum(&[kind], fragment)).to_le_bytes())?;
            self.out.write_all(&length.to_le_bytes())?;
            self.out.write_all(&[kind])?;
            self.out.write_all(fragment)?;
            self.in_block += FRAGMENT_HEADER_LEN + fragment.len();
            (record, first) = (rest, false);
            if record.is_empty() {
                return Ok(());
            }
        }
    }
}

/// RocksDB stores no checksum as it is, since it computes checksums of bytes that hold some (`util/crc32c.h`).
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
