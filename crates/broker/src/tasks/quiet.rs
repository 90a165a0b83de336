//! Polling a future that is seldom ready beside others that often are.
//!
//! Guarantees that such a future is polled when it was woken, and else only looked at. A task polls all that it waits for
//! whenever one of them wakes it, and a token is asked under a lock that all tasks share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Waits for a pinned future, and polls it only when it was woken.
pub(crate) struct Quiet<'a, F> {
    future: Pin<&'a mut F>,
    /// Woken by the future since it was polled last; `None` before the first time.
    bell: Option<Arc<Bell>>,
}

/// The waker that the future gets.
struct Bell {
    rung: AtomicBool,
    /// Wakes the task.
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task is woken, which then sees it.
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<'a, F: Future> Quiet<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut F>) -> Self {
        Self { future, bell: None }
    }

    /// As [`Future::poll`]; not again after the future has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(bell) = &self.bell
            && bell.task.will_wake(cx.waker())
            && !bell.rung.load(Ordering::Acquire)
        {
            return Poll::Pending;
        }
        let bell = Arc::new(Bell { rung: AtomicBool::new(false), task: cx.waker().clone() });
        let waker = Waker::from(Arc::clone(&bell));
        self.bell = Some(bell);
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;
    use crate::tasks::{Ended, Tasks};

    #[tokio::test]
    async fn is_polled_only_when_it_was_woken() {
        let (send, receive) = oneshot::channel();
        let work = async {
            let mut polls = 0;
            let mut receive = pin!(receive);
            let counted = std::future::poll_fn(|cx| {
                polls += 1;
                receive.as_mut().poll(cx)
            });
            let mut counted = pin!(counted);
            let mut quiet = Quiet::new(counted.as_mut());
            for _ in 0..5 {
                let waits = std::future::poll_fn(|cx| Poll::Ready(quiet.poll(cx).is_pending())).await;
                assert!(waits);
            }
            send.send(7).unwrap();
            assert_eq!(std::future::poll_fn(|cx| quiet.poll(cx)).await, Ok(7));
            drop(quiet);
            assert_eq!(polls, 2);
        };
        // As a task: only the wakers of tasks can be told to be the same.
        assert_eq!(Tasks::new().spawn("quiet", work).ended().await, Ended::Finished);
    }

    /// Counts how often it was woken.
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn wakes_the_task_that_asked_last() {
        let (send, receive) = oneshot::channel();
        let mut receive = pin!(receive);
        let mut quiet = Quiet::new(receive.as_mut());
        // As if the future had been moved from another task.
        assert!(quiet.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&woken));
        assert!(quiet.poll(&mut Context::from_waker(&waker)).is_pending());
        send.send(7).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(quiet.poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(7)));
    }
}
