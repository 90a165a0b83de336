//! The engine alone: what a start makes of journals that a crash left, flushes in every order, and flushes that fail.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use super::{flush::FLUSH_POLL, *};
use crate::clock;

const FIRST: GenerationNumber = GenerationNumber(1);
const SECOND: GenerationNumber = GenerationNumber(2);

fn open(folder: &Path) -> Engine {
    let engine = Engine::open(folder, &StorageOptions::new(folder)).unwrap();
    assert_eq!(engine.replay(JournalPosition::START, false).unwrap(), None);
    engine
}

/// A new folder in which the first generation takes records.
fn create(folder: &Path) -> Engine {
    let engine = open(folder);
    engine.create_generation(FIRST).unwrap();
    engine.journal.roll(FIRST).unwrap();
    engine
}

fn write(engine: &Engine, key: &str, value: &[u8]) {
    let mut batch = WriteBatch::default();
    batch.put_cf(&engine.state().unwrap(), key, value);
    engine.write(batch, &[]).unwrap();
}

fn has(engine: &Engine, key: &str) -> bool {
    engine.state_value(key.as_bytes()).unwrap().is_some()
}

fn journals(folder: &Path) -> Vec<u32> {
    Journal::generations(folder).unwrap().into_iter().map(|generation| generation.0).collect()
}

/// All that a reader or a start can see of the state and of the first generation.
fn contents(engine: &Engine) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for family in [engine.state().unwrap(), engine.family(BatchFamily::Generation(FIRST)).unwrap()] {
        let mut cursor = engine.cursor(&family, &[0], &[0xff; 32]);
        cursor.seek_to_first();
        while let Some((key, value)) = cursor.item() {
            all.push((key.to_vec(), value.to_vec()));
            cursor.next();
        }
    }
    all
}

#[test]
fn entries_of_the_log_are_all_that_another_engine_needs() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = create(folder.path());
    let body = codec::records::BatchBuilder::new().record(1, None, Some(b"value")).build();
    for number in 0..20_u8 {
        let mut batch = WriteBatch::default();
        batch.put_cf(&engine.state().unwrap(), [1, number], [number]);
        batch.put_cf(&engine.family(BatchFamily::Generation(FIRST)).unwrap(), [2, number], b"batch");
        batch.delete_cf(&engine.state().unwrap(), [1, number / 2]);
        batch.delete_range_cf(&engine.state().unwrap(), [1, 3], [1, 5]);
        engine.write(batch, std::slice::from_ref(&body)).unwrap();
    }
    let upto = engine.sync().unwrap();
    let follower = create(other.path());
    let found = engine.journal.entries_from(None, JournalPosition::START).unwrap().unwrap();
    assert_eq!((found.end, found.lost()), (upto, None));
    for entry in entry_log::entries(&found) {
        follower.apply(entry.unwrap()).unwrap();
    }
    assert_eq!(contents(&follower), contents(&engine));
    let unflushed = |engine: &Engine| {
        let unflushed = engine.unflushed.lock();
        (unflushed.last_record, unflushed.to_replay())
    };
    assert_eq!(unflushed(&follower), unflushed(&engine), "it knows as well when a flush is due");
    assert_eq!(unflushed(&engine).1.bodies, 20 * body.len() as u64);
    // From the last one that was applied on: that one again, which changes nothing.
    let again = engine.journal.entries_from(follower.flushed_entry().unwrap(), upto).unwrap().unwrap();
    assert_eq!(again.records.len(), 1);
    for entry in entry_log::entries(&again) {
        follower.apply(entry.unwrap()).unwrap();
    }
    assert_eq!(contents(&follower), contents(&engine));
}

/// RocksDB has nothing left to flush, whether or not the engine knows.
fn await_flush(engine: &Engine) {
    while engine.is_flushing().unwrap() {
        clock::pause(FLUSH_POLL);
    }
}

/// The folder as a `kill -9` would leave it.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "LOCK" {
            // RocksDB deletes files while it works.
            fs::copy(entry.path(), copy.path().join(entry.file_name())).ok();
        }
    }
    copy
}

/// The power failed between a roll and a sync: the old journal lost its end, the new one did not. Later the old one grows to exactly
/// the length, in records, that it had.
#[test]
fn records_of_a_later_journal_that_did_not_follow_never_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = create(folder.path());
    write(&engine, "kept", b"");
    let end = engine.journal.next_record().unwrap();
    write(&engine, "lost", b"");
    engine.create_generation(SECOND).unwrap();
    engine.journal.roll(SECOND).unwrap();
    write(&engine, "stale", b"");
    drop(engine);
    let path = folder.path().join("journal-00000001");
    fs::File::options().write(true).open(path).unwrap().set_len(end.offset).unwrap();

    let engine = open(folder.path());
    assert!(has(&engine, "kept") && !has(&engine, "lost") && !has(&engine, "stale"));
    assert_eq!((engine.journal.next_record().unwrap(), journals(folder.path())), (end, vec![1]));
    write(&engine, "new", b"");
    drop(engine);
    let engine = open(folder.path());
    assert!(has(&engine, "kept") && has(&engine, "new") && !has(&engine, "stale"));
}

/// A journal of a later number that never took a record, as a start finds it after a crash between its creation and the roll.
#[test]
fn an_empty_later_journal_is_deleted_and_its_number_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let engine = create(folder.path());
    write(&engine, "kept", b"");
    engine.create_generation(SECOND).unwrap();
    drop(engine);
    let engine = open(folder.path());
    assert_eq!(journals(folder.path()), [1]);
    engine.journal.create(SECOND).unwrap();
    engine.journal.roll(SECOND).unwrap();
    write(&engine, "second", b"");
    drop(engine);
    let engine = open(folder.path());
    assert!(has(&engine, "kept") && has(&engine, "second"));
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Write,
    Roll,
    Drop,
    Begin,
    Finish,
}

/// All merges of two sequences.
fn merges(first: &[Step], second: &[Step]) -> Vec<Vec<Step>> {
    let (Some((one, ones)), Some((other, others))) = (first.split_first(), second.split_first()) else {
        return vec![[first, second].concat()];
    };
    let after =
        |step: Step, rest: Vec<Vec<Step>>| rest.into_iter().map(move |each| [vec![step], each].concat());
    after(*one, merges(ones, second)).chain(after(*other, merges(first, others))).collect()
}

/// Records are written, a generation is replaced and dropped, and a flush begins and ends somewhere in between: at any time what a
/// killed process leaves has every record, and a journal that no replay reads is deleted in the end.
#[test]
fn a_flush_may_begin_and_end_anywhere_between_writes_rolls_and_drops() {
    use Step::{Begin, Drop, Finish, Roll, Write};
    let mut orders = Vec::new();
    for work in [[Write, Roll, Write, Drop], [Write, Roll, Drop, Write]] {
        orders.extend(merges(&work, &[Begin, Finish]));
    }
    for order in orders {
        let folder = tempfile::tempdir().unwrap();
        let engine = create(folder.path());
        let mut written = Vec::new();
        for step in &order {
            match step {
                Write => {
                    let key = format!("record-{}", written.len());
                    write(&engine, &key, b"value");
                    written.push(key);
                }
                Roll => {
                    engine.create_generation(SECOND).unwrap();
                    engine.journal.roll(SECOND).unwrap();
                }
                Drop => engine.drop_generation(FIRST).unwrap(),
                Begin => engine.begin_flush().unwrap(),
                Finish => engine.finish_flush().unwrap(),
            }
            await_flush(&engine);
            let left = killed(folder.path());
            let next = open(left.path());
            let missing: Vec<_> = written.iter().filter(|key| !has(&next, key)).collect();
            assert!(missing.is_empty(), "{missing:?} after {step:?} of {order:?}");
        }
        engine.begin_flush().unwrap();
        engine.finish_flush().unwrap();
        let second_has_a_record =
            order.iter().position(|step| *step == Roll) < order.iter().rposition(|step| *step == Write);
        assert!(second_has_a_record);
        assert_eq!(journals(folder.path()), [2], "{order:?}");
    }
}

/// The numbers of the files that RocksDB creates next are taken by folders, so that it cannot create them.
fn block_tables(folder: &Path) -> Vec<PathBuf> {
    let numbers = fs::read_dir(folder).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.split(['-', '.']).find_map(|part| part.parse::<u64>().ok())
    });
    let last = numbers.max().unwrap();
    let paths: Vec<_> = (last + 1..last + 60).map(|number| folder.join(format!("{number:06}.sst"))).collect();
    paths.iter().for_each(|path| fs::create_dir(path).unwrap());
    paths
}

#[test]
fn a_flush_that_fails_is_reported_and_the_next_start_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let engine = create(folder.path());
    write(&engine, "kept", b"value");
    let blocks = block_tables(folder.path());
    engine.begin_flush().unwrap();
    let failed = engine.finish_flush().unwrap_err();
    assert!(failed.to_string().contains("flush or compaction failed"), "{failed}");
    assert!(engine.finish_flush().is_err(), "it stays failed");
    assert!(engine.begin_flush().is_err());
    drop(engine);
    blocks.iter().for_each(|path| fs::remove_dir(path).unwrap());
    assert!(has(&open(folder.path()), "kept"));
}

/// A file system of its own, full or not.
struct SmallDisk {
    folder: tempfile::TempDir,
    _image: Option<tempfile::NamedTempFile>,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success())
}

impl SmallDisk {
    /// In memory; `None` where the user may not mount one.
    fn in_memory() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=24M", "tmpfs", folder.path().to_str()?]);
        mounted.then_some(Self { folder, _image: None })
    }

    /// In a sparse file, of more bytes than RocksDB wants free before it resumes.
    fn in_a_file() -> Option<Self> {
        let (folder, image) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        image.as_file().set_len(16 << 30).unwrap();
        let path = image.path().to_str()?;
        let made = run("mkfs.ext4", &["-q", "-m", "0", "-F", path])
            && run("mount", &["-o", "loop", path, folder.path().to_str()?]);
        made.then_some(Self { folder, _image: Some(image) })
    }

    /// Leaves no byte free.
    fn fill(&self) -> PathBuf {
        let ballast = self.folder.path().join("ballast");
        let file = fs::File::create(&ballast).unwrap();
        // Large pieces first; a failure leaves what it took.
        for length in [1_u64 << 30, 64 << 20, 1 << 20, 64 << 10, 4 << 10] {
            let end = || file.metadata().unwrap().len();
            let flags = rustix::fs::FallocateFlags::empty();
            while rustix::fs::fallocate(&file, flags, end(), length).is_ok() {}
        }
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.folder.path()).status().ok();
    }
}

/// RocksDB goes on by itself once a full disk has space again, and then has nothing left to flush.
#[test]
fn a_flush_that_found_the_disk_full_stays_failed_when_there_is_space_again() {
    let Some(disk) = SmallDisk::in_a_file() else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let folder = disk.folder.path();
    let engine = create(folder);
    let value: Vec<u8> = (0..3_u32 << 20).map(|number| number.wrapping_mul(2_654_435_761) as u8).collect();
    write(&engine, "kept", &value);
    engine.sync().unwrap();
    let ballast = disk.fill();
    engine.begin_flush().unwrap();
    let started = Instant::now();
    while engine.check_background().is_ok() {
        assert!(started.elapsed() < Duration::from_secs(20), "the flush does not fail");
        clock::pause(FLUSH_POLL);
    }
    fs::remove_file(&ballast).unwrap();
    // It resumes after five seconds.
    while engine.is_flushing().unwrap() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "RocksDB does not resume: the test shows nothing"
        );
        clock::pause(FLUSH_POLL);
    }
    engine.finish_flush().unwrap_err();
    engine.begin_flush().unwrap_err();
    drop(engine);
    assert!(has(&open(folder), "kept"));
}

#[test]
fn a_full_disk_fails_the_write_and_the_next_start_has_what_was_written_before() {
    let Some(disk) = SmallDisk::in_memory() else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let folder = disk.folder.path();
    let engine = create(folder);
    write(&engine, "kept", b"value");
    let ballast = disk.fill();
    let mut batch = WriteBatch::default();
    batch.put_cf(&engine.state().unwrap(), "too much", vec![7; 1 << 20]);
    // Part of it is in the journal.
    engine.write(batch, &[]).unwrap_err();
    drop(engine);
    fs::remove_file(&ballast).unwrap();
    let engine = open(folder);
    assert!(has(&engine, "kept") && !has(&engine, "too much"));
    write(&engine, "more", b"");
    engine.sync().unwrap();
}
