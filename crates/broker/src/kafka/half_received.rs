//! Frames that have begun and are not complete: how fast each comes, and which one gives way when memory is short.
//!
//! Guarantees that the slowest frame is the first to give way, that one which waits for memory itself never is, and that
//! a frame which keeps coming is left alone for longer than one which does not. When memory is short is decided by
//! `budget.rs`, what happens to the connection by `frames.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The speed of a frame is measured over at least this long.
const WINDOW: Duration = Duration::from_secs(1);
/// A frame that is slower than this, in bytes per second, makes no progress.
const STALLED: u64 = 1024;
/// Slow frames that do make progress give way at most this often.
const SLOW_INTERVAL: Duration = Duration::from_secs(10);

/// All half-received frames that share a budget.
#[derive(Default)]
pub(super) struct HalfReceived {
    /// One lock for all connections: taken when a half-received frame begins and ends, and at each of its
    /// reads.
    frames: Mutex<Frames>,
}

#[derive(Default)]
struct Frames {
    next: u64,
    /// The frames that may have to give way, in the order in which they began.
    by_id: BTreeMap<u64, Progress>,
    /// When one that made progress gave way last.
    slow_gave_way: Option<Instant>,
}

struct Progress {
    /// Start of the window.
    since: Instant,
    /// Bytes that came in the window.
    bytes: u64,
    /// Bytes per second in the window before; `None` if this is the first.
    before: Option<u64>,
    /// It has bytes of its client that it may not store yet; such a frame never gives way.
    waits_for_memory: bool,
    /// Tells its connection.
    give_way: CancellationToken,
}

impl Progress {
    /// Bytes per second; `None` while that is too early to say.
    fn rate(&self, now: Instant) -> Option<u64> {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < WINDOW {
            return self.before;
        }
        // At least the window, so never 0.
        let elapsed_ms = u64::try_from(elapsed.as_millis()).expect("no frame takes 500 million years");
        Some(self.bytes.saturating_mul(1000) / elapsed_ms)
    }
}

impl HalfReceived {
    /// A frame begins.
    pub(super) fn begin(self: &Arc<Self>, now: Instant) -> Receiving {
        let give_way = CancellationToken::new();
        let progress = Progress {
            since: now,
            bytes: 0,
            before: None,
            waits_for_memory: false,
            give_way: give_way.clone(),
        };
        let mut frames = self.frames.lock();
        let id = frames.next;
        frames.next += 1;
        frames.by_id.insert(id, progress);
        Receiving { all: Arc::clone(self), id, give_way }
    }

    /// Makes the slowest frame give way, if one is slow enough.
    pub(super) fn give_way(&self, now: Instant) {
        let mut frames = self.frames.lock();
        // A frame that waits for memory is not read meanwhile: its pause is not its client's fault.
        let reading = frames.by_id.iter().filter(|(_, frame)| !frame.waits_for_memory);
        // Ids count up: of frames that are equally slow the oldest gives way.
        let slowest = reading.filter_map(|(id, frame)| Some((frame.rate(now)?, *id))).min();
        // None reads, or it is too early to say of any: the caller asks again after its next wait.
        let Some((rate, id)) = slowest else { return };
        // A slow line is no fault of its client's: such frames give way seldom, stalled ones at once.
        if rate >= STALLED {
            if frames.slow_gave_way.is_some_and(|last| now.saturating_duration_since(last) < SLOW_INTERVAL) {
                return;
            }
            frames.slow_gave_way = Some(now);
        }
        // Out of the list at once: its connection needs time to end, and the next call must choose another
        // frame.
        if let Some(frame) = frames.by_id.remove(&id) {
            frame.give_way.cancel();
        }
    }

    /// Changes the entry of a frame, if it still has one.
    fn change(&self, id: u64, change: impl FnOnce(&mut Progress)) {
        // One that has given way is in the list no more.
        if let Some(frame) = self.frames.lock().by_id.get_mut(&id) {
            change(frame);
        }
    }
}

/// A frame that is being received; dropped when it is complete, or its connection ends.
pub(super) struct Receiving {
    all: Arc<HalfReceived>,
    id: u64,
    give_way: CancellationToken,
}

impl Receiving {
    /// Bytes of it came.
    pub(super) fn came(&self, bytes: usize, now: Instant) {
        self.all.change(self.id, |frame| {
            frame.bytes = frame.bytes.saturating_add(bytes as u64);
            if now.saturating_duration_since(frame.since) >= WINDOW {
                (frame.before, frame.since, frame.bytes) = (frame.rate(now), now, 0);
            }
        });
    }

    /// It waits for memory, or does so no more: then it is measured anew.
    pub(super) fn waits_for_memory(&self, waits: bool, now: Instant) {
        self.all.change(self.id, |frame| {
            frame.waits_for_memory = waits;
            (frame.since, frame.bytes) = (now, 0);
        });
    }

    /// Returns once the frame has to give way.
    pub(super) async fn told_to_give_way(&self) {
        self.give_way.cancelled().await;
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.all.frames.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave_way(frames: &[&Receiving]) -> Vec<bool> {
        frames.iter().map(|frame| frame.give_way.is_cancelled()).collect()
    }

    #[test]
    fn the_slowest_gives_way_first() {
        let (all, start) = (Arc::new(HalfReceived::default()), crate::clock::now());
        let (stalled, slow, fast) = (all.begin(start), all.begin(start), all.begin(start));
        all.give_way(start);
        assert_eq!(gave_way(&[&stalled, &slow, &fast]), [false; 3], "too early to say");
        for tenths in 1..=20 {
            slow.came(1_000, start + WINDOW * tenths / 10);
            fast.came(10_000, start + WINDOW * tenths / 10);
        }
        let now = start + 2 * WINDOW;
        all.give_way(now);
        assert_eq!(gave_way(&[&stalled, &slow, &fast]), [true, false, false]);
        all.give_way(now);
        assert_eq!(gave_way(&[&slow, &fast]), [true, false]);
        all.give_way(now);
        assert_eq!(gave_way(&[&fast]), [false], "of those that make progress, one now and then");
        fast.came(1 << 20, now + SLOW_INTERVAL);
        all.give_way(now + SLOW_INTERVAL);
        assert_eq!(gave_way(&[&fast]), [true]);
    }

    #[test]
    fn a_frame_that_was_fast_and_stalls_gives_way() {
        let (all, start) = (Arc::new(HalfReceived::default()), crate::clock::now());
        let (stalls, slow) = (all.begin(start), all.begin(start));
        stalls.came(50 << 20, start);
        for tenths in 1..=30 {
            slow.came(1_000, start + WINDOW * tenths / 10);
        }
        stalls.came(1, start + WINDOW * 3);
        slow.came(11_000, start + WINDOW * 9 / 2);
        all.give_way(start + WINDOW * 9 / 2);
        assert_eq!(gave_way(&[&stalls, &slow]), [true, false]);
    }

    #[test]
    fn a_frame_that_waits_for_memory_does_not_give_way() {
        let (all, start) = (Arc::new(HalfReceived::default()), crate::clock::now());
        let waits = all.begin(start);
        waits.waits_for_memory(true, start);
        let later = start + Duration::from_secs(60);
        all.give_way(later);
        waits.waits_for_memory(false, later);
        all.give_way(later);
        assert_eq!(gave_way(&[&waits]), [false], "its client could send nothing meanwhile");
        drop(waits);
        assert!(all.frames.lock().by_id.is_empty());
    }
}
