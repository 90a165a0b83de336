//! A group on a bench: its clock in the test's hand, its storage a map, its topics a list, its answers collected.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    Env, GenerationId, GroupConfig, GroupError, GroupId, GroupInstanceId, MemberId, Outcome, Reply,
    classic::{ClassicGroup, State, records::GroupMetadata},
    consumer::ConsumerGroup,
    machine::{GroupMachine, Members},
    offsets::{CommittedOffset, OffsetCommit, pending::PendingOffset},
    reply::{JoinReply, JoinWaiter, JoinedGroup, SyncReply, SyncWaiter},
    requests::{CommitIdentity, JoinRequest, LeavingMember, Protocol, SyncRequest},
    streams::StreamsGroup,
    topics::{MetadataImage, Topics, TopicsOfStep},
};
use crate::record_kinds::RecordKind;
use crate::state_machine::{Now, Record, StateMachine, Waiter};

pub(crate) const SESSION_MS: u32 = 10_000;
pub(crate) const REBALANCE_MS: u32 = 60_000;

/// Topics by name: id and number of partitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image(pub(crate) BTreeMap<String, (Uuid, i32)>);

impl MetadataImage for Image {
    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        self.0.get(name).copied()
    }

    fn name(&self, id: Uuid) -> Option<&str> {
        self.0.iter().find(|(_, (other, _))| *other == id).map(|(name, _)| name.as_str())
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.0.keys().map(String::as_str))
    }
}

/// No topics.
pub(crate) fn no_topics() -> Topics {
    Topics { version: 0, are_restricted: false, image: Arc::new(Image::default()) }
}

impl GroupMachine {
    pub(crate) fn classic(&self) -> &ClassicGroup {
        match &self.members {
            Members::Classic(group) => group,
            _ => panic!("not a classic group"),
        }
    }

    pub(crate) fn classic_mut(&mut self) -> &mut ClassicGroup {
        match &mut self.members {
            Members::Classic(group) => group,
            _ => panic!("not a classic group"),
        }
    }

    pub(crate) fn consumer(&self) -> &ConsumerGroup {
        match &self.members {
            Members::Consumer(group) => group,
            _ => panic!("not a consumer group"),
        }
    }

    pub(crate) fn streams(&self) -> &StreamsGroup {
        match &self.members {
            Members::Streams(group) => group,
            _ => panic!("not a streams group"),
        }
    }
}

/// One group, driven by a test.
pub(crate) struct Bench {
    pub(crate) machine: GroupMachine,
    pub(crate) config: GroupConfig,
    pub(crate) now_ms: u64,
    /// The records that storage holds.
    pub(crate) stored: BTreeMap<Bytes, Bytes>,
    /// Records written so far.
    pub(crate) writes: usize,
    pub(crate) joins: HashMap<JoinWaiter, JoinReply>,
    pub(crate) syncs: HashMap<SyncWaiter, SyncReply>,
    pub(crate) wake_at: Option<u64>,
    pub(crate) topics: Topics,
    waiters: u64,
    uuids: u128,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::with(GroupConfig::default())
    }

    pub(crate) fn with(config: GroupConfig) -> Bench {
        let now = Now { monotonic_ms: 1_000, unix_ms: 1_000_000, open_ms: 1_000 };
        Bench {
            machine: GroupMachine::new(GroupId::from("g"), now),
            config,
            now_ms: 1_000,
            stored: BTreeMap::new(),
            writes: 0,
            joins: HashMap::new(),
            syncs: HashMap::new(),
            wake_at: None,
            topics: no_topics(),
            waiters: 0,
            uuids: 0,
        }
    }

    pub(crate) fn now(&self) -> Now {
        let unix_ms = i64::try_from(self.now_ms).unwrap() + 999_000;
        Now { monotonic_ms: self.now_ms, unix_ms, open_ms: self.now_ms }
    }

    pub(crate) fn state(&self) -> State {
        self.machine.classic().state()
    }

    /// Carries out what a step asks for, as the shell does.
    pub(crate) fn carry_out(&mut self, out: Outcome) {
        assert_eq!(out.too_long, None);
        let wrote = !out.records.is_empty();
        self.writes += out.records.len();
        for record in out.records {
            match record.value {
                Some(value) => drop(self.stored.insert(record.key, value)),
                None => drop(self.stored.remove(&record.key)),
            }
        }
        for reply in out.replies {
            let answered_before = match reply {
                Reply::Join(waiter, reply) => self.joins.insert(waiter, reply).is_some(),
                Reply::Sync(waiter, reply) => self.syncs.insert(waiter, reply).is_some(),
            };
            assert!(!answered_before, "a request was answered twice");
        }
        if let Some(at) = out.wake_at {
            self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
        }
        self.check_records(wrote);
    }

    /// The state is what a restart would build from the records written so far (ADR 5), after every step of every test.
    fn check_records(&self, wrote: bool) {
        assert_eq!(self.says(&self.machine), self.stored, "the state does not say what its records say");
        if !wrote {
            // What is stored is as it was after the step before.
            return;
        }
        let restored = self.restored();
        assert_eq!(self.says(&restored), self.stored, "the records do not come back as they were");
        if let (Members::Consumer(now), Members::Consumer(then)) = (&self.machine.members, &restored.members)
        {
            assert_eq!(now.durable(), then.durable());
        }
        if let (Members::Streams(now), Members::Streams(then)) = (&self.machine.members, &restored.members) {
            assert_eq!(now.durable(), then.durable());
        }
    }

    /// All records that the state of `machine` amounts to. The record of a classic group whose members are joining is that of
    /// its last generation: who has joined so far is not stored, as in Kafka.
    fn says(&self, machine: &GroupMachine) -> BTreeMap<Bytes, Bytes> {
        let id = machine.id();
        let of_offset = |(topic, partition, offset): (&Arc<str>, i32, &CommittedOffset)| {
            offset.record(id, topic, partition).unwrap()
        };
        let mut records: Vec<Record> = machine.offsets().iter().map(of_offset).collect();
        let of_pending = |(topic, partition, producer_id, pending): (&Arc<str>, i32, i64, &PendingOffset)| {
            pending.record(id, producer_id, topic, partition).unwrap()
        };
        records.extend(machine.offsets().pending().iter().map(of_pending));
        match &machine.members {
            Members::Classic(group) if group.state() == State::PreparingRebalance => {
                let is_last = |key: &[u8]| RecordKind::of(key) == Some(RecordKind::GroupMetadata);
                let last = self.stored.iter().find(|(key, _)| is_last(key));
                assert_eq!(last.is_some(), group.is_persisted());
                if let Some((key, value)) = last {
                    assert_eq!(GroupMetadata::decode(value).unwrap().generation, group.generation());
                    records.push(Record { key: key.clone(), value: Some(value.clone()) });
                }
            }
            Members::Classic(group) => records.extend(group.stored_record()),
            Members::Consumer(group) => records.extend(group.stored_records()),
            Members::Streams(group) => records.extend(group.stored_records()),
        }
        records.into_iter().map(|record| (record.key, record.value.unwrap())).collect()
    }

    pub(crate) fn step<T>(
        &mut self,
        act: impl FnOnce(&mut ClassicGroup, Now, &GroupConfig, &mut Outcome) -> T,
    ) -> T {
        let mut out = Outcome::default();
        let now = self.now();
        let result = act(self.machine.classic_mut(), now, &self.config, &mut out);
        self.carry_out(out);
        result
    }

    /// A step of the whole group.
    pub(crate) fn on_machine<T>(
        &mut self,
        act: impl FnOnce(&mut GroupMachine, Env<'_>, &mut Outcome) -> T,
    ) -> T {
        let mut out = Outcome::default();
        let topics = || self.topics.clone();
        let topics = TopicsOfStep::new(&topics);
        let env = Env { now: self.now(), config: &self.config, topics: &topics };
        let result = act(&mut self.machine, env, &mut out);
        self.carry_out(out);
        result
    }

    /// Creates a topic, changes its number of partitions, or (0) deletes it.
    pub(crate) fn set_topic(&mut self, name: &str, partitions: i32) {
        let mut image = Image(
            self.topics
                .image
                .names()
                .filter_map(|name| Some((name.to_owned(), self.topics.image.topic(name)?)))
                .collect(),
        );
        let id = image.topic(name).map_or_else(|| self.fresh(), |(id, _)| id);
        image.0.insert(name.to_owned(), (id, partitions));
        if partitions == 0 {
            image.0.remove(name);
        }
        self.topics =
            Topics { version: self.topics.version + 1, image: Arc::new(image), ..self.topics.clone() };
    }

    /// Lets time pass, waking the group exactly when it asked to be woken.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        let mut wakes = 0;
        while let Some(at) = self.wake_at.filter(|at| *at <= until) {
            self.now_ms = self.now_ms.max(at);
            self.wake_at = None;
            self.on_machine(|machine, env, out| machine.tick(env, out));
            wakes += 1;
            assert!(wakes < 10_000, "the group spins");
        }
        self.now_ms = until;
    }

    /// The broker is killed and started again: only what is stored remains, and no request gets an answer.
    pub(crate) fn restart(&mut self) {
        self.wake_at = None;
        let mut out = Outcome::default();
        self.machine = self.replayed(&mut out);
        self.carry_out(out);
    }

    /// The group as it would be after a restart.
    pub(crate) fn restored(&self) -> GroupMachine {
        self.replayed(&mut Outcome::default())
    }

    fn replayed(&self, out: &mut Outcome) -> GroupMachine {
        let now = self.now();
        let mut machine = GroupMachine::new(GroupId::from("g"), now);
        for (key, value) in &self.stored {
            machine.replay(now, key, value, out).unwrap();
        }
        let topics = || self.topics.clone();
        let topics = TopicsOfStep::new(&topics);
        machine.start(Env { now, config: &self.config, topics: &topics }, out);
        machine
    }

    pub(crate) fn fresh(&mut self) -> Uuid {
        self.uuids += 1;
        Uuid::from_u128(self.uuids)
    }

    pub(crate) fn waiter<T>(&mut self) -> Waiter<T> {
        self.waiters += 1;
        Waiter::new(self.waiters)
    }

    /// JoinGroup as the newest clients send it, offering `protocols` with empty metadata.
    pub(crate) fn request(&mut self, id: &str, instance: Option<&str>, protocols: &[&str]) -> JoinRequest {
        JoinRequest {
            member_id: MemberId::from(id),
            group_instance_id: instance.map(GroupInstanceId::from),
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer".into(),
            protocols: protocols.iter().map(|name| protocol(name, b"")).collect(),
            requires_known_member_id: true,
            supports_skipping_assignment: true,
            reason: None,
            fresh: self.fresh(),
        }
    }

    pub(crate) fn send_join(&mut self, request: JoinRequest) -> JoinWaiter {
        let waiter = self.waiter();
        self.on_machine(|machine, env, out| machine.join(env, request, waiter, out));
        waiter
    }

    /// Gets an id (KIP-394) and joins with it, offering `range`.
    pub(crate) fn join_new(&mut self) -> (MemberId, JoinWaiter) {
        let request = self.request("", None, &["range"]);
        let waiter = self.send_join(request);
        let reply = self.joins.remove(&waiter).unwrap();
        assert_eq!(reply.result.err(), Some(GroupError::MemberIdRequired));
        let request = self.request(reply.member_id.as_str(), None, &["range"]);
        let waiter = self.send_join(request);
        (reply.member_id, waiter)
    }

    /// Joins again with what it joined before.
    pub(crate) fn rejoin(&mut self, id: &MemberId) -> JoinWaiter {
        let request = self.request(id.as_str(), None, &["range"]);
        self.send_join(request)
    }

    pub(crate) fn joined(&mut self, waiter: JoinWaiter) -> JoinedGroup {
        self.joins.remove(&waiter).expect("JoinGroup is answered").result.expect("joined")
    }

    pub(crate) fn join_error(&mut self, waiter: JoinWaiter) -> GroupError {
        self.joins.remove(&waiter).expect("JoinGroup is answered").result.expect_err("refused")
    }

    pub(crate) fn send_sync(
        &mut self,
        id: &MemberId,
        generation: i32,
        assignments: &[(&MemberId, &str)],
    ) -> SyncWaiter {
        let request = SyncRequest {
            member_id: id.clone(),
            group_instance_id: None,
            generation: GenerationId(generation),
            protocol_type: Some("consumer".into()),
            protocol: None,
            assignments: assignments
                .iter()
                .map(|(id, bytes)| ((*id).clone(), Bytes::copy_from_slice(bytes.as_bytes())))
                .collect(),
        };
        let waiter = self.waiter();
        self.on_machine(|machine, env, out| machine.sync(env, request, waiter, out));
        waiter
    }

    /// The assignment that a SyncGroup was answered with.
    pub(crate) fn assignment(&mut self, waiter: SyncWaiter) -> Result<String, GroupError> {
        let reply = self.syncs.remove(&waiter).expect("SyncGroup is answered");
        reply.map(|synced| String::from_utf8(synced.assignment.to_vec()).unwrap())
    }

    pub(crate) fn heartbeat(&mut self, id: &MemberId, generation: i32) -> Result<(), GroupError> {
        let generation = GenerationId(generation);
        self.on_machine(|machine, env, out| machine.heartbeat(env, id.as_str(), None, generation, out))
    }

    pub(crate) fn leave(&mut self, id: &MemberId) -> Result<(), GroupError> {
        let leaving = [LeavingMember { member_id: id.clone(), group_instance_id: None, reason: None }];
        self.on_machine(|machine, env, out| machine.leave(env, &leaving, out)).unwrap().remove(0)
    }

    /// A stable group of `count` dynamic members, the first of whom leads, each assigned its own number.
    pub(crate) fn stable(count: usize) -> (Bench, Vec<MemberId>) {
        let mut bench = Bench::new();
        let waiting: Vec<(MemberId, JoinWaiter)> = (0..count).map(|_| bench.join_new()).collect();
        bench.pass(6_000);
        let ids: Vec<MemberId> = waiting.iter().map(|(id, _)| id.clone()).collect();
        let generation = waiting.iter().map(|(_, waiter)| bench.joined(*waiter).generation).max().unwrap().0;
        bench.sync_all(&ids, generation);
        assert_eq!(bench.state(), State::Stable);
        (bench, ids)
    }

    /// All members sync, the leader last; everybody is assigned its place in `ids`.
    pub(crate) fn sync_all(&mut self, ids: &[MemberId], generation: i32) {
        let names: Vec<String> = (0..ids.len()).map(|number| number.to_string()).collect();
        let assignments: Vec<(&MemberId, &str)> = ids.iter().zip(names.iter().map(String::as_str)).collect();
        let leader = self.leader();
        let waiters: Vec<SyncWaiter> =
            ids.iter().filter(|id| **id != leader).map(|id| self.send_sync(id, generation, &[])).collect();
        let last = self.send_sync(&leader, generation, &assignments);
        for waiter in waiters.into_iter().chain([last]) {
            self.assignment(waiter).unwrap();
        }
    }

    /// The leader of the group, as its stored or current members would be told.
    pub(crate) fn leader(&self) -> MemberId {
        self.machine.classic().leader()
    }

    pub(crate) fn commit(
        &mut self,
        id: &MemberId,
        generation: i32,
        topic: &str,
        offset: i64,
    ) -> Result<(), GroupError> {
        let who = CommitIdentity {
            member_id: id.clone(),
            group_instance_id: None,
            generation: GenerationId(generation),
        };
        self.commit_as(&who, None, vec![commit(topic, 0, offset)])
            .map(|results| assert_eq!(results, [Ok(())]))
    }

    pub(crate) fn commit_as(
        &mut self,
        who: &CommitIdentity,
        retention_ms: Option<i64>,
        commits: Vec<OffsetCommit>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        self.on_machine(|machine, env, out| {
            machine.commit_offsets(env, who, retention_ms, true, commits, out)
        })
    }

    /// A TxnOffsetCommit of version 5.
    pub(crate) fn txn_commit_as(
        &mut self,
        producer_id: i64,
        who: &CommitIdentity,
        commits: Vec<OffsetCommit>,
    ) -> Result<Vec<Result<(), GroupError>>, GroupError> {
        self.on_machine(|machine, env, out| {
            machine.txn_offset_commit(env, producer_id, who, false, commits, out)
        })
    }

    /// The end of a producer's transaction.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, commit: bool) {
        self.on_machine(|machine, _, out| machine.end_transaction(producer_id, commit, out));
    }

    pub(crate) fn committed(&self, topic: &str, partition: i32) -> Option<i64> {
        self.machine.offsets().committed(topic, partition).map(|committed| committed.offset)
    }
}

pub(crate) fn commit(topic: &str, partition: i32, offset: i64) -> OffsetCommit {
    OffsetCommit {
        topic: topic.into(),
        topic_id: Uuid::nil(),
        partition,
        offset,
        leader_epoch: -1,
        metadata: Arc::default(),
    }
}

pub(crate) fn protocol(name: &str, metadata: &'static [u8]) -> Protocol {
    Protocol { name: name.into(), metadata: Bytes::from_static(metadata) }
}
