//! The clocks, as this crate reads them: the monotonic one for how long work takes and when the background threads work
//! again, and the default of the injected wall clock. What is stored takes its time from the options' clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock.
#[allow(clippy::disallowed_methods, reason = "the one reader of the monotonic clock in this crate")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The time since `then`.
pub(crate) fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}

/// Holds this thread for `time`, while it waits for another to come further.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Time since 1970 on the wall clock; a clock before 1970 counts as 1970.
#[allow(clippy::disallowed_methods, reason = "the default of the injected clock")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
