//! A fetch as it is asked for, and the state it has taken its place in: its own, or that of its session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use security::acl::{Operation, ResourceType};
use storage::Isolation;

use super::answer::PartitionAnswer;
use super::delayed::Arrivals;
use super::look::Log;
use super::set::{FetchSet, PartitionFetch};
use crate::session::authorizer::{Grant, Questions};
use crate::topics::Topics;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

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

/// The state of a session; a fetch without a session has one of its own for as long as it lasts.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    /// Its lock comes after that of all sessions where both are held (`Fetcher::resume`).
    pub(super) set: Mutex<FetchSet<Log>>,
    pub(super) arrivals: Arc<Arrivals>,
    /// The number of the rules by which its partitions were judged last; 0 before that.
    judged: AtomicU64,
}

/// The session that a fetch belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// None: its state goes when it has been answered.
    Sessionless,
    /// One that is kept once it has been answered, if there is room.
    New {
        /// Topics are named by id.
        uses_topic_ids: bool,
    },
    /// The one with this id.
    Incremental(i32),
}

/// A fetch that has taken its place in its session.
#[derive(Debug)]
pub(crate) struct OpenFetch {
    pub(super) session: Arc<FetchSession>,
    pub(super) kind: Kind,
    /// Decides about each topic when its partitions are looked at; `None`: the client may read all.
    pub(super) questions: Option<Arc<Questions>>,
}

impl OpenFetch {
    /// The same, for a client that is asked about.
    pub(crate) fn judged_by(self, questions: Option<Arc<Questions>>) -> Self {
        Self { questions, ..self }
    }

    /// Queues every partition if the rules have changed since they were judged: a client learns of a permission that was taken away
    /// or given though nothing was appended (`KafkaApis.handleFetchRequest` asks about the whole session each time).
    pub(super) fn look_again_if_rules_changed(&self) {
        let Some(questions) = &self.questions else { return };
        let generation = questions.generation_now();
        // Relaxed: the set's lock orders what follows from it.
        if self.session.judged.swap(generation, Ordering::Relaxed) != generation {
            self.session.set.lock().mark_all();
        }
    }

    /// The answer for a partition that the client may not read. Asked at every look and by the rules as of then: a fetch that
    /// waited through a revocation gets no record that came after it. `granted` is the last decision about the partition.
    pub(super) fn refused(
        &self,
        topics: &Topics,
        wanted: &PartitionFetch,
        granted: &mut Option<Grant>,
    ) -> Option<PartitionAnswer> {
        let questions = self.questions.as_ref()?;
        if granted.is_some_and(|grant| questions.still_holds(grant)) {
            return None;
        }
        let catalog = topics.catalog();
        let name = match &wanted.topic {
            TopicRef::Name(name) => &**name,
            // An id that is unknown has no name to ask about; the look says so.
            TopicRef::Id(id) => &*catalog.topic_by_id(*id)?.name,
        };
        *granted = questions.grant_now(ResourceType::Topic, Operation::Read, name);
        granted.is_none().then(|| PartitionAnswer {
            topic: wanted.topic.clone(),
            index: wanted.index,
            outcome: Err(PartitionError::NotAuthorized),
            metrics: None,
        })
    }
}

impl FetchSession {
    /// Applies a request; how many partitions there are now.
    pub(super) fn update(&self, wanted: Vec<PartitionFetch>, forgotten: &[(TopicRef, i32)]) -> usize {
        let mut set = self.set.lock();
        wanted.into_iter().for_each(|wanted| set.want(wanted));
        let gone: Vec<_> = forgotten.iter().map(|(topic, index)| set.forget(topic, *index)).collect();
        let size = set.len();
        // Only now: thousands of subscriptions may end here, each of which takes the lock of its partition.
        drop(set);
        drop(gone);
        size
    }
}
