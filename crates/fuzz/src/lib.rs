//! Fuzz targets: what must hold for any bytes whatever, as plain functions.
//!
//! ```text
//! targets   one function each: reads the bytes, panics where a rule is broken
//! seeds     bytes of real clients and brokers, from which inputs are made
//! mutate    how inputs are made
//! driver    runs a target on such inputs for some seconds, with a bound on memory and time; no coverage, no nightly
//! ```
//! cargo-fuzz runs the same targets guided by coverage: see the folder `fuzz` of the repository, and `make fuzz`.

pub mod driver;
mod mutate;
mod seeds;
mod targets;

pub use targets::TARGETS;

/// One rule that must hold for any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line, also that of its program under `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Reads the bytes and panics if a rule is broken. Returns in a word what came of them, so that the driver can tell
    /// new behaviour from known.
    pub run: fn(&[u8]) -> String,
    /// Sound inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The most memory that may be in use at any time of a run, in bytes, for an input of this many.
    pub memory: fn(usize) -> usize,
}

/// Runs the target of this name, for cargo-fuzz.
///
/// # Panics
/// If there is none of that name, or a rule of it is broken.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("programs are named after targets").run)(data);
}
