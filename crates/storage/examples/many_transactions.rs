//! Measures what very many producers and aborted transactions cost:
//! `cargo run --release -p ottla-storage --example many_transactions -- STEP FOLDER`. Steps:
//!
//! - `producers`: 1 000 000 producers in 100 partitions, five batches each; then the longest append beside their description, and
//!   beside the expiry of a half of them.
//! - `aborted`: 10 000 000 aborted transactions of one record in one partition, 1 000 open at a time; as many committed ones in another;
//!   then a fetch of 1 MiB in the middle of both.
//! - `long`: 1 000 000 aborted ones beside one that lasts as long as all of them, and the same fetch.
//! - `open`: the time that an opening takes, and the memory after it.
//!
//! Each step ends as by `kill -9`. `OTTLA_COUNT` replaces the number of producers or transactions.
#![allow(clippy::disallowed_methods, reason = "an example that measures")]

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use codec::records::{BatchBuilder, RecordBatch};
use storage::{
    Acks, AppendEntry, AppendRequest, CoordinatorWrite, Isolation, NewTopic, Partition, ReadLimits, Storage,
    StorageOptions, TransactionEnd, TransactionMarker,
};

// The broker's: how much memory is freed depends on the allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const PARTITIONS: u32 = 100;
/// Batches of a request.
const REQUEST: usize = 500;
/// Batches that the storage remembers of a producer.
const BATCHES: i32 = 5;
/// Producers of the aborted transactions.
const ABORTING: i64 = 1_000;
const FETCH_BYTES: usize = 1 << 20;

fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let (step, folder) = (args.next().unwrap_or_default(), args.next().map(PathBuf::from));
    let folder = folder.ok_or("many_transactions STEP FOLDER")?;
    let is_over = Arc::new(AtomicBool::new(false));
    let expires = Arc::clone(&is_over);
    let options = StorageOptions {
        producer_id_expiration: Arc::new(move || {
            if expires.load(Ordering::SeqCst) { Duration::ZERO } else { Duration::MAX }
        }),
        producer_id_expiration_check_interval: Duration::from_millis(100),
        ..StorageOptions::new(folder)
    };
    let before_kib = memory_kib()?;
    let started = Instant::now();
    let storage = Storage::open(options)?;
    say(&format!("opened in {:.2} s", started.elapsed().as_secs_f64()))?;
    match step.as_str() {
        "producers" => producers(&storage, count(1_000_000)?, &is_over)?,
        "aborted" => {
            transactions(&storage, "aborted", count(10_000_000)?, false, false)?;
            transactions(&storage, "committed", count(10_000_000)?, true, false)?;
            fetch(&storage, "aborted")?;
            fetch(&storage, "committed")?;
        }
        "long" => {
            transactions(&storage, "long", count(1_000_000)?, false, true)?;
            fetch(&storage, "long")?;
        }
        "open" => {
            let known: usize = all_partitions(&storage).iter().map(|one| one.producer_count()).sum();
            say(&format!("{known} producers"))?;
        }
        _ => return Err("a step: producers, aborted, long, open".into()),
    }
    thread::sleep(Duration::from_secs(15));
    say(&format!("memory: {} KiB more than before", memory_kib()? - before_kib))?;
    // Nothing is flushed, as by kill -9.
    std::process::exit(0);
}

fn say(line: &str) -> Outcome<()> {
    Ok(writeln!(stdout().lock(), "{line}")?)
}

fn count(default: i64) -> Outcome<i64> {
    std::env::var("OTTLA_COUNT").map_or(Ok(default), |text| Ok(text.parse()?))
}

/// Memory of this process that is not of files.
fn memory_kib() -> Outcome<i64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn create(storage: &Storage, name: &str, partitions: u32) -> Outcome<Vec<Arc<Partition>>> {
    let (sender, answer) = mpsc::channel();
    let topic =
        NewTopic { name: name.to_owned(), id: storage::random_id(), partitions, configs: Default::default() };
    storage.cluster().create_topics(vec![topic], Box::new(move |created| drop(sender.send(created))));
    answer.recv()??.remove(0)?;
    Ok(partitions_of(storage, name))
}

fn partitions_of(storage: &Storage, name: &str) -> Vec<Arc<Partition>> {
    let catalog = storage.cluster().catalog();
    catalog.topic(name).map(|topic| topic.led_here().cloned().collect()).unwrap_or_default()
}

fn all_partitions(storage: &Storage) -> Vec<Arc<Partition>> {
    let catalog = storage.cluster().catalog();
    catalog.topics().flat_map(|topic| topic.led_here().cloned().collect::<Vec<_>>()).collect()
}

fn batch(builder: BatchBuilder) -> Outcome<RecordBatch> {
    Ok(RecordBatch::parse(builder.record(1_700_000_000_000, None, Some(b"value")).build())?)
}

/// Appends, and waits: each batch is accepted.
fn append(storage: &Storage, partition: &Arc<Partition>, batches: Vec<RecordBatch>) -> Outcome<()> {
    let entry = |batch| AppendEntry {
        partition: Arc::clone(partition),
        batch,
        log_append_time: false,
        unknown_producer_begins_at_zero: false,
    };
    let entries = batches.into_iter().map(entry).collect();
    let (sender, answer) = mpsc::channel();
    let request = AppendRequest { entries, acks: Acks::Leader, coordinator: None };
    storage.shard().append(request, Box::new(move |outcome| drop(sender.send(outcome))));
    for appended in answer.recv()?? {
        appended?;
    }
    Ok(())
}

/// See the file's header.
fn producers(storage: &Storage, count: i64, is_over: &AtomicBool) -> Outcome<()> {
    let partitions = create(storage, "producers", PARTITIONS)?;
    let started = Instant::now();
    let each = count / i64::from(PARTITIONS);
    for sequence in 0..BATCHES {
        for (partition, at) in partitions.iter().zip(0..) {
            let ids: Vec<i64> = (at * each..(at + 1) * each).collect();
            for ids in ids.chunks(REQUEST) {
                let batches: Outcome<Vec<_>> =
                    ids.iter().map(|id| batch(BatchBuilder::new().producer(*id, 0, sequence))).collect();
                append(storage, partition, batches?)?;
            }
        }
    }
    let known: usize = partitions.iter().map(|one| one.producer_count()).sum();
    say(&format!("{known} producers in {:.0} s", started.elapsed().as_secs_f64()))?;
    thread::sleep(Duration::from_secs(15));
    say(&format!("memory: {} KiB", memory_kib()?))?;
    let beside = create(storage, "beside", 1)?.remove(0);
    beside_appends(storage, &beside, &partitions, "nothing", || thread::sleep(Duration::from_secs(3)))?;
    beside_appends(storage, &beside, &partitions, "their description", || {
        let described: usize = partitions.iter().map(|one| one.producers().len()).sum();
        assert_eq!(described, known);
    })?;
    beside_appends(storage, &beside, &partitions, "their expiry", || {
        is_over.store(true, Ordering::SeqCst);
        while partitions.iter().map(|one| one.producer_count()).sum::<usize>() > known / 2 {
            thread::sleep(Duration::from_millis(10));
        }
        is_over.store(false, Ordering::SeqCst);
    })
}

/// Runs some work while a thread appends, to a partition of its own and to those of the producers in turn, and says how long an append took
/// at most.
fn beside_appends(
    storage: &Storage,
    beside: &Arc<Partition>,
    partitions: &[Arc<Partition>],
    what: &str,
    work: impl FnOnce(),
) -> Outcome<()> {
    let (done, longest_us, appends) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let plain = batch(BatchBuilder::new())?;
    let took = thread::scope(|scope| {
        scope.spawn(|| {
            let all = partitions.iter().flat_map(|one| [beside, one]).cycle();
            for partition in all.take_while(|_| !done.load(Ordering::SeqCst)) {
                let started = Instant::now();
                if append(storage, partition, vec![plain.clone()]).is_err() {
                    return;
                }
                let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                longest_us.fetch_max(us, Ordering::SeqCst);
                appends.fetch_add(1, Ordering::SeqCst);
            }
        });
        let started = Instant::now();
        work();
        done.store(true, Ordering::SeqCst);
        started.elapsed()
    });
    say(&format!(
        "beside {what} ({:.2} s): {} appends, the longest {:.1} ms",
        took.as_secs_f64(),
        appends.into_inner(),
        longest_us.into_inner() as f64 / 1000.0
    ))
}

/// Transactions of one record in one partition; `around`: one more begins before all of them, and is aborted after them.
fn transactions(storage: &Storage, name: &str, count: i64, commit: bool, around: bool) -> Outcome<()> {
    let partition = create(storage, name, 1)?.remove(0);
    let started = Instant::now();
    let begin = |id: i64, sequence: i32| batch(BatchBuilder::new().producer(id, 0, sequence).transactional());
    if around {
        append(storage, &partition, vec![begin(ABORTING, 0)?])?;
    }
    for sequence in 0..i32::try_from(count / ABORTING)? {
        let batches: Outcome<Vec<_>> = (0..ABORTING).map(|id| begin(id, sequence)).collect();
        append(storage, &partition, batches?)?;
        end(storage, &partition, 0..ABORTING, commit)?;
    }
    if around {
        end(storage, &partition, ABORTING..ABORTING + 1, false)?;
    }
    let took = started.elapsed().as_secs_f64();
    say(&format!("{name}: {} offsets in {took:.0} s", partition.last_stable_offset()))
}

fn end(
    storage: &Storage,
    partition: &Arc<Partition>,
    producers: std::ops::Range<i64>,
    commit: bool,
) -> Outcome<()> {
    let marker = |producer_id| TransactionMarker {
        partition: Arc::clone(partition),
        producer_id,
        producer_epoch: 0,
        coordinator_epoch: 0,
        by_coordinator: true,
        commit,
        raises_epoch: false,
        log_append_time: false,
    };
    let coordinator = CoordinatorWrite { epoch: storage.shard().led_epoch()?, records: Vec::new() };
    let end = TransactionEnd { coordinator, markers: producers.map(marker).collect() };
    let (sender, answer) = mpsc::channel();
    storage.shard().end_transaction(end, Box::new(move |outcome| drop(sender.send(outcome))));
    for marker in answer.recv()?? {
        marker?;
    }
    Ok(())
}

/// The median time of a fetch in the middle of the partition, by each isolation level.
fn fetch(storage: &Storage, name: &str) -> Outcome<()> {
    let partition = partitions_of(storage, name).remove(0);
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        let limits = ReadLimits { max_bytes: FETCH_BYTES, at_least_one: true, isolation };
        let (mut took_us, mut told) = (Vec::new(), 0);
        for at in 0..41 {
            // Each from another offset, so that none is a resumed one.
            let end = partition.last_stable_offset();
            let from = end / 2 + at * (end / 100);
            let started = Instant::now();
            told = storage.shard().read(&partition, from, limits)?.aborted.len();
            took_us.push(started.elapsed().as_micros());
        }
        took_us.sort_unstable();
        let (median, longest) = (took_us[took_us.len() / 2], took_us[took_us.len() - 1]);
        say(&format!("{name}, {isolation:?}: {median} µs, at most {longest} µs, {told} aborted ones told"))?;
    }
    Ok(())
}
