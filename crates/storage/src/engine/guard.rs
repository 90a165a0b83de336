//! The files beside RocksDB that claim the folder: `FORMAT` (number of its layouts) and `ottla.lock` (one process at a time).

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

use crate::{
    InspectError, OpenError,
    engine::{
        fault::{EngineFaults, FileStep},
        file_name::FileName,
        keys::{FORMAT, OLDEST_FORMAT},
    },
};

const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "ottla.lock";

/// Holds the folder for this process until it is dropped or the process dies.
#[derive(Debug)]
pub(crate) struct Guard {
    _lock: File,
}

impl Guard {
    /// Creates the folder if need be, locks it, and checks (or writes) its format.
    ///
    /// # Errors
    /// The folder is in use, holds something else, has another format, or cannot be written. Never waits for
    /// the lock.
    pub(crate) fn acquire(path: &Path) -> Result<Self, OpenError> {
        let not_writable = |source| OpenError::NotWritable { path: path.into(), source };
        fs::create_dir_all(path).map_err(not_writable)?;
        let new = !path.join(LOCK_FILE).exists();
        // Before the first file is created: a folder of another program stays as it is.
        if new && !path.join(FORMAT_FILE).exists() && is_foreign(path).map_err(not_writable)? {
            return Err(OpenError::Foreign { path: path.into() });
        }
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK_FILE));
        let lock = lock.map_err(not_writable)?;
        // `flock`: it ends with the process, however that ends, so a crash leaves no lock.
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.into() }),
            Err(TryLockError::Error(source)) => return Err(not_writable(source)),
        }
        // Under the lock: another process could be writing the file just now.
        check_format(path)?;
        Ok(Self { _lock: lock })
    }
}

/// The folder holds files of another program. A new file system holds `lost+found`.
fn is_foreign(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != "lost+found" && !name.to_string_lossy().starts_with('.') {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The format of the folder, which is one that this release reads; `None` if no process has written it yet.
fn known_format(path: &Path) -> Result<Option<u32>, OpenError> {
    match fs::read_to_string(path.join(FORMAT_FILE)) {
        Ok(text) => {
            // A text that is not a number can only be from a later release.
            let found = text.trim().parse().unwrap_or(u32::MAX);
            let path = path.into();
            match found {
                OLDEST_FORMAT..=FORMAT => Ok(Some(found)),
                ..OLDEST_FORMAT => Err(OpenError::OlderFormat { path, found, supported: OLDEST_FORMAT }),
                _ => Err(OpenError::NewerFormat { path, found, supported: FORMAT }),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::NotWritable { path: path.into(), source }),
    }
}

/// Writes the format of a new folder, and of one of an older format, which an older release must not open any more: it would
/// ignore the access control entries in it. Fails for a folder of a format that is not read.
fn check_format(path: &Path) -> Result<(), OpenError> {
    if known_format(path)? != Some(FORMAT) {
        // No fault of a test is about it.
        write_synced(path, FORMAT_FILE, format!("{FORMAT}\n").as_bytes(), &EngineFaults::default())
            .map_err(|source| OpenError::NotWritable { path: path.into(), source })?;
    }
    Ok(())
}

/// A folder that is looked at. Nothing in it is changed.
#[derive(Debug)]
pub(crate) struct Visit {
    /// `None`: no process has written it.
    pub(crate) format: Option<u32>,
    /// A broker has the folder.
    pub(crate) in_use: bool,
    /// Keeps brokers from the folder, but not other visits.
    _lock: Option<File>,
}

impl Visit {
    /// Checks the format, and locks the folder against a start unless a broker has it.
    pub(crate) fn begin(path: &Path) -> Result<Self, InspectError> {
        let not_readable = |source| InspectError::NotReadable { path: path.into(), source };
        fs::read_dir(path).map_err(not_readable)?;
        let format = known_format(path)?;
        let lock = match File::open(path.join(LOCK_FILE)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(not_readable(source)),
        };
        if format.is_none() && lock.is_none() {
            return Err(InspectError::Foreign { path: path.into() });
        }
        let in_use = match lock.as_ref().map(File::try_lock_shared) {
            None | Some(Ok(())) => false,
            Some(Err(TryLockError::WouldBlock)) => true,
            Some(Err(TryLockError::Error(source))) => return Err(not_readable(source)),
        };
        Ok(Self { format, in_use, _lock: lock })
    }
}

/// Replaces the file `name` so that a crash leaves the old or the new content, and the new one is on the disk afterwards.
pub(crate) fn write_synced(
    folder: &Path,
    name: &'static str,
    content: &[u8],
    faults: &EngineFaults,
) -> io::Result<()> {
    let (from, to) = (FileName::Next(name), FileName::Small(name));
    let temporary = folder.join(from.to_string());
    let mut file = faults.file(FileStep::Create(from), || File::create(&temporary))?;
    let write = FileStep::Write { file: from, offset: 0, length: content.len() as u64 };
    faults.file(write, || file.write_all(content))?;
    // The content first, then the name, then the folder: a crash in between leaves the old file.
    faults.file(FileStep::Sync(from), || file.sync_data())?;
    faults.file(FileStep::Rename { from, to }, || fs::rename(&temporary, folder.join(name)))?;
    faults.file(FileStep::SyncFolder, || File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let first = Guard::acquire(folder.path()).unwrap();
        assert!(matches!(Guard::acquire(folder.path()), Err(OpenError::Locked { .. })));
        drop(first);
        Guard::acquire(folder.path()).unwrap();
    }

    #[test]
    fn a_newer_or_unreadable_format_is_refused() {
        for text in ["4", "garbage"] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FORMAT_FILE), text).unwrap();
            assert!(matches!(Guard::acquire(folder.path()), Err(OpenError::NewerFormat { .. })), "{text}");
        }
    }

    #[test]
    fn a_folder_without_acls_gets_the_format_that_has_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FORMAT_FILE), "2\n").unwrap();
        Guard::acquire(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(FORMAT_FILE)).unwrap(), "3\n");
    }

    #[test]
    fn an_older_format_is_refused_and_its_folder_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FORMAT_FILE), "1\n").unwrap();
        let refused = Guard::acquire(folder.path()).unwrap_err();
        assert!(
            matches!(refused, OpenError::OlderFormat { found: 1, supported: OLDEST_FORMAT, .. }),
            "{refused}"
        );
        assert_eq!(fs::read_to_string(folder.path().join(FORMAT_FILE)).unwrap(), "1\n");
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("letter.txt"), "dear").unwrap();
        assert!(matches!(Guard::acquire(folder.path()), Err(OpenError::Foreign { .. })));
        assert!(!folder.path().join(LOCK_FILE).exists());
    }
}
