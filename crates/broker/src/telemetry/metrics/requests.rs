//! How long requests take: counters and a histogram since the start, quantiles over the recent past.
//!
//! Guarantees that observing a request costs a few atomic additions and one short lock per API. Quantiles cover the last
//! one to two minutes in which the API was used (Kafka's cover its last five, weighted); an idle API keeps its last ones,
//! as Kafka's do. Memory: about 150 KiB per API that was ever called.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::Counter;
use crate::clock::Clock;

/// Upper bounds of the native histogram's buckets, in seconds.
pub(super) const BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The quantiles Kafka has (Yammer's snapshot), spelled as jmx_exporter spells them.
pub(super) const QUANTILES: [(&str, f64); 6] =
    [("0.50", 0.50), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];

/// How long a window of the quantiles is filled before it is kept as the previous one.
const WINDOW: Duration = Duration::from_secs(60);

/// Longest time told apart from longer ones, in microseconds: ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// Versions counted one by one; higher ones count as the last.
const VERSIONS: usize = 32;

/// The time of one request, divided into Kafka's phases (RequestChannel).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestTimes {
    /// From the frame's last byte to the start of its handler.
    pub request_queue: Duration,
    /// In the handler.
    pub local: Duration,
    /// Waiting for others: a long poll for data, an append for its sync.
    pub remote: Duration,
    /// From the answer being ready to its turn on the connection.
    pub response_queue: Duration,
    /// Writing the answer.
    pub response_send: Duration,
}

impl RequestTimes {
    /// From the frame's last byte to the answer's.
    pub fn total(&self) -> Duration {
        self.request_queue + self.local + self.remote + self.response_queue + self.response_send
    }

    fn phases(&self) -> [Duration; Phase::COUNT] {
        [self.request_queue, self.local, self.remote, self.response_queue, self.response_send, self.total()]
    }
}

/// A part of [`RequestTimes`], as the name of the metric that carries it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    /// `kafka_network_requestmetrics_` is put before it.
    pub(super) name: &'static str,
    /// The text that says what it measures.
    pub(super) help: &'static str,
}

impl Phase {
    const COUNT: usize = 6;
    /// In the order of `RequestTimes::phases`.
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self { name: "requestqueuetimems", help: "Time a request waits for its handler" },
        Self { name: "localtimems", help: "Time a request spends in its handler" },
        Self { name: "remotetimems", help: "Time a request waits for data or for a sync" },
        Self { name: "responsequeuetimems", help: "Time an answer waits for its turn on the connection" },
        Self { name: "responsesendtimems", help: "Time it takes to write an answer" },
        Self { name: "totaltimems", help: "Time from a request's last byte to its answer's" },
    ];
}

/// Counts the requests of one API.
#[derive(Debug)]
pub struct RequestMetrics {
    /// Kafka's name of the API.
    name: &'static str,
    clock: Clock,
    /// Answered requests by version; their sum is the number of all.
    by_version: [Counter; VERSIONS],
    /// Those without an error code, the usual case, which takes no lock.
    succeeded: Counter,
    /// The others, by first error code.
    failed: Mutex<BTreeMap<i16, u64>>,
    /// By total time, each bucket alone; times above the last bound are in none.
    buckets: [Counter; BOUNDS.len()],
    /// Total times added up, in microseconds.
    sum_us: Counter,
    /// The windows of the quantiles; `None` before the first request.
    recent: Mutex<Option<Box<Recent>>>,
}

impl RequestMetrics {
    pub(super) fn new(name: &'static str, clock: Clock) -> Self {
        Self {
            name,
            clock,
            by_version: Default::default(),
            succeeded: Counter::default(),
            failed: Mutex::default(),
            buckets: Default::default(),
            sum_us: Counter::default(),
            recent: Mutex::default(),
        }
    }

    /// Counts one answered request of `version`, with the first error code of its answer (0 for none) and its times.
    pub fn observe(&self, version: i16, error_code: i16, times: &RequestTimes) {
        // The count comes before its bucket. A scrape reads them the other way round, or its buckets could
        // add up to more.
        let index = usize::try_from(version).unwrap_or(0).min(VERSIONS - 1);
        if let Some(counter) = self.by_version.get(index) {
            counter.inc();
        }
        if error_code == 0 {
            self.succeeded.inc();
        } else {
            *self.failed.lock().entry(error_code).or_insert(0) += 1;
        }
        let total = times.total();
        // A longer time is in no bucket: the count of all stands for `+Inf`.
        if let Some(at) = BOUNDS.iter().position(|bound| total.as_secs_f64() <= *bound) {
            self.buckets[at].inc();
        }
        self.sum_us.add(micros(total));
        let now = self.clock.monotonic();
        // Made by the first request, as windows take 150 KiB and most APIs are never called.
        self.recent.lock().get_or_insert_with(|| Box::new(Recent::new(now))).record(now, times);
    }

    /// Kafka's name of the API.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Versions that were asked for, each with its number of requests.
    pub(super) fn versions(&self) -> impl Iterator<Item = (usize, u64)> {
        self.by_version.iter().map(Counter::value).enumerate().filter(|(_, count)| *count > 0)
    }

    /// Requests answered.
    pub(super) fn count(&self) -> u64 {
        self.versions().map(|(_, count)| count).sum()
    }

    /// Error codes that were answered, 0 for none, each with its number of requests.
    pub(super) fn errors(&self) -> Vec<(i16, u64)> {
        let none = Some((0, self.succeeded.value())).filter(|(_, count)| *count > 0);
        none.into_iter().chain(self.failed.lock().iter().map(|(code, count)| (*code, *count))).collect()
    }

    /// The native histogram: values per bucket (bound in seconds), their sum in seconds.
    pub(super) fn histogram(&self) -> (Vec<(f64, u64)>, f64) {
        let buckets = BOUNDS.iter().copied().zip(self.buckets.iter().map(Counter::value)).collect();
        (buckets, self.sum_us.value() as f64 / 1e6)
    }

    /// Per phase (in the order of [`Phase::ALL`]), the [`QUANTILES`] in milliseconds; none before the first request.
    pub(super) fn quantiles(&self) -> Option<Vec<[f64; QUANTILES.len()]>> {
        // Copied under the lock, computed outside of it.
        let windows = self.recent.lock().as_ref().map(|recent| recent.both())?;
        let of = |window: &Window| {
            QUANTILES.map(|(_, quantile)| window.value_at_quantile(quantile) as f64 / 1000.0)
        };
        Some(windows.iter().map(of).collect())
    }
}

/// Times of one phase, in microseconds, with two significant digits.
type Window = Histogram<u32>;

/// The window that is being filled and the one before it.
#[derive(Debug)]
struct Recent {
    /// When the current window began, by [`Clock::monotonic`].
    since: Duration,
    /// One for each phase, in the order of [`Phase::ALL`].
    current: [Window; Phase::COUNT],
    previous: [Window; Phase::COUNT],
}

impl Recent {
    fn new(now: Duration) -> Self {
        let window = || {
            Histogram::new_with_bounds(1, LONGEST_US, 2).expect("the bounds are constants that it accepts")
        };
        Self {
            since: now,
            current: std::array::from_fn(|_| window()),
            previous: std::array::from_fn(|_| window()),
        }
    }

    /// Adds the times of a request, and begins a new window where the current one is full.
    fn record(&mut self, now: Duration, times: &RequestTimes) {
        let age = now.saturating_sub(self.since);
        if age >= WINDOW {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.iter_mut().for_each(Histogram::reset);
            // Kept until now, so that an idle API shows its last quantiles, as in Kafka.
            if age >= 2 * WINDOW {
                self.previous.iter_mut().for_each(Histogram::reset);
            }
            // A window begins with a request, so that nothing has to run while the API is idle.
            self.since = now;
        }
        for (window, phase) in self.current.iter_mut().zip(times.phases()) {
            window.saturating_record(micros(phase));
        }
    }

    /// Both windows as one, for each phase.
    fn both(&self) -> [Window; Phase::COUNT] {
        let mut both = self.current.clone();
        for (window, previous) in both.iter_mut().zip(&self.previous) {
            // Cannot fail: all windows have the same bounds.
            let _same_bounds = window.add(previous);
        }
        both
    }
}

/// Whole microseconds, the unit of the windows and sums.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total_ms(request: &RequestMetrics) -> [f64; 6] {
        request.quantiles().expect("was observed")[5]
    }

    fn local(ms: u64) -> RequestTimes {
        RequestTimes { local: Duration::from_millis(ms), ..RequestTimes::default() }
    }

    #[test]
    fn quantiles_are_milliseconds_of_the_distribution() {
        let request = RequestMetrics::new("Fetch", Clock::manual(0));
        assert!(request.quantiles().is_none());
        for ms in 1..=1000 {
            request.observe(4, 0, &local(ms));
        }
        let quantiles = total_ms(&request);
        for ((_, quantile), value) in QUANTILES.iter().zip(quantiles) {
            let wanted = quantile * 1000.0;
            assert!((value - wanted).abs() <= wanted * 0.02, "{quantile}: {value}");
        }
    }

    #[test]
    fn old_windows_age_out_but_idle_ones_stay() {
        let clock = Clock::manual(0);
        let request = RequestMetrics::new("Fetch", clock.clone());
        request.observe(0, 0, &local(500));
        clock.advance(Duration::from_secs(600));
        assert!(total_ms(&request)[0] > 490.0, "idle: the last values stay");
        request.observe(0, 0, &local(1));
        assert!(total_ms(&request)[5] < 1.1, "too old to count beside a new one");
        clock.advance(WINDOW);
        request.observe(0, 0, &local(100));
        assert!(total_ms(&request)[0] < 1.1 && total_ms(&request)[5] > 99.0, "previous and current count");
    }

    #[test]
    fn histogram_counts_each_value_in_its_bucket_and_longer_ones_in_none() {
        let request = RequestMetrics::new("Produce", Clock::manual(0));
        for ms in [0, 1, 3, 60_000] {
            request.observe(9, 0, &local(ms));
        }
        let (buckets, sum) = request.histogram();
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0005, 1), (0.001, 1), (0.005, 1)]);
        assert!((sum - 60.004).abs() < 1e-9);
        assert_eq!(request.count(), 4);
    }

    #[test]
    fn versions_and_errors_outside_the_usual_are_counted() {
        let request = RequestMetrics::new("Produce", Clock::manual(0));
        request.observe(-1, -1, &local(1));
        request.observe(i16::MAX, 3, &local(1));
        assert_eq!(request.versions().collect::<Vec<_>>(), [(0, 1), (31, 1)]);
        assert_eq!(request.errors(), [(-1, 1), (3, 1)]);
    }

    #[test]
    fn times_beyond_the_histogram_saturate() {
        let request = RequestMetrics::new("Fetch", Clock::manual(0));
        request.observe(
            0,
            0,
            &RequestTimes { remote: Duration::from_secs(100_000), ..RequestTimes::default() },
        );
        assert!(total_ms(&request)[0] >= 590_000.0);
    }
}
