//! Compares Ottla with Apache Kafka: the same load on one, then on the other, A B A B, each time on a fresh folder.
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
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;

use self::broker::{BrokerKind, Lab};
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
        ottla: arguments.ottla.clone(),
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
        let mut pairs = Vec::new();
        for number in 1..=arguments.pairs {
            let mut pair = Vec::new();
            for kind in &arguments.brokers {
                // The script that starts Kafka empties its folder.
                if *kind == BrokerKind::Kafka && spec.load.kind == loads::LoadKind::Restart {
                    continue;
                }
                match one(&lab, *kind, spec, number, common) {
                    Ok(metrics) => pair.push((*kind, metrics)),
                    Err(error) => {
                        failures += 1;
                        print(&format!("pair {number}: {kind:?} failed: {error:#}\n"))?;
                    }
                }
            }
            pairs.push(pair);
        }
        let table = ratios::table(&pairs);
        print(&table.text)?;
        summary.push_str(&table.summary(&spec.text));
    }
    print(&format!("\n== medians of ottla / kafka\n{summary}"))?;
    if failures > 0 {
        bail!("{failures} runs failed");
    }
    Ok(())
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
fn one(lab: &Lab, kind: BrokerKind, spec: &Spec, pair: u32, common: &Common) -> Result<Vec<Metric>> {
    // Before the broker is started, which is a load of its own.
    let load_average = machine::load_average();
    let mut broker = lab.start(kind, &spec.load)?;
    let target = Target {
        address: broker.address,
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
    let mut line = figures.line(&format!("pair {pair}"), kind.name());
    for (name, value) in &more {
        let _ = write!(line, "; {name} {value:.2}");
    }
    print(&format!("{line}\n"))?;
    let metrics = [figures.metrics(), more].concat();
    let labels = [("load", spec.text.as_str()), ("broker", kind.name()), ("pair", &pair)];
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
