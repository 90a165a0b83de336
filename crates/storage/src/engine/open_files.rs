//! Files of batches that were used lately, open for the next read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    batch_file::{Access, BatchFile},
    fault::EngineFaults,
    file_name::FileName,
};
use crate::StorageError;

/// The files of one kind in a folder.
pub(super) struct OpenFiles {
    pub(super) folder: PathBuf,
    /// Files of a folder that is only looked at are opened for reading.
    access: Access,
    pub(super) faults: EngineFaults,
    /// The most files kept open.
    most: usize,
    open: Mutex<BTreeMap<FileName, Arc<BatchFile>>>,
}

impl OpenFiles {
    pub(super) fn new(folder: &Path, access: Access, most: usize, faults: EngineFaults) -> Self {
        Self { folder: folder.into(), access, faults, most, open: Mutex::default() }
    }

    /// The file of that name, which stays readable for as long as it is held; `None` if it was deleted.
    pub(super) fn file(&self, name: FileName) -> Result<Option<Arc<BatchFile>>, StorageError> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&name) {
            return Ok(Some(Arc::clone(file)));
        }
        let found = BatchFile::open(&self.folder, name, self.access, &self.faults)?;
        let Some(file) = found else { return Ok(None) };
        // The oldest first: consumers that catch up move towards newer ones.
        while open.len() >= self.most {
            open.pop_first();
        }
        let file = Arc::new(file);
        open.insert(name, Arc::clone(&file));
        Ok(Some(file))
    }

    /// Creates an empty one with this header; it and its name are on the disk afterwards.
    pub(super) fn create(&self, name: FileName, header: &[u8]) -> Result<Arc<BatchFile>, StorageError> {
        let file = Arc::new(BatchFile::create(&self.folder, name, header, &self.faults)?);
        self.open.lock().insert(name, Arc::clone(&file));
        Ok(file)
    }

    /// Deletes the file of that name; those who hold it can still read it.
    pub(super) fn remove(&self, name: FileName) -> Result<(), StorageError> {
        // The name first: a late reader must not open the file again.
        BatchFile::remove(&self.folder, name, &self.faults)?;
        self.open.lock().remove(&name);
        Ok(())
    }
}
