//! The driver finds planted bugs, and every target holds for its seeds and some inputs made of them.
//!
//! One test after the other in one function, as the memory of a process is counted as a whole.

use std::time::Duration;

use fuzz_targets::{TARGETS, Target, driver};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A length of one byte, then that many bytes; each bug is one missing check.
fn seeds() -> Vec<Vec<u8>> {
    vec![vec![3, 1, 2, 3], vec![0]]
}

const BELIEVES_LENGTHS: Target = Target {
    name: "believes lengths",
    run: |data| match data.split_first() {
        Some((len, rest)) => format!("{}", rest[..usize::from(*len)].len()),
        None => "empty".to_owned(),
    },
    seeds,
    memory: |_| 1 << 20,
};

const RESERVES_BY_CLAIM: Target = Target {
    name: "reserves by claim",
    run: |data| match data.split_first() {
        Some((len, _)) => format!("{}", Vec::<u64>::with_capacity(usize::from(*len) << 10).len()),
        None => "empty".to_owned(),
    },
    seeds,
    memory: |_| 1 << 20,
};

#[test]
fn rules_that_are_broken_are_found() {
    let time = Duration::from_secs(10);
    let failure = driver::run(&BELIEVES_LENGTHS, time, 1, MEMORY).unwrap_err();
    assert!(failure.problem.contains("out of range"), "{}", failure.problem);
    assert!(usize::from(failure.input[0]) >= failure.input.len());
    let failure = driver::run(&RESERVES_BY_CLAIM, time, 1, MEMORY).unwrap_err();
    assert!(failure.problem.contains("bytes of memory at once"), "{}", failure.problem);

    for target in TARGETS {
        assert!(!(target.seeds)().is_empty(), "{} has no seeds", target.name);
        let report = driver::run(target, Duration::from_millis(200), 1, MEMORY);
        let report = report.unwrap_or_else(|failure| panic!("{}: {failure:?}", target.name));
        assert!(report.inputs > 0 && report.answers > 1, "{}: {report:?}", target.name);
    }
}

#[test]
fn every_target_has_its_program_for_cargo_fuzz() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");
    let manifest = std::fs::read_to_string(format!("{folder}/Cargo.toml")).unwrap();
    let mut programs = 0;
    for target in TARGETS {
        let name = target.name;
        let program = std::fs::read_to_string(format!("{folder}/fuzz_targets/{name}.rs")).unwrap();
        assert!(program.contains(&format!("run({name:?}, data)")), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        programs += 1;
    }
    assert_eq!(std::fs::read_dir(format!("{folder}/fuzz_targets")).unwrap().count(), programs);
}
