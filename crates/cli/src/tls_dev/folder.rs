//! The folder of the certificates. A file is written whole under another name and then renamed, so that no reader finds half of one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use security::Secret;

use crate::failure::Failure;

/// Certificates, which are public.
const PUBLIC: u32 = 0o644;
/// Keys and the password.
const PRIVATE: u32 = 0o600;
const CLIENTS: &str = "clients";

/// An open folder, by its absolute path.
pub(super) struct Folder {
    path: PathBuf,
    /// Other users can look into it.
    is_open: bool,
}

impl Folder {
    /// Opens the folder, and makes it if it is missing.
    ///
    /// # Errors
    /// It cannot be made, or is no folder.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(&path.join(CLIENTS)).map_err(|error| cannot("make", &path.join(CLIENTS), &error))?;
        let path = fs::canonicalize(path).map_err(|error| cannot("open", path, &error))?;
        let facts = fs::metadata(&path).map_err(|error| cannot("read", &path, &error))?;
        Ok(Self { is_open: facts.permissions().mode() & 0o077 != 0, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder that was made before may be open to others. It is left so, as it may be one that others need.
    pub(super) fn warning(&self) -> Option<String> {
        let path = self.path.display();
        self.is_open
            .then(|| format!("warning: other users can look into {path}; its keys are closed to them. `chmod 700 {path}` closes it"))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    /// The names of clients that have a certificate, sorted.
    pub(super) fn clients(&self) -> Result<Vec<String>, Failure> {
        let path = self.path.join(CLIENTS);
        let entries = fs::read_dir(&path).map_err(|error| cannot("read", &path, &error))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| cannot("read", &path, &error))?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_suffix(".pem")).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The contents of a file, without the end of a last line; `None` if it is missing.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, Failure> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Secret::new(bytes.trim_ascii_end()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot("read", &path, &error)),
        }
    }

    /// A file as text; `None` if it is missing.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        let text = self.secret(name)?.map(|contents| contents.expose_text().map(str::to_owned));
        let wrong = || Failure::failed(format!("{} is no text", self.path.join(name).display()));
        text.map(|text| text.ok_or_else(wrong)).transpose()
    }

    /// Writes a file that everybody may read.
    pub(super) fn write(&self, name: &str, contents: &[u8]) -> Result<(), Failure> {
        self.write_as(name, contents, PUBLIC)
    }

    /// Writes a file that its owner alone may read, from its first byte on.
    pub(super) fn write_private(&self, name: &str, contents: &[u8]) -> Result<(), Failure> {
        self.write_as(name, contents, PRIVATE)
    }

    fn write_as(&self, name: &str, contents: &[u8], mode: u32) -> Result<(), Failure> {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        // One that a run left which was stopped.
        let _ = fs::remove_file(&new);
        let written = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
            file.write_all(contents)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        written().map_err(|error| cannot("write", &path, &error))
    }

    /// Removes all PKCS12 files.
    pub(super) fn remove_stores(&self) -> Result<(), Failure> {
        self.remove_all(&[".p12"])
    }

    /// Removes every certificate except that of the authority.
    pub(super) fn remove_certificates(&self) -> Result<(), Failure> {
        self.remove_all(&[".p12", ".pem"])
    }

    fn remove_all(&self, endings: &[&str]) -> Result<(), Failure> {
        let clients = self.clients()?.into_iter().map(|name| format!("{CLIENTS}/{name}"));
        for name in ["server".to_owned(), "truststore".to_owned()].into_iter().chain(clients) {
            for ending in endings {
                self.remove(&format!("{name}{ending}"))?;
            }
        }
        Ok(())
    }

    /// Removes a file, which may be missing.
    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot("remove", &path, &error)),
            _ => Ok(()),
        }
    }
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot {verb} {}: {error}", path.display()))
}
