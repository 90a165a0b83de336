//! Measures how long a start takes that replays the journal:
//! `cargo run --release -p ottla-storage --example replay -- write FOLDER [OPERATIONS_MIB BODIES_MIB]`, then
//! `cargo run --release -p ottla-storage --example replay -- open FOLDER`.
//!
//! - `write` appends batches of 64 KiB until the journal has that many MiB of bodies that RocksDB knows only in memory (256; less than a
//!   generation, 1 GiB), and batches of 1 KiB until it has that many of operations (32). It ends as by `kill -9`.
//! - `open` prints what is to be replayed, by the count of `ottla inspect`, and the time of the opening. It ends as by `kill -9` too, so that
//!   it can be repeated. A broker that starts with the folder replays the same.
//!
//! The files are in the page cache.
#![allow(clippy::disallowed_methods, reason = "an example that measures")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use codec::records::{BatchBuilder, RecordBatch};
use storage::inspect::Inspector;
use storage::{Acks, AppendEntry, AppendRequest, NewTopic, Storage, StorageOptions};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PARTITIONS: u32 = 100;
const SMALL: usize = 1 << 10;
const LARGE: usize = 64 << 10;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (step, folder) = (args.next().unwrap_or_default(), args.next().map(PathBuf::from));
    let folder = folder.ok_or("replay STEP FOLDER")?;
    let mut mib = |default: u64| args.next().map_or(Ok(default), |text| text.parse::<u64>());
    let storage = match step.as_str() {
        "write" => write(&folder, mib(32)? << 20, mib(256)? << 20)?,
        "open" => open(&folder)?,
        _ => return Err("a step: write, open".into()),
    };
    // Nothing is flushed, as by kill -9.
    std::mem::forget(storage);
    std::process::exit(0);
}

fn open(folder: &Path) -> Outcome<Storage> {
    let replay = Inspector::open(folder)?.report()?.next_start.replay.ok_or("the folder cannot be read")?;
    let started = Instant::now();
    let storage = Storage::open(StorageOptions::new(folder))?;
    let took = started.elapsed().as_secs_f64();
    writeln!(
        stdout().lock(),
        "{} write groups, {} MiB of operations applied, {} MiB of bodies passed over: opened in {took:.2} s",
        replay.records,
        replay.operations_bytes >> 20,
        replay.body_bytes >> 20,
    )?;
    Ok(storage)
}

/// Fills a folder without a flush of RocksDB.
fn write(folder: &Path, operations: u64, bodies: u64) -> Outcome<Storage> {
    // No flush is due before the end.
    let (replay_operations_bytes, replay_body_bytes) = (operations.max(1) * 2, bodies.max(1) * 2);
    let storage = Storage::open(StorageOptions {
        replay_operations_bytes,
        replay_body_bytes,
        ..StorageOptions::new(folder)
    })?;
    let (sender, answer) = mpsc::channel();
    let id = storage::random_id();
    let topic = NewTopic { name: "topic".into(), id, partitions: PARTITIONS, configs: Default::default() };
    storage.cluster().create_topics(vec![topic], Box::new(move |created| drop(sender.send(created))));
    answer.recv()??.remove(0)?;
    let large = batch(LARGE)?;
    while storage.metrics().replay_body_bytes < bodies {
        append(&storage, &large)?;
    }
    let small = batch(SMALL)?;
    while storage.metrics().replay_operations_bytes < operations {
        append(&storage, &small)?;
    }
    Ok(storage)
}

fn batch(size: usize) -> Outcome<RecordBatch> {
    let value: Vec<u8> = (0..size - 100).map(|n| n.wrapping_mul(31) as u8).collect();
    let builder = BatchBuilder::new().record(1_700_000_000_000, None, Some(&value));
    Ok(RecordBatch::parse(builder.build())?)
}

/// Appends the batch to each partition.
fn append(storage: &Storage, batch: &RecordBatch) -> Outcome<()> {
    let catalog = storage.cluster().catalog();
    let partitions = catalog.topic("topic").ok_or("the topic is missing")?.led_here();
    let entry = |partition: &_| AppendEntry {
        partition: std::sync::Arc::clone(partition),
        batch: batch.clone(),
        log_append_time: false,
        unknown_producer_begins_at_zero: false,
    };
    let entries: Vec<AppendEntry> = partitions.map(entry).collect();
    let (sender, answer) = mpsc::channel();
    let request = AppendRequest { entries, acks: Acks::Leader, coordinator: None };
    storage.shard().append(request, Box::new(move |outcome| drop(sender.send(outcome))));
    for appended in answer.recv()?? {
        appended?;
    }
    Ok(())
}
