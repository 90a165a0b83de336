//! One file that holds batches, of the journal or a settled one: vectored writes at its end, reads of any part.

use std::{
    fs::{self, File},
    io::{self, IoSlice, IoSliceMut},
    num::NonZeroU64,
    os::unix::fs::FileExt,
    path::Path,
};

use bytes::Bytes;
use rustix::{buffer::spare_capacity, fs::Advice, io::ReadWriteFlags};

use crate::{
    StorageError,
    engine::{
        fault::{EngineFaults, FileStep},
        file_name::FileName,
    },
};

/// The most pieces that one write takes (IOV_MAX).
const MAX_PIECES: usize = 1024;

/// Use of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Of a folder that this process has: appends, cuts and deletions.
    ReadWrite,
    /// Of a folder that is only looked at.
    ReadOnly,
}

/// A file that holds batches.
#[derive(Debug)]
pub(crate) struct BatchFile {
    pub(crate) name: FileName,
    file: File,
    faults: EngineFaults,
}

impl BatchFile {
    /// Creates one that holds `header`; it and its name are on the disk afterwards. One of that name, which nothing
    /// refers to, is replaced.
    pub(crate) fn create(
        folder: &Path,
        name: FileName,
        header: &[u8],
        faults: &EngineFaults,
    ) -> Result<Self, StorageError> {
        let failed = StorageError::io("create a file of batches");
        let path = folder.join(name.to_string());
        let open = || File::options().create(true).truncate(true).read(true).write(true).open(path);
        let file = faults.file(FileStep::Create(name), open).map_err(&failed)?;
        let write = FileStep::Write { file: name, offset: 0, length: header.len() as u64 };
        faults.file(write, || file.write_all_at(header, 0)).map_err(&failed)?;
        faults.file(FileStep::Sync(name), || file.sync_all()).map_err(&failed)?;
        // Before anything else: if the name is lost, what is written is, however often the file was synced.
        sync_folder(folder, faults)?;
        Ok(Self { name, file, faults: faults.clone() })
    }

    /// Opens one that exists; `None` if it does not.
    pub(crate) fn open(
        folder: &Path,
        name: FileName,
        access: Access,
        faults: &EngineFaults,
    ) -> Result<Option<Self>, StorageError> {
        let path = folder.join(name.to_string());
        match File::options().read(true).write(access == Access::ReadWrite).open(path) {
            Ok(file) => Ok(Some(Self { name, file, faults: faults.clone() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("open a file of batches")(error)),
        }
    }

    /// Deletes the file of that name, if there is one.
    pub(crate) fn remove(folder: &Path, name: FileName, faults: &EngineFaults) -> Result<(), StorageError> {
        let path = folder.join(name.to_string());
        match faults.file(FileStep::Remove(name), || fs::remove_file(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("delete a file of batches")(error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn len(&self) -> Result<u64, StorageError> {
        Ok(self.file.metadata().map_err(StorageError::io("look at a file of batches"))?.len())
    }

    /// Writes all pieces, one after the other, from `offset` on.
    /// The operating system has them afterwards; an error may leave any part of them in the file.
    pub(crate) fn write(&self, pieces: &mut [IoSlice<'_>], offset: u64) -> Result<(), StorageError> {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let step = FileStep::Write { file: self.name, offset, length };
        let written = self.faults.file(step, || self.write_all(pieces, offset));
        written.map_err(StorageError::io("write to a file of batches"))
    }

    fn write_all(&self, mut pieces: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        while !pieces.is_empty() {
            let some = pieces.len().min(MAX_PIECES);
            match rustix::io::pwritev(&self.file, &pieces[..some], offset) {
                // Would be tried for ever.
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    // A write may end short of what was asked, as on a disk that is almost full.
                    offset += written as u64;
                    IoSlice::advance_slices(&mut pieces, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Puts everything onto the disk that was written before the call.
    ///
    /// # Errors
    /// The system reports a failed write-back once; what is on the disk then is unknown.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        // fdatasync: also the length, without which the data could not be read, but not the times of the
        // file.
        let synced = self.faults.file(FileStep::Sync(self.name), || self.file.sync_data());
        synced.map_err(StorageError::io("sync a file of batches"))
    }

    /// Makes the file end at `length`, on the disk too.
    pub(crate) fn set_len(&self, length: u64) -> Result<(), StorageError> {
        let failed = StorageError::io("shorten a file of batches");
        let (cut, sync) = (FileStep::Cut { file: self.name, length }, FileStep::Sync(self.name));
        self.faults.file(cut, || self.file.set_len(length)).map_err(&failed)?;
        self.faults.file(sync, || self.file.sync_all()).map_err(failed)
    }

    /// Writes its bytes from `from` on as they are, so that the next sync writes them to the disk.
    /// After a failed sync the system may count pages as written that are not on the disk.
    pub(crate) fn write_again(&self, mut from: u64) -> Result<(), StorageError> {
        loop {
            let bytes = self.read(from, 1 << 20)?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.write(&mut [IoSlice::new(&bytes)], from)?;
            from += bytes.len() as u64;
        }
    }

    /// Fills `buffer` from `offset` on; false if the file ends before.
    pub(crate) fn read_into(&self, buffer: &mut [u8], offset: u64) -> Result<bool, StorageError> {
        let read = self.faults.read(self.name, offset, buffer.len());
        match read.and_then(|()| self.file.read_exact_at(buffer, offset)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(StorageError::io("read a file of batches")(error)),
        }
    }

    /// Reads what the page cache has of `buffer.len()` bytes from `offset` on, up to the first that must come from
    /// the disk; returns how many. 0 also where the system cannot tell, or fails: the read that follows meets the
    /// error.
    pub(crate) fn read_cached(&self, buffer: &mut [u8], offset: u64) -> usize {
        if self.faults.read(self.name, offset, buffer.len()).is_err() {
            return 0;
        }
        let mut buffers = [IoSliceMut::new(buffer)];
        rustix::io::preadv2(&self.file, &mut buffers, offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
    }

    /// Asks the system to have these bytes in memory soon. A hint: it may do nothing.
    pub(crate) fn will_need(&self, offset: u64, length: usize) {
        // Without a length it would mean all that follows.
        let Some(length) = NonZeroU64::new(length as u64) else { return };
        rustix::fs::fadvise(&self.file, offset, Some(length), Advice::WillNeed).ok();
    }

    /// The bytes from `offset` on, at most `length`; fewer if the file ends before. The memory is not filled first.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Bytes, StorageError> {
        let failed = StorageError::io("read a file of batches");
        self.faults.read(self.name, offset, length).map_err(&failed)?;
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        // The allocator may have given more room than was asked for, which was then read into.
        bytes.truncate(length);
        Ok(bytes.into())
    }
}

/// Puts the names of new files onto the disk.
pub(crate) fn sync_folder(folder: &Path, faults: &EngineFaults) -> Result<(), StorageError> {
    let sync = || File::open(folder).and_then(|folder| folder.sync_all());
    let synced = faults.file(FileStep::SyncFolder, sync);
    synced.map_err(StorageError::io("sync the data folder"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::GenerationNumber;

    const NAME: FileName = FileName::Journal(GenerationNumber(3));

    #[test]
    fn pieces_are_written_in_order_however_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = BatchFile::create(folder.path(), NAME, b"header", &EngineFaults::default()).unwrap();
        let pieces: Vec<Vec<u8>> = (0..3000_u32).map(|number| number.to_be_bytes().to_vec()).collect();
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        file.write(&mut slices, 6).unwrap();
        assert_eq!(file.read(6, 1 << 20).unwrap(), pieces.concat(), "cut at the end of the file");
        assert_eq!(file.len().unwrap(), 12_006);
        assert_eq!(file.read(0, 6).unwrap(), b"header"[..]);
    }

    #[test]
    fn a_file_that_is_missing_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let faults = EngineFaults::default();
        assert!(BatchFile::open(folder.path(), NAME, Access::ReadOnly, &faults).unwrap().is_none());
        BatchFile::remove(folder.path(), NAME, &faults).unwrap();
    }
}
