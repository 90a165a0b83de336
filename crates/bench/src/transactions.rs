//! Runs producers with an id, in transactions or not, and what belongs to them, on one thread.
//!
//! ```text
//! producer ─► batches, calls, backoff       copier     beside     tailing consumers
//! ```
//! After the window no transaction is begun, but all begun ones are ended, and every record of a committed one must reach the
//! consumers.

mod backoff;
mod batches;
mod beside;
mod calls;
mod copier;
mod producer;

use crate::endpoint::Endpoint;
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};

use self::beside::Beside;
use self::copier::Copier;
use self::producer::Producer;
use crate::clock::{Clock, SECOND};
use crate::connection::Connection;
use crate::consumer::{Consumer, Reading};
use crate::loads::{Load, LoadKind};
use crate::poller::{Poller, Ready};
use crate::stream::Span;
use crate::tally::Tally;

/// Outstanding answers and records must arrive within this time after the window.
const DRAIN: u64 = 60 * SECOND;
/// How long to wait for sockets when nothing is due.
const IDLE: u64 = SECOND / 10;
/// Producers that get their id at the same time, so that a cluster's first ones do not wait for each other.
const CONNECTING: usize = 16;

/// The topics of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Topics<'a> {
    /// The producers' topic.
    pub(crate) topic: &'a str,
    /// That of copiers, and the end of each of its partitions.
    pub(crate) input: Option<(&'a str, &'a [i64])>,
    /// That of the producer beside the transactions, and the number of its partitions.
    pub(crate) beside: Option<(&'a str, u32)>,
}

/// A connection by its owner.
#[derive(Debug, Clone, Copy)]
enum Token {
    Producer(usize),
    Copier(usize),
    Consumer(usize),
    Beside,
}

/// The parts of a running load.
struct Running<'a> {
    clock: Clock,
    poller: Poller,
    /// Of each connection, by its number in the poller.
    tokens: Vec<Token>,
    /// For each connection: true if its socket is watched for room to write.
    blocked: Vec<bool>,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    beside: Option<Beside>,
    reading: Reading<'a>,
    tally: Tally,
    rate: u64,
    /// Paced requests scheduled so far, from `origin` on.
    scheduled: u64,
    origin: u64,
}

/// Runs the load. `edge` is called when the window begins and when it ends. Returns the counts, and the records that were acknowledged
/// to the producer beside it.
///
/// # Errors
/// A connection fails, a request is refused, or a record is not accounted for.
pub(crate) fn run(
    endpoint: Endpoint,
    load: &Load,
    topics: Topics<'_>,
    clock: Clock,
    span: Span,
    edge: impl FnMut() -> Result<()>,
) -> Result<(Tally, u64)> {
    let producers = connect_all(endpoint, load, topics)?;
    let consumers: Result<Vec<_>> = (0..load.consumers)
        .map(|number| {
            let some = (number % load.partitions..load.partitions).step_by(load.consumers as usize);
            Consumer::connect(endpoint, some)
        })
        .collect();
    let beside = topics
        .beside
        .map(|(topic, partitions)| Beside::connect(endpoint, load, topic, partitions, clock.now()));
    let mut tally = Tally::new()?;
    let partitions = load.partitions as usize;
    tally.transactions.records = vec![0; partitions];
    tally.transactions.markers = vec![0; partitions];
    tally.transactions.committed = vec![0; partitions];
    if load.consumers > 0 {
        tally.due = vec![Vec::new(); partitions];
        let ends = if load.producer.is_transactional() { partitions } else { 0 };
        tally.transactions.end_sent = vec![Vec::new(); ends];
    }
    let mut batch_sizes: Vec<usize> = producers.iter().flat_map(Producer::batch_bytes).collect();
    batch_sizes.sort_unstable();
    batch_sizes.dedup();
    let mut running = Running {
        clock,
        poller: Poller::new()?,
        tokens: Vec::new(),
        blocked: Vec::new(),
        producers,
        consumers: consumers?,
        beside: beside.transpose()?,
        reading: Reading {
            topic: topics.topic,
            fetch_bytes: load.fetch_bytes,
            batch_sizes,
            ends: Vec::new(),
            again: false,
            read_committed: load.read_committed,
            visible: Vec::new(),
        },
        tally,
        rate: load.rate.into(),
        scheduled: 0,
        origin: 0,
    };
    running.register()?;
    running.run(span, edge)?;
    for copier in running.producers.iter().filter_map(|producer| producer.copier.as_ref()) {
        copier.check(endpoint)?;
    }
    Ok((running.tally, running.beside.map_or(0, |beside| beside.acked)))
}

/// Connects all producers, several at a time: a new cluster needs a while until it has a coordinator.
fn connect_all(endpoint: Endpoint, load: &Load, topics: Topics<'_>) -> Result<Vec<Producer>> {
    let connect = |number: u32| -> Result<Producer> {
        let copier = match (load.kind, topics.input) {
            (LoadKind::Copy, Some((input, ends))) => {
                let end = *ends.get(number as usize).context("a partition of the input")?;
                Some(Copier::connect(endpoint, input, number, end, load.records)?)
            }
            _ => None,
        };
        Producer::connect(endpoint, load, topics.topic, number, copier)
    };
    let numbers: Vec<u32> = (0..load.connections).collect();
    let mut producers = Vec::with_capacity(numbers.len());
    for some in numbers.chunks(CONNECTING) {
        let connected: Result<Vec<Producer>> = thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|number| scope.spawn(move || connect(*number))).collect();
            let joined = threads.into_iter().map(|thread| {
                thread.join().map_err(|_| anyhow!("the thread of a connecting producer panicked"))?
            });
            joined.collect()
        });
        producers.extend(connected?);
    }
    Ok(producers)
}

impl Running<'_> {
    /// Lets the poller watch all connections.
    fn register(&mut self) -> Result<()> {
        let producers = self.producers.iter().enumerate();
        let copiers = producers.clone().filter(|(_, producer)| producer.copier.is_some());
        self.tokens = producers.map(|(at, _)| Token::Producer(at)).collect();
        let copiers: Vec<_> = copiers.map(|(at, _)| Token::Copier(at)).collect();
        self.tokens.extend(copiers);
        self.tokens.extend((0..self.consumers.len()).map(Token::Consumer));
        self.tokens.extend(self.beside.is_some().then_some(Token::Beside));
        self.blocked = vec![false; self.tokens.len()];
        for at in 0..self.tokens.len() {
            let (connection, poller) = self.connection(at)?;
            poller.add(connection.stream(), at)?;
        }
        Ok(())
    }

    /// A connection by its number, and the poller that watches it.
    fn connection(&mut self, at: usize) -> Result<(&mut Connection, &Poller)> {
        let found = match self.tokens.get(at).context("no such connection")? {
            Token::Producer(at) => self.producers.get_mut(*at).map(|producer| &mut producer.connection),
            Token::Copier(at) => self
                .producers
                .get_mut(*at)
                .and_then(|producer| producer.copier.as_mut())
                .map(|copier| &mut copier.connection),
            Token::Consumer(at) => self.consumers.get_mut(*at).map(|consumer| &mut consumer.connection),
            Token::Beside => self.beside.as_mut().map(|beside| &mut beside.connection),
        };
        Ok((found.context("no such connection")?, &self.poller))
    }

    fn run(&mut self, span: Span, mut edge: impl FnMut() -> Result<()>) -> Result<()> {
        self.origin = self.clock.now();
        for consumer in &mut self.consumers {
            consumer.fetch(self.origin, &self.reading)?;
        }
        let begin = self.origin + span.warmup;
        let mut end = begin.saturating_add(span.window);
        let (mut measuring, mut ended) = (false, false);
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            if !measuring && now >= begin {
                // Reading /proc takes a while: the window begins after it.
                edge()?;
                measuring = true;
                self.tally.window = self.clock.now()..end;
            }
            if measuring && !ended && (now >= end || self.tally.sent.bytes >= span.sent_bytes) {
                ended = true;
                (self.tally.window.end, end) = (now, now);
                edge()?;
                self.producers.iter_mut().for_each(Producer::stop);
            }
            if ended && self.is_accounted_for() {
                return Ok(());
            }
            ensure!(!ended || now < end + DRAIN, "{} s later: {:?}", DRAIN / SECOND, self.missing());
            let until = self.advance(now, ended)?.min(if ended { u64::MAX } else { end });
            ready.clear();
            self.poller.wait(until.saturating_sub(self.clock.now()), &mut ready)?;
            for one in &ready {
                self.serve(*one)?;
            }
        }
    }

    /// Sends everything that is due; returns the time at which something is due next.
    fn advance(&mut self, now: u64, ended: bool) -> Result<u64> {
        let mut until = now + IDLE;
        while self.rate > 0 && !ended {
            // From the schedule's start, not from the last request: a late one must not delay those after it.
            let due = self.origin
                + u64::try_from(u128::from(self.scheduled) * u128::from(SECOND) / u128::from(self.rate))?;
            if due > now {
                until = until.min(due);
                break;
            }
            let count = self.producers.len() as u64;
            if let Some(producer) = self.producers.get_mut((self.scheduled % count) as usize) {
                producer.due(due);
            }
            self.scheduled += 1;
        }
        for producer in &mut self.producers {
            producer.advance(now, &mut self.tally)?;
            if let Some(wakes_at) = producer.wakes_at() {
                until = until.min(wakes_at);
            }
        }
        if let Some(beside) = self.beside.as_mut() {
            beside.note_end(self.producers.iter().find_map(Producer::ending_since), now);
            if !ended {
                until = until.min(beside.pace(now, &mut self.tally));
            }
        }
        (0..self.tokens.len()).try_for_each(|at| self.flush(at))?;
        Ok(until)
    }

    /// Serves one connection.
    fn serve(&mut self, Ready { token, readable, .. }: Ready) -> Result<()> {
        if !readable {
            return self.flush(token);
        }
        let now = self.clock.now();
        match self.tokens.get(token).context("no such connection")? {
            Token::Producer(at) => {
                let producer = self.producers.get_mut(*at).context("a producer")?;
                producer.receive(now, &mut self.tally)?;
                if let Some(beside) = &mut self.beside {
                    beside.note_end(producer.ending_since(), now);
                }
            }
            Token::Copier(at) => {
                let producer = self.producers.get_mut(*at).context("a producer")?;
                if producer.copier.as_mut().context("a copier")?.receive()? {
                    producer.fetched(now, &mut self.tally)?;
                }
            }
            Token::Consumer(at) => {
                let consumer = self.consumers.get_mut(*at).context("a consumer")?;
                consumer.receive(now, &self.reading, &mut self.tally)?;
            }
            Token::Beside => {
                self.beside.as_mut().context("no such producer")?.receive(now, &mut self.tally)?;
            }
        }
        // A copier's batch goes out over its producer's connection: `advance` flushes that.
        self.flush(token)
    }

    /// Writes what is queued. A socket that is full is watched for room.
    fn flush(&mut self, at: usize) -> Result<()> {
        let was = *self.blocked.get(at).context("no such connection")?;
        let (connection, poller) = self.connection(at)?;
        let blocked = !connection.flush()?;
        // A system call only when it changes, as most flushes write everything.
        if was != blocked {
            poller.watch_writable(connection.stream(), at, blocked)?;
            self.blocked[at] = blocked;
        }
        Ok(())
    }

    /// Records that consumers must have received once all is answered.
    fn records_to_fetch(&self) -> u64 {
        let partitions = self.tally.due.len().max(1);
        let copies = self.consumers.len().div_ceil(partitions);
        self.tally.transactions.committed.iter().sum::<u64>() * copies as u64
    }

    /// True if nothing is unanswered and the consumers have all records.
    fn is_accounted_for(&self) -> bool {
        self.producers.iter().all(Producer::is_quiet)
            && self.beside.as_ref().is_none_or(Beside::is_quiet)
            && self.tally.fetched.total.records >= self.records_to_fetch()
    }

    /// Records that were sent, are to be fetched, and were fetched, for a message.
    fn missing(&self) -> (u64, u64, u64) {
        (self.tally.sent.records, self.records_to_fetch(), self.tally.fetched.total.records)
    }
}
