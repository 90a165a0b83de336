//! A producer with an id: transactions one after the other, or none, and the back-offs of Java's client.
//!
//! ```text
//! idle ─► fetching (a copier) ─► announcing (V1) ─► producing ─► ending ─► settling (with a pause) ─► idle
//! ```
//! As Java's client, it ends a transaction once all its requests are answered. A refused request that may be repeated waits for
//! its back-off with everything that was sent after it and refused for the gap; nothing new is sent meanwhile.

mod answers;

use crate::endpoint::Endpoint;
use std::collections::VecDeque;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use codec::messages::TransactionalId;

use super::backoff::BatchBackoff;
use super::batches::{Identity, Requests};
use super::calls;
use super::copier::Copier;
use crate::clock::SECOND;
use crate::connection::Connection;
use crate::loads::{Load, ProducerKind};
use crate::tally::{Counts, Tally};

/// A request that was sent, or is to be sent again.
struct Sent {
    correlation: i32,
    /// From when its latency counts.
    due: u64,
    what: What,
}

/// The kinds of requests.
enum What {
    Announce,
    /// The number of the request in [`Requests`], and partitions with their sequence numbers.
    Batches(usize, Vec<(u32, i32)>),
    Offsets,
    End,
    Describe,
}

/// The part of a transaction that the producer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Begins the next one at this time.
    Idle(u64),
    Fetching,
    Announcing,
    Producing,
    Ending,
    Settling,
}

/// The present transaction.
#[derive(Default)]
struct Transaction {
    began: u64,
    end_sent: u64,
    committed: bool,
    counts: Counts,
    /// Requests with batches that were sent.
    requests: usize,
    /// The partition of each batch.
    written: Vec<u32>,
    /// Partitions that were announced by a request of its own: they get a marker in any case.
    announced: Vec<u32>,
}

/// A producing connection.
pub(super) struct Producer {
    pub(super) connection: Connection,
    pub(super) copier: Option<Copier>,
    load: Load,
    topic: String,
    id: Option<TransactionalId>,
    identity: Identity,
    requests: Requests,
    /// The next sequence number of each partition.
    sequences: Vec<i32>,
    /// The partition of the next batch; it writes to `first`, `first + step`, … as a plain producer.
    next: u32,
    first: u32,
    correlation: i32,
    unanswered: VecDeque<Sent>,
    /// To be sent again at `wake`.
    again: VecDeque<Sent>,
    wake: u64,
    /// Refusals of batches in a row.
    attempts: u32,
    backoff: BatchBackoff,
    /// Due requests of a paced load.
    waiting: VecDeque<u64>,
    phase: Phase,
    transaction: Transaction,
    /// Transactions so far.
    count: u64,
    stopping: bool,
}

impl Producer {
    /// Connects producer `number` of a load, and gets its id.
    ///
    /// # Errors
    /// The broker refuses that.
    pub(super) fn connect(
        endpoint: Endpoint,
        load: &Load,
        topic: &str,
        number: u32,
        copier: Option<Copier>,
    ) -> Result<Producer> {
        let id = load.producer.is_transactional().then(|| format!("{topic}-{number}"));
        let first = number % load.partitions;
        Ok(Producer {
            identity: calls::init_producer_id(endpoint, id.as_deref(), load.producer)?,
            connection: Connection::open(endpoint)?,
            copier,
            load: *load,
            topic: topic.to_owned(),
            requests: Requests::build(topic, load, id.as_deref())?,
            id: id.as_deref().map(calls::transactional_id),
            sequences: vec![0; load.partitions as usize],
            next: first,
            first,
            correlation: 0,
            unanswered: VecDeque::new(),
            again: VecDeque::new(),
            wake: 0,
            attempts: 0,
            backoff: BatchBackoff::new(number),
            waiting: VecDeque::new(),
            phase: Phase::Idle(0),
            transaction: Transaction::default(),
            count: 0,
            stopping: false,
        })
    }

    /// Bytes of the batches that it sends.
    pub(super) fn batch_bytes(&self) -> Vec<usize> {
        self.requests.batch_bytes()
    }

    /// A request of a paced load is due; [`Producer::advance`] sends it as soon as it can.
    pub(super) fn due(&mut self, due: u64) {
        self.waiting.push_back(due);
    }

    /// Begins no further transaction, and ends the present one.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// True if nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        let at_rest = match self.phase {
            Phase::Idle(_) => true,
            _ => !self.load.producer.is_transactional(),
        };
        at_rest && self.unanswered.is_empty() && self.again.is_empty() && self.waiting.is_empty()
    }

    /// When the end of the present transaction was sent, if it is unanswered.
    pub(super) fn ending_since(&self) -> Option<u64> {
        (self.phase == Phase::Ending).then_some(self.transaction.end_sent)
    }

    /// The next time at which there may be something to do without an answer.
    pub(super) fn wakes_at(&self) -> Option<u64> {
        // Answers come first, and each lets the producer go on.
        if !self.unanswered.is_empty() {
            return None;
        }
        if !self.again.is_empty() {
            return Some(self.wake);
        }
        match self.phase {
            Phase::Idle(from) if self.may_begin() => Some(from),
            Phase::Producing if self.load.commit_ms > 0 => Some(self.commit_at()),
            _ => None,
        }
    }

    fn commit_at(&self) -> u64 {
        self.transaction.began + u64::from(self.load.commit_ms) * (SECOND / 1000)
    }

    /// Queues everything that can be sent now.
    ///
    /// # Errors
    /// A request cannot be encoded.
    pub(super) fn advance(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        if !self.again.is_empty() {
            // In their order, once nothing is under way that could be refused for the gap.
            if now >= self.wake && self.unanswered.is_empty() {
                for sent in std::mem::take(&mut self.again) {
                    tally.transactions.repeated += 1;
                    self.send(sent.what, sent.due)?;
                }
            }
            return Ok(());
        }
        match self.phase {
            Phase::Idle(from) if now >= from && self.may_begin() => self.begin(now, tally),
            Phase::Producing => self.produce(now, tally),
            _ => Ok(()),
        }
    }

    fn may_begin(&self) -> bool {
        if self.load.rate == 0 { !self.stopping } else { !self.waiting.is_empty() }
    }

    fn begin(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        if let Some(copier) = &mut self.copier {
            self.phase = Phase::Fetching;
            return copier.fetch();
        }
        self.begin_transaction(now, tally)
    }

    fn begin_transaction(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        let percent = u64::from(self.load.aborted_percent);
        // Spread evenly: of a hundred in a row exactly that percentage.
        let committed = (self.count + 1) * percent / 100 == self.count * percent / 100;
        self.count += 1;
        self.transaction = Transaction { began: now, committed, ..Transaction::default() };
        if self.load.producer == ProducerKind::V1 {
            self.transaction.announced = self.planned();
            self.phase = Phase::Announcing;
            return self.send(What::Announce, now);
        }
        self.phase = Phase::Producing;
        self.produce(now, tally)
    }

    /// The partitions of the next transaction.
    fn planned(&self) -> Vec<u32> {
        if self.load.commit_ms > 0 {
            return (self.first..self.load.partitions).step_by(self.load.connections as usize).collect();
        }
        (0..self.load.touched).map(|at| (self.next + at) % self.load.partitions).collect()
    }

    /// Sends batches, or the end of the transaction if it is time.
    fn produce(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        let transactional = self.load.producer.is_transactional();
        let timed = self.load.commit_ms > 0;
        // A transaction that is not ended by time is always sent whole.
        let stopping = self.stopping && (timed || !transactional);
        loop {
            let whole =
                transactional && !timed && self.transaction.requests >= self.requests_per_transaction();
            let over = timed && (now >= self.commit_at() || (stopping && self.waiting.is_empty()));
            if whole || over {
                break;
            }
            let due = match self.load.rate {
                0 => (!stopping).then_some(now),
                _ => self.waiting.front().copied(),
            };
            let Some(due) = due.filter(|_| self.unanswered.len() < self.load.in_flight as usize) else {
                return Ok(());
            };
            self.waiting.pop_front();
            self.send_batches(due, tally)?;
        }
        if self.unanswered.is_empty() { self.end(now, tally) } else { Ok(()) }
    }

    fn requests_per_transaction(&self) -> usize {
        if self.load.touched == 1 { 1 } else { self.requests.len() }
    }

    fn send_batches(&mut self, due: u64, tally: &mut Tally) -> Result<()> {
        let number = match self.load.touched {
            1 => self.correlation as usize,
            _ => self.transaction.requests,
        };
        let count = self.requests.partitions(number);
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            let partition = self.next;
            let sequence = self.sequences.get_mut(partition as usize).context("a partition")?;
            partitions.push((partition, *sequence));
            *sequence = sequence.wrapping_add(self.load.records.cast_signed()) & i32::MAX;
            self.next = match (self.load.touched, self.next + self.load.connections) {
                (1, next) if next < self.load.partitions => next,
                (1, _) => self.first,
                _ => (self.next + 1) % self.load.partitions,
            };
            // Offsets follow the order of sending, so consumers find a batch's due time by its number.
            if let Some(dues) = tally.due.get_mut(partition as usize) {
                dues.push(due);
            }
        }
        self.transaction.requests += 1;
        tally.sent.add(self.requests.counts(number));
        self.send(What::Batches(number, partitions), due)?;
        // Both announce themselves; Java's client has them under way at the same time.
        if self.copier.is_some() { self.send(What::Offsets, due) } else { Ok(()) }
    }

    fn end(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        self.phase = Phase::Ending;
        self.transaction.end_sent = now;
        if !tally.due.is_empty() {
            for partition in &self.transaction.written {
                tally.transactions.end_sent[*partition as usize].push(now);
            }
        }
        self.send(What::End, now)
    }

    fn send(&mut self, what: What, due: u64) -> Result<()> {
        self.correlation = self.correlation.wrapping_add(1);
        let (correlation, identity) = (self.correlation, self.identity);
        if let What::Batches(number, partitions) = &what {
            let (head, body) = self.requests.patched(*number, correlation, identity, partitions);
            self.connection.queue(head, body);
        } else {
            let id = self.id.as_ref().context("a transactional request without an id")?;
            let frame = match &what {
                What::Announce => {
                    calls::announce(id, identity, &self.topic, &self.transaction.announced, correlation)
                }
                What::Offsets => self.copier.as_ref().context("a copier")?.commit(id, identity, correlation),
                What::Describe => calls::describe(id, correlation),
                _ => calls::end(id, identity, self.load.producer, self.transaction.committed, correlation),
            };
            self.connection.queue(&frame?, &Bytes::new());
        }
        self.unanswered.push_back(Sent { correlation, due, what });
        Ok(())
    }
}
