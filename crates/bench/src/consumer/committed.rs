//! The batches of an answer that a reader of committed records leaves out, as Java's consumer does (`CompletedFetch`).
//!
//! The broker lists the aborted transactions that touch the answer, each with its producer and first offset. From there to
//! the producer's next marker its transactional batches are left out.

use std::cmp::Reverse;
use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use codec::records::{BatchHeader, ControlType, RecordBatch};

use crate::responses::Aborted;

/// The aborted transactions of the answer for one partition.
#[derive(Debug)]
pub(super) struct Aborts {
    /// Those whose first offset is still ahead; the next one is last.
    ahead: Vec<Aborted>,
    /// Producers in an aborted transaction at the present offset.
    open: HashSet<i64>,
}

impl Aborts {
    pub(super) fn new(mut listed: Vec<Aborted>) -> Aborts {
        listed.sort_unstable_by_key(|aborted| Reverse(aborted.first_offset));
        Aborts { ahead: listed, open: HashSet::new() }
    }

    /// True if the records of the next batch are left out. Markers have none for a reader.
    ///
    /// # Errors
    /// A marker cannot be read, or it commits a transaction that was listed as aborted.
    pub(super) fn leave_out(&mut self, header: &BatchHeader, batch: &[u8]) -> Result<bool> {
        while self.ahead.last().is_some_and(|aborted| aborted.first_offset <= header.last_offset()) {
            self.open.extend(self.ahead.pop().map(|aborted| aborted.producer_id));
        }
        // Nothing is aborted here: markers need not be read.
        if self.open.is_empty() || !header.attributes.is_transactional() {
            return Ok(false);
        }
        if header.attributes.is_control() {
            let aborted = control_type(batch)? == ControlType::Abort;
            let listed = self.open.remove(&header.producer_id);
            ensure!(aborted || !listed, "a committed transaction is listed as aborted");
            return Ok(true);
        }
        Ok(self.open.contains(&header.producer_id))
    }
}

/// The type of a control batch.
fn control_type(batch: &[u8]) -> Result<ControlType> {
    let batch = RecordBatch::parse_stored(Bytes::copy_from_slice(batch))?;
    let record = batch.records()?.next().context("a control batch without a record")??;
    ControlType::of(&record).context("a control record without a type")
}

#[cfg(test)]
mod tests {
    use codec::records::{BatchBuilder, EndTransactionMarker, set_base_offset};

    use super::*;

    fn data(producer: i64, offset: i64) -> Vec<u8> {
        let batch = BatchBuilder::new().producer(producer, 0, 0).transactional().base_offset(offset);
        batch.record(1, None, Some(b"value")).build().to_vec()
    }

    fn marker(producer: i64, offset: i64, control_type: ControlType) -> Vec<u8> {
        let mut batch =
            EndTransactionMarker { control_type, coordinator_epoch: 0 }.batch(producer, 0, 1).to_vec();
        set_base_offset(&mut batch, offset);
        batch
    }

    fn left_out(aborts: &mut Aborts, batch: &[u8]) -> Result<bool> {
        aborts.leave_out(&BatchHeader::parse(batch).unwrap(), batch)
    }

    #[test]
    fn only_the_aborted_transaction_is_left_out() {
        let aborted = |producer_id, first_offset| Aborted { producer_id, first_offset };
        // Not in the order of their offsets.
        let mut aborts = Aborts::new(vec![aborted(7, 5), aborted(7, 1)]);
        let batches = [
            (data(7, 0), false),
            (data(7, 1), true),
            (data(8, 2), false),
            (marker(7, 3, ControlType::Abort), true),
            (data(7, 4), false),
            (data(7, 5), true),
        ];
        for (at, (batch, expected)) in batches.iter().enumerate() {
            assert_eq!(left_out(&mut aborts, batch).unwrap(), *expected, "batch {at}");
        }
        assert!(left_out(&mut aborts, &marker(7, 6, ControlType::Commit)).is_err());
    }
}
