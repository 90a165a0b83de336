//! A disk whose power can be cut: an ext4 image, loop-mounted, with a broker's folder on it.
//!
//! The cut is ext4's own `EXT4_IOC_SHUTDOWN` without flushing its journal (what xfstests' `godown`
//! uses): from that instant the file system sends nothing more to the device and answers every
//! write and sync with EIO. So the image holds what was on the disk at that instant: bytes that
//! were written but never synced were only in the page cache and are gone, journal transactions
//! that were not committed have not happened, half-done file creations and renames likewise.
//! Switching on again is unmount and mount, with ext4's real journal recovery.
//!
//! It is faithful to a machine that loses power with a disk that keeps what it was given. What it
//! does not model is a volatile write cache inside the disk; ext4 sends the flush for it with
//! every fdatasync, and we rely on that.
//!
//! One thing is not as in a real cut: a process lives on and hears from ext4. A sync that the cut
//! interrupts is sometimes reported as done (a plain write-and-fdatasync loop saw it in 4 of 40
//! cuts), so the process has to be frozen before the cut, as a machine without power is.
//!
//! It needs root, loop devices, e2fsprogs and python3 (for one ioctl, without unsafe code here).

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, thread};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// `ioctl(fd, EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH)`.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A mounted disk; unmounted and removed when dropped.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    mounted: bool,
}

/// Why these tests cannot run here: only root may mount, and `OTTLA_NO_LOOP` says that there are no
/// loop devices. Root without either is expected to have them: a test that cannot mount then fails.
pub fn unavailable() -> Option<&'static str> {
    let root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    match (root, env::var_os("OTTLA_NO_LOOP")) {
        (false, _) => Some("only root may mount a disk"),
        (true, Some(_)) => Some("OTTLA_NO_LOOP is set"),
        (true, None) => None,
    }
}

impl Disk {
    /// Makes one of this size (sparse) and mounts it.
    ///
    /// # Errors
    /// If a command fails; the error has its output.
    pub fn new(size_bytes: u64) -> Result<Disk> {
        let folder = TempDir::with_prefix("ottla-disk-")?;
        let mut disk = Disk { folder, mounted: false };
        File::create(disk.image())?.set_len(size_bytes)?;
        fs::create_dir(disk.path())?;
        run("mkfs.ext4", &["-q", "-F", &text(&disk.image())?])?;
        disk.mount()?;
        Ok(disk)
    }

    /// Its mount point.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount(&mut self) -> Result<()> {
        run("mount", &["-o", "loop", &text(&self.image())?, &text(&self.path())?])?;
        self.mounted = true;
        Ok(())
    }

    /// Cuts the power: everything that is written from now on, or is not synced yet, is lost.
    ///
    /// # Errors
    /// If the ioctl is refused.
    pub fn cut_power(&self) -> Result<()> {
        run("python3", &["-c", SHUTDOWN, &text(&self.path())?])
    }

    /// Switches it on again. No process may have files open on it.
    ///
    /// # Errors
    /// If it is still in use, or its journal cannot be replayed.
    pub fn power_on(&mut self) -> Result<()> {
        // The kernel may need a moment to let go of a killed process's files.
        let mut result = Ok(());
        for _ in 0..200 {
            result = run("umount", &[&text(&self.path())?]);
            if result.is_ok() {
                break;
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        result?;
        self.mounted = false;
        self.mount()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted
            && let Ok(path) = text(&self.path())
        {
            // Lazily: it must go even if something still holds a file.
            let _ = run("umount", &["--lazy", &path]);
        }
    }
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path that is not UTF-8")?.to_owned())
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("running {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}: {}", arguments.join(" "), output.status, said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_cut_takes_what_was_not_synced_and_nothing_else() {
        if let Some(why) = unavailable() {
            eprintln!("SKIPPED: {why}");
            return;
        }
        let mut disk = Disk::new(64 << 20).unwrap();
        let mut synced = File::create(disk.path().join("synced")).unwrap();
        synced.write_all(&[1; 100_000]).unwrap();
        synced.sync_all().unwrap();
        File::open(disk.path()).unwrap().sync_all().unwrap();
        synced.write_all(&[2; 100_000]).unwrap();
        fs::write(disk.path().join("never synced"), [3; 100_000]).unwrap();
        disk.cut_power().unwrap();
        assert!(synced.sync_data().is_err(), "a sync succeeded without power");
        drop(synced);
        disk.power_on().unwrap();
        assert_eq!(fs::read(disk.path().join("synced")).unwrap(), vec![1; 100_000]);
        assert!(fs::read(disk.path().join("never synced")).unwrap_or_default().is_empty());
    }
}
