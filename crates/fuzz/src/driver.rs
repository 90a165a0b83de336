//! Runs a target on seeds and on inputs made of them, until its time is over or a rule is broken.
//!
//! Without coverage, what a target says of an input guides the choice: an input with a new answer becomes a seed. The
//! random seed determines the order of inputs, so a run that ended in an abort can be had again.
//!
//! One thread, one input after the other: the peak of memory is that of one input. A run that aborts
//! (out of memory, stack overflow) writes no input; the same seed and target lead to it again.
#![allow(clippy::disallowed_methods, reason = "a run ends by time, and an input must not take long")]

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use crate::Target;
use crate::mutate::{Random, mutate};

/// No input may take longer. Debug builds on a busy machine decompress 64 MiB in less.
const SLOW: Duration = Duration::from_secs(20);
/// The most inputs with answers of their own that are kept.
/// A bound of the driver's own memory: with inputs of 64 KiB at most it is 1.2 GiB.
const MAX_CORPUS: usize = 20_000;

/// The figures of a run.
/// For the operator; a run that broke a rule has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Inputs.
    /// Seeds included.
    pub inputs: u64,
    /// Different answers of the target.
    /// The more, the more of the code was reached.
    pub answers: usize,
    /// The most memory that one input took, in bytes.
    /// Above what was in use before it, so without the corpus.
    pub peak_bytes: usize,
}

/// A rule that an input broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The rule, or the panic's message.
    pub problem: String,
    /// The input.
    /// As the target got it, to be run alone (`--input`).
    pub input: Vec<u8>,
}

/// Runs `target` for `time`. `memory` must be the allocator of the process, else memory is not judged.
///
/// The time is looked at between two inputs. Seeds are all run, however short it is. The same `seed`
/// gives the same inputs; how many of them fit into the time depends on the machine.
///
/// # Errors
/// At the first input that makes the target panic, takes too long or takes too much memory.
pub fn run(target: &Target, time: Duration, seed: u64, memory: PeakAlloc) -> Result<Report, Failure> {
    let start = Instant::now();
    let mut random = Random(seed);
    let mut corpus = (target.seeds)();
    let mut answers = HashSet::new();
    let mut report = Report { inputs: 0, answers: 0, peak_bytes: 0 };
    // The seeds as they are first: a sound input must pass, and what it answers is nothing new later.
    for input in &corpus {
        let (answer, peak) = one(target, input, memory)?;
        answers.insert(answer);
        report.peak_bytes = report.peak_bytes.max(peak);
        report.inputs += 1;
    }
    while start.elapsed() < time {
        let empty = Vec::new();
        // A target may be without seeds.
        let chosen = corpus.get(random.below(corpus.len())).unwrap_or(&empty);
        let other = corpus.get(random.below(corpus.len())).unwrap_or(&empty);
        let input = mutate(chosen, other, &mut random);
        let (answer, peak) = one(target, &input, memory)?;
        // Inputs beyond the limit are still judged, they only lead to no others.
        if answers.insert(answer) && corpus.len() < MAX_CORPUS {
            corpus.push(input);
        }
        report.peak_bytes = report.peak_bytes.max(peak);
        report.inputs += 1;
    }
    report.answers = answers.len();
    Ok(report)
}

/// Runs the target once; its answer and the memory it took.
///
/// # Errors
/// See [`run`].
fn one(target: &Target, input: &[u8], memory: PeakAlloc) -> Result<(String, usize), Failure> {
    let fail = |problem: String| Failure { problem, input: input.to_vec() };
    // The allocator counts the whole process. Nothing else runs, and the memory of the corpus is subtracted.
    memory.reset_peak_usage();
    let (before, start) = (memory.current_usage(), Instant::now());
    // Targets share nothing that a panic could leave half changed, and a failure ends the run.
    let answer = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    // Before anything else is allocated: the peak is that of the target alone.
    let peak = memory.peak_usage().saturating_sub(before);
    let took = start.elapsed();
    let answer = answer.map_err(|panic| fail(format!("panicked: {}", text(&*panic))))?;
    let allowed = (target.memory)(input.len());
    // A claim believed shows here, even if the memory was never touched: the allocator counts what is
    // reserved.
    if peak > allowed {
        return Err(fail(format!("{peak} bytes of memory at once, {allowed} are allowed")));
    }
    if took > SLOW {
        return Err(fail(format!("took {took:?}")));
    }
    Ok((answer, peak))
}

/// The message of a panic, which is a string of either kind if `panic!` or an assertion made it.
fn text(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
