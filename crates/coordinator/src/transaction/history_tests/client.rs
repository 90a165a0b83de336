//! The clients of a history, and the network between them and the broker.
//!
//! A client sends one request at a time, and sends it again by a new connection until it is answered. What it
//! has given up may still arrive, by the old connection; requests of the newer protocol also more than once.
//! Two things that a client cannot survive in Kafka either are left out: an InitProducerId or, where the
//! older EndTxn follows, a Produce 12 that comes late to an owner whose epoch has stayed.

mod answers;

use std::collections::BTreeSet;

use super::super::{
    ProducerIdAndEpoch,
    Protocol::{self, V1, V2},
    Sender,
    decision::AGAIN_AFTER_MS,
    testing::{TIMEOUT_MS, producer},
};
use super::requests::{Layout, Request, Sent};
use super::world::World;
use crate::histories::Random;

const STEPS: usize = 150;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Must send InitProducerId.
    Outside,
    Ready,
    /// In a transaction.
    Open,
    /// Refused for ever, or killed.
    Gone,
}

#[derive(Debug)]
struct Client {
    number: u64,
    protocol: Protocol,
    /// Writes by the newer protocol and ends by the older one, as Flink's committer.
    mixes: bool,
    connection: u64,
    producer: Option<ProducerIdAndEpoch>,
    phase: Phase,
    transaction: u64,
    /// Announced in the transaction that is open.
    partitions: BTreeSet<i32>,
    groups: BTreeSet<String>,
    /// Sent, or to be sent, and not answered yet.
    pending: Option<Request>,
}

impl Client {
    fn sent(&self, request: Request) -> Sent {
        let producer = self.producer.unwrap_or(producer(-1, -1));
        let sender = Sender { producer, connection: self.connection };
        Sent { client: self.number, transaction: self.transaction, sender, request }
    }

    /// True if a request may come late.
    fn may_delay(&self, request: &Request) -> bool {
        match request {
            Request::Produce(_, V2) | Request::Offsets(_, V2) => !self.mixes,
            _ => true,
        }
    }
}

/// See the file's header.
pub(super) struct History {
    world: World,
    random: Random,
    clients: Vec<Client>,
    /// Requests whose senders no longer wait for them.
    late: Vec<Sent>,
    connections: u64,
    numbers: u64,
}

impl History {
    pub(super) fn new(mut random: Random, begins_at: Option<ProducerIdAndEpoch>) -> History {
        let shards = if random.one_in(2) { 1 } else { 3 };
        let mut world = World::new(begins_at, Layout { shards });
        if random.one_in(3) {
            world.set_expiration(u64::from(TIMEOUT_MS) * 2);
        }
        History { world, random, clients: Vec::new(), late: Vec::new(), connections: 0, numbers: 0 }
    }

    pub(super) fn play(&mut self) {
        for _ in 0..STEPS {
            match self.random.below(100) {
                0..4 => self.start(),
                4..6 => self.kill(),
                6..14 => self.deliver_late(),
                14..18 => {
                    let ms = self.random.below(3_000);
                    self.world.pass(ms);
                }
                18..20 => {
                    let ms = self.random.below(u64::from(TIMEOUT_MS) * 3 / 2);
                    self.world.pass(ms);
                }
                20..22 => {
                    self.world.restart();
                    self.lose_connections();
                }
                22 => {
                    self.world.crash_at_the_alarm();
                    self.lose_connections();
                }
                23..38 => self.world.step_network(&mut self.random),
                38 => self.world.cut_network(&mut self.random),
                _ => self.act(),
            }
        }
    }

    /// All that is late arrives, every transaction ends, and a new producer commits.
    pub(super) fn calm_down(&mut self) {
        while !self.late.is_empty() {
            self.deliver_late();
        }
        // A begin may be ahead of the clock, by one millisecond for each end that was decided in the same one.
        self.world.pass(u64::from(TIMEOUT_MS) + STEPS as u64);
        self.complete();
        assert!(!self.world.is_open());
        self.clients.clear();
        self.start();
        for _ in 0..200 {
            self.act();
            self.complete();
            let client = &self.clients[0];
            let fate = self.world.fate(client.transaction);
            if client.phase == Phase::Ready && fate.is_some_and(|fate| fate.commit) {
                return;
            }
            assert_ne!(self.clients[0].phase, Phase::Gone, "the only producer is refused");
        }
        panic!("does not come to a commit");
    }

    /// A decided end reaches every shard: lost messages are sent again.
    fn complete(&mut self) {
        for _ in 0..100 {
            self.world.drain_network(&mut self.random);
            if !self.world.is_prepared() {
                return;
            }
            self.world.pass(u64::from(AGAIN_AFTER_MS));
        }
        panic!("an end is never complete");
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn connect(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    fn start(&mut self) {
        self.clients.retain(|client| client.phase != Phase::Gone);
        if self.clients.len() == 3 {
            return;
        }
        let (number, connection) = (self.number(), self.connect());
        let (protocol, mixes) =
            [(V1, false), (V2, false), (V2, true)][usize::try_from(self.random.below(3)).unwrap()];
        self.clients.push(Client {
            number,
            protocol,
            mixes,
            connection,
            producer: None,
            phase: Phase::Outside,
            transaction: 0,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            pending: None,
        });
    }

    fn kill(&mut self) {
        let Some(client) = self.pick() else { return };
        let client = self.clients.remove(client);
        if let Some(request) = client.pending.clone().filter(|request| client.may_delay(request)) {
            self.delay(client.sent(request));
        }
    }

    fn pick(&mut self) -> Option<usize> {
        let nth = self.random.next().checked_rem(self.clients.len() as u64)?;
        usize::try_from(nth).ok()
    }

    fn delay(&mut self, mut sent: Sent) {
        if matches!(sent.request, Request::Init { named: None, .. }) {
            // Served late it makes an owner that hears nothing of it.
            sent.client = self.number();
        }
        self.late.push(sent);
    }

    fn deliver_late(&mut self) {
        let Some(nth) = self.random.next().checked_rem(self.late.len() as u64) else { return };
        let nth = usize::try_from(nth).unwrap();
        let sent = self.late[nth].clone();
        let by_epoch = matches!(
            sent.request,
            Request::Produce(_, V2) | Request::Offsets(_, V2) | Request::End { protocol: V2, .. }
        );
        if !by_epoch || !self.random.one_in(3) {
            self.late.swap_remove(nth);
        }
        if matches!(sent.request, Request::Init { named: Some(_), .. }) && !self.world.is_known() {
            // It would make an owner that hears nothing of it.
            return;
        }
        self.world.serve(&sent);
    }

    fn lose_connections(&mut self) {
        self.late.clear();
        for client in 0..self.clients.len() {
            self.clients[client].connection = self.connect();
        }
    }

    /// The next step of a client's loop: a request, and what becomes of it.
    fn act(&mut self) {
        let Some(nth) = self.pick() else { return self.start() };
        if self.clients[nth].phase == Phase::Gone {
            return;
        }
        if self.clients[nth].pending.is_none() {
            let request = self.next_request(nth);
            self.clients[nth].pending = Some(request);
        }
        let client = &self.clients[nth];
        let request = client.pending.clone().unwrap();
        let (sent, may_delay) = (client.sent(request.clone()), client.may_delay(&request));
        match self.random.below(20) {
            0..2 => drop(self.world.serve(&sent)),
            2..4 if may_delay => self.delay(sent),
            4 => {}
            5 => {
                let lost = self.random.one_in(2);
                self.world.serve_and_crash(&sent, lost);
                if self.random.one_in(2) {
                    self.world.cut_network(&mut self.random);
                }
                return self.lose_connections();
            }
            _ => {
                let answer = self.world.serve(&sent);
                return self.hear(nth, &request, answer);
            }
        }
        // The client hears nothing, and gives its connection up.
        self.clients[nth].connection = self.connect();
    }

    fn next_request(&mut self, nth: usize) -> Request {
        let timeout_ms = if self.random.one_in(4) { 5_000 } else { TIMEOUT_MS };
        let client = &self.clients[nth];
        let named = client.producer;
        match client.phase {
            Phase::Outside | Phase::Gone => Request::Init { timeout_ms, named },
            // After an error of its own, or since the features have changed.
            _ if self.random.one_in(15) => Request::Init { timeout_ms, named },
            Phase::Ready => {
                self.clients[nth].transaction = self.number();
                let client = &mut self.clients[nth];
                client.partitions.clear();
                client.groups.clear();
                if client.protocol == V2 && self.random.one_in(10) {
                    return Request::End { commit: false, protocol: V2 };
                }
                self.join(nth)
            }
            Phase::Open if self.random.one_in(3) => {
                let protocol = if client.mixes && self.random.one_in(2) { V1 } else { client.protocol };
                Request::End { commit: !self.random.one_in(3), protocol }
            }
            Phase::Open => self.join(nth),
        }
    }

    /// A request that joins, or that writes what has joined.
    fn join(&mut self, nth: usize) -> Request {
        let partitions: Vec<i32> = (0..4).filter(|_| self.random.one_in(2)).collect();
        let group = format!("g{}", self.random.below(2));
        let client = &self.clients[nth];
        if client.protocol == V2 {
            return if self.random.one_in(3) {
                Request::Offsets(group, V2)
            } else {
                Request::Produce(partitions, V2)
            };
        }
        match self.random.below(4) {
            0 if !client.groups.is_empty() => {
                Request::Offsets(client.groups.iter().next_back().unwrap().clone(), V1)
            }
            1 if !client.partitions.is_empty() => {
                Request::Produce(client.partitions.iter().copied().collect(), V1)
            }
            2 => Request::AddOffsets(group),
            _ => Request::AddPartitions(partitions),
        }
    }
}
