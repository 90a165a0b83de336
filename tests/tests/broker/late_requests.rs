//! Requests of transactions that come late, over the borders of transactions: nothing is torn, lost, shown although it was
//! aborted, and no committed offset is wrong, for clients of both protocols. No producer is fenced except by a new owner.
//!
//! `OTTLA_LATE_DELIVERIES` and `OTTLA_LATE_LONGEST_MS` make it a longer campaign, `OTTLA_LATE_SEED` repeats the decisions
//! of a run. With `OTTLA_LATE_BROKER=127.0.0.1:9092` the same load runs against that Kafka, on a new topic: there the test
//! demands that the checker finds something, which shows that the load would notice.

use std::env;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use codec::messages::FindCoordinatorRequest;
use ottla_tests::admin::{create_topic, text};
use ottla_tests::broker::Options;
use ottla_tests::client::Client;
use ottla_tests::eventually;
use ottla_tests::proxy::{Plan, Proxy};
use ottla_tests::transactions::load::{Again, Load, Refusal, Writing};
use ottla_tests::transactions::requests::Protocol;
use ottla_tests::transactions::{History, Outcome};

const PARTITIONS: i32 = 3;
/// Of each protocol; every second has a connection of its own for its coordinator.
const WRITERS: usize = 3;

fn number(variable: &str, default: u64) -> Result<u64> {
    env::var(variable).map_or(Ok(default), |text| text.parse().with_context(|| variable.to_owned()))
}

/// A run at its end.
struct Run {
    history: History,
    refusals: Vec<Refusal>,
}

fn run(broker: SocketAddr, topic: &str, deliveries: u64, plan: Plan) -> Result<Run> {
    let mut client = Client::connect(broker)?;
    create_topic(&mut client, topic, PARTITIONS)?;
    // Kafka makes its topics of coordinators when one is first asked for.
    for key_type in [0, 1] {
        let request = FindCoordinatorRequest::default().with_key(text("late")).with_key_type(key_type);
        eventually!(60, client.call(3, &request)?.error_code == 0, "a coordinator of type {key_type}");
    }
    let proxy = Proxy::start(broker, plan)?;
    let mut load = Load::seeded(broker, topic, PARTITIONS, plan.seed);
    for protocol in [Protocol::V1, Protocol::V2] {
        for writer in 0..WRITERS {
            load.write_as(Writing {
                again: Again::Mostly,
                apart: writer % 2 == 1,
                address: Some(proxy.address()),
                fences: Some(proxy.fences()),
                ..Writing::new(protocol)
            })?;
        }
    }
    for partition in 0..PARTITIONS {
        load.read(partition, true)?;
    }
    load.audit()?;
    let since = Instant::now();
    let patience = Duration::from_secs(60 + deliveries / 5) + plan.longest;
    let mut told = since;
    while proxy.counts().deliveries() < deliveries {
        ensure!(since.elapsed() < patience, "after {patience:?}: {}", proxy.counts().report());
        if told.elapsed() > Duration::from_secs(30) {
            eprintln!("{}", proxy.counts().report());
            told = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    proxy.calm()?;
    load.moves(10).context("after the last late request")?;
    let (committed, report) = (load.committed(), proxy.counts().report());
    let refusals = load.refusals();
    let history = History { comes_again: true, ..load.finish()? };
    let unknown = history.transactions.iter().filter(|one| one.outcome == Outcome::Unknown).count();
    let refusals = refusals.lock().clone();
    let fenced = refusals.iter().filter(|one| one.fenced).count();
    eprintln!(
        "seed {} in {:.1?}: {report}; {} transactions, {committed} committed, {unknown} of unknown outcome; \
         {fenced} producers fenced by a new owner, {} refused otherwise",
        plan.seed,
        since.elapsed(),
        history.transactions.len(),
        refusals.len() - fenced,
    );
    proxy.stop()?;
    Ok(Run { history, refusals })
}

#[test]
fn late_requests_change_no_later_transaction() -> Result<()> {
    let plan = Plan {
        seed: number("OTTLA_LATE_SEED", rand::random())?,
        one_in: 8,
        longest: Duration::from_millis(number("OTTLA_LATE_LONGEST_MS", 400)?),
    };
    let deliveries = number("OTTLA_LATE_DELIVERIES", 300)?;
    if let Ok(kafka) = env::var("OTTLA_LATE_BROKER") {
        let topic = format!("late-{}", rand::random::<u32>());
        let run = run(kafka.parse().context("OTTLA_LATE_BROKER")?, &topic, deliveries, plan)?;
        let found = run.history.violations();
        eprintln!("{}", found.report());
        let known = found.count("torn transaction") + found.count("lost write") + found.count("aborted read");
        ensure!(known > 0, "the checker finds nothing in Kafka");
        return Ok(());
    }
    let broker = Options::default().set("max.connections.per.ip", 100_000).start()?;
    let run = run(broker.address(), "late", deliveries, plan)?;
    // A client that was cut off is never refused by its newest connection.
    let other: Vec<_> = run.refusals.iter().filter(|one| !one.fenced).collect();
    let found = run.history.violations();
    ensure!(
        found.is_empty() && other.is_empty(),
        "seed {}: refused without a new owner: {other:?}; {}\n{}",
        plan.seed,
        found.report(),
        broker.inspected()
    );
    Ok(())
}
