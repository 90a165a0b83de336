//! Fuzz targets: what must hold for any bytes whatever, as plain functions.
//!
//! ```text
//! targets   one function each: reads the bytes, panics where a rule is broken
//! seeds     bytes of real clients and brokers, from which inputs are made
//! mutate    how inputs are made
//! driver    runs a target on such inputs for some seconds, with a bound on memory and time; no coverage, no nightly
//! ```
//! cargo-fuzz runs the same targets guided by coverage: see the folder `fuzz` of the repository, and `make fuzz`.
//!
//! A target does not judge which bytes are refused; the tests of each crate do that. It holds that no
//! bytes lead to a panic, to too much memory or to too much time, and that what was read reads the
//! same once it was written.

pub mod driver;
mod mutate;
mod seeds;
mod targets;

pub use targets::TARGETS;

/// One rule that must hold for any bytes.
///
/// A target judges each input by itself, so that one which failed in a run fails alone, too.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line, also that of its program under `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Reads the bytes and panics if a rule is broken. Returns in a word what came of them, so that the driver can tell
    /// new behaviour from known.
    /// Errors of the code under test are answers, not failures. The driver takes an input with a new
    /// answer as a seed, so answers must be few: no numbers of the input in them.
    pub run: fn(&[u8]) -> String,
    /// Sound inputs.
    /// They must pass; the driver runs them first, and mutates them afterwards.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The most memory that may be in use at any time of a run, in bytes, for an input of this many.
    /// It covers the target's own copies of the input. Only the driver holds to it: cargo-fuzz has
    /// one limit for all targets, in `tools/fuzz.sh`.
    pub memory: fn(usize) -> usize,
}

/// Runs the target of this name, for cargo-fuzz.
/// Memory and time are cargo-fuzz's to judge, the answer is dropped.
///
/// # Panics
/// If there is none of that name, or a rule of it is broken.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("programs are named after targets").run)(data);
}
