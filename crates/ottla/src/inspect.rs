//! `ottla inspect`: prints what the storage finds in a data folder, as text with aligned columns or as JSON.
//!
//! The exit code is 1 if something is damaged or the folder cannot be looked at, else 0.

mod json;
mod table;
mod text;

use std::process::ExitCode;

use serde_json::Value;
use storage::InspectError;
use storage::inspect::{BatchCounts, Inspector, PartitionReport, RecordReport};

use crate::cli::{self, Inspect};

/// Records whose columns are aligned with each other.
const ROWS: usize = 1000;

/// Output and the exit code that goes with it.
struct Printed {
    text: String,
    damaged: bool,
}

/// Runs `ottla inspect …`.
pub(crate) fn run(arguments: &Inspect) -> ExitCode {
    match print(arguments) {
        Ok(Printed { text, damaged }) => match cli::print(&text) {
            ExitCode::SUCCESS if damaged => ExitCode::from(cli::EXIT_FAILED),
            code => code,
        },
        Err(error) => cli::failed(&error.to_string()),
    }
}

fn print(arguments: &Inspect) -> Result<Printed, InspectError> {
    let inspector = Inspector::open(&arguments.folder)?;
    match (&arguments.journal, &arguments.topic) {
        (Some(file), _) => journal(&inspector, file, arguments),
        (None, Some(topic)) => match (arguments.partition, arguments.offset) {
            (Some(partition), Some(offset)) => batch(&inspector, topic, partition, offset, arguments.json),
            _ => one_topic(&inspector, topic, arguments),
        },
        (None, None) => folder(&inspector, arguments),
    }
}

fn folder(inspector: &Inspector, arguments: &Inspect) -> Result<Printed, InspectError> {
    let mut report = inspector.report()?;
    let mut counts = Vec::new();
    if arguments.check {
        inspector.check(&mut report, |_, counted| counts.push(counted))?;
    }
    let damaged = !report.damage.is_empty();
    let text = match arguments.json {
        true => rendered(&json::report(&report, &counts)),
        false => text::report(&report, &counts, arguments.check),
    };
    Ok(Printed { text, damaged })
}

fn one_topic(inspector: &Inspector, topic: &str, arguments: &Inspect) -> Result<Printed, InspectError> {
    let mut report = inspector.report()?;
    let wanted = |partition: &PartitionReport| {
        partition.topic == topic && arguments.partition.is_none_or(|index| partition.partition == index)
    };
    report.partitions.retain(wanted);
    if report.partitions.is_empty() {
        let partition = arguments.partition.unwrap_or(0);
        return Err(InspectError::UnknownPartition { topic: topic.to_owned(), partition });
    }
    let mut damage = Vec::new();
    let mut counts: Vec<BatchCounts> = Vec::new();
    for partition in &report.partitions {
        counts.push(inspector.count(partition, arguments.check.then_some(&mut damage))?);
    }
    let text = match arguments.json {
        true => rendered(&json::topic(&report.partitions, &counts, &damage)),
        false => text::topic(&report.partitions, &counts, &damage),
    };
    Ok(Printed { text, damaged: counts.iter().any(|counts| counts.damaged > 0) || !damage.is_empty() })
}

fn batch(
    inspector: &Inspector,
    topic: &str,
    partition: i32,
    offset: i64,
    as_json: bool,
) -> Result<Printed, InspectError> {
    let found = inspector.batch(topic, partition, offset)?;
    let damaged = found.as_ref().is_some_and(|batch| batch.fault.is_some());
    let text = match (as_json, &found) {
        (true, found) => rendered(&json::batch(found.as_ref())),
        (false, Some(batch)) => text::batch(batch),
        (false, None) => format!("no batch of {topic}-{partition} holds offset {offset}\n"),
    };
    Ok(Printed { text, damaged })
}

/// Prints while it reads: a journal can have millions of records.
fn journal(inspector: &Inspector, file: &str, arguments: &Inspect) -> Result<Printed, InspectError> {
    let (mut damaged, mut waiting, mut before) = (false, Vec::new(), "{\"records\": [");
    let mut flush = |records: &mut Vec<RecordReport>| {
        let text = match arguments.json {
            true => records.iter().fold(String::new(), |text, record| {
                text + std::mem::replace(&mut before, ",") + "\n  " + &json::record(record).to_string()
            }),
            false => text::records(records),
        };
        records.clear();
        cli::print(&text);
    };
    inspector.records(file, arguments.check, |record| {
        damaged |= record.fault.is_some();
        waiting.push(record.clone());
        if waiting.len() >= ROWS {
            flush(&mut waiting);
        }
    })?;
    flush(&mut waiting);
    let text = match (arguments.json, before) {
        (false, _) => String::new(),
        (true, ",") => "\n]}\n".to_owned(),
        (true, none) => format!("{none}]}}\n"),
    };
    Ok(Printed { text, damaged })
}

fn rendered(value: &Value) -> String {
    format!("{value:#}\n")
}
