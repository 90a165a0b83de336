//! `ottla inspect` on folders of real brokers: killed, stopped, running, damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{TestBroker, binary};
use ottla_tests::client::Client;
use ottla_tests::history::Id;
use ottla_tests::producer::produce;
use ottla_tests::records::{Content, batch};

const TOPIC: &str = "looked.at";

fn inspect(folder: &Path, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(binary()?).arg("inspect").arg(folder).args(arguments).output()?)
}

/// Its output, with the exit code that it must have.
fn shown(folder: &Path, arguments: &[&str], code: i32) -> Result<String> {
    let output = inspect(folder, arguments)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(code), "{arguments:?}: {}: {text}{errors}", output.status);
    ensure!(errors.is_empty(), "{errors}");
    Ok(text)
}

fn content(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.into_iter().map(|path| Ok((path.clone(), fs::read(&path)?))).collect()
}

fn has(text: &str, line: &str) -> Result<()> {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(text.lines().any(|found| squeezed(found).starts_with(line)), "no line {line:?} in:\n{text}");
    Ok(())
}

/// A broker with batches of one record, and of many that are large enough for the journal.
fn filled() -> Result<TestBroker> {
    let broker = TestBroker::start_new()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 2)?;
    for number in 0..20 {
        let count = if number % 2 == 0 { 1 } else { 200 };
        let records: Vec<Content> =
            (0..count).map(|sequence| Content::of(Id { producer: number, sequence })).collect();
        produce(&mut client, TOPIC, 0, -1, batch(&records, None).into())?;
    }
    Ok(broker)
}

#[test]
fn killed_folder_is_shown_checked_and_left_as_it_is() -> Result<()> {
    let mut broker = filled()?;
    broker.kill_9()?;
    let folder = broker.data().to_owned();
    let before = content(&folder)?;
    let text = shown(&folder, &["--check"], 0)?;
    has(&text, "format 3")?;
    has(&text, "in use no")?;
    has(&text, "outcome starts")?;
    has(&text, "last stop unclean: leader epochs rise by one")?;
    has(&text, "gen-00000001")?;
    has(&text, "journal-00000001")?;
    has(&text, "damage: none")?;
    has(&text, &format!("{TOPIC} 0 1 0 2010 1"))?;
    let text = shown(&folder, &["--topic", TOPIC], 0)?;
    has(&text, "0 0 2010 gen-00000001")?;
    let text = shown(&folder, &["--topic", TOPIC, "--partition", "0", "--offset", "100"], 0)?;
    has(&text, "batch at offset 1")?;
    has(&text, "checksum good")?;
    has(&text, "records 200")?;
    has(&text, "compression None")?;
    let text = shown(&folder, &["--journal", "journal-00000001", "--check"], 0)?;
    has(&text, "32 ")?;
    let json = shown(&folder, &["--json"], 0)?;
    ensure!(json.starts_with('{') && json.contains("\"log_end_offset\": 2010"), "{json}");
    ensure!(content(&folder)? == before, "a file was changed");
    broker.start()?;
    Ok(())
}

#[test]
fn damaged_batch_is_named_and_the_exit_code_tells() -> Result<()> {
    let mut broker = filled()?;
    broker.terminate()?;
    let folder = broker.data().to_owned();
    let offset = ["--topic", TOPIC, "--partition", "0", "--offset", "1", "--json"];
    let json = shown(&folder, &offset, 0)?;
    let place = json.split("\"offset\": ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let place: usize = place.context("it lies in the journal")?.trim_end_matches(',').parse()?;
    let path = folder.join("journal-00000001");
    let mut bytes = fs::read(&path)?;
    let byte = bytes.get_mut(place + 300).context("the batch")?;
    *byte ^= 1;
    fs::write(&path, bytes)?;
    shown(&folder, &[], 0).context("without --check no batch is read")?;
    let text = shown(&folder, &["--check"], 1)?;
    has(&text, &format!("{TOPIC}-0, batch at offset 1, in byte {place} of journal-00000001: "))?;
    let text = shown(&folder, &offset[..6], 1)?;
    has(&text, "checksum damaged: ")
}

#[test]
fn running_broker_is_not_disturbed() -> Result<()> {
    let mut broker = filled()?;
    let text = shown(broker.data(), &["--check"], 0)?;
    has(&text, "in use yes")?;
    has(&text, "next start, if the broker were killed now")?;
    has(&text, &format!("{TOPIC} 0 1 0 2010 1"))?;
    let mut client = Client::connect(broker.address())?;
    produce(&mut client, TOPIC, 0, -1, batch(&[Content::of(Id { producer: 99, sequence: 0 })], None).into())?;
    broker.terminate()?;
    let text = shown(broker.data(), &["--check"], 0)?;
    has(&text, "last stop clean")?;
    has(&text, &format!("{TOPIC} 0 1 0 2011 0"))
}

#[test]
fn what_cannot_be_looked_at_is_refused_in_one_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let refused = |expected: &str| -> Result<()> {
        let output = inspect(folder.path(), &[])?;
        let errors = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(1) && errors.lines().count() == 1, "{errors}");
        ensure!(errors.contains(expected), "{errors}");
        Ok(())
    };
    refused("holds no Ottla data")?;
    fs::write(folder.path().join("FORMAT"), "1\n")?;
    refused("has storage format 1, this release reads none before 2")?;
    let usage = Command::new(binary()?).args(["inspect", "x", "--offset", "1"]).output()?;
    ensure!(usage.status.code() == Some(2), "an offset needs a partition");
    Ok(())
}
