//! Answers that have a text for each partition: what bounds them, as they are many times as long as their requests.

use crate::services::admin::topics;

/// Partitions that one request may name.
const MAX_PARTITIONS: usize = 10_000;

/// Checks that a request for these numbers of partitions, topic by topic, can be answered.
///
/// # Errors
/// They are too many, in words for the log.
pub(crate) fn check_count(partitions: impl Iterator<Item = usize>) -> Result<(), String> {
    match partitions.fold(0, usize::saturating_add) {
        0..=MAX_PARTITIONS => Ok(()),
        asked => Err(format!("{asked} partitions in one request, more than {MAX_PARTITIONS}")),
    }
}

/// As much of a name as a topic's can be long: what a client sends is repeated for each partition.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(topics::MAX_NAME_LENGTH).collect()
}
