//! The durability fence: how far the write-ahead log was certainly on the disk.
//!
//! RocksDB recovers up to the first bad record of its log and does not report what followed it. This file
//! makes such a loss visible: it holds a sequence number that was synced before the number was written, so a recovery that ends short
//! of it has lost records that were acknowledged. It is written at most once a second, which bounds what it cannot see.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{StorageError, clock, guard};

const FENCE_FILE: &str = "FENCE";
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Fence {
    folder: PathBuf,
    written: Option<Instant>,
    sequence: u64,
}

impl Fence {
    /// Reads the fence of `folder`; a folder without one is new.
    pub(crate) fn open(folder: &Path) -> Result<Self, StorageError> {
        let sequence = match fs::read_to_string(folder.join(FENCE_FILE)) {
            Ok(text) => text.trim().parse().map_err(|error| StorageError::corrupt("FENCE file", error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(StorageError::io("read FENCE")(error)),
        };
        Ok(Self { folder: folder.into(), written: None, sequence })
    }

    /// A recovery must reach this sequence number.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Notes that everything up to `sequence` is on the disk, unless it did so within the last second.
    pub(crate) fn advance(&mut self, sequence: u64) -> Result<(), StorageError> {
        // Each write is a sync of its own, which would double the cost of every sync of the log.
        if self.written.is_some_and(|at| clock::since(at) < INTERVAL) {
            return Ok(());
        }
        self.force(sequence)
    }

    /// Notes it now; also lowers the fence, for a start that accepts a loss.
    pub(crate) fn force(&mut self, sequence: u64) -> Result<(), StorageError> {
        if sequence != self.sequence {
            let text = format!("{sequence}\n");
            guard::write_synced(&self.folder, FENCE_FILE, text.as_bytes())
                .map_err(StorageError::io("write FENCE"))?;
            self.sequence = sequence;
        }
        self.written = Some(clock::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_reopening_and_is_written_once_a_second_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let mut fence = Fence::open(folder.path()).unwrap();
        assert_eq!(fence.sequence(), 0);
        fence.advance(7).unwrap();
        fence.advance(9).unwrap();
        assert_eq!(Fence::open(folder.path()).unwrap().sequence(), 7);
    }

    #[test]
    fn garbage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FENCE_FILE), "x").unwrap();
        assert!(Fence::open(folder.path()).is_err());
    }
}
