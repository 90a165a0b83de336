//! The targets, and what they share.

mod groups;
mod message_sets;
mod records;
mod requests;
mod storage;

use crate::Target;

/// All targets.
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
    storage::STORAGE,
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
