//! The transactions that a walk over a log meets (Kafka's `CleanedTransactionMetadata`, KIP-534).
//!
//! Batches of an aborted transaction go whatever their keys, and take part in nothing: a value that was aborted must not remove the committed
//! one before it. A marker stays while data of its transaction does, as that alone says if it was committed.

use std::{
    collections::{HashMap, HashSet},
    iter::Peekable,
    vec::IntoIter,
};

use codec::records::BatchHeader;

use crate::AbortedTransaction;

/// They, up to the last batch that was met.
pub(crate) struct LogTransactions {
    /// Aborted ones of which nothing was met yet, by first offset.
    aborted: Peekable<IntoIter<AbortedTransaction>>,
    /// By producer: the aborted transaction whose marker is next, and if a batch of it was met that has records.
    ongoing_aborted: HashMap<i64, bool>,
    /// Producers of which batches with records were met, in a transaction that was not aborted, and no marker since.
    ongoing_committed: HashSet<i64>,
}

impl LogTransactions {
    /// `aborted`: by first offset, all that overlap the walk.
    pub(crate) fn new(aborted: Vec<AbortedTransaction>) -> Self {
        Self {
            aborted: aborted.into_iter().peekable(),
            ongoing_aborted: HashMap::new(),
            ongoing_committed: HashSet::new(),
        }
    }

    /// Takes the next batch, in order of offsets. True for one of an aborted transaction, and for a marker of whose transaction no data
    /// was met.
    pub(crate) fn meets(&mut self, header: &BatchHeader) -> bool {
        while let Some(begun) = self.aborted.next_if(|next| next.first_offset <= header.last_offset()) {
            self.ongoing_aborted.insert(begun.producer_id, false);
        }
        let (producer_id, has_records) = (header.producer_id, header.records_count > 0);
        if header.attributes.is_control() {
            return match self.ongoing_aborted.remove(&producer_id) {
                Some(met) => !met,
                None => !self.ongoing_committed.remove(&producer_id),
            };
        }
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.ongoing_aborted.get_mut(&producer_id) {
            Some(met) => {
                *met |= has_records;
                true
            }
            None => {
                if has_records {
                    self.ongoing_committed.insert(producer_id);
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use codec::records::{BatchBuilder, ControlType, EndTransactionMarker};

    use super::*;

    fn data(base_offset: i64, producer_id: i64) -> BatchHeader {
        let builder =
            BatchBuilder::new().base_offset(base_offset).producer(producer_id, 0, 0).transactional();
        BatchHeader::parse(&builder.record(1, Some(b"k"), Some(b"v")).build()).unwrap()
    }

    fn marker(base_offset: i64, producer_id: i64, control_type: ControlType) -> BatchHeader {
        let marker = EndTransactionMarker { control_type, coordinator_epoch: 0 };
        let header = BatchHeader::parse(&marker.batch(producer_id, 0, 1)).unwrap();
        BatchHeader { base_offset, ..header }
    }

    fn aborted(transactions: &[(i64, i64)]) -> LogTransactions {
        let one = |(producer_id, first_offset): &(i64, i64)| AbortedTransaction {
            producer_id: *producer_id,
            first_offset: *first_offset,
        };
        LogTransactions::new(transactions.iter().map(one).collect())
    }

    #[test]
    fn batches_of_an_aborted_transaction_go_and_those_of_the_next_one_stay() {
        let mut met = aborted(&[(1, 2)]);
        assert!(!met.meets(&data(0, 1)));
        assert!(!met.meets(&marker(1, 1, ControlType::Commit)), "its data is there");
        assert!(met.meets(&data(2, 1)));
        assert!(!met.meets(&data(3, 2)));
        assert!(!met.meets(&marker(4, 1, ControlType::Abort)), "its data goes only now");
        assert!(!met.meets(&data(5, 1)));
        assert!(!met.meets(&marker(6, 2, ControlType::Commit)));
    }

    #[test]
    fn a_marker_without_data_may_go() {
        let mut met = aborted(&[(1, 0)]);
        assert!(met.meets(&marker(3, 1, ControlType::Abort)));
        assert!(met.meets(&marker(4, 1, ControlType::Abort)), "nor has it an entry");
        assert!(met.meets(&marker(5, 2, ControlType::Commit)));
        let emptied = BatchHeader { records_count: 0, ..data(6, 3) };
        assert!(!met.meets(&emptied));
        assert!(met.meets(&marker(7, 3, ControlType::Commit)));
    }

    #[test]
    fn batches_outside_transactions_stay() {
        let mut met = aborted(&[(1, 0)]);
        let plain = BatchBuilder::new().producer(1, 0, 0).record(1, None, None).build();
        assert!(!met.meets(&BatchHeader::parse(&plain).unwrap()));
    }
}
