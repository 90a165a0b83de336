//! A restart on the same folder: acknowledged records, ids and groups are still the same.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ottla_tests::admin::{
    commit, committed, create_topic, create_topic_with, init_producer_id, leader_epochs, list_offset, topic,
};
use ottla_tests::broker::{STOP, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::consumer::read_all;
use ottla_tests::history::Id;
use ottla_tests::load::Load;
use ottla_tests::producer::{Settings, produce};
use ottla_tests::records::{Content, Sequenced, batch};

const TOPIC: &str = "restart";

/// Both ways to end a broker.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Terminate,
    Kill,
}

/// Ends the broker, starts it again, and connects.
fn restart(broker: &mut TestBroker, end: End) -> Result<Client> {
    match end {
        End::Terminate => drop(broker.terminate()?),
        End::Kill => broker.kill_9()?,
    }
    broker.start()?;
    Client::connect(broker.address())
}

fn records(from: u64, count: u64) -> Vec<Content> {
    (from..from + count).map(|sequence| Content::of(Id { producer: 0, sequence })).collect()
}

#[test]
fn sigterm_under_load_ends_within_five_seconds_and_loses_nothing() -> Result<()> {
    let mut broker = TestBroker::start_new()?;
    create_topic(&mut Client::connect(broker.address())?, TOPIC, 4)?;
    let mut load = Load::new(broker.address());
    for number in 0..3 {
        load.produce(Settings {
            topic: TOPIC.to_owned(),
            partitions: (0..4).collect(),
            acks: if number == 2 { 1 } else { -1 },
            idempotent: number == 0,
            in_flight: 5,
            number,
        })?;
    }
    load.consume(TOPIC, 0)?;
    for _ in 0..3 {
        load.moves(200)?;
        let took = broker.terminate()?;
        ensure!(took < STOP, "SIGTERM took {took:?}");
        ensure!(broker.exited().is_err(), "it still runs");
        broker.start()?;
    }
    load.moves(1).context("after the last restart")?;
    let history = load.finish(TOPIC, 4)?;
    let violations = history.violations();
    eprintln!("{} records acknowledged over 3 restarts", history.acked());
    ensure!(violations.is_empty(), "{}", violations.report());
    Ok(())
}

#[test]
fn sequences_survive_a_stop_and_a_kill() -> Result<()> {
    for end in [End::Terminate, End::Kill] {
        let mut broker = TestBroker::start_new()?;
        let mut client = Client::connect(broker.address())?;
        create_topic(&mut client, TOPIC, 1)?;
        let (producer_id, producer_epoch) = init_producer_id(&mut client)?;
        let sent = |base_sequence: i32, count| {
            let sequenced = Sequenced { producer_id, producer_epoch, base_sequence };
            batch(&records(base_sequence as u64, count), Some(sequenced)).freeze()
        };
        let first = produce(&mut client, TOPIC, 0, -1, sent(0, 3))?;
        let second = produce(&mut client, TOPIC, 0, -1, sent(3, 2))?;
        ensure!((first.base_offset, second.base_offset) == (0, 3), "{end:?}: {first:?} {second:?}");

        let mut client = restart(&mut broker, end)?;
        let again = produce(&mut client, TOPIC, 0, -1, sent(0, 3))?;
        ensure!((again.error_code, again.base_offset) == (0, 0), "{end:?}: the first batch again: {again:?}");
        let again = produce(&mut client, TOPIC, 0, -1, sent(3, 2))?;
        ensure!(
            (again.error_code, again.base_offset) == (0, 3),
            "{end:?}: the second batch again: {again:?}"
        );
        let gap = produce(&mut client, TOPIC, 0, -1, sent(9, 1))?;
        ensure!(gap.error_code == 45, "{end:?}: a gap: {gap:?}");
        let next = produce(&mut client, TOPIC, 0, -1, sent(5, 1))?;
        ensure!((next.error_code, next.base_offset) == (0, 5), "{end:?}: the next batch: {next:?}");
        let old = Sequenced { producer_id, producer_epoch: producer_epoch - 1, base_sequence: 6 };
        let fenced = produce(&mut client, TOPIC, 0, -1, batch(&records(6, 1), Some(old)).freeze());
        // An epoch below 0 means none; only an epoch from 0 on can be fenced.
        ensure!(fenced.is_ok_and(|answer| answer.error_code != 0), "{end:?}: an older epoch was accepted");
        ensure!(read_all(&mut client, TOPIC, 0)?.len() == 6, "{end:?}: not six records");
    }
    Ok(())
}

#[test]
fn leader_epoch_rises_after_a_crash_and_only_then() -> Result<()> {
    let mut broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 3)?;
    let mut before = leader_epochs(&mut client, TOPIC)?;
    ensure!(before.iter().all(|epoch| *epoch >= 0), "epochs {before:?}");
    for end in [End::Terminate, End::Kill, End::Kill, End::Terminate, End::Kill] {
        let mut client = restart(&mut broker, end)?;
        let after = leader_epochs(&mut client, TOPIC)?;
        for (before, after) in before.iter().zip(&after) {
            let right = if end == End::Kill { after > before } else { after == before };
            ensure!(right, "{end:?}: epoch {before} became {after}");
        }
        let epoch = after.first().copied().context("no partition")?;
        produce(&mut client, TOPIC, 0, -1, batch(&records(0, 1), None).freeze())?;
        let newest = read_all(&mut client, TOPIC, 0)?.last().map(|seen| seen.leader_epoch);
        ensure!(newest == Some(epoch), "{end:?}: a batch of epoch {newest:?} while the leader's is {epoch}");
        before = after;
    }
    Ok(())
}

#[test]
fn topics_offsets_and_groups_survive_a_restart() -> Result<()> {
    for end in [End::Terminate, End::Kill] {
        let mut broker = TestBroker::start_new()?;
        let mut client = Client::connect(broker.address())?;
        create_topic_with(&mut client, TOPIC, 2, &[("retention.ms", "123456789")])?;
        let id = topic(&mut client, TOPIC)?.topic_id;
        ensure!(!id.is_nil(), "a topic without an id");
        for partition in 0..2 {
            produce(&mut client, TOPIC, partition, -1, batch(&records(0, 10), None).freeze())?;
        }
        commit(&mut client, "group", TOPIC, 0, 7, "seven")?;
        commit(&mut client, "group", TOPIC, 1, 3, "")?;
        let (producer_id, _) = init_producer_id(&mut client)?;

        let mut client = restart(&mut broker, end)?;
        ensure!(topic(&mut client, TOPIC)?.topic_id == id, "{end:?}: another topic id");
        for partition in 0..2 {
            let end_offset = list_offset(&mut client, TOPIC, partition, -1)?;
            ensure!(end_offset == 10, "{end:?}: partition {partition} ends at {end_offset}");
        }
        let back = (committed(&mut client, "group", TOPIC, 0)?, committed(&mut client, "group", TOPIC, 1)?);
        ensure!(back == ((7, "seven".to_owned()), (3, String::new())), "{end:?}: committed {back:?}");
        let mut ids = vec![producer_id];
        for _ in 0..3 {
            ids.push(init_producer_id(&mut client)?.0);
        }
        ensure!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{end:?}: producer ids {ids:?}");
    }
    Ok(())
}

/// acks=1 and acks=0 promise less, yet records that reached the log before kill -9 survive it.
#[test]
fn acks_one_survives_a_kill() -> Result<()> {
    let mut broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 1)?;
    let mut acked = Vec::new();
    let since = Instant::now();
    for round in 0..300 {
        let answer = produce(&mut client, TOPIC, 0, 1, batch(&records(round, 1), None).freeze())?;
        acked.push((answer.base_offset, round));
        if since.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    // At once: nothing had time to be synced.
    let mut client = restart(&mut broker, End::Kill)?;
    let all = read_all(&mut client, TOPIC, 0)?;
    for (offset, sequence) in acked {
        let seen = all.iter().find(|seen| seen.offset == offset).and_then(|seen| seen.id);
        ensure!(seen == Some(Id { producer: 0, sequence }), "offset {offset}: {seen:?}");
    }
    Ok(())
}

/// A record that was read can be read again: a fetch after the kill returns the same record at its offset.
#[test]
fn a_topic_that_is_deleted_and_created_again_is_another_one() -> Result<()> {
    use codec::messages::DeleteTopicsRequest;
    use ottla_tests::admin::topic_name;
    for end in [End::Terminate, End::Kill] {
        let mut broker = TestBroker::start_new()?;
        let mut client = Client::connect(broker.address())?;
        create_topic(&mut client, TOPIC, 1)?;
        let old = topic(&mut client, TOPIC)?.topic_id;
        produce(&mut client, TOPIC, 0, -1, batch(&records(0, 5), None).freeze())?;
        let request =
            DeleteTopicsRequest::default().with_topic_names(vec![topic_name(TOPIC)]).with_timeout_ms(10_000);
        let answer = client.call(5, &request)?;
        ensure!(answer.responses.first().is_some_and(|topic| topic.error_code == 0), "{answer:?}");
        create_topic(&mut client, TOPIC, 1)?;
        let mut client = restart(&mut broker, end)?;
        ensure!(topic(&mut client, TOPIC)?.topic_id != old, "{end:?}: the same topic id");
        ensure!(list_offset(&mut client, TOPIC, 0, -1)? == 0, "{end:?}: old records are back");
        let first: Bytes = batch(&records(9, 1), None).freeze();
        ensure!(produce(&mut client, TOPIC, 0, -1, first)?.base_offset == 0, "{end:?}: not at offset 0");
    }
    Ok(())
}
