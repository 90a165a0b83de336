//! A producer that fills the disk: it is refused in time, everything else goes on, and once records are deleted it goes on
//! too.
//!
//! Users saw the broker end when its disk was full, and end again at each start: a write that fails is final.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use codec::messages::{DeleteRecordsRequest, DeleteTopicsRequest};
use codec::records::BatchBuilder;
use ottla_tests::admin::{commit, committed, connect_to_coordinator, create_topic, list_offset, topic_name};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::consumer::{Ask, fetch, read_all};
use ottla_tests::disk::{Disk, unavailable};
use ottla_tests::history::Id;
use ottla_tests::producer::produce;
use ottla_tests::records::{Content, batch};

const DISK_BYTES: u64 = 400 << 20;
const LATEST: i64 = -1;
const KAFKA_STORAGE_ERROR: i16 = 56;
/// Takes most of the disk, and is deleted.
const BULK: &str = "bulk";
/// Stays.
const KEPT: &str = "kept";
/// Bytes of a record in [`BULK`]; there is one to a request.
const BULK_BYTES: usize = 900_000;

/// One producer of both topics, and what it was promised.
struct Writer {
    client: Client,
    bulk: Bytes,
    kept: u64,
}

impl Writer {
    fn new(broker: &TestBroker, kept: u64) -> Result<Writer> {
        let value = vec![7; BULK_BYTES];
        let bulk = BatchBuilder::new().record(1, None, Some(&value)).build();
        Ok(Writer { client: Client::connect(broker.address())?, bulk, kept })
    }

    /// Returns the error code of one record to [`KEPT`].
    fn keep(&mut self) -> Result<i16> {
        let content = Content::of(Id { producer: 1, sequence: self.kept });
        let answer = produce(&mut self.client, KEPT, 0, -1, batch(&[content], None).freeze())?;
        if answer.error_code == 0 {
            ensure!(answer.base_offset == i64::try_from(self.kept)?, "at offset {}", answer.base_offset);
            self.kept += 1;
        }
        Ok(answer.error_code)
    }

    /// Writes until it is refused; returns how many large records were acknowledged.
    fn fill(&mut self, topic: &str) -> Result<i64> {
        for acknowledged in 0..DISK_BYTES / BULK_BYTES as u64 {
            match produce(&mut self.client, topic, 0, -1, self.bulk.clone())?.error_code {
                0 => {}
                KAFKA_STORAGE_ERROR => return Ok(i64::try_from(acknowledged)?),
                other => anyhow::bail!("Produce: error {other}"),
            }
            // The small ones may be refused first.
            self.keep()?;
        }
        anyhow::bail!("more was taken than the disk holds")
    }
}

/// A value on `/metrics`.
fn metric(broker: &TestBroker, name: &str) -> Result<Option<f64>> {
    let mut stream = TcpStream::connect(broker.http_address())?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.map(str::parse).transpose()?)
}

/// Every API that is not Produce goes on, and does so for many requests.
fn others_go_on(broker: &TestBroker, records: i64) -> Result<()> {
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, "created-when-full", 1)?;
    let data = fetch(&mut client, &Ask { topic: BULK, partition: 0, offset: records - 1, max_wait_ms: 0 })?;
    ensure!(data.records.is_some_and(|bytes| bytes.len() > BULK_BYTES), "the newest record is read");
    let mut coordinator = connect_to_coordinator(broker.address(), "group")?;
    for offset in 0..200 {
        commit(&mut coordinator, "group", KEPT, 0, offset, "")?;
    }
    ensure!(committed(&mut coordinator, "group", KEPT, 0)?.0 == 199);
    Ok(())
}

fn delete_records(broker: &TestBroker, topic: &str) -> Result<()> {
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(-1);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let answer = Client::connect(broker.address())?.call(2, &request)?;
    let codes = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|each| each.error_code);
    ensure!(codes.eq([0]), "DeleteRecords: {answer:?}");
    Ok(())
}

fn delete_topic(broker: &TestBroker, topic: &str) -> Result<()> {
    let request =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name(topic)]).with_timeout_ms(10_000);
    let answer = Client::connect(broker.address())?.call(5, &request)?;
    ensure!(answer.responses.iter().all(|one| one.error_code == 0), "DeleteTopics: {answer:?}");
    Ok(())
}

/// Waits until records are taken again, without a restart.
fn resumes(writer: &mut Writer) -> Result<Duration> {
    let since = Instant::now();
    loop {
        match writer.keep()? {
            0 => return Ok(since.elapsed()),
            KAFKA_STORAGE_ERROR => {}
            other => anyhow::bail!("Produce: error {other}"),
        }
        ensure!(since.elapsed() < Duration::from_secs(60), "the space of deleted records did not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_full_disk_refuses_producers_and_nothing_else_and_space_lets_them_go_on() -> Result<()> {
    if let Some(why) = unavailable() {
        eprintln!("SKIPPED a_full_disk_refuses_producers_and_nothing_else_and_space_lets_them_go_on: {why}");
        return Ok(());
    }
    let disk = Disk::new(DISK_BYTES)?;
    let mut broker = Options::default().data(&disk.path().join("data")).start()?;
    let mut writer = Writer::new(&broker, 0)?;
    for topic in [KEPT, BULK, "second"] {
        create_topic(&mut writer.client, topic, 1)?;
    }
    let filled = writer.fill(BULK)?;
    for _ in 0..500 {
        let refused = produce(&mut writer.client, BULK, 0, -1, writer.bulk.clone())?.error_code;
        ensure!(refused == KAFKA_STORAGE_ERROR, "Produce: error {refused}");
    }
    let warned = broker.lines_with("is almost full");
    ensure!(warned.len() == 1, "{} lines: {warned:#?}", warned.len());
    ensure!(metric(&broker, "ottla_disk_full")? == Some(1.0));
    others_go_on(&broker, filled)?;
    ensure!(list_offset(&mut writer.client, BULK, 0, LATEST)? == filled);

    delete_records(&broker, BULK)?;
    let after_records = resumes(&mut writer)?;
    ensure!(metric(&broker, "ottla_disk_full")? == Some(0.0));
    let refilled = writer.fill("second")?;
    ensure!(refilled > filled / 2, "only {refilled} of {filled} records fit again");
    delete_topic(&broker, "second")?;
    let after_topic = resumes(&mut writer)?;
    eprintln!(
        "{filled} MB written, space back in {after_records:.1?}; {refilled} MB written, back in {after_topic:.1?}"
    );

    broker.kill_9()?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    let kept = read_all(&mut client, KEPT, 0)?;
    let expected = (0..writer.kept).map(|sequence| Some(Id { producer: 1, sequence }));
    ensure!(kept.iter().map(|seen| seen.id).eq(expected), "{} of {} records", kept.len(), writer.kept);
    ensure!(list_offset(&mut client, BULK, 0, LATEST)? == filled);
    let mut writer = Writer::new(&broker, writer.kept)?;
    ensure!(writer.keep()? == 0);
    broker.terminate().map(drop)
}

#[test]
fn a_broker_starts_on_a_disk_that_producers_have_filled() -> Result<()> {
    if let Some(why) = unavailable() {
        eprintln!("SKIPPED a_broker_starts_on_a_disk_that_producers_have_filled: {why}");
        return Ok(());
    }
    let disk = Disk::new(DISK_BYTES)?;
    let mut broker = Options::default().data(&disk.path().join("data")).start()?;
    let mut writer = Writer::new(&broker, 0)?;
    create_topic(&mut writer.client, KEPT, 1)?;
    create_topic(&mut writer.client, BULK, 1)?;
    let filled = writer.fill(BULK)?;
    broker.kill_9()?;
    broker.start()?;
    broker.terminate()?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    ensure!(list_offset(&mut client, BULK, 0, LATEST)? == filled);
    ensure!(read_all(&mut client, KEPT, 0)?.len() as u64 == writer.kept);
    delete_topic(&broker, BULK)?;
    let mut writer = Writer::new(&broker, writer.kept)?;
    resumes(&mut writer).map(drop)
}

/// Another program takes of the disk until only `free` bytes are left; a later call takes more.
fn leave(disk: &Disk, broker: &TestBroker, free: f64) -> Result<()> {
    let path = disk.path().join("of another program");
    let now = metric(broker, "ottla_disk_free_bytes")?.context("the free space")?;
    let before = std::fs::metadata(&path).map_or(0, |file| file.len());
    let size = (before + (now - free) as u64).to_string();
    let done = Command::new("fallocate").args(["--length", &size]).arg(&path).status()?;
    ensure!(done.success(), "fallocate: {done}");
    Ok(())
}

#[test]
fn what_others_take_of_the_reserve_refuses_topics_and_then_commits() -> Result<()> {
    if let Some(why) = unavailable() {
        eprintln!("SKIPPED what_others_take_of_the_reserve_refuses_topics_and_then_commits: {why}");
        return Ok(());
    }
    let disk = Disk::new(DISK_BYTES)?;
    let mut broker = Options::default().data(&disk.path().join("data")).start()?;
    let mut writer = Writer::new(&broker, 0)?;
    create_topic(&mut writer.client, KEPT, 1)?;
    ensure!(writer.keep()? == 0);
    let reserve = metric(&broker, "ottla_disk_reserve_bytes")?.context("the reserve")?;
    for (share, full, takes_topics, takes_commits) in
        [(0.9, 1.0, true, true), (0.45, 2.0, false, true), (0.2, 3.0, false, false)]
    {
        leave(&disk, &broker, share * reserve)?;
        ensure!(metric(&broker, "ottla_disk_full")? == Some(full), "{share} of the reserve are left");
        ensure!(writer.keep()? == KAFKA_STORAGE_ERROR);
        let created = create_topic(&mut writer.client, &format!("at-{full}"), 1);
        ensure!(created.is_ok() == takes_topics, "{share} of the reserve are left: {created:?}");
        let mut coordinator = connect_to_coordinator(broker.address(), "group")?;
        let committed = commit(&mut coordinator, "group", KEPT, 0, 1, "");
        ensure!(committed.is_ok() == takes_commits, "{share} of the reserve are left: {committed:?}");
    }
    let lines = broker.awaited_lines_with("is almost full", 3);
    ensure!(lines.len() == 3, "a line for each step, not {lines:#?}");
    broker.kill_9()?;
    broker.start()?;
    ensure!(read_all(&mut Client::connect(broker.address())?, KEPT, 0)?.len() == 1, "it starts and reads");
    delete_topic(&broker, "at-1")?;
    std::fs::remove_file(disk.path().join("of another program"))?;
    let mut writer = Writer::new(&broker, writer.kept)?;
    resumes(&mut writer)?;
    create_topic(&mut writer.client, "created-again", 1)?;
    commit(&mut connect_to_coordinator(broker.address(), "group")?, "group", KEPT, 0, 2, "")?;
    broker.terminate().map(drop)
}
