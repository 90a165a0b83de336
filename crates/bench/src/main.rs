//! `ottla-bench`: an end-to-end load driver for any broker that speaks the Kafka protocol.
//!
//! ```text
//! loads ─► run ─► stream ─► producer, consumer ─► connection ─► poller
//!          │      tally     frames, responses
//!          ├─► transactions ─► batches, calls, copier    producers with an id, in transactions or not
//!          ├─► groups                             commits and heartbeats of members
//!          ├─► handshakes                         connections that are made and closed
//!          ├─► soak                               consumers and commits beside an hour of producing
//!          └─► meter, process, report       compare   both brokers in turn, and the ratios
//!                                     reference the same bytes moved by nothing but system calls
//! ```
//! Batches are built once and sent as they are, and answers are read by hand: no client library
//! influences the figures. Latency is counted from the time at which a request was due. A load fails if
//! a record that was sent was not acknowledged, or an acknowledged one is missing.
#![allow(
    clippy::disallowed_methods,
    reason = "a load driver measures, draws and starts threads as clients do; no test steps its time"
)]

mod arrivals;
mod clock;
mod compare;
mod connection;
mod consumer;
mod control;
mod endpoint;
mod frames;
mod groups;
mod handshakes;
mod listing;
mod loads;
mod login;
mod meter;
mod poller;
mod process;
mod producer;
mod reference;
mod report;
mod responses;
mod rules;
mod run;
mod soak;
mod stream;
mod tally;
mod transactions;

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};
use rustix::process::Resource;

use crate::compare::Compare;
use crate::endpoint::Endpoint;
use crate::loads::Spec;
use crate::reference::Reference;
use crate::run::Target;

/// Loads for any broker that speaks the Kafka protocol.
#[derive(Debug, Parser)]
#[command(name = "ottla-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Names the loads.
    List,
    /// Runs loads against a broker that is running.
    Run(Run),
    /// Starts Ottla and Apache Kafka in turn, with the same loads, and prints the ratios.
    Compare(Box<Compare>),
    /// Measures a program that only receives and writes, and one that only reads and sends: the machine's limit.
    Reference(Reference),
}

#[derive(Debug, Args)]
struct Run {
    /// Address of the broker.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9092")]
    broker: SocketAddr,
    /// Its process, if it is on this machine: for processor time, memory and bytes written.
    #[arg(long)]
    pid: Option<u32>,
    /// Its name in the output.
    #[arg(long, default_value = "broker")]
    label: String,
    #[command(flatten)]
    common: Common,
}

/// Options of both `run` and `compare`.
#[derive(Debug, Args)]
struct Common {
    /// Seconds measured per load.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds of the same load before the measurement. A JVM needs about ten until its compiler is done.
    #[arg(long, default_value_t = 10.0)]
    warmup: f64,
    /// A file to which a line of JSON is appended per load; without it they go to the output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// NAME or NAME:key=value,… (`ottla-bench list`).
    #[arg(value_name = "LOAD", value_parser = Spec::from_str)]
    loads: Vec<Spec>,
}

fn main() -> Result<()> {
    allow_many_sockets();
    match Cli::parse().command {
        Command::List => print(&loads::list()),
        Command::Run(arguments) => run_loads(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Reference(arguments) => reference::reference(&arguments),
    }
}

fn run_loads(Run { broker, pid, label, common }: &Run) -> Result<()> {
    ensure!(!common.loads.is_empty(), "which loads? `ottla-bench list` names them");
    ensure!(
        common.loads.iter().all(|spec| !spec.load.needs_listener()),
        "only `compare` starts a broker with TLS or logins"
    );
    let target = Target {
        endpoint: Endpoint::plain(*broker),
        pid: *pid,
        warmup: seconds(common.warmup)?,
        window: seconds(common.seconds)?,
    };
    for spec in &common.loads {
        let figures = run::run(spec, &target)?;
        print(&format!("{}\n", figures.line(&spec.text, label)))?;
        write_json(common, &report::json(&[("load", &spec.text), ("broker", label)], &figures.metrics()))?;
    }
    Ok(())
}

fn write_json(common: &Common, line: &str) -> Result<()> {
    let Some(path) = &common.json else { return print(&format!("{line}\n")) };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| path.display().to_string())?;
    writeln!(file, "{line}").with_context(|| path.display().to_string())
}

fn seconds(value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).with_context(|| format!("{value} seconds"))
}

/// As many open files as this user may have.
fn allow_many_sockets() {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused: a load with many connections then fails with the reason.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}

/// Writes to standard output at once.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
