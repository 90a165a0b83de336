//! Time: nanoseconds since the start of the process, and the wall clock once, for record timestamps.
//!
//! The driver reads the clock where it measures and hands the reading on, so that one event has one time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A second, in the unit of [`Clock::now`].
pub(crate) const SECOND: u64 = 1_000_000_000;

/// The monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts counting.
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Nanoseconds since [`Clock::start`].
    pub(crate) fn now(self) -> u64 {
        nanos(self.0.elapsed())
    }
}

/// A duration in nanoseconds; 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("no run lasts 584 years")
}

/// Milliseconds since 1970, for the timestamps in records.
pub(crate) fn wall_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).expect("the machine's clock is set");
    i64::try_from(elapsed.as_millis()).expect("these fit for 292 million years")
}
