//! Our own files as the disk has them: for each, the bytes that were written and not synced, with what the disk had there before; for
//! each name, the file that the disk knows under it.
//!
//! A sync of a file makes its bytes durable, not its name; a sync of the folder the names. A sync that failed leaves bytes that the
//! system takes for written: no later sync writes them, only another write of them does.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use parking_lot::Mutex;

use super::FileStep;
use crate::engine::file_name::FileName;

/// Bytes that a disk writes as a whole.
const SECTOR: u64 = 512;

/// A change that a power cut may take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsynced {
    /// 512 bytes of a file, by their number in it. One that is lost is as it was, or zeros, or beyond the end of the file.
    Sector(u64),
    /// The new length of a file whose last bytes may be lost.
    Length,
    /// A file created, renamed or deleted.
    Name,
    /// Everything that RocksDB has written since it last told that it is on the disk. Where it is lost, the following say how.
    Database,
    /// 512 bytes of RocksDB's manifest, by their number: the first that is lost ends it.
    Manifest(u64),
    /// A file of RocksDB that its manifest does not know yet.
    Unknown,
}

/// A file, whatever its name.
#[derive(Debug)]
pub(super) struct Inode {
    file: File,
    length: u64,
    synced_length: u64,
    /// Parts that the disk may have as they were before.
    sectors: BTreeMap<u64, Sector>,
    /// Those of a sync that has not returned, with the length that it makes durable.
    syncing: Option<(u64, BTreeMap<u64, Sector>)>,
}

#[derive(Clone, Debug)]
pub(super) struct Sector {
    /// Its bytes on the disk; fewer where the file ended.
    old: Vec<u8>,
    /// A sync failed: the system will not write it.
    clean: bool,
}

#[derive(Debug, Default)]
struct Name {
    now: Option<Shared>,
    synced: Option<Shared>,
}

type Shared = Arc<Mutex<Inode>>;

/// Our own files.
#[derive(Debug, Default)]
pub(super) struct Disk {
    names: BTreeMap<FileName, Name>,
    /// Syncs of the folder that began.
    folder_syncs: u64,
    /// The last of them that ended, by the order in which they began.
    folder_synced: u64,
}

/// State before a step that [`Disk::after`] needs.
pub(super) enum Before {
    Nothing,
    Write(Shared, BTreeMap<u64, Sector>),
    Sync(Shared),
    /// The number of a sync of the folder, and the names when it began.
    Names(u64, Vec<(FileName, Option<Shared>)>),
}

impl Disk {
    /// Before a call that changes a file.
    pub(super) fn before(&mut self, folder: &Path, step: FileStep) -> Before {
        match step {
            FileStep::Create(name) => {
                // One that exists is emptied.
                if let Some(inode) = self.learn(folder, name) {
                    inode.lock().changes(0, u64::MAX);
                }
                Before::Nothing
            }
            FileStep::Write { file, offset, length } => match self.learn(folder, file) {
                Some(inode) => {
                    let changed = inode.lock().changes(offset, offset.saturating_add(length));
                    Before::Write(inode, changed)
                }
                None => Before::Nothing,
            },
            FileStep::Cut { file, length } => {
                if let Some(inode) = self.learn(folder, file) {
                    inode.lock().changes(length, u64::MAX);
                }
                Before::Nothing
            }
            FileStep::Sync(file) => match self.learn(folder, file) {
                Some(inode) => {
                    // A sync covers what was written before it; what is written during it may or may not be
                    // on the disk.
                    inode.lock().begin_sync();
                    Before::Sync(inode)
                }
                None => Before::Nothing,
            },
            FileStep::Rename { from, to } => {
                self.learn(folder, from);
                self.learn(folder, to);
                Before::Nothing
            }
            FileStep::Remove(file) => {
                self.learn(folder, file);
                Before::Nothing
            }
            FileStep::SyncFolder => {
                self.folder_syncs += 1;
                let names = self.names.iter().map(|(name, found)| (*name, found.now.clone())).collect();
                Before::Names(self.folder_syncs, names)
            }
        }
    }

    /// After it; `done` if it counts.
    pub(super) fn after(&mut self, folder: &Path, step: FileStep, before: Before, done: bool) {
        match (step, before) {
            (FileStep::Create(name), _) if folder.join(name.to_string()).exists() => {
                let found = self.names.entry(name).or_default();
                match &found.now {
                    Some(inode) => inode.lock().look(),
                    None => found.now = open(folder, name, 0),
                }
            }
            (_, Before::Write(inode, changed)) => {
                let mut inode = inode.lock();
                inode.look();
                // A sync that came between may have been too early for it.
                for (number, sector) in changed {
                    inode.sectors.entry(number).or_insert(sector);
                }
            }
            (FileStep::Cut { file, .. }, _) => {
                if let Some(inode) = self.names.get(&file).and_then(|name| name.now.as_ref()) {
                    inode.lock().look();
                }
            }
            (_, Before::Sync(inode)) => inode.lock().end_sync(done, false),
            (FileStep::Rename { from, to }, _) if !folder.join(from.to_string()).exists() => {
                let moved = self.names.entry(from).or_default().now.take();
                self.names.entry(to).or_default().now = moved;
            }
            (FileStep::Remove(name), _) if !folder.join(name.to_string()).exists() => {
                self.names.entry(name).or_default().now = None;
            }
            // One that began before another and ends after it makes nothing durable that the other did not.
            (_, Before::Names(number, names)) if done && number > self.folder_synced => {
                self.folder_synced = number;
                for (name, inode) in names {
                    self.names.entry(name).or_default().synced = inode;
                }
                self.names.retain(|_, name| name.now.is_some() || name.synced.is_some());
            }
            _ => {}
        }
    }

    /// A sync is told to have failed: none of it reaches the disk any more, unless it is written again.
    pub(super) fn sync_failed(&mut self, folder: &Path, file: FileName) {
        if let Some(inode) = self.learn(folder, file) {
            let mut inode = inode.lock();
            inode.begin_sync();
            inode.end_sync(false, true);
        }
    }

    /// The process was killed within a write at the end of a file: only part of it is there.
    pub(super) fn cut_last_write(&mut self, step: FileStep) -> io::Result<()> {
        let FileStep::Write { file, offset, length } = step else { return Ok(()) };
        let Some(inode) = self.names.get(&file).and_then(|name| name.now.as_ref()) else { return Ok(()) };
        let inode = inode.lock();
        // As good as at random, and the same for the same write.
        let part = length * (offset / 7 % 5) / 4;
        match inode.length <= offset && inode.file.metadata()?.len() == offset + length {
            true => inode.file.set_len(offset + part),
            false => Ok(()),
        }
    }

    /// Takes back what `keeps` does not keep. All that is left is on the disk afterwards.
    pub(super) fn cut_power(
        &mut self,
        folder: &Path,
        keeps: &mut impl FnMut(&str, Unsynced) -> bool,
    ) -> io::Result<()> {
        for (name, found) in std::mem::take(&mut self.names) {
            let (text, path) = (name.to_string(), folder.join(name.to_string()));
            let same = match (&found.now, &found.synced) {
                (Some(now), Some(synced)) => Arc::ptr_eq(now, synced),
                (now, synced) => now.is_none() && synced.is_none(),
            };
            let kept = same || keeps(&text, Unsynced::Name);
            match if kept { &found.now } else { &found.synced } {
                Some(inode) => {
                    let mut inode = inode.lock();
                    let changed = inode.cut_power(|which| keeps(&text, which))?;
                    if changed || !kept {
                        // Where the name is lost it leads to another file now, or to none. That file is left as it is: the disk may
                        // know it under another name.
                        remove(&path)?;
                        fs::write(&path, inode.content()?)?;
                    }
                }
                None => remove(&path)?,
            }
        }
        Ok(())
    }

    /// The file of that name; one that was not seen before is on the disk as it is.
    fn learn(&mut self, folder: &Path, name: FileName) -> Option<Shared> {
        let found = self.names.entry(name).or_insert_with(|| {
            let inode = open(folder, name, u64::MAX);
            Name { now: inode.clone(), synced: inode }
        });
        found.now.clone()
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn open(folder: &Path, name: FileName, synced: u64) -> Option<Shared> {
    let file = File::options().read(true).write(true).open(folder.join(name.to_string())).ok()?;
    let length = file.metadata().ok()?.len();
    let (synced_length, sectors) = (synced.min(length), BTreeMap::new());
    Some(Arc::new(Mutex::new(Inode { file, length, synced_length, sectors, syncing: None })))
}

impl Inode {
    /// The bytes from `from` to `to` are about to change; returns what the file has there, which is what the disk has once a sync
    /// begins from now on.
    fn changes(&mut self, from: u64, to: u64) -> BTreeMap<u64, Sector> {
        let mut changed = BTreeMap::new();
        let end = match to {
            u64::MAX => self.length,
            to => to,
        };
        for number in from / SECTOR..end.div_ceil(SECTOR) {
            let now = Sector { old: self.read(number), clean: false };
            changed.insert(number, now.clone());
            self.sectors.entry(number).or_insert(now).clean = false;
        }
        changed
    }

    fn read(&self, number: u64) -> Vec<u8> {
        let mut old = vec![0; SECTOR as usize];
        let read = self.file.read_at(&mut old, number * SECTOR).unwrap_or(0);
        old.truncate(read);
        old
    }

    fn look(&mut self) {
        self.length = self.file.metadata().map_or(self.length, |metadata| metadata.len());
    }

    fn begin_sync(&mut self) {
        let dirty = self.sectors.extract_if(.., |_, sector| !sector.clean).collect();
        self.syncing = Some((self.length, dirty));
    }

    fn end_sync(&mut self, done: bool, cleans: bool) {
        let Some((length, sectors)) = self.syncing.take() else { return };
        if done {
            self.synced_length = length;
            return;
        }
        for (number, sector) in sectors {
            let now = self.sectors.entry(number).or_insert(Sector { old: Vec::new(), clean: cleans });
            now.old = sector.old;
        }
    }

    /// Returns true if it changed.
    fn cut_power(&mut self, mut keeps: impl FnMut(Unsynced) -> bool) -> io::Result<bool> {
        self.look();
        if self.sectors.is_empty() && self.length == self.synced_length {
            return Ok(false);
        }
        let mut end = self.synced_length;
        for (number, sector) in std::mem::take(&mut self.sectors) {
            let (from, to) = (number * SECTOR, (number + 1) * SECTOR);
            if keeps(Unsynced::Sector(number)) {
                end = end.max(to.min(self.length));
            } else {
                let mut old = sector.old;
                // Space that the file did not have reads as zeros.
                let least = to.min(self.length).saturating_sub(from) as usize;
                old.resize(old.len().max(least), 0);
                self.file.write_all_at(&old, from)?;
            }
        }
        if keeps(Unsynced::Length) {
            end = self.length;
        }
        self.file.set_len(end)?;
        (self.length, self.synced_length) = (end, end);
        Ok(true)
    }

    fn content(&self) -> io::Result<Vec<u8>> {
        let mut content = vec![0; self.file.metadata()?.len() as usize];
        self.file.read_exact_at(&mut content, 0)?;
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        StorageOptions,
        engine::{
            fault::{CrashPoint, EngineFaults, Faults, Operation},
            guard::write_synced,
        },
    };

    /// A walk saw: a FENCE file with the length of another one. A crash had left `FENCE.new`; the next process wrote and renamed it, and
    /// the power was cut before the sync of the folder, so that the disk still knew the new file under its first name.
    #[test]
    fn a_name_that_is_lost_leaves_the_file_of_another_name_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: FileName| folder.path().join(name.to_string());
        let (name, next) = (FileName::Small("FENCE"), FileName::Next("FENCE"));
        fs::write(path(name), "old and long").unwrap();
        fs::write(path(next), "left").unwrap();
        let faults = Faults::default();
        faults.crash_at(Some(CrashPoint { operation: Operation::SyncFolder, number: 1, after: false }));
        let options = StorageOptions { faults: faults.clone(), ..StorageOptions::new(folder.path()) };
        write_synced(folder.path(), "FENCE", b"new", &EngineFaults::of(&options)).unwrap_err();
        faults.cut_power(folder.path(), |_, what| what != Unsynced::Name).unwrap();
        assert_eq!(fs::read_to_string(path(name)).unwrap(), "old and long");
        assert_eq!(fs::read_to_string(path(next)).unwrap(), "new");
    }

    /// CI saw records lost that were synced: the sync of the folder for the fence began before a journal was created, and ended
    /// after the one of that creation.
    #[test]
    fn a_sync_of_the_folder_that_ends_late_takes_no_name_back() {
        let folder = tempfile::tempdir().unwrap();
        let (name, step) = (FileName::Small("FENCE"), FileStep::SyncFolder);
        let mut disk = Disk::default();
        let create = disk.before(folder.path(), FileStep::Create(name));
        let early = disk.before(folder.path(), step);
        fs::write(folder.path().join("FENCE"), "").unwrap();
        disk.after(folder.path(), FileStep::Create(name), create, true);
        let late = disk.before(folder.path(), step);
        disk.after(folder.path(), step, late, true);
        disk.after(folder.path(), step, early, true);
        disk.cut_power(folder.path(), &mut |_, _| false).unwrap();
        assert!(folder.path().join("FENCE").exists());
    }

    /// A walk saw: an answered end of a transaction that a power cut took. The next write to its sector had begun before the sync
    /// and ended after it.
    #[test]
    fn a_write_around_a_sync_does_not_take_back_what_was_synced() {
        let folder = tempfile::tempdir().unwrap();
        let (name, path) = (FileName::Small("FENCE"), folder.path().join("FENCE"));
        fs::write(&path, "").unwrap();
        let (mut disk, sync) = (Disk::default(), FileStep::Sync(name));
        let write = |offset| FileStep::Write { file: name, offset, length: 3 };
        let first = disk.before(folder.path(), write(0));
        fs::write(&path, "one").unwrap();
        disk.after(folder.path(), write(0), first, true);
        let second = disk.before(folder.path(), write(3));
        let syncing = disk.before(folder.path(), sync);
        disk.after(folder.path(), sync, syncing, true);
        File::options().append(true).open(&path).unwrap().write_at(b"two", 3).unwrap();
        disk.after(folder.path(), write(3), second, true);
        disk.cut_power(folder.path(), &mut |_, _| false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    }
}
