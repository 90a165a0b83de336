//! Fetching: sessions, looking at the partitions that changed, reading them, waiting for more.
//!
//! ```text
//! begin (in the order of the connection's requests)   run
//!   which session, what is asked of it  ──────────►     look ─► enough? ─► answer
//!                                                        ▲  no: listen, wait
//!                                                        └──────┘
//! ```
//! `request.rs` is what is asked, `answer.rs` what is answered, `look.rs` a look at one partition, `round.rs` the body of the
//! loop above.
//!
//! Guarantees: a waiting fetch holds no lock, no thread and no records; it ends by data, by its deadline, by shutdown,
//! or by being dropped, which leaves its session as if it had not looked. What it looks at is what changed
//! (`fetch/set.rs`), what it may take is bounded (`fetch/limits.rs`, `fetch/budget.rs`). Speaks no protocol messages:
//! `kafka/api/fetch.rs` does. Kafka: `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`, `DelayedFetch`.

pub(crate) mod answer;
pub(crate) mod budget;
mod delayed;
pub(crate) mod down_conversion;
pub(crate) mod limits;
mod look;
pub(crate) mod request;
mod round;
pub(crate) mod session;
pub(crate) mod set;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::answer::Fetched;
use self::budget::{FetchBudget, FetchShare};
use self::request::{FetchRequest, FetchSession, FetchTerms, Kind, OpenFetch};
use self::round::Round;
use self::session::{FetchSessionCache, INVALID_SESSION_ID, SessionError, SessionRequest};
use self::set::PartitionFetch;
use crate::clock::{Clock, timer_now};
use crate::config::StartConfig;
use crate::io::ShardIo;
use crate::random::fetch_session_id;
use crate::telemetry::metrics::{ExtraFamily, ExtraKind};
use crate::topics::Topics;
use crate::topics::names::TopicRef;

/// Bytes that all fetches together may hold, read and not yet written.
const BUDGET_BYTES: usize = 256 << 20;

/// Serves fetches. One per broker.
#[derive(Debug)]
pub(crate) struct Fetcher {
    shard: ShardIo,
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
    pub(crate) fn new(shard: ShardIo, topics: Arc<Topics>, clock: Clock, options: FetcherOptions) -> Self {
        Self {
            shard,
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
        Ok(OpenFetch { session, kind, questions: None })
    }

    /// Goes on with a session. The request changes it here, before the fetch looks at anything.
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
        let resumed = self.sessions.lock().resume(id, epoch, uses_topic_ids, now_ms, |session| {
            size = session.update(wanted, forgotten);
            size
        });
        // After the lock, as in `begin`.
        drop(resumed.closed);
        let session = resumed.session?;
        // A session without partitions was closed by the cache: its answer carries id 0.
        let kind = if size == 0 { Kind::Sessionless } else { Kind::Incremental(id) };
        Ok(OpenFetch { session, kind, questions: None })
    }

    /// As [`Self::run_if`], for a client without a quota.
    #[cfg(test)]
    pub(crate) async fn run(
        &self,
        fetch: OpenFetch,
        terms: FetchTerms,
        shutdown: &CancellationToken,
    ) -> Fetched {
        self.run_if(fetch, terms, shutdown, |_| true).await
    }

    /// Answers the fetch once there is enough, or its time is over, or the broker stops. `admit` is asked last, with a count of the answer's bytes:
    /// if it says no the answer is empty, and the client is told nothing. Its session goes on from there; a new one is not made.
    pub(crate) async fn run_if(
        &self,
        fetch: OpenFetch,
        terms: FetchTerms,
        shutdown: &CancellationToken,
        admit: impl FnOnce(&dyn Fn() -> usize) -> bool,
    ) -> Fetched {
        // A client that asks for more than it can get would always wait for its whole time.
        let max_bytes = terms.max_bytes.min(self.max_response_bytes);
        let terms = FetchTerms { max_bytes, min_bytes: terms.min_bytes.min(max_bytes), ..terms };
        let deadline = timer_now().checked_add(terms.max_wait);
        let arrivals = &fetch.session.arrivals;
        let mut round = Round::new((&self.shard, &self.topics, &self.budget), &fetch, terms);
        // With nothing to wait for there is one look.
        let mut last = terms.max_wait.is_zero() || shutdown.is_cancelled();
        loop {
            let listening = arrivals.expect(terms.min_bytes);
            round.look(&listening).await;
            // In this order: the last look is answered whatever it found.
            if last || round.has_enough() {
                break;
            }
            // The next look subscribes before it reads, so it finds what was appended since this one.
            if round.start_watching() {
                continue;
            }
            let found_bytes = round.found_bytes();
            // Nothing is held while waiting: neither records nor their share of the budget.
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
        // Until the session's next fetch, appends are remembered without a wake-up.
        arrivals.relax();
        if !admit(&|| round.answer_bytes()) {
            // Dropped, the round leaves the session as if it had not looked. As `FetchContext.getThrottledResponse`.
            drop(round);
            let session_id = match fetch.kind {
                Kind::Incremental(id) => id,
                Kind::New { .. } | Kind::Sessionless => INVALID_SESSION_ID,
            };
            return Fetched { session_id, partitions: Vec::new(), share: FetchShare::default() };
        }
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
        // The lock of the set is free again: it is never held while that of all sessions is taken.
        let created = self.sessions.lock().create(session, size, uses_topic_ids, now_ms, fetch_session_id);
        // After the lock of all sessions, as in `begin`.
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

fn family(name: &'static str, help: &'static str, kind: ExtraKind, value: f64) -> ExtraFamily {
    ExtraFamily { name: name.into(), help: help.into(), kind, series: vec![(Vec::new(), value)] }
}

/// Never ends without a deadline, which is one too far away for the clock.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
