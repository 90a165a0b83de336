//! Thousands of random lives of the offsets of one group, each from a seed: several producers send offsets in
//! transactions, consumers commit beside them, transactions end either way and are ended again, offsets,
//! topics and the group are deleted, time passes, members of both protocols come and go, the broker is killed
//! and started again, also before a step is durable.
//!
//! The model is Kafka's own rule: every offset has a position in a log; a pending one counts when its
//! transaction commits, if it was written after what is committed then. What must hold after every step (T13
//! of the invariants of transactions):
//!
//! 1. The committed offsets are the model's, also after a restart.
//! 2. The partitions with pending offsets are the model's: no reader of stable offsets sees one that may
//!    still change.
//! 3. Nothing with a pending offset expires, and the group does not either.
//! 4. Once all transactions have ended nothing is pending, in the machine or in storage.

use std::collections::BTreeMap;

use super::{
    GenerationId, GroupError, MemberId,
    history_tests::{Random, histories, play_all},
    requests::CommitIdentity,
    testing::{Bench, commit},
};
use crate::{record_kinds::RecordKind, state_machine::StateMachine};

const STEPS: usize = 120;
const TOPICS: [&str; 2] = ["t", "u"];
const PARTITIONS: i32 = 3;
const PRODUCERS: i64 = 4;
const RETENTION_MS: u64 = 10_080 * 60_000;

type Partition = (&'static str, i32);

/// An offset as Kafka's log would have it.
#[derive(Clone, Copy, Debug)]
struct Written {
    position: u64,
    offset: i64,
    at_ms: u64,
}

#[derive(Clone, Debug, Default)]
struct Model {
    /// Records written so far.
    position: u64,
    committed: BTreeMap<Partition, Written>,
    pending: BTreeMap<i64, BTreeMap<Partition, Written>>,
    /// When the last member left; `None`: the group has never had one.
    empty_since_ms: Option<u64>,
}

impl Model {
    fn write(&mut self, at_ms: u64, offset: i64) -> Written {
        self.position += 1;
        Written { position: self.position, offset, at_ms }
    }

    fn end(&mut self, producer_id: i64, commit: bool) {
        let pending = self.pending.remove(&producer_id).unwrap_or_default();
        for (partition, written) in pending.into_iter().filter(|_| commit) {
            let committed = self.committed.entry(partition).or_insert(written);
            if committed.position < written.position {
                *committed = written;
            }
        }
    }

    fn is_pending(&self, partition: Partition) -> bool {
        self.pending.values().any(|pending| pending.contains_key(&partition))
    }

    /// Forgets what is committed and what is pending of these partitions.
    fn forget(&mut self, is_gone: impl Fn(Partition) -> bool) {
        self.committed.retain(|partition, _| !is_gone(*partition));
        self.pending.values_mut().for_each(|pending| pending.retain(|partition, _| !is_gone(*partition)));
        self.pending.retain(|_, pending| !pending.is_empty());
    }
}

/// The one member of the group, if it has any.
#[derive(Clone, Debug)]
enum Member {
    None,
    Classic(MemberId, i32),
    Consumer(MemberId, i32),
}

struct History {
    bench: Bench,
    random: Random,
    model: Model,
    member: Member,
    members: u32,
}

impl History {
    fn new(seed: u64) -> History {
        let mut bench = Bench::new();
        bench.set_topic("t", PARTITIONS);
        History { bench, random: Random(seed), model: Model::default(), member: Member::None, members: 0 }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            let before = (self.bench.stored.clone(), self.model.clone());
            self.step();
            self.check();
            // Killed before the step was durable: it never happened.
            if self.random.one_in(20) {
                (self.bench.stored, self.model) = before;
                self.bench.restart();
            } else if self.bench.machine.is_forgettable() {
                self.model.empty_since_ms = None;
                self.bench.restart();
            } else if self.random.one_in(10) {
                self.bench.restart();
            }
            self.check();
            self.keep_alive();
            if self.random.one_in(12) {
                self.change_member();
            }
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..35 => self.stage(),
            35..55 => self.commit(),
            55..80 => {
                let (producer_id, commit) = (self.producer(), !self.random.one_in(3));
                self.end(producer_id, commit);
            }
            80..84 => self.delete_offset(),
            84..87 => self.delete_topic(),
            87..89 => self.delete_group(),
            89..92 => self.expire(),
            92..95 if matches!(self.member, Member::None) => {
                self.bench.pass(RETENTION_MS);
                self.expire();
            }
            _ => self.bench.pass(self.random.below(1_000)),
        }
    }

    fn producer(&mut self) -> i64 {
        i64::try_from(self.random.below(PRODUCERS.unsigned_abs())).unwrap()
    }

    fn partition(&mut self) -> Partition {
        let topic = TOPICS[usize::from(self.random.one_in(2))];
        (topic, i32::try_from(self.random.below(PARTITIONS.unsigned_abs().into())).unwrap())
    }

    fn offset(&mut self) -> i64 {
        i64::try_from(self.random.below(1_000)).unwrap()
    }

    fn nobody(&self) -> CommitIdentity {
        let generation = GenerationId::NONE;
        CommitIdentity { member_id: MemberId::none(), group_instance_id: None, generation }
    }

    fn sender(&self) -> CommitIdentity {
        match &self.member {
            Member::None => self.nobody(),
            Member::Classic(id, epoch) | Member::Consumer(id, epoch) => {
                let generation = GenerationId(*epoch);
                CommitIdentity { member_id: id.clone(), group_instance_id: None, generation }
            }
        }
    }

    /// A TxnOffsetCommit of a few partitions, by a member, by a client before KIP-447, or refused.
    fn stage(&mut self) {
        let producer_id = self.producer();
        let count = 1 + self.random.below(3);
        let sent: Vec<(Partition, i64)> = (0..count).map(|_| (self.partition(), self.offset())).collect();
        let commits = sent.iter().map(|((topic, partition), offset)| commit(topic, *partition, *offset));
        let who = match self.random.below(8) {
            0 => CommitIdentity { generation: GenerationId(7_777), ..self.sender() },
            1..4 => self.nobody(),
            _ => self.sender(),
        };
        let is_refused = who.generation == GenerationId(7_777);
        let result = self.bench.txn_commit_as(producer_id, &who, commits.collect());
        if is_refused {
            let error = match self.member {
                Member::None => GroupError::UnknownMemberId,
                // Of the consumer protocol, too: version 5 knows no member epochs.
                Member::Classic(..) | Member::Consumer(..) => GroupError::IllegalGeneration,
            };
            return assert_eq!(result, Err(error));
        }
        assert_eq!(result, Ok(vec![Ok(()); sent.len()]));
        for (partition, offset) in sent {
            let written = self.model.write(self.bench.now_ms, offset);
            self.model.pending.entry(producer_id).or_default().insert(partition, written);
        }
    }

    fn commit(&mut self) {
        let ((topic, partition), offset) = (self.partition(), self.offset());
        let result = self.bench.commit_as(&self.sender(), None, vec![commit(topic, partition, offset)]);
        assert_eq!(result, Ok(vec![Ok(())]));
        let written = self.model.write(self.bench.now_ms, offset);
        self.model.committed.insert((topic, partition), written);
    }

    fn end(&mut self, producer_id: i64, commit: bool) {
        self.bench.end_transaction(producer_id, commit);
        self.model.end(producer_id, commit);
    }

    fn delete_offset(&mut self) {
        let (topic, partition) = self.partition();
        let wanted = [(topic.into(), partition)];
        let result = self.bench.on_machine(|machine, env, out| machine.delete_offsets(env, &wanted, out));
        if result.is_ok_and(|results| results == [Ok(())]) {
            self.model.forget(|gone| gone == (topic, partition));
        }
    }

    fn delete_topic(&mut self) {
        let (topic, _) = self.partition();
        self.bench.on_machine(|machine, _, out| machine.forget_offsets(|name, _| name == topic, out));
        self.model.forget(|(name, _)| name == topic);
    }

    fn delete_group(&mut self) {
        let result = self.bench.on_machine(|machine, env, out| machine.delete(env.now, out));
        assert_eq!(result.is_ok(), matches!(self.member, Member::None));
        if result.is_ok() {
            self.model.forget(|_| true);
        }
    }

    fn expire(&mut self) {
        self.bench.on_machine(|machine, env, out| machine.expire_offsets(env, out));
        let (model, now_ms) = (self.model.clone(), self.bench.now_ms);
        let stays = |partition: &Partition, written: &mut Written| {
            let since_ms = match self.member {
                Member::None => model.empty_since_ms.unwrap_or(written.at_ms),
                // Of the topics to which no member subscribes.
                Member::Consumer(..) if partition.0 != "t" => written.at_ms,
                // The topics of such a member are not known.
                Member::Consumer(..) | Member::Classic(..) => return true,
            };
            now_ms - since_ms < RETENTION_MS || model.is_pending(*partition)
        };
        self.model.committed.retain(stays);
    }

    fn keep_alive(&mut self) {
        match self.member.clone() {
            Member::None => {}
            Member::Classic(id, generation) => self.bench.heartbeat(&id, generation).unwrap(),
            Member::Consumer(id, epoch) => {
                let told = self.bench.beat(id.as_str(), epoch, |_| {}).unwrap();
                self.member = Member::Consumer(id, told.member_epoch);
            }
        }
    }

    /// A member of either protocol joins an empty group, which changes its protocol for it; or the member
    /// leaves.
    fn change_member(&mut self) {
        self.member = match self.member.clone() {
            Member::None if self.random.one_in(2) => {
                let (id, waiter) = self.bench.join_new();
                self.bench.pass(6_000);
                let generation = self.bench.joined(waiter).generation.0;
                self.bench.sync_all(std::slice::from_ref(&id), generation);
                Member::Classic(id, generation)
            }
            Member::None => {
                self.members += 1;
                let id = format!("m{}", self.members);
                let told = self.bench.beat(&id, 0, |_| {}).unwrap();
                Member::Consumer(MemberId::from(id), told.member_epoch)
            }
            Member::Classic(id, _) => {
                self.bench.leave(&id).unwrap();
                self.emptied()
            }
            Member::Consumer(id, _) => {
                self.bench.beat(id.as_str(), -1, |_| {}).unwrap();
                self.emptied()
            }
        };
    }

    /// Retention of an empty group begins when it becomes empty.
    fn emptied(&mut self) -> Member {
        self.model.empty_since_ms = Some(self.bench.now_ms);
        Member::None
    }

    fn check(&self) {
        for topic in TOPICS {
            for partition in 0..PARTITIONS {
                let expected = self.model.committed.get(&(topic, partition)).map(|written| written.offset);
                assert_eq!(self.bench.committed(topic, partition), expected, "{topic}-{partition}");
                assert_eq!(
                    self.bench.machine.offsets().pending().is_pending(topic, partition),
                    self.model.is_pending((topic, partition)),
                    "{topic}-{partition}"
                );
            }
        }
        let pending = self.model.pending.values().map(BTreeMap::len).sum::<usize>();
        assert_eq!(self.bench.machine.offsets().pending().len(), pending);
        assert!(pending == 0 || !self.bench.machine.is_forgettable());
    }

    fn end_all(&mut self) {
        for producer_id in 0..PRODUCERS {
            let commit = self.random.one_in(2);
            self.end(producer_id, commit);
            self.check();
        }
        assert!(self.bench.machine.offsets().pending().is_empty());
        let is_pending = |key: &[u8]| RecordKind::of(key) == Some(RecordKind::PendingOffset);
        assert!(!self.bench.stored.keys().any(|key| is_pending(key)));
    }
}

#[test]
fn random_histories_of_offsets_in_transactions_follow_the_order_of_the_log() {
    play_all(histories(1_000), |seed| {
        let mut history = History::new(seed);
        history.play();
        history.end_all();
    });
}
