//! Batches that readers see: no control batches, and under read-committed none of aborted transactions (KIP-98).
//!
//! A broker sends the batches of aborted transactions together with a list of these: their producers, and the first offset of each.

use std::collections::BTreeSet;

use bytes::Bytes;
use codec::messages::fetch_response::AbortedTransaction;
use codec::records::{BatchError, BatchHeader, ControlType, RecordBatch, Records, batches};

/// Batches of one answer, and the offset after the last of all, also of those that are not seen.
#[derive(Debug, Default)]
pub(super) struct Visible {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) next_offset: Option<i64>,
}

/// The batches of an answer that a reader sees. `aborted` is empty under read-uncommitted.
///
/// # Errors
/// A batch is damaged, or of a format before Kafka 0.11.
pub(super) fn visible(records: &Bytes, aborted: &[AbortedTransaction]) -> Result<Visible, BatchError> {
    let mut waiting: Vec<(i64, i64)> =
        aborted.iter().map(|one| (one.first_offset, one.producer_id.0)).collect();
    // The next one is at the end.
    waiting.sort_unstable_by(|one, other| other.cmp(one));
    let mut producers = BTreeSet::new();
    let mut visible = Visible::default();
    for found in batches(records) {
        let (header, bytes) = found?;
        visible.next_offset = Some(header.last_offset().saturating_add(1));
        while let Some((_, producer)) = waiting.pop_if(|(first, _)| *first <= header.last_offset()) {
            producers.insert(producer);
        }
        if header.attributes.is_control() {
            if ends_by_abort(&header, &bytes)? {
                producers.remove(&header.producer_id);
            }
            continue;
        }
        if !(header.attributes.is_transactional() && producers.contains(&header.producer_id)) {
            visible.batches.push(RecordBatch::parse_stored(bytes)?);
        }
    }
    Ok(visible)
}

fn ends_by_abort(header: &BatchHeader, bytes: &Bytes) -> Result<bool, BatchError> {
    // One that compaction has emptied ends nothing.
    let first = Records::new(*header, bytes)?.next().transpose()?;
    Ok(first.and_then(|record| ControlType::of(&record)) == Some(ControlType::Abort))
}

#[cfg(test)]
mod tests {
    use codec::messages::ProducerId;
    use codec::records::{BatchBuilder, EndTransactionMarker};

    use super::*;

    fn batch(offset: i64, producer: i64, is_transactional: bool) -> Vec<u8> {
        let builder = BatchBuilder::new().base_offset(offset).record(0, None, Some(b"v"));
        let builder = if producer < 0 { builder } else { builder.producer(producer, 0, 0) };
        let builder = if is_transactional { builder.transactional() } else { builder };
        builder.build().to_vec()
    }

    fn marker(offset: i64, producer: i64, control_type: ControlType) -> Vec<u8> {
        let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 };
        let mut bytes = marker.batch(producer, 0, 0).to_vec();
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        bytes
    }

    fn seen(records: &[Vec<u8>], aborted: &[(i64, i64)]) -> (Vec<i64>, Option<i64>) {
        let of = |(producer, first): &(i64, i64)| {
            AbortedTransaction::default().with_producer_id(ProducerId(*producer)).with_first_offset(*first)
        };
        let aborted: Vec<_> = aborted.iter().map(of).collect();
        let visible = visible(&records.concat().into(), &aborted).unwrap();
        (visible.batches.iter().map(|batch| batch.header().base_offset).collect(), visible.next_offset)
    }

    #[test]
    fn aborted_transactions_and_markers_are_left_out() {
        let log = [
            batch(0, 1, true),
            batch(1, 2, true),
            batch(2, -1, false),
            marker(3, 1, ControlType::Abort),
            batch(4, 1, true),
            batch(5, 1, false),
            marker(6, 2, ControlType::Commit),
            batch(7, 1, true),
            marker(8, 1, ControlType::Abort),
        ];
        assert_eq!(seen(&log, &[(1, 7), (1, 0)]), (vec![1, 2, 4, 5], Some(9)));
        // Uncommitted.
        assert_eq!(seen(&log, &[]), (vec![0, 1, 2, 4, 5, 7], Some(9)));
        // The answer starts within the transaction.
        assert_eq!(seen(&log[7..], &[(1, 4)]), (vec![], Some(9)));
        assert_eq!(seen(&[], &[(1, 4)]), (vec![], None));
    }

    #[test]
    fn a_cut_off_batch_is_left_for_the_next_answer_and_a_damaged_one_is_an_error() {
        let mut log = [batch(0, -1, false), batch(1, -1, false)].concat();
        log.pop();
        let found = visible(&log.clone().into(), &[]).unwrap();
        assert_eq!((found.batches.len(), found.next_offset), (1, Some(1)));
        *log.get_mut(65).unwrap() ^= 1;
        assert!(visible(&log.into(), &[]).is_err());
    }
}
