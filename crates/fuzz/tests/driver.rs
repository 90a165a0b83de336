//! The driver finds planted bugs, and every target holds for its seeds and some inputs made of them.
//!
//! One test after the other in one function, as the memory of a process is counted as a whole.

use std::time::Duration;

use codec::records::{BatchBuilder, BatchHeader, Compression, compress};
use fuzz_targets::{TARGETS, Target, driver};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A length of one byte, then that many bytes; each bug is one missing check.
fn seeds() -> Vec<Vec<u8>> {
    vec![vec![3, 1, 2, 3], vec![0]]
}

/// A gzip batch of one record: 16 MiB of zeros.
fn expansive() -> Vec<Vec<u8>> {
    const MIB: usize = 1 << 20;
    // Lengths as zigzag varints of four bytes; members of gzip may follow each other.
    let length = |len: usize| {
        [0, 7, 14, 21].map(|shift| ((2 * len) >> shift) as u8 & 0x7f | u8::from(shift < 21) << 7)
    };
    let front = [&length(16 * MIB + 9)[..], &[0, 0, 0, 1], &length(16 * MIB)].concat();
    let member = |data: &[u8]| compress(Compression::Gzip, data).expect("memory");
    let records = [member(&front), member(&vec![0; MIB]).repeat(16), member(&[0])].concat();
    let header = BatchBuilder::new().compression(Compression::Gzip).record(0, None, None).build();
    let mut batch = [&header[..BatchHeader::LEN], &records].concat();
    // As if cut off: the target tries such bytes again, with their true length and checksum.
    batch[8] = 0x7f;
    vec![batch]
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

    // However much comes out of a batch on arrival: it is walked and not held.
    let batch = TARGETS.iter().find(|target| target.name == "batch").unwrap();
    let walked = driver::run(&Target { seeds: expansive, ..*batch }, Duration::ZERO, 1, MEMORY).unwrap();
    assert!(walked.peak_bytes < 2 << 20, "{walked:?}");
    assert_eq!((batch.run)(&expansive()[0]), "sound gzip");

    for target in TARGETS {
        assert!(!(target.seeds)().is_empty(), "{} has no seeds", target.name);
        let report = driver::run(target, Duration::from_millis(200), 1, MEMORY);
        let report = report.unwrap_or_else(|failure| panic!("{}: {failure:?}", target.name));
        assert!(report.inputs > 0 && report.answers > 1, "{}: {report:?}", target.name);
    }
}

#[test]
fn every_target_has_its_program_for_cargo_fuzz() {
    // Cargo runs tests in the folder of their crate.
    let folder = "../../fuzz";
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
