//! The shell of the two shards: storages that crash, and the state machine of a transactional id in the first of them.

use std::sync::Arc;

use coordinator::{
    state_machine::{Now, Record, StateMachine as _},
    transaction::{
        EndRequest, Ending, Env, GroupRef, InitRequest, Outcome, ProducerId, ProducerIdAndEpoch, Protocol,
        Sender, ShardId, TopicPartitionRef, TransactionConfig, TransactionMachine,
        decision::AGAIN_AFTER_MS,
        participant::{self, Verdict},
    },
};
use storage::{
    Acks, CoordinatorRecord, CoordinatorWrite, Faults, Partition, Storage, StorageOptions, TransactionEnd,
    TransactionMarker,
};

use super::World;
use crate::common::{Partitions, append, batch, create, in_transaction, wait};

/// The shard of the coordinator.
pub(super) const OWN: ShardId = ShardId(0);
const OTHER: ShardId = ShardId(1);
const GROUP: &str = "g";

impl World {
    pub(super) fn close(&self) {
        self.sides.iter().for_each(|side| side.storage().close().unwrap());
    }
}

/// A folder with one partition.
pub(super) struct Side {
    folder: tempfile::TempDir,
    pub(super) faults: Faults,
    /// `None` only on the way from one to the next.
    storage: Option<Storage>,
}

impl Side {
    pub(super) fn new() -> Side {
        let (folder, faults) = (tempfile::tempdir().unwrap(), Faults::default());
        let mut side = Side { folder, faults, storage: None };
        side.open();
        create(side.storage(), "t", 1);
        append(side.storage(), &side.partition(), batch(&[(1, b"before")]), Acks::All).unwrap();
        side
    }

    fn open(&mut self) {
        let options =
            StorageOptions { faults: self.faults.clone(), ..StorageOptions::new(self.folder.path()) };
        self.storage = Some(Storage::open(options).unwrap());
    }

    pub(super) fn storage(&self) -> &Storage {
        self.storage.as_ref().unwrap()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.faults.is_stopped()
    }

    /// Another process opens the folder; `power`: what was not synced is lost.
    pub(super) fn reopen(&mut self, power: bool) {
        // It has stopped, or stops here.
        self.storage().close().ok();
        self.storage = None;
        if power {
            self.faults.cut_power(self.folder.path(), |_, _| false).unwrap();
        }
        self.faults = self.faults.of_the_next_process();
        self.open();
    }

    pub(super) fn partition(&self) -> Arc<Partition> {
        self.storage().cluster().catalog().topic("t").unwrap().partitions().remove(0)
    }

    pub(super) fn append_in_transaction(&self, producer: ProducerIdAndEpoch) {
        let states = self.partition().producers();
        let known =
            states.iter().find(|(id, state)| *id == producer.id.0 && state.producer_epoch == producer.epoch);
        let sequence = known.map_or(0, |(_, state)| state.last_sequence() + 1);
        let batch = in_transaction(producer.id.0, producer.epoch, sequence, 2);
        append(self.storage(), &self.partition(), batch, Acks::All).unwrap();
    }

    /// The record of a group for a TxnOffsetCommit.
    pub(super) fn stage_offsets(&self) {
        assert!(self.write(vec![put("pending")], &[], 0).is_some());
    }

    /// An end has come from the coordinator of the other shard. `None`: the storage has stopped.
    pub(super) fn apply(&self, ending: &Ending, coordinator_epoch: u32) -> Option<()> {
        let key = participant::key(&ending.transactional_id).unwrap();
        let stored = self.storage().shard().coordinator_record(&key).ok()?;
        match participant::judge(stored.as_deref(), ending, coordinator_epoch).unwrap() {
            Verdict::Apply(record) => {
                self.write(vec![stored_form(record)], std::slice::from_ref(ending), coordinator_epoch)
            }
            Verdict::Repeat => Some(()),
            Verdict::Fenced => panic!("of an earlier coordinator"),
        }
    }

    /// Writes records and the part of an end in this shard, as one group. `None`: the storage has stopped.
    fn write(
        &self,
        mut records: Vec<CoordinatorRecord>,
        endings: &[Ending],
        coordinator_epoch: u32,
    ) -> Option<()> {
        for ending in endings.iter().filter(|ending| !ending.groups.is_empty()) {
            records.push(CoordinatorRecord { key: "pending".into(), value: None });
            if ending.commit {
                records.push(put("committed"));
            }
        }
        let marker = |ending: &Ending| TransactionMarker {
            partition: self.partition(),
            producer_id: ending.producer_id.0,
            producer_epoch: ending.marker_epoch,
            coordinator_epoch: i32::try_from(coordinator_epoch).unwrap(),
            by_coordinator: true,
            commit: ending.commit,
            raises_epoch: false,
            log_append_time: false,
        };
        let markers = endings.iter().filter(|ending| !ending.partitions.is_empty()).map(marker).collect();
        let epoch = self.storage().shard().led_epoch().ok()?;
        let end = TransactionEnd { coordinator: CoordinatorWrite { epoch, records }, markers };
        let results = wait(|done| self.storage().shard().end_transaction(end, done)).ok()?;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        Some(())
    }

    fn part(&self, shard: ShardId) -> TopicPartitionRef {
        let partition = self.partition();
        let (topic_id, partition) = (partition.topic_id(), partition.index());
        TopicPartitionRef { shard, topic_id, topic: "t".into(), partition }
    }
}

pub(super) fn has_record(side: &Side, key: &str) -> bool {
    side.storage().shard().coordinator_record(key.as_bytes()).unwrap().is_some()
}

fn put(key: &'static str) -> CoordinatorRecord {
    CoordinatorRecord { key: key.into(), value: Some("value".into()) }
}

fn stored_form(Record { key, value }: Record) -> CoordinatorRecord {
    CoordinatorRecord { key, value }
}

/// The transactional id, with its clocks in the test's hand.
pub(super) struct Coordinator {
    machine: TransactionMachine,
    config: TransactionConfig,
    now_ms: u64,
    /// The leader epoch of its shard.
    pub(super) epoch: u32,
}

impl Coordinator {
    /// An id whose producer has begun nothing.
    pub(super) fn new(side: &Side) -> Coordinator {
        let mut coordinator = Coordinator::at(1_000, side);
        let request = InitRequest { timeout_ms: 60_000, producer: None, fresh: Some(ProducerId(7)) };
        let initialized =
            coordinator.step(side, |machine, env, out| machine.init_producer_id(env, request, out));
        initialized.unwrap().0.unwrap();
        coordinator
    }

    fn at(now_ms: u64, side: &Side) -> Coordinator {
        let machine = TransactionMachine::new("x".into(), now(now_ms));
        let epoch = side.storage().shard().led_epoch().unwrap();
        Coordinator { machine, config: TransactionConfig::default(), now_ms, epoch }
    }

    /// The id as its records in a new process say, and the ends that it hands out at its start.
    pub(super) fn load(side: &Side, earlier: &Coordinator) -> (Coordinator, Vec<Ending>) {
        let mut coordinator = Coordinator::at(earlier.now_ms + 1, side);
        let (now, mut out) = (now(coordinator.now_ms), Outcome::default());
        for kind in TransactionMachine::RECORDS {
            let mut replay = |key: &[u8], value: &[u8]| {
                coordinator.machine.replay(now, key, value, &mut out).unwrap();
            };
            side.storage().shard().scan_coordinator(&[kind.number()], &mut replay).unwrap();
        }
        let started = coordinator.step(side, |machine, env, out| machine.start(env, out));
        (coordinator, started.unwrap().1)
    }

    /// One step, written in its shard, and the ends that other shards are to get once that is durable. `None`: the storage has
    /// stopped.
    fn step<T>(
        &mut self,
        side: &Side,
        act: impl FnOnce(&mut TransactionMachine, Env<'_>, &mut Outcome) -> T,
    ) -> Option<(T, Vec<Ending>)> {
        let mut out = Outcome::default();
        let env = Env { now: now(self.now_ms), config: &self.config, shard: OWN };
        let result = act(&mut self.machine, env, &mut out);
        let (own, elsewhere): (Vec<_>, Vec<_>) =
            out.effects.into_iter().partition(|ending| ending.shard == OWN);
        let records: Vec<_> = out.records.into_iter().map(stored_form).collect();
        if !records.is_empty() {
            side.write(records, &own, self.epoch)?;
        }
        Some((result, elsewhere))
    }

    pub(super) fn producer(&self) -> ProducerIdAndEpoch {
        self.machine.describe().unwrap().producer
    }

    /// Kafka's name.
    pub(super) fn state(&self) -> &'static str {
        self.machine.describe().unwrap().state.name()
    }

    pub(super) fn is_open(&self) -> bool {
        self.state() == "Ongoing"
    }

    /// The partitions of both shards and the group join.
    pub(super) fn join(&mut self, sides: &[Side; 2], protocol: Protocol) -> Option<()> {
        let sender = Sender { producer: self.producer(), connection: 1 };
        let parts = [sides[0].part(OWN), sides[1].part(OTHER)];
        let group = GroupRef { shard: OTHER, group: GROUP.into() };
        let (joined, _) = self.step(&sides[0], |machine, env, out| match protocol {
            Protocol::V1 => machine
                .add_partitions(env, sender, &parts, out)
                .and_then(|()| machine.add_offsets(env, sender, &group, out)),
            Protocol::V2 => machine
                .produce(env, sender, &parts, protocol, out)
                .and_then(|_| machine.txn_offset_commit(env, sender, &group, protocol, out)),
        })?;
        joined.unwrap();
        Some(())
    }

    /// EndTxn of the producer.
    pub(super) fn end(&mut self, side: &Side, protocol: Protocol, commit: bool) -> Option<Vec<Ending>> {
        let sender = Sender { producer: self.producer(), connection: 1 };
        let request = EndRequest { sender, commit, protocol, fresh: None };
        let (ended, handed_out) = self.step(side, |machine, env, out| machine.end(env, request, out))?;
        ended.unwrap();
        Some(handed_out)
    }

    /// The other shard has answered.
    pub(super) fn applied(&mut self, side: &Side, ending: &Ending) -> Option<()> {
        let (shard, number) = (ending.shard, ending.number);
        self.step(side, |machine, env, out| machine.applied(env, shard, number, out)).map(drop)
    }

    /// No answer has come for a while.
    pub(super) fn wait(&mut self, side: &Side) -> Vec<Ending> {
        self.now_ms += u64::from(AGAIN_AFTER_MS);
        self.step(side, |machine, env, out| machine.tick(env, out)).unwrap().1
    }
}

fn now(ms: u64) -> Now {
    Now { monotonic_ms: ms, unix_ms: i64::try_from(ms).unwrap(), open_ms: ms }
}
