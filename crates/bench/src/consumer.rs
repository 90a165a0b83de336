//! A consuming connection: fetches all its partitions in one session (KIP-227), one request at a time, as the
//! Java client does.
//!
//! No batch may be missing: each must begin where the one before it ended, and have the size that was
//! produced. Of committed records, each pass over a partition must bring exactly those that were committed.

mod committed;

use crate::endpoint::Endpoint;
use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use self::committed::Aborts;
use crate::connection::Connection;
use crate::frames::{self, FetchTerms};
use crate::responses::{self, Aborted};
use crate::tally::{Counts, Tally};

/// As Java's `fetch.max.wait.ms`.
const MAX_WAIT_MS: u32 = 500;

/// Settings that all consumers of a load share.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// The one topic of the load.
    pub(crate) topic: &'a str,
    /// `max_bytes` of a fetch.
    pub(crate) fetch_bytes: u32,
    /// Of the batches that are produced, headers included; any other size is an error.
    pub(crate) batch_sizes: Vec<usize>,
    /// The end of each partition; a consumer that reaches it starts again if `again`. Empty: it waits for more.
    pub(crate) ends: Vec<i64>,
    /// Starts again from offset 0; false for a load that reads everything once.
    pub(crate) again: bool,
    /// Leaves out what was aborted, and receives nothing of an open transaction.
    pub(crate) read_committed: bool,
    /// Records that a reader of each partition sees from its beginning to its end; empty: not checked.
    pub(crate) visible: Vec<u64>,
}

/// How far the consumer has read in one partition.
#[derive(Debug)]
struct Position {
    index: u32,
    /// The next offset to ask for.
    offset: i64,
    /// The number of batches before it, without those that end transactions.
    batches: usize,
    /// The number of records before it that were delivered.
    records: u64,
    /// The broker's session does not know this offset yet.
    changed: bool,
}

/// A consuming connection.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) connection: Connection,
    /// One for each partition of this consumer.
    positions: Vec<Position>,
    /// Partition index to place in `positions`.
    by_index: HashMap<i32, usize>,
    /// 0 until the broker has opened a session, and where it keeps none.
    session_id: i32,
    /// 0 asks for a new session (KIP-227).
    session_epoch: i32,
    correlation: i32,
    /// When the fetch under way was queued, in nanoseconds.
    sent_at: u64,
}

impl Consumer {
    /// Connects; it reads these partitions from their beginning.
    pub(crate) fn connect(endpoint: Endpoint, partitions: impl Iterator<Item = u32>) -> Result<Consumer> {
        let positions: Vec<_> = partitions
            .map(|index| Position { index, offset: 0, batches: 0, records: 0, changed: true })
            .collect();
        let by_index =
            positions.iter().enumerate().map(|(at, position)| (position.index.cast_signed(), at)).collect();
        Ok(Consumer {
            connection: Connection::open(endpoint)?,
            positions,
            by_index,
            session_id: 0,
            session_epoch: 0,
            correlation: 0,
            sent_at: 0,
        })
    }

    /// Queues the next fetch: in a session only the partitions that moved.
    pub(crate) fn fetch(&mut self, now: u64, reading: &Reading) -> Result<()> {
        let terms = FetchTerms {
            session_id: self.session_id,
            session_epoch: self.session_epoch,
            max_bytes: reading.fetch_bytes,
            max_wait_ms: MAX_WAIT_MS,
            read_committed: reading.read_committed,
        };
        self.correlation = self.correlation.wrapping_add(1);
        // KIP-227: a fetch that opens a session names every partition, the next ones only those that changed.
        let everything = self.session_id == 0;
        let asked = self.positions.iter().filter(|position| everything || position.changed);
        let asked = asked.map(|position| (position.index, position.offset));
        let frame = frames::fetch(reading.topic, self.correlation, terms, asked)?;
        self.connection.queue(&frame, &Bytes::new());
        // From this fetch on the broker's session has these offsets.
        for position in &mut self.positions {
            position.changed = false;
        }
        self.sent_at = now;
        Ok(())
    }

    /// Takes an answer, if it is whole, and queues the next fetch; false if there was none.
    ///
    /// # Errors
    /// The broker refuses the fetch, answers another one, or a batch is not the one that comes next.
    pub(crate) fn receive(&mut self, now: u64, reading: &Reading, tally: &mut Tally) -> Result<bool> {
        self.connection.fill()?;
        // One at most: the next fetch is queued below.
        let Some(range) = self.connection.next_frame()? else { return Ok(false) };
        let mut counts = Counts { requests: 1, ..Counts::default() };
        let positions = &mut self.positions;
        let by_index = &self.by_index;
        let answer = responses::fetched(self.connection.frame(range), |index, aborted, records| {
            let at = by_index.get(&index).context("a partition that was not asked for")?;
            let position = positions.get_mut(*at).context("a partition that was not asked for")?;
            position.take(aborted, records, now, reading, tally, &mut counts)
        })?;
        ensure!(
            answer.correlation == self.correlation,
            "answer {}, expected {}",
            answer.correlation,
            self.correlation
        );
        // Epochs count from 1 again after the greatest: 0 would open a new session.
        self.session_epoch = if answer.session_id == 0 { 0 } else { self.session_epoch % i32::MAX + 1 };
        self.session_id = answer.session_id;
        tally.fetch(now, counts);
        // Without producers nothing was due: the latency of the fetch itself counts.
        if tally.due.is_empty() {
            tally.delivery(self.sent_at, now);
        }
        self.fetch(now, reading)?;
        Ok(true)
    }

    /// True if every partition was read to its end.
    pub(crate) fn is_done(&self, ends: &[i64]) -> bool {
        self.positions
            .iter()
            .all(|position| ends.get(position.index as usize).is_some_and(|end| position.offset >= *end))
    }
}

impl Position {
    /// Takes the batches of one answer for this partition, and measures how late each is after it was due.
    ///
    /// # Errors
    /// A batch is missing, comes twice, comes before its transaction was ended, or has another size; or a pass over the
    /// partition did not bring the records that it should.
    fn take(
        &mut self,
        aborted: Vec<Aborted>,
        records: &[u8],
        now: u64,
        reading: &Reading,
        tally: &mut Tally,
        counts: &mut Counts,
    ) -> Result<()> {
        let mut aborts = Aborts::new(aborted);
        responses::whole_batches(records, |header, batch| {
            let control = header.attributes.is_control();
            ensure!(
                header.base_offset == self.offset
                    && (control || reading.batch_sizes.contains(&header.size_bytes())),
                "partition {}: a batch of {} bytes at offset {}, expected one of {:?} bytes at {}",
                self.index,
                header.size_bytes(),
                header.base_offset,
                reading.batch_sizes,
                self.offset
            );
            let left_out = aborts.leave_out(header, batch)?;
            counts.bytes += header.size_bytes() as u64;
            self.offset = header.next_offset();
            self.changed = true;
            if control {
                return Ok(());
            }
            if !left_out || !reading.read_committed {
                let records = u64::from(header.records_count.unsigned_abs());
                counts.records += records;
                self.records += records;
                tally.deliver(self.index, self.batches, now)?;
            }
            self.batches += 1;
            Ok(())
        })?;
        let at = self.index as usize;
        if reading.again && reading.ends.get(at).is_some_and(|end| self.offset >= *end) {
            if let Some(visible) = reading.visible.get(at) {
                let (index, seen) = (self.index, self.records);
                ensure!(seen == *visible, "partition {index}: {seen} records to be read, {visible} expected");
            }
            *self = Position { index: self.index, offset: 0, batches: 0, records: 0, changed: true };
        }
        Ok(())
    }
}
