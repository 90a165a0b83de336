//! Time since a connection last moved.
//!
//! Guarantees that noting a movement costs nothing, and asking little: the timer is moved, and polled, only when it goes off.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep};

use crate::clock::timer_now;

/// Time since something last moved.
pub(super) struct Idle {
    /// `connections.max.idle.ms`; a year where it is off.
    pub(super) limit: Duration,
    /// When something last moved, by the clock of tokio's timers.
    last: Instant,
    /// Reads from the socket: a frame that takes long to come is no idleness.
    reads: Arc<AtomicU64>,
    /// The value of `reads` when the timer last went off.
    reads_seen: u64,
    /// Goes off when the limit can be reached at the earliest, and is moved then.
    sleep: Pin<Box<Sleep>>,
    /// The task that `sleep` will wake.
    woken: Option<Waker>,
}

impl Idle {
    /// Counts from now.
    pub(super) fn new(limit: Duration, reads: Arc<AtomicU64>) -> Self {
        let sleep = Box::pin(tokio::time::sleep(limit));
        Self { limit, last: timer_now(), reads, reads_seen: 0, sleep, woken: None }
    }

    /// Something moved.
    pub(super) fn touch(&mut self, now: std::time::Instant) {
        self.last = now.into();
    }

    /// Ready once nothing moved for the limit.
    pub(super) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.sleep.is_elapsed() && self.woken.as_ref().is_some_and(|woken| woken.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        loop {
            if self.sleep.as_mut().poll(cx).is_pending() {
                // Without budget the timer was not looked at, and tokio wakes this task at once.
                self.woken = has_budget_remaining().then(|| cx.waker().clone());
                return Poll::Pending;
            }
            let reads = self.reads.load(Ordering::Relaxed);
            if std::mem::replace(&mut self.reads_seen, reads) != reads {
                self.last = timer_now();
            }
            let due = self.last + self.limit;
            if due <= timer_now() {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    fn idle() -> Idle {
        Idle::new(LIMIT, Arc::default())
    }

    async fn elapsed(idle: &mut Idle) -> Instant {
        std::future::poll_fn(|cx| idle.poll_elapsed(cx)).await;
        timer_now()
    }

    #[tokio::test]
    async fn a_movement_moves_the_limit() {
        let (begin, mut idle) = (timer_now(), idle());
        // As if it had moved 50 ms after the beginning, noted after another look at the timer.
        std::future::poll_fn(|cx| Poll::Ready(idle.poll_elapsed(cx).is_pending())).await;
        idle.touch((begin + LIMIT / 2).into_std());
        assert!(elapsed(&mut idle).await >= begin + LIMIT * 3 / 2);
    }

    #[tokio::test]
    async fn wakes_the_task_that_asked_last() {
        let mut idle = idle();
        // Another task's waker, as if the connection had moved there since.
        assert!(idle.poll_elapsed(&mut Context::from_waker(Waker::noop())).is_pending());
        let begin = timer_now();
        // Not woken, it would be polled again only at the end of this wait.
        let at = tokio::time::timeout(20 * LIMIT, elapsed(&mut idle)).await.unwrap();
        assert!(at < begin + 10 * LIMIT);
    }

    #[tokio::test]
    async fn goes_off_though_it_was_first_asked_without_budget() {
        let mut idle = idle();
        std::future::poll_fn(|cx| {
            while has_budget_remaining() {
                let spent = std::pin::pin!(tokio::task::consume_budget()).poll(cx);
                assert!(spent.is_ready());
            }
            assert!(idle.poll_elapsed(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        // With a budget again.
        tokio::task::yield_now().await;
        tokio::time::timeout(20 * LIMIT, elapsed(&mut idle)).await.unwrap();
    }

    #[tokio::test]
    async fn reads_within_a_frame_are_no_idleness() {
        let (begin, mut idle) = (timer_now(), idle());
        idle.reads.fetch_add(1, Ordering::Relaxed);
        assert!(elapsed(&mut idle).await >= begin + 2 * LIMIT);
    }

    #[tokio::test]
    async fn goes_on_after_it_has_elapsed() {
        let mut idle = idle();
        let first = elapsed(&mut idle).await;
        idle.touch(first.into_std());
        assert!(elapsed(&mut idle).await >= first + LIMIT);
    }
}
