//! One client's connection: frames in, requests side by side, answers out in order.
//!
//! Guarantees that requests start in arrival order and answers leave in arrival order; that only requests which say so
//! run side by side, at most `MAX_IN_FLIGHT` of them; that no further request starts while `MAX_UNSENT_BYTES` of answers wait for the client to read
//! them; and that a client which does nothing is let go. All of it is one task: a slow reader or a panicking handler
//! takes down its own connection and no other. What a request means is left to `dispatch.rs`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use crate::clock::{self, timer_now};
use crate::kafka::api::Disconnect;
use crate::kafka::dispatch::{Receipt, dispatch};
use crate::kafka::frames::{Frame, FrameError, Frames};
use crate::kafka::in_flight::{InFlight, Ready};
use crate::kafka::limits::{MAX_IN_FLIGHT, MAX_UNSENT_BYTES, Shared};
use crate::kafka::outgoing::{Outgoing, Unsent};
use crate::services::Services;
use crate::session::peer::Peer;
use crate::telemetry::metrics::RequestTimes;

/// Why a connection ended.
#[derive(Debug, Error)]
pub(crate) enum Closed {
    /// The client closed it between two requests.
    #[error("closed by the client")]
    ByClient,
    /// The broker stops, and everything that was begun is answered.
    #[error("the broker is shutting down")]
    Shutdown,
    /// Nothing moved for `connections.max.idle.ms`.
    #[error("idle for {0:?}")]
    Idle(Duration),
    /// The client did not take its answers for `connections.max.idle.ms`.
    #[error("{unsent} bytes of answers were not read for {after:?}")]
    NotReading {
        /// Bytes that still wait.
        unsent: usize,
        /// How long nothing was taken.
        after: Duration,
    },
    /// The bytes that came are not a frame.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A request could not be served.
    #[error("{0}")]
    Request(#[from] Disconnect),
    /// Answers could not be written.
    #[error("writing failed: {0}")]
    Write(std::io::Error),
}

impl Closed {
    /// Returns true if an operator should read about it: not if a client simply went away.
    pub(crate) fn is_notable(&self) -> bool {
        match self {
            // Part of any day: Java clients close what is idle after 9 minutes (`connections.max.idle.ms`).
            Self::ByClient | Self::Shutdown | Self::Idle(_) | Self::Write(_) => false,
            Self::NotReading { .. } | Self::Request(_) => true,
            Self::Frame(error) => !matches!(error, FrameError::Io(_)),
        }
    }

    /// The kind of reason, for limiting the lines about it: a client cannot make new ones.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::ByClient | Self::Shutdown | Self::Idle(_) | Self::Write(_) => "ended",
            Self::NotReading { .. } => "answers are not read",
            Self::Frame(error) => match error {
                FrameError::Length(_) => "length of a frame",
                FrameError::Foreign(_) => "another protocol",
                FrameError::UnknownApi(_) => "unknown API in a frame",
                FrameError::Unfinished { .. } => "unfinished frame",
                FrameError::GaveWay { .. } => "slowest frame",
                FrameError::Cut { .. } => "cut frame",
                FrameError::Io(_) => "reading",
            },
            Self::Request(reason) => match reason {
                Disconnect::Malformed(_) => "malformed request",
                Disconnect::UnknownApi(_) => "unknown API",
                Disconnect::UnsupportedVersion { .. } => "unsupported version",
                Disconnect::Unanswerable(_) => "unanswerable request",
                Disconnect::Refused(_) => "refused by a handler",
            },
        }
    }

    /// Returns true if the reason was bytes that are not a valid request.
    pub(crate) fn is_malformed(&self) -> bool {
        match self {
            Self::Frame(error) => !error.is_gone(),
            // `Unanswerable` is a fault of the broker, `Refused` a sound request that it will not serve.
            Self::Request(reason) => !matches!(reason, Disconnect::Unanswerable(_) | Disconnect::Refused(_)),
            Self::ByClient | Self::Shutdown | Self::Idle(_) | Self::NotReading { .. } | Self::Write(_) => {
                false
            }
        }
    }
}

/// Serves one connection until it ends.
/// Returns the reason once everything that was begun is answered, as far as the client can still be reached;
/// the caller closes the socket. Requests count against the budget in `shared`, answers against
/// `MAX_UNSENT_BYTES`. Dropping the future drops all requests of the connection.
pub(crate) async fn serve<R, W>(
    reader: R,
    writer: W,
    peer: Arc<Peer>,
    services: Arc<Services>,
    shared: Arc<Shared>,
) -> Closed
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let max_idle = shared.limits.max_idle;
    let mut frames = Frames::new(reader, shared);
    let idle = Idle::new(max_idle, frames.reads());
    let mut connection = Connection {
        writer,
        peer,
        services,
        waiting: VecDeque::new(),
        in_flight: InFlight::default(),
        outgoing: Outgoing::default(),
        idle,
    };
    let closed = connection.run(&mut frames).await;
    connection.settle(&closed).await;
    closed
}

/// The state of one connection besides the frames that are being read.
struct Connection<W> {
    writer: W,
    peer: Arc<Peer>,
    services: Arc<Services>,
    /// Read, and not started because something before them runs.
    waiting: VecDeque<Frame>,
    /// Started, and not answered.
    in_flight: InFlight,
    /// Answered, and not written yet.
    outgoing: Outgoing,
    idle: Idle,
}

impl<W: AsyncWrite + Unpin> Connection<W> {
    /// Takes frame after frame until there is a reason to stop and everything that came before it has begun; whatever is
    /// under way goes on meanwhile.
    async fn run<R: AsyncRead + Unpin>(&mut self, frames: &mut Frames<R>) -> Closed {
        // `reading` is cancelled before `waiting`: when long polls end, no further request is taken.
        let stopping = self.services.shutdown.reading.clone().cancelled_owned();
        tokio::pin!(stopping);
        let mut end: Option<Closed> = None;
        loop {
            // Polled to its end, never dropped and begun anew: a frame may take many reads.
            let next = frames.next();
            tokio::pin!(next);
            let frame = loop {
                self.start_waiting().await;
                if let Some(end) = end.take_if(|_| self.waiting.is_empty()) {
                    return end;
                }
                // In this order: a shutdown is seen before another frame is taken, and answers go out before more is
                // read.
                tokio::select! {
                    biased;
                    () = &mut stopping, if end.is_none() => end = Some(Closed::Shutdown),
                    progress = self.progress() => if let Err(closed) = progress { return closed },
                    frame = &mut next, if end.is_none() && self.may_read() => break frame,
                }
            };
            match frame {
                Ok(Some(frame)) => self.waiting.push_back(frame),
                Ok(None) => end = Some(Closed::ByClient),
                Err(error) => end = Some(error.into()),
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
        self.outgoing.bytes() < MAX_UNSENT_BYTES && !self.in_flight.ends()
    }

    /// Starts the requests that need not wait for others any more, in their order.
    async fn start_waiting(&mut self) {
        while self.may_go_on() {
            let Some(frame) = self.waiting.pop_front_if(|frame| self.in_flight.admits(frame.overlaps()))
            else {
                return;
            };
            self.idle.touch();
            let overlaps = frame.overlaps();
            let Frame { bytes, entry, arrived, grant } = frame;
            // Not polled yet: `start` does, in the order of arrival.
            let request = dispatch(Arc::clone(&self.services), Arc::clone(&self.peer), entry, bytes);
            self.in_flight.start(request, overlaps, arrived, grant).await;
        }
    }

    /// One step of what is under way: an answer that is ready, a write, or the end by idleness. Cancel-safe. Waits for
    /// ever, or until the connection is idle for too long, if nothing is under way.
    async fn progress(&mut self) -> Result<(), Closed> {
        let Self { writer, services, in_flight, outgoing, idle, .. } = self;
        tokio::select! {
            biased;
            // Answers before the write: those that are ready together leave in one call.
            ready = std::future::poll_fn(|cx| in_flight.poll_oldest(cx)) => {
                // An error has its turn too: older answers are in `outgoing` by then, and `settle` writes
                // them.
                let (answer, unsent) = turn(ready?);
                // Without a frame (acks=0) as well: it is counted once all before it is written.
                outgoing.push(answer.unwrap_or_default(), unsent);
            }
            written = outgoing.write_some(writer), if !outgoing.is_empty() => {
                idle.touch();
                written.map_err(Closed::Write)?;
            }
            () = idle.elapsed() => {
                if !outgoing.is_empty() {
                    return Err(Closed::NotReading { unsent: outgoing.bytes(), after: idle.limit });
                }
                if in_flight.is_empty() {
                    return Err(Closed::Idle(idle.limit));
                }
                // A long wait that the client asked for (a rebalance) is no idleness.
                idle.touch();
            }
        }
        while let Some((receipt, times)) = outgoing.pop_sent() {
            observe(services, &receipt, &times);
        }
        Ok(())
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
            | Closed::Frame(_)
            | Closed::Write(_) => {
                return;
            }
        }
        // Bounded: an answer that the client does not read runs into the idle limit.
        while !(self.in_flight.is_empty() && self.outgoing.is_empty()) {
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

/// The frame of an answer whose turn it is, and what will be counted of it.
fn turn(ready: Ready) -> (Option<Vec<Bytes>>, Unsent) {
    let Ready { answered, arrived, started, paused, finished } = ready;
    let since = clock::now();
    // The five times of Kafka's `RequestMetrics`. Its remote time is spent in a purgatory, here after the
    // handler's first wait.
    let times = RequestTimes {
        request_queue: started.saturating_duration_since(arrived),
        local: paused.saturating_duration_since(started),
        remote: finished.saturating_duration_since(paused),
        response_queue: since.saturating_duration_since(finished),
        response_send: Duration::ZERO,
    };
    (answered.frame, Unsent { receipt: answered.receipt, times, since })
}

/// Counts a request whose answer is written whole.
fn observe(services: &Services, receipt: &Receipt, times: &RequestTimes) {
    if let Some(counted) = services.metrics.request(receipt.entry.index) {
        counted.observe(receipt.version, receipt.error_code, times, clock::now());
    }
}

/// Time since something last moved.
struct Idle {
    /// `connections.max.idle.ms`; a year where it is off.
    limit: Duration,
    /// When something last moved, by the clock of tokio's timers.
    last: Instant,
    /// Reads from the socket: a frame that takes long to come is no idleness.
    reads: Arc<AtomicU64>,
    /// The value of `reads` when the timer last went off.
    reads_seen: u64,
    /// Goes off when the limit can be reached at the earliest, and is moved then.
    sleep: std::pin::Pin<Box<Sleep>>,
}

impl Idle {
    fn new(limit: Duration, reads: Arc<AtomicU64>) -> Self {
        let sleep = Box::pin(tokio::time::sleep(limit));
        Self { limit, last: timer_now(), reads, reads_seen: 0, sleep }
    }

    /// Something moved. Cheap: the timer is moved only when it goes off.
    fn touch(&mut self) {
        self.last = timer_now();
    }

    /// Returns once nothing moved for the limit.
    async fn elapsed(&mut self) {
        loop {
            self.sleep.as_mut().await;
            let reads = self.reads.load(Ordering::Relaxed);
            if std::mem::replace(&mut self.reads_seen, reads) != reads {
                self.touch();
            }
            let due = self.last + self.limit;
            if due <= timer_now() {
                return;
            }
            self.sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests;
