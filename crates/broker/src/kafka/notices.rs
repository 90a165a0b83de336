//! Log lines that a stranger can cause.
//!
//! Guarantees one line per connection error, naming the peer and the reason, as long as they come at a human pace; a
//! flood is cut to [`PER_SECOND`] lines a second after a burst of [`BURST`], and the next line says how many were left out.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock;
use crate::session::peer::Peer;

/// Lines in a row that are always written.
const BURST: u32 = 200;
/// Lines per second in the long run.
const PER_SECOND: u32 = 10;

/// A bucket of lines that may be written.
pub(crate) struct Notices {
    bucket: Mutex<Bucket>,
}

struct Bucket {
    lines: u32,
    filled: Instant,
    suppressed: u64,
}

impl Notices {
    /// A full bucket.
    pub(crate) fn new() -> Self {
        Self { bucket: Mutex::new(Bucket { lines: BURST, filled: clock::now(), suppressed: 0 }) }
    }

    /// Says why a connection was closed by us, with what the client said it is, if it did.
    pub(crate) fn closed(&self, peer: &Peer, reason: &dyn Display) {
        if let Some(suppressed) = self.take(clock::now()) {
            let Peer { address, listener, .. } = peer;
            let software = peer.software().map(tracing::field::display);
            tracing::warn!(peer = %address, %listener, software, suppressed, %reason, "connection closed");
        }
    }

    /// Says why a client was not let in.
    pub(crate) fn refused(&self, peer: SocketAddr, listener: &str, reason: &dyn Display) {
        if let Some(suppressed) = self.take(clock::now()) {
            tracing::warn!(%peer, listener, suppressed, %reason, "connection refused");
        }
    }

    /// Says that a listener has trouble of its own.
    pub(crate) fn trouble(&self, listener: &str, reason: &dyn Display) {
        if let Some(suppressed) = self.take(clock::now()) {
            tracing::warn!(listener, suppressed, %reason, "accepting connections is held up");
        }
    }

    /// If a line may be written, how many were left out since the last one.
    fn take(&self, now: Instant) -> Option<u64> {
        let mut bucket = self.bucket.lock();
        bucket.refill(now);
        let Some(left) = bucket.lines.checked_sub(1) else {
            bucket.suppressed += 1;
            return None;
        };
        bucket.lines = left;
        Some(std::mem::take(&mut bucket.suppressed))
    }
}

impl Bucket {
    fn refill(&mut self, now: Instant) {
        let interval = Duration::from_secs(1) / PER_SECOND;
        let earned = now.saturating_duration_since(self.filled).as_nanos() / interval.as_nanos();
        let earned = u32::try_from(earned).unwrap_or(BURST).min(BURST);
        // Time that earned no whole line yet is kept, or frequent calls would never earn one.
        if earned > 0 {
            self.lines = (self.lines + earned).min(BURST);
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_is_cut_and_counted() {
        let notices = Notices::new();
        let start = Instant::now();
        let written = (0..1_000).filter(|_| notices.take(start).is_some()).count();
        assert_eq!(written, 200);
        assert_eq!(notices.take(start + Duration::from_millis(100)), Some(800));
        assert_eq!(notices.take(start + Duration::from_millis(100)), None);
        assert_eq!(notices.take(start + Duration::from_millis(300)), Some(1));
    }

    #[test]
    fn bucket_never_exceeds_its_burst() {
        let notices = Notices::new();
        let later = Instant::now() + Duration::from_secs(3600);
        assert_eq!((0..1_000).filter(|_| notices.take(later).is_some()).count(), 200);
    }
}
