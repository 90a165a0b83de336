//! The partitions of one fetch, or of a fetch session: what the client asked of each, what it was last told, and
//! which of them have to be looked at.
//!
//! Pure; `H` ties an entry to its log. Guarantees that the work of a fetch follows what changed:
//! an entry is looked at when it is new, when the client moved it, when something was appended to it (`mark`), or
//! when there was more to say last time, and not otherwise. The queue is in turns: what has been served goes to the
//! end, so a busy partition cannot starve the others (Kafka reorders its `partitionMap` for the same end).
//! Waiting and reading are left to `delayed.rs` and `fetch.rs`, sessions to `session.rs`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use crate::session::authorizer::Grant;
use crate::topics::names::TopicRef;

/// A client's wishes for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionFetch {
    /// The topic, as the request named it.
    pub(crate) topic: TopicRef,
    /// The partition's index in the topic.
    pub(crate) index: i32,
    /// The next offset that the client wants.
    pub(crate) fetch_offset: i64,
    /// The most bytes to return of this partition, the first batch excepted (KIP-74).
    pub(crate) max_bytes: usize,
    /// The epoch that the client believes the leader to be in.
    pub(crate) current_leader_epoch: Option<i32>,
    /// The epoch of the last record that the client has.
    pub(crate) last_fetched_epoch: Option<i32>,
}

/// An entry of a [`FetchSet`]; never reused, and rising in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId(u64);

/// The parts of an answer that decide whether it is worth sending in an incremental fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnswerSummary {
    /// The high watermark in the answer.
    pub(crate) high_watermark: i64,
    /// The first offset in the answer.
    pub(crate) log_start_offset: i64,
    /// There are records in it.
    pub(crate) has_records: bool,
    /// There are records that it had no room for.
    pub(crate) left_records: bool,
    /// It is an error, or says where the client's log diverges.
    pub(crate) is_refusal: bool,
}

/// One partition of the set.
#[derive(Debug)]
pub(crate) struct Slot<H> {
    /// The client's wishes.
    pub(crate) wanted: PartitionFetch,
    /// Its log, once found.
    pub(crate) handle: Option<H>,
    /// The last decision that a client may read it. Sessions outlive connections, and rules change: see `Grant`.
    pub(crate) granted: Option<Grant>,
    queued: bool,
    /// High watermark and log start that the client knows; `None` before the first answer and after a refusal.
    known: Option<(i64, i64)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FetchSet<H> {
    next: u64,
    slots: HashMap<SlotId, Slot<H>>,
    by_partition: HashMap<(TopicRef, i32), SlotId>,
    pending: VecDeque<SlotId>,
    /// Entries whose watermarks the client does not know.
    untold: usize,
}

impl<H> Default for FetchSet<H> {
    fn default() -> Self {
        Self {
            next: 0,
            slots: HashMap::new(),
            by_partition: HashMap::new(),
            pending: VecDeque::new(),
            untold: 0,
        }
    }
}

impl<H> FetchSet<H> {
    /// Adds a partition, or changes what is asked of it, and queues it.
    pub(crate) fn want(&mut self, wanted: PartitionFetch) {
        let id = match self.by_partition.entry((wanted.topic.clone(), wanted.index)) {
            Entry::Occupied(known) => {
                let id = *known.get();
                if let Some(slot) = self.slots.get_mut(&id) {
                    // `known` stays: a client that moves on still knows the watermarks
                    // (`CachedPartition.updateRequestParams`).
                    slot.wanted = wanted;
                }
                id
            }
            Entry::Vacant(vacant) => {
                let id = SlotId(self.next);
                self.next += 1;
                vacant.insert(id);
                // `known` is `None`: the next answer carries it even without records. Kafka begins with -1.
                self.slots
                    .insert(id, Slot { wanted, handle: None, granted: None, queued: false, known: None });
                self.untold += 1;
                id
            }
        };
        self.mark(id);
    }

    /// Removes a partition; its handle, to be dropped once no lock is held.
    pub(crate) fn forget(&mut self, topic: &TopicRef, index: i32) -> Option<H> {
        let id = self.by_partition.remove(&(topic.clone(), index))?;
        let slot = self.slots.remove(&id)?;
        self.untold -= usize::from(slot.known.is_none());
        // Forgotten ids stay in the queue until most of it is such: removing each at once would walk the
        // queue.
        if self.pending.len() > 16 && self.pending.len() > 2 * self.slots.len() {
            self.pending.retain(|id| self.slots.contains_key(id));
        }
        slot.handle
    }

    /// Partitions in the set.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The entry, unless it was forgotten.
    pub(crate) fn slot_mut(&mut self, id: SlotId) -> Option<&mut Slot<H>> {
        self.slots.get_mut(&id)
    }

    /// Queues an entry, unless it is queued already or forgotten.
    pub(crate) fn mark(&mut self, id: SlotId) {
        if let Some(slot) = self.slots.get_mut(&id)
            && !slot.queued
        {
            slot.queued = true;
            self.pending.push_back(id);
        }
    }

    /// Queues every entry.
    pub(crate) fn mark_all(&mut self) {
        let mut ids: Vec<SlotId> = self.slots.keys().copied().collect();
        // In the order of their arrival, so that answers have one.
        ids.sort_unstable();
        ids.into_iter().for_each(|id| self.mark(id));
    }

    /// Queues an entry before all others: its turn was not used.
    pub(crate) fn mark_first(&mut self, id: SlotId) {
        if let Some(slot) = self.slots.get_mut(&id)
            && !slot.queued
        {
            slot.queued = true;
            self.pending.push_front(id);
        }
    }

    /// The next entry to look at.
    pub(crate) fn take_next(&mut self) -> Option<SlotId> {
        while let Some(id) = self.pending.pop_front() {
            // An id without a slot was forgotten while it was queued, see `forget`.
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.queued = false;
                return Some(id);
            }
        }
        None
    }

    /// Takes the entries out of the queue whose watermarks the client does not know, in the order of the queue.
    pub(crate) fn take_untold(&mut self) -> Vec<SlotId> {
        let mut untold = Vec::new();
        // Most answers have none, and then nothing is searched.
        if self.untold == 0 {
            return untold;
        }
        self.pending.retain(|id| match self.slots.get_mut(id) {
            Some(slot) if slot.known.is_none() => {
                slot.queued = false;
                untold.push(*id);
                false
            }
            slot => slot.is_some(),
        });
        untold
    }

    /// Notes what the client is told of entries, given in the order of their turns; says of each whether an incremental answer
    /// has to carry it.
    ///
    /// Entries that had no room keep their order and come first next time, those that were served go to the end, as in
    /// Kafka's `partitionMap`: a client with small limits then gets all partitions in turn. The answer that begins a session
    /// (`is_first`) changes no order, and each is looked at once more after it: the session has not listened so far.
    pub(crate) fn tell_all(&mut self, told: &[(SlotId, AnswerSummary)], is_first: bool) -> Vec<bool> {
        if is_first {
            told.iter().for_each(|(id, _)| self.mark(*id));
        }
        let which = |wanted: fn(&AnswerSummary) -> bool| {
            told.iter().enumerate().filter(move |(_, (_, told))| wanted(told)).map(|(turn, _)| turn)
        };
        let no_room = which(|told| told.left_records);
        let nothing = which(|told| !told.left_records && !told.has_records);
        let served = which(|told| !told.left_records && told.has_records);
        let mut news = vec![false; told.len()];
        // Backwards where each goes to the front. What was served is queued last, after refusals.
        for turn in no_room.rev().chain(nothing).chain(served) {
            let (id, told) = &told[turn];
            news[turn] = self.tell(*id, told);
        }
        news
    }

    /// Notes what the client is told of an entry. Whether an incremental answer has to carry it (Kafka:
    /// `CachedPartition.maybeUpdateResponseData`): records, refusals, and changed watermarks always do.
    ///
    /// An entry with records or a refusal is queued again: unless the client moves it, it will be told again. One
    /// whose records had no room comes first next time.
    fn tell(&mut self, id: SlotId, told: &AnswerSummary) -> bool {
        // Forgotten by a later request while this one was under way: what was found is sent, and nothing noted.
        let Some(slot) = self.slots.get_mut(&id) else { return true };
        let now = (told.high_watermark, told.log_start_offset);
        let news = told.has_records || told.is_refusal || slot.known != Some(now);
        // The first answer after an error is sent whatever it says: Kafka sets its high watermark to -1 then.
        let known = if told.is_refusal { None } else { Some(now) };
        self.untold += usize::from(known.is_none());
        self.untold -= usize::from(slot.known.is_none());
        slot.known = known;
        if told.left_records {
            self.mark_first(id);
        } else if told.has_records || told.is_refusal {
            self.mark(id);
        }
        news
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two ids for tests elsewhere.
    pub(in crate::services::fetch) fn slot_ids() -> [SlotId; 2] {
        [SlotId(0), SlotId(1)]
    }

    fn wanted(index: i32, fetch_offset: i64) -> PartitionFetch {
        PartitionFetch {
            topic: TopicRef::named("orders"),
            index,
            fetch_offset,
            max_bytes: 1 << 20,
            current_leader_epoch: None,
            last_fetched_epoch: None,
        }
    }

    fn set(partitions: i32) -> FetchSet<&'static str> {
        let mut set = FetchSet::default();
        (0..partitions).for_each(|index| set.want(wanted(index, 0)));
        set
    }

    fn take_all(set: &mut FetchSet<&'static str>) -> Vec<SlotId> {
        std::iter::from_fn(|| set.take_next()).collect()
    }

    fn summary(high_watermark: i64) -> AnswerSummary {
        AnswerSummary { high_watermark, ..AnswerSummary::default() }
    }

    fn indexes(set: &mut FetchSet<&'static str>) -> Vec<i32> {
        take_all(set).into_iter().filter_map(|id| set.slot_mut(id).map(|slot| slot.wanted.index)).collect()
    }

    #[test]
    fn new_partitions_are_looked_at_once_in_the_order_of_the_request() {
        let mut set = set(3);
        assert_eq!(indexes(&mut set), [0, 1, 2]);
        assert_eq!(set.take_next(), None);
    }

    #[test]
    fn only_what_changed_is_looked_at_again() {
        let mut set = set(1000);
        for id in take_all(&mut set) {
            set.tell(id, &summary(0));
        }
        assert_eq!(set.take_next(), None);
        set.want(wanted(7, 10));
        set.mark(SlotId(3));
        set.mark(SlotId(3));
        assert_eq!(indexes(&mut set), [7, 3]);
    }

    #[test]
    fn a_moved_partition_keeps_its_entry() {
        let mut set = set(2);
        take_all(&mut set);
        set.want(wanted(1, 99));
        let id = set.take_next().unwrap();
        assert_eq!((id, set.len()), (SlotId(1), 2));
        assert_eq!(set.slot_mut(id).unwrap().wanted.fetch_offset, 99);
    }

    #[test]
    fn forgotten_partitions_are_gone_from_the_queue_too() {
        let mut set = set(3);
        set.slot_mut(SlotId(1)).unwrap().handle = Some("log");
        assert_eq!(set.forget(&TopicRef::named("orders"), 1), Some("log"));
        assert_eq!(set.forget(&TopicRef::named("orders"), 1), None);
        set.mark(SlotId(1));
        assert_eq!(indexes(&mut set), [0, 2]);
    }

    #[test]
    fn adding_and_forgetting_for_ever_keeps_the_queue_short() {
        let mut set = set(1);
        for index in 1..10_000 {
            set.want(wanted(index, 0));
            set.forget(&TopicRef::named("orders"), index);
        }
        assert!(set.pending.len() < 50, "{}", set.pending.len());
        assert_eq!(set.by_partition.len(), 1);
    }

    #[test]
    fn a_served_partition_goes_to_the_end_of_the_queue() {
        let mut set = set(3);
        let first = set.take_next().unwrap();
        assert!(set.tell(first, &AnswerSummary { has_records: true, ..summary(5) }));
        assert_eq!(indexes(&mut set), [1, 2, 0]);
    }

    #[test]
    fn a_turn_not_used_comes_first_again() {
        let mut set = set(3);
        let first = set.take_next().unwrap();
        set.mark_first(first);
        assert_eq!(indexes(&mut set), [0, 1, 2]);
    }

    #[test]
    fn what_the_client_knows_nothing_of_is_taken_before_its_turn() {
        let mut set = set(4);
        for id in [SlotId(0), SlotId(2)] {
            set.tell(id, &summary(5));
        }
        assert_eq!(set.take_untold(), [SlotId(1), SlotId(3)]);
        set.tell(SlotId(1), &summary(5));
        set.tell(SlotId(3), &AnswerSummary { is_refusal: true, ..AnswerSummary::default() });
        assert_eq!(set.take_untold(), [SlotId(3)], "a refusal says nothing of the log");
        set.forget(&TopicRef::named("orders"), 3);
        assert_eq!((set.untold, set.take_untold()), (0, vec![]));
        assert_eq!(indexes(&mut set), [0, 2], "the others keep their turns");
    }

    #[test]
    fn partitions_that_had_no_room_keep_their_order_before_those_that_were_served() {
        let mut set = set(6);
        let looked = take_all(&mut set);
        let told = |index: usize| match index {
            0 | 1 => AnswerSummary { has_records: true, ..summary(5) },
            2 => summary(5),
            _ => AnswerSummary { left_records: true, ..summary(5) },
        };
        let told: Vec<_> = looked.iter().enumerate().map(|(index, id)| (*id, told(index))).collect();
        assert_eq!(set.tell_all(&told, false), [true; 6]);
        assert_eq!(indexes(&mut set), [3, 4, 5, 0, 1]);
        assert_eq!(set.tell_all(&told, true), [true, true, false, false, false, false]);
        assert_eq!(indexes(&mut set), [0, 1, 2, 3, 4, 5], "a session that begins");
    }

    #[test]
    fn an_unchanged_answer_is_not_news() {
        let mut set = set(1);
        let id = set.take_next().unwrap();
        assert!(set.tell(id, &summary(5)), "the first answer");
        assert!(!set.tell(id, &summary(5)));
        assert!(set.tell(id, &summary(6)), "the high watermark moved");
        assert!(set.tell(id, &AnswerSummary { log_start_offset: 2, ..summary(6) }), "the log start moved");
        assert!(!set.tell(id, &AnswerSummary { log_start_offset: 2, ..summary(6) }));
        assert_eq!(set.take_next(), None);
    }

    #[test]
    fn a_refusal_is_news_every_time_and_so_is_what_follows_it() {
        let mut set = set(1);
        let id = set.take_next().unwrap();
        set.tell(id, &summary(5));
        let refusal = AnswerSummary {
            is_refusal: true,
            high_watermark: -1,
            log_start_offset: -1,
            ..AnswerSummary::default()
        };
        assert!(set.tell(id, &refusal));
        assert_eq!(set.take_next(), Some(id));
        assert!(set.tell(id, &refusal));
        assert_eq!(set.take_next(), Some(id));
        assert!(set.tell(id, &summary(5)));
    }
}
