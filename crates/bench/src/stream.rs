//! Runs producers and consumers on one thread until the measured time is over and every record is accounted for.
//!
//! ```text
//! warm-up ──► window ──► drain        a paced warm-up goes on until the broker keeps the pace
//! ```
//! A paced request is due by the schedule, even if its connection cannot take it yet: latency counts from
//! that time. After the window no request is begun, but all begun ones must be answered, and every acknowledged
//! record must reach the consumers.

use crate::endpoint::Endpoint;

use anyhow::{Context as _, Result, bail, ensure};

use crate::clock::{Clock, SECOND};
use crate::connection::Connection;
use crate::consumer::{Consumer, Reading};
use crate::frames::ProduceFrames;
use crate::loads::Load;
use crate::poller::{Poller, Ready};
use crate::producer::Producer;
use crate::tally::Tally;

/// Outstanding answers and records must arrive within this time after the window.
const DRAIN: u64 = 60 * SECOND;
/// A warm-up is longer by at most this while the broker does not keep the pace of a paced load. A JVM that has not compiled yet leaves a
/// backlog, which would count as latency of the requests after it.
const PATIENCE: u64 = 60 * SECOND;
/// A request that waits for longer is a backlog.
const LAG: u64 = SECOND / 20;
/// How long to wait for sockets when nothing is due.
const IDLE: u64 = SECOND / 10;

/// The times of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Nanoseconds before the window.
    pub(crate) warmup: u64,
    /// Nanoseconds of the window.
    pub(crate) window: u64,
    /// The window also ends when that many bytes were sent.
    pub(crate) sent_bytes: u64,
    /// Ends with the window: what is under way then is left unanswered.
    pub(crate) abandon: bool,
}

/// The parts of a running load.
pub(crate) struct Stream<'a> {
    clock: Clock,
    /// Tokens are places of connections, producers first.
    poller: Poller,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    /// For each connection: true if its socket is watched for room to write.
    blocked: Vec<bool>,
    frames: ProduceFrames,
    reading: Reading<'a>,
    tally: Tally,
    /// Requests per second over all producers; 0 sends as fast as answers come.
    rate: u32,
    /// Paced requests scheduled so far, from `origin` on.
    scheduled: u64,
    /// When the load began, in nanoseconds of `clock`.
    origin: u64,
    /// No new request is begun.
    draining: bool,
    /// Called from time to time.
    each: Option<Each<'a>>,
}

/// Looks at the counts; its error ends the load.
type Look<'a> = dyn FnMut(&Tally) -> Result<()> + 'a;

/// A call that repeats.
struct Each<'a> {
    /// Nanoseconds between two calls.
    every: u64,
    /// When it is due.
    next: u64,
    call: Box<Look<'a>>,
}

impl<'a> Stream<'a> {
    /// Opens all connections.
    pub(crate) fn open(
        endpoint: Endpoint,
        load: &Load,
        frames: ProduceFrames,
        reading: Reading<'a>,
        clock: Clock,
    ) -> Result<Stream<'a>> {
        let producing = if reading.ends.is_empty() { load.connections } else { 0 };
        let producers: Result<Vec<_>> =
            (0..producing).map(|number| Producer::connect(endpoint, load, number)).collect();
        let consuming = if producing == 0 { load.connections } else { load.consumers };
        let read = load.partitions_to_read();
        let consumers: Result<Vec<_>> = (0..consuming)
            .map(|number| {
                let some = (number % read..read).step_by(consuming as usize);
                Consumer::connect(endpoint, some)
            })
            .collect();
        let mut stream = Stream {
            clock,
            poller: Poller::new()?,
            producers: producers?,
            consumers: consumers?,
            blocked: vec![false; (producing + consuming) as usize],
            frames,
            reading,
            tally: Tally::new()?,
            rate: load.rate,
            scheduled: 0,
            origin: 0,
            draining: false,
            each: None,
        };
        if producing > 0 && consuming > 0 {
            stream.tally.due = vec![Vec::new(); load.partitions as usize];
        }
        for token in 0..stream.blocked.len() {
            let connection = connection(&mut stream.producers, &mut stream.consumers, token)?;
            stream.poller.add(connection.stream(), token)?;
        }
        Ok(stream)
    }

    /// Lets `call` look at the counts again and again while the load runs, `every` nanoseconds, a tenth of a second at
    /// least. An error of it ends the load.
    pub(crate) fn each(mut self, every: u64, call: impl FnMut(&Tally) -> Result<()> + 'a) -> Stream<'a> {
        self.each = Some(Each { every, next: self.clock.now() + every, call: Box::new(call) });
        self
    }

    /// Runs the load. `edge` is called when the window begins and when it ends.
    ///
    /// # Errors
    /// A connection fails, a request is refused, or a record is not accounted for.
    pub(crate) fn run(mut self, span: Span, mut edge: impl FnMut() -> Result<()>) -> Result<Tally> {
        self.start()?;
        let mut begin = self.origin + span.warmup;
        // A paced load is measured once the broker has kept the pace for a second.
        let warm = begin.saturating_add(PATIENCE);
        let mut late = None;
        // A load with a volume has no end in time.
        let mut end = begin.saturating_add(span.window);
        let mut measuring = false;
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            if !measuring && self.lag(now) > LAG {
                late = Some(now);
            }
            if !measuring
                && span.warmup > 0
                && now >= begin
                && now < warm
                && late.is_some_and(|late| now < late + SECOND)
            {
                begin = now + IDLE;
                end = begin.saturating_add(span.window);
            }
            if !measuring && now >= begin {
                // Reading /proc takes a while: the window begins after it, with the time read anew.
                edge()?;
                measuring = true;
                self.tally.window = self.clock.now()..end;
            }
            if now >= end || self.tally.sent.bytes >= span.sent_bytes || self.read_all() {
                end = now;
                break;
            }
            if let Some(each) = self.each.as_mut().filter(|each| now >= each.next) {
                each.next = now + each.every;
                (each.call)(&self.tally)?;
            }
            let until = self.pace(now)?.min(end);
            self.turn(until.saturating_sub(now), &mut ready)?;
        }
        // A load that ended before its window began has none.
        if !measuring {
            edge()?;
            self.tally.window = end..end;
        }
        self.tally.window.end = end;
        edge()?;
        if !span.abandon {
            self.drain()?;
        }
        Ok(self.tally)
    }

    /// Sends what has to be under way before answers drive the load.
    fn start(&mut self) -> Result<()> {
        self.origin = self.clock.now();
        // Unpaced: every answer lets the next request go, so the first ones have to be started here.
        if self.rate == 0 {
            for producer in &mut self.producers {
                for _ in 0..producer.limit() {
                    producer.send(self.origin, &mut self.frames, &mut self.tally);
                }
            }
        }
        for consumer in &mut self.consumers {
            consumer.fetch(self.origin, &self.reading)?;
        }
        (0..self.blocked.len()).try_for_each(|token| self.flush(token))
    }

    /// Sends the requests that are due; returns the time of the next one.
    fn pace(&mut self, now: u64) -> Result<u64> {
        if self.rate == 0 || self.producers.is_empty() {
            return Ok(now + IDLE);
        }
        loop {
            // From the schedule's start, not from the last request: a late one must not delay those after it.
            let due = self.origin
                + u64::try_from(u128::from(self.scheduled) * u128::from(SECOND) / u128::from(self.rate))?;
            if due > now {
                return Ok(due.min(now + IDLE));
            }
            let token = (self.scheduled % self.producers.len() as u64) as usize;
            self.scheduled += 1;
            if let Some(producer) = self.producers.get_mut(token) {
                producer.send(due, &mut self.frames, &mut self.tally);
            }
            self.flush(token)?;
        }
    }

    /// Nanoseconds for which the oldest request that is due has been waiting to be sent.
    fn lag(&self, now: u64) -> u64 {
        let oldest = self.producers.iter().filter_map(Producer::oldest_waiting).min();
        oldest.map_or(0, |due| now.saturating_sub(due))
    }

    /// Waits for sockets and serves those that are ready.
    fn turn(&mut self, nanos: u64, ready: &mut Vec<Ready>) -> Result<()> {
        ready.clear();
        self.poller.wait(nanos, ready)?;
        for Ready { token, readable, writable } in ready.iter().copied() {
            if readable {
                self.receive(token)?;
            }
            // Also after reading: an answer may have queued the next request.
            if readable || writable {
                self.flush(token)?;
            }
        }
        Ok(())
    }

    /// Reads from one connection, and lets a producer that is not paced send as many requests as answers
    /// came.
    fn receive(&mut self, token: usize) -> Result<()> {
        let now = self.clock.now();
        if let Some(producer) = self.producers.get_mut(token) {
            let answers = producer.receive(now, &mut self.frames, &mut self.tally)?;
            if self.rate == 0 && !self.draining {
                (0..answers).for_each(|_| producer.send(now, &mut self.frames, &mut self.tally));
            }
        } else if let Some(consumer) = self.consumers.get_mut(token - self.producers.len()) {
            consumer.receive(now, &self.reading, &mut self.tally)?;
        }
        Ok(())
    }

    /// Writes what is queued. A socket that is full is watched for room.
    fn flush(&mut self, token: usize) -> Result<()> {
        let connection = connection(&mut self.producers, &mut self.consumers, token)?;
        let blocked = !connection.flush()?;
        let was = self.blocked.get_mut(token).context("no such connection")?;
        // A system call only when it changes, as most flushes write everything.
        if *was != blocked {
            *was = blocked;
            self.poller.watch_writable(connection.stream(), token, blocked)?;
        }
        Ok(())
    }

    /// True if a load that only reads, and only once, has read everything.
    fn read_all(&self) -> bool {
        let reading = &self.reading;
        !reading.ends.is_empty()
            && !reading.again
            && self.consumers.iter().all(|consumer| consumer.is_done(&reading.ends))
    }

    /// Records that consumers must have received once all is acknowledged.
    fn records_to_fetch(&self) -> u64 {
        // With more consumers than partitions, several read the same partition.
        let copies = match self.tally.due.len() {
            0 => 0,
            partitions => self.consumers.len().div_ceil(partitions),
        };
        self.tally.acked.total.records * copies as u64
    }

    /// Returns true if nothing is unanswered and the consumers have all records.
    fn is_accounted_for(&self) -> bool {
        self.producers.iter().all(Producer::is_quiet)
            && self.tally.fetched.total.records >= self.records_to_fetch()
    }

    /// Begins no further request and waits for everything that is under way.
    ///
    /// # Errors
    /// Something is missing after a minute, or the sums of sent, acknowledged and fetched records differ.
    fn drain(&mut self) -> Result<()> {
        // Paced requests that are due and wait for room are sent all the same (`Producer::receive`): their
        // latency counts.
        self.draining = true;
        let deadline = self.clock.now() + DRAIN;
        let mut ready = Vec::new();
        while !self.is_accounted_for() {
            let now = self.clock.now();
            if now >= deadline {
                let (acked, fetched) = (self.tally.acked.total, self.tally.fetched.total);
                bail!(
                    "{} s later: sent {:?}, acked {acked:?}, fetched {fetched:?}",
                    DRAIN / SECOND,
                    self.tally.sent
                );
            }
            self.turn(IDLE, &mut ready)?;
        }
        let (sent, acked) = (self.tally.sent, self.tally.acked.total);
        ensure!(sent == acked, "sent {sent:?}, acknowledged {acked:?}");
        let fetched = self.tally.fetched.total.records;
        ensure!(
            self.producers.is_empty() || fetched == self.records_to_fetch(),
            "{fetched} records fetched, {} were to be",
            self.records_to_fetch()
        );
        Ok(())
    }
}

/// A connection by its token: producers come first.
fn connection<'a>(
    producers: &'a mut [Producer],
    consumers: &'a mut [Consumer],
    token: usize,
) -> Result<&'a mut Connection> {
    let found = match token.checked_sub(producers.len()) {
        None => producers.get_mut(token).map(|producer| &mut producer.connection),
        Some(token) => consumers.get_mut(token).map(|consumer| &mut consumer.connection),
    };
    found.context("no such connection")
}
