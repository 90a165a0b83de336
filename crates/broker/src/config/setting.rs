//! The keys that are set, with value and origin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroize as _;

use super::problem::Origin;

/// A value that was set, and the source that set it.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    pub value: String,
    pub origin: Origin,
}

impl Setting {
    /// The path that the value is. A relative one begins at the folder of the file that names it.
    pub(super) fn path(&self) -> PathBuf {
        let folder = self.origin.file().and_then(Path::parent).unwrap_or_else(|| Path::new(""));
        folder.join(self.value.trim())
    }
}

/// The value may be a password: it does not stay in memory that is free.
impl Drop for Setting {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// Without the value, which may be a password: a setting does not know its key.
impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Explicitly set keys, whatever table they are from.
pub(super) type Settings = BTreeMap<String, Setting>;
