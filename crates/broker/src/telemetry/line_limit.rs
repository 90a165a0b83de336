//! Limits the log lines that a client can cause: for each reason a few at once, then one for each interval.
//!
//! Guarantees that lines at a human pace are all written, that a flood becomes a line every few seconds however many
//! clients there are, and that the next line says how many were left out. Reasons are texts of the program: a client
//! cannot make new ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock;

/// Lines of one reason that may come at once, unless said otherwise.
const BURST: u32 = 20;
/// A further line of that reason is earned in this time, unless said otherwise.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct LineLimit {
    /// Lines of one reason that may come at once.
    burst: u32,
    /// A further line of that reason is earned in this time.
    interval: Duration,
    lines: Mutex<BTreeMap<&'static str, Line>>,
}

#[derive(Debug)]
struct Line {
    /// Lines that may be written at once, at most the burst.
    left: u32,
    /// When the last line was earned.
    earned: Instant,
    /// Lines left out since the last one that was written.
    suppressed: u64,
}

impl LineLimit {
    /// With nothing written yet.
    pub(crate) const fn new() -> Self {
        Self::of(BURST, INTERVAL)
    }

    /// Lets that many lines of one reason through at once, and then one in each interval.
    pub(crate) const fn of(burst: u32, interval: Duration) -> Self {
        Self { burst, interval, lines: Mutex::new(BTreeMap::new()) }
    }

    /// If a line for this reason may be written, how many were left out since the last one.
    pub(crate) fn take(&self, reason: &'static str) -> Option<u64> {
        self.take_at(reason, clock::now())
    }

    /// As [`LineLimit::take`], at a time that the caller knows. Takes a short lock; the map has one entry for each
    /// reason of the program, so it does not grow with clients.
    pub(crate) fn take_at(&self, reason: &'static str, now: Instant) -> Option<u64> {
        let mut lines = self.lines.lock();
        let line = lines.entry(reason).or_insert(Line { left: self.burst, earned: now, suppressed: 0 });
        // The time that earned no whole line yet is kept, or frequent calls would never earn one.
        while line.left < self.burst && now.saturating_duration_since(line.earned) >= self.interval {
            line.left += 1;
            line.earned += self.interval;
        }
        // A full budget earns nothing: a long silence must not let more than the burst through.
        if line.left == self.burst {
            line.earned = now;
        }
        let Some(left) = line.left.checked_sub(1) else {
            line.suppressed += 1;
            return None;
        };
        line.left = left;
        Some(std::mem::take(&mut line.suppressed))
    }
}

/// Limits the lines about faults that any request can meet, wherever it is handled.
pub(crate) static FAULTS: LineLimit = LineLimit::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_cut_to_a_line_an_interval_and_counted() {
        let limit = LineLimit::new();
        let start = crate::clock::now();
        let written: Vec<u64> = (0..1_000).filter_map(|_| limit.take_at("full", start)).collect();
        assert_eq!(written, [0; 20]);
        assert_eq!(limit.take_at("full", start + INTERVAL), Some(980));
        assert_eq!(limit.take_at("full", start + INTERVAL), None);
        assert_eq!(limit.take_at("full", start + 2 * INTERVAL), Some(1));
    }

    #[test]
    fn a_limit_may_be_wider() {
        let limit = LineLimit::of(200, Duration::from_secs(1));
        let start = crate::clock::now();
        assert_eq!((0..1_000).filter_map(|_| limit.take_at("joins", start)).count(), 200);
        assert_eq!(limit.take_at("joins", start + Duration::from_secs(1)), Some(800));
    }

    #[test]
    fn reasons_do_not_hide_each_other() {
        let limit = LineLimit::new();
        let now = crate::clock::now();
        assert_eq!((limit.take_at("full", now), limit.take_at("malformed", now)), (Some(0), Some(0)));
    }
}
