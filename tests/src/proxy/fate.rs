//! The fate of a request, and the borders that some wait for.

use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::frame::Part;
use super::{Plan, Shared};

/// A slow request is delivered this much later, at most, while its client waits.
const SLOW_MS: u64 = 40;

/// The fate of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passes.
    Passes,
    /// It passes a little later.
    Slow(Duration),
    /// The client is cut off, and the broker gets it later.
    Late(Delay),
    /// The broker gets it, and the client is cut off instead of an answer.
    AnswerDropped,
    /// It passes, and the broker gets it again by another connection.
    Repeated(Delay),
}

/// The time until a late delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delay {
    /// Borders after which it is over; `None`: only time counts.
    borders: Option<u64>,
    /// A little longer after a border, so that the next transaction has begun.
    after: Duration,
    longest: Duration,
}

impl Fate {
    pub(super) fn draw(plan: &Plan, random: &mut StdRng, part: &Part) -> Fate {
        if random.random_range(0..plan.one_in.max(1)) > 0 {
            return Fate::Passes;
        }
        let delay = Delay::draw(plan, random);
        match random.random_range(0..8) {
            0 => Fate::Slow(Duration::from_millis(random.random_range(0..SLOW_MS))),
            1 => Fate::AnswerDropped,
            2..=4 if part.repeatable && !(part.anew && random.random_range(0..4) > 0) => {
                Fate::Repeated(delay)
            }
            _ => Fate::Late(delay),
        }
    }
}

impl Delay {
    fn draw(plan: &Plan, random: &mut StdRng) -> Delay {
        let longest_ms = u64::try_from(plan.longest.as_millis()).unwrap_or(u64::MAX);
        let by_border = random.random_range(0..2) > 0;
        Delay {
            borders: by_border.then(|| random.random_range(1..4)),
            after: Duration::from_millis(random.random_range(0..12)),
            longest: match by_border {
                true => plan.longest,
                false => Duration::from_millis(random.random_range(0..=longest_ms)),
            },
        }
    }

    /// Waits. Returns true if the transaction has ended meanwhile.
    pub(super) fn wait(&self, shared: &Shared, borders: &Borders, before: u64) -> bool {
        let deadline = Instant::now() + self.longest;
        while !shared.is_calm() && Instant::now() < deadline {
            if self.borders.is_some_and(|awaited| borders.crossed() >= before + awaited) {
                thread::sleep(self.after);
                break;
            }
            // Also to see a calm.
            borders.wait(deadline.min(Instant::now() + Duration::from_millis(100)));
        }
        borders.crossed() > before
    }
}

/// Borders of one transactional id.
#[derive(Debug, Default)]
pub(super) struct Borders {
    crossed: Mutex<u64>,
    moved: Condvar,
}

impl Borders {
    pub(super) fn cross(&self) {
        *self.crossed.lock() += 1;
        self.moved.notify_all();
    }

    pub(super) fn crossed(&self) -> u64 {
        *self.crossed.lock()
    }

    fn wait(&self, until: Instant) {
        self.moved.wait_until(&mut self.crossed.lock(), until);
    }
}
