//! Compares Ottla with Apache Kafka: the same load on one, then on the other, A B A B, each time on a fresh folder. Instead of
//! Kafka it may be another binary of Ottla (`--other-ottla`), or the same binary with another load (`--against`).
//!
//! A machine that slows down slows both of a pair, so the ratio within a pair counts; the medians are
//! of those ratios. A load that fails on one broker is reported, and the others go on.
//!
//! A failure of one run is counted and printed, and makes the whole comparison end with an error after the
//! last run. Brokers are killed and their folders removed after each run.

mod broker;
mod machine;
mod ratios;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use anyhow::{Result, bail, ensure};
use clap::Args;

use self::broker::{BrokerKind, Lab};
use self::ratios::Side;
use crate::loads::{self, Spec};
use crate::report::{self, Metric};
use crate::run::{self, Target};
use crate::{Common, print, seconds, write_json};

/// The loads if none are named.
const LOADS: &[&str] = &[
    "produce-1k",
    "produce-100b",
    "produce-one",
    "end-to-end",
    "sync-1k",
    "sync-one",
    "produce-1k:acks=all",
    "catch-up",
];

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Runs of each broker per load.
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// The brokers.
    #[arg(long, value_delimiter = ',', default_value = "kafka,ottla")]
    brokers: Vec<BrokerKind>,
    /// Ottla's binary.
    #[arg(long, value_name = "FILE")]
    ottla: PathBuf,
    /// A load with which Ottla is compared instead of Kafka: what does the difference between the loads cost?
    #[arg(long, value_name = "LOAD", value_parser = Spec::from_str, conflicts_with = "other_ottla")]
    against: Option<Spec>,
    /// Another binary of Ottla, with which it is compared instead of Kafka.
    #[arg(long, value_name = "FILE")]
    other_ottla: Option<PathBuf>,
    /// Sets one key of Ottla; may be given several times.
    #[arg(long = "ottla-override", value_name = "KEY=VALUE")]
    ottla_overrides: Vec<String>,
    /// The script that starts Apache Kafka: `FOLDER PORT [KEY=VALUE]`, as tools/kafka/start.sh.
    #[arg(long, value_name = "FILE")]
    kafka: PathBuf,
    /// Kafka's jars.
    #[arg(long, value_name = "FOLDER")]
    kafka_libs: PathBuf,
    /// An existing folder for the brokers' files; the pid of a running broker is in `*.pid` there.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Text about the run for the top of the output, such as date and commit.
    #[arg(long, default_value = "")]
    about: String,
    #[command(flatten)]
    common: Common,
}

/// Runs all pairs of all loads.
///
/// # Errors
/// At the end, if any load failed.
pub(crate) fn compare(arguments: &Compare) -> Result<()> {
    let Compare { common, .. } = arguments;
    ensure!(arguments.folder.is_dir(), "no folder {}", arguments.folder.display());
    let lab = Lab {
        folder: arguments.folder.canonicalize()?,
        ottla_overrides: arguments.ottla_overrides.clone(),
        kafka: arguments.kafka.canonicalize()?,
        kafka_libs: arguments.kafka_libs.canonicalize()?,
    };
    let mut loads = common.loads.clone();
    if loads.is_empty() {
        loads = LOADS.iter().map(|text| text.parse()).collect::<Result<_>>()?;
    }
    let machine = machine::describe(&lab.folder);
    // First, so that an output that is cut short still says where it was measured.
    print(&format!("{}\n{machine}\n", arguments.about))?;
    write_json(common, &machine::json(&arguments.about, &machine))?;
    let (mut failures, mut summary) = (0, String::new());
    for spec in &loads {
        print(&format!("\n== {}\n", spec.text))?;
        let sides = sides(arguments, spec);
        let mut pairs = Vec::new();
        for number in 1..=arguments.pairs {
            let mut pair = Vec::new();
            for run in &sides {
                // The script that starts Kafka empties its folder.
                if run.kind == BrokerKind::Kafka && spec.load.kind == loads::LoadKind::Restart {
                    continue;
                }
                match one(&lab, run, number, common) {
                    Ok(metrics) => pair.push((run.side, metrics)),
                    Err(error) => {
                        failures += 1;
                        print(&format!("pair {number}: {} failed: {error:#}\n", run.name))?;
                    }
                }
            }
            pairs.push(pair);
        }
        let reference = sides.iter().find(|run| run.side == Side::Reference);
        let table = ratios::table(&pairs, reference.map_or("kafka", |run| run.name.as_str()));
        print(&table.text)?;
        summary.push_str(&table.summary(&spec.text));
    }
    print(&format!("\n== medians\n{summary}"))?;
    if failures > 0 {
        bail!("{failures} runs failed");
    }
    Ok(())
}

/// One broker with one load.
#[derive(Debug)]
struct OneRun<'a> {
    side: Side,
    kind: BrokerKind,
    /// Of the broker in the output, or of the load with which another one is compared.
    name: String,
    binary: &'a Path,
    spec: &'a Spec,
}

/// The runs of each pair, in their order.
fn sides<'a>(arguments: &'a Compare, spec: &'a Spec) -> Vec<OneRun<'a>> {
    let run = |kind: BrokerKind, side: Side, name: &str, binary: &'a Path, spec: &'a Spec| OneRun {
        side,
        kind,
        name: name.to_owned(),
        binary,
        spec,
    };
    let (kind, binary) = (BrokerKind::Ottla, arguments.ottla.as_path());
    let ottla = run(kind, Side::Subject, kind.name(), binary, spec);
    if let Some(against) = &arguments.against {
        return vec![run(kind, Side::Reference, &against.text, binary, against), ottla];
    }
    if let Some(other) = &arguments.other_ottla {
        return vec![run(kind, Side::Reference, "other", other, spec), ottla];
    }
    let each = arguments.brokers.iter().map(|kind| {
        let side = if *kind == BrokerKind::Ottla { Side::Subject } else { Side::Reference };
        run(*kind, side, kind.name(), binary, spec)
    });
    each.collect()
}

/// The figures, if there are any of a broker that lived. A load that fails since its broker ended is explained by the
/// broker's last words, so these come first.
fn outcome<T>(figures: Result<T>, stopped: Result<()>) -> Result<T> {
    match (figures, stopped) {
        (Err(failed), Err(ended)) => Err(failed.context(format!("{ended:#}"))),
        (figures, stopped) => {
            let figures = figures?;
            stopped?;
            Ok(figures)
        }
    }
}

/// One load on one broker, from its start to its end.
///
/// # Errors
/// The broker does not start, the load fails, or the broker ended by itself during it.
fn one(lab: &Lab, run: &OneRun<'_>, pair: u32, common: &Common) -> Result<Vec<Metric>> {
    let OneRun { spec, name, .. } = run;
    // Before the broker is started, which is a load of its own.
    let load_average = machine::load_average();
    let mut broker = lab.start(run.kind, run.binary, &spec.load)?;
    let target = Target {
        endpoint: broker.endpoint,
        pid: Some(broker.pid),
        warmup: seconds(common.warmup)?,
        window: seconds(common.seconds)?,
    };
    let mut more = vec![("ready_ms", broker.ready_ms), ("load_average_before", load_average)];
    let figures = match spec.load.kind {
        loads::LoadKind::Restart => run::restart(&spec.load, &target, || {
            more.push(("ready_after_kill_ms", broker.crash_and_restart(lab)?));
            Ok(())
        }),
        _ => run::run(spec, &target),
    };
    let figures = outcome(figures, broker.stop())?;
    let pair = pair.to_string();
    let mut line = figures.line(&format!("pair {pair}"), name);
    for (name, value) in &more {
        let _ = write!(line, "; {name} {value:.2}");
    }
    print(&format!("{line}\n"))?;
    let metrics = [figures.metrics(), more].concat();
    let labels = [("load", spec.text.as_str()), ("broker", name), ("pair", &pair)];
    write_json(common, &report::json(&labels, &metrics))?;
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failed_load_shows_the_last_words_of_a_broker_that_ended() {
        let ended = || Err(anyhow!("the broker ended by itself:\nno space"));
        let text = format!("{:#}", outcome::<()>(Err(anyhow!("connection reset")), ended()).unwrap_err());
        assert_eq!(text, "the broker ended by itself:\nno space: connection reset");
        assert!(outcome(Ok(1), ended()).is_err());
        assert_eq!(outcome::<()>(Err(anyhow!("reset")), Ok(())).unwrap_err().to_string(), "reset");
        assert_eq!(outcome(Ok(1), Ok(())).unwrap(), 1);
    }
}
