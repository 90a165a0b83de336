//! Clients that open more connections than the process may have files: others may be refused, the broker goes on.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{Options, STOP, TestBroker, answers, binary};
use ottla_tests::client::Client;
use tempfile::TempDir;

/// More than fit below the limits of these tests.
const CONNECTIONS: usize = 500;

/// The binary, with a limit of its files.
fn limited(folder: &TempDir, limit: &str) -> Result<PathBuf> {
    let script = folder.path().join("ottla");
    fs::write(&script, format!("#!/bin/sh\n{limit}\nexec '{}' \"$@\"\n", binary()?.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

fn connect(broker: &TestBroker) -> Result<Vec<TcpStream>> {
    let connect = |_| Ok(TcpStream::connect_timeout(&broker.address(), Duration::from_secs(2))?);
    (0..CONNECTIONS).map(connect).collect()
}

#[test]
fn connections_beyond_the_hard_limit_are_refused_and_the_broker_goes_on() -> Result<()> {
    let folder = TempDir::with_prefix("ottla-descriptors-")?;
    let mut broker = Options::default().binary(&limited(&folder, "ulimit -n 300")?).start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, "before", 1)?;
    let held = connect(&broker)?;
    for number in 0..5 {
        // Durable before it is answered: written, synced, and a family of the storage made for it.
        create_topic(&mut client, &format!("while-{number}"), 3)?;
        thread::sleep(Duration::from_millis(200));
    }
    let refused = broker.lines_with("all file descriptors for connections are in use");
    ensure!((1..=CONNECTIONS).contains(&refused.len()), "{} lines\n{}", refused.len(), broker.tail(20));
    ensure!(broker.lines_with("leaves room for").len() == 1, "max.connections is said to be what it is");
    drop(held);
    let since = std::time::Instant::now();
    while !answers(broker.address()) {
        ensure!(since.elapsed() < STOP, "no answer to new clients\n{}", broker.tail(20));
        thread::sleep(Duration::from_millis(20));
    }
    create_topic(&mut Client::connect(broker.address())?, "after", 1)?;
    broker.terminate().map(drop)
}

/// HTTP had 64 connections for each of its sockets whatever the limit was: with those of Kafka they ended the broker.
#[test]
fn connections_of_all_listeners_leave_the_storage_its_share() -> Result<()> {
    let folder = TempDir::with_prefix("ottla-descriptors-")?;
    let mut broker = Options::default().binary(&limited(&folder, "ulimit -n 256")?).start()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, "before", 1)?;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(TcpStream::connect_timeout(&broker.address(), Duration::from_secs(2))?);
        let mut stream = TcpStream::connect_timeout(&broker.http_address(), Duration::from_secs(2))?;
        // A head that is never finished. The other side may be closed already.
        let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n");
        held.push(stream);
    }
    for number in 0..5 {
        create_topic(&mut client, &format!("while-{number}"), 3)?;
        thread::sleep(Duration::from_millis(200));
    }
    let mut livez = TcpStream::connect_timeout(&broker.http_address(), Duration::from_secs(2))?;
    livez.set_read_timeout(Some(STOP))?;
    livez.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    livez.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}\n{}", broker.tail(20));
    // A few lines for each reason, not one for each connection.
    let refused = broker.lines_with("refused").len();
    ensure!((1..=30).contains(&refused), "{refused} lines\n{}", broker.tail(20));
    broker.terminate().map(drop)
}

#[test]
fn a_limit_below_what_a_broker_needs_is_refused_at_the_start() -> Result<()> {
    let folder = TempDir::with_prefix("ottla-descriptors-")?;
    let started = Options::default().binary(&limited(&folder, "ulimit -n 64")?).start();
    let error = started.err().map(|error| format!("{error:#}")).unwrap_or_default();
    let sentence = "the limit of 64 file descriptors is too low: a broker needs at least 256";
    ensure!(error.contains(sentence), "{error:?}");
    Ok(())
}

#[test]
fn soft_limit_does_not_bound_connections() -> Result<()> {
    let folder = TempDir::with_prefix("ottla-descriptors-")?;
    let mut broker = Options::default().binary(&limited(&folder, "ulimit -Sn 256")?).start()?;
    let held = connect(&broker)?;
    ensure!(answers(broker.address()), "no answer beside {} connections", held.len());
    create_topic(&mut Client::connect(broker.address())?, "beside", 3)?;
    ensure!(broker.lines_with("connection refused").is_empty(), "{}", broker.tail(20));
    broker.terminate().map(drop)
}
