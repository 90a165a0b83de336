//! kill -9 in the midst of transactions, again and again: each is there as a whole or not at all, in two topics and a group, and
//! as it was answered. `OTTLA_TRANSACTION_KILLS` makes it a longer campaign.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::*;
use codec::records::{RecordBatch, batches};
use ottla_tests::admin::{committed, create_topic, topic_name};
use ottla_tests::broker::Options;
use ottla_tests::client::Client;
use ottla_tests::process;
use ottla_tests::transactions::producer::Producer;

static TOPICS: [&str; 2] = ["left", "right"];
const GROUP: &str = "copier";

fn kills() -> Result<u64> {
    env::var("OTTLA_TRANSACTION_KILLS")
        .map_or(Ok(20), |kills| kills.parse().context("OTTLA_TRANSACTION_KILLS"))
}

/// The answer to the end of a transaction; `None`: there was none.
type Outcome = Option<bool>;

/// Transactions until the broker is killed. `number` is the next one that was not used.
fn run(
    address: SocketAddr,
    producer: &mut Producer,
    number: &mut u64,
    outcomes: &mut BTreeMap<u64, Outcome>,
) -> Result<()> {
    let mut client = Client::connect(address)?;
    producer.begin_anew(&mut client)?;
    loop {
        let (this, commit) = (*number, *number % 3 != 2);
        outcomes.insert(this, None);
        *number += 1;
        producer.transact(&mut client, this, commit)?;
        outcomes.insert(this, Some(commit));
    }
}

/// The connection has ended, as it does when the broker is killed. A refusal is another error.
fn is_cut_off(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<std::io::Error>())
}

/// The numbers that a read_committed consumer sees, and the last stable offset beside the high watermark.
fn read(client: &mut Client, topic: &str) -> Result<(Vec<u64>, (i64, i64))> {
    let (mut offset, mut numbers) = (0, Vec::new());
    loop {
        let partition = FetchPartition::default()
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1);
        let asked = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
        let request =
            FetchRequest::default().with_max_bytes(1 << 20).with_isolation_level(1).with_topics(vec![asked]);
        let answer = client.call(11, &request)?;
        let partition = &answer.message.responses[0].partitions[0];
        ensure!(partition.error_code == 0, "Fetch: {}", partition.error_code);
        let ends = (partition.last_stable_offset, partition.high_watermark);
        let records = partition.records.clone().unwrap_or_default();
        if records.is_empty() {
            return Ok((numbers, ends));
        }
        let mut aborted: Vec<(i64, i64)> = partition
            .aborted_transactions
            .iter()
            .flatten()
            .map(|one| (one.first_offset, one.producer_id.0))
            .collect();
        ensure!(aborted.is_sorted(), "{aborted:?}");
        let mut dropped: Vec<i64> = Vec::new();
        for batch in batches(&records) {
            let batch = RecordBatch::parse_stored(batch?.1)?;
            let header = *batch.header();
            offset = header.last_offset() + 1;
            dropped.extend(aborted.extract_if(.., |(first, _)| *first < offset).map(|(_, id)| id));
            if header.attributes.is_control() {
                dropped.retain(|id| *id != header.producer_id);
            } else if !dropped.contains(&header.producer_id) {
                for record in batch.records()? {
                    let value: Bytes = record?.value.context("a value")?;
                    numbers.push(std::str::from_utf8(&value)?.parse()?);
                }
            }
        }
    }
}

#[test]
fn kill_9_tears_no_transaction() -> Result<()> {
    let mut broker = Options::default().start()?;
    let mut client = Client::connect(broker.address())?;
    for topic in TOPICS {
        create_topic(&mut client, topic, 1)?;
    }
    let mut producers = [("new", true), ("old", false)].map(|(name, v2)| Producer {
        name,
        v2,
        topics: &TOPICS,
        group: GROUP,
        id: -1,
        epoch: -1,
        sequence: 0,
    });
    let (mut number, mut outcomes) = (1, BTreeMap::new());
    for kill in 0..kills()? {
        let (pid, after) = (broker.pid()?, Duration::from_millis(3 + kill * 37 % 400));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(after);
            process::signal(pid, "KILL")
        });
        let producer = &mut producers[usize::try_from(kill % 2)?];
        match run(broker.address(), producer, &mut number, &mut outcomes) {
            Err(error) if is_cut_off(&error) => {}
            ended => ended.with_context(|| format!("kill {kill}"))?,
        }
        killer.join().expect("the killer does not panic")?;
        broker.kill_9()?;
        broker.start()?;
    }
    let mut client = Client::connect(broker.address())?;
    for producer in &mut producers {
        producer.begin_anew(&mut client)?;
    }
    let (left, ends) = read(&mut client, TOPICS[0])?;
    let (right, _) = read(&mut client, TOPICS[1])?;
    ensure!(ends.0 == ends.1, "a transaction hangs: {ends:?}");
    ensure!(left == right, "torn:\n{left:?}\n{right:?}");
    ensure!(left.is_sorted_by(|one, other| one < other), "twice, or out of order: {left:?}");
    for (number, outcome) in &outcomes {
        let is_there = left.binary_search(number).is_ok();
        ensure!(outcome.is_none_or(|commit| commit == is_there), "{number} was answered {outcome:?}");
    }
    let last = left.last().map_or(-1, |last| i64::try_from(*last).unwrap_or(-1));
    ensure!(committed(&mut client, GROUP, TOPICS[0], 0)?.0 == last, "the offset is not that of {last}");
    let answered = outcomes.values().flatten().count();
    eprintln!("{} transactions, {answered} answered, {} committed", outcomes.len(), left.len());
    ensure!(answered > usize::try_from(kills()?)?, "too few were answered: {answered}");
    Ok(())
}
