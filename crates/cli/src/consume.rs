//! `ottla consume`: records of topics on standard output, in the order of each partition.
//!
//! ```text
//! selection ─► position ─► hub ─► fetcher (one thread for each broker) ─► printer
//! ```
//! It reads without a group and commits nothing. Control records are not shown; under read-committed neither are those of aborted transactions.

mod committed;
mod console;
mod fetcher;
mod hub;
mod position;
mod printer;
mod range;
mod selection;

use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::client::{Cluster, Leaders, Target};
use crate::clock;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Outcome;
use crate::record::Pattern;
pub(crate) use console::{Console, Ended};
use fetcher::Event;
use hub::Hub;
use printer::{Form, Piece, Printer, Progress};
use range::Range;
use selection::Topics;

/// Reads records of topics: the value of each, and a newline.
#[derive(Debug, Args)]
pub struct ConsumeArguments {
    /// Topics.
    #[arg(required = true)]
    topics: Vec<String>,
    /// Takes the topics as regular expressions, of whole names.
    #[arg(short, long)]
    regex: bool,
    /// Ends after this many records [default: never]
    #[arg(short, long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    number: Option<u64>,
    /// Ends where the partitions end when it starts.
    #[arg(short, long)]
    exit: bool,
    /// The part that is read: start, end, N, +N, -N, N:M, a time, @FROM:TO
    ///
    /// start; end; N, an offset; +N, after the start; -N, before the end; N:M, up to offset M; N:end and :end, up to the present end;
    /// 2026-11-30 or 2026-11-30T12:00:00Z, a time in UTC; @FROM, @FROM:TO, @:TO, times as before, in ms or seconds since 1970, or -1h for an hour ago.
    /// The record at M or TO is not read any more.
    #[arg(
        long,
        value_name = "FROM[:TO]",
        default_value = "start",
        allow_hyphen_values = true,
        verbatim_doc_comment
    )]
    offset: String,
    /// These partitions alone.
    #[arg(short, long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Records of open and aborted transactions: left out, or read.
    #[arg(long, value_enum, default_value_t)]
    isolation: Isolation,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
    /// Form of each record, such as '%p %o %k %v\n', or json
    ///
    /// %t topic, %k key, %v value, %T %K %V their lengths, %p partition, %o offset, %d timestamp in ms, %H number of headers, %h{%k=%v } each header,
    /// %e leader epoch, %x %y producer id and epoch; %% %{ %} the signs; \t \n \r \\ \xNN. %v{hex} and %v{base64} encode;
    /// %V{big32} writes binary numbers (byte, big16 to big64, little16 to little64).
    #[arg(short, long, value_name = "PATTERN|json", conflicts_with = "output", verbatim_doc_comment)]
    format: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Isolation {
    #[default]
    #[value(alias = "read_uncommitted")]
    ReadUncommitted,
    #[value(alias = "read_committed")]
    ReadCommitted,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum OutputForm {
    /// The value and a newline.
    #[default]
    Value,
    /// A line of JSON for each record, which `ottla produce -f json` reads.
    Json,
}

impl ConsumeArguments {
    fn form(&self) -> Result<Form, Failure> {
        let text = match (self.format.as_deref(), self.output) {
            (None, OutputForm::Json) | (Some("json"), _) => return Ok(Form::Json),
            (None, OutputForm::Value) => "%v\\n",
            (Some(text), _) => text,
        };
        Pattern::parse(text).map(Form::Pattern).map_err(|wrong| Failure::usage(format!("-f: {wrong}")))
    }
}

/// Time for the end after a signal: a broker may be slow, or the reader of the output.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &ConsumeArguments) -> Result<Outcome, Failure> {
    let printer = Printer::new(arguments.form()?, stdout().is_terminal(), arguments.number)?;
    let range = Range::parse(&arguments.offset, clock::now_ms())
        .map_err(|wrong| Failure::usage(format!("--offset: {wrong}")))?;
    let topics = Topics::of(&arguments.topics, arguments.regex)?;
    let isolation_level = match arguments.isolation {
        Isolation::ReadUncommitted => 0,
        Isolation::ReadCommitted => 1,
    };
    let mut leaders = Leaders::of(Cluster::connect(&arguments.target)?);
    let partitions = topics.partitions(&mut leaders, &arguments.partitions)?;
    let shares = position::shares(&mut leaders, &partitions, range, arguments.exit, isolation_level)?;
    let has_end = arguments.exit || arguments.number.is_some() || range.until.is_some();
    let hub = Hub::start(leaders, shares, isolation_level)?;
    // Until here a signal ends the process by itself, also while no broker answers.
    let interrupt = Interrupt::watch()?;
    interrupt.end_after(GRACE)?;
    match copy(hub, printer, &interrupt)? {
        // A reader without an end ends by a signal.
        End::Interrupted if has_end => Err(interrupt.end()),
        End::Interrupted | End::Whole => Ok(Outcome::good(String::new())),
    }
}

/// The reason for which the command ends.
enum End {
    Whole,
    Interrupted,
}

/// Writes records until there are enough, no reader is left, or a signal comes.
fn copy(mut hub: Hub, mut printer: Printer, interrupt: &Interrupt) -> Result<End, Failure> {
    // Records wait in the printer.
    let mut holds = false;
    loop {
        if interrupt.has_come() {
            printer.flush()?;
            return Ok(End::Interrupted);
        }
        let event = match hub.next(!holds) {
            Ok(event) => event,
            Err(failure) => {
                printer.flush()?;
                return Err(failure);
            }
        };
        let progress = match event {
            Some(Event::Batches { partition, from, until, batches }) => {
                holds = true;
                printer.records(&Piece { partition: &partition, from, until, batches: &batches }, interrupt)
            }
            _ if hub.is_done() => {
                printer.flush()?;
                return Ok(End::Whole);
            }
            _ if holds => {
                holds = false;
                printer.flush()
            }
            _ => Ok(Progress::GoesOn),
        };
        match progress {
            Ok(Progress::GoesOn) => {}
            Ok(Progress::Ended) => return Ok(End::Whole),
            Ok(Progress::Interrupted) => return Ok(End::Interrupted),
            Err(failure) => {
                // The records before a damaged batch.
                printer.flush()?;
                return Err(failure);
            }
        }
    }
}
