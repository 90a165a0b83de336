//! Fetch sessions (KIP-227): which sessions exist, whose turn it is, and which one has to go.
//!
//! Pure: time and session ids are arguments, and what a session holds is opaque (`S`). Guarantees that at most
//! `slots` sessions and `MAX_CACHED_PARTITIONS` of their partitions are kept, and that an epoch is used once.
//! The rules are those of Kafka's `FetchManager` and `FetchSessionCacheShard`, without their
//! privileged half: that is for followers, and there are none. What a session remembers of its partitions is in
//! `set.rs`.

use std::collections::{BTreeSet, HashMap};

/// No session: asked for by clients older than version 7, answered when none was made.
pub(crate) const INVALID_SESSION_ID: i32 = 0;
/// The epoch of a request that asks for a new session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that wants no session, and closes the one it names.
pub(crate) const FINAL_EPOCH: i32 = -1;

/// A session idle for longer gives way to any new one; one older than this to any larger one (Kafka:
/// `MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const EVICTION_MS: i64 = 120_000;
/// Partitions held by all sessions together, so that their memory has a bound besides the number of sessions.
/// At a few hundred bytes each this is of the order of 100 MiB.
const MAX_CACHED_PARTITIONS: usize = 500_000;

/// Why a session cannot go on. The client answers each with a full request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionError {
    /// Never made, closed, or evicted: `FETCH_SESSION_ID_NOT_FOUND`.
    IdNotFound,
    /// A request was lost or came twice: `INVALID_FETCH_SESSION_EPOCH`.
    InvalidEpoch,
    /// The session names topics by id and the request by name, or the reverse: `FETCH_SESSION_TOPIC_ID_ERROR`.
    TopicIdError,
}

/// The meaning of a request's session id and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionRequest {
    /// Everything is in the request and nothing is to be remembered.
    Sessionless,
    /// Everything is in the request; remember it.
    New,
    /// Only what changed is in the request.
    Incremental {
        /// The session.
        id: i32,
        /// Its epoch as the client counts it.
        epoch: i32,
    },
}

impl SessionRequest {
    /// Reads the meaning of a request's `id` and `epoch` (Kafka: `FetchMetadata.isFull`).
    pub(crate) fn of(id: i32, epoch: i32) -> Self {
        match epoch {
            FINAL_EPOCH => Self::Sessionless,
            INITIAL_EPOCH => Self::New,
            epoch => Self::Incremental { id, epoch },
        }
    }
}

#[derive(Debug)]
struct Entry<S> {
    session: S,
    /// That of the session's next request.
    epoch: i32,
    uses_topic_ids: bool,
    /// Its partitions, as the cache counts them.
    size: usize,
    created_ms: i64,
    /// The session's place in `by_last_use`.
    last_used_ms: i64,
}

/// The sessions of all connections.
#[derive(Debug)]
pub(crate) struct FetchSessionCache<S> {
    slots: usize,
    max_partitions: usize,
    sessions: HashMap<i32, Entry<S>>,
    partitions: usize,
    /// (last used, id), the longest idle first.
    by_last_use: BTreeSet<(i64, i32)>,
    /// (size, id), the smallest first; only sessions that were older than [`EVICTION_MS`] when last used.
    evictable: BTreeSet<(usize, i32)>,
    evictions: u64,
}

/// The outcome of asking for a session. The caller drops `evicted` once it holds no lock.
#[derive(Debug)]
pub(crate) struct Created<S> {
    /// The new session's id, or `None` if there was no room: the answer then carries id 0.
    pub(crate) id: Option<i32>,
    /// The sessions that gave way.
    pub(crate) evicted: Vec<S>,
}

/// The outcome of going on with a session. The caller drops `closed` once it holds no lock.
#[derive(Debug)]
pub(crate) struct Resumed<S> {
    /// The session, also one that was closed because it has no partition left.
    pub(crate) session: Result<S, SessionError>,
    /// The session, if it is no longer in the cache.
    pub(crate) closed: Option<S>,
}

impl<S: Clone> FetchSessionCache<S> {
    /// Room for `slots` sessions (`max.incremental.fetch.session.cache.slots`); with 0 every fetch is a full one.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            max_partitions: MAX_CACHED_PARTITIONS,
            sessions: HashMap::new(),
            partitions: 0,
            by_last_use: BTreeSet::new(),
            evictable: BTreeSet::new(),
            evictions: 0,
        }
    }

    /// Sessions in the cache.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Partitions in the cache, of all sessions.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// Sessions that had to give way since the start.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Goes on with a session: checks id, epoch and way of naming topics, applies the request to the session with
    /// `update`, which returns how many partitions it now has, and moves the epoch on.
    ///
    /// A session left with no partition is closed, and so is one that outgrew the cache's bound.
    pub(crate) fn resume(
        &mut self,
        id: i32,
        epoch: i32,
        uses_topic_ids: bool,
        now_ms: i64,
        update: impl FnOnce(&S) -> usize,
    ) -> Resumed<S> {
        let refused = |error| Resumed { session: Err(error), closed: None };
        let Some(entry) = self.sessions.get_mut(&id) else { return refused(SessionError::IdNotFound) };
        // A lost or repeated request: partitions of one request may be missing, so the client begins anew (KIP-227).
        if entry.epoch != epoch {
            return refused(SessionError::InvalidEpoch);
        }
        // The session is keyed as its requests name topics (KIP-516): a name and an id of one topic would be
        // two entries.
        if entry.uses_topic_ids != uses_topic_ids {
            return refused(SessionError::TopicIdError);
        }
        let session = entry.session.clone();
        let size = update(&session);
        entry.epoch = next_epoch(epoch);
        // A session may grow by every request; the bound of the cache holds for that as well.
        let others = self.partitions - entry.size;
        if size > 0 && others.saturating_add(size) > self.max_partitions {
            // As after an eviction: the client sends a full request (KIP-227).
            self.remove(id);
            return Resumed { session: Err(SessionError::IdNotFound), closed: Some(session) };
        }
        let closed = if size == 0 {
            self.remove(id)
        } else {
            self.touch(id, size, now_ms);
            None
        };
        Resumed { session: Ok(session), closed }
    }

    /// Closes a session; what it held, if it was there.
    pub(crate) fn remove(&mut self, id: i32) -> Option<S> {
        let entry = self.sessions.remove(&id)?;
        self.by_last_use.remove(&(entry.last_used_ms, id));
        self.evictable.remove(&(entry.size, id));
        self.partitions -= entry.size;
        Some(entry.session)
    }

    /// Keeps a session of `size` partitions if there is room, or if an idle or a less valuable one can give way.
    /// `ids` proposes random ids until one is free.
    pub(crate) fn create(
        &mut self,
        session: S,
        size: usize,
        uses_topic_ids: bool,
        now_ms: i64,
        mut ids: impl FnMut() -> i32,
    ) -> Created<S> {
        if size == 0 || size > self.max_partitions || self.slots == 0 {
            return Created { id: None, evicted: Vec::new() };
        }
        let Some(victims) = self.victims_for(size, now_ms) else {
            return Created { id: None, evicted: Vec::new() };
        };
        self.evictions += victims.len() as u64;
        let evicted = victims.into_iter().filter_map(|id| self.remove(id)).collect();
        let id = loop {
            let id = ids();
            // Positive and not in use, as Kafka's `newSessionId`.
            if id > INVALID_SESSION_ID && !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let entry = Entry {
            session,
            epoch: next_epoch(INITIAL_EPOCH),
            uses_topic_ids,
            // `touch` counts the partitions, and takes the old size off first.
            size: 0,
            created_ms: now_ms,
            last_used_ms: now_ms,
        };
        self.sessions.insert(id, entry);
        self.touch(id, size, now_ms);
        Created { id: Some(id), evicted }
    }

    /// The sessions that have to go for a new one, by the rules of Kafka's `tryEvict`: those idle for two minutes first, then
    /// those that are older than two minutes and smaller than the newcomer, the smallest first. `None` if all of them would
    /// not make room: then none has to go.
    fn victims_for(&self, size: usize, now_ms: i64) -> Option<Vec<i32>> {
        let is_idle = |last_used_ms: i64| now_ms.saturating_sub(last_used_ms) > EVICTION_MS;
        let idle = self.by_last_use.iter().take_while(|(last_used_ms, _)| is_idle(*last_used_ms));
        // Smaller, not equal: Kafka compares (size, id), and the newcomer has id 0.
        let smaller = self.evictable.iter().take_while(|(smallest, _)| *smallest < size);
        let busy = |id: &i32| self.sessions.get(id).is_some_and(|entry| !is_idle(entry.last_used_ms));
        let mut candidates = idle.map(|(_, id)| *id).chain(smaller.map(|(_, id)| *id).filter(busy));
        let (mut sessions, mut partitions) = (self.sessions.len(), self.partitions);
        let mut victims = Vec::new();
        // Kafka evicts one. The bound on partitions is Ottla's own, and one small session may not make room.
        while sessions >= self.slots || partitions + size > self.max_partitions {
            let id = candidates.next()?;
            sessions -= 1;
            partitions -= self.sessions.get(&id).map_or(0, |entry| entry.size);
            victims.push(id);
        }
        Some(victims)
    }

    /// Notes a use of a session, which has `size` partitions from now on.
    fn touch(&mut self, id: i32, size: usize, now_ms: i64) {
        let entry = self.sessions.get_mut(&id).expect("callers have found or added it");
        // Out under the old keys before the values change that the keys are made of.
        self.by_last_use.remove(&(entry.last_used_ms, id));
        self.evictable.remove(&(entry.size, id));
        self.partitions = self.partitions - entry.size + size;
        entry.size = size;
        entry.last_used_ms = now_ms;
        self.by_last_use.insert((now_ms, id));
        if now_ms.saturating_sub(entry.created_ms) > EVICTION_MS {
            self.evictable.insert((size, id));
        }
    }
}

/// Epochs go 1, 2, … and wrap round to 1, past 0 and the negatives, which have meanings of their own.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<S: Clone> FetchSessionCache<S> {
        /// As `resume`, what was closed apart.
        fn resumed(
            &mut self,
            id: i32,
            epoch: i32,
            uses_topic_ids: bool,
            now_ms: i64,
            update: impl FnOnce(&S) -> usize,
        ) -> Result<S, SessionError> {
            self.resume(id, epoch, uses_topic_ids, now_ms, update).session
        }
    }

    fn cache(slots: usize) -> FetchSessionCache<&'static str> {
        FetchSessionCache::new(slots)
    }

    /// Creates a session with the given id and size.
    fn create(
        cache: &mut FetchSessionCache<&'static str>,
        id: i32,
        size: usize,
        now_ms: i64,
    ) -> Created<&'static str> {
        cache.create("s", size, true, now_ms, || id)
    }

    fn use_session(
        cache: &mut FetchSessionCache<&'static str>,
        id: i32,
        epoch: i32,
        size: usize,
        now_ms: i64,
    ) {
        assert_eq!(cache.resumed(id, epoch, true, now_ms, |_| size), Ok("s"));
    }

    #[test]
    fn epoch_says_what_is_asked_for() {
        assert_eq!(SessionRequest::of(0, -1), SessionRequest::Sessionless);
        assert_eq!(SessionRequest::of(7, -1), SessionRequest::Sessionless);
        assert_eq!(SessionRequest::of(7, 0), SessionRequest::New);
        assert_eq!(SessionRequest::of(7, 3), SessionRequest::Incremental { id: 7, epoch: 3 });
    }

    #[test]
    fn epochs_are_used_once_and_in_order() {
        let mut cache = cache(10);
        assert_eq!(create(&mut cache, 5, 2, 0).id, Some(5));
        assert_eq!(cache.resumed(5, 2, true, 0, |_| 2), Err(SessionError::InvalidEpoch));
        use_session(&mut cache, 5, 1, 2, 0);
        assert_eq!(cache.resumed(5, 1, true, 0, |_| 2), Err(SessionError::InvalidEpoch));
        use_session(&mut cache, 5, 2, 2, 0);
    }

    #[test]
    fn a_refused_request_leaves_the_session_untouched() {
        let mut cache = cache(10);
        create(&mut cache, 5, 2, 0);
        let refused = cache.resumed(5, 9, true, 0, |_| panic!("must not be applied"));
        assert_eq!(refused, Err(SessionError::InvalidEpoch));
        let refused = cache.resumed(5, 1, false, 0, |_| panic!("must not be applied"));
        assert_eq!(refused, Err(SessionError::TopicIdError));
        use_session(&mut cache, 5, 1, 2, 0);
    }

    #[test]
    fn epochs_wrap_round_to_one() {
        assert_eq!(next_epoch(i32::MAX), 1);
        assert_eq!(next_epoch(1), 2);
    }

    #[test]
    fn unknown_and_closed_sessions_are_not_found() {
        let mut cache = cache(10);
        assert_eq!(cache.resumed(5, 1, true, 0, |_| 1), Err(SessionError::IdNotFound));
        create(&mut cache, 5, 2, 0);
        assert_eq!(cache.remove(5), Some("s"));
        assert_eq!(cache.resumed(5, 1, true, 0, |_| 1), Err(SessionError::IdNotFound));
        assert_eq!((cache.len(), cache.partitions()), (0, 0));
    }

    #[test]
    fn a_session_left_empty_is_closed() {
        let mut cache = cache(10);
        create(&mut cache, 5, 2, 0);
        use_session(&mut cache, 5, 1, 0, 0);
        assert_eq!((cache.len(), cache.partitions()), (0, 0));
    }

    #[test]
    fn an_id_in_use_is_not_given_twice() {
        let mut cache = cache(10);
        create(&mut cache, 5, 2, 0);
        let mut proposals = [0, -3, 5, 6].into_iter();
        assert_eq!(cache.create("s", 1, true, 0, || proposals.next().unwrap()).id, Some(6));
    }

    #[test]
    fn full_of_young_busy_sessions_it_takes_no_more() {
        let mut cache = cache(2);
        create(&mut cache, 1, 1, 0);
        create(&mut cache, 2, 1, 0);
        assert_eq!(create(&mut cache, 3, 100, EVICTION_MS).id, None);
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_session_idle_for_two_minutes_gives_way() {
        let mut cache = cache(2);
        create(&mut cache, 1, 50, 0);
        create(&mut cache, 2, 50, 10);
        let created = create(&mut cache, 3, 1, EVICTION_MS + 1);
        assert_eq!((created.id, created.evicted.len()), (Some(3), 1));
        assert_eq!(cache.resumed(1, 1, true, 0, |_| 1), Err(SessionError::IdNotFound));
        assert_eq!(cache.evictions(), 1);
    }

    #[test]
    fn an_old_session_gives_way_to_a_larger_one_only() {
        let mut cache = cache(2);
        create(&mut cache, 1, 10, 0);
        create(&mut cache, 2, 20, 0);
        let later = EVICTION_MS + 1;
        use_session(&mut cache, 1, 1, 10, later);
        use_session(&mut cache, 2, 1, 20, later);
        assert_eq!(create(&mut cache, 3, 10, later + 1).id, None);
        assert_eq!(create(&mut cache, 3, 11, later + 1).id, Some(3));
        assert_eq!(cache.resumed(1, 2, true, later, |_| 1), Err(SessionError::IdNotFound));
        use_session(&mut cache, 2, 2, 20, later);
    }

    /// A client with very many partitions could end others' sessions by every full fetch, and got none itself.
    #[test]
    fn no_session_gives_way_where_that_would_not_make_room() {
        let mut cache = cache(10);
        cache.max_partitions = 100;
        create(&mut cache, 1, 10, 0);
        create(&mut cache, 2, 80, EVICTION_MS);
        let created = create(&mut cache, 3, 60, EVICTION_MS + 1);
        assert_eq!((created.id, created.evicted.len()), (None, 0));
        assert_eq!((cache.len(), cache.partitions(), cache.evictions()), (2, 90, 0));
    }

    #[test]
    fn several_sessions_give_way_to_one_of_many_partitions() {
        let mut cache = cache(10);
        cache.max_partitions = 100;
        create(&mut cache, 1, 30, 0);
        create(&mut cache, 2, 20, 0);
        create(&mut cache, 3, 40, 0);
        let later = EVICTION_MS + 1;
        use_session(&mut cache, 2, 1, 20, later);
        use_session(&mut cache, 3, 1, 40, later);
        let created = create(&mut cache, 4, 55, later);
        assert_eq!((created.id, created.evicted.len()), (Some(4), 2), "the idle one, then the smallest");
        assert_eq!((cache.len(), cache.partitions()), (2, 95));
    }

    #[test]
    fn partitions_of_all_sessions_together_are_bounded() {
        let mut cache = cache(10);
        cache.max_partitions = 100;
        assert_eq!(create(&mut cache, 1, 101, 0).id, None);
        assert_eq!(create(&mut cache, 1, 60, 0).id, Some(1));
        assert_eq!(create(&mut cache, 2, 41, 0).id, None);
        assert_eq!(create(&mut cache, 2, 40, 0).id, Some(2));
        // A session that grows past the bound is closed; its client starts over.
        assert_eq!(cache.resumed(2, 1, true, 0, |_| 41), Err(SessionError::IdNotFound));
        assert_eq!(cache.partitions(), 60);
    }

    /// The end of a session takes its subscriptions off thousands of partitions, while no other client could fetch.
    #[test]
    fn a_session_that_outgrew_the_bound_is_left_to_the_caller_to_drop() {
        let mut cache = FetchSessionCache::new(1);
        cache.max_partitions = 100;
        let session = std::sync::Arc::new(());
        let weak = std::sync::Arc::downgrade(&session);
        cache.create(session, 60, true, 0, || 1);
        let outgrown = cache.resume(1, 1, true, 0, |_| 101);
        assert!(weak.upgrade().is_some());
        drop(outgrown);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn without_slots_there_are_no_sessions() {
        assert_eq!(create(&mut cache(0), 1, 1, 0).id, None);
        assert_eq!(create(&mut cache(1), 1, 0, 0).id, None);
    }
}
