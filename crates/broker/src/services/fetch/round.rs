//! One answer in the making: the partitions looked at, what each answers, and what may still be taken.

use std::sync::Arc;

use indexmap::IndexMap;
use storage::{Isolation, Partition, ReadBatches, ReadLimits};
use tokio::sync::futures::Notified;

use super::answer::{PartitionAnswer, Served};
use super::budget::{FetchBudget, FetchShare};
use super::limits::{FetchLimits, PartitionLimit, answer_bytes};
use super::look::{Log, Looked, look};
use super::request::{FetchTerms, Kind, OpenFetch};
use super::set::{AnswerSummary, FetchSet, SlotId};
use crate::io::ShardIo;
use crate::topics::Topics;
use crate::topics::error::PartitionError;

/// See the module. Dropped before [`Round::finish`], it queues what it looked at again.
pub(super) struct Round<'a> {
    shard: &'a ShardIo,
    topics: &'a Topics,
    budget: &'a FetchBudget,
    fetch: &'a OpenFetch,
    terms: FetchTerms,
    /// Every partition is answered, not only those with news.
    answers_all: bool,
    /// In the order of the turns.
    answers: IndexMap<SlotId, PartitionAnswer>,
    /// The partition whose read is under way.
    reading: Option<SlotId>,
    limits: FetchLimits,
    /// Of the batches in `answers`.
    found_bytes: usize,
    share: FetchShare,
    /// Partitions that could not be found in the first look; alone they do not end a wait.
    unknown: usize,
    /// From the second look on a missing partition is one that has gone meanwhile.
    looks: usize,
    /// There is something that the client has to know at once.
    at_once: bool,
    /// Every partition reports its appends.
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
    /// Nothing is looked at yet.
    pub(super) fn new(
        (shard, topics, budget): (&'a ShardIo, &'a Topics, &'a FetchBudget),
        fetch: &'a OpenFetch,
        terms: FetchTerms,
    ) -> Self {
        let incremental = matches!(fetch.kind, Kind::Incremental(_));
        Self {
            shard,
            topics,
            budget,
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
        // Kafka's `fetchInfos.isEmpty`: partitions that are missing are not among them.
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
        // `let_go` has queued those with records; these are the others.
        self.answers.keys().for_each(|id| set.mark(*id));
        self.answers.clear();
        // The next look is the first one again: a partition missing in it ends no wait (`look_at`).
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
        self.fetch.look_again_if_rules_changed();
        // Marks are cleared before the logs are read: an append after that marks its partition again.
        self.queue_changed();
        self.looks += 1;
        while let Some(read) = self.next_read() {
            if !self.read(read).await {
                break;
            }
        }
    }

    /// Queues the partitions that have reported an append since the last look.
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
        // Under one lock, as a look reads no disk. It is free again when a read begins.
        while let Some(id) = set.take_next() {
            let (partition, wanted, empty) = match self.look_at(&mut set, id) {
                // Forgotten while it was queued.
                None => continue,
                Some(Looked::Missing(answer) | Looked::Nothing { answer, .. }) => {
                    self.answers.insert(id, answer);
                    continue;
                }
                Some(Looked::Readable { partition, wanted, empty }) => (partition, wanted, empty),
            };
            if let Some(limit) = self.limits.of_partition(wanted.max_bytes) {
                // Out of the queue and in no answer yet: a fetch dropped in its read queues it again.
                self.reading = Some(id);
                return Some(Read { id, partition, offset: wanted.fetch_offset, limit, empty });
            }
            // The answer is full, and `min_bytes` may be out of reach.
            self.at_once = true;
            // In a session the rest stays queued for the next fetch; a full answer names every partition.
            if !self.answers_all {
                set.mark_first(id);
                self.tell_the_rest(&mut set);
                return None;
            }
            self.answers.insert(id, empty);
        }
        None
    }

    /// Answers, in a session, the partitions that the client knows nothing of, though there is no room for their records:
    /// it learns where their logs begin and end, and whether there are any.
    fn tell_the_rest(&mut self, set: &mut FetchSet<Log>) {
        for id in set.take_untold() {
            let answer = match self.look_at(set, id) {
                None => continue,
                Some(Looked::Missing(answer) | Looked::Nothing { answer, .. }) => answer,
                Some(Looked::Readable { mut empty, .. }) => {
                    if let Ok(served) = &mut empty.outcome {
                        served.had_no_room = true;
                    }
                    empty
                }
            };
            self.answers.insert(id, answer);
        }
    }

    /// Looks at one entry; `None` if it was forgotten.
    fn look_at(&mut self, set: &mut FetchSet<Log>, id: SlotId) -> Option<Looked> {
        let slot = set.slot_mut(id)?;
        let watch = self.watching.then_some((&self.fetch.session.arrivals, id));
        let looked = match self.fetch.refused(self.topics, &slot.wanted, &mut slot.granted) {
            Some(answer) => Looked::Missing(answer),
            None => look(self.topics, &slot.wanted, &mut slot.handle, watch, self.terms.isolation),
        };
        match &looked {
            Looked::Missing(_) => {
                self.unknown += 1;
                // Missing from the start, it does not end the wait for the others: Kafka answers it apart from them
                // (`KafkaApis.handleFetchRequest`). Gone since then, it does.
                self.at_once |= self.looks > 1;
            }
            Looked::Nothing { is_urgent, .. } => self.at_once |= is_urgent,
            Looked::Readable { .. } => {}
        }
        Some(looked)
    }

    /// Reads a partition. False if the budget is used up: then this answer ends here.
    async fn read(&mut self, read: Read) -> bool {
        let Read { id, partition, offset, limit, empty } = read;
        let Some(granted) = self.budget.reserve(&mut self.share, limit.max_bytes).await else {
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
        let outcome = self.shard.read(&partition, offset, limits).await;
        self.reading = None;
        let outcome = match outcome {
            Ok(found) => {
                // With less room than it asked for, and that used up, `min_bytes` may be out of reach.
                self.at_once |= granted < limit.max_bytes && found.bytes > granted / 2;
                Ok(self.take(found))
            }
            // `errorReadingData` in Kafka: an error is not held back.
            Err(error) => {
                self.at_once = true;
                let error = PartitionError::from(error);
                if let Some(metrics) = empty.metrics.as_ref().filter(|_| is_failure(error)) {
                    metrics.failed_fetch_requests.inc();
                }
                Err(error)
            }
        };
        self.answers.insert(id, PartitionAnswer { outcome, ..empty });
        true
    }

    /// Takes what was read off the limits and the budget.
    fn take(&mut self, found: ReadBatches) -> Served {
        let ReadBatches { batches, bytes, high_watermark, last_stable_offset, log_start_offset, aborted } =
            found;
        // What was reserved and not read goes back at once, for fetches that wait.
        self.budget.keep(&mut self.share, bytes);
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

    /// Bytes of the answer, before it is made: those of its records, and about what its other fields take.
    pub(super) fn answer_bytes(&self) -> usize {
        let told = |answer: &&PartitionAnswer| {
            let summary = answer.summary();
            self.answers_all || summary.has_records || summary.is_refusal
        };
        answer_bytes(self.answers.values().filter(told).count(), self.found_bytes)
    }

    /// The answers that are worth sending, and the share of the bytes in them.
    pub(super) fn finish(mut self) -> (Vec<PartitionAnswer>, FetchShare) {
        let answers = std::mem::take(&mut self.answers);
        // Here and not in each look: a fetch that waits looks again. As `ReplicaManager.fetchMessages` counts, once for
        // each partition of a request, and none that is missing.
        let found = answers.values().filter_map(|answer| answer.metrics.as_ref());
        found.for_each(|metrics| metrics.total_fetch_requests.inc());
        let share = std::mem::take(&mut self.share);
        let told: Vec<(SlotId, AnswerSummary)> =
            answers.iter().map(|(id, answer)| (*id, answer.summary())).collect();
        let mut answers: Vec<(SlotId, PartitionAnswer)> = answers.into_iter().collect();
        // Also for a new session: its second fetch goes by what the first one told.
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

/// True for errors that Kafka counts as failed fetches (`ReplicaManager.readFromLog`): those that neither the client
/// nor a change of leaders explains, and not a failed disk.
fn is_failure(error: PartitionError) -> bool {
    match error {
        PartitionError::CorruptRecords => true,
        PartitionError::UnknownTopicOrPartition
        | PartitionError::UnknownTopicId
        | PartitionError::InconsistentTopicId
        | PartitionError::NotAuthorized
        | PartitionError::InternalTopic
        | PartitionError::FencedLeaderEpoch
        | PartitionError::UnknownLeaderEpoch
        | PartitionError::OffsetOutOfRange
        | PartitionError::OnlyCompacted
        | PartitionError::InvalidRequest
        | PartitionError::UnsupportedVersion
        | PartitionError::UnsupportedCompressionType
        | PartitionError::NotLeader
        | PartitionError::Unavailable
        | PartitionError::Storage => false,
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        let mut set = self.fetch.session.set.lock();
        // The client hears of nothing that was looked at: the next fetch has to look again, in the same order.
        let turns = self.answers.keys().chain(&self.reading);
        turns.rev().for_each(|id| set.mark_first(*id));
    }
}
