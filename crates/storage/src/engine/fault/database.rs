//! RocksDB's files as the disk has them. RocksDB writes them itself, so only its promises are known: what its manifest says at the return
//! of a flush, or of the creation or end of a family, is on the disk. What it wrote since may be lost in the order in which it wrote: the
//! end of the manifest first, then files that no manifest names.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use super::disk::Unsynced;

const SECTOR: u64 = 512;

/// RocksDB's files at the time of its last promise.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// Content of `CURRENT`, which names the manifest.
    current: String,
    manifest_length: u64,
    /// Files of data, which stay readable here after RocksDB has deleted them.
    files: BTreeMap<String, Arc<File>>,
}

impl Database {
    /// Notes the present state.
    pub(super) fn is_synced(&mut self, folder: &Path) {
        // The manifest must not grow meanwhile: it would name a file that was not seen.
        for _ in 0..100 {
            let Ok(current) = fs::read_to_string(folder.join("CURRENT")) else { return };
            let length = || fs::metadata(folder.join(current.trim())).map_or(0, |found| found.len());
            let before = length();
            let Ok(names) = tables(folder) else { return };
            let open = |name: String| {
                let known = self.files.get(&name).map(Arc::clone);
                let file = known.or_else(|| File::open(folder.join(&name)).ok().map(Arc::new));
                file.map(|file| (name, file))
            };
            let files = names.into_iter().filter_map(open).collect();
            if before == length() {
                *self = Self { manifest_length: before, current, files };
                return;
            }
        }
    }

    /// Takes back what `keeps` does not keep of the changes since then.
    pub(super) fn cut_power(
        &mut self,
        folder: &Path,
        keeps: &mut impl FnMut(&str, Unsynced) -> bool,
    ) -> io::Result<()> {
        let found = std::mem::take(self);
        // Another manifest: RocksDB was on the way to tell.
        if fs::read_to_string(folder.join("CURRENT")).ok().as_ref() != Some(&found.current) {
            return Ok(());
        }
        if keeps("database", Unsynced::Database) {
            return Ok(());
        }
        let name = found.current.trim();
        let manifest = File::options().write(true).open(folder.join(name))?;
        let written = manifest.metadata()?.len();
        let mut end = found.manifest_length.min(written);
        while end < written && keeps(name, Unsynced::Manifest(end / SECTOR)) {
            end = ((end / SECTOR + 1) * SECTOR).min(written);
        }
        manifest.set_len(end)?;
        for (name, file) in &found.files {
            if !folder.join(name).exists() {
                let mut content = vec![0; file.metadata()?.len() as usize];
                file.read_exact_at(&mut content, 0)?;
                fs::write(folder.join(name), content)?;
            }
        }
        // With more of the manifest the files that it names were on the disk before.
        if end == found.manifest_length {
            for name in tables(folder)?.into_iter().filter(|name| !found.files.contains_key(name)) {
                if !keeps(&name, Unsynced::Unknown) {
                    let file = File::options().write(true).open(folder.join(&name))?;
                    file.set_len(file.metadata()?.len() / 2)?;
                }
            }
        }
        Ok(())
    }
}

/// Files of data.
fn tables(folder: &Path) -> io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.ends_with(".sst")).collect())
}
