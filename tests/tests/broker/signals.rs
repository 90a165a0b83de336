//! Signals, as terminals, supervisors and operators send them: each ends the broker cleanly or leaves it serving.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{Options, STOP, TestBroker, answers, binary};
use ottla_tests::client::Client;
use ottla_tests::ports::Port;
use ottla_tests::process::signal;
use tempfile::TempDir;

/// The last start found the folder as a clean stop leaves it.
fn found_clean(broker: &TestBroker) -> Result<()> {
    let opened = broker.lines_with("data folder is open");
    let last = opened.last().context("no line about the folder")?;
    ensure!(last.contains(r#""unclean":false"#), "{last}");
    Ok(())
}

/// Waits until the broker has logged this.
fn logged(broker: &TestBroker, needle: &str) -> Result<()> {
    let since = Instant::now();
    while broker.lines_with(needle).is_empty() {
        ensure!(since.elapsed() < STOP, "no {needle:?} in\n{}", broker.tail(40));
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// A script that starts the broker through `launcher`, and the folder that the script is deleted with.
fn launched_by(launcher: &str) -> Result<(TempDir, PathBuf)> {
    let folder = TempDir::with_prefix("ottla-launcher-")?;
    let script = folder.path().join("ottla");
    let text = format!("#!/bin/sh\n{launcher} '{}' \"$@\"\n", binary()?.display());
    // By another process: a test beside this one that starts a broker would hand it the open file for a moment, and a
    // file that is open for writing cannot be run.
    let write = r#"printf %s "$2" >"$1" && chmod 755 "$1""#;
    let status = Command::new("sh").args(["-c", write, "sh"]).arg(&script).arg(text).status()?;
    ensure!(status.success(), "the launcher was not written: {status}");
    Ok((folder, script))
}

/// A process inherits which signals are ignored. These tests must also pass under nohup.
const ON_A_TERMINAL: &str = "exec env --default-signal=HUP";
const UNDER_NOHUP: &str = "trap '' HUP; exec";

/// 37 is a real-time signal: SIGRTMIN+3, with which systemd stops a container.
#[test]
fn signals_that_end_a_process_stop_the_broker_cleanly() -> Result<()> {
    let (_folder, script) = launched_by(ON_A_TERMINAL)?;
    let mut broker = Options::default().binary(&script).start()?;
    let names = ["HUP", "INT", "TERM", "ABRT", "ALRM", "VTALRM", "PROF", "XCPU", "IO", "PWR", "TRAP", "37"];
    for name in names {
        signal(broker.pid()?, name)?;
        let status = broker.wait_for_exit(STOP)?;
        ensure!(status.success(), "SIG{name}: {status}\n{}", broker.tail(20));
        broker.start()?;
        found_clean(&broker).with_context(|| format!("after SIG{name}"))?;
    }
    Ok(())
}

#[test]
fn signals_that_mean_nothing_leave_the_broker_serving() -> Result<()> {
    let mut broker = TestBroker::start_new()?;
    for name in ["USR1", "USR2", "XFSZ", "PIPE", "WINCH", "CHLD", "URG", "CONT"] {
        signal(broker.pid()?, name)?;
    }
    // Habit of operators of JVMs; Ctrl-\ on a terminal.
    signal(broker.pid()?, "QUIT")?;
    logged(&broker, "state of the broker")?;
    logged(&broker, "SIGUSR2: no effect")?;
    ensure!(answers(broker.address()), "no answer\n{}", broker.tail(20));
    broker.terminate()?;
    broker.start()?;
    found_clean(&broker)
}

/// The shell and the kernel both tell a process that its terminal is gone; systemd may send SIGHUP right after SIGTERM.
#[test]
fn a_terminal_that_closes_says_so_twice() -> Result<()> {
    let (_folder, script) = launched_by(ON_A_TERMINAL)?;
    let mut broker = Options::default().binary(&script).start()?;
    for (first, second) in [("HUP", "HUP"), ("TERM", "HUP")] {
        signal(broker.pid()?, first)?;
        logged(&broker, "stopping")?;
        // Gone already is as good.
        let _ = signal(broker.pid()?, second);
        let status = broker.wait_for_exit(STOP)?;
        ensure!(status.success(), "SIG{first}, SIG{second}: {status}\n{}", broker.tail(20));
        broker.start()?;
        found_clean(&broker)?;
    }
    Ok(())
}

#[test]
fn a_broker_under_nohup_outlives_its_terminal() -> Result<()> {
    let (_folder, script) = launched_by(UNDER_NOHUP)?;
    let mut broker = Options::default().binary(&script).start()?;
    signal(broker.pid()?, "HUP")?;
    signal(broker.pid()?, "QUIT")?;
    logged(&broker, "state of the broker")?;
    ensure!(answers(broker.address()), "SIGHUP ended it");
    broker.terminate().map(drop)
}

/// A renewal of certificates sends it. HTTP's alone are read again, too.
#[test]
fn a_broker_whose_only_tls_is_that_of_http_goes_on_after_a_hangup() -> Result<()> {
    let (folder, port, http) = (TempDir::with_prefix("ottla-hangup-")?, Port::take()?, Port::take()?);
    let tls = folder.path().join("tls");
    let made = Command::new(binary()?).args(["tls", "dev"]).arg(&tls).stdout(Stdio::null()).status()?;
    ensure!(made.success(), "tls dev: {made}");
    // Under a launcher that leaves SIGHUP alone, as a service manager does.
    let (_folder, script) = launched_by(ON_A_TERMINAL)?;
    let address = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port.number()));
    let mut command = Command::new(script);
    command
        .arg("serve")
        .arg("--data")
        .arg(folder.path().join("data"))
        .arg("--listen")
        .arg(address.to_string());
    command.arg("--override").arg(format!("http.listener=https://127.0.0.1:{}", http.number()));
    command.arg("--override").arg(format!("http.ssl.keystore.location={}", tls.join("server.pem").display()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let since = Instant::now();
    while !answers(address) {
        ensure!(since.elapsed() < STOP && child.try_wait()?.is_none(), "it does not start");
        thread::sleep(Duration::from_millis(10));
    }
    signal(child.id(), "HUP")?;
    thread::sleep(Duration::from_secs(1));
    let ended = child.try_wait()?;
    let serves = ended.is_none() && answers(address);
    let _ = child.kill();
    child.wait()?;
    ensure!(serves, "SIGHUP ended it: {ended:?}");
    Ok(())
}

/// Standard error is a terminal that closed, or a pipe to a program that ended: each line of the log fails then.
#[test]
fn a_broker_whose_log_cannot_be_written_serves_and_stops_cleanly() -> Result<()> {
    let (folder, port, http) = (TempDir::with_prefix("ottla-log-")?, Port::take()?, Port::take()?);
    let (_folder, script) = launched_by(ON_A_TERMINAL)?;
    let mut command = Command::new(script);
    command.arg("serve").arg("--data").arg(folder.path().join("data"));
    command.arg("--listen").arg(format!("127.0.0.1:{}", port.number()));
    command.arg("--http").arg(format!("127.0.0.1:{}", http.number()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut log = BufReader::new(child.stderr.take().context("a pipe")?);
    let mut line = String::new();
    while !line.contains("listening") {
        line.clear();
        ensure!(log.read_line(&mut line)? > 0, "the broker ended at start");
    }
    drop(log);
    let address = ([127, 0, 0, 1], port.number()).into();
    let since = Instant::now();
    while !answers(address) {
        ensure!(since.elapsed() < STOP, "no answer");
        thread::sleep(Duration::from_millis(2));
    }
    signal(child.id(), "QUIT")?;
    let mut client = Client::connect(address)?;
    // A connection that is closed for what it sent is worth a line.
    Client::connect(address)?.send_raw(b"GET / HTTP/1.1\r\n\r\n")?;
    create_topic(&mut client, "unheard", 1)?;
    signal(child.id(), "HUP")?;
    let since = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if since.elapsed() > STOP => {
                child.kill()?;
                bail!("still running");
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    ensure!(status.success(), "{status}");
    Ok(())
}
