//! Settled files: the large batches that outlived their generation, each written once. Pointers to them lie in the
//! settled family.
//!
//! Only the cleaner appends, and it syncs what it appended before the writer is given the pointers: a pointer is
//! never ahead of its body. The writer's record that has the first pointers into a file also names the file in the
//! state; one that is not named is deleted by the next start. A file is deleted once the record that removes its name
//! is on the disk, which comes after those that removed its pointers: whatever then crashes, a replay leads to a
//! state without them.
//!
//! A start never appends to a file of an earlier process, and a number is not used again by the same process: an
//! iterator of a reader may still have pointers into a file that was deleted.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IoSlice,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    batch_file::{Access, BatchFile},
    fault::EngineFaults,
    file_name::{self, FileName, SettledNumber},
    open_files::OpenFiles,
    pointer::BodyPlace,
};
use crate::StorageError;

const FILE_MAGIC: &[u8; 8] = b"OTTLAS02";
/// Length of a file's header; the first body follows.
const FILE_HEADER_LEN: u64 = 12;

/// The first bytes of a settled file.
fn file_header(number: SettledNumber) -> [u8; FILE_HEADER_LEN as usize] {
    let mut out = [0; FILE_HEADER_LEN as usize];
    out[..8].copy_from_slice(FILE_MAGIC);
    out[8..].copy_from_slice(&number.0.to_be_bytes());
    out
}

/// The settled files of an open folder.
pub(crate) struct SettledFiles {
    open: OpenFiles,
    /// A file takes no more bodies once it is this long.
    full_bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Length of each file; 0 if it is missing.
    bytes: BTreeMap<SettledNumber, u64>,
    /// `None` while something is appended, and after a failure.
    current: Option<Current>,
    /// The greatest number that was given.
    last: u32,
}

/// The file that takes bodies.
struct Current {
    number: SettledNumber,
    file: Arc<BatchFile>,
    /// The next body goes there.
    offset: u64,
}

impl SettledFiles {
    /// Those of `folder`; [`Self::start`] makes them ready for appends. At most `max_open` files are kept open for
    /// reads.
    pub(super) fn new(folder: &Path, max_open: usize, full_bytes: u64, faults: EngineFaults) -> Self {
        let open = OpenFiles::new(folder, Access::ReadWrite, max_open, faults);
        Self { open, full_bytes, state: Mutex::default() }
    }

    /// Those of a folder that is only looked at.
    pub(super) fn read_only(folder: &Path, max_open: usize) -> Self {
        let open = OpenFiles::new(folder, Access::ReadOnly, max_open, EngineFaults::default());
        Self { open, full_bytes: 0, state: Mutex::default() }
    }

    /// The files in a folder.
    pub(crate) fn found(folder: &Path) -> Result<BTreeSet<SettledNumber>, StorageError> {
        file_name::listed(folder, file_name::settled_of)
    }

    /// At a start, once all that was replayed is on the disk: deletes files that the state does not name.
    pub(super) fn start(&self, named: &BTreeSet<SettledNumber>) -> Result<(), StorageError> {
        let mut state = State::default();
        for number in Self::found(&self.open.folder)?.union(named).copied() {
            state.last = state.last.max(number.0);
            let name = FileName::Settled(number);
            if !named.contains(&number) {
                // A crash came between its bodies and their pointers, or just before its end.
                self.open.remove(name)?;
            } else if let Some(file) = self.open.file(name)? {
                state.bytes.insert(number, file.len()?);
            } else {
                tracing::error!(file = %name, "a file of settled batches is missing: they cannot be read");
                // Its name goes as that of any file: once nothing points into it.
                state.bytes.insert(number, 0);
            }
        }
        *self.state.lock() = state;
        Ok(())
    }

    /// Appends bodies, all to one file, and puts them onto the disk; returns their places.
    ///
    /// # Errors
    /// A write or a sync failed. What is in the file then is unknown, so nothing is appended to it again.
    pub(crate) fn append(&self, bodies: &[Bytes]) -> Result<Vec<BodyPlace>, StorageError> {
        // Not locked meanwhile, as other threads ask for sizes.
        let current = self.state.lock().current.take();
        let mut current = match current.filter(|current| current.offset < self.full_bytes) {
            Some(current) => current,
            None => self.create()?,
        };
        let start = current.offset;
        let mut places = Vec::with_capacity(bodies.len());
        for body in bodies {
            places.push(BodyPlace::Settled { file: current.number, offset: current.offset });
            current.offset += body.len() as u64;
        }
        let mut pieces: Vec<IoSlice<'_>> = bodies.iter().map(|body| IoSlice::new(body)).collect();
        let written = current.file.write(&mut pieces, start).and_then(|()| current.file.sync());
        if let Err(error) = written {
            self.leave(&current, start);
            return Err(error);
        }
        let mut state = self.state.lock();
        state.bytes.insert(current.number, current.offset);
        state.current = Some(current);
        Ok(places)
    }

    fn create(&self) -> Result<Current, StorageError> {
        let number = {
            let mut state = self.state.lock();
            let next = state.last.checked_add(1);
            state.last =
                next.ok_or_else(|| StorageError::corrupt("settled file", "all numbers are used up"))?;
            SettledNumber(state.last)
        };
        let name = FileName::Settled(number);
        let file = self.open.create(name, &file_header(number)).inspect_err(|_| {
            // Nothing refers to it. Left, the next start deletes it.
            self.open.remove(name).ok();
        })?;
        Ok(Current { number, file, offset: FILE_HEADER_LEN })
    }

    /// Gives up a file after a failure. Bodies before `start` may live in it.
    fn leave(&self, current: &Current, start: u64) {
        if start == FILE_HEADER_LEN {
            self.open.remove(FileName::Settled(current.number)).ok();
        } else if let Ok(length) = current.file.len() {
            self.state.lock().bytes.insert(current.number, length);
        }
    }

    /// A file, which stays readable for as long as it is held; `None` if it was deleted.
    pub(super) fn file(&self, name: FileName) -> Result<Option<Arc<BatchFile>>, StorageError> {
        self.open.file(name)
    }

    /// Length of each file that the state names; 0 if it is missing.
    pub(crate) fn bytes(&self) -> BTreeMap<SettledNumber, u64> {
        self.state.lock().bytes.clone()
    }

    /// Length of all files.
    pub(super) fn held_bytes(&self) -> u64 {
        self.state.lock().bytes.values().sum()
    }

    /// The file takes no more bodies.
    pub(crate) fn seal(&self, number: SettledNumber) {
        let mut state = self.state.lock();
        state.current = state.current.take().filter(|current| current.number != number);
    }

    /// Deletes a file, unless it is missing. That the state does not name it any more is on the disk.
    pub(crate) fn remove(&self, number: SettledNumber) -> Result<(), StorageError> {
        self.open.remove(FileName::Settled(number))?;
        self.state.lock().bytes.remove(&number);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> SettledFiles {
        let files = SettledFiles::new(folder, 8, 100, EngineFaults::default());
        files.start(&BTreeSet::new()).unwrap();
        files
    }

    fn place(file: u32, offset: u64) -> BodyPlace {
        BodyPlace::Settled { file: SettledNumber(file), offset }
    }

    #[test]
    fn a_file_has_golden_bytes_and_rolls_when_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let bodies = [Bytes::from_static(b"one"), Bytes::from_static(b"other")];
        assert_eq!(files.append(&bodies).unwrap(), [place(1, 12), place(1, 15)]);
        let stored = std::fs::read(folder.path().join("settled-00000001")).unwrap();
        assert_eq!(stored, b"OTTLAS02\0\0\0\x01oneother");
        assert_eq!(files.append(&[Bytes::from_static(&[7; 80])]).unwrap(), [place(1, 20)]);
        assert_eq!(files.append(&bodies).unwrap()[0], place(2, 12), "100 bytes are reached");
        assert_eq!(files.bytes(), BTreeMap::from([(SettledNumber(1), 100), (SettledNumber(2), 20)]));
        files.seal(SettledNumber(2));
        assert_eq!(files.append(&bodies).unwrap()[0], place(3, 12));
    }

    #[test]
    fn a_start_deletes_files_without_a_name_and_appends_to_none_that_it_finds() {
        let folder = tempfile::tempdir().unwrap();
        let before = files(folder.path());
        for _ in 0..3 {
            before.append(&[Bytes::from_static(&[7; 100])]).unwrap();
        }
        let after = SettledFiles::new(folder.path(), 8, 1000, EngineFaults::default());
        // The state names one that is missing, too: its number must not lead to other bodies.
        after.start(&BTreeSet::from([SettledNumber(2), SettledNumber(9)])).unwrap();
        assert_eq!(SettledFiles::found(folder.path()).unwrap(), BTreeSet::from([SettledNumber(2)]));
        assert_eq!(after.held_bytes(), 112);
        assert_eq!(after.append(&[Bytes::from_static(b"new")]).unwrap(), [place(10, 12)]);
        // It is known, so its name is forgotten once nothing points into it.
        assert_eq!(after.bytes().get(&SettledNumber(9)), Some(&0));
        after.remove(SettledNumber(9)).unwrap();
        assert_eq!(after.bytes().get(&SettledNumber(9)), None);
    }

    #[test]
    fn a_reader_that_holds_a_deleted_file_goes_on_and_its_number_is_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        files.append(&[Bytes::from_static(b"body")]).unwrap();
        let held = files.file(FileName::Settled(SettledNumber(1))).unwrap().unwrap();
        files.seal(SettledNumber(1));
        files.remove(SettledNumber(1)).unwrap();
        assert_eq!(held.read(12, 4).unwrap(), b"body"[..]);
        assert!(files.file(FileName::Settled(SettledNumber(1))).unwrap().is_none());
        assert_eq!(files.append(&[Bytes::from_static(b"body")]).unwrap(), [place(2, 12)]);
    }
}
