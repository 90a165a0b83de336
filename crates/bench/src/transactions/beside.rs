//! A plain producer beside transactions: one record a request to a topic of its own, acks=all, at a fixed pace.

use crate::endpoint::Endpoint;
use std::collections::VecDeque;

use anyhow::{Context as _, Result, ensure};

use crate::clock::SECOND;
use crate::connection::Connection;
use crate::frames::ProduceFrames;
use crate::loads::{Load, ProducerKind};
use crate::responses;
use crate::tally::{Counts, Tally};

/// The producer.
pub(super) struct Beside {
    pub(super) connection: Connection,
    frames: ProduceFrames,
    partitions: u32,
    rate: u64,
    /// Requests scheduled so far, from `origin` on.
    scheduled: u64,
    origin: u64,
    correlation: i32,
    /// Due time and size of the unanswered requests.
    unanswered: VecDeque<(u64, Counts)>,
    /// Records that were acknowledged.
    pub(super) acked: u64,
    /// The last end of a transaction beside it: when it was sent, and answered if it was.
    end: (u64, Option<u64>),
}

impl Beside {
    /// Connects; `topic` has that many partitions.
    pub(super) fn connect(
        endpoint: Endpoint,
        load: &Load,
        topic: &str,
        partitions: u32,
        now: u64,
    ) -> Result<Beside> {
        let plain = Load { producer: ProducerKind::Plain, acks: -1, partitions, ..*load };
        Ok(Beside {
            connection: Connection::open(endpoint)?,
            frames: ProduceFrames::build(topic, &plain)?,
            partitions,
            rate: load.beside.into(),
            scheduled: 0,
            origin: now,
            correlation: 0,
            unanswered: VecDeque::new(),
            acked: 0,
            end: (0, Some(0)),
        })
    }

    /// Queues the requests that are due; returns the time of the next one.
    pub(super) fn pace(&mut self, now: u64, tally: &mut Tally) -> u64 {
        loop {
            let due = self.origin + self.scheduled * SECOND / self.rate;
            if due > now {
                return due;
            }
            self.scheduled += 1;
            self.correlation = self.correlation.wrapping_add(1);
            let number = self.correlation as usize;
            let partition = number as u32 % self.partitions;
            let (head, body, counts) = self.frames.next(self.correlation, partition, number);
            self.connection.queue(head, body);
            self.unanswered.push_back((due, counts));
            tally.sent.add(counts);
        }
    }

    /// Notes when an end was sent, and when it is answered.
    pub(super) fn note_end(&mut self, ending_since: Option<u64>, now: u64) {
        match (ending_since, self.end) {
            (Some(sent), _) => self.end = (sent, None),
            (None, (sent, None)) => self.end = (sent, Some(now)),
            _ => {}
        }
    }

    /// Takes the answers that arrived.
    ///
    /// # Errors
    /// A batch was refused, or an answer comes out of order.
    pub(super) fn receive(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        self.connection.fill()?;
        while let Some(range) = self.connection.next_frame()? {
            let answered = responses::produced(self.connection.frame(range))?;
            let first = self.correlation.wrapping_sub(self.unanswered.len() as i32 - 1);
            let (due, counts) = self.unanswered.pop_front().context("an answer to no request")?;
            ensure!(answered == first, "answer {answered}, expected {first}");
            tally.ack(due, now, counts);
            self.acked += counts.records;
            let (sent, answered) = self.end;
            // It was under way at some time between the end's request and its answer.
            if tally.window.contains(&due) && sent <= now && answered.is_none_or(|answered| answered >= due) {
                tally.transactions.beside_end.saturating_record(now - due);
            }
        }
        Ok(())
    }

    /// True if everything is answered.
    pub(super) fn is_quiet(&self) -> bool {
        self.unanswered.is_empty()
    }
}
