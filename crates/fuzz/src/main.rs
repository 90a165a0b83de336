//! `ottla-fuzz [--seconds N] [--seed N] [--input FILE] [TARGET…]`: the targets for N seconds each (5, or
//! `OTTLA_FUZZ_SECONDS`), one after the other; all of them if none is named. `--input` runs one file instead.
//!
//! An input that breaks a rule is written to the folder `OTTLA_FUZZ_ARTIFACTS` (default: the one for temporary files),
//! and the exit code is 1.
//!
//! Wrong options and a file that cannot be read are exit code 2. After a failure the other targets still run.

use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuzz_targets::{TARGETS, Target, driver};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The command line.
struct Options {
    /// For each target.
    seconds: f64,
    /// The same for all targets of a run.
    seed: u64,
    /// A file to run instead.
    input: Option<PathBuf>,
    targets: Vec<&'static Target>,
}

/// The options, or what is wrong with them.
fn options() -> Result<Options, String> {
    let seconds = std::env::var("OTTLA_FUZZ_SECONDS").unwrap_or_else(|_| "5".to_owned());
    let mut options =
        Options { seconds: number(&seconds)?, seed: random_seed(), input: None, targets: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--seconds" => options.seconds = number(&value()?)?,
            "--seed" => options.seed = number(&value()?)?,
            "--input" => options.input = Some(value()?.into()),
            name => {
                let found = TARGETS.iter().find(|target| target.name == name);
                let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" ");
                options
                    .targets
                    .push(found.ok_or_else(|| format!("no target {name}; there are {}", names()))?);
            }
        }
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(options)
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

#[allow(clippy::disallowed_methods, reason = "only varies the runs; the seed is printed")]
/// Another seed for every run.
fn random_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            // A closed stderr leaves the exit code as the only answer.
            writeln!(stderr(), "ottla-fuzz: {problem}").ok();
            return ExitCode::from(2);
        }
    };
    if let Some(path) = &options.input {
        return run_file(path, &options.targets);
    }
    let mut sound = true;
    for target in &options.targets {
        say(&format!("{:12} seed {}", target.name, options.seed));
        // A negative time would panic.
        let time = Duration::from_secs_f64(options.seconds.max(0.0));
        match driver::run(target, time, options.seed, MEMORY) {
            Ok(report) => say(&format!(
                "{:12} ok: {} inputs, {} answers, at most {} KiB of memory",
                target.name,
                report.inputs,
                report.answers,
                report.peak_bytes / 1024
            )),
            Err(failure) => {
                sound = false;
                say(&format!("{:12} FAILED: {}", target.name, failure.problem));
                say(&keep(target, &failure.input));
            }
        }
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one input, which other targets than the one that failed may take as well.
fn run_file(path: &PathBuf, targets: &[&Target]) -> ExitCode {
    match std::fs::read(path) {
        Ok(data) => {
            for target in targets {
                // A panic is not caught here: it shows the place that is looked for.
                say(&format!("{:12} {}", target.name, (target.run)(&data)));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{}: {error}", path.display()));
            ExitCode::from(2)
        }
    }
}

/// Writes an input that failed to a file; says where.
fn keep(target: &Target, input: &[u8]) -> String {
    let folder = std::env::var_os("OTTLA_FUZZ_ARTIFACTS").map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("ottla-fuzz-{}-{}.bin", target.name, std::process::id()));
    match std::fs::write(&path, input) {
        Ok(()) => format!(
            "  its input of {} bytes: ottla-fuzz --input {} {}",
            input.len(),
            path.display(),
            target.name
        ),
        Err(error) => format!("  its input could not be kept in {}: {error}", path.display()),
    }
}

fn say(line: &str) {
    // A closed stdout does not change the result, which is the exit code.
    writeln!(stdout(), "{line}").ok();
}
