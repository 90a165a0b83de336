//! The files of certificates and keys that settings name.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use security::Secret;

use crate::config::secret_file;
use crate::config::setting::{Setting, Settings};

/// The keys that name files, also for one listener.
pub(super) const LOCATIONS: [&str; 3] = [CRL_LOCATION, "ssl.keystore.location", "ssl.truststore.location"];
/// Lists of certificates that were revoked.
pub(super) const CRL_LOCATION: &str = "ottla.ssl.crl.location";

/// Their contents by path, or the reason why a file has none.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct TlsFiles(Arc<BTreeMap<PathBuf, Result<TlsFile, String>>>);

/// The contents of one file.
#[derive(Clone, Debug)]
pub(super) struct TlsFile {
    pub(super) contents: Secret,
    /// Users other than its owner and group can read it.
    pub(super) is_public: bool,
}

impl TlsFiles {
    /// Reads every file that a key of stores names, of all listeners.
    pub(in crate::config) fn read(settings: &Settings) -> Self {
        let names = |key: &str| LOCATIONS.iter().any(|location| key.ends_with(location));
        let named = settings.iter().filter(|(key, setting)| names(key) && !setting.value.trim().is_empty());
        Self(Arc::new(named.map(|(_, setting)| (setting.path(), read(&setting.path()))).collect()))
    }

    /// Returns true if the file that a setting names has the same contents in both, or has none in both.
    pub(super) fn is_same(&self, other: &Self, setting: &Setting) -> bool {
        self.has_same(other, &setting.path())
    }

    /// Returns true if all files have the same contents in both.
    pub(super) fn are_same(&self, other: &Self) -> bool {
        self.0.keys().chain(other.0.keys()).all(|path| self.has_same(other, path))
    }

    fn has_same(&self, other: &Self, path: &Path) -> bool {
        match (self.0.get(path), other.0.get(path)) {
            (Some(Ok(one)), Some(Ok(other))) => one.contents.equals(other.contents.expose()),
            (Some(Err(one)), Some(Err(other))) => one == other,
            (None, None) => true,
            _ => false,
        }
    }

    /// The contents of the file that a setting names.
    ///
    /// # Errors
    /// It cannot be used; the text names it.
    pub(super) fn of(&self, setting: &Setting) -> Result<TlsFile, String> {
        let path = setting.path();
        self.0.get(&path).cloned().unwrap_or_else(|| Err(format!("{} was not read", path.display())))
    }
}

fn read(path: &Path) -> Result<TlsFile, String> {
    let shown = path.display();
    let facts = std::fs::metadata(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    // The reading of a pipe would never end.
    if !facts.is_file() {
        return Err(format!("{shown} is no file"));
    }
    let mut bytes = secret_file::read_bytes(path).map_err(|reason| format!("{shown}: {reason}"))?;
    let contents = Secret::new(std::mem::take(&mut *bytes));
    Ok(TlsFile { contents, is_public: facts.permissions().mode() & 0o004 != 0 })
}
