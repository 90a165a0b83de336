//! Measures the bytes that are written for each byte that is settled:
//! `cargo run --release -p ottla-storage --example settle_bytes [FOLDER]`.
//!
//! Writes batches of one size to three topics over several generations. One topic, half of each generation, is
//! deleted: the rest is settled. Then another is deleted, half of what was settled: the rest is settled again.
//! Prints, for each living byte, the bytes that the storage counts for settling and those that the process hands to
//! the operating system, everything included.
#![allow(clippy::disallowed_methods, reason = "an example that measures")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use codec::records::{BatchBuilder, RecordBatch};
use storage::{Acks, AppendEntry, AppendRequest, NewTopic, Purpose, Storage, StorageOptions};

const SIZES: [usize; 2] = [64 << 10, 10 << 10];
/// Bytes written to all topics.
const VOLUME: usize = 512 << 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let mut out = stdout().lock();
    writeln!(out, "batch    living MB   counted   written   s    living MB   counted   written   s")?;
    for size in SIZES {
        let data = folder.join("settle-bytes");
        let figures = run(&data, size)?;
        std::fs::remove_dir_all(&data)?;
        writeln!(out, "{size:6}   {}", figures.join("    "))?;
    }
    Ok(())
}

/// Settled, and settled again.
fn run(folder: &Path, size: usize) -> Outcome<[String; 2]> {
    let options = || StorageOptions {
        generation_bytes: 128 << 20,
        settle_bytes: 1 << 20,
        tail_bytes: 0,
        ..StorageOptions::new(folder)
    };
    let storage = Storage::open(options())?;
    let ids = ["dead", "dies later", "stays"].map(|name| (name, uuid::Uuid::new_v4()));
    for (name, id) in ids {
        let new = NewTopic { name: name.into(), id, partitions: 8, configs: Default::default() };
        wait(|done| storage.cluster().create_topics(vec![new], done))?
            .into_iter()
            .try_for_each(|topic| topic.map(drop))?;
    }
    let mut builder = BatchBuilder::new();
    builder.push(1_700_000_000_000, None, Some(&vec![b'x'; size - 80]), &[]);
    let batch = RecordBatch::parse(builder.build())?;
    // Of four batches two die at once and one later.
    let order = ["dead", "dies later", "dead", "stays"];
    let catalog = storage.cluster().catalog();
    for number in 0..VOLUME / size {
        let topic = catalog.topic(order[number % 4]).ok_or("a topic is missing")?;
        let partition = topic.led_here().nth(number / 4 % 8).ok_or("a partition is missing")?.clone();
        let entry = AppendEntry {
            partition,
            batch: batch.clone(),
            log_append_time: false,
            unknown_producer_begins_at_zero: false,
        };
        wait(|done| {
            storage
                .shard()
                .append(AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None }, done)
        })?;
    }
    drop(catalog);
    let mut figures = [String::new(), String::new()];
    let mut storage = reopened(storage, options())?;
    for (phase, dies) in ["dead", "dies later"].iter().enumerate() {
        let living = (VOLUME / size / 2 * size) >> phase;
        let (started, counted, written) = (Instant::now(), settled(&storage), written()?);
        let id = storage.cluster().catalog().topic(dies).ok_or("a topic is missing")?.id;
        wait(|done| storage.cluster().delete_topics(vec![id], done))?
            .into_iter()
            .try_for_each(|deleted| deleted)?;
        // In the first phase until nothing lives in a generation, in the second until the dead bytes are gone.
        loop {
            storage.tend_logs()?;
            let metrics = storage.metrics();
            let held = metrics.settled_bytes.ok_or("unknown")? as usize;
            if metrics.generations == 1 && held > living / 2 && held < living + living / 2 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            if started.elapsed() > Duration::from_secs(120) {
                return Err(format!("{held} bytes are held, {living} live").into());
            }
        }
        let counted = settled(&storage) - counted;
        storage = reopened(storage, options())?;
        let each = |bytes: u64| bytes as f64 / living as f64;
        let (megabytes, seconds) = (living >> 20, started.elapsed().as_secs_f64());
        let (counted, written) = (each(counted), each(self::written()? - written));
        figures[phase] = format!("{megabytes:6}   {counted:8.2}   {written:8.2}   {seconds:5.1}");
    }
    storage.close()?;
    Ok(figures)
}

/// After a stop, which flushes all memtables.
fn reopened(storage: Storage, options: StorageOptions) -> Outcome<Storage> {
    storage.close()?;
    drop(storage);
    Ok(Storage::open(options)?)
}

fn settled(storage: &Storage) -> u64 {
    storage
        .metrics()
        .bytes
        .iter()
        .filter(|(purpose, _)| *purpose == Purpose::Settle)
        .map(|(_, bytes)| bytes)
        .sum()
}

/// Bytes that the process has handed to the operating system.
fn written() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: ")).ok_or("no wchar")?;
    Ok(line.parse()?)
}

fn wait<T: Send + 'static>(call: impl FnOnce(storage::Done<T>)) -> Outcome<T> {
    let (sender, answer) = mpsc::sync_channel(1);
    call(Box::new(move |outcome| drop(sender.send(outcome))));
    Ok(answer.recv()??)
}
