//! Checks the history of a run with transactions: `check-transactions FILE…`, one file of events from each
//! client. `tests/README.md` describes the events. Ends with 0 if nothing is wrong, with 1 if something is.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use ottla_tests::transactions::feed::Feed;

fn main() -> Result<ExitCode> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    ensure!(!files.is_empty(), "usage: check-transactions FILE…");
    let mut feed = Feed::default();
    for name in &files {
        let file = File::open(name).with_context(|| name.clone())?;
        feed.read(BufReader::new(file)).with_context(|| name.clone())?;
    }
    let history = feed.finish();
    let found = history.violations();
    let (transactions, polls) = (history.transactions.len(), history.polls.len());
    let mut out = std::io::stdout();
    writeln!(out, "{transactions} transactions, {polls} polls, {} partitions", history.log.len())?;
    if found.is_empty() {
        writeln!(out, "no anomaly")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}", found.report())?;
    Ok(ExitCode::FAILURE)
}
