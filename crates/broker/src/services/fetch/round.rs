//! One answer in the making: the partitions looked at, what each answers, and what may still be taken.

use std::sync::Arc;

use indexmap::IndexMap;
use storage::{Isolation, Partition, ReadBatches, ReadError, ReadLimits};
use tokio::sync::futures::Notified;

use super::{FetchTerms, Fetcher, Kind, Log, OpenFetch, PartitionAnswer, Served};
use crate::services::fetch::budget::FetchShare;
use crate::services::fetch::delayed::Subscription;
use crate::services::fetch::limits::{FetchLimits, PartitionLimit};
use crate::services::fetch::set::{AnswerSummary, FetchSet, PartitionFetch, SlotId};
use crate::telemetry::line_limit::FAULTS;
use crate::topics::error::PartitionError;
use crate::topics::position::{EpochEnd, LogState, Position, PositionCheck, check_position};

/// See the module. Dropped before [`Round::finish`], it queues what it looked at again.
pub(super) struct Round<'a> {
    fetcher: &'a Fetcher,
    fetch: &'a OpenFetch,
    terms: FetchTerms,
    /// Every partition is answered, not only those with news.
    answers_all: bool,
    /// In the order of the turns.
    answers: IndexMap<SlotId, PartitionAnswer>,
    reading: Option<SlotId>,
    limits: FetchLimits,
    found_bytes: usize,
    share: FetchShare,
    /// Partitions that could not be found in the first look; alone they do not end a wait.
    unknown: usize,
    looks: usize,
    /// There is something that the client has to know at once.
    at_once: bool,
    watching: bool,
}

/// A partition with something to read.
struct Read {
    id: SlotId,
    partition: Arc<Partition>,
    offset: i64,
    limit: PartitionLimit,
    /// The answer if nothing can be read now.
    empty: PartitionAnswer,
}

impl<'a> Round<'a> {
    pub(super) fn new(fetcher: &'a Fetcher, fetch: &'a OpenFetch, terms: FetchTerms) -> Self {
        let incremental = matches!(fetch.kind, Kind::Incremental(_));
        Self {
            fetcher,
            fetch,
            terms,
            answers_all: !incremental,
            answers: IndexMap::new(),
            reading: None,
            limits: FetchLimits::new(terms.max_bytes),
            found_bytes: 0,
            share: FetchShare::default(),
            unknown: 0,
            looks: 0,
            at_once: false,
            watching: incremental,
        }
    }

    /// Returns true if it is time to answer (Kafka's list in `ReplicaManager.fetchMessages`).
    pub(super) fn has_enough(&self) -> bool {
        let nothing_to_wait_for = || self.fetch.session.set.lock().len() == self.unknown;
        self.at_once || self.found_bytes >= self.terms.min_bytes || nothing_to_wait_for()
    }

    /// Bytes of the batches found.
    pub(super) fn found_bytes(&self) -> usize {
        self.found_bytes
    }

    /// Makes every partition report its appends, and queues all for another look. False if they do already.
    ///
    /// A fetch without a session only does so when it has to wait: subscribing costs more than one look.
    pub(super) fn start_watching(&mut self) -> bool {
        if std::mem::replace(&mut self.watching, true) {
            return false;
        }
        self.let_go();
        let mut set = self.fetch.session.set.lock();
        self.answers.keys().for_each(|id| set.mark(*id));
        self.answers.clear();
        (self.unknown, self.looks) = (0, 0);
        true
    }

    /// Returns the records found, and queues their partitions: they are read again when there are more.
    pub(super) fn let_go(&mut self) {
        let mut set = self.fetch.session.set.lock();
        let unread = self.answers.extract_if(.., |_, answer| {
            let told = answer.summary();
            told.has_records || told.left_records
        });
        let unread: Vec<SlotId> = unread.map(|(id, _)| id).collect();
        // The last one first, as each goes to the front: the queue keeps their order.
        unread.into_iter().rev().for_each(|id| set.mark_first(id));
        self.limits = FetchLimits::new(self.terms.max_bytes);
        self.found_bytes = 0;
        self.share = FetchShare::default();
    }

    /// Looks at every partition that is queued, until the answer is full. Wants the listener only to see that there is
    /// one: an append after the look then wakes it, an append before is seen.
    pub(super) async fn look(&mut self, _listening: &Notified<'_>) {
        self.queue_changed();
        self.looks += 1;
        while let Some(read) = self.next_read() {
            if !self.read(read).await {
                break;
            }
        }
    }

    fn queue_changed(&self) {
        let session = &self.fetch.session;
        let mut set = session.set.lock();
        for id in session.arrivals.take_changed() {
            let log = set.slot_mut(id).and_then(|slot| slot.handle.as_ref());
            if let Some(subscription) = log.and_then(|log| log.subscription.as_ref()) {
                subscription.clear();
            }
            set.mark(id);
        }
    }

    /// Answers queued partitions up to the first one that has something to read.
    fn next_read(&mut self) -> Option<Read> {
        let mut set = self.fetch.session.set.lock();
        while let Some(id) = set.take_next() {
            let Some((answer, found)) = self.stand(&mut set, id) else { continue };
            let Some((partition, wanted)) = found else {
                self.answers.insert(id, answer);
                continue;
            };
            match self.limits.of_partition(wanted.max_bytes) {
                Some(limit) => {
                    self.reading = Some(id);
                    return Some(Read { id, partition, offset: wanted.fetch_offset, limit, empty: answer });
                }
                None => {
                    // `min_bytes` may be out of reach.
                    self.at_once = true;
                    if !self.answers_all {
                        set.mark_first(id);
                        self.tell_the_rest(&mut set);
                        return None;
                    }
                    self.answers.insert(id, answer);
                }
            }
        }
        None
    }

    /// Answers, in a session, the partitions that the client knows nothing of, though there is no room for their records:
    /// it learns where their logs begin and end, and whether there are any.
    fn tell_the_rest(&mut self, set: &mut FetchSet<Log>) {
        for id in set.take_untold() {
            let Some((mut answer, found)) = self.stand(set, id) else { continue };
            if let Ok(served) = &mut answer.outcome {
                served.had_no_room = found.is_some();
            }
            self.answers.insert(id, answer);
        }
    }

    /// The answer of the partition without being read, and the partition if it can be read.
    #[allow(clippy::type_complexity, reason = "private, and read at its one use")]
    fn stand(
        &mut self,
        set: &mut FetchSet<Log>,
        id: SlotId,
    ) -> Option<(PartitionAnswer, Option<(Arc<Partition>, PartitionFetch)>)> {
        let slot = set.slot_mut(id)?;
        let wanted = slot.wanted.clone();
        let answer = |outcome, metrics| PartitionAnswer {
            topic: wanted.topic.clone(),
            index: wanted.index,
            outcome,
            metrics,
        };
        let log = match self.find(&wanted, &mut slot.handle, id) {
            Ok(log) => log,
            Err(error) => {
                self.unknown += 1;
                self.at_once |= self.looks > 1;
                return Some((answer(Err(error), None), None));
            }
        };
        let metrics = &log.found.topic.metrics;
        metrics.total_fetch_requests.inc();
        let answer = |outcome| answer(outcome, Some(Arc::clone(metrics)));
        let partition = &log.found.partition;
        let state = log_state(partition);
        let visible_end = match self.terms.isolation {
            Isolation::ReadUncommitted => state.high_watermark,
            Isolation::ReadCommitted => state.last_stable_offset,
        };
        let found =
            check_position(&state, visible_end, &position(&wanted), |epoch| epoch_end(partition, epoch));
        self.at_once |= !matches!(found, Ok(PositionCheck::CaughtUp | PositionCheck::Readable));
        let served = self.served(&state);
        Some(match found {
            Ok(PositionCheck::Readable) => (answer(Ok(served)), Some((Arc::clone(partition), wanted))),
            Ok(PositionCheck::CaughtUp) => (answer(Ok(served)), None),
            Ok(PositionCheck::Diverging(end)) => {
                (answer(Ok(Served { diverging: Some(end), ..served })), None)
            }
            Err(error) => {
                metrics.failed_fetch_requests.inc();
                (answer(Err(error)), None)
            }
        })
    }

    /// The log of `wanted`, looked up if it is not known or was deleted, and watched if this round watches.
    fn find<'s>(
        &self,
        wanted: &PartitionFetch,
        handle: &'s mut Option<Log>,
        id: SlotId,
    ) -> Result<&'s mut Log, PartitionError> {
        if handle.as_ref().is_none_or(|log| log.found.partition.is_deleted()) {
            let before = handle.take();
            let found = self.fetcher.topics.find_again(
                &wanted.topic,
                wanted.index,
                before.as_ref().map(|log| &*log.found.topic.topic.name),
            );
            if let (Err(_), Some(before)) = (&found, before) {
                // Kept for its name: a topic of that name under another id is worth another error.
                *handle = Some(Log { subscription: None, ..before });
            }
            *handle = Some(Log { found: found?, subscription: None });
        }
        let log = handle.as_mut().ok_or(PartitionError::UnknownTopicOrPartition)?;
        if self.watching && log.subscription.is_none() {
            let arrivals = &self.fetch.session.arrivals;
            log.subscription = Some(Subscription::new(&log.found.partition, arrivals, id));
            // Deleted before the subscription began: its report came too early for this session.
            if log.found.partition.is_deleted() {
                return Err(PartitionError::UnknownTopicOrPartition);
            }
        }
        Ok(log)
    }

    /// Reads a partition. False if the budget is used up: then this answer ends here.
    async fn read(&mut self, read: Read) -> bool {
        let Read { id, partition, offset, limit, empty } = read;
        let Some(granted) = self.fetcher.budget.reserve(&mut self.share, limit.max_bytes).await else {
            self.reading = None;
            self.at_once = true;
            if self.answers_all {
                self.answers.insert(id, empty);
                return true;
            }
            let mut set = self.fetch.session.set.lock();
            set.mark_first(id);
            self.tell_the_rest(&mut set);
            return false;
        };
        let limits = ReadLimits {
            max_bytes: granted,
            at_least_one: limit.at_least_one,
            isolation: self.terms.isolation,
        };
        let outcome = self.fetcher.io.read(&partition, offset, limits).await;
        self.reading = None;
        let outcome = match outcome {
            Ok(found) => {
                // With less room than it asked for, and that used up, `min_bytes` may be out of reach.
                self.at_once |= granted < limit.max_bytes && found.bytes > granted / 2;
                Ok(self.take(found))
            }
            Err(error) => {
                self.at_once = true;
                Err(read_error(&error))
            }
        };
        self.answers.insert(id, PartitionAnswer { outcome, ..empty });
        true
    }

    fn take(&mut self, found: ReadBatches) -> Served {
        let ReadBatches { batches, bytes, high_watermark, last_stable_offset, log_start_offset, aborted } =
            found;
        self.fetcher.budget.keep(&mut self.share, bytes);
        self.limits.took(bytes);
        self.found_bytes += bytes;
        let aborted = (self.terms.isolation == Isolation::ReadCommitted).then_some(aborted);
        Served {
            high_watermark,
            last_stable_offset,
            log_start_offset,
            batches,
            bytes,
            had_no_room: bytes == 0,
            aborted,
            diverging: None,
        }
    }

    fn served(&self, state: &LogState) -> Served {
        Served {
            high_watermark: state.high_watermark,
            last_stable_offset: state.last_stable_offset,
            log_start_offset: state.log_start_offset,
            aborted: (self.terms.isolation == Isolation::ReadCommitted).then(Vec::new),
            ..Served::default()
        }
    }

    /// The answers that are worth sending, and the share of the bytes in them.
    pub(super) fn finish(mut self) -> (Vec<PartitionAnswer>, FetchShare) {
        let answers = std::mem::take(&mut self.answers);
        let share = std::mem::take(&mut self.share);
        let told: Vec<(SlotId, AnswerSummary)> =
            answers.iter().map(|(id, answer)| (*id, answer.summary())).collect();
        let mut answers: Vec<(SlotId, PartitionAnswer)> = answers.into_iter().collect();
        if self.fetch.kind != Kind::Sessionless {
            let mut set = self.fetch.session.set.lock();
            let news = set.tell_all(&told, self.answers_all);
            drop(set);
            if !self.answers_all {
                let mut news = news.into_iter();
                answers.retain(|_| news.next() == Some(true));
            }
        }
        if self.answers_all {
            // A full answer is in the order of the request, an incremental one in that of the session.
            answers.sort_unstable_by_key(|(id, _)| *id);
        }
        (answers.into_iter().map(|(_, answer)| answer).collect(), share)
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut set = self.fetch.session.set.lock();
        let turns = self.answers.keys().chain(&self.reading);
        turns.rev().for_each(|id| set.mark_first(*id));
    }
}

impl PartitionAnswer {
    fn summary(&self) -> AnswerSummary {
        match &self.outcome {
            Ok(served) => AnswerSummary {
                high_watermark: served.high_watermark,
                log_start_offset: served.log_start_offset,
                has_records: served.bytes > 0,
                left_records: served.had_no_room,
                is_refusal: served.diverging.is_some(),
            },
            Err(_) => AnswerSummary { is_refusal: true, ..AnswerSummary::default() },
        }
    }
}

fn position(wanted: &PartitionFetch) -> Position {
    Position {
        fetch_offset: wanted.fetch_offset,
        current_leader_epoch: wanted.current_leader_epoch,
        last_fetched_epoch: wanted.last_fetched_epoch,
    }
}

fn log_state(partition: &Partition) -> LogState {
    // In this order: each is at most the next, and none goes back.
    let log_start_offset = partition.log_start_offset();
    let last_stable_offset = partition.last_stable_offset();
    let high_watermark = partition.high_watermark();
    let log_end_offset = partition.log_end_offset();
    LogState {
        log_start_offset,
        last_stable_offset,
        high_watermark,
        log_end_offset,
        leader_epoch: partition.leader_epoch(),
    }
}

fn epoch_end(partition: &Partition, epoch: i32) -> EpochEnd {
    let end = partition.epoch_end_offset(epoch);
    EpochEnd { leader_epoch: end.leader_epoch, end_offset: end.end_offset }
}

fn read_error(error: &ReadError) -> PartitionError {
    match error {
        ReadError::OffsetOutOfRange { .. } => PartitionError::OffsetOutOfRange,
        ReadError::Deleted => PartitionError::UnknownTopicOrPartition,
        ReadError::Storage(error) => {
            // A consumer asks again at once.
            if let Some(suppressed) = FAULTS.take("fetch") {
                tracing::error!(%error, suppressed, "reading a partition failed");
            }
            PartitionError::Storage
        }
    }
}
