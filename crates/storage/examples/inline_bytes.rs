//! Measures where batches of a size are better kept, in RocksDB or in the journal (`StorageOptions::inline_bytes`):
//! `cargo run --release -p ottla-storage --example inline_bytes [FOLDER]`.
//!
//! Writes batches of one size over 6 and over 2 000 partitions, once with a bound above that size and once below it, and reads all of
//! them again, partition by partition in steps of 1 MiB: from the page cache, and after the files were dropped from it. Prints MB/s of
//! wall time and seconds of the process's CPU per GB.
#![allow(clippy::disallowed_methods, reason = "an example that measures")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use codec::records::{BatchBuilder, RecordBatch};
use storage::{
    Acks, AppendEntry, AppendRequest, Isolation, NewTopic, Partition, ReadLimits, Storage, StorageOptions,
};

/// Bytes of batches on either side of the bounds that come into question: 1, 4, 16 KiB.
const SIZES: [usize; 5] = [600, 2 << 10, 6 << 10, 12 << 10, 24 << 10];
const PARTITIONS: [u32; 2] = [6, 2000];
/// Bytes written in each run.
const VOLUME: usize = 256 << 20;
/// Batches of a request, as a producer sends to several partitions at once.
const REQUEST: usize = 6;
/// Requests at a time, as clients have several in flight.
const IN_FLIGHT: usize = 8;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let mut out = stdout().lock();
    writeln!(
        out,
        "batch   partitions   kept in   write MB/s, s/GB   warm read MB/s, s/GB   cold read MB/s, s/GB"
    )?;
    for partitions in PARTITIONS {
        for size in SIZES {
            for (kept_in, inline_bytes) in [("RocksDB", usize::MAX), ("journal", 1)] {
                let data = folder.join("inline-bytes");
                let figures = run(&data, partitions, size, inline_bytes)?;
                std::fs::remove_dir_all(&data)?;
                let shown = figures.map(|(rate, cpu)| format!("{rate:7.0} {cpu:5.2}")).join("    ");
                writeln!(out, "{size:6}   {partitions:5}   {kept_in}   {shown}")?;
            }
        }
    }
    Ok(())
}

/// Write, warm read, cold read.
fn run(folder: &Path, partitions: u32, size: usize, inline_bytes: usize) -> Outcome<[(f64, f64); 3]> {
    let options = || StorageOptions { inline_bytes, tail_bytes: 0, ..StorageOptions::new(folder) };
    let storage = Storage::open(options())?;
    create(&storage, partitions)?;
    let mut builder = BatchBuilder::new();
    builder.push(1_700_000_000_000, None, Some(&vec![b'x'; size - 80]), &[]);
    let batch = RecordBatch::parse(builder.build())?;
    let written = measured(|| write(&storage, &batch))?;
    // Flushed to files, as old data is.
    storage.close()?;
    drop(storage);
    let storage = Storage::open(options())?;
    measured(|| read(&storage))?;
    let warm = measured(|| read(&storage))?;
    for entry in std::fs::read_dir(folder)? {
        let file = std::fs::File::open(entry?.path())?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    let cold = measured(|| read(&storage))?;
    storage.close()?;
    Ok([written, warm, cold])
}

/// MB/s, and seconds of CPU per GB, of work that returns its bytes.
fn measured(work: impl FnOnce() -> Outcome<usize>) -> Outcome<(f64, f64)> {
    let (started, cpu) = (Instant::now(), cpu_seconds()?);
    let bytes = work()? as f64;
    Ok((bytes / 1e6 / started.elapsed().as_secs_f64(), (cpu_seconds()? - cpu) / (bytes / 1e9)))
}

/// Processor time of this process, to a hundredth of a second.
fn cpu_seconds() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit(") ").next().ok_or("an unknown form of /proc/self/stat")?.split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(ticks as f64 / 100.0)
}

fn create(storage: &Storage, partitions: u32) -> Outcome<()> {
    let (sender, answer) = mpsc::channel();
    let (name, configs) = ("measured".to_owned(), Default::default());
    let topic = NewTopic { name, id: storage::random_id(), partitions, configs };
    storage.cluster().create_topics(vec![topic], Box::new(move |created| drop(sender.send(created))));
    answer.recv()??.remove(0)?;
    Ok(())
}

fn partitions(storage: &Storage) -> Vec<Arc<Partition>> {
    storage
        .cluster()
        .catalog()
        .topics()
        .flat_map(|topic| topic.led_here().cloned().collect::<Vec<_>>())
        .collect()
}

fn write(storage: &Storage, batch: &RecordBatch) -> Outcome<usize> {
    let partitions = partitions(storage);
    let mut next = partitions.iter().cycle();
    let (sender, answers) = mpsc::channel();
    let (mut written, size, mut in_flight) = (0, batch.bytes().len(), 0);
    while written < VOLUME {
        let entry = |partition: &Arc<Partition>| AppendEntry {
            partition: Arc::clone(partition),
            batch: batch.clone(),
            log_append_time: false,
            unknown_producer_begins_at_zero: false,
        };
        let entries: Vec<_> = next.by_ref().take(REQUEST).map(entry).collect();
        written += entries.len() * size;
        let sender = sender.clone();
        let done = move |outcome: Result<Vec<_>, _>| drop(sender.send(outcome.map(|_| ())));
        storage
            .shard()
            .append(AppendRequest { entries, acks: Acks::Leader, coordinator: None }, Box::new(done));
        in_flight += 1;
        if in_flight == IN_FLIGHT {
            answers.recv()??;
            in_flight -= 1;
        }
    }
    for _ in 0..in_flight {
        answers.recv()??;
    }
    Ok(written)
}

fn read(storage: &Storage) -> Outcome<usize> {
    let limits = ReadLimits { max_bytes: 1 << 20, at_least_one: true, isolation: Isolation::ReadUncommitted };
    let mut bytes = 0;
    for partition in partitions(storage) {
        let mut offset = 0;
        while offset < partition.high_watermark() {
            for piece in storage.shard().read(&partition, offset, limits)?.batches {
                bytes += piece.len();
                for batch in codec::records::batches(&piece) {
                    offset = batch?.0.next_offset();
                }
            }
        }
    }
    Ok(bytes)
}
