//! Free space of the file system that holds the data folder.

use std::path::Path;

/// Space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Its size.
    pub total: u64,
    /// Free space for a process without privileges.
    pub free: u64,
}

impl DiskSpace {
    /// The file system that holds `path`.
    ///
    /// # Errors
    /// The operating system's, if it cannot tell.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let found = rustix::fs::statvfs(path)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }

    /// Less than a tenth is free, and less than 10 GiB: the space of dead records is freed sooner.
    pub(crate) fn is_short(self) -> bool {
        self.free < (self.total / 10).min(10 << 30)
    }

    /// There is room to write that many bytes again before the old ones are deleted: once to the write-ahead log, once to a
    /// table.
    pub(crate) fn has_room_to_copy(self, bytes: u64) -> bool {
        bytes.saturating_mul(2) < self.free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_short_below_a_tenth_or_ten_gibibytes() {
        let short = |total_gib: u64, free_gib: u64| {
            DiskSpace { total: total_gib << 30, free: free_gib << 30 }.is_short()
        };
        assert!(short(20, 1) && !short(20, 2));
        assert!(short(1000, 9) && !short(1000, 10));
    }

    #[test]
    fn the_file_system_tells() {
        let folder = tempfile::tempdir().unwrap();
        let space = DiskSpace::of(folder.path()).unwrap();
        assert!(0 < space.free && space.free <= space.total);
        assert!(DiskSpace::of(&folder.path().join("absent")).is_err());
    }
}
