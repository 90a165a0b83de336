//! The targets of the audit log: standard output, or a file that is renamed when it is full.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// See the module.
#[derive(Debug)]
pub(crate) enum AuditTarget {
    /// Standard output.
    Stdout,
    /// A file and those that it was before.
    File(Rotated),
}

/// The file cannot be written.
#[derive(Debug, Error)]
#[error("the audit log {path} cannot be opened: {source}; check audit.log.location", path = .path.display())]
pub(crate) struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// A file `audit.log`; before it was full, the newest of those is `audit.log.1`.
#[derive(Debug)]
pub(crate) struct Rotated {
    path: PathBuf,
    file: File,
    /// Bytes that it holds.
    length: u64,
    /// It is full with this.
    max_bytes: u64,
    /// Full files that are kept.
    max_files: u32,
}

impl AuditTarget {
    /// Opens the file, or goes on with it.
    ///
    /// # Errors
    /// It cannot be opened for writing.
    pub(crate) fn file(path: &Path, max_bytes: u64, max_files: u32) -> Result<Self, AuditError> {
        let opened = open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(|source| AuditError { path: path.to_owned(), source })?;
        Ok(Self::File(Rotated { path: path.to_owned(), file, length, max_bytes, max_files }))
    }

    /// Writes whole lines.
    ///
    /// # Errors
    /// Nothing of them is in the file then. Standard output may have a part, and gets all of them with the next try.
    pub(super) fn write(&mut self, lines: &str) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines.as_bytes())?;
                out.flush()
            }
            Self::File(rotated) => rotated.write(lines),
        }
    }
}

impl Rotated {
    fn write(&mut self, lines: &str) -> io::Result<()> {
        let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.length > 0 && self.length.saturating_add(added) > self.max_bytes {
            self.rotate()?;
        }
        let written = self.file.write_all(lines.as_bytes());
        match written {
            Ok(()) => self.length += added,
            // A part of a line would be taken for damage, and be there twice after the next try. Where even this fails, the disk is
            // broken and the first error says so.
            Err(_) => drop(self.file.set_len(self.length)),
        }
        written
    }

    /// Makes the new file first: where that fails, nothing has changed, and the next try begins anew.
    fn rotate(&mut self) -> io::Result<()> {
        let name = |number: u32| match number {
            0 => self.path.clone(),
            _ => PathBuf::from(format!("{}.{number}", self.path.display())),
        };
        let new = PathBuf::from(format!("{}.new", self.path.display()));
        let file = open(&new)?;
        // Those up to the first gap move by one, the oldest first; without a gap the last one is replaced. So a try after one that
        // stopped between two renames moves nothing twice.
        let gap = (0..self.max_files).find(|number| !name(*number).exists()).unwrap_or(self.max_files);
        for number in (0..gap).rev() {
            std::fs::rename(name(number), name(number + 1))?;
        }
        std::fs::rename(&new, &self.path)?;
        (self.file, self.length) = (file, 0);
        Ok(())
    }
}

/// For appending; only its owner may read a new one.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
