//! The times of recent requests, for quantiles.
//!
//! Guarantees that a time stays for one to two windows in which there were requests, and that the last ones stay while there
//! are none. The windows of several threads together are as old as the newest request in any of them.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Phase, RequestTimes};

/// How long a window is filled before it is kept as the previous one.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Longest time told apart from longer ones, in microseconds: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// Times of one phase, in microseconds, with two significant digits.
pub(super) type Window = Histogram<u32>;

/// The windows that are being filled and those before them.
#[derive(Debug)]
pub(super) struct Recent {
    /// When the current windows began.
    since: Instant,
    /// The last request.
    last: Instant,
    current: Phases,
    previous: Phases,
}

/// One window for each phase.
#[derive(Debug, Default)]
struct Phases {
    /// In the order of [`Phase::ALL`]. Without times of 0, which most phases of most requests have;
    /// `None` before the first longer one, as a window takes 12 KiB.
    windows: [Option<Box<Window>>; Phase::COUNT],
    /// Requests in these windows.
    requests: u32,
}

impl Recent {
    /// Windows that begin now.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, last: now, current: Phases::default(), previous: Phases::default() }
    }

    /// Adds the times of a request, and begins new windows where the current ones are full.
    pub(super) fn record(&mut self, now: Instant, times: &RequestTimes) {
        let age = now.saturating_duration_since(self.since);
        if age >= WINDOW {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.reset();
            // Kept until now, so that an idle API shows its last quantiles, as in Kafka.
            if age >= 2 * WINDOW {
                self.previous.reset();
            }
            // A window begins with a request, so that nothing has to run while the API is idle.
            self.since = now;
        }
        self.last = self.last.max(now);
        self.current.record(times);
    }

    /// The last request.
    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// Both windows of each phase as one, where the newest request came at `now`, perhaps on another thread; `None` if they are
    /// too old to count beside it.
    pub(super) fn windows(&self, now: Instant) -> Option<[Window; Phase::COUNT]> {
        let age = now.saturating_duration_since(self.since);
        if age >= 2 * WINDOW {
            return None;
        }
        let mut windows = self.current.complete();
        // With a request at `now`, `record` would keep only the current ones, as the previous.
        if age < WINDOW {
            add(&mut windows, &self.previous.complete());
        }
        Some(windows)
    }
}

impl Phases {
    fn reset(&mut self) {
        self.windows.iter_mut().flatten().for_each(|window| window.reset());
        self.requests = 0;
    }

    fn record(&mut self, times: &RequestTimes) {
        self.requests = self.requests.saturating_add(1);
        for (window, phase) in self.windows.iter_mut().zip(times.phases()) {
            // Rounded up: a phase that takes less than a microsecond in every request is not shown as taking nothing.
            match u64::try_from(phase.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX) {
                // Follows from the number of requests, see `complete`.
                0 => {}
                us => window.get_or_insert_with(|| Box::new(empty())).saturating_record(us),
            }
        }
    }

    /// The windows with the times of 0.
    fn complete(&self) -> [Window; Phase::COUNT] {
        self.windows.each_ref().map(|window| {
            let mut window = window.as_ref().map_or_else(empty, |window| Window::clone(window));
            let recorded = u32::try_from(window.len()).unwrap_or(u32::MAX);
            window.saturating_record_n(0, self.requests.saturating_sub(recorded));
            window
        })
    }
}

fn empty() -> Window {
    Histogram::new_with_bounds(1, LONGEST_US, 2).expect("the bounds are constants that it accepts")
}

/// Adds windows phase by phase.
pub(super) fn add(windows: &mut [Window; Phase::COUNT], more: &[Window; Phase::COUNT]) {
    for (window, more) in windows.iter_mut().zip(more) {
        // Cannot fail: all windows have the same bounds.
        let _same_bounds = window.add(more);
    }
}
