//! How long requests take: counters and a histogram since the start, quantiles over the recent past.
//!
//! Guarantees that observing a request costs a few atomic additions and one short lock, in memory that a few threads share at
//! most: a scrape adds it up. Quantiles cover the last one to two minutes in which the API was used (Kafka's cover its last
//! five, weighted); an idle API keeps its last ones, as Kafka's do. Memory: 12 KiB for each phase that took time, twice after
//! the first minute, per API that was ever called and thread that answered it, for at most [`STRIPES`] threads.

mod recent;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Counter;
use recent::Recent;

/// Upper bounds of the native histogram's buckets, in seconds.
pub(super) const BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The quantiles Kafka has (Yammer's snapshot), spelled as jmx_exporter spells them.
pub(super) const QUANTILES: [(&str, f64); 6] =
    [("0.50", 0.50), ("0.75", 0.75), ("0.95", 0.95), ("0.98", 0.98), ("0.99", 0.99), ("0.999", 0.999)];

/// Versions counted one by one; higher ones count as the last.
const VERSIONS: usize = 32;

/// Parts in which an API's requests are counted. With more threads than that, several share one.
const STRIPES: usize = 4;

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
    /// Each thread counts in one of them: in memory that all threads write to for each request, every write waits until
    /// another core has let go of it.
    stripes: [Stripe; STRIPES],
}

/// The requests that some of the threads have answered.
// Aligned to what processors fetch at once, two cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe {
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
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, stripes: Default::default() }
    }

    /// Counts one request, answered `now`, of `version`, with the first error code of its answer (0 for none) and its
    /// times.
    pub fn observe(&self, version: i16, error_code: i16, times: &RequestTimes, now: Instant) {
        if let Some(stripe) = self.stripes.get(own_stripe()) {
            stripe.observe(version, error_code, times, now);
        }
    }

    /// Kafka's name of the API.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Versions that were asked for, each with its number of requests.
    pub(super) fn versions(&self) -> impl Iterator<Item = (usize, u64)> {
        self.sums(|stripe| &stripe.by_version).into_iter().enumerate().filter(|(_, count)| *count > 0)
    }

    /// Requests answered.
    pub(super) fn count(&self) -> u64 {
        self.versions().map(|(_, count)| count).sum()
    }

    /// Error codes that were answered, 0 for none, each with its number of requests.
    pub(super) fn errors(&self) -> Vec<(i16, u64)> {
        let mut errors = BTreeMap::new();
        for stripe in &self.stripes {
            let failed = stripe.failed.lock();
            let codes = failed.iter().map(|(code, count)| (*code, *count));
            for (code, count) in codes.chain([(0, stripe.succeeded.value())]).filter(|(_, count)| *count > 0)
            {
                *errors.entry(code).or_insert(0) += count;
            }
        }
        errors.into_iter().collect()
    }

    /// The native histogram: values per bucket (bound in seconds), their sum in seconds.
    pub(super) fn histogram(&self) -> (Vec<(f64, u64)>, f64) {
        let buckets = BOUNDS.into_iter().zip(self.sums(|stripe| &stripe.buckets)).collect();
        let sum_us: u64 = self.stripes.iter().map(|stripe| stripe.sum_us.value()).sum();
        (buckets, sum_us as f64 / 1e6)
    }

    /// Per phase (in the order of [`Phase::ALL`]), the [`QUANTILES`] in milliseconds; none before the first request.
    pub(super) fn quantiles(&self) -> Option<Vec<[f64; QUANTILES.len()]>> {
        let last = |stripe: &Stripe| stripe.recent.lock().as_ref().map(|recent| recent.last());
        let now = self.stripes.iter().filter_map(last).max()?;
        // Copied under each lock, computed outside of it.
        let windows = |stripe: &Stripe| stripe.recent.lock().as_ref().and_then(|recent| recent.windows(now));
        let windows = self.stripes.iter().filter_map(windows).reduce(|mut all, more| {
            recent::add(&mut all, &more);
            all
        })?;
        let of = |window: &recent::Window| {
            QUANTILES.map(|(_, quantile)| window.value_at_quantile(quantile) as f64 / 1000.0)
        };
        Some(windows.iter().map(of).collect())
    }

    /// Counters added up over all stripes.
    fn sums<const N: usize>(&self, counters: impl Fn(&Stripe) -> &[Counter; N]) -> [u64; N] {
        let mut sums = [0; N];
        for stripe in &self.stripes {
            for (sum, counter) in sums.iter_mut().zip(counters(stripe)) {
                *sum += counter.value();
            }
        }
        sums
    }
}

/// The stripe in which this thread counts.
fn own_stripe() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        // In turn, not by a hash of the thread: two of two threads must not meet.
        static OWN: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    OWN.with(|own| *own)
}

impl Stripe {
    /// See [`RequestMetrics::observe`].
    fn observe(&self, version: i16, error_code: i16, times: &RequestTimes, now: Instant) {
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
        // Made by the first request, as most APIs are never called.
        self.recent.lock().get_or_insert_with(|| Box::new(Recent::new(now))).record(now, times);
    }
}

/// Whole microseconds, the unit of the windows and sums.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::recent::WINDOW;
    use super::*;
    use crate::clock::now;

    fn total_ms(request: &RequestMetrics) -> [f64; 6] {
        request.quantiles().expect("was observed")[5]
    }

    fn local(ms: u64) -> RequestTimes {
        RequestTimes { local: Duration::from_millis(ms), ..RequestTimes::default() }
    }

    #[test]
    fn quantiles_are_milliseconds_of_the_distribution() {
        let request = RequestMetrics::new("Fetch");
        assert!(request.quantiles().is_none());
        for ms in 1..=1000 {
            request.observe(4, 0, &local(ms), now());
        }
        let quantiles = total_ms(&request);
        for ((_, quantile), value) in QUANTILES.iter().zip(quantiles) {
            let wanted = quantile * 1000.0;
            assert!((value - wanted).abs() <= wanted * 0.02, "{quantile}: {value}");
        }
    }

    #[test]
    fn old_windows_age_out_but_idle_ones_stay() {
        let request = RequestMetrics::new("Fetch");
        let begin = now();
        let later = begin + Duration::from_secs(600);
        request.observe(0, 0, &local(500), begin);
        assert!(total_ms(&request)[0] > 490.0, "idle: the last values stay");
        request.observe(0, 0, &local(1), later);
        assert!(total_ms(&request)[5] < 1.1, "too old to count beside a new one");
        request.observe(0, 0, &local(100), later + WINDOW);
        assert!(total_ms(&request)[0] < 1.1 && total_ms(&request)[5] > 99.0, "previous and current count");
    }

    #[test]
    fn histogram_counts_each_value_in_its_bucket_and_longer_ones_in_none() {
        let request = RequestMetrics::new("Produce");
        for ms in [0, 1, 3, 60_000] {
            request.observe(9, 0, &local(ms), now());
        }
        let (buckets, sum) = request.histogram();
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.0005, 1), (0.001, 1), (0.005, 1)]);
        assert!((sum - 60.004).abs() < 1e-9);
        assert_eq!(request.count(), 4);
    }

    #[test]
    fn versions_and_errors_outside_the_usual_are_counted() {
        let request = RequestMetrics::new("Produce");
        request.observe(-1, -1, &local(1), now());
        request.observe(i16::MAX, 3, &local(1), now());
        assert_eq!(request.versions().collect::<Vec<_>>(), [(0, 1), (31, 1)]);
        assert_eq!(request.errors(), [(-1, 1), (3, 1)]);
    }

    #[test]
    fn times_beyond_the_histogram_saturate() {
        let request = RequestMetrics::new("Fetch");
        let times = RequestTimes { remote: Duration::from_secs(100_000), ..RequestTimes::default() };
        request.observe(0, 0, &times, now());
        assert!(total_ms(&request)[0] >= 590_000.0);
    }

    /// Counts on a thread of its own, hence in another stripe.
    fn elsewhere(request: &RequestMetrics, ms: u64, at: Instant) {
        std::thread::scope(|scope| scope.spawn(|| request.observe(0, 3, &local(ms), at)).join().unwrap());
    }

    #[test]
    fn threads_count_apart_and_are_added_up() {
        let request = RequestMetrics::new("Fetch");
        let begin = now();
        request.observe(0, 0, &local(1), begin);
        elsewhere(&request, 3, begin);
        let used = request.stripes.iter().filter(|stripe| stripe.recent.lock().is_some()).count();
        assert_eq!((used, request.count(), request.errors()), (2, 2, vec![(0, 1), (3, 1)]));
        let (buckets, sum) = request.histogram();
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 2);
        assert!((sum - 0.004).abs() < 1e-9);
        assert!(total_ms(&request)[0] < 1.1 && total_ms(&request)[5] > 2.9);
    }

    #[test]
    fn windows_of_a_thread_age_by_the_requests_of_the_others() {
        let request = RequestMetrics::new("Fetch");
        let begin = now();
        request.observe(0, 0, &local(500), begin);
        elsewhere(&request, 1, begin + WINDOW);
        assert!(total_ms(&request)[5] > 490.0, "the window before the newest request's counts");
        elsewhere(&request, 1, begin + 2 * WINDOW);
        assert!(total_ms(&request)[5] < 1.1, "older ones do not");
    }

    #[test]
    fn phases_without_time_count_as_0_and_short_ones_as_a_microsecond() {
        let request = RequestMetrics::new("Fetch");
        let at = now();
        for remote in [0, 0, 0, 8] {
            let times = RequestTimes { remote: Duration::from_millis(remote), ..RequestTimes::default() };
            request.observe(0, 0, &times, at);
        }
        let [p50, p75, .., p999] = request.quantiles().unwrap()[2];
        assert_eq!((p50, p75), (0.0, 0.0));
        assert!(p999 > 7.9);
        let times = RequestTimes { local: Duration::from_nanos(1), ..RequestTimes::default() };
        request.observe(0, 0, &times, at);
        assert_eq!(request.quantiles().unwrap()[1][5], 0.001);
    }
}
