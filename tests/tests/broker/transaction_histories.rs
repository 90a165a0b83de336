//! kill -9 under a load of transactions, again and again: no promise of a transaction is broken.
//! `OTTLA_CRASH_CYCLES` makes it a longer campaign.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla_tests::admin::create_topic;
use ottla_tests::broker::Options;
use ottla_tests::client::Client;
use ottla_tests::transactions::Outcome;
use ottla_tests::transactions::load::{Again, Load, Writing};
use ottla_tests::transactions::requests::Protocol;

const TOPIC: &str = "transactions";
const PARTITIONS: i32 = 4;

fn cycles() -> Result<u64> {
    env::var("OTTLA_CRASH_CYCLES").map_or(Ok(10), |cycles| cycles.parse().context("OTTLA_CRASH_CYCLES"))
}

#[test]
fn no_transaction_is_torn_or_lost_by_kill_9() -> Result<()> {
    let mut broker = Options::default().start()?;
    create_topic(&mut Client::connect(broker.address())?, TOPIC, PARTITIONS)?;
    let mut load = Load::new(broker.address(), TOPIC, PARTITIONS);
    for protocol in [Protocol::V1, Protocol::V2] {
        for again in [Again::Never, Again::Mostly] {
            load.write_as(Writing { again, ..Writing::new(protocol) })?;
        }
    }
    for partition in 0..PARTITIONS {
        load.read(partition, partition > 0)?;
        load.read(partition, true)?;
    }
    load.audit()?;
    let since = Instant::now();
    for cycle in 0..cycles()? {
        load.moves(5).with_context(|| format!("in cycle {cycle}"))?;
        // Each kill is at another moment of the load.
        std::thread::sleep(Duration::from_millis((cycle * 37) % 250));
        broker.kill_9()?;
        broker.start()?;
    }
    load.moves(20).context("after the last kill")?;
    let history = load.finish()?;
    let count = |is_of: fn(Outcome) -> bool| {
        history.transactions.iter().filter(|transaction| is_of(transaction.outcome)).count()
    };
    eprintln!(
        "{} kills in {:.1?}: {} transactions committed, {} aborted, {} of unknown outcome, {} polls, {} offsets read",
        cycles()?,
        since.elapsed(),
        count(|outcome| matches!(outcome, Outcome::Committed { .. })),
        count(|outcome| outcome == Outcome::Aborted),
        count(|outcome| outcome == Outcome::Unknown),
        history.polls.len(),
        history.offset_reads.len()
    );
    let found = history.violations();
    ensure!(found.is_empty(), "{}\n{}", found.report(), broker.inspected());
    Ok(())
}
