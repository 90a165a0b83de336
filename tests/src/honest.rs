//! A well-behaved client beside a hostile one: it produces a record, reads it back, and times both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::admin::create_topic;
use crate::client::Client;
use crate::consumer::{Ask, fetch, seen};
use crate::history::Id;
use crate::producer::produce;
use crate::records::{Content, batch};

const TOPIC: &str = "honest";
/// Few and small records, so that its own data does not count in the memory that is measured.
const PACE: Duration = Duration::from_millis(5);

/// The client, on a thread of its own.
#[derive(Debug)]
pub struct Honest {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<Result<Vec<Duration>>>,
}

/// Times of its round trips (produce, then fetch).
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// Their number.
    pub rounds: usize,
    /// Half took less.
    pub median: Duration,
    /// One in a hundred took more.
    pub p99: Duration,
    /// The worst.
    pub worst: Duration,
}

impl Honest {
    /// Creates its topic and begins.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub fn start(address: SocketAddr) -> Result<Honest> {
        let mut client = Client::connect(address)?;
        create_topic(&mut client, TOPIC, 1)?;
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let body = move || {
            let mut latencies = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let sequence = latencies.len() as u64;
                let since = Instant::now();
                round(&mut client, sequence)
                    .with_context(|| format!("the honest client's round {sequence}"))?;
                latencies.push(since.elapsed());
                counted.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PACE);
            }
            Ok(latencies)
        };
        let thread = thread::Builder::new().name("honest".to_owned()).spawn(body)?;
        Ok(Honest { stop, rounds, thread })
    }

    /// Rounds so far.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Stops it.
    ///
    /// # Errors
    /// If any of its requests failed.
    pub fn finish(self) -> Result<Latency> {
        self.stop.store(true, Ordering::Relaxed);
        let mut latencies = self.thread.join().map_err(|_| anyhow!("the honest client panicked"))??;
        latencies.sort_unstable();
        let at = |part: usize| {
            latencies.get((latencies.len() * part / 100).min(latencies.len().saturating_sub(1))).copied()
        };
        let (median, p99, worst) = (at(50), at(99), latencies.last().copied());
        let (median, p99) = median.zip(p99).context("the honest client did nothing")?;
        Ok(Latency { rounds: latencies.len(), median, p99, worst: worst.unwrap_or_default() })
    }
}

fn round(client: &mut Client, sequence: u64) -> Result<()> {
    let id = Id { producer: 1, sequence };
    let answer = produce(client, TOPIC, 0, 1, batch(&[Content::of(id)], None).freeze())?;
    ensure!(answer.error_code == 0, "Produce: error {}", answer.error_code);
    let offset = answer.base_offset;
    let data = fetch(client, &Ask { topic: TOPIC, partition: 0, offset, max_wait_ms: 5000 })?;
    let read = seen(data.records, offset)?;
    ensure!(
        read.first().is_some_and(|one| one.id == Some(id) && one.offset == offset),
        "read back: {read:?}"
    );
    Ok(())
}
