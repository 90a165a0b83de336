//! A producing connection: it writes to its partitions in turn, with a limit of unanswered requests.
//!
//! Latency counts from the time at which a request was due. One that finds the limit reached waits here with
//! that time, so that a stall of the broker counts for every request that it holds up, not for one alone.

use crate::endpoint::Endpoint;
use std::collections::VecDeque;

use anyhow::{Context as _, Result, ensure};

use crate::connection::Connection;
use crate::frames::ProduceFrames;
use crate::loads::Load;
use crate::responses;
use crate::tally::{Counts, Tally};

/// A producing connection.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) connection: Connection,
    /// It writes to `first`, `first + step`, … below `end`.
    first: u32,
    step: u32,
    end: u32,
    /// The partition of the next request.
    next: u32,
    correlation: i32,
    /// Correlation id, due time and size of each unanswered request.
    in_flight: VecDeque<(i32, u64, Counts)>,
    /// `in-flight` of the load.
    limit: usize,
    /// Due requests that wait because of the limit.
    waiting: VecDeque<u64>,
}

impl Producer {
    /// Connects producer `number` of a load. If there are as many partitions as connections, each partition
    /// belongs to one of them.
    pub(crate) fn connect(endpoint: Endpoint, load: &Load, number: u32) -> Result<Producer> {
        let first = number % load.partitions;
        Ok(Producer {
            connection: Connection::open(endpoint)?,
            first,
            step: load.connections,
            end: load.partitions,
            next: first,
            correlation: 0,
            in_flight: VecDeque::new(),
            limit: load.in_flight as usize,
            waiting: VecDeque::new(),
        })
    }

    /// Sends the next request, which is due at `due`, or holds it until an answer makes room.
    pub(crate) fn send(&mut self, due: u64, frames: &mut ProduceFrames, tally: &mut Tally) {
        if self.in_flight.len() >= self.limit {
            self.waiting.push_back(due);
            return;
        }
        let partition = self.next;
        self.next = match self.next.saturating_add(self.step) {
            next if next < self.end => next,
            _ => self.first,
        };
        self.correlation = self.correlation.wrapping_add(1);
        // Each request has the next of the batches.
        let number = self.correlation as usize;
        let (head, body, counts) = frames.next(self.correlation, partition, number);
        self.connection.queue(head, body);
        self.in_flight.push_back((self.correlation, due, counts));
        tally.sent.add(counts);
        // Offsets follow the order of sending, so consumers find a batch's due time by its number.
        if let Some(dues) = tally.due.get_mut(partition as usize) {
            dues.push(due);
        }
    }

    /// Takes the answers that arrived, and sends requests that waited for them; returns the number of answers.
    ///
    /// # Errors
    /// A batch was refused, or an answer comes out of order.
    pub(crate) fn receive(
        &mut self,
        now: u64,
        frames: &mut ProduceFrames,
        tally: &mut Tally,
    ) -> Result<usize> {
        self.connection.fill()?;
        let mut answers = 0;
        while let Some(range) = self.connection.next_frame()? {
            let correlation = responses::produced(self.connection.frame(range))?;
            // Kafka answers the requests of a connection in their order.
            let (expected, due, counts) = self.in_flight.pop_front().context("an answer to no request")?;
            ensure!(correlation == expected, "answer {correlation}, expected {expected}");
            tally.ack(due, now, counts);
            answers += 1;
            if let Some(due) = self.waiting.pop_front() {
                self.send(due, frames, tally);
            }
        }
        Ok(answers)
    }

    /// Due time of the first request that waits to be sent.
    pub(crate) fn oldest_waiting(&self) -> Option<u64> {
        self.waiting.front().copied()
    }

    /// Limit of unanswered requests.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// True if no request is unanswered or waits.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.is_empty()
    }
}
