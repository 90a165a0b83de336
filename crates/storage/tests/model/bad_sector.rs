//! A bad sector of the disk under a journal costs the batches that lie there: the storage serves all others, and goes on.

use std::{sync::Arc, time::Duration};

use storage::{
    Acks, AppendEntry, AppendRequest, DamagedBatch, DeleteBelow, Faults, Isolation, Partition, Purpose,
    ReadError, Storage, StorageError, StorageOptions,
};

use crate::common::{Partitions, UNLIMITED, append, batch, create, delete, values, wait};

const BATCHES: u8 = 10;
/// The batch that lies in the bad sector, by its offset and value.
const LOST: u8 = 3;
const JOURNAL: &str = "journal-00000001";

/// A log of batches that lie side by side in the journal, one in a bad sector. Each has one record, of its offset as value and of the
/// time after that.
struct Setting {
    folder: tempfile::TempDir,
    faults: Faults,
    storage: Storage,
    partition: Arc<Partition>,
    /// Position in the journal.
    bad: u64,
}

impl Setting {
    fn new() -> Self {
        let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
        let storage = Storage::open(options(&folder, &faults)).unwrap();
        let partition = Arc::clone(&create(&storage, "t", 1).partitions()[0]);
        let entry = |value: u8| AppendEntry {
            partition: Arc::clone(&partition),
            batch: batch(&[(1 + i64::from(value), &[value; 8_000])]),
            log_append_time: false,
            unknown_producer_begins_at_zero: false,
        };
        let request =
            AppendRequest { entries: (0..BATCHES).map(entry).collect(), acks: Acks::All, coordinator: None };
        for appended in wait(|done| storage.shard().append(request, done)).unwrap() {
            appended.unwrap();
        }
        let journal = std::fs::read(folder.path().join(JOURNAL)).unwrap();
        let bad = journal.windows(1_000).position(|bytes| bytes == [LOST; 1_000]).unwrap() as u64 + 100;
        faults.bad_sector(JOURNAL, bad, true);
        Self { folder, faults, storage, partition, bad }
    }

    fn damage_at(&self, offset: u8) -> Arc<DamagedBatch> {
        match self.storage.shard().read(&self.partition, offset.into(), UNLIMITED) {
            Err(ReadError::Storage(StorageError::DamagedBatch(found))) => found,
            Ok(found) => panic!("{} bytes are read", found.bytes),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn has_journal(&self) -> bool {
        self.folder.path().join(JOURNAL).exists()
    }

    /// Tends that often, or until there is no journal.
    fn tend(&self, times: usize) {
        for _ in 0..times {
            self.storage.tend_logs().unwrap();
            std::thread::sleep(Duration::from_millis(2));
            if !self.has_journal() {
                break;
            }
        }
    }

    /// The first byte of each value that one read finds.
    fn values(&self, from: u8) -> Vec<u8> {
        values(&self.storage, &self.partition, from.into()).into_iter().map(|(_, value)| value[0]).collect()
    }
}

fn options(folder: &tempfile::TempDir, faults: &Faults) -> StorageOptions {
    StorageOptions {
        faults: faults.clone(),
        tail_bytes: 0,
        settle_bytes: 1,
        ..StorageOptions::new(folder.path())
    }
}

#[test]
fn its_batch_is_named_once_and_all_others_are_served() {
    let setting = Setting::new();
    let Setting { storage, partition, .. } = &setting;
    for _ in 0..3 {
        assert_eq!(setting.values(0), [0, 1, 2], "up to it");
        let damage = setting.damage_at(LOST);
        assert_eq!((damage.base_offset, damage.file.as_str()), (i64::from(LOST), JOURNAL), "{damage}");
        assert!(damage.position.is_some_and(|position| (1..8_000).contains(&(setting.bad - position))));
        assert!(damage.detail.contains("Input/output error"), "{damage}");
        assert_eq!(setting.values(LOST + 1), (LOST + 1..BATCHES).collect::<Vec<_>>(), "after it");
    }
    assert_eq!(storage.metrics().damaged_batches, 1, "and one line in the log");
    let at =
        |timestamp| storage.shard().offset_for_timestamp(partition, timestamp, Isolation::ReadUncommitted);
    assert_eq!(at(3).unwrap().unwrap().offset, 2);
    assert_eq!(at(9).unwrap().unwrap().offset, 8);
    let appended = append(storage, partition, batch(&[(1, b"new")]), Acks::All).unwrap();
    assert_eq!(appended.base_offset, i64::from(BATCHES), "the storage goes on");
    storage.close().unwrap();
}

/// The read of all of them failed, so each is read by itself: what is found then is checked as well.
#[test]
fn a_damaged_batch_before_it_is_not_sent() {
    let setting = Setting::new();
    let journal = setting.folder.path().join(JOURNAL);
    let mut bytes = std::fs::read(&journal).unwrap();
    let first = bytes.windows(1_000).position(|bytes| bytes == [0; 1_000]).unwrap();
    bytes[first + 500] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    assert_eq!(setting.damage_at(0).base_offset, 0);
    assert_eq!(setting.storage.metrics().damaged_batches, 1);
    assert_eq!(setting.values(1), [1, 2], "up to the bad sector");
    assert_eq!(setting.damage_at(LOST).base_offset, i64::from(LOST));
    assert_eq!(setting.storage.metrics().damaged_batches, 2);
    setting.storage.close().unwrap();
}

#[test]
fn a_start_does_not_need_it() {
    let Setting { folder, faults, storage, partition, .. } = Setting::new();
    storage.close().unwrap();
    drop((storage, partition));
    let storage = Storage::open(options(&folder, &faults)).unwrap();
    let partition = Arc::clone(&storage.cluster().catalog().topic("t").unwrap().partitions()[0]);
    assert_eq!(values(&storage, &partition, 4).len(), usize::from(BATCHES - LOST - 1));
    storage.shard().read(&partition, 3, UNLIMITED).unwrap_err();
    storage.close().unwrap();
}

/// A copy without its bytes would lose what a later read may find.
#[test]
fn its_generation_stays_until_it_can_be_read_again() {
    let setting = waiting();
    setting.faults.bad_sector(JOURNAL, setting.bad, false);
    setting.tend(2_000);
    assert!(!setting.has_journal());
    assert_eq!(setting.values(0), (0..BATCHES).collect::<Vec<_>>());
    setting.storage.close().unwrap();
}

#[test]
fn its_generation_stays_until_it_is_deleted() {
    let setting = waiting();
    let below = [(Arc::clone(&setting.partition), DeleteBelow::Offset(i64::from(LOST) + 1))];
    setting.storage.shard().delete_records(&below).unwrap().remove(0).unwrap();
    setting.tend(2_000);
    assert!(!setting.has_journal());
    assert_eq!(setting.values(LOST + 1), (LOST + 1..BATCHES).collect::<Vec<_>>());
    setting.storage.close().unwrap();
}

/// Its generation is mostly dead, and a settling of it met the bad sector.
fn waiting() -> Setting {
    let setting = Setting::new();
    let storage = &setting.storage;
    let dead = create(storage, "dead", 1);
    for _ in 0..60 {
        append(storage, &dead.partitions()[0], batch(&[(1, &[9; 20_000])]), Acks::Leader).unwrap();
    }
    delete(storage, &dead);
    let written = || {
        let bytes = storage.metrics().bytes;
        bytes.iter().find(|(purpose, _)| *purpose == Purpose::Settle).map_or(0, |(_, bytes)| *bytes)
    };
    setting.tend(50);
    assert!(setting.has_journal());
    let copied = written();
    assert!((1..20 * 8_000).contains(&copied), "{copied} bytes");
    setting.tend(5);
    assert_eq!(written(), copied, "it is not copied up to there with each sweep");
    assert_eq!((setting.values(0), storage.metrics().damaged_batches), (vec![0, 1, 2], 1));
    setting
}
