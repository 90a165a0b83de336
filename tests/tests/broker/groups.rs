//! Groups: a member that vanishes is replaced within the session timeout, no record is skipped, and a restart of the
//! broker that is shorter than the session timeout causes no rebalance.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use codec::messages::ConsumerGroupHeartbeatRequest;
use ottla_tests::admin::{create_topic, group_id, list_offset, text, topic_name};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::eventually;
use ottla_tests::load::Load;
use ottla_tests::member::{Member, Settings, nothing_skipped};
use ottla_tests::producer;

const TOPIC: &str = "grouped";
const GROUP: &str = "group";
const PARTITIONS: i32 = 6;

fn broker() -> Result<TestBroker> {
    let broker = Options::default()
        .set("group.min.session.timeout.ms", 100)
        .set("group.initial.rebalance.delay.ms", 100)
        .start()?;
    create_topic(&mut Client::connect(broker.address())?, TOPIC, PARTITIONS)?;
    Ok(broker)
}

fn settings(session_timeout: Duration) -> Settings {
    Settings {
        group: GROUP.to_owned(),
        topic: TOPIC.to_owned(),
        partitions: PARTITIONS,
        session_timeout,
        instance: None,
    }
}

/// Records keep coming into all partitions.
fn load(broker: &TestBroker) -> Result<Load> {
    let mut load = Load::new(broker.address());
    load.produce(producer::Settings {
        topic: TOPIC.to_owned(),
        partitions: (0..PARTITIONS).collect(),
        acks: -1,
        idempotent: true,
        in_flight: 1,
        number: 0,
    })?;
    Ok(load)
}

/// Two members that share all partitions, and work.
fn pair(broker: &TestBroker, session_timeout: Duration) -> Result<[Member; 2]> {
    let members = [
        Member::start(broker.address(), settings(session_timeout))?,
        Member::start(broker.address(), settings(session_timeout))?,
    ];
    eventually!(
        20,
        members.iter().all(|member| member.notes().owned.len() == 3),
        "both own three partitions"
    );
    eventually!(20, members.iter().all(|member| member.notes().processed.len() >= 3), "both process");
    Ok(members)
}

fn ends(broker: &TestBroker) -> Result<BTreeMap<i32, i64>> {
    let mut client = Client::connect(broker.address())?;
    (0..PARTITIONS)
        .map(|partition| Ok((partition, list_offset(&mut client, TOPIC, partition, -1)?)))
        .collect()
}

#[test]
fn a_member_that_vanishes_is_replaced_within_the_session_timeout() -> Result<()> {
    let session = Duration::from_secs(2);
    let broker = broker()?;
    let load = load(&broker)?;
    let [one, other] = pair(&broker, session)?;
    let dead = one.kill()?;
    let since = Instant::now();
    eventually!(10, other.notes().owned.len() == PARTITIONS as usize, "the other owns all six");
    let took = since.elapsed();
    // Its last heartbeat may have been just before it died; the rest of the time is for the rebalance.
    ensure!(took < session + Duration::from_secs(1), "it took {took:?}");
    let heir = other.notes();
    for partition in &dead.owned {
        let next =
            dead.processed.get(partition).and_then(|offsets| offsets.last()).map_or(0, |last| last + 1);
        let began = heir.began.get(partition).and_then(|began| began.last()).copied();
        // The broker may have answered a commit that the dead member never received.
        ensure!(
            began.is_some_and(|began| began >= next),
            "partition {partition} went on at {began:?}, not {next}"
        );
    }
    let history = load.finish(TOPIC, PARTITIONS)?;
    ensure!(history.acked() > 100, "only {} records", history.acked());
    let ends = ends(&broker)?;
    eventually!(10, nothing_skipped(&[dead.clone(), other.notes()], &ends).is_ok(), "all is processed");
    let last = other.kill()?;
    eprintln!("the other member owned all after {took:?}; {} records", ends.values().sum::<i64>());
    // Except for the records that the dead member had begun, no record was processed twice.
    let twice: usize = last
        .processed
        .values()
        .map(|offsets| offsets.windows(2).filter(|pair| pair[1] != pair[0] + 1).count())
        .sum();
    ensure!(twice == 0, "{twice} times a member did not go on where it was");
    Ok(())
}

#[test]
fn a_restart_shorter_than_the_session_timeout_is_no_rebalance() -> Result<()> {
    let mut broker = broker()?;
    let load = load(&broker)?;
    let members = pair(&broker, Duration::from_secs(6))?;
    let before = members.each_ref().map(Member::notes);
    for kill in [false, true, true] {
        if kill {
            broker.kill_9()?;
        } else {
            broker.terminate()?;
        }
        broker.start()?;
        let processed = || {
            members.each_ref().map(|member| member.notes().processed.values().map(Vec::len).sum::<usize>())
        };
        let then = processed();
        eventually!(5, processed().iter().zip(&then).all(|(now, then)| now > then), "both go on");
    }
    load.finish(TOPIC, PARTITIONS)?;
    let ends = ends(&broker)?;
    eventually!(
        10,
        nothing_skipped(&members.each_ref().map(Member::notes), &ends).is_ok(),
        "all is processed"
    );
    for (before, member) in before.iter().zip(members) {
        let after = member.kill()?;
        ensure!(
            after.joins == before.joins,
            "it joined {} times, before the restarts {}",
            after.joins,
            before.joins
        );
        let (was, is) = ((&before.member_id, before.generation), (&after.member_id, after.generation));
        ensure!(was == is, "was {was:?}, is {is:?}");
        ensure!(before.owned == after.owned, "owned {:?}, owns {:?}", before.owned, after.owned);
    }
    Ok(())
}

/// Each round wrote several lines to the log, for as long as the client liked.
#[test]
fn a_client_that_joins_and_leaves_in_a_loop_does_not_flood_the_log() -> Result<()> {
    const ROUNDS: usize = 600;
    let broker = broker()?;
    let mut client = Client::connect(broker.address())?;
    let since = Instant::now();
    for _ in 0..ROUNDS {
        for epoch in [0, -1] {
            let beat = ConsumerGroupHeartbeatRequest::default()
                .with_group_id(group_id("restless"))
                .with_member_id(text("member"))
                .with_member_epoch(epoch)
                .with_rebalance_timeout_ms(60_000)
                .with_subscribed_topic_names(Some(vec![topic_name(TOPIC)]))
                .with_topic_partitions(Some(Vec::new()));
            let answer = client.call(1, &beat)?;
            ensure!(answer.error_code == 0, "epoch {epoch}: error {}", answer.error_code);
        }
    }
    // A line of each kind is earned in a second.
    let earned = since.elapsed().as_secs() as usize + 1;
    for kind in ["member joins the consumer group", "member leaves"] {
        let lines = broker.lines_with(kind).len();
        ensure!(lines > 0 && lines <= 200 + earned, "{lines} lines: {kind}");
    }
    Ok(())
}
