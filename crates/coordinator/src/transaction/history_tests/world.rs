//! The broker of a history: the machine, the model beside it, and what the clients must never see.

use std::collections::BTreeMap;

use super::super::{
    EndCause, Ending, ProducerIdAndEpoch, ShardId, TransactionError,
    testing::{Bench, FIRST_ID, TIMEOUT_MS},
};
use super::log::Logs;
use super::model::{Model, plain};
use super::network::Network;
use super::requests::{Answer, Layout, Request, Sent, serve};
use crate::state_machine::StateMachine as _;

/// All that a crash keeps or takes back as a whole: what is stored, and what the history knows of it.
#[derive(Clone, Default)]
struct Kept {
    stored: BTreeMap<bytes::Bytes, bytes::Bytes>,
    model: Model,
    logs: Logs,
    /// The client whose InitProducerId was served last.
    owner: Option<u64>,
    /// The number of the transaction that is open, or whose end is under way in other shards.
    open: Option<u64>,
    network: Network,
    /// The client to which each producer id and epoch was given.
    given: BTreeMap<(i64, i16), u64>,
    /// The answers to ends, by client, transaction and commit.
    ends: BTreeMap<(u64, bool), ProducerIdAndEpoch>,
}

/// See the file's header.
pub(super) struct World {
    bench: Bench,
    kept: Kept,
    /// Rises with each start of the coordinator.
    coordinator_epoch: u32,
}

impl World {
    pub(super) fn new(begins_at: Option<ProducerIdAndEpoch>, layout: Layout) -> World {
        let mut world = World { bench: Bench::new(), kept: Kept::default(), coordinator_epoch: 1 };
        world.kept.model.layout = layout;
        if let Some(producer) = begins_at {
            world.bench.put(super::super::TransactionState::Empty, producer, None);
            world.bench.next_id = FIRST_ID + 1;
            world.kept.model = Model::at(producer, TIMEOUT_MS, world.now_ms(), layout);
        }
        world
    }

    pub(super) fn set_expiration(&mut self, ms: u64) {
        self.bench.config.id_expiration_ms = ms;
        // An id that is there already has an alarm for the time that held before.
        self.bench.step(|machine, env, out| machine.tick(env, out));
    }

    fn now_ms(&self) -> u64 {
        self.bench.now().open_ms
    }

    pub(super) fn fate(&self, transaction: u64) -> Option<super::log::Fate> {
        self.kept.logs.fates.get(&transaction).copied()
    }

    pub(super) fn is_owner(&self, client: u64) -> bool {
        self.kept.owner == Some(client)
    }

    /// A transaction is open, or its end under way.
    pub(super) fn is_open(&self) -> bool {
        self.kept.open.is_some()
    }

    pub(super) fn is_prepared(&self) -> bool {
        self.kept.model.is_prepared()
    }

    pub(super) fn network(&mut self) -> &mut Network {
        &mut self.kept.network
    }

    /// An end comes to another shard. True if that answers.
    pub(super) fn apply(&mut self, ending: &Ending, transaction: u64, coordinator_epoch: u32) -> bool {
        let answers = self.kept.logs.apply(ending, transaction, coordinator_epoch);
        self.check();
        answers
    }

    /// The answer of a shard comes to the id.
    pub(super) fn answered(&mut self, shard: ShardId, number: u64) {
        let now_ms = self.now_ms();
        self.kept.model.applied(shard.0, number, now_ms);
        self.bench.step(|machine, env, out| machine.applied(env, shard, number, out));
        if !self.is_prepared() && !self.kept.model.is_open() {
            self.kept.open = None;
        }
        self.check();
    }

    /// As [`World::answered`], of any answer, for [`World::compare`].
    pub(super) fn compare_answer(&mut self, shard: ShardId, number: u64) {
        let now_ms = self.now_ms();
        self.kept.model.applied(shard.0, number, now_ms);
        self.bench.step(|machine, env, out| machine.applied(env, shard, number, out));
        self.compare_endings();
    }

    /// The number of the end that is under way, or one that no end has.
    pub(super) fn number_of_end(&self) -> u64 {
        self.kept.model.left.values().next().map_or(u64::MAX, |ending| ending.number)
    }

    /// Sends what was handed out to other shards: what the model expects.
    fn send(&mut self) {
        for ending in self.bench.handed_out() {
            let expected = self.kept.model.left.get(&ending.shard.0);
            assert_eq!(Some(&plain(&ending)), expected, "handed out to another shard");
            if let Some(transaction) = self.kept.open {
                self.kept.network.send(ending, self.coordinator_epoch, transaction);
            }
        }
    }

    /// After a start everything that is left has been handed out again.
    fn check_handed_out(&self) {
        let shards = self.bench.elsewhere.iter().map(|ending| ending.shard.0);
        assert!(shards.eq(self.kept.model.left.keys().copied()), "not resumed after a restart");
    }

    /// True unless the id has expired.
    pub(super) fn is_known(&self) -> bool {
        self.kept.model.current().is_some()
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: u64) {
        self.pass_alone(ms);
        self.take_endings(None);
        self.check();
    }

    fn pass_alone(&mut self, ms: u64) {
        self.bench.pass(ms);
        let expiration_ms = self.bench.config.id_expiration_ms;
        self.kept.model.pass(self.now_ms(), expiration_ms);
    }

    /// Lets time pass, for [`World::compare`].
    pub(super) fn compare_pass(&mut self, ms: u64) {
        self.pass_alone(ms);
        self.compare_endings();
    }

    fn compare_endings(&mut self) {
        let endings = std::mem::take(&mut self.bench.endings);
        let expected = std::mem::take(&mut self.kept.model.endings);
        assert_eq!(endings.iter().map(plain).collect::<Vec<_>>(), expected);
        self.send();
        self.check();
    }

    /// The broker is killed and started again, for [`World::compare`].
    pub(super) fn compare_restart(&mut self) {
        self.start();
        self.compare_pass(0);
    }

    /// The broker is killed and started again.
    pub(super) fn restart(&mut self) {
        self.start();
        self.pass(0);
    }

    fn start(&mut self) {
        // What had not been sent yet never will be.
        self.bench.elsewhere.clear();
        self.coordinator_epoch += 1;
        self.bench.restart();
        self.check_handed_out();
        // What a connection has served is forgotten, and so is every connection.
        self.kept.model.forget_connections();
    }

    /// As [`World::serve`], but the broker is killed before the answer is told; `lost`: and before the write
    /// is durable.
    pub(super) fn serve_and_crash(&mut self, sent: &Sent, lost: bool) {
        let before = self.snapshot();
        self.serve(sent);
        if lost {
            self.go_back(before);
        }
        self.restart();
    }

    /// The broker is killed when its alarm goes off, before what follows is durable.
    pub(super) fn crash_at_the_alarm(&mut self) {
        let Some(at_ms) = self.bench.wake_at else { return };
        let before = self.snapshot();
        self.pass(at_ms.saturating_sub(self.bench.now_ms));
        self.go_back(before);
        self.restart();
    }

    fn snapshot(&self) -> Kept {
        Kept { stored: self.bench.stored.clone(), ..self.kept.clone() }
    }

    /// The producer ids that were drawn stay drawn.
    fn go_back(&mut self, before: Kept) {
        self.bench.stored.clone_from(&before.stored);
        self.kept = before;
    }

    /// Has a request served, and checks all that is to be checked.
    pub(super) fn serve(&mut self, sent: &Sent) -> Answer {
        let (now_ms, fresh) = (self.now_ms(), self.bench.next_id);
        let before = self.kept.model.clone();
        let expected = self.kept.model.answer(sent, fresh, now_ms);
        let stored = self.bench.stored.clone();
        let answer = serve(&mut self.bench, self.kept.model.layout, sent);
        assert_eq!(answer, expected, "{sent:?} in {before:?}");
        let changed = self.bench.stored != stored || !self.bench.endings.is_empty();
        self.check_sender(sent, &before, changed);
        self.take_endings(Some(sent));
        self.follow(sent, &answer);
        self.check();
        answer
    }

    /// Has any request served, from any sender, and compares it with the model alone.
    pub(super) fn compare(&mut self, sent: &Sent) {
        let (now_ms, fresh) = (self.now_ms(), self.bench.next_id);
        let before = self.kept.model.clone();
        let expected = self.kept.model.answer(sent, fresh, now_ms);
        let answer = serve(&mut self.bench, self.kept.model.layout, sent);
        assert_eq!(answer, expected, "{sent:?} in {before:?}");
        self.compare_endings();
    }

    /// The current producer and the one before it, if there are any.
    pub(super) fn producers(&self) -> Vec<ProducerIdAndEpoch> {
        self.kept.model.producers()
    }

    /// T7 and T9: who may change anything, and which transaction.
    fn check_sender(&self, sent: &Sent, before: &Model, changed: bool) {
        if !changed {
            return;
        }
        if let Request::Init { named, .. } = &sent.request {
            // A new owner may take the id at any time; one that goes on must be the owner.
            let may = named.is_none() || before.current().is_none() || self.is_owner(sent.client);
            assert!(may, "{sent:?} of an earlier owner");
            return;
        }
        assert!(self.is_owner(sent.client), "{sent:?} of an earlier owner");
        if before.is_open() {
            let open = self.kept.open;
            assert_eq!(open, Some(sent.transaction), "{sent:?} was sent for another transaction");
        } else {
            let ended = self.kept.logs.fates.contains_key(&sent.transaction);
            // EndTxn sent again may draw the producer id that follows a timeout at the last epoch.
            let is_end = matches!(sent.request, Request::End { .. });
            assert!(!ended || is_end, "{sent:?} begins its transaction again");
        }
    }

    /// Draws the conclusions of an answer for the logs and for what the clients know.
    fn follow(&mut self, sent: &Sent, answer: &Answer) {
        let kept = &mut self.kept;
        kept.open = match (kept.model.is_open() || kept.model.is_prepared(), kept.open) {
            (true, None) => Some(sent.transaction),
            (true, open) => open,
            (false, _) => None,
        };
        match (&sent.request, answer) {
            (Request::Init { .. }, Answer::Producer(given)) => {
                kept.owner = Some(sent.client);
                Self::give(kept, *given, sent.client);
            }
            (Request::End { commit, .. }, Answer::Producer(given)) => {
                Self::give(kept, *given, sent.client);
                let first = kept.ends.entry((sent.transaction, *commit)).or_insert(*given);
                assert_eq!(first, given, "{sent:?}: another answer to the same end");
                let opposite = kept.ends.get(&(sent.transaction, !*commit));
                assert_eq!(opposite, None, "{sent:?}: committed and aborted");
            }
            (Request::Produce(partitions, _), Answer::Partitions(allowed)) => {
                for (partition, _) in partitions.iter().zip(allowed).filter(|(_, allowed)| **allowed) {
                    let open = kept.open.expect("a batch outside a transaction");
                    kept.logs.append(*partition, sent.sender.producer, open);
                }
            }
            (Request::Offsets(group, _), Answer::Done) => {
                kept.logs.stage(group, kept.open.expect("offsets outside a transaction"));
            }
            _ => {}
        }
    }

    /// T10.
    fn give(kept: &mut Kept, given: ProducerIdAndEpoch, client: u64) {
        let owner = *kept.given.entry((given.id.0, given.epoch)).or_insert(client);
        assert_eq!(owner, client, "{given:?} is given to two owners");
        assert!(given.epoch < i16::MAX, "{given:?} is given out");
    }

    /// The ends of a step, or of time that has passed.
    fn take_endings(&mut self, sent: Option<&Sent>) {
        let endings = std::mem::take(&mut self.bench.endings);
        let expected = std::mem::take(&mut self.kept.model.endings);
        assert_eq!(endings.iter().map(plain).collect::<Vec<_>>(), expected);
        for ending in endings {
            let by_its_producer = ending.cause == EndCause::Producer;
            let open = self.kept.open.expect("an end of nothing");
            if by_its_producer {
                let asked = sent.expect("ended by time alone");
                assert_eq!(asked.transaction, open, "{asked:?} was sent for another transaction");
            }
            assert!(ending.duration_ms <= u64::from(TIMEOUT_MS), "open for too long");
            self.kept.logs.decide(&ending, open, by_its_producer);
            if !self.is_prepared() {
                self.kept.open = None;
            }
        }
        self.send();
    }

    fn check(&self) {
        let model = &self.kept.model;
        let description = self.bench.machine.describe();
        match model.current() {
            None => assert_eq!(description, Err(TransactionError::TransactionalIdNotFound)),
            Some(current) => {
                let description = description.expect("the model knows the id");
                assert_eq!(description.state.name(), model.state);
                assert_eq!(description.producer, current);
                let partitions = description.partitions.iter().map(|partition| partition.partition);
                assert!(partitions.eq(model.partitions.iter().copied()));
                let groups = description.groups.iter().map(|group| group.group.as_str());
                assert!(groups.eq(model.groups.iter().map(String::as_str)));
            }
        }
        self.kept.logs.check(self.kept.open);
    }
}
