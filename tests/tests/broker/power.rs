//! Power failures. With syncs, no record acknowledged with acks=all is lost; with syncs
//! skipped on purpose records are seen to be lost, so the first result means something.
//!
//! The disk is an ext4 image that is cut off under the running broker (see `ottla_tests::disk`).
//! Without root the tests say that they are skipped. `OTTLA_POWER_CUTS` makes it a longer campaign.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ottla_tests::admin::{create_topic, leader_epochs};
use ottla_tests::broker::{Options, TestBroker, named_binary};
use ottla_tests::client::Client;
use ottla_tests::disk::{Disk, unavailable};
use ottla_tests::load::Load;
use ottla_tests::process::{freeze, signal};
use ottla_tests::producer::Settings;

const TOPIC: &str = "power";
const PARTITIONS: i32 = 4;
const DISK_BYTES: u64 = 1 << 30;

/// The same broker with `storage`'s feature `fault`, which obeys `OTTLA_FAULT`.
fn faulty_binary() -> Result<PathBuf> {
    let build = "cargo build --release -p ottla --features fault --bin ottla-faulty";
    named_binary("OTTLA_FAULTY_BINARY", "ottla-faulty", build)
}

fn skipped(test: &str) -> bool {
    let why = unavailable();
    if let Some(why) = why {
        eprintln!("SKIPPED {test}: {why}");
    }
    why.is_some()
}

fn settings(number: u32, idempotent: bool) -> Settings {
    Settings {
        topic: TOPIC.to_owned(),
        partitions: (0..PARTITIONS).collect(),
        acks: -1,
        idempotent,
        in_flight: 5,
        number,
    }
}

#[test]
fn power_cuts_take_nothing_that_was_acknowledged() -> Result<()> {
    if skipped("power_cuts_take_nothing_that_was_acknowledged") {
        return Ok(());
    }
    let cuts: u64 = env::var("OTTLA_POWER_CUTS").map_or(Ok(12), |cuts| cuts.parse())?;
    let mut disk = Disk::new(DISK_BYTES)?;
    let mut broker = Options::default().data(&disk.path().join("data")).start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, PARTITIONS)?;
    let mut epochs = leader_epochs(&mut client, TOPIC)?;
    drop(client);
    let mut load = Load::new(broker.address());
    load.produce(settings(0, true))?;
    load.produce(settings(1, true))?;
    load.produce(settings(2, false))?;
    load.consume(TOPIC, 0)?;
    load.commit("power-group", TOPIC, 0)?;
    for cut in 0..cuts {
        load.moves(1).with_context(|| format!("before cut {cut}"))?;
        std::thread::sleep(Duration::from_millis(cut * 53 % 400));
        if cut % 3 == 2 {
            loses_its_disk(&mut broker, &disk)?;
        } else {
            dies_with_its_disk(&mut broker, &disk)?;
        }
        disk.power_on()?;
        broker.start().with_context(|| format!("after cut {cut}"))?;
        let now = leader_epochs(&mut Client::connect(broker.address())?, TOPIC)?;
        ensure!(epochs.iter().zip(&now).all(|(old, new)| new > old), "epochs {epochs:?} became {now:?}");
        epochs = now;
    }
    let history = load.finish(TOPIC, PARTITIONS)?;
    let violations = history.violations();
    eprintln!("{cuts} power cuts, {} records acknowledged", history.acked());
    ensure!(violations.is_empty(), "{}\n{}", violations.report(), broker.inspected());
    broker.kill_9()
}

/// The whole machine is off at once. The broker is frozen first, at any place, also in the middle of a
/// sync: it must not answer after the cut, as no machine does. (ext4 may report a sync as
/// done that the cut interrupted.)
fn dies_with_its_disk(broker: &mut TestBroker, disk: &Disk) -> Result<()> {
    freeze(broker.pid()?, false)?;
    disk.cut_power()?;
    broker.kill_9()
}

/// The disk is gone and the broker goes on. It must notice, answer no request, and end by itself, with
/// an error code and a line that says why.
fn loses_its_disk(broker: &mut TestBroker, disk: &Disk) -> Result<()> {
    freeze(broker.pid()?, true)?;
    disk.cut_power()?;
    signal(broker.pid()?, "CONT")?;
    let status = broker.wait_for_exit(Duration::from_secs(5)).context("its disk is gone and it goes on")?;
    ensure!(!status.success(), "it ended with success on a disk that failed");
    let lines = broker.lines_with("Input/output error");
    ensure!(!lines.is_empty(), "no line says why:\n{}", broker.tail(20));
    Ok(())
}

#[test]
fn without_syncs_acknowledged_records_are_seen_to_be_lost() -> Result<()> {
    if skipped("without_syncs_acknowledged_records_are_seen_to_be_lost") {
        return Ok(());
    }
    let mut disk = Disk::new(DISK_BYTES)?;
    let data = disk.path().join("data");
    // The topic itself is made by a broker that syncs, so that only records can be lost.
    let mut sound = Options::default().data(&data).start()?;
    create_topic(&mut Client::connect(sound.address())?, TOPIC, PARTITIONS)?;
    sound.terminate()?;
    let options = Options::default().data(&data).binary(&faulty_binary()?).env("OTTLA_FAULT", "skip-sync");
    let mut broker = options.start()?;
    let mut load = Load::new(broker.address());
    load.produce(settings(0, false))?;
    load.produce(settings(1, false))?;
    // Long enough for the fence to be written once, too short for a memtable to fill up: its flush would be synced.
    std::thread::sleep(Duration::from_millis(300));
    dies_with_its_disk(&mut broker, &disk)?;
    disk.power_on()?;
    // The fence notices the loss and stops the start; the test then accepts it, to see which records are gone.
    ensure!(broker.start().is_err(), "it started as if nothing was lost");
    ensure!(
        !broker.lines_with("--accept-data-loss").is_empty(),
        "no line says what to do:\n{}",
        broker.tail(20)
    );
    broker.add_argument("--accept-data-loss");
    broker.start()?;
    let history = load.finish(TOPIC, PARTITIONS)?;
    let violations = history.violations();
    // Lost, or another record is at its offset by now.
    let gone = violations.count("lost") + violations.count("identity");
    eprintln!("without syncs {gone} of {} acknowledged records were gone", history.acked());
    ensure!(gone > 0, "nothing was lost without syncs: the test cannot see a loss");
    broker.kill_9()
}

#[test]
fn a_failed_sync_or_write_ends_the_process_and_loses_nothing() -> Result<()> {
    let binary = faulty_binary()?;
    for fault in ["fail-sync=50", "fail-write=50"] {
        let folder = tempfile::tempdir()?;
        let mut sound = Options::default().data(folder.path()).start()?;
        create_topic(&mut Client::connect(sound.address())?, TOPIC, PARTITIONS)?;
        sound.terminate()?;
        let options = Options::default().data(folder.path()).binary(&binary).env("OTTLA_FAULT", fault);
        let mut broker = options.start()?;
        let mut load = Load::new(broker.address());
        load.produce(settings(0, true))?;
        load.produce(settings(1, false))?;
        let status = broker.wait_for_exit(Duration::from_secs(10)).context(fault)?;
        ensure!(!status.success(), "{fault}: it ended with success");
        ensure!(
            !broker.lines_with("injected fault").is_empty(),
            "{fault}: no line says why:\n{}",
            broker.tail(20)
        );
        broker.set_environment("OTTLA_FAULT", "");
        broker.start()?;
        let history = load.finish(TOPIC, PARTITIONS)?;
        let violations = history.violations();
        ensure!(violations.is_empty(), "{fault}: {}\n{}", violations.report(), broker.inspected());
        ensure!(history.acked() > 0, "{fault}: nothing was acknowledged");
    }
    Ok(())
}
