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

mod clients;

use clients::is_member;

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
}

#[test]
fn random_histories_keep_every_promise() {
    play_all(histories(160), |seed| {
        let mut history = History::new(seed);
        history.play();
        history.calm_down();
        history.check_end();
    });
}
