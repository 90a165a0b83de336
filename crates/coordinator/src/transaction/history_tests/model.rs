//! A plain model of one transactional id: Kafka's tables written down once more, in another form than the
//! machine has them.
//!
//! It keeps every producer id and epoch that was ever valid, in a list, and looks things up in it; it stores
//! nothing and sets no alarm.

use std::collections::{BTreeMap, BTreeSet};

mod ends;

pub(super) use self::ends::{ModelEnding, plain};
use super::super::{
    EndCause, ProducerId, ProducerIdAndEpoch,
    Protocol::{V1, V2},
    TransactionError,
    identity::LAST_EPOCH,
    testing::producer,
};
use super::requests::{Answer, Layout, Request, Sent};

/// The answer while the end of the last transaction is under way in other shards.
const WAITS: Answer = Answer::Refused(TransactionError::ConcurrentTransactions);

/// A producer id and epoch that was valid once.
#[derive(Clone, Copy, Debug)]
struct Generation {
    producer: ProducerIdAndEpoch,
    /// Given to the owner of the generation before it.
    same_owner: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    /// The last is the current one. Empty: nothing is known of the id.
    generations: Vec<Generation>,
    /// Kafka's name of the state.
    pub(super) state: &'static str,
    timeout_ms: u64,
    /// Of the transaction that is open, or of the last change.
    since_ms: u64,
    pub(super) partitions: BTreeSet<i32>,
    pub(super) groups: BTreeSet<String>,
    pub(super) layout: Layout,
    /// The ends that other shards have not answered, by shard: while the state is a prepared one.
    pub(super) left: BTreeMap<u32, ModelEnding>,
    /// The newest connection by producer and kind of request.
    connections: BTreeMap<(i64, i16, &'static str), u64>,
    /// Those of the id's own shard.
    pub(super) endings: Vec<ModelEnding>,
}

impl Model {
    /// An id in a state, as if its history had led there.
    pub(super) fn at(producer: ProducerIdAndEpoch, timeout_ms: u32, now_ms: u64, layout: Layout) -> Model {
        Model {
            layout,
            generations: vec![Generation { producer, same_owner: false }],
            state: "Empty",
            timeout_ms: timeout_ms.into(),
            since_ms: now_ms,
            ..Model::default()
        }
    }

    pub(super) fn current(&self) -> Option<ProducerIdAndEpoch> {
        self.generations.last().map(|generation| generation.producer)
    }

    pub(super) fn producers(&self) -> Vec<ProducerIdAndEpoch> {
        self.generations.iter().rev().take(3).map(|generation| generation.producer).collect()
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == "Ongoing"
    }

    /// The time is over: the timeout of what is open, or the expiry of the id.
    pub(super) fn pass(&mut self, now_ms: u64, expiration_ms: u64) {
        if self.generations.is_empty() {
            return;
        }
        if self.is_open() && now_ms >= self.since_ms + self.timeout_ms {
            let at_ms = self.since_ms + self.timeout_ms;
            self.fence(EndCause::Timeout, at_ms);
        }
        if !self.is_open() && !self.is_prepared() && now_ms >= self.since_ms + expiration_ms {
            let endings = std::mem::take(&mut self.endings);
            *self = Model { endings, layout: self.layout, ..Model::default() };
        }
    }

    pub(super) fn forget_connections(&mut self) {
        self.connections.clear();
    }

    /// The answer that a request must get. `fresh`: the producer id that the machine was offered.
    pub(super) fn answer(&mut self, sent: &Sent, fresh: i64, now_ms: u64) -> Answer {
        let fresh = producer(fresh, 0);
        match &sent.request {
            Request::Init { timeout_ms, named } => self.init(*timeout_ms, *named, fresh, now_ms),
            Request::AddPartitions(partitions) => {
                self.owned(sent, "coordinator", now_ms, |model| model.partitions.extend(partitions))
            }
            Request::AddOffsets(group) => self.owned(sent, "coordinator", now_ms, |model| {
                model.groups.insert(group.clone());
            }),
            Request::Produce(partitions, V2) => {
                let answer = self.owned(sent, "", now_ms, |model| model.partitions.extend(partitions));
                if answer == Answer::Done { Answer::Partitions(vec![true; partitions.len()]) } else { answer }
            }
            Request::Produce(partitions, V1) => match self.known(sent) {
                Err(error) => Answer::Refused(error),
                Ok(()) if self.is_prepared() => WAITS,
                Ok(()) if self.is_late(sent, "produce") => Answer::Refused(TransactionError::ProducerFenced),
                Ok(()) => {
                    let announced = partitions.iter().map(|partition| self.partitions.contains(partition));
                    Answer::Partitions(announced.collect())
                }
            },
            Request::Offsets(group, V2) => self.owned(sent, "", now_ms, |model| {
                model.groups.insert(group.clone());
            }),
            Request::Offsets(group, V1) => match self.known(sent) {
                Err(error) => Answer::Refused(error),
                Ok(()) if self.is_prepared() => WAITS,
                Ok(()) if !self.groups.contains(group) => Answer::Refused(TransactionError::NotInTransaction),
                Ok(()) if self.is_late(sent, "offsets") => Answer::Refused(TransactionError::ProducerFenced),
                Ok(()) => Answer::Done,
            },
            Request::End { commit, protocol: V1 } => self.end_v1(sent, *commit, now_ms),
            Request::End { commit, protocol: V2 } => self.end_v2(sent, *commit, fresh, now_ms),
        }
    }

    /// Kafka's two tries, in one where all of a transaction is in one shard; refused for every producer but the owner.
    fn init(
        &mut self,
        timeout_ms: u32,
        named: Option<ProducerIdAndEpoch>,
        fresh: ProducerIdAndEpoch,
        now_ms: u64,
    ) -> Answer {
        let fenced = Answer::Refused(TransactionError::ProducerFenced);
        if self.is_prepared() {
            return WAITS;
        }
        let Some(current) = self.generations.last().copied() else {
            let endings = std::mem::take(&mut self.endings);
            *self = Model { endings, ..Model::at(fresh, timeout_ms, now_ms, self.layout) };
            if let Some(named) = named {
                self.generations[0].same_owner = true;
                self.generations.insert(0, Generation { producer: named, same_owner: false });
            }
            return Answer::Producer(fresh);
        };
        if self.is_open() {
            if named.is_some_and(|named| named != current.producer) {
                return fenced;
            }
            self.fence(EndCause::Fenced, now_ms);
            if self.is_prepared() {
                return WAITS;
            }
        }
        let before = self.generations.clone();
        self.replace_spent(fresh);
        let last = self.generations.len() - 1;
        let current = self.generations[last];
        let repeats = |named| current.same_owner && last > 0 && self.generations[last - 1].producer == named;
        if named.is_some_and(repeats) && self.has_ended_by_connection(current.producer) {
            return Answer::Producer(current.producer);
        }
        let next = match named {
            None => Some(self.following(fresh, false)),
            Some(named) if named == current.producer => Some(self.following(fresh, true)),
            Some(named) if repeats(named) => None,
            Some(_) => {
                self.generations = before;
                return fenced;
            }
        };
        self.generations.extend(next);
        self.change("Empty", now_ms);
        self.timeout_ms = timeout_ms.into();
        Answer::Producer(self.generations.last().unwrap().producer)
    }

    fn end_v1(&mut self, sent: &Sent, commit: bool, now_ms: u64) -> Answer {
        if let Err(error) = self.known(sent) {
            return Answer::Refused(error);
        }
        if self.is_late(sent, "coordinator") {
            return Answer::Refused(TransactionError::ProducerFenced);
        }
        match (self.state, commit) {
            ("Ongoing", _) => {
                let marker = sent.sender.producer;
                self.finish(marker, commit, EndCause::Producer, now_ms);
            }
            ("CompleteCommit", true) | ("CompleteAbort", false) => {}
            ("PrepareCommit", true) | ("PrepareAbort", false) => return WAITS,
            _ => return Answer::Refused(TransactionError::InvalidTxnState),
        }
        Answer::Producer(sent.sender.producer)
    }

    fn end_v2(&mut self, sent: &Sent, commit: bool, fresh: ProducerIdAndEpoch, now_ms: u64) -> Answer {
        let by = sent.sender.producer;
        let count = self.generations.len();
        let repeats =
            count > 1 && self.generations[count - 1].same_owner && self.generations[count - 2].producer == by;
        let cell = match (self.state, repeats, commit) {
            ("Empty" | "Ongoing", true, _) => Err(TransactionError::ProducerFenced),
            ("CompleteCommit", true, true) | ("CompleteAbort", true, false) => Ok("repeat"),
            ("PrepareCommit", true, true) | ("PrepareAbort", true, false) => return WAITS,
            (_, true, _) => Err(TransactionError::InvalidTxnState),
            _ => match (self.known(sent), self.state, commit) {
                (Err(error), ..) => Err(error),
                (Ok(()), "PrepareCommit" | "PrepareAbort", _) => return WAITS,
                (Ok(()), "Ongoing", _) => Ok("end"),
                (Ok(()), _, false) => Ok("empty abort"),
                (Ok(()), _, true) => Err(TransactionError::InvalidTxnState),
            },
        };
        match cell {
            Err(error) => return Answer::Refused(error),
            Ok("repeat") => self.replace_spent(fresh),
            Ok(what) => {
                let marker = ProducerIdAndEpoch { id: by.id, epoch: by.epoch + 1 };
                if what == "end" {
                    self.finish(marker, commit, EndCause::Producer, now_ms);
                } else {
                    self.change("CompleteAbort", now_ms);
                }
                let next = self.following(fresh, true);
                self.generations.push(next);
            }
        }
        Answer::Producer(self.generations.last().unwrap().producer)
    }

    /// A request that only the owner may send, and that begins a transaction if none is open. `kind`: that of
    /// its connections, empty where the connection does not count.
    fn owned(
        &mut self,
        sent: &Sent,
        kind: &'static str,
        now_ms: u64,
        join: impl FnOnce(&mut Model),
    ) -> Answer {
        if let Err(error) = self.known(sent) {
            return Answer::Refused(error);
        }
        if self.is_prepared() {
            return WAITS;
        }
        if !kind.is_empty() && self.is_late(sent, kind) {
            return Answer::Refused(TransactionError::ProducerFenced);
        }
        if !self.is_open() {
            self.change("Ongoing", now_ms);
        }
        join(self);
        Answer::Done
    }

    fn known(&self, sent: &Sent) -> Result<(), TransactionError> {
        let current = self.current().filter(|current| current.epoch <= LAST_EPOCH);
        match current {
            Some(current) if current == sent.sender.producer => Ok(()),
            Some(current) if current.id == sent.sender.producer.id => Err(TransactionError::ProducerFenced),
            _ => Err(TransactionError::InvalidProducerIdMapping),
        }
    }

    /// True if a newer connection was used by that producer for requests of that kind.
    fn is_late(&mut self, sent: &Sent, kind: &'static str) -> bool {
        let ProducerIdAndEpoch { id: ProducerId(id), epoch } = sent.sender.producer;
        let newest = self.connections.entry((id, epoch, kind)).or_default();
        *newest = (*newest).max(sent.sender.connection);
        *newest > sent.sender.connection
    }

    /// True if that producer has used the older protocol, and its last transaction has ended.
    fn has_ended_by_connection(&self, ProducerIdAndEpoch { id, epoch }: ProducerIdAndEpoch) -> bool {
        let used = self.connections.keys().any(|(by, at, _)| (*by, *at) == (id.0, epoch));
        used && self.state.starts_with("Complete")
    }

    fn fence(&mut self, cause: EndCause, now_ms: u64) {
        let ProducerIdAndEpoch { id, epoch } = self.current().unwrap();
        let marker = ProducerIdAndEpoch { id, epoch: epoch + 1 };
        self.finish(marker, false, cause, now_ms);
        self.generations.push(Generation { producer: marker, same_owner: true });
    }

    fn change(&mut self, state: &'static str, now_ms: u64) {
        self.state = state;
        self.since_ms = now_ms.max(self.since_ms);
    }

    /// The generation after the current one.
    fn following(&self, fresh: ProducerIdAndEpoch, same_owner: bool) -> Generation {
        let ProducerIdAndEpoch { id, epoch } = self.current().unwrap();
        let producer = if epoch >= LAST_EPOCH { fresh } else { ProducerIdAndEpoch { id, epoch: epoch + 1 } };
        Generation { producer, same_owner }
    }

    /// An epoch that no producer may have is replaced, as Kafka would have done before.
    fn replace_spent(&mut self, fresh: ProducerIdAndEpoch) {
        if let Some(current) =
            self.generations.last_mut().filter(|current| current.producer.epoch > LAST_EPOCH)
        {
            current.producer = fresh;
        }
    }
}
