//! One client's connection: frames in, requests side by side, answers out in order.
//!
//! Guarantees that requests start in arrival order and answers leave in arrival order; that only requests which say so
//! run side by side, at most `MAX_IN_FLIGHT` of them; that no further request starts while `MAX_UNSENT_BYTES` of answers wait for the client to read
//! them; that a client above its quota is not read for a while (`mute.rs`); and that a client which does nothing is let go. All of it is one task: a slow reader or a panicking handler
//! takes down its own connection and no other. What a request means is left to `dispatch.rs`.

mod closed;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::clock;
use crate::kafka::context::Connected;
use crate::kafka::dispatch::dispatch;
use crate::kafka::frames::{Frame, FrameError, Frames};
use crate::kafka::idle::Idle;
use crate::kafka::in_flight::{InFlight, Ready};
use crate::kafka::limits::{MAX_IN_FLIGHT, MAX_UNSENT_BYTES, Shared};
use crate::kafka::mute::{self, Departure};
use crate::kafka::outgoing::{Outgoing, Unsent};
use crate::tasks::Quiet;
use crate::telemetry::metrics::RequestTimes;

pub(crate) use closed::Closed;

/// Serves one connection until it ends.
/// Returns the reason once everything that was begun is answered, as far as the client can still be reached;
/// the caller closes the socket. Requests count against the budget in `shared`, answers against
/// `MAX_UNSENT_BYTES`. Dropping the future drops all requests of the connection.
pub(crate) async fn serve<R, W>(
    reader: R,
    writer: W,
    connected: Arc<Connected>,
    shared: Arc<Shared>,
) -> Closed
where
    R: AsyncRead + Departure + Unpin,
    W: AsyncWrite + Unpin,
{
    let max_idle = shared.limits.max_idle;
    let mut frames = Frames::new(reader, shared);
    let idle = Idle::new(max_idle, frames.reads());
    let mut connection = Connection {
        writer,
        connected,
        waiting: VecDeque::new(),
        in_flight: InFlight::default(),
        outgoing: Outgoing::default(),
        just_read: None,
        idle,
        sees_departures: frames.has_left().is_some(),
    };
    let closed = connection.run(&mut frames).await;
    connection.settle(&closed).await;
    // Also if the client left first: the operator should read why.
    match connection.connected.reauthentication.refused() {
        Some(reason) => Closed::LoginRefused(reason),
        None => closed,
    }
}

/// The state of one connection besides the frames that are being read.
struct Connection<W> {
    writer: W,
    /// Passed to each of its requests.
    connected: Arc<Connected>,
    /// Read, and not started because something before them runs.
    waiting: VecDeque<Frame>,
    /// Started, and not answered.
    in_flight: InFlight,
    /// Answered, and not written yet.
    outgoing: Outgoing,
    /// The time, if it was read since the connection was last woken and nothing but starting requests came after that.
    just_read: Option<Instant>,
    idle: Idle,
    /// While it is muted, it is known whether the client is still there.
    sees_departures: bool,
}

/// The next thing that happens to a connection.
enum Event {
    /// Answers were taken or written, or the connection ends.
    Progress(Result<(), Closed>),
    /// The broker stops.
    Stopping,
    /// A frame, the end of the client's side, or bytes that are none.
    Read(Result<Option<Frame>, FrameError>),
    /// The connection may be read again, or its client has left meanwhile.
    Unmuted(mute::Ended),
}

impl<W: AsyncWrite + Unpin> Connection<W> {
    /// Takes frame after frame until there is a reason to stop and everything that came before it has begun; whatever is
    /// under way goes on meanwhile.
    async fn run<R: AsyncRead + Departure + Unpin>(&mut self, frames: &mut Frames<R>) -> Closed {
        // `reading` is cancelled before `waiting`: when long polls end, no further request is taken.
        let stopping = self.connected.services.shutdown.reading.clone().cancelled_owned();
        tokio::pin!(stopping);
        let mut stopping = Quiet::new(stopping);
        let mut end: Option<Closed> = None;
        let (connected, midway) = (Arc::clone(&self.connected), frames.midway());
        'events: loop {
            let muted = connected.mute.is_set();
            // Read before answers are written: those to requests that came together leave in one call.
            let came_together = !muted && frames.holds_frame();
            // Polled to its end, never dropped and begun anew within a frame, which may take many reads.
            let next = async {
                if muted {
                    let (quotas, user) = (&connected.services.quotas, connected.peer.principal().name());
                    let over = mute::ended(&connected.mute, quotas, user, || frames.has_left());
                    // In a box: only few connections are ever muted.
                    return Event::Unmuted(Box::pin(over).await);
                }
                Event::Read(frames.next().await)
            };
            tokio::pin!(next);
            let event = loop {
                if !self.waiting.is_empty() {
                    self.start_waiting(clock::now()).await;
                }
                if let Some(end) = end.take_if(|_| self.waiting.is_empty()) {
                    return end;
                }
                // A failed re-authentication was answered: nothing of what follows it would be.
                if self.connected.peer.is_cut_off() && self.in_flight.is_empty() && self.outgoing.is_empty() {
                    return Closed::SessionEnded;
                }
                // A throttled request was answered. A frame that has come in part is served first: it occupies memory.
                if !muted && connected.mute.is_set() && !midway.load(Ordering::Relaxed) {
                    continue 'events;
                }
                let reads = end.is_none() && (muted || self.may_read());
                let reads_first = reads && came_together;
                // In this order: answers go out before more is read, and a shutdown is seen before another frame is taken.
                let event = std::future::poll_fn(|cx| {
                    if !reads_first && let Poll::Ready(moved) = self.poll_progress(cx) {
                        return Poll::Ready(Event::Progress(moved));
                    }
                    if end.is_none() && stopping.poll(cx).is_ready() {
                        return Poll::Ready(Event::Stopping);
                    }
                    if reads && let Poll::Ready(next) = next.as_mut().poll(cx) {
                        return Poll::Ready(next);
                    }
                    // The frame waits for memory.
                    if reads_first { self.poll_progress(cx).map(Event::Progress) } else { Poll::Pending }
                });
                match event.await {
                    Event::Progress(Ok(())) => {}
                    Event::Progress(Err(closed)) => return closed,
                    Event::Stopping => end = Some(Closed::Shutdown),
                    next => break next,
                }
            };
            match event {
                Event::Read(Ok(Some(frame))) => {
                    self.waiting.push_back(frame);
                    self.start_waiting(clock::now()).await;
                }
                Event::Read(Ok(None)) | Event::Unmuted(mute::Ended::Left) => end = Some(Closed::ByClient),
                Event::Read(Err(error)) => end = Some(error.into()),
                // The time of a mute is no idleness.
                Event::Unmuted(mute::Ended::Over) => self.idle.touch(clock::now()),
                Event::Progress(_) | Event::Stopping => {}
            }
        }
    }

    /// Returns true if another frame may be read. Reading goes on while a frame waits for its turn, since only a read
    /// notices that the client has left.
    fn may_read(&self) -> bool {
        self.in_flight.len() + self.waiting.len() < MAX_IN_FLIGHT && self.may_go_on()
    }

    /// Returns true if the client takes its answers, and no request has ended the connection.
    fn may_go_on(&self) -> bool {
        // Answers that wait for their turn too: requests that came together are all started before one is written.
        let unsent = self.outgoing.bytes() + self.in_flight.answered_bytes();
        unsent < MAX_UNSENT_BYTES && !self.in_flight.ends()
    }

    /// Starts the requests that need not wait for others any more, in their order; the first of them now.
    async fn start_waiting(&mut self, mut now: Instant) {
        while self.may_go_on() {
            let Some(frame) = self.waiting.pop_front_if(|frame| self.in_flight.admits(frame.overlaps()))
            else {
                return;
            };
            self.idle.touch(now);
            let overlaps = frame.overlaps();
            let Frame { bytes, entry, arrived, grant } = frame;
            // Not polled yet: `start` does, in the order of arrival.
            let request = dispatch(&self.connected, entry, bytes);
            now = self.in_flight.start(request, overlaps, arrived, now, grant).await;
            self.just_read = Some(now);
        }
    }

    /// One step of what is under way: answers that are ready and a write, or the end by idleness. Cancel-safe.
    async fn progress(&mut self) -> Result<(), Closed> {
        std::future::poll_fn(|cx| self.poll_progress(cx)).await
    }

    /// See [`Connection::progress`]. Pending, until the connection is idle for too long, if nothing is under way.
    fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        // Answers before the write: those that are ready together leave in one call.
        let answered = self.take_answers(cx)?;
        if !self.outgoing.is_empty() {
            if let Poll::Ready(written) = self.outgoing.poll_write(cx, &mut self.writer) {
                let now = clock::now();
                self.idle.touch(now);
                self.count_sent(now);
                return Poll::Ready(written.map_err(Closed::Write));
            }
        } else if answered {
            // Without a frame (acks=0) nothing is written.
            self.count_sent(clock::now());
        }
        if answered {
            // Another request may start.
            return Poll::Ready(Ok(()));
        }
        if self.idle.poll_elapsed(cx).is_pending() {
            return Poll::Pending;
        }
        if !self.outgoing.is_empty() {
            let (unsent, after) = (self.outgoing.bytes(), self.idle.limit);
            return Poll::Ready(Err(Closed::NotReading { unsent, after }));
        }
        if self.in_flight.is_empty() && !(self.connected.mute.is_set() && self.sees_departures) {
            return Poll::Ready(Err(Closed::Idle(self.idle.limit)));
        }
        // A long wait that the client asked for (a rebalance), or that was laid on it, is no idleness. Over TLS a mute is, as in Kafka:
        // a client that has left would keep its connection for days.
        self.idle.touch(clock::now());
        Poll::Ready(Ok(()))
    }

    /// Lets the requests go on, and takes the answers whose turn it is. Returns true if there were any.
    ///
    /// # Errors
    /// A request ends the connection. Older answers are taken by then, and `settle` writes them.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        let just_read = self.just_read.take();
        let just_read = self.in_flight.advance(cx).or(just_read);
        // Read once at most, for the first of them.
        let mut now = None;
        while let Some(ready) = self.in_flight.pop_oldest() {
            let Ready { answered, arrived, started, paused, finished } = ready?;
            let since = *now.get_or_insert_with(|| just_read.unwrap_or_else(clock::now));
            // The five times of Kafka's `RequestMetrics`. Its remote time is spent in a purgatory, here after the
            // handler's first wait.
            let times = RequestTimes {
                request_queue: started.saturating_duration_since(arrived),
                local: paused.saturating_duration_since(started),
                remote: finished.saturating_duration_since(paused),
                response_queue: since.saturating_duration_since(finished),
                response_send: Duration::ZERO,
            };
            let unsent = Unsent { receipt: answered.receipt, times, since };
            self.outgoing.push(answered.frame.into_iter().flatten(), unsent);
        }
        Ok(now.is_some())
    }

    /// Counts the requests whose answer is written whole.
    fn count_sent(&mut self, now: Instant) {
        while let Some((receipt, times)) = self.outgoing.pop_sent(now) {
            if let Some(counted) = self.connected.services.metrics.request(receipt.api) {
                counted.observe(receipt.version, receipt.error_code, &times, now);
            }
        }
    }

    /// Before the socket closes: answers what was begun, unless the client has gone or did not take its answers.
    async fn settle(&mut self, closed: &Closed) {
        match closed {
            Closed::Shutdown => {}
            // The requests before a bad frame were sound: their answers are still sent.
            Closed::Frame(error) if !error.is_gone() => {}
            // What came after the request that ends the connection is not answered.
            Closed::Request(_) => self.in_flight = InFlight::default(),
            Closed::ByClient
            | Closed::Idle(_)
            | Closed::NotReading { .. }
            | Closed::SessionEnded
            | Closed::LoginRefused(_)
            | Closed::Frame(_)
            | Closed::Write(_) => {
                return;
            }
        }
        // Bounded: an answer that the client does not read runs into the idle limit.
        loop {
            // Without a frame (acks=0), answers before the request that ends the connection are in no write.
            self.count_sent(clock::now());
            if self.in_flight.is_empty() && self.outgoing.is_empty() {
                return;
            }
            match self.progress().await {
                Ok(()) => {}
                // Begun before the end, this request ends the connection as well: nothing after it is
                // answered.
                Err(Closed::Request(_)) => self.in_flight = InFlight::default(),
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
