//! The main thread: it puts records into batches and sends them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use codec::records::Compression;

use super::arguments::Defaults;
use super::batches::{Batch, Batches, size};
use super::queue::{self, Records};
use super::send::{Wishes, send};
use super::topics::Topics;
use crate::client::{Leaders, Partition};
use crate::clock;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::record::NewRecord;

/// A record waits this long for others, so that they are sent together.
const LINGER: Duration = Duration::from_millis(10);
/// A connection that was idle for this long is opened anew.
const IDLE: Duration = Duration::from_secs(60);
/// Longest wait for a record, so that a signal is noticed.
const WAIT: Duration = Duration::from_millis(100);

/// The reason for which the producer ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    Interrupted,
}

pub(super) struct Producer {
    leaders: Leaders,
    topics: Topics,
    defaults: Defaults,
    batches: Batches,
    /// The time at which the first record that waits has to be sent: an input without pauses must not hold it back.
    deadline: Option<Instant>,
    linger: Duration,
    wishes: Wishes,
    /// Gets a line for each batch that was written.
    print: fn(&str) -> Result<(), Failure>,
    /// Records so far.
    acknowledged: usize,
    last_sent: Option<Instant>,
}

impl Producer {
    pub(super) fn new(
        leaders: Leaders,
        defaults: Defaults,
        compression: Compression,
        wishes: Wishes,
        print: fn(&str) -> Result<(), Failure>,
    ) -> Self {
        let (topics, batches) = (Topics::default(), Batches::new(compression));
        Self {
            leaders,
            topics,
            defaults,
            batches,
            deadline: None,
            linger: LINGER,
            wishes,
            print,
            acknowledged: 0,
            last_sent: None,
        }
    }

    /// Each record is sent by itself.
    pub(super) fn one_by_one(self) -> Self {
        Self { linger: Duration::ZERO, ..self }
    }

    /// Records that are safe.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// # Errors
    /// The topic of the command line cannot be written to.
    pub(super) fn check_topic(&mut self) -> Result<(), Failure> {
        let Some(topic) = self.defaults.topic.clone() else { return Ok(()) };
        let record = NewRecord { partition: self.defaults.partition, ..NewRecord::default() };
        self.topics.partition(&mut self.leaders, &topic, &record, 0, clock::instant()).map(drop)
    }

    /// Sends records until the input ends, or a signal comes: then it sends those that wait.
    ///
    /// # Errors
    /// A record cannot be read or sent. The text says how many are safe.
    pub(super) fn run(&mut self, records: &mut Records, interrupt: &Interrupt) -> Result<End, Failure> {
        loop {
            let now = clock::instant();
            let left = self.deadline.map_or(WAIT, |deadline| deadline.saturating_duration_since(now));
            if interrupt.has_come() {
                self.take_waiting(records)?;
                self.flush(clock::instant())?;
                return Ok(End::Interrupted);
            }
            if left.is_zero() {
                self.flush(clock::instant())?;
                continue;
            }
            match records.take(left) {
                Ok(read) => {
                    let record = self.or_flush(read.map_err(Failure::failed))?;
                    self.add(record, now)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.flush(clock::instant())?;
                    return Ok(End::Whole);
                }
            }
        }
    }

    /// Takes the records of the queue, and no more: the input may go on for ever.
    fn take_waiting(&mut self, records: &mut Records) -> Result<(), Failure> {
        for _ in 0..queue::RECORDS {
            let Ok(read) = records.take(Duration::ZERO) else { break };
            let record = self.or_flush(read.map_err(Failure::failed))?;
            self.add(record, clock::instant())?;
        }
        Ok(())
    }

    fn add(&mut self, record: NewRecord, now: Instant) -> Result<(), Failure> {
        let complete = self.defaults.complete(record);
        let sized = complete.and_then(|(topic, record)| Ok((topic, size(&record)?, record)));
        let (topic, bytes, record) = self.or_flush(sized.map_err(Failure::failed))?;
        if self.topics.is_old(&self.leaders, &topic, now) {
            self.flush(now)?;
            self.topics.renew(&mut self.leaders, &topic, now);
        }
        let partition = self.topics.partition(&mut self.leaders, &topic, &record, bytes, now);
        let partition = self.or_flush(partition)?;
        if self.batches.is_full(&partition, bytes) {
            self.flush(now)?;
        }
        self.batches.add(partition, &record, bytes, clock::now_ms());
        self.deadline.get_or_insert_with(|| clock::instant() + self.linger);
        Ok(())
    }

    /// The value; in place of a failure, first the records before it are sent.
    fn or_flush<T>(&mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        match result {
            Ok(value) => Ok(value),
            Err(failure) => {
                self.flush(clock::instant())?;
                Err(self.after(&failure))
            }
        }
    }

    /// Sends all batches and waits for their acknowledgements.
    fn flush(&mut self, now: Instant) -> Result<(), Failure> {
        if self.batches.is_empty() {
            return Ok(());
        }
        let batches: BTreeMap<Partition, Batch> = self.batches.take();
        self.deadline = None;
        self.drop_idle_connections(batches.keys(), now);
        let sent = send(&mut self.leaders, &batches, self.wishes);
        let mut lines = String::new();
        // All of them count, before one is printed: that may fail.
        for (partition, offset) in &sent.written {
            self.acknowledged += batches.get(partition).map_or(0, |batch| batch.count);
            let Partition { topic, index } = partition;
            // Writing to a `String` does not fail.
            let _ = writeln!(lines, "{topic} {index} {offset}");
        }
        let printed = (self.print)(&lines).err().map(|failure| failure.to_string());
        let failures: Vec<String> = sent.refusals.into_iter().chain(printed).collect();
        match failures.is_empty() {
            true => Ok(()),
            false => Err(self.after(&Failure::failed(failures.join("\n       ")))),
        }
    }

    /// Brokers close connections that are idle for long, and routers forget them without a word: a batch should not be the first to notice.
    fn drop_idle_connections<'a>(&mut self, partitions: impl Iterator<Item = &'a Partition>, now: Instant) {
        if self.last_sent.is_some_and(|last| now.saturating_duration_since(last) > IDLE) {
            for partition in partitions {
                if let Some(node) = self.leaders.leader(partition) {
                    self.leaders.forget(node);
                }
            }
        }
        self.last_sent = Some(now);
    }

    /// The failure with the number of records that are safe.
    fn after(&self, failure: &Failure) -> Failure {
        Failure::failed(format!("{failure} (acknowledged records: {})", self.acknowledged))
    }
}

#[cfg(test)]
mod tests;
