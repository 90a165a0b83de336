//! Thousands of random lives of a group, each from a seed: clients join, sync, heartbeat, commit, leave, hang, die and
//! come back, the broker is killed and started again. The clients behave as Kafka's do; the checks know only what
//! they were told. What must hold:
//!
//! 1. A partition has one owner per generation, over all restarts.
//! 2. A committed offset never goes back: a member that lost a partition can no longer commit for it.
//! 3. What was committed is what is read, also after a restart.
//! 4. No client starves: once things calm down, all living clients share all partitions in a stable group; with none
//!    living the group is empty. No request stays unanswered.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    GenerationId, GroupConfig, GroupError, GroupInstanceId, MemberId,
    classic::State,
    reply::{JoinWaiter, JoinedGroup, SyncWaiter},
    requests::{CommitIdentity, JoinRequest, LeavingMember, SyncRequest},
    testing::{Bench, SESSION_MS, commit},
};
pub(super) use crate::histories::Random;

const PARTITIONS: i32 = 6;
const STEPS: usize = 120;

/// The number of histories of a run of each test: `few`, or as many as `OTTLA_GROUP_HISTORIES` asks for.
pub(super) fn histories(few: u64) -> u64 {
    crate::histories::count("GROUP").unwrap_or(few)
}

/// Plays the history of every seed below `count`, or of the one that `OTTLA_GROUP_SEED` names.
pub(super) fn play_all(count: u64, play: impl Fn(u64) + std::panic::RefUnwindSafe) {
    crate::histories::play_all("GROUP", count, play);
}

#[derive(Debug)]
enum Phase {
    /// Not running.
    Gone,
    /// Must send JoinGroup.
    Outside,
    Joining(JoinWaiter),
    /// Must send SyncGroup; the leader knows the members.
    Joined(JoinedGroup),
    Syncing(SyncWaiter),
    /// Consumes: position by partition.
    Owner(BTreeMap<i32, i64>),
}

#[derive(Debug)]
struct Client {
    id: MemberId,
    instance: Option<GroupInstanceId>,
    generation: GenerationId,
    phase: Phase,
    protocols: &'static [&'static str],
    /// An answer to its JoinGroup may have been lost, so its id may be an old one without its fault.
    answer_lost: bool,
}

/// A process that was taken for dead and still has a commit to send.
#[derive(Debug)]
struct Zombie {
    who: CommitIdentity,
    partition: i32,
    position: i64,
}

impl Client {
    fn identity(&self) -> CommitIdentity {
        CommitIdentity {
            member_id: self.id.clone(),
            group_instance_id: self.instance.clone(),
            generation: self.generation,
        }
    }
}

struct History {
    bench: Bench,
    random: Random,
    clients: Vec<Client>,
    zombies: Vec<Zombie>,
    /// The members that were ever told to own a partition: instance, or member.
    owners: BTreeMap<(GenerationId, i32), String>,
    /// The offsets that the clients were told are committed.
    committed: BTreeMap<i32, i64>,
}

impl History {
    fn new(seed: u64) -> History {
        let mut random = Random(seed);
        let config = GroupConfig {
            initial_rebalance_delay_ms: [0, 3_000][usize::from(random.one_in(2))],
            max_size: if random.one_in(4) { 3 } else { 100 },
            ..GroupConfig::default()
        };
        let clients = (0..2 + random.below(4))
            .map(|number| Client {
                id: MemberId::none(),
                instance: random.one_in(3).then(|| GroupInstanceId::from(format!("i{number}"))),
                generation: GenerationId::NONE,
                phase: Phase::Gone,
                protocols: &["range"],
                answer_lost: false,
            })
            .collect();
        let bench = Bench::with(config);
        History {
            bench,
            random,
            clients,
            zombies: Vec::new(),
            owners: BTreeMap::new(),
            committed: BTreeMap::new(),
        }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            let client = usize::try_from(self.random.below(self.clients.len() as u64)).unwrap();
            match self.random.below(100) {
                0..5 => self.start(client),
                5..8 => self.kill(client),
                8..11 => self.leave(client),
                11..14 => self.restart_broker(),
                14..16 => self.clients[client].protocols = &["range", "sticky"],
                16..19 => self.rejoin(client),
                19..22 => self.wake_a_zombie(),
                22..27 => self.bench.pass(self.random.below(u64::from(SESSION_MS) * 2)),
                27..50 => self.bench.pass(self.random.below(3_000)),
                _ => self.act(client),
            }
            self.hear();
            self.check_offsets();
        }
    }

    /// Everybody who lives does what it has to, for a long time.
    fn calm_down(&mut self) {
        // A group that is too large may not take all in; then none of the rest may hang.
        self.bench.config.max_size = 100;
        for _ in 0..1_200 {
            for client in 0..self.clients.len() {
                self.act(client);
                self.hear();
            }
            self.bench.pass(500);
            self.hear();
        }
        self.check_offsets();
    }

    fn check_end(&self) {
        let living: Vec<&Client> =
            self.clients.iter().filter(|client| !matches!(client.phase, Phase::Gone)).collect();
        if living.is_empty() {
            assert_eq!(self.bench.state(), State::Empty);
            return;
        }
        assert_eq!(self.bench.state(), State::Stable);
        let mut owned: Vec<i32> = Vec::new();
        for client in &living {
            let Phase::Owner(partitions) = &client.phase else { panic!("starves: {client:?}") };
            owned.extend(partitions.keys());
        }
        owned.sort_unstable();
        assert_eq!(owned, (0..PARTITIONS).collect::<Vec<_>>(), "all partitions, each once");
        assert_eq!(self.bench.machine.classic().describe().members.len(), living.len());
    }

    fn start(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if matches!(client.phase, Phase::Gone) {
            client.id = MemberId::none();
            client.generation = GenerationId::NONE;
            client.phase = Phase::Outside;
            client.answer_lost = false;
        }
    }

    /// The client dies, or at least it looks like that.
    fn kill(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if let Phase::Owner(positions) = std::mem::replace(&mut client.phase, Phase::Gone) {
            let zombie = |(partition, position)| Zombie { who: client.identity(), partition, position };
            self.zombies.extend(positions.into_iter().map(zombie));
        }
    }

    /// It may commit as long as no other has taken its place, and never after that.
    fn wake_a_zombie(&mut self) {
        let Some(Zombie { who, partition, position }) = self.zombies.pop() else { return };
        if self.bench.commit_as(&who, None, vec![commit("t", partition, position)]).is_ok() {
            self.note_commit(partition, position);
        }
    }

    fn note_commit(&mut self, partition: i32, position: i64) {
        let before = self.committed.insert(partition, position).unwrap_or(0);
        assert!(position >= before, "partition {partition} went back from {before} to {position}");
    }

    fn leave(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if matches!(client.phase, Phase::Gone) {
            return;
        }
        client.phase = Phase::Gone;
        let leaving = [LeavingMember {
            member_id: client.id.clone(),
            group_instance_id: client.instance.clone(),
            reason: None,
        }];
        let _ = self.bench.step(|group, now, config, out| group.leave(now, config, &leaving, out));
    }

    fn restart_broker(&mut self) {
        self.bench.pass(self.random.below(u64::from(SESSION_MS)));
        self.hear();
        self.bench.restart();
        // Requests that were waiting are lost; their senders ask again.
        for client in &mut self.clients {
            if matches!(client.phase, Phase::Joining(_) | Phase::Syncing(_)) {
                client.phase = Phase::Outside;
                client.answer_lost = true;
            }
        }
    }

    /// A member joins again out of the blue, as when its subscription changes or its request timed out.
    fn rejoin(&mut self, number: usize) {
        let client = &mut self.clients[number];
        client.answer_lost |= matches!(client.phase, Phase::Joining(_));
        if !matches!(client.phase, Phase::Gone) {
            client.phase = Phase::Outside;
        }
    }

    /// The next step of the client's loop.
    fn act(&mut self, number: usize) {
        match &self.clients[number].phase {
            Phase::Gone | Phase::Joining(_) | Phase::Syncing(_) => {}
            Phase::Outside => self.join(number),
            Phase::Joined(joined) => {
                let joined = joined.clone();
                self.sync(number, &joined);
            }
            Phase::Owner(_) if self.random.one_in(2) => self.heartbeat(number),
            Phase::Owner(_) => self.consume(number),
        }
    }

    fn join(&mut self, number: usize) {
        let client = &self.clients[number];
        let (id, instance, protocols) = (client.id.clone(), client.instance.clone(), client.protocols);
        let request =
            self.bench.request(id.as_str(), instance.as_ref().map(GroupInstanceId::as_str), protocols);
        let request = JoinRequest {
            rebalance_timeout_ms: 30_000,
            requires_known_member_id: !number.is_multiple_of(3),
            supports_skipping_assignment: number.is_multiple_of(2),
            ..request
        };
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
            let members = &joined.members;
            for (place, member) in members.iter().enumerate() {
                let mine = (0..PARTITIONS).filter(|partition| *partition as usize % members.len() == place);
                let mine: Vec<u8> = mine.map(|partition| u8::try_from(partition).unwrap()).collect();
                request.assignments.insert(member.member_id.clone(), Bytes::from(mine));
            }
        }
        let waiter = self.bench.waiter();
        self.bench.step(|group, now, _, out| group.sync(now, request, waiter, out));
        self.clients[number].phase = Phase::Syncing(waiter);
    }

    fn heartbeat(&mut self, number: usize) {
        let client = &self.clients[number];
        let (id, instance, generation) = (client.id.clone(), client.instance.clone(), client.generation);
        let result = self.bench.step(|group, now, _, out| {
            group.heartbeat(now, id.as_str(), instance.as_ref().map(GroupInstanceId::as_str), generation, out)
        });
        // A client that is busy with its records rejoins later, and goes on committing until then.
        let busy = result == Err(GroupError::RebalanceInProgress) && self.random.one_in(2);
        self.obey(number, result.err().filter(|_| !busy));
    }

    /// Reads on from its position in one of its partitions and commits.
    fn consume(&mut self, number: usize) {
        let read = i64::try_from(self.random.below(10)).unwrap();
        let pick = self.random.next();
        let client = &mut self.clients[number];
        let Phase::Owner(positions) = &mut client.phase else { return };
        let Some(nth) = pick.checked_rem(positions.len() as u64) else { return };
        let Some((partition, position)) = positions.iter_mut().nth(usize::try_from(nth).unwrap()) else {
            return;
        };
        *position += read;
        let (partition, position) = (*partition, *position);
        let who = client.identity();
        match self.bench.commit_as(&who, None, vec![commit("t", partition, position)]) {
            Ok(results) => {
                assert_eq!(results, [Ok(())]);
                self.note_commit(partition, position);
            }
            Err(error) => self.obey(number, Some(error)),
        }
    }

    fn check_offsets(&self) {
        for partition in 0..PARTITIONS {
            let read = self.bench.committed("t", partition);
            assert_eq!(read, self.committed.get(&partition).copied(), "partition {partition}");
        }
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
                client.generation = joined.generation;
                client.phase = Phase::Joined(joined);
            }
            Err(GroupError::MemberIdRequired) => {
                self.clients[number].id = reply.member_id;
                self.clients[number].phase = Phase::Outside;
            }
            Err(error) => self.obey(number, Some(error)),
        }
    }

    fn hear_sync(&mut self, number: usize, waiter: SyncWaiter) {
        let Some(reply) = self.bench.syncs.remove(&waiter) else { return };
        let synced = match reply {
            Ok(synced) => synced,
            Err(error) => return self.obey(number, Some(error)),
        };
        let client = &mut self.clients[number];
        let name = client.instance.as_ref().map_or_else(|| client.id.to_string(), ToString::to_string);
        let mut positions = BTreeMap::new();
        for partition in synced.assignment.iter().map(|partition| i32::from(*partition)) {
            let owner = self.owners.entry((client.generation, partition)).or_insert_with(|| name.clone());
            assert_eq!(
                *owner, name,
                "two owners of partition {partition} in generation {}",
                client.generation
            );
            positions.insert(partition, self.bench.committed("t", partition).unwrap_or(0));
        }
        client.phase = Phase::Owner(positions);
    }

    /// The reaction of Kafka's clients to an error.
    fn obey(&mut self, number: usize, error: Option<GroupError>) {
        let client = &mut self.clients[number];
        match error {
            None => return,
            Some(GroupError::UnknownMemberId | GroupError::GroupMaxSizeReached) => {
                client.id = MemberId::none()
            }
            Some(GroupError::IllegalGeneration | GroupError::RebalanceInProgress) => {}
            // Each instance id is used by one living client, so it is fenced only if it never learnt its newest id.
            Some(GroupError::FencedInstanceId) if client.answer_lost => {
                client.phase = Phase::Gone;
                return;
            }
            Some(other) => panic!("unexpected {other:?}"),
        }
        client.phase = Phase::Outside;
    }
}

#[test]
fn random_histories_keep_every_promise() {
    play_all(histories(1_000), |seed| {
        let mut history = History::new(seed);
        history.play();
        history.calm_down();
        history.check_end();
    });
}
