//! The requests of one connection that are running.
//!
//! Guarantees that each is started when it is added, hence in arrival order, that all of them go on side by side, and
//! that their answers come out in arrival order. Says which requests may join those that run; how many there may be is left to the connection. Dropping this drops
//! the handlers: a client that has gone waits for nothing.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Instant;

use codec::chain::Frame;

use crate::clock;
use crate::kafka::answered::Answered;
use crate::kafka::api::{Disconnect, Running};
use crate::kafka::budget::Grant;

/// An answer whose turn it is, and when things happened to its request.
pub(super) struct Ready {
    /// The answer.
    pub(super) answered: Answered,
    /// When its frame was complete.
    pub(super) arrived: Instant,
    /// When its handler began.
    pub(super) started: Instant,
    /// When its handler first waited, or was done.
    pub(super) paused: Instant,
    /// When its answer was there.
    pub(super) finished: Instant,
}

/// Requests that are not answered, or whose answer waits for an older one's.
#[derive(Default)]
pub(super) struct InFlight {
    /// Oldest first. At most `MAX_IN_FLIGHT`, to which the connection holds.
    slots: VecDeque<Slot>,
    /// Bytes of the answers among them.
    answered_bytes: usize,
}

/// One request, and when things happened to it; see [`Ready`].
struct Slot {
    state: State,
    /// It may run beside others that may. One that may not waits for all before it, and holds up all after it.
    overlaps: bool,
    arrived: Instant,
    started: Instant,
    paused: Instant,
    finished: Instant,
}

enum State {
    /// Holds its share of the budget until it is answered.
    Running(Running, #[allow(dead_code, reason = "kept for its drop")] Grant),
    /// Waits for its turn. An error ends the connection when its turn comes.
    Answered(Result<Answered, Disconnect>),
}

impl InFlight {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns true if there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of the answers that wait for their turn.
    pub(super) fn answered_bytes(&self) -> usize {
        self.answered_bytes
    }

    /// Returns true if one of them will close the connection: then nothing after it may begin.
    pub(super) fn ends(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.state, State::Answered(Err(_))))
    }

    /// Returns true if a request may start now: everything before it is done, or both may overlap.
    pub(super) fn admits(&self, overlaps: bool) -> bool {
        // What is answered holds up no request, even while its answer waits for its turn.
        let mut running = self.slots.iter().filter(|slot| matches!(slot.state, State::Running(..)));
        // When all APIs overlapped, a CreateTopics after a DeleteTopics found that the topic existed (ADR 6).
        running.all(|slot| overlaps && slot.overlaps)
    }

    /// Adds a request that is started now and runs it up to its first wait, so that what a handler does before it is done in
    /// arrival order. Returns the time after that.
    pub(super) async fn start(
        &mut self,
        request: Running,
        overlaps: bool,
        arrived: Instant,
        now: Instant,
        grant: Grant,
    ) -> Instant {
        // One poll here, before the next request is looked at: what a handler does before its first wait keeps the order.
        let state = State::Running(request, grant);
        let mut slot = Slot { state, overlaps, arrived, started: now, paused: now, finished: now };
        std::future::poll_fn(|cx| {
            slot.advance(cx);
            Poll::Ready(())
        })
        .await;
        // One reading for both: a request that still runs is finished later.
        let paused = clock::now();
        (slot.paused, slot.finished) = (paused, paused);
        self.answered_bytes += slot.answered_bytes();
        self.slots.push_back(slot);
        paused
    }

    /// Lets all requests go on; `pop_oldest` has what came of it. Returns the time when the last of them was answered, if one was.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> Option<Instant> {
        let mut last = None;
        // All of them, not only the oldest: the others would stand still until it is done.
        for slot in &mut self.slots {
            if slot.advance(cx) {
                slot.finished = clock::now();
                self.answered_bytes += slot.answered_bytes();
                last = Some(slot.finished);
            }
        }
        last
    }

    /// Takes the oldest request's answer, if it is there. An error ends the connection.
    pub(super) fn pop_oldest(&mut self) -> Option<Result<Ready, Disconnect>> {
        let oldest = self.slots.pop_front_if(|slot| matches!(slot.state, State::Answered(_)))?;
        self.answered_bytes -= oldest.answered_bytes();
        let Slot { state, arrived, started, paused, finished, .. } = oldest;
        match state {
            State::Answered(outcome) => {
                Some(outcome.map(|answered| Ready { answered, arrived, started, paused, finished }))
            }
            State::Running(..) => None,
        }
    }
}

impl Slot {
    /// Bytes of its answer; 0 while there is none.
    fn answered_bytes(&self) -> usize {
        match &self.state {
            State::Answered(Ok(answered)) => answered.frame.as_ref().map_or(0, Frame::bytes),
            State::Answered(Err(_)) | State::Running(..) => 0,
        }
    }

    /// Polls the request, unless it is answered. Returns true if it is answered by that.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        if let State::Running(request, _) = &mut self.state
            && let Poll::Ready(answer) = request.as_mut().poll(cx)
        {
            // Drops the handler and its grant: the budget counts requests, not their answers.
            self.state = State::Answered(answer);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::{Buf as _, Bytes};
    use parking_lot::Mutex;
    use tokio::sync::oneshot;

    use super::*;
    use crate::kafka::answered::Receipt;

    fn answered(text: &'static str) -> Answered {
        let mut chain = codec::Chain::new();
        chain.push_bytes(Bytes::from_static(text.as_bytes()));
        let receipt = Receipt { api: 0, version: 0, error_code: 0 };
        Answered { frame: Some(chain.into_frame().unwrap()), receipt }
    }

    async fn start<F>(in_flight: &mut InFlight, request: F)
    where
        F: Future<Output = Result<Answered, Disconnect>> + Send + 'static,
    {
        let now = clock::now();
        in_flight.start(Box::pin(request), true, now, now, Grant::default()).await;
    }

    fn poll_oldest(in_flight: &mut InFlight, cx: &mut Context<'_>) -> Poll<Result<Ready, Disconnect>> {
        in_flight.advance(cx);
        in_flight.pop_oldest().map_or(Poll::Pending, Poll::Ready)
    }

    async fn oldest(in_flight: &mut InFlight) -> Result<String, Disconnect> {
        let ready = std::future::poll_fn(|cx| poll_oldest(in_flight, cx)).await?;
        assert!(
            ready.arrived <= ready.started
                && ready.started <= ready.paused
                && ready.started <= ready.finished
        );
        let segments: Vec<_> = ready.answered.frame.unwrap().into_iter().collect();
        Ok(String::from_utf8(segments[0].chunk()[4..].to_vec()).unwrap())
    }

    #[tokio::test]
    async fn answers_leave_in_arrival_order_whatever_finishes_first() {
        let mut in_flight = InFlight::default();
        let (release, released) = oneshot::channel::<()>();
        let slow = async move {
            released.await.unwrap();
            Ok(answered("slow"))
        };
        start(&mut in_flight, slow).await;
        start(&mut in_flight, async { Ok(answered("fast")) }).await;
        let pending =
            std::future::poll_fn(|cx| Poll::Ready(poll_oldest(&mut in_flight, cx).is_pending())).await;
        assert!(pending);
        assert_eq!(in_flight.answered_bytes(), 4 + "fast".len());
        release.send(()).unwrap();
        assert_eq!(oldest(&mut in_flight).await.unwrap(), "slow");
        assert_eq!(oldest(&mut in_flight).await.unwrap(), "fast");
        assert!(in_flight.is_empty() && in_flight.answered_bytes() == 0);
    }

    #[tokio::test]
    async fn ordered_part_runs_when_the_request_is_added() {
        let mut in_flight = InFlight::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..4 {
            let order = Arc::clone(&order);
            let request = async move {
                order.lock().push(number);
                std::future::pending().await
            };
            start(&mut in_flight, request).await;
        }
        assert_eq!(*order.lock(), [0, 1, 2, 3]);
        assert_eq!(in_flight.len(), 4);
    }

    #[tokio::test]
    async fn requests_join_only_their_like() {
        let mut in_flight = InFlight::default();
        assert!(in_flight.admits(false) && in_flight.admits(true));
        start(&mut in_flight, async { Ok(answered("done")) }).await;
        assert!(
            in_flight.admits(false),
            "what is done holds up nobody, even if its answer was not taken yet"
        );
        start(&mut in_flight, std::future::pending()).await;
        assert!(in_flight.admits(true) && !in_flight.admits(false));
        let mut alone = InFlight::default();
        let now = clock::now();
        alone.start(Box::pin(std::future::pending()), false, now, now, Grant::default()).await;
        assert!(!alone.admits(false) && !alone.admits(true));
    }

    #[tokio::test]
    async fn failure_waits_for_the_answers_before_it() {
        let mut in_flight = InFlight::default();
        start(&mut in_flight, async { Ok(answered("first")) }).await;
        assert!(!in_flight.ends());
        start(&mut in_flight, async { Err(Disconnect::UnknownApi(99)) }).await;
        assert!(in_flight.ends());
        assert_eq!(oldest(&mut in_flight).await.unwrap(), "first");
        assert!(matches!(oldest(&mut in_flight).await, Err(Disconnect::UnknownApi(99))));
    }
}
