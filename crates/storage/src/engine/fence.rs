//! The durability fence: how far the journal was certainly on the disk.
//!
//! Recovery ends at the first bad record of the journal. This file makes a loss visible that no later record tells of: it holds a
//! position that was synced before the file was written, so a journal that ends before it has lost records that were acknowledged.
//! It is written at most once a second, which bounds what it cannot see.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    StorageError, clock,
    engine::{fault::EngineFaults, guard, journal::record::JournalPosition},
    log::GenerationNumber,
};

const FENCE_FILE: &str = "FENCE";
/// Least time between two writes of the file.
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Fence {
    folder: PathBuf,
    /// When [`Fence::force`] ran last; `None`: not in this process.
    written: Option<Instant>,
    /// As the file has it.
    position: JournalPosition,
}

impl Fence {
    /// Reads the fence of `folder`; a folder without one is new.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged: then it is not known how far the journal must reach.
    pub(crate) fn open(folder: &Path) -> Result<Self, StorageError> {
        let position = match fs::read_to_string(folder.join(FENCE_FILE)) {
            Ok(text) => parse(&text)
                .ok_or_else(|| StorageError::corrupt("FENCE file", "it does not hold two numbers"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => JournalPosition::START,
            Err(error) => return Err(StorageError::io("read FENCE")(error)),
        };
        Ok(Self { folder: folder.into(), written: None, position })
    }

    /// A recovery must reach this position.
    pub(crate) fn position(&self) -> JournalPosition {
        self.position
    }

    /// Notes that everything before `position` is on the disk, unless it did so within the last second.
    /// Called after the sync, so that the fence is never ahead of the disk.
    pub(crate) fn advance(
        &mut self,
        position: JournalPosition,
        faults: &EngineFaults,
    ) -> Result<(), StorageError> {
        // Each write is a sync of its own, which would double the cost of every sync of the journal.
        if self.written.is_some_and(|at| clock::since(at) < INTERVAL) {
            return Ok(());
        }
        self.force(position, faults)
    }

    /// Notes it now; also lowers the fence, for a start that accepts a loss.
    pub(crate) fn force(
        &mut self,
        position: JournalPosition,
        faults: &EngineFaults,
    ) -> Result<(), StorageError> {
        // Nothing was synced since: the file is right already.
        if position != self.position {
            let text = format!("{} {}\n", position.generation.0, position.offset);
            guard::write_synced(&self.folder, FENCE_FILE, text.as_bytes(), faults)
                .map_err(StorageError::io("write FENCE"))?;
            self.position = position;
        }
        self.written = Some(clock::now());
        Ok(())
    }
}

fn parse(text: &str) -> Option<JournalPosition> {
    let (generation, offset) = text.trim().split_once(' ')?;
    Some(JournalPosition {
        generation: GenerationNumber(generation.parse().ok()?),
        offset: offset.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_reopening_and_is_written_once_a_second_at_most() {
        let at = |offset| JournalPosition { generation: GenerationNumber(3), offset };
        let folder = tempfile::tempdir().unwrap();
        let mut fence = Fence::open(folder.path()).unwrap();
        assert_eq!(fence.position(), JournalPosition::START);
        fence.advance(at(7), &EngineFaults::default()).unwrap();
        fence.advance(at(9), &EngineFaults::default()).unwrap();
        assert_eq!(Fence::open(folder.path()).unwrap().position(), at(7));
        assert_eq!(fs::read_to_string(folder.path().join(FENCE_FILE)).unwrap(), "3 7\n");
    }

    #[test]
    fn garbage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["x", "7", "1 2 3"] {
            fs::write(folder.path().join(FENCE_FILE), text).unwrap();
            assert!(Fence::open(folder.path()).is_err(), "{text}");
        }
    }
}
