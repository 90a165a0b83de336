//! Injected time: the only reader of the machine's clocks in this crate; `clippy.toml` bans the others.
//!
//! Guarantees that a test can step the time that decisions depend on. [`Clock`] has two readings: the wall clock
//! ([`Clock::now_ms`]) for what is stored and shown (timestamps, retention), and the monotonic one ([`Clock::instant`],
//! [`Clock::monotonic`]) for what is measured (sessions, deadlines); the wall clock may jump, the monotonic one never
//! goes back.
//!
//! Connections have no [`Clock`]. They read `now` to measure requests, and pass it as an argument to code that decides;
//! deadlines that tokio's timers wait for are counted from `timer_now`, and tests step both timers and reading by
//! tokio's own means.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The source of the broker's time. Cheap to clone; clones of a manual clock step together.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The clocks that it reads.
    source: Source,
    /// When this clock was made, on the monotonic clock.
    origin: Instant,
}

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    /// Wall time when `elapsed_us` was 0; moved by a jump of the wall clock.
    wall_origin_ms: AtomicI64,
    // Both readings follow from it, so that one addition steps them together.
    elapsed_us: AtomicU64,
}

impl Manual {
    /// Time that it was stepped by, in whole milliseconds.
    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.elapsed_us.load(Ordering::SeqCst) / 1000).unwrap_or(i64::MAX)
    }
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self { source: Source::System, origin: now() }
    }

    /// A clock for tests that stands still at `wall_ms` (Unix milliseconds) until it is stepped.
    pub fn manual(wall_ms: i64) -> Self {
        let manual = Manual { wall_origin_ms: AtomicI64::new(wall_ms), elapsed_us: AtomicU64::new(0) };
        Self { source: Source::Manual(Arc::new(manual)), origin: now() }
    }

    /// Wall-clock time in milliseconds since the Unix epoch; negative before it. May jump in either direction.
    #[allow(clippy::disallowed_methods, reason = "the one reader of the wall clock in this crate")]
    pub fn now_ms(&self) -> i64 {
        let Source::Manual(manual) = &self.source else {
            let now_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
            };
            return now_ms.saturating_add(stepped_by_ms());
        };
        manual.wall_origin_ms.load(Ordering::SeqCst).saturating_add(manual.elapsed_ms())
    }

    /// Time since this clock was made; never goes back.
    pub fn monotonic(&self) -> Duration {
        match &self.source {
            Source::System => now().saturating_duration_since(self.origin),
            Source::Manual(manual) => Duration::from_micros(manual.elapsed_us.load(Ordering::SeqCst)),
        }
    }

    /// The monotonic reading as an [`Instant`], for code that keeps deadlines.
    pub fn instant(&self) -> Instant {
        self.origin + self.monotonic()
    }

    /// Steps a manual clock forward, wall and monotonic alike (in microseconds).
    /// The system clock cannot be stepped: there it does nothing.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.source {
            let us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
            manual.elapsed_us.fetch_add(us, Ordering::SeqCst);
        }
    }

    /// Sets a manual clock's wall time, as an operator or NTP would; the monotonic reading stays. Nothing on the system clock.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        if let Source::Manual(manual) = &self.source {
            manual.wall_origin_ms.store(wall_ms.saturating_sub(manual.elapsed_ms()), Ordering::SeqCst);
        }
    }
}

/// Milliseconds by which a test has stepped the wall clock of this process: the number in the file that `OTTLA_CLOCK_FILE` names.
#[cfg(feature = "fault")]
fn stepped_by_ms() -> i64 {
    static FILE: std::sync::OnceLock<Option<std::path::PathBuf>> = std::sync::OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("OTTLA_CLOCK_FILE").map(Into::into)).as_ref();
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// No test steps the clock of a broker for users.
#[cfg(not(feature = "fault"))]
fn stepped_by_ms() -> i64 {
    0
}

/// The machine's monotonic clock, for measuring how long something takes. Code that decides by it gets it as an argument.
#[allow(clippy::disallowed_methods, reason = "the one reader of the monotonic clock in this crate")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The clock of tokio's timers, for deadlines that they wait for.
#[allow(clippy::disallowed_methods, reason = "the one reader of the timers' clock in this crate")]
pub(crate) fn timer_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_reads_unix_milliseconds() {
        let clock = Clock::system();
        let (year_2024, year_2200) = (1_704_067_200_000, 7_258_118_400_000);
        assert!((year_2024..year_2200).contains(&clock.now_ms()));
        clock.set_wall_ms(0);
        assert!(clock.now_ms() > year_2024);
    }

    #[test]
    fn system_monotonic_moves_forward() {
        let clock = Clock::system();
        let first = clock.instant();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.instant() >= first + Duration::from_millis(2));
    }

    #[test]
    fn manual_clock_stands_until_stepped_and_clones_step_together() {
        let clock = Clock::manual(1_000);
        let (twin, start) = (clock.clone(), clock.instant());
        assert_eq!((twin.now_ms(), twin.monotonic()), (1_000, Duration::ZERO));
        clock.advance(Duration::from_millis(250));
        assert_eq!((twin.now_ms(), twin.monotonic()), (1_250, Duration::from_millis(250)));
        assert_eq!(twin.instant() - start, Duration::from_millis(250));
    }

    #[test]
    fn wall_jumps_back_while_monotonic_does_not() {
        let clock = Clock::manual(5_000);
        clock.advance(Duration::from_secs(1));
        clock.set_wall_ms(10);
        assert_eq!((clock.now_ms(), clock.monotonic()), (10, Duration::from_secs(1)));
    }
}
