//! Clients that share the broker with a greedy one: its connections, or its group, delay the requests of others by little.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use codec::messages::consumer_group_heartbeat_request::TopicPartitions;
use codec::messages::join_group_request::JoinGroupRequestProtocol;
use codec::messages::sync_group_request::SyncGroupRequestAssignment;
use codec::messages::{
    ConsumerGroupHeartbeatRequest, HeartbeatRequest, JoinGroupRequest, ProduceRequest, SyncGroupRequest,
};
use codec::records::BatchBuilder;
use ottla_tests::admin::{commit, connect_to_coordinator, create_topic, group_id, text};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::eventually;
use ottla_tests::honest::Honest;
use ottla_tests::producer::{PRODUCE_VERSION, request};
use parking_lot::Mutex;

/// The address of the greedy client.
const GREEDY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const CONNECTIONS: usize = 500;
const MEMBERS: usize = 1000;
/// Each that comes or leaves is a new assignment for all.
const ASSIGNED_MEMBERS: usize = 300;
/// The shortest session timeout that Kafka allows by default.
const SESSION: Duration = Duration::from_secs(6);

fn broker(connections_of_an_address: usize) -> Result<TestBroker> {
    Options::default()
        .set("max.connection.creation.rate", 1_000_000)
        .set("max.connections.per.ip", connections_of_an_address)
        // Beyond the backlog the kernel lets a client wait for a second.
        .set("socket.listen.backlog.size", 2 * MEMBERS)
        // Time in which all members of the large group join.
        .set("group.initial.rebalance.delay.ms", 500)
        .start()
}

/// One test at a time, as each measures the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Something that goes on, on threads, until it is stopped.
struct Busy {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Busy {
    fn new() -> Busy {
        Busy { stop: Arc::default(), rounds: Arc::default(), threads: Vec::new() }
    }

    fn add(&mut self, mut round: impl FnMut() -> Result<u64> + Send + 'static) -> Result<()> {
        let (stop, rounds) = (Arc::clone(&self.stop), Arc::clone(&self.rounds));
        let body = move || {
            while !stop.load(Ordering::Relaxed) {
                rounds.fetch_add(round()?, Ordering::Relaxed);
            }
            Ok(())
        };
        self.threads.push(thread::Builder::new().name("busy".to_owned()).spawn(body)?);
        Ok(())
    }

    fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("panicked"))??;
        }
        Ok(self.rounds.load(Ordering::Relaxed))
    }
}

#[test]
fn busy_connections_of_one_address_do_not_starve_another() -> Result<()> {
    let _alone = ALONE.lock();
    let broker = broker(CONNECTIONS)?;
    create_topic(&mut Client::connect(broker.address())?, "greedy", 4)?;
    let other = TestBroker::start_new()?;
    let alone = Honest::start(other.address())?;
    thread::sleep(Duration::from_secs(1));
    let alone = alone.finish()?;
    drop(other);

    let mut busy = Busy::new();
    let value = vec![7; 1000];
    let batch: Bytes = BatchBuilder::new().record(1, None, Some(&value)).build();
    for partition in 0..4 {
        let connect = |_| Client::connect_from(GREEDY, broker.address());
        let mut clients: Vec<Client> = (0..CONNECTIONS / 4).map(connect).collect::<Result<_>>()?;
        let request = request("greedy", partition, 1, batch.clone());
        busy.add(move || {
            for client in &mut clients {
                client.send(PRODUCE_VERSION, &request)?;
            }
            for client in &mut clients {
                client.receive::<ProduceRequest>()?;
            }
            Ok(clients.len() as u64)
        })?;
    }
    eventually!(10, busy.rounds() > CONNECTIONS as u64, "the greedy client is at work");
    let mut beyond = Client::connect_from(GREEDY, broker.address())?;
    ensure!(beyond.call(PRODUCE_VERSION, &request("greedy", 0, 1, batch)).is_err(), "its limit is reached");
    let beside = Honest::start(broker.address())?;
    thread::sleep(Duration::from_secs(3));
    let beside = beside.finish()?;
    let sent = busy.finish()?;
    eprintln!("alone {alone:?}, beside {sent} requests of {CONNECTIONS} connections {beside:?}");
    ensure!(beside.p99 < Duration::from_millis(500), "p99 alone {:?}, now {:?}", alone.p99, beside.p99);
    Ok(())
}

/// A group of one classic member, which sends heartbeats and commits offsets; the slowest of both.
struct Quiet {
    client: Client,
    heartbeat: HeartbeatRequest,
}

impl Quiet {
    fn join(broker: &TestBroker) -> Result<Quiet> {
        let mut client = connect_to_coordinator(broker.address(), "quiet")?;
        let joined = client.call(3, &join_request("quiet", "", b"subscription"))?;
        let assignment = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
        let sync = SyncGroupRequest::default()
            .with_group_id(group_id("quiet"))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_assignments(vec![assignment]);
        ensure!(client.call(2, &sync)?.error_code == 0, "SyncGroup");
        let heartbeat = HeartbeatRequest::default()
            .with_group_id(group_id("quiet"))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id);
        Ok(Quiet { client, heartbeat })
    }

    /// The slowest heartbeat and the slowest commit within that time.
    fn watch(&mut self, broker: &TestBroker, time: Duration) -> Result<(Duration, Duration)> {
        let mut committer = connect_to_coordinator(broker.address(), "offsets")?;
        let (mut heartbeat, mut committed) = (Duration::ZERO, Duration::ZERO);
        let since = Instant::now();
        while since.elapsed() < time {
            let sent = Instant::now();
            let code = self.client.call(2, &self.heartbeat)?.error_code;
            heartbeat = heartbeat.max(sent.elapsed());
            ensure!(code == 0, "it is no longer a member: {code}, {heartbeat:?} for a heartbeat");
            let sent = Instant::now();
            commit(&mut committer, "offsets", "topic", 0, 1, "")?;
            committed = committed.max(sent.elapsed());
            thread::sleep(Duration::from_millis(10));
        }
        Ok((heartbeat, committed))
    }
}

fn join_request(group: &str, member: &str, metadata: &'static [u8]) -> JoinGroupRequest {
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(metadata.into());
    let timeout = i32::try_from(SESSION.as_millis()).unwrap_or(i32::MAX);
    JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(timeout)
        .with_rebalance_timeout_ms(timeout)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// All members of a large classic group join, the leader first.
fn rebalance(clients: &mut [Client], members: &mut [String]) -> Result<u64> {
    static METADATA: [u8; 500] = [7; 500];
    for (index, (client, member)) in clients.iter_mut().zip(members.iter()).enumerate() {
        client.send(3, &join_request("large", member, &METADATA))?;
        // A follower that came before it would be told the present generation.
        thread::sleep(Duration::from_millis(if index == 0 { 50 } else { 0 }));
    }
    let mut joined = Vec::new();
    for (client, member) in clients.iter_mut().zip(members.iter_mut()) {
        let answer = client.receive::<JoinGroupRequest>()?;
        ensure!(answer.error_code == 0, "JoinGroup: error {}", answer.error_code);
        *member = answer.member_id.to_string();
        joined.push(answer);
    }
    let leader = joined.iter().position(|answer| answer.leader == answer.member_id).context("a leader")?;
    clients.swap(0, leader);
    members.swap(0, leader);
    joined.swap(0, leader);
    for (client, answer) in clients.iter_mut().zip(&joined) {
        let assignment = |member| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member)
                .with_assignment(Bytes::from_static(&METADATA))
        };
        let members = answer.members.iter().map(|member| assignment(member.member_id.clone()));
        let sync = SyncGroupRequest::default()
            .with_group_id(group_id("large"))
            .with_generation_id(answer.generation_id)
            .with_member_id(answer.member_id.clone())
            .with_assignments(members.collect());
        client.send(2, &sync)?;
    }
    for client in clients {
        client.receive::<SyncGroupRequest>()?;
    }
    Ok(1)
}

#[test]
fn rebalances_of_a_large_group_do_not_delay_another_group() -> Result<()> {
    let _alone = ALONE.lock();
    let broker = broker(2 * MEMBERS)?;
    create_topic(&mut Client::connect(broker.address())?, "topic", 1)?;
    let connect = |_| Client::connect_from(GREEDY, broker.address());
    let mut clients: Vec<Client> = (0..MEMBERS).map(connect).collect::<Result<_>>()?;
    let mut members = vec![String::new(); MEMBERS];
    let mut quiet = Quiet::join(&broker)?;
    let alone = quiet.watch(&broker, Duration::from_secs(1))?;
    let mut busy = Busy::new();
    busy.add(move || rebalance(&mut clients, &mut members))?;
    let beside = quiet.watch(&broker, Duration::from_secs(3))?;
    let rebalances = busy.finish()?;
    eprintln!("heartbeat, commit: alone {alone:?}, beside {rebalances} rebalances {beside:?}");
    ensure!(rebalances > 0, "only {rebalances} rebalances");
    ensure!(beside.0.max(beside.1) < SESSION / 6, "alone {alone:?}, now {beside:?}");
    Ok(())
}

#[test]
fn assignments_of_a_large_group_do_not_delay_another_group() -> Result<()> {
    let _alone = ALONE.lock();
    let broker = broker(2 * MEMBERS)?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, "topic", 1)?;
    create_topic(&mut client, "wide", i32::try_from(MEMBERS)?)?;
    let mut busy = Busy::new();
    for thread in 0..4 {
        let (mut client, mut next) = (Client::connect_from(GREEDY, broker.address())?, 0);
        busy.add(move || {
            // At first members come; then they leave and come again, which is a new assignment each time.
            let member = format!("{thread}-{}", next % (ASSIGNED_MEMBERS / 4));
            let beat = |epoch| {
                ConsumerGroupHeartbeatRequest::default()
                    .with_group_id(group_id("wide"))
                    .with_member_id(text(&member))
                    .with_member_epoch(epoch)
                    .with_rebalance_timeout_ms(60_000)
                    .with_subscribed_topic_names(Some(vec![ottla_tests::admin::topic_name("wide")]))
                    .with_topic_partitions(Some(Vec::<TopicPartitions>::new()))
            };
            if next >= ASSIGNED_MEMBERS / 4 {
                client.call(1, &beat(-1))?;
            }
            let answer = client.call(1, &beat(0))?;
            ensure!(answer.error_code == 0, "heartbeat: {} {:?}", answer.error_code, answer.error_message);
            next += 1;
            Ok(1)
        })?;
    }
    eventually!(60, busy.rounds() >= ASSIGNED_MEMBERS as u64, "{} members", busy.rounds());
    let (before, mut quiet) = (busy.rounds(), Quiet::join(&broker)?);
    let beside = quiet.watch(&broker, Duration::from_secs(3))?;
    let joins = busy.finish()? - before;
    eprintln!("heartbeat, commit: beside {joins} assignments {beside:?}");
    ensure!(joins > 10, "only {joins} assignments");
    ensure!(beside.0.max(beside.1) < SESSION / 6, "{beside:?}");
    Ok(())
}
