//! Power cuts under a load of transactions: what was acknowledged is there as a whole, nothing is torn, offsets are with their
//! markers, and no transaction stays open. With syncs skipped on purpose the checker finds losses.
//!
//! The disk and the cut are those of `power.rs`. Without root the tests say that they are skipped. `OTTLA_TRANSACTION_POWER_CUTS`
//! makes it a longer campaign.

use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{Options, TestBroker, named_binary};
use ottla_tests::client::Client;
use ottla_tests::disk::{Disk, unavailable};
use ottla_tests::process::freeze;
use ottla_tests::transactions::Outcome;
use ottla_tests::transactions::load::{Again, Load, Writing};
use ottla_tests::transactions::requests::Protocol;

const TOPIC: &str = "power";
const PARTITIONS: i32 = 4;
const DISK_BYTES: u64 = 1 << 30;

fn skipped(test: &str) -> bool {
    let why = unavailable();
    if let Some(why) = why {
        eprintln!("SKIPPED {test}: {why}");
    }
    why.is_some()
}

fn load(broker: &TestBroker) -> Result<Load> {
    let mut load = Load::new(broker.address(), TOPIC, PARTITIONS);
    for again in [Again::Never, Again::Mostly] {
        load.write_as(Writing { again, ..Writing::new(Protocol::V1) })?;
        load.write_as(Writing { again, ..Writing::new(Protocol::V2) })?;
    }
    for partition in 0..PARTITIONS {
        load.read(partition, true)?;
    }
    load.audit()?;
    Ok(load)
}

/// The machine is off at once: the broker is frozen first, so that it answers nothing after the cut.
fn cut(broker: &mut TestBroker, disk: &mut Disk) -> Result<()> {
    freeze(broker.pid()?, false)?;
    disk.cut_power()?;
    broker.kill_9()?;
    disk.power_on()
}

#[test]
fn power_cuts_tear_no_transaction_and_take_none() -> Result<()> {
    if skipped("power_cuts_tear_no_transaction_and_take_none") {
        return Ok(());
    }
    let cuts: u64 = env::var("OTTLA_TRANSACTION_POWER_CUTS").map_or(Ok(6), |cuts| cuts.parse())?;
    let mut disk = Disk::new(DISK_BYTES)?;
    let mut broker = Options::default().data(&disk.path().join("data")).start()?;
    create_topic(&mut Client::connect(broker.address())?, TOPIC, PARTITIONS)?;
    let load = load(&broker)?;
    let since = Instant::now();
    for number in 0..cuts {
        load.moves(5).with_context(|| format!("before cut {number}"))?;
        std::thread::sleep(Duration::from_millis(number * 53 % 400));
        cut(&mut broker, &mut disk)?;
        broker.start().with_context(|| format!("after cut {number}"))?;
    }
    load.moves(5).context("after the last cut")?;
    let refusals = load.refusals();
    let history = load.finish()?;
    let count =
        |is_of: fn(Outcome) -> bool| history.transactions.iter().filter(|one| is_of(one.outcome)).count();
    eprintln!(
        "{cuts} power cuts in {:.1?}: {} transactions committed, {} aborted, {} of unknown outcome, {} producers refused",
        since.elapsed(),
        count(|outcome| matches!(outcome, Outcome::Committed { .. })),
        count(|outcome| outcome == Outcome::Aborted),
        count(|outcome| outcome == Outcome::Unknown),
        refusals.lock().len(),
    );
    let found = history.violations();
    ensure!(found.is_empty(), "{}\n{}", found.report(), broker.inspected());
    broker.kill_9()
}

#[test]
fn without_syncs_the_checker_finds_transactions_lost() -> Result<()> {
    if skipped("without_syncs_the_checker_finds_transactions_lost") {
        return Ok(());
    }
    let build = "cargo build --release -p ottla --features fault --bin ottla-faulty";
    let faulty = named_binary("OTTLA_FAULTY_BINARY", "ottla-faulty", build)?;
    let mut disk = Disk::new(DISK_BYTES)?;
    let data = disk.path().join("data");
    topic_on_the_disk(&data)?;
    let options = Options::default().data(&data).binary(&faulty).env("OTTLA_FAULT", "skip-sync");
    let mut broker = options.start()?;
    let load = load(&broker)?;
    // Long enough for the fence to be written once, too short for a memtable to fill up: its flush would be synced.
    load.moves(20)?;
    cut(&mut broker, &mut disk)?;
    broker.add_argument("--accept-data-loss");
    broker.start()?;
    let found = load.finish()?.violations();
    eprintln!("without syncs: {}", found.report());
    ensure!(found.count("lost write") > 0, "nothing was lost without syncs: the test cannot see a loss");
    broker.kill_9()
}

/// A sound broker makes it, so that only transactions can be lost.
fn topic_on_the_disk(data: &Path) -> Result<()> {
    let mut sound = Options::default().data(data).start()?;
    create_topic(&mut Client::connect(sound.address())?, TOPIC, PARTITIONS)?;
    sound.terminate()?;
    Ok(())
}
