//! kill -9 under load, again and again: every acknowledged record is read back at its offset, once,
//! in order. `OTTLA_CRASH_CYCLES` makes it a longer campaign.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla_tests::admin::{create_topic, leader_epochs};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::history::{History, Violations};
use ottla_tests::load::Load;
use ottla_tests::producer::Settings;

const TOPIC: &str = "crash";
const PARTITIONS: i32 = 6;

fn cycles() -> Result<usize> {
    env::var("OTTLA_CRASH_CYCLES").map_or(Ok(30), |cycles| cycles.parse().context("OTTLA_CRASH_CYCLES"))
}

/// Two idempotent producers over all partitions, one that is not idempotent, one with acks=1 on a partition
/// of its own; consumers; a group that commits.
fn load(broker: &TestBroker) -> Result<Load> {
    let mut load = Load::new(broker.address());
    let settings = |number, idempotent, acks, partitions: Vec<i32>| Settings {
        topic: TOPIC.to_owned(),
        partitions,
        acks,
        idempotent,
        in_flight: 5,
        number,
    };
    let shared: Vec<i32> = (0..PARTITIONS - 1).collect();
    load.produce(settings(0, true, -1, shared.clone()))?;
    load.produce(settings(1, true, -1, shared.clone()))?;
    load.produce(settings(2, false, -1, shared))?;
    load.produce(settings(3, false, 1, vec![PARTITIONS - 1]))?;
    load.consume(TOPIC, 0)?;
    load.consume(TOPIC, PARTITIONS - 1)?;
    load.commit("crash-group", TOPIC, 0)?;
    Ok(load)
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() -> Result<()> {
    let mut broker = Options::default().start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, PARTITIONS)?;
    let mut epochs = leader_epochs(&mut client, TOPIC)?;
    let load = load(&broker)?;
    let mut slowest = Duration::ZERO;
    let since = Instant::now();
    for cycle in 0..cycles()? {
        load.moves(1).with_context(|| format!("in cycle {cycle}"))?;
        // Each kill is at another moment of the load, also just after a start.
        std::thread::sleep(Duration::from_millis((cycle as u64 * 37) % 250));
        broker.kill_9()?;
        slowest = slowest.max(broker.start()?);
        let now = leader_epochs(&mut Client::connect(broker.address())?, TOPIC)?;
        ensure!(epochs.iter().zip(&now).all(|(old, new)| new > old), "epochs {epochs:?} became {now:?}");
        epochs = now;
    }
    load.moves(1).context("after the last kill")?;
    let history = load.finish(TOPIC, PARTITIONS)?;
    eprintln!(
        "{} kills in {:.1?}, slowest start {slowest:?}, {}",
        cycles()?,
        since.elapsed(),
        counts(&history)
    );
    conclude(&history.violations(), &broker)
}

fn counts(history: &History) -> String {
    let in_log: usize = history.log.values().map(Vec::len).sum();
    let read: usize = history.readers.iter().map(|(_, seen)| seen.len()).sum();
    format!(
        "{} records sent, {} acknowledged, {in_log} in the log, {read} read meanwhile",
        history.entries.len(),
        history.acked()
    )
}

fn conclude(violations: &Violations, broker: &TestBroker) -> Result<()> {
    ensure!(violations.is_empty(), "{}\n{}", violations.report(), broker.inspected());
    Ok(())
}
