//! A broker that dies at the n-th step of its storage, for every n, within each request of a transaction and within a timeout.
//! After its restart the producer sends the request again and goes on, or begins anew; no promise of a transaction is broken.
//!
//! The steps are those of `storage`'s `engine/fault.rs`: writes of the journal, their bytes, syncs, and files created or removed. Steps of
//! the background count as well. The broker is the one with faults (`ottla-faulty`), which obeys `die-by-order`.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla_tests::admin::{create_topic, last_stable_offset, list_offset};
use ottla_tests::broker::{Options, TestBroker, named_binary};
use ottla_tests::client::Client;
use ottla_tests::transactions::load::{Again, Load, Lost, Writer, Writing};
use ottla_tests::transactions::requests::Protocol;
use ottla_tests::transactions::{Outcome, Transaction};

const TOPIC: &str = "steps";
const PARTITIONS: i32 = 2;
/// More steps than any request takes.
const MOST: u64 = 60;
/// An order that is never carried out.
const NEVER: u64 = u64::MAX;
/// Long enough for the requests before it on a busy machine; the campaign waits for it at each step.
const TIMEOUT_MS: i32 = 600;

/// The part of a transaction in which the broker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Produce,
    Offsets,
    Commit,
    Abort,
    Timeout,
}

/// The end of a request in which the broker was to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It takes fewer steps.
    Lives,
    /// The broker died, and the request was answered after the restart, or before.
    Died,
    /// The broker died, and the request was not sent again.
    Lost,
}

struct Scene {
    broker: TestBroker,
    order: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Result<Scene> {
        let build = "cargo build --release -p ottla --features fault --bin ottla-faulty";
        let binary = named_binary("OTTLA_FAULTY_BINARY", "ottla-faulty", build)?;
        let folder = tempfile::tempdir()?;
        let order = folder.path().join("order");
        let fault = format!("die-by-order={}", order.display());
        let broker = Options::default().binary(&binary).env("OTTLA_FAULT", &fault).start()?;
        create_topic(&mut Client::connect(broker.address())?, TOPIC, PARTITIONS)?;
        Ok(Scene { broker, order, _folder: folder })
    }

    /// The broker dies at that step from now on.
    fn order(&self, step: u64) -> Result<()> {
        // Named at once, so that the broker never reads half a number.
        let draft = self.order.with_extension("draft");
        fs::write(&draft, step.to_string())?;
        Ok(fs::rename(&draft, &self.order)?)
    }

    /// Does `work` on another thread, and starts the broker again when it has died.
    fn survive(&mut self, step: u64, work: impl FnOnce() -> Result<()> + Send) -> Result<End> {
        self.order(step)?;
        thread::scope(|scope| {
            let working = scope.spawn(work);
            let mut died = false;
            while !working.is_finished() {
                died |= self.revive()?;
                thread::sleep(Duration::from_millis(1));
            }
            match working.join().expect("no thread of the test panics") {
                Err(error) if error.is::<Lost>() && !died => {
                    self.broker.wait_for_exit(Duration::from_secs(5)).context("an answer is lost")?;
                    self.start()?;
                    Ok(End::Lost)
                }
                Err(error) if error.is::<Lost>() => Ok(End::Lost),
                Err(error) => Err(error),
                Ok(()) => {
                    self.order(NEVER)?;
                    Ok(if self.revive()? || died { End::Died } else { End::Lives })
                }
            }
        })
    }

    fn revive(&mut self) -> Result<bool> {
        let died = self.broker.exited()?.is_some();
        if died {
            self.start()?;
        }
        Ok(died)
    }

    fn start(&mut self) -> Result<()> {
        // The order was for the process that has died.
        let _ = fs::remove_file(&self.order);
        self.broker.start().map(drop)
    }
}

/// One transaction in which the broker dies at that step of this part.
fn transaction(
    scene: &mut Scene,
    writer: &mut Writer<'_>,
    (part, step): (Part, u64),
    transaction: &mut Transaction,
) -> Result<End> {
    writer.cut();
    writer.init(true)?;
    if part == Part::Produce {
        let end = scene.survive(step, || writer.append(transaction, 0))?;
        return complete(writer, transaction, end);
    }
    writer.append(transaction, 0)?;
    if part == Part::Offsets {
        let end = scene.survive(step, || writer.stage(transaction, 0))?;
        return complete(writer, transaction, end);
    }
    writer.append(transaction, 1)?;
    writer.stage(transaction, 0)?;
    if part == Part::Timeout {
        let address = scene.broker.address();
        let end = scene.survive(step, || becomes_stable(address))?;
        writer.cut();
        ensure!(writer.end(transaction, true).is_err(), "committed after its timeout");
        ensure!(transaction.outcome == Outcome::Aborted, "not refused: {:?}", transaction.outcome);
        return Ok(end);
    }
    scene.survive(step, || writer.end(transaction, part == Part::Commit))
}

/// The rest of a transaction that goes on. It does not if an answer was lost and its producer begins anew.
fn complete(writer: &mut Writer<'_>, transaction: &mut Transaction, end: End) -> Result<End> {
    if end == End::Lost {
        return Ok(end);
    }
    // The broker may have died after its answer.
    writer.cut();
    writer.append(transaction, 1)?;
    writer.stage(transaction, 1)?;
    writer.end(transaction, true)?;
    Ok(end)
}

/// Waits until no transaction is open, over restarts.
fn becomes_stable(address: SocketAddr) -> Result<()> {
    let since = Instant::now();
    while !(0..PARTITIONS).all(|index| is_stable(address, index).unwrap_or(false)) {
        ensure!(since.elapsed() < Duration::from_secs(10), "the transaction stays open");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// No transaction is open in a partition.
fn is_stable(address: SocketAddr, index: i32) -> Result<bool> {
    let mut client = Client::connect(address)?;
    let high_watermark = list_offset(&mut client, TOPIC, index, -1)?;
    Ok(last_stable_offset(&mut client, TOPIC, index)? == high_watermark)
}

/// Every step of a part. Returns the number of deaths.
fn campaign(part: Part, protocol: Protocol, again: Again) -> Result<u64> {
    let mut scene = Scene::new()?;
    let mut load = Load::new(scene.broker.address(), TOPIC, PARTITIONS);
    for index in 0..PARTITIONS {
        load.read(index, true)?;
    }
    load.audit()?;
    let timeout_ms = if part == Part::Timeout { TIMEOUT_MS } else { 60_000 };
    let mut written = Vec::new();
    let mut writer = load.writer(Writing { again, timeout_ms, ..Writing::new(protocol) });
    let mut deaths = 0;
    for step in 1.. {
        ensure!(step <= MOST, "it dies at the {step}-th step, and no request takes that many");
        let mut one = writer.begin();
        let result = transaction(&mut scene, &mut writer, (part, step), &mut one);
        written.push(one);
        match result.with_context(|| format!("step {step}"))? {
            End::Lives => break,
            End::Died | End::Lost => deaths += 1,
        }
    }
    drop(writer);
    let unknown = written.iter().filter(|one| one.outcome == Outcome::Unknown).count();
    ensure!(again == Again::Never || unknown == 0, "{unknown} transactions have no outcome");
    load.add(written);
    let found = load.finish()?.violations();
    ensure!(found.is_empty(), "{part:?}: {}\n{}", found.report(), scene.broker.inspected());
    Ok(deaths)
}

fn all_parts(protocol: Protocol, again: Again) -> Result<()> {
    for part in [Part::Produce, Part::Offsets, Part::Commit, Part::Abort, Part::Timeout] {
        let since = Instant::now();
        let deaths = campaign(part, protocol, again).with_context(|| format!("{part:?} of {protocol:?}"))?;
        eprintln!("{protocol:?}, {again:?}: {deaths} deaths within {part:?}, {:.1?}", since.elapsed());
        ensure!(deaths >= 2, "{part:?}: only {deaths} deaths: the orders are not obeyed");
    }
    Ok(())
}

#[test]
fn every_step_of_a_transaction_can_be_the_last_before_the_request_is_sent_again() -> Result<()> {
    all_parts(Protocol::V2, Again::Always)
}

#[test]
fn every_step_of_a_transaction_of_the_older_protocol_can_be_the_last() -> Result<()> {
    all_parts(Protocol::V1, Again::Always)
}

#[test]
fn every_step_of_a_transaction_can_be_the_last_before_its_producer_begins_anew() -> Result<()> {
    all_parts(Protocol::V2, Again::Never)
}
