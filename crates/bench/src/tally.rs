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
        let latency = Histogram::new_with_bounds(100, LONGEST, 3).context("a histogram")?;
        Ok(Flow { total: Counts::default(), measured: Counts::default(), latency })
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
        })
    }

    /// An acknowledged batch that had been due.
    /// Times are nanoseconds of one clock.
    pub(crate) fn ack(&mut self, due: u64, now: u64, counts: Counts) {
        self.acked.total.add(counts);
        // Throughput counts answers in the window, latency the requests that were due in it: one that stalls beyond the
        // window's end must not be left out.
        if self.window.contains(&now) {
            self.acked.measured.add(counts);
        }
        if self.window.contains(&due) {
            self.acked.latency.saturating_record(now - due);
        }
    }

    /// An answered fetch.
    pub(crate) fn fetch(&mut self, now: u64, counts: Counts) {
        self.fetched.total.add(counts);
        if self.window.contains(&now) {
            self.fetched.measured.add(counts);
        }
    }

    /// Adds the latency of one batch, or one fetch, to a consumer.
    pub(crate) fn delivery(&mut self, due: u64, now: u64) {
        if self.window.contains(&due) {
            self.fetched.latency.saturating_record(now.saturating_sub(due));
        }
    }
}
