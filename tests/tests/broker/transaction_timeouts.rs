//! The timeout of an open transaction, over kill -9: each ends when its time has passed on a clock that runs while a broker
//! runs, to the second. A transaction without a batch had its time begin anew with each kill.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use codec::messages::{DescribeTransactionsRequest, TransactionalId};
use ottla_tests::admin::{create_topic, text};
use ottla_tests::broker::Options;
use ottla_tests::client::{Client, PATIENCE};
use ottla_tests::transactions::producer::Producer;

const TIMEOUT: Duration = Duration::from_secs(4);
/// Each life of the broker before it is killed. Three of them are shorter than the timeout.
const LIFE: Duration = Duration::from_millis(1_200);
const KILLS: u32 = 2;
/// A timeout is exact to this.
const EXACT: Duration = Duration::from_secs(1);

static TOPICS: [&str; 1] = ["t"];

fn producer(name: &'static str, v2: bool) -> Producer {
    Producer { name, v2, topics: &TOPICS, group: "g", id: -1, epoch: -1, sequence: 0 }
}

/// The state of a transactional id by DescribeTransactions.
fn state(client: &mut Client, name: &str) -> Result<String> {
    let ids = vec![TransactionalId(text(name))];
    let answer = client.call(0, &DescribeTransactionsRequest::default().with_transactional_ids(ids))?;
    let one = answer.transaction_states.first().context("one state")?;
    ensure!(one.error_code == 0, "DescribeTransactions: {}", one.error_code);
    Ok(one.transaction_state.to_string())
}

#[test]
fn a_timeout_is_exact_to_a_second_over_kill_9() -> Result<()> {
    let mut broker = Options::default().start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPICS[0], 1)?;
    let mut announced = producer("announced", false);
    let mut offsets = producer("offsets", true);
    for producer in [&mut announced, &mut offsets] {
        producer.begin_with_timeout(&mut client, i32::try_from(TIMEOUT.as_millis())?)?;
    }
    let mut since = Instant::now();
    // Neither writes a batch: of one only a partition is known, of the other only an offset.
    announced.announce_topics(&mut client)?;
    offsets.stage(&mut client, 5)?;
    // The time for which brokers ran: at least, and at most, as the moment at which a start opens the folder is not seen.
    let (mut least, mut most) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..KILLS {
        thread::sleep(LIFE);
        broker.kill_9()?;
        least += since.elapsed();
        most += since.elapsed();
        let starting = Instant::now();
        broker.start()?;
        most += starting.elapsed();
        since = Instant::now();
    }
    let mut client = Client::connect(broker.address())?;
    for name in ["announced", "offsets"] {
        while state(&mut client, name)? == "Ongoing" {
            ensure!(since.elapsed() < PATIENCE, "{name} is still open");
            thread::sleep(Duration::from_millis(5));
        }
        let (least, most) = (least + since.elapsed(), most + since.elapsed());
        eprintln!("{name}: aborted after {least:?} to {most:?} of {TIMEOUT:?}");
        ensure!(state(&mut client, name)? == "CompleteAbort");
        ensure!(least <= TIMEOUT + EXACT, "{name} was open for {least:?} at least");
        ensure!(most + Duration::from_millis(50) >= TIMEOUT, "{name} was open for {most:?} only");
    }
    Ok(())
}

/// The line named no transactional id, so that its program could not be told.
#[test]
fn an_abort_without_the_producer_is_logged_with_its_transactional_id() -> Result<()> {
    let broker = Options::default().start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPICS[0], 1)?;
    let mut slow = producer("slow", true);
    slow.begin_with_timeout(&mut client, 200)?;
    slow.write(&mut client, 7)?;
    let mut fenced = producer("restarted", true);
    fenced.begin_anew(&mut client)?;
    fenced.write(&mut client, 8)?;
    fenced.begin_anew(&mut client)?;
    for (cause, name) in [("its timeout is over", "slow"), ("has begun anew", "restarted")] {
        let lines = broker.awaited_lines_with(cause, 1);
        let [line] = &lines[..] else { anyhow::bail!("{} lines for {cause:?}", lines.len()) };
        let line: serde_json::Value = serde_json::from_str(line)?;
        let fields = line.get("fields").unwrap_or(&line);
        ensure!(fields["transactional_id"] == name, "{line}");
        ensure!(fields["partitions"] == "t-0" && fields["groups"] == "g", "{line}");
        ensure!(fields["producer_epoch"] == 0 && fields["producer_id"].is_string(), "{line}");
        ensure!(fields["duration_ms"].as_u64().is_some_and(|open_ms| open_ms < 20_000), "{line}");
    }
    Ok(())
}
