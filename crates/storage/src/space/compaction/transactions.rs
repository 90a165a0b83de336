//! The transactions of a log, followed batch by batch while it is cleaned (Kafka's `CleanedTransactionMetadata`, KIP-534).
//!
//! Batches of an aborted transaction are removed whatever their keys, and no key of theirs enters the offset map: an aborted value must
//! not remove the committed one before it. A marker stays as long as data of its transaction, because only the marker says that the
//! transaction was committed. The entry of the index says where an aborted transaction ends, also if its marker is damaged or missing:
//! its producer may have written other transactions since.

use std::{
    collections::{HashMap, HashSet},
    iter::Peekable,
    vec::IntoIter,
};

use codec::records::BatchHeader;

use crate::log::AbortedEntry;

/// The transactions open at the last batch that was read.
pub(crate) struct LogTransactions {
    /// Aborted transactions whose first offset has not been reached, in the order of these offsets.
    aborted: Peekable<IntoIter<AbortedEntry>>,
    /// By producer: the offset of the marker of the aborted transaction that it began last.
    ongoing_aborted: HashMap<i64, i64>,
    /// Producers with records in a committed or open transaction whose marker has not been reached.
    ongoing_committed: HashSet<i64>,
}

impl LogTransactions {
    /// `aborted`: all aborted transactions with a batch in the part to be cleaned, in the order of their first offsets.
    pub(crate) fn new(aborted: Vec<AbortedEntry>) -> Self {
        Self {
            aborted: aborted.into_iter().peekable(),
            ongoing_aborted: HashMap::new(),
            ongoing_committed: HashSet::new(),
        }
    }

    /// Takes the next batch, in the order of offsets. True if it may be removed. That is a batch of an aborted transaction, or a marker
    /// of a transaction without data and without an entry in the index, which goes before the marker.
    pub(crate) fn meets(&mut self, header: &BatchHeader) -> bool {
        while let Some(begun) = self.aborted.next_if(|next| next.first_offset <= header.last_offset()) {
            self.ongoing_aborted.insert(begun.producer_id, begun.marker_offset);
        }
        let producer_id = header.producer_id;
        let aborted =
            self.ongoing_aborted.get(&producer_id).is_some_and(|marker| *marker >= header.base_offset);
        if header.attributes.is_control() {
            let committed = self.ongoing_committed.remove(&producer_id);
            return !aborted && !committed;
        }
        if !header.attributes.is_transactional() {
            return false;
        }
        if !aborted && header.records_count > 0 {
            self.ongoing_committed.insert(producer_id);
        }
        aborted
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

    /// Aborted transactions: producer id, first offset, offset of the marker.
    fn aborted(transactions: &[(i64, i64, i64)]) -> LogTransactions {
        let one = |(producer_id, first_offset, marker_offset): &(i64, i64, i64)| AbortedEntry {
            producer_id: *producer_id,
            first_offset: *first_offset,
            marker_offset: *marker_offset,
            last_stable_offset: marker_offset + 1,
        };
        LogTransactions::new(transactions.iter().map(one).collect())
    }

    #[test]
    fn batches_of_an_aborted_transaction_go_and_those_of_the_next_one_stay() {
        let mut met = aborted(&[(1, 2, 4)]);
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
        let mut met = aborted(&[(1, 0, 3)]);
        assert!(!met.meets(&marker(3, 1, ControlType::Abort)), "its entry goes first");
        assert!(met.meets(&marker(4, 1, ControlType::Abort)), "nor has it an entry");
        assert!(met.meets(&marker(5, 2, ControlType::Commit)));
        let emptied = BatchHeader { records_count: 0, ..data(6, 3) };
        assert!(!met.meets(&emptied));
        assert!(met.meets(&marker(7, 3, ControlType::Commit)));
    }

    #[test]
    fn a_transaction_after_an_aborted_one_whose_marker_is_missing_is_not_aborted() {
        let mut met = aborted(&[(1, 0, 3)]);
        assert!(met.meets(&data(0, 1)));
        assert!(!met.meets(&data(4, 1)), "it was committed");
        assert!(!met.meets(&marker(5, 1, ControlType::Commit)), "its data is there");
    }

    #[test]
    fn batches_outside_transactions_stay() {
        let mut met = aborted(&[(1, 0, 3)]);
        let plain = BatchBuilder::new().producer(1, 0, 0).record(1, None, None).build();
        assert!(!met.meets(&BatchHeader::parse(&plain).unwrap()));
    }
}
