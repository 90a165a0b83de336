//! A transactional id on a bench: its clocks in the test's hand, its storage a map, its ends collected.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::{
    EndRequest, Ending, Env, GroupRef, InitRequest, Outcome, ProducerId, ProducerIdAndEpoch, Protocol,
    Sender, ShardId, TopicPartitionRef, TransactionConfig, TransactionError, TransactionMachine,
    TransactionState, TransactionalId,
    identity::ProducerIdentity,
    join::PartitionResults,
    machine::Transaction,
    participants::Participants,
    records::{self, KINDS, Key},
};
use crate::record_kinds::RecordKind;
use crate::state_machine::{Now, Record, StateMachine};

pub(crate) const TIMEOUT_MS: u32 = 60_000;
/// The first producer id that the bench gives out.
pub(crate) const FIRST_ID: i64 = 1_000;

pub(crate) fn producer(id: i64, epoch: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch { id: ProducerId(id), epoch }
}

/// A request by the only connection that there is.
pub(crate) fn sender(producer: ProducerIdAndEpoch) -> Sender {
    Sender { producer, connection: 1 }
}

/// The shard of the id in all tests.
pub(crate) const OWN: ShardId = ShardId(0);

/// Partition `number` of the only topic.
pub(crate) fn partition(number: i32) -> TopicPartitionRef {
    TopicPartitionRef { shard: OWN, topic_id: Uuid::from_u128(7), topic: "t".into(), partition: number }
}

pub(crate) fn group(id: &str) -> GroupRef {
    GroupRef { shard: OWN, group: id.into() }
}

/// As [`partition`], in another shard.
pub(crate) fn partition_in(shard: u32, number: i32) -> TopicPartitionRef {
    TopicPartitionRef { shard: ShardId(shard), ..partition(number) }
}

/// As [`group`], in another shard.
pub(crate) fn group_in(shard: u32, id: &str) -> GroupRef {
    GroupRef { shard: ShardId(shard), ..group(id) }
}

/// One transactional id, driven by a test.
pub(crate) struct Bench {
    pub(crate) machine: TransactionMachine,
    pub(crate) config: TransactionConfig,
    /// The monotonic clock and, while no test sets it apart, the open one.
    pub(crate) now_ms: u64,
    /// The open clock is that much ahead of the monotonic one: the time of earlier processes.
    pub(crate) earlier_ms: u64,
    /// The records that storage holds.
    pub(crate) stored: BTreeMap<Bytes, Bytes>,
    /// The ends so far that no test has taken, as far as they lie in the shard of the id.
    pub(crate) endings: Vec<Ending>,
    /// Those that were handed out to other shards, also again.
    pub(crate) elsewhere: Vec<Ending>,
    /// The records of the last step.
    pub(crate) written: Vec<Record>,
    pub(crate) wake_at: Option<u64>,
    /// The next producer id.
    pub(crate) next_id: i64,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let now = Now { monotonic_ms: 1_000, unix_ms: 1_000_000, open_ms: 1_000 };
        Bench {
            machine: TransactionMachine::new(TransactionalId::from("x"), now),
            config: TransactionConfig::default(),
            now_ms: 1_000,
            earlier_ms: 0,
            stored: BTreeMap::new(),
            endings: Vec::new(),
            elsewhere: Vec::new(),
            written: Vec::new(),
            wake_at: None,
            next_id: FIRST_ID,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic_ms: self.now_ms,
            unix_ms: i64::try_from(self.now_ms).unwrap() + 999_000,
            open_ms: self.now_ms + self.earlier_ms,
        }
    }

    /// A step, and what the shell makes of it.
    pub(crate) fn step<T>(
        &mut self,
        act: impl FnOnce(&mut TransactionMachine, Env<'_>, &mut Outcome) -> T,
    ) -> T {
        let mut out = Outcome::default();
        let env = Env { now: self.now(), config: &self.config, shard: OWN };
        let result = act(&mut self.machine, env, &mut out);
        self.carry_out(out);
        result
    }

    fn carry_out(&mut self, out: Outcome) {
        assert_eq!(out.too_long, None);
        let (own, elsewhere): (Vec<_>, Vec<_>) =
            out.effects.into_iter().partition(|ending| ending.shard == OWN);
        assert!(own.is_empty() || !out.records.is_empty(), "an end is written with records");
        self.written.clone_from(&out.records);
        for record in out.records {
            match record.value {
                Some(value) => drop(self.stored.insert(record.key, value)),
                None => assert!(self.stored.remove(&record.key).is_some(), "removes what is not stored"),
            }
        }
        self.endings.extend(own);
        self.elsewhere.extend(elsewhere);
        if let Some(at) = out.wake_at {
            self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
        }
        self.check_records();
    }

    /// The state is what a restart would build from the records written so far (ADR 5), after every step of
    /// every test.
    fn check_records(&self) {
        assert_eq!(says(&self.machine), self.stored, "the state does not say what its records say");
        let restored = self.restored();
        assert_eq!(says(&restored), self.stored, "the records do not come back as they were");
        assert_eq!(restored.transaction, self.machine.transaction);
    }

    fn restored(&self) -> TransactionMachine {
        let mut machine = TransactionMachine::new(self.machine.id().clone(), self.now());
        let mut out = Outcome::default();
        for kind in KINDS {
            for (key, value) in self.stored.iter().filter(|(key, _)| RecordKind::of(key) == Some(*kind)) {
                assert_eq!(TransactionMachine::owner(key).as_ref(), Ok(self.machine.id()));
                machine.replay(self.now(), key, value, &mut out).unwrap();
            }
        }
        machine
    }

    /// The broker is killed and started again.
    pub(crate) fn restart(&mut self) {
        self.machine = self.restored();
        // The monotonic clock begins anew, the open clock goes on.
        self.earlier_ms += self.now_ms;
        self.now_ms = 0;
        self.wake_at = None;
        self.step(|machine, env, out| machine.start(env, out));
    }

    /// Lets time pass, waking the id exactly when it asked to be woken.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        let mut wakes = 0;
        while let Some(at) = self.wake_at.filter(|at| *at <= until) {
            self.now_ms = self.now_ms.max(at);
            self.wake_at = None;
            self.step(|machine, env, out| machine.tick(env, out));
            wakes += 1;
            assert!(wakes < 1_000, "wakes for ever");
        }
        self.now_ms = until;
    }

    /// Runs a request without a fresh producer id and, if it needs one, again with one, as the shell does.
    fn with_fresh<T>(
        &mut self,
        act: impl Fn(
            &mut TransactionMachine,
            Env<'_>,
            Option<ProducerId>,
            &mut Outcome,
        ) -> Result<T, TransactionError>,
    ) -> Result<T, TransactionError> {
        let before = self.stored.clone();
        match self.step(|machine, env, out| act(machine, env, None, out)) {
            Err(TransactionError::ProducerIdNeeded) => {
                assert_eq!(self.stored, before, "a refused request changes nothing");
                let fresh = ProducerId(self.next_id);
                self.next_id += 1;
                self.step(|machine, env, out| act(machine, env, Some(fresh), out))
            }
            result => result,
        }
    }

    pub(crate) fn init(
        &mut self,
        producer: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        self.init_with(TIMEOUT_MS, producer)
    }

    pub(crate) fn init_with(
        &mut self,
        timeout_ms: u32,
        producer: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let timeout_ms = i32::try_from(timeout_ms).unwrap();
        self.with_fresh(|machine, env, fresh, out| {
            machine.init_producer_id(env, InitRequest { timeout_ms, producer, fresh }, out)
        })
    }

    pub(crate) fn end(
        &mut self,
        sender: Sender,
        protocol: Protocol,
        commit: bool,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        self.with_fresh(|machine, env, fresh, out| {
            machine.end(env, EndRequest { sender, commit, protocol, fresh }, out)
        })
    }

    pub(crate) fn produce(
        &mut self,
        sender: Sender,
        partitions: &[TopicPartitionRef],
        protocol: Protocol,
    ) -> Result<PartitionResults, TransactionError> {
        self.step(|machine, env, out| machine.produce(env, sender, partitions, protocol, out))
    }

    pub(crate) fn add_partitions(
        &mut self,
        sender: Sender,
        partitions: &[TopicPartitionRef],
    ) -> Result<(), TransactionError> {
        self.step(|machine, env, out| machine.add_partitions(env, sender, partitions, out))
    }

    pub(crate) fn add_offsets(&mut self, sender: Sender, group: &GroupRef) -> Result<(), TransactionError> {
        self.step(|machine, env, out| machine.add_offsets(env, sender, group, out))
    }

    pub(crate) fn txn_offset_commit(
        &mut self,
        sender: Sender,
        group: &GroupRef,
        protocol: Protocol,
    ) -> Result<(), TransactionError> {
        self.step(|machine, env, out| machine.txn_offset_commit(env, sender, group, protocol, out))
    }

    pub(crate) fn state(&self) -> Option<TransactionState> {
        self.machine.transaction.as_ref().map(|transaction| transaction.state)
    }

    /// The current producer id and epoch.
    pub(crate) fn current(&self) -> ProducerIdAndEpoch {
        self.machine.transaction.as_ref().unwrap().identity.current
    }

    /// Another shard has answered this end.
    pub(crate) fn applied(&mut self, ending: &Ending) {
        self.step(|machine, env, out| machine.applied(env, ending.shard, ending.number, out));
    }

    /// The ends that other shards were handed since the last look.
    pub(crate) fn handed_out(&mut self) -> Vec<Ending> {
        std::mem::take(&mut self.elsewhere)
    }

    /// The only end since the last look.
    pub(crate) fn ending(&mut self) -> Ending {
        assert_eq!(self.endings.len(), 1);
        self.endings.remove(0)
    }

    /// Puts the id into a state, as if its history had led there. Nothing takes part.
    pub(crate) fn put(
        &mut self,
        state: TransactionState,
        current: ProducerIdAndEpoch,
        last: Option<ProducerIdAndEpoch>,
    ) {
        let now = self.now();
        self.machine.transaction = Some(Transaction {
            identity: ProducerIdentity { current, last },
            state,
            decision: None,
            timeout_ms: TIMEOUT_MS,
            since_open_ms: now.open_ms,
            started_at_ms: if state == TransactionState::Empty { -1 } else { now.unix_ms },
            participants: Participants::default(),
        });
        self.stored = says(&self.machine);
        self.step(|machine, env, out| machine.tick(env, out));
    }
}

/// All records that the state of `machine` amounts to.
fn says(machine: &TransactionMachine) -> BTreeMap<Bytes, Bytes> {
    let Some(transaction) = &machine.transaction else { return BTreeMap::new() };
    let id = machine.id();
    let of_partition = |partition: TopicPartitionRef| {
        records::value(&Key::partition(id, &partition), records::encode_partition(&partition))
    };
    let of_group = |group: GroupRef| {
        records::value(
            &Key::Group { id: id.clone(), group: group.group.clone() },
            records::encode_group(&group),
        )
    };
    let partitions = transaction.participants.partitions().map(of_partition);
    let groups = transaction.participants.groups().map(of_group);
    let records = std::iter::once(transaction.record(id)).chain(partitions).chain(groups);
    records.map(|record| record.unwrap()).map(|record| (record.key, record.value.unwrap())).collect()
}
