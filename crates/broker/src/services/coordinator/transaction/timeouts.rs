//! Timeouts that are refused: a line names the key to raise, once for each transactional id.
//!
//! Flink's sink asks for an hour unless it is told otherwise, which is above the default of every broker. Its job fails and begins
//! again, with the same id, as often as it is allowed to.

use coordinator::transaction::TransactionalId;

use super::TransactionService;
use crate::telemetry::line_limit::FAULTS;

impl TransactionService {
    /// True for a timeout that a producer may ask for.
    pub(super) fn accepts_timeout(&self, asked_ms: i32) -> bool {
        let longest_ms = self.shell.kind().config.max_timeout_ms;
        u32::try_from(asked_ms).is_ok_and(|asked_ms| (1..=longest_ms).contains(&asked_ms))
    }

    /// Writes the line, unless it was written for this id already. Not of a timeout that no broker accepts.
    pub(super) fn note_timeout(&self, id: &TransactionalId, asked_ms: i32) {
        let longest_ms = self.shell.kind().config.max_timeout_ms;
        let is_too_long = u32::try_from(asked_ms).is_ok_and(|asked_ms| asked_ms > longest_ms);
        if !is_too_long || !self.too_long.note(id.as_str()) {
            return;
        }
        match FAULTS.take("transaction timeout") {
            Some(suppressed) => tracing::warn!(
                %id, asked_ms, longest_ms, suppressed,
                "a producer is refused, as its transaction.timeout.ms is above transaction.max.timeout.ms of this broker: raise the \
                 broker's key, which takes a restart, or lower the producer's. This is said once for each transactional id"
            ),
            // Ids of many clients at once: the next refusal of this one may have its line.
            None => self.too_long.forget(id.as_str()),
        }
    }
}
