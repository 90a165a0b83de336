//! Fetching: sessions, looking at the partitions that changed, reading them, waiting for more.
//!
//! ```text
//! begin (in the order of the connection's requests)   run
//!   which session, what is asked of it  ──────────►     look ─► enough? ─► answer
//!                                                        ▲  no: listen, wait
//!                                                        └──────┘
//! ```
//! Guarantees: a waiting fetch holds no lock, no thread and no records; it ends by data, by its deadline, by shutdown,
//! or by being dropped, which leaves its session as if it had not looked. What it looks at is what changed
//! (`fetch/set.rs`), what it may take is bounded (`fetch/limits.rs`, `fetch/budget.rs`). Speaks no protocol messages:
//! `kafka/api/fetch.rs` does. Kafka: `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`, `DelayedFetch`.
//!
//! `fetch/round.rs` is the body of the loop above, in a file of its own for its length: it uses this file's types, and this
//! file calls it.

pub(crate) mod budget;
mod delayed;
pub(crate) mod down_conversion;
pub(crate) mod limits;
mod round;
pub(crate) mod session;
pub(crate) mod set;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use storage::{AbortedTransaction, Isolation};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::budget::{FetchBudget, FetchShare};
use self::delayed::{Arrivals, Subscription};
use self::round::Round;
use self::session::{FetchSessionCache, INVALID_SESSION_ID, SessionError, SessionRequest};
use self::set::{FetchSet, PartitionFetch};
use crate::clock::{Clock, timer_now};
use crate::config::StartConfig;
use crate::io::Io;
use crate::random::fetch_session_id;
use crate::telemetry::metrics::{ExtraFamily, ExtraKind, TopicMetrics};
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;
use crate::topics::position::EpochEnd;
use crate::topics::{FoundPartition, Topics};

/// Bytes that all fetches together may hold, read and not yet written.
const BUDGET_BYTES: usize = 256 << 20;

/// A request for records, as part of a session or alone.
#[derive(Debug)]
pub(crate) struct FetchRequest {
    /// Session id and epoch as they came.
    pub(crate) session_id: i32,
    /// See `session_id`.
    pub(crate) session_epoch: i32,
    /// Topics are named by id.
    pub(crate) uses_topic_ids: bool,
    /// Partitions to fetch, or to fetch differently from now on.
    pub(crate) wanted: Vec<PartitionFetch>,
    /// Partitions to take out of the session.
    pub(crate) forgotten: Vec<(TopicRef, i32)>,
}

/// How long to wait and how much to answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchTerms {
    /// Answer after this time with what there is.
    pub(crate) max_wait: Duration,
    /// Answer before that once there is this much.
    pub(crate) min_bytes: usize,
    /// Answer no more than this, the first batch excepted.
    pub(crate) max_bytes: usize,
    /// Which records are visible.
    pub(crate) isolation: Isolation,
}

/// The answer of one partition.
#[derive(Debug)]
pub(crate) struct PartitionAnswer {
    /// The topic, as the request named it.
    pub(crate) topic: TopicRef,
    /// The partition's index.
    pub(crate) index: i32,
    /// Its records, or why there are none.
    pub(crate) outcome: Result<Served, PartitionError>,
    /// Counts what is sent of it; `None` if there is no such partition.
    pub(crate) metrics: Option<Arc<TopicMetrics>>,
}

/// The state and the records found in a partition.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// The offset after the last visible record.
    pub(crate) high_watermark: i64,
    /// The offset after the last decided transaction.
    pub(crate) last_stable_offset: i64,
    /// The first offset.
    pub(crate) log_start_offset: i64,
    /// Whole batches, as they are in the log.
    pub(crate) batches: Vec<Bytes>,
    /// Their sizes, added up.
    pub(crate) bytes: usize,
    /// There are records, but not one batch of them fitted into what was left of the answer.
    pub(crate) had_no_room: bool,
    /// Aborted transactions among them, if the reader asked for committed records only.
    pub(crate) aborted: Option<Vec<AbortedTransaction>>,
    /// The point where the client's log diverges from this one; then there are no batches.
    pub(crate) diverging: Option<EpochEnd>,
}

/// The answer to a fetch.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The session, 0 if there is none.
    pub(crate) session_id: i32,
    /// In an incremental fetch only what is new, else every partition asked for, in the order of the request.
    pub(crate) partitions: Vec<PartitionAnswer>,
    /// The bytes' share of the budget: to be dropped when they have been written.
    pub(crate) share: FetchShare,
}

/// The log of an entry of a [`FetchSet`], and the subscription to its appends. A subscription reports to its own session, so the
/// two live and die together.
#[derive(Debug)]
pub(crate) struct Log {
    found: FoundPartition,
    subscription: Option<Subscription>,
}

/// The state of a session; a fetch without a session has one of its own for as long as it lasts.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    set: Mutex<FetchSet<Log>>,
    arrivals: Arc<Arrivals>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sessionless,
    New { uses_topic_ids: bool },
    Incremental(i32),
}

/// A fetch that has taken its place in its session.
#[derive(Debug)]
pub(crate) struct OpenFetch {
    session: Arc<FetchSession>,
    kind: Kind,
}

/// Serves fetches. One per broker.
#[derive(Debug)]
pub(crate) struct Fetcher {
    io: Io,
    topics: Arc<Topics>,
    sessions: Mutex<FetchSessionCache<Arc<FetchSession>>>,
    budget: FetchBudget,
    max_response_bytes: usize,
    clock: Clock,
}

/// The limits of a [`Fetcher`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetcherOptions {
    /// `max.incremental.fetch.session.cache.slots`.
    pub(crate) session_slots: usize,
    /// `fetch.max.bytes`: the most bytes of one response.
    pub(crate) max_response_bytes: usize,
    /// The most bytes of all responses together that are read and not yet written.
    pub(crate) budget_bytes: usize,
}

impl FetcherOptions {
    /// As configured.
    pub(crate) fn of(config: &StartConfig) -> Self {
        Self {
            session_slots: config.max_incremental_fetch_session_cache_slots,
            max_response_bytes: config.fetch_max_bytes.as_usize(),
            budget_bytes: BUDGET_BYTES,
        }
    }
}

impl Fetcher {
    /// A fetcher without sessions yet.
    pub(crate) fn new(io: Io, topics: Arc<Topics>, clock: Clock, options: FetcherOptions) -> Self {
        Self {
            io,
            topics,
            sessions: Mutex::new(FetchSessionCache::new(options.session_slots)),
            budget: FetchBudget::new(options.budget_bytes),
            max_response_bytes: options.max_response_bytes,
            clock,
        }
    }

    /// Takes the request's place in its session. To be called in the order in which requests arrive.
    ///
    /// # Errors
    /// If there is no such session, or the request is not the next one of it.
    pub(crate) fn begin(&self, request: FetchRequest) -> Result<OpenFetch, SessionError> {
        let FetchRequest { session_id, session_epoch, uses_topic_ids, wanted, forgotten } = request;
        let kind = match SessionRequest::of(session_id, session_epoch) {
            SessionRequest::Incremental { id, epoch } => {
                return self.resume(id, epoch, uses_topic_ids, wanted, &forgotten);
            }
            SessionRequest::New => Kind::New { uses_topic_ids },
            SessionRequest::Sessionless => Kind::Sessionless,
        };
        // A client that asks for a new session, or for none, gives up the one that it names.
        if session_id != INVALID_SESSION_ID {
            let closed = self.sessions.lock().remove(session_id);
            // After the lock: the end of a session takes its subscriptions off their partitions.
            drop(closed);
        }
        let session = Arc::new(FetchSession::default());
        session.update(wanted, &[]);
        Ok(OpenFetch { session, kind })
    }

    fn resume(
        &self,
        id: i32,
        epoch: i32,
        uses_topic_ids: bool,
        wanted: Vec<PartitionFetch>,
        forgotten: &[(TopicRef, i32)],
    ) -> Result<OpenFetch, SessionError> {
        let now_ms = self.clock.now_ms();
        let mut size = 0;
        // Changed under the lock of all sessions, so that requests change one in the order of their epochs. This lock
        // comes before that of a set; no code takes it while it holds a set.
        let session = self.sessions.lock().resume(id, epoch, uses_topic_ids, now_ms, |session| {
            size = session.update(wanted, forgotten);
            size
        })?;
        // A session without partitions was closed by the cache: its answer carries id 0.
        let kind = if size == 0 { Kind::Sessionless } else { Kind::Incremental(id) };
        Ok(OpenFetch { session, kind })
    }

    /// Answers the fetch once there is enough, or its time is over, or the broker stops.
    pub(crate) async fn run(
        &self,
        fetch: OpenFetch,
        terms: FetchTerms,
        shutdown: &CancellationToken,
    ) -> Fetched {
        let max_bytes = terms.max_bytes.min(self.max_response_bytes);
        let terms = FetchTerms { max_bytes, min_bytes: terms.min_bytes.min(max_bytes), ..terms };
        let deadline = timer_now().checked_add(terms.max_wait);
        let arrivals = &fetch.session.arrivals;
        let mut round = Round::new(self, &fetch, terms);
        let mut last = terms.max_wait.is_zero() || shutdown.is_cancelled();
        loop {
            let listening = arrivals.expect(terms.min_bytes);
            round.look(&listening).await;
            if last || round.has_enough() {
                break;
            }
            // The next look subscribes before it reads, so it finds what was appended since this one.
            if round.start_watching() {
                continue;
            }
            let found_bytes = round.found_bytes();
            round.let_go();
            if arrivals.still_missing(found_bytes) {
                tokio::select! {
                    () = listening => {}
                    () = sleep_until(deadline) => last = true,
                    () = shutdown.cancelled() => last = true,
                }
            } else {
                // Looks again without a wait. Appends may bring it here again and again, so the deadline is checked
                // here too.
                last = deadline.is_some_and(|deadline| timer_now() >= deadline);
            }
        }
        arrivals.relax();
        let (partitions, share) = round.finish();
        Fetched { session_id: self.keep_session(&fetch), partitions, share }
    }

    /// Makes a session of a fetch that asked for one, if there is room. The session's id in the answer.
    fn keep_session(&self, fetch: &OpenFetch) -> i32 {
        let uses_topic_ids = match fetch.kind {
            Kind::Incremental(id) => return id,
            Kind::Sessionless => return INVALID_SESSION_ID,
            Kind::New { uses_topic_ids } => uses_topic_ids,
        };
        let size = fetch.session.set.lock().len();
        let session = Arc::clone(&fetch.session);
        let now_ms = self.clock.now_ms();
        let created = self.sessions.lock().create(session, size, uses_topic_ids, now_ms, fetch_session_id);
        drop(created.evicted);
        created.id.unwrap_or(INVALID_SESSION_ID)
    }

    /// Sessions kept, partitions in them, and sessions evicted since the start.
    fn session_counts(&self) -> (usize, usize, u64) {
        let sessions = self.sessions.lock();
        (sessions.len(), sessions.partitions(), sessions.evictions())
    }

    /// The sessions and the budget as metrics.
    pub(crate) fn families(&self) -> Vec<ExtraFamily> {
        let (sessions, partitions, evictions) = self.session_counts();
        let gauge = |name, help, value: usize| family(name, help, ExtraKind::Gauge, value as f64);
        vec![
            gauge("ottla_fetch_sessions", "Incremental fetch sessions kept.", sessions),
            gauge("ottla_fetch_session_partitions", "Partitions in incremental fetch sessions.", partitions),
            family(
                "ottla_fetch_session_evictions_total",
                "Incremental fetch sessions that gave way to others.",
                ExtraKind::Counter,
                evictions as f64,
            ),
            gauge(
                "ottla_fetch_buffered_bytes",
                "Bytes of records read for fetches and not yet written to their sockets.",
                self.budget.held_bytes(),
            ),
        ]
    }
}

impl FetchSession {
    /// Applies a request; how many partitions there are now.
    fn update(&self, wanted: Vec<PartitionFetch>, forgotten: &[(TopicRef, i32)]) -> usize {
        let mut set = self.set.lock();
        wanted.into_iter().for_each(|wanted| set.want(wanted));
        let gone: Vec<_> = forgotten.iter().map(|(topic, index)| set.forget(topic, *index)).collect();
        let size = set.len();
        drop(set);
        drop(gone);
        size
    }
}

fn family(name: &'static str, help: &'static str, kind: ExtraKind, value: f64) -> ExtraFamily {
    ExtraFamily { name: name.into(), help: help.into(), kind, series: vec![(Vec::new(), value)] }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
