//! One bit flipped in a file of each kind, through the whole process: a damaged batch costs itself, everything else is named by the start
//! that is refused.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::consumer::{Ask, fetch, seen};
use ottla_tests::producer::produce;
use ottla_tests::records::{Content, batch};
use std::io::{Read, Write};
use std::net::TcpStream;

const TOPIC: &str = "damaged";
const MARKER: &[u8] = b"the one that the disk got wrong";
const CORRUPT_MESSAGE: i16 = 2;
const OFFSET_OUT_OF_RANGE: i16 = 1;

/// A broker with ten records, each a batch of its own in the journal.
fn filled() -> Result<TestBroker> {
    // So that the batches are read from the disk after a restart, and from nowhere else.
    let broker = Options::default().start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 1)?;
    for number in 0..10_u8 {
        let mut value = vec![number; 20_000];
        if number == 4 {
            value[..MARKER.len()].copy_from_slice(MARKER);
        }
        let content = Content { key: None, value: Some(value.into()), timestamp_ms: 1, headers: Vec::new() };
        let answer = produce(&mut client, TOPIC, 0, -1, batch(&[content], None).freeze())?;
        ensure!(answer.error_code == 0, "Produce: error {}", answer.error_code);
    }
    Ok(broker)
}

/// The file whose name begins and ends so.
fn file(folder: &Path, begins: &str, ends: &str) -> Result<PathBuf> {
    let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with(begins) && name.ends_with(ends)).collect();
    names.sort();
    Ok(folder.join(names.last().with_context(|| format!("no {begins}…{ends}"))?))
}

/// Flips a bit of the file, at the place that `find` names.
fn flip(path: &Path, find: impl Fn(&[u8]) -> Option<usize>) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let at = find(&bytes).with_context(|| format!("nothing to flip in {}", path.display()))?;
    bytes[at] ^= 1;
    Ok(fs::write(path, bytes)?)
}

fn position(bytes: &[u8], of: &[u8]) -> Option<usize> {
    bytes.windows(of.len()).position(|window| window == of)
}

fn scrape(broker: &TestBroker) -> Result<String> {
    let mut stream = TcpStream::connect(broker.http_address())?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Error code, and the number of records that came.
fn read(client: &mut Client, offset: i64) -> Result<(i16, usize)> {
    let ask = Ask { topic: TOPIC, partition: 0, offset, max_wait_ms: 100 };
    let found = fetch(client, &ask)?;
    let records: Option<Bytes> = found.records;
    Ok((found.error_code, seen(records, offset)?.len()))
}

#[test]
fn a_damaged_batch_costs_itself() -> Result<()> {
    let mut broker = filled()?;
    broker.kill_9()?;
    let journal = file(broker.data(), "journal-", "")?;
    let at = position(&fs::read(&journal)?, MARKER).context("the marker")?;
    flip(&journal, |_| Some(at))?;
    broker.start()?;
    let mut client = Client::connect(broker.address())?;
    ensure!(read(&mut client, 0)? == (0, 4), "what precedes it");
    for _ in 0..3 {
        ensure!(read(&mut client, 4)? == (CORRUPT_MESSAGE, 0), "the batch itself");
    }
    ensure!(read(&mut client, 5)? == (0, 5), "what follows it");
    let lines = broker.awaited_lines_with("a stored batch is damaged", 1);
    ensure!(lines.len() == 1, "one line, not {lines:?}");
    for part in [TOPIC, "\"partition\":0", "\"offset\":4", "journal-00000001", "\"position\":"] {
        ensure!(lines[0].contains(part), "nothing of {part:?} in {}", lines[0]);
    }
    ensure!(read(&mut client, 99)? == (OFFSET_OUT_OF_RANGE, 0), "beyond the end");
    let metrics = scrape(&broker)?;
    ensure!(metrics.contains("\nottla_storage_damaged_batches_total 1\n"), "{metrics}");
    // As Kafka: a client that asks for what cannot be is no failure of the broker.
    let failed =
        format!("\nkafka_server_brokertopicmetrics_failedfetchrequests_total{{topic=\"{TOPIC}\"}} 3\n");
    ensure!(metrics.contains(&failed), "{metrics}");
    let content = Content { key: None, value: None, timestamp_ms: 1, headers: Vec::new() };
    let appended = produce(&mut client, TOPIC, 0, -1, batch(&[content], None).freeze())?;
    ensure!((appended.error_code, appended.base_offset) == (0, 10), "the log goes on");
    Ok(())
}

/// A bit of the folder is flipped by `damage`: the start must end with an error that has these parts.
fn refused(clean: bool, damage: impl Fn(&Path) -> Result<()>, parts: &[&str]) -> Result<()> {
    let mut broker = filled()?;
    if clean {
        broker.terminate()?;
    } else {
        broker.kill_9()?;
    }
    damage(broker.data())?;
    let said = broker.start().err().context("it started")?.to_string() + &broker.tail(50);
    for part in parts {
        ensure!(said.contains(part), "nothing of {part:?} in {said}");
    }
    ensure!(!said.contains("panicked"), "{said}");
    Ok(())
}

#[test]
fn damaged_operations_that_were_synced_are_a_loss() -> Result<()> {
    let damage = |folder: &Path| {
        // The topic's name is in the operations of the record that created it.
        flip(&file(folder, "journal-", "")?, |bytes| position(bytes, TOPIC.as_bytes()))
    };
    refused(false, damage, &["lost records that were on the disk", "journal-00000001", "--accept-data-loss"])
}

#[test]
fn a_damaged_header_of_a_journal_is_a_loss() -> Result<()> {
    let damage = |folder: &Path| flip(&file(folder, "journal-", "")?, |_| Some(20));
    for clean in [true, false] {
        refused(clean, damage, &["lost records that were on the disk", "journal-00000001"])?;
    }
    Ok(())
}

#[test]
fn a_damaged_fence_is_named() -> Result<()> {
    let damage = |folder: &Path| flip(&folder.join("FENCE"), |bytes| position(bytes, b" "));
    refused(false, damage, &["FENCE"])
}

#[test]
fn a_damaged_index_file_is_named_with_the_remedy() -> Result<()> {
    let remedy = "restore the folder from a backup";
    // The file of the state, which the start reads.
    let state = |folder: &Path| {
        let files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let holds = |path: &PathBuf| {
            let is_table = path.extension().is_some_and(|extension| extension == "sst");
            is_table && fs::read(path).is_ok_and(|bytes| position(&bytes, TOPIC.as_bytes()).is_some())
        };
        flip(&files.into_iter().find(holds).context("the state")?, |_| Some(30))
    };
    refused(true, state, &["damaged index file", ".sst", remedy]).context("state")?;
    for (begins, flipped) in [("MANIFEST-", 40), ("CURRENT", 3)] {
        let damage = |folder: &Path| flip(&file(folder, begins, "")?, |_| Some(flipped));
        refused(true, damage, &["damaged index file", begins, remedy]).context(begins)?;
    }
    Ok(())
}
