//! Free space of the file system that holds the data folder.

use std::path::Path;

/// The smallest reserve: what RocksDB holds in memory (up to 128 MiB), when it is flushed, and as much of the journal, which goes only
/// after that.
const MIN_RESERVE_BYTES: u64 = 256 << 20;
/// The largest reserve: room to copy what lives in one generation, to the journal and to a table, so that its dead bytes go.
const MAX_RESERVE_BYTES: u64 = 2 << 30;

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
        // Blocks are counted in `f_frsize`; `f_bsize` is the size that the system prefers for transfers.
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }

    /// Less than a tenth is free, and less than 10 GiB, or records of clients are refused: the space of dead records is freed
    /// sooner.
    pub(crate) fn is_short(self) -> bool {
        self.free < (self.total / 10).min(10 << 30) || self.is_nearly_full()
    }

    /// Nothing is free but the reserve: what can wait is not written.
    pub(crate) fn is_full(self) -> bool {
        self.free <= self.reserve()
    }

    /// Clients may be waiting for space: they are admitted again a quarter of the reserve above it.
    pub(crate) fn is_nearly_full(self) -> bool {
        self.free <= self.reserve() + self.reserve() / 4
    }

    /// Free bytes that records of clients may not take. They are for what frees space and for what must go on without it:
    /// flushes, deletion, copies of what lives among deleted records, groups and their offsets. An error of any of these
    /// writes would end the process. A hundredth of the disk, within bounds, and on a small disk no more than a third.
    pub fn reserve(self) -> u64 {
        (self.total / 100).clamp(MIN_RESERVE_BYTES, MAX_RESERVE_BYTES).min(self.total / 3)
    }

    /// There is room to write that many bytes again before the old ones are deleted: once to the journal, once to a
    /// table. A quarter of the free space stays, as others write meanwhile.
    pub(crate) fn has_room_to_copy(self, bytes: u64) -> bool {
        bytes.saturating_mul(2) < self.free - self.free / 4
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
    fn reserve_suits_the_size_of_the_disk() {
        let reserve = |total_mib: u64| DiskSpace { total: total_mib << 20, free: 0 }.reserve() >> 20;
        assert_eq!([300, 600, 1024, 100 << 10, 1 << 20].map(reserve), [100, 200, 256, 1024, 2048]);
    }

    #[test]
    fn copies_leave_a_quarter_of_the_free_space() {
        let disk = DiskSpace { total: 1000, free: 100 };
        assert!(disk.has_room_to_copy(37) && !disk.has_room_to_copy(38));
    }

    #[test]
    fn the_file_system_tells() {
        let folder = tempfile::tempdir().unwrap();
        let space = DiskSpace::of(folder.path()).unwrap();
        assert!(0 < space.free && space.free <= space.total);
        assert!(DiskSpace::of(&folder.path().join("absent")).is_err());
    }
}
