//! The requests of one connection that are running.
//!
//! Guarantees that each is started when it is added, hence in arrival order, that all of them go on side by side, and
//! that their answers come out in arrival order. How many there may be is left to the connection. Dropping this drops
//! the handlers: a client that has gone waits for nothing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::api::Disconnect;
use crate::dispatch::AnswerFrame;
use crate::net::budget::Grant;

type Running = Pin<Box<dyn Future<Output = Result<AnswerFrame, Disconnect>> + Send>>;

/// Requests that are not answered, or whose answer waits for an older one's.
#[derive(Default)]
pub(super) struct InFlight {
    slots: VecDeque<Slot>,
}

enum Slot {
    /// Holds its share of the budget until it is answered.
    Running(Running, #[allow(dead_code, reason = "kept for its drop")] Grant),
    Answered(Result<AnswerFrame, Disconnect>),
}

impl InFlight {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether one of them will close the connection: then nothing after it may begin.
    pub(super) fn ends(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Answered(Err(_))))
    }

    /// Adds a request and runs it up to its first wait, so that what a handler does before it is done in arrival order.
    pub(super) async fn start<F>(&mut self, request: F, grant: Grant)
    where
        F: Future<Output = Result<AnswerFrame, Disconnect>> + Send + 'static,
    {
        let mut slot = Slot::Running(Box::pin(request), grant);
        std::future::poll_fn(|cx| {
            slot.advance(cx);
            Poll::Ready(())
        })
        .await;
        self.slots.push_back(slot);
    }

    /// The oldest request's answer, once it is there. Lets all others go on too. Waits for ever if there is none.
    pub(super) fn poll_oldest(&mut self, cx: &mut Context<'_>) -> Poll<Result<AnswerFrame, Disconnect>> {
        for slot in &mut self.slots {
            slot.advance(cx);
        }
        match self.slots.pop_front() {
            Some(Slot::Answered(answer)) => Poll::Ready(answer),
            Some(running) => {
                self.slots.push_front(running);
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

impl Slot {
    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Slot::Running(request, _) = self
            && let Poll::Ready(answer) = request.as_mut().poll(cx)
        {
            *self = Slot::Answered(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parking_lot::Mutex;
    use tokio::sync::oneshot;

    use super::*;

    fn frame(text: &'static str) -> AnswerFrame {
        Some(vec![Bytes::from_static(text.as_bytes())])
    }

    async fn oldest(in_flight: &mut InFlight) -> Result<AnswerFrame, Disconnect> {
        std::future::poll_fn(|cx| in_flight.poll_oldest(cx)).await
    }

    #[tokio::test]
    async fn answers_leave_in_arrival_order_whatever_finishes_first() {
        let mut in_flight = InFlight::default();
        let (release, released) = oneshot::channel::<()>();
        let slow = async move {
            released.await.unwrap();
            Ok(frame("slow"))
        };
        in_flight.start(slow, Grant::default()).await;
        in_flight.start(async { Ok(frame("fast")) }, Grant::default()).await;
        let pending = std::future::poll_fn(|cx| Poll::Ready(in_flight.poll_oldest(cx).is_pending())).await;
        assert!(pending);
        release.send(()).unwrap();
        assert_eq!(oldest(&mut in_flight).await.unwrap(), frame("slow"));
        assert_eq!(oldest(&mut in_flight).await.unwrap(), frame("fast"));
        assert!(in_flight.is_empty());
    }

    #[tokio::test]
    async fn ordered_part_runs_when_the_request_is_added() {
        let mut in_flight = InFlight::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..4 {
            let order = Arc::clone(&order);
            let request = async move {
                order.lock().push(number);
                std::future::pending::<()>().await;
                Ok(None)
            };
            in_flight.start(request, Grant::default()).await;
        }
        assert_eq!(*order.lock(), [0, 1, 2, 3]);
        assert_eq!(in_flight.len(), 4);
    }

    #[tokio::test]
    async fn failure_waits_for_the_answers_before_it() {
        let mut in_flight = InFlight::default();
        in_flight.start(async { Ok(frame("first")) }, Grant::default()).await;
        assert!(!in_flight.ends());
        in_flight.start(async { Err(Disconnect::UnknownApi(99)) }, Grant::default()).await;
        assert!(in_flight.ends());
        assert_eq!(oldest(&mut in_flight).await.unwrap(), frame("first"));
        assert!(matches!(oldest(&mut in_flight).await, Err(Disconnect::UnknownApi(99))));
    }
}
