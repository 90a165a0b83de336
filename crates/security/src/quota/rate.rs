//! A rate over a ring of samples, and the time for which a client that is above its quota is throttled.
//!
//! The same operations on the same numbers as Kafka's `SampledStat`, `Rate` and `QuotaUtils`, so that no answer differs.

use super::throttle_ms;

/// How a use is sampled: `quota.window.num` and `quota.window.size.seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Samples that count, at least 1; one more is kept.
    pub samples: u32,
    /// Length of one, in milliseconds.
    pub length_ms: i64,
}

impl Window {
    /// The bytes that a client which was idle may take at once without being throttled
    /// (`ClientQuotaManager.maxValueInQuotaWindow`). A fetch that asks for more is answered with less, or it would never be let
    /// through (KAFKA-9677); a single batch that is longer never is.
    pub fn most_at_once(self, quota: f64) -> f64 {
        quota * f64::from(self.samples.saturating_sub(1)) * (self.length_ms as f64 / 1000.0)
    }
}

/// The use of one client.
#[derive(Debug, Default, Clone)]
pub struct Rate {
    /// In the order in which they were begun first; at most one more than count.
    samples: Vec<Sample>,
    current: usize,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    started_ms: i64,
    last_ms: i64,
    sum: f64,
}

impl Sample {
    fn new(now_ms: i64) -> Self {
        Self { started_ms: now_ms, last_ms: now_ms, sum: 0.0 }
    }
}

impl Rate {
    /// Adds a use. A negative one takes an earlier one off the account.
    pub fn record(&mut self, value: f64, now_ms: i64, window: Window) {
        if let Some(current) = self.samples.get(self.current)
            && now_ms - current.started_ms >= window.length_ms
        {
            self.current = (self.current + 1) % (window.samples as usize + 1);
            if let Some(next) = self.samples.get_mut(self.current) {
                *next = Sample::new(now_ms);
            }
        }
        if self.current >= self.samples.len() {
            self.samples.push(Sample::new(now_ms));
        }
        if let Some(current) = self.samples.get_mut(self.current) {
            current.sum += value;
            current.last_ms = now_ms;
        }
    }

    /// The use per second, and the milliseconds over which it is reckoned.
    pub fn measure(&mut self, now_ms: i64, window: Window) -> (f64, i64) {
        let oldest_ms = i64::from(window.samples) * window.length_ms;
        for sample in &mut self.samples {
            if now_ms - sample.last_ms >= oldest_ms {
                *sample = Sample::new(now_ms);
            }
        }
        let sum: f64 = self.samples.iter().fold(0.0, |sum, sample| sum + sample.sum);
        let started_ms = self.samples.iter().map(|sample| sample.started_ms).min().unwrap_or(now_ms);
        let mut elapsed_ms = now_ms - started_ms;
        // As if the windows that are missing had been without any use.
        let missing = i64::from(window.samples) - 1 - elapsed_ms / window.length_ms;
        if missing > 0 {
            elapsed_ms += missing * window.length_ms;
        }
        let elapsed_ms = elapsed_ms.max(1);
        (sum / (elapsed_ms as f64 / 1000.0), elapsed_ms)
    }

    /// Milliseconds until the use is within the quota; 0 if it is.
    pub fn throttle_ms(&mut self, quota: f64, now_ms: i64, window: Window) -> u32 {
        let (rate, elapsed_ms) = self.measure(now_ms, window);
        if rate <= quota {
            return 0;
        }
        throttle_ms((rate - quota) / quota * elapsed_ms as f64)
    }

    /// Adds a use; for how long the client is throttled after it.
    pub fn charge(&mut self, value: f64, quota: f64, now_ms: i64, window: Window) -> u32 {
        self.record(value, now_ms, window);
        self.throttle_ms(quota, now_ms, window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, length_ms: 1000 };

    /// Bytes per second let through to a client that sends the next request when the throttle of the last is over.
    fn let_through(request: f64, quota: f64, from_ms: i64, until_ms: i64) -> f64 {
        let (mut rate, mut now_ms, mut bytes) = (Rate::default(), 0, 0.0);
        while now_ms < until_ms {
            let throttle = rate.charge(request, quota, now_ms, WINDOW);
            bytes += if now_ms >= from_ms { request } else { 0.0 };
            now_ms += i64::from(throttle);
        }
        bytes / ((until_ms - from_ms) as f64 / 1000.0)
    }

    #[test]
    fn a_burst_of_ten_windows_passes_then_the_client_waits() {
        let mut rate = Rate::default();
        assert_eq!(rate.charge(10_000.0, 1000.0, 0, WINDOW), 0, "ten windows of the quota, in an instant");
        assert_eq!(rate.charge(1000.0, 1000.0, 0, WINDOW), 1000);
        assert_eq!(rate.throttle_ms(1000.0, 1000, WINDOW), 1000, "nine further windows are still added");
        assert_eq!(WINDOW.most_at_once(1000.0), 10_000.0);
    }

    #[test]
    fn a_client_that_waits_out_each_throttle_runs_at_its_quota() {
        for request in [1024.0, 16_384.0, 65_536.0] {
            let share = let_through(request, 1e6, 60_000, 600_000) / 1e6;
            assert!((0.99..1.01).contains(&share), "{request}: {share}");
        }
    }

    #[test]
    fn an_account_is_forgiven_after_all_windows() {
        let mut rate = Rate::default();
        assert!(rate.charge(1e6, 1000.0, 0, WINDOW) > 900_000);
        assert!(rate.throttle_ms(1000.0, 10_999, WINDOW) > 0);
        assert_eq!(rate.throttle_ms(1000.0, 11_000, WINDOW), 0);
    }

    #[test]
    fn a_throttle_is_saturated_not_negative() {
        // Kafka: -64 781 072 ms.
        assert_eq!(Rate::default().charge(30e6, 1.0, 0, WINDOW), i32::MAX.cast_unsigned());
        assert_eq!(Rate::default().charge(f64::MAX, f64::MIN_POSITIVE, 0, WINDOW), i32::MAX.cast_unsigned());
    }

    #[test]
    fn what_is_taken_off_does_not_count() {
        let mut rate = Rate::default();
        assert!(rate.charge(20_000.0, 1000.0, 0, WINDOW) > 0);
        rate.record(-20_000.0, 0, WINDOW);
        assert_eq!(rate.throttle_ms(1000.0, 0, WINDOW), 0);
    }

    #[test]
    fn a_single_sample_and_a_clock_that_stands_still_divide_by_no_zero() {
        let window = Window { samples: 1, length_ms: 1000 };
        assert_eq!(Rate::default().measure(5, window), (0.0, 1));
        assert!(Rate::default().charge(1.0, 1.0, 5, window) > 0);
    }

    #[test]
    fn the_ring_never_grows_beyond_its_places() {
        let mut rate = Rate::default();
        (0..1000).for_each(|second| rate.record(1.0, second * 1000, WINDOW));
        assert_eq!(rate.samples.len(), 12);
    }
}
