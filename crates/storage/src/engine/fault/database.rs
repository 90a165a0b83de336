//! RocksDB's files as the disk has them. RocksDB writes them itself, so only its promises are known: what its manifest says at the return
//! of a flush, or of the creation or end of a family, is on the disk. What it wrote since may be lost in the order in which it wrote: the
//! end of the manifest first, then files that no manifest names.
//!
//! RocksDB deletes a table only after the disk has the part of the manifest that gives it up. How long that part is, is not known here.
//! So RocksDB deletes no file while the folder is open ([`super::Faults`] has it keep them): any beginning of the manifest finds the
//! tables that it names.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::Path,
};

use super::disk::Unsynced;

const SECTOR: u64 = 512;

/// RocksDB's files at the time of its last promise.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// Content of `CURRENT`, which names the manifest.
    current: String,
    manifest_length: u64,
    /// Files of data.
    tables: BTreeSet<String>,
}

impl Database {
    /// Notes the present state.
    pub(super) fn is_synced(&mut self, folder: &Path) {
        // The manifest must not grow meanwhile: it would name a file that was not seen.
        for _ in 0..100 {
            let Ok(current) = fs::read_to_string(folder.join("CURRENT")) else { return };
            let length = || fs::metadata(folder.join(current.trim())).map_or(0, |found| found.len());
            let before = length();
            let Ok(tables) = tables(folder) else { return };
            if before == length() {
                *self = Self { manifest_length: before, current, tables };
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
        // With more of the manifest the files that it names were on the disk before.
        if end == found.manifest_length {
            for name in tables(folder)?.difference(&found.tables) {
                if !keeps(name, Unsynced::Unknown) {
                    let file = File::options().write(true).open(folder.join(name))?;
                    file.set_len(file.metadata()?.len() / 2)?;
                }
            }
        }
        Ok(())
    }
}

/// Files of data.
fn tables(folder: &Path) -> io::Result<BTreeSet<String>> {
    let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.ends_with(".sst")).collect())
}

#[cfg(test)]
mod tests {
    use rocksdb::WriteBatch;

    use super::*;
    use crate::{
        Faults, StorageOptions,
        engine::{Engine, journal::record::JournalPosition},
        log::{BatchFamily, GenerationNumber},
    };

    const ROUNDS: u8 = 4;

    fn open(folder: &Path, faults: &Faults) -> Engine {
        let options = StorageOptions { faults: faults.clone(), ..StorageOptions::new(folder) };
        let engine = Engine::open(folder, &options).unwrap();
        assert_eq!(engine.replay(JournalPosition::START, false).unwrap(), None);
        engine
    }

    /// Each compaction of the settled family replaces the table of the one before; RocksDB promises nothing after the first of them.
    fn compact_again_and_again(folder: &Path, faults: &Faults) {
        let engine = open(folder, faults);
        engine.create_generation(GenerationNumber(1)).unwrap();
        engine.journal.roll(GenerationNumber(1)).unwrap();
        for round in 0..ROUNDS {
            let mut batch = WriteBatch::default();
            for key in [b"a", b"z"] {
                batch.put_cf(&engine.family(BatchFamily::Settled).unwrap(), key, [round]);
            }
            engine.write(batch, &[]).unwrap();
            engine.sync().unwrap();
            engine.compact_settled(|| Ok(())).unwrap();
        }
    }

    /// A walk saw: a start after a power cut that missed a table, which no real one would miss.
    #[test]
    fn the_tables_that_a_beginning_of_the_manifest_names_exist() {
        for kept in 0..100 {
            let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
            compact_again_and_again(folder.path(), &faults);
            let mut sectors = 0;
            let keeps = |_: &str, what| match what {
                Unsynced::Database => false,
                Unsynced::Manifest(_) => {
                    sectors += 1;
                    sectors <= kept
                }
                _ => true,
            };
            faults.cut_power(folder.path(), keeps).unwrap();
            let engine = open(folder.path(), &faults.of_the_next_process());
            let family = engine.family(BatchFamily::Settled).unwrap();
            let mut cursor = engine.cursor(&family, b"a", b"zz");
            cursor.seek_to_first();
            let mut found = 0;
            while let Some((_, value)) = cursor.item() {
                assert_eq!(value, [ROUNDS - 1], "{kept} sectors");
                found += 1;
                cursor.next();
            }
            cursor.status().unwrap();
            assert_eq!(found, 2, "{kept} sectors");
            if sectors <= kept {
                assert!(sectors > 2, "of {sectors} sectors the test shows nothing");
                return;
            }
        }
        panic!("the manifest is too long for this test");
    }
}
