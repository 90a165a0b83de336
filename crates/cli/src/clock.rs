//! The clocks: the only place that reads them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time since 1970.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that reads the wall clock")]
pub(crate) fn since_1970() -> Duration {
    // A clock before 1970 counts as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Now, in ms since 1970, as records have it.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

/// Now, for measuring how long something takes.
#[allow(clippy::disallowed_methods, reason = "the one place in this crate that reads the steady clock")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
