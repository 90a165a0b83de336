//! The targets, and what they share.
//!
//! One file for each kind of bytes. Where these carry a checksum, targets run them as they are and
//! with it put right (`mended`): so both the check and the code after it are reached.

mod groups;
mod logins;
mod message_sets;
mod records;
mod requests;
mod storage;
mod transactions;

use crate::Target;

/// All targets.
/// Each has a program for cargo-fuzz in `fuzz/fuzz_targets`, which a test compares with this list.
pub static TARGETS: &[Target] = &[
    requests::FRAME,
    requests::REQUEST,
    records::BATCH,
    records::RECORDS,
    records::STORED,
    message_sets::SETS,
    message_sets::WRAPPED,
    message_sets::DOWNGRADE,
    groups::RECORD,
    groups::PROTOCOL,
    transactions::RECORD,
    storage::STORAGE,
    logins::LOGIN,
    logins::BEARER,
];

const MIB: usize = 1 << 20;

/// An error without its numbers: the same fault at another byte is nothing new.
fn kind(error: &dyn std::fmt::Display) -> String {
    // Each new answer becomes a seed: with numbers in it, nearly every input would.
    let text = error.to_string();
    let is_number =
        |word: &&str| word.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit());
    text.split(' ').filter(|word| !is_number(word)).collect::<Vec<_>>().join(" ")
}
