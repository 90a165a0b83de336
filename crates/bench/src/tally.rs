//! Counts of a running load, and the due times of the batches that were sent.

use std::ops::Range;

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;

/// Latencies above are counted as this: one minute, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

/// Requests, and their records and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Answered, or sent.
    pub(crate) requests: u64,
    pub(crate) records: u64,
    /// Of record batches, headers included.
    pub(crate) bytes: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.requests += other.requests;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// One direction: acknowledged or fetched records.
#[derive(Debug)]
pub(crate) struct Flow {
    /// From the first request to the last.
    pub(crate) total: Counts,
    /// Answered inside the measured window.
    pub(crate) measured: Counts,
    /// Latency of the requests that were due inside the window, in nanoseconds, whenever the answer arrived.
    pub(crate) latency: Histogram<u64>,
}

impl Flow {
    fn new() -> Result<Flow> {
        Ok(Flow { total: Counts::default(), measured: Counts::default(), latency: histogram()? })
    }
}

/// The counts of one load.
#[derive(Debug)]
pub(crate) struct Tally {
    /// The measured window; its end is `u64::MAX` while it is not known.
    pub(crate) window: Range<u64>,
    /// Sent by producers.
    pub(crate) sent: Counts,
    /// Acknowledged to producers.
    pub(crate) acked: Flow,
    /// Received by consumers; each consumer counts.
    pub(crate) fetched: Flow,
    /// Per partition, the due time of each of its batches, in the order of their offsets. Kept only for
    /// tailing consumers.
    pub(crate) due: Vec<Vec<u64>>,
    /// The transactions, if the load has any.
    pub(crate) transactions: Transactions,
}

/// Counts of transactions. Times are nanoseconds.
#[derive(Debug)]
pub(crate) struct Transactions {
    /// Those that ended; their latency is from the begin to the answer to the end.
    pub(crate) ended: Flow,
    /// From the end's request, sent for the first time, to its answer.
    pub(crate) end: Histogram<u64>,
    /// From the end's request to the moment at which a reader of committed records has the record, or the coordinator says
    /// that the transaction is complete.
    pub(crate) visible: Histogram<u64>,
    /// Latency of the requests of a producer beside the transactions that were due while an end was unanswered.
    pub(crate) beside_end: Histogram<u64>,
    /// Requests that were sent again after a back-off.
    pub(crate) repeated: u64,
    /// Per partition, as `due`: when the end of the batch's transaction was sent. Kept only where `due` is.
    pub(crate) end_sent: Vec<Vec<u64>>,
    /// Per partition, the records that were acknowledged.
    pub(crate) records: Vec<u64>,
    /// Per partition, the ends of transactions: each takes an offset.
    pub(crate) markers: Vec<u64>,
    /// Per partition, the records of committed transactions.
    pub(crate) committed: Vec<u64>,
}

impl Transactions {
    fn new() -> Result<Transactions> {
        Ok(Transactions {
            ended: Flow::new()?,
            end: histogram()?,
            visible: histogram()?,
            beside_end: histogram()?,
            repeated: 0,
            end_sent: Vec::new(),
            records: Vec::new(),
            markers: Vec::new(),
            committed: Vec::new(),
        })
    }
}

fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(100, LONGEST, 3).context("a histogram")
}

impl Tally {
    /// Empty counts, before the window.
    pub(crate) fn new() -> Result<Tally> {
        // Holds no time: nothing is measured before the window begins.
        let window = u64::MAX..u64::MAX;
        Ok(Tally {
            window,
            sent: Counts::default(),
            acked: Flow::new()?,
            fetched: Flow::new()?,
            due: Vec::new(),
            transactions: Transactions::new()?,
        })
    }

    /// An acknowledged batch that had been due.
    /// Times are nanoseconds of one clock.
    pub(crate) fn ack(&mut self, due: u64, now: u64, counts: Counts) {
        self.acked.add(&self.window, due, now, counts);
    }

    /// A transaction that began at `began` and whose end, sent at `sent`, was answered.
    pub(crate) fn end(&mut self, began: u64, sent: u64, now: u64, counts: Counts) {
        self.transactions.ended.add(&self.window, began, now, counts);
        if self.window.contains(&sent) {
            self.transactions.end.saturating_record(now - sent);
        }
    }

    /// An answered fetch.
    pub(crate) fn fetch(&mut self, now: u64, counts: Counts) {
        self.fetched.total.add(counts);
        if self.window.contains(&now) {
            self.fetched.measured.add(counts);
        }
    }

    /// A batch that reached a consumer: the `number`-th of its partition. Without producers nothing was due.
    ///
    /// # Errors
    /// It was not sent, or its transaction was not ended.
    pub(crate) fn deliver(&mut self, partition: u32, number: usize, now: u64) -> Result<()> {
        let at = partition as usize;
        if let Some(dues) = self.due.get(at) {
            let due = *dues.get(number).context("a batch that was not sent")?;
            self.delivery(due, now);
        }
        if let Some(ends) = self.transactions.end_sent.get(at) {
            let sent = *ends.get(number).context("a batch of a transaction that was not ended")?;
            self.visible(sent, now);
        }
        Ok(())
    }

    /// Adds the latency of one batch, or one fetch, to a consumer.
    pub(crate) fn delivery(&mut self, due: u64, now: u64) {
        if self.window.contains(&due) {
            self.fetched.latency.saturating_record(now.saturating_sub(due));
        }
    }

    /// The effect of an end that was sent at `sent` is visible.
    pub(crate) fn visible(&mut self, sent: u64, now: u64) {
        if self.window.contains(&sent) {
            self.transactions.visible.saturating_record(now - sent);
        }
    }
}

impl Flow {
    fn add(&mut self, window: &Range<u64>, due: u64, now: u64, counts: Counts) {
        self.total.add(counts);
        // Throughput counts answers in the window, latency the requests that were due in it: one that stalls beyond the
        // window's end must not be left out.
        if window.contains(&now) {
            self.measured.add(counts);
        }
        if window.contains(&due) {
            self.latency.saturating_record(now - due);
        }
    }
}
