//! Thousands of random lives of a streams group, each from a seed: members join, leave, hang, die and come
//! back, several of them in one process; answers are lost, topics appear, grow and go, the number of standby
//! tasks changes, the broker is killed and started again, after a step or before its records are durable. The
//! checks know only what the clients were told, and what is stored. After every step:
//!
//! 1. No two members run a task as an active one at the same time; no process has a task twice.
//! 2. A task is assigned to one member for each epoch, over all restarts, and only after its former owner released it.
//! 3. What is stored is the group: started again from it, nothing is different (`Bench::carry_out` looks).
//! 4. Once no more faults occur, the group becomes stable: every task is run once, the members' numbers of tasks differ
//!    by one at most, and each task with state has its standby tasks, on as many processes as there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    GroupConfig, GroupError, MemberId, StreamsGroupConfig,
    history_tests::{Random, histories, play_all},
    machine::Members,
    streams::{
        HeartbeatReply, HeartbeatRequest, InternalTopic, SentTopology, StreamsState, Subtopology, TaskLists,
        Tasks,
        tasks::{TaskId, contains, each},
    },
    testing::Bench,
};

const STEPS: usize = 150;
const MAX_PARTITIONS: i32 = 7;
/// Topics of the application: subtopology 0 reads `in` and writes `rep`, 1 reads `rep` and `side` and keeps
/// state in `log`.
const TOPICS: [&str; 4] = ["in", "side", "rep", "log"];

#[derive(Debug)]
struct Client {
    id: MemberId,
    process: u64,
    is_alive: bool,
    epoch: i32,
    endpoint_epoch: i32,
    running: TaskLists,
    /// Was told to run these, and has not got to it yet.
    told: Option<TaskLists>,
    /// Has changed what it runs and not said so yet.
    changed: bool,
    /// An answer was lost: the next heartbeat says everything.
    says_all: bool,
}

struct History {
    bench: Bench,
    random: Random,
    clients: Vec<Client>,
    ids: u32,
    partitions: i32,
    /// To whom a task was given in which epoch.
    given: BTreeMap<(TaskId, i32), MemberId>,
}

fn topology() -> SentTopology {
    let internal = |name: &str| InternalTopic {
        name: name.into(),
        partitions: 0,
        replication_factor: 1,
        configs: Vec::new(),
    };
    let first = Subtopology {
        source_topics: vec!["in".into()],
        repartition_sink_topics: vec!["rep".into()],
        ..Subtopology::default()
    };
    let second = Subtopology {
        source_topics: vec!["side".into()],
        repartition_source_topics: vec![internal("rep")],
        state_changelog_topics: vec![internal("log")],
        ..Subtopology::default()
    };
    SentTopology {
        epoch: 0,
        subtopologies: vec![("0".into(), first), ("1".into(), second)],
        has_source_patterns: false,
    }
}

impl History {
    fn new(seed: u64) -> History {
        let mut random = Random(seed);
        let streams = StreamsGroupConfig {
            initial_rebalance_delay_ms: [0, 3_000][usize::from(random.one_in(2))],
            assignment_interval_ms: [0, 1_000][usize::from(random.one_in(2))],
            num_standby_replicas: u32::try_from(random.below(3)).unwrap(),
            ..StreamsGroupConfig::default()
        };
        let client = |number: u64| Client {
            id: MemberId::none(),
            process: number % 3,
            is_alive: false,
            epoch: 0,
            endpoint_epoch: 0,
            running: TaskLists::default(),
            told: None,
            changed: false,
            says_all: false,
        };
        let clients = (0..2 + random.below(5)).map(client).collect();
        let bench = Bench::with(GroupConfig { streams, ..GroupConfig::default() });
        let partitions = 1 + i32::try_from(random.below(5)).unwrap();
        History { bench, random, clients, ids: 0, partitions, given: BTreeMap::new() }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            let client = usize::try_from(self.random.below(self.clients.len() as u64)).unwrap();
            match self.random.below(100) {
                0..6 => self.start(client),
                6..8 => self.kill(client),
                8..11 => self.leave(client),
                11..13 => self.bench.restart(),
                13..15 => self.lose_a_step(client),
                15..21 => self.change_a_topic(),
                21..22 => {
                    self.bench.config.streams.num_standby_replicas =
                        u32::try_from(self.random.below(3)).unwrap();
                }
                22..24 => self.bench.pass(self.random.below(60_000)),
                24..40 => self.bench.pass(self.random.below(4_000)),
                _ => self.act(client),
            }
            self.check();
        }
    }

    /// All topics are as they must be, and everybody who lives does what it has to, for a long time.
    fn calm_down(&mut self) {
        TOPICS.into_iter().for_each(|topic| self.bench.set_topic(topic, self.partitions));
        for _ in 0..120 {
            for client in 0..self.clients.len() {
                self.act(client);
                self.check();
            }
            self.bench.pass(1_000);
        }
    }

    /// A topic appears, gets the count of the others, or goes; or all are to have more.
    fn change_a_topic(&mut self) {
        if self.partitions < MAX_PARTITIONS && self.random.one_in(6) {
            self.partitions += 1;
            return;
        }
        let topic = TOPICS[usize::try_from(self.random.below(4)).unwrap()];
        let count = if self.random.one_in(5) { 0 } else { self.partitions };
        self.bench.set_topic(topic, count);
    }

    fn members(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().filter(|client| match self.bench.machine.members() {
            Members::Streams(group) => group.knows(&client.id),
            _ => false,
        })
    }

    fn check(&mut self) {
        let mut owners: BTreeMap<TaskId, &Client> = BTreeMap::new();
        let mut processes: BTreeMap<(u64, TaskId), &Client> = BTreeMap::new();
        for client in self.members() {
            for task in each(&client.running.active) {
                let other = owners.insert(task.clone(), client);
                assert!(other.is_none(), "{task:?} is run by {client:?} and {other:?}");
            }
            for task in each(&client.running.active).chain(each(&client.running.standby)) {
                let other = processes.insert((client.process, task.clone()), client);
                assert!(other.is_none(), "{task:?} is twice in a process: {client:?} and {other:?}");
            }
        }
        let owners: BTreeMap<TaskId, MemberId> =
            owners.into_iter().map(|(task, client)| (task, client.id.clone())).collect();
        let Members::Streams(group) = self.bench.machine.members() else { return };
        for (id, member) in group.members() {
            for (subtopology, tasks) in &member.current.assigned.active {
                for (&partition, &epoch) in tasks {
                    let task = (Arc::clone(subtopology), partition);
                    let runs = owners.get(&task).filter(|owner| *owner != id);
                    assert!(runs.is_none(), "{task:?} moved to {id} before {runs:?} released it");
                    let first = self.given.entry((task.clone(), epoch)).or_insert_with(|| id.clone());
                    assert_eq!(first, id, "{task:?} was given twice in epoch {epoch}");
                }
            }
        }
    }

    fn check_end(&self) {
        let living: Vec<&Client> = self.clients.iter().filter(|client| client.is_alive).collect();
        let Members::Streams(group) = self.bench.machine.members() else {
            assert!(living.is_empty());
            return;
        };
        if living.is_empty() {
            assert_eq!(group.state(), StreamsState::Empty);
            return;
        }
        assert_eq!(group.state(), StreamsState::Stable, "{living:?}");
        assert_eq!(group.members().len(), living.len());
        let all = ["0", "1"].into_iter().flat_map(|id| (0..self.partitions).map(move |task| (id, task)));
        let replicas = self.bench.config.streams.num_standby_replicas as usize;
        let processes: BTreeSet<u64> = living.iter().map(|client| client.process).collect();
        for (id, task) in all {
            let run = living.iter().filter(|client| contains(&client.running.active, id, task)).count();
            let kept = living.iter().filter(|client| contains(&client.running.standby, id, task)).count();
            let wanted = if id == "1" { replicas.min(processes.len() - 1) } else { 0 };
            assert_eq!((run, kept), (1, wanted), "task {id}_{task}: {living:?}");
        }
        let count = |tasks: &Tasks| tasks.values().map(BTreeSet::len).sum::<usize>();
        let counts: Vec<usize> = living.iter().map(|client| count(&client.running.active)).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{counts:?}");
        let tasks = usize::try_from(self.partitions).unwrap() * 2;
        assert_eq!(counts.iter().sum::<usize>(), tasks, "tasks of the topology");
    }

    fn start(&mut self, number: usize) {
        if self.clients[number].is_alive {
            return;
        }
        self.ids += 1;
        let id = MemberId::from(format!("m{}", self.ids));
        let client = &mut self.clients[number];
        client.is_alive = true;
        client.id = id;
        client.rejoin();
    }

    fn kill(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.is_alive = false;
        client.rejoin();
    }

    fn leave(&mut self, number: usize) {
        let client = &self.clients[number];
        if client.is_alive && client.epoch > 0 {
            let mut request = client.request();
            request.member_epoch = -1;
            // It stops its tasks before it says so.
            self.clients[number].running = TaskLists::default();
            let _ = self.bench.on_machine(|machine, env, out| machine.streams_heartbeat(env, &request, out));
        }
        self.kill(number);
    }

    /// The broker is killed after a step and before its records are durable: no client gets the answer.
    fn lose_a_step(&mut self, number: usize) {
        let stored = self.bench.stored.clone();
        if self.clients[number].is_alive {
            let request = self.clients[number].request();
            let _ = self.bench.on_machine(|machine, env, out| machine.streams_heartbeat(env, &request, out));
            self.clients[number].answer_was_lost();
        } else {
            self.bench.pass(50_000);
        }
        self.bench.stored = stored;
        self.bench.restart();
    }

    fn act(&mut self, number: usize) {
        if !self.clients[number].is_alive {
            return;
        }
        if self.clients[number].told.is_some() && !self.random.one_in(3) {
            return self.clients[number].obey();
        }
        let request = self.clients[number].request();
        assert_eq!(request.validate(), Ok(()));
        let result = self.bench.on_machine(|machine, env, out| machine.streams_heartbeat(env, &request, out));
        if self.random.one_in(12) {
            return self.clients[number].answer_was_lost();
        }
        match result {
            Ok(reply) => self.hear(number, reply),
            Err(refused) => match refused.error {
                GroupError::FencedMemberEpoch | GroupError::UnknownMemberId | GroupError::GroupIdNotFound => {
                    self.clients[number].rejoin();
                }
                other => panic!("unexpected {other:?}: {}", refused.message),
            },
        }
    }

    fn hear(&mut self, number: usize, reply: HeartbeatReply) {
        let client = &mut self.clients[number];
        client.says_all = false;
        client.changed = false;
        client.epoch = reply.member_epoch;
        client.endpoint_epoch = reply.endpoint_epoch;
        if let Some(tasks) = reply.tasks {
            client.told = Some(tasks);
        }
        // The shell creates what is missing, mostly.
        for topic in reply.missing_topics {
            if !self.random.one_in(3) {
                self.bench.set_topic(&topic.name, topic.partitions);
            }
        }
    }
}

impl Client {
    fn request(&self) -> HeartbeatRequest {
        let mut request = HeartbeatRequest {
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            endpoint_epoch: self.endpoint_epoch,
            ..HeartbeatRequest::default()
        };
        let joins = self.epoch == 0;
        if joins || self.says_all {
            request.rebalance_timeout_ms = Some(30_000);
            request.process_id = Some(format!("p{}", self.process).into());
        }
        if joins {
            request.topology = Some(topology());
        }
        if joins || self.says_all || self.changed {
            request.active = Some(self.running.active.clone());
            request.standby = Some(self.running.standby.clone());
            request.warmup = Some(Tasks::new());
        }
        request
    }

    /// Gives up what it is no longer to run, and takes the rest.
    fn obey(&mut self) {
        if let Some(told) = self.told.take() {
            self.running = told;
            self.changed = true;
        }
    }

    /// Tasks that it has not got to may be out of date by the answer that was lost, so it waits to be told
    /// again.
    fn answer_was_lost(&mut self) {
        self.told = None;
        self.says_all = true;
    }

    /// Stops all tasks, and joins with the next heartbeat.
    fn rejoin(&mut self) {
        self.running = TaskLists::default();
        self.told = None;
        self.epoch = 0;
        self.changed = false;
        self.says_all = false;
    }
}

#[test]
fn random_histories_keep_every_promise() {
    play_all(histories(200), |seed| {
        let mut history = History::new(seed);
        history.play();
        history.calm_down();
        history.check_end();
    });
}
