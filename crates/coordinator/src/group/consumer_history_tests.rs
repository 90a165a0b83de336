//! Thousands of random lives of a consumer group, each from a seed: members of the consumer protocol, dynamic and static,
//! by name and by regular expression, and in every other history members of the classic protocol beside them, eager and
//! cooperative, so that the group migrates back and forth. Answers are lost, members hang, die and come back, topics grow, the broker is
//! killed and started again. The checks know only what the clients were told. What must hold, after every step:
//!
//! 1. No two members own a partition at the same time.
//! 2. A committed offset never goes back: a member that lost a partition can no longer commit for it.
//! 3. What is stored is the group: started again from it, nothing is different.
//! 4. No client starves: once things calm down, all living clients share all partitions in a stable group.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    GenerationId, GroupConfig, GroupError, GroupInstanceId, MemberId,
    assignor::TopicPartitions,
    classic::State,
    consumer::{ConsumerState, HeartbeatRequest},
    consumer_protocol,
    history_tests::{Random, histories, play_all},
    machine::{GroupMachine, Members},
    offsets::OffsetCommit,
    reply::{JoinWaiter, JoinedGroup, SyncWaiter},
    requests::{CommitIdentity, LeavingMember, Protocol, SyncRequest},
    testing::{Bench, commit},
};

const STEPS: usize = 150;
const MAX_PARTITIONS: i32 = 9;

#[derive(Debug)]
enum Phase {
    Gone,
    /// Sends heartbeats of the consumer protocol.
    Modern,
    /// Must send JoinGroup.
    Outside,
    Joining(JoinWaiter),
    Joined(JoinedGroup),
    Syncing(SyncWaiter),
    /// Sends heartbeats of the classic protocol.
    Settled,
}

#[derive(Debug)]
struct Client {
    id: MemberId,
    is_classic: bool,
    instance: Option<GroupInstanceId>,
    by_regex: bool,
    /// Speaks the classic protocol as cooperative consumers do: it keeps what it has while it joins.
    is_cooperative: bool,
    epoch: i32,
    phase: Phase,
    /// Position by partition.
    owned: BTreeMap<i32, i64>,
    /// Was told to own these, and has not got to it yet.
    told: Option<BTreeSet<i32>>,
    /// An answer was lost: the next heartbeat says everything.
    says_all: bool,
    /// Has given up partitions and not said so yet.
    gave_up: bool,
}

#[derive(Debug)]
struct Zombie {
    who: CommitIdentity,
    partition: i32,
    position: i64,
}

struct History {
    bench: Bench,
    random: Random,
    clients: Vec<Client>,
    zombies: Vec<Zombie>,
    committed: BTreeMap<i32, i64>,
    ids: u32,
    partitions: i32,
    mixed: bool,
}

impl History {
    fn new(seed: u64) -> History {
        let mut random = Random(seed);
        let mixed = random.one_in(2);
        let config = GroupConfig {
            initial_rebalance_delay_ms: [0, 3_000][usize::from(random.one_in(2))],
            ..GroupConfig::default()
        };
        let client = |number: u64, random: &mut Random| Client {
            id: MemberId::none(),
            is_classic: mixed && random.one_in(2),
            instance: random.one_in(3).then(|| GroupInstanceId::from(format!("i{number}"))),
            by_regex: random.one_in(3),
            is_cooperative: random.one_in(2),
            epoch: 0,
            phase: Phase::Gone,
            owned: BTreeMap::new(),
            told: None,
            says_all: false,
            gave_up: false,
        };
        let clients = (0..2 + random.below(4)).map(|number| client(number, &mut random)).collect();
        let mut bench = Bench::with(config);
        bench.set_topic("t", 6);
        History {
            bench,
            random,
            clients,
            zombies: Vec::new(),
            committed: BTreeMap::new(),
            ids: 0,
            partitions: 6,
            mixed,
        }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            let client = usize::try_from(self.random.below(self.clients.len() as u64)).unwrap();
            match self.random.below(100) {
                0..6 => self.start(client),
                6..9 => self.kill(client),
                9..12 => self.leave(client),
                12..14 => self.restart_broker(),
                14..16 if !self.mixed && self.partitions < MAX_PARTITIONS => {
                    self.partitions += 1;
                    self.bench.set_topic("t", self.partitions);
                }
                16..20 => self.wake_a_zombie(),
                20..23 => self.bench.pass(self.random.below(60_000)),
                23..40 => self.bench.pass(self.random.below(4_000)),
                _ => self.act(client),
            }
            self.hear();
            self.check();
        }
    }

    /// Everybody who lives does what it has to, for a long time.
    fn calm_down(&mut self) {
        for _ in 0..240 {
            for client in 0..self.clients.len() {
                self.act(client);
                self.hear();
                self.check();
            }
            self.bench.pass(1_000);
            self.hear();
        }
    }

    fn check(&self) {
        let mut owners: BTreeMap<i32, &Client> = BTreeMap::new();
        for client in self.clients.iter().filter(|client| is_member(&self.bench.machine, &client.id)) {
            for partition in client.owned.keys() {
                let other = owners.insert(*partition, client);
                assert!(other.is_none(), "partition {partition} is owned by {client:?} and {other:?}");
            }
        }
        for (partition, position) in &self.committed {
            assert_eq!(self.bench.committed("t", *partition), Some(*position), "partition {partition}");
        }
        if let Members::Consumer(group) = self.bench.machine.members() {
            let restored = self.bench.restored();
            assert_eq!(restored.consumer().durable(), group.durable());
        }
    }

    fn check_end(&self) {
        let living: Vec<&Client> =
            self.clients.iter().filter(|client| !matches!(client.phase, Phase::Gone)).collect();
        let is_settled = match self.bench.machine.members() {
            Members::Classic(group) if living.is_empty() => group.state() == State::Empty,
            Members::Classic(group) => group.state() == State::Stable,
            Members::Consumer(group) if living.is_empty() => group.state() == ConsumerState::Empty,
            Members::Consumer(group) => group.state() == ConsumerState::Stable,
            Members::Streams(_) => panic!("nobody speaks the streams protocol"),
        };
        assert!(is_settled, "{:?} {living:?}", self.bench.machine);
        let mut owned: Vec<i32> = living.iter().flat_map(|client| client.owned.keys()).copied().collect();
        owned.sort_unstable();
        let all = if living.is_empty() { 0 } else { self.partitions };
        assert_eq!(owned, (0..all).collect::<Vec<_>>(), "all partitions, each once: {living:?}");
        assert_eq!(self.bench.machine.member_count(), living.len());
    }

    fn start(&mut self, number: usize) {
        if !matches!(self.clients[number].phase, Phase::Gone) {
            return;
        }
        self.ids += 1;
        // A rolling upgrade, or a rollback of it.
        let is_classic = if self.mixed { self.random.one_in(2) } else { false };
        let client = &mut self.clients[number];
        client.is_classic = is_classic;
        client.epoch = 0;
        client.says_all = false;
        client.gave_up = false;
        client.told = None;
        (client.id, client.phase) = if is_classic {
            (MemberId::none(), Phase::Outside)
        } else {
            (MemberId::from(format!("m{}", self.ids)), Phase::Modern)
        };
    }

    /// Loses all that the client has: it is dead, or the group has thrown it out.
    fn drop_all(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let who = CommitIdentity {
            member_id: client.id.clone(),
            group_instance_id: client.instance.clone().filter(|_| client.is_classic),
            generation: GenerationId(client.epoch),
        };
        client.told = None;
        let zombie = |(partition, position)| Zombie { who: who.clone(), partition, position };
        self.zombies.extend(std::mem::take(&mut client.owned).into_iter().map(zombie));
    }

    fn kill(&mut self, number: usize) {
        self.drop_all(number);
        self.clients[number].phase = Phase::Gone;
    }

    fn leave(&mut self, number: usize) {
        let (id, instance) = (self.clients[number].id.clone(), self.clients[number].instance.clone());
        match self.clients[number].phase {
            Phase::Gone => return,
            Phase::Modern if self.clients[number].epoch > 0 => {
                let is_for_a_while = instance.is_some() && self.random.one_in(2);
                let request = HeartbeatRequest {
                    member_id: id,
                    member_epoch: if is_for_a_while { -2 } else { -1 },
                    group_instance_id: instance,
                    ..HeartbeatRequest::default()
                };
                let _ =
                    self.bench.on_machine(|machine, env, out| machine.consumer_heartbeat(env, &request, out));
            }
            Phase::Modern => {}
            _ => {
                let leaving = [LeavingMember { member_id: id, group_instance_id: instance, reason: None }];
                let _ = self.bench.on_machine(|machine, env, out| machine.leave(env, &leaving, out));
            }
        }
        self.kill(number);
    }

    fn restart_broker(&mut self) {
        self.hear();
        self.bench.restart();
        for client in &mut self.clients {
            if matches!(client.phase, Phase::Joining(_) | Phase::Syncing(_)) {
                client.phase = Phase::Outside;
            }
        }
    }

    fn wake_a_zombie(&mut self) {
        let Some(Zombie { who, partition, position }) = self.zombies.pop() else { return };
        if self.send_commit(&who, partition, position) == Ok(()) {
            self.note_commit(partition, position);
        }
    }

    fn send_commit(&mut self, who: &CommitIdentity, partition: i32, position: i64) -> Result<(), GroupError> {
        let topic_id = self.bench.topics.image.topic("t").unwrap().0;
        let commit = OffsetCommit { topic_id, ..commit("t", partition, position) };
        self.bench.commit_as(who, None, vec![commit])?.remove(0)
    }

    fn note_commit(&mut self, partition: i32, position: i64) {
        let before = self.committed.insert(partition, position).unwrap_or(0);
        assert!(position >= before, "partition {partition} went back from {before} to {position}");
    }

    /// Reads on in one of its partitions, or in `partition`, and commits.
    fn consume(&mut self, number: usize, partition: Option<i32>) {
        let read = i64::try_from(self.random.below(10)).unwrap();
        let pick = usize::try_from(self.random.below(64)).unwrap();
        let client = &mut self.clients[number];
        let nth = pick.checked_rem(client.owned.len()).and_then(|nth| client.owned.keys().nth(nth).copied());
        let Some(partition) = partition.or(nth) else { return };
        let Some(position) = client.owned.get_mut(&partition) else { return };
        *position += read;
        let (position, who) = (
            *position,
            CommitIdentity {
                member_id: client.id.clone(),
                group_instance_id: client.instance.clone().filter(|_| client.is_classic),
                generation: GenerationId(client.epoch),
            },
        );
        if self.send_commit(&who, partition, position) == Ok(()) {
            self.note_commit(partition, position);
        }
    }

    fn act(&mut self, number: usize) {
        match &self.clients[number].phase {
            Phase::Gone | Phase::Joining(_) | Phase::Syncing(_) => {}
            Phase::Modern if self.clients[number].told.is_some() && !self.random.one_in(3) => {
                self.obey_assignment(number);
            }
            Phase::Modern | Phase::Settled if self.random.one_in(3) => self.consume(number, None),
            Phase::Modern => self.modern_heartbeat(number),
            Phase::Outside => self.join(number),
            Phase::Joined(joined) => {
                let joined = joined.clone();
                self.sync(number, &joined);
            }
            Phase::Settled => self.classic_heartbeat(number),
        }
    }

    fn modern_heartbeat(&mut self, number: usize) {
        let topic = self.bench.topics.image.topic("t").unwrap().0;
        let client = &self.clients[number];
        let says_all = client.says_all || client.epoch == 0;
        let mut request = HeartbeatRequest {
            member_id: client.id.clone(),
            member_epoch: client.epoch,
            group_instance_id: client.instance.clone(),
            ..HeartbeatRequest::default()
        };
        if says_all {
            request.rebalance_timeout_ms = Some(30_000);
            if client.by_regex {
                request.topic_regex = Some("t.*".into());
            } else {
                request.topic_names = Some(BTreeSet::from(["t".into()]));
            }
        }
        if says_all || client.gave_up {
            let owned: BTreeSet<i32> = client.owned.keys().copied().collect();
            let topics = TopicPartitions::from([(topic, owned)]);
            request.owned = Some(topics.into_iter().filter(|(_, owned)| !owned.is_empty()).collect());
        }
        let result =
            self.bench.on_machine(|machine, env, out| machine.consumer_heartbeat(env, &request, out));
        if self.random.one_in(12) {
            // What it had not got to may be out of date by that answer, so it waits to be told again. (A client that went
            // on with it would own for a moment what its last heartbeat said that it does not: so does the protocol.)
            self.clients[number].told = None;
            self.clients[number].says_all = true;
            return;
        }
        match result {
            Ok(reply) => {
                let client = &mut self.clients[number];
                client.says_all = false;
                client.gave_up = false;
                client.epoch = reply.member_epoch;
                if let Some(assignment) = reply.assignment {
                    client.told = Some(assignment.into_values().flatten().collect());
                }
            }
            Err(refused) => self.obey_refusal(number, refused.error),
        }
    }

    fn obey_refusal(&mut self, number: usize, error: GroupError) {
        match error {
            GroupError::FencedMemberEpoch | GroupError::UnknownMemberId | GroupError::GroupIdNotFound => {
                self.drop_all(number);
                self.clients[number].epoch = 0;
            }
            GroupError::UnreleasedInstanceId => {}
            GroupError::FencedInstanceId => self.kill(number),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Gives up what it is no longer to own, after a last commit, and takes the rest.
    fn obey_assignment(&mut self, number: usize) {
        let Some(told) = self.clients[number].told.take() else { return };
        let lost: Vec<i32> =
            self.clients[number].owned.keys().filter(|owned| !told.contains(owned)).copied().collect();
        for partition in lost {
            self.consume(number, Some(partition));
            let client = &mut self.clients[number];
            client.owned.remove(&partition);
        }
        for partition in told {
            let position = self.bench.committed("t", partition).unwrap_or(0);
            self.clients[number].owned.entry(partition).or_insert(position);
        }
        self.clients[number].gave_up = true;
    }

    fn join(&mut self, number: usize) {
        let client = &self.clients[number];
        let (id, instance) = (client.id.clone(), client.instance.clone());
        let instance = instance.as_ref().map(GroupInstanceId::as_str);
        let mut request = self.bench.request(id.as_str(), instance, &[]);
        request.protocols =
            vec![Protocol { name: "range".into(), metadata: subscription(client.owned.keys()) }];
        request.rebalance_timeout_ms = 30_000;
        let waiter = self.bench.send_join(request);
        self.clients[number].phase = Phase::Joining(waiter);
    }

    fn sync(&mut self, number: usize, joined: &JoinedGroup) {
        let client = &self.clients[number];
        let mut request = SyncRequest {
            member_id: client.id.clone(),
            group_instance_id: client.instance.clone(),
            generation: joined.generation,
            protocol_type: joined.protocol_type.clone(),
            protocol: joined.protocol.clone(),
            assignments: Default::default(),
        };
        if joined.leader == client.id && !joined.skip_assignment {
            let has = |place: usize, partition: i32| {
                let metadata = &joined.members[place].metadata;
                let owned = consumer_protocol::subscription(metadata).unwrap().owned;
                owned.iter().any(|(_, owned)| owned.contains(&partition))
            };
            let count = joined.members.len();
            for (place, member) in joined.members.iter().enumerate() {
                // What another member still has is not handed out: that one joins again when it has given it up.
                let is_its = |partition: &i32| {
                    *partition as usize % count == place
                        && (0..count).all(|other| other == place || !has(other, *partition))
                };
                let mine: Vec<i32> = (0..self.partitions).filter(is_its).collect();
                let bytes = consumer_protocol::encode_assignment(1, [("t", mine.as_slice())].into_iter());
                request.assignments.insert(member.member_id.clone(), bytes);
            }
        }
        let waiter = self.bench.waiter();
        self.bench.on_machine(|machine, env, out| machine.sync(env, request, waiter, out));
        self.clients[number].phase = Phase::Syncing(waiter);
    }

    fn classic_heartbeat(&mut self, number: usize) {
        let client = &self.clients[number];
        let (id, instance, generation) =
            (client.id.clone(), client.instance.clone(), GenerationId(client.epoch));
        let result = self.bench.on_machine(|machine, env, out| {
            machine.heartbeat(
                env,
                id.as_str(),
                instance.as_ref().map(GroupInstanceId::as_str),
                generation,
                out,
            )
        });
        match result {
            Ok(()) => {}
            // Busy: it goes on for a while.
            Err(GroupError::RebalanceInProgress) if self.random.one_in(3) => {}
            Err(error) => self.obey_classic(number, error),
        }
    }

    /// The reaction of consumers to an error: an eager one gives everything up and joins again, a cooperative one joins again.
    fn obey_classic(&mut self, number: usize, error: GroupError) {
        match error {
            GroupError::RebalanceInProgress if self.clients[number].is_cooperative => {}
            GroupError::RebalanceInProgress => {
                let owned: Vec<i32> = self.clients[number].owned.keys().copied().collect();
                owned.into_iter().for_each(|partition| self.consume(number, Some(partition)));
                self.drop_all(number);
            }
            GroupError::IllegalGeneration => self.drop_all(number),
            GroupError::UnknownMemberId => {
                self.drop_all(number);
                self.clients[number].id = MemberId::none();
            }
            // Its place was taken by a later incarnation of its own, or of an answer that was lost.
            GroupError::FencedInstanceId => return self.kill(number),
            other => panic!("unexpected {other:?}"),
        }
        self.clients[number].phase = Phase::Outside;
    }

    /// Delivers the answers that have come.
    fn hear(&mut self) {
        for number in 0..self.clients.len() {
            match self.clients[number].phase {
                Phase::Joining(waiter) => self.hear_join(number, waiter),
                Phase::Syncing(waiter) => self.hear_sync(number, waiter),
                _ => {}
            }
        }
    }

    fn hear_join(&mut self, number: usize, waiter: JoinWaiter) {
        let Some(reply) = self.bench.joins.remove(&waiter) else { return };
        match reply.result {
            Ok(joined) => {
                let client = &mut self.clients[number];
                client.id = reply.member_id;
                client.epoch = joined.generation.0;
                client.phase = Phase::Joined(joined);
            }
            Err(GroupError::MemberIdRequired) => {
                self.clients[number].id = reply.member_id;
                self.clients[number].phase = Phase::Outside;
            }
            Err(error) => self.obey_classic(number, error),
        }
    }

    fn hear_sync(&mut self, number: usize, waiter: SyncWaiter) {
        let Some(reply) = self.bench.syncs.remove(&waiter) else { return };
        let synced = match reply {
            Ok(synced) => synced,
            Err(error) => return self.obey_classic(number, error),
        };
        let read = consumer_protocol::assignment(&synced.assignment).unwrap_or_default();
        let told: BTreeSet<i32> =
            read.partitions.into_iter().flat_map(|(_, partitions)| partitions).collect();
        let owned: Vec<i32> = self.clients[number].owned.keys().copied().collect();
        let lost: Vec<i32> = owned.into_iter().filter(|partition| !told.contains(partition)).collect();
        for partition in &lost {
            self.consume(number, Some(*partition));
            self.clients[number].owned.remove(partition);
        }
        for partition in told {
            let position = self.bench.committed("t", partition).unwrap_or(0);
            self.clients[number].owned.entry(partition).or_insert(position);
        }
        // Only a cooperative one has anything to lose here, and joins again to say so.
        self.clients[number].phase = if lost.is_empty() { Phase::Settled } else { Phase::Outside };
    }
}

fn is_member(machine: &GroupMachine, id: &MemberId) -> bool {
    match machine.members() {
        Members::Classic(group) => group.describe().members.iter().any(|member| member.member_id == *id),
        Members::Consumer(group) => group.members().contains_key(id),
        Members::Streams(group) => group.knows(id),
    }
}

/// Version 1: topic `t`. Eager consumers own nothing when they join.
fn subscription<'a>(owned: impl ExactSizeIterator<Item = &'a i32>) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(1);
    out.put_u32(1);
    out.put_slice(b"\x00\x01t");
    out.put_i32(-1);
    out.put_u32(1);
    out.put_slice(b"\x00\x01t");
    out.put_u32(u32::try_from(owned.len()).unwrap());
    owned.for_each(|partition| out.put_i32(*partition));
    out.freeze()
}

#[test]
fn random_histories_keep_every_promise() {
    play_all(histories() / 6, |seed| {
        let mut history = History::new(seed);
        history.play();
        history.calm_down();
        history.check_end();
    });
}
